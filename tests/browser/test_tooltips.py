"""A person moves the pointer over every panel of the site, in New York and in Greenwich.

Belongs here: what tooltips say. Not here: how the pages look (test_site.py).
"""

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.conftest import DRAWN_MS

ZONES: Final = ("America/New_York", "UTC")
PLACES: Final = {"index": (220, 22, 0, 10_000), "RUT": (105, 26, 0, 10_000), "outcomes": (3, 5, 100, 116)}
"""Of a page's figures: pixels from one place of the pointer to the next, across and down, and from where to where."""
DAYS: Final = {"session", "report of", "confirmed", "start", "first confirmed", "end"}
MOMENTS: Final = {"released", "known", "no report from", "no report to"}
PANELS: Final = {
    "index": [{"session", "RUT"}],
    "RUT": [
        {"session", "close", "sma 200"},
        {"session", "rsi 14"},
        {"session", "report of", "released", "Leveraged funds"},
        {"session", "report of"},
        {"flow", "contracts", "report of", "known"},
        {"role", "touches", "confirmed"},
    ],
    "outcomes": [{"session", "return, %"}],
}
"""Lines that some tooltip of a page must have together."""
Tooltip = tuple[tuple[str, str], ...]


SWEEP: Final = """
    (canvas, [across, down, from, to]) => {
        const shown = new Map();
        const box = canvas.getBoundingClientRect();
        for (let y = from + down / 2; y < Math.min(to, box.height); y += down)
            for (let x = across / 2; x < box.width; x += across) {
                const at = { clientX: box.x + x, clientY: box.y + y, bubbles: true };
                canvas.dispatchEvent(new PointerEvent("pointermove", at));
                const lines = [...document.querySelectorAll("#vg-tooltip-element.visible tr")]
                    .map(line => [...line.cells].map(cell => cell.textContent.replace(/:$/, "")));
                shown.set(JSON.stringify(lines), lines);
            }
        return [...shown.values()];
    }
"""
"""The pointer everywhere on a figure, in one call: moved from outside it would take a frame for each place."""


def hover(figure: Locator, places: tuple[int, ...]) -> set[Tooltip]:
    """Every tooltip of a figure that the pointer meets on its way."""
    shown = figure.evaluate(SWEEP, list(places))
    return {tuple((key, value) for key, value in lines) for lines in shown} - {()}


@pytest.mark.parametrize("name", PANELS)
def test_every_tooltip_has_its_dates_in_every_zone(browser: Browser, site: Path, name: str) -> None:
    of_zones = []
    for zone in ZONES:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id=zone)
        page = context.new_page()
        page.goto((site / f"{name}.html").as_uri())
        expect(page.locator("figure.chart:not(.is-live)")).to_have_count(0, timeout=DRAWN_MS)
        figures = page.locator("figure.chart canvas")
        of_zones.append(set().union(*(hover(figures.nth(i), PLACES[name]) for i in range(figures.count()))))
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
