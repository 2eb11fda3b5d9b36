"""The site of small lakes: what is missing is said, what is hostile is escaped, what fails leaves the old site.

Belongs here: pages, tables, the swap. Not here: the sample's site and its asset (tests/pipeline/test_report_asset.py),
the browser (tests/browser/test_site.py).
"""

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.contracts.marts import Markets, PositioningVintages
from r2k_pipeline.contracts.meta import Quarantine
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.brief_statements import DECIMALS, PERCENT
from r2k_pipeline.report.site.drawn import Drawn
from r2k_pipeline.report.site.publish import Site, publish_site
from r2k_pipeline.report.site.replace_folder import ABANDONED_SECONDS, swap_in
from r2k_pipeline.report.site.tables import SHORT_UNITS, Asked, Column, build_table
from r2k_pipeline.settings import Settings, SourceName
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from r2k_pipeline.vendors import in_full
from tests.site_pages import Site as Pages
from tests.unit.published import mart_row, publish

HOSTILE: Final = '<img src=x onerror="alert(1)">&\'"</script><script>alert(2)</script>'
DAYS: Final = ("2025-03-10", "2025-03-11", "2025-03-12", "2025-03-13", "2025-03-14")
VINTAGE: Final = {
    "market": "RUT",
    "report_type": "tff_futures",
    "trader_group": "asset_manager",
    "contract_codes": "239742",
    "net_contracts": 1000.0,
    "release_basis": "scheduled",
}


def week(market: str = "RUT") -> list[dict[str, object]]:
    """One week of a market, nothing but closes."""
    return [mart_row(market, day, close=2000.0 + i) for i, day in enumerate(DAYS)]


def test_every_unit_of_the_site_and_the_brief_is_one_of_the_contracts() -> None:
    units = {unit for table in TABLES.values() for unit in table.units().values()}
    assert not {*SHORT_UNITS, *PERCENT, *DECIMALS} - units


def write(folder: Path, *, market: str | None = None, as_of: str | None = None, source: SourceName = "sample") -> Site:
    """The site of a lake in `folder`, the sample's unless another is said."""
    moment = None if as_of is None else datetime.fromisoformat(as_of)
    return publish_site(Settings(source=source, lake=folder, as_of=moment), market)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """The site of one week of a market without reports whose name is hostile, and of a market without sessions."""
    folder = tmp_path_factory.mktemp("small")
    listed = [
        {"market": "RUT", "name": HOSTILE, "index_symbol": "^RUT", "price_series": "index", "calendar": "XNYS"},
        {"market": "SPX", "name": "S&P 500", "index_symbol": "^GSPC", "price_series": "index", "calendar": "XNYS"},
    ]
    refused = {
        "table_name": "raw.price_bars",
        "source": HOSTILE,
        "row_key": HOSTILE,
        "rule": "r",
        "row_values": HOSTILE,
    }
    refused["recorded_at"] = "2025-03-14T20:00Z"
    publish(folder, week(), more={Markets: listed, Quarantine: [refused]})
    return Pages(write(folder).folder)


def test_a_week_without_reports_is_shown_with_what_is_missing(small: Pages) -> None:
    assert {"index.html", "RUT.html", "claims.html", "outcomes.html", "quality.html", "dictionary.html"} == set(
        small.pages
    )
    text = small.pages["RUT.html"].text
    assert "2,004.00" in text
    assert "No COT report of this market is known at this moment" in text
    assert "No level is known at this close" in text
    assert small.pages["index.html"].text.count("SPX: no finished session is known at this moment") == 1


def test_what_a_vendor_wrote_is_text(small: Pages) -> None:
    for page in small.pages.values():
        assert not [given for _, given in page.tags if any(name.startswith("on") for name in given)]
        assert not [given for tag, given in page.tags if tag == "script" and "src" not in given]
        assert "alert(1)" not in page.file.read_text("utf-8") or HOSTILE in page.text
    assert HOSTILE in small.pages["RUT.html"].text
    assert HOSTILE in small.pages["quality.html"].text


def test_every_page_says_what_it_is(small: Pages) -> None:
    for name, page in small.pages.items():
        assert page.text.count("SAMPLE: synthetic data") >= 2, name
        assert "0123456789abcdef" in page.text, name
        assert "Known at: 2025-03-14 22:00 UTC" in page.text.replace("Known at", "Known at:"), name


def test_every_page_says_whose_data_it_is_and_that_it_is_no_advice(small: Pages, tmp_path: Path) -> None:
    publish(tmp_path, week(), source="files")
    real = Pages(write(tmp_path, source="files").folder)
    for site, is_sample in ((small, True), (real, False)):
        for name, page in site.pages.items():
            assert [text for text in in_full(is_sample=is_sample) if text not in page.text] == [], name
    assert "Commodity Futures Trading Commission" not in small.pages["RUT.html"].text, "it wrote none of the sample"


def test_links_lead_somewhere_and_nothing_is_asked_of_a_network(small: Pages) -> None:
    assert not small.broken_links()


def test_pages_are_built_for_screen_readers(small: Pages) -> None:
    for name, page in small.pages.items():
        tags = [tag for tag, _ in page.tags]
        assert {"main", "header", "footer", "nav"} <= set(tags), name
        assert ("html", {"lang": "en"}) in page.tags
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False)), name
        assert len(page.ids) == len(set(page.ids)), name
        assert tags.count("table") == tags.count("caption")
        assert all(given.get("scope") for tag, given in page.tags if tag == "th"), name
        assert all("alt" in given for tag, given in page.tags if tag == "img"), name


def test_every_header_leads_to_the_dictionary(small: Pages) -> None:
    headers = [header for name, page in small.pages.items() if name != "dictionary.html" for header in page.headers]
    assert headers
    assert all(header.startswith("dictionary.html#") for header in headers)


def test_without_a_warehouse_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(R2kError, match="no warehouse yet; next: r2k run"):
        write(tmp_path)
    assert not list(tmp_path.rglob("*.html"))


def test_a_lake_without_sessions_leaves_the_old_site(tmp_path: Path) -> None:
    publish(tmp_path, week())
    before = write(tmp_path).index.read_bytes()
    publish(tmp_path, [])
    with pytest.raises(R2kError, match="no market has prices"):
        write(tmp_path)
    assert (Lake.of(tmp_path, "sample").report() / "index.html").read_bytes() == before


def test_a_market_that_is_not_there_is_named(tmp_path: Path) -> None:
    publish(tmp_path, week())
    with pytest.raises(R2kError, match="MID"):
        write(tmp_path, market="MID")


REPORTED: Final = {"report_date": "2025-03-04", "released_at": "2025-03-07T20:30Z"}
LEDGER: Final = REPORTED | {"scheduled_at": "2025-03-07T20:30Z"}


def test_one_market_has_a_site_of_its_own(tmp_path: Path) -> None:
    held = VINTAGE | REPORTED | {"known_at": "2025-03-07T20:30Z"}
    publish(tmp_path, [*week(), *week("SPX")], more={PositioningVintages: [held], CotReleases: [LEDGER]})
    assert write(tmp_path).folder.name == "report"
    alone = write(tmp_path, market="SPX")
    assert alone.folder.name == "report-SPX"
    assert "SPX.html" in alone.pages
    assert "RUT.html" not in alone.pages
    assert not Pages(alone.folder).broken_links()
    assert (Lake.of(tmp_path, "sample").report() / "RUT.html").exists()


def test_a_market_with_positions_alone_is_listed_and_has_no_page(tmp_path: Path) -> None:
    of_gold = VINTAGE | REPORTED | {"market": "GC", "known_at": "2025-03-07T20:30Z"}
    publish(tmp_path, week(), more={PositioningVintages: [of_gold], CotReleases: [LEDGER]})
    site = Pages(write(tmp_path).folder)
    assert "GC tff futures 2025-03-04" in site.pages["quality.html"].text
    assert "GC.html" not in site.pages
    assert not site.broken_links()


def test_the_overview_shows_the_positions_of_each_markets_own_groups(tmp_path: Path) -> None:
    of_gold = {
        "speculator_label": "managed money",
        "speculator_positioning_state": "extreme_long",
        "institution_label": "swap dealers",
        "institution_positioning_state": "extreme_short",
    }
    of_russell = {"speculator_label": "leveraged funds", "speculator_positioning_state": "neutral"}
    rows = [mart_row("GC", DAYS[-1], **of_gold), mart_row("RUT", DAYS[-1], **of_russell)]
    publish(tmp_path, rows)
    first = Pages(write(tmp_path).folder).pages["index.html"].text
    assert "extreme long" in first
    assert "extreme short" in first
    assert "The speculators are managed money or leveraged funds. The institutions are swap dealers." in first


def test_a_past_moment_knows_nothing_later(tmp_path: Path) -> None:
    first = VINTAGE | {"report_date": "2025-03-04", "released_at": "2025-03-07T20:30Z"}
    revised = first | {"net_contracts": 8888.0, "known_at": "2025-03-13T12:00Z"}
    first |= {"net_contracts": 1111.0, "known_at": "2025-03-07T20:30Z", "superseded_at": "2025-03-13T12:00Z"}
    later = VINTAGE | {"report_date": "2025-03-11", "net_contracts": 7777.0}
    later |= dict.fromkeys(("released_at", "known_at"), "2025-03-14T19:30Z")
    publish(tmp_path, week(), more={PositioningVintages: [first, revised, later]})
    now = Pages(write(tmp_path).folder).pages["RUT.html"].text
    assert "+7,777" in now
    assert "+8,888" in now
    assert "+1,111" not in now
    past = write(tmp_path, as_of="2025-03-12T21:00+00:00")
    assert past.folder == Lake.of(tmp_path, "sample", datetime(2025, 3, 12, 21, tzinfo=UTC)).report()
    then = Pages(past.folder)
    text = then.pages["RUT.html"].text
    assert "+1,111" in text
    assert "2,002.00" in text
    for unknown in ("+7,777", "+8,888", "2,003.00", "2,004.00", "2025-03-13", "2025-03-14"):
        body = text.replace("published 2025-03-14", "")
        assert unknown not in body, unknown
    assert "A past moment" in then.pages["index.html"].text


def test_outcomes_at_a_past_moment_count_what_had_happened_by_then(tmp_path: Path) -> None:
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(60)]
    setups = {10: "capitulation", 20: "capitulation", 28: "capitulation", 40: "capitulation"}
    held = [setups.get(n, "none") for n in range(60)]
    rows = [mart_row("RUT", str(day), close=2000.0, setups_held=held[n]) for n, day in enumerate(days)]
    counted = {"setup": "capitulation", "market": "RUT", "horizon_sessions": 5, "events": 4, "pending_events": 0}
    counted |= {"independent_events": 4, "last_event_date": days[40], "reading": "four events"}
    publish(tmp_path, rows, more={SetupOutcomes: [counted]})
    now = Pages(write(tmp_path).folder).pages["outcomes.html"].text
    assert f"capitulation RUT 5 4 4 0 — — — — — — — — {days[40]} four events" in now
    past = write(tmp_path, as_of=f"{days[30]}T21:00+00:00")
    then = Pages(past.folder).pages["outcomes.html"].text
    reading = "not enough events: 2 independent, 10 wanted"
    assert f"capitulation RUT 5 2 2 1 — 0.00 — — — 0.00 — {days[10]} {days[20]} {reading}" in then
    assert str(days[40]) not in then


def test_every_page_says_what_should_be_known_and_is_not_here(tmp_path: Path) -> None:
    ledger = {"report_date": "2025-03-11", **dict.fromkeys(("released_at", "scheduled_at"), "2025-03-14T19:30Z")}
    held = VINTAGE | {"report_date": "2025-03-04", "released_at": "2025-03-07T20:30Z", "known_at": "2025-03-07T20:30Z"}
    publish(tmp_path, week(), source="files", more={PositioningVintages: [held], CotReleases: [ledger]})
    due = "report 2025-03-11 was due 2025-03-14 19:30 UTC and is missing"
    for page in Pages(write(tmp_path, source="files").folder).pages.values():
        assert f"Missing: the reports of RUT (tff_futures) end at 2025-03-04: {due}." in page.text
    past = write(tmp_path, source="files", as_of="2025-03-13T21:00+00:00")
    assert "Missing:" not in Pages(past.folder).pages["index.html"].text


def test_only_figures_whose_data_changed_are_drawn_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of the site that is not as it was drawn is drawn again, too."""

    def drawn() -> list[str]:
        caplog.clear()
        with caplog.at_level("INFO", logger="r2k.progress"):
            write(tmp_path)
        return [message.partition(",")[0] for message in caplog.messages]

    listed = [
        {"market": "RUT", "name": "Russell 2000", "index_symbol": "^RUT", "price_series": "index", "calendar": "XNYS"},
        {"market": "SPX", "name": "S&P 500", "index_symbol": "^GSPC", "price_series": "index", "calendar": "XNYS"},
    ]
    bar = {"open": 1990.0, "high": 2010.0, "low": 1980.0}

    def show(rut: list[dict[str, object]]) -> None:
        rows = [*rut, *week("SPX")]
        publish(tmp_path, rows, more={Markets: listed, MarketBars: [{**row, **bar} for row in rows]})

    show(week())
    assert {"drawing RUT weekly review", "drawing SPX weekly review"} <= set(drawn())
    before = {file.name: file.read_bytes() for file in (tmp_path / "sample/report/figures").iterdir()}
    assert drawn() == []
    assert {file.name: file.read_bytes() for file in (tmp_path / "sample/report/figures").iterdir()} == before
    (tmp_path / "sample/report/figures/SPX-weekly-review.png").write_bytes(b"damaged")
    assert drawn() == ["drawing SPX weekly review"]
    changed = [row | {"close": 2001.5} if row["session_date"] == DAYS[-1] else row for row in week()]
    show(changed)
    assert "drawing RUT weekly review" in (again := drawn())
    assert "drawing SPX weekly review" not in again


@pytest.mark.parametrize("record", ['{"a.png": []}', '{"a.png": null}', '["a.png"]', "{"])
def test_a_file_is_drawn_again_where_the_record_is_damaged(tmp_path: Path, record: str) -> None:
    (tmp_path / "drawn.json").write_text(record)
    (tmp_path / "a.png").write_bytes(b"old")
    drawn = Drawn(tmp_path)
    assert drawn.file("a.png", "its data", lambda: b"new") == b"new"
    (tmp_path / "drawn.json").write_bytes(drawn.record()["drawn.json"])
    (tmp_path / "a.png").write_bytes(b"new")
    assert Drawn(tmp_path).file("a.png", "its data", lambda: b"newer") == b"new"
    assert Drawn(tmp_path).file("a.png", "other data", lambda: b"newer") == b"newer"


def test_the_site_is_swapped_in_whole(tmp_path: Path) -> None:
    link = tmp_path / "report"
    swap_in(link, {"index.html": b"old", "old.html": b"old"})
    first = link.resolve()
    swap_in(link, {"index.html": b"new"})
    assert sorted(file.name for file in link.iterdir()) == ["index.html"]
    assert (link / "index.html").read_bytes() == b"new"
    assert not first.exists()


def test_a_write_that_fails_leaves_the_old_site(tmp_path: Path) -> None:
    link = tmp_path / "report"
    swap_in(link, {"index.html": b"old"})
    with pytest.raises(R2kError, match="the old site stays"):
        swap_in(link, {"index.html": b"new", "index.html/below-a-file.html": b"new"})
    assert (link / "index.html").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2, "nothing is left of the attempt"


def test_a_copied_lake_has_a_folder_in_place_of_the_link(tmp_path: Path) -> None:
    link = tmp_path / "report"
    link.mkdir()
    (link / "index.html").write_bytes(b"copied")
    swap_in(link, {"index.html": b"new"})
    assert (link / "index.html").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    link = tmp_path / "report"
    for name, age in (("dead", ABANDONED_SECONDS + 60), ("alive", 0)):
        folder = tmp_path / f".report.{name}"
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    swap_in(link, {"index.html": b"new"})
    assert not (tmp_path / ".report.dead").exists()
    assert (tmp_path / ".report.alive").exists()


def test_the_site_of_one_market_is_not_swept_with_that_of_all(tmp_path: Path) -> None:
    alone = tmp_path / "report-RUT"
    swap_in(alone, {"index.html": b"alone"})
    os.utime(alone.resolve(), (time.time() - 2 * ABANDONED_SECONDS,) * 2)
    swap_in(tmp_path / "report", {"index.html": b"all"})
    assert (alone / "index.html").read_bytes() == b"alone"


def test_cells_sort_by_what_they_mean() -> None:
    columns = (
        Column("marts.setup_outcomes.p_value"),
        Column("marts.setup_outcomes.mean_forward_return_ratio", signed=True),
        Column("marts.setup_outcomes.setup"),
    )
    rows = Asked(
        (
            {"p_value": 0.0004, "mean_forward_return_ratio": 0.0123, "setup": "squeeze_risk"},
            {"p_value": None, "mean_forward_return_ratio": -0.5, "setup": None},
        ),
        "",
    )
    table = build_table("t", "T", columns, rows)
    assert [column.short_unit for column in columns] == ["probability", "%", "state"]
    (p, mean, setup), (no_p, _, no_setup) = (line.cells for line in table.lines)
    assert (p.text, p.sort) == ("under 0.001", "0.0004")
    assert (mean.text, mean.sort) == ("+1.23", None)
    assert (setup.text, setup.state) == ("squeeze risk", "squeeze_risk")
    assert no_p.is_unknown
    assert no_setup.is_unknown
    assert table.numeric == (True, True, False)
