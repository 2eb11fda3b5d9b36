"""Notes that were told are kept: none is told anew, a killed run loses none, and raw alone gives all of them."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.contracts.marts import Markets, PositioningVsTechnicals
from r2k_pipeline.contracts.notes import NoteLog, Notes
from r2k_pipeline.lake import Lake
from r2k_pipeline.publication import DERIVED, publish, record_published
from r2k_pipeline.snapshot import open_snapshot
from r2k_pipeline.tables.reference import Sessions
from tests.lived.generation_rows import copy_of_raw
from tests.raw_story import Story, at, bars_of, days_of, sessions
from tests.short_notes import write_short_notes
from tests.sql.rows import no_rows, rows_of
from tests.unit.published import mart_row

FIRST, SECOND, _, FOURTH = DAYS = days_of(at("2024-01-02T00:00").date(), 4)
EVENINGS: Final = [f"{day}T22:00" for day in DAYS]


def live(story: Story, moment: str, until: int, name: str = "Russell 2000") -> Story:
    """A day's run that knows the sessions to DAYS[until]: fetch, write the mart, publish."""
    story.desk.quote(bars_of(dict.fromkeys(DAYS[: until + 1], 2000.0)))
    run = replace(story)
    run.fetch_prices(moment)
    return republish(run, until, name)


def republish(run: Story, until: int, name: str = "Russell 2000") -> Story:
    """Publish a mart of the sessions to DAYS[until], in a market of that `name`."""
    for table in DERIVED:
        run.lake.write(table, no_rows(table))
    run.lake.write(Sessions, sessions())
    market = {"market": "RUT", "name": name, "index_symbol": "^RUT", "price_series": "index", "calendar": "XNYS"}
    run.lake.write(Markets, rows_of(Markets, [market]))
    mart = [mart_row("RUT", str(day)) for day in DAYS[: until + 1]]
    run.lake.write(PositioningVsTechnicals, rows_of(PositioningVsTechnicals, mart))
    publish(run, write_short_notes)
    return run


def kept(story: Story) -> list[tuple[object, ...]]:
    """What the published file keeps: the session and when it was told."""
    with open_snapshot(story.lake) as snapshot:
        return snapshot.ask("select session_date, sentence from marts.notes order by all").fetchall()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A lake that published on two evenings, and once more on the second session."""
    story = Story.begin(tmp_path_factory.mktemp("told"))
    live(story, EVENINGS[0], 0)
    live(story, EVENINGS[1], 1)
    return live(story, "2024-01-03T23:00", 1, name="Russell")


@pytest.fixture
def story(first: Story, tmp_path: Path) -> Story:
    """A copy of it."""
    return first.copied_to(tmp_path / "lake")


def test_a_session_is_told_once(story: Story) -> None:
    told = [(FIRST, "Known at 2024-01-02 22:00:00."), (SECOND, "Known at 2024-01-03 22:00:00.")]
    assert kept(story) == told
    assert story.lake.read(NoteLog).rows() == story.lake.read(Notes).rows()
    with open_snapshot(story.lake, at("2024-01-03T21:59")) as then:
        assert then.ask("select session_date from marts.notes").fetchall() == [(FIRST,)]


def test_a_session_that_no_generation_ended_with_is_not_told(story: Story) -> None:
    live(story, "2024-01-05T22:00", 3)
    assert [day for day, _ in kept(story)] == [FIRST, SECOND, FOURTH]


def test_a_rebuild_from_raw_has_the_same_notes(story: Story, tmp_path: Path) -> None:
    rebuilt = replace(story, lake=copy_of_raw(story.lake, tmp_path / "copy"))
    republish(rebuilt, 1, name="Russell")
    assert kept(rebuilt) == kept(story)


def test_a_run_killed_between_the_swap_and_the_log_is_made_up_for(story: Story) -> None:
    before = story.lake.read(NoteLog)
    story.lake.files(NoteLog.dotted())[-1].unlink()
    assert story.lake.read(NoteLog).height < before.height
    record_published(story)
    assert story.lake.read(NoteLog).equals(before)


def test_a_rebuild_of_a_past_moment_has_the_notes_of_that_time_and_tells_none(story: Story, tmp_path: Path) -> None:
    moment = at("2024-01-03T21:30")
    settings = story.settings.model_copy(update={"as_of": moment})
    past = replace(story, settings=settings, lake=Lake.of(story.settings.lake, "files", moment), moment=moment)
    republish(past, 1)
    assert [day for day, _ in kept(past)] == [FIRST]
