"""Contract of the published notes: each sentence as it was published.

Belongs here: their log in raw and the published table. Not here: what a note says (report/note/).
"""

import dataframely as dy

from r2k_pipeline.contracts.columns import count, day, instant, text
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit


class Sentence(dy.Schema):
    """The columns of a sentence of a note."""

    market = text("market id", key=True)
    session_date = day("the session that the note is about", key=True)
    place = count(Unit.SENTENCES, "its place on the page, from 1", key=True)
    section = text("section of the note, as in rules.toml")
    rule = text("the rule that it was said by, as in rules.toml")
    sentence = text("the sentence as it was published")
    figures = text("the numbers in it as JSON: as printed, the value, the query that gave it", regex=r"^\[")
    report_date = day("as-of day of the newest report that the note rests on", nullable=True)
    generation_id = text("the generation that published it first")
    known_at = instant("the moment of that generation: the note says what was known by then")


class NoteLog(Sentence, Table, layer="raw"):
    """One sentence of a note that was published."""


class Notes(Sentence, Table, layer="marts"):
    """One sentence of the note on a market's session, as the first generation that ended with this session published
    it. It is never rewritten.
    """
