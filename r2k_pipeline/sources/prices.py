"""Parses price answers in Yahoo's file layout into raw bars and actions.

Belongs here: Yahoo's column names, trading days, which bar is final. Not here: how the answer was fetched
(files.py, yahoo.py, sample.py) or what the log already knows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.sources.bounds import POSSIBLE
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from r2k_pipeline.sources.screening import Screened, screen

BAR_COLUMNS: Final = ("Date", "Open", "High", "Low", "Close", "Volume")
FINAL_AFTER: Final = timedelta(minutes=20)
"""After the close: index quotes come 15 minutes late, an earlier answer may still be a live bar."""


def read_bars(answer: PriceAnswer, sessions: pl.DataFrame, asked_at: datetime, recorded_at: datetime) -> pl.DataFrame:
    """The bars of one answer in the columns of PriceBars, prices still text.

    `sessions` are Sessions of one calendar. A bar is final if its session had ended by `asked_at`, before the vendor
    was asked: answers take minutes, and `recorded_at` also stays ahead of a clock that was once ahead itself. Raises
    SourceError where one of Yahoo's columns is missing.
    """
    missing = [name for name in BAR_COLUMNS if name not in answer.bars.columns]
    if missing:
        raise SourceError(
            answer.origin,
            answer.symbol,
            f"no column {', '.join(missing)}; found {', '.join(answer.bars.columns)}",
            f"download it again in Yahoo's layout {','.join(BAR_COLUMNS)}",
        )
    written = answer.bars.select(
        pl.lit(answer.symbol).alias("symbol"),
        pl.col("Date").alias("session_date"),
        pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
        *(_number(name).alias(name.lower()) for name in BAR_COLUMNS[1:]),
        pl.lit(answer.origin).alias("source"),
        pl.lit(False).alias("is_withdrawn"),
    )
    closes = sessions.select(pl.col("session_date").cast(pl.String), "close_at")
    return (
        written.join(closes, on="session_date", how="left", maintain_order="left")
        .select(pl.exclude("close_at"), is_final=(pl.col("close_at") + FINAL_AFTER <= asked_at).fill_null(False))
        .select(PriceBars.column_names())
    )


def screen_bars(bars: list[pl.DataFrame], sessions: pl.DataFrame, calendars: Mapping[str, str]) -> Screened:
    """PriceBars of some symbols as read by `read_bars`; a bar on a day without a session is refused.

    `calendars` is that of each symbol: London's Thursday is no session of New York's Thanksgiving.
    """
    on_session = pl.any_horizontal(
        pl.lit(False),
        *(
            pl.col("symbol").is_in([symbol for symbol, its in calendars.items() if its == calendar])
            & pl.col("session_date").is_in(sessions.filter(calendar=calendar)["session_date"].implode())
            for calendar in sorted(set(calendars.values()))
        ),
    )
    return screen(
        PriceBars, pl.concat(bars) if bars else PriceBars.create_empty(), {"not_a_trading_day": on_session, **POSSIBLE}
    )


def read_actions(answer: PriceAnswer, recorded_at: datetime) -> pl.DataFrame:
    """The dividends and splits of one answer in the columns of PriceActions, amounts still text; 0 is none."""
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
    return pl.when(cell.str.to_lowercase().is_in(["", "null", "nan"])).then(None).otherwise(cell)
