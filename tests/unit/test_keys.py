"""Keys: what bears on a table's rows changes its keys, and what does not leaves one of them as it was."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.contracts.prices import PriceVintages
from r2k_pipeline.keys import keys_of
from r2k_pipeline.lake import Lake
from r2k_pipeline.markets import read_markets
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables.claims import Claims
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.tables.registry import derived_tables

NOW = datetime(2025, 6, 2, 21, tzinfo=UTC)
(CLAIMS,) = (derived for derived in derived_tables() if derived.table is Claims)
(VINTAGES,) = (derived for derived in derived_tables() if derived.table is PriceVintages)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run after the moments of the shipped note, in a lake with a calendar and one bar of before them."""
    settings = Settings(lake=tmp_path)
    found = Run(settings, Lake.of(tmp_path, "sample", None), read_markets(), lambda: NOW, NOW)
    found.lake.write(Sessions, build_sessions(["XNYS"], date(2026, 1, 2)))
    write_bars(found, datetime(2025, 3, 3, 21, tzinfo=UTC))
    return found


def write_bars(run: Run, *known_at: datetime, close: float = 2000.0) -> None:
    rows = pl.DataFrame({"symbol": "^RUT", "close": close, "known_at": known_at})
    run.lake.write(PriceVintages, pl.concat([PriceVintages.create_empty(), rows], how="diagonal_relaxed"))


@pytest.mark.parametrize(
    ("change", "is_known_before"),
    [
        pytest.param(lambda run, first: write_bars(run, first, NOW), False, id="a bar of today"),
        pytest.param(lambda run, first: write_bars(run, first, first + timedelta(hours=1)), True, id="an older bar"),
        pytest.param(lambda run, first: write_bars(run, first, close=2000.5), True, id="another value"),
        pytest.param(lambda run, _: write_bars(run), True, id="a row less"),
    ],
)
def test_claims_depend_on_what_was_known_at_their_moments_only(
    run: Run, change: Callable[[Run, datetime], None], is_known_before: bool
) -> None:
    every, of_known_rows = keys_of(run, CLAIMS)
    change(run, datetime(2025, 3, 3, 21, tzinfo=UTC))
    every_now, of_known_rows_now = keys_of(run, CLAIMS)
    assert every_now != every
    assert (of_known_rows_now != of_known_rows) == is_known_before


@pytest.mark.parametrize(
    ("known_at", "close", "is_known_before"),
    [
        pytest.param(["2019-12-30", "2025-06-02"], 1668.0, False, id="a part of this year"),
        pytest.param(["2019-12-27", "2019-12-30"], 1668.0, True, id="a row more in an earlier part"),
        pytest.param(["2019-12-30"], 1669.0, True, id="another value in an earlier part"),
        pytest.param([], 1668.0, True, id="an earlier part less"),
    ],
)
def test_claims_depend_on_the_parts_of_earlier_years(
    run: Run, known_at: list[str], close: float, is_known_before: bool
) -> None:
    def write(close: float, *known_at: str) -> None:
        moments = [datetime.fromisoformat(day).replace(hour=21, tzinfo=UTC) for day in known_at]
        rows = pl.DataFrame({"market": "RUT", "close": close, "known_at": moments})
        run.lake.write(DailyIndicators, pl.concat([DailyIndicators.create_empty(), rows], how="diagonal_relaxed"))

    write(1668.0, "2019-12-30")
    _, before = keys_of(run, CLAIMS)
    write(close, *known_at)
    _, after = keys_of(run, CLAIMS)
    assert (after != before) == is_known_before


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        pytest.param("2025-06-02T13:00", "2025-06-02T14:00", True, id="a session opened"),
        pytest.param("2025-06-02T19:00", "2025-06-02T20:30", False, id="a session closed"),
        pytest.param("2025-06-02T21:00", "2025-06-03T00:30", False, id="a day began"),
        pytest.param("2025-06-03T07:00", "2025-06-03T08:30", False, id="its volume settled"),
    ],
)
def test_vintages_of_prices_depend_on_the_instants_that_their_query_names(
    run: Run, before: str, after: str, is_same: bool
) -> None:
    def key(moment: str) -> list[str]:
        return [*keys_of(replace(run, moment=datetime.fromisoformat(moment).replace(tzinfo=UTC)), VINTAGES)]

    assert (key(before) == key(after)) == is_same
