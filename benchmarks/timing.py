"""Timing of several runs against each other in one process: in turn, so that what slows the machine slows all of them.

Belongs here: clocks, medians and the table of them. Not here: what is run, or whole processes (run.py).
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Seconds:
    """Median wall and CPU (all threads) seconds of a run: a busy machine spoils the first more than the second."""

    wall: float
    cpu: float


def time_in_turn(runs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, Seconds]:
    """Medians of `rounds` rounds, in each of which every run has its turn. Warm up first: compiling takes seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: Seconds(*map(statistics.median, zip(*pairs, strict=True))) for name, pairs in taken.items()}


def show_per_bar(times: Mapping[str, Seconds], bars: int) -> None:
    """One line a run: wall and CPU seconds, and wall nanoseconds per bar of the universe."""
    print(f"{'':<40} {'wall s':>8} {'CPU s':>8} {'ns/bar':>8}")
    for name, taken in times.items():
        print(f"{name:<40} {taken.wall:8.3f} {taken.cpu:8.3f} {taken.wall / bars * 1e9:8.0f}")


def ratio(times: Mapping[str, Seconds], run: str, to: str) -> str:
    """How many times the time of `to` the run takes: by the wall clock, and in brackets by CPU time."""
    return f"{times[run].wall / times[to].wall:.2f} (CPU {times[run].cpu / times[to].cpu:.2f})"
