"""Input of the functions on bars, which may be a user's own frame: refused by column, market and session, or taken.

Belongs here: what every such frame must hold; kernels write past their arrays where it does not. Not here: the order of
rows (row_ranges.py), what a vendor's bar must hold (contracts/prices.py).
"""

from collections.abc import Sequence
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

import polars as pl

KEY = ("market", "session_date")
WAYS = {"pandas": "polars.from_pandas({name})", "LazyFrame": "{name}.collect()"}
"""By the library or the name of a type the way to a frame of Polars."""


def sound_bars(bars: pl.DataFrame, *prices: str, volume: bool = False) -> pl.DataFrame:
    """`bars` with `prices` as floats; with `volume` that of each bar too, and `volume_symbol` must be there.

    Raises TypeError if it is not a Polars frame; ValueError for a column that is missing or of another type, a row
    without market or session, a price that is null, NaN, infinite or not positive, a low above its high, and a volume
    that is not finite or below 0.
    """
    numbers = (*prices, "volume") if volume else prices
    need_columns(bars, "bars", (*KEY, *numbers, *(["volume_symbol"] if volume else [])))
    for name in KEY:
        if bars[name].null_count():
            raise ValueError(f"{name} is null in row {bars[name].is_null().arg_max()}; next: drop the row")
    if not isinstance(bars.schema["session_date"], pl.Date | pl.Datetime):
        kind = bars.schema["session_date"]
        raise ValueError(f"session_date is {kind}, not days; next: polars.col('session_date').str.to_date()")
    for name in numbers:
        if not (bars.schema[name].is_numeric() or bars.schema[name] == pl.Null):
            raise ValueError(
                f"{name} is {bars.schema[name]}, not numbers; next: polars.col({name!r}).cast(polars.Float64)"
            )
    bars = bars.with_columns(pl.col(numbers).cast(pl.Float64))
    for name in prices:
        usable = (bars[name].is_finite() & (bars[name] > 0)).fill_null(False)
        _refuse_first(bars, name, ~usable, "a bar needs a positive number in every session")
    if {"high", "low"} <= {*prices}:
        _refuse_first(bars, "low", bars["low"] > bars["high"], "above the high of its bar", ", ")
    if volume:
        strange = ~bars["volume"].is_between(0, float("inf"), closed="left").fill_null(True)
        _refuse_first(bars, "volume", strange, "a volume is finite and at least 0, or null where it is not known")
    return bars


def need_columns(frame: pl.DataFrame, name: str, columns: Sequence[str], made_by: str = "") -> None:
    """Raise TypeError if it is not a Polars frame, ValueError for a missing column; `made_by`: how to make one."""
    if not isinstance(frame, pl.DataFrame):
        library, kind = type(frame).__module__.split(".")[0], type(frame).__name__
        way = WAYS.get(library) or WAYS.get(kind) or "polars.DataFrame({name})"
        described = kind if library == "builtins" else f"{library} {kind}"
        raise TypeError(f"{name}: a {described} is no Polars frame; next: {way.format(name=name)}")
    for column in columns:
        if column not in frame.columns:
            others = {each.lower(): each for each in frame.columns if each not in columns}
            near = [others[each] for each in get_close_matches(column, others, n=1)]
            way = made_by or (f"rename {near[0]} to it" if near else f"add it to {', '.join(frame.columns) or 'none'}")
            raise ValueError(f"{name}: no column {column}; next: {way}")


def need_days(name: str, days: Sequence[Any]) -> None:
    """Raise TypeError if a value is not a date, ValueError for a repeated date: its rows would come out twice."""
    if isinstance(days, str | date):
        raise TypeError(f"{name}: {days!r} is no list of dates; next: [datetime.date(2025, 3, 14)]")
    for day in days:
        need_date(name, None if isinstance(day, datetime) else day, day)
    need_each_once(name, days)


def need_date(name: str, day: object, shown: object = None) -> None:
    """Raise TypeError if `day` is not a date or an instant; `shown`: the value in the message, by default `day`."""
    if not isinstance(day, date):
        raise TypeError(f"{name}: {(shown or day)!r} is no date; next: datetime.date(2025, 3, 14)")


def need_each_once(name: str, values: Sequence[object]) -> None:
    """Raise ValueError for a repeated value."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{name}: {value} is there twice; next: leave the repeat out")


def _refuse_first(bars: pl.DataFrame, name: str, refused: pl.Series, rule: str, joint: str = ": ") -> None:
    """Raise ValueError naming market and session of the first bar that is refused."""
    if refused.any():
        row = bars.row(refused.arg_max() or 0, named=True)
        raise ValueError(f"{name} of {row['market']} on {row['session_date']} is {row[name]}{joint}{rule}")
