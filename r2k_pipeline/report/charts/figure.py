"""A figure: its chart, its text alternative, and its two forms, a Vega-Lite spec and a PNG.

Belongs here: turning a chart into published files. Not here: the drawing (figures.py and below).
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from r2k_pipeline.report.charts.theme import LIGHT, Theme

if TYPE_CHECKING:
    import altair as alt

VEGA_LITE: Final = "6.4"
"""The schema that altair writes; vl-convert carries several renderers."""

COLOURS: Final = 256
"""Of a picture: as many as a byte tells apart."""

Value = str | float | int | bool | date | datetime | None
Record = Mapping[str, Value]
Records = Sequence[Record]


@dataclass(frozen=True)
class Figure:
    """One figure; `name` is its file stem, `description` its reading in words with the figures.

    The chart names its data sets, `data` has their rows: altair would copy them again at every step.
    """

    name: str
    market: str | None
    title: str
    description: str
    chart: "alt.TopLevelMixin"
    data: Mapping[str, Records]

    def spec(self) -> dict[str, Any]:
        """Vega-Lite as JSON values, data in `datasets`, without colours of a theme: `config` is for the caller."""
        return {name: value for name, value in self._written.items() if name != "config"} | {
            "description": self.description
        }

    @cached_property
    def _written(self) -> dict[str, Any]:
        """The output of altair, with the data. Not validated here, as that takes a second a site: tests validate it."""
        written: dict[str, Any] = self.chart.to_dict(validate=False)
        rows = {name: [_plain(record) for record in records] for name, records in self.data.items()}
        return written | {"datasets": written.get("datasets", {}) | rows}

    def png(self, theme: Theme = LIGHT, scale: float = 1.5) -> bytes:
        """The picture, `scale` pixels to a point, rendered in this process: no browser, no network.

        It has 256 colours: a chart looks the same with them and takes a seventh of the bytes.
        """
        import vl_convert  # noqa: PLC0415  (starts an engine; only pictures need it)
        from PIL import Image  # noqa: PLC0415

        if theme.name not in self._drawings:
            spec = self.spec() | {"config": dict(theme.config)}
            self._drawings[theme.name] = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
        drawn = Image.open(BytesIO(vl_convert.svg_to_png(self._drawings[theme.name], scale=scale)))
        written = BytesIO()
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
        return written.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        """MIME bundle for notebooks: the interactive chart, and the picture for viewers without Vega-Lite."""
        drawn = f"application/vnd.vegalite.v{VEGA_LITE.partition('.')[0]}+json"
        spec = self.spec() | {"config": dict(LIGHT.config)}
        return {drawn: spec, "image/png": self.png(), "text/plain": self.description}

    @cached_property
    def _drawings(self) -> dict[str, str]:
        """Cached SVG by theme, so that pictures of several sizes are drawn once."""
        return {}


def data_url(png: bytes) -> str:
    """A picture as a URL, for a page that needs no other file."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _plain(record: Record) -> dict[str, Any]:
    """A row as JSON values: instants to the minute in UTC, days as ISO text."""
    return {name: _json(value) for name, value in record.items()}


def _json(value: Value) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%MZ")
    return value.isoformat() if isinstance(value, date) else value
