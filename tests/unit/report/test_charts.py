"""Charts without a lake that ran: labels, steps, contrast, and small lakes with little in them."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from r2k_pipeline.contracts.marts import Markets, PositioningVintages, TraderGroups
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.charts import figures
from r2k_pipeline.report.charts.figure import VEGA_LITE
from r2k_pipeline.report.charts.labels import Scale, spread_labels, spread_pixels
from r2k_pipeline.report.charts.outcome_rows import Outcomes
from r2k_pipeline.report.charts.outcomes import build_outcomes
from r2k_pipeline.report.charts.release_steps import build_gaps, build_path, build_steps, standing_at
from r2k_pipeline.report.charts.theme import DARK, LIGHT, PALETTE, Theme
from r2k_pipeline.tables.consolidations import Consolidations
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from tests import snapshots
from tests.sql.rows import rows_of
from tests.unit.published import mart_row, publish

END = datetime(2025, 3, 14, 20, tzinfo=UTC)
WEEK = ("2025-03-10", "2025-03-11", "2025-03-12", "2025-03-13", "2025-03-14")


def read_figures(*given: Any, **more: Any) -> figures.Figures:
    """The figures, whose tooltips are our own."""
    found = snapshots.read_figures(*given, **more)
    for figure in (*found.reviews, found.cross_market, found.outcomes):
        assert figure is None or all("expr" in said.get("value", {}) for said in tooltips(figure.spec())), figure
    return found


def valid(found: figures.Figures) -> figures.Figures:
    """The same, held against the schema of Vega-Lite, which takes as long as drawing them: once a kind of figure."""
    for figure in (*found.reviews, found.cross_market, found.outcomes):
        assert figure is None or figure.chart.to_dict(validate=True), figure
    return found


def tooltips(part: Any) -> Iterator[dict[str, Any]]:
    """Every tooltip of a spec; Vega-Lite's own lose text under a crosshair, write null as 0 and shift instants."""
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if name == "tooltip":
            yield inner
        elif name != "datasets":
            yield from tooltips(inner)


# labels


@given(st.lists(st.floats(0, 340), max_size=25))
def test_no_two_labels_overlap(wanted: list[float]) -> None:
    places = spread_pixels(sorted(wanted), 12, 340)
    assert all(after - before >= 12 - 1e-9 for before, after in itertools.pairwise(places))
    assert all(-1e-9 <= place <= 340 + 1e-9 for place in places)


@given(st.lists(st.floats(0, 340), min_size=1, max_size=20), st.data())
def test_labels_move_as_little_as_can_be(wanted: list[float], data: st.DataObject) -> None:
    wanted = sorted(wanted)
    places = spread_pixels(wanted, 12, 340)
    steps = data.draw(st.lists(st.floats(12, 15), min_size=len(wanted) - 1, max_size=len(wanted) - 1))
    start = data.draw(st.floats(0, 340 - sum(steps)))
    other = [start + sum(steps[:i]) for i in range(len(wanted))]

    def moved(to: list[float]) -> float:
        return sum((a - b) ** 2 for a, b in zip(to, wanted, strict=True))

    assert moved(places) <= moved(other) + 1e-6


def test_labels_that_have_room_stay() -> None:
    assert spread_labels([30.0, 10.0, 20.0], Scale(0, 40, 400)) == [30.0, 10.0, 20.0]


def test_labels_keep_their_order() -> None:
    placed = spread_labels([20.0, 20.1, 19.9], Scale(0, 40, 100))
    assert placed[1] > placed[0] > placed[2]


def test_more_labels_than_lines() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        spread_pixels([1.0] * 5, 12, 40)


# steps


def _vintages(*rows: tuple[str, str, float | None], group: str = "dealer") -> pl.DataFrame:
    """(report_date, known_at, net) as vintages."""
    return pl.DataFrame(
        {
            "trader_group": [group] * len(rows),
            "report_date": [date.fromisoformat(report) for report, _, _ in rows],
            "known_at": [datetime.fromisoformat(known).replace(tzinfo=UTC) for _, known, _ in rows],
            "superseded_at": pl.Series([None] * len(rows), dtype=pl.Datetime("us", "UTC")),
            "net": [net for _, _, net in rows],
        },
        schema_overrides={"known_at": pl.Datetime("us", "UTC"), "net": pl.Float64},
    )


def _known(steps: pl.DataFrame) -> list[tuple[str, str]]:
    return [(str(known.date()), str(until.date())) for known, until in steps.select("known_at", "until").rows()]


def test_a_report_stands_from_its_release_until_the_next() -> None:
    steps = build_steps(_vintages(("2025-03-04", "2025-03-07T20:30", 1), ("2025-03-11", "2025-03-14T19:30", 2)), END)
    assert _known(steps) == [("2025-03-07", "2025-03-14"), ("2025-03-14", "2025-03-14")]
    assert build_path(steps, "net")["at"].min() == datetime(2025, 3, 7, 20, 30, tzinfo=UTC)
    assert build_gaps(steps, datetime(2025, 3, 7, 20, 30, tzinfo=UTC), END) == []


def test_a_line_breaks_where_a_report_is_overdue() -> None:
    late = _vintages(("2018-12-18", "2018-12-21T20:30", 1), ("2018-12-24", "2019-02-01T20:30", 2))
    end = datetime(2019, 2, 4, tzinfo=UTC)
    steps = build_steps(late, end)
    assert _known(steps) == [("2018-12-21", "2019-01-01"), ("2019-02-01", "2019-02-04")]
    assert build_path(steps, "net")["net"].to_list() == [1, 1, None, 2, 2, None]
    ((start, stop),) = build_gaps(steps, datetime(2018, 12, 21, 20, 30, tzinfo=UTC), end)
    assert (stop - start).days == 31
    (standing,) = standing_at(steps, pl.Series([datetime(2019, 1, 15, tzinfo=UTC)]), "dealer")["net"]
    assert standing == 1, "what was known stays known"


def test_a_holiday_breaks_no_line() -> None:
    steps = build_steps(_vintages(("2024-12-24", "2024-12-27T20:30", 1), ("2024-12-31", "2025-01-06T20:30", 2)), END)
    assert build_path(steps, "net")["net"].to_list()[:2] == [1, 2]


def test_a_late_older_report_does_not_come_to_stand() -> None:
    steps = build_steps(_vintages(("2025-03-11", "2025-03-12T19:30", 2), ("2025-03-04", "2025-03-13T20:30", 1)), END)
    assert steps["report_date"].to_list() == [date(2025, 3, 11)]


def test_a_revision_stands_from_when_it_was_learned() -> None:
    steps = build_steps(_vintages(("2025-03-04", "2025-03-07T20:30", 1), ("2025-03-04", "2025-03-10T12:00", 3)), END)
    assert steps["net"].to_list() == [1, 3]
    assert _known(steps)[0] == ("2025-03-07", "2025-03-10")


def test_a_null_breaks_the_line() -> None:
    rows = [("2025-02-25", "2025-02-28T20:30", 1), ("2025-03-04", "2025-03-07T20:30", None)]
    steps = build_steps(_vintages(*rows, ("2025-03-11", "2025-03-14T19:30", 2)), END)
    assert build_path(steps, "net")["net"].to_list() == [1, 1, None, 2, 2, None]


def test_no_report_at_all_is_one_gap() -> None:
    start = END - timedelta(days=5)
    assert build_gaps(build_steps(_vintages(), END), start, END) == [(start, END)]


# looks


def _luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_contrast(theme: Theme) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for what else is needed to understand (1.4.11)."""
    assert _contrast(theme.ink, theme.background) >= 4.5
    assert all(_contrast(color, theme.background) >= 3 for color in (*PALETTE, theme.faint))
    texts = {theme.config["axis"][name] for name in ("labelColor", "titleColor")}
    texts |= {theme.config["style"][name]["color"] for name in ("label", "message")}
    assert texts == {theme.ink}


# small lakes


def _bar(day: str, close: float) -> dict[str, Any]:
    prices = {"open": close - 5, "high": close + 10, "low": close - 10, "close": close}
    return {"market": "RUT", "session_date": day, "known_at": f"{day}T20:00Z", **prices}


def _lake(folder: Path, days: tuple[str, ...] = WEEK, **more: Any) -> Lake:
    bars = [_bar(day, 2000.0 + 3 * i) for i, day in enumerate(days)]
    rows = [mart_row("RUT", day) for day in days]
    return publish(folder, rows, more={MarketBars: bars, **more.get("tables", {})}, source=more.get("source", "sample"))


def _png_size(png: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_one_week_without_reports(tmp_path: Path) -> None:
    found = valid(read_figures(_lake(tmp_path)))
    (review,) = found.reviews
    spec = review.spec()
    assert len(spec["datasets"]["sessions"]) == 5
    assert "No positions: no COT report on RUT known by 2025-03-14." in str(spec)
    assert "No moving average yet" in review.description
    assert found.cross_market is None
    assert found.outcomes is None
    notes = "\n".join(found.notes)
    assert "RUT: no COT report known by 2025-03-14" in notes
    assert "RUT: 5 sessions of history" in notes
    assert "cross-market: needs two markets with prices and positions, found 0" in notes
    assert "outcomes: no setup has an event" in notes
    width, height = _png_size(review.png(DARK, 1.0))
    assert width > 700
    assert height > 500


def test_a_single_session(tmp_path: Path) -> None:
    (review,) = read_figures(_lake(tmp_path, WEEK[:1])).reviews
    assert _png_size(review.png(scale=0.5))[0] > 300


def test_a_market_without_a_session(tmp_path: Path) -> None:
    found = read_figures(_lake(tmp_path), datetime(2025, 3, 1, tzinfo=UTC))
    assert found.reviews == ()
    assert "RUT: no finished session is known at this moment" in found.notes[0]


def test_a_market_without_bars(tmp_path: Path) -> None:
    found = read_figures(publish(tmp_path, [mart_row("RUT", "2025-03-14")]))
    assert found.reviews == ()
    assert "RUT: no bar in staging.market_bars by 2025-03-14" in found.notes[0]


def test_an_unknown_market(tmp_path: Path) -> None:
    with pytest.raises(R2kError, match="no market MID; next: one of RUT"):
        read_figures(_lake(tmp_path), markets=["MID"])


def test_no_warehouse(tmp_path: Path) -> None:
    with pytest.raises(R2kError, match="no warehouse yet"):
        read_figures(Lake.of(tmp_path, "sample"))


@pytest.mark.parametrize(("source", "is_marked"), [("sample", True), ("files", False)])
def test_the_sample_says_so(tmp_path: Path, source: str, is_marked: bool) -> None:
    (review,) = read_figures(_lake(tmp_path, source=source)).reviews
    spec = review.spec()
    assert ("SAMPLE" in review.title) == is_marked
    assert ("watermark" in str(spec["vconcat"])) == is_marked
    assert spec["datasets"]["sample"] == ([{"word": "SAMPLE"}] if is_marked else [])


def _position(report: str, known: str, net: float | None = 0.1, **more: Any) -> dict[str, Any]:
    key = {"market": "RUT", "report_type": "tff_futures", "report_date": report, "trader_group": "leveraged_funds"}
    return {**key, "known_at": known, "released_at": known, "net_share_oi": net, **more}


def test_positions_appear_at_the_close_after_their_release(tmp_path: Path) -> None:
    reports = [_position("2025-03-04", "2025-03-07T20:30Z"), _position("2025-03-11", "2025-03-14T19:30Z", 0.2)]
    lake = _lake(tmp_path, tables={PositioningVintages: reports})

    def drawn(as_of: str) -> set[str]:
        (review,) = read_figures(lake, datetime.fromisoformat(as_of)).reviews
        return {row["report_date"] for row in review.spec()["datasets"]["net"]}

    assert drawn("2025-03-14T15:00-04:00") == {"2025-03-04"}
    assert drawn("2025-03-14T15:45-04:00") == {"2025-03-04"}, "public, and the session is not over"
    assert drawn("2025-03-14T16:00-04:00") == {"2025-03-04", "2025-03-11"}
    (review,) = read_figures(lake).reviews
    released = {row["report_date"]: row["at"] for row in reversed(review.spec()["datasets"]["net"])}
    assert released["2025-03-11"] == "2025-03-14T19:30Z"


def test_a_report_overdue_before_the_window_is_not_called_unknown(tmp_path: Path) -> None:
    reports = [_position("2024-10-01", "2024-10-04T19:30Z", net_contracts=1.0, net_percentile_156w=77.0)]
    (review,) = read_figures(_lake(tmp_path, tables={PositioningVintages: reports})).reviews
    said = "No positions: the newest COT report on RUT, 2024-10-01, was overdue before these sessions."
    assert said in str(review.spec() | {"description": ""})
    assert said in review.description


def test_markets_side_by_side_show_the_newest_report_of_each_role_however_old(tmp_path: Path) -> None:
    groups = {
        "RUT": ("leveraged_funds", "asset_manager"),
        "GC": ("managed_money", "swap_dealer"),
        "ZZ": ("noncommercial",),
    }
    bars = [_bar(day, 2000.0) | {"market": market} for market in groups for day in WEEK]
    rows = [mart_row(market, day) for market in groups for day in WEEK]
    old, new = (
        _position(day, released, net_contracts=1.0, net_percentile_156w=77.0)
        for day, released in (("2024-10-01", "2024-10-04T19:30Z"), ("2025-03-04", "2025-03-07T20:30Z"))
    )
    reports = [
        (new if market == "ZZ" else old) | {"market": market, "trader_group": group}
        for market, named in groups.items()
        for group in named
    ]
    roles = [
        {"trader_group": group, "role": role}
        for named in groups.values()
        for group, role in zip(named, ("speculator", "institution"), strict=False)
    ]
    tables = {MarketBars: bars, PositioningVintages: reports, TraderGroups: roles}
    figure = valid(read_figures(publish(tmp_path, rows, more=tables))).cross_market
    assert figure is not None
    said = {
        role: [row["label"] for row in figure.spec()["datasets"][f"{role}_now"]]
        for role in ("speculator", "institution")
    }
    assert said == {
        "speculator": ["77, 2024-10-01", "77, 2024-10-01", "77, 2025-03-04"],
        "institution": ["77, 2024-10-01", "77, 2024-10-01", "no such group in its report"],
    }
    assert "Managed money (RUT: leveraged funds; ZZ: noncommercial), newest report" in str(figure.spec())
    assert "Swap dealers (RUT: asset managers): " in figure.description
    assert figure.spec()["datasets"]["gaps"] == [], "a report of one role is a report, in both panels"


def _range(start: str, low: float, high: float) -> dict[str, Any]:
    days = dict.fromkeys(("confirmed_date", "known_date", "first_confirmed_date"), "2025-03-12")
    edges = {"low": low, "core_low": low, "high": high, "core_high": high, "midpoint": (low + high) / 2}
    return {"market": "RUT", "start_date": start, **days, **edges, "known_at": "2025-03-12T21:00Z"}


def test_ranges_that_look_alike_are_one_box_and_what_fills_the_panel_is_none(tmp_path: Path) -> None:
    """VIX is inside of some forty nested ranges with the same edges: their shades made the panel one block."""
    nested = [_range(start, 2003.0, 2011.0) for start in ("1991-01-24", "1999-08-11", "2020-03-16")]
    ranges = [*nested, _range("1991-01-25", 9.0, 9000.0), _range("2025-03-11", 2003.0, 2011.0)]
    (review,) = valid(read_figures(_lake(tmp_path, tables={Consolidations: ranges}))).reviews
    drawn = [(row["start_date"], row["low"], row["high"]) for row in review.spec()["datasets"]["boxes"]]
    assert drawn == [("1991-01-24", 2003.0, 2011.0), ("2025-03-11", 2003.0, 2011.0)]
    assert review.description.count("2,003.00 to 2,011.00 since ") == 1


def test_a_week_without_whole_changes_is_marked(tmp_path: Path) -> None:
    report = _position("2025-03-04", "2025-03-07T20:30Z", change_basis="9 weeks since the report before")
    (review,) = valid(read_figures(_lake(tmp_path, tables={PositioningVintages: [report]}))).reviews
    (flow,) = review.spec()["datasets"]["flows_leveraged_funds"]
    assert flow["flow"] is None
    assert flow["why"] == "9 weeks since the report before"


def test_flows_stack_away_from_zero(tmp_path: Path) -> None:
    flows = {"new_longs_contracts": 5.0, "short_covering_contracts": 3.0, "long_liquidation_contracts": 0.0}
    changes = {"long_contracts_change_1w": 5.0, "short_contracts_change_1w": -3.0}
    report = _position("2025-03-04", "2025-03-07T20:30Z", **flows, new_shorts_contracts=0.0, **changes)
    (review,) = read_figures(_lake(tmp_path, tables={PositioningVintages: [report]})).reviews
    drawn = [(row["flow"], row["start"], row["stop"]) for row in review.spec()["datasets"]["flows_leveraged_funds"]]
    assert drawn == [("New longs", 0, 5), ("Short covering", 5, 8)]


def _views(part: Any) -> set[str]:
    """Names of the views in a spec."""
    parts = [*part.get("vconcat", ()), *part.get("hconcat", ()), *part.get("layer", ())]
    own = {part["name"]} if "name" in part else set()
    return own.union(*map(_views, parts))


def test_panels_are_linked(tmp_path: Path) -> None:
    reports = [_position("2025-03-04", "2025-03-07T20:30Z")]
    (review,) = read_figures(_lake(tmp_path, tables={PositioningVintages: reports})).reviews
    spec = review.spec()
    linked = {param["name"]: set(param["views"]) for param in spec["params"]}
    assert set(linked) == {"hover", "zoom"}
    assert all(len(views) == 6 and views <= _views(spec) for views in linked.values())
    assert "config" not in spec


def test_a_picture_is_small_and_looks_as_drawn(tmp_path: Path) -> None:
    (review,) = read_figures(_lake(tmp_path)).reviews
    png = review.png()
    drawn = vl_convert.vegalite_to_png(review.spec() | {"config": dict(LIGHT.config)}, vl_version=VEGA_LITE, scale=1.5)
    assert len(png) < len(drawn) / 4
    shown, expected = (np.asarray(Image.open(BytesIO(each)).convert("RGB"), np.int16) for each in (png, drawn))
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 0.5, "of 255"


def test_the_groups_of_another_report_are_drawn_by_their_roles(tmp_path: Path) -> None:
    """A market whose primary report is the legacy one: its speculator and its hedger lead."""
    market = {
        "market": "RUT",
        "name": "RUT",
        "index_symbol": "^RUT",
        "price_series": "index",
        "primary_report_type": "legacy_futures",
    }
    reports = [
        _position("2025-03-04", "2025-03-07T20:30Z", report_type="legacy_futures", trader_group=group)
        for group in ("noncommercial", "commercial", "nonreportable")
    ]
    tables = {PositioningVintages: [*reports, _position("2025-03-04", "2025-03-07T20:30Z")], Markets: [market]}
    (review,) = valid(read_figures(_lake(tmp_path, tables=tables))).reviews
    datasets = review.spec()["datasets"]
    assert {row["trader_group"] for row in datasets["net"]} == {"noncommercial", "commercial", "nonreportable"}
    assert {name for name in datasets if name.startswith("flows_")} == {"flows_noncommercial", "flows_commercial"}
    assert "noncommercial +10.0 % of open interest" in review.description


@pytest.mark.parametrize(("largest", "scale"), [(0.31, None), (4.9, "symlog")])
def test_one_return_of_an_index_of_volatility_does_not_squeeze_all_others(largest: float, scale: str | None) -> None:
    """VIX rose by 490 % in 60 sessions: on a linear axis the returns of shares are one line."""
    key = {"setup": "squeeze_risk", "market": "VX", "horizon_sessions": 60}
    statistics = rows_of(SetupOutcomes, [{**key, "events": 1, "independent_events": 1}])
    events = pl.DataFrame(
        {**key, "session_date": date(2020, 1, 15), "returned": largest}, schema_overrides={"returned": pl.Float64}
    )
    spec = build_outcomes(Outcomes(statistics, events), is_sample=False).spec()
    (axis,) = (
        layer["encoding"]["x"]
        for layer in spec["vconcat"][0]["layer"]
        if layer["encoding"].get("x", {}).get("field") == "returned"
    )
    assert axis["scale"].get("type") == scale
    assert any("logarithm" in line for line in spec["title"]["subtitle"]) == bool(scale)
