"""Synthetic daily bars of four indices and their ETFs, in Yahoo's file layout.

Belongs here: the price story and the bars made from it. Not here: files (sample.py), positions (sample_cot.py).
The story is the note's: the Russell in a long range, a new high in November 2024, a second range, and from
2025-02-19 a fall back into the first; the rest is correlated noise between round figures. Index points, USD for ETFs.
"""

from dataclasses import dataclass

import exchange_calendars
import numpy as np
import numpy.typing as npt

from r2k_pipeline.sources.sample_draws import Floats, draw_shocks, draw_uniforms

Days = npt.NDArray[np.datetime64]

FIRST_SESSION, LAST_SESSION = "2020-01-02", "2025-12-31"
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
COMMON_SHARE = 0.8
"""Share of a day's variance that all four indices have in common."""
TRACKING = 0.0002
"""Ratio; one standard deviation of an ETF's price against its index."""


@dataclass(frozen=True)
class _Listing:
    """One index and its ETF: `column` in ANCHORS, daily noise as a ratio, usual daily volumes in shares."""

    index: str
    etf: str
    column: int
    daily_noise: float
    usd_per_point: float
    index_volume: int
    etf_volume: int
    dividend_usd: float


LISTINGS = (
    _Listing("^RUT", "IWM", 0, 0.0150, 0.0994, 4_400_000_000, 31_000_000, 0.60),
    _Listing("^GSPC", "SPY", 1, 0.0095, 0.0997, 4_400_000_000, 80_000_000, 1.60),
    _Listing("^NDX", "QQQ", 2, 0.0125, 0.0244, 5_600_000_000, 49_000_000, 0.55),
    _Listing("^DJI", "DIA", 3, 0.0090, 0.0100, 395_000_000, 4_200_000, 1.50),
)

ANCHORS = (
    # close of ^RUT, ^GSPC, ^NDX, ^DJI on that session, and the noise of the span that ends there (1 = the listing's)
    ("2020-01-02", 1670, 3260, 8870, 28870, 1.0),
    ("2020-02-19", 1690, 3385, 9710, 29350, 0.6),
    ("2020-03-23", 1005, 2240, 7000, 18600, 3.0),
    ("2020-06-08", 1530, 3230, 9900, 27570, 1.8),
    ("2020-10-30", 1540, 3270, 11050, 26500, 1.1),
    ("2021-03-15", 2300, 3970, 13080, 32950, 1.0),
    ("2021-08-19", 2140, 4405, 14930, 34890, 0.8),
    ("2021-11-08", 2340, 4700, 16330, 36430, 0.7),
    ("2022-01-27", 1930, 4330, 14000, 34160, 1.1),
    ("2022-03-29", 2130, 4630, 15240, 35290, 1.1),
    ("2022-06-16", 1650, 3670, 11130, 29930, 1.3),
    ("2022-08-15", 2010, 4300, 13670, 33900, 1.1),
    ("2022-10-12", 1690, 3580, 10790, 29200, 1.3),
    ("2023-02-02", 1990, 4180, 12800, 34050, 1.0),
    ("2023-05-04", 1720, 4060, 13000, 33130, 0.9),
    ("2023-07-31", 2000, 4590, 15760, 35560, 0.8),
    ("2023-10-27", 1640, 4120, 14180, 32420, 0.9),
    ("2023-12-14", 1990, 4720, 16540, 37250, 0.9),
    ("2024-01-17", 1930, 4740, 16740, 37270, 1.0),
    ("2024-03-07", 2085, 5160, 18300, 38790, 1.0),
    ("2024-04-19", 1950, 4970, 17040, 37990, 1.0),
    ("2024-05-15", 2105, 5310, 18600, 39910, 1.0),
    ("2024-06-14", 2010, 5430, 19660, 38590, 1.0),
    ("2024-07-09", 2035, 5575, 20450, 39290, 1.0),
    ("2024-07-31", 2250, 5520, 19360, 40840, 0.9),
    ("2024-08-05", 2040, 5190, 17900, 38700, 1.0),
    ("2024-11-25", 2440, 5990, 20800, 44740, 0.8),
    ("2024-12-18", 2232, 5870, 21200, 42330, 0.7),
    ("2025-02-18", 2285, 6130, 22160, 44560, 0.8),
    ("2025-03-13", 1994, 5520, 19230, 40810, 0.8),
    ("2025-03-25", 2090, 5775, 20290, 42590, 0.8),
    ("2025-06-30", 2175, 6205, 22680, 44090, 0.8),
    ("2025-12-31", 2390, 6850, 25250, 48060, 0.7),
)

RUSSELL_RANGES = (("2024-01-02", "2024-07-09", 1912.0, 2128.0), ("2024-12-18", "2025-02-18", 2195.0, 2330.0))
"""First and last session, lowest and highest close in index points."""


def build_sample_prices() -> dict[str, str]:
    """Text of each symbol's CSV by symbol: every XNYS session from FIRST_SESSION to LAST_SESSION."""
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_SESSION, end=LAST_SESSION)
    days = calendar.sessions.to_numpy().astype("datetime64[D]")
    files = {}
    for listing in LISTINGS:
        bars = _build_bars(listing, days)
        volume = _build_volume(listing.index, listing.index_volume, bars, 10_000)
        files[listing.index] = _format_bars(days, bars, volume)
        tracked = bars * listing.usd_per_point * (1 + TRACKING * draw_shocks(f"tracking {listing.etf}", len(days), 1))
        volume = _build_volume(listing.etf, listing.etf_volume, bars, 100)
        files[listing.etf] = _format_bars(days, tracked, volume, listing.dividend_usd)
    return files


def _build_bars(listing: _Listing, days: Days) -> Floats:
    """Open, high, low, close, one row a session: gaps and wicks are shares of the day's noise around the close."""
    close = _build_closes(listing, days)
    gap, above, below = draw_shocks(f"bars {listing.index}", 3, len(days)) * listing.daily_noise
    open_ = np.concatenate([close[:1], close[:-1]]) * (1 + 0.3 * gap)
    high = np.maximum(open_, close) * (1 + 0.35 * np.abs(above))
    low = np.minimum(open_, close) * (1 - 0.35 * np.abs(below))
    return np.column_stack([open_, high, low, close])


def _build_closes(listing: _Listing, days: Days) -> Floats:
    """A random walk pinned to the anchors: each span is compounded noise, bent in a straight line to meet its end."""
    shocks = np.sqrt(COMMON_SHARE) * draw_shocks("common", len(days))
    shocks += np.sqrt(1 - COMMON_SHARE) * draw_shocks(f"own {listing.index}", len(days))
    at = np.searchsorted(days, np.array([anchor[0] for anchor in ANCHORS], dtype="datetime64[D]"))
    close = np.full(len(days), float(ANCHORS[0][1 + listing.column]))
    for start, end, anchor in zip(at, at[1:], ANCHORS[1:], strict=False):
        span = slice(start + 1, end + 1)
        walk = close[start] * np.cumprod(1 + listing.daily_noise * anchor[5] * shocks[span])
        bend = float(anchor[1 + listing.column]) / walk[-1] - 1
        close[span] = walk * (1 + bend * np.arange(1, end - start + 1) / (end - start))
    return _fold_into_ranges(close, days) if listing.index == "^RUT" else close


def _fold_into_ranges(close: Floats, days: Days) -> Floats:
    """Closes of the two ranges, mirrored at the edge that they overshoot: buyers and sellers defend it."""
    for first, last, low, high in RUSSELL_RANGES:
        inside = (days >= np.datetime64(first)) & (days <= np.datetime64(last))
        close = np.where(inside & (close < low), 2 * low - close, close)
        close = np.where(inside & (close > high), 2 * high - close, close)
    return close


def _build_volume(symbol: str, usual: int, bars: Floats, lot: int) -> npt.NDArray[np.int64]:
    """Whole lots, higher on wide days: 0.5 to about 3 times the usual."""
    width = (bars[:, 1] - bars[:, 2]) / bars[:, 3]
    size = 0.5 + 0.3 * draw_uniforms(f"volume {symbol}", len(bars)) + 0.35 * width / width.mean()
    lots: npt.NDArray[np.int64] = np.rint(usual * size / lot).astype(np.int64)
    return lots * lot


def _format_bars(days: Days, bars: Floats, volume: npt.NDArray[np.int64], dividend_usd: float = 0.0) -> str:
    """Yahoo's CSV; Adj Close lies below the close by the dividends that went ex later (1 - dividend/close before)."""
    bars = np.round(bars, 2)
    factor = np.ones(len(days))
    for ex in _ex_dates(days):
        factor[:ex] *= 1 - dividend_usd / bars[ex - 1, 3]
    rows = zip(days.tolist(), bars.tolist(), (bars[:, 3] * factor).tolist(), volume.tolist(), strict=True)
    lines = [
        f"{day},{open_:.2f},{high:.2f},{low:.2f},{close:.2f},{adjusted:.6f},{shares}"
        for day, (open_, high, low, close), adjusted, shares in rows
    ]
    return "\r\n".join([HEADER, *lines, ""])


def _ex_dates(days: Days) -> list[int]:
    """Row numbers of the ex-dates: the first session from the 20th of every June and December on."""
    months = np.arange(np.datetime64("2020-06"), np.datetime64("2026-01"), 6)
    return [int(row) for row in np.searchsorted(days, months.astype("datetime64[D]") + 19)]
