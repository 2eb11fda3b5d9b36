"""Markets side by side: percentiles of speculators and of institutions, now and over the year, stepped at release.

Who they are depends on the market's primary report: leveraged funds and asset managers in TFF, managed money and swap
dealers in the disaggregated one.

Belongs here: the figure across markets. Not here: one market (review.py).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import altair as alt
import polars as pl

from r2k_pipeline.market_classes import Role
from r2k_pipeline.report.charts.figure import Figure, Record, Records
from r2k_pipeline.report.charts.known_rows import Known
from r2k_pipeline.report.charts.labels import Scale
from r2k_pipeline.report.charts.layout import (
    AXIS_EXTENT,
    Window,
    crosshair,
    edge_labels,
    edge_rows,
    gap_rows,
    gaps,
    linked,
    named,
    panel,
    time_axis,
    watermark,
)
from r2k_pipeline.report.charts.position_panels import LOOKS, extremes, percentile_axis, state_limits
from r2k_pipeline.report.charts.release_steps import build_gaps, build_path, build_steps, standing_at
from r2k_pipeline.report.charts.theme import PALETTE, SOLID
from r2k_pipeline.report.charts.tooltip import REPORT, SESSION, Line, number, tooltip

LEADING: Final[tuple[Role, ...]] = ("speculator", "institution")
ROW_HEIGHT: Final = 24
NAMED: Final = 6
"""So many markets a title names."""
SCALE: Final = Scale(0, 100, 120)
_DASHES: Final = (SOLID, (6, 3), (2, 2), (8, 3, 2, 3), (1, 3))


def build_cross_market(markets: Sequence[Known], is_sample: bool) -> Figure:
    """The figure of at least two markets with positions."""
    names = [known.moment.market for known in markets]
    window = _window(markets)
    data: dict[str, Records] = {"sample": [{"word": "SAMPLE"}] if is_sample else []}
    data["sessions"] = _session_rows(markets)
    panels: list[alt.LayerChart] = []
    titles = {role: _title(markets, role) for role in LEADING}
    steps = {role: _steps(markets, role) for role in LEADING}
    data["gaps"] = gap_rows(build_gaps(pl.concat(steps.values()), *window), window)
    for role in LEADING:
        drawn = steps[role].filter(pl.col("until") > window[0])
        data[f"{role}_percentile"] = build_path(drawn, "percentile").to_dicts()
        data[f"{role}_labels"] = _labels(drawn, names, window)
        data[f"{role}_now"] = _now_rows(steps[role], names)
        panels += [
            _now_panel(role, titles[role], names, is_sample),
            _year_panel(role, titles[role], names, window, is_sample),
        ]
    day = max(known.moment.session_date for known in markets)
    title = f"Markets side by side, {day}" + (" · SAMPLE" if is_sample else "")
    subtitle = "Where net positions are among the weeks known of their last 156. Ring: the report before."
    chart = alt.vconcat(
        panels[0],
        panels[2],
        panels[1],
        panels[3],
        spacing=8,
        title=alt.TitleParams(title, subtitle=[subtitle]),
        params=linked([None, None, *LEADING]),
    ).resolve_scale(color="independent", strokeDash="independent")
    return Figure("cross-market", None, title, _description(title, titles, data), chart, data)


def _window(markets: Sequence[Known]) -> Window:
    closes = pl.concat([known.sessions["at"] for known in markets])
    return closes.min(), closes.max()  # type: ignore[return-value]  # a market has a session, and they are instants


def _title(markets: Sequence[Known], role: Role) -> str:
    """The trader group that has the role in most of the markets, then the markets in which it is another one."""
    having: dict[str, list[str]] = {}
    for known in markets:
        for group in known.vintages.filter(pl.col("role") == role)["trader_group"].unique():
            having.setdefault(LOOKS[group].name, []).append(known.moment.market)
    first, *others = sorted(having, key=lambda name: -len(having[name])) or [f"{role.capitalize()}s"]
    said = [f"{_listed(having[name])}: {name.lower()}" for name in others]
    return f"{first} ({'; '.join(said)})" if said else first


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} markets"


def _of_role(known: Known, role: Role) -> pl.DataFrame:
    """Steps of the market's group of a role; the column trader_group has the market."""
    rows = known.vintages.filter(pl.col("role") == role).with_columns(trader_group=pl.lit(known.moment.market))
    return build_steps(rows, known.moment.known_at)


def _steps(markets: Sequence[Known], role: Role) -> pl.DataFrame:
    """Steps of one role with its `percentile`, one series a market."""
    of_markets = [_of_role(known, role) for known in markets]
    return pl.concat(of_markets).with_columns(percentile=pl.col("net_percentile_156w").round(1))


def _session_rows(markets: Sequence[Known]) -> Records:
    """The sessions of the market that has most, with what was known of every market at each close."""
    sessions = max((known.sessions for known in markets), key=len).select("at", "session_date")
    columns = [
        standing_at(_of_role(known, role), sessions["at"], known.moment.market)["net_percentile_156w"]
        .round(1)
        .alias(f"{known.moment.market} {role}")
        for known in markets
        for role in LEADING
    ]
    return sessions.with_columns(columns).to_dicts()


def _labels(drawn: pl.DataFrame, names: Sequence[str], window: Window) -> Records:
    """The value of each market that stands at the end, or stood last."""
    latest = drawn.filter(pl.col("percentile").is_not_null()).unique("trader_group", keep="last", maintain_order=True)
    now = {name: (value, until) for name, value, until in latest.select("trader_group", "percentile", "until").rows()}
    said = {
        name: f"{name} {'' if now[name][1] == window[1] else 'last '}{now[name][0]:.0f}"
        for name in names
        if name in now
    }
    return edge_rows([(text, now[name][0], name) for name, text in said.items()], SCALE)


def _now_rows(drawn: pl.DataFrame, names: Sequence[str]) -> Records:
    """Of each market its newest report, and the one before."""
    rows: list[Record] = []
    for name in names:
        own = drawn.filter(pl.col("trader_group") == name).unique("report_date", keep="last", maintain_order=True)
        known = own.sort("report_date").select("percentile", "report_date").tail(2).rows()
        if known and known[-1][0] is not None:
            now, before = known[-1], known[0] if len(known) == 2 else (None, None)
            said = f"{now[0]:.0f}" + (f" (was {before[0]:.0f})" if before[0] is not None else "")
            rows.append(
                {
                    "market": name,
                    "now": now[0],
                    "before": before[0],
                    "report_date": now[1],
                    "label": f"{said}, {now[1]}",
                }
            )
        else:
            label = "no percentile yet" if known else "no such group in its report"
            rows.append({"market": name, "now": None, "before": None, "report_date": None, "label": label})
    return rows


def _now_panel(role: Role, title: str, names: Sequence[str], is_sample: bool) -> alt.LayerChart:
    axis = alt.Axis(minExtent=AXIS_EXTENT, maxExtent=AXIS_EXTENT)
    y = alt.Y("market:N", sort=list(names), title=None, axis=axis)
    x = alt.X(
        "now:Q",
        scale=alt.Scale(domain=[0, 100]),
        title="percentile of net over 156 weeks, 0..100",
        axis=alt.Axis(values=[0, *state_limits(), 100], titlePadding=2),
    )
    base = alt.Chart(named(f"{role}_now")).encode(y=y)
    said = tooltip(
        Line("market"), number("now", ".0f", "percentile"), number("before", ".0f", "percentile before"), REPORT
    )
    color = _color(names, "market")
    path = base.mark_rule(strokeWidth=1.5).encode(x, alt.X2("before"), color=color)
    ring = base.mark_point(size=50, strokeWidth=1.5).encode(alt.X("before:Q"), color=color, tooltip=said)
    dot = base.mark_circle(size=90, opacity=1).encode(alt.X("now:Q"), color=color, tooltip=said)
    text = base.mark_text(align="left", dx=8, style="label").encode(alt.Text("label:N"), x=alt.value("width"))
    layers = [*watermark(30, is_sample), *extremes("x"), path, ring, dot, text]
    return panel(layers, ROW_HEIGHT * len(names), f"{title}, newest report")


def _year_panel(role: Role, title: str, names: Sequence[str], window: Window, is_sample: bool) -> alt.LayerChart:
    x = time_axis("at", window, "report release")
    y = percentile_axis(SCALE)
    color = _color(names, "trader_group")
    dash = alt.Scale(domain=list(names), range=[_DASHES[i % len(_DASHES)] for i in range(len(names))])
    line = (
        alt.Chart(named(f"{role}_percentile"))
        .mark_line(interpolate="step-after", clip=True, invalid="break-paths-show-domains", strokeWidth=1.6)
        .encode(x, y, color, strokeDash=alt.StrokeDash("trader_group:N", scale=dash, legend=None))
    )
    lines = [SESSION, *(number(f"{name} {role}", ".0f", name) for name in names)]
    labels = edge_labels(f"{role}_labels", _color(names, "series"))
    layers = [*watermark(36, is_sample), *extremes("y"), *gaps(), line, crosshair(role, x, lines), labels]
    return panel(layers, SCALE.height, f"{title}, each report from its release on")


def _color(names: Sequence[str], field: str) -> alt.Color:
    colors = [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names), range=colors), legend=None)


def _description(title: str, titles: Mapping[Role, str], data: dict[str, Records]) -> str:
    said = [
        f"{titles[role]}: " + "; ".join(f"{row['market']} {row['label']}" for row in data[f"{role}_now"]) + "."
        for role in LEADING
    ]
    return f"{title}. Percentiles of net positions over 156 weeks, by market. {' '.join(said)}"
