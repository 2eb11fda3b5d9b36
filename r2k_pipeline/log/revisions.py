"""Compares answers with the log: rows that are new, changed or missing, and when these need acceptance.

Belongs here: comparison by key with the latest vintage, withdrawals, how many revisions make an answer be held.
Not here: fetching and the account of rows (ingest.py), accepting held rows (acceptance.py), files (lake.py).
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.sources.corrections import BY_CORRECTION
from r2k_pipeline.sources.factors import name_pattern
from r2k_pipeline.sources.prices import PRICES, differs
from r2k_pipeline.sources.protocol import came_live
from r2k_pipeline.sources.screening import STAMP, Screened

FEW_ROWS: Final = 20
"""Up to this many revisions of one item are always accepted (16 markets of one report were once republished), and at
most this many of its rows are withdrawn without `r2k accept`."""
WITHDRAWN_BY_ABSENCE: Final = {PriceActions: pl.lit(True), CotReports: came_live()}
"""Tables in which a row is withdrawn if an answer covers it and does not list it. Not bars: vendors drop whole
sessions, for all indices at once; there the last good bar stays. A COT file on disk may be an extract of one market:
only a row missing from the CFTC's own answer was withdrawn."""
EXAMPLES: Final = 3
SETTLED: Final = "is_settled"


def key_of(table: type[Table]) -> list[str]:
    """The key of a raw log's rows without the moment of recording."""
    return [name for name in table.primary_key() if name != STAMP]


def vendor_rows(log: pl.DataFrame) -> pl.DataFrame:
    """The log without corrections: a vendor's values are compared with that vendor's earlier ones."""
    return log.filter(~pl.col("source").str.starts_with(BY_CORRECTION))


def latest(log: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The last vintage of every key."""
    return log.sort(STAMP).unique(key, keep="last")


def changed(rows: pl.DataFrame, known: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The `rows` that are missing from `known` (one row a key) or differ there; its values as `*_before`, `is_known`.

    That a volume has settled is a change if the known row had not settled, but not if the known row does not say.
    """
    values = [name for name in rows.columns if name not in (*key, STAMP, "source")]
    before = known.select(*key, *(pl.col(name).alias(f"{name}_before") for name in values), is_known=pl.lit(True))
    is_other = _differ(name for name in values if name != SETTLED)
    if SETTLED in values:
        is_other |= pl.col(SETTLED) & (pl.col(f"{SETTLED}_before") == False)  # noqa: E712  (null: neither)
    compared = rows.join(before, on=key, how="left", maintain_order="left")
    return compared.with_columns(pl.col("is_known").fill_null(False)).filter(~pl.col("is_known") | is_other)


def _differ(values: Iterable[str]) -> pl.Expr:
    """Whether one of the values differs from the one before, in rows as by `changed`."""
    return pl.any_horizontal(pl.lit(False), *map(differs, values))


def _says_more() -> pl.Expr:
    """Bars as by `changed`, except those less final than the log: an old file's live bar or volume is ignored."""
    was_final, was_settled = (pl.col(f"{name}_before").fill_null(False) for name in ("is_final", SETTLED))
    is_live_again, is_unsettled_again = was_final & ~pl.col("is_final"), was_settled & ~pl.col(SETTLED)
    return ~pl.col("is_known") | ~(is_live_again | (is_unsettled_again & ~_differ(PRICES)))


def _is_first_value() -> pl.Expr:
    """Bars as by `changed` that are first values: the log had a live bar, or only a volume that had not settled."""
    was_live, was_unsettled = (~pl.col(f"{name}_before").fill_null(True) for name in ("is_final", SETTLED))
    return was_live | (was_unsettled & ~_differ((*PRICES, "is_withdrawn")))


@dataclass(frozen=True)
class News:
    """Differences between some answers and the log; `source` of each row is the answer's origin.

    `fresh`: keys without a final value so far. `revised`: other values than the last ones, which are in `*_before`.
    `missing`: last rows that an answer covers and does not list. `history`: source, rows known that it covers.
    """

    table: type[Table]
    fresh: pl.DataFrame
    revised: pl.DataFrame
    missing: pl.DataFrame
    history: pl.DataFrame

    @property
    def withdrawn(self) -> pl.DataFrame:
        """Tombstones: rows whose absence means that they no longer stand."""
        gone = self.missing.filter(WITHDRAWN_BY_ABSENCE.get(self.table, pl.lit(False)))
        return gone.with_columns(is_withdrawn=pl.lit(True))

    @property
    def revisions(self) -> pl.DataFrame:
        """The rows to append beside new keys: changed values and tombstones."""
        return pl.concat([self.revised.select(self.table.column_names()), self.withdrawn])

    def too_many(self, share: float) -> pl.DataFrame:
        """source, len, gone, history of the answers that revise more than FEW_ROWS rows and `share` of a history.

        For removed rows the limit is FEW_ROWS whatever the history: a download that broke off between two rows lacks
        whole contracts, as if they had been withdrawn.
        """
        counts = self.revisions.group_by("source").agg(pl.len(), gone=pl.col("is_withdrawn").sum())
        many = (pl.col("len") > share * pl.col("history")) | (pl.col("gone") > FEW_ROWS)
        return counts.join(self.history, on="source", how="left").filter(pl.col("len") > FEW_ROWS, many)

    def remarks(self, origin: str) -> Iterator[str]:
        """Notes about an accepted answer: early closes, revised values, missing rows."""
        yield from self._early_closes(origin)
        yield from self._revisions(origin)
        missing = self.missing.filter(pl.col("source") == origin)
        if missing.is_empty():
            return
        examples = ", ".join(_name(row, key_of(self.table)) for row in missing.head(EXAMPLES).iter_rows(named=True))
        consequence = "withdrawn" if origin in self.withdrawn["source"] else "the last good ones stay"
        yield f"rows known before are not in the answer, {consequence}: {missing.height}, e.g. {examples}"

    def _early_closes(self, origin: str) -> Iterator[str]:
        """Closes that the previous answer gave too early: it was fetched after the close, before the volume settled."""
        if self.table is not PriceBars:
            return
        early = self.revised.filter(~pl.col(f"{SETTLED}_before").fill_null(True), source=origin)
        for row in early.filter(_differ(["close"])).head(EXAMPLES).iter_rows(named=True):
            before, after = row["close_before"], row["close"]
            digits = 2 if round(before, 2) != round(after, 2) else 6  # snapshots are not rounded to cents
            change = f"{row['symbol']} {row['session_date']} close {before:.{digits}f} -> {after:.{digits}f}"
            yield f"{change}: the earlier answer was not the close"

    def _revisions(self, origin: str) -> Iterator[str]:
        """Rows with other values than before; of bars those with another close, since volumes change for days."""
        revised = self.revised.filter(source=origin)
        if self.table is PriceBars:
            revised = revised.filter(pl.col(f"{SETTLED}_before").fill_null(True), _differ(["close"]))
            revised = revised.select(*key_of(self.table), "close", "close_before")
        if revised.is_empty():
            return
        examples = "; ".join(_change(row, key_of(self.table)) for row in revised.head(EXAMPLES).iter_rows(named=True))
        pattern = name_pattern(revised)
        yield f"rows known before differ{', ' if pattern else ''}{pattern}: {revised.height:,}, e.g. {examples}"

    def held_message(self, item: str, origin: str, lake_source: str, share: float, doubt: str | None = None) -> str:
        """Why the answer for one item is held, with examples and the command that accepts it; `doubt` is a reason that
        takes precedence over the number of its revisions."""
        revised, gone = (frame.filter(pl.col("source") == origin) for frame in (self.revised, self.withdrawn))
        key, known = key_of(self.table), self.history.filter(pl.col("source") == origin)["history"].sum()
        examples = [_change(row, key) for row in revised.head(EXAMPLES).iter_rows(named=True)]
        examples += [f"{_name(row, key)} is removed" for row in gone.head(EXAMPLES).iter_rows(named=True)]
        pattern = name_pattern(revised)
        accept = f"r2k accept {shlex.quote(item)} --source {lake_source}"
        found, new = (revised.height + gone.height) / max(known, 1), (self.fresh["source"] == origin).sum()
        if doubt:
            changes = f"{revised.height:,} changed ones{', ' if pattern else ''}{pattern}"
            out = f"next: download it again, or if it is right: {accept}"
            return f"{item}: {doubt}: held, with {new:,} new rows and {changes}; {out}"
        return (
            f"{item}: of {known:,} rows of {self.table.dotted()} {revised.height:,} would change and {gone.height:,} "
            f"be removed ({found:.1%}; the limit is {share:.1%} changed or {FEW_ROWS} rows removed): held, "
            f"with {new:,} new ones{', ' if pattern else ''}{pattern}, e.g. {'; '.join(examples[:EXAMPLES])}; "
            f"next: {accept}"
        )


def compare(
    table: type[Table], log: pl.DataFrame, screened: Screened, covered: pl.DataFrame | None, stamp: datetime
) -> News:
    """The news of some screened answers; `covered` as by `coverage`, by default what their rows span."""
    key = key_of(table)
    known = latest(vendor_rows(log), key)
    news = changed(screened.rows, known, key)
    first = ~pl.col("is_known")
    if table is PriceBars:  # a value that is not final or not settled was never published
        news, first = news.filter(_says_more()), first | _is_first_value()
    columns = table.column_names()
    spans = _covered_keys(table, known, coverage(table, screened.rows) if covered is None else covered)
    missing = (
        known.filter(~pl.col("is_withdrawn"))
        .join(screened.rows, on=key, how="anti")
        .filter(~_row_key(key).is_in(screened.refused["row_key"].implode()))
        .drop("source")
        .join(spans.unique(key), on=key, how="inner")
        .with_columns(pl.lit(stamp).cast(pl.Datetime("us", "UTC")).alias(STAMP))
        .select(columns)
        .sort(key)
    )
    history = spans.group_by("source").len("history")
    return News(table, news.filter(first).select(columns), news.filter(~first), missing, history)


def coverage(table: type[Table], rows: pl.DataFrame) -> pl.DataFrame:
    """symbol or report_type, source, first, last: the span of days in which an answer lists all there is."""
    day = table.day_column()
    return rows.group_by(table.primary_key()[0], "source").agg(first=pl.min(day), last=pl.max(day))


def _covered_keys(table: type[Table], known: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """Keys of `known` within each answer's span, with `source` of the answer; joined year by year to stay narrow."""
    scope, day = table.primary_key()[0], pl.col(table.day_column())
    yearly = covered.with_columns(
        year=pl.int_ranges(pl.col("first").dt.year(), pl.col("last").dt.year() + 1, dtype=pl.Int32)
    ).explode("year")
    keys = known.select(key_of(table)).with_columns(year=day.dt.year())
    within = keys.join(yearly, on=[scope, "year"], how="inner").filter(day.is_between("first", "last"))
    return within.select(*key_of(table), "source")


def _row_key(key: list[str]) -> pl.Expr:
    return pl.concat_str([pl.col(name).cast(pl.String) for name in key], separator=" ")


def _name(row: dict[str, Any], key: list[str]) -> str:
    return " ".join(str(row[name]) for name in key[1:])


def _change(row: dict[str, Any], key: list[str]) -> str:
    """The first value of a revised row that changed: `2024-07-19 high 2261.2 -> 2198.3`."""
    values = [name for name in row if f"{name}_before" in row and row[name] != row[f"{name}_before"]]
    return f"{_name(row, key)} {values[0]} {row[f'{values[0]}_before']} -> {row[values[0]]}"
