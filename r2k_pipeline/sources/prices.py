"""Parses price answers in Yahoo's file layout into raw bars and actions.

Belongs here: Yahoo's column names, trading days, which bar is final. Not here: how the answer was fetched
(files.py, yahoo.py, sample.py) or what is in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.prices import ROUNDING, PriceActions, PriceBars
from r2k_pipeline.sources.price_bounds import POSSIBLE
from r2k_pipeline.sources.price_numbers import BLANK
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError, Span
from r2k_pipeline.sources.screening import Screened, day_of, screen
from r2k_pipeline.sources.settlement import Settlement

BAR_COLUMNS: Final = ("Date", "Open", "High", "Low", "Close", "Volume")
PRICES: Final = ("open", "high", "low", "close")
EXAMPLES: Final = 3
NOISE: Final = 1e-7
"""Relative: a price in 32 bits, as Yahoo has it, is off the decimal that others print by up to 6e-8 of it."""
ALL_HISTORY: Final = date(1900, 1, 1)
"""Before any bar: a live fetch asks for all history."""


@dataclass(frozen=True)
class Bars:
    """One answer's bars in the columns of PriceBars, prices still text.

    `asked_at`: the moment at which bars were judged to be final and settled. `asked`: all history up to the last
    session with a settled price by then. `within`: from the answer's first session to the one before its last.
    `remarks`: notes for the reader.
    """

    origin: str
    rows: pl.DataFrame
    asked_at: datetime
    asked: Span | None
    within: Span | None
    remarks: tuple[str, ...]


def read_bars(answer: PriceAnswer, sessions: pl.DataFrame, settlement: Settlement, recorded_at: datetime) -> Bars:
    """The bars of one answer; `sessions` are Sessions of one calendar.

    Whether a bar is final and its volume settled is judged at the moment of the request (for a file, of its saving),
    not at `recorded_at`, which is later and may be ahead of the clock. A bar whose open is missing, 0 or outside it
    keeps its other prices; rows of one day that differ in their volumes alone keep their prices. Raises SourceError
    where one of Yahoo's columns is missing.
    """
    _refuse_missing_columns(answer)
    written = answer.bars.select(
        pl.lit(answer.symbol).alias("symbol"),
        pl.col("Date").alias("session_date"),
        pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
        *(_number(name).alias(name.lower()) for name in BAR_COLUMNS[1:]),
        pl.lit(answer.origin).alias("source"),
        pl.lit(False).alias("is_withdrawn"),
    )
    written, torn_volumes = _leave_out_torn_volumes(_leave_out_unusable_opens(written))
    calendar = sessions.select("is_half_day", day="session_date", opened_at="open_at", closed_at="close_at")
    dated = written.with_columns(day=day_of("session_date")).join(calendar, on="day", how="left", maintain_order="left")
    asked_at, wrong_time = _when_asked(answer, dated, answer.asked_at or recorded_at)
    price_settles = pl.when("is_half_day").then(settlement.half_day).otherwise(settlement.price)
    is_final = (pl.col("closed_at") + price_settles <= asked_at).fill_null(False)
    is_settled = (pl.col("closed_at") + settlement.volume <= asked_at).fill_null(False)
    rows = dated.with_columns(is_final=is_final, is_settled=is_settled).select(PriceBars.column_names())
    asked = _span(ALL_HISTORY, calendar.filter(is_final)["day"])
    own = dated.filter(pl.col("closed_at").is_not_null())["day"]
    days = calendar["day"]
    within = _span(own.min(), days.filter((days >= own.min()) & (days < own.max()))) if len(own) else None
    return Bars(answer.origin, rows, asked_at, asked, within, (*answer.remarks, *wrong_time, *torn_volumes))


def _refuse_missing_columns(answer: PriceAnswer) -> None:
    """Raise SourceError where one of Yahoo's columns is missing."""
    if missing := [name for name in BAR_COLUMNS if name not in answer.bars.columns]:
        raise SourceError(
            answer.origin,
            answer.symbol,
            f"no column {', '.join(missing)}; found {', '.join(answer.bars.columns)}",
            f"a file has Yahoo's columns {','.join(BAR_COLUMNS)}: rename or add them",
        )


def _span(first: Any, days: pl.Series) -> Span | None:
    """From `first` to the last of `days`, if there is one."""
    last: Any = days.max()
    return None if last is None else (first, last)


def _when_asked(answer: PriceAnswer, dated: pl.DataFrame, now: datetime) -> tuple[datetime, list[str]]:
    """When the vendor was asked; for a file its mtime, if that is before `now`, the moment of the fetch.

    A copied file may have any mtime: if it holds a bar that did not exist then, `now` counts, and a remark says so.
    """
    saved_at = min(now, answer.saved_at or now)
    later = dated.filter(pl.col("opened_at").is_between(saved_at, now, closed="right"))
    if later.is_empty():
        return saved_at, []
    newest: Any = later["day"].max()
    contradiction = f"the file's time is {saved_at:%Y-%m-%d %H:%M} UTC and it holds the bar of {newest}"
    return now, [f"{contradiction}: judged by the clock of this run instead, {now:%Y-%m-%d %H:%M} UTC"]


def _leave_out_unusable_opens(written: pl.DataFrame) -> pl.DataFrame:
    """Bars with null for an open outside low..high; other faults are left to the contract's rules."""
    open_, high, low = (pl.col(name).cast(pl.Float64, strict=False) for name in ("open", "high", "low"))
    is_outside = ~open_.is_between(low * (1 - ROUNDING), high * (1 + ROUNDING)) & (high >= low)
    return written.with_columns(open=pl.when(is_outside.fill_null(False)).then(None).otherwise("open"))


def _leave_out_torn_volumes(written: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Bars with null for the volume where rows of one day differ in nothing else, and a remark that names the days."""
    day = day_of("session_date")
    numbers = written.select(day, pl.col(*PRICES, "volume").cast(pl.Float64, strict=False))
    torn = (
        numbers.drop_nulls(["session_date", "close"])
        .group_by("session_date")
        .agg(pl.struct(PRICES).n_unique().alias("prices"), pl.col("volume").n_unique().alias("volumes"))
        .filter(prices=1)
        .filter(pl.col("volumes") > 1)["session_date"]
        .sort()
    )
    if torn.is_empty():
        return written, []
    remark = f"rows of one day differ in their volumes alone, {_some(torn)}: the prices stand without a volume"
    is_torn = day.is_in(torn.implode()).fill_null(False)
    return written.with_columns(volume=pl.when(is_torn).then(None).otherwise("volume")), [remark]


def say_missing_opens(rows: pl.DataFrame) -> list[str]:
    """A remark on the missing opens of one symbol's PriceBars."""
    without = rows.filter(pl.col("open").is_null())["session_date"].sort()
    return [] if without.is_empty() else [f"no open inside the bar, {_some(without)}: the other prices stand"]


def _some(days: pl.Series) -> str:
    """How many, and the last few: `200 sessions, the last 2023-10-18, 2023-10-19, 2023-10-20`."""
    newest = ", ".join(map(str, days.tail(EXAMPLES)))
    return f"on {newest}" if len(days) == 1 else f"{len(days):,} sessions, the last {newest}"


def screen_bars(bars: list[pl.DataFrame], sessions: pl.DataFrame, calendars: Mapping[str, str]) -> Screened:
    """PriceBars of some symbols as read by `read_bars`; a bar on a day without a session is refused.

    `calendars` is that of each symbol: London's Thursday is no session of New York's Thanksgiving.
    """
    on_session = pl.any_horizontal(
        pl.lit(False),
        *(
            pl.col("symbol").is_in([symbol for symbol, own_calendar in calendars.items() if own_calendar == calendar])
            & pl.col("session_date").is_in(sessions.filter(calendar=calendar)["session_date"].implode())
            for calendar in sorted(set(calendars.values()))
        ),
    )
    has_come = pl.col("session_date") <= pl.col("recorded_at").dt.date()
    rules = {"in_the_future": on_session | has_come, "not_a_trading_day": on_session, **POSSIBLE}
    return screen(PriceBars, pl.concat(bars) if bars else PriceBars.create_empty(), rules)


def differs(name: str) -> pl.Expr:
    """Whether a value is another than `{name}_before`; a price printed to other digits is the same."""
    now, before = pl.col(name), pl.col(f"{name}_before")
    if name not in (*PRICES, "amount"):
        return now.ne_missing(before)
    return now.ne_missing(before) & ~((now - before).abs() <= NOISE * before.abs()).fill_null(False)


def read_actions(answer: PriceAnswer, recorded_at: datetime) -> pl.DataFrame:
    """The dividends and splits of one answer in the columns of PriceActions, amounts still text; 0 is none."""
    if answer.actions is None:
        return PriceActions.create_empty().with_columns(pl.col("action_date", "amount").cast(pl.String))
    kinds = {"Dividends": "dividend", "Stock Splits": "split"}
    long = answer.actions.unpivot(list(kinds), index="Date", variable_name="kind", value_name="amount")
    return (
        long.with_columns(_number("amount"))
        .filter(pl.col("amount").is_not_null() & pl.col("amount").cast(pl.Float64, strict=False).ne_missing(0))
        .select(
            pl.lit(answer.symbol).alias("symbol"),
            pl.col("Date").alias("action_date"),
            pl.col("kind").replace_strict(kinds, return_dtype=pl.String),
            pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
            "amount",
            pl.lit(answer.origin).alias("source"),
            pl.lit(False).alias("is_withdrawn"),
        )
        .select(PriceActions.column_names())
    )


def screen_actions(actions: list[pl.DataFrame]) -> Screened:
    """PriceActions of some symbols as read by `read_actions`."""
    return screen(PriceActions, pl.concat(actions) if actions else PriceActions.create_empty())


def _number(name: str) -> pl.Expr:
    """A vendor's number as text; an empty cell is null."""
    cell = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(cell.str.to_lowercase().is_in(BLANK)).then(None).otherwise(cell)
