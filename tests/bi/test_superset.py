"""The dashboard in a real Superset, over DuckDB and PostgreSQL: what it shows is what the warehouse holds.

Belongs here: what is imported, answered, refused and drawn. Not here: the files of the export (test_export.py).
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Response

from tests.bi.conftest import Shown
from tests.bi.superset_server import DASHBOARD, PASSWORD, USER
from tests.browser.conftest import chromium, page

__all__ = ["chromium", "page"]

INSTANT: Final = "epoch_us({0}) / 1000 as {0}"
"""Instants and days are answered in milliseconds since 1970."""
CLOSES: Final = f"""
    select {INSTANT.format("session_date")}, market, close, sma_50, sma_100, sma_200
    from marts.positioning_vs_technicals order by market, session_date"""
SHARES: Final = f"""
    select {INSTANT.format("released_at")}, market, trader_group, net_share_oi
    from marts.weekly_positioning where report_type = 'tff_futures' order by market, trader_group, released_at"""
PERCENTILES: Final = """
    select market, trader_group, net_percentile_156w from marts.weekly_positioning
    where report_type = 'tff_futures' and report_date = (select max(report_date) from marts.weekly_positioning)
    order by market, trader_group"""
OUTCOMES: Final = """
    select market, setup, horizon_sessions, independent_events, mean_forward_return_ratio, mean_low_ratio,
        mean_high_ratio, baseline_mean_return_ratio, hit_rate_ratio, q_value
    from marts.setup_outcomes order by market, setup, horizon_sessions"""
GENERATION: Final = f"""
    select label, {INSTANT.format("as_of")}, {INSTANT.format("published_at")}, generation_id, r2k_version
    from meta.generation"""
CHARTS: Final = {
    "Close and moving averages": CLOSES,
    "Net share of open interest": SHARES,
    "Net percentile over 156 weeks": PERCENTILES,
    "What followed each setup": OUTCOMES,
    "What is shown": GENERATION,
}
"""Each chart, and the same asked of the warehouse in other words (the sample has no revisions)."""
WRITES: Final = (
    "create table {0}.mine (a integer)",
    "create or replace view {0}.weekly_positioning as select 1 as a",
    "insert into {0}.weekly_positioning (market) values ('XXX')",
    "update {0}.weekly_positioning set market = 'XXX'",
    "delete from {0}.weekly_positioning",
    "drop table {0}.weekly_positioning",
)
BEYOND: Final = (
    "copy (select 1 as a) to '{0}'",
    "select * from read_text('{0}')",
    "attach '{0}' as mine",
    "set enable_external_access = true",
    "set timezone = 'Asia/Tokyo'",
)
"""What a reader of a DuckDB file could still do to the machine, were it not switched off."""


DRAWN_SECONDS: Final = 60
COLOURS: Final = """charts => charts.map(canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 128) colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
    }
    return colours.size;
})"""
"""How many colours there are on each canvas: an empty one has few."""


def _same(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """Row by row, numbers to the last digits that JSON and milliseconds keep."""
    assert expected, "nothing is expected"
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        near = (pytest.approx(value, rel=1e-12, abs=0) if isinstance(value, float) else value for value in wanted)
        assert row == tuple(near)


@pytest.mark.parametrize("chart", CHARTS)
def test_charts_show_what_the_warehouse_holds(shown: Shown, chart: str) -> None:
    _same([tuple(row.values()) for row in shown.superset.rows(chart)], shown.expected(CHARTS[chart]))


def test_time_filters_are_in_utc(shown: Shown) -> None:
    """A release at 20:30 UTC is in the hour from 20:00 UTC, whatever the zone of the server."""
    ((day, keys),) = shown.expected(
        "select strftime(released_at::timestamp, '%Y-%m-%d'), count(*) from marts.weekly_positioning "
        "where report_type = 'tff_futures' and hour(released_at at time zone 'UTC') = 20 "
        "group by all order by 1 desc limit 1"
    )
    chart = shown.superset.get(f"chart/{shown.superset.charts()['Net share of open interest']}")
    question = json.loads(chart["query_context"])
    bounds = {"granularity": "known_at", "time_range": f"{day}T20:00:00 : {day}T21:00:00"}
    question["queries"] = [query | bounds for query in question["queries"]]
    (answer,) = shown.superset.result(shown.superset.ask("POST", "chart/data", json=question))
    assert len(answer["data"]) == keys


def test_macros_answer_in_sql_lab(shown: Shown) -> None:
    if shown.database:
        pytest.skip("macros are DuckDB's")
    answer = shown.superset.sql("select market, close from as_of('2025-03-14 21:00:00+00')")
    assert answer.is_success, answer.text
    rows = [tuple(row.values()) for row in answer.json()["data"]]
    _same(rows, shown.expected("select market, close from as_of('2025-03-14 21:00:00+00')"))


@pytest.mark.parametrize("dml_allowed", [False, True], ids=["by Superset", "by the database"])
def test_writes_are_refused(shown: Shown, dml_allowed: bool) -> None:
    before = hashlib.sha256(shown.warehouse.read_bytes()).hexdigest()
    database = f"database/{shown.superset.database_id()}"
    assert shown.superset.ask("PUT", database, json={"allow_dml": dml_allowed}).is_success
    try:
        answers = {write: shown.superset.sql(write.format(shown.schema)) for write in WRITES}
    finally:
        assert shown.superset.ask("PUT", database, json={"allow_dml": False}).is_success
    for write, answer in answers.items():
        assert not answer.is_success, write
        said = answer.json()["errors"][0]
        if dml_allowed:
            assert re.search("read-only|permission denied", said["message"]), f"{write}: {said}"
        else:
            assert said["error_type"] == "DML_NOT_ALLOWED_ERROR", f"{write}: {said}"
    assert hashlib.sha256(shown.warehouse.read_bytes()).hexdigest() == before


def test_sql_reaches_no_other_file(shown: Shown, tmp_path: Path) -> None:
    if shown.database:
        pytest.skip("the server's files are PostgreSQL's to guard")
    other = tmp_path / "other"
    other.write_text("secret")
    for query in BEYOND:
        answer = shown.superset.sql(query.format(other))
        assert not answer.is_success, query
        assert "secret" not in answer.text
    assert other.read_text() == "secret"


def test_the_dashboard_is_drawn(shown: Shown, page: Page) -> None:
    answers: list[Response] = []
    left: list[str] = []
    page.on("response", lambda answer: answers.append(answer) if "/api/v1/chart/data" in answer.url else None)
    # What the page's policy refuses is asked for and never sent.
    page.on("requestfinished", lambda asked: left.append(asked.url))
    _open_dashboard(shown, page)
    for chart in CHARTS:
        drawn = page.locator(f'[data-test-chart-name="{chart}"]')
        drawn.locator("canvas, tbody tr").first.wait_for(timeout=DRAWN_SECONDS * 1000)
    page.wait_for_function("() => !document.querySelector('.loading, [data-test=loading-indicator]')")
    page.wait_for_timeout(2000)  # the lines are drawn from left to right
    assert min(page.locator("[data-test-chart-name] canvas").evaluate_all(COLOURS)) > 20
    assert not page.locator('[role="alert"]').all_inner_texts()
    assert "SAMPLE" in page.locator('[data-test-chart-name="What is shown"]').inner_text()
    elsewhere = [url for url in left if not url.startswith((shown.superset.address, "data:", "blob:"))]
    assert not elsewhere
    _same_as_asked_by_the_page(shown, answers)


def _open_dashboard(shown: Shown, page: Page) -> None:
    page.set_viewport_size({"width": 1600, "height": 1800})
    # The form is mounted anew while the page still loads, and forgets what was typed.
    # Going on at once after signing in would sometimes be faster than the session: the form itself leads there.
    wanted = f"{shown.superset.address}/superset/dashboard/{DASHBOARD}/"
    page.goto(f"{shown.superset.address}/login/?{urlencode({'next': wanted})}", wait_until="networkidle")
    page.fill("input#username", USER)
    page.fill("input#password", PASSWORD)
    page.press("input#password", "Enter")
    page.wait_for_url(lambda url: url.startswith(wanted))


def _same_as_asked_by_the_page(shown: Shown, answers: list[Response]) -> None:
    """The page asks for one market, as its filter says; its closes and outcomes are the warehouse's."""
    names = {number: name for name, number in shown.superset.charts().items()}
    data = {}
    for answer in answers:
        asked = answer.request.post_data_json["form_data"]
        if "slice_id" in asked:
            data[names[asked["slice_id"]]] = answer.json()["result"][0]["data"]
    assert data.keys() == CHARTS.keys()
    closes = sorted((row["session_date"], row["close, RUT"]) for row in data["Close and moving averages"])
    wanted = f"select {INSTANT.format('session_date')}, close from marts.positioning_vs_technicals where market = 'RUT'"
    _same(closes, shown.expected(f"{wanted} order by session_date"))
    outcomes = [tuple(row.values()) for row in data["What followed each setup"]]
    _same(outcomes, [row for row in shown.expected(OUTCOMES) if row[0] == "RUT"])


def test_the_next_question_sees_a_new_generation(shown: Shown) -> None:
    """Superset keeps no connection and no result, so nobody has to restart or refresh anything."""
    before = shown.superset.rows("What is shown")
    shown.publish()
    (after,) = shown.superset.rows("What is shown")
    assert after["published_at"] > before[0]["published_at"]
    _same([tuple(after.values())], shown.expected(GENERATION))
    _same(
        [tuple(row.values()) for row in shown.superset.rows("Net percentile over 156 weeks")],
        shown.expected(PERCENTILES),
    )
