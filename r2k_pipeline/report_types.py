"""The families of COT reports: a family is a few lines here, and its columns, files and rows follow from them.

Belongs here: names, the vendor's words for trader groups, file names, data sets of the API. Not here: how columns are
spelled (sources/cot_layouts.py), when a family was first published (sources/cot_releases.toml), labels of groups
(sql/marts/trader_groups.sql). File names are those of the CFTC's page "Historical Compressed".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Report:
    """Where the CFTC publishes one type of report: three kinds of files and a data set of its public reporting API."""

    long_history: str
    yearly: str
    current_week: str
    dataset: str


@dataclass(frozen=True)
class Family:
    """One family of reports; `groups`: the vendor's word -> our trader group, in the order of its columns.

    `crops`: for which crop years each position is printed; of several, "all" is kept.
    """

    name: str
    groups: Mapping[str, str]
    crops: tuple[str, ...]
    futures: Report
    combined: Report

    @property
    def reports(self) -> Mapping[str, Report]:
        """Its two reports by type: of futures alone, and of futures and options combined."""
        return {f"{self.name}_futures": self.futures, f"{self.name}_combined": self.combined}


_SUMS: Final = {"tot_rept": "total_reportable", "nonrept": "nonreportable"}
_ALL_OLD_OTHER: Final = ("all", "old", "other")
FAMILIES: Final = {
    family.name: family
    for family in (
        Family(
            "tff",
            {
                "dealer": "dealer",
                "asset_mgr": "asset_manager",
                "lev_money": "leveraged_funds",
                "other_rept": "other_reportables",
                **_SUMS,
            },
            ("all",),
            Report("fin_fut_txt_2006_2016.zip", "fut_fin_txt_{}.zip", "FinFutWk.txt", "gpe5-46if"),
            Report("fin_com_txt_2006_2016.zip", "com_fin_txt_{}.zip", "FinComWk.txt", "yw9f-hn96"),
        ),
        Family(
            "legacy",
            {
                "noncommercial": "noncommercial",
                "commercial": "commercial",
                "total_reportable": "total_reportable",
                "nonreportable": "nonreportable",
            },
            _ALL_OLD_OTHER,
            Report("deacot1986_2016.zip", "deacot{}.zip", "deafut.txt", "6dca-aqww"),
            Report("deahistfo_1995_2016.zip", "deahistfo{}.zip", "deacom.txt", "jun7-fc8e"),
        ),
        Family(
            "disaggregated",
            {
                "prod_merc": "producer_merchant",
                "swap": "swap_dealer",
                "m_money": "managed_money",
                "other_rept": "other_reportables",
                **_SUMS,
            },
            _ALL_OLD_OTHER,
            Report("fut_disagg_txt_hist_2006_2016.zip", "fut_disagg_txt_{}.zip", "f_disagg.txt", "72hh-3qpy"),
            Report("com_disagg_txt_hist_2006_2016.zip", "com_disagg_txt_{}.zip", "c_disagg.txt", "kh3c-gbw2"),
        ),
    )
}
REPORTS: Final = {kind: report for family in FAMILIES.values() for kind, report in family.reports.items()}
REPORT_TYPES: Final = tuple(REPORTS)
USUAL_REPORTS: Final = REPORT_TYPES[:4]
"""The reports that are fetched where nothing else is asked for: the financial and the legacy one."""


def family_of(report_type: str) -> str:
    """The name of the family that a report type is of."""
    return report_type.rpartition("_")[0]
