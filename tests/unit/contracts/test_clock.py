"""The one clock: the rows of a table known at a moment, the rows that stood, columns known later than their row."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.clock import as_of_macros, rows_known_at, select_known, standing_at
from r2k_pipeline.contracts.columns import day, instant, number
from r2k_pipeline.contracts.cot import CotPositionVintages
from r2k_pipeline.contracts.prices import MarketBars, PriceVintages
from r2k_pipeline.contracts.table import DATED_LAYERS, Table
from r2k_pipeline.restatement import compare_published
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.cot_releases import CotReleases
from tests.sql.rows import rows_of

MOMENT: Final = datetime(2025, 1, 3, 21, tzinfo=UTC)
UNDATED: Final = {
    "staging.daily_prices": "what stands of price_vintages",
    "staging.cot_positions": "what stands of cot_position_vintages",
    "marts.weekly_positioning": "what stands of positioning_vintages",
    "features.level_outcomes": "aggregates over all of history",
    "marts.setup_outcomes": "aggregates over all of history",
    "marts.markets": "configuration",
    "marts.trader_groups": "a dictionary",
}
"""Why rows of a table of a dated layer have no moment; the gate does not look at these."""


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.layer in DATED_LAYERS], ids=lambda t: t.dotted())
def test_every_table_says_what_dates_its_rows_or_why_nothing_does(table: type[Table]) -> None:
    if table.dotted() in UNDATED or (table.layer == "features" and "known_at" not in table.columns()):
        assert table.known_by is None
    else:
        assert table.known_by in table.columns(), "the gate would not see that its published rows change"


def test_rows_known_later_are_left_out_and_columns_known_later_are_null() -> None:
    days = ("2025-01-02", "2025-01-03", "2025-01-06")
    bars = rows_of(
        MarketBars,
        [
            {"market": "RUT", "session_date": date, "known_at": f"{date}T21:00Z", "superseded_at": until}
            for date, until in zip(days, ("2025-01-03T21:00Z", "2025-01-03T21:01Z", None), strict=True)
        ],
    )
    known = rows_known_at(MarketBars, bars, MOMENT)
    assert known["session_date"].cast(pl.String).to_list() == list(days[:2])
    assert known["superseded_at"].to_list() == [MOMENT, None]
    assert rows_known_at(MarketBars, bars.lazy(), MOMENT).collect().equals(known)
    with duckdb.connect() as connection:
        connection.register("bars", bars.to_arrow())
        asked = connection.sql(select_known(MarketBars, "bars", "$at"), params={"at": MOMENT}).pl()
    assert MarketBars.cast(asked).equals(known), "in SQL, too"


def test_a_volume_is_there_from_when_it_is_known() -> None:
    class Settled(Table, layer="staging"):
        """One session whose volume settles after its close."""

        session_date = day("the session", key=True)
        known_at = instant("its close")
        volume = number("shares", "what was traded", nullable=True)
        volume_known_at = instant("when the volume had settled", nullable=True)

    del TABLES[Settled.dotted()]
    rows = rows_of(
        Settled,
        [
            {"session_date": "2025-01-02", "known_at": "2025-01-02T21:00Z", "volume_known_at": "2025-01-03T14:00Z"},
            {"session_date": "2025-01-03", "known_at": "2025-01-03T21:00Z", "volume_known_at": "2025-01-06T14:00Z"},
        ],
    ).with_columns(volume=pl.Series([1.0, 2.0]))
    known = rows_known_at(Settled, rows, MOMENT)
    assert known["volume"].to_list() == [1.0, None]
    assert known["volume_known_at"].null_count() == 1


def test_of_known_rows_those_stand_that_were_neither_superseded_nor_withdrawn() -> None:
    """In frames, and in the macros of the table and of the one that has what stands of it."""
    days = {
        "2024-12-30": {"superseded_at": "2025-01-03T21:01Z"},
        "2024-12-31": {"superseded_at": "2025-01-03T21:00Z"},
        "2025-01-02": {"is_withdrawn": True},
        "2025-01-03": {"volume": 3.0, "volume_known_at": "2025-01-03T21:00Z"},
        "2025-01-06": {},
    }
    rows = [{"symbol": "IWM", "session_date": day, "known_at": f"{day}T21:00Z", **more} for day, more in days.items()]
    revised = {"revision": 1, "known_at": "2025-01-03T21:00Z", "volume": 4.0, "volume_known_at": "2025-01-03T21:01Z"}
    vintages = rows_of(PriceVintages, [*rows, rows[1] | revised | {"superseded_at": None}])
    stood = standing_at(PriceVintages, vintages, MOMENT).sort("session_date")
    shown = stood.select(pl.col("session_date").cast(pl.String), "revision", "volume", "superseded_at").rows()
    assert shown == [("2024-12-30", 0, None, None), ("2024-12-31", 1, None, None), ("2025-01-03", 0, 3.0, None)]
    assert standing_at(PriceVintages, vintages.lazy(), MOMENT).collect().sort("session_date").equals(stood)
    with duckdb.connect() as connection:
        connection.register("vintages", vintages.to_arrow())
        connection.execute("create schema staging; create table staging.price_vintages as from vintages")
        for macro in as_of_macros(["staging.price_vintages"]):
            connection.execute(macro)
        for name in ("price_vintages", "daily_prices"):
            asked = connection.sql(f"from {name}_as_of($at) order by session_date", params={"at": MOMENT}).pl()
            table = TABLES[f"staging.{name}"]
            assert asked.columns == table.column_names()
            assert_frame_equal(table.cast(asked), stood.select(asked.columns))


def test_a_release_is_no_published_row_before_its_report_is_there(tmp_path: Path) -> None:
    """A report that is late by an hour on a Friday moves a row that was dated before: nobody had been told a number."""
    moments = dict.fromkeys(("known_at", "released_at"), "2024-12-30T20:30Z")
    held = rows_of(CotPositionVintages, [{"report_date": "2024-12-24", "contract_code": "239742", **moments}])
    held.write_parquet(tmp_path / "held.parquet")
    for name, late in (("before", "2025-01-03T20:30Z"), ("after", "2025-01-03T21:30Z")):
        releases = [{"report_date": "2024-12-24", "released_at": "2024-12-30T20:30Z", "reason": name}]
        releases += [{"report_date": "2024-12-31", "released_at": late}]
        rows = rows_of(CotReleases, [{"scheduled_at": "2025-01-03T20:30Z", **row} for row in releases])
        rows.write_parquet(tmp_path / f"{name}.parquet")
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    found = compare_published(CotReleases, [before], [after], MOMENT, [tmp_path / "held.parquet"])
    assert found is not None
    assert (found.rows_changed, found.rows_missing, found.rows_added) == (1, 0, 0)
    assert found.examples == ("2024-12-24 reason before -> after",)


def test_rows_in_another_order_are_the_same(tmp_path: Path) -> None:
    dates = ("2025-01-02", "2025-01-03")
    rows = rows_of(MarketBars, [{"session_date": date, "known_at": f"{date}T21:00Z"} for date in dates])
    rows.write_parquet(tmp_path / "before.parquet")
    rows.reverse().write_parquet(tmp_path / "after.parquet")
    assert compare_published(MarketBars, [tmp_path / "before.parquet"], [tmp_path / "after.parquet"], MOMENT) is None
