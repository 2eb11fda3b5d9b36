"""Compiled kernels of the indicators that look back a fixed number of bars: averages, bands, extremes, volatility.

Belongs here: the arithmetic, one symbol at a time, without the GIL. Not here: frames, nulls, threads (indicators.py),
exponential smoothing (smoothing_kernels.py). NaN marks "not defined yet". A long window is joined from short ones that
lie end to end: no running sum, so nothing drifts, and a value depends on its own window alone. Loops touch few arrays:
where more than 8 pairs of them would have to be checked for overlap, the compiler gives up vectorising.
"""

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel, part_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

ONE, TWO, THREE, FOUR, FIVE, TEN, FIFTEEN, THIRTY = (np.uint64(n) for n in (1, 2, 3, 4, 5, 10, 15, 30))
"""Unsigned, because numba checks a signed index for Python's wrap-around and then cannot vectorise."""

RETURN, SMA_20, SMA_50, SMA_100, SMA_200 = 0, 2, 3, 4, 5
UPPER, LOWER, HIGH, LOW, VOLATILITY, DRAWDOWN, TRIGGER_50_200 = 11, 12, 13, 14, 15, 16, 24
"""Rows of the output, as indicators.COLUMNS names them; smoothing_kernels.py fills the others."""
NEAR = 1 / 16
"""Largest |s| for the series of _returns, whose relative error is below 1e-18 there: moves of up to about an eighth."""


@helper_kernel
def _fives(x: Floats, mean: Floats, squares: Floats) -> None:
    """Mean of x[i]..x[i + 4], and the sum of their squared deviations from it, at i."""
    for i in range(np.uint64(max(len(x) - 4, 0))):
        a, b, c, d, e = x[i], x[i + ONE], x[i + TWO], x[i + THREE], x[i + FOUR]
        m = (a + b + c + d + e) * 0.2
        mean[i] = m
        squares[i] = (a - m) ** 2 + (b - m) ** 2 + (c - m) ** 2 + (d - m) ** 2 + (e - m) ** 2


@helper_kernel
def _join_two(x: Floats, bars: float, out: Floats) -> None:
    """The mean of twice as many bars, from `x`, the mean of the last `bars`; NaN before there are so many."""
    lag = int(bars)
    out[: 2 * lag - 1] = np.nan
    joined, new, old = out[2 * lag - 1 :], x[2 * lag - 1 :], x[lag - 1 :]
    for i in range(len(joined)):
        joined[i] = 0.5 * (new[i] + old[i])


@part_kernel
def _moving_averages(five: Floats, sma_20: Floats, sma_50: Floats, sma_100: Floats, sma_200: Floats) -> None:
    """Means over 20, 50, 100, 200 bars from those over five (as _fives has them); NaN until a window is full."""
    sma_20[:19] = np.nan
    sma_50[:49] = np.nan
    out_20, out_50 = sma_20[19:], sma_50[49:]
    for i in range(np.uint64(len(out_20))):
        out_20[i] = 0.25 * (five[i] + five[i + FIVE] + five[i + TEN] + five[i + FIFTEEN])
    for i in range(np.uint64(len(out_50))):
        out_50[i] = 0.1 * (five[i] + five[i + FIVE] + 4 * (out_20[i + TEN] + out_20[i + THIRTY]))
    _join_two(sma_50, 50.0, sma_100)
    _join_two(sma_100, 100.0, sma_200)


@part_kernel
def _bands(five: Floats, squares: Floats, middle: Floats, upper: Floats, lower: Floats) -> None:
    """Bollinger(20, 2), population standard deviation.

    Sums the squares within four windows of five bars and those between their means, which avoids cancellation.
    """
    upper[:19] = np.nan
    lower[:19] = np.nan
    centre, top, bottom = middle[19:], upper[19:], lower[19:]
    for i in range(np.uint64(len(centre))):
        m = centre[i]
        within = squares[i] + squares[i + FIVE] + squares[i + TEN] + squares[i + FIFTEEN]
        a, b, c, d = five[i] - m, five[i + FIVE] - m, five[i + TEN] - m, five[i + FIFTEEN] - m
        width = np.sqrt(0.2 * within + (a**2 + b**2 + c**2 + d**2))
        top[i] = m + width
        bottom[i] = m - width


@part_kernel
def _average_trigger(close: Floats, sma_50: Floats, sma_200: Floats, out: Floats) -> None:
    """The next close x with (49 closes + x) / 50 = (199 closes + x) / 200; NaN if it is not positive."""
    out[:199] = np.nan
    fast, slow, trigger = sma_50[199:], sma_200[199:], out[199:]
    leaves_fast, leaves_slow = close[150:], close
    for i in range(len(trigger)):
        price = (200 * slow[i] - leaves_slow[i] - 4 * (50 * fast[i] - leaves_fast[i])) * (1 / 3)
        trigger[i] = price if price > 0 else np.nan


@part_kernel
def _returns(close: Floats, return_1d: Floats, log_return: Floats) -> None:
    """One-bar returns, and their logs: log(new / old) of bar i + 1 at i, to 3e-16 of itself (beyond NEAR, to 1e-15).

    log(new / old) = 2 atanh(s), s = (new - old) / (new + old), as a series in odd powers of s: unlike a logarithm, it
    vectorises. The few moves beyond NEAR are left to the logarithm.
    """
    return_1d[:1] = np.nan
    new, returns, far = close[1:], return_1d[1:], 0
    for i in range(len(new)):
        returns[i] = new[i] / close[i] - 1
        s = (new[i] - close[i]) / (new[i] + close[i])
        far += abs(s) > NEAR
        t = s * s
        tail = t * (1 / 3 + t * (1 / 5 + t * (1 / 7 + t * (1 / 9 + t * (1 / 11 + t * (1 / 13))))))
        log_return[i] = 2 * (s + s * tail)
    for i in range(len(new) if far else 0):
        if abs((new[i] - close[i]) / (new[i] + close[i])) > NEAR:
            log_return[i] = np.log(new[i] / close[i])


@part_kernel
def _drawdown(close: Floats, out: Floats) -> None:
    """Distance below the highest close so far."""
    top = 0.0
    for i in range(len(close)):
        top = close[i] if close[i] > top else top
        out[i] = top
    for i in range(len(close)):
        out[i] = close[i] / out[i] - 1


@helper_kernel
def _largest(x: Floats, lag: float, last: float, out: Floats) -> None:
    """The largest of x[i], x[i + lag], x[i + 2 lag] and x[i + last], at i."""
    a, b, c, d = x, x[int(lag) :], x[2 * int(lag) :], x[int(last) :]
    for i in range(len(d)):
        first = a[i] if a[i] > b[i] else b[i]
        second = c[i] if c[i] > d[i] else d[i]
        out[i] = first if first > second else second


@helper_kernel
def _smallest(x: Floats, lag: float, last: float, out: Floats) -> None:
    """The smallest of x[i], x[i + lag], x[i + 2 lag] and x[i + last], at i."""
    a, b, c, d = x, x[int(lag) :], x[2 * int(lag) :], x[int(last) :]
    for i in range(len(d)):
        first = a[i] if a[i] < b[i] else b[i]
        second = c[i] if c[i] < d[i] else d[i]
        out[i] = first if first < second else second


@part_kernel
def _extremes(high: Floats, low: Floats, high_252d: Floats, low_252d: Floats, work: Floats) -> None:
    """Highest high and lowest low of 252 bars: windows of 4, 16, 64, and four of 64 that overlap."""
    four, sixteen = work[0], work[1]
    high_252d[:251] = np.nan
    low_252d[:251] = np.nan
    bars = len(high)
    _largest(high, 1.0, 3.0, four)
    _largest(four[: max(bars - 3, 0)], 4.0, 12.0, sixteen)
    _largest(sixteen[: max(bars - 15, 0)], 16.0, 48.0, four)
    _largest(four[: max(bars - 63, 0)], 64.0, 188.0, high_252d[251:])
    _smallest(low, 1.0, 3.0, four)
    _smallest(four[: max(bars - 3, 0)], 4.0, 12.0, sixteen)
    _smallest(sixteen[: max(bars - 15, 0)], 16.0, 48.0, four)
    _smallest(four[: max(bars - 63, 0)], 64.0, 188.0, low_252d[251:])


@part_kernel
def _volatility(five: Floats, squares: Floats, out: Floats) -> None:
    """Realised volatility: sample standard deviation of 20 log returns, a year of 252 sessions; joined as in _bands."""
    out[:20] = np.nan
    volatility = out[20:]
    for i in range(np.uint64(len(volatility))):
        within = squares[i] + squares[i + FIVE] + squares[i + TEN] + squares[i + FIFTEEN]
        a, b, c, d = five[i], five[i + FIVE], five[i + TEN], five[i + FIFTEEN]
        m = 0.25 * (a + b + c + d)
        between = (a - m) ** 2 + (b - m) ** 2 + (c - m) ** 2 + (d - m) ** 2
        volatility[i] = np.sqrt((within + 5 * between) * (252 / 19))


@exact_kernel
def window_indicators(high: Floats, low: Floats, close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the rows of `out` (indicators.COLUMNS x bars) that are listed above, symbol by symbol."""
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        c, work = close[a:b], np.empty((3, b - a))
        _fives(c, work[0], work[1])
        _moving_averages(work[0], out[SMA_20, a:b], out[SMA_50, a:b], out[SMA_100, a:b], out[SMA_200, a:b])
        _bands(work[0], work[1], out[SMA_20, a:b], out[UPPER, a:b], out[LOWER, a:b])
        if len(out) > TRIGGER_50_200:
            _average_trigger(c, out[SMA_50, a:b], out[SMA_200, a:b], out[TRIGGER_50_200, a:b])
        _returns(c, out[RETURN, a:b], work[2])
        _fives(work[2, : max(b - a - 1, 0)], work[0], work[1])
        _volatility(work[0], work[1], out[VOLATILITY, a:b])
        _drawdown(c, out[DRAWDOWN, a:b])
        _extremes(high[a:b], low[a:b], out[HIGH, a:b], out[LOW, a:b], work)
