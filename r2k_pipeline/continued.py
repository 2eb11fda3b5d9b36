"""Markets that continue from the last generation: their published rows never change, so they are not built again.

Belongs here: which markets continue, the rows and parts that are taken. Not here: the rows after these
(transforms/replay.py), whether published rows may change (gate.py).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.clock import rows_known_at
from r2k_pipeline.contracts.marts import PositioningVintages
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table, parts_of
from r2k_pipeline.generations import Published, last_generation
from r2k_pipeline.lake import Lake
from r2k_pipeline.markets import Market
from r2k_pipeline.origins import differing, digests_of
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables import TABLES
from r2k_pipeline.transforms.bar_input import KEY
from r2k_pipeline.transforms.epochs import Continued, KnownBars

TAKEN: Final[tuple[type[Table], ...]] = (
    *(MarketBars, PositioningVintages),
    *(table for table in TABLES.values() if table.layer == "features" or table.grows),
)
"""Tables of the last generation whose rows are compared or taken."""


@cache
def _markets_in(file: Path) -> frozenset[str]:
    """The markets of a part of a generation, which never changes."""
    return frozenset(pl.read_parquet(file.read_bytes(), columns=["market"])["market"].unique())


def continued_markets(lake: Lake, settings: Settings, markets: Sequence[Market], as_of: datetime) -> Continued | None:
    """Which of `markets` continue from the last generation; their market bars must be built.

    A market continues if program, settings and its own entry are unchanged, and if its bars as known at the
    generation's moment equal those of the generation. None if no market does, in a rebuild of a past moment, and if a
    file of the generation is lost or damaged.
    """
    last = None if settings.as_of is not None else last_generation(lake)
    if last is None or last.row["as_of"] > as_of or not _is_same_program(settings, markets, last):
        return None
    if not (last.is_whole() and all(last.files(table) for table in TAKEN)):
        return None
    until: datetime = last.row["as_of"]
    ours = digests_of(settings, markets)["markets_digest"]
    changed = differing(last.row["markets_digest"], ours)
    other_bars = _with_other_rows(MarketBars, lake, last, until)
    with_prices = {market.market for market in markets if market.index}
    same = with_prices - changed - other_bars
    return Continued(until, frozenset(same), gone=frozenset(other_bars - with_prices)) if same else None


def with_same_positions(lake: Lake, continued: Continued | None) -> Continued | None:
    """Those of the `continued` markets whose positions, as known at its moment, are those of the generation too.

    Requires that marts.positioning_vintages is built.
    """
    if continued is None:
        return None
    last = last_generation(lake)
    assert last is not None
    same = continued.markets - _with_other_rows(PositioningVintages, lake, last, continued.until)
    return replace(continued, markets=same) if same else None


def _with_other_rows(table: type[Table], lake: Lake, last: Published, until: datetime) -> set[str]:
    """The markets whose rows of `table` known by `until` differ from those of the generation `last`."""

    def by_market(rows: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
        return rows_known_at(table, rows, until).sort(table.primary_key()).partition_by("market", as_dict=True)

    now, before = by_market(lake.read(table)), by_market(_read(last, table))
    same = {key for key in now.keys() & before.keys() if now[key].equals(before[key])}
    return {str(market) for (market,) in (now.keys() | before.keys()) - same}


def published_rows(lake: Lake, table: type[Table], markets: Collection[str]) -> pl.DataFrame:
    """The rows of the last generation for `markets`."""
    rows = pl.scan_parquet(lake.published_files(table.dotted())).select(table.column_names())
    return rows.filter(pl.col("market").is_in(markets)).collect()


def grown(
    lake: Lake, table: type[Table], bucket: int, rows: pl.DataFrame, bars: KnownBars
) -> tuple[pl.DataFrame, list[Path]]:
    """Of one bucket of a table that grows: the rows to write, and the parts of the last generation that stay.

    `rows` are those built from `bars`: of continued markets the new ones. An example, for bucket 0 and a new row of
    2025-03-13: 0-2020.parquet, which gets no row, stays; the rows of 0-2025.parquet are written again with the new one.
    Published rows that lie in the part of another bucket, or beside those of other markets, are written too.
    """
    if bars.continued is None:
        return rows, []
    files = lake.published_files(table.dotted())  # parts, or one file of all markets where the table was restored
    markets = bars.continued.markets & set(bars.vintages["market"].unique())
    new: pl.DataFrame = table.cast(rows)

    def published_in(parts: Iterable[Path]) -> list[pl.DataFrame]:
        frames = (pl.read_parquet(file.read_bytes()).select(new.columns) for file in parts)
        return [frame.filter(pl.col("market").is_in(markets)) for frame in frames]

    with_ours = [file for file in files if not markets.isdisjoint(_markets_in(file))]
    own = [file for file in with_ours if file.name.startswith(f"{bucket}-") and markets.issuperset(_markets_in(file))]
    to_write = pl.concat([new, *published_in(file for file in with_ours if file not in own)])
    written = {name for name, _ in parts_of(to_write, bucket)}
    kept = [file for file in own if file.name not in written]
    to_write = pl.concat([to_write, *published_in(file for file in own if file.name in written)])
    return to_write.sort(KEY, maintain_order=True), kept


def _is_same_program(settings: Settings, markets: Sequence[Market], last: Published) -> bool:
    """Whether program and settings are those of the last generation; False if it is older than their digests."""
    ours = digests_of(settings, markets)
    return all(last.row.get(name) == ours[name] for name in ("code_digest", "settings_digest"))


def _read(last: Published, table: type[Table]) -> pl.DataFrame:
    rows = pl.read_parquet([file.read_bytes() for file in last.files(table)])
    return rows.select(table.column_names())
