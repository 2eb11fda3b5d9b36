"""Price answers that are wrong as a whole: adjusted prices, rows that are not daily, days that are not the exchange's.

Belongs here: faults that fail an answer whatever its prices are. Not here: single rows (screening.py), series
that may be right and wait for a user (plausibility.py), the limits (price_bounds.py).
"""

from datetime import date

import polars as pl

from r2k_pipeline.sources.price_bounds import (
    CLOSED_ROWS,
    CLOSED_SHARE,
    FRACTION_SHARE,
    LOST,
    REGULAR_SINCE,
    SKIPPING_SHARE,
    SKIPPING_STEPS,
)
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from r2k_pipeline.sources.screening import day_of

AS_TRADED = "download it again as traded, with yfinance: auto_adjust=False"
EXAMPLES = 3


def refuse_wrong_file(answer: PriceAnswer, bars: pl.DataFrame, sessions: pl.DataFrame) -> None:
    """Raise SourceError for a file of which no row can be trusted.

    `bars` are the answer's by `read_bars`, prices still text; `sessions` those of the symbol's calendar.
    """
    _refuse_adjusted(answer)
    close = pl.col("close").cast(pl.String).cast(pl.Float64, strict=False)
    days = bars.filter(close.is_not_null()).select(day_of("session_date"))["session_date"].drop_nulls().unique().sort()
    opened = sessions["session_date"].unique().sort()
    known = days.filter(days.is_between(opened.min(), opened.max()))
    _refuse_closed_days(answer, known, known.filter(~known.is_in(opened.implode())))
    _refuse_skipped_sessions(answer, known, opened)


def refuse_cut_off(answer: PriceAnswer, bars: pl.DataFrame, recorded: date | None) -> None:
    """Raise SourceError for a vendor's answer that ends long before the newest bar that is `recorded` of its symbol.

    It would count as a look at sessions that it lost, and their bars as late. A file may be an older copy.
    """
    newest = bars.filter(pl.col("close").is_not_null()).select(day_of("session_date"))["session_date"].max()
    if recorded is not None and isinstance(newest, date) and newest < recorded - LOST:
        rule = f"the answer ends on {newest}, and bars to {recorded} are recorded: it is cut off"
        raise SourceError(answer.origin, answer.symbol, rule, "run again later")


def unread_actions(answer: PriceAnswer) -> str | None:
    """A remark on dividends or splits that are not read because the other one's column is missing."""
    columns = ("Dividends", "Stock Splits")
    there = [name for name in columns if name in answer.bars.columns]
    if len(there) != 1 or not (amounts := _amounts(answer.bars, there[0])):
        return None
    (missing,) = set(columns) - set(there)
    return f"column {there[0]} is not read, because {missing} is missing: {amounts} amounts ignored"


def _amounts(bars: pl.DataFrame, column: str) -> int:
    """How many cells of a column of amounts are numbers other than 0."""
    amount = pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return bars.select((amount.is_not_nan() & (amount != 0)).sum()).item() or 0


def _refuse_adjusted(answer: PriceAnswer) -> None:
    """Refuse adjusted prices: yfinance's default adjusts all prices and then omits `Adj Close`; Stooq volumes too."""
    columns = answer.bars.columns
    if "Adj Close" in columns:
        return
    if "Dividends" in columns and (paid := _amounts(answer.bars, "Dividends")):
        rule = f"{paid} dividends and no Adj Close: its prices are adjusted, and prices are kept as traded"
        raise SourceError(answer.origin, answer.symbol, rule, AS_TRADED)
    volume = pl.col("Volume").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    torn = answer.bars.filter(volume != volume.round())["Volume"]
    if torn.len() > FRACTION_SHARE * answer.bars.height:
        rule = f"volumes with fractions, e.g. {torn[0]}: they are adjusted, and so are its prices (Stooq's funds)"
        raise SourceError(answer.origin, answer.symbol, f"{rule}; prices are kept as traded", AS_TRADED)


def _refuse_closed_days(answer: PriceAnswer, days: pl.Series, closed: pl.Series) -> None:
    if closed.len() >= CLOSED_ROWS and closed.len() > CLOSED_SHARE * days.len():
        examples = ", ".join(closed.head(EXAMPLES).dt.strftime("%A %Y-%m-%d"))
        raise SourceError(
            answer.origin,
            answer.symbol,
            f"days that are not the exchange's: {closed.len()} of {days.len()} rows are on days without a session, "
            f"e.g. {examples}; their dates may be a day off",
            "download it again, or set the market's calendar in a markets.toml",
        )


def _refuse_skipped_sessions(answer: PriceAnswer, days: pl.Series, opened: pl.Series) -> None:
    opened = opened.filter(opened >= REGULAR_SINCE)
    place = opened.search_sorted(days.filter(days.is_in(opened.implode())))
    steps = pl.Series(place).cast(pl.Int64).diff().drop_nulls()
    skipping = steps.filter(steps > 1)
    if steps.len() >= SKIPPING_STEPS and skipping.len() > SKIPPING_SHARE * steps.len():
        examples = ", ".join(days.filter(days >= REGULAR_SINCE).head(EXAMPLES).cast(pl.String))
        raise SourceError(
            answer.origin,
            answer.symbol,
            f"not daily: {int((skipping - 1).sum())} of {int(steps.sum()) + 1} sessions of its span have no row, "
            f"its days are {examples}, ...",
            "download it again with a row a session (interval 1d)",
        )
