"""Contract of judged claims: what notes say, how it was read, and whether the data bears it out.

Belongs here: what a verdict is. Not here: notes (notes/*.toml), how they are judged (claims/).
"""

from typing import Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, instant, number, text
from r2k_pipeline.contracts.table import Table

VERDICTS: Final = ("holds", "fails", "undetermined")


class Claims(Table, layer="marts", may_change=True):
    """One reading of one claim of a note, judged on what was known at `known_at`; readings stand side by side."""

    note_id = text("the note: name of its file", key=True)
    claim_id = text("the claim within the note", key=True)
    alternative = text("which reading of the claim's words", key=True)
    claim = text("the claim, in our words")
    definition = text("the reading: what it takes the words to mean, its query or check, parameters and condition")
    verdict = choice(VERDICTS, "undetermined: no rows, a null, or a definition that could not be computed")
    computed_value = number("as `unit` says", "the number found: `value` of the first row that decides", nullable=True)
    computed_text = text(
        "what was found where it is no number: a day, a state; beside a number, how many others would pass",
        nullable=True,
    )
    unit = text("unit of what was computed")
    as_of = instant("the moment at which the claim was made: it is judged on what was known then")
    judged_until_at = instant("for a claim that looks ahead: the later moment it is judged at", nullable=True)
    known_at = instant("when this verdict could first be given: judged_until_at, else as_of")
    evidence = text("the rows behind the verdict, JSON", regex=r"^\[")
    reason = text("why it is undetermined; of any verdict: what windows to its moment lack", nullable=True)

    @dy.rule()
    def undetermined_says_why(cls) -> pl.Expr:  # noqa: N805
        return (pl.col("verdict") != "undetermined") | pl.col("reason").is_not_null()

    @dy.rule()
    def known_when_judged(cls) -> pl.Expr:  # noqa: N805
        return pl.col("known_at") == pl.coalesce("judged_until_at", "as_of")
