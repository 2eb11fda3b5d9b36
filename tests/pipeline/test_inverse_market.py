"""A market whose prices are a yield, from vendor files to note, brief, figure and site.

Its prices mirror the Russell's, and its positions are the Russell's, so that the same is said of the contract.
Belongs here: the whole way. Not here: single rules (sql/test_states.py), what a market may say (unit/test_markets.py).
"""

import shutil
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest

from tests.lakes import Published, publish_once
from tests.pipeline.command_line import r2k
from tests.raw_story import lines_of, zip_of

MARKETS: Final = '["RUT", "ZN", "GC"]'
AROUND: Final = 6000.0
SCALE: Final = 1000.0
LEVELS: Final = {"capitulation", "crowded_short_at_support"}
"""Setups of a distance that the mirror has not: from the high, and from zones whose width is relative to the price."""
SAYS: Final = "^TNX is a yield: its rise is a fall of the contract."


@pytest.fixture(scope="module")
def files(vendor_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's files, the Russell's reports again as those of ZN, and its prices turned round as ^TNX; no GLD."""
    folder = tmp_path_factory.mktemp("inverse")
    shutil.copytree(vendor_files, folder, dirs_exist_ok=True)
    for file in folder.glob("cot/*.zip"):
        header, *lines = lines_of(file.read_bytes())
        again = [line.replace("239742", "043602") for line in lines if ",239742," in line]
        file.write_bytes(zip_of([header, *lines, *again]))
    prices = pl.read_csv(folder / "prices" / "^RUT.csv")
    turned = {"Open": "Open", "High": "Low", "Low": "High", "Close": "Close", "Adj Close": "Close"}
    mirror = prices.with_columns(((AROUND - pl.col(of)) / SCALE).round(6).alias(name) for name, of in turned.items())
    mirror.with_columns(Volume=0).write_csv(folder / "prices" / "^TNX.csv")
    return folder


@pytest.fixture(scope="module")
def lake(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder, home = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("home")
    (home / "r2k.toml").write_text(f"markets = {MARKETS}\n")
    return publish_once(folder, home, "files", "--source", "files", "--files", files)


def ask(lake: Published, *words: str) -> str:
    result = r2k(lake.home, *words, "--source", "files", "--lake", lake.folder)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_market_without_its_prices_is_a_note_and_no_failure(lake: Published) -> None:
    assert lake.result.exit_code == 0, lake.result.output
    said = [note for note in lake.summary["notes"] if note.startswith("only positions")]
    assert said == ["only positions, no prices, of GC (GLD): the source has none of these symbols"]


def test_what_is_said_of_the_contract_is_that_of_the_mirror(lake: Published) -> None:
    columns = "session_date, market, trend, momentum, contract_trend, contract_momentum, alignment, setups_held"
    with duckdb.connect(lake.lake.warehouse, read_only=True) as connection:
        rows = connection.sql(f"select {columns} from marts.positioning_vs_technicals").pl()
    held = pl.col("setups_held").str.split(", ").list.set_difference(list(LEVELS)).list.sort().list.join(", ")
    rows = rows.with_columns(setups_held=held.replace("", "none"))
    straight, turned = (rows.filter(market=name).drop("market").sort("session_date") for name in ("RUT", "ZN"))
    both = straight.join(turned, on="session_date", suffix="_of_mirror")
    assert both.height == straight.height == turned.height
    for name in ("contract_trend", "contract_momentum", "alignment", "setups_held"):
        assert both.filter(pl.col(name).ne_missing(pl.col(f"{name}_of_mirror"))).is_empty(), name
    assert set(both["setups_held"].drop_nulls()) - {"none"}, "nothing to compare"
    assert both.filter(pl.col("trend") == "up")["trend_of_mirror"].unique().to_list() == ["down"]


def test_a_yield_has_levels_and_no_notional_no_strength_and_returns_of_the_contract(lake: Published) -> None:
    notionals = "select market, count(net_notional_usd) > 0 from marts.weekly_positioning group by all order by all"
    assert lake.query(notionals) == [("RUT", True), ("ZN", False)]
    assert lake.query("select count(relative_strength_20d_ratio) from marts.cross_market") == [(0,)]
    assert lake.query("select min(price) > 3 and max(price) < 6 from features.levels where market = 'ZN'") == [(True,)]
    means = "select market, baseline_mean_return_ratio > 0 from marts.setup_outcomes where horizon_sessions = 60"
    assert lake.query(f"{means} group by all order by all") == [("RUT", True), ("ZN", True)]


def test_whoever_reads_of_it_is_told_its_direction(lake: Published) -> None:
    assert SAYS in ask(lake, "note", "ZN")
    assert SAYS not in ask(lake, "note", "RUT")
    brief = ask(lake, "brief", "--market", "ZN")
    assert SAYS in brief
    assert "Alignment, setup and what followed are of the contract's direction" in brief
    assert "| ZN (inverse prices)" in brief
    page = ask(lake, "note", "ZN", "--html")
    assert "percent a year. " + SAYS in page
    of_prices = "select market, price_series, is_inverse from marts.markets order by market"
    assert lake.query(of_prices) == [("GC", "fund", False), ("RUT", "index", False), ("ZN", "yield", True)]


def test_its_page_and_the_overview_say_it(lake: Published) -> None:
    ask(lake, "report", "--market", "ZN")
    page = lake.lake.report("ZN") / "ZN.html"
    assert SAYS in page.read_text("utf-8")
    overview = page.with_name("index.html").read_text("utf-8")
    assert "ZN: the contract falls where the close rises; a setup is of the contract&#39;s direction." in overview
