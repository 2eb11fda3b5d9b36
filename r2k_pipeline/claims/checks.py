"""Named checks: evidence that SQL cannot compute, from bars as they were known; a note names one with parameters.

Belongs here: checks and their parameters. Not here: the mathematics (transforms/), conditions (notes, verdicts.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl
from pydantic import Field, ValidationError

from r2k_pipeline.claims.definitions import Strict
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError
from r2k_pipeline.mistakes import say_mistakes
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.triggers import build_rsi_triggers
from r2k_pipeline.transforms.volume_profiles import build_anchored_profiles

MOST_BINS: Final = 20_000
"""Bins of a profile: checks run without a time limit, and a century in so many bins takes a few seconds."""


class _Parameters(Strict):
    market: str


class AnchoredProfile(_Parameters):
    """`anchor_date`: first session in the profile; `bin_points`: width of a bin in index points."""

    anchor_date: date
    bin_points: float = Field(gt=0.01, le=1000)


class RsiTrigger(_Parameters):
    """`rsi`: the value asked about, 0..100; `session_date`: the session whose price would give it."""

    rsi: float = Field(gt=0, lt=100)
    session_date: date


def anchored_profile(bars: pl.DataFrame, asked: AnchoredProfile) -> pl.DataFrame:
    """The volume profile known at the last session, of the bars from an anchor to the session before, one row: `value`
    (its POC, points), session_date, start_date, value_area_low, value_area_high, bin_points, volume_symbol, method,
    close, atr_14.

    No row where no bar but the last is on or after the anchor. Raises SandboxError for more than MOST_BINS bins.
    """
    since = bars.filter(pl.col("session_date") >= asked.anchor_date)
    lowest, highest = since.select(pl.col("low").min(), pl.col("high").max()).row(0)
    if since.height and highest - lowest > MOST_BINS * asked.bin_points:
        raise SandboxError(f"bin_points = {asked.bin_points:g} makes more than {MOST_BINS:,} bins: give wider ones")
    anchors = pl.DataFrame(
        {"market": [asked.market], "anchor_date": [asked.anchor_date], "name": [f"since_{asked.anchor_date}"]}
    ).with_columns(until=pl.lit(None, pl.Date), known_date=pl.lit(None, pl.Date))
    columns = ("value_area_low", "value_area_high", "bin_points", "volume_symbol", "method", "close", "atr_14")
    return (
        build_anchored_profiles(bars, anchors, asked.bin_points)
        .join(build_daily_indicators(bars), on=["market", "session_date"])
        .sort("session_date")
        .select(pl.col("poc").alias("value"), "session_date", "start_date", *columns)
        .tail(1)
    )


def rsi_trigger(bars: pl.DataFrame, asked: RsiTrigger) -> pl.DataFrame:
    """The price that gives Wilder's RSI(14) a value in a session, one row: `value` (points), session_date, and that
    session's low, high and close, and close_before, the close of the session before.

    No row where the session is not known.
    """
    before = build_rsi_triggers(bars, asked.rsi).select(
        "session_date", pl.col("trigger_close").shift(1).alias("value"), pl.col("close").shift(1).alias("close_before")
    )
    return (
        bars.select("session_date", "low", "high", "close")
        .join(before, on="session_date")
        .filter(pl.col("session_date") == asked.session_date)
        .select("value", "session_date", "low", "high", "close", "close_before")
    )


@dataclass(frozen=True)
class _Check:
    parameters: type[_Parameters]
    build: Callable[[pl.DataFrame, Any], pl.DataFrame]


CHECKS: Final[Mapping[str, _Check]] = {
    "anchored_profile": _Check(AnchoredProfile, anchored_profile),
    "rsi_trigger": _Check(RsiTrigger, rsi_trigger),
}
"""Every check by the name that notes use; all take bars of one market as known, and give rows with a `value`."""


def run_check(name: str, parameters: Mapping[str, Any], sandbox: Sandbox, known: datetime) -> pl.DataFrame:
    """The rows of a named check on bars as known. Raises SandboxError for an unknown check and wrong parameters."""
    if name not in CHECKS:
        raise SandboxError(f"no check {name!r}; there are: {', '.join(CHECKS)}")
    try:
        asked = CHECKS[name].parameters.model_validate(dict(parameters))
    except ValidationError as error:
        reasons = "; ".join(say_mistakes(error, CHECKS[name].parameters, "parameters"))
        raise SandboxError(f"check {name}: {reasons}") from error
    return CHECKS[name].build(sandbox.bars(asked.market, known), asked)
