"""The gate: what was told is told again, or a user accepted by name that it is not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.causes import find_causes
from r2k_pipeline.contracts.meta import Generation, Restatements
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.restatements import Restatements as RestatementLog
from r2k_pipeline.contracts.table import DATED_LAYERS, PUBLISHED_LAYERS, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.gate import RestatementError, find_differences
from r2k_pipeline.generations import last_generation
from r2k_pipeline.log.acceptance import accept_restatement
from r2k_pipeline.markets import Market
from r2k_pipeline.origins import digests_of
from r2k_pipeline.publication import DERIVED, publish, record_published
from r2k_pipeline.restatement import read_restatement
from r2k_pipeline.sums import SUMS
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.warehouse import open_warehouse
from tests.publish.warehouses import MOMENT, rows_of_every_kind
from tests.raw_story import RUT, Story, bars_of, built, days_of, sessions
from tests.short_notes import write_short_notes
from tests.sql.rows import no_rows

DAYS: Final = days_of(date(2023, 12, 26), 12)
SPX: Final = Market(market="SPX", name="S&P 500", index="^GSPC", multiplier=50)
DATED: Final = ("staging.price_vintages", "staging.market_bars")


def closes(days: list[date], first: float = 2000.0) -> dict[date, float]:
    """A close for each day, a point up each session."""
    return {day: first + DAYS.index(day) for day in days}


def live(story: Story, moment: str, markets: tuple[Market, ...] = (RUT,), **quotes: Mapping[date, float]) -> Story:
    """Fetch, build the bars and publish them at a moment; `quotes` are what the desk says from now on, by symbol."""
    for symbol, bars in quotes.items():
        story.desk.quote(bars_of(dict(bars)), symbol=f"^{symbol}")
    run = replace(story, markets=markets)
    run.fetch_prices(moment)
    return republish(run)


def republish(story: Story) -> Story:
    """Build the bars from raw as it is and publish them."""
    run = replace(story)
    for table in DERIVED:
        run.lake.write(table, no_rows(table))
    run.lake.write(Sessions, sessions())
    for name in DATED:
        built(run, name)
    publish(run, write_short_notes)
    return run


def published(story: Story, query: str) -> list[tuple[object, ...]]:
    with open_warehouse(story.lake.warehouse) as connection:
        return connection.sql(query).fetchall()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A lake that published eight sessions; a desk like a folder of files, which shows nothing about what it lacks."""
    story = Story.begin(tmp_path_factory.mktemp("first"), keep_generations=2)
    story.desk.asks_vendor = False
    return live(story, "2024-01-09T22:00", RUT=closes(DAYS[2:10]))


@pytest.fixture
def story(first: Story, tmp_path: Path) -> Story:
    """A copy of it."""
    return first.copied_to(tmp_path)


COUNT: Final = "select count(*) from staging.market_bars"


def test_the_first_load_has_nothing_to_compare_with(story: Story) -> None:
    assert published(story, COUNT) == [(8,)]
    assert published(story, "from meta.restatements") == []


def test_a_day_that_brings_a_session_and_a_revision_publishes(story: Story) -> None:
    """The revised vintage is superseded from now on, which is a column known later than its row."""
    revised = closes(DAYS[2:11]) | {DAYS[3]: 1999.0}
    before = published(story, COUNT)[0][0]
    live(story, "2024-01-10T22:00", RUT=revised)
    assert published(story, COUNT)[0][0] > before
    assert published(story, "select count(*) from staging.market_bars where superseded_at is not null") == [(1,)]


def test_older_history_waits_for_a_restatement_and_names_what_differs(story: Story) -> None:
    before = story.lake.warehouse.resolve()
    with pytest.raises(RestatementError) as refused:
        live(story, "2024-01-10T22:00", RUT=closes(DAYS[:11]))
    headline, *tables, last = str(refused.value).splitlines()
    assert "rows of 2 tables would differ from those published as of 2024-01-09 22:00:00" in headline
    assert "older history added: raw.price_bars ^RUT 2 of 2023-12-26 to 2023-12-27" in headline
    bars = next(line for line in tables if line.startswith("staging.market_bars"))
    assert bars.startswith("staging.market_bars: 0 rows changed, 0 missing, 2 added, e.g. RUT 2023-12-26")
    assert last.endswith(f"next: r2k accept restatement --source files{story.lake.where}, or undo the cause")
    assert story.lake.warehouse.resolve() == before


def test_a_market_that_is_left_out_for_one_run_stops_it_and_is_forgotten_when_it_is_back(story: Story) -> None:
    with pytest.raises(RestatementError, match="markets changed: RUT is gone, SPX is new"):
        live(story, "2024-01-10T22:00", (SPX,), GSPC=closes(DAYS[2:10]))
    assert read_restatement(story.lake) is not None
    live(story, "2024-01-10T22:30", (RUT,))
    assert read_restatement(story.lake) is None
    assert published(story, "from meta.restatements") == []


def test_a_setting_that_changed_is_named(story: Story) -> None:
    own = story.settings.lake / "own.toml"
    own.write_text("")
    changed = story.settings.model_copy(update={"corrections": own, "profile_since": (DAYS[0],)})
    with pytest.raises(RestatementError, match="settings changed: profile_since changed"):
        live(replace(story, settings=changed), "2024-01-10T22:00", RUT=closes(DAYS[:10]))


def test_setups_that_changed_are_named_and_no_program(story: Story) -> None:
    before = digests_of(story.settings, story.markets)
    others = re.sub(r"setups\.toml=\S+", "setups.toml=other", before["settings_digest"])
    origins = {"r2k_version": "0", "as_of": story.clock()}
    found = find_causes(story, {**origins, **before, "settings_digest": others}, before)
    assert found == ("settings changed: setups.toml changed",)


def test_a_key_that_a_version_adds_changes_no_market(story: Story) -> None:
    class Later(Market):
        added: bool = False

    later = Later.model_validate(RUT.model_dump(by_alias=True))
    assert digests_of(story.settings, [later]) == digests_of(story.settings, [RUT])


def as_by_other_code(story: Story) -> None:
    """Make the published generation one of a program that knew no roles: its first close is another."""
    last = last_generation(story.lake)
    assert last is not None
    (last.folder / SUMS).unlink()
    bars, row = *last.files(MarketBars), *last.files(Generation)
    frame = pl.read_parquet(bars)
    first = pl.int_range(pl.len()) == 0
    bars.unlink()  # a hard link: written anew, so that the table at hand stays
    frame.with_columns(close=pl.when(first).then(pl.col("close") - 0.5).otherwise("close")).write_parquet(bars)
    described = pl.read_parquet(row).with_columns(
        pl.col("settings_digest").str.replace(r"roles=\S+ ?", ""), code_digest=pl.lit("older")
    )
    row.unlink()
    described.write_parquet(row)


def test_code_that_computes_otherwise_is_told_as_code(story: Story) -> None:
    as_by_other_code(story)
    with pytest.raises(RestatementError) as refused:
        live(story, "2024-01-10T22:00")
    assert "cause: code changed: another state of r2k" in str(refused.value), (
        "a setting that a version adds was changed by nobody"
    )
    assert "staging.market_bars: 1 rows changed, 0 missing, 0 added, e.g. RUT 2023-12-28 " in str(refused.value)
    assert " close 2001.5 -> 2002.0" in str(refused.value)


def test_what_nothing_explains_is_said_to_be_unknown(story: Story) -> None:
    digest = story.lake.published_files("meta.generation")[0].read_bytes()
    as_by_other_code(story)
    story.lake.published_files("meta.generation")[0].write_bytes(digest)
    with pytest.raises(RestatementError, match="cause: unknown"):
        live(story, "2024-01-10T22:00")


def test_a_new_column_alone_is_no_restatement(story: Story) -> None:
    (story.lake.published / SUMS).unlink()
    (file,) = story.lake.published_files("staging.market_bars")
    frame = pl.read_parquet(file).drop("volume_symbol")
    file.unlink()
    frame.write_parquet(file)
    live(story, "2024-01-10T22:00")


def test_rows_of_a_generation_that_lacks_a_key_column_are_compared_whole(story: Story) -> None:
    (story.lake.published / SUMS).unlink()
    (file,) = story.lake.published_files("staging.market_bars")
    first = pl.int_range(pl.len()) == 0
    frame = pl.read_parquet(file).with_columns(low=pl.when(first).then(pl.col("low") - 0.5).otherwise("low"))
    file.unlink()
    frame.drop("known_at").write_parquet(file)
    with pytest.raises(RestatementError, match=r"market_bars: 0 rows changed, 1 missing, 1 added"):
        live(story, "2024-01-10T22:00")


def test_a_symbol_that_has_the_bars_of_another_is_named(story: Story) -> None:
    with pytest.raises(
        RestatementError, match=r"looks like another's: \^GSPC and \^RUT have the same bars at 10 sessions"
    ):
        live(story, "2024-01-10T22:00", (RUT, SPX), RUT=closes(DAYS[:10]), GSPC=closes(DAYS[:10]))


def test_an_accepted_restatement_is_published_recorded_and_leaves_the_old_generation(story: Story) -> None:
    counted, before = published(story, COUNT), story.lake.warehouse.resolve()
    with pytest.raises(RestatementError):
        live(story, "2024-01-10T22:00", RUT=closes(DAYS[:11]))
    said = accept_restatement(story)
    assert said.splitlines()[-1] == f"accepted; next: r2k run --files DIR{story.lake.where}"
    live(story, "2024-01-10T22:30")
    columns = "table_name, cause, rows_changed, rows_missing, rows_added, generation_before"
    rows = published(story, f"select {columns} from meta.restatements order by table_name")
    generation = before.parent.name.rpartition("-")[2]
    cause = "older history added: raw.price_bars ^RUT 2 of 2023-12-26 to 2023-12-27"
    assert rows == [(name, cause, 0, 0, 2, generation) for name in sorted(DATED)]
    assert story.lake.read(RestatementLog).height == 2
    assert read_restatement(story.lake) is None
    with open_warehouse(before) as connection:
        assert connection.sql(COUNT).fetchall() == counted
    live(story, "2024-01-10T23:30")
    assert story.lake.read(RestatementLog).height == 2


def test_a_generation_that_a_restatement_replaced_is_kept_beyond_the_others(story: Story) -> None:
    before = story.lake.warehouse.resolve()
    with pytest.raises(RestatementError):
        live(story, "2024-01-10T22:00", RUT=closes(DAYS[:11]))
    accept_restatement(story)
    for day in (10, 11, 12):
        live(story, f"2024-01-{day}T22:30")
    assert before.exists()
    assert len(list(story.lake.generations.iterdir())) == story.settings.keep_generations + 1


def test_what_changed_since_it_was_accepted_is_asked_again(story: Story) -> None:
    with pytest.raises(RestatementError):
        live(story, "2024-01-10T22:00", RUT=closes(DAYS[1:11]))
    accept_restatement(story)
    with pytest.raises(RestatementError, match=r"0 missing, 2 added"):
        live(story, "2024-01-10T22:30", RUT=closes(DAYS[:11]))
    waiting = read_restatement(story.lake)
    assert waiting is not None
    assert waiting.accepted_at is None


def test_rows_that_are_missing_are_found_in_every_table_that_is_dated(story: Story, tmp_path: Path) -> None:
    """Also in tables of which these stories make no row."""

    @dataclass(frozen=True)
    class Before:
        row: Mapping[str, object]

        def files(self, table: type[Table]) -> list[Path]:
            return [tmp_path / f"{table.dotted()}.parquet"]

    tables = [table for table in TABLES.values() if table.layer in PUBLISHED_LAYERS]
    for table in tables:
        rows_of_every_kind(table, 24, "a").write_parquet(tmp_path / f"{table.dotted()}.parquet")
        story.lake.write(table, no_rows(table))
    found = find_differences(story, Before({"as_of": MOMENT}))  # type: ignore[arg-type]
    assert all(difference.rows_missing for difference in found)
    compared = {difference.table_name for difference in found}
    assert compared == {table.dotted() for table in tables if table.known_by and not table.may_change}
    assert {name.partition(".")[0] for name in compared} >= {*DATED_LAYERS}


def test_nothing_waits_to_be_accepted(story: Story) -> None:
    with pytest.raises(R2kError, match="restatement: none waits; next: r2k status --source files"):
        accept_restatement(story)


def test_a_run_killed_between_the_swap_and_the_log_is_made_up_for(story: Story) -> None:
    with pytest.raises(RestatementError):
        live(story, "2024-01-10T22:00", RUT=closes(DAYS[:11]))
    accept_restatement(story)
    live(story, "2024-01-10T22:30")
    for file in story.lake.files("raw.restatements"):
        file.unlink()
    record_published(story)
    assert story.lake.read(RestatementLog).equals(story.lake.read(Restatements).select(RestatementLog.column_names()))
