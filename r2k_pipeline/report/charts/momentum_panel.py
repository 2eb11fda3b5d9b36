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
from r2k_pipeline.report.charts.tooltip import Line
from r2k_pipeline.transforms.setups import read_setups

HEIGHT: Final = 90
SCALE: Final = Scale(0, 100, HEIGHT)


def momentum_panel(window: Window, lines: list[Line], is_sample: bool) -> alt.LayerChart:
    """RSI(14) of the sessions; the bands beyond its limits are shaded."""
    thresholds = read_setups().thresholds
    oversold, overbought = thresholds["oversold_rsi"], thresholds["overbought_rsi"]
    y = value_axis("rsi_14", SCALE, "RSI, 0..100", values=[0, oversold, 50, overbought, 100])
    x = time_axis("at", window, "session close")
    bands = shaded("y", ((0, oversold), (overbought, 100)))
    line = alt.Chart(named("sessions")).mark_line(clip=True, color=BLUE, strokeWidth=1.4).encode(x, y)
    labels = edge_labels("momentum_labels", alt.value(BLUE))
    layers = [*watermark(30, is_sample), *bands, line, crosshair("momentum", x, lines), labels]
    return panel(layers, HEIGHT, "RSI(14)")
