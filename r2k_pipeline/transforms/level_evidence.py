"""What levels are made of: every price that a chartist would mark, with the dates it arose and could first be known.

Belongs here: turning pivots, profiles, ranges and yearly extremes into one list of evidence. Not here: clustering
them into zones (levels.py). Evidence is a fact of one date; a reference that moves (a rolling point of control, a
252-session extreme) becomes evidence once it has stood for `HOLD_SESSIONS` within `STAND_ATR` of one value.
"""

import polars as pl

from r2k_pipeline.transforms.symbols import column_array

HOLD_SESSIONS = 5
"""Sessions that a moving reference must stand before it counts: the same patience as a swing pivot's k."""
STAND_ATR = 0.25
"""How far it may wander meanwhile, in ATR: half of what separates two zones."""

EVIDENCE = {"market": pl.String, "kind": pl.String, "price": pl.Float64}
DATES = ("born_date", "confirmed_date")


def build_level_evidence(
    bars: pl.DataFrame,
    indicators: pl.DataFrame,
    pivots: pl.DataFrame,
    profiles: pl.DataFrame,
    consolidations: pl.DataFrame,
) -> pl.DataFrame:
    """All evidence: market, kind, price, born_date, confirmed_date; sorted by market, confirmed_date, kind, price.

    Kinds: `swing_high` `swing_low` `range_high` `range_low` `year_high` `year_low` `high_252d` `low_252d`, and
    `poc_` `value_area_low_` `value_area_high_` + the name of each rolling profile window. Prices in index points.
    """
    parts = [
        _pivot_evidence(pivots),
        *(_edge_evidence(consolidations, edge) for edge in ("low", "high")),
        *_year_evidence(bars),
        *(_standing_evidence(indicators, name, pl.lit(name)) for name in ("high_252d", "low_252d")),
        *_profile_evidence(profiles, indicators),
    ]
    dtypes = EVIDENCE | dict.fromkeys(DATES, bars.schema["session_date"])
    evidence = pl.concat(part.select(pl.col(name).cast(dtype) for name, dtype in dtypes.items()) for part in parts)
    return evidence.sort("market", "confirmed_date", "kind", "price", "born_date")


def _pivot_evidence(pivots: pl.DataFrame) -> pl.DataFrame:
    return pivots.select("market", "price", "confirmed_date", kind="swing_" + pl.col("kind"), born_date="pivot_date")


def _edge_evidence(consolidations: pl.DataFrame, edge: str) -> pl.DataFrame:
    """One edge of the ranges, each price once: when the range was confirmed, and when a close moved the edge."""
    edges = consolidations.sort("market", "confirmed_date").unique(["market", "start_date", edge], keep="first")
    return edges.select("market", "confirmed_date", kind=pl.lit(f"range_{edge}"), price=edge, born_date="start_date")


def _year_evidence(bars: pl.DataFrame) -> list[pl.DataFrame]:
    """A calendar year's high and low, known from the first session of the next year."""
    day = pl.col("session_date")
    years = (
        bars.group_by("market", day.dt.year().alias("year"), maintain_order=True)
        .agg(
            day.first().alias("first"),
            pl.col("high").max(),
            pl.col("low").min(),
            day.gather(pl.col("high").arg_max()).first().alias("high_date"),
            day.gather(pl.col("low").arg_min()).first().alias("low_date"),
        )
        .with_columns(confirmed_date=pl.col("first").shift(-1).over("market"))
        .drop_nulls("confirmed_date")
    )
    return [
        years.select("market", "confirmed_date", kind=pl.lit(f"year_{edge}"), price=edge, born_date=f"{edge}_date")
        for edge in ("high", "low")
    ]


def _profile_evidence(profiles: pl.DataFrame, indicators: pl.DataFrame) -> list[pl.DataFrame]:
    """Points of control and value-area edges of the rolling windows; anchored profiles restate other evidence."""
    rolling = (
        profiles.filter(pl.col("profile_window").str.starts_with("rolling_"))
        .join(indicators.select("market", "session_date", "atr_14"), on=["market", "session_date"], how="left")
        .sort("profile_window", "market", "session_date")
    )
    return [
        _standing_evidence(rolling, name, pl.format("{}_{}", pl.lit(name), "profile_window"), "profile_window")
        for name in ("poc", "value_area_low", "value_area_high")
    ]


def _standing_evidence(frame: pl.DataFrame, column: str, kind: pl.Expr, *series: str) -> pl.DataFrame:
    """Where `column` stood still, in `frame` sorted by series, market and session_date; at the value it stood near."""
    from r2k_pipeline.transforms.level_evidence_kernels import standing  # noqa: PLC0415  (imports numba)

    numbers = frame.select(
        pl.col(column).cast(pl.Float64).fill_null(float("nan")).alias("values"),
        (STAND_ATR * pl.col("atr_14")).fill_null(float("nan")).alias("tolerance"),
    )
    is_first = frame.select((pl.struct(*series, "market").rle_id().diff() != 0).fill_null(True)).to_series().to_numpy()
    since, stood = standing(*(column_array(numbers, name) for name in numbers.columns), is_first, HOLD_SESSIONS)
    return frame[since].select(
        "market",
        kind.alias("kind"),
        price=column,
        born_date="session_date",
        confirmed_date=frame["session_date"].gather(stood),
    )
