"""How figures look in light and in dark: one palette that reads on both, one Vega config for each.

Belongs here: colours, dashes, fonts, and the named styles that marks refer to. Not here: what is drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREEN: Final = "#008f68"
PURPLE: Final = "#b5609a"
GREY: Final = "#7d7d7d"
PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE, GREY)
"""Okabe and Ito's colours for all kinds of colour vision, green and purple darkened until lines read on white too."""
SOLID: Final = (1, 0)
PALE: Final = "50"
"""Appended to a colour: 31 % opaque, for areas that a line of the full colour bounds."""
FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """A Vega config (`config`) and the background it is made for, as #rrggbb."""

    name: str
    background: str
    ink: str
    faint: str
    config: Mapping[str, Any]


def _theme(name: str, background: str, ink: str, faint: str, grid: str) -> Theme:
    text = {"font": FONT, "color": ink}
    axis = {"labelColor": ink, "titleColor": ink, "domainColor": faint, "tickColor": faint, "gridColor": grid}
    config = {
        "background": background,
        "font": FONT,
        "padding": 8,
        "view": {"stroke": grid},
        "axis": {**axis, "labelFontSize": 10, "titleFontSize": 10, "titleFontWeight": "normal", "gridWidth": 0.6},
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 10, "titleFontSize": 10},
        "title": {"color": ink, "subtitleColor": ink, "fontSize": 14, "subtitleFontSize": 11, "anchor": "start"},
        "range": {"category": list(PALETTE)},
        "style": {
            "label": {**text, "fontSize": 10},
            "reference": {"stroke": ink, "strokeWidth": 0.8, "strokeDash": [3, 3], "strokeOpacity": 0.7},
            "message": {**text, "fontSize": 12},
            "baseline": {"stroke": ink, "strokeWidth": 1.4},
            "shade": {"fill": ink, "fillOpacity": 0.08},
            "gap": {"fill": ink, "fillOpacity": 0.14},
            "box": {"fill": ink, "fillOpacity": 0.06, "stroke": ink, "strokeOpacity": 0.6, "strokeWidth": 0.8},
            "crosshair": {"stroke": ink, "strokeWidth": 1},
            "watermark": {"font": FONT, "color": ink, "opacity": 0.12, "fontWeight": "bold"},
        },
    }
    return Theme(name, background, ink, faint, config)


LIGHT: Final = _theme("light", "#ffffff", "#1f2328", "#8a8f94", "#e3e5e8")
DARK: Final = _theme("dark", "#14181d", "#e6e8eb", "#848b92", "#2c333a")
