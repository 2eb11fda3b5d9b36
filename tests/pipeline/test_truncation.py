"""Nothing is known before it was known: later raw rows change no earlier row, in any table, in any column."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.lake import Lake
from r2k_pipeline.log.ingest import ingest_prices, ingest_reports
from r2k_pipeline.snapshot import open_snapshot
from r2k_pipeline.sources.release_calendar import report_dates, scheduled_release
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables import TABLES
from tests.pipeline.knowledge import HISTORIES, STANDING, SUMMARIES, build_tables, known_by, publish_as_built, run_of

REAL_MARKETS = ("RUT", "NDX")
"""Two of the four: the others have rows of the same kinds."""
MOMENTS = [
    datetime(2018, 6, 15, 19, 29, tzinfo=UTC),  # a minute before a release
    datetime(2023, 5, 5, 19, 30, tzinfo=UTC),  # release of the rescaled consolidated rows
    datetime(2025, 3, 14, 19, tzinfo=UTC),  # the note's Friday, before close and release
]


@pytest.fixture(scope="module")
def real_lake(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the raw log of ../shared/real."""
    lake = tmp_path_factory.mktemp("real")
    run = run_of(lake, None, REAL_MARKETS, source="files", files=real)
    sessions = build_sessions(["XNYS"], date(2026, 12, 31))
    ingest_prices(run, sessions)
    ingest_reports(run)
    return lake


@pytest.fixture(scope="module")
def whole(real_lake: Path) -> dict[str, pl.DataFrame]:
    return build_tables(run_of(real_lake, None, REAL_MARKETS, source="files", files=real_lake))


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_real_history_as_of_a_moment_is_the_whole_history_known_by_then(
    real_lake: Path, whole: dict[str, pl.DataFrame], moment: datetime
) -> None:
    then = build_tables(run_of(real_lake, moment, REAL_MARKETS, source="files"))
    for name in (*HISTORIES, *STANDING):
        assert_frame_equal(known_by(whole, name, moment), then[name].sort(then[name].columns), check_exact=True)


FIRST = date(2023, 1, 3)
LOADED = datetime(2023, 9, 1, 22, tzinfo=UTC)
"""The bulk load; what comes after is observed as it happens."""
UTC_TIME = pl.Datetime("us", "UTC")


@st.composite
def raw_logs(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, list[datetime]]:
    """Bars of one index and its ETF, reports of one contract; revisions, withdrawals and late rows after the load.

    A bar counts as known at its close, a report at its release, though both are recorded minutes later: revisions, and
    with them the moments of the test, come at minute 7, when no row is between the two.
    """
    days = build_sessions(["XNYS"], date(2024, 3, 1)).filter(pl.col("session_date") >= FIRST)
    steps = draw(st.lists(st.integers(-30, 30), min_size=days.height, max_size=days.height))
    late = draw(st.dictionaries(st.sampled_from(days["session_date"].to_list()), st.integers(1, 6), max_size=9))
    rows, reports = [], []
    price = 2000.0
    for (day, close_at), step in zip(days.select("session_date", "close_at").rows(), steps, strict=True):
        price = max(100.0, price + step)
        recorded = max(LOADED, close_at + timedelta(minutes=5))
        if recorded > LOADED and day in late:
            recorded += timedelta(days=late[day], minutes=2)
        rows += [_bar("^RUT", day, price, recorded), _bar("IWM", day, price / 10, recorded)]
    for report_date in [d for d in report_dates(date(2024, 2, 20)) if d >= FIRST]:
        recorded = max(LOADED, scheduled_release(report_date) + timedelta(minutes=5))
        reports.append(_report(report_date, 1000 + draw(st.integers(0, 900)), recorded))
    moments = []
    for _ in range(draw(st.integers(1, 4))):
        at = LOADED + timedelta(days=draw(st.integers(1, 170)), hours=draw(st.integers(0, 23)), minutes=7)
        moments.append(at)
        old = [row for row in rows if row["recorded_at"] < at]
        row = draw(st.sampled_from(old))
        rows.append(_bar(row["symbol"], row["session_date"], row["close"] + 25, at, withdrawn=draw(st.booleans())))
        known = [row for row in reports if row["recorded_at"] < at]
        report = draw(st.sampled_from(known))
        long = draw(st.integers(0, 5000))
        reports.append(_report(report["report_date"], long, at, withdrawn=draw(st.booleans())))
    return _frame(PriceBars, rows), _frame(CotReports, reports), moments


def _bar(symbol: str, day: date, price: float, recorded_at: datetime, *, withdrawn: bool = False) -> dict[str, object]:
    ohlc = {"open": price, "high": price + 9, "low": price - 7, "close": price}
    return {"symbol": symbol, "session_date": day, "recorded_at": recorded_at, **ohlc, "volume": 1000.0 + price,
            "source": "generated", "is_final": True, "is_withdrawn": withdrawn}  # fmt: skip


def _report(day: date, long: int, recorded_at: datetime, *, withdrawn: bool = False) -> dict[str, object]:
    positions = {"leveraged_funds_long_contracts": long, "leveraged_funds_short_contracts": 6000 - long,
                 "asset_manager_long_contracts": 6000 - long, "asset_manager_short_contracts": long}  # fmt: skip
    return {"report_type": "tff_futures", "contract_code": "239742", "report_date": day, "recorded_at": recorded_at,
            "market_name": "GENERATED", "contract_units": "(RUSSELL 2000 INDEX X $50)", "source": "generated",
            "open_interest_contracts": 6000, "is_withdrawn": withdrawn, **positions}  # fmt: skip


def _frame(table: type, rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows of a raw table; of two vintages recorded at once the later one counts."""
    frame = pl.DataFrame(rows, schema=table.create_empty().schema)
    return pl.DataFrame(table.validate(frame.unique(table.primary_key(), keep="last", maintain_order=True)))


def _write(folder: Path, bars: pl.DataFrame, reports: pl.DataFrame, until: datetime) -> None:
    lake = Lake.of(folder, "files")
    for table, rows in ((PriceBars, bars), (CotReports, reports)):
        lake.append(table, rows, LOADED)
    lake.append(FetchLog, _log(bars, reports, until), LOADED)


def _log(bars: pl.DataFrame, reports: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """A fetch whenever something was recorded, of all days up to then, and one at the end that brought nothing."""
    moments = pl.concat([bars["recorded_at"], reports["recorded_at"], pl.Series([until], dtype=UTC_TIME)]).unique()
    told = [("^RUT", PriceBars), ("IWM", PriceBars), ("generated", CotReports)]
    items = pl.DataFrame([(item, table.dotted()) for item, table in told], ["item", "table_name"], orient="row")
    log = moments.alias("fetched_at").to_frame().join(items, how="cross")
    days = {"shows_from": FIRST, "shows_until": pl.col("fetched_at").dt.date()}
    counts = {"origin": None} | {name: 0 for name in FetchLog.column_names() if name.startswith("rows_")}
    frame = log.with_columns(status=pl.lit("ok"), message=pl.lit(None, pl.String), **days, **counts)
    return FetchLog.validate(frame.select(FetchLog.column_names()), cast=True)


@settings(
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)  # an example builds three lakes: shrinking would take minutes
@given(log=raw_logs(), offset=st.integers(-3, 40))
def test_deleting_what_was_learned_later_changes_nothing_known_earlier(
    tmp_path_factory: pytest.TempPathFactory, log: tuple[pl.DataFrame, pl.DataFrame, list[datetime]], offset: int
) -> None:
    bars, reports, moments = log
    moment = moments[0] + timedelta(days=offset)
    folder = tmp_path_factory.mktemp("generated")
    try:
        _write(folder / "whole", bars, reports, datetime(2024, 6, 1, tzinfo=UTC))
        recorded = pl.col("recorded_at") <= moment
        _write(folder / "cut", bars.filter(recorded), reports.filter(recorded), moment)
        run = run_of(folder / "whole", None, ("RUT",), source="files", files=folder)
        whole = build_tables(run)
        publish_as_built(run)
        with open_snapshot(run.lake, moment) as snapshot:
            read = {name: snapshot.read(TABLES[name]) for name in (*HISTORIES, *STANDING, *SUMMARIES)}
        then = build_tables(run_of(folder / "whole", moment, ("RUT",), source="files"))
        cut = build_tables(run_of(folder / "cut", None, ("RUT",), source="files", files=folder))
    finally:
        shutil.rmtree(folder)
    for name in (*HISTORIES, *STANDING):
        expected = known_by(whole, name, moment)
        assert_frame_equal(expected, then[name].sort(then[name].columns), check_exact=True)
        assert_frame_equal(expected, known_by(cut, name, moment), check_exact=True)
    for name, rows in read.items():
        assert_frame_equal(TABLES[name].cast(rows).sort(rows.columns), then[name].sort(rows.columns), check_exact=True)
    for name in (*STANDING, *SUMMARIES):
        assert_frame_equal(then[name].sort(then[name].columns), cut[name].sort(then[name].columns), check_exact=True)
