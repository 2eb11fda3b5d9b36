"""Days as vendors write them, one form for a whole file, as YYYY-MM-DD.

Belongs here: the forms, and the order of month and day. Not here: which column has the days
(price_layouts.py), whether they are the exchange's (wrong_files.py).
"""

from typing import Final

import polars as pl

from r2k_pipeline.sources.size_limits import BoundsError

_MONTH: Final = "[A-Za-z]{3,9}"
_ORDERS: Final = {sign: (f"%m{sign}%d{sign}%Y", f"%d{sign}%m{sign}%Y") for sign in "/-."}
_SHORT: Final = {sign: (f"%m{sign}%d{sign}%y", f"%d{sign}%m{sign}%y", f"%y{sign}%m{sign}%d") for sign in "/-."}
FORMS: Final = {
    **{rf"\d{{4}}[{sign}]\d{{1,2}}[{sign}]\d{{1,2}}": (f"%Y{sign}%m{sign}%d",) for sign in "-/."},
    r"\d{8}": ("%Y%m%d",),
    **{rf"\d{{1,2}}[{sign}]\d{{1,2}}[{sign}]\d{{4}}": orders for sign, orders in _ORDERS.items()},
    **{rf"\d{{1,2}}[{sign}]\d{{1,2}}[{sign}]\d{{2}}": orders for sign, orders in _SHORT.items()},
    rf"{_MONTH} \d{{1,2}}, \d{{4}}": ("%b %d, %Y",),
    **{rf"\d{{1,2}}{sign}{_MONTH}{sign}\d{{4}}": (f"%d{sign}%b{sign}%Y",) for sign in " -"},
    **{rf"\d{{1,2}}{sign}{_MONTH}{sign}\d{{2}}": (f"%d{sign}%b{sign}%y",) for sign in " -"},
}
"""A pattern of the whole cell -> the formats in which it may be read."""
_TIME: Final = (
    r"^\s*(.*?\d)"
    r"(?:[ T]0?0:00(?::00(?:\.0+)?)?\s*(?:Z|[+-]\d\d:?\d\d)?"
    r"| 12:00(?::00)? AM|[ T]1[36]:00(?::00)?"
    r"|[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:[+-](?:0[1-9]|1\d):?\d\d))\s*$"
)
"""An instant whose date, as written, is the exchange's day: midnight, New York's close without a zone (as Google prints
it), or any time in a zone of its own. A time in UTC is none of these: Tokyo's midnight is the day before there."""
STRAY_SHARE: Final = 0.05
STRAY_CELLS: Final = 3
"""Share and number of a file's days: up to these in another form are damaged rows, each refused by itself."""
DECIDING_DAYS: Final = 10
"""Days in a row, from old to new or back, that decide an order in which the year has two digits."""
SAVE: Final = "write the days as YYYY-MM-DD"


class DaysError(BoundsError):
    """Days that cannot be read with certainty; `remedy`: what to do."""


def iso_days(cells: pl.Series) -> pl.Series:
    """The days of a whole file as YYYY-M-D; a cell that is not a day, or one of few in another form, stays as it is.

    Raises DaysError if cells are in several forms or in none, or if the order of month and day stays open.
    """
    if cells.str.contains(r"^\d{4}-\d\d-\d\d$").all():
        return cells
    days = cells.str.replace(_TIME, "${1}").str.strip_chars()
    filled = days.filter(days.str.len_bytes() > 0)
    matches = {form: filled.filter(filled.str.contains(f"^(?:{form})$")).unique(maintain_order=True) for form in FORMS}
    form, main = max(matches.items(), key=lambda found: len(found[1]))
    if main.is_empty() and len(filled):
        raise DaysError(f"no day in column Date, e.g. {filled[0]}", f"{SAVE}, those of the exchange")
    others = pl.concat([match for match in matches.values() if match is not main])
    if len(others) > max(STRAY_CELLS, STRAY_SHARE * len(filled)):
        rule = f"days in several forms, {main[0]} and {others[0]}: a spreadsheet may have swapped month and day"
        raise DaysError(rule, SAVE)
    return days.replace(main, _decided(main, FORMS[form]).dt.strftime("%Y-%m-%d").fill_null(main))


def _decided(cells: pl.Series, formats: tuple[str, ...]) -> pl.Series:
    """The days of distinct cells in the one format in which each of them is a day."""
    cells = cells.str.replace(r"([A-Za-z]{3})[A-Za-z]*", "${1}")
    readings = [cells.str.to_date(form, strict=False) for form in formats]
    if len(readings) == 1:
        return readings[0]
    whole = [days for days in readings if not days.null_count()]
    if not whole:
        raise DaysError(f"no order of month and day fits all of {cells[0]}, ..., {cells[-1]}", SAVE)
    is_short = "%y" in formats[0]
    if is_short and len(cells) >= DECIDING_DAYS:
        whole = [days for days in whole if days.is_sorted() or days.is_sorted(descending=True)] or whole
    if others := [days for days in whole if not days.equals(whole[0])]:
        example = cells.filter(whole[0] != others[0])[0]
        if is_short:
            raise DaysError(f"the file does not decide which is year, month and day in {example}", SAVE)
        rule = f"the file does not decide which of month and day comes first in {example}: no day of it is above 12"
        raise DaysError(rule, f"{SAVE}, or download a span with later days of a month")
    return whole[0]
