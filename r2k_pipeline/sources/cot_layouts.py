"""The CFTC's column layouts: which vendor column is which of ours, in file order; and layouts that are not read.

Belongs here: header names, their order (the current-week file has no header), what is left out on purpose, how other
reports and exports are recognised. Not here: reading bytes (cot.py), what the columns mean (contracts/cot.py).
Source: CFTC historical compressed files, TFF and legacy, as delivered 2017-2026.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from r2k_pipeline.contracts.cot import SIDES

_TFF_GROUPS: Final = {
    "dealer": "dealer",
    "asset_mgr": "asset_manager",
    "lev_money": "leveraged_funds",
    "other_rept": "other_reportables",
    "tot_rept": "total_reportable",
    "nonrept": "nonreportable",
}
_LEGACY_GROUPS: Final = {
    "noncommercial": "noncommercial",
    "commercial": "commercial",
    "total_reportable": "total_reportable",
    "nonreportable": "nonreportable",
}

_NAME: Final = "market_and_exchange_names"
"""The first column of every layout, and the sign of a header."""
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


def normalise(header: str) -> str:
    """A vendor's header in one spelling: lower case, words joined by single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", header.lower().replace("%", "pct")).strip("_")


ALIASES: Final = {
    "report_date_as_mm_dd_yyyy": "report_date_as_yyyy_mm_dd",
    "as_of_date_in_form_mm_dd_yyyy": "as_of_date_in_form_yyyy_mm_dd",
}
"""Vendor names that other years use for the same column (values are ISO dates all the same)."""


def _grid(groups: dict[str, str], pattern: str, ours: str, *, spread: str = "spreading") -> dict[str, str]:
    """One column per group and side; legacy spells spreading out, TFF says spread."""
    return {
        pattern.format(group=vendor, side=spread if side == "spreading" else side): ours.format(group=group, side=side)
        for vendor, group in groups.items()
        for side in SIDES[group]
    }


def _reportable(groups: dict[str, str]) -> dict[str, str]:
    """Without the residual group, for which the CFTC counts no traders."""
    return {vendor: group for vendor, group in groups.items() if group != "nonreportable"}


def _concentrations(pattern: str, ours: str) -> dict[str, str]:
    return {
        pattern.format(kind=kind, traders=traders, side=side): ours.format(kind=kind, traders=traders, side=side)
        for kind in ("gross", "net")
        for traders in (4, 8)
        for side in ("long", "short")
    }


_CONCENTRATION: Final = "concentration_{kind}_{traders}_{side}_percent"


def _tff() -> Layout:
    groups = _TFF_GROUPS
    return Layout(
        "tff",
        {
            _NAME: "market_name",
            "as_of_date_in_form_yymmdd": "as_of_yymmdd",
            "report_date_as_yyyy_mm_dd": "report_date",
            "cftc_contract_market_code": "contract_code",
            **dict.fromkeys(("cftc_market_code", "cftc_region_code", "cftc_commodity_code"), IGNORED),
            "open_interest_all": "open_interest_contracts",
            **_grid(groups, "{group}_positions_{side}_all", "{group}_{side}_contracts", spread="spread"),
            "change_in_open_interest_all": "open_interest_contracts_change_1w",
            **_grid(groups, "change_in_{group}_{side}_all", "{group}_{side}_contracts_change_1w", spread="spread"),
            "pct_of_open_interest_all": IGNORED,
            **_grid(groups, "pct_of_oi_{group}_{side}_all", IGNORED, spread="spread"),
            "traders_tot_all": "traders_total",
            **_grid(_reportable(groups), "traders_{group}_{side}_all", "{group}_traders_{side}", spread="spread"),
            **_concentrations("conc_{kind}_le_{traders}_tdr_{side}_all", _CONCENTRATION),
            "contract_units": "contract_units",
            "cftc_contract_market_code_quotes": IGNORED,
            "cftc_market_code_quotes": IGNORED,
            "cftc_commodity_code_quotes": IGNORED,
            "cftc_subgroup_code": IGNORED,
            "futonly_or_combined": "scope",
        },
    )


def _legacy() -> Layout:
    groups = _LEGACY_GROUPS
    columns: dict[str, str] = {
        _NAME: "market_name",
        "as_of_date_in_form_yymmdd": "as_of_yymmdd",
        "as_of_date_in_form_yyyy_mm_dd": "report_date",
        "cftc_contract_market_code": "contract_code",
        "cftc_market_code_in_initials": IGNORED,
        "cftc_region_code": IGNORED,
        "cftc_commodity_code": IGNORED,
    }
    for crop, kept in (("all", True), ("old", False), ("other", False)):
        columns[f"open_interest_{crop}"] = "open_interest_contracts" if kept else IGNORED
        columns |= _grid(groups, f"{{group}}_positions_{{side}}_{crop}", "{group}_{side}_contracts" if kept else "")
    columns["change_in_open_interest_all"] = "open_interest_contracts_change_1w"
    columns |= _grid(groups, "change_in_{group}_{side}_all", "{group}_{side}_contracts_change_1w")
    for crop in ("all", "old", "other"):
        columns[f"pct_of_open_interest_oi_{crop}"] = IGNORED
        columns |= _grid(groups, f"pct_of_oi_{{group}}_{{side}}_{crop}", IGNORED)
    for crop, kept in (("all", True), ("old", False), ("other", False)):
        columns[f"traders_total_{crop}"] = "traders_total" if kept else IGNORED
        columns |= _grid(
            _reportable(groups), f"traders_{{group}}_{{side}}_{crop}", "{group}_traders_{side}" if kept else ""
        )
    for crop, kept in (("all", True), ("old", False), ("other", False)):
        pattern = f"concentration_{{kind}}_lt_{{traders}}_tdr_{{side}}_{crop}"
        columns |= _concentrations(pattern, _CONCENTRATION if kept else IGNORED)
    columns["contract_units"] = "contract_units"
    quotes = ("cftc_contract_market_code_quotes", "cftc_market_code_in_initials_quotes", "cftc_commodity_code_quotes")
    return Layout("legacy", columns | dict.fromkeys(quotes, IGNORED))


TFF: Final = _tff()
LEGACY: Final = _legacy()


_NOT_READ: Final = "take it out of cot/; read are fut_fin_txt_*, com_fin_txt_* (TFF), deacot* and deahistfo* (legacy)"
_FROM_THE_CFTC: Final = "take the CFTC's own zip instead, e.g. fut_fin_txt_YYYY.zip"


@dataclass(frozen=True)
class Other:
    """A sound file that is not read: what it is, and what to do about it."""

    what: str
    remedy: str


_DISAGGREGATED: Final = Other("a disaggregated report, which r2k does not use", _NOT_READ)
_SUPPLEMENTAL: Final = Other("a supplemental report (index traders), which r2k does not use", _NOT_READ)
_WITH_INDEX: Final = Other(
    "an index column stands before the report's own",
    f"save it without that column (pandas: index=False), or {_FROM_THE_CFTC}",
)
_OTHERS: Final = {
    "yyyy_report_week_ww": Other(
        "an export of publicreporting.cftc.gov, whose columns have other names", _FROM_THE_CFTC
    ),
    "prod_merc_positions_long_all": _DISAGGREGATED,
    "ncomm_positions_long_all_nocit": _SUPPLEMENTAL,
}
"""By a column that no other layout has."""
_OTHER_WIDTHS: Final = {191: _DISAGGREGATED, 54: _SUPPLEMENTAL}
"""By the number of columns of a current week without a header."""


def layout_of(names: list[str]) -> tuple[Layout, bool] | Other:
    """(layout, whether the first line is a header) of a file whose first line is `names`, normalised; or an Other.

    A line that is no header and fits no width is not recognised: Other without a remedy.
    """
    found = next((other for column, other in _OTHERS.items() if column in names), None)
    if found is not None:
        return found
    if _NAME in names:
        if names[0] in ("", "index", "unnamed_0"):
            return _WITH_INDEX
        return (TFF if "futonly_or_combined" in names else LEGACY), True
    layout = next((layout for layout in (TFF, LEGACY) if len(layout.columns) == len(names)), None)
    if layout is not None:
        return layout, False
    unknown = Other(f"no header, and {len(names)} columns fit neither layout (TFF 87, legacy 129)", "")
    return _OTHER_WIDTHS.get(len(names), unknown)
