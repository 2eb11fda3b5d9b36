"""The rows of published generations compared: a published row stays for good, in all columns.

Belongs here: published tables read from a lake, cut to what was known at a moment, compared. Not here: lives.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from r2k_pipeline.contracts.clock import rows_known_at
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS
from r2k_pipeline.lake import Lake
from r2k_pipeline.tables import TABLES

ABOUT_RUNS: Final = frozenset({"meta.generation", "meta.fetches", "meta.findings", "meta.restatements"})
"""These say how the runs went and what is doubted now, not what the market did; a rebuild has runs of its own."""
AHEAD: Final = "marts.sessions"
"""It holds what is still to come, by the clock."""
STANDING: Final = {
    "staging.daily_prices": "staging.price_vintages",
    "staging.cot_positions": "staging.cot_position_vintages",
    "marts.weekly_positioning": "marts.positioning_vintages",
}
"""These hold what stands, so that a revision replaces a row; all rows that were ever published are in the vintages."""
BROUGHT: Final = ("withdrawn_at", "setup_known_at")
"""Instants of columns that a later session brings."""
EXAMPLES: Final = 3
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Generation:
    """What was published, and the moment whose knowledge it is."""

    as_of: datetime
    tables: Tables

    @classmethod
    def of(cls, lake: Lake) -> "Generation":
        """The published generation of a lake."""
        tables = published_tables(lake)
        return cls(tables["meta.generation"]["as_of"].item(), tables)


def published_tables(lake: Lake) -> dict[str, pl.DataFrame]:
    """Every published table, by its dotted name."""
    files = {n: lake.published_files(n) for n, table in TABLES.items() if table.layer in PUBLISHED_LAYERS}
    return {name: pl.read_parquet([file.read_bytes() for file in parts]) for name, parts in files.items() if parts}


def rows_known_by(name: str, tables: Tables, moment: datetime) -> pl.DataFrame:
    """The rows of one of `tables` known by `moment`; of a table with `known_with` only those whose key is there too."""
    table = TABLES[name]
    rows = rows_known_at(table, tables[name], moment)
    if table.known_with:
        rows = rows.join(tables[table.known_with], on=table.primary_key(), how="semi")
    return rows


def dated(tables: Tables) -> list[str]:
    """The names of the tables whose rows are known from a moment on, so that they must stay."""
    return sorted(name for name in tables if TABLES[name].known_by and not TABLES[name].may_change)


def changes(before: Generation, after: Generation) -> list[str]:
    """One line a table of which `after` lacks a row of `before`, or has it with other values."""
    return [line for name in dated(before.tables) for line in _changed(name, before, after)]


def _changed(name: str, before: Generation, after: Generation) -> Iterable[str]:
    if name not in after.tables:
        yield f"{name}: the table is gone"
        return
    key = TABLES[name].primary_key()
    was = rows_known_by(name, before.tables, before.as_of)
    now = _without_late_news(
        name, rows_known_by(name, after.tables, before.as_of), before.tables["staging.market_bars"]
    )
    lost = was.clear() if was.equals(now) else was.join(now, on=was.columns, how="anti", nulls_equal=True)
    if lost.is_empty():
        return
    paired = lost.join(now, on=key, how="left", suffix="_now", nulls_equal=True)
    gone = lost.join(now, on=key, how="anti", nulls_equal=True)
    values = [column for column in was.columns if column not in key]
    differ = [column for column in values if paired[column].ne_missing(paired[f"{column}_now"]).any()]
    examples = lost.select(key).head(EXAMPLES).rows()
    yield (
        f"{name}: of {was.height} published rows {gone.height} are gone, {lost.height - gone.height} differ "
        f"({', '.join(differ[:8]) or 'the row'}), e.g. {examples}"
    )


def _without_late_news(name: str, now: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The rows without what sessions later than those in `bars` add: withdrawals, setups, prices of positions."""
    days = bars.group_by("market", last_day="session_date").agg(last=pl.col("known_at").min())
    last = days.sort("last_day").group_by("market").last()
    later = {column: (at, "last") for column, at in TABLES[name].known_later.items() if at in BROUGHT}
    later |= {"net_notional_usd": ("report_date", "last_day")} if "net_notional_usd" in now.columns else {}
    if not later:
        return now
    dated = now.join(last, on="market", how="left", maintain_order="left")
    was_there = {column: (pl.col(at) <= pl.col(end)).fill_null(True) for column, (at, end) in later.items()}
    kept = [pl.when(is_there).then(column).alias(column) for column, is_there in was_there.items()]
    return dated.with_columns(kept).drop("last", "last_day")


def standing_is_what_stands(generation: Generation) -> list[str]:
    """The tables of what stands that are not the newest of their vintages."""
    wrong = []
    for name, vintages in STANDING.items():
        rows, key = generation.tables[name], TABLES[name].primary_key()
        stands = generation.tables[vintages].filter(pl.col("superseded_at").is_null())
        if "is_withdrawn" in stands.columns:
            stands = stands.filter(~pl.col("is_withdrawn"))
        if not rows.select(sorted(key)).sort(sorted(key)).equals(stands.select(sorted(key)).sort(sorted(key))):
            wrong.append(f"{name}: {rows.height} rows, and {stands.height} stand in {vintages}")
    return wrong


def differences(life: Tables, rebuild: Tables) -> list[str]:
    """One line a table that a rebuild from raw has otherwise than the life, in any row, column or order."""
    found = []
    for name in sorted((life.keys() | rebuild.keys()) - ABOUT_RUNS - {AHEAD}):
        if name not in life or name not in rebuild:
            found.append(f"{name}: only {'the life' if name in life else 'the rebuild'} has it")
        elif not life[name].equals(rebuild[name]):
            same = life[name].sort(life[name].columns).equals(rebuild[name].sort(life[name].columns))
            only = life[name].join(rebuild[name], on=life[name].columns, how="anti", nulls_equal=True)
            rows = f"{life[name].height} rows and {rebuild[name].height}, {only.height} of the life not in the rebuild"
            keys = only.select(TABLES[name].primary_key()).head(EXAMPLES).rows()
            found.append(f"{name}: {'in another order' if same else f'{rows}, e.g. {keys}'}")
    return found


def copy_of_raw(lake: Lake, folder: Path) -> Lake:
    """A fresh lake with nothing but the raw log of `lake`, and what is held."""
    copy = Lake.of(folder, lake.root.name)
    for part in ("raw", "held"):
        if (lake.root / part).exists():
            shutil.copytree(lake.root / part, copy.root / part)
    return copy
