"""Contracts about the data itself: what was fetched, refused and published, and what columns mean.

Belongs here: the book-keeping that lets a number be traced. Not here: market data.
"""

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import additive, choice, count, day, flag, instant, text
from r2k_pipeline.contracts.restatements import Restated
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit

FETCH_STATUSES = ("ok", "held", "failed", "absent", "accepted")


class _Refused(dy.Schema):
    table_name = text("the raw table the row was meant for", key=True)
    source = text("source name and file or address", key=True)
    row_key = text("key of the row as the vendor wrote it", key=True)
    rule = text("the rule it broke", key=True)
    row_values = text("the row as the vendor wrote it, JSON", key=True)
    recorded_at = instant("when it was first refused")


class RefusedRows(_Refused, Table, layer="raw"):
    """One row that a source delivered and a rule refused, as the vendor wrote it."""


class Quarantine(_Refused, Table, layer="meta", known_by="recorded_at", may_change=True):
    """Every row refused and why: the row as the vendor wrote it, its source and the rule it broke."""


class _Fetch(dy.Schema):
    item = text("symbol or report file", key=True)
    table_name = text("the raw table it feeds", key=True)
    fetched_at = instant("when the answer was complete", key=True)
    status = choice(
        FETCH_STATUSES,
        "ok; held: revises more than the stated share, or is doubted as a series, waits whole for `r2k accept`; "
        "failed: see message; absent: not there, and no failure; accepted: what was held was appended",
    )
    message = text("what failed, is held, was withdrawn or is missing, and the next command", nullable=True)
    rows_read = additive(count(Unit.ROWS, "rows in the answer"))
    rows_written = additive(count(Unit.ROWS, "rows of the answer appended to the raw log"))
    rows_quarantined = additive(count(Unit.ROWS, "rows refused"))
    rows_identical = additive(count(Unit.ROWS, "rows the log or the answer itself already held"))
    rows_held = additive(count(Unit.ROWS, "rows of the answer kept aside until `r2k accept`"))
    rows_withdrawn = additive(count(Unit.ROWS, "tombstones appended for rows no longer listed; not rows of the answer"))

    @dy.rule()
    def every_row_accounted_for(cls) -> pl.Expr:  # noqa: N805
        kept = ("rows_written", "rows_quarantined", "rows_identical", "rows_held")
        return pl.col("rows_read") == pl.sum_horizontal(kept)


class FetchLog(_Fetch, Table, layer="raw"):
    """One attempt to fetch one symbol or report file, with an account of every row in the answer.

    The raw log grew by rows_written + rows_withdrawn. Item `corrections` stands for corrections.toml, whose rows are
    the bars it names; an accepted item's rows are those that were held. `shows_from` and `shows_until` are the days
    whose rows this answer could have shown, by asking: what it lacks of them was not there. Of a COT archive that
    failed they are the days after the last report in hand. Null: it proves nothing about what it lacks, as another
    failed attempt and the first fetch of a file do; so does what was recorded before r2k kept this.
    """

    shows_from = day("first day whose rows this answer could have shown, by asking; null = none", nullable=True)
    shows_until = day("last day whose rows this answer could have shown, by asking; null = none", nullable=True)

    origin = text("the file or address that answered; null: none did, or from before r2k kept this", nullable=True)

    @dy.rule()
    def shows_days_in_order(cls) -> pl.Expr:  # noqa: N805
        return (pl.col("shows_from") <= pl.col("shows_until")) & (
            pl.col("shows_from").is_null() == pl.col("shows_until").is_null()
        )


class Fetches(_Fetch, Table, layer="meta"):
    """The latest attempt per symbol or report file: freshness, and what failed."""

    last_ok_at = instant("latest attempt that succeeded", nullable=True)


class Generation(Table, layer="meta"):
    """The generation in this warehouse: what was published, when, from what. One row."""

    generation_id = text("digest over the content of every published table but meta.fetches and restatements", key=True)
    published_at = instant("when this file was swapped in")
    as_of = instant("the moment whose knowledge this is")
    source = text("which source: sample, files or live")
    is_sample = flag("true: synthetic data, not a market")
    label = text("SAMPLE where the data is synthetic, else the source")
    r2k_version = text("version of the program")
    schema_version = count(Unit.VERSION, "of the published tables and their columns: docs/schema/ lists each")
    raw_files = count(Unit.FILES, "raw log files it was built from")
    last_recorded_at = instant("latest recorded_at in the raw logs", nullable=True)
    settings_digest = text("what was set that tables depend on: name=digest, separated by blanks")
    markets_digest = text("the configured markets: name=digest, separated by blanks")
    code_digest = text("digest over the program and its SQL")
    ledger_digest = text("digest over the release ledger")


class Restatements(Restated, Table, layer="meta", known_by="restated_at", may_change=True):
    """One table of one accepted restatement: how many published rows differ, and why. The generation before
    stays readable below `generations/` for a while.
    """
