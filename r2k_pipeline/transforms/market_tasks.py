"""One task per market, on all processors where that pays. Belongs here: no arithmetic on prices."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

Span = TypeVar("Span")
Result = TypeVar("Result")

THREADED_ROWS = 200_000
"""From so many bars on, threads save more than it costs to start them."""


def map_markets(task: Callable[[Span], Result], spans: Iterable[Span], rows: int) -> list[Result]:
    """`task` of each market's span, in their order; it should spend its time in kernels, which release the GIL."""
    if rows < THREADED_ROWS:
        return [task(span) for span in spans]
    with ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(task, spans))
