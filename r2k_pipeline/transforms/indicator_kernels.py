"""Compiled kernels of the daily indicators: arrays in, arrays out, one symbol at a time, without the GIL.

Belongs here: the arithmetic. Not here: frames, nulls, threads (indicators.py). NaN marks "not defined yet".
A long window is joined from two shorter ones, `mean_100[i] = (mean_50[i] + mean_50[i - 50]) / 2`: no running sum, so
nothing drifts, a value depends on its own window alone, and every loop vectorises while the symbol stays in cache.
Counts of bars are passed as floats: numba would compile a function anew for every integer written in a call.
"""

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats, Integers

ALL_FLAT = 1e-14
"""TA-Lib's own zero: average gain plus loss (index points) below it means that nothing has moved."""
ONE, TWO, THREE, FOUR = (np.uint64(bars) for bars in range(1, 5))
"""Unsigned, because numba checks a signed index for Python's wrap-around and then cannot vectorise."""

WORK = 6
"""Scratch rows of one symbol."""
RETURN, RSI, SMA_20, SMA_50, SMA_100, SMA_200, EMA_20, MACD, SIGNAL, HISTOGRAM, ATR = range(11)
UPPER, LOWER, HIGH, LOW, VOLATILITY, DRAWDOWN, TRIGGER_30, TRIGGER_70, TRIGGER_50_200 = range(11, 20)
"""Rows of the output of `indicators`, as indicators.COLUMNS names them."""


@exact_kernel
def _copy(x: Floats, out: Floats) -> None:
    """`out[:] = x`, which as it stands would cost two seconds of compiling."""
    for i in range(len(x)):
        out[i] = x[i]


@exact_kernel
def _join_mean(long: Floats, long_bars: float, short: Floats, short_bars: float, out: Floats) -> None:
    """The mean of two windows end to end: `long` up to a bar and `short` before it; NaN before there is one before."""
    lag, share = int(long_bars), long_bars / (long_bars + short_bars)
    out[:lag] = np.nan
    new, old, joined = long[lag:], short[: len(out) - lag], out[lag:]
    for i in range(len(joined)):
        joined[i] = share * new[i] + (1 - share) * old[i]


@exact_kernel
def _join_maximum(x: Floats, lag: int, twice: int, oldest: int, out: Floats) -> None:
    """The largest of x[i] and x at three lags; NaN where the oldest is missing or NaN."""
    out[:oldest] = np.nan
    a, b, c, d, joined = x[oldest:], x[oldest - lag :], x[oldest - twice :], x, out[oldest:]
    for i in range(len(joined)):
        new = a[i] if a[i] > b[i] else b[i]
        old = c[i] if c[i] > d[i] else d[i]
        joined[i] = new if new > old else old


@exact_kernel
def _mean_20(x: Floats, ten: Floats, twenty: Floats, work: Floats) -> None:
    """Means of the last 10 and 20 values, joined 1, 2, 4, 5, 10, 20."""
    two, four = work[0], work[1]
    _join_mean(x, 1.0, x, 1.0, two)
    _join_mean(two, 2.0, two, 2.0, four)
    _join_mean(four, 4.0, x, 1.0, two)
    _join_mean(two, 5.0, two, 5.0, ten)
    _join_mean(ten, 10.0, ten, 10.0, twenty)


@exact_kernel
def _deviations_20(x: Floats, mean: Floats, out: Floats) -> None:
    """Sum of the squared deviations of the last 20 values from their mean, as defined: nothing cancels."""
    out[:19] = np.nan
    centre, total = mean[19:], out[19:]
    for i in range(np.uint64(len(total))):
        squares = 0.0
        for later in range(np.uint64(20)):
            squares += (x[i + later] - centre[i]) ** 2
        total[i] = squares


@exact_kernel
def moving_averages(
    close: Floats, sma_20: Floats, sma_50: Floats, sma_100: Floats, sma_200: Floats, work: Floats
) -> None:
    """Means over 20, 50, 100, 200 bars; NaN until a window is full."""
    ten, forty = work[2], work[0]
    _mean_20(close, ten, sma_20, work)
    _join_mean(sma_20, 20.0, sma_20, 20.0, forty)
    _join_mean(forty, 40.0, ten, 10.0, sma_50)
    _join_mean(sma_50, 50.0, sma_50, 50.0, sma_100)
    _join_mean(sma_100, 100.0, sma_100, 100.0, sma_200)


@exact_kernel
def _maximum_252(x: Floats, out: Floats, work: Floats) -> None:
    """Largest of the last 252 values: windows of 4, 16, 64, and four of 64 that overlap."""
    done, joined = out, work[0]
    _copy(x, done)
    for lag, twice, oldest in ((1, 2, 3), (4, 8, 12), (16, 32, 48), (64, 128, 188)):
        _join_maximum(done, lag, twice, oldest, joined)
        done, joined = joined, done


@exact_kernel
def _smooth(x: Floats, seed_at: float, seed_bars: float, weight: float, out: Floats) -> None:
    """Exponential smoothing: seeded with the mean of `seed_bars` values, then (1 - weight) * previous + weight * x.

    Written four steps ahead, out[i + 4] from out[i] and four inputs, so that four bars are computed at once.
    """
    first, bars = int(seed_at), int(seed_bars)
    out[:first] = np.nan
    if len(x) <= first:
        return
    keep = 1 - weight
    out[first] = np.mean(x[first + 1 - bars : first + 1])
    for i in range(first + 1, min(first + 4, len(x))):
        out[i] = keep * out[i - 1] + weight * x[i]
    w0, w1, w2, w3, w4 = weight, weight * keep, weight * keep**2, weight * keep**3, keep**4
    inputs, smoothed = x[first + 1 :], out[first:]
    for i in range(np.uint64(max(len(smoothed) - 4, 0))):
        recent = w0 * inputs[i + THREE] + w1 * inputs[i + TWO] + w2 * inputs[i + ONE] + w3 * inputs[i]
        smoothed[i + FOUR] = w4 * smoothed[i] + recent


@exact_kernel
def average_moves(close: Floats, bars: float, gain: Floats, loss: Floats, work: Floats) -> None:
    """Wilder's average gain and loss (index points): the mean of the first `bars` moves, then weight 1 / bars."""
    rise, fall = work[0], work[1]
    rise[:1] = 0.0
    fall[:1] = 0.0
    new, old, up, down = close[1:], close[:-1], rise[1:], fall[1:]
    for i in range(len(new)):
        up[i] = max(new[i] - old[i], 0.0)
        down[i] = max(old[i] - new[i], 0.0)
    _smooth(rise, bars, bars, 1 / bars, gain)
    _smooth(fall, bars, bars, 1 / bars, loss)


@exact_kernel
def rsi_trigger(close: Floats, gain: Floats, loss: Floats, bars: float, target: float, out: Floats) -> None:
    """The next close that would make RSI equal `target`: Wilder's recursion solved for the close.

    With k = target / (100 - target): a rise d makes the ratio ((bars - 1) gain + d) / ((bars - 1) loss) = k, so
    d = (bars - 1) (k loss - gain); where that is negative the close must fall, by d / k. NaN if no positive close does.
    """
    k = target / (100 - target)
    for i in range(len(close)):
        rise = (bars - 1) * (k * loss[i] - gain[i])
        price = close[i] + (rise if rise > 0 else rise / k)
        out[i] = price if price > 0 and gain[i] + loss[i] >= ALL_FLAT else np.nan


@exact_kernel
def _strength(close: Floats, rsi: Floats, trigger_30: Floats, trigger_70: Floats, work: Floats) -> None:
    """RSI(14) after Wilder, NaN while nothing has moved, and its two trigger closes."""
    gain, loss = work[2], work[3]
    average_moves(close, 14.0, gain, loss, work)
    for i in range(len(close)):
        moves = gain[i] + loss[i]
        rsi[i] = 100 * (gain[i] / moves) if moves >= ALL_FLAT else np.nan
    rsi_trigger(close, gain, loss, 14.0, 30.0, trigger_30)
    rsi_trigger(close, gain, loss, 14.0, 70.0, trigger_70)


@exact_kernel
def _macd(close: Floats, macd: Floats, signal: Floats, histogram: Floats, work: Floats) -> None:
    """MACD(12, 26, 9) as TA-Lib has it: both averages are seeded at bar 25, all three outputs begin at bar 33."""
    fast, slow = work[0], work[1]
    _smooth(close, 25.0, 12.0, 2 / 13, fast)
    _smooth(close, 25.0, 26.0, 2 / 27, slow)
    for i in range(len(close)):
        macd[i] = fast[i] - slow[i]
    _smooth(macd, 33.0, 9.0, 2 / 10, signal)
    macd[:33] = np.nan
    for i in range(len(close)):
        histogram[i] = macd[i] - signal[i]


@exact_kernel
def _average_true_range(high: Floats, low: Floats, close: Floats, out: Floats, work: Floats) -> None:
    """ATR(14) after Wilder; the first bar has no true range."""
    true_range = work[0]
    true_range[:1] = 0.0
    top, bottom, previous, ranges = high[1:], low[1:], close[:-1], true_range[1:]
    for i in range(len(ranges)):
        ranges[i] = max(top[i], previous[i]) - min(bottom[i], previous[i])
    _smooth(true_range, 14.0, 14.0, 1 / 14, out)


@exact_kernel
def _bands(close: Floats, middle: Floats, upper: Floats, lower: Floats) -> None:
    """Bollinger(20, 2), population standard deviation."""
    _deviations_20(close, middle, lower)
    for i in range(len(middle)):
        width = 2 * np.sqrt(lower[i] / 20)
        upper[i] = middle[i] + width
        lower[i] = middle[i] - width


@exact_kernel
def _volatility(log_close: Floats, out: Floats, work: Floats) -> None:
    """Realised volatility: sample standard deviation of 20 log returns, a year of 252 sessions."""
    moves, mean = work[3], work[4]
    moves[:1] = np.nan
    new, old, changes = log_close[1:], log_close[:-1], moves[1:]
    for i in range(len(changes)):
        changes[i] = new[i] - old[i]
    _mean_20(moves, work[2], mean, work)
    _deviations_20(moves, mean, out)
    for i in range(len(out)):
        out[i] = np.sqrt(out[i] * (252 / 19))


@exact_kernel
def _extremes(high: Floats, low: Floats, high_252d: Floats, low_252d: Floats, work: Floats) -> None:
    """Highest high and lowest low of 252 bars: the lowest is the highest of the mirrored."""
    values = work[1]
    _copy(high, values)
    _maximum_252(values, high_252d, work)
    for i in range(len(low)):
        values[i] = -low[i]
    _maximum_252(values, low_252d, work)
    for i in range(len(low)):
        low_252d[i] = -low_252d[i]


@exact_kernel
def _returns(close: Floats, return_1d: Floats, drawdown: Floats) -> None:
    """One-bar return, and the distance below the highest close so far."""
    return_1d[:1] = np.nan
    new, old, returns = close[1:], close[:-1], return_1d[1:]
    for i in range(len(returns)):
        returns[i] = new[i] / old[i] - 1
    top = 0.0
    for i in range(len(close)):
        top = max(top, close[i])
        drawdown[i] = top
    for i in range(len(close)):
        drawdown[i] = close[i] / drawdown[i] - 1


@exact_kernel
def _average_trigger(close: Floats, sma_50: Floats, sma_200: Floats, out: Floats) -> None:
    """The next close x with (49 closes + x) / 50 = (199 closes + x) / 200; NaN if it is not positive."""
    out[:199] = np.nan
    fast, slow, trigger = sma_50[199:], sma_200[199:], out[199:]
    leaves_fast, leaves_slow = close[150:], close
    for i in range(len(trigger)):
        price = (200 * slow[i] - leaves_slow[i] - 4 * (50 * fast[i] - leaves_fast[i])) / 3
        trigger[i] = price if price > 0 else np.nan


@exact_kernel
def _longest(offsets: Integers) -> int:
    """Bars of the symbol that has most."""
    bars = 0
    for symbol in range(len(offsets) - 1):
        bars = max(bars, offsets[symbol + 1] - offsets[symbol])
    return bars


@exact_kernel
def indicators(high: Floats, low: Floats, close: Floats, log_close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the 20 rows of `out` (indicators.COLUMNS x bars), symbol by symbol."""
    room = np.empty(WORK * _longest(offsets))
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        work = room[: WORK * (b - a)].reshape((WORK, b - a))
        c = work[5]
        _copy(close[a:b], c)
        moving_averages(c, out[SMA_20, a:b], out[SMA_50, a:b], out[SMA_100, a:b], out[SMA_200, a:b], work)
        _bands(c, out[SMA_20, a:b], out[UPPER, a:b], out[LOWER, a:b])
        _returns(c, out[RETURN, a:b], out[DRAWDOWN, a:b])
        _strength(c, out[RSI, a:b], out[TRIGGER_30, a:b], out[TRIGGER_70, a:b], work)
        _smooth(c, 19.0, 20.0, 2 / 21, out[EMA_20, a:b])
        _macd(c, out[MACD, a:b], out[SIGNAL, a:b], out[HISTOGRAM, a:b], work)
        _average_true_range(high[a:b], low[a:b], c, out[ATR, a:b], work)
        _extremes(high[a:b], low[a:b], out[HIGH, a:b], out[LOW, a:b], work)
        _volatility(log_close[a:b], out[VOLATILITY, a:b], work)
        _average_trigger(c, out[SMA_50, a:b], out[SMA_200, a:b], out[TRIGGER_50_200, a:b])


@exact_kernel
def averages(close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the 5 rows of `out` with the close and its averages over 20, 50, 100 and 200 bars, symbol by symbol."""
    room = np.empty(WORK * _longest(offsets))
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        work = room[: WORK * (b - a)].reshape((WORK, b - a))
        _copy(close[a:b], out[0, a:b])
        moving_averages(out[0, a:b], out[1, a:b], out[2, a:b], out[3, a:b], out[4, a:b], work)


@exact_kernel
def rsi_triggers(close: Floats, offsets: Integers, bars: float, target: float, out: Floats) -> None:
    """Fill `out` with rsi_trigger of every symbol: RSI over `bars`, any target between 0 and 100."""
    room = np.empty(WORK * _longest(offsets))
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        work = room[: WORK * (b - a)].reshape((WORK, b - a))
        _copy(close[a:b], work[5])
        average_moves(work[5], bars, work[2], work[3], work)
        rsi_trigger(work[5], work[2], work[3], bars, target, out[a:b])
