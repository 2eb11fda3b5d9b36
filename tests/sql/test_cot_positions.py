"""staging.cot_positions: trader groups as rows, each report from its release on, the multiplier from its own row."""

import pytest

from r2k_pipeline.contracts.cot import CotPositions, CotReports
from r2k_pipeline.tables.cot_releases import CotReleases
from tests.sql.rows import Given, derive, release, report

TUESDAY = "2025-03-11"
RELEASED = {CotReleases: [release(TUESDAY, "2025-03-14T19:30Z")]}


def nets(given: Given, as_of: str) -> list[tuple[object, ...]]:
    found = derive(CotPositions, given, as_of).filter(trader_group="leveraged_funds")
    return found.select("long_contracts", "short_contracts", "revision").rows()


def test_one_row_for_each_group_the_layout_has() -> None:
    legacy = {
        "report_type": "legacy_futures",
        "contract_code": "239742",
        "report_date": TUESDAY,
        "open_interest_contracts": 100,
        "noncommercial_long_contracts": 30,
        "noncommercial_short_contracts": 20,
        "noncommercial_spreading_contracts": 10,
        "commercial_long_contracts": 50,
        "commercial_short_contracts": 60,
        "nonreportable_long_contracts": 10,
        "nonreportable_short_contracts": 10,
    }
    given = {**RELEASED, CotReports: [report("239742", TUESDAY, 300, 100), legacy]}
    found = derive(CotPositions, given)
    columns = ("report_type", "trader_group", "long_contracts", "short_contracts", "spreading_contracts")
    assert found.select(columns).rows() == [
        ("legacy_futures", "commercial", 50, 60, None),
        ("legacy_futures", "noncommercial", 30, 20, 10),
        ("legacy_futures", "nonreportable", 10, 10, None),
        ("tff_futures", "leveraged_funds", 300, 100, 0),
        ("tff_futures", "nonreportable", 700, 900, None),
    ]


def test_a_report_is_known_from_its_release_and_not_from_its_day() -> None:
    given = {**RELEASED, CotReports: [report("239742", TUESDAY, 300, 100)]}
    assert nets(given, "2025-03-14T19:29Z") == []
    assert nets(given, "2025-03-14T19:30Z") == [(300, 100, 0)]


def test_a_correction_is_known_from_when_we_learned_it() -> None:
    revised = report("239742", TUESDAY, 350, 100, recorded_at="2025-03-18T20:00Z")
    given = {**RELEASED, CotReports: [report("239742", TUESDAY, 300, 100), revised]}
    assert nets(given, "2025-03-18T19:59Z") == [(300, 100, 0)]
    assert nets(given, "2025-03-18T20:00Z") == [(350, 100, 1)]


def test_a_withdrawn_report_stands_until_it_was_withdrawn() -> None:
    row = report("239742", TUESDAY, 300, 100)
    given = {**RELEASED, CotReports: [row, {**row, "is_withdrawn": True, "recorded_at": "2025-03-18T20:00Z"}]}
    assert nets(given, "2025-03-18T19:59Z") == [(300, 100, 0)]
    assert nets(given, "2025-03-18T20:00Z") == []


@pytest.mark.parametrize(
    ("units", "multiplier"),
    [
        ("($50 X INDEX)", 50.0),
        ("(RUSSELL 2000 INDEX X $100.00)", 100.0),
        ("$5 X DJIA INDEX", 5.0),
        ("$ 1,000 X INDEX", 1000.0),
        ("CONTRACTS OF 42,000 GALLONS", None),
        (None, None),
    ],
)
def test_the_multiplier_is_read_from_the_rows_own_units(units: str | None, multiplier: float | None) -> None:
    given = {**RELEASED, CotReports: [report("239742", TUESDAY, 3, 1, contract_units=units)]}
    assert derive(CotPositions, given)["contract_multiplier_usd"].unique().to_list() == [multiplier]
