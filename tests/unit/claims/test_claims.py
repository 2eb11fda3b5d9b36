"""Claims of notes: what a note may say, what its SQL may do, and how rows become verdicts, on a few rows by hand."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r2k_pipeline.claims.known_views import READABLE
from r2k_pipeline.claims.note import SHIPPED, read_note
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError
from r2k_pipeline.claims.verdict import Verdict
from r2k_pipeline.claims.verdicts import judge, judge_notes
from r2k_pipeline.contracts.marts import Markets, PositioningVintages, Sessions
from r2k_pipeline.contracts.prices import MarketBars, PriceVintages
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.claims import Claims, claims
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.profiles import SwingPivots
from tests.pipeline.command_line import r2k
from tests.sql.rows import Given, Row
from tests.unit.published import SAMPLE, mart_row, publish
from tests.unit.sandboxed import sandboxed

LATER = datetime(2030, 1, 1, tzinfo=UTC)
MOMENT = "2025-03-14T20:00:00Z"
GOOD = """
[[claims]]
id = "good"
claim = "one is less than two"
[[claims.definitions]]
alternative = "only"
reading = "as it says"
unit = "points"
sql = "select 1 as value"
holds_when = "value < 2"
"""


def _bar(day: str, close: float, known_at: str | None = None, superseded_at: str | None = None) -> Row:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    known = known_at or f"{day}T20:00Z"
    return {"market": "RUT", "session_date": day, "known_at": known, "superseded_at": superseded_at, **prices}


def _positions(day: str, net: float, known_at: str, superseded_at: str | None = None) -> Row:
    key = {"market": "RUT", "report_type": "tff_futures", "report_date": day, "trader_group": "asset_manager"}
    times = {"released_at": "2025-03-14T19:30Z", "known_at": known_at, "superseded_at": superseded_at}
    return {**key, **times, "net_contracts": net}


def _vintage(symbol: str, day: str) -> Row:
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    return {"symbol": symbol, "session_date": f"2025-03-{day}", "known_at": f"2025-03-{day}T20:00Z", **prices}


ROWS: Given = {
    MarketBars: [
        _bar("2025-03-13", 1993.0),
        _bar("2025-03-14", 2040.0, superseded_at="2025-03-18T10:00Z"),
        _bar("2025-03-14", 2044.0, known_at="2025-03-18T10:00Z"),
        _bar("2025-03-17", 2068.0),
    ],
    DailyIndicators: [
        {"market": "RUT", "session_date": day, "close": 2000.0, "rsi_14": rsi, "drawdown_ratio": 0.0}
        for day, rsi in (("2025-03-13", 24.0), ("2025-03-14", None), ("2025-03-17", 39.0))
    ],
    SwingPivots: [
        {
            "market": "RUT",
            "pivot_date": "2025-03-06",
            "kind": "low",
            "price": price,
            "confirmed_date": confirmed,
            "withdrawn_date": withdrawn,
            "withdrawn_at": withdrawn and f"{withdrawn}T20:00Z",
        }
        for price, confirmed, withdrawn in ((1990.0, "2025-03-13", "2025-03-17"), (1995.0, "2025-03-17", None))
    ],
    PositioningVintages: [
        _positions("2025-03-04", 72_008.0, "2025-03-07T20:30Z"),
        _positions("2025-03-11", 48_030.0, "2025-03-14T19:30Z", "2025-03-20T12:00Z"),
        _positions("2025-03-11", 48_000.0, "2025-03-20T12:00Z"),
    ],
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("lake"), ROWS) as opened:
        yield opened


def _toml(value: Any) -> str:
    """JSON text and numbers are TOML's; a table is not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value)


def _definition(**given: Any) -> str:
    """A note of one claim with one definition, as TOML."""
    plain = {"alternative": "only", "reading": "as it says", "unit": "points", "sql": "select 1 as value"}
    fields = {**plain, "holds_when": "value > 0", **given}
    moments = {"as_of", "judged_until"}
    values = {name: value if name in moments else _toml(value) for name, value in fields.items() if value is not None}
    lines = [f"{name} = {value}" for name, value in values.items()]
    head = f'title = "a note"\nas_of = {MOMENT}\n[[claims]]\nid = "C1"\nclaim = "it is so"\n[[claims.definitions]]\n'
    return head + "\n".join(lines)


def _judged(sandbox: Sandbox, folder: Path, data_known_at: datetime = LATER, **given: Any) -> Verdict:
    file = folder / "note.toml"
    file.write_text(_definition(**given), "utf-8")
    note = read_note(file)
    assert note.mistakes == ()
    (verdict,) = judge(note, sandbox, data_known_at)
    return verdict


@pytest.mark.parametrize(
    ("sql", "holds_when", "rows", "verdict", "computed"),
    [
        ("select 5 as value", "value > 4", "all", "holds", 5.0),
        ("select 5 as value", "value > 5", "all", "fails", 5.0),
        ("select 1 as value where false", "true", "all", "undetermined", None),
        ("select null as value", "true", "all", "undetermined", None),
        ("select 5 as value, null::int as other", "other > 4", "all", "undetermined", 5.0),
        ("select unnest([5, 3]) as value", "value > 4", "all", "fails", 3.0),
        ("select unnest([5, 3]) as value", "value > 4", "any", "holds", 5.0),
        ("select unnest([5, null]) as value", "value > 4", "all", "undetermined", 5.0),
        ("select unnest([5, null]) as value", "value > 4", "any", "holds", 5.0),
        ("select unnest([3, null]) as value", "value > 4", "all", "fails", 3.0),
        ("select unnest([3, null]) as value", "value > 4", "any", "undetermined", 3.0),
        ("select 2.5::decimal(9, 1) as value", "value = 2.5", "all", "holds", 2.5),
        ("select sum(x)::hugeint as value from range(4) as r (x);", "value = 6", "all", "holds", 6.0),
        ("select '100>50' as value", "value like '100%'", "all", "holds", "100>50"),
        ("select date '2025-02-19' as value", "value = date '2025-02-19'", "all", "holds", "2025-02-19"),
        ("select true as value -- so", "value -- so", "all", "holds", "True"),
        ("select 'a'::enum ('a', 'b') as value", "value = 'a'", "all", "holds", "a"),
        (
            "select uuid '00000000-0000-0000-0000-00000000000a' as value",
            "true",
            "all",
            "holds",
            f"{'0' * 8}-0000-0000-0000-00000000000a",
        ),
        ("select '{}'::json as value", "value = '{}'", "all", "holds", "{}"),
        ("select '' as value", "value = ''", "all", "holds", ""),
        ("select timestamp_ns '2025-03-14' as value", "true", "all", "holds", "2025-03-14T00:00:00"),
    ],
)
def test_rows_and_a_condition_become_a_verdict(
    sandbox: Sandbox, tmp_path: Path, sql: str, holds_when: str, rows: str, verdict: str, computed: float | str | None
) -> None:
    judged = _judged(sandbox, tmp_path, sql=sql, holds_when=holds_when, rows=rows)
    found = judged.finding
    assert judged.error is None
    assert found.verdict == verdict
    assert (found.computed_text if found.computed_value is None else found.computed_value) == computed
    assert (found.reason is None) == (verdict != "undetermined")
    Claims.validate(claims(partial(judge_notes, [read_note(tmp_path / "note.toml")], sandbox), LATER))


def test_every_column_that_is_judged_is_shown_of_the_row_that_decides(sandbox: Sandbox, tmp_path: Path) -> None:
    sql = "select value, -value as other, 'other' as third from (values (5), (3), (9)) as given (value)"
    judged = _judged(sandbox, tmp_path, sql=sql, holds_when="other < -8 and third <> 'value'", rows="any").finding
    assert (judged.verdict, judged.computed_value, judged.judged) == ("holds", 9.0, "other = -9, third = other")


def test_no_rows_says_of_what(sandbox: Sandbox, tmp_path: Path) -> None:
    sql = "select close as value from staging.market_bars where market = $market"
    judged = _judged(sandbox, tmp_path, sql=sql, parameters={"market": "RUTT"})
    assert judged.finding.reason == "no rows of market = RUTT"


def test_the_share_of_other_prices_that_pass_stands_beside_the_value(sandbox: Sandbox, tmp_path: Path) -> None:
    judged = _judged(sandbox, tmp_path, sql="select 2 as value, 0.755 as base_rate").finding
    assert (judged.computed_value, judged.computed_text) == (2.0, "76 % of other prices pass this test")


def test_where_no_hour_is_named_the_moment_is_a_reading(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "note.toml"
    sql = "select net_contracts as value from marts.weekly_positioning order by report_date desc limit 1"
    file.write_text(_definition(sql=sql, holds_when="value < 60000", as_of="2025-03-14"))
    close, start = judge(read_note(file), sandbox, LATER)
    assert (close.definition.alternative, close.as_of, close.finding.verdict) == (
        "only",
        datetime(2025, 3, 14, 20, tzinfo=UTC),
        "holds",
    )
    assert (start.definition.alternative, start.as_of, start.finding.verdict) == (
        "only_at_open",
        datetime(2025, 3, 14, 13, 30, tzinfo=UTC),
        "fails",
    )
    file.write_text(_definition(as_of="2025-03-15"))
    (mistake,) = read_note(file).mistakes
    assert "claim 'C1': only: as_of: the exchange is closed on 2025-03-15; next: give 2025-03-14, the" in mistake


@pytest.mark.parametrize(
    ("moment", "closes", "rsi", "nets"),
    [
        ("2025-03-13T19:59:59Z", [], [], [72_008.0]),
        ("2025-03-14T19:29:59Z", [1993.0], [24.0], [72_008.0]),
        ("2025-03-14T20:00:00Z", [1993.0, 2040.0], [24.0, None], [72_008.0, 48_030.0]),
        ("2025-03-18T10:00:00Z", [1993.0, 2044.0, 2068.0], [24.0, None, 39.0], [72_008.0, 48_030.0]),
        ("2025-03-20T12:00:00Z", [1993.0, 2044.0, 2068.0], [24.0, None, 39.0], [72_008.0, 48_000.0]),
    ],
)
def test_a_claim_sees_what_was_known_and_not_what_came_after(
    sandbox: Sandbox, moment: str, closes: list[float], rsi: list[float], nets: list[float]
) -> None:
    known = datetime.fromisoformat(moment)
    bars = sandbox.rows("select close, superseded_at from staging.market_bars order by session_date", {}, known)
    assert bars["close"].to_list() == closes
    assert bars["superseded_at"].null_count() == len(closes)
    rows = sandbox.rows("select rsi_14 from features.daily_indicators order by session_date", {}, known)
    assert rows["rsi_14"].to_list() == rsi
    rows = sandbox.rows("select net_contracts from marts.weekly_positioning order by report_date", {}, known)
    assert rows["net_contracts"].to_list() == nets


@pytest.mark.parametrize(
    ("moment", "pivots"),
    [
        ("2025-03-13T19:59:59Z", []),
        ("2025-03-14T20:00:00Z", [(1990.0, None)]),
        ("2025-03-18T10:00:00Z", [(1990.0, date(2025, 3, 17)), (1995.0, None)]),
    ],
)
def test_a_claim_sees_no_withdrawal_before_it_came(
    sandbox: Sandbox, moment: str, pivots: list[tuple[float, date | None]]
) -> None:
    sql = "select price, withdrawn_date from features.swing_pivots order by confirmed_date"
    assert sandbox.rows(sql, {}, datetime.fromisoformat(moment)).rows() == pivots


@pytest.mark.parametrize("name", READABLE)
def test_what_is_readable_has_the_columns_that_it_has_in_the_warehouse(sandbox: Sandbox, name: str) -> None:
    assert sandbox.rows(f"select * from {name} limit 0", {}, LATER).columns == TABLES[name].column_names()


def test_a_claim_that_looks_ahead_waits_for_its_moment(sandbox: Sandbox, tmp_path: Path) -> None:
    sql = "select max(close) as value, count(*) as sessions from staging.market_bars where session_date > $as_of::date"
    ahead = {"sql": sql, "holds_when": "value > 2044", "judged_until": "2025-03-17T20:00:00Z"}
    at_its_moment = datetime(2025, 3, 17, 20, tzinfo=UTC)
    early = _judged(sandbox, tmp_path, datetime(2025, 3, 17, 19, 59, tzinfo=UTC), **ahead)
    assert (early.finding.verdict, early.finding.evidence) == ("undetermined", "[]")
    assert early.finding.reason == "judged at 2025-03-17 20:00 UTC: not known yet"
    then = _judged(sandbox, tmp_path, at_its_moment, **ahead)
    assert (then.finding.verdict, json.loads(then.finding.evidence)) == ("holds", [{"value": 2068.0, "sessions": 1}])
    note = read_note(tmp_path / "note.toml")
    assert claims(partial(judge_notes, [note], sandbox), datetime(2025, 3, 17, 19, tzinfo=UTC)).is_empty()
    row = claims(partial(judge_notes, [note], sandbox), at_its_moment).row(0, named=True)
    assert (row["judged_until_at"], row["known_at"]) == (at_its_moment, at_its_moment)
    assert row["as_of"] == datetime(2025, 3, 14, 20, tzinfo=UTC)


SHORT: Given = {
    Markets: [
        {
            "market": market,
            "name": market,
            "index_symbol": f"^{market}",
            "price_series": "index",
            "calendar": "XNYS",
            "primary_report_type": report_type,
        }
        for market, report_type in (("RUT", "tff_futures"), ("SPX", "disaggregated_futures"))
    ],
    Sessions: [
        {
            "calendar": "XNYS",
            "session_date": f"2025-03-{day}",
            "open_at": f"2025-03-{day}T13:30Z",
            "close_at": f"2025-03-{day}T20:00Z",
        }
        for day in ("05", "06", "07", "10", "11", "12", "13", "14")
    ],
    MarketBars: [
        _bar("2025-03-07", 2075.0),
        *({**_bar(f"2025-03-{day}", 5600.0), "market": "SPX"} for day in (13, 14)),
    ],
    PriceVintages: [
        *(_vintage("^RUT", day) for day in ("05", "07")),
        *(_vintage("^SPX", day) for day in ("07", "10", "11", "13", "14")),
    ],
    PositioningVintages: [
        _positions("2025-03-04", 72_008.0, "2025-03-07T20:30Z"),
        _positions("2025-03-04", 72_008.0, "2025-03-07T20:30Z")
        | {"market": "SPX", "report_type": "disaggregated_futures", "trader_group": "managed_money"},
    ],
    CotReleases: [
        {"report_date": day, "released_at": released, "scheduled_at": released}
        for day, released in (("2025-03-04", "2025-03-07T20:30Z"), ("2025-03-11", "2025-03-14T19:30Z"))
    ],
}
"""Prices of one market that end a week before those of the other, and before the note; and one report."""
BARS = "select max(close) as value from staging.market_bars where market = $market"
NETS = "select net_contracts as value from marts.weekly_positioning where market = $market"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"sql": BARS, "parameters": {"market": "RUT"}}, "the prices of ^RUT end at 2025-03-07"),
        ({"sql": BARS, "parameters": {"market": "RUT"}, "as_of": "2025-03-10T20:00:00Z"}, "the prices of ^RUT end"),
        ({"sql": BARS, "parameters": {"market": "RUT"}, "as_of": "2025-03-10T19:59:59Z"}, None),
        ({"sql": BARS, "parameters": {"market": "SPX"}}, None),
        ({"sql": BARS.replace("$market", "'SPX'")}, None),
        ({"sql": 'select count(*) as value from Staging."MARKET_BARS"'}, "the prices of ^RUT end at 2025-03-07"),
        (
            {
                "sql": None,
                "check": "anchored_profile",
                "parameters": {"market": "RUT", "anchor_date": date(2025, 3, 7), "bin_points": 5.0},
            },
            "the prices of ^RUT end at 2025-03-07",
        ),
        ({"sql": NETS, "parameters": {"market": "RUT"}}, "the reports of RUT (tff_futures) end at 2025-03-04"),
        ({"sql": NETS, "parameters": {"market": "RUT"}, "as_of": "2025-03-14T19:29:59Z"}, None),
        ({"sql": "select 1 as value"}, None),
    ],
)
def test_a_moment_that_the_data_does_not_reach_is_not_judged_on_older_rows(
    short: Sandbox, tmp_path: Path, given: dict[str, Any], missing: str | None
) -> None:
    judged = _judged(short, tmp_path, **given)
    assert judged.error is None
    if missing is None:
        assert judged.finding.verdict == "holds"
    else:
        assert judged.finding.verdict == "undetermined"
        assert str(judged.finding.reason).startswith(missing)
        assert "2025-03-10 was due" in str(judged.finding.reason) or "2025-03-11 was due" in str(judged.finding.reason)


@pytest.mark.parametrize(
    ("given", "market"),
    [
        ({"sql": BARS, "parameters": {"market": "SPX"}}, "SPX"),
        ({"sql": BARS.replace("$market", "'SPX'")}, None),
        ({"reading": "parameters: market = SPX"}, None),
    ],
)
def test_a_reading_has_the_market_of_its_parameters(
    short: Sandbox, tmp_path: Path, given: dict[str, Any], market: str | None
) -> None:
    assert _judged(short, tmp_path, **given).row()["market"] == market


def test_a_window_with_a_hole_says_so(short: Sandbox, tmp_path: Path) -> None:
    judged = _judged(short, tmp_path, sql=BARS, parameters={"market": "RUT"}, as_of="2025-03-07T20:00:00Z")
    lacking = "the 52 weeks to 2025-03-07 lack 1 session of ^RUT, of 2025-03-06"
    assert (judged.finding.verdict, judged.finding.reason) == ("holds", lacking)
    Claims.validate(claims(partial(judge_notes, [read_note(tmp_path / "note.toml")], short), LATER))


def test_a_hole_at_the_moment_is_not_filled_by_what_came_later(short: Sandbox, tmp_path: Path) -> None:
    judged = _judged(short, tmp_path, sql=BARS, parameters={"market": "SPX"}, as_of="2025-03-12T20:00:00Z")
    said = "the prices of ^SPX end at 2025-03-11: session 2025-03-12 was due 2025-03-12 20:00 UTC and is missing"
    assert (judged.finding.verdict, judged.finding.reason) == ("undetermined", said)


OF_MART = "marts.positioning_vs_technicals where market = 'SPX'"
SPX_ENDS = "the reports of SPX (disaggregated_futures) end at 2025-03-04"


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({"sql": f"select count(asset_manager_dominant_flow) as value from {OF_MART}"}, True),
        ({"sql": f"select count(*) as value from (from {OF_MART}) where alignment is null"}, True),
        ({"sql": "select count(speculator_label) as value from latest() where market = 'SPX'"}, True),
        ({"sql": f"select count(institution_percentile_difference) as value from {OF_MART}".replace(
            "positioning_vs_technicals", "cross_market")}, True),
        ({"sql": f"select *, 1 as value from {OF_MART}", "holds_when": "value = 1 and setup is null"}, True),
        ({"sql": f"select max(close) as value from {OF_MART} -- not the setup of weekly_positioning"}, False),
        ({"sql": f"select max(close) as value, 'no setup' as report_kind from {OF_MART}"}, False),
    ],
)  # fmt: skip
def test_positions_of_the_marts_rest_on_the_markets_primary_report(
    short: Sandbox, tmp_path: Path, given: dict[str, Any], *, ends: bool
) -> None:
    judged = _judged(short, tmp_path, **given)
    assert judged.error is None
    assert (SPX_ENDS in str(judged.finding.reason)) == ends
    assert "tff_futures" not in str(judged.finding.reason)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("lake"), SHORT) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("insert into marts.markets values (1)", "one SELECT"),
        ("select 1 as value; drop view marts.markets", "one SELECT"),
        ("with gone as (delete from marts.markets returning 1) select 1 as value", "one SELECT"),
        ("create table t as select 1", "one SELECT"),
        ("copy (select 1) to 'stolen.csv'", "one SELECT"),
        ("attach 'other.duckdb'", "one SELECT"),
        ("set memory_limit = '64GB'", "one SELECT"),
        ("pragma database_list", "one SELECT"),
        ("install httpfs", "one SELECT"),
        ("call pragma_version()", "one SELECT"),
        ("select * from read_csv('/etc/passwd')", "must not read"),
        ("select content as value from read_text('/etc/passwd')", "must not read"),
        ("select * from '/etc/passwd'", "must not read"),
        ("select * from 'https://127.0.0.1/x.parquet'", "must not read"),
        ("select * from glob('*')", "must not read"),
        ("select * from duckdb_settings()", "must not read"),
        ("select * from information_schema.tables", "must not read"),
        ("select * from query('select 1')", "must not read"),
        ("select * from published.meta.generation", "must not read"),
        ("select 1 as value where exists (from raw.price_bars)", "must not read"),
        ("select current_setting('memory_limit') as value", "must not call current_setting"),
        ("select getenv('HOME') as value", "must not call getenv"),
        ("select getvariable('known') as value", "must not call getvariable"),
        ("select random() as value", "must not call random"),
        ("select now() as value", "must not call"),
        ("select current_date as value", "must not call current_date"),
        ("select sleep_ms(100000) as value", "must not call sleep_ms"),
        ("select nothing as value from marts.markets", "nothing"),
        ("select market + 1 as value from staging.market_bars", "Binder Error|Conversion Error"),
        ("selec 1", "SQL"),
        ("select 1 as value) union (select 2", "SQL"),
        ("", "one SELECT"),
        ("(" * 5_000, "SQL"),
        ("select $unknown as value", "unknown"),
        ("select * from range(101) as r (value)", "more than 100 rows"),
    ],
)
def test_sql_that_may_not_or_cannot_run_says_why(sandbox: Sandbox, sql: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason):
        sandbox.rows(sql, {}, LATER)


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive loop as (select 1 as value union all from loop) select count(*) as value from loop",
        "select count(*) as value from range(9000000) a (x), range(9000000) b (y) where x * y % 7 = 3",
        "select max(md5(x::varchar)) as value from range(900000000000) as r (x)",
    ],
)
def test_an_endless_query_is_stopped_and_the_next_one_runs(sandbox: Sandbox, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(SandboxError, match=r"stopped after 0\.5 seconds|Out of Memory"):
        sandbox.rows(sql, {}, LATER)
    assert time.monotonic() - started < 8
    assert sandbox.rows("select 1 as value", {}, LATER).item() == 1


def test_memory_is_bounded(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"Out of Memory|stopped after"):
        sandbox.rows("select len(list(repeat(x::varchar, 200))) as value from range(90000000) as r (x)", {}, LATER)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"sql": "select 1 as price"}, "no column `value`, only price"),
        ({"sql": "select [1] as value"}, "value is INTEGER[]: give text, a number"),
        ({"sql": "select 'nan'::double as value"}, "value is nan"),
        ({"holds_when": "price > 1"}, "price"),
        ({"holds_when": "value + 1"}, "not true or false"),
        ({"holds_when": "value > 0, 1"}, "holds_when is TUPLE(BOOLEAN, INTEGER)"),
        ({"holds_when": "true or count(*) > 0", "sql": "select unnest([1, 2]) as value"}, "1 answers on 2 rows"),
        ({"sql": "select interval 1 day as value"}, "value is INTERVAL: give text, a number"),
        ({"sql": "select max(known_at) - min(known_at) as value from staging.market_bars"}, "value is INTERVAL"),
        ({"sql": "select union_value(a := 1) as value"}, "value is UNION(a INTEGER)"),
        ({"sql": "select date 'infinity' as value"}, "value is infinity: no day or instant"),
        ({"sql": "select timestamptz '-infinity' as value"}, "value is -infinity: no day or instant"),
        ({"sql": "select timestamp_ns 'infinity' as value"}, "value is infinity: no day or instant"),
        ({"sql": "select 1 as value, date '290000-01-01' as late"}, "late is 290000-01-01: no day or instant"),
        ({"sql": "select date '0044-03-15 (BC)' as value"}, "value is 0044-03-15 (BC): no day or instant"),
        ({"sql": "select chr(27) || '[2J' as value"}, "value contains a control character"),
        ({"sql": "select 1 as value, 'holds' || chr(10) || 'ERROR' as words"}, "words contains a control character"),
        ({"sql": "select '=cmd|'' /C calc''!A0' as value"}, "value begins with '=': a spreadsheet would compute it"),
        ({"sql": 'select 1 as value where "red\x1b[31m" = 1'}, "red\\x1b[31m"),
        ({"holds_when": "true from read_csv('/etc/passwd'); --"}, "SQL"),
        ({"holds_when": "exists (from marts.markets)"}, "must not read"),
        ({"holds_when": "random() < 0.5"}, "must not call random"),
        ({"parameters": {"extra": 1}}, "parameters given and parameters used differ: extra"),
        ({"sql": "select $price as value"}, "parameters given and parameters used differ: price"),
        ({"sql": None, "check": "no_such"}, "no check 'no_such'; there are: anchored_profile, rsi_trigger"),
        ({"sql": None, "check": "rsi_trigger", "parameters": {"market": "RUT"}}, "rsi: is missing"),
        (
            {"sql": "select repeat('x', 200000) as value"},
            "evidence is longer than 100,000 characters",
        ),
    ],
)
def test_a_definition_that_cannot_be_computed_is_undetermined_and_an_error(
    sandbox: Sandbox, tmp_path: Path, given: dict[str, Any], reason: str
) -> None:
    judged = _judged(sandbox, tmp_path, **given)
    assert judged.finding.verdict == "undetermined"
    assert judged.error is not None
    assert reason in judged.error
    assert judged.error.endswith(str(judged.finding.reason).removeprefix("error: "))
    assert judged.error.startswith(f"{tmp_path / 'note.toml'}:4: claim 'C1': only: ")
    assert judged.error.isprintable()
    assert _judged(sandbox, tmp_path).finding.verdict == "holds"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"sql": None}, "give one of sql, query and check"),
        ({"check": "rsi_trigger"}, "give one of sql, query and check"),
        ({"sql": None, "query": "no_such"}, "only: no query 'no_such' in [queries]; there are: none"),
        ({"query": "no_such"}, "give one of sql, query and check"),
        ({"unit": None}, "unit: is missing"),
        ({"readings": "red"}, "readings: no such key; next: remove it, or rename it to reading"),
        ({'"red\\u001b[31m"': "red"}, r"red\x1b[31m: no such key"),
        ({"unit": 5}, "unit = 5: should be a valid string"),
        ({"rows": "most"}, "rows = 'most': is not one of 'all' or 'any'"),
        ({"reading": "red \x1b[31m alert"}, "control character"),
        ({"reading": "x" * 2_000}, "at most 1000 characters"),
        ({"alternative": "'; drop table marts.claims; --"}, "does not fit the pattern"),
        ({"as_of": "2025-03-14T20:00:00"}, "as_of = 2025-03-14 20:00:00: should be an instant with its zone, or a day"),
        ({"judged_until": "2025-03-14T20:00:00Z"}, "judged_until must come after as_of"),
    ],
)
def test_a_mistake_in_a_claim_names_file_claim_and_key(tmp_path: Path, given: dict[str, Any], reason: str) -> None:
    file = tmp_path / "note.toml"
    file.write_text(_definition(**given) + GOOD, "utf-8")
    note = read_note(file)
    assert [claim.id for claim in note.claims] == ["good"]
    (mistake,) = note.mistakes
    assert mistake.startswith(f"{file}:3: claim 'C1': ")
    assert reason in mistake


def test_a_query_that_several_readings_share_is_written_once(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "note.toml"
    shared = '[queries]\nclose_of_the_day = "select 5 as value"\n[[claims]]'
    file.write_text(
        _definition(sql=None, query="close_of_the_day", holds_when="value = 5").replace("[[claims]]", shared, 1)
    )
    note = read_note(file)
    (verdict,) = judge(note, sandbox, LATER)
    assert (note.mistakes, verdict.finding.verdict) == ((), "holds")
    assert "select 5 as value" in note.claims[0].definitions[0].text()


def test_ids_and_alternatives_are_given_once(tmp_path: Path) -> None:
    file = tmp_path / "note.toml"
    reading = _definition().partition("[[claims.definitions]]")[2]
    file.write_text(_definition() + GOOD + GOOD + "[[claims.definitions]]" + reading, "utf-8")
    note = read_note(file)
    assert [claim.id for claim in note.claims] == ["C1", "good"]
    assert note.mistakes == (f"{file}:22: claim 'good': claim: alternative given twice: only",)
    file.write_text(_definition() + GOOD + GOOD, "utf-8")
    assert read_note(file).mistakes == (f"{file}:22: claim 'good': this id is given twice; the first one counts",)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[[claims]\n", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"a = " + b"[" * 100_000, "not TOML"),
        (b"title = 'x'", r"no \[claims\]"),
        (b"claims = 5", r"no \[claims\]"),
        (b"[[claims]]\nid = 'a'\n", "title: is missing"),
        (b"#" * 1_000_001, "larger than"),
    ],
)
def test_what_is_no_note_says_so(tmp_path: Path, body: bytes, reason: str) -> None:
    file = tmp_path / "note.toml"
    file.write_bytes(body)
    with pytest.raises(MistakesError, match=reason) as error:
        read_note(file)
    assert str(error.value).startswith(f"{file}: ")
    with pytest.raises(MistakesError, match=r"cannot be read: Is a directory; next: give an existing file, or"):
        read_note(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(st.text(max_size=200), st.text(alphabet="select from()*,;'\"$[]1 --/\n", max_size=80)))
def test_any_text_as_sql_gives_rows_or_a_reason(sandbox: Sandbox, text: str) -> None:
    with suppress(SandboxError):
        assert sandbox.rows(text, {}, LATER).height <= 100
    assert sandbox.rows("select count(*) as value from staging.market_bars", {}, LATER).item() == 3


def test_check_note_runs_the_others_names_the_mistakes_and_ends_with_1(tmp_path: Path) -> None:
    lake = publish(tmp_path / "lakes", [mart_row("RUT", "2025-03-13", close=1993.69)])
    sql = "select close as value, session_date from marts.positioning_vs_technicals where market = $market"
    wrong = 'id = "wrong"\nclaim = "no such column"\n[[claims.definitions]]\nalternative = "only"\nreading = "none"\n'
    wrong += 'unit = "points"\nsql = "select price as value from marts.markets"\nholds_when = "true"\n'
    good = _definition(sql=sql, parameters={"market": "RUT"}, holds_when="value < 2000", as_of="2025-03-13T20:00:00Z")
    file = tmp_path / "note.toml"
    file.write_text(f"{good}\n[[claims]]\n{wrong}\n[[claims]]\nid = 'empty'\n", "utf-8")
    arguments = ("check-note", file, "--lake", tmp_path / "lakes")
    said = r2k(tmp_path, *arguments)
    assert said.exit_code == 1
    covered = "3 statements: 2 checked, 0 not checkable, 0 without a word, 1 with a mistake"
    readings = "their readings: 1 hold, 0 fail, 1 undetermined"
    assert said.output.startswith(f"{SAMPLE}\na note\n{covered}\n{readings}\n")
    assert "    holds         only: 1,993.69 (points)\n" in said.output
    lines = file.read_text("utf-8").splitlines()
    assert f"ERROR  {file}:{len(lines) - 1}: claim 'empty': says: is missing" in said.output
    wrong_line = lines.index('id = "wrong"') + 1
    assert f"ERROR  {file}:{wrong_line}: claim 'wrong': only: Binder Error: " in said.output
    assert 'Candidate bindings: "' in said.output
    assert said.output.endswith("\nnext: columns are in docs/tables.md, keys and words in docs/claims.md\n")
    found = json.loads(r2k(tmp_path, *arguments, "--json").stdout)
    assert (found["is_sample"], len(found["errors"])) == (True, 2)
    assert found["verdicts"][0]["evidence"] == [{"value": 1993.69, "session_date": "2025-03-13"}]
    file.write_text(good, "utf-8")
    assert r2k(tmp_path, *arguments).exit_code == 0
    file.write_text("title", "utf-8")
    refused = r2k(tmp_path, *arguments)
    assert (refused.exit_code, refused.stderr.startswith(f"r2k: {file}: not TOML: ")) == (1, True)
    assert lake.warehouse.exists()


def test_without_a_warehouse_the_next_command_is_named(tmp_path: Path) -> None:
    said = r2k(tmp_path, "check-note", next(SHIPPED.glob("*.toml")), "--lake", tmp_path)
    assert said.exit_code == 1
    assert "no warehouse yet; next: r2k run" in said.stderr


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_notes_have_no_mistake(file: Path) -> None:
    assert read_note(file).mistakes == ()


def test_evidence_is_what_the_query_gave_in_its_order(sandbox: Sandbox, tmp_path: Path) -> None:
    sql = "select close as value, session_date, known_at from staging.market_bars order by session_date desc"
    evidence = json.loads(_judged(sandbox, tmp_path, sql=sql).finding.evidence)
    assert evidence[0] == {"value": 2040.0, "session_date": "2025-03-14", "known_at": "2025-03-14T20:00:00+00:00"}
    assert [date.fromisoformat(row["session_date"]).day for row in evidence] == [14, 13]
    assert pl.DataFrame(evidence).height == 2
