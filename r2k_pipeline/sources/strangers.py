"""Series that do not belong to their symbol: another symbol's prices, or prices adjusted for dividends.

Belongs here: comparison of one-day returns and closes between symbols. Not here: single steps (plausibility.py), the
limits (price_bounds.py).
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from r2k_pipeline.sources.price_bounds import (
    BETTER,
    COMMON,
    COPIED_SHARE,
    DRIFT,
    DRIFT_SESSIONS,
    DRIFT_YEARS,
    RECENT,
    TRACKED,
)

DAYS: Final = ["session_date", "previous_session_date"]


def find_strangers(
    news: pl.DataFrame, before: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame
) -> Iterator[tuple[str, str]]:
    """Symbols whose new series moves with another market, or repeats the closes of another symbol.

    `news`: the series of symbols with new rows; `before`: what the log has; `bars`: all series as they would stand.
    Two names of one index repeat each other rightly where each moves with its own fund or future. What the log has the
    same way was accepted.
    """
    followed = _follow(news, bars, partners)
    was = _follow(before.join(followed, on="symbol", how="semi"), bars, partners)
    for symbol, other, away, near in followed.join(was, on=["symbol", "other"], how="anti").iter_rows():
        differ = (
            f"differ by {100 * near:.2f} % from {other}'s in the median, by {100 * away:.2f} % from its own market's"
        )
        yield symbol, f"it looks like {other}'s series: its one-day returns {differ}"
    copied = _copy(news, bars)
    was = _copy(before.join(copied, on="symbol", how="semi"), bars)
    compared = _track(news, bars, partners).select("symbol")
    of_own = partners.select("symbol", other="partner")
    vouched = copied.join(compared, on="symbol", how="semi").join(of_own, on=["symbol", "other"], how="anti")
    known = pl.concat([was, vouched])
    for symbol, other, same, common in copied.join(known, on=["symbol", "other"], how="anti").iter_rows():
        yield symbol, f"it looks like {other}'s series: {same} of {common} closes are those of {other}"


def find_adjusted(
    unproven: pl.DataFrame, before: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame
) -> Iterator[tuple[str, str]]:
    """Funds new to the log that gain on their index as if dividends were in their prices."""
    drifts = _drift(unproven, before, bars, partners)
    for symbol, partner, years, gained in drifts.filter(_IS_LONG, _GAINS).iter_rows():
        gain = f"it gains {100 * gained / years:.1f} % a year on {partner} over {years:.0f} years"
        as_traded = "prices are kept as traded (with yfinance: auto_adjust=False)"
        yield symbol, f"prices adjusted for dividends, it seems: {gain}; {as_traded}"


def say_unproven(
    unproven: pl.DataFrame, before: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame
) -> Iterator[tuple[str, str]]:
    """A remark on each fund new to the log that `find_adjusted` does not name: what it was compared with."""
    drifts = _drift(unproven, before, bars, partners)
    may_be = "without Adj Close its prices may be adjusted for dividends: "
    for symbol, partner, years, gained in drifts.filter(_IS_LONG, ~_GAINS).iter_rows():
        yield (
            symbol,
            f"{may_be}not so, it gains {100 * gained / years:.1f} % a year on {partner} over {years:.0f} years",
        )
    compared = set(drifts.filter(_IS_LONG)["symbol"])
    funds = partners.filter(pl.col("role") == "proxy").join(unproven.join(before, on="symbol", how="anti"), on="symbol")
    for symbol in sorted(set(funds["symbol"]) - compared):
        least = f"{DRIFT_YEARS:.0f} years in common with its index"
        yield symbol, f"{may_be}not compared, as that takes {least}; next: take a file with Adj Close to be sure"


_IS_LONG: Final = pl.col("years") >= DRIFT_YEARS
_GAINS: Final = pl.col("gained") > DRIFT * pl.col("years")


def _drift(unproven: pl.DataFrame, before: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame) -> pl.DataFrame:
    """symbol, partner, years, gained (a logarithm): funds new to the log against their index, sorted."""
    funds = partners.filter(pl.col("role") == "proxy", pl.col("partner_role") == "index")
    index = bars.select("session_date", partner="symbol", index_close="close")
    first = unproven.join(before, on="symbol", how="anti").join(funds, on="symbol")
    ratios = first.join(index, on=["partner", "session_date"]).sort("session_date")
    ratios = ratios.group_by("symbol", "partner").tail(DRIFT_SESSIONS)
    ratio, day = pl.col("close") / pl.col("index_close"), pl.col("session_date")
    drifts = ratios.group_by("symbol", "partner").agg(
        years=(day.last() - day.first()).dt.total_days() / 365.25,
        gained=(ratio.tail(COMMON).median() / ratio.head(COMMON).median()).log(),
    )
    return drifts.sort("symbol", "partner")


def _returns(series: pl.DataFrame) -> pl.DataFrame:
    """symbol, session_date, previous_session_date, close, change (a ratio), sorted."""
    before = pl.col("session_date", "close").shift().over("symbol").name.prefix("previous_")
    columns = series.select("symbol", "session_date", "close").sort("symbol", "session_date").with_columns(before)
    return columns.with_columns(change=pl.col("close") / pl.col("previous_close") - 1).drop("previous_close")


def _recent(series: pl.DataFrame) -> pl.DataFrame:
    return _returns(series).group_by("symbol").tail(RECENT)


def _track(series: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame) -> pl.DataFrame:
    """symbol, away: the median difference of one-day returns from the nearest partner's, over the newest sessions."""
    others = _returns(bars).select(*DAYS, partner="symbol", other_change="change")
    joined = _recent(series).join(partners, on="symbol").join(others, on=["partner", *DAYS])
    return _median_away(joined, "partner").group_by("symbol").agg(away=pl.col("away").min())


def _follow(series: pl.DataFrame, bars: pl.DataFrame, partners: pl.DataFrame) -> pl.DataFrame:
    """symbol, other, away, near: those that another market's series is much nearer to than any of their own."""
    stray = _track(series, bars, partners).filter(pl.col("away") > TRACKED)
    doubted = series.join(stray, on="symbol", how="semi")
    own = partners.select("symbol", other="partner")
    others = _returns(bars).join(partners, on="symbol", how="semi").select(*DAYS, other="symbol", other_change="change")
    joined = _recent(doubted).join(others, on=DAYS).filter(pl.col("symbol") != pl.col("other"))
    near = _median_away(joined.join(own, on=["symbol", "other"], how="anti"), "other").rename({"away": "near"})
    nearest = near.sort("near", "other").unique("symbol", keep="first", maintain_order=True)
    found = stray.join(nearest, on="symbol").filter(BETTER * pl.col("near") < pl.col("away"))
    return found.select("symbol", "other", "away", "near").sort("symbol")


def _median_away(joined: pl.DataFrame, other: str) -> pl.DataFrame:
    away = (pl.col("change") - pl.col("other_change")).abs()
    measured = joined.drop_nulls(["change", "other_change"]).group_by("symbol", other)
    return measured.agg(away=away.median(), sessions=pl.len()).filter(pl.col("sessions") >= COMMON).drop("sessions")


def _copy(series: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """symbol, other, same, common: those whose newest closes are mostly another symbol's, to six digits."""
    close = pl.col("close").round_sig_figs(6)
    recent = _recent(series).select("symbol", "session_date", close)
    others = bars.select("session_date", close, other="symbol")
    pair = ["symbol", "other"]
    same = recent.join(others, on=["session_date", "close"]).filter(pl.col("symbol") != pl.col("other"))
    same = same.group_by(pair).agg(same=pl.len()).filter(pl.col("same") > COPIED_SHARE * COMMON)
    common = (
        recent.join(same, on="symbol").join(others, on=["session_date", "other"]).group_by(pair).agg(common=pl.len())
    )
    most = same.join(common, on=pair).filter(
        pl.col("common") >= COMMON, pl.col("same") > COPIED_SHARE * pl.col("common")
    )
    return most.sort("same", "other", descending=[True, False]).unique("symbol", keep="first").sort("symbol")
