"""What readers say of a lake at a moment, each through a snapshot of its own.

Belongs here: opening it, a section as lines. Not here: what is read.
"""

from collections.abc import Sequence
from datetime import datetime

from r2k_pipeline.lake import Lake
from r2k_pipeline.report import brief
from r2k_pipeline.report.brief_statements import Grid
from r2k_pipeline.report.charts import figures
from r2k_pipeline.snapshot import reading


def said(page: brief.Page, title: str) -> list[str]:
    """What a section says, statement by statement; a line of a table with strokes between its cells."""
    (found,) = (section for section in page.sections if section.title == title)
    lines = (part.lines if isinstance(part, Grid) else ((part,),) for part in found.parts)
    return [" | ".join(cell.text for cell in line) for each in lines for line in each]


def read_brief(lake: Lake, market: str | None, as_of: datetime | None) -> brief.Brief:
    """The brief of one market or all."""
    with reading(lake, as_of) as snapshot:
        return brief.read_brief(snapshot, market)


def read_figures(lake: Lake, as_of: datetime | None = None, markets: Sequence[str] | None = None) -> figures.Figures:
    """The figures of some markets or all."""
    with reading(lake, as_of) as snapshot:
        return figures.read_figures(snapshot, markets)
