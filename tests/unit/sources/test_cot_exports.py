"""Reports as other programs save them: rows of the CFTC's API, tables of pandas, spreadsheets, packed, in sub-folders.

Belongs here: that each is read as the CFTC's own text of the same rows. Not here: that text (test_cot_files.py), asking
the API (test_socrata.py).
"""

import csv
import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import polars as pl
import pytest

from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.cot_exports import spellings
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.files import FilePrices, FileReports
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.raw_story import Story, lines_of
from tests.unit.sources.workbooks import row_of, workbook

NOW: Final = datetime(2026, 11, 28, tzinfo=UTC)
SAMPLES: Final = {"tff_futures": "fut_fin_txt_2024.zip", "legacy_futures": "deacot2024.zip"}


def read(body: bytes | str, name: str = "a.csv") -> pl.DataFrame:
    body = body if isinstance(body, bytes) else body.encode()
    return read_report(CotDocument(name, f"files:cot/{name}", body), NOW)


def lines(kind: str) -> list[str]:
    """The header and 20 rows of the sample's file of this type."""
    return lines_of(build_sample_cot()[SAMPLES[kind]])[:21]


def plain(kind: str) -> pl.DataFrame:
    name = {"tff_futures": "a.csv", "legacy_futures": "deacot.csv"}[kind]
    return read("\n".join(lines(kind)) + "\n", name).drop("source")


def api_rows(kind: str) -> list[dict[str, Any]]:
    """The rows as the API gives them: other names, midnights, no key for what is suppressed."""
    layout = LAYOUTS[kind.partition("_")[0]]
    header, *rows = csv.reader(lines(kind))
    found = []
    for row in rows:
        cells = dict(zip(map(normalise, header), (cell.strip() for cell in row), strict=True))
        said = {spellings(vendor)[-1]: cells[vendor] for vendor in layout.taken if cells[vendor] not in ("", ".")}
        said |= {"report_date_as_yyyy_mm_dd": f"{said.pop('report_date')}T00:00:00.000", "id": str(len(found))}
        said |= {"yyyy_report_week_ww": "2024 Report Week 1", "commodity_name": "X"}
        said.pop("as_of_date_in_form_yymmdd")
        found.append(said | {"futonly_or_combined": "Combined" if kind.endswith("combined") else "FutOnly"})
    return found


def as_csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    out = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)))
    out.writeheader()
    out.writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize("kind", SAMPLES)
def test_rows_of_the_api_are_read_as_the_files_rows(kind: str) -> None:
    rows = api_rows(kind)
    for body in (json.dumps(rows), json.dumps(rows, indent=1), as_csv(rows)):
        assert read(body, "rows.json").drop("source").equals(plain(kind))


def test_an_export_with_the_files_own_spelling_is_read() -> None:
    """The page of the data set offers such a file, with a column of weeks beside the others."""
    header, *rows = lines("tff_futures")
    weeks = [f"{header},YYYY Report Week WW", *(f"{row},2024 Report Week 1" for row in rows)]
    assert read("\n".join(weeks) + "\n").drop("source").equals(plain("tff_futures"))


@pytest.mark.parametrize("time", [" 12:00:00 AM", " 0:00", ""])
def test_an_export_with_days_of_the_united_states_and_thousands_is_read(time: str) -> None:
    """As people have it of the page of the data set, or save it from a spreadsheet."""
    header, *rows = csv.reader(lines("tff_futures"))
    at = next(place for place, name in enumerate(header) if name.startswith("Report_Date"))

    def saved(place: int, cell: str) -> str:
        if place == at:
            return f"{cell[5:7]}/{cell[8:]}/{cell[:4]}{time}"
        return f"{int(cell):,}" if place > at + 4 and cell.strip().lstrip("-").isdigit() else cell.strip()

    written = [[saved(*cell) for cell in enumerate(row)] for row in rows]
    assert any('"1,' in line for line in as_lines(header, written))
    with_weeks = as_lines([*header, "YYYY Report Week WW"], [[*row, "2024 Report Week 1"] for row in written])
    for table in (as_lines(header, written), with_weeks):
        assert read("\n".join(table) + "\n").drop("source").equals(plain("tff_futures"))


def as_lines(header: list[str], rows: list[list[str]]) -> list[str]:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("[]", "JSON that is no list of rows"),
        ('{"message": "throttled"}', "JSON that is no list of rows"),
        ('[{"a": 1}, 2]', "JSON that is no list of rows"),
        ("[{}]", "an export that lacks"),
        ("[{", "no readable JSON"),
        ('[{"cftc_contract_market_code": "1"}]', "an export that lacks"),
        ("[" * 100_000, "no readable JSON"),
    ],
)
def test_json_that_is_no_report_is_refused(body: str, rule: str) -> None:
    with pytest.raises(SourceError, match=f"not readable as a report: {rule}") as caught:
        read(body, "rows.json")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("index", [True, False])
def test_a_table_that_pandas_saved_is_read(kind: str, index: bool) -> None:
    """As cot_reports does: with an index, blanks as they were, counts beside a missing one as decimals."""
    frame = pd.read_csv(io.StringIO("\n".join(lines(kind))), dtype={3: str}, low_memory=False)
    counts = [name for name in frame.columns if "Positions" in name or "Open_Interest_All" in name]
    frame = frame.astype(dict.fromkeys(counts, float))
    saved = frame.to_csv(index=index)
    assert ".0," in saved
    assert read(saved, "deacot_all.csv").drop("source").equals(plain(kind))


def test_a_code_that_lost_its_zeros_is_not_made_up_for() -> None:
    header, first, *_ = lines("tff_futures")
    cells = next(csv.reader([first]))
    body = f"{header}\n" + ",".join(f'"{cell}"' for cell in [*cells[:3], "99741", *cells[4:]]) + "\n"
    assert screen_reports([read(body)]).refused["rule"].to_list() == ["contract_code lost its leading zeros"]


def test_a_report_in_a_spreadsheet_is_read() -> None:
    rows = [row_of(n, *row) for n, row in enumerate(csv.reader(lines("tff_futures")), 1)]
    assert read(workbook("".join(rows)), "FinFutYY.xlsx").drop("source").equals(plain("tff_futures"))


def test_reports_are_read_at_any_depth_and_out_of_any_wrapper(tmp_path: Path) -> None:
    body = ("\n".join(lines("tff_futures")) + "\n").encode()
    (tmp_path / "cot" / "2024" / "old").mkdir(parents=True)
    (tmp_path / "cot" / "2024" / "FinFutYY.txt.gz").write_bytes(gzip.compress(body))
    (tmp_path / "cot" / "2024" / "old" / "rows.json").write_text(json.dumps(api_rows("legacy_futures")))
    source = FileReports(tmp_path)
    assert source.list_reports() == ["2024:FinFutYY.txt.gz", "2024:old:rows.json"]
    story = replace(Story.begin(tmp_path / "lake"), desk=(FilePrices(tmp_path), source))
    log = story.fetch_reports("2026-11-28T12:00").log.filter(pl.col("item").str.contains(":"))
    assert log.sort("item").select("status", "rows_written").rows() == [("ok", 20), ("ok", 20)]
    assert story.raw("cot_reports")["source"].unique().sort().to_list() == [
        "files:cot/2024:FinFutYY.txt.gz", "files:cot/2024:old:rows.json"
    ]  # fmt: skip


def test_the_real_spreadsheet_of_the_cftc_is_read_whole(real: Path) -> None:
    """Every row fits the contract: positions and spreads make its open interest."""
    name = "fut_fin_xls_2026.zip"
    file = real / "cot_families" / name
    if not file.is_file():
        pytest.skip("the files of further families are not here")
    found = screen_reports([read(file.read_bytes(), name)])
    assert (found.rows.height, found.refused.height) == (1508, 0)
    row = found.rows.filter(contract_code="090741", report_date=date(2026, 5, 5))
    assert row.select("open_interest_contracts", "dealer_long_contracts", "traders_total").row(0) == (
        243793,
        69498,
        121,
    )
    assert row["dealer_traders_spreading"].to_list() == [None], "suppressed"


def test_real_answers_of_the_api_are_read(real: Path) -> None:
    files = sorted((real / "cot_socrata").glob("*-08-*.json"))
    if not files:
        pytest.skip("the API's answers are not here")
    rows = pl.concat([screen_reports([read(file.read_bytes(), file.name)]).rows for file in files])
    assert rows.select("report_type", "contract_code", "report_date", "open_interest_contracts").rows() == [
        ("tff_futures", "232741", date(2025, 8, 5), 163900),
        ("legacy_combined", "239747", date(2024, 8, 20), 19404),
    ]
