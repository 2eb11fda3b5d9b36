"""A person moves the pointer over every panel of the site, in New York and in Greenwich.

Belongs here: what tooltips say. Not here: how the pages look (test_site.py).
"""

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import DRAWN_MS

ZONES: Final = ("America/New_York", "UTC")
COLUMNS: Final = 5
ROW: Final = 21
"""Places across a figure, and pixels from one line of places to the next: every panel has several of them."""
DAYS: Final = {"session", "report of", "confirmed", "start", "first confirmed", "end"}
MOMENTS: Final = {"released", "known", "no report from", "no report to"}
PANELS: Final = {
    "index": [{"session", "RUT"}, {"market", "now", "before", "report of"}],
    "RUT": [
        {"session", "close", "sma 200"},
        {"session", "rsi 14"},
        {"session", "report of", "released", "Leveraged funds"},
        {"session", "report of"},
        {"flow", "contracts", "report of", "known"},
        {"role", "touches", "confirmed"},
    ],
    "outcomes": [{"session", "return, %"}, {"mean forward return"}],
}
"""Lines that some tooltip of a page must have together."""
Tooltip = tuple[tuple[str, str], ...]


def said(page: Page) -> Tooltip:
    """The tooltip that is shown, or nothing."""
    lines = page.evaluate("""
        [...document.querySelectorAll('#vg-tooltip-element.visible tr')]
            .map(line => [...line.cells].map(cell => cell.textContent.replace(/:$/, '')))
    """)
    return tuple((key, value) for key, value in lines)


def hover(page: Page, figure: Locator) -> set[Tooltip]:
    """Every tooltip of a figure that the pointer meets on its way."""
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    page.set_viewport_size({"width": 1440, "height": int(box["height"]) + 200})
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    found = set()
    for y in range(ROW // 2, int(box["height"]), ROW):
        for column in range(COLUMNS):
            page.mouse.move(box["x"] + box["width"] * (column + 0.5) / COLUMNS, box["y"] + y)
            found.add(said(page))
    return found - {()}


@pytest.mark.parametrize("name", PANELS)
def test_every_tooltip_has_its_dates_in_every_zone(browser: Browser, site: Path, name: str) -> None:
    of_zones = []
    for zone in ZONES:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id=zone)
        page = context.new_page()
        page.goto((site / f"{name}.html").as_uri())
        expect(page.locator("figure.chart:not(.is-live)")).to_have_count(0, timeout=DRAWN_MS)
        figures = page.locator("figure.chart canvas")
        of_zones.append(set().union(*(hover(page, figures.nth(i)) for i in range(figures.count()))))
        context.close()
    lines = {line for tooltips in of_zones for tooltip in tooltips for line in tooltip}
    assert not {line for line in lines if re.search("undefined|null|NaN|Invalid|1970", line[1])}
    assert not {line for line in lines if line[0] in DAYS and not re.fullmatch(r"\d{4}-\d\d-\d\d|—", line[1])}
    assert not {
        line for line in lines if line[0] in MOMENTS and not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|—", line[1])
    }
    assert not {line for line in lines if line[0].endswith("sma 200") and line[1] == "0.00"}, "null is not zero"
    keys = [{key for key, _ in tooltip} for tooltip in of_zones[0]]
    assert not [panel for panel in PANELS[name] if not any(panel <= shown for shown in keys)]
    assert of_zones[0] == of_zones[1], "a day is the same day wherever the reader is"
