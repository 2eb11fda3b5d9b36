"""The volume profile of one market beside its prices: bins, point of control, value area.

Belongs here: the panel that shares the axis of prices. Not here: the levels of the profile (transforms/).
"""

from typing import Final

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.figure import Records
from r2k_pipeline.report.charts.known_rows import Known
from r2k_pipeline.report.charts.labels import Scale
from r2k_pipeline.report.charts.layout import (
    PROFILE_WIDTH,
    edge_labels,
    named,
    panel,
    role_scale,
    value_axis,
    watermark,
)
from r2k_pipeline.report.charts.theme import BLUE, SOLID
from r2k_pipeline.report.charts.tooltip import Line, number, points, tooltip

_ZONE: Final = (
    points("price"),
    points("low"),
    points("high"),
    Line("role"),
    Line("kind"),
    Line("touches"),
    number("strength", ".1f"),
    Line("confirmed_date", "confirmed"),
    Line("evidence"),
)
"""Tooltip of a zone, shown in this panel because the crosshair covers the zones in the panel of prices."""


def bin_rows(known: Known, scale: Scale) -> Records:
    """Bins inside the panel, in millions of shares (or sessions), and whether they are of the value area."""
    if known.profile.is_empty():
        return []
    ((low, high, method),) = known.profile.select("value_area_low", "value_area_high", "method").rows()
    unit = 1e6 if method == "proxy_volume" else 1.0
    bins = known.bins.filter((pl.col("bin_high") > scale.low) & (pl.col("bin_low") < scale.high))
    middle = (pl.col("bin_low") + pl.col("bin_high")) / 2
    return bins.select(
        pl.col("bin_low", "bin_high").round(2),
        (pl.col("volume") / unit).round(3),
        is_value_area=middle.is_between(low, high),
    ).to_dicts()


def profile_panel(known: Known, scale: Scale, is_sample: bool) -> alt.LayerChart:
    """Volume at price with point of control and value area; right of it the labels of both panels."""
    title, unit = _profile_titles(known)
    y = value_axis("bin_low", scale, "", labels=False, ticks=False, domain=False, minExtent=0, maxExtent=0)
    x = alt.X(
        "volume:Q", title=unit, axis=alt.Axis(tickCount=2, grid=False, titlePadding=2), scale=alt.Scale(zero=True)
    )
    shade = alt.condition("datum.is_value_area", alt.value(0.75), alt.value(0.35))
    bin_of = tooltip(points("bin_low"), points("bin_high"), number("volume", ",.1f", unit))
    bars = (
        alt.Chart(named("bins"))
        .mark_rect(color=BLUE, clip=True)
        .encode(x, y, alt.Y2("bin_high"), x2=alt.value(0), opacity=shade, tooltip=bin_of)
    )
    rules = [
        alt.Chart(named("profile"))
        .mark_rule(color=BLUE, strokeWidth=width, strokeDash=dash, clip=True)
        .encode(alt.Y(f"{name}:Q"))
        for name, width, dash in (("poc", 1.8, SOLID), ("value_area_low", 1, (3, 2)), ("value_area_high", 1, (3, 2)))
    ]
    zones = (
        alt.Chart(named("zones"))
        .mark_rect(clip=True, fillOpacity=0.12)
        .encode(
            alt.Y("low:Q"),
            alt.Y2("high"),
            fill=alt.Fill("role:N", scale=role_scale(), legend=None),
            tooltip=tooltip(*_ZONE),
        )
    )
    labels = edge_labels("price_labels", alt.Color("series:N", scale=role_scale(), legend=None))
    return panel([*watermark(18, is_sample), zones, bars, *rules, labels], scale.height, title, PROFILE_WIDTH)


def _profile_titles(known: Known) -> tuple[str, str]:
    if known.profile.is_empty():
        return "No profile yet", "volume"
    ((symbol, method),) = known.profile.select("volume_symbol", "method").rows()
    return ("Volume at price", f"{symbol} shares, m") if method == "proxy_volume" else ("Time at price", "sessions")
