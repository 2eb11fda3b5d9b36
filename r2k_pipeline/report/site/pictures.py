"""Figures as files of the site: the picture, and the spec as a script that a page opened from disk may load.

Belongs here: names, formats, the renderer's bundle. Not here: what a figure shows (report/charts/).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from r2k_pipeline.report.charts.figure import Figure
from r2k_pipeline.report.charts.theme import DARK, LIGHT
from r2k_pipeline.report.site.drawn import Drawn
from r2k_pipeline.report.site.tables import slug
from r2k_pipeline.shipped import shipped

PROGRESS: Final = logging.getLogger("r2k.progress")
RENDERER: Final = "vl-convert-python"
ASSETS: Final = shipped("report/site/assets")
SCALE: Final = 1.0
"""Pixels of a picture to a point: 120 to the inch on paper, and the site of four markets stays well below 3 MB."""
THUMBNAIL_BYTES: Final = 60_000
"""Largest thumbnail, in bytes: Dagster keeps them in its event log, and reads all of them for its lists of runs."""
THUMBNAIL_SCALE: Final = 0.6
"""Pixels to a point, reduced until the thumbnail is small enough."""


@dataclass(frozen=True)
class Picture:
    """A figure with its PNG and the size it is shown at, in CSS pixels."""

    figure: Figure
    png: bytes

    @property
    def name(self) -> str:
        """Stem of its files, and its name in the page's script."""
        return slug(self.figure.name)

    @property
    def width(self) -> int:
        """Natural width in CSS pixels."""
        return round(int.from_bytes(self.png[16:20], "big") / SCALE)

    @property
    def height(self) -> int:
        """Natural height in CSS pixels."""
        return round(int.from_bytes(self.png[20:24], "big") / SCALE)

    @property
    def still(self) -> str:
        """The name of its PNG in the site."""
        return _png_of(self.figure)

    def files(self) -> dict[str, bytes]:
        """The PNG, and the spec as a script: fetch() is refused on file://, a script is not."""
        spec = self.figure.spec()
        packed = spec | {"datasets": {name: _packed(rows) for name, rows in spec.get("datasets", {}).items()}}
        script = f"(window.r2kFigures ??= {{}})[{_script(self.name)}] = {_script(packed)};\n"
        return {self.still: self.png, f"figures/{self.name}.js": script.encode()}


def picture_of(figure: Figure, drawn: Drawn, *, is_logged: bool = True) -> Picture:
    """The picture of a figure in the light theme, for print. Drawing a large one takes seconds, so it is logged."""

    def draw() -> bytes:
        if is_logged:
            PROGRESS.info("drawing %s", figure.title)
        return figure.png(LIGHT, SCALE)

    source = [figure.spec(), dict(LIGHT.config), SCALE, version(RENDERER)]
    return Picture(figure, drawn.file(_png_of(figure), source, draw))


def thumbnail(picture: Picture) -> bytes:
    """The figure as a PNG of at most THUMBNAIL_BYTES."""
    # Packed bytes grow with the scale: the next scale is computed from the size of this picture, with a fifth to spare.
    scale = min(THUMBNAIL_SCALE, SCALE * 0.8 * THUMBNAIL_BYTES / len(picture.png))
    while len(png := picture.figure.png(scale=scale)) > THUMBNAIL_BYTES:
        scale *= 0.8
    return png


def _png_of(figure: Figure) -> str:
    return f"figures/{slug(figure.name)}.png"


def shared_files(drawn: Drawn) -> dict[str, bytes]:
    """Style, script, chart themes and the renderer: the same for every page."""
    themes = {theme.name: dict(theme.config) for theme in (LIGHT, DARK)}
    return {
        "assets/site.css": (ASSETS / "site.css").read_bytes(),
        "assets/site.js": (ASSETS / "site.js").read_bytes(),
        "assets/themes.js": f"window.r2kThemes = {_script(themes)};\n".encode(),
        "assets/vega.js": drawn.file("assets/vega.js", version(RENDERER), _renderer),
    }


@cache
def _renderer() -> bytes:
    """Vega-Lite, Vega and vega-embed in one script, out of the installed vl-convert: no network. Takes a second."""
    import vl_convert  # noqa: PLC0415  (starts an engine)

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()


def _packed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as columns, a third of the size; the page's script makes rows of them again. Absent is null."""
    return {
        name: _column([row.get(name) for row in rows]) for name in dict.fromkeys(name for row in rows for name in row)
    }


def _column(values: list[Any]) -> list[Any] | dict[str, list[Any]]:
    """The values; where texts repeat, each of them once and the place of every row's."""
    if not all(isinstance(value, str) for value in values):
        return values
    texts = {text: place for place, text in enumerate(dict.fromkeys(values))}
    if 2 * len(texts) > len(values):
        return values
    return {"texts": list(texts), "places": [texts[value] for value in values]}


def _script(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
