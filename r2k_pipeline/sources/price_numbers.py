"""Numbers as vendors and spreadsheets write them, one style for a whole file, as plain numbers with a point.

Belongs here: decimal and thousands signs, currency signs, K, M and B behind volumes. Not here: whether a number can be
a price (price_bounds.py), which column it is in (price_layouts.py).
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from r2k_pipeline.sources.size_limits import BoundsError

BLANK: Final = ("", "-", "--", "—", "n/a", "na", "null", "nan", "none")
"""Cells that hold no number, in lower case."""
_SPACES: Final = " '’\u00a0\u202f"


def _style(decimal: str, thousands: str) -> str:
    """The pattern of a number with this decimal sign; a number has groups of thousands by one sign or none."""
    grouped = "|".join(rf"\d{{1,3}}(?:[{sign}]\d{{3}})+" for sign in (thousands, *_SPACES))
    return rf"^[-+]?(?:\d*|{grouped})(?:[{decimal}]\d*)?(?:[eE][-+]?\d+)?$"


_STYLES: Final = {".": _style(".", ","), ",": _style(",", ".")}
"""The decimal sign -> a number with it, with or without groups of thousands."""
_CURRENCY: Final = r"^([-+]?)[$€£]\s?"
_SIGNS: Final = tuple(sign.encode() for sign in "\"'’$€£")
"""In a file with commas between its cells and none of these signs, every price is a plain number."""
_SUFFIX: Final = r"(?i)\s?([KMBT])$"
_TIMES: Final = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
"""Vendors print volumes in thousands, millions, billions, trillions."""


def plain_numbers(table: pl.DataFrame, names: Sequence[str], separator: str, text: bytes) -> pl.DataFrame:
    """The columns `names` of a whole file as text of plain numbers; a cell that is not a number stays as it is.

    `separator` is the sign between the cells of the file, `text` its whole text. Raises BoundsError if cells have two
    styles, or if the cells leave open whether a sign marks thousands or decimals.
    """
    present = [name for name in names if name in table.columns]
    is_bare = separator == "," and not any(sign in text for sign in _SIGNS)
    doubted = [name for name in present if name == "Volume" or not is_bare]
    if separator == "," and (not doubted or all(table.select(_is_plain(name).all() for name in doubted).row(0))):
        return table
    cells = table.select(pl.col(name).str.strip_chars().str.replace(_CURRENCY, "${1}") for name in present)
    if "Volume" in present:
        letter = pl.col("Volume").str.extract(_SUFFIX).str.to_lowercase()
        cells = cells.with_columns(times=letter.replace_strict(_TIMES, default=None, return_dtype=pl.Float64))
        cells = cells.with_columns(pl.col("Volume").str.replace(_SUFFIX, ""))
    sign = _decimal_sign(pl.concat([cells[name] for name in present]), separator)
    groups = f"[{',' if sign == '.' else '.'}{_SPACES}]"
    plain = [
        pl.when(pl.col(name).str.contains(_STYLES[sign]))
        .then(pl.col(name).str.replace_all(groups, "").str.replace(",", ".", literal=True))
        .otherwise(table[name])
        for name in present
    ]
    cells = cells.with_columns(plain)
    if "Volume" in present:
        volume = pl.col("Volume").cast(pl.Float64, strict=False) * pl.col("times")
        whole = volume.round().cast(pl.Int64, strict=False).cast(pl.String)
        cells = cells.with_columns(Volume=pl.coalesce(whole, "Volume"))
    return table.with_columns(cells.select(present))


def is_blank(name: str) -> pl.Expr:
    """Whether a cell holds no number."""
    return pl.col(name).str.strip_chars().str.to_lowercase().is_in(BLANK).fill_null(True)


def _is_plain(name: str) -> pl.Expr:
    """Whether a cell is a number that Polars reads, or blank."""
    cell = pl.col(name).str.strip_chars()
    return cell.cast(pl.Float64, strict=False).is_not_null() | (cell == "") | cell.is_null()


def _decimal_sign(cells: pl.Series, separator: str) -> str:
    """The decimal sign that all cells of a file have in common; cells that are not numbers are ignored."""
    signed = cells.filter(cells.str.contains(rf"^[-+]?[\d.,{_SPACES}]+$") & cells.str.contains("[.,]"))
    signed = signed.unique(maintain_order=True)
    point, comma = (signed.str.contains(style) for style in _STYLES.values())
    only_point, only_comma = signed.filter(point & ~comma), signed.filter(comma & ~point)
    if len(only_point) and len(only_comma):
        raise BoundsError(f"numbers in two styles, {only_point[0]} and {only_comma[0]}")
    if len(only_comma):
        return ","
    undecided = signed.filter(point & comma)
    if len(only_point) or undecided.is_empty() or (separator == "," and not undecided.str.contains(",").any()):
        return "."  # a decimal comma would show in some cell
    raise BoundsError(f"the file does not decide whether {undecided[0]} has thousands or decimals")
