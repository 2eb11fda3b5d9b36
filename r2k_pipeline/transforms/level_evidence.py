"""What levels are made of: every price that a chartist would mark, with the dates it arose and could first be known.

Belongs here: turning pivots, profiles, ranges and yearly extremes into one list of evidence. Not here: clustering
them into zones (levels.py). Evidence is a fact of one date; a reference that moves (a rolling point of control, a
252-session extreme) becomes evidence once it has stood for `HOLD_SESSIONS` within `STAND_ATR` of one value.
"""

import numpy as np
import polars as pl

from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.symbols import Integers, column_array, symbol_offsets

HOLD_SESSIONS = 5
"""Sessions that a moving reference must stand before it counts: the same patience as a swing pivot's k."""
STAND_ATR = 0.25
"""How far it may wander meanwhile, in ATR: half of what separates two zones."""
FAMILIES = ("swing", "range", "year", "high", "low", "poc", "value")
"""First words of the kinds, in the order in which evidence of one session is filed."""


def find_evidence(
    bars: pl.DataFrame,
    indicators: pl.DataFrame,
    pivots: pl.DataFrame,
    profiles: pl.DataFrame,
    consolidations: pl.DataFrame,
) -> pl.DataFrame:
    """All evidence: market, kind, price, born_date, confirmed_date; in no order.

    Kinds: `swing_high` `swing_low` `range_high` `range_low` `year_high` `year_low` `high_252d` `low_252d`, and
    `poc_` `value_area_low_` `value_area_high_` + the name of each rolling profile window. Prices in index points.
    Raises ValueError if bars are not sorted or the edge of a consolidation is no close of the bars in it.
    """
    offsets = symbol_offsets(bars)
    parts = [
        _pivot_evidence(pivots),
        *(_edge_evidence(consolidations, bars, offsets, edge) for edge in ("low", "high")),
        *_year_evidence(bars, offsets),
        *_standing_evidence(indicators, offsets, {name: name for name in ("high_252d", "low_252d")}),
        *_profile_evidence(profiles, indicators),
    ]
    day = bars.schema["session_date"]
    dtypes: dict[str, pl.DataType | type[pl.DataType]] = {
        "market": pl.String,
        "kind": pl.String,
        "price": pl.Float64,
        "born_date": day,
        "confirmed_date": day,
    }
    return pl.concat(part.select(pl.col(name).cast(dtype) for name, dtype in dtypes.items()) for part in parts)


def in_filing_order(evidence: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Evidence by market as in `bars`, confirmed_date, family, kind, birth: its filing depends on no order of rows.

    Its markets become an Enum of those of `bars`. Raises ValueError if any of it is of a market that has no bars.
    """
    markets = bars["market"].gather(symbol_offsets(bars)[:-1])
    strangers = evidence.filter(~pl.col("market").is_in(markets.implode()))["market"].unique()
    if len(strangers):
        raise ValueError(f"levels: evidence of markets that have no bars: {strangers.sort().head().to_list()}")
    kinds = sorted(evidence["kind"].unique(), key=lambda kind: (FAMILIES.index(kind.split("_")[0]), kind))
    return evidence.with_columns(pl.col("market").cast(pl.Enum(markets))).sort(
        "market", "confirmed_date", pl.col("kind").cast(pl.Enum(kinds)), "born_date"
    )


def _pivot_evidence(pivots: pl.DataFrame) -> pl.DataFrame:
    return pivots.select("market", "price", "confirmed_date", kind="swing_" + pl.col("kind"), born_date="pivot_date")


def _edge_evidence(consolidations: pl.DataFrame, bars: pl.DataFrame, offsets: Integers, edge: str) -> pl.DataFrame:
    """One edge of the ranges: when a range was confirmed and when a close moved the edge, born at the close that it is.

    Ranges that nest share edges: what two of them say at one session is one piece of evidence.
    """
    from r2k_pipeline.transforms.level_evidence_kernels import first_equal  # noqa: PLC0415  (imports numba)

    versions = consolidations.sort("market", "start_date", "confirmed_date")
    told = pl.col("market", "start_date", edge)
    edges = versions.filter(pl.any_horizontal(told.ne_missing(told.shift())))
    place = edges["market"].cast(pl.Enum(bars["market"].gather(offsets[:-1]))).to_physical().cast(pl.Int64)
    days, since = (
        dates.to_physical().cast(pl.Int64).to_numpy() for dates in (bars["session_date"], edges["start_date"])
    )
    rows = first_equal(column_array(bars, "close"), days, offsets, place.to_numpy(), since, edges[edge].to_numpy())
    born = edges.select("market", "confirmed_date", kind=pl.lit(f"range_{edge}"), price=edge).with_columns(
        born_date=bars["session_date"].gather(pl.Series(rows).replace(-1, None))
    )
    if strange := born.filter((pl.col("born_date") <= pl.col("confirmed_date")).fill_null(False).not_()).height:
        raise ValueError(f"levels: the {edge} of {strange} consolidations is no close of the bars in them")
    return born.unique()


def _year_evidence(bars: pl.DataFrame, offsets: Integers) -> list[pl.DataFrame]:
    """A calendar year's high and low, known from the first session of the next year."""
    from r2k_pipeline.transforms.level_evidence_kernels import year_extremes  # noqa: PLC0415  (imports numba)

    days = bars["session_date"].cast(pl.Date).to_physical().to_numpy()
    first, last = (days.min(), days.max()) if days.size else (0, 0)
    years = np.arange(np.datetime64(int(first), "D"), np.datetime64(int(last), "D") + 367, dtype="M8[Y]") + 1
    high, low = column_array(bars, "high"), column_array(bars, "low")
    rows = year_extremes(high, low, days, years.astype("M8[D]").astype(np.int64), offsets)
    return [
        bars[rows[edge]].select(
            "market",
            kind=pl.lit(f"year_{edge}"),
            price=edge,
            born_date="session_date",
            confirmed_date=bars["session_date"].gather(rows["next"]),
        )
        for edge in ("high", "low")
    ]


def _profile_evidence(profiles: pl.DataFrame, indicators: pl.DataFrame) -> list[pl.DataFrame]:
    """Points of control and value-area edges of the rolling windows; anchored profiles restate other evidence."""
    rolling = profiles.filter(pl.col("profile_window").str.starts_with("rolling_")).sort("market", "session_date")
    atr = indicators.select("market", "session_date", "atr_14")
    return [
        part
        for (window,), profile in rolling.group_by("profile_window", maintain_order=True)
        for part in _standing_evidence(
            profile.join(atr, on=["market", "session_date"], how="left", maintain_order="left"),
            symbol_offsets(profile),
            {name: f"{name}_{window}" for name in ("poc", "value_area_low", "value_area_high")},
        )
    ]


def _standing_evidence(frame: pl.DataFrame, offsets: Integers, kinds: dict[str, str]) -> list[pl.DataFrame]:
    """Where the columns (keys of `kinds`) stood still; `frame` has atr_14, its markets' rows begin at `offsets`."""
    from r2k_pipeline.transforms.level_evidence_kernels import standing  # noqa: PLC0415  (imports numba)

    names = ("atr_14", *kinds)

    def search(first: int, end: int) -> list[Integers]:
        rows = frame[offsets[first] : offsets[end]].select(pl.col(names).fill_null(float("nan")))
        atr, *columns = (column_array(rows, name) for name in names)
        starts = offsets[first : end + 1] - offsets[first]
        found = (standing(values, atr, STAND_ATR, starts, HOLD_SESSIONS) for values in columns)
        return [np.stack(places) + offsets[first] for places in found]

    keys, dates, parts = frame.select("market", "session_date"), frame["session_date"], []
    for (name, kind), found in zip(kinds.items(), zip(*map_batches(search, offsets), strict=True), strict=True):
        since, stood = np.concatenate(found, axis=1)
        place = {"price": frame[name].gather(since), "confirmed_date": dates.gather(stood)}
        parts.append(keys[since].select("market", kind=pl.lit(kind), born_date="session_date").with_columns(**place))
    return parts
