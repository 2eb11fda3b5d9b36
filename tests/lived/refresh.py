"""One run without Dagster: fetch, build every table, publish; what failed, by name.

Belongs here: the order of these steps, so that a day of a life takes a second or two. Not here: expectations.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from r2k_pipeline.build import Outcome, build_tables
from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.errors import R2kError
from r2k_pipeline.log.ingest import ingest_prices, ingest_reports
from r2k_pipeline.publication import publish
from r2k_pipeline.runs import Run
from r2k_pipeline.tables.claims import Claims
from r2k_pipeline.tables.column_dictionary import ColumnDictionary
from r2k_pipeline.tables.reference import Sessions
from tests.pipeline.knowledge import built
from tests.short_notes import write_short_notes
from tests.sql.rows import no_rows

LEFT_EMPTY: Final = (Claims, ColumnDictionary)
"""Claims start a process of their own, the dictionary is of the contracts alone."""


def fetch(run: Run) -> list[str]:
    """Fetch prices and reports into the raw log; the messages of what failed or is held."""
    intakes = [*ingest_prices(run, _sessions(run)), ingest_reports(run)]
    return [message for intake in intakes for message in intake.failures["message"]]


def _sessions(run: Run) -> pl.DataFrame:
    return run.lake.read(Sessions) if run.lake.files(Sessions.dotted()) else built(run, Sessions)


def build(run: Run, outcomes: dict[str, Outcome] | None = None) -> list[str]:
    """Build every table from raw and publish; the message of the first that breaks its contract, or of the gate.

    `outcomes` is filled with how each table went, by its name.
    """
    _sessions(run)
    for table in LEFT_EMPTY:
        run.lake.write(table, no_rows(table))
    for outcome in build_tables(run, given=(*LEFT_EMPTY, Sessions)):
        if outcome.state == "failed":
            return [outcome.message()]
        if outcomes is not None:
            outcomes[outcome.table.dotted()] = outcome
    try:
        publish(run, write_short_notes)
    except R2kError as error:
        return [str(error), *_errors(run)]
    return [*_errors(run)]


def _errors(run: Run) -> Iterator[str]:
    """Findings that make a run fail."""
    for row in run.lake.read(Findings).filter(pl.col("severity") == "error").iter_rows(named=True):
        yield f"{row['check_name']} {row['row_key']}: {row['evidence']}"
