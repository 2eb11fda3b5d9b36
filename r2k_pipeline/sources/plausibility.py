"""Doubts about series before they are recorded: implausible steps, highs and lows, closes alone, another's prices.

Belongs here: pure functions over new and recorded bars; a row that the log already has with the same values is not
doubted again. Not here: the limits (price_bounds.py), files that are wrong whatever they hold (wrong_files.py), holding
(log/recording.py).
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

import polars as pl

from r2k_pipeline.markets import Market
from r2k_pipeline.sources.factors import name_factor
from r2k_pipeline.sources.price_bounds import (
    COMMON,
    FLAT_SHARE,
    GAP_DAYS,
    LEAST_REACH,
    LEAST_SESSIONS,
    REACH,
    REACH_SESSIONS,
    RECENT,
    STEP,
    WIDE_STEP,
)
from r2k_pipeline.sources.prices import PRICES, differs
from r2k_pipeline.sources.strangers import find_adjusted, find_strangers, say_unproven

EXAMPLES: Final = 3
KEY: Final = ["symbol", "session_date"]
OWN_MOVE: Final = 0.1
"""Relative: the day's own move beside a factor."""


def doubt_series(
    answered: pl.DataFrame,
    known: pl.DataFrame,
    splits: pl.DataFrame,
    markets: Iterable[Market],
    unproven: Iterable[str],
) -> dict[str, str]:
    """The reasons to doubt a symbol's new rows, by symbol; most symbols have no entry.

    `answered` are the PriceBars of some answers, `known` the last of each in the log, one row a key; `splits` are
    PriceActions, of which those of kind split count. `unproven` are symbols whose file has no adjusted closes beside
    the traded ones.
    """
    markets = tuple(markets)
    roles = _read_roles(markets)
    partners = _pair_partners(roles)
    bars, before = _merge(answered, known), _finished(known)
    news = bars.filter("is_said", pl.col("is_new").any().over("symbol"))
    found = [
        *_find_steps(bars, splits, partners, _unsteady(markets)),
        *_find_reaches(bars, partners),
        *_find_flat(news.join(roles, on="symbol", how="semi"), before),
        *find_strangers(news, before, bars, partners),
        *find_adjusted(news.filter(pl.col("symbol").is_in(list(unproven))), before, bars, partners),
    ]
    doubts: dict[str, list[str]] = {}
    for symbol, doubt in found:
        doubts.setdefault(symbol, []).append(doubt)
    return {symbol: "; ".join(reasons) for symbol, reasons in doubts.items()}


def remark_unproven(
    answered: pl.DataFrame, known: pl.DataFrame, markets: Iterable[Market], unproven: Iterable[str]
) -> dict[str, str]:
    """Remarks by symbol on the comparison of each fund new to the log; arguments as of `doubt_series`."""
    bars, partners = _merge(answered, known), _pair_partners(_read_roles(markets))
    news = bars.filter("is_said", pl.col("symbol").is_in(list(unproven)))
    return dict(say_unproven(news, _finished(known), bars, partners)) if news.height else {}


def _read_roles(markets: Iterable[Market]) -> pl.DataFrame:
    """market, symbol, role, without the context symbols: those of one market move together."""
    rows = [(market.market, *symbol_and_role) for market in markets for symbol_and_role in market.symbols().items()]
    schema = dict.fromkeys(("market", "symbol", "role"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("role") != "context")


def _unsteady(markets: Iterable[Market]) -> set[str]:
    """Symbols of volatility and of yields, which may double in a day, and those that are context alone."""
    of_markets = [(market, symbol, role) for market in markets for symbol, role in market.symbols().items()]
    steady = {symbol for _, symbol, role in of_markets if role != "context"}
    swinging = {m.index for m in markets if m.index and (m.class_ == "volatility" or m.series == "yield")}
    return {symbol for _, symbol, _ in of_markets} - steady | swinging


def _pair_partners(roles: pl.DataFrame) -> pl.DataFrame:
    """symbol, role, partner, partner_role: each with the others of its market."""
    others = roles.rename({"symbol": "partner", "role": "partner_role"})
    return roles.join(others, on="market").filter(pl.col("symbol") != pl.col("partner")).drop("market").unique()


def _finished(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.filter("is_final", ~pl.col("is_withdrawn")).select(*KEY, *PRICES).sort(KEY)


def _merge(answered: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The series with `answered` in place of `known`, which rows are new, and the previous close and its day."""
    new, before = _finished(answered), _finished(known)
    is_new = pl.any_horizontal(map(differs, PRICES))
    over = new.join(before, on=KEY, how="left", suffix="_before").with_columns(is_said=True, is_new=is_new)
    kept = before.join(new, on=KEY, how="anti").with_columns(is_said=False, is_new=False)
    columns = [*KEY, *PRICES, "is_said", "is_new"]
    before_it = pl.col("close", "session_date", "is_new").shift().over("symbol").name.prefix("previous_")
    return pl.concat([over.select(columns), kept.select(columns)]).sort(KEY).with_columns(before_it)


def _find_steps(
    bars: pl.DataFrame, splits: pl.DataFrame, partners: pl.DataFrame, unsteady: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Closes too far from the previous close, without a split on that day and without a similar step of a partner."""
    is_gap = (pl.col("session_date") - pl.col("previous_session_date")).dt.total_days() > GAP_DAYS
    is_unsteady = pl.col("symbol").is_in(list(unsteady))
    steps = bars.with_columns(
        step=(pl.col("close") / pl.col("previous_close")).log(),
        limit=pl.when(is_gap | is_unsteady).then(math.log(WIDE_STEP)).otherwise(math.log(STEP)),
    ).filter(pl.col("is_new") | pl.col("previous_is_new"), pl.col("step").abs() > pl.col("limit"))
    listed = splits.filter(pl.col("kind") == "split", ~pl.col("is_withdrawn"))
    steps = steps.join(listed, left_on=KEY, right_on=["symbol", "action_date"], how="anti")
    then = bars.select(partner="symbol", previous_session_date="session_date", then="close")
    now = bars.select(partner="symbol", session_date="session_date", now="close")
    witnessed = steps.join(partners, on="symbol").join(now, on=["partner", "session_date"])
    witnessed = witnessed.join(then, on=["partner", "previous_session_date"])
    shared = witnessed.filter((pl.col("step") - (pl.col("now") / pl.col("then")).log()).abs() < pl.col("limit"))
    yield from _say_alone("steps that no session allows, with no split listed", steps, shared, _step)


def _find_reaches(bars: pl.DataFrame, partners: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Highs and lows too far from open, close and previous close, without a similar move of a partner."""
    ends = ("open", "close", "previous_close")
    widest = pl.max_horizontal("high", "previous_close") / pl.min_horizontal("low", "previous_close")
    usual = pl.col("true_range").rolling_median(REACH_SESSIONS, min_samples=LEAST_SESSIONS).shift()
    reaches = bars.with_columns(
        above=(pl.col("high") / pl.max_horizontal(ends)).log(),
        below=(pl.min_horizontal(ends) / pl.col("low")).log(),
        true_range=widest.log(),
    ).with_columns(usual=usual.fill_null(pl.col("true_range").median()).over("symbol"))
    limit = pl.max_horizontal(pl.lit(LEAST_REACH), REACH * pl.col("usual"))
    beyond = reaches.filter("is_new", pl.max_horizontal("above", "below") > limit)
    there = reaches.select(partner="symbol", session_date="session_date", also_above="above", also_below="below")
    witnessed = beyond.join(partners, on="symbol").join(there, on=["partner", "session_date"])
    also = pl.when(pl.col("above") > pl.col("below")).then("also_above").otherwise("also_below")
    shared = witnessed.filter(also > pl.max_horizontal("above", "below") / 2)
    yield from _say_alone("highs or lows far beyond the session's other prices", beyond, shared, _reach)


def _find_flat(news: pl.DataFrame, before: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Series of closes alone: most of the newest sessions have one price. Where the log has that, it was accepted."""
    flat = _flat(news).join(_flat(before), on="symbol", how="anti")
    for symbol, count, sessions in flat.iter_rows():
        yield symbol, f"closes alone, it seems: one price a session in {count} of the newest {sessions}"


def _flat(series: pl.DataFrame) -> pl.DataFrame:
    """symbol, count, sessions: those of which most of the newest sessions have one price."""
    newest = series.sort(KEY).group_by("symbol", maintain_order=True).tail(RECENT)
    counts = newest.group_by("symbol", maintain_order=True).agg(
        count=(pl.col("high") == pl.col("low")).sum(), sessions=pl.len()
    )
    return counts.filter(pl.col("sessions") >= COMMON, pl.col("count") > FLAT_SHARE * pl.col("sessions"))


def _say_alone(
    doubt: str, found: pl.DataFrame, shared: pl.DataFrame, example: Callable[[dict[str, Any]], str]
) -> Iterator[tuple[str, str]]:
    """Symbol and sentence of those rows that no partner shares."""
    alone = found.join(shared, on=KEY, how="anti").sort(KEY)
    for (symbol,), rows in alone.group_by("symbol", maintain_order=True):
        examples = "; ".join(map(example, rows.head(EXAMPLES).iter_rows(named=True)))
        yield str(symbol), f"{doubt}: {rows.height}, e.g. {examples}"


def _step(row: dict[str, Any]) -> str:
    """`2024-03-14 close 2071.71 -> 203118.01 (cents for dollars?)`."""
    looks = name_factor(row["close"] / row["previous_close"], OWN_MOVE)
    close = f"{row['session_date']} close {row['previous_close']:.2f} -> {row['close']:.2f}"
    return f"{close} ({looks}?)" if looks else close


def _reach(row: dict[str, Any]) -> str:
    """`2025-12-31 high 3752.66, close 2481.91`."""
    name = "high" if row["above"] > row["below"] else "low"
    return f"{row['session_date']} {name} {row[name]:.2f}, close {row['close']:.2f}"
