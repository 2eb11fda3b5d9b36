"""A person opens the site from disk: every page, wide and narrow, light and dark, without a network.

Belongs here: what a browser shows and does. Not here: what the pages say (tests/pipeline/test_report_asset.py).
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTIFACTS, DRAWN_MS

WIDE, NARROW = 1440, 390
SHEET: Final = 1046
"""CSS pixels of A4 across, less its margins of 10 mm."""
WITH_FIGURES: Final = ("index", "RUT", "SPX", "outcomes")
PAGES: Final = (*WITH_FIGURES, "claims", "quality", "dictionary")
"""Of the markets two: the pages of the others are filled in alike."""
Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, site: Path) -> Iterator[Open]:
    """Opens a page of the site; afterwards the console must be without errors, and every request of this folder."""
    contexts, complaints, asked = [], [], []

    def opened(name: str, width: int = WIDE, *, scheme: str = "light", script: bool = True, anchor: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda sent: asked.append(sent.url))
        tab.goto((site / f"{name}.html").as_uri() + anchor)
        if script and name in WITH_FIGURES:
            # No wait_for_function: its eval is what the page's policy forbids.
            expect(tab.locator("figure.chart:not(.is-live)")).to_have_count(0, timeout=DRAWN_MS)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert not complaints, f"the browser's console has errors: {complaints}"
    foreign = [url for url in asked if not url.startswith((site.as_uri(), site.resolve().as_uri()))]
    assert asked
    assert not foreign, f"the pages ask for {foreign}"


def test_tables_of_the_first_page_need_no_scrolling_on_a_desk(open_page: Open) -> None:
    tab = open_page("index", 1_400)
    widths = (
        "[...document.querySelectorAll('table.data')].map(it => [it.id, it.scrollWidth - it.parentElement.clientWidth])"
    )
    assert tab.evaluate(widths) == [["movers", 0], ["markets", 0]]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_its_width(open_page: Open, name: str, width: int) -> None:
    tab = open_page(name, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, "only tables scroll, within themselves"
    figures = tab.locator("figure.chart canvas")
    for i in range(figures.count()):
        box = figures.nth(i).bounding_box()
        assert box is not None
        assert 0 < box["width"] <= width
        assert box["width"] > 0.8 * tab.locator("main").bounding_box()["width"], "a figure uses the width there is"
    ARTIFACTS.mkdir(exist_ok=True)
    # Of tables that go on for a hundred screens the first says how they look.
    tab.screenshot(path=ARTIFACTS / f"site-{name}-{width}.png", full_page=name in WITH_FIGURES)
    if width == WIDE:
        fits_a_sheet(tab, name)


def fits_a_sheet(tab: Page, name: str) -> None:
    """On paper no table is wider than the sheet."""
    tab.set_viewport_size({"width": SHEET, "height": 900})
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= SHEET
    tables = tab.evaluate(
        "[...document.querySelectorAll('table')].map(it => [it.scrollWidth, it.parentElement.clientWidth])"
    )
    assert tables or name == "index"
    assert all(width <= room for width, room in tables), "what is beyond the edge of a sheet is lost"


def corner(tab: Page) -> list[int]:
    """Red, green and blue of the figure's background."""
    found: list[int] = tab.evaluate("""
        [...document.querySelector('figure.chart canvas').getContext('2d').getImageData(3, 3, 1, 1).data].slice(0, 3)
    """)
    return found


def test_light_and_dark_follow_the_system(open_page: Open) -> None:
    tab = open_page("RUT", scheme="dark")
    dark, light = [0x14, 0x18, 0x1D], [255, 255, 255]
    assert corner(tab) == dark
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    ARTIFACTS.mkdir(exist_ok=True)
    tab.screenshot(path=ARTIFACTS / "site-RUT-dark.png", full_page=True)
    tab.emulate_media(color_scheme="light")
    deadline = time.monotonic() + DRAWN_MS / 1000
    while corner(tab) != light and time.monotonic() < deadline:
        tab.wait_for_timeout(100)
    assert corner(tab) == light


def test_tables_sort_by_number_and_by_text_from_the_keyboard(open_page: Open) -> None:
    tab = open_page("RUT")
    header = tab.locator("#positions thead th", has_text="net").first

    def column(index: int) -> list[str]:
        return [text.strip() for text in tab.locator(f"#positions tbody tr > :nth-child({index})").all_inner_texts()]

    place = 1 + header.evaluate("cell => cell.cellIndex")
    button = header.get_by_role("button")
    button.focus()
    tab.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    up = [float(text.replace(",", "")) for text in column(place)]
    assert up == sorted(up)
    assert len(set(up)) > 10
    tab.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(text.replace(",", "")) for text in column(place)] == sorted(up, reverse=True)
    group = tab.locator("#positions thead th", has_text="group")
    group.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "none"
    assert column(2) == sorted(column(2))


def test_movers_are_limited_to_one_class(open_page: Open) -> None:
    """The sample's markets are all equity: one cell is told to be of another class."""
    tab = open_page("index")
    rows = tab.locator("#movers tbody tr")
    count = rows.count()
    assert count > 1
    choice = tab.locator("label.filter select")
    assert choice.locator("option").all_inner_texts() == ["all", "equity"]
    place = tab.locator("#movers thead th[data-filter]").evaluate("cell => cell.cellIndex")
    rows.first.evaluate("(row, place) => { row.cells[place].textContent = 'metal' }", place)
    choice.select_option("equity")
    assert tab.locator("#movers tbody tr:visible").count() == count - 1
    choice.select_option("all")
    assert tab.locator("#movers tbody tr:visible").count() == count


def test_what_is_not_known_sorts_last_both_ways(open_page: Open) -> None:
    tab = open_page("outcomes")
    header = tab.locator("#outcomes thead th", has_text="q").last
    place = 1 + header.evaluate("cell => cell.cellIndex")
    for _ in range(2):
        header.get_by_role("button").click()
        unknown = tab.locator(f"#outcomes tbody tr > :nth-child({place})").evaluate_all(
            "cells => cells.map(cell => cell.querySelector('abbr') !== null)"
        )
        assert any(unknown)
        assert unknown == sorted(unknown)


def test_a_figure_of_the_brief_leads_to_its_query(open_page: Open) -> None:
    tab = open_page("RUT")
    figure = tab.locator(".brief a").first
    target = figure.get_attribute("href")
    figure.click()
    evidence = tab.locator(f"span{target}")
    evidence.wait_for(state="visible", timeout=DRAWN_MS)
    assert figure.inner_text() in evidence.inner_text()
    evidence.get_by_role("link").click()
    tab.wait_for_url("**/dictionary.html#*")
    row = tab.locator("tr:target")
    assert row.count() == 1
    assert row.is_visible()


def test_a_claim_opens_at_its_definition(open_page: Open) -> None:
    tab = open_page("RUT")
    tab.locator("#claims tbody a").first.click()
    tab.wait_for_url("**/claims.html#*")
    opened = tab.locator("details.folded[open]")
    assert opened.count() == 1
    assert "Evidence" in opened.inner_text()


def test_without_a_script_and_on_paper_the_picture_stands(open_page: Open) -> None:
    plain = open_page("RUT", script=False)
    assert plain.locator("figure.chart img.still").is_visible()
    assert plain.locator("figure.chart img.still").evaluate("image => image.naturalWidth") > 500
    tab = open_page("RUT")
    assert not tab.locator("figure.chart img.still").is_visible()
    tab.emulate_media(media="print")
    assert tab.locator("figure.chart img.still").is_visible()
    assert not tab.locator("figure.chart canvas").is_visible()


def test_only_what_is_judged_has_a_dot(open_page: Open) -> None:
    tab = open_page("RUT")
    dots = "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
    for width, media in ((WIDE, "screen"), (NARROW, "screen"), (SHEET, "print")):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(media=media)
        assert set(tab.locator("#levels [data-state]").evaluate_all(dots)) == {"none"}
        assert set(tab.locator("#claims [data-state]").evaluate_all(dots)) == {'"●"'}


def test_the_first_tab_leads_past_the_navigation(open_page: Open) -> None:
    tab = open_page("index")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
