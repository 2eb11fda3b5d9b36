"""A figure: its chart, what it says in words, and its two forms, a Vega-Lite spec and a PNG.

Belongs here: turning a chart into what is published. Not here: what is drawn (figures.py and below).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from r2k_pipeline.report.charts.picture import repack
from r2k_pipeline.report.charts.theme import LIGHT, Theme

if TYPE_CHECKING:
    import altair as alt

VEGA_LITE: Final = "6.4"
"""The schema that altair writes; vl-convert carries several renderers."""


@dataclass(frozen=True)
class Figure:
    """One figure; `name` is its file stem, `description` its reading in words with the figures."""

    name: str
    market: str | None
    title: str
    description: str
    chart: "alt.TopLevelMixin"

    def spec(self) -> dict[str, Any]:
        """Vega-Lite as JSON values, data in `datasets`, without colours of a theme: `config` is for the caller."""
        return {name: value for name, value in self._written.items() if name != "config"} | {
            "description": self.description
        }

    @cached_property
    def _written(self) -> dict[str, Any]:
        """What altair writes, checked against its schema: that takes as long as a third of a picture."""
        written: dict[str, Any] = self.chart.to_dict()
        return written

    def png(self, theme: Theme = LIGHT, scale: float = 1.5) -> bytes:
        """The picture, `scale` pixels to a point, rendered in this process: no browser, no network."""
        import vl_convert  # noqa: PLC0415  (starts an engine; only pictures need it)

        spec = self.spec() | {"config": dict(theme.config)}
        return repack(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=scale))
