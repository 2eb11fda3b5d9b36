"""The CFTC's column layouts: which vendor column is which of ours, in file order; and layouts that are not read.

Belongs here: header names, their order (the current-week file has no header), what is left out on purpose, how other
reports and exports are recognised. Not here: reading bytes (cot.py), what the columns mean (contracts/cot.py).
Source: CFTC historical compressed files as delivered 2017-2026.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from r2k_pipeline.contracts.cot import LARGEST_TRADERS, SIDES
from r2k_pipeline.report_types import FAMILIES, Family

_NAME: Final = "market_and_exchange_names"
"""The first column of every layout, and the sign of a header."""
_DAY: Final = "report_date"
"""What every header of the report date is read as."""
_DAY_HEADER: Final = re.compile(r"(report_date_as|as_of_date(_in)?_form)_(yyyy_mm_dd|mm_dd_yyyy)")
"""Headers of the report date; they vary by year and family, and values are ISO dates under all of them."""
IGNORED: Final = ""
"""Ours for a vendor column that is known and left out: percentages of open interest (derivable), crop-year
splits (old, other: agricultural markets only), region, commodity and repeated quote columns."""


@dataclass(frozen=True)
class Layout:
    """One report family's columns: normalised vendor name -> our name (or IGNORED), in file order."""

    family: str
    columns: dict[str, str]

    @cached_property
    def taken(self) -> dict[str, str]:
        """Vendor name -> our name of the columns that are kept."""
        return {vendor: ours for vendor, ours in self.columns.items() if ours}


@dataclass(frozen=True)
class _Spelling:
    """How the legacy files, or the later ones, spell columns that both have."""

    codes: tuple[str, ...]
    spreading: str
    total: str
    percent: str
    concentration: str
    last: dict[str, str]


_WORDS: Final = _Spelling(
    codes=("cftc_market_code", "cftc_region_code", "cftc_commodity_code"),
    spreading="spread",
    total="traders_tot_{crop}",
    percent="pct_of_open_interest_{crop}",
    concentration="conc_{kind}_le_{traders}_tdr_{side}_{crop}",
    last={
        "cftc_contract_market_code_quotes": IGNORED,
        "cftc_market_code_quotes": IGNORED,
        "cftc_commodity_code_quotes": IGNORED,
        "cftc_subgroup_code": IGNORED,
        "futonly_or_combined": "scope",
    },
)
_LEGACY_WORDS: Final = _Spelling(
    codes=("cftc_market_code_in_initials", "cftc_region_code", "cftc_commodity_code"),
    spreading="spreading",
    total="traders_total_{crop}",
    percent="pct_of_open_interest_oi_{crop}",
    concentration="concentration_{kind}_lt_{traders}_tdr_{side}_{crop}",
    last={
        "cftc_contract_market_code_quotes": IGNORED,
        "cftc_market_code_in_initials_quotes": IGNORED,
        "cftc_commodity_code_quotes": IGNORED,
    },
)


@dataclass(frozen=True)
class _Cell:
    """One position that a family prints: the vendor's word for the group, our group, its side, the side as spelled."""

    vendor: str
    group: str
    side: str
    spelled: str


@lru_cache(maxsize=2_000)
def normalise(header: str) -> str:
    """A vendor's header in one spelling: lower case, words joined by single underscores; the report date's as one.

    So `Swap__Positions_Short_All` is spelled like `Swap_Positions_Long_All`.
    """
    name = re.sub(r"[^a-z0-9]+", "_", header.lower().replace("%", "pct")).strip("_")
    return _DAY if _DAY_HEADER.fullmatch(name) else name


def _layout(family: Family, words: _Spelling) -> Layout:
    """The columns of a family in file order: positions, changes, percentages, traders, concentrations."""
    cells = [
        _Cell(vendor, group, side, words.spreading if side == "spreading" else side)
        for vendor, group in family.groups.items()
        for side in SIDES[group]
    ]
    columns = {_NAME: "market_name", "as_of_date_in_form_yymmdd": "as_of_yymmdd", _DAY: _DAY}
    columns |= {"cftc_contract_market_code": "contract_code", **dict.fromkeys(words.codes, IGNORED)}
    for crop in family.crops:
        columns[f"open_interest_{crop}"] = _kept(crop, "open_interest_contracts")
        for cell in cells:
            positions = f"{cell.group}_{cell.side}_contracts"
            columns[f"{cell.vendor}_positions_{cell.spelled}_{crop}"] = _kept(crop, positions)
    columns["change_in_open_interest_all"] = "open_interest_contracts_change_1w"
    for cell in cells:
        change = f"{cell.group}_{cell.side}_contracts_change_1w"
        columns[f"change_in_{cell.vendor}_{cell.spelled}_all"] = change
    for crop in family.crops:
        columns[words.percent.format(crop=crop)] = IGNORED
        columns |= {f"pct_of_oi_{cell.vendor}_{cell.spelled}_{crop}": IGNORED for cell in cells}
    for crop in family.crops:
        columns[words.total.format(crop=crop)] = _kept(crop, "traders_total")
        for cell in cells:
            if cell.group != "nonreportable":
                traders = f"{cell.group}_traders_{cell.side}"
                columns[f"traders_{cell.vendor}_{cell.spelled}_{crop}"] = _kept(crop, traders)
    for crop in family.crops:
        for kind, largest, side in LARGEST_TRADERS:
            vendor = words.concentration.format(kind=kind, traders=largest, side=side, crop=crop)
            columns[vendor] = _kept(crop, f"concentration_{kind}_{largest}_{side}_percent")
    return Layout(family.name, columns | {"contract_units": "contract_units"} | words.last)


def _kept(crop: str, ours: str) -> str:
    """Our name of a column that is kept for all crop years together."""
    return ours if crop == "all" else IGNORED


LAYOUTS: Final = {
    family.name: _layout(family, _LEGACY_WORDS if family.name == "legacy" else _WORDS) for family in FAMILIES.values()
}
"""By family. The legacy files are older than the others and spell every column in another way."""


_NOT_READ: Final = (
    "take it out of cot/; read are fut_fin_txt_*, com_fin_txt_* (TFF), deacot* and deahistfo* (legacy), "
    "fut_disagg_txt_* and com_disagg_txt_* (disaggregated)"
)


@dataclass(frozen=True)
class Other:
    """A sound file of a kind that is not read: its kind, and what to do."""

    what: str
    remedy: str


_SUPPLEMENTAL: Final = Other("a supplemental report (index traders), which r2k does not use", _NOT_READ)
_OTHERS: Final = {"ncomm_positions_long_all_nocit": _SUPPLEMENTAL}
"""By a column that no other layout has."""
_OTHER_WIDTHS: Final = {54: _SUPPLEMENTAL}
"""By the number of columns of a current week without a header."""


def layout_of(names: list[str]) -> tuple[Layout, bool] | Other:
    """(layout, whether the first line is a header) of a file whose first line is `names`, normalised; or an Other.

    If the line is not a header and its width fits no layout, the result is an Other without a remedy.
    """
    found = next((other for column, other in _OTHERS.items() if column in names), None)
    if found is not None:
        return found
    if _NAME in names:
        return max(LAYOUTS.values(), key=lambda layout: len(layout.columns.keys() & set(names))), True
    layout = next((layout for layout in LAYOUTS.values() if len(layout.columns) == len(names)), None)
    if layout is not None:
        return layout, False
    widths = ", ".join(f"{layout.family} {len(layout.columns)}" for layout in LAYOUTS.values())
    unknown = Other(f"no header, and {len(names)} columns fit no layout ({widths})", "")
    return _OTHER_WIDTHS.get(len(names), unknown)
