"""Notes that are shipped or kept: those of the documents are what the system writes today, and true; a generation's are
what `r2k note` says of it.

Belongs here: comparing them. Not here: how a note is judged (test_note_truth.py).
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import pytest

from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.moments import session_of
from r2k_pipeline.report.note import kept
from r2k_pipeline.report.note.compose import Note, build_note, read_note, read_notes
from r2k_pipeline.report.note.facts import Facts
from r2k_pipeline.snapshot import Snapshot, reading
from tests.documents import PROJECT
from tests.lakes import Published
from tests.pipeline.note_world import Files, World
from tests.pipeline.test_note_truth import wrong_in

DOCS: Final = PROJECT / "docs"
SHIPPED: Final = {file.stem: file.read_text("utf-8") for file in sorted((DOCS / "notes").glob("*.md"))}
QUOTED: Final = {
    quote.partition(",")[0].removeprefix("> "): "# " + re.sub(r"^> ?", "", quote, flags=re.MULTILINE)
    for quote in re.findall(r"(?:^>.*\n)+", (DOCS / "note.md").read_text("utf-8"), re.MULTILINE)
}
"""The system's notes beside those written by hand; a title in a quote is no heading."""
OF_REAL: Final = {name: text for name, text in SHIPPED.items() if "SAMPLE" not in text} | QUOTED
OF_SAMPLE: Final = {name: text for name, text in SHIPPED.items() if "SAMPLE" in text}


def check(text: str, lake: Published) -> None:
    """A note of the documents is what the system writes of the market and the day in its title, and it is true."""
    title = re.search(r"^# (\w+), .+: \w+ (.+)$", text, re.MULTILINE)
    assert title
    market, day = title[1], datetime.strptime(title[2], "%d %B %Y").date()  # noqa: DTZ007  (a day has no zone)
    _, close = session_of(day)
    with reading(lake.lake, close) as snapshot:
        note = read_note(snapshot, market)
    assert text == note.text() + "\n", f"next: put what `r2k note {market} {day}` writes into the document"
    assert not list(wrong_in(note.text(), World(Files.of(lake.lake), market, close)))


def test_there_are_three_of_other_moments_and_two_beside_those_by_hand() -> None:
    assert list(QUOTED) == ["RUT", "SPX"]
    assert len(OF_REAL) == 3 + len(QUOTED)
    assert OF_SAMPLE


@pytest.mark.parametrize("name", OF_REAL)
def test_notes_of_the_documents_are_what_the_system_writes_and_true(name: str, from_real: Published) -> None:
    check(OF_REAL[name], from_real)


@pytest.mark.parametrize("name", OF_SAMPLE)
def test_that_of_the_sample_is_what_the_system_writes_and_true(name: str, sample: Published) -> None:
    check(OF_SAMPLE[name], sample)


def test_notes_are_kept_as_they_were_told(sample: Published) -> None:
    """And each number's query returns its value."""
    with reading(sample.lake) as snapshot:
        told = {market: [said.text for said in note.sentences] for market, note in read_notes(snapshot).items()}
        rows = snapshot.ask("from marts.notes order by market, place").pl()
        assert {market: each["sentence"].to_list() for (market,), each in rows.group_by("market")} == told
        assert set(rows["known_at"]) == {snapshot.moment}
        figures = [figure for text in rows["figures"].head(24) for figure in json.loads(text)]
        assert len(figures) > 9
        for figure in figures:
            ((value,),) = snapshot.ask(figure["query"]).fetchall()
            assert figure["value"] == (value.isoformat() if isinstance(value, date) else value), figure["query"]


def test_a_note_that_cannot_be_written_is_left_out_and_named(
    sample: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule without words for a close's values once stopped the publication of everything for a day."""

    def build_or_fail(facts: Facts, generation: Mapping[str, Any]) -> Note:
        if facts.values["market"] == "RUT":
            raise ValueError("too many values to unpack")
        return build_note(facts, generation)

    monkeypatch.setattr(kept, "build_note", build_or_fail)
    with reading(sample.lake) as snapshot:
        day = snapshot.ask("select max(session_date) from marts.positioning_vs_technicals").fetchall()[0][0]
        assert [*kept.unwritten(snapshot)] == []
        written = kept.new_notes(snapshot, Notes.create_empty())
        assert written["market"].unique().sort().to_list() == ["DJI", "NDX", "SPX"]
        monkeypatch.setattr(Snapshot, "read", lambda *_: written)
        (line,) = kept.unwritten(snapshot)
    assert line.startswith(f"RUT {day}: no note, a rule has no words: too many values to unpack; next: ")
