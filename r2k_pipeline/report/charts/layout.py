"""What the panels of figures share: sizes, axes of time, crosshair and zoom, edge labels, messages, the watermark.

Belongs here: parts without a subject. Not here: what is drawn in them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import altair as alt

from r2k_pipeline.report.charts.figure import Records
from r2k_pipeline.report.charts.labels import Scale, spread_labels
from r2k_pipeline.report.charts.theme import BLUE, GREEN, GREY, PURPLE, VERMILION
from r2k_pipeline.report.charts.tooltip import Line, moment, tooltip

PANEL_WIDTH: Final = 600
PROFILE_WIDTH: Final = 100
"""Pixels; the page scales the widths of all panels together, axes and edge labels keep theirs."""
AXIS_EXTENT: Final = 48
"""Pixels for the labels and title of every vertical axis, so that panels stand exactly below each other."""
LABEL_OFFSET: Final = 14
NAMED_GAP: Final = 0.1
"""Least share of the window at which a gap is labelled; the label would not fit in a smaller one."""

Window = tuple[datetime, datetime]

EDGE_COLORS: Final = {"support": GREEN, "around": GREY, "resistance": PURPLE, "profile": BLUE, "close": VERMILION}
ZOOM: Final = "zoom"
HOVER: Final = "hover"
_TICK: Final = (
    "utcdate(datum.value) > 1 ? utcFormat(datum.value, '%-d %b')"
    " : utcmonth(datum.value) == 0 ? utcFormat(datum.value, '%Y')"
    " : datum.index == 0 ? utcFormat(datum.value, '%b %Y') : utcFormat(datum.value, '%b')"
)
"""Days where ticks are days, months where they are months, the year in January and at the left."""


def named(name: str) -> alt.NamedData:
    """A data set of the figure, by its name in `datasets`."""
    return alt.NamedData(name=name)


def time_axis(field: str, window: Window, title: str) -> alt.X:
    """The horizontal axis of instants, `window` wide at first; labelled by the day, which UTC and New York share."""
    start, end = (moment.strftime("%Y-%m-%dT%H:%MZ") for moment in window)
    domain = [alt.expr(f"toDate('{moment}')") for moment in (start, end)]
    axis = alt.Axis(
        labelExpr=_TICK, labelOverlap="greedy", labelSeparation=6, tickCount=12, titlePadding=2, labelFlush=True
    )
    return alt.X(f"{field}:T", scale=alt.Scale(type="utc", domain=domain, nice=False), axis=axis, title=title)


def value_axis(field: str, scale: Scale, title: str, **axis: Any) -> alt.Y:
    """The vertical axis of one scale."""
    extent = {"minExtent": AXIS_EXTENT - 14, "maxExtent": AXIS_EXTENT - 14, "titlePadding": 4}
    fixed = alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False)
    return alt.Y(f"{field}:Q", scale=fixed, axis=alt.Axis(**{**extent, "tickCount": 5, **axis}), title=title)


def crosshair(panel: str, x: alt.X, lines: Sequence[Line], lookup: Sequence[str] = ()) -> alt.Chart:
    """A line through the session under the pointer, in all panels at once (see `linked`), with its values.

    `lookup`: which fields are of the report that was known at the session, in the data set `reports`.
    """
    hover = alt.selection_point(name=HOVER, empty=False)
    line = alt.Chart(named("sessions"), name=f"{panel}_cross")
    if lookup:
        found = alt.LookupData(data=named("reports"), key="report", fields=list(lookup))
        line = line.transform_lookup(lookup="report", from_=found)
    shown = alt.when(hover).then(alt.value(0.6)).otherwise(alt.value(0))
    cross: alt.Chart = line.mark_rule(style="crosshair", clip=True).encode(x, opacity=shown, tooltip=tooltip(*lines))
    return cross


def linked(panels: Sequence[str | None]) -> list[alt.TopLevelSelectionParameter]:
    """Parameters that link the crosshairs of `panels`: the session nearest to the pointer, and one zoom in time.

    `panels` are named in their order from the top; None is one without a crosshair.
    """
    # altair appends the place of a panel in the column to the names of the views in it
    views = [f"{panel}_cross_{place}" for place, panel in enumerate(panels) if panel]
    nearest = alt.PointSelectionConfig(
        type="point", nearest=True, on="pointerover", clear="pointerout", encodings=["x"]
    )
    return [
        alt.TopLevelSelectionParameter(name=HOVER, select=nearest, views=views),
        alt.TopLevelSelectionParameter(
            name=ZOOM, select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]), bind="scales", views=views
        ),
    ]


def edge_rows(marks: Sequence[tuple[str, float, str]], scale: Scale) -> Records:
    """Rows of edge labels out of (text, value, series): where they belong and where they are written."""
    places = spread_labels([value for _, value, _ in marks], scale)
    return [
        {"label": text.replace("-", "−"), "value": round(value, 4), "place": round(place, 4), "series": series}
        for (text, value, series), place in zip(marks, places, strict=True)
    ]


def edge_labels(data: str, color: alt.Color | Any) -> alt.LayerChart:
    """Labels right of a panel, each led to by a line from its value; a panel that zooms would clip them otherwise."""
    base = alt.Chart(named(data)).encode(alt.Y("place:Q"))
    lead = (
        alt.Chart(named(data))
        .mark_rule(xOffset=1, x2Offset=LABEL_OFFSET - 3, strokeWidth=1.2, clip=False)
        .encode(alt.Y("value:Q"), alt.Y2("place:Q"), x=alt.value("width"), x2=alt.value("width"), color=color)
    )
    text = base.mark_text(align="left", baseline="middle", dx=LABEL_OFFSET, style="label", clip=False)
    return alt.LayerChart(layer=[lead, text.encode(alt.Text("label:N"), x=alt.value("width"))])


def watermark(size: int, is_sample: bool) -> list[alt.Chart]:
    """SAMPLE across a panel, where the data is."""
    word = alt.Chart(named("sample")).mark_text(style="watermark", fontSize=size).encode(alt.Text("word:N"))
    return [word] if is_sample else []


def gaps() -> list[alt.Chart]:
    """The spans without a report in force, as the next one was overdue: shaded, and labelled if there is room."""
    shade = alt.Chart(named("gaps")).mark_rect(style="gap", clip=True)
    spans = tooltip(*(moment(end, f"no report {end}") for end in ("from", "to")))
    word = (
        alt.Chart(named("gaps"))
        .mark_text(style="label", clip=True)
        .encode(alt.X("middle:T"), alt.Text("label:N"), y=alt.value(12))
    )
    return [shade.encode(alt.X("from:T"), alt.X2("to"), tooltip=spans), word]


def shaded(axis: Literal["x", "y"], spans: Sequence[tuple[float, float]]) -> list[alt.Chart]:
    """Bands across a panel, from one value of an axis to another."""
    ends = [{"low": low, "high": high} for low, high in spans]
    rects = alt.Chart(alt.InlineData(values=ends)).mark_rect(style="shade")
    return [
        rects.encode(alt.X("low:Q"), alt.X2("high:Q"))
        if axis == "x"
        else rects.encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    ]


def gap_rows(spans: Sequence[tuple[datetime, datetime]], window: Window) -> Records:
    """The data set of `gaps`."""
    room = NAMED_GAP * (window[1] - window[0])
    return [
        {
            "from": start,
            "to": end,
            "middle": start + (end - start) / 2,
            "label": "no report" if end - start > room else "",
        }
        for start, end in spans
    ]


def panel(
    layers: Sequence[alt.Chart | alt.LayerChart], height: int, title: str, width: int = PANEL_WIDTH
) -> alt.LayerChart:
    """Layers as one panel with a heading."""
    heading = alt.TitleParams(title, fontSize=11, anchor="start", frame="group", offset=4)
    return alt.LayerChart(layer=list(layers), width=width, height=height, title=heading)


def message_panel(text: str) -> alt.Chart:
    """A panel with the reason why it is empty."""
    lines = alt.Chart(alt.InlineData(values=[{"text": text}])).mark_text(style="message", lineBreak="\n")
    panel: alt.Chart = lines.encode(alt.Text("text:N")).properties(width=PANEL_WIDTH, height=60)
    return panel


def role_scale() -> alt.Scale:
    """Colours of zones, the profile and the close."""
    return alt.Scale(domain=list(EDGE_COLORS), range=list(EDGE_COLORS.values()))
