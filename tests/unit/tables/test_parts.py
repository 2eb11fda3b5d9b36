"""Parts of a table that grows: buckets of markets by years, of which a day touches the last ones only."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.continued import grown
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import BUCKET_MARKETS, buckets_of
from r2k_pipeline.files import link_or_copy
from r2k_pipeline.lake import Lake
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.transforms.epochs import Continued, KnownBars
from tests.sql.rows import rows_of

MARKETS: Final = [f"M{number}" for number in range(BUCKET_MARKETS + 2)]
UNTIL: Final = datetime(2025, 3, 12, 21, tzinfo=UTC)
NAME: Final = DailyIndicators.dotted()


def rows(markets: list[str], *days: str) -> pl.DataFrame:
    """A row of each market and day."""
    every = [
        {"market": market, "session_date": day, "known_at": f"{day}T20:00Z", "drawdown_ratio": 0.0}
        for market in markets
        for day in days
    ]
    return rows_of(DailyIndicators, every)


def known(markets: list[str]) -> KnownBars:
    """Bars of markets that go on from a generation."""
    bars = [{"market": market, "session_date": "2025-03-12", "known_at": "2025-03-12T20:00Z"} for market in markets]
    return KnownBars(rows_of(MarketBars, bars), Continued(UNTIL, frozenset(MARKETS)))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that published the rows of two years."""
    lake = Lake.at(tmp_path)
    with lake.replacing(DailyIndicators) as replaced:
        for bucket, markets in enumerate(buckets_of(MARKETS)):
            replaced.add(rows(list(markets), "2024-03-12", "2025-03-12"), bucket)
        replaced.finish()
    for file in lake.files(NAME):
        link_or_copy(file, lake.published / "features" / "daily_indicators" / file.name)
    return lake


def add_day(lake: Lake, buckets: list[list[str]], day: str) -> pl.DataFrame:
    """Add a session of every market; all rows as they are then."""
    with lake.replacing(DailyIndicators) as replaced:
        for bucket, markets in enumerate(buckets):
            new, kept = grown(lake, DailyIndicators, bucket, rows(markets, day), known(markets))
            replaced.add(new, bucket, kept)
        replaced.finish()
    return lake.read(DailyIndicators).sort(DailyIndicators.primary_key())


def test_a_day_touches_the_last_years_of_its_markets(lake: Lake) -> None:
    files = {file.name: file.stat().st_ino for file in lake.files(NAME)}
    assert set(files) == {"0-2020.parquet", "0-2025.parquet", "1-2020.parquet", "1-2025.parquet"}
    before = lake.read(DailyIndicators)
    after = add_day(lake, [list(markets) for markets in buckets_of(MARKETS)], "2025-03-13")
    assert after.equals(pl.concat([before, rows(MARKETS, "2025-03-13")]).sort(DailyIndicators.primary_key()))
    stayed = {file.name for file in lake.files(NAME) if file.stat().st_ino == files[file.name]}
    assert stayed == {"0-2020.parquet", "1-2020.parquet"}


def test_markets_in_other_buckets_than_before_keep_their_rows(lake: Lake) -> None:
    """As after another order of the configured markets."""
    before = lake.read(DailyIndicators)
    turned = [list(markets) for markets in buckets_of(MARKETS[::-1])]
    after = add_day(lake, turned, "2025-03-13")
    assert after.equals(pl.concat([before, rows(MARKETS, "2025-03-13")]).sort(DailyIndicators.primary_key()))


def test_a_market_that_moves_into_years_that_a_removed_one_did_not_have_keeps_its_rows(lake: Lake) -> None:
    """The bucket's part of these years has only markets that stay; the moved market's rows come into it."""
    late, stay = MARKETS[2], [market for market in MARKETS if market != MARKETS[2]]
    for file in lake.published_files(NAME):
        published = pl.read_parquet(file.read_bytes())
        file.unlink()
        published.filter((pl.col("market") != late) | (pl.col("known_at").dt.year() > 2024)).write_parquet(file)
    before = lake.read(DailyIndicators).filter(pl.col("market") != late)
    after = add_day(lake, [list(markets) for markets in buckets_of(stay)], "2025-03-13")
    assert after.equals(pl.concat([before, rows(stay, "2025-03-13")]).sort(DailyIndicators.primary_key()))


def test_what_is_not_finished_changes_nothing(lake: Lake) -> None:
    before = {file: file.read_bytes() for file in lake.files(NAME)}
    with lake.replacing(DailyIndicators) as replaced:
        replaced.add(rows(MARKETS, "2025-03-13"))
    assert {file: file.read_bytes() for file in lake.files(NAME)} == before
    assert not list(lake.derived.rglob(".*"))


def test_a_table_without_rows_is_one_part(tmp_path: Path) -> None:
    lake = Lake.at(tmp_path)
    lake.write(DailyIndicators, DailyIndicators.create_empty())
    assert lake.read(DailyIndicators).is_empty()
    lake.write(DailyIndicators, rows(["RUT"], "2025-03-12"))
    assert [file.name for file in lake.files(NAME)] == ["0-2025.parquet"]
