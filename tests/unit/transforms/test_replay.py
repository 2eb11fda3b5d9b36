"""Tables of bars through a life: late sessions, revisions, withdrawals, late volumes. What was told stays as told."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables.anchored_vwaps import AnchoredVwaps
from r2k_pipeline.tables.consolidations import Consolidations, OpenRanges
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.levels import LevelEvidence, Levels
from r2k_pipeline.tables.profiles import SwingPivots, VolumeProfiles
from r2k_pipeline.tables.weekly_indicators import WeeklyIndicators
from r2k_pipeline.transforms.anchored_vwaps import build_anchored_vwaps
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.epochs import Continued, KnownBars, as_first_known, without_late_sessions
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.level_evidence import find_evidence, latest_births, since_births, with_published_dates
from r2k_pipeline.transforms.levels import build_level_evidence, build_levels
from r2k_pipeline.transforms.open_ranges import build_open_ranges
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.replay import BuildFacts, regrown, replay, replay_facts, standing
from r2k_pipeline.transforms.volume_profiles import build_volume_profiles
from r2k_pipeline.transforms.weekly_indicators import build_weekly_indicators
from tests.unit.known_rows import known_at_close
from tests.unit.transforms.test_levels import assert_prices_are_their_evidence, filed_of, plain_indicators, walk_bars

UTC_TIME = pl.Datetime("us", "UTC")
LATER = {"superseded_at": ("superseded_at",), "withdrawn_at": ("withdrawn_at", "withdrawn_date"),
         "volume_known_at": ("volume_known_at", "volume", "volume_symbol")}  # fmt: skip
ROLLING = ("rolling_20",)
EDGES = ("rolling_60", "rolling_250")
SESSIONS = walk_bars(0, 90).select("market", "session_date")
ANCHOR = SESSIONS["session_date"][20]
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example builds all tables a few times: shrinking would take minutes."""


def close_of(day: date, hours: float = 21) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(hours=hours)


def plain_vintages(bars: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """Every bar known at its close, its volume the morning after."""
    closes = pl.col("session_date").dt.combine(time(21)).dt.replace_time_zone("UTC").cast(UTC_TIME)
    volume = np.random.default_rng(seed).integers(100, 10_000, bars.height).astype(float)
    return bars.with_columns(
        known_at=closes,
        session_number=pl.int_range(pl.len()).over("market"),
        open="close",
        volume=pl.Series(volume),
        volume_symbol=pl.lit("V"),
        volume_known_at=closes + timedelta(hours=12),
        superseded_at=pl.lit(None, UTC_TIME),
    )


def volumes_of(bars: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    volume = np.random.default_rng(seed).integers(100, 10_000, bars.height).astype(float)
    return bars.with_columns(volume=pl.Series(volume), volume_symbol=pl.lit("V"))


def late(vintages: pl.DataFrame, day: date, until: datetime) -> pl.DataFrame:
    """The session of a day is known at `until` only, its volume too."""
    is_it, at = pl.col("session_date") == day, pl.lit(until).cast(UTC_TIME)
    return vintages.with_columns(
        pl.when(is_it).then(pl.max_horizontal(name, at)).otherwise(name).alias(name)
        for name in ("known_at", "volume_known_at")
    )


def late_volume(vintages: pl.DataFrame, day: date, until: datetime) -> pl.DataFrame:
    return vintages.with_columns(
        volume_known_at=pl.when(pl.col("session_date") == day)
        .then(pl.max_horizontal("volume_known_at", pl.lit(until).cast(UTC_TIME)))
        .otherwise("volume_known_at")
    )


def revised(vintages: pl.DataFrame, day: date, moment: datetime, factor: float) -> pl.DataFrame:
    """From a moment on the prices of a day are `factor` times what they were told as."""
    at = pl.lit(moment).cast(UTC_TIME)
    last = (pl.col("session_date") == day) & pl.col("superseded_at").is_null() & (pl.col("known_at") < at)
    new = vintages.filter(last).with_columns(pl.col("open", "high", "low", "close") * factor, known_at=at)
    return pl.concat([vintages.with_columns(superseded_at=pl.when(last).then(at).otherwise("superseded_at")), new])


def withdrawn(vintages: pl.DataFrame, day: date, moment: datetime) -> pl.DataFrame:
    at = pl.lit(moment).cast(UTC_TIME)
    last = (pl.col("session_date") == day) & pl.col("superseded_at").is_null() & (pl.col("known_at") < at)
    return vintages.with_columns(superseded_at=pl.when(last).then(at).otherwise("superseded_at"))


def returned(vintages: pl.DataFrame, day: date, moment: datetime) -> pl.DataFrame:
    """A withdrawn bar is there again."""
    at = pl.lit(moment).cast(UTC_TIME)
    of_day = vintages.filter(pl.col("session_date") == day).sort("known_at")
    if of_day.is_empty() or of_day["superseded_at"][-1] is None or of_day["superseded_at"][-1] >= moment:
        return vintages
    return pl.concat([vintages, of_day.tail(1).with_columns(known_at=at, superseded_at=pl.lit(None, UTC_TIME))])


@st.composite
def lives(draw: st.DrawFn, sessions: int = 90) -> pl.DataFrame:
    """Vintages of a market through a few events, each at a minute of its own."""
    life = plain_vintages(walk_bars(draw(st.integers(0, 10_000)), sessions))
    days = walk_bars(0, sessions)["session_date"]
    for minute in range(draw(st.integers(1, 5))):
        day = draw(st.integers(5, sessions - 2))
        after = min(day + draw(st.integers(0, 8)), sessions - 1)
        moment = close_of(days[after], 21.5 + minute / 60)
        match draw(st.sampled_from(["late", "late volume", "revised", "withdrawn", "returned"])):
            case "late":
                life = late(life, days[day], moment)
            case "late volume":
                life = late_volume(life, days[day], moment)
            case "revised":
                life = revised(life, days[day], moment, draw(st.sampled_from([0.97, 0.99, 1.01, 1.03])))
            case "withdrawn":
                life = withdrawn(life, days[day], moment)
            case "returned":
                life = returned(withdrawn(life, days[day], moment), days[day], moment + timedelta(days=3))
    return life.sort("session_date", "known_at")


def cut(rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The rows known by a moment, as they were then."""
    rows = rows.filter(pl.col("known_at") <= moment)
    for at, names in LATER.items():
        if at in rows.columns:
            rows = rows.with_columns(pl.when(pl.col(at) <= moment).then(name).alias(name) for name in names)
    return rows


def evidence_of(bars: pl.DataFrame, stood: pl.DataFrame, extends: bool) -> pl.DataFrame:
    indicators = plain_indicators(bars)
    parts = (build_swing_pivots(bars), build_volume_profiles(bars, ROLLING), build_consolidations(bars))
    return build_level_evidence(
        bars, indicators, with_published_dates(find_evidence(bars, indicators, *parts), stood, extends)
    )


STATE = tuple(name for name in Consolidations.column_names() if name not in
              ("market", "confirmed_date", "known_date", "known_at", "end_confirmed_date", "withdrawn_date",
               "withdrawn_at"))  # fmt: skip
Tables = dict[type[Table], pl.DataFrame]
Identity = tuple[str, ...]


def tables_of(vintages: pl.DataFrame, before: Tables | None = None, until: datetime | None = None) -> Tables:
    """All tables of the vintages; of those that go on from `before`, with its rows."""

    continued = None if before is None or until is None else Continued(until, frozenset({"M"}))

    def rows(table: type[Table], build: Callable[..., pl.DataFrame], reads_volume: bool = False) -> pl.DataFrame:
        new = replay(KnownBars(vintages, continued), build, table.create_empty(), reads_volume=reads_volume)
        return new if before is None else pl.concat([before[table], new], how="diagonal").sort("market", "session_date")

    def facts(table: type[Table], build: BuildFacts, dated: str, identity: Identity, **more: bool) -> pl.DataFrame:
        rows = None if before is None else before[table]
        return replay_facts(
            KnownBars(vintages, continued), build, table.create_empty(), dated, identity, published=rows, **more
        )

    found: Tables = {
        DailyIndicators: rows(DailyIndicators, lambda bars, since: build_daily_indicators(bars, since=since)),
        OpenRanges: rows(
            OpenRanges, lambda bars, since: build_open_ranges(bars, build_consolidations(bars), since=since)
        ),
        VolumeProfiles: rows(
            VolumeProfiles, lambda bars, since: build_volume_profiles(bars, ROLLING, since=since), reads_volume=True
        ),
        WeeklyIndicators: rows(
            WeeklyIndicators, lambda bars, since: build_weekly_indicators(bars, SESSIONS, since=since)
        ),
        AnchoredVwaps: rows(
            AnchoredVwaps,
            lambda bars, since: build_anchored_vwaps(bars, build_swing_pivots(bars), (ANCHOR,), since=since),
            reads_volume=True,
        ),
        SwingPivots: facts(
            SwingPivots, lambda bars, *_: build_swing_pivots(bars), "confirmed_date", ("pivot_date", "kind", "price")
        ),
        Consolidations: facts(Consolidations, lambda bars, *_: build_consolidations(bars), "known_date", STATE),
        LevelEvidence: facts(
            LevelEvidence, evidence_of, "filed_date", ("level_id", "kind", "born_date", "price"), reads_volume=True
        ),
    }
    evidence = found[LevelEvidence]
    found[Levels] = rows(
        Levels,
        lambda bars, since: build_levels(
            bars, plain_indicators(bars), standing(evidence, bars, "filed_date"), since=since
        ),
        reads_volume=True,
    )
    return found


def assert_same(tables: Tables, others: Tables, moment: datetime | None = None) -> None:
    for table, rows in tables.items():
        one, other = rows, others[table]
        if moment is not None:
            one, other = cut(one, moment), cut(other, moment)
        by = [*table.primary_key(), "known_at"]
        assert_frame_equal(one.sort(by), other.sort(by), check_exact=True)


@given(life=lives(), sessions=st.integers(10, 88))
@settings(max_examples=5, deadline=None, phases=PHASES)
def test_what_is_known_later_changes_no_row_told_before(life: pl.DataFrame, sessions: int) -> None:
    whole = tables_of(life)
    for hours in (21, 22.5):
        moment = close_of(walk_bars(0, 90)["session_date"][sessions], hours)
        assert_same(whole, tables_of(cut(life, moment)), moment)


@given(life=lives(), step=st.integers(1, 4))
@settings(max_examples=3, deadline=None, phases=PHASES)
def test_a_life_day_by_day_equals_its_rebuild(life: pl.DataFrame, step: int) -> None:
    days = walk_bars(0, 90)["session_date"].to_list()[65::step]
    moments = [close_of(day, 22) for day in days]
    tables, until = tables_of(cut(life, moments[0])), moments[0]
    for moment in moments[1:]:
        known = cut(life, moment)
        tables, until = tables_of(known, tables, until), moment
    assert_same(tables, tables_of(cut(life, until)))


@given(life=lives())
@settings(max_examples=5, deadline=None, phases=PHASES)
def test_contracts_hold_and_levels_are_traced_to_what_stood(life: pl.DataFrame) -> None:
    tables = tables_of(life)
    for table in (SwingPivots, Consolidations, OpenRanges, LevelEvidence):
        table.validate(tables[table])
    in_turn = without_late_sessions(as_known(tables[Levels]))
    shown = tables[Levels].join(in_turn, on=["market", "session_date"], how="semi")
    assert_prices_are_their_evidence(shown, tables[LevelEvidence])


def as_known(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("market", "session_date", "known_at").unique().sort("market", "session_date")


def sessions_told(rows: pl.DataFrame) -> Iterator[tuple[date, datetime]]:
    yield from rows.select("session_date", "known_at").unique().sort("known_at", "session_date").iter_rows()


def test_a_session_two_days_late_leaves_the_sessions_after_it_as_they_were_told() -> None:
    bars = walk_bars(7, 60)
    day = bars["session_date"]
    life = late(plain_vintages(bars), day[50], close_of(day[52], 21.6))
    tables = tables_of(life)
    rows = tables[DailyIndicators]
    assert list(sessions_told(rows))[49:54] == [
        (day[49], close_of(day[49])),
        (day[51], close_of(day[51])),
        (day[52], close_of(day[52])),
        (day[50], close_of(day[52], 21.6)),
        (day[53], close_of(day[53])),
    ]
    without = build_daily_indicators(life.filter(pl.col("session_date") != day[50]))
    with_it = build_daily_indicators(bars.with_columns(session_number=pl.int_range(60)))
    value = {one: rows.filter(session_date=day[one])["sma_20"][0] for one in (50, 51, 52, 53)}
    assert value[51] == without.filter(session_date=day[51])["sma_20"][0]
    assert value[52] == without.filter(session_date=day[52])["sma_20"][0]
    assert value[50] == with_it.filter(session_date=day[50])["sma_20"][0]
    assert value[53] == with_it.filter(session_date=day[53])["sma_20"][0]
    assert rows.filter(session_date=day[51])["return_1d"].is_null().all()
    late_day = pl.col("session_date") == day[50]
    assert without_late_sessions(as_known(rows)).filter(late_day).is_empty()
    assert as_first_known(life).filter(late_day).is_empty()
    for table, dated in (
        (SwingPivots, "confirmed_date"),
        (Consolidations, "known_date"),
        (LevelEvidence, "filed_date"),
    ):
        assert tables[table].filter(pl.col(dated) == day[50]).is_empty()
        assert tables[table].filter(pl.col("withdrawn_date") == day[50]).is_empty()


def test_an_unchanged_pivot_is_not_told_again_when_a_late_session_moves_its_confirmation() -> None:
    bars = walk_bars(3, 60)
    low = build_swing_pivots(bars).filter(kind="low").row(1, named=True)
    days = bars["session_date"].to_list()
    row = days.index(low["pivot_date"])
    life = late(plain_vintages(bars), days[row + 4], close_of(days[row + 6], 21.6))
    story = tables_of(life)[SwingPivots].filter(pivot_date=low["pivot_date"], kind="low")
    assert story.select("price", "confirmed_date", "withdrawn_date").rows() == [(low["price"], days[row + 6], None)]


def test_a_low_told_too_low_is_withdrawn_when_it_is_corrected() -> None:
    bars = walk_bars(3, 60)
    low = build_swing_pivots(bars).filter(kind="low").row(1, named=True)
    days = bars["session_date"].to_list()
    row = days.index(low["pivot_date"])
    wrong = bars.with_columns(
        pl.when(pl.col("session_date") == days[row]).then(pl.col(name) * 0.94).otherwise(name).alias(name)
        for name in ("high", "low", "close")
    )
    pivots = tables_of(revised(plain_vintages(wrong), days[row], close_of(days[row + 8], 22), 1 / 0.94))[SwingPivots]
    story = pivots.filter(pivot_date=low["pivot_date"], kind="low").sort("confirmed_date")
    assert story["price"].to_list() == pytest.approx([low["price"] * 0.94, low["price"]])
    assert story["confirmed_date"].to_list() == [low["confirmed_date"], days[row + 9]]
    assert story["withdrawn_date"].to_list() == [days[row + 9], None]


def corrected(bars: pl.DataFrame, corrections: list[tuple[int, int, float]]) -> pl.DataFrame:
    """Vintages of bars of which some were told wrong: (row, sessions until it was corrected, factor meanwhile)."""
    prices, day = ("high", "low", "close"), bars["session_date"]
    factor = pl.lit(pl.Series([{row: by for row, _, by in corrections}.get(n, 1.0) for n in range(bars.height)]))
    life = plain_vintages(bars).with_columns(pl.col(prices) * factor)
    for row, after, _ in corrections:
        life = revised(life, day[row], close_of(day[row] + timedelta(days=after), 22), 1.0)
    is_right = pl.col("superseded_at").is_null()
    right = bars.select("session_date", *(pl.col(name).alias(f"right_{name}") for name in prices))
    return (
        life.join(right, on="session_date", maintain_order="left")
        .with_columns(pl.when(is_right).then(f"right_{name}").otherwise(name).alias(name) for name in prices)
        .drop(pl.selectors.starts_with("right_"))
        .sort("session_date", "known_at")
    )


@st.composite
def corrections(draw: st.DrawFn) -> list[tuple[int, int, float]]:
    """Up to three corrections of different bars of a hundred."""
    rows = draw(st.lists(st.integers(5, 78), min_size=1, max_size=3, unique=True))
    return [(row, draw(st.integers(0, 20)), draw(st.sampled_from([0.97, 0.99, 1.01, 1.03]))) for row in rows]


def known_at_closes(life: pl.DataFrame) -> Iterator[tuple[date, pl.DataFrame]]:
    """Every session and the plain bars known at its close."""
    closes = life.group_by("session_date").agg(pl.col("known_at").min()).sort("session_date")
    for day, close in closes.iter_rows():
        known = life.filter(pl.col("known_at") <= close, (pl.col("superseded_at") > close).fill_null(True))
        yield day, known.sort("session_date")


def plain_evidence(life: pl.DataFrame) -> pl.DataFrame:
    """Evidence through corrections, of pivots, ranges and years; no volume."""
    identity = ("level_id", "kind", "born_date", "price")
    return replay_facts(
        KnownBars(life), lambda bars, *_: filed_of(bars), LevelEvidence.create_empty(), "filed_date", identity
    )


def plain_pivots(life: pl.DataFrame) -> pl.DataFrame:
    identity = ("pivot_date", "kind", "price")
    empty = SwingPivots.create_empty()
    return replay_facts(KnownBars(life), lambda bars, *_: build_swing_pivots(bars), empty, "confirmed_date", identity)


@given(seed=st.integers(0, 10_000), wrong=corrections())
@settings(max_examples=3, deadline=None, phases=PHASES)
def test_facts_that_stand_at_a_close_are_those_of_the_bars_known_then(
    seed: int, wrong: list[tuple[int, int, float]]
) -> None:
    """Built anew at every close, the days on which they were told aside."""
    life = corrected(walk_bars(seed, 100), wrong)
    for build, facts, dated in (
        (build_swing_pivots, plain_pivots(life), "confirmed_date"),
        (filed_of, plain_evidence(life), "filed_date"),
    ):
        for _, known in known_at_closes(life):
            expected = build(known).drop(dated, "confirmed_date", strict=False)
            stood = standing(facts, known, dated).select(expected.columns)
            assert_frame_equal(stood, expected, check_exact=True, check_row_order=False)


@example(seed=60, wrong=[(62, 12, 1.01), (61, 19, 1.03)])
@given(seed=st.integers(0, 10_000), wrong=corrections())
@settings(max_examples=3, deadline=None, phases=PHASES)
def test_levels_through_corrections_are_those_of_the_bars_known_at_each_close(
    seed: int, wrong: list[tuple[int, int, float]]
) -> None:
    life = corrected(walk_bars(seed, 100), wrong)
    evidence = plain_evidence(life)

    def build(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        return build_levels(bars, plain_indicators(bars), standing(evidence, bars, "filed_date"), since=since)

    levels = replay(KnownBars(life), build, Levels.create_empty())
    assert_prices_are_their_evidence(levels, evidence)
    for day, known in known_at_closes(life):
        found, piece = filed_of(known), ["level_id", "kind", "born_date", "price", "confirmed_date"]
        if found.join(standing(evidence, known, "filed_date"), on=piece, how="anti").height:
            continue  # of equal pieces one stays as published, with the day of its confirmation: zones fade from it
        anew = build_levels(known, plain_indicators(known), found, since=day)
        published = levels.filter(session_date=day).select(anew.columns)
        assert_frame_equal(published, anew, check_exact=True, check_row_order=False)


@given(seed=st.integers(0, 10_000), cut_at=st.integers(300, 419))
@settings(max_examples=4, deadline=None, phases=PHASES)
def test_edges_followed_from_their_latest_evidence_give_the_evidence_that_comes(seed: int, cut_at: int) -> None:
    bars = volumes_of(walk_bars(seed, 420))
    indicators, day = plain_indicators(bars), bars["session_date"][cut_at]
    nothing = (build_swing_pivots(bars).clear(), build_consolidations(bars).clear())
    rolling = build_volume_profiles(bars, EDGES)
    found = find_evidence(bars, indicators, nothing[0], rolling, nothing[1]).cast({"market": str, "kind": str})
    stood = found.filter(pl.col("confirmed_date") < day)
    news, first = latest_births(stood, 1)
    since = build_volume_profiles(bars, EDGES, since=first)
    followed = find_evidence(bars, indicators, nothing[0], since_births(since, news), nothing[1])
    expected, came = (rows.filter(pl.col("confirmed_date") >= day) for rows in (found, followed))
    assert_frame_equal(came.cast(found.schema), expected, check_exact=True, check_row_order=False)


def test_edges_of_which_one_was_never_evidence_are_followed_from_the_first_day() -> None:
    stood = pl.DataFrame(
        {
            "market": ["M", "M"],
            "kind": ["poc_rolling_60", "swing_low"],
            "born_date": [date(2020, 5, 1), date(2019, 1, 1)],
        }
    )
    news, first = latest_births(stood, 1)
    assert first is None
    assert news.rows(named=True) == [
        {"market": "M", "profile_window": "rolling_60", "poc": date(2020, 5, 1), "value_area_low": None,
         "value_area_high": None}
    ]  # fmt: skip


@given(life=lives())
@settings(max_examples=7, deadline=None, phases=PHASES)
def test_rows_kept_from_the_series_before_are_those_built_anew(life: pl.DataFrame) -> None:
    def profiles_of(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        return build_volume_profiles(bars, ROLLING, since=since)

    kept = regrown(profiles_of)
    for epoch in KnownBars(life).epochs(reads_volume=True):
        series = epoch.series()
        assert_frame_equal(kept(series), profiles_of(series, None), check_exact=True)


def test_nothing_revised_nothing_withdrawn() -> None:
    bars = walk_bars(5, 100)
    expected = known_at_close(SwingPivots, build_swing_pivots(bars), "confirmed_date")
    assert_frame_equal(plain_pivots(plain_vintages(bars)), expected, check_exact=True, check_row_order=False)
    assert expected.height > 0


def first_at_600(bars: pl.DataFrame, *_: Any) -> pl.DataFrame:
    """One fact, that the price got to 600, on the first day of it."""
    return bars.filter(pl.col("close") >= 600).group_by("market").agg(pl.col("session_date").min())


FIRST_AT = pl.DataFrame(
    schema={"market": pl.String, "session_date": pl.Date, "known_at": UTC_TIME, "withdrawn_date": pl.Date,
            "withdrawn_at": UTC_TIME}
)  # fmt: skip


def test_a_fact_that_comes_later_than_was_told_is_withdrawn_till_then() -> None:
    bars = walk_bars(1, 30).with_columns(close=pl.when(pl.int_range(30) < 20).then(580.0).otherwise(620.0))
    day = bars["session_date"]
    wrong = bars.with_columns(close=pl.when(pl.col("session_date") == day[5]).then(638.0).otherwise("close"))
    life = revised(plain_vintages(wrong), day[5], close_of(day[8], 22), 580 / 638)
    facts = replay_facts(KnownBars(life), first_at_600, FIRST_AT, "session_date", ())
    assert facts.select("session_date", "withdrawn_date").rows() == [(day[5], day[9]), (day[20], None)]
    assert facts["withdrawn_at"].to_list() == [close_of(day[9]), None]


def test_news_of_what_a_table_does_not_read_changes_nothing_in_it() -> None:
    bars = walk_bars(5, 60)
    day = bars["session_date"]
    plain, moment = plain_vintages(bars), close_of(day[45], 22)
    is_it = pl.col("session_date") == day[40]
    other = plain.filter(is_it).with_columns(pl.col("open") - 1, pl.col("volume") * 90, known_at=pl.lit(moment))
    revised_volume = pl.concat(
        [plain.with_columns(superseded_at=pl.when(is_it).then(pl.lit(moment)).otherwise("superseded_at")), other]
    )
    assert_frame_equal(tables_of(revised_volume)[DailyIndicators], tables_of(plain)[DailyIndicators], check_exact=True)
    profiles = [tables_of(life)[VolumeProfiles] for life in (revised_volume, plain)]
    assert_same({VolumeProfiles: profiles[0]}, {VolumeProfiles: profiles[1]}, close_of(day[45]))
    assert not profiles[0].equals(profiles[1])
