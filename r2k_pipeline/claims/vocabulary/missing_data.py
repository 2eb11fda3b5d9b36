"""Data that a vocabulary claim needs and that was missing at its moment.

Belongs here: which data a measure needs. Not here: where data ends and what is missing (holes.py).
"""

from collections.abc import Iterator

from r2k_pipeline.claims.data_ends import rests_on_reports, rests_on_volume
from r2k_pipeline.claims.vocabulary.known_rows import Chosen
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.statements import Statement, all_assertions, markets_beside
from r2k_pipeline.holes import End, say_holes


def say_missing(statement: Statement, chosen: Chosen, tables: KnownTables) -> str | None:
    """A sentence about data that was due at a reading's moment and is missing; None if none is missing."""
    return "; ".join(say_holes(_ends(statement, chosen, tables))) or None


def say_windows(statement: Statement, chosen: Chosen, tables: KnownTables) -> str | None:
    """A sentence about days missing within the windows that end at a reading's moment; None if none is missing."""
    found = (end.window() for end in _ends(statement, chosen, tables))
    return "; ".join(sentence for sentence in found if sentence) or None


def _ends(statement: Statement, chosen: Chosen, tables: KnownTables) -> Iterator[End]:
    """Where the data that a claim needs ends."""
    measures, primary = [each.measure for each in all_assertions(statement)], tables.primary_reports
    kinds = {kind for measure in measures for kind in _kinds(measure)}
    markets = {chosen.market, *markets_beside(statement)}
    with_volume = any(rests_on_volume(f"{measure.derived} {measure.name}") for measure in measures)
    for end in tables.ends(chosen.known_at):
        if end.market not in markets or end.kind not in kinds:
            continue
        if end.kind == "prices":
            is_needed = end.role == "index" or (with_volume and end.role == "proxy")
        else:
            is_needed = end.report_type == (chosen.report_type or primary[end.market])
        if is_needed:
            yield end


def _kinds(measure: Measure) -> Iterator[str]:
    """The data that a measure needs: prices, reports, or both."""
    if measure.is_of_group:
        yield "reports"
        return
    yield "prices"
    if measure.table is not None and measure.table.layer == "marts" and rests_on_reports(measure.name):
        yield "reports"
