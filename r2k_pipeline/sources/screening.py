"""Screening: a vendor's text becomes typed rows of a contract, or refused rows with the rule they broke.

Belongs here: casting, contract rules, duplicates within an answer, and the account of every row.
Not here: vendor layouts (prices.py, cot.py), comparison with the log (log/ingest.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.meta import RefusedRows
from r2k_pipeline.contracts.table import Table

STAMP = "recorded_at"
FAULT: Final = "fault"
"""A column beside those of the contract: the fault that the parser found in the row, null without one."""
DIFFERS: Final = "differs from "
"""Begins the rule of a row that another answer of the same fetch has otherwise, and that one stands."""


@dataclass(frozen=True)
class Screened:
    """The rows of some answers after screening.

    `rows` fit the contract, `refused` are RefusedRows, `identical` are repeats that were dropped: column
    `source` of each says which answer a row came from.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame
    identical: pl.DataFrame


def screen(table: type[Table], written: pl.DataFrame, rules: dict[str, pl.Expr] | None = None) -> Screened:
    """Cast text columns to the contract and keep the rows that hold every rule.

    `written` has the contract's columns, still text where the vendor wrote text; `rules` are further rules
    by name, true where a row is good, over the typed columns of rows that fit the contract. Each refused row names
    every contract rule it broke, or the further one, or its FAULT if `written` has that column.
    Rows of one key that differ: all are refused within one answer; between answers the first answer stands.
    """
    faulty = []
    if FAULT in written.columns:
        is_faulty = written[FAULT].is_not_null()
        faulty = [written.filter(is_faulty).rename({FAULT: "rule"})]
        written = _without(written, is_faulty).drop(FAULT)
    dated, refused = _read_days(table, written)
    refused += faulty
    key = [name for name in table.primary_key() if name != STAMP]
    is_repeat = _is_repeat(dated, key)
    once, conflicts = _settle_conflicts(key, _without(dated, is_repeat))
    filtered, failure = table.filter(once, cast=True)
    good: pl.DataFrame = filtered
    refused += [*conflicts, _name_rules(failure, once.columns)]
    for name, holds in (rules or {}).items():
        broken = good.filter(~holds.fill_null(False)).with_columns(pl.exclude(STAMP).cast(pl.String))
        refused.append(broken.with_columns(rule=pl.lit(name)))
        good = good.filter(holds.fill_null(False))
    return Screened(
        good.select(table.column_names()),
        pl.concat([_as_refused(table, rows) for rows in refused]),
        dated.filter(is_repeat).select("source"),
    )


def day_of(name: str) -> pl.Expr:
    """A written day as a date: YYYY-MM-DD, also unpadded and with blanks around it; null where it is none.

    A cast from text to date does not exist in Polars, and its parser takes year 24 and signs as well.
    """
    cell = pl.col(name).str.strip_chars()
    is_iso = cell.str.contains(r"^\d{4}-\d{1,2}-\d{1,2}$")
    return pl.when(is_iso).then(cell.str.to_date("%Y-%m-%d", strict=False)).alias(name)


def refuse_rest(table: type[Table], screened: Screened, sources: Sequence[str]) -> Screened:
    """`screened` with every row of these sources refused; good rows are refused because too many others were."""
    of_them = pl.col("source").is_in(sources)
    rest = screened.rows.filter(of_them).with_columns(rule=pl.lit("in an item of which too many rows are refused"))
    refused = pl.concat([screened.refused, _as_refused(table, rest)])
    return Screened(screened.rows.filter(~of_them), refused, screened.identical)


def _without(rows: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """The rows outside a mask; a mask of none, as for most files, copies nothing."""
    return rows.filter(~mask) if mask.any() else rows


def _is_repeat(rows: pl.DataFrame, key: list[str]) -> pl.Series:
    """Whether a row is the same as one before it, of whatever answer; only rows that share their key are compared."""
    numbered = rows.with_row_index("place").filter(pl.struct(key).is_duplicated())
    values = [name for name in rows.columns if name != "source"]
    repeats = numbered.filter(~pl.struct(values).is_first_distinct())["place"]
    return pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True).scatter(repeats, True)


def _settle_conflicts(key: list[str], written: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """One row per key, and the refused rest with column `rule`. Of an answer that contradicts itself no row stands."""
    shared = written.filter(pl.struct(key).is_duplicated())
    if shared.is_empty():
        return written, []
    is_torn = pl.len().over(*key, "source") > 1
    standing = pl.when(~is_torn).then("source").drop_nulls().first().over(key)
    marked = shared.with_columns(
        pl.when(is_torn)
        .then(pl.lit("conflicting_duplicate"))
        .when(pl.col("source") != standing)
        .then(pl.lit(DIFFERS) + standing)
        .alias("rule")
    )
    refused = marked.filter(pl.col("rule").is_not_null())
    kept = written.join(refused, on=[*key, "source"], how="anti", nulls_equal=True, maintain_order="left")
    return kept, [refused]


def _read_days(table: type[Table], written: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Text days as dates, and the rows with a text that is not a day."""
    days = [name for name, column in table.columns().items() if isinstance(column, dy.Date)]
    written = written.with_columns(pl.col(days).cast(pl.String))  # in a frame without rows they are days already
    refused = []
    for name in days:
        is_day = day_of(name).is_not_null()
        refused.append(written.filter(~is_day).with_columns(rule=pl.lit(f"{name} is not a day")))
        written = written.filter(is_day)
    return written.with_columns(map(day_of, days)), refused


def _name_rules(failure: dy.FailureInfo, columns: list[str]) -> pl.DataFrame:
    """The refused rows with column `rule`: every rule each one broke, comma-separated."""
    broken = failure.details()
    rules = [name for name in broken.columns if name not in columns]
    named = [pl.when(pl.col(name) == "invalid").then(pl.lit(name.replace("|", " "))) for name in rules]
    return broken.select(*columns, rule=pl.concat_str(named, separator=", ", ignore_nulls=True))


def _as_refused(table: type[Table], rows: pl.DataFrame) -> pl.DataFrame:
    """RefusedRows of `rows`, whose column `rule` says why."""
    written = [name for name in table.column_names() if name not in ("source", STAMP) and not name.startswith("is_")]
    key = [pl.col(name).cast(pl.String).fill_null("?") for name in table.primary_key() if name != STAMP]
    return rows.select(
        table_name=pl.lit(table.dotted()),
        source=pl.col("source"),
        row_key=pl.concat_str(key, separator=" "),
        rule=pl.col("rule"),
        row_values=pl.struct(pl.col(written).cast(pl.String)).struct.json_encode(),
        recorded_at=pl.col(STAMP),
    ).cast(dict(RefusedRows.create_empty().schema))  # type: ignore[arg-type]
