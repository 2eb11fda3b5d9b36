"""Labels at the edge of a panel, moved apart so that none overlaps another.

Belongs here: where labels go, in pixels and back in the units of the axis. Not here: how they look (layout.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LINE_HEIGHT: Final = 12.0
"""Pixels from one label to the next, for text of 10 pixels."""


@dataclass(frozen=True)
class Scale:
    """A linear vertical axis: `low` at the bottom and `high` at the top of a panel `height` pixels high."""

    low: float
    high: float
    height: int

    def pixel(self, value: float) -> float:
        """Pixels from the top of the panel."""
        return self.height * (self.high - value) / (self.high - self.low)

    def value(self, pixel: float) -> float:
        """The value that is drawn `pixel` pixels from the top."""
        return self.high - pixel * (self.high - self.low) / self.height

    def holds(self, value: float) -> bool:
        """Whether the value is inside the panel."""
        return self.low <= value <= self.high


def spread_labels(values: Sequence[float], scale: Scale) -> list[float]:
    """Where to write labels that belong at `values`: same order, same units, LINE_HEIGHT apart, in the panel.

    No other such places have a smaller sum of squared shifts. Of equal values the earlier is written higher. Raises
    ValueError for more labels than the panel has lines.
    """
    wanted = [min(max(scale.pixel(value), 0.0), float(scale.height)) for value in values]
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = dict(zip(order, spread_pixels([wanted[i] for i in order], LINE_HEIGHT, scale.height), strict=True))
    return [scale.value(places[i]) for i in range(len(wanted))]


def spread_pixels(wanted: Sequence[float], apart: float, height: float) -> list[float]:
    """Ascending `wanted` moved to be at least `apart` from each other within 0..`height`, least squares.

    Less i x apart the i-th place may be anything not below the one before it: an isotonic regression, by pooling
    adjacent violators (Ayer and others 1955); bounds are met by clipping its result.
    """
    room = height - apart * (len(wanted) - 1)
    if room < 0:
        raise ValueError(f"{len(wanted)} labels, {apart} pixels apart, do not fit into {height} pixels")
    pools: list[tuple[float, int]] = []
    for i, place in enumerate(wanted):
        mean, count = place - i * apart, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    level = [min(max(mean, 0.0), room) for mean, count in pools for _ in range(count)]
    return [place + i * apart for i, place in enumerate(level)]
