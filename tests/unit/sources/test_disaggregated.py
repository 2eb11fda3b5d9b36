"""The disaggregated report: real archives against a second reading of their text, and small twins of every kind."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.contracts.cot import SIDES
from r2k_pipeline.report_types import FAMILIES
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.protocol import CotDocument

STAMP: Final = datetime(2025, 1, 1, tzinfo=UTC)
GOLD: Final = "088691"
GROUPS: Final = {vendor: group for vendor, group in FAMILIES["disaggregated"].groups.items() if vendor != "tot_rept"}
GOLD_WEEKS: Final = {
    "2021-03-16": (100_669, 59_548, 34_231),
    "2023-03-07": (103_439, 89_040, 45_179),
    "2023-10-10": (93_934, 120_701, 34_940),
}
"""Long, short and spreading positions of managed money in gold as the CFTC printed them."""


def screened(name: str, content: bytes) -> pl.DataFrame:
    found = screen_reports([read_report(CotDocument(name, f"files:cot/{name}", content), STAMP)])
    assert found.refused.is_empty()
    assert found.identical.is_empty()
    return found.rows


def told(archive: bytes) -> Iterator[dict[str, str]]:
    """Every row of an archive by Python's own reader: the vendor's headers, cells without padding."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = opened.read(opened.namelist()[0]).decode()
    for row in csv.DictReader(io.StringIO(text)):
        yield {name.strip(): cell.strip() for name, cell in row.items()}


@pytest.mark.parametrize("year", [2021, 2023])
def test_every_row_of_a_real_archive_is_read_and_its_groups_make_the_open_interest(real: Path, year: int) -> None:
    archive = (real / "cot_families" / f"fut_disagg_txt_{year}.zip").read_bytes()
    rows = screened(f"fut_disagg_txt_{year}.zip", archive)
    assert set(rows["report_type"]) == {"disaggregated_futures"}
    expected = {(row["CFTC_Contract_Market_Code"], row["Report_Date_as_YYYY-MM-DD"]): row for row in told(archive)}
    assert rows.height == len(expected)
    for row in rows.iter_rows(named=True):
        cells = expected[row["contract_code"], str(row["report_date"])]
        printed = {normalise(name): cell for name, cell in cells.items()}
        for vendor, ours in LAYOUTS["disaggregated"].taken.items():
            if isinstance(row.get(ours), int | float):
                assert float(printed[vendor]) == row[ours], (row["contract_code"], row["report_date"], vendor)
        for side in ("long", "short"):
            legs = [
                row[f"{g}_{leg}_contracts"] for g in GROUPS.values() for leg in (side, "spreading") if leg in SIDES[g]
            ]
            assert sum(legs) == int(cells["Open_Interest_All"])


@pytest.mark.parametrize("day", GOLD_WEEKS)
def test_managed_money_in_gold_is_as_printed(real: Path, day: str) -> None:
    archive = (real / "cot_families" / f"fut_disagg_txt_{day[:4]}.zip").read_bytes()
    (cells,) = [
        row
        for row in told(archive)
        if (row["CFTC_Contract_Market_Code"], row["Report_Date_as_YYYY-MM-DD"]) == (GOLD, day)
    ]
    said = tuple(int(cells[f"M_Money_Positions_{side}_All"]) for side in ("Long", "Short", "Spread"))
    rows = screened("f_year.zip", archive).filter(contract_code=GOLD, report_date=date.fromisoformat(day))
    ours = rows.select(f"managed_money_{side}_contracts" for side in SIDES["managed_money"]).row(0)
    assert ours == said == GOLD_WEEKS[day]


# Twins of the kinds of file, in the CFTC's layout


def cells_of(scope: str = "FutOnly", day: str = "2023-10-10") -> dict[str, str]:
    """One row by the vendor's names in which everything adds up: All, Old and Other crop years differ."""
    row = dict.fromkeys(LAYOUTS["disaggregated"].columns, "0")
    positions = {"prod_merc": (20, 50), "swap": (15, 9, 4), "m_money": (30, 6, 2), "other_rept": (7, 11, 1)}
    for vendor, counts in positions.items():
        for side, count in zip(("long", "short", "spread"), counts, strict=False):
            row[f"{vendor}_positions_{side}_all"], row[f"{vendor}_positions_{side}_old"] = str(count), "1"
    row |= {"nonrept_positions_long_all": "21", "nonrept_positions_short_all": "17", "open_interest_all": "100"}
    row |= {"report_date": day, "as_of_date_in_form_yymmdd": day.replace("-", "")[2:], "futonly_or_combined": scope}
    row |= {"cftc_contract_market_code": f"{GOLD} ", "contract_units": "(CONTRACTS OF 100 TROY OUNCES)"}
    return row | {"market_and_exchange_names": "GOLD - COMMODITY EXCHANGE INC.", "traders_swap_spread_all": "."}


def file_of(*rows: dict[str, str], day_header: str | None = "Report_Date_as_YYYY-MM-DD") -> bytes:
    """A text as the CFTC writes it, headers with its double underscores; no header row where none is named."""
    names = [name.replace("swap_positions_s", "Swap__Positions_S") for name in LAYOUTS["disaggregated"].columns]
    header = [",".join(f'"{day_header if name == "report_date" else name}"' for name in names)]
    lines = [",".join(row.values()) for row in rows]
    return "\r\n".join([*(header if day_header else []), *lines, ""]).encode()


def zipped(member: str, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, body)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        pytest.param("f_disagg.txt", file_of(cells_of(), day_header=None), "futures", id="the week, without a header"),
        pytest.param("c_disagg.txt", file_of(cells_of("Combined"), day_header=None), "combined", id="combined"),
        pytest.param("fut_disagg_txt_2023.zip", zipped("f_year.txt", file_of(cells_of())), "futures", id="a year"),
        pytest.param(
            "com_disagg_txt_hist_2006_2016.zip",
            zipped("C_Disagg06_16.txt", file_of(cells_of("Combined"), day_header="Report_Date_as_MM_DD_YYYY")),
            "combined",
            id="the long history",
        ),
        pytest.param("a.txt", file_of(cells_of(), day_header="As_of_Date_In_Form_MM/DD/YYYY"), "futures", id="slashes"),
        pytest.param("a.txt", file_of(cells_of(), day_header="As_of_Date_Form_MM_DD_YYYY"), "futures", id="without In"),
    ],
)
def test_every_kind_of_file_says_the_same(name: str, content: bytes, kind: str) -> None:
    row = screened(name, content).row(0, named=True)
    assert (row["report_type"], row["contract_code"], str(row["report_date"])) == (
        f"disaggregated_{kind}",
        GOLD,
        "2023-10-10",
    )
    assert [row[f"swap_dealer_{side}_contracts"] for side in SIDES["swap_dealer"]] == [15, 9, 4]
    assert [row[f"producer_merchant_{side}_contracts"] for side in SIDES["producer_merchant"]] == [20, 50]
    assert row["other_reportables_short_contracts"] == 11
    assert row["swap_dealer_traders_spreading"] is None
    assert row["dealer_long_contracts"] is None


def test_positions_that_do_not_make_the_open_interest_are_refused() -> None:
    body = file_of(cells_of() | {"m_money_positions_spread_all": "3"})
    found = screen_reports([read_report(CotDocument("f_disagg.txt", "files:cot/f_disagg.txt", body), STAMP)])
    assert found.rows.is_empty()
    assert found.refused["rule"].to_list() == ["longs_make_open_interest, shorts_make_open_interest"]
