"""The chart of a verdict marks what the claim names, and shows nothing that was known later than its verdict."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from r2k_pipeline.claims.lines import judge_statement
from r2k_pipeline.claims.note import SHIPPED, read_note
from r2k_pipeline.claims.verdict import Verdict, main_reading
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.statements import Statement
from r2k_pipeline.report.charts.claim import build_claim
from r2k_pipeline.report.charts.claim_rows import Drawing, read_drawing
from r2k_pipeline.report.charts.figure import Figure
from r2k_pipeline.snapshot import open_snapshot
from tests.lakes import Published
from tests.pipeline.command_line import r2k
from tests.site_pages import Site

NOTE = SHIPPED / "russell_2000_2025_03.toml"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "notes"
Drawn = dict[tuple[str, str], tuple[Verdict, Figure]]


def drawn(published: Published, file: Path) -> Drawn:
    """The chart of every reading of a note's claims that has one."""
    with open_snapshot(published.lake) as snapshot:
        tables = KnownTables(lambda: snapshot.connection)
        return {
            (verdict.claim.id, verdict.definition.alternative): (verdict, figure)
            for verdict in _verdicts(file, tables, snapshot.moment)
            if (figure := build_claim(verdict, tables, is_sample=False))
        }


def rows(published: Published, as_of: datetime | None = None) -> dict[tuple[str, str], tuple[Verdict, Drawing]]:
    """What the charts of the shipped note show, as known at a moment."""
    with open_snapshot(published.lake, as_of) as snapshot:
        tables = KnownTables(lambda: snapshot.connection)
        return {
            (verdict.claim.id, verdict.definition.alternative): (verdict, drawing)
            for verdict in _verdicts(NOTE, tables, snapshot.moment)
            if (drawing := read_drawing(verdict, tables))
        }


def _verdicts(file: Path, tables: KnownTables, moment: datetime) -> Iterator[Verdict]:
    note = read_note(file)
    for claim in note.claims:
        assert isinstance(claim, Statement)
        yield from judge_statement(note, claim, tables, moment)


@pytest.fixture(scope="module")
def seed(from_real: Published) -> Drawn:
    return drawn(from_real, NOTE)


def values(figure: Figure) -> dict[str, float]:
    """The claimed values, by their labels at the edge."""
    return {str(row["label"]): float(str(row["value"])) for row in figure.data["values"] if row["series"] == "claimed"}


def days(figure: Figure) -> dict[str, date]:
    """The marked days by their labels."""
    return {str(row["label"]): row["day"] for row in figure.data["days"]}  # type: ignore[misc]


def point(figure: Figure) -> tuple[date, float]:
    """What was found."""
    ((day, value),) = ((row["day"], row["value"]) for row in figure.data["points"])
    return day, value  # type: ignore[return-value]


def series(figure: Figure, name: str) -> dict[date, Any]:
    return {row["day"]: row["value"] for row in figure.data["lines"] if row["series"] == name}  # type: ignore[misc]


def test_a_level_is_a_line_over_closes_with_the_swing_that_made_it(seed: Drawn) -> None:
    _, figure = seed["T6", "as_it_says"]
    assert values(figure) == {"at 1924": 1924.0}
    assert point(figure) == (date(2024, 2, 5), pytest.approx(1921.36, abs=0.005))
    assert series(figure, "close")[date(2025, 3, 14)] == pytest.approx(2044.10, abs=0.005)


def test_a_cross_is_marked_on_its_day_where_the_two_averages_meet(seed: Drawn) -> None:
    _, figure = seed["T10a", "as_it_says"]
    assert days(figure) == {"on 2025-03-13": date(2025, 3, 13), "2025-03-20 50x200 down": date(2025, 3, 20)}
    day, value = point(figure)
    assert value == series(figure, "sma_200")[day] == pytest.approx(2203.09, abs=0.005)
    assert series(figure, "sma_50")[day] == pytest.approx(2201.63, abs=0.005)


def test_the_week_of_a_position_is_marked_with_its_value_and_the_rank_as_a_value(seed: Drawn) -> None:
    _, figure = seed["P1a", "asset_manager"]
    assert point(figure) == (date(2025, 3, 11), 17_448)
    marked = values(figure)
    assert marked["change above 0"] == 0
    assert series(figure, "short")[date(2025, 3, 4)] < marked["change rank above 90"] < 17_448
    _, before = seed["P1a", "asset_manager_before_release"]
    assert point(before) == (date(2025, 3, 4), 9_262)
    assert max(series(before, "short")) == date(2025, 3, 4)


def test_numbers_of_public_notes_are_marked_with_what_they_name(from_real: Published) -> None:
    figures = {key: figure for name in ("positions", "retraced") for key, (_, figure) in _of(from_real, name).items()}
    assert values(figures["F3", "noncommercial"]) == {"is 80.6": 80_600.0, "before 32.1": 32_100.0}
    assert values(figures["X4b", "as_it_says"]) == {"is 3804.76": 3804.76}
    assert series(figures["X4b", "as_it_says"], "move") == pytest.approx(
        {date(2022, 1, 4): 4818.62, date(2022, 10, 13): 3491.58}
    )
    assert point(figures["X6", "as_it_says"])[1] == pytest.approx(3491.58, abs=0.005)


def _of(published: Published, name: str) -> Drawn:
    return drawn(published, FIXTURES / f"{name}.toml")


def test_every_reading_with_a_value_has_a_valid_chart(from_real: Published, seed: Drawn) -> None:
    assert {claim for claim, _ in seed} == {claim.id for claim in read_note(NOTE).claims} - {"P4"}
    for _, figure in list(seed.values())[::9]:
        figure.chart.to_dict()  # validates


def test_what_was_known_later_changes_no_chart(sample: Published) -> None:
    """The whole generation draws what a snapshot of the verdict's own moment draws."""
    whole = rows(sample)
    moments = sorted({verdict.known_at for verdict, _ in whole.values()})
    for moment in (moments[0], moments[len(moments) // 2], moments[-1]):
        then = rows(sample, moment)
        of_then = {key: drawing for key, (verdict, drawing) in whole.items() if verdict.known_at == moment}
        assert of_then
        for key, drawing in of_then.items():
            assert drawing == then[key][1], key
            assert max(day for series in drawing.lines.values() for day in series.days) <= moment.date()


CHARTED: Final = ("P1a", "P3c", "T4", "T6", "T10a", "O2")
"""Claims of positions, another market, a profile, levels, averages and of what comes after the note."""


def test_the_page_of_a_checked_note_has_each_statement_with_its_chart(
    sample: Published, home: Path, tmp_path: Path
) -> None:
    """But for one that is not checkable; that all claims of the note have charts, a test above shows."""
    head, _, claims = NOTE.read_text("utf-8").partition("[claims]\n")
    lines = {line.partition(" ")[0]: line for line in claims.splitlines()}
    note = tmp_path / "note.toml"
    note.write_text("\n".join([head, "[claims]", *(lines[name] for name in (*CHARTED, "P4"))]) + "\n", "utf-8")
    said = r2k(home, "check-note", note, "--source", "sample", "--lake", sample.folder, "--html")
    assert said.exit_code == 0, said.output
    assert said.stdout.count("<article id=") == len(CHARTED) + 1
    assert said.stdout.count('src="data:image/png;base64,') == len(CHARTED)
    assert "Short positions in the Russell 2000 rose significantly" in said.stdout
    assert len(said.stdout) < 20_000 * len(CHARTED)


def test_a_note_cannot_write_markup_into_its_page(sample: Published, home: Path) -> None:
    hostile = home / "hostile.toml"
    hostile.write_text(
        '[note]\ntitle = "<script>alert(1)</script>"\nmoment = 2025-03-14\nmarket = "RUT"\n[claims]\n'
        'A = { says = "<img src=x onerror=alert(1)>", close.above = 0 }\n'
        'B = { says = "wrong", close.abov = 0 }\n'
    )
    said = r2k(home, "check-note", hostile, "--source", "sample", "--lake", sample.folder, "--html")
    assert said.exit_code == 1, said.output
    assert "<script>" not in said.stdout
    assert "<img src=x" not in said.stdout
    assert "rename it to above" in said.stdout


def test_the_site_shows_the_chart_of_the_reading_that_stands_for_a_statement(reported: Published) -> None:
    page = Site(reported.lake.report(None)).pages["claims.html"]
    with open_snapshot(reported.lake) as snapshot:
        tables = KnownTables(lambda: snapshot.connection)
        by_claim: dict[str, list[Verdict]] = {}
        for verdict in _verdicts(NOTE, tables, snapshot.moment):
            by_claim.setdefault(verdict.claim.id, []).append(verdict)
    expected = {
        f"figures/claim-{NOTE.stem}-{first.claim.id}-{first.definition.alternative}.png"
        for first in map(main_reading, by_claim.values())
        if first.finding.verdict != "undetermined"
    }
    assert {given["src"] for tag, given in page.tags if tag == "img"} == expected
