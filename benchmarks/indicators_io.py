"""Universe B from Parquet to Parquet: ours against TA-Lib with Polars, and against no computation at all.

Belongs here: one process a run, its job's wall and CPU time (imports apart) and peak memory; same columns and codec
on every side, outputs asserted equal. Not here: arithmetic alone (indicators.py).
`python benchmarks/indicators_io.py [SYMBOLS [BARS [ROUNDS]]]`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from universe import build_universe, write_universe

from r2k_pipeline.transforms.indicators import COLUMNS, OPTIONAL, build_daily_indicators

KEYS = ("market", "session_date", "close")
SHARED = COLUMNS[:-OPTIONAL]
THREADS = 2


def with_ours(bars: pl.DataFrame) -> pl.DataFrame:
    """KEYS and SHARED of one batch."""
    return build_daily_indicators(bars).select(*KEYS, *SHARED)


def with_talib(bars: pl.DataFrame) -> pl.DataFrame:
    """The same from a loop over TA-Lib."""
    from indicators import fill_with_talib  # noqa: PLC0415  (imports TA-Lib)

    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    out = np.full((len(SHARED), bars.height), np.nan)
    ends = np.append(0, bars["market"].rle().struct.field("len").cum_sum().to_numpy())
    for a, b in pairwise(ends):
        fill_with_talib(high[a:b], low[a:b], close[a:b], out[:, a:b])
    columns = pl.DataFrame(dict(zip(SHARED, out, strict=True)), nan_to_null=True)
    return bars.select(KEYS).hstack(columns)


def whole(source: Path, out: Path, build: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Everything at once, one file out."""
    bars = pl.read_parquet(source, columns=[*KEYS, "high", "low"])
    build(bars).write_parquet(out / "all.parquet", compression="lz4")


def batches(source: Path, out: Path, build: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """One row group a task, THREADS at a time, one file a batch."""
    rows = [
        pq.read_metadata(source).row_group(group).num_rows for group in range(pq.read_metadata(source).num_row_groups)
    ]
    starts = np.append(0, np.cumsum(rows)).tolist()

    def one(task: tuple[int, tuple[int, int]]) -> None:
        number, (first, end) = task
        lazy = pl.scan_parquet(source).slice(first, end - first).select(*KEYS, "high", "low")
        build(lazy.collect()).write_parquet(out / f"{number:04}.parquet", compression="lz4")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, enumerate(pairwise(starts))))


def without_computing(source: Path) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A build that hands out the first batch's output, made beforehand, whatever it is given."""
    size = pq.read_metadata(source).row_group(0).num_rows
    made = with_ours(pl.read_parquet(source, columns=[*KEYS, "high", "low"], n_rows=size))
    return lambda bars: made.head(bars.height)


def job(side: str, source: Path, out: Path) -> None:
    """One contender's run in this process; prints its wall and CPU seconds."""
    warm = build_universe(1, 300)
    build = without_computing(source) if side == "no computing" else with_ours if side == "ours" else with_talib
    build(warm)
    started, busy = time.perf_counter(), time.process_time()
    (whole if side == "TA-Lib" else batches)(source, out, build)
    print(time.perf_counter() - started, time.process_time() - busy)


def measure(side: str, source: Path, out: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds of the job and MiB of peak resident memory, in a process of its own."""
    out.mkdir(exist_ok=True)
    command = [sys.executable, __file__, json.dumps([side, str(source), str(out)])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    wall, busy = printed.split()
    return float(wall), float(busy), usage.ru_maxrss / 1024


def assert_equal(ours: Path, other: Path) -> None:
    """Raises AssertionError naming the column in which two outputs differ by more than 1e-9."""
    for name in (*KEYS, *SHARED):
        a, b = (pl.read_parquet(folder / "*.parquet", columns=[name])[name] for folder in (ours, other))
        if name in KEYS:
            assert a.equals(b), name
        else:
            np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-9, atol=1e-9, err_msg=name)


def main(symbols: str = "2000", bars: str = "2500", rounds: str = "5") -> None:
    """Make the universe, run every contender once to compare outputs, then in turn; medians and ratios."""
    sides = ("ours", "no computing", "TA-Lib", "TA-Lib in our batches")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "universe.parquet"
        write_universe(source, int(symbols), int(bars))
        outs = {side: Path(scratch) / side for side in sides}
        for side in sides:
            measure(side, source, outs[side])
        assert_equal(outs["ours"], outs["TA-Lib"])
        assert_equal(outs["ours"], outs["TA-Lib in our batches"])
        costs: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
        for side in sides * int(rounds):
            costs[side].append(measure(side, source, outs[side]))
        written = sum(file.stat().st_size for file in outs["ours"].iterdir()) / 2**20
    print(
        f"{symbols} symbols x {bars} bars, {len(SHARED)} columns, {written:.0f} MiB of lz4; median of {rounds} rounds"
    )
    print(f"{'':24}{'s':>8}{'/ ours':>9}{'CPU s':>9}{'/ ours':>9}{'peak MiB':>11}")
    middle = {side: [statistics.median(cost) for cost in zip(*costs[side], strict=True)] for side in sides}
    wall_of_ours, busy_of_ours, _ = middle["ours"]
    for side, (wall, busy, peak) in middle.items():
        print(f"{side:24}{wall:8.3f}{wall / wall_of_ours:9.2f}{busy:9.3f}{busy / busy_of_ours:9.2f}{peak:11.0f}")


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].startswith("["):
        side, source, out = json.loads(sys.argv[1])
        job(side, Path(source), Path(out))
    else:
        main(*sys.argv[1:])
