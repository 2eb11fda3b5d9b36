"""Weekly flows of a trader group by report: buying above zero, selling below, drawn at the release.

Belongs here: the four flows as bars. Not here: what a flow is (docs/definitions.md).
"""

from datetime import timedelta
from typing import Final

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.figure import Record, Records
from r2k_pipeline.report.charts.layout import AXIS_EXTENT, Window, crosshair, gaps, named, panel, time_axis, watermark
from r2k_pipeline.report.charts.theme import BLUE, GREY, PALE, VERMILION
from r2k_pipeline.report.charts.tooltip import REPORT, SESSION, Line, moment, number, tooltip

HEIGHT: Final = 90
_FLOWS: Final = {
    "new_longs": ("New longs", 1, BLUE, BLUE),
    "short_covering": ("Short covering", 1, BLUE + PALE, BLUE),
    "long_liquidation": ("Long liquidation", -1, VERMILION + PALE, VERMILION),
    "new_shorts": ("New shorts", -1, VERMILION, VERMILION),
}
"""Name, direction, fill, outline: what opens positions is solid, what closes them is pale."""
_HALF_HOUR_MS: Final = 1_800_000
WIDEST: Final = timedelta(days=3)
SHARE: Final = 0.8
"""Width of a bar as a share of the time to its nearest neighbour: after a shutdown reports are a day or two apart."""


def flow_rows(steps: pl.DataFrame, group: str) -> Records:
    """One row a flow and report as first known, stacked away from zero, in contracts.

    A report whose weekly changes are not whole is one row without a flow, with the reason as `why`.
    """
    of_group = steps.filter(pl.col("trader_group") == group)
    first = of_group.unique("report_date", keep="first", maintain_order=True)
    known = pl.col("known_at")
    apart = pl.min_horizontal(known.diff(), known.diff().shift(-1), WIDEST / SHARE).fill_null(WIDEST / SHARE)
    wide = first.with_columns(hours=apart.dt.total_hours() * SHARE)
    return [row for report in wide.to_dicts() for row in _bars(report)]


def _bars(report: Record) -> Records:
    stamp = {"at": report["known_at"], "report_date": report["report_date"], "hours": report["hours"]}
    if report["new_longs_contracts"] is None:
        return [{**stamp, "flow": None, "why": report["change_basis"] or "no report to compare with", "start": 0}]
    reached, rows = {1: 0, -1: 0}, list[Record]()
    for flow, (name, sign, *_) in _FLOWS.items():
        size = report[f"{flow}_contracts"]
        assert isinstance(size, float)  # the four are null together
        start, reached[sign] = reached[sign], reached[sign] + sign * round(size)
        if reached[sign] != start:
            rows.append({**stamp, "flow": name, "contracts": round(size), "start": start, "stop": reached[sign]})
    return rows


def flow_panel(group: str, name: str, window: Window, is_sample: bool) -> alt.LayerChart:
    """The bars of the data set flows_GROUP."""
    data, x = named(f"flows_{group}"), "report release"
    broken = (
        alt.Chart(data)
        .transform_filter("datum.flow === null")
        .mark_point(shape="diamond", color=GREY, size=22, clip=True)
        .encode(alt.X("at:T"), alt.Y("start:Q"), tooltip=tooltip(REPORT, Line("why")))
    )
    zero = alt.Chart(alt.InlineData(values=[{"y": 0}])).mark_rule(style="reference").encode(alt.Y("y:Q"))
    cross = crosshair(f"flow_{group}", time_axis("at", window, x), [SESSION, REPORT], ["report_date"])
    bars = _stack(data, time_axis("left", window, x))
    layers = [*watermark(30, is_sample), *gaps(), zero, cross, bars, broken]
    return panel(layers, HEIGHT, f"Weekly flow, {name.lower()}, today's contract equivalents")


def _stack(data: alt.NamedData, x: alt.X) -> alt.Chart:
    names, _, fills, outlines = zip(*_FLOWS.values(), strict=True)
    legend = alt.Legend(orient="top", title=None, columns=2, offset=2, symbolType="square", symbolStrokeWidth=1)
    at, extent = "toNumber(toDate(datum.at))", AXIS_EXTENT - 14
    axis = alt.Axis(format="~s", tickCount=4, minExtent=extent, maxExtent=extent, titlePadding=4)
    lines = Line("flow"), number("contracts", ",.0f"), REPORT, moment("at", "known")
    bars: alt.Chart = (
        alt.Chart(data)
        .transform_filter("datum.flow !== null")
        .transform_calculate(
            left=f"{at} - {_HALF_HOUR_MS} * datum.hours", right=f"{at} + {_HALF_HOUR_MS} * datum.hours"
        )
        .mark_rect(clip=True, strokeWidth=0.6)
        .encode(
            x,
            alt.X2("right"),
            alt.Y("start:Q", title="contracts a week", axis=axis),
            alt.Y2("stop"),
            alt.Fill("flow:N", scale=alt.Scale(domain=list(names), range=list(fills)), legend=legend),
            alt.Stroke("flow:N", scale=alt.Scale(domain=list(names), range=list(outlines)), legend=legend),
            tooltip=tooltip(*lines),
        )
    )
    return bars
