"""A review in words, for readers who cannot see its panels.

Belongs here: the text alternative, with the figures of the picture. Not here: a judgement of them (report/brief*.py).
"""

from collections.abc import Iterator

import polars as pl

from r2k_pipeline.report.charts.known_rows import Known
from r2k_pipeline.report.charts.position_panels import groups_of
from r2k_pipeline.report.charts.price_panel import AVERAGES
from r2k_pipeline.report.price_series import say_series, unit_of


def describe_review(title: str, known: Known, steps: pl.DataFrame) -> str:
    """Sentences in the order of the panels; `steps` are those drawn."""
    return " ".join([f"{title}.", *_prices(known), *_zones(known), *_profile(known), *_positions(known, steps)])


def _prices(known: Known) -> Iterator[str]:
    sessions = known.sessions
    last = sessions.row(-1, named=True)
    days = f"{len(sessions)} sessions from {sessions['session_date'][0]} to {last['session_date']}"
    low, high = sessions.select(pl.col("low").min(), pl.col("high").max()).row(0)
    moment = known.moment
    unit = unit_of(moment.series, is_inverse=moment.is_inverse)
    yield f"Candles of {days}, between {low:,.2f} and {high:,.2f} {unit}."
    if series := say_series(moment.symbol, moment.series, is_inverse=moment.is_inverse):
        yield f"{series}."
    yield f"Last close {last['close']:,.2f}."
    said = [f"{name.upper().replace('_', ' ')} {last[name]:,.2f}" for name in AVERAGES if last[name] is not None]
    yield f"{', '.join(said)}." if said else "No moving average yet: the shortest needs 50 sessions."
    yield f"RSI(14) {last['rsi_14']:.1f}." if last["rsi_14"] is not None else "No RSI yet: it needs 15 sessions."


def _zones(known: Known) -> Iterator[str]:
    for row in known.levels.filter(role="around").to_dicts():
        yield f"Zone around the close: {row['low']:,.2f} to {row['high']:,.2f}."
    for role in ("support", "resistance"):
        zones = known.levels.filter(pl.col("role") == role).sort(pl.col("distance_atr").abs())["price"]
        yield f"{role.capitalize()}: {', '.join(f'{price:,.2f}' for price in zones) or 'none'}."
    opened = known.boxes.filter(pl.col("end_date").is_null()).unique(["low", "high"], keep="first", maintain_order=True)
    if len(opened):
        spans = [f"{row['low']:,.2f} to {row['high']:,.2f} since {row['start_date']}" for row in opened.to_dicts()]
        yield f"Open consolidation: {'; '.join(spans)}."


def _profile(known: Known) -> Iterator[str]:
    for row in known.profile.to_dicts():
        what = f"volume of {row['volume_symbol']}" if row["method"] == "proxy_volume" else "time at price"
        area = f"value area {row['value_area_low']:,.2f} to {row['value_area_high']:,.2f}"
        yield f"Profile ({what}, since {row['start_date']}): point of control {row['poc']:,.2f}, {area}."


def _positions(known: Known, steps: pl.DataFrame) -> Iterator[str]:
    if steps.is_empty():
        yield say_no_positions(known)
        return
    newest = steps.filter(pl.col("report_date") == pl.col("report_date").max())
    report, released = newest.select("report_date", "released_at").row(0)
    yield f"Newest report: {report}, released {released:%Y-%m-%d %H:%M} UTC."
    if newest["until"].max() != known.moment.known_at:
        yield "The next one was overdue at the end of the window: lines end before it."
    values = {row["trader_group"]: row for row in newest.to_dicts()}
    said = [_group(look.name, values[group]) for group, look in groups_of(newest).items() if group in values]
    yield f"Net positions: {'; '.join(said)}."


def say_no_positions(known: Known) -> str:
    """Why no positions are drawn: no report was known, or the newest was overdue before the first session shown."""
    moment = known.moment
    stands = pl.col("superseded_at").is_null() | (pl.col("superseded_at") > moment.known_at)
    reports = known.vintages.filter(stands, pl.col("trader_group").is_in(list(groups_of(known.vintages))))[
        "report_date"
    ]
    if reports.is_empty():
        return f"No positions: no COT report on {moment.market} known by {moment.session_date}."
    newest = f"the newest COT report on {moment.market}, {reports.sort()[-1]}"
    return f"No positions: {newest}, was overdue before these sessions."


def _group(name: str, row: dict[str, float | None]) -> str:
    share, percentile = row["net_share_oi"], row["net_percentile_156w"]
    net = "not known" if share is None else f"{100 * share:+.1f} % of open interest"
    return f"{name.lower()} {net}" + ("" if percentile is None else f", percentile {percentile:.0f} over 156 weeks")
