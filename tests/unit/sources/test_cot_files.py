"""COT files: from zips and texts in the CFTC's layouts to typed rows, refused rows, and errors that name the file."""

import csv
import errno
import io
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.files import FileReports
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.sample_cot_files import LEGACY_HEADER, TFF_HEADER
from r2k_pipeline.sources.screening import Screened
from tests.special_files import SPECIAL

NOW: Final = datetime(2026, 6, 2, 12, tzinfo=UTC)
NAME: Final = "fut_fin_txt_2024.zip"
LEGS: Final = ((30, 25, 5), (40, 20, 4), (10, 38, 3), (6, 5, 2))
"""Long, short, spreading of four groups: with 8 long, 6 short of the residual, both sides make 108."""


def tff(**changed: str) -> list[str]:
    """One TFF row in which everything adds up, cells padded as in the CFTC's files; `changed` by our column name."""
    cells = dict.fromkeys(TFF_HEADER, "       1")
    for group, legs in zip(("Dealer", "Asset_Mgr", "Lev_Money", "Other_Rept"), LEGS, strict=True):
        for side, value in zip(("Long", "Short", "Spread"), legs, strict=True):
            cells[f"{group}_Positions_{side}_All"] = f"{value:8d}"
    cells |= {"NonRept_Positions_Long_All": "       8", "NonRept_Positions_Short_All": "       6"}
    cells |= {
        "Market_and_Exchange_Names": "RUSSELL E-MINI - CHICAGO MERCANTILE EXCHANGE",
        "As_of_Date_In_Form_YYMMDD": "241231",
        "Report_Date_as_YYYY-MM-DD": "2024-12-31",
        "CFTC_Contract_Market_Code": "239742",
        "CFTC_Commodity_Code": "239 ",
        "Open_Interest_All": "     108",
        "Traders_Lev_Money_Spread_All": ".",
        "Contract_Units": "(RUSSEL 2000 INDEX X $50)",
        "FutOnly_or_Combined": "FutOnly",
    }
    vendor = {ours: name for name, ours in LAYOUTS["tff"].columns.items() if ours}
    named = {normalise(name): name for name in TFF_HEADER}
    return list((cells | {named[vendor[ours]]: value for ours, value in changed.items()}).values())


def legacy() -> str:
    """A legacy file of one row in which everything is zero."""
    values = dict.fromkeys(LEGACY_HEADER, "       0") | {
        "Market and Exchange Names": "RUSSELL E-MINI",
        "As of Date in Form YYMMDD": "250311",
        "As of Date in Form YYYY-MM-DD": "2025-03-11",
        "CFTC Contract Market Code": "239742",
    }
    return text(list(values.values()), header=LEGACY_HEADER, newline="\n")


def on(day: str, **changed: str) -> list[str]:
    return tff(report_date=day, as_of_yymmdd=day[2:].replace("-", ""), **changed)


def text(*rows: Sequence[str], header: Sequence[str] | None = TFF_HEADER, newline: str = "\r\n") -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=newline).writerows([header, *rows] if header else rows)
    return stream.getvalue()


def zipped(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def document(body: bytes | str, name: str = NAME) -> CotDocument:
    """A file with this content; a text is zipped where the name asks for it."""
    if isinstance(body, str):
        body = zipped({"FinFutYY.txt": body}) if name.endswith(".zip") else body.encode()
    return CotDocument(name, f"files:cot/{name}", body)


def screened(*documents: CotDocument) -> Screened:
    """The account of some files in order of precedence; holds that every row is in it."""
    read = [read_report(each, NOW) for each in documents]
    found = screen_reports(read)
    assert pl.concat(read).height == found.rows.height + found.refused.height + found.identical.height
    return found


def refused(*rows: Sequence[str], name: str = NAME) -> list[tuple[str, str, str]]:
    """(source, key, rule) of every row that is refused out of one file with a good row and `rows`."""
    found = screened(document(text(on("2024-12-24"), *rows), name))
    assert date(2024, 12, 24) in found.rows["report_date"].to_list(), "the good row stays"
    return found.refused.select("source", "row_key", "rule").rows()


# What is read


def test_reads_a_row_as_printed() -> None:
    (row,) = screened(document(text(tff()))).rows.to_dicts()
    assert (row["report_type"], row["contract_code"], row["report_date"]) == (
        "tff_futures",
        "239742",
        date(2024, 12, 31),
    )
    assert (row["open_interest_contracts"], row["dealer_long_contracts"]) == (108, 30)
    assert (row["leveraged_funds_short_contracts"], row["other_reportables_spreading_contracts"]) == (38, 2)
    assert row["leveraged_funds_traders_spreading"] is None, "a dot is a suppressed count"
    assert row["noncommercial_long_contracts"] is None, "TFF has no such group"
    assert row["contract_units"] == "(RUSSEL 2000 INDEX X $50)"
    assert (row["source"], row["recorded_at"]) == (f"files:cot/{NAME}", NOW)


@pytest.fixture(scope="module")
def plain() -> pl.DataFrame:
    return screened(document(text(tff()).encode(), "a.txt")).rows


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(text(tff(), newline="\n").encode(), id="LF"),
        pytest.param(text(tff()).encode("utf-8-sig"), id="byte order mark"),
        pytest.param(text(tff()).rstrip().encode(), id="no newline at the end"),
        pytest.param(text(tff(), header=[f" {name} " for name in TFF_HEADER]).encode(), id="blanks around headers"),
        pytest.param(text(tff(), header=[name.upper() for name in TFF_HEADER]).encode(), id="upper case"),
        pytest.param(text(tff(), header=[name.replace("_", " ") for name in TFF_HEADER]).encode(), id="blanks within"),
        pytest.param(
            text(tff(), header=[name.replace("YYYY-MM-DD", "MM_DD_YYYY") for name in TFF_HEADER]).encode(),
            id="date column by its other name",
        ),
        pytest.param(
            text([tff()[0], *tff()[:0:-1]], header=[TFF_HEADER[0], *TFF_HEADER[:0:-1]]).encode(), id="other order"
        ),
        pytest.param(text([cell.strip() for cell in tff()]).encode(), id="no padding"),
        pytest.param(text(tff(), header=None).encode(), id="current week, no header"),
    ],
)
def test_spelling_of_the_file_makes_no_difference(body: bytes, plain: pl.DataFrame) -> None:
    assert screened(document(body, "a.txt")).rows.equals(plain)
    assert screened(document(zipped({"FinFutYY.txt": body}), "a.zip")).rows.drop("source").equals(plain.drop("source"))


def test_reads_cp1252() -> None:
    body = text(tff(market_name="CAFÉ – MATIF")).encode("cp1252")
    assert screened(document(body, "a.txt")).rows["market_name"].to_list() == ["CAFÉ – MATIF"]


@pytest.mark.parametrize("blank", [".", "", "       .", "        "])
def test_dots_and_blanks_are_null(blank: str) -> None:
    row = tff(dealer_traders_long=blank)
    assert screened(document(text(row))).rows["dealer_traders_long"].to_list() == [None]


@pytest.mark.parametrize(("scope", "kind"), [("FutOnly", "tff_futures"), ("Combined", "tff_combined")])
def test_a_tff_row_says_itself_whether_options_are_in_it(scope: str, kind: str) -> None:
    assert screened(document(text(tff(scope=scope)))).rows["report_type"].to_list() == [kind]


@pytest.mark.parametrize("code", ["239742", "13874A", "13874+", "099741"])
def test_codes_stay_text(code: str) -> None:
    assert screened(document(text(tff(contract_code=code + " ")))).rows["contract_code"].to_list() == [code]


@pytest.mark.parametrize(
    ("name", "member", "kind"),
    [
        ("deacot2025.zip", "annual.txt", "legacy_futures"),
        ("deahistfo2025.zip", "annualof.txt", "legacy_combined"),
        ("deahistfo_1995_2016.zip", "Com95_16.txt", "legacy_combined"),
        ("deacot1986_2016.zip", "FUT86_16.txt", "legacy_futures"),
        ("deacom.txt", "deacom.txt", "legacy_combined"),
        ("deafut.txt", "deafut.txt", "legacy_futures"),
    ],
)
def test_a_legacy_file_says_by_its_name_whether_options_are_in_it(name: str, member: str, kind: str) -> None:
    body = legacy()
    found = screened(document(zipped({member: body}) if name.endswith(".zip") else body, name))
    assert found.rows.select("report_type", "contract_code", "traders_total").rows() == [(kind, "239742", 0)]
    assert found.rows["dealer_long_contracts"].to_list() == [None]


@pytest.mark.parametrize("name", ["2025.txt", "deacot2025_with_annualof.txt"])
def test_a_legacy_file_whose_name_does_not_say_what_it_is_is_refused(name: str) -> None:
    rule = "neither its content nor the names .* say whether options are in it; next: rename it to deacot2025.txt"
    with pytest.raises(SourceError, match=f"files:cot/{name}: a legacy report, and {rule}"):
        screened(document(legacy(), name))


# Files that are not what they claim to be


def test_layouts_are_as_wide_as_the_files() -> None:
    assert [normalise(name) for name in TFF_HEADER] == list(LAYOUTS["tff"].columns)
    assert [normalise(name) for name in LEGACY_HEADER] == list(LAYOUTS["legacy"].columns)
    assert (len(LAYOUTS["tff"].columns), len(LAYOUTS["legacy"].columns)) == (87, 129)


def fails(bad: CotDocument, remedy: str = "download it again") -> str:
    """The rule in the error, which names the file once, and the remedy."""
    with pytest.raises(SourceError) as caught:
        read_report(bad, NOW)
    assert (caught.value.source, caught.value.key) == (bad.origin, bad.name)
    assert str(caught.value).count(bad.name) == 1
    assert remedy in caught.value.remedy
    return caught.value.rule


def header(**renamed: str) -> list[str]:
    return [renamed.get(name, name) for name in TFF_HEADER]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(
            text(tff(), header=header(Open_Interest_All="OI_All")),
            "layout: missing open_interest_all; unknown oi_all",
            id="renamed",
        ),
        pytest.param(
            text([*tff(), "1"], header=[*TFF_HEADER, "Nonrept_Gender"]),
            "layout: unknown nonrept_gender",
            id="added",
        ),
        pytest.param(
            text(tff()[1:], header=[name for name in TFF_HEADER if name != "Contract_Units"]),
            "layout: missing contract_units",
            id="removed",
        ),
        pytest.param(
            text([*tff(), "9"], header=[*TFF_HEADER, "Open_Interest_All"]),
            "layout: twice open_interest_all",
            id="repeated",
        ),
        pytest.param(text(tff()[:50], header=None), "no header, and 50 columns fit no layout", id="too narrow"),
        pytest.param(text([*tff(), "1"]), "not readable as a report", id="row with too many cells"),
        pytest.param(text(tff(), tff()[:60]), "cut short: 1 rows have fewer than 87 cells", id="cut in the last row"),
        pytest.param("\r\n <!DOCTYPE html><html><body>Sorry</body></html>", "an HTML page", id="HTML as text"),
        pytest.param("", "0 columns fit no layout", id="empty text"),
        pytest.param('"' + "".join(map(str, range(40_000))), "not readable as a report", id="one endless cell"),
    ],
)
def test_a_text_that_is_no_report_is_refused(body: str, rule: str) -> None:
    assert rule in fails(document(body, "FinFutWk.txt"))
    assert rule in fails(document(body, NAME)), "in a zip as well"


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "not a text" in fails(document(b"\x81\x8d\x00 market", "FinFutWk.txt"))


GOOD: Final = text(tff()).encode()
GOOD_DATA: Final = zipped({"FinFutYY.txt": GOOD})[60:68]
"""Bytes amid the compressed stream."""


def lying(member: bytes, claimed: int) -> bytes:
    """A zip whose directory claims another size than its member has."""
    body = bytearray(zipped({"FinFutYY.txt": member}))
    at = body.index(b"PK\x01\x02")
    body[at + 24 : at + 28] = struct.pack("<I", claimed)
    return bytes(body)


def encrypted() -> bytes:
    body = bytearray(zipped({"FinFutYY.txt": GOOD}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(signature) + flags] |= 1
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(b"<!DOCTYPE html><html>503</html>", "not a sound zip", id="HTML page"),
        pytest.param(b"", "not a sound zip", id="zero bytes"),
        pytest.param(zipped({"FinFutYY.txt": GOOD})[:-30], "not a sound zip", id="cut"),
        pytest.param(
            zipped({"FinFutYY.txt": GOOD}).replace(GOOD_DATA, b"\xff" * 8), "not a sound zip", id="flipped bits"
        ),
        pytest.param(zipped({}), "one text member expected, found []", id="no member"),
        pytest.param(
            zipped({"FinFutYY.txt": GOOD, "readme.txt": b"x"}),
            "found ['FinFutYY.txt', 'readme.txt']",
            id="extra member",
        ),
        pytest.param(zipped({"2024/FinFutYY.txt": GOOD}), "unexpected member '2024/FinFutYY.txt'", id="in a folder"),
        pytest.param(zipped({"../FinFutYY.txt": GOOD}), "unexpected member '../FinFutYY.txt'", id="out of the folder"),
        pytest.param(
            zipped({"inner.zip": zipped({"a.txt": GOOD})}), "unexpected member 'inner.zip'", id="zip in a zip"
        ),
        pytest.param(zipped({"a.exe": GOOD}), "unexpected member 'a.exe'", id="no text"),
        pytest.param(encrypted(), "the member is encrypted", id="encrypted"),
        pytest.param(zipped({"a.txt": GOOD}, zipfile.ZIP_BZIP2), "compression method 12", id="bzip2"),
        pytest.param(zipped({"a.txt": b"0" * 2_000_000}), "member of 2,000,000 bytes is beyond the caps", id="bomb"),
        pytest.param(lying(GOOD, 2**32 - 2), "beyond the caps", id="huge by its own word"),
        pytest.param(lying(b"0" * 2_000_000, 100_000), "not a sound zip", id="bomb that claims to be small"),
    ],
)
def test_a_zip_that_is_not_the_cftcs_is_refused(body: bytes, rule: str) -> None:
    is_sound = any(name in rule for name in ANOTHER_MAKERS) or rule.startswith("found")
    assert rule in fails(document(body), "unpack it" if is_sound else "download it again")


ANOTHER_MAKERS: Final = ("one text member", "unexpected member", "encrypted", "compression method")
"""Rules of sound zips that somebody else made."""


def test_a_damaged_answer_of_the_cftc_is_not_the_users() -> None:
    live = CotDocument(NAME, f"https://www.cftc.gov/files/dea/history/{NAME}", b"")
    assert "not a sound zip" in fails(live, "run again later")


def test_an_html_page_where_a_zip_was_expected_is_called_by_its_name() -> None:
    assert "begins with an HTML page" in fails(document(b"\n<html>Service unavailable</html>"))


SMALL: Final = zipped({"FinFutYY.txt": text(tff(), on("2024-12-24"))})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    flips=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, len(SMALL)),
    as_text=st.booleans(),
)
def test_damage_never_ends_in_anything_but_a_source_error(
    flips: list[tuple[int, int]], cut: int, as_text: bool
) -> None:
    body = bytearray(text(tff(), on("2024-12-24")).encode() if as_text else SMALL)
    for at, value in flips:
        body[at % len(body)] = value
    damaged = document(bytes(body[: cut or None]), "a.txt" if as_text else NAME)
    with suppress(SourceError):
        screen_reports([read_report(damaged, NOW)])


# Rows that are refused


def test_open_interest_that_does_not_add_up_is_refused() -> None:
    key = "tff_futures 239742 2024-12-31"
    assert refused(tff(open_interest_contracts="109")) == [
        (f"files:cot/{NAME}", key, "longs_make_open_interest, shorts_make_open_interest")
    ]
    assert refused(tff(dealer_long_contracts="31")) == [(f"files:cot/{NAME}", key, "longs_make_open_interest")]
    assert refused(tff(dealer_short_contracts="24")) == [(f"files:cot/{NAME}", key, "shorts_make_open_interest")]


@pytest.mark.parametrize(
    "rounded", [{"contract_code": "23974+"}, {"scope": "Combined"}], ids=["consolidated", "combined"]
)
def test_rounded_rows_have_the_slack_of_their_rounding(rounded: dict[str, str]) -> None:
    assert refused(tff(open_interest_contracts="113", **rounded)) == []
    assert len(refused(tff(open_interest_contracts="114", **rounded))) == 1


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        *((code, "contract_code lost its leading zeros") for code in ("99741", "23974", "9741", "23974.0", "239742.0")),
        *((code, "contract_code regex") for code in ("239742X", "2397 2", "13874++", "HTML<b")),
    ],
)
def test_a_code_that_is_none_is_refused(code: str, rule: str) -> None:
    """Five digits are a code that lost its leading zero on the way through somebody's spreadsheet."""
    assert refused(tff(contract_code=code)) == [(f"files:cot/{NAME}", f"tff_futures {code} 2024-12-31", rule)]


@pytest.mark.parametrize("day", ["31.12.2024", "20241231", "Report_Date_as_YYYY-MM-DD", ""])
def test_a_date_that_is_none_is_not_called_contradicted(day: str) -> None:
    assert [rule for *_, rule in refused(tff(report_date=day))] == ["report_date is not a day"]


def test_a_report_of_a_day_to_come_is_refused() -> None:
    assert refused(on("2026-06-02"), on("2026-06-09")) == [
        (f"files:cot/{NAME}", "tff_futures 239742 2026-06-09", "in_the_future")
    ]


@pytest.mark.parametrize(
    ("yymmdd", "day"),
    [("241224", "2024-12-31"), ("241231", "2024-12-30"), ("", "2024-12-31"), ("31.12.24", "2024-12-31")],
)
def test_a_date_that_the_second_date_column_contradicts_is_refused(yymmdd: str, day: str) -> None:
    assert refused(tff(as_of_yymmdd=yymmdd, report_date=day)) == [
        (f"files:cot/{NAME}", f"tff_futures 239742 {day}", "report_date is contradicted by the second date column")
    ]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"open_interest_contracts": ""}, "open_interest_contracts nullability"),
        ({"open_interest_contracts": "10,8"}, "open_interest_contracts dtype"),
        ({"traders_total": "12.5"}, "traders_total dtype"),
        ({"traders_total": "-3"}, "traders_total min"),
        ({"concentration_net_4_long_percent": "nan"}, "concentration_net_4_long_percent nan"),
        ({"scope": "Options"}, "report_type check"),
        ({"market_name": " "}, "market_name nullability"),
    ],
)
def test_a_value_that_breaks_the_contract_is_refused_by_rule(changed: dict[str, str], rule: str) -> None:
    ((source, _, broken),) = refused(tff(**changed))
    assert source == f"files:cot/{NAME}"
    assert rule in broken.split(", ")


# Duplicates


def test_identical_rows_count_as_one() -> None:
    found = screened(document(text(tff(), tff())))
    assert (found.rows.height, found.refused.height, found.identical["source"].to_list()) == (
        1,
        0,
        [f"files:cot/{NAME}"],
    )


def test_the_same_row_in_two_files_counts_as_one_of_the_first() -> None:
    found = screened(document(text(tff()), "a.zip"), document(text(tff()), "b.zip"))
    assert found.rows["source"].to_list() == ["files:cot/a.zip"]
    assert found.identical["source"].to_list() == ["files:cot/b.zip"]


def test_rows_of_one_key_that_differ_within_a_file_are_both_refused() -> None:
    rows = refused(tff(), tff(traders_total="77"))
    assert [rule for *_, rule in rows] == ["conflicting_duplicate"] * 2


def test_between_files_the_first_stands_and_the_other_row_names_it() -> None:
    first, second = document(text(tff()), "a.zip"), document(text(tff(traders_total="77")), "b.zip")
    found = screened(first, second)
    assert found.rows.select("source", "traders_total").rows() == [("files:cot/a.zip", 1)]
    assert found.refused.select("source", "rule").rows() == [("files:cot/b.zip", "differs from files:cot/a.zip")]


def test_a_conflict_within_one_file_does_not_touch_the_others() -> None:
    both = document(text(tff(traders_total="76"), tff(traders_total="77"), on("2024-12-24")), "b.zip")
    found = screened(document(text(tff()), "a.zip"), both)
    assert found.rows.sort("report_date").select("source", "report_date").rows() == [
        ("files:cot/b.zip", date(2024, 12, 24)),
        ("files:cot/a.zip", date(2024, 12, 31)),
    ]
    assert found.refused.height == 2


# The folder


def test_zips_stand_before_loose_texts(tmp_path: Path) -> None:
    (tmp_path / "cot").mkdir()
    for name in ("FinFutWk.txt", "fut_fin_txt_2024.zip", "DEACOT2025.ZIP", "a.csv", ".DS_Store"):
        (tmp_path / "cot" / name).write_bytes(GOOD)
    reports = FileReports(tmp_path)
    assert reports.list_reports() == ["DEACOT2025.ZIP", "fut_fin_txt_2024.zip", "FinFutWk.txt", "a.csv"]
    assert reports.fetch_report("a.csv") == CotDocument("a.csv", "files:cot/a.csv", GOOD)


def test_a_linked_folder_is_looked_into_once(tmp_path: Path) -> None:
    """Also where links go round in a circle."""
    (tmp_path / "cot").mkdir()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.txt").write_bytes(GOOD)
    for name in ("2024", "again"):
        (tmp_path / "cot" / name).symlink_to(tmp_path / "downloads")
    (tmp_path / "downloads" / "back").symlink_to(tmp_path / "cot")
    (name,) = FileReports(tmp_path).list_reports()
    assert FileReports(tmp_path).fetch_report(name) == CotDocument(name, f"files:cot/{name}", GOOD)


@pytest.mark.parametrize(("refused", "name"), [("2024/old", "2024:old"), ("2024", "2024"), ("", ".")])
def test_a_folder_that_cannot_be_listed_fails_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, name: str
) -> None:
    (tmp_path / "cot" / "2024" / "old").mkdir(parents=True)
    (tmp_path / "cot" / "a.txt").write_bytes(GOOD)
    scandir = os.scandir

    def without_right(folder: str) -> object:
        if Path(folder) == tmp_path / "cot" / refused:
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", without_right)
    reports = FileReports(tmp_path)
    assert name in reports.list_reports()
    with pytest.raises(SourceError, match="the folder cannot be listed; next: check its rights"):
        reports.fetch_report(name)


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_folder_without_reports_fails_by_name(tmp_path: Path, has_folder: bool) -> None:
    if has_folder:
        (tmp_path / "cot").mkdir()
    reports = FileReports(tmp_path)
    (missing,) = reports.list_reports()
    with pytest.raises(SourceError, match=r"fut_fin_txt_\*\.zip: no such file; next: put the CFTC's zips into cot/"):
        reports.fetch_report(missing)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cot" / "a.zip").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"files:cot/a\.zip: unreadable: Is a directory; next: check the file"):
        FileReports(tmp_path).fetch_report("a.zip")


@pytest.mark.parametrize("make", SPECIAL)
def test_what_is_no_file_is_not_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A named pipe would hold a run for ever."""
    (tmp_path / "cot" / "2024").mkdir(parents=True)
    make(tmp_path / "cot" / "2024" / "a.txt")
    with pytest.raises(SourceError, match=r"cot/2024:a\.txt: unreadable: a pipe, socket or device, not a file; next"):
        FileReports(tmp_path).fetch_report("2024:a.txt")


# Real files


def test_real_files_are_read_to_the_last_row(real: Path) -> None:
    """Eleven yearly zips and a headerless week: every row is kept, and no open interest fails to add up."""
    reports = FileReports(real)
    documents = [document_ for name in reports.list_reports() if (document_ := reports.fetch_report(name))]
    week = real / "cot_weekly" / "FinFutWk_2026-05-12.txt"
    documents.append(CotDocument(week.name, week.name, week.read_bytes()))
    lines = 0
    for each in documents:
        body = each.content
        if each.name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                body = archive.read(archive.namelist()[0])
        lines += len(body.splitlines()) - each.name.endswith(".zip")
    found = screened(*documents)
    assert lines == found.rows.height + found.refused.height + found.identical.height
    assert found.refused.select("row_key", "rule").rows() == []
    assert dict(found.rows["report_type"].value_counts().rows()).keys() == {
        "tff_futures",
        "tff_combined",
        "legacy_futures",
    }


@pytest.mark.parametrize(
    ("code", "day", "group", "net"),
    [
        ("239742", date(2025, 3, 4), "leveraged_funds", -11308),
        ("239742", date(2025, 3, 11), "leveraged_funds", 15124),
        ("239742", date(2025, 3, 11), "asset_manager", 48030),
        ("13874A", date(2025, 3, 4), "asset_manager", 911504),
        ("13874A", date(2025, 3, 11), "asset_manager", 846785),
        ("209742", date(2025, 3, 11), "leveraged_funds", 4666),
    ],
)
def test_real_positions_are_those_of_the_note(
    code: str, day: date, group: str, net: int, year_2025: pl.DataFrame
) -> None:
    row = year_2025.filter(pl.col("contract_code") == code, pl.col("report_date") == day)
    assert (row[f"{group}_long_contracts"] - row[f"{group}_short_contracts"]).to_list() == [net]


def test_both_russell_contracts_were_open_in_the_roll_week(real: Path) -> None:
    source = FileReports(real).fetch_report("fut_fin_txt_2017.zip")
    rows = screened(source).rows.filter(pl.col("report_date") == date(2017, 9, 12))
    interest = dict(rows.select("contract_code", "open_interest_contracts").iter_rows())
    assert sorted([interest["239742"], interest["23977A"]]) == [489595, 809537]


@pytest.fixture(scope="module")
def year_2025(real: Path) -> pl.DataFrame:
    return screened(FileReports(real).fetch_report("fut_fin_txt_2025.zip")).rows
