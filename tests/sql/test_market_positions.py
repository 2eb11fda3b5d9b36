"""staging.market_positions: contracts of a market summed anew at each moment at which one of them changed."""

from r2k_pipeline.contracts.cot import CotReports, MarketPositions
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.reference import MarketContracts
from tests.sql.rows import RUSSELL, contract, derive, release, report


def test_a_revision_of_one_contract_is_a_vintage_of_the_sum() -> None:
    day = "2017-09-05"
    given = {
        **RUSSELL,
        MarketContracts: [contract("23977A"), contract("239742")],
        CotReleases: [release(day)],
        CotReports: [
            report("23977A", day, 300, 100, contract_units="(RUSSELL 2000 X $100.00)"),
            report("239742", day, 50, 10),
            report("239742", day, 70, 10, recorded_at="2017-09-12T12:00Z"),
        ],
    }
    found = derive(MarketPositions, given).filter(trader_group="leveraged_funds")
    days = {name: found[name].dt.strftime("%m-%d") for name in ("known_at", "superseded_at")}
    assert found.with_columns(**days).select(
        "known_at", "superseded_at", "contract_codes", "long_contracts"
    ).rows() == [
        ("09-08", "09-12", "239742, 23977A", 650),
        ("09-12", None, "239742, 23977A", 670),
    ]
