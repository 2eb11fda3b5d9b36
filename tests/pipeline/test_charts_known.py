"""Figures of lakes that ran: what is drawn is what the tables say, and nothing that was not known yet."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from r2k_pipeline.report.charts.figure import VEGA_LITE
from r2k_pipeline.report.charts.figures import Figures
from r2k_pipeline.report.charts.known_rows import SESSIONS, read_known, read_moments
from r2k_pipeline.report.site.drawn import Drawn
from r2k_pipeline.report.site.pictures import THUMBNAIL_BYTES, picture_of, thumbnail
from r2k_pipeline.snapshot import reading
from tests.lakes import Published
from tests.snapshots import read_figures

LIMIT = 250_000
"""Bytes of one market's spec, and of its picture at one and a half pixels to a point."""
GROUPS = ("leveraged_funds", "asset_manager")
MOMENTS = ("2025-07-03T18:00Z", "2025-11-05T22:00Z", "2025-11-28T19:00Z")
"""A half-day, within the shutdown of 2025, and while its reports were being caught up on."""


@cache
def _data(lake: Published, as_of: str | None = None, market: str = "RUT") -> dict[str, list[dict[str, Any]]]:
    moment = None if as_of is None else datetime.fromisoformat(as_of)
    (review,) = read_figures(lake.lake, moment, [market]).reviews
    datasets: dict[str, list[dict[str, Any]]] = review.spec()["datasets"]
    return datasets


@pytest.fixture(scope="module")
def newest(sample: Published) -> Figures:
    """All figures of the sample."""
    return read_figures(sample.lake)


def test_every_figure_is_there(newest: Figures) -> None:
    assert [review.market for review in newest.reviews] == ["RUT", "SPX", "NDX", "DJI"]
    assert newest.cross_market is not None
    assert newest.outcomes is not None
    assert newest.notes == ()


def test_figures_are_valid_vega_lite(newest: Figures) -> None:
    for figure in (*newest.reviews, newest.cross_market, newest.outcomes):
        assert figure is not None
        assert f"/v{VEGA_LITE}." in figure.chart.to_dict(validate=True)["$schema"], figure.name


def test_figures_are_small(newest: Figures) -> None:
    for figure in (*newest.reviews, newest.cross_market, newest.outcomes):
        assert figure is not None
        assert len(json.dumps(figure.spec())) < LIMIT, figure.name
    for figure in (newest.reviews[2], newest.cross_market, newest.outcomes):
        assert figure is not None
        png = figure.png()
        assert png.startswith(b"\x89PNG")
        assert len(png) < LIMIT, figure.name


def test_thumbnails_fit_the_event_log(newest: Figures, tmp_path: Path) -> None:
    """Of what the test before has drawn."""
    nothing = Drawn(tmp_path)
    for figure in (newest.reviews[2], newest.cross_market, newest.outcomes):
        assert figure is not None
        png = thumbnail(picture_of(figure, nothing))
        assert 10_000 < len(png) <= THUMBNAIL_BYTES, figure.name


@pytest.mark.parametrize("as_of", [None, *MOMENTS])
def test_positions_drawn_are_those_of_the_mart(sample: Published, as_of: str | None) -> None:
    data = _data(sample, as_of)
    reports = {row["report"]: row for row in data["reports"]}
    drawn = [
        (
            row["session_date"],
            reports[row["report"]]["report_date"],
            *(reports[row["report"]][f"{group}_{measure}"] for group in GROUPS for measure in ("net", "percentile")),
        )
        for row in data["sessions"]
    ]
    columns = ", ".join(
        f"round(100 * {group}_net_share_oi, 2), round({group}_net_percentile_156w, 1)" for group in GROUPS
    )
    mart = sample.query(f"""
        select session_date::text, report_date::text, {columns} from marts.positioning_vs_technicals
        where market = 'RUT' and known_at <= '{as_of or "infinity"}'::timestamptz
        order by session_date desc limit {SESSIONS}""")
    assert drawn == mart[::-1]


def test_prices_drawn_are_those_of_the_tables(sample: Published) -> None:
    drawn = [
        tuple(row[name] for name in ("session_date", "open", "high", "low", "close", "sma_200", "rsi_14"))
        for row in _data(sample)["sessions"]
    ]
    tables = sample.query(f"""
        select session_date::text, round(open, 2), round(high, 2), round(low, 2), round(bar.close, 2),
            round(sma_200, 2), round(rsi_14, 1)
        from staging.market_bars as bar join features.daily_indicators using (market, session_date)
        where market = 'RUT' and superseded_at is null order by session_date desc limit {SESSIONS}""")
    assert drawn == tables[::-1]


@pytest.mark.parametrize("as_of", MOMENTS)
def test_nothing_is_drawn_before_it_was_known(sample: Published, as_of: str) -> None:
    data, moment = _data(sample, as_of), datetime.fromisoformat(as_of)
    last = data["sessions"][-1]["session_date"]
    assert last <= as_of[:10]
    known = [row["at"] for name in ("sessions", "net", "percentile", "flows_asset_manager") for row in data[name]]
    known += [row["released_at"] for row in data["reports"]]
    assert max(datetime.fromisoformat(at) for at in known) <= moment
    assert max(row["confirmed_date"] for name in ("boxes", "zones") for row in data[name]) <= last
    assert all(row["end_date"] is None or row["end_date"] <= last for row in data["boxes"])


@pytest.mark.parametrize("as_of", [None, *MOMENTS])
@pytest.mark.parametrize("market", ["RUT", "SPX"])
def test_bins_are_those_of_the_published_profile(sample: Published, market: str, as_of: str | None) -> None:
    moment = None if as_of is None else datetime.fromisoformat(as_of)
    with reading(sample.lake, moment) as snapshot:
        (asked,) = (one for one in read_moments(snapshot) if one.market == market)
        known = read_known(snapshot, asked)
    (profile,) = known.profile.to_dicts()
    fullest = known.bins.sort("volume").tail(1)
    assert (fullest["bin_low"] + fullest["bin_high"]).item() / 2 == pytest.approx(profile["poc"], rel=1e-9)
    low, high = profile["value_area_low"], profile["value_area_high"]
    inside = known.bins.filter((pl.col("bin_low") >= low * (1 - 1e-9)) & (pl.col("bin_high") <= high * (1 + 1e-9)))
    assert inside["bin_low"][0] == pytest.approx(low, rel=1e-9)
    assert inside["bin_high"][-1] == pytest.approx(high, rel=1e-9)
    share, last_pair = (
        bins["volume"].sum() / known.bins["volume"].sum() for bins in (inside, inside.top_k(2, by="volume"))
    )
    assert 0.7 <= share < 0.7 + last_pair, "grown by two bins at a time until it holds 70 %"


def test_a_shutdown_is_a_gap(sample: Published) -> None:
    """No report came out from 2025-10-01 to 2025-11-18."""
    data = _data(sample)
    ((start, end),) = ((row["from"][:10], row["to"][:10]) for row in data["gaps"])
    assert (start, end) == ("2025-10-07", "2025-11-19")
    in_gap = [row for row in data["net"] if start < row["at"][:10] < end]
    assert in_gap == []
    assert any(row["net"] is None and row["at"][:10] == start for row in data["net"]), "the line breaks"


def test_outcomes_show_every_independent_event(sample: Published, newest: Figures) -> None:
    assert newest.outcomes is not None
    data = newest.outcomes.spec()["datasets"]
    shown = sum(len(rows) for name, rows in data.items() if name.endswith("_events"))
    assert [(shown,)] == sample.query("select sum(independent_events)::bigint from marts.setup_outcomes")
    assert shown > 0


def test_outcomes_at_an_earlier_moment_have_no_later_event(sample: Published) -> None:
    found = read_figures(sample.lake, datetime(2025, 3, 14, 21, tzinfo=UTC), ["RUT", "SPX"])
    assert found.outcomes is not None
    data = found.outcomes.spec()["datasets"]
    days = [row["session_date"] for name, rows in data.items() if name.endswith("_events") for row in rows]
    assert days
    assert max(days) < "2025-03-14"
    assert found.cross_market is not None


def test_the_notes_friday(from_real: Published) -> None:
    """The report of 2025-03-11 came out on Friday 2025-03-14 at 15:30 in New York."""

    def drawn(as_of: str) -> set[str]:
        data = _data(from_real, as_of)
        return {row["report_date"] for name in ("net", "percentile", "reports") for row in data[name]}

    assert "2025-03-11" not in drawn("2025-03-14T15:00-04:00")
    assert "2025-03-11" in drawn("2025-03-14T16:00-04:00")
    (released,) = {row["at"] for row in _data(from_real, "2025-03-21T16:00-04:00")["flows_leveraged_funds"]
                   if row["report_date"] == "2025-03-11"}  # fmt: skip
    assert released == "2025-03-14T19:30Z"


def test_the_shutdown_of_2018(from_real: Published) -> None:
    """The report of 2018-12-24 came out on 2019-02-01."""
    ((start, end),) = ((row["from"][:10], row["to"][:10]) for row in _data(from_real, "2019-02-20T21:00Z")["gaps"])
    assert (start, end) == ("2019-01-01", "2019-02-01")
    ((_, until),) = ((row["from"][:10], row["to"][:10]) for row in _data(from_real, "2019-01-25T21:00Z")["gaps"])
    assert until == "2019-01-25", "still overdue"
