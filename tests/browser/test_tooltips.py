"""A person moves the pointer over every panel of the site, in New York and in Greenwich.

Belongs here: what tooltips say. Not here: how the pages look (test_site.py).
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DRAWN_MS

ZONES: Final = ("America/New_York", "UTC")
PLACES: Final = {"index": (440, 33, 0, 10_000), "RUT": (420, 60, 0, 10_000), "outcomes": (3, 5, 100, 150)}
"""Of a page's figures: pixels from one place of the pointer to the next, across and down, and from where to where."""
DAYS: Final = {"session", "report of", "confirmed", "start", "first confirmed", "end"}
MOMENTS: Final = {"released", "known", "no report from", "no report to"}
PANELS: Final = {
    "index": [{"session", "RUT"}],
    "RUT": [
        {"session", "close", "sma 200"},
        {"session", "rsi 14"},
        {"session", "report of", "released", "Leveraged funds"},
        {"session", "report of", "released", "Leveraged funds, %"},
        {"session", "report of"},
    ],
    "outcomes": [{"session", "return, %"}],
}
"""Lines that some tooltip of a page must have together."""
MARKET_MARKS: Final = [
    *PANELS["RUT"],
    {"flow", "contracts", "report of", "known"},
    {"role", "touches", "confirmed"},
    {"no report from", "no report to"},
    {"bin low", "bin high"},
]
MARKS: Final = {
    "index": [*PANELS["index"], {"market", "percentile", "percentile before", "report of"}],
    **dict.fromkeys(("RUT", "SPX"), MARKET_MARKS),
    "outcomes": [*PANELS["outcomes"], {"mean return, %", "mean of all sessions, %", "reading"}],
}
"""Lines that some mark of a page must have together; small marks too, which the pointer may miss."""
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

COLLECT_VIEWS: Final = """
    const views = [];
    let embed;
    Object.defineProperty(window, "vegaEmbed", {
        set: (real) => {
            embed = async (...given) => {
                const made = await real(...given);
                views.push(made.view);
                return made;
            };
        },
        get: () => embed,
    });
    window.tooltips = () => {
        const found = new Map();
        const walk = (item) => {
            if (item.tooltip && typeof item.tooltip === "object") {
                const lines = Object.entries(item.tooltip).map(([key, value]) => [key, String(value)]);
                found.set(JSON.stringify(lines), lines);
            }
            for (const part of item.items ?? []) walk(part);
        };
        for (const view of views) walk(view.scenegraph().root);
        return [...found.values()];
    };
"""
"""Gives a page a function that returns what every mark of its figures would say, however small the mark is."""


def tooltips_of(shown: list[list[list[str]]]) -> set[Tooltip]:
    """Tooltips as a page gives them, each once."""
    return {tuple((key, value) for key, value in lines) for lines in shown} - {()}


def assert_told(lines: set[tuple[str, str]]) -> None:
    """No line of a tooltip lacks its value, and days and moments are written as such."""
    assert not {line for line in lines if re.search("undefined|null|NaN|Invalid|1970", line[1])}
    assert not {line for line in lines if line[0] in DAYS and not re.fullmatch(r"\d{4}-\d\d-\d\d|—", line[1])}
    assert not {
        line for line in lines if line[0] in MOMENTS and not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|—", line[1])
    }
    assert not {line for line in lines if line[0].endswith("sma 200") and line[1] == "0.00"}, "null is not zero"


@pytest.fixture
def drawn(browser: Browser, site: Path) -> Iterator[Callable[[str, str], Page]]:
    """Opens a page in a time zone and waits for its figures."""
    contexts = []

    def opened(name: str, zone: str) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id=zone))
        page = contexts[-1].new_page()
        page.add_init_script(COLLECT_VIEWS)
        page.goto((site / f"{name}.html").as_uri())
        expect(page.locator("figure.chart:not(.is-live)")).to_have_count(0, timeout=DRAWN_MS)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", MARKS)
def test_every_tooltip_has_its_dates_in_every_zone(drawn: Callable[[str, str], Page], name: str) -> None:
    """What marks say, however small, on every page with figures; the pointer itself on a page of each kind."""
    of_zones = []
    for zone in ZONES:
        page = drawn(name, zone)
        told = [tooltips_of(page.evaluate("tooltips()"))]
        if name in PLACES:
            figures = page.locator("figure.chart canvas")
            swept = (figures.nth(i).evaluate(SWEEP, list(PLACES[name])) for i in range(figures.count()))
            told.append(set().union(*map(tooltips_of, swept)))
        of_zones.append(told)
    assert_told({line for tooltips in of_zones[0] + of_zones[1] for tooltip in tooltips for line in tooltip})
    for tooltips, panels in zip(of_zones[0], (MARKS[name], PANELS.get(name, [])), strict=False):
        keys = [{key for key, _ in tooltip} for tooltip in tooltips]
        assert not [panel for panel in panels if not any(panel <= shown for shown in keys)]
    assert of_zones[0] == of_zones[1], "a day is the same day wherever the reader is"


EDGES: Final = """
    (canvas) => {
        canvas.scrollIntoView({ behavior: "instant" });
        const box = canvas.getBoundingClientRect();
        const edges = [];
        const near = [4, 60, 130, 220].filter(x => x < box.width / 2);  // no tooltip is wider than the last
        for (let y = Math.max(box.y, 0) + 20; y < Math.min(box.bottom, window.innerHeight); y += 120)
            for (const x of [...near, ...near.map(x => box.width - x)]) {
                const at = { clientX: box.x + x, clientY: y, bubbles: true };
                canvas.dispatchEvent(new PointerEvent("pointermove", at));
                const shown = document.querySelector("#vg-tooltip-element.visible")?.getBoundingClientRect();
                if (shown) edges.push(shown.left, shown.right);
            }
        return edges;
    }
"""


@pytest.mark.parametrize("width", [420, 700, 1440])
def test_no_tooltip_is_cut_off_at_the_side(browser: Browser, site: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto((site / "RUT.html").as_uri())
        expect(page.locator("figure.chart:not(.is-live)")).to_have_count(0, timeout=DRAWN_MS)
        edges = page.locator("figure.chart canvas").evaluate(EDGES)
    assert len(edges) >= 20
    assert min(edges) >= 0
    assert max(edges) <= width
