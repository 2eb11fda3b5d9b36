"""RSI with its bands."""

from typing import Final

import altair as alt

from r2k_pipeline.report.charts.labels import Scale
from r2k_pipeline.report.charts.layout import (
    Window,
    crosshair,
    edge_labels,
    named,
    panel,
    shaded,
    time_axis,
    value_axis,
    watermark,
)
from r2k_pipeline.report.charts.theme import BLUE

HEIGHT: Final = 90
SCALE: Final = Scale(0, 100, HEIGHT)
OVERSOLD: Final = 30
OVERBOUGHT: Final = 70
"""Wilder's own limits, as in setups.toml."""


def momentum_panel(window: Window, tooltips: list[alt.Tooltip], is_sample: bool) -> alt.LayerChart:
    """RSI(14) of the sessions; the bands beyond its limits are shaded."""
    y = value_axis("rsi_14", SCALE, "RSI, 0..100", values=[0, OVERSOLD, 50, OVERBOUGHT, 100])
    x = time_axis("at", window, "session close")
    bands = shaded("y", ((0, OVERSOLD), (OVERBOUGHT, 100)))
    line = alt.Chart(named("sessions")).mark_line(clip=True, color=BLUE, strokeWidth=1.4).encode(x, y)
    labels = edge_labels("momentum_labels", alt.value(BLUE))
    layers = [*watermark(30, is_sample), *bands, line, crosshair("momentum", x, tooltips), labels]
    return panel(layers, HEIGHT, "RSI(14)")
