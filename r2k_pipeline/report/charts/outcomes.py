"""What followed named setups: every independent event and their mean, against all sessions.

Belongs here: the figure of outcomes. Not here: which events count (outcome_rows.py), statistics (transforms/).
"""

from typing import Any, Final

import altair as alt
import polars as pl

from r2k_pipeline.report.charts.figure import Figure, Record, Records
from r2k_pipeline.report.charts.layout import named, panel, watermark
from r2k_pipeline.report.charts.outcome_rows import Outcomes
from r2k_pipeline.report.charts.theme import BLUE, VERMILION
from r2k_pipeline.report.charts.tooltip import SESSION, Line, number, tooltip
from r2k_pipeline.transforms.setups import read_setups

ROW_HEIGHT: Final = 13
WIDE: Final = 100
"""Percent: the largest return of an axis that is not bent."""
LABELS: Final = 62
"""Pixels for the names of rows: a market and a horizon."""
_READING: Final = [
    "Rows: a market and a horizon of 5, 20 or 60 sessions. Axis: the return over it (of a yield: its contract's).",
    "Tick: return after one independent event. Dot: their mean; its tooltip has the test's reading.",
    "Diamond: mean of all sessions. n: independent events, of all events.",
    "Markets of the same weeks are one sample, not several; of many rows some stand apart by chance.",
]
_BENT: Final[dict[str, Any]] = {"type": "symlog", "constant": 10}
_BENT_TICKS: Final[dict[str, Any]] = {"values": [-50, -20, -10, 0, 10, 20, 50, 100, 200, 500]}
"""Of an axis with a return above 100 %, which would else show all others as one line."""
_STATISTICS: Final = ("mean_forward_return_ratio", "baseline_mean_return_ratio")
"""Without the interval of the mean: the test compares with other moments of the market, and may contradict it."""


def build_outcomes(outcomes: Outcomes, is_sample: bool) -> Figure:
    """The figure of all setups, a panel for each that has an event; at least one event is known."""
    named_setups, happened = outcomes.statistics["setup"].unique(maintain_order=True), set(outcomes.events["setup"])
    setups = [setup for setup in named_setups if setup in happened]
    others = ", ".join(setup.replace("_", " ") for setup in named_setups if setup not in happened)
    rows = _statistic_rows(outcomes.statistics)
    data: dict[str, Records] = {"sample": [{"word": "SAMPLE"}] if is_sample else []}
    for setup in setups:
        data[setup] = [row for row in rows if row["setup"] == setup]
        data[f"{setup}_events"] = _event_rows(outcomes.events.filter(pl.col("setup") == setup))
    extent = (100 * outcomes.events["returned"]).abs().max()
    assert isinstance(extent, float)  # there is an event
    panels = [_panel(setup, len(data[setup]), extent, is_sample) for setup in setups]
    bent = ["The axis is logarithmic, except near 0."] if extent > WIDE else []
    title = "What followed setups" + (" · SAMPLE" if is_sample else "")
    chart = alt.vconcat(
        *panels,
        spacing=8,
        title=alt.TitleParams(title, subtitle=[*_READING, *bent, *([f"No event yet: {others}."] if others else [])]),
    )
    return Figure("outcomes", None, title, _description(title, outcomes.statistics), chart, data)


def _named(row: Record) -> str:
    return f"{row['market']}, {row['horizon_sessions']}"


def _statistic_rows(statistics: pl.DataFrame) -> Records:
    """Statistics in percent; with too few events the label reads `too few`."""
    percent = statistics.with_columns((pl.col(_STATISTICS) * 100).round(2))
    return [
        {
            **{name.removesuffix("_ratio"): row[name] for name in _STATISTICS},
            "setup": row["setup"],
            "row": _named(row),
            "label": f"n {row['independent_events']} of {row['events']}"
            + (": too few" if row["mean_forward_return_ratio"] is None else ""),
            "reading": row["reading"],
        }
        for row in percent.to_dicts()
    ]


def _event_rows(events: pl.DataFrame) -> Records:
    return [
        {"row": _named(row), "session_date": row["session_date"], "returned": round(100 * row["returned"], 2)}
        for row in events.to_dicts()
    ]


def _panel(setup: str, rows: int, extent: float, is_sample: bool) -> alt.LayerChart:
    high, is_bent = round(1.05 * extent, 1), extent > WIDE
    x = alt.X(
        "returned:Q",
        title=None,
        scale=alt.Scale(domain=[max(-high, -WIDE), high], nice=False, **(_BENT if is_bent else {})),
        axis=alt.Axis(labelExpr="datum.label + ' %'", **(_BENT_TICKS if is_bent else {"tickCount": 7})),
    )
    y = alt.Y(
        "row:N",
        sort=None,
        title=None,
        axis=alt.Axis(minExtent=LABELS, maxExtent=LABELS, labelOverlap=False),
    )
    event = tooltip(Line("row"), SESSION, number("returned", "+.2f", "return, %"))
    events = alt.Chart(named(f"{setup}_events")).mark_tick(color=BLUE, size=ROW_HEIGHT - 4, thickness=1.2, opacity=0.6)
    base = alt.Chart(named(setup)).encode(y=y)
    means = [
        number("mean_forward_return", "+.2f", "mean return, %"),
        number("baseline_mean_return", "+.2f", "mean of all sessions, %"),
    ]
    said = tooltip(Line("row"), *means, Line("label"), Line("reading"))
    mean = base.mark_circle(color=VERMILION, size=55, opacity=1).encode(alt.X("mean_forward_return:Q"), tooltip=said)
    all_sessions = base.mark_point(style="baseline", shape="diamond", size=44, opacity=1).encode(
        alt.X("baseline_mean_return:Q")
    )
    text = base.mark_text(align="left", dx=8, style="label").encode(alt.Text("label:N"), x=alt.value("width"))
    zero = alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(style="reference").encode(alt.X("x:Q"))
    ticks = events.encode(x, y, tooltip=event)
    layers = [*watermark(40, is_sample), zero, ticks, mean, all_sessions, text]
    return panel(layers, ROW_HEIGHT * rows, setup.replace("_", " ").capitalize())


def _description(title: str, statistics: pl.DataFrame) -> str:
    """How many comparisons there are, how many of them stand out, and the largest sample."""
    judged = statistics.filter(pl.col("q_value").is_not_null())
    least: float | None = judged.select(pl.col("q_value").min()).item()
    said = f"{len(statistics)} rows of setup, market and horizon, {len(judged)} with enough events for statistics."
    if least is None:
        return f"{title}. {said}"
    apart = judged.filter(pl.col("q_value") <= read_setups().outcomes.false_discovery_rate)
    named_apart = "; ".join(
        f"{row['setup'].replace('_', ' ')} {_named(row)} sessions: mean "
        f"{100 * row['mean_forward_return_ratio']:+.1f} %, n {row['independent_events']}, q {row['q_value']:.2f}"
        for row in apart.to_dicts()
    )
    differ = f"Rows that differ from other moments of their market: {named_apart or 'none'}."
    return f"{title}. {said} {differ} The least q-value is {least:.2f}."
