"""COT files that people have: copies, extracts, spreadsheets, other reports. Twins of our own, and the real cuts.

Belongs here: what a folder of such files gives, from its bytes to the raw log and the account. Not here: layouts cell
by cell (test_cot_files.py), releases and withdrawals (test_revisions.py).
"""

import csv
import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.sources.cot import read_report
from r2k_pipeline.sources.files import FilePrices, FileReports
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.sample_cot_files import LEGACY_HEADER, build_sample_cot
from r2k_pipeline.sources.sheets import XLS
from r2k_pipeline.sources.size_limits import MAX_BYTES
from tests.raw_story import Story, at, lines_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DAY, CODE = 2, 3


@pytest.fixture(scope="module")
def year() -> list[str]:
    """The sample's TFF file of 2024: header, then five markets in 53 weeks."""
    return lines_of(build_sample_cot()["fut_fin_txt_2024.zip"])


@pytest.fixture
def faulty(real: Path) -> Path:
    """The folder of small real cuts; skips where it is absent."""
    folder = real.parent / "faulty" / "cot"
    if not folder.is_dir():
        pytest.skip("the small faulty COT files are not here")
    return folder


def read(name: str, body: str | bytes) -> pl.DataFrame:
    return read_report(document(name, body), NOW)


def document(name: str, body: str | bytes) -> CotDocument:
    return CotDocument(name, f"files:cot/{name}", body if isinstance(body, bytes) else body.encode())


def refused(name: str, body: str | bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read(name, body)
    return str(caught.value)


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def until(year: list[str], day: str) -> list[str]:
    return [year[0], *(line for line in year[1:] if cells(line)[DAY] <= day)]


def cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def rewritten(year: list[str], change: Callable[[list[str]], list[str]]) -> list[str]:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([cells(year[0]), *(change(cells(line)) for line in year[1:])])
    return stream.getvalue().splitlines()


def folder_of(tmp_path: Path, files: dict[str, str | bytes]) -> Path:
    (tmp_path / "vendor" / "cot").mkdir(parents=True)
    for name, body in files.items():
        (tmp_path / "vendor" / "cot" / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    return tmp_path / "vendor"


def fetched(tmp_path: Path, folder: Path) -> tuple[Story, pl.DataFrame]:
    """A story that has read a folder once, and the account of its report files."""
    desk = (FilePrices(folder), FileReports(folder))
    story = replace(Story.begin(tmp_path / "lake"), desk=desk)
    log = story.fetch_reports("2026-11-28T12:00").log
    return story, log.filter(pl.col("item").str.contains(r"\."))


# Copies


def test_of_two_copies_the_one_that_reaches_further_stands(tmp_path: Path, year: list[str]) -> None:
    def revise(row: list[str]) -> list[str]:
        return (
            [*row[:71], str(int(row[71]) + 1), *row[72:]] if row[DAY] == "2024-06-04" and row[CODE] == "239742" else row
        )

    later = rewritten(until(year, "2024-07-30"), revise)
    folder = folder_of(tmp_path, {"a_2024-06.txt": text(until(year, "2024-06-11")), "b_2024-07.txt": text(later)})
    story, log = fetched(tmp_path, folder)
    row = story.raw("cot_reports").filter(report_date=date(2024, 6, 4), contract_code="239742")
    assert row["source"].to_list() == ["files:cot/b_2024-07.txt"]
    assert log.sort("item")["status"].to_list() == ["ok", "ok"]
    (message,) = log["message"].drop_nulls()
    assert message == (
        "files:cot/b_2024-07.txt has 1 of its rows otherwise and stands, as it reaches at least as far, "
        "e.g. tff_futures 239742 2024-06-04"
    )


def test_of_two_copies_that_end_with_the_same_report_the_one_with_more_rows_stands(
    tmp_path: Path, year: list[str]
) -> None:
    extract = rewritten(
        [year[0], *(line for line in year if cells(line)[CODE] == "239742")],
        lambda row: [*row[:71], str(int(row[71]) + 1), *row[72:]],
    )
    story, _ = fetched(tmp_path, folder_of(tmp_path, {"a.txt": text(extract), "b.txt": text(year)}))
    assert story.raw("cot_reports")["source"].unique().to_list() == ["files:cot/b.txt"]


def test_the_real_older_copy_does_not_win(tmp_path: Path, faulty: Path) -> None:
    folder = folder_of(tmp_path, {f.name: f.read_bytes() for f in (faulty / "03_older_copy_wins").iterdir()})
    story, log = fetched(tmp_path, folder)
    row = story.raw("cot_reports").filter(report_date=date(2024, 6, 4), contract_code="239742")
    assert row["leveraged_funds_long_contracts"].to_list() == [53451]
    assert "files:cot/FinFutYY_2024-07.txt has 1 of its rows otherwise" in log["message"].drop_nulls().item()


# Dates


def test_days_with_slashes_are_read_in_the_order_that_the_whole_file_decides(year: list[str]) -> None:
    plain = read("a.txt", text(year))
    orders: dict[str, Callable[[str], str]] = {
        "%m/%d/%Y": lambda day: f"{day[5:7]}/{day[8:]}/{day[:4]}",
        "%-m/%-d/%Y": lambda day: f"{int(day[5:7])}/{int(day[8:])}/{day[:4]}",
        "%d/%m/%Y": lambda day: f"{day[8:]}/{day[5:7]}/{day[:4]}",
    }
    for order, written in orders.items():
        slashed = rewritten(year, lambda row, write=written: [*row[:DAY], write(row[DAY]), *row[DAY + 1 :]])
        assert read("a.txt", text(slashed)).equals(plain), order


def test_days_that_a_file_does_not_decide_are_refused(year: list[str]) -> None:
    undecided = rewritten(year[:2], lambda row: [row[0], "", "03/04/2025", *row[3:]])
    said = refused("a.txt", text(undecided))
    assert "the file does not decide which of month and day comes first in 03/04/2025; next: save the dates as" in said


def test_a_zero_that_a_spreadsheet_dropped_from_the_second_date_is_no_contradiction(year: list[str]) -> None:
    saved = rewritten(year[:2], lambda row: [row[0], "50104", "1/4/2005", *row[3:]])
    assert read("a.txt", text(saved))["report_date"].to_list() == ["2005-01-04"]


def test_the_real_file_that_a_spreadsheet_saved_is_that_of_the_cftc(faulty: Path) -> None:
    folder = faulty / "04_every_row_refused_is_ok"
    plain, saved = (
        read("a.csv", (folder / name).read_bytes()) for name in ("FinFutYY_2024.txt", "tff_saved_by_excel.csv")
    )
    assert saved.equals(plain)


# Refused rows


def test_a_file_of_which_every_row_is_refused_failed(tmp_path: Path, year: list[str]) -> None:
    spoilt = rewritten(year, lambda row: [*row[:1], "", *row[2:]])
    story, log = fetched(tmp_path, folder_of(tmp_path, {"FinFutYY.txt": text(spoilt)}))
    assert log.select("status", "rows_read", "rows_quarantined").row(0) == ("failed", 265, 265)
    assert log["message"][0].startswith(
        "FinFutYY.txt: 265 of 265 rows refused: report_date is contradicted by the second date column (265), e.g. tff_"
    )
    assert '; next: fix or replace it; r2k sql --source files "select' in log["message"][0]
    assert story.raw("cot_reports").is_empty()


@pytest.mark.parametrize(
    ("spoilt_rows", "status", "written"), [(3, "ok", 262), (16, "ok", 249), (17, "failed", 0), (200, "failed", 0)]
)
def test_a_few_refused_rows_are_normal_and_many_fail_the_file_whole(
    tmp_path: Path, year: list[str], spoilt_rows: int, status: str, written: int
) -> None:
    """Of 265 rows 5 % are 13, and three more."""
    rows = iter(range(len(year)))
    spoilt = rewritten(year, lambda row: [*row[:7], "1" if next(rows) < spoilt_rows else row[7], *row[8:]])
    story, log = fetched(tmp_path, folder_of(tmp_path, {"FinFutYY.txt": text(spoilt)}))
    assert log.select("status", "rows_written").row(0) == (status, written)
    rules = dict(story.raw("refused_rows")["rule"].value_counts().iter_rows())
    assert rules.pop("longs_make_open_interest, shorts_make_open_interest") == spoilt_rows
    assert sum(rules.values()) == (265 - spoilt_rows if status == "failed" else 0), "all rows are accounted for"


def test_a_row_that_breaks_many_rules_names_the_first_ones(tmp_path: Path, year: list[str]) -> None:
    spoilt = rewritten(year, lambda row: [*row[:7], *("x" * bool(cell.strip()) for cell in row[7:-1]), row[-1]])
    _, log = fetched(tmp_path, folder_of(tmp_path, {"FinFutYY.txt": text(spoilt)}))
    message = log["message"][0]
    assert re.search(r"265 of 265 rows refused: \w+ dtype, \w+ dtype, \w+ dtype and \d\d more \(", message), message
    assert len(message) < 500


def test_a_row_with_too_many_cells_is_named(year: list[str]) -> None:
    said = refused("a.txt", text([year[0], f"{year[1]},", *year[2:]]))
    assert re.search(r"line 2 \(.*\) has 88 cells, the first line 87; next: where it is the CFTC's, download", said), (
        said
    )
    narrow = refused("a.txt", text([year[0], year[1].rpartition(",")[0], *year[2:]]))
    assert "has 86 cells, the first line 87; next: where" in narrow
    assert "unknown (no name)" in refused("a.txt", text([f"{year[0]},", *(f"{line}," for line in year[1:])]))


def test_a_short_file_with_one_bad_row_is_read(tmp_path: Path, year: list[str]) -> None:
    spoilt = rewritten(year[:3], lambda row: [*row[:7], "1" if row[DAY] == cells(year[1])[DAY] else row[7], *row[8:]])
    _, log = fetched(tmp_path, folder_of(tmp_path, {"FinFutWk.txt": text(spoilt)}))
    assert log["status"].item() == "ok"


def test_the_share_is_a_setting(tmp_path: Path, year: list[str]) -> None:
    rows = iter(range(len(year)))
    spoilt = rewritten(year, lambda row: [*row[:7], "1" if next(rows) < 40 else row[7], *row[8:]])
    folder = folder_of(tmp_path, {"FinFutYY.txt": text(spoilt)})
    story = Story.begin(tmp_path / "lake", refused_share=0.2)
    log = replace(story, desk=(FilePrices(folder), FileReports(folder))).fetch_reports("2026-11-28T12:00").log
    assert log.filter(item="FinFutYY.txt")["status"].item() == "ok"


# Bytes


def test_blanks_beside_quotes_are_read(year: list[str]) -> None:
    spread = [line.replace('",', '" ,').replace(",", ", ") for line in year]
    assert spread[1].count('" ,') > 1
    assert read("a.txt", text(spread)).equals(read("a.txt", text(year)))


def test_blanks_within_quotes_stay(year: list[str]) -> None:
    named = rewritten(year[:2], lambda row: ['CASH "SWEET" , TWO', *row[1:]])
    assert read("a.txt", text(named))["market_name"].to_list() == ['CASH "SWEET" , TWO']


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda body: body + "\n\n", id="blank lines at the end"),
        pytest.param(lambda body: body + " \r\n,,,\r\n", id="a row of commas at the end"),
        pytest.param(lambda body: body + "\x1a", id="a mark for the end of file"),
        pytest.param(lambda body: body.replace("\n", "\r"), id="CR"),
        pytest.param(lambda body: body.replace("\n", "\n\n"), id="every other line blank"),
        pytest.param(lambda body: body.encode("utf-8-sig"), id="a byte order mark"),
        pytest.param(lambda body: body.encode("utf-16"), id="UTF-16"),
    ],
)
def test_how_a_text_was_saved_makes_no_difference(year: list[str], written: Callable[[str], str | bytes]) -> None:
    assert read("a.txt", written(text(year))).equals(read("a.txt", text(year)))


def test_the_official_legacy_file_of_2004_is_read_whole(faulty: Path) -> None:
    body = (faulty / "05_deacot2004_quote_blank" / "annual.txt").read_bytes()
    rows = read("annual.txt", body)
    assert rows.height == len(body.splitlines()) - 1
    assert rows["contract_code"].null_count() == 0


# Files of other kinds


OTHERS = [
    ("annualci.txt", ["NComm_Positions_Long_All_NoCIT"], "a supplemental report", "take it out of cot/"),
    ("deacit.txt", 54, "a supplemental report", "take it out of cot/"),
]


@pytest.mark.parametrize(("name", "columns", "what", "remedy"), OTHERS, ids=[name for name, *_ in OTHERS])
def test_a_sound_file_of_another_kind_is_named(name: str, columns: list[str] | int, what: str, remedy: str) -> None:
    line = ["1"] * columns if isinstance(columns, int) else ["Market_and_Exchange_Names", *columns]
    said = refused(name, text([",".join(line)] * 2))
    assert what in said
    assert f"; next: {remedy}" in said
    assert "download it again" not in said


def test_other_separators_are_named(year: list[str]) -> None:
    for separator, shown in ((";", "';'"), ("\t", "'\\t'")):
        said = refused("a.csv", text([separator.join(cells(line)) for line in year[:3]]))
        assert f"cells are separated by {shown}, not by commas; next: save it with commas" in said


def test_the_real_files_of_other_kinds_get_the_remedy_that_fits(faulty: Path) -> None:
    folder = faulty / "08_layouts_refused_with_the_wrong_remedy"
    bodies = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert read("two_blank_lines_at_end.txt", bodies.pop("two_blank_lines_at_end.txt")).height == 8
    assert read("annual_2025.txt", bodies.pop("annual_2025.txt"))["report_type"].unique().to_list() == [
        "legacy_futures"
    ]
    assert read("f_year.txt", bodies.pop("f_year.txt"))["report_type"].unique().to_list() == ["disaggregated_futures"]
    indexed = read("x", bodies.pop("pandas_with_index.csv"))
    assert indexed.equals(read("x", (folder / "two_blank_lines_at_end.txt").read_bytes()))
    (row,) = read("socrata_rows.csv", bodies.pop("socrata_rows.csv")).to_dicts()
    assert (row["contract_code"], row["report_date"], row["dealer_long_contracts"], row["report_type"]) == (
        "232741", "2025-08-05", "69127", "tff_futures"
    )  # fmt: skip
    assert list(bodies) == ["annualci.txt"]
    assert "; next: take it out" in refused("annualci.txt", bodies["annualci.txt"])


@pytest.mark.parametrize("name", ["annual_2025.txt", "annual2025.txt", "annual (1).txt", "deacot2025.txt"])
def test_every_legacy_zip_has_an_annual_txt_so_people_number_them(name: str) -> None:
    row = dict.fromkeys(LEGACY_HEADER, "0") | {"As of Date in Form YYMMDD": "250311"}
    body = text([",".join(f'"{cell}"' for cell in LEGACY_HEADER), ",".join(row.values())])
    assert read(name, body)["report_type"].to_list() == ["legacy_futures"]


def test_whatever_lies_in_the_folder_is_read_or_named_with_what_to_do(tmp_path: Path, year: list[str]) -> None:
    folder = folder_of(
        tmp_path, {"FinFutYY.txt": text(year), "a.xls": XLS, "b.txt.gz": b"\x1f\x8b", "notes": b"x", ".DS_Store": b"x"}
    )
    for part in ("2023", ".git"):
        (folder / "cot" / part).mkdir()
        (folder / "cot" / part / "notes.doc").write_bytes(b"x")
    story, log = fetched(tmp_path, folder)
    assert story.raw("cot_reports").height == 265
    said = dict(log.filter(status="failed").select("item", "message").iter_rows())
    with pytest.raises(SourceError) as caught:
        FileReports(folder).fetch_report("notes")
    said["notes"] = str(caught.value)
    remedies = {
        "a.xls": "save it as CSV, or take the CFTC's text",
        "b.txt.gz": "delete the file and download it again",
        "2023:notes.doc": "take it out",
        "notes": "take it out",
    }
    assert {name for name, remedy in remedies.items() if f"; next: {remedy}" in said[name]} == said.keys()
    assert set(FileReports(folder).list_reports()) == {"FinFutYY.txt", *remedies}


# Bounds


def _header_of(columns: int) -> bytes:
    return b"Market_and_Exchange_Names,YYMMDD," + b",".join(b"c%d" % n for n in range(columns)) + b"\n1\n"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(_header_of(5_000), "5,002 columns, more than 1,000", id="5,000 columns"),
        pytest.param(_header_of(300_000), "line 1 has 2,", id="300,000 columns"),
        pytest.param(
            b'"' + b"a" * 10_000_000 + b'",1\n', "line 1 has 10,000,004 bytes, more than 65,536", id="a long cell"
        ),
        pytest.param(b"a,\0b\n", "a NUL byte in line 1", id="NUL"),
        pytest.param(b'a,"b\n1,2\n', "a quote in line 1 is not closed", id="an open quote"),
        pytest.param(b"\n" * 3_000_000 + b"a", "about 3,000,000 lines, more than 1,000,000", id="lines"),
    ],
)
def test_what_is_beyond_a_bound_is_refused_at_once(body: bytes, rule: str) -> None:
    began = time.monotonic()
    assert f"not readable as a report: {rule}" in refused("a.txt", body)
    assert time.monotonic() - began < 2


def test_a_cell_that_no_report_has_is_refused(year: list[str]) -> None:
    named = rewritten(year[:3], lambda row: ["x" * 1_001, *row[1:]])
    assert "a cell of 1,001 bytes, more than 1,000" in refused("a.txt", text(named))


def test_a_file_beyond_the_bound_is_not_read_into_memory(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {})
    with (folder / "cot" / "a.txt").open("wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match="larger than 268,435,456 bytes; next: no report is as large"):
        FileReports(folder).fetch_report("a.txt")


def test_a_price_header_of_many_columns_ends(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "X.csv").write_bytes(_header_of(50_000))
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"line 1 has .* bytes, more than 65,536"):
        FilePrices(tmp_path).fetch_prices("X")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2024-01-03,1,1,1,1,1\0\n", "a NUL byte in line 3"),
        (f"2024-01-03,1,1,1,1,{'1' * 1001}\n", "a cell of 1,001 bytes, more than 1,000"),
    ],
    ids=["NUL", "a long cell"],
)
def test_a_price_file_is_held_to_the_same_bounds(tmp_path: Path, row: str, rule: str) -> None:
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "X.csv").write_text("Date,Open,High,Low,Close,Volume\n2024-01-02,1,1,1,1,1\n" + row)
    with pytest.raises(SourceError, match=rule):
        FilePrices(tmp_path).fetch_prices("X")


def test_a_report_cut_inside_its_last_number_is_refused(year: list[str]) -> None:
    """The CFTC's own last column is a word; in another order of the columns a number can lose its last digits."""
    moved = [",".join(f'"{cell}"' for cell in [*row[:7], *row[8:], row[7]]) for row in map(cells, year[:3])]
    assert read("a.txt", text(moved)).height == 2
    cut = text(moved)[:-4]
    assert "not readable as a report: a quote in line 3 is not closed" in refused("a.txt", cut)
    assert "the last line has no end, so its last number may lack digits" in refused("a.txt", cut.replace('"', ""))


def test_the_time_of_a_file_is_not_what_makes_a_report_known(tmp_path: Path, faulty: Path) -> None:
    """Report 2026-11-24 on disk on the 28th; the ledger has the 30th."""
    folder = folder_of(
        tmp_path, {"FinFutYY.txt": (faulty / "07_on_disk_before_its_ledger_release" / "FinFutYY.txt").read_bytes()}
    )
    story, _ = fetched(tmp_path, folder)
    (row,) = story.known("cot_releases", "2026-11-28T12:00").filter(report_date=date(2026, 11, 24)).to_dicts()
    assert (row["released_at"], row["release_basis"]) == (at("2026-11-28T12:00"), "estimated")
    assert row["reason"].startswith("in hand before its release by the ledger, 2026-11-30 20:30:00 UTC")


def test_the_real_newer_copy_of_the_same_name_observes_nothing(tmp_path: Path, faulty: Path) -> None:
    steps = [faulty / "01_newer_copy_of_the_same_file" / step / "FinFutYY.txt" for step in ("step1", "step2")]
    folder = folder_of(tmp_path, {"FinFutYY.txt": steps[0].read_bytes()})
    story, _ = fetched(tmp_path, folder)
    (folder / "cot" / "FinFutYY.txt").write_bytes(steps[1].read_bytes())
    story.fetch_reports("2026-11-28T12:05")
    releases = story.known("cot_releases", "2026-11-28T12:05").filter(pl.col("report_date") > date(2024, 6, 11))
    assert releases["reason"].str.contains("^observed:|^in hand").sum() == 0


def test_the_real_extract_withdraws_nothing(tmp_path: Path, faulty: Path) -> None:
    steps = faulty / "02_filtered_file_first"
    folder = folder_of(tmp_path, {"FinFutYY_2024.txt": (steps / "step2" / "FinFutYY_2024.txt").read_bytes()})
    story, _ = fetched(tmp_path, folder)
    (folder / "cot" / "FinFutYY_2024.txt").rename(tmp_path / "away")
    (folder / "cot" / "rut_only.csv").write_bytes((steps / "step1" / "rut_only.csv").read_bytes())
    log = story.fetch_reports("2026-11-28T12:05").log.filter(item="rut_only.csv")
    assert log.select("status", "rows_withdrawn").row(0) == ("ok", 0)
    assert story.known("cot_positions", "2026-11-28T12:05")["contract_code"].n_unique() == 4
