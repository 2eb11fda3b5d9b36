"""Levels: zones of price that evidence has piled up in, as they were known at each session's close.

Belongs here: `features.levels` and `features.level_evidence` out of bars and evidence. Not here: what is evidence
(level_evidence.py), the loop over the bars (level_kernels.py), whether levels hold (level_outcomes.py).
"""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.bar_input import KEY
from r2k_pipeline.transforms.level_evidence import kind_enum, market_enum
from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.row_ranges import Integers, column_array, physical_array, symbol_offsets

if TYPE_CHECKING:
    from r2k_pipeline.transforms.level_evidence_kernels import Evidence

Records = NDArray[np.void]
ROLES = ("support", "around", "resistance")
"""From below the close to above it."""
PER_SIDE = 6
"""Zones shown on each side of the close."""
COUNTS = ("touches", "holds", "breaks", "undecided", "breaks_untouched", "role_flips")
FIRST_DAY = -(2**62)
"""Before every session."""
UNALIGNED = "levels: indicators do not have the market and session_date rows of bars, in their order"
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
    """The zone around each close and the `per_side` nearest on either side, a row per market, session and zone.

    `bars` are `staging.market_bars` sorted by market and session_date, `indicators` hold atr_14 of the same rows,
    `evidence` is what find_evidence found in them or `features.level_evidence`. All of history shapes the zones; rows
    come out from `since` on (a screen of thousands of symbols wants the last session only). Columns as in
    `features.levels`; prices in index points.

    Rules, ATR being that session's atr_14: evidence joins the zone whose price (the mean of the different prices of its
    evidence) lies nearest within 0.5 ATR, unless the zone became wider than 1 ATR; else it founds a zone. A zone ends
    504 sessions after its last evidence, a repeat of a price included. It is *touched* when a bar comes within 0.1 ATR
    of it after a close had stood clear of it, *clear* meaning more than 0.5 ATR beyond its edge. The touch *held* when
    the next clear close is on the side the price came from, is *broken* when it is on the other side, and undecided
    until then: touches = holds + breaks + undecided. A clear close on the other side without a touch (the price
    jumped, or the zone was born at it) is a break of its own count. A break, touched or not, followed by a hold from
    there is a *role flip*. Role: support wholly below the close, resistance wholly above, `around` the one that
    contains it. Strength: each price that is new in the zone (a low that is pivot, 252-session low and the year's low
    counts once) and each hold adds 1, a break, touched or not, takes a quarter away, and all fades with a half-life of
    252 sessions.

    Raises ValueError if bars are not sorted, `indicators` has other rows than `bars`, or `evidence` other markets.
    """
    zones, pieces = _walk_markets(bars, indicators, evidence, per_side, since)
    column = {name: pl.Series(np.ascontiguousarray(zones[name])) for name in zones.dtype.names or ()}
    founders = pieces["item"][zones["founder"]]
    at_bar, founder = bars.select("market", "session_date", "close")[column["row"]], evidence[founders]
    return pl.DataFrame(
        {
            "market": at_bar["market"],
            "session_date": at_bar["session_date"],
            "level_id": _level_ids(evidence, founders),
            "price": column["price"],
            "low": column["low"],
            "high": column["high"],
            "kind": founder["kind"].cast(pl.String),
            "role": pl.Series(ROLES).gather((column["place"] + 1).cast(pl.UInt32)),
            "strength": column["strength"],
            **{name: column[name].cast(pl.Int64) for name in COUNTS},
            "born_date": founder["born_date"],
            "confirmed_date": founder["confirmed_date"],
            "last_touch_date": bars["session_date"].gather(column["last_touch"].replace(-1, None)),
            "distance_atr": (column["price"] - at_bar["close"]) / indicators["atr_14"].gather(column["row"]),
            "nearness": column["nearness"].cast(pl.Int64),
            "evidence_count": column["evidence"].cast(pl.Int64),
            "evidence": _evidence_texts(evidence, pieces, zones["latest"]),
        }
    )


def build_level_evidence(bars: pl.DataFrame, indicators: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """The zone that each piece of evidence was filed in and when, as `features.level_evidence` without corrections.

    Arguments and errors as of build_levels, whose zones these are; sorted by market and filed_date. Evidence that no
    session with an ATR followed is in no zone and has no row.
    """
    _, pieces = _walk_markets(bars, indicators, evidence, per_side=0, since=date.max)
    filed = pieces[pieces["row"] >= 0]
    return (
        evidence[filed["item"]]
        .with_columns(
            pl.col("market", "kind").cast(pl.String),
            level_id=_level_ids(evidence, pieces["item"][filed["zone"]]),
            filed_date=bars["session_date"].gather(filed["row"]),
        )
        .select("market", "level_id", "kind", "born_date", "confirmed_date", "filed_date", "price")
    )


def _walk_markets(
    bars: pl.DataFrame, indicators: pl.DataFrame, evidence: pl.DataFrame, per_side: int, since: date | None
) -> tuple[Records, Records]:
    """Snapshots of all markets and all pieces in filing order; `item` is a row of `evidence`."""
    from r2k_pipeline.transforms.level_evidence_kernels import order_pieces  # noqa: PLC0415  (imports numba)
    from r2k_pipeline.transforms.level_kernels import PIECE, Bars, walk_markets  # noqa: PLC0415

    offsets = symbol_offsets(bars)
    keys, their_keys, their_atr = bars.select(KEY), indicators.select(KEY), indicators["atr_14"]
    if keys.height != their_keys.height:
        raise ValueError(UNALIGNED)
    first_day = FIRST_DAY if since is None else pl.Series([since], dtype=bars.schema["session_date"]).to_physical()[0]
    atr, pieces = np.empty(bars.height), np.empty(evidence.height, PIECE)
    high, low, close = (column_array(bars, name) for name in ("high", "low", "close"))
    columns = Bars(high, low, close, atr, physical_array(bars["session_date"]))
    items, shares = _by_market(evidence, market_enum(bars, offsets))
    arrays = _evidence_arrays(evidence)

    def walk(first: int, end: int) -> Records:
        starts, own_shares = offsets[first : end + 1], shares[first : end + 1]
        rows = slice(starts[0], starts[-1])
        if not keys[rows].equals(their_keys[rows]):
            raise ValueError(UNALIGNED)
        atr[rows] = their_atr[rows].fill_null(float("nan")).to_numpy()
        order_pieces(arrays, items, own_shares, columns.day, starts, pieces)
        zones: Records = walk_markets(columns, starts, pieces, own_shares, per_side, first_day)
        return zones

    return np.concatenate(map_batches(walk, offsets)), pieces


def _evidence_arrays(evidence: pl.DataFrame) -> "Evidence":
    """The columns of evidence that the kernels read; kinds by their rank in filing order."""
    from r2k_pipeline.transforms.level_evidence_kernels import Evidence  # noqa: PLC0415  (imports numba)

    kinds = evidence["kind"]
    names = kinds.dtype.categories if isinstance(kinds.dtype, pl.Enum) else kinds.unique()
    columns = evidence["confirmed_date"], kinds.cast(kind_enum(names)), evidence["born_date"]
    return Evidence(column_array(evidence, "price"), *map(physical_array, columns))


def _by_market(evidence: pl.DataFrame, markets: pl.Enum) -> tuple[Integers, Integers]:
    """The rows of `evidence` market by market, and where among them each market's begin (and the last one's end)."""
    codes = evidence["market"].cast(markets, strict=False)
    if codes.null_count():
        strangers = evidence.filter(codes.is_null())["market"].unique().sort().head().to_list()
        raise ValueError(f"levels: evidence of markets that have no bars: {strangers}")
    place = codes.to_physical().to_numpy()
    ends = np.bincount(place, minlength=len(markets.categories)).cumsum()
    return np.argsort(place, kind="stable"), np.concatenate([[0], ends])


def _used(indices: NDArray[np.int32], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different indices below `size` in rising order, and where each of `indices` is among them."""
    is_used = np.zeros(size, bool)
    is_used[indices] = True
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[indices]


def _level_ids(evidence: pl.DataFrame, founders: NDArray[np.int32]) -> pl.Series:
    """The founding evidence names the level: kind and birth; a range's edge may move, so it adds when it was known."""
    items, place = _used(founders, evidence.height)
    kind = pl.col("kind").cast(pl.String)
    born, known = (pl.col(name).dt.to_string("iso") for name in ("born_date", "confirmed_date"))
    suffix = pl.when(kind.str.starts_with("range_")).then("-" + known).otherwise(pl.lit(""))
    return evidence[items].select(kind + "-" + born + suffix).to_series().gather(place)


def _evidence_texts(evidence: pl.DataFrame, pieces: Records, latest: NDArray[np.int32]) -> pl.Series:
    """For each zone, by its `latest` piece: the newest ones, newest first, as `kind date at price`, `; ` between."""
    piece, place = _used(latest, evidence.height)
    text = pl.format("{} {} at {}", "kind", pl.col("born_date").dt.to_string("iso"), pl.col("price").round(2))
    texts = []
    for _ in range(NAMED_EVIDENCE):
        named = evidence[pieces["item"][np.maximum(piece, 0)]]
        texts.append(named.select(pl.when(pl.Series(piece >= 0)).then(text)).to_series())
        piece = np.where(piece < 0, piece, pieces["previous"][piece])
    return pl.select(pl.concat_str(texts, separator="; ", ignore_nulls=True)).to_series().gather(place)
