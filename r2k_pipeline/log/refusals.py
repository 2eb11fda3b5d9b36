"""Answers with too many refused rows: such an item failed, and none of its rows is recorded.

Belongs here: how many are too many, and the messages about refused rows. Not here: the rules (contracts,
sources/screening.py), what is appended (recording.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.errors import first_names
from r2k_pipeline.sources.screening import DIFFERS, Screened, refuse_rest

FEW_ROWS: Final = 3
"""Up to this many refused rows of one item are tolerated, unless all are: in a short file they are a large share."""
RULES_NAMED: Final = 2
FIX: Final = "fix or replace it"
SHOWN_BY: Final = FIX + '; r2k sql --source {} "select rule, row_key, row_values from meta.quarantine" shows the rows'


@dataclass(frozen=True)
class Judged:
    """The remaining rows of some answers. By origin: why an answer failed, and remarks on the others."""

    screened: Screened
    failures: Mapping[str, str]
    remarks: Mapping[str, tuple[str, ...]]


def judge_refusals(table: type[Table], screened: Screened, share: float, source: str | None = None) -> Judged:
    """`screened` without the rows of answers that failed because too many of their rows were refused.

    An answer failed if all rows are refused, or more than both `share` of them and FEW_ROWS. Its good rows are refused
    too: in a file with shifted days some fit by chance. Rows that differ from another file's do not count as refused;
    they are mentioned in a remark. `source`: that of the lake, if the rows are recorded.
    """
    differs = pl.col("rule").str.starts_with(DIFFERS)
    broken, settled = screened.refused.filter(~differs), screened.refused.filter(differs)
    read = pl.concat([frame.select("source") for frame in (screened.rows, screened.refused, screened.identical)])
    counts = broken.group_by("source").len("broken").join(read.group_by("source").len("read"), on="source")
    too_many = (pl.col("broken") == pl.col("read")) | (pl.col("broken") > share * pl.col("read") + FEW_ROWS)
    failed = dict(counts.filter(too_many).select("source", "read").iter_rows())
    remedy = SHOWN_BY.format(source) if source else FIX
    return Judged(
        refuse_rest(table, screened, list(failed)),
        {origin: f"{_failure(broken.filter(source=origin), rows)}; next: {remedy}" for origin, rows in failed.items()},
        {str(origin): tuple(_differing(rows)) for (origin,), rows in settled.group_by("source")},
    )


def _failure(broken: pl.DataFrame, read: int) -> str:
    """`52 of 52 rows refused: report_date is not a day (52), e.g. ...`."""
    rules = broken["rule"].value_counts(sort=True).head(RULES_NAMED)
    named = ", ".join(f"{say_rules(rule)} ({count:,})" for rule, count in rules.iter_rows())
    first = broken.filter(rule=rules["rule"][0]).row(0, named=True)
    column = first["rule"].split()[0]
    value = json.loads(first["row_values"]).get(column)
    example = first["row_key"] + (f" ({column} {value})" if value and value not in first["row_key"] else "")
    return f"{broken.height:,} of {read:,} rows refused: {named}, e.g. {example}"


def say_rules(rule: str) -> str:
    """The first of the rules that a row broke."""
    return first_names(rule.split(", "))


def _differing(settled: pl.DataFrame) -> list[str]:
    standing = pl.col("rule").str.strip_prefix(DIFFERS)
    counted = settled.group_by(standing, maintain_order=True).agg(pl.len(), pl.col("row_key").first())
    sentence = "{} has {:,} of its rows otherwise and stands, as it reaches at least as far, e.g. {}"
    return [sentence.format(*row) for row in counted.iter_rows()]
