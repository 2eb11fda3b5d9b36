"""The gate before publication: no published row changes or disappears without acceptance.

Belongs here: when two generations are compared, when a restatement waits, the record of accepted ones. Not here: the
comparison (restatement.py), causes (causes.py), the publication (publication.py).
"""

from datetime import datetime

import polars as pl

from r2k_pipeline.causes import find_causes
from r2k_pipeline.contracts.meta import Restatements as PublishedRestatements
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.restatements import Restatements
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import short_digest
from r2k_pipeline.generations import Published, last_generation
from r2k_pipeline.restatement import Difference, Restatement, compare_published, read_restatement, write_restatement
from r2k_pipeline.runs import Run
from r2k_pipeline.tables import TABLES


class RestatementError(R2kError):
    """Published rows would differ, and nobody accepted that; the message names tables, rows, causes, next command."""


def pass_gate(run: Run, generation: pl.DataFrame) -> pl.DataFrame:
    """Rows of raw.restatements for the candidate (its row of meta.generation); none if no published row differs.

    Published rows that differ are a restatement, which waits for acceptance. An accepted restatement passes if it is
    still the same. A rebuild of a past moment passes, because it has a folder of its own.
    Raises RestatementError.
    """
    last = None if run.is_replay else last_generation(run.lake)
    found = find_differences(run, last) if last else ()
    restated = tuple(difference for difference in found if difference.rows)
    if last is None or not restated:
        return Restatements.create_empty()
    waiting, candidate = read_restatement(run.lake), generation.row(0, named=True)
    restatement = Restatement(
        digest=short_digest("".join(f"{d.table_name} {d.digest}\n" for d in restated).encode()),
        found_at=run.clock(),
        told_until=last.row["as_of"],
        generation_before=last.row["generation_id"],
        causes=find_causes(run, last.row, candidate),
        differences=restated,
    )
    if waiting and waiting.accepted_at and waiting.digest == restatement.digest:
        return _log_rows(waiting, waiting.accepted_at, candidate["published_at"], candidate["generation_id"])
    write_restatement(run.lake, restatement)
    raise RestatementError("\n".join(restatement.lines(run.lake)))


def find_differences(run: Run, last: Published) -> tuple[Difference, ...]:
    """How the built tables differ from the rows that the `last` generation had at its moment, by table."""
    found: list[Difference | None] = []
    bars = last.files(MarketBars)
    for table in TABLES.values():
        before, after = last.files(table), run.lake.files(table.dotted())
        if table.layer in PUBLISHED_LAYERS and table.known_by and not table.may_change and before and after:
            beside = last.files(TABLES[table.known_with]) if table.known_with else ()
            found.append(compare_published(table, before, after, last.row["as_of"], beside, bars))
    return tuple(difference for difference in found if difference)


def published_restatements(run: Run, new: pl.DataFrame) -> pl.DataFrame:
    """The rows of meta.restatements: the log, and those that the generation about to be published adds."""
    log = run.lake.read(Restatements)
    known = log.filter(pl.col("restated_at") <= run.as_of) if run.is_replay else log
    return PublishedRestatements.validate(pl.concat([known, new]).sort(Restatements.primary_key()))


def _log_rows(found: Restatement, accepted_at: datetime, restated_at: datetime, generation_after: str) -> pl.DataFrame:
    rows = [
        {
            "restated_at": restated_at,
            "table_name": difference.table_name,
            "cause": "; ".join(found.causes),
            "accepted_at": accepted_at,
            "rows_changed": difference.rows_changed,
            "rows_missing": difference.rows_missing,
            "rows_added": difference.rows_added,
            "example": difference.examples[0],
            "generation_before": found.generation_before,
            "generation_after": generation_after,
        }
        for difference in found.differences
    ]
    return Restatements.validate(pl.DataFrame(rows, schema=Restatements.create_empty().schema))
