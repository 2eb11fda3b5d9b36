"""The comparison of one table: what is late news, and what restates a published row."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.contracts.marts import CrossMarket, Movers
from r2k_pipeline.contracts.prices import MarketBars, PriceVintages
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.restatement import Difference, compare_published
from r2k_pipeline.tables.levels import Levels

FIRST = date(2024, 5, 27)
TOLD = datetime(2024, 5, 30, 20, 40, tzinfo=UTC)


def closes(count: int) -> pl.DataFrame:
    """Revisions of ^NDX's sessions, each with a volume that settled half a day after the close."""
    days = [FIRST + timedelta(days=n) for n in range(count)]
    known = [datetime(day.year, day.month, day.day, 20, tzinfo=UTC) for day in days]
    settled = [moment + timedelta(hours=12) for moment in known]
    rows = {"session_date": days, "known_at": known, "volume_known_at": settled, "volume": [1e6] * count}
    return (
        PriceVintages.create_empty()
        .clear(count)
        .with_columns(pl.Series(name, values) for name, values in rows.items())
        .with_columns(symbol=pl.lit("^NDX"), revision=pl.lit(0, pl.Int64), close=pl.lit(100.0))
    )


def unsettled(rows: pl.DataFrame, day: int) -> pl.DataFrame:
    is_it = pl.col("session_date") == FIRST + timedelta(days=day)
    return rows.with_columns(pl.when(~is_it).then(name).alias(name) for name in ("volume", "volume_known_at"))


def compared(table: type[Table], folder: Path, before: pl.DataFrame, after: pl.DataFrame) -> Difference | None:
    files = []
    for name, rows in (("before", before), ("after", after)):
        (folder / name).mkdir()
        files.append(folder / name / "rows.parquet")
        rows.write_parquet(files[-1])
    return compare_published(table, files[:1], files[1:], TOLD)


def test_the_first_volume_of_the_last_told_session_is_late_news(tmp_path: Path) -> None:
    assert compared(PriceVintages, tmp_path, unsettled(closes(3), 2), closes(3)) is None


def test_it_is_late_news_also_where_an_earlier_session_was_known_last(tmp_path: Path) -> None:
    is_late = pl.col("session_date") == FIRST + timedelta(days=1)
    rows = closes(3).with_columns(known_at=pl.when(is_late).then(TOLD).otherwise("known_at"))
    assert compared(PriceVintages, tmp_path, unsettled(rows, 2), rows) is None


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (unsettled(closes(3), 1), closes(3), 1),
        (closes(3), closes(3).with_columns(volume=pl.lit(2e6)), 3),
        (unsettled(closes(3), 2), closes(3).with_columns(close=pl.lit(101.0)), 3),
        (closes(3), unsettled(closes(3), 2), 1),
    ],
    ids=["of an earlier session", "another volume", "and another close", "a volume that is gone"],
)
def test_any_other_change_restates(tmp_path: Path, before: pl.DataFrame, after: pl.DataFrame, rows: int) -> None:
    found = compared(PriceVintages, tmp_path, before, after)
    assert found is not None
    assert found.rows_changed == rows


def test_a_setup_found_at_a_session_that_was_not_published_is_late_news(tmp_path: Path) -> None:
    """Prices failed on the day of a release: its report was published with no close beside it."""
    closed, released = (datetime(2024, 5, 30, hour, tzinfo=UTC) for hour in (20, 19))
    days = pl.DataFrame({"session_date": [FIRST, TOLD.date()], "known_at": [closed - timedelta(days=3), closed]})
    bars = MarketBars.create_empty().clear(2).with_columns(days["session_date"], days["known_at"], market=pl.lit("RUT"))
    mover = Movers.create_empty().clear(1).with_columns(market=pl.lit("RUT"), known_at=released)
    with_setup = mover.with_columns(setup=pl.lit("squeeze"), setup_known_at=closed)
    for name, rows in {"before": mover, "after": with_setup, "without_it": bars[:1], "with_it": bars}.items():
        rows.write_parquet(tmp_path / f"{name}.parquet")
    before, after, without_it, with_it = (
        [tmp_path / f"{name}.parquet"] for name in ("before", "after", "without_it", "with_it")
    )
    assert compare_published(Movers, before, after, TOLD, bars=without_it) is None
    found = compare_published(Movers, before, after, TOLD, bars=with_it)
    assert found is not None
    assert found.rows_changed == 1


def pairs(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Rows of two markets at a session, by how many days after the first."""
    days = [FIRST + timedelta(days=day) for *_, day in rows]
    known = [datetime(day.year, day.month, day.day, 20, tzinfo=UTC) for day in days]
    return CrossMarket.create_empty().clear(len(rows)).with_columns(
        pl.Series("market", [market for market, *_ in rows]),
        pl.Series("other_market", [other for _, other, _ in rows]),
        pl.Series("session_date", days),
        pl.Series("known_at", known),
    )  # fmt: skip


def test_a_pair_of_which_one_failed_for_a_day_is_late_news_and_a_pair_that_was_told_is_not(tmp_path: Path) -> None:
    before = [("RUT", "NDX", 0), ("RUT", "SPX", 0), ("RUT", "SPX", 2)]
    assert compared(CrossMarket, tmp_path, pairs(*before), pairs(*before, ("RUT", "NDX", 2))) is None
    (tmp_path / "again").mkdir()
    found = compared(CrossMarket, tmp_path / "again", pairs(*before), pairs(*before, ("RUT", "SPX", 1)))
    assert found is not None
    assert found.rows_added == 1


def zones(*ids: str) -> pl.DataFrame:
    """Zones of the Russell at the first session."""
    known = datetime(FIRST.year, FIRST.month, FIRST.day, 20, tzinfo=UTC)
    of_session = {"market": pl.lit("RUT"), "session_date": pl.lit(FIRST), "known_at": pl.lit(known)}
    return Levels.create_empty().clear(len(ids)).with_columns(pl.Series("level_id", ids), **of_session)


def test_a_row_more_at_the_last_session_that_was_published_restates(tmp_path: Path) -> None:
    found = compared(Levels, tmp_path, zones("a"), zones("a", "b"))
    assert found is not None
    assert found.rows_added == 1


def test_a_restatement_is_recognised_by_the_values_of_its_rows_in_any_order(tmp_path: Path) -> None:
    """Else what was accepted would let as many other rows pass."""
    changed = closes(3).with_columns(close=pl.lit(101.0))
    digests = []
    for number, after in enumerate((changed, changed.reverse(), closes(3).with_columns(close=pl.lit(102.0)))):
        (tmp_path / str(number)).mkdir()
        found = compared(PriceVintages, tmp_path / str(number), closes(3), after)
        assert found is not None
        assert found.rows_changed == 3
        digests.append(found.digest)
    assert digests[0] == digests[1] != digests[2]


def test_rows_that_an_older_generation_lacks_with_the_column_that_dates_them_restate(tmp_path: Path) -> None:
    """A lake of before features had `known_at`: which of the rows are late news is unknown."""
    before = [("RUT", "SPX", 0), ("RUT", "SPX", 1)]
    found = compared(CrossMarket, tmp_path, pairs(*before[:1]).drop("known_at"), pairs(*before))
    assert found is not None
    assert (found.rows_added, found.columns) == (1, ("+known_at",))


def test_a_part_of_years_before_those_that_stay_as_they_are_restates(tmp_path: Path) -> None:
    for name, rows in (("0-2020", pairs(("RUT", "SPX", 2))), ("0-2015", pairs(("RUT", "SPX", 1)))):
        rows.write_parquet(tmp_path / f"{name}.parquet")
    older, newer = (tmp_path / f"0-{year}.parquet" for year in (2015, 2020))
    found = compare_published(CrossMarket, [newer], [older, newer], TOLD)
    assert found is not None
    assert found.rows_added == 1
