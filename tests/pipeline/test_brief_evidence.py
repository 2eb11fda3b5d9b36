"""Every number of real briefs against its own query: all markets, several moments, sample and real data."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from r2k_pipeline.report.brief import Page
from r2k_pipeline.report.brief_statements import Figure, Section, Statement, say
from r2k_pipeline.snapshot import reading
from tests.lakes import Published
from tests.snapshots import read_brief, said

NEWEST = None
SAMPLE_MOMENTS = (NEWEST, datetime(2024, 3, 15, 18, tzinfo=UTC))
FIRST_WEEK = datetime(1987, 9, 20, tzinfo=UTC)  # of RUT; there is no DJI yet
MOMENTS_OF_RUT = (
    NEWEST,
    datetime(2012, 10, 29, 15, tzinfo=UTC),  # closed by the hurricane
    datetime(2025, 3, 14, 18, tzinfo=UTC),  # the note's Friday, inside the session, before the release
)
CONSTANTS = re.compile(
    r"(?:RSI|ATR) 14\b|SMA (?:(?:20|50|100|200)\b(?:, | and )?)+|(?:under|over|between|and) [37]0\b"
    r"|last 156\b|fewer than 141\b|10 ATR\b|52 weeks|52-week|250 sessions|20 sessions|over 60\b|65 %|r2k run"
)
"""Numbers that name an indicator or its window: the only ones that are no figures."""


def statements(pages: Sequence[Page]) -> list[Statement]:
    return [s for page in pages for s in (page.head, *(s for section in page.sections for s in section.statements))]


def unsourced(statement: Statement) -> str:
    """The digits of a statement that neither a figure nor the name of an indicator explains."""
    text = statement.text
    for figure in statement.figures:
        assert figure.text in text, f"{figure.text} is not in order in {statement.text!r}"
        before, _, text = text.partition(figure.text)
        assert not re.search(r"\d", CONSTANTS.sub("", before)), statement.text
    return "".join(re.findall(r"\d", CONSTANTS.sub("", text)))


def check_queries(published: Published, moment: datetime | None, figures: Sequence[Figure]) -> None:
    with reading(published.lake, moment) as snapshot:
        for query, figure in {figure.query: figure for figure in figures}.items():
            ((value,),) = snapshot.ask(query).fetchall()
            assert value == figure.value, query


def check(published: Published, moments: Sequence[datetime | None], *markets: str) -> None:
    asked = markets[0] if len(markets) == 1 else None
    by_moment = {moment: read_brief(published.lake, asked, moment).pages for moment in moments}
    pages = [page for found in by_moment.values() for page in found]
    assert {page.market["market"] for page in pages} == {*markets}
    found = statements(pages)
    assert all(statement.text.strip() for statement in found)
    assert not [statement.text for statement in found if unsourced(statement)]
    for moment, each in by_moment.items():
        check_queries(published, moment, [figure for page in each for figure in page.figures])


def test_every_number_of_the_sample_has_a_query_that_returns_it(sample: Published) -> None:
    check(sample, SAMPLE_MOMENTS, "RUT", "SPX", "NDX", "DJI")


def test_every_number_of_real_briefs_has_a_query_that_returns_it(from_real: Published) -> None:
    check(from_real, [FIRST_WEEK], "RUT", "SPX", "NDX")
    check(from_real, MOMENTS_OF_RUT, "RUT")


def said_by(published: Published, market: str, moment: datetime, title: str) -> list[str]:
    (page,) = read_brief(published.lake, market, moment).pages
    return said(page, title)


def test_the_week_that_the_note_is_about(from_real: Published) -> None:
    """Report 2025-03-11 as the CFTC printed it: asset managers' shorts up, leveraged funds from short to long."""
    friday = said_by(from_real, "RUT", datetime(2025, 3, 14, 22, tzinfo=UTC), "Positioning")
    assert friday[0] == "Report of 2025-03-11, released 2025-03-14 19:30 UTC, 3 days old at the close."
    assert friday[1].startswith("Asset managers | +48,030 | +10.1 % | -23,978 | -6,530 | +17,448 | new shorts |")
    assert "Leveraged funds turned from net short 11,308 on 2025-03-04 to net long 15,124." in friday


def test_a_report_is_not_told_before_its_release(from_real: Published) -> None:
    inside = datetime(2025, 3, 14, 18, tzinfo=UTC)
    assert said_by(from_real, "RUT", inside, "Positioning")[0].startswith("Report of 2025-03-04,")
    next_report = said_by(from_real, "RUT", inside, "What would change the picture")[-1]
    assert next_report == "Next COT report: positions of 2025-03-11, due 2025-03-14 19:30 UTC."


def test_a_delay_that_nobody_knew_of_is_not_told(from_real: Published) -> None:
    """The report of 2025-09-30 came out in November: on 30 September the schedule still stood."""
    eve = datetime(2025, 9, 30, 22, tzinfo=UTC)
    assert said_by(from_real, "SPX", eve, "What would change the picture")[-1] == (
        "Next COT report: positions of 2025-09-30, due 2025-10-03 19:30 UTC."
    )


def test_a_number_without_a_source_would_be_found() -> None:
    section = Section("Momentum", (say("RSI at 31."),))
    assert [unsourced(statement) for statement in section.statements] == ["31"]
