"""The causes of differences in published rows, as far as there is evidence.

Belongs here: looking for late rows, older history, changed origins, a symbol that is another's copy. Not here: which
rows differ (restatement.py), what follows (gate.py).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.cot import CotPositionVintages, CotReports
from r2k_pipeline.contracts.prices import PriceActions, PriceActionVintages, PriceBars, PriceVintages
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.errors import first_names
from r2k_pipeline.log.revisions import key_of
from r2k_pipeline.origins import changed_markets, changed_settings
from r2k_pipeline.runs import Run

UNKNOWN: Final = "unknown: no new raw row, setting, market or code explains it"
VINTAGES: Final[dict[type[Table], type[Table]]] = {
    PriceBars: PriceVintages,
    PriceActions: PriceActionVintages,
    CotReports: CotPositionVintages,
}
"""The table that has `known_at` of a raw fact."""
ALIKE_SESSIONS: Final = 5
"""Two symbols with the same four prices at so many sessions are no coincidence."""


def find_causes(run: Run, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The possible causes of a difference between two rows of meta.generation, one sentence each; or UNKNOWN.

    There may be several: each is evidence, none is proof.
    """
    found = (*_raw_rows(run, before["as_of"]), *_alike(run), *_origins(before, after))
    return found or (UNKNOWN,)


def _origins(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for column, what, changed_parts in (
        ("settings_digest", "settings", changed_settings),
        ("markets_digest", "markets", changed_markets),
    ):
        if before.get(column) and (changed := list(changed_parts(before[column], after[column]))):
            yield f"{what} changed: {first_names(changed)}"
    if before.get("ledger_digest", after["ledger_digest"]) != after["ledger_digest"]:
        yield "release ledger corrected"
    if before.get("code_digest") != after["code_digest"]:
        old, new = before["r2k_version"], after["r2k_version"]
        yield f"code changed: {f'r2k {old} before, {new} now' if old != new else f'another state of r2k {new}'}"


def _raw_rows(run: Run, since: datetime) -> Iterator[str]:
    """Facts first recorded after `since` for earlier days: first rows of an item, older history, late rows."""
    for table, vintages in VINTAGES.items():
        key, day = key_of(table), table.day_column()
        scope = [name for name in key if name != day]
        log = run.lake.read(table, [*key, "recorded_at", *(["is_final"] if table is PriceBars else [])])
        rows = log.filter("is_final") if table is PriceBars else log
        first = rows.group_by(key).agg(pl.col("recorded_at").min())
        known = first.filter(pl.col("recorded_at") <= since).group_by(scope).agg(low=pl.min(day), high=pl.max(day))
        dated = run.lake.read(vintages, [*key, "known_at"]).group_by(key).agg(pl.col("known_at").min())
        new = first.filter(pl.col("recorded_at") > since).join(known, on=scope, how="left")
        new = new.join(dated, on=key, how="left")
        is_late = pl.col(day).is_between("low", "high") | (
            (pl.col(day) > pl.col("high")) & (pl.col("known_at") <= since)
        )
        for where, what in (
            (pl.col("low").is_null(), "first rows of a new item"),
            (pl.col(day) < pl.col("low"), "older history added"),
            (is_late, "late row"),
        ):
            yield from _summary(table, what, new.filter(where), scope, day)


def _summary(table: type[Table], what: str, rows: pl.DataFrame, scope: list[str], day: str) -> Iterator[str]:
    if rows.is_empty():
        return
    spans = rows.group_by(scope).agg(pl.len(), first=pl.min(day), last=pl.max(day)).sort(scope)
    items = [f"{' '.join(names)} {n:,} of {first} to {last}" for *names, n, first, last in spans.iter_rows()]
    yield f"{what}: {table.dotted()} {first_names(items)}"


def _alike(run: Run) -> Iterator[str]:
    """Symbols with the bars of another symbol."""
    bars = run.lake.read(PriceVintages).filter(pl.col("superseded_at").is_null())
    same = bars.join(bars, on=["session_date", "open", "high", "low", "close"], suffix="_other")
    pairs = (
        same.filter(pl.col("symbol") < pl.col("symbol_other")).group_by("symbol", "symbol_other").len().sort("symbol")
    )
    for symbol, other, sessions in pairs.filter(pl.col("len") >= ALIKE_SESSIONS).iter_rows():
        yield f"symbol that looks like another's: {symbol} and {other} have the same bars at {sessions:,} sessions"
