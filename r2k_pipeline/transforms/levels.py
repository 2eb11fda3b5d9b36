"""Levels: zones of price that evidence has piled up in, as they were known at each session's close.

Belongs here: `features.levels` out of bars and evidence. Not here: what counts as evidence (level_evidence.py), the
loop over the bars (level_kernels.py), whether levels hold (level_outcomes.py).
"""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.level_evidence import build_level_evidence
from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.symbols import column_array, symbol_offsets

Records = NDArray[np.void]
ROLES = ("resistance", "support")
PER_SIDE = 6
"""Zones shown on each side of the close."""
FIRST_DAY = -(2**62)
"""Before every session."""
NAMED_EVIDENCE = 4
"""Newest pieces that the evidence text spells out; evidence_count counts all."""


def build_levels(
    bars: pl.DataFrame,
    indicators: pl.DataFrame,
    pivots: pl.DataFrame,
    profiles: pl.DataFrame,
    consolidations: pl.DataFrame,
    *,
    per_side: int = PER_SIDE,
    since: date | None = None,
) -> pl.DataFrame:
    """The `per_side` zones nearest to each close on either side, one row per market, session and zone.

    `bars` are `staging.market_bars` sorted by market and session_date, `indicators` hold atr_14, high_252d and low_252d
    of the same rows. All of history shapes the zones; rows come out from `since` on (a screen of thousands of symbols
    wants the last session only). Columns as in `features.levels`; prices in index points.

    Rules, ATR being that session's atr_14: evidence joins the zone whose price (the mean of its evidence) lies nearest
    within 0.5 ATR, unless the zone became wider than 1 ATR; else it founds a zone. A zone ends 504 sessions after its
    last evidence. It is *touched* when a bar comes within 0.1 ATR of it after a close had stood clear of it, *clear*
    meaning more than 0.5 ATR beyond its edge; it *held* when the next clear close is on the side the price came from,
    and is *broken* when one is on the other side; a break followed by a hold from there is a *role flip*.
    Role: support below the close, resistance above; a zone that contains the close keeps the role it had when the
    price last stood clear of it. Strength: each piece of evidence and each hold adds 1, a break takes a quarter away,
    and all fades with a half-life of 252 sessions.

    Raises ValueError if bars are not sorted or `indicators` has other rows than `bars`.
    """
    keys = bars.select("market", "session_date")
    if not keys.equals(indicators.select(keys.columns)):
        raise ValueError("levels: indicators do not have the market and session_date rows of bars, in their order")
    evidence = build_level_evidence(bars, indicators, pivots, profiles, consolidations)
    zones, previous = _walk_markets(bars, indicators["atr_14"], evidence, per_side, since)
    column = {name: pl.Series(np.ascontiguousarray(zones[name])) for name in zones.dtype.names or ()}
    at_bar, founder = bars[column["row"]], evidence[column["founder"]]
    return pl.DataFrame(
        {
            "market": at_bar["market"],
            "session_date": at_bar["session_date"],
            "level_id": _level_ids(evidence, zones["founder"]),
            "price": column["price"],
            "low": column["low"],
            "high": column["high"],
            "kind": founder["kind"],
            "role": pl.Series(ROLES).gather(column["is_support"].cast(pl.UInt32)),
            "strength": column["strength"],
            **{name: column[name].cast(pl.Int64) for name in ("touches", "holds", "breaks", "role_flips")},
            "born_date": founder["born_date"],
            "confirmed_date": founder["confirmed_date"],
            "last_touch_date": bars["session_date"].gather(column["last_touch"].replace(-1, None)),
            "distance_atr": (column["price"] - at_bar["close"]) / indicators["atr_14"].gather(column["row"]),
            "nearness": column["nearness"].cast(pl.Int64),
            "evidence_count": column["evidence"].cast(pl.Int64),
            "evidence": _evidence_texts(evidence, previous, zones["latest"]),
        }
    )


def _walk_markets(
    bars: pl.DataFrame, atr: pl.Series, evidence: pl.DataFrame, per_side: int, since: date | None
) -> tuple[Records, NDArray[np.int32]]:
    """Snapshots of all markets, rows and pieces counted through the frames; and the piece before each in its zone."""
    from r2k_pipeline.transforms.level_kernels import BAR, PIECE, walk_markets  # noqa: PLC0415  (imports numba)

    days = bars["session_date"].to_physical().cast(pl.Int64).to_numpy()
    first_day = FIRST_DAY if since is None else pl.Series([since], dtype=bars.schema["session_date"]).to_physical()[0]
    prices = [column_array(bars, name) for name in ("high", "low", "close")]
    columns = dict(zip(("high", "low", "close", "day"), (*prices, days), strict=True))
    pieces = np.empty(evidence.height, PIECE)
    pieces["price"], pieces["known_day"] = evidence["price"], evidence["confirmed_date"].to_physical()
    offsets = symbol_offsets(bars)
    shares = np.searchsorted(evidence["market"].to_physical().to_numpy(), range(len(offsets)))

    def walk(first: int, end: int) -> Records:
        row, piece = slice(offsets[first], offsets[end]), slice(shares[first], shares[end])
        records = np.empty(row.stop - row.start, BAR)
        records["atr"] = atr[row].fill_null(float("nan")).to_numpy()
        for name, values in columns.items():
            records[name] = values[row]
        starts, share_starts = offsets[first : end + 1] - row.start, shares[first : end + 1] - piece.start
        zones: Records = walk_markets(records, starts, pieces[piece], share_starts, per_side, first_day)
        zones["row"] += row.start
        zones["founder"] += piece.start
        zones["latest"] += piece.start
        zones["last_touch"] += np.where(zones["last_touch"] < 0, 0, row.start).astype(np.int32)
        pieces["previous"][piece] += np.where(pieces["previous"][piece] < 0, 0, piece.start).astype(np.int32)
        return zones

    return np.concatenate(map_batches(walk, offsets)), pieces["previous"]


def _used(indices: NDArray[np.int32], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different indices below `size` in rising order, and where each of `indices` is among them."""
    is_used = np.zeros(size, bool)
    is_used[indices] = True
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[indices]


def _level_ids(evidence: pl.DataFrame, founders: NDArray[np.int32]) -> pl.Series:
    """The founding evidence names the level: kind and birth; a range's edge may move, so it adds when it was known."""
    items, place = _used(founders, evidence.height)
    born, known = (pl.col(name).dt.to_string("iso") for name in ("born_date", "confirmed_date"))
    suffix = pl.when(pl.col("kind").str.starts_with("range_")).then("-" + known).otherwise(pl.lit(""))
    return evidence[items].select(pl.col("kind") + "-" + born + suffix).to_series().gather(place)


def _evidence_texts(evidence: pl.DataFrame, previous: NDArray[np.int32], latest: NDArray[np.int32]) -> pl.Series:
    """For each zone, by its `latest` piece: the newest ones, newest first, as `kind date at price`, `; ` between."""
    item, place = _used(latest, evidence.height)
    piece = pl.format("{} {} at {}", "kind", pl.col("born_date").dt.to_string("iso"), pl.col("price").round(2))
    texts = []
    for _ in range(NAMED_EVIDENCE):
        texts.append(evidence[np.maximum(item, 0)].select(pl.when(pl.Series(item >= 0)).then(piece)).to_series())
        item = np.where(item < 0, item, previous[item])
    return pl.select(pl.concat_str(texts, separator="; ", ignore_nulls=True)).to_series().gather(place)
