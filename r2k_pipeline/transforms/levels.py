"""Levels: zones of price that evidence has piled up in, as they were known at each session's close.

Belongs here: `features.levels` and `features.level_evidence` out of bars and evidence. Not here: what is evidence
(level_evidence.py), the loop over the bars (level_kernels.py), whether levels hold (level_outcomes.py).
"""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.contracts.levels import LevelEvidence
from r2k_pipeline.transforms.level_evidence import in_filing_order
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
    evidence: pl.DataFrame,
    *,
    per_side: int = PER_SIDE,
    since: date | None = None,
) -> pl.DataFrame:
    """The `per_side` zones nearest to each close on either side, one row per market, session and zone.

    `bars` are `staging.market_bars` sorted by market and session_date, `indicators` hold atr_14 of the same rows,
    `evidence` is what find_evidence found in them or `features.level_evidence`. All of history shapes the zones; rows
    come out from `since` on (a screen of thousands of symbols wants the last session only). Columns as in
    `features.levels`; prices in index points.

    Rules, ATR being that session's atr_14: evidence joins the zone whose price (the mean of the different prices of its
    evidence) lies nearest within 0.5 ATR, unless the zone became wider than 1 ATR; else it founds a zone. A zone ends
    504 sessions after its last evidence, a repeat of a price included. It is *touched* when a bar comes within 0.1 ATR
    of it after a close had stood clear of it, *clear* meaning more than 0.5 ATR beyond its edge; it *held* when the
    next clear close is on the side the price came from, and is *broken* when one is on the other side; a break followed
    by a hold from there is a *role flip*. Role: support below the close, resistance above; a zone that contains the
    close keeps the role it had when the price last stood clear of it. Strength: each price that is new in the zone (a
    low told as pivot, as 252-session low and as the year's counts once) and each hold adds 1, a break takes a quarter
    away, and all fades with a half-life of 252 sessions.

    Raises ValueError if bars are not sorted, `indicators` has other rows than `bars`, or `evidence` other markets.
    """
    evidence = in_filing_order(evidence, bars)
    zones, pieces = _walk_markets(bars, indicators, evidence, per_side, since)
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
            "evidence": _evidence_texts(evidence, pieces["previous"], zones["latest"]),
        }
    )


def build_level_evidence(bars: pl.DataFrame, indicators: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """The zone that each piece of evidence was filed in and when, as `features.level_evidence` without corrections.

    Arguments and errors as of build_levels, whose zones these are; sorted by market and filed_date. Evidence that no
    session with an ATR followed is in no zone and has no row.
    """
    evidence = in_filing_order(evidence, bars)
    _, pieces = _walk_markets(bars, indicators, evidence, per_side=0, since=None)
    is_filed = pieces["row"] >= 0
    return (
        evidence.with_columns(
            pl.col("market").cast(pl.String),
            level_id=_level_ids(evidence, pieces["zone"]),
            filed_date=bars["session_date"].gather(pl.Series(pieces["row"]).replace(-1, None)),
        )
        .filter(pl.Series(is_filed))
        .select(name for name in LevelEvidence.column_names() if name != "withdrawn_date")
    )


def _walk_markets(
    bars: pl.DataFrame, indicators: pl.DataFrame, evidence: pl.DataFrame, per_side: int, since: date | None
) -> tuple[Records, Records]:
    """Snapshots and filed pieces of all markets, rows and pieces counted through the frames."""
    from r2k_pipeline.transforms.level_kernels import BAR, PIECE, walk_markets  # noqa: PLC0415  (imports numba)

    keys = bars.select("market", "session_date")
    if not keys.equals(indicators.select(keys.columns)):
        raise ValueError("levels: indicators do not have the market and session_date rows of bars, in their order")
    days = bars["session_date"].to_physical().cast(pl.Int64).to_numpy()
    first_day = FIRST_DAY if since is None else pl.Series([since], dtype=bars.schema["session_date"]).to_physical()[0]
    prices = [column_array(bars, name) for name in ("high", "low", "close")]
    columns = dict(zip(("high", "low", "close", "day"), (*prices, days), strict=True))
    atr = indicators["atr_14"]
    pieces = np.empty(evidence.height, PIECE)
    pieces["price"], pieces["known_day"] = evidence["price"], evidence["confirmed_date"].to_physical()
    pieces["row"], pieces["zone"], pieces["previous"] = -1, 0, -1
    offsets = symbol_offsets(bars)
    shares = np.searchsorted(evidence["market"].to_physical().to_numpy(), range(len(offsets)))

    def walk(first: int, end: int) -> Records:
        starts, share_starts = offsets[first : end + 1], shares[first : end + 1]
        row, piece = slice(starts[0], starts[-1]), slice(share_starts[0], share_starts[-1])
        records = np.empty(row.stop - row.start, BAR)
        records["atr"] = atr[row].fill_null(float("nan")).to_numpy()
        for name, values in columns.items():
            records[name] = values[row]
        zones: Records = walk_markets(records, starts, pieces[piece], share_starts, per_side, first_day)
        return zones

    batches = map_batches(walk, offsets)
    return batches[0] if len(batches) == 1 else np.concatenate(batches), pieces


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
