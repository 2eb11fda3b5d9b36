"""The price of one market: candles, averages, ranges, zones, and its volume profile on the same axis.

Belongs here: the two panels that share the axis of prices. Not here: which rows (known_rows.py).
"""

from datetime import date, datetime
from typing import Final

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.figure import Record, Records
from r2k_pipeline.report.charts.known_rows import Known
from r2k_pipeline.report.charts.labels import Scale
from r2k_pipeline.report.charts.layout import (
    Window,
    crosshair,
    edge_rows,
    named,
    panel,
    role_scale,
    time_axis,
    value_axis,
    watermark,
)
from r2k_pipeline.report.charts.profile_panel import bin_rows
from r2k_pipeline.report.charts.theme import BLUE, GREEN, GREY, PURPLE, SOLID, VERMILION
from r2k_pipeline.report.charts.tooltip import Line

HEIGHT: Final = 340
AVERAGES: Final = ("sma_50", "sma_100", "sma_200")
_NAMED: Final = "upper(replace(datum.label, '_', ' '))"
_AVERAGE_COLORS: Final = (GREEN, PURPLE, GREY)
_AVERAGE_DASHES: Final = (SOLID, (6, 2), (2, 2))
_HALF_BODY_MS: Final = 8 * 3600 * 1000
"""Half a candle's body is eight hours wide, so that bodies grow with the zoom and leave a gap to the next day's."""
ROLES: Final = {"support": "S{}", "around": "Around", "resistance": "R{}"}
"""How zones are labelled: by nearness, or as the one around the close."""
NEAREST: Final = 2
"""So many zones on each side of the close are always inside the panel."""


def price_scale(known: Known) -> Scale:
    """The axis of prices: the sessions, their averages, the zone around the close and the nearest, with a margin."""
    columns = known.sessions.select("low", "high", *AVERAGES)
    seen = [value for column in columns for value in column.drop_nulls()]
    by_distance = known.levels.sort(pl.col("distance_atr").abs())
    for role in ROLES:
        seen += (
            by_distance.filter(pl.col("role") == role).head(NEAREST).select("low", "high").to_numpy().ravel().tolist()
        )
    margin = 0.03 * (max(seen) - min(seen)) or 0.01 * max(seen)
    return Scale(round(min(seen) - margin, 2), round(max(seen) + margin, 2), HEIGHT)


def price_rows(known: Known, scale: Scale, window: Window) -> dict[str, Records]:
    """The data sets of both panels but the sessions."""
    close_of = dict(known.sessions.select("session_date", "at").rows())
    return {
        "boxes": _box_rows(known, scale, close_of, window),
        "zones": _zone_rows(known, scale, close_of, window),
        "bins": bin_rows(known, scale),
        "profile": [_rounded(row) for row in known.profile.to_dicts()],
        "price_labels": edge_rows(_marks(known, scale), scale),
    }


def _rounded(row: Record) -> Record:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


def _box_rows(known: Known, scale: Scale, close_of: dict[date, datetime], window: Window) -> Records:
    """Ranges with an edge inside the panel, of those that look alike the first.

    Nested ranges may have the same edges, and shades add up. One that is open now is drawn to the window's right edge.
    """
    first = known.sessions["session_date"][0]
    drawn: dict[tuple[object, ...], Record] = {}
    for row in known.boxes.to_dicts():
        start, end = close_of.get(row["start_date"], window[0]), close_of.get(row["end_date"], window[1])
        edges = (max(row["low"], scale.low), min(row["high"], scale.high))
        is_seen = (start, end) != window or edges != (scale.low, scale.high)
        if is_seen and (row["end_date"] is None or row["end_date"] >= first):
            drawn.setdefault((start, end, *edges), {**_rounded(row), "from": start, "to": end})
    return list(drawn.values())


def _zone_rows(known: Known, scale: Scale, close_of: dict[date, datetime], window: Window) -> Records:
    """Zones inside the panel, from the close at which each was known."""
    return [
        {**_rounded(row), "from": close_of.get(row["confirmed_date"], window[0]), "to": window[1]}
        for row in known.levels.to_dicts()
        if scale.holds(row["price"])
    ]


def _marks(known: Known, scale: Scale) -> list[tuple[str, float, str]]:
    """Labels at the edge for zones, the profile's prices and the close: (text, price, series)."""
    close = known.sessions["close"][-1]
    marks = [(f"Close {close:,.2f}", close, "close")]
    for role, letter in ROLES.items():
        zones = known.levels.filter(pl.col("role") == role).sort(pl.col("distance_atr").abs())
        marks += [(f"{letter.format(i)} {price:,.2f}", price, role) for i, price in enumerate(zones["price"], 1)]
    for row in known.profile.to_dicts():
        named_prices = {"POC": row["poc"], "VA low": row["value_area_low"], "VA high": row["value_area_high"]}
        marks += [(f"{name} {price:,.2f}", price, "profile") for name, price in named_prices.items()]
    return [mark for mark in marks if scale.holds(mark[1])]


def price_panel(scale: Scale, window: Window, unit: str, lines: list[Line], is_sample: bool) -> alt.LayerChart:
    """Candles over ranges and zones, with the averages; `unit` is that of the prices."""
    layers = [*watermark(84, is_sample), _boxes(window, scale, unit), _zones(), *_candles(), _averages()]
    cross = crosshair("price", time_axis("at", window, "session close"), lines)
    title = "Price, averages, ranges, support and resistance"
    chart: alt.LayerChart = panel([*layers, cross], HEIGHT, title).resolve_scale(
        color="independent", strokeDash="independent"
    )
    return chart


def _boxes(window: Window, scale: Scale, unit: str) -> alt.Chart:
    x = time_axis("from", window, "session close")
    y = value_axis("low", scale, unit, format=",.0f" if scale.high - scale.low > 20 else ",.2f")
    box = alt.Chart(named("boxes")).mark_rect(style="box", clip=True, strokeDash=[4, 2])
    boxes: alt.Chart = box.encode(x, alt.X2("to"), y, alt.Y2("high"))
    return boxes


def _zones() -> alt.Chart:
    color = alt.Color("role:N", scale=role_scale(), legend=None)
    zone = alt.Chart(named("zones")).mark_rect(clip=True, fillOpacity=0.09, strokeOpacity=0.6, strokeWidth=0.6)
    zones: alt.Chart = zone.encode(
        alt.X("from:T"),
        alt.X2("to"),
        alt.Y("low:Q"),
        alt.Y2("high"),
        fill=color,
        stroke=color,
    )
    return zones


def _candles() -> list[alt.Chart]:
    """Wicks and bodies; a session that closed higher is blue and hollow, a lower one vermilion and filled."""
    rose = "datum.close >= datum.open"
    color = alt.condition(rose, alt.value(BLUE), alt.value(VERMILION))
    at = "toNumber(toDate(datum.at))"
    base = alt.Chart(named("sessions"))
    wicks = base.mark_rule(clip=True, strokeWidth=0.8).encode(
        alt.X("at:T"), alt.Y("low:Q"), alt.Y2("high"), color=color
    )
    bodies = (
        base.transform_calculate(left=f"{at} - {_HALF_BODY_MS}", right=f"{at} + {_HALF_BODY_MS}")
        .mark_rect(clip=True, strokeWidth=0.8)
        .encode(
            alt.X("left:T"),
            alt.X2("right"),
            alt.Y("open:Q"),
            alt.Y2("close"),
            fill=color,
            stroke=color,
            fillOpacity=alt.condition(rose, alt.value(0.25), alt.value(1)),
        )
    )
    return [wicks, bodies]


def _averages() -> alt.Chart:
    color = alt.Scale(domain=list(AVERAGES), range=list(_AVERAGE_COLORS))
    dash = alt.Scale(domain=list(AVERAGES), range=list(_AVERAGE_DASHES))
    legend = alt.Legend(
        orient="top", title=None, symbolType="stroke", symbolSize=300, symbolStrokeWidth=1.8, offset=2, labelExpr=_NAMED
    )
    lines: alt.Chart = (
        alt.Chart(named("sessions"))
        .transform_fold(list(AVERAGES), as_=["average", "points"])
        .mark_line(clip=True, strokeWidth=1.5)
        .encode(
            alt.X("at:T"),
            alt.Y("points:Q"),
            color=alt.Color("average:N", scale=color, legend=legend),
            strokeDash=alt.StrokeDash("average:N", scale=dash, legend=legend),
        )
    )
    return lines
