"""When a generation is published, and when the last one has all there is."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import pytest

from r2k_pipeline.contracts.meta import Fetches
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.generations import last_generation
from r2k_pipeline.last_run import begin_run, read_last_run
from r2k_pipeline.publication import DERIVED, Publication, publish
from r2k_pipeline.sums import SUMS, write_sums
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.warehouse import open_warehouse
from tests.raw_story import Story, bars_of, built, days_of, sessions
from tests.short_notes import write_short_notes
from tests.sql.rows import no_rows

DAYS: Final = days_of(date(2024, 1, 2), 3)
CLOSES: Final = {day: 2000.0 + number for number, day in enumerate(DAYS)}
MORNING: Final = "2024-01-05T13:00"


def live(story: Story, moment: str) -> Publication:
    """A day's run: fetch, build the bars and the answers of the sources, publish."""
    run = replace(story)
    run.fetch_prices(moment)
    begin_run(run.lake, run.clock())
    for table in DERIVED:
        run.lake.write(table, no_rows(table))
    run.lake.write(Sessions, sessions())
    for name in ("staging.price_vintages", MarketBars.dotted(), Fetches.dotted()):
        built(run, name)
    return publish(run, write_short_notes)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A lake that published three sessions in the morning after the last one."""
    story = Story.begin(tmp_path_factory.mktemp("morning"))
    story.desk.quote(bars_of(CLOSES))
    assert live(story, MORNING).is_new
    return story


@pytest.fixture
def story(morning: Story, tmp_path: Path) -> Story:
    """A copy of it."""
    return morning.copied_to(tmp_path)


def test_what_says_the_same_is_not_published_again(story: Story) -> None:
    before = last_generation(story.lake)
    assert before
    done = live(story, "2024-01-05T13:30")
    assert not done.is_new
    assert done.generation.row(0, named=True) == dict(before.row)
    assert done.size == story.lake.warehouse.stat().st_size
    assert last_generation(story.lake) == before
    run = read_last_run(story.lake)
    assert run
    assert (run.generation_id, run.checked_at) == (before.row["generation_id"], story.clock.moment)


def test_what_a_killed_run_kept_too_long_goes_also_where_nothing_is_new(story: Story) -> None:
    """The run was killed after its generation was swapped in, before the oldest one was removed."""
    for number in range(story.settings.keep_generations):
        (story.lake.generations / f"2023010{number + 1}T000000000000Z-{number:016}").mkdir()
    assert not live(story, "2024-01-05T13:30").is_new
    kept = sorted(folder.name for folder in story.lake.generations.iterdir())
    assert len(kept) == story.settings.keep_generations
    assert kept[-1] == story.lake.published.resolve().name


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("2024-01-05T21:01", id="a session closed"),
        pytest.param("2024-01-06T00:05", id="a day began"),
    ],
)
def test_when_more_should_be_known_the_same_rows_are_published_again(story: Story, moment: str) -> None:
    """What is missing is reckoned from the moment of the generation."""
    before = last_generation(story.lake)
    assert before
    assert live(story, moment).is_new
    after = last_generation(story.lake)
    assert after
    assert after.folder != before.folder
    assert after.row["generation_id"] == before.row["generation_id"]


def test_a_source_that_fails_now_is_news(story: Story) -> None:
    story.desk.prices.clear()
    assert live(story, "2024-01-05T13:30").is_new


def test_a_changed_bar_is_news(story: Story) -> None:
    story.desk.quote(bars_of(CLOSES | {DAYS[-1]: 2002.5}))
    assert live(story, "2024-01-05T13:30").is_new


def test_another_setting_is_news(story: Story) -> None:
    settings = story.settings.model_copy(update={"profile_since": (DAYS[0],)})
    assert live(replace(story, settings=settings), "2024-01-05T13:30").is_new


def test_a_generation_that_is_damaged_is_published_anew(story: Story) -> None:
    file = story.lake.warehouse.resolve()
    file.write_bytes(file.read_bytes()[:-1])
    assert live(story, "2024-01-05T13:30").is_new


@pytest.mark.parametrize("damaged", [False, True])
def test_the_file_goes_on_from_that_of_the_last_generation_unless_it_is_damaged(story: Story, damaged: bool) -> None:
    file = story.lake.warehouse.resolve()
    count = f"select count(*) from {MarketBars.dotted()}"
    with duckdb.connect(file) as connection:
        connection.execute(f"comment on table {MarketBars.dotted()} is 'of the file before'")
        if damaged:
            connection.execute(f"delete from {MarketBars.dotted()}")
    if not damaged:
        (file.parent / SUMS).unlink()
        write_sums(file.parent)
    assert live(story, "2024-01-05T21:01").is_new
    with open_warehouse(story.lake.warehouse) as connection:
        comment = f"select comment from duckdb_tables() where table_name = '{MarketBars.table}'"
        assert (connection.sql(comment).fetchall() == [("of the file before",)]) == (not damaged)
        assert connection.sql(count).fetchall() == [(len(DAYS),)]
