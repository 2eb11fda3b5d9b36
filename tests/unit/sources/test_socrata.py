"""The CFTC's API through a loopback stub: spellings, pages that do not make up their count, and zip against API."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import polars as pl
import pytest

from r2k_pipeline.report.online import compare_newest
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.socrata import DATASETS, SocrataReports
from tests.vendor_stub import Fault, VendorStub

STAMP: Final = datetime(2025, 8, 9, tzinfo=UTC)
DAY: Final = date(2025, 8, 5)
CODES: Final = ("239742", "13874+")
TFF: Final = f"/resource/{DATASETS['tff_futures']}.json"


@pytest.fixture
def stub() -> Iterator[VendorStub]:
    with VendorStub() as running:
        yield running


def api(stub: VendorStub) -> SocrataReports:
    return SocrataReports(stub.url, Limits(deadline_s=5, attempts=1), page_rows=1000)


def answers(stub: VendorStub, path: str, *said: object) -> None:
    """What the API says next, answer by answer, each with status 200."""
    stub.faults[path] = [Fault(body=json.dumps(body).encode()) for body in said]


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row of the financial report in which nobody but dealers holds anything."""
    return {
        "id": f"250805{number:06}F",
        "market_and_exchange_names": f"MARKET {number}",
        "report_date_as_yyyy_mm_dd": "2025-08-05T00:00:00.000",
        "cftc_contract_market_code": f"{number:06}",
        "open_interest_all": "7",
        "dealer_positions_long_all": "7",
        "dealer_positions_short_all": "7",
        "futonly_or_combined": "FutOnly",
        **more,
    }


PAGES: Final = ([row(n) for n in range(1000)], [row(n) for n in range(1000, 2000)])


def test_full_pages_are_read_in_the_order_of_ids_and_no_further(stub: VendorStub) -> None:
    answers(stub, TFF, [{"count": "2000"}], *PAGES)
    assert api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP).height == 2000
    counted, *pages = [parse_qs(asked.query) for asked in stub.requests(TFF)]
    assert counted["$select"] == ["count(*)"]
    assert [(page["$order"], page["$limit"], page["$offset"]) for page in pages] == [
        ([":id"], ["1000"], ["0"]),
        ([":id"], ["1000"], ["1000"]),
    ]
    assert all("13874%2B" in asked.query for asked in stub.requests(TFF)), "a plus sign would be a blank"


@pytest.mark.parametrize(
    "pages",
    [
        [PAGES[0], PAGES[0]],  # a repeated page
        [PAGES[0], [row(999), *PAGES[1][:-1]]],  # a row came in between: one twice, one never
        [PAGES[0], PAGES[1][:-1], []],  # one too few
        [PAGES[0], [*PAGES[1], row(2000)]],  # one too many
        [PAGES[0], []],
    ],
)
def test_pages_that_do_not_make_up_the_count_are_refused(stub: VendorStub, pages: list[Any]) -> None:
    answers(stub, TFF, [{"count": "2000"}], *pages)
    with pytest.raises(SourceError, match="2000 rows announced"):
        api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP)


@pytest.mark.parametrize(
    "said",
    [
        {"code": "query.compiler.malformed", "error": True, "message": "Could not parse SoQL query"},
        ["not a row"],
    ],
)
def test_an_error_at_status_200_is_no_answer(stub: VendorStub, said: object) -> None:
    answers(stub, TFF, said)
    with pytest.raises(SourceError, match="an error instead of rows"):
        api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP)


@pytest.mark.parametrize(
    "fault",
    [Fault(body=b"<html>busy</html>"), Fault(body=b'[{"count": "2"'), Fault(body=b"[" * 100_000), Fault(status=503)],
)
def test_what_is_no_json_is_refused(stub: VendorStub, fault: Fault) -> None:
    stub.always[TFF] = fault
    with pytest.raises(SourceError, match="socrata: tff_futures"):
        api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP)


@pytest.mark.parametrize(
    "wrong", [{"futonly_or_combined": "Combined"}, {"dealer_positions_long_all": "6"}, {"open_interest_all": "many"}]
)
def test_rows_that_break_the_contract_are_refused(stub: VendorStub, wrong: dict[str, str]) -> None:
    answers(stub, TFF, [{"count": "2"}], [row(1), row(2, **wrong)])
    with pytest.raises(SourceError, match="break the contract"):
        api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP)


@pytest.mark.parametrize(
    "said",
    [
        [[{"count": "many"}]],
        [[{"count": None}]],
        [[]],
        [[{"count": "1"}], [{"id": "1"}]],
        [[{"count": "1"}], [row(1, report_date_as_yyyy_mm_dd="soon")]],
    ],
)
def test_an_answer_of_another_shape_is_refused(stub: VendorStub, said: list[object]) -> None:
    answers(stub, TFF, *said)
    with pytest.raises(SourceError, match="socrata: tff_futures: "):
        api(stub).fetch_reports("tff_futures", DAY, CODES, STAMP)


def test_rows_of_a_report_that_was_not_asked_for_are_refused(stub: VendorStub) -> None:
    answers(stub, TFF, [row(1, report_date_as_yyyy_mm_dd="2025-07-29T00:00:00.000")])
    with pytest.raises(SourceError, match="rows of 2025-08-05 are not as many as were announced"):
        api(stub).fetch_days("tff_futures", {DAY: 1})


def test_counts_of_another_shape_are_refused(stub: VendorStub) -> None:
    answers(stub, TFF, [{"report_date_as_yyyy_mm_dd": "2025-08-05", "n": [1]}])
    with pytest.raises(SourceError, match="no counts by report"):
        api(stub).count_rows("tff_futures")


def test_real_answers_are_read_under_our_names(real: Path, stub: VendorStub) -> None:
    """Suffixes come and go, the legacy report's spreading is misspelled, a suppressed count has no key."""
    (tff,) = captured(real, "gpe5-46if_tff_futonly_232741_2025-08-05.json")
    answers(stub, TFF, [{"count": "1"}], [tff])
    found = api(stub).fetch_reports("tff_futures", DAY, ("232741",), STAMP).row(0, named=True)
    assert found["open_interest_contracts"] == 163_900
    assert (found["asset_manager_long_contracts"], found["asset_manager_short_contracts"]) == (40_337, 101_819)
    assert (found["nonreportable_short_contracts"], found["total_reportable_short_contracts"]) == (20_746, 143_154)
    assert (found["asset_manager_long_contracts_change_1w"], found["concentration_gross_4_long_percent"]) == (
        -2021,
        42.9,
    )
    assert found["dealer_traders_long"] is not None
    assert found["dealer_traders_short"] is None

    path = f"/resource/{DATASETS['legacy_combined']}.json"
    legacy = next(
        row
        for row in captured(real, "jun7-fc8e_legacy_combined_239747_2024-08-20.json")
        if row["report_date_as_yyyy_mm_dd"].startswith("2024-08-20")
    )
    answers(stub, path, [{"count": "1"}], [legacy])
    found = api(stub).fetch_reports("legacy_combined", date(2024, 8, 20), ("239747",), STAMP).row(0, named=True)
    assert (found["noncommercial_spreading_contracts"], found["commercial_long_contracts"]) == (258, 3_060)
    assert found["noncommercial_spreading_contracts_change_1w"] is not None
    assert found["noncommercial_traders_long"] is not None


def captured(real: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((real / "cot_socrata" / name).read_bytes())
    return rows


def test_the_newest_report_of_the_zip_is_held_against_the_api(real: Path, stub: VendorStub) -> None:
    name = "fut_fin_txt_2025.zip"
    content = (real / "cot" / name).read_bytes()
    held = screen_reports([read_report(CotDocument(name, name, content), STAMP)]).rows
    newest = as_api_rows(content, "2025-04-29", set(captured(real, "gpe5-46if_tff_futonly_232741_2025-08-05.json")[0]))
    answers(stub, TFF, [{"count": "2"}], newest)
    assert list(compare_newest(held, CODES, api(stub))) == [
        (True, f"tff_futures 2025-04-29, 2 contracts: the same {numeric(held)} values each")
    ]

    russell = next(row for row in newest if row["cftc_contract_market_code"] == "239742")
    truth = russell["lev_money_positions_long"]
    off = [*(row for row in newest if row is not russell), russell | {"change_in_lev_money_long": "1"}]
    answers(stub, TFF, [{"count": "2"}], off)
    ((agrees, detail),) = compare_newest(held, CODES, api(stub))
    assert not agrees
    assert "239742 leveraged_funds_long_contracts_change_1w: " in detail
    assert detail.count(" there") == 1
    assert truth not in detail

    answers(stub, TFF, [{"count": "1"}], newest[:1])
    ((agrees, detail),) = compare_newest(held, CODES, api(stub))
    assert not agrees
    assert "open_interest_contracts" in detail, "a contract that only we have"


def numeric(rows: pl.DataFrame) -> int:
    return sum(dtype.is_numeric() for dtype in rows.schema.values())


def as_api_rows(archive: bytes, day: str, keys: set[str]) -> list[dict[str, str]]:
    """Rows of a yearly zip as the API would say them: lower case, its spellings out of `keys`, no key for a dot."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = opened.read(opened.namelist()[0]).decode()
    said = []
    for record in csv.DictReader(io.StringIO(text)):
        cells = {name.lower(): cell.strip() for name, cell in record.items()}
        if cells["report_date_as_yyyy-mm-dd"] != day or cells["cftc_contract_market_code"] not in CODES:
            continue
        spelled = {name if name in keys else name.removesuffix("_all"): cell for name, cell in cells.items()}
        fixed = {"report_date_as_yyyy_mm_dd": f"{day}T00:00:00.000", "id": cells["cftc_contract_market_code"]}
        said.append({name: cell for name, cell in spelled.items() if cell != "."} | fixed)
    return said
