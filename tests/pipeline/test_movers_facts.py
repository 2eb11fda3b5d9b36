"""Movers of real reports against a recomputation in pandas from the CFTC's own files, for the report of 2025-03-11."""

import io
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd
import polars as pl
import pytest

from r2k_pipeline.contracts.marts import Movers, PositioningVsTechnicals
from r2k_pipeline.log.ingest import ingest_reports
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from tests.pipeline.knowledge import built

REPORT: Final = date(2025, 3, 11)
GROUPS: Final = {
    **{"dealer": "Dealer", "asset_manager": "Asset_Mgr"},
    **{"leveraged_funds": "Lev_Money", "other_reportables": "Other_Rept"},
}
YEARS: Final = range(2017, 2026)


@pytest.fixture(scope="module")
def movers(real: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """marts.movers of every market of TFF, for the report; without prices, so without setups."""
    lake = tmp_path_factory.mktemp("movers")
    (lake / "given" / "cot").mkdir(parents=True)
    for year in YEARS:
        name = f"fut_fin_txt_{year}.zip"
        (lake / "given" / "cot" / name).write_bytes((real / "cot" / name).read_bytes())
    run = Run.of(Settings(source="files", files=lake / "given", lake=lake, markets=("@all",)))
    ingest_reports(run)
    return built(run, Movers, given=(PositioningVsTechnicals,)).filter(report_date=REPORT)


@pytest.fixture(scope="module")
def flows(real: Path) -> pd.DataFrame:
    """Each week's flow over open interest by contract code and group, to the report; the Russell's contracts summed."""
    frames = []
    for year in YEARS:
        with zipfile.ZipFile(real / "cot" / f"fut_fin_txt_{year}.zip") as archive:
            frames.append(pd.read_csv(io.BytesIO(archive.read(archive.namelist()[0])), dtype=str))
    rows = pd.concat(frame.rename(columns=lambda name: name.split("_as_")[0]) for frame in frames)
    rows["code"] = rows["CFTC_Contract_Market_Code"].str.strip().replace("23977A", "239742")
    rows["day"] = pd.to_datetime(rows["Report_Date"].str.strip())
    rows["contracts"] = rows["CFTC_Contract_Market_Code"].str.strip()
    columns = [
        "Open_Interest_All",
        *(f"{g}_Positions_{side}_All" for g in GROUPS.values() for side in ("Long", "Short")),
    ]
    rows[columns] = rows[columns].apply(lambda column: column.str.strip().astype(float))
    sums = rows.groupby(["code", "day"]).agg(
        {**dict.fromkeys(columns, "sum"), "contracts": lambda c: "".join(sorted(c))}
    )
    sums = sums.reset_index().sort_values(["code", "day"])
    before = sums.groupby("code").shift()
    is_next = ((sums["day"] - before["day"]).dt.days <= 8) & (sums["contracts"] == before["contracts"])
    found = sums[["code", "day"]].copy()
    for group, name in GROUPS.items():
        net, net_before = (f[f"{name}_Positions_Long_All"] - f[f"{name}_Positions_Short_All"] for f in (sums, before))
        found[group] = ((net - net_before) / sums["Open_Interest_All"]).where(is_next)
    return found[found["day"] <= pd.Timestamp(REPORT)]


def of_the_week(flows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The flows of the report by code and group."""
    week = flows[flows["day"] == pd.Timestamp(REPORT)].set_index("code")[list(GROUPS)].stack().dropna()
    return {(str(code), str(group)): float(flow) for (code, group), flow in week.items()}


def test_every_flow_is_the_one_in_the_files(
    movers: pl.DataFrame, flows: pd.DataFrame, codes: Mapping[str, str]
) -> None:
    expected = of_the_week(flows)
    found = {
        (codes[market], group): flow
        for market, group, flow in movers.select("market", "trader_group", "flow_oi_ratio").iter_rows()
        if flow is not None
    }
    assert len(found) == 248
    assert found == {key: pytest.approx(flow, abs=1e-12) for key, flow in expected.items()}


def test_every_place_is_by_size_in_the_markets_own_weeks(
    movers: pl.DataFrame, flows: pd.DataFrame, codes: Mapping[str, str]
) -> None:
    rescaled = {"SPX_ALL", "NDX_ALL", "DJI_ALL"}  # their unit changed in 2023: a week is lost in the files' own numbers
    for row in movers.filter(~pl.col("market").is_in(rescaled), pl.col("flow_place").is_not_null()).to_dicts():
        own = flows[flows["code"] == codes[row["market"]]].dropna()[row["trader_group"]].abs()
        size = abs(row["flow_oi_ratio"])
        place = 1 + int((own > size + 1e-12).sum())
        assert (row["flow_place"], row["flow_weeks"]) == (place, len(own)), row


def test_the_russells_week_is_unusual_for_it_and_not_the_largest(movers: pl.DataFrame) -> None:
    """Asset managers' flow was 53rd of 248 by size, and 43rd of the Russell's own 407 weeks in the files."""
    sizes = movers["flow_oi_ratio"].abs()
    (rut,) = movers.filter(market="RUT", trader_group="asset_manager").to_dicts()
    assert 1 + (sizes > abs(rut["flow_oi_ratio"])).sum() == 53
    assert sizes.count() == 248
    assert (rut["flow_place"], rut["flow_weeks"]) == (43, 407)
    assert rut["flow_percentile"] == pytest.approx(100 * 365 / 407)
    assert rut["role"] == "institution"


@pytest.fixture(scope="module")
def codes() -> dict[str, str]:
    """The contract code of each market today."""
    from r2k_pipeline.markets import read_catalogue

    last = {market.market: market.cot[-1].code for market in read_catalogue().markets.values()}
    return last | {"RUT": "239742"}
