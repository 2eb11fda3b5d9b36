"""Contract of restatements: changes of published rows that a user accepted.

Belongs here: their log in raw; meta.py has the published table. Not here: a restatement that waits (restatement.py).
"""

import dataframely as dy

from r2k_pipeline.contracts.columns import additive, count, instant, text
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit


class Restated(dy.Schema):
    """The columns of a restatement."""

    restated_at = instant("when the generation that differs was published", key=True)
    table_name = text("the table whose published rows differ", key=True)
    cause = text("what made them differ, as far as it was found")
    accepted_at = instant("when `r2k accept restatement` took it")
    rows_changed = additive(count(Unit.ROWS, "published rows with another value"))
    rows_missing = additive(count(Unit.ROWS, "published rows that are gone"))
    rows_added = additive(count(Unit.ROWS, "rows of an earlier moment that had not been published"))
    example = text("one of them: key, column, value before -> value after")
    generation_before = text("the generation with the rows before")
    generation_after = text("the generation that replaced it")


class Restatements(Restated, Table, layer="raw"):
    """One table of one accepted restatement: how many published rows differ, and why."""
