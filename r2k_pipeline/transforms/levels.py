"""Levels: zones of price that evidence has piled up in, as they were known at each session's close.

Belongs here: `features.levels` out of bars and evidence. Not here: what counts as evidence (level_evidence.py), the
loop over the bars (level_kernels.py), whether levels hold (level_outcomes.py).
"""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.level_evidence import build_level_evidence
from r2k_pipeline.transforms.market_tasks import map_markets
from r2k_pipeline.transforms.symbols import symbol_offsets

Records = NDArray[np.void]
ROLES = ("resistance", "support")
PER_SIDE = 6
"""Zones shown on each side of the close."""
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
            "level_id": _level_ids(evidence).gather(column["founder"]),
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
            "evidence_count": column["evidence"].cast(pl.Int64),
            "evidence": _evidence_texts(evidence, previous, zones["latest"]),
        }
    )


def _walk_markets(
    bars: pl.DataFrame, atr: pl.Series, evidence: pl.DataFrame, per_side: int, since: date | None
) -> tuple[Records, NDArray[np.int32]]:
    """Snapshots of all markets, rows and pieces counted through the frames; and the piece before each in its zone."""
    from r2k_pipeline.transforms.level_kernels import BAR, PIECE, walk_zones  # noqa: PLC0415  (imports numba)

    records = np.empty(bars.height, BAR)
    for name in ("high", "low", "close"):
        records[name] = bars[name]
    records["atr"], records["day"] = atr.fill_null(float("nan")), bars["session_date"].to_physical()
    pieces = np.empty(evidence.height, PIECE)
    pieces["price"], pieces["known_day"] = evidence["price"], evidence["confirmed_date"].to_physical()
    shown_from = None if since is None else pl.Series([since], dtype=bars.schema["session_date"]).to_physical()[0]

    def walk(span: tuple[int, int, int, int]) -> Records:
        row, end_row, piece, end_piece = span
        first_row = 0 if shown_from is None else int(np.searchsorted(records["day"][row:end_row], shown_from))
        zones: Records = walk_zones(records[row:end_row], pieces[piece:end_piece], per_side, first_row)
        for name, first in (("row", row), ("last_touch", row), ("founder", piece), ("latest", piece)):
            zones[name] += np.where(zones[name] < 0, 0, first).astype(np.int32)
        pieces["previous"][piece:end_piece] += np.where(pieces["previous"][piece:end_piece] < 0, 0, piece)
        return zones

    return np.concatenate(map_markets(walk, _spans(bars, evidence), bars.height)), pieces["previous"]


def _spans(bars: pl.DataFrame, evidence: pl.DataFrame) -> list[tuple[int, int, int, int]]:
    """Of each market: its first and end row in `bars`, its first and end row in `evidence`."""
    offsets = symbol_offsets(bars)
    counts = dict(evidence.group_by("market").len().iter_rows())
    lengths = [counts.pop(market, 0) for market in bars["market"].gather(offsets[:-1])]
    if counts:
        raise ValueError(f"levels: evidence of markets that have no bars: {sorted(counts)[:5]}")
    ends = np.cumsum(lengths)
    return list(zip(offsets[:-1], offsets[1:], ends - lengths, ends, strict=True))


def _level_ids(evidence: pl.DataFrame) -> pl.Series:
    """The founding evidence names the level: kind and birth; a range's edge may move, so it adds when it was known."""
    born, known = (pl.col(name).dt.to_string("iso") for name in ("born_date", "confirmed_date"))
    suffix = pl.when(pl.col("kind").str.starts_with("range_")).then("-" + known).otherwise(pl.lit(""))
    return evidence.select(pl.col("kind") + "-" + born + suffix).to_series()


def _evidence_texts(evidence: pl.DataFrame, previous: NDArray[np.int32], latest: NDArray[np.int32]) -> pl.Series:
    """For each zone, by its `latest` piece: the newest ones, newest first, as `kind date at price`, `; ` between."""
    wanted = np.zeros(len(previous), bool)
    wanted[latest] = True
    item = np.flatnonzero(wanted)
    place = (np.cumsum(wanted) - 1)[latest]
    piece = pl.format("{} {} at {}", "kind", pl.col("born_date").dt.to_string("iso"), pl.col("price").round(2))
    texts = []
    for _ in range(NAMED_EVIDENCE):
        texts.append(evidence[np.maximum(item, 0)].select(pl.when(pl.Series(item >= 0)).then(piece)).to_series())
        item = np.where(item < 0, item, previous[item])
    return pl.select(pl.concat_str(texts, separator="; ", ignore_nulls=True)).to_series().gather(place)
