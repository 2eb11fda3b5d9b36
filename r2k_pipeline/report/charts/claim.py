"""The chart of a verdict: the series that was judged, with the level, cross or week of the claim marked.

Belongs here: how it looks. Not here: what is in it (claim_rows.py).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from textwrap import wrap
from typing import Any, Final

import altair as alt

from r2k_pipeline.claims.lines import deciding, say_result
from r2k_pipeline.claims.verdict import Verdict
from r2k_pipeline.claims.vocabulary.known_rows import Series
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.contracts.units import RATIOS, Unit
from r2k_pipeline.report.charts.claim_rows import Drawing, Mark, read_drawing
from r2k_pipeline.report.charts.figure import Figure, Records
from r2k_pipeline.report.charts.labels import LINE_HEIGHT, Scale
from r2k_pipeline.report.charts.layout import (
    Window,
    edge_labels,
    edge_rows,
    named,
    panel,
    time_axis,
    value_axis,
    watermark,
)
from r2k_pipeline.report.charts.theme import BLUE, GREEN, GREY, PURPLE, VERMILION

WIDTH: Final = 400
HEIGHT: Final = 130
MARGIN: Final = 0.06
"""Share of the panel that is free above and below."""
HEADROOM: Final = 0.2
"""Share of it that is kept for the names of days."""
BREAK: Final = timedelta(days=12)
"""The line of a series breaks where two rows are further apart."""
BAR: Final = 0.7
"""Width of a bar as a share of its room."""
MOST_LABELS: Final = 8
LINE_COLORS: Final = (BLUE, GREEN, PURPLE, GREY)
CLAIMED: Final = "claimed"
LONGEST_LINE: Final = 88
"""Characters of the subtitle that fit above panel and labels."""
COLOR: Final = alt.Color("color:N", scale=None)
"""Rows have their own colour: conditions and scales of altair cost twenty times as much."""
Row = dict[str, Any]


def build_claim(verdict: Verdict, tables: KnownTables, is_sample: bool) -> Figure | None:
    """The chart of a reading, from what was known with it; None where nothing was found to draw."""
    drawing, decides = read_drawing(verdict, tables), deciding(verdict.results)
    if drawing is None or decides is None:
        return None
    data, scale, window = _rows(drawing)
    data["sample"] = [{"word": "SAMPLE"}] if is_sample else []
    found = f"{verdict.finding.verdict}: {say_result(decides)}"
    lines = wrap(found, LONGEST_LINE, max_lines=2, placeholder=" ...")
    chart = _panel(drawing, scale, window, is_sample).properties(
        title=alt.TitleParams(drawing.about, subtitle=lines, fontSize=11, subtitleFontSize=10, anchor="start")
    )
    name = f"{verdict.note_id}-{verdict.claim.id}-{verdict.definition.alternative}"
    return Figure(f"claim-{name}", None, drawing.about, _description(drawing, found, data), chart, data)


def _rows(drawing: Drawing) -> tuple[dict[str, Records], Scale, Window]:
    """The data sets, the vertical axis and the span of time."""
    lines = [
        {**row, "series": name, "color": _color(drawing, name)}
        for name, series in drawing.lines.items()
        for row in _line(name, series, drawing.first)
    ]
    marks = [mark for mark in drawing.marks if mark.kind != "found" or mark.value is not None]
    values = [float(row["value"]) for row in lines if row["value"] is not None]
    values += [mark.value for mark in marks if mark.value is not None] + ([0.0] if drawing.is_change else [])
    scale = _scale(values)
    days = [row["day"] for row in lines] + [mark.day for mark in drawing.marks if mark.day is not None]
    start, end = (datetime.combine(day, time(), UTC) for day in (min(days), max(days)))
    margin = max((end - start) / 100, timedelta(days=2))
    data: dict[str, Records] = {
        "lines": lines,
        "values": [
            {**row, "color": VERMILION if row["series"] == CLAIMED else _color(drawing, str(row["series"]))}
            for row in edge_rows([*_labels(drawing, lines)][:MOST_LABELS], scale)
        ],
        "days": [*_days(drawing.marks, scale, start + 0.6 * (end - start))],
        "points": [{"day": mark.day, "value": mark.value} for mark in marks if mark.kind == "found"],
    }
    return data, scale, (start - margin, end + margin)


def _scale(values: Sequence[float]) -> Scale:
    """An axis with all values, and room for names above them; a line of one value has a height too."""
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1.0
    return Scale(low - MARGIN * span, high + HEADROOM * span, HEIGHT)


def _line(name: str, series: Series, first: date) -> Iterator[Row]:
    """The days of a series from `first` on, with a null where days are missing: a line breaks there."""
    place = series.after(first - timedelta(days=1))
    days, values = series.days[place:], series.values[place:]
    for day, before, value in zip(days, (*days[:1], *days), values, strict=False):
        if name != "move" and day - before > BREAK:
            yield {"day": before + timedelta(days=1), "value": None}
        yield {"day": day, "value": value}


def _color(drawing: Drawing, name: str) -> str:
    """The colour of a line."""
    return LINE_COLORS[[*drawing.lines].index(name) % len(LINE_COLORS)]


def _labels(drawing: Drawing, lines: Sequence[Row]) -> Iterator[tuple[str, float, str]]:
    """Labels at the edge: what is claimed, and the lines where there are several, at their last values."""
    for mark in drawing.marks:
        if mark.kind == CLAIMED and mark.value is not None:
            yield mark.label, mark.value, CLAIMED
    last = {row["series"]: float(row["value"]) for row in lines if row["value"] is not None}
    if len(drawing.lines) > 1:
        yield from ((name.replace("_", " "), value, name) for name, value in last.items())


def _days(marks: Sequence[Mark], scale: Scale, late: datetime) -> Iterator[Row]:
    """Marked days, each once, their names below each other and towards the middle."""
    by_day = {mark.day: mark for mark in sorted(marks, key=lambda mark: mark.kind == CLAIMED) if mark.day is not None}
    for place, day in enumerate(sorted(by_day)):
        mark, at = by_day[day], scale.value((place % 3 + 0.6) * LINE_HEIGHT)
        color = VERMILION if mark.kind == CLAIMED else GREY
        yield {"day": day, "label": mark.label, "color": color, "place": at, "is_late": day > late.date()}


def _panel(drawing: Drawing, scale: Scale, window: Window, is_sample: bool) -> alt.LayerChart:
    x, y = time_axis("day", window, ""), value_axis("value", scale, "", format=_format(drawing, scale))
    claimed = alt.Chart(named("values")).transform_filter(f"datum.series === '{CLAIMED}'")
    rule = claimed.mark_rule(color=VERMILION, strokeDash=[5, 3], strokeWidth=1.2).encode(alt.Y("value:Q"))
    points = alt.Chart(named("points")).mark_point(style="baseline", size=46, filled=False, clip=True)
    point = points.encode(alt.X("day:T"), alt.Y("value:Q"))
    layers = [*watermark(36, is_sample), *_series(drawing, x, y), rule, *_marked_days(), point]
    return panel([*layers, edge_labels("values", COLOR)], HEIGHT, "", WIDTH)


def _series(drawing: Drawing, x: alt.X, y: alt.Y) -> Iterator[alt.Chart]:
    """Changes of what is judged as bars, the rest as lines."""
    base, judged = alt.Chart(named("lines")), next(iter(drawing.lines))
    if not drawing.is_change:
        yield base.mark_line(clip=True, strokeWidth=1.3).encode(x, y, COLOR, alt.Detail("series:N"))
        return
    of_judged = f"datum.series === '{judged}'"
    width = max(1.0, min(6.0, BAR * WIDTH / sum(day >= drawing.first for day in drawing.lines[judged].days)))
    yield base.transform_filter(of_judged).mark_bar(size=width, clip=True).encode(x, y, COLOR, alt.Detail("series:N"))
    yield (
        base.transform_filter(f"!({of_judged})")
        .mark_line(clip=True, strokeWidth=1.3)
        .encode(x, y, COLOR, alt.Detail("series:N"))
    )


def _marked_days() -> Iterator[alt.Chart]:
    """Lines at the marked days, with their names on the side that has room."""
    days = alt.Chart(named("days"))
    yield days.mark_rule(strokeDash=[2, 2]).encode(alt.X("day:T"), COLOR)
    style: dict[str, Any] = {"style": "label", "baseline": "middle"}
    early = days.transform_filter("!datum.is_late").mark_text(align="left", dx=3, **style)
    late = days.transform_filter("datum.is_late").mark_text(align="right", dx=-3, **style)
    for text in (early, late):
        yield text.encode(alt.X("day:T"), alt.Y("place:Q"), alt.Text("label:N"), COLOR)


def _format(drawing: Drawing, scale: Scale) -> str:
    """How the axis writes numbers."""
    if drawing.unit in RATIOS:
        return ".1%"
    if drawing.unit == Unit.POINTS:
        return ",.0f" if scale.high - scale.low > 20 else ",.2f"
    return "~s"


def _description(drawing: Drawing, found: str, data: dict[str, Records]) -> str:
    days = [str(row["day"]) for row in data["lines"]]
    marks = "; ".join(mark.label for mark in drawing.marks)
    return f"{drawing.about}, {min(days)} to {max(days)}. {found}.{f' Marked: {marks}.' if marks else ''}"
