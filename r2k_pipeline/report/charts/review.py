"""The weekly review of one market: linked panels of price, momentum and positions, and their text alternative.

Belongs here: which panels, in which order, over which data. Not here: what a panel looks like (*_panel*.py).
"""

from datetime import timedelta
from typing import Final

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.description import describe_review, say_no_positions
from r2k_pipeline.report.charts.figure import Figure, Records
from r2k_pipeline.report.charts.flow_panel import flow_panel, flow_rows
from r2k_pipeline.report.charts.known_rows import Known
from r2k_pipeline.report.charts.layout import Window, edge_rows, linked, message_panel
from r2k_pipeline.report.charts.momentum_panel import SCALE as MOMENTUM
from r2k_pipeline.report.charts.momentum_panel import momentum_panel
from r2k_pipeline.report.charts.position_panels import (
    groups_of,
    leading,
    net_panel,
    net_scale,
    percentile_panel,
    position_rows,
    report_rows,
)
from r2k_pipeline.report.charts.price_panel import AVERAGES, price_panel, price_rows, price_scale
from r2k_pipeline.report.charts.profile_panel import profile_panel
from r2k_pipeline.report.charts.release_steps import build_steps
from r2k_pipeline.report.charts.tooltip import SESSION, number, points
from r2k_pipeline.report.price_series import say_series, unit_of

MARGIN: Final = 0.01
"""Share of the window that is free on both sides."""
DAY: Final = timedelta(days=1)
PRICES: Final = ("open", "high", "low", "close", *AVERAGES)


def build_review(known: Known, is_sample: bool) -> Figure:
    """The figure of one market, which has at least one session."""
    moment, closes = known.moment, known.sessions["at"]
    span = closes[-1] - closes[0]
    window = closes[0] - max(MARGIN * span, DAY), closes[-1] + max(MARGIN * span, DAY)
    scale, steps = price_scale(known), _steps(known, window)
    data: dict[str, Records] = {"sample": [{"word": "SAMPLE"}] if is_sample else [], **price_rows(known, scale, window)}
    data |= {"momentum_labels": _momentum_labels(known.sessions)}
    unit = unit_of(moment.series, is_inverse=moment.is_inverse)
    prices = price_panel(scale, window, unit, [SESSION, *map(points, PRICES), number("rsi_14", ".1f")], is_sample)
    panels: list[alt.Chart | alt.LayerChart | alt.HConcatChart] = [
        alt.hconcat(prices, profile_panel(known, scale, is_sample), spacing=4),
        momentum_panel(window, [SESSION, number("rsi_14", ".1f")], is_sample),
    ]
    crossed = ["price", "momentum"]
    if steps.is_empty():
        data["sessions"] = _session_rows(known.sessions)
        panels.append(message_panel(say_no_positions(known)))
    else:
        groups, heavier = groups_of(steps), leading(groups_of(steps))
        report, data["reports"] = report_rows(steps, closes)
        data["sessions"] = _session_rows(known.sessions.with_columns(report))
        data |= position_rows(steps, window, moment.known_at)
        data |= {f"flows_{group}": flow_rows(steps, group) for group in heavier}
        panels += [net_panel(groups, net_scale(steps), window, is_sample), percentile_panel(groups, window, is_sample)]
        panels += [flow_panel(group, groups[group].name, window, is_sample) for group in reversed(heavier)]
        crossed += ["net", "percentile", *(f"flow_{group}" for group in reversed(heavier))]
    title = f"{moment.market} weekly review, {moment.session_date}" + (" · SAMPLE" if is_sample else "")
    chart = alt.vconcat(
        *panels,
        spacing=8,
        title=alt.TitleParams(title, subtitle=_subtitle(known)),
        params=linked(crossed),
    ).resolve_scale(color="independent", strokeDash="independent", fill="independent", stroke="independent")
    return Figure(
        f"{moment.market}-weekly-review", moment.market, title, describe_review(title, known, steps), chart, data
    )


def _steps(known: Known, window: Window) -> pl.DataFrame:
    steps = build_steps(known.vintages, known.moment.known_at)
    return steps.filter((pl.col("until") > window[0]) & pl.col("trader_group").is_in(list(groups_of(steps))))


def _session_rows(sessions: pl.DataFrame) -> Records:
    drawn = sessions.with_columns(pl.col(PRICES).round(2), pl.col("rsi_14").round(1))
    return drawn.to_dicts()


def _momentum_labels(sessions: pl.DataFrame) -> Records:
    rsi = sessions["rsi_14"][-1]
    return edge_rows([] if rsi is None else [(f"RSI {rsi:.1f}", rsi, "rsi_14")], MOMENTUM)


def _subtitle(known: Known) -> list[str]:
    moment = known.moment
    series = say_series(moment.symbol, moment.series, is_inverse=moment.is_inverse)
    known_at = f"{moment.name}: as known at {moment.known_at:%Y-%m-%d %H:%M} UTC, {len(known.sessions)} sessions"
    return [known_at, series] if series else [known_at]
