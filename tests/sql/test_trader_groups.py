"""marts.trader_groups: every group that the reports print, once, and which family prints it."""

import pytest

from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.contracts.marts import TraderGroups
from r2k_pipeline.report_types import FAMILIES
from tests.sql.rows import derive


def test_every_group_once() -> None:
    assert sorted(derive(TraderGroups, {})["trader_group"]) == sorted(TRADER_GROUPS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_groups_of_a_family_in_the_order_of_its_report(family: str) -> None:
    found = derive(TraderGroups, {}).select("trader_group", "report_family").rows()
    printed = [group for group in FAMILIES[family].groups.values() if group != "total_reportable"]
    assert [group for group, of in found if family in of.split(" and ") or of == "all"] == printed
