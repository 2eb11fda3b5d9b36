"""Compiled kernels of the indicators that depend on all of history: RSI and its triggers, EMA, MACD, ATR, ADX.

Belongs here: exponential smoothing, one symbol at a time, without the GIL. Not here: frames, nulls, threads
(indicators.py), windows of bars (indicator_kernels.py). NaN marks "not defined yet". Each step waits for the one
before, so a recursion is written four steps ahead, four bars at once, and two or three of them share a loop.
Counts of bars are passed as floats: numba would compile a function anew for every integer written in a call.
"""

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

ALL_FLAT = 1e-14
"""TA-Lib's own zero: average gain plus loss (index points) below it means that nothing has moved."""
ONE, TWO, THREE, FOUR = (np.uint64(bars) for bars in range(1, 5))
"""Unsigned, because numba checks a signed index for Python's wrap-around and then cannot vectorise."""

RSI, EMA_20, MACD, SIGNAL, HISTOGRAM, ATR = 1, 6, 7, 8, 9, 10
EMA_50, EMA_200, ADX, PLUS_DI, MINUS_DI, TRIGGER_30, TRIGGER_70 = 17, 18, 19, 20, 21, 22, 23
"""Rows of the output, as indicators.COLUMNS names them; indicator_kernels.py fills the others."""


@helper_kernel
def _begin(x: Floats, seed_at: float, seed_bars: float, weight: float, bars: float, out: Floats) -> None:
    """The first `bars` values of exponential smoothing: seeded with the mean of `seed_bars`, then bar by bar."""
    first, end = int(seed_at), min(int(bars), len(x))
    out[:first] = np.nan
    if first < end:
        out[first] = np.mean(x[first + 1 - int(seed_bars) : first + 1])
    for i in range(first + 1, end):
        out[i] = (1 - weight) * out[i - 1] + weight * x[i]


@helper_kernel
def _weights(weight: float) -> tuple[float, float, float, float, float]:
    """Weights of four steps of smoothing for their four inputs, the newest first, and for the value before them.

    For out[i + 4] = keep * out[i] + the weighted inputs: four bars are computed at once.
    """
    keep = 1 - weight
    return weight, weight * keep, weight * keep**2, weight * keep**3, keep**4


@helper_kernel
def _smooth_pair(x: Floats, x_weight: float, y: Floats, y_weight: float, begun: float, u: Floats, v: Floats) -> None:
    """Continue smoothing `x` into `u` and `y` into `v`, whose first `begun` values are given."""
    start = int(begun) - 4
    a, b, c, d, keep = _weights(x_weight)
    p, q, r, s, hold = _weights(y_weight)
    new_x, new_y, out_x, out_y = x[start + 1 :], y[start + 1 :], u[start:], v[start:]
    for i in range(np.uint64(max(len(out_x) - 4, 0))):
        recent = a * new_x[i + THREE] + b * new_x[i + TWO] + c * new_x[i + ONE] + d * new_x[i]
        out_x[i + FOUR] = keep * out_x[i] + recent
        recent = p * new_y[i + THREE] + q * new_y[i + TWO] + r * new_y[i + ONE] + s * new_y[i]
        out_y[i + FOUR] = hold * out_y[i] + recent


@helper_kernel
def _average_moves(close: Floats, bars: float, gain: Floats, loss: Floats, work: Floats) -> None:
    """Wilder's average gain and loss (index points): the mean of the first `bars` moves, then weight 1 / bars."""
    rise, fall = work[0], work[1]
    rise[:1] = 0.0
    fall[:1] = 0.0
    new, old, up, down = close[1:], close[:-1], rise[1:], fall[1:]
    for i in range(len(new)):
        up[i] = max(new[i] - old[i], 0.0)
        down[i] = max(old[i] - new[i], 0.0)
    _begin(rise, bars, bars, 1 / bars, bars + 4, gain)
    _begin(fall, bars, bars, 1 / bars, bars + 4, loss)
    _smooth_pair(rise, 1 / bars, fall, 1 / bars, bars + 4, gain, loss)


@helper_kernel
def _trigger(close: float, gain: float, loss: float, earlier: float, ratio: float, inverse: float) -> float:
    """The next close that would make RSI equal a target: Wilder's recursion solved for the close.

    With `ratio` k = target / (100 - target), `inverse` 1 / k and `earlier` bars - 1: a rise d makes the ratio
    (earlier gain + d) / (earlier loss) = k, so d = earlier (k loss - gain); where that is negative the close must fall,
    by d / k. NaN if no positive close does, or `earlier` is NaN.
    """
    rise = earlier * (ratio * loss - gain)
    price = close + (rise if rise > 0 else rise * inverse)
    return price if price > 0 else np.nan


@helper_kernel
def _strength(close: Floats, rsi: Floats, work: Floats) -> None:
    """RSI(14) after Wilder, NaN while nothing has moved; leaves average gain and loss in work[2] and work[3]."""
    gain, loss = work[2], work[3]
    _average_moves(close, 14.0, gain, loss, work)
    for i in range(len(close)):
        moves = gain[i] + loss[i]
        rsi[i] = 100 * (gain[i] / moves) if moves >= ALL_FLAT else np.nan


@helper_kernel
def _strength_triggers(close: Floats, gain: Floats, loss: Floats, trigger_30: Floats, trigger_70: Floats) -> None:
    """The closes that would make RSI(14) 30 and 70."""
    for i in range(len(close)):
        earlier = 13.0 if gain[i] + loss[i] >= ALL_FLAT else np.nan
        trigger_30[i] = _trigger(close[i], gain[i], loss[i], earlier, 30 / 70, 70 / 30)
        trigger_70[i] = _trigger(close[i], gain[i], loss[i], earlier, 70 / 30, 30 / 70)


@helper_kernel
def _smooth_close(close: Floats, ema_20: Floats, fast: Floats, slow: Floats) -> None:
    """Exponential averages over 20 bars, and over 12 and 26 for MACD: both seeded at bar 25, as TA-Lib has it."""
    _begin(close, 19.0, 20.0, 2 / 21, 29.0, ema_20)
    _begin(close, 25.0, 12.0, 2 / 13, 29.0, fast)
    _begin(close, 25.0, 26.0, 2 / 27, 29.0, slow)
    a, b, c, d, keep = _weights(2 / 21)
    p, q, r, s, hold = _weights(2 / 13)
    j, k, m, n, stay = _weights(2 / 27)
    new, out_20, out_12, out_26 = close[26:], ema_20[25:], fast[25:], slow[25:]
    for i in range(np.uint64(max(len(out_20) - 4, 0))):
        w, x, y, z = new[i + THREE], new[i + TWO], new[i + ONE], new[i]
        out_20[i + FOUR] = keep * out_20[i] + (a * w + b * x + c * y + d * z)
        out_12[i + FOUR] = hold * out_12[i] + (p * w + q * x + r * y + s * z)
        out_26[i + FOUR] = stay * out_26[i] + (j * w + k * x + m * y + n * z)


@helper_kernel
def _smooth_slowly(close: Floats, ema_50: Floats, ema_200: Floats) -> None:
    """Exponential averages over 50 and 200 bars, each seeded with its first simple mean."""
    _begin(close, 49.0, 50.0, 2 / 51, 204.0, ema_50)
    _begin(close, 199.0, 200.0, 2 / 201, 204.0, ema_200)
    _smooth_pair(close, 2 / 51, close, 2 / 201, 204.0, ema_50, ema_200)


@helper_kernel
def _direction(high: Floats, low: Floats, close: Floats, adx: Floats, plus_di: Floats, minus_di: Floats) -> None:
    """+DI and -DI (from bar 14) and ADX (from bar 27) over 14 bars after Wilder; NaN while nothing has moved.

    Seeded as TA-Lib: the sums of 13 moves, and the mean of the first 14 DX. A bar without direction leaves ADX.
    """
    up, down, moved, strength = 0.0, 0.0, 0.0, 0.0
    for i in range(len(close)):
        plus_di[i], minus_di[i], adx[i] = np.nan, np.nan, np.nan
        if i == 0:
            continue
        rise, fall, keep = high[i] - high[i - 1], low[i - 1] - low[i], 13 / 14 if i > 13 else 1.0
        up = keep * up + (rise if rise > max(fall, 0.0) else 0.0)
        down = keep * down + (fall if fall > max(rise, 0.0) else 0.0)
        moved = keep * moved + (max(high[i], close[i - 1]) - min(low[i], close[i - 1]))
        if i < 14 or moved < ALL_FLAT:
            continue
        plus_di[i], minus_di[i] = 100 * up / moved, 100 * down / moved
        if up + down > 0:
            index = 100 * abs(up - down) / (up + down)
            strength += (index if i < 28 else index - strength) / 14
        if i >= 27:
            adx[i] = strength


@helper_kernel
def _subtract(x: Floats, y: Floats, out: Floats) -> None:
    """`out[:] = x - y`, without numpy's time to compile."""
    for i in range(len(out)):
        out[i] = x[i] - y[i]


@helper_kernel
def _ranges_and_signal(
    high: Floats, low: Floats, close: Floats, macd: Floats, atr: Floats, signal: Floats, true_range: Floats
) -> None:
    """ATR(14) after Wilder, the first bar having no true range; and the 9-bar average of `macd`, seeded at bar 33."""
    true_range[:1] = 0.0
    top, bottom, previous, ranges = high[1:], low[1:], close[:-1], true_range[1:]
    for i in range(len(ranges)):
        ranges[i] = max(top[i], previous[i]) - min(bottom[i], previous[i])
    _begin(true_range, 14.0, 14.0, 1 / 14, 37.0, atr)
    _begin(macd, 33.0, 9.0, 2 / 10, 37.0, signal)
    _smooth_pair(true_range, 1 / 14, macd, 2 / 10, 37.0, atr, signal)


@exact_kernel
def smoothed_indicators(high: Floats, low: Floats, close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the rows of `out` (indicators.COLUMNS x bars) that are listed above, symbol by symbol."""
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        c, work = close[a:b], np.empty((4, b - a))
        _strength(c, out[RSI, a:b], work)
        if len(out) > TRIGGER_70:
            _strength_triggers(c, work[2], work[3], out[TRIGGER_30, a:b], out[TRIGGER_70, a:b])
            _smooth_slowly(c, out[EMA_50, a:b], out[EMA_200, a:b])
            _direction(high[a:b], low[a:b], c, out[ADX, a:b], out[PLUS_DI, a:b], out[MINUS_DI, a:b])
        _smooth_close(c, out[EMA_20, a:b], work[0], work[1])
        _subtract(work[0], work[1], out[MACD, a:b])
        _ranges_and_signal(high[a:b], low[a:b], c, out[MACD, a:b], out[ATR, a:b], out[SIGNAL, a:b], work[0])
        out[MACD, a : min(a + 33, b)] = np.nan
        _subtract(out[MACD, a:b], out[SIGNAL, a:b], out[HISTOGRAM, a:b])


@exact_kernel
def rsi_triggers(close: Floats, offsets: Integers, bars: float, target: float, out: Floats) -> None:
    """Fill `out` with the trigger close of every bar: RSI over `bars`, any target between 0 and 100."""
    ratio = target / (100 - target)
    for symbol in range(len(offsets) - 1):
        a, b = offsets[symbol], offsets[symbol + 1]
        c, work = close[a:b], np.empty((4, b - a))
        gain, loss = work[2], work[3]
        _average_moves(c, bars, gain, loss, work)
        for i in range(len(c)):
            earlier = bars - 1 if gain[i] + loss[i] >= ALL_FLAT else np.nan
            out[a + i] = _trigger(c[i], gain[i], loss[i], earlier, ratio, 1 / ratio)
