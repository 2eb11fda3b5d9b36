"""Positions of one market: net and percentile by trader group, stepped at release, with gaps where none stood.

Belongs here: the two panels and their rows. Not here: when a value stood (release_steps.py), flows (flow_panel.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.figure import Records
from r2k_pipeline.report.charts.labels import Scale
from r2k_pipeline.report.charts.layout import (
    Window,
    crosshair,
    edge_labels,
    edge_rows,
    gap_rows,
    gaps,
    named,
    panel,
    shaded,
    time_axis,
    value_axis,
    watermark,
)
from r2k_pipeline.report.charts.release_steps import build_gaps, build_path, standing_at
from r2k_pipeline.report.charts.theme import BLUE, GREEN, GREY, PURPLE, SOLID, VERMILION
from r2k_pipeline.report.charts.tooltip import REPORT, SESSION, Line, moment, number
from r2k_pipeline.transforms.setups import read_setups


@dataclass(frozen=True)
class Look:
    """The name, colour and line of one series."""

    name: str
    color: str
    dash: tuple[int, ...]


GROUPS: Final = {
    "leveraged_funds": Look("Leveraged funds", VERMILION, SOLID),
    "asset_manager": Look("Asset managers", BLUE, SOLID),
    "dealer": Look("Dealers", GREEN, (6, 3)),
    "other_reportables": Look("Other reportables", PURPLE, (2, 2)),
    "nonreportable": Look("Nonreportable", GREY, (8, 3, 2, 3)),
}
"""The trader groups of the TFF report, the speculator and the institution first."""
Groups = Mapping[str, Look]
_REST: Final = {name: GROUPS[name] for name in ("other_reportables", "nonreportable")}
_OF_OTHER_REPORTS: Final[tuple[Groups, ...]] = (
    {
        "managed_money": Look("Managed money", VERMILION, SOLID),
        "swap_dealer": Look("Swap dealers", BLUE, SOLID),
        "producer_merchant": Look("Producers and merchants", GREEN, (6, 3)),
        **_REST,
    },
    {
        "noncommercial": Look("Noncommercial", VERMILION, SOLID),
        "commercial": Look("Commercial", GREEN, SOLID),
        "nonreportable": _REST["nonreportable"],
    },
)
"""Those of the disaggregated and the legacy report, in the looks of their roles."""
LOOKS: Final[Groups] = {name: look for groups in (GROUPS, *_OF_OTHER_REPORTS) for name, look in groups.items()}
NET_HEIGHT: Final = 130
PERCENTILES: Final = Scale(0, 100, 110)
NO_PERCENTILE: Final = "No percentile yet: it needs 141 of 156 weeks."


def groups_of(rows: pl.DataFrame) -> Groups:
    """The groups of the report that rows with a trader_group are of; those of TFF where there are none."""
    named = set(rows["trader_group"].unique()) - _REST.keys()
    return next((groups for groups in _OF_OTHER_REPORTS if named & groups.keys()), GROUPS)


def leading(groups: Groups) -> tuple[str, str]:
    """The two that are drawn heavier, and their flows too: who speculates, and who trades for clients."""
    first, second, *_ = groups
    return first, second


def state_limits() -> tuple[float, ...]:
    """The percentiles between the positioning states, ascending, as setups.toml has them."""
    return tuple(read_setups().positioning_limits.model_dump().values())


def percentile_axis(scale: Scale) -> alt.Y:
    """The axis of percentiles, marked where states change."""
    low, short, long, high = state_limits()
    return value_axis("percentile", scale, "percentile, 0..100", values=[low, short, 50, long, high])


def extremes(axis: Literal["x", "y"]) -> list[alt.Chart]:
    """Shades of the extreme states."""
    low, *_, high = state_limits()
    return shaded(axis, ((0, low), (high, 100)))


def net_scale(steps: pl.DataFrame) -> Scale:
    """The axis of net positions in percent of open interest, with zero in it."""
    net = (100 * steps["net_share_oi"].drop_nulls()).to_list()
    low, high = min(0.0, *net, 0.0), max(0.0, *net, 0.0)
    margin = 0.06 * (high - low) or 1.0
    return Scale(round(low - margin, 2), round(high + margin, 2), NET_HEIGHT)


def position_rows(steps: pl.DataFrame, window: Window, end: datetime) -> dict[str, Records]:
    """The data sets of both panels: lines, the spans without a report until `end`, labels at the edge."""
    drawn = _drawn(steps)
    none = [] if drawn["percentile"].count() else [{"text": NO_PERCENTILE}]
    return {
        "percentile_remark": none,
        "net": build_path(drawn, "net").to_dicts(),
        "percentile": build_path(drawn, "percentile").to_dicts(),
        "gaps": gap_rows(build_gaps(steps, window[0], end), window),
        "net_labels": _labels(drawn, "net", "{:+.1f} %", net_scale(steps), end),
        "percentile_labels": _labels(drawn, "percentile", "{:.0f}", PERCENTILES, end),
    }


def _drawn(steps: pl.DataFrame) -> pl.DataFrame:
    net = (100 * pl.col("net_share_oi")).round(2)
    return steps.with_columns(net=net, percentile=pl.col("net_percentile_156w").round(1))


def report_rows(steps: pl.DataFrame, closes: pl.Series) -> tuple[pl.Series, Records]:
    """For each of `closes` the number of the newest report known then, and the positions as rows by `report`.

    A report stays known when the next one is overdue: only lines end.
    """
    drawn, columns = _drawn(steps), [closes.alias("at").to_frame()]
    groups = groups_of(steps)
    for group in groups:
        found = standing_at(drawn, closes, group)
        columns.append(found.select(pl.col("net", "percentile").name.prefix(f"{group}_")))
        if group == leading(groups)[0]:
            columns.append(found.select("report_date", "released_at"))
    wide = pl.concat(columns, how="horizontal").drop("at")
    numbered = wide.with_columns(report=pl.struct(wide.columns).rank("dense"))
    return numbered["report"], numbered.unique("report", maintain_order=True).to_dicts()


def _labels(drawn: pl.DataFrame, column: str, form: str, scale: Scale, end: datetime) -> Records:
    """The value of each group that stands at the end, or stood last; and when."""
    latest = drawn.filter(pl.col(column).is_not_null()).unique("trader_group", keep="last", maintain_order=True)
    known = {group: (value, until) for group, value, until in latest.select("trader_group", column, "until").rows()}
    marks, ends = [], []
    for group, look in groups_of(drawn).items():
        if group in known:
            value, until = known[group]
            marks.append((f"{look.name} {'' if until == end else 'last '}{form.format(value)}", value, group))
            ends.append(until)
    return [{**row, "at": until} for row, until in zip(edge_rows(marks, scale), ends, strict=True)]


def net_panel(groups: Groups, scale: Scale, window: Window, is_sample: bool) -> alt.LayerChart:
    """Net positions of each group."""
    zero = alt.Chart(alt.InlineData(values=[{"y": 0}])).mark_rule(style="reference").encode(alt.Y("y:Q"))
    layers = _stepped(groups, "net", value_axis("net", scale, "net, % of OI"), [zero], window)
    title = "Net positions, % of open interest (OI), each from its release on"
    return panel([*watermark(36, is_sample), *layers], scale.height, title)


def percentile_panel(groups: Groups, window: Window, is_sample: bool) -> alt.LayerChart:
    """Where each group's net position is among its last 156 weeks; the extremes of setups.toml are shaded."""
    y, bands = percentile_axis(PERCENTILES), extremes("y")
    remark = alt.Chart(named("percentile_remark")).mark_text(style="message").encode(alt.Text("text:N"))
    layers = [*_stepped(groups, "percentile", y, bands, window), remark]
    title = "Percentile of net positions over 156 weeks, each from its release on"
    return panel([*watermark(36, is_sample), *layers], PERCENTILES.height, title)


def _stepped(
    groups: Groups, measure: str, y: alt.Y, below: list[alt.Chart], window: Window
) -> list[alt.Chart | alt.LayerChart]:
    """Lines that step at release and break where the next report is overdue; a dot where they end for now."""
    color = alt.Scale(domain=list(groups), range=[look.color for look in groups.values()])
    dash = alt.Scale(domain=list(groups), range=[look.dash for look in groups.values()])
    is_leading = alt.FieldOneOfPredicate("trader_group", list(leading(groups)))
    x = time_axis("at", window, "report release")
    line = (
        alt.Chart(named(measure))
        .mark_line(interpolate="step-after", clip=True, invalid="break-paths-show-domains")
        .encode(
            x,
            y,
            alt.Color("trader_group:N", scale=color, legend=None),
            strokeDash=alt.StrokeDash("trader_group:N", scale=dash, legend=None),
            strokeWidth=alt.when(is_leading).then(alt.value(2)).otherwise(alt.value(1.2)),
        )
    )
    series = alt.Color("series:N", scale=color, legend=None)
    dots = alt.Chart(named(f"{measure}_labels")).mark_circle(size=22, clip=True, opacity=1)
    labels = edge_labels(f"{measure}_labels", series)
    cross = crosshair(measure, x, *_lines(groups, measure))
    return [*below, *gaps(), line, dots.encode(alt.X("at:T"), alt.Y("value:Q"), color=series), cross, labels]


def _lines(groups: Groups, measure: str) -> tuple[list[Line], list[str]]:
    """Lines of the crosshair's tooltip, and those of them that are fields of the report."""
    form, unit = ("+.1f", ", %") if measure == "net" else (".0f", "")
    reported = [REPORT, moment("released_at", "released")]
    reported += [number(f"{group}_{measure}", form, look.name + unit) for group, look in groups.items()]
    return [SESSION, *reported], [line.field for line in reported]
