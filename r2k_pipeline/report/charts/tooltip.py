"""Tooltips of figures: named lines, each a field of the row as text, number or moment in UTC.

Belongs here: the format of a value. Not here: the values that a panel shows (the panels).
"""

import json
from dataclasses import dataclass
from typing import Final

import altair as alt

NOT_KNOWN: Final = "—"
_ROW: Final = "(datum.datum || datum)"
"""The row, also under the `nearest` selection of a crosshair, whose shapes carry it as their own datum."""


@dataclass(frozen=True)
class Line:
    """One line: the field, its title (default: the field in words) and `written`, how Vega writes `{}`."""

    field: str
    title: str = ""
    written: str = "{}"

    @property
    def expression(self) -> str:
        """Title and value as a member of an object literal of Vega."""
        value = f"{_ROW}[{json.dumps(self.field)}]"
        shown = self.written.format(value)
        return f"{json.dumps(self.title or self.field.replace('_', ' '))}: isValid({value}) ? {shown} : '{NOT_KNOWN}'"


SESSION: Final = Line("session_date", "session")
REPORT: Final = Line("report_date", "report of")


def number(field: str, form: str, title: str = "") -> Line:
    """A number in d3's format."""
    return Line(field, title, f"format({{}}, '{form}')")


def points(field: str, title: str = "") -> Line:
    """A price."""
    return number(field, ",.2f", title)


def moment(field: str, title: str = "") -> Line:
    """An instant in UTC, whatever the reader's time zone. A day is text already: use `Line`."""
    return Line(field, title, "utcFormat(toDate({}), '%Y-%m-%d %H:%M UTC')")


def tooltip(*lines: Line) -> alt.TooltipValue:
    """The tooltip of a mark.

    An expression, because Vega-Lite reads text fields of a `nearest` selection from the wrong object ("undefined"),
    writes numbers that are null as 0 and instants in the reader's zone.
    """
    return alt.TooltipValue({"expr": f"{{{', '.join(line.expression for line in lines)}}}"})
