"""What would come out the same is not built again, and a record of versions that is lost or damaged costs only time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from r2k_pipeline.build import Outcome, Record, build_tables, in_order, outdated_tables
from r2k_pipeline.contracts.meta import Fetches
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.generations import WAREHOUSE, last_generation
from r2k_pipeline.quoting import parquet
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.reference import Sessions
from tests.lived.generation_rows import copy_of_raw
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.refresh import LEFT_EMPTY, build, fetch
from tests.lived.vendor import Desk, Truth, Vendor

FIRST_RUN = ("2024-06-03", "16:40")
INCREMENTS = {
    "a session": ("2024-06-04", "16:40"),
    "a report": ("2024-06-07", "15:40"),
    "nothing": ("2024-06-07", "15:50"),
}
OF_REPORTS = {"staging.cot_position_vintages", "marts.positioning_vintages", "marts.weekly_positioning"}
OF_BARS = {"staging.market_bars", "features.daily_indicators", "features.levels", "features.level_outcomes"}


def states(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: outcome.state for name, outcome in outcomes.items()}


def outdated(run: Run) -> list[str]:
    return sorted({*outdated_tables(run.fixed())} - {table.dotted() for table in LEFT_EMPTY})


def files(folder: Path) -> dict[str, bytes]:
    """The Parquet of every derived table that is about markets, by path."""
    layers = ("reference", "staging", "features", "marts")
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for layer in layers
        for file in (folder / layer).rglob("*.parquet")
    }


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    markets, clock = markets_of("RUT", "SPX"), Clock(new_york(*FIRST_RUN))
    desk = Desk(Vendor(Truth.of_sample(markets, date(2022, 1, 3), date(2024, 6, 7)), ()), clock)
    settings = Settings(source="live", lake=tmp_path_factory.mktemp("lake"))
    return Life(settings, markets, clock, desk=(desk, desk))


@pytest.fixture(scope="module")
def waiting() -> dict[str, list[str]]:
    """The tables that were not built from what was fetched, by increment, before they were."""
    return {}


@pytest.fixture(scope="module")
def lived(life: Life, waiting: dict[str, list[str]]) -> dict[str, dict[str, Outcome]]:
    """How each table went, by increment."""
    found: dict[str, dict[str, Outcome]] = {}
    for increment, moment in {"first": FIRST_RUN, **INCREMENTS}.items():
        life.clock.moment = new_york(*moment)
        run = life.run()
        assert fetch(run) == []
        waiting[increment] = outdated(run) if found else []
        found[increment] = {}
        assert build(run, found[increment]) == []
        assert outdated(run) == []
    return found


def test_the_first_run_builds_everything(lived: dict[str, dict[str, Outcome]]) -> None:
    assert set(states(lived["first"]).values()) == {"built"}
    assert all(outcome.version and outcome.seconds >= 0 for outcome in lived["first"].values())


def test_a_session_leaves_what_reads_reports_alone(lived: dict[str, dict[str, Outcome]]) -> None:
    found = states(lived["a session"])
    assert {found[name] for name in OF_BARS} == {"built"}
    assert {found[name] for name in ("staging.cot_positions", "staging.market_positions")} == {"unchanged"}


def test_a_report_leaves_what_reads_bars_alone(lived: dict[str, dict[str, Outcome]]) -> None:
    found = states(lived["a report"])
    assert {found[name] for name in OF_REPORTS} == {"built"}


def test_nothing_new_builds_nothing_but_the_account_of_fetches(lived: dict[str, dict[str, Outcome]]) -> None:
    found = states(lived["nothing"])
    assert {name for name, state in found.items() if state == "built"} == {Fetches.dotted()}
    assert {name: outcome.version for name, outcome in lived["nothing"].items() if name != Fetches.dotted()} == {
        name: outcome.version for name, outcome in lived["a report"].items() if name != Fetches.dotted()
    }


@pytest.mark.usefixtures("lived")
def test_tables_that_were_not_built_from_what_was_fetched_are_named(waiting: dict[str, list[str]]) -> None:
    assert {"staging.price_vintages", "meta.fetches"} <= {*waiting["a session"]}
    assert "marts.markets" not in waiting["a session"]
    assert waiting["nothing"] == ["meta.fetches"]


@pytest.mark.usefixtures("lived")
def test_the_published_file_that_went_on_from_day_to_day_has_the_rows_of_the_tables(life: Life) -> None:
    last = last_generation(life.run().lake)
    assert last
    with duckdb.connect(last.folder / WAREHOUSE, read_only=True) as connection:
        for layer, name in connection.sql("select schema_name, table_name from duckdb_tables()").fetchall():
            files = parquet(last.files(TABLES[f"{layer}.{name}"]))
            other = (
                f"(from {layer}.{name} except all from {files}) union all (from {files} except all from {layer}.{name})"
            )
            assert connection.sql(other).fetchall() == [], name


def test_without_the_record_everything_is_built_anew_and_is_the_same_byte_for_byte(life: Life, tmp_path: Path) -> None:
    lake, given = life.lake, (*LEFT_EMPTY, Sessions)
    before = files(lake.derived)
    all_of_them = sorted(derived.table.dotted() for derived in in_order(given=given))
    for damage in (
        Record(lake).file.unlink,
        lambda: Record(lake).file.write_bytes(b"[1, {"),
        lambda: Record(lake).file.write_text("[]"),
    ):
        damage()
        assert outdated(life.run()) == all_of_them
    again = {outcome.table: outcome.state for outcome in build_tables(life.run(), given=given)}
    assert set(again.values()) == {"built"}
    assert files(lake.derived) == before
    fresh = copy_of_raw(lake, tmp_path)
    assert build(life.run(fresh)) == []
    ahead = "reference/sessions.parquet"  # looks ahead from the day on which it was built
    assert files(fresh.derived) | {ahead: b""} == before | {ahead: b""}


@pytest.mark.usefixtures("lived")
def test_a_table_that_is_not_what_was_built_is_built_again(life: Life) -> None:
    run: Run = life.run()
    (part, *_) = run.lake.files(MarketBars.dotted())
    whole = part.read_bytes()
    part.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    found = {outcome.table: outcome.state for outcome in build_tables(run, given=(*LEFT_EMPTY, Sessions))}
    assert [table for table, state in found.items() if state == "built"] == [MarketBars]
    assert part.read_bytes() == whole


@pytest.mark.usefixtures("lived")
def test_a_setting_that_tables_depend_on_builds_them_anew(life: Life) -> None:
    run = life.run()
    changed = replace(run, settings=run.settings.model_copy(update={"profile_since": (date(2024, 1, 2),)}))
    first = next(build_tables(changed, given=(*LEFT_EMPTY, Sessions)))
    assert first.state == "built"
