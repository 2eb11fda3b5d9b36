"""marts.trader_groups: every group that the reports print, once."""

from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.contracts.marts import TraderGroups
from tests.sql.rows import derive


def test_every_group_once_in_the_order_of_its_report() -> None:
    found = derive(TraderGroups, {})
    assert sorted(found["trader_group"]) == sorted(TRADER_GROUPS)
    tff = found.filter(report_family="tff")["trader_group"].to_list()
    assert tff == ["dealer", "asset_manager", "leveraged_funds", "other_reportables"]
