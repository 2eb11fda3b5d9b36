"""Every declared layout of price files, as vendors write it and as people save it: read back, or refused by name.

Belongs here: layouts, forms of days and numbers, wrappers, whose file it is. Not here: what a row must hold
(test_price_files.py), files that are wrong as a whole (test_wrong_files.py).
"""

import contextlib
import gzip
import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r2k_pipeline.sources.cot import read_report
from r2k_pipeline.sources.files import FilePrices
from r2k_pipeline.sources.price_layouts import layout_of, price_layouts
from r2k_pipeline.sources.price_tables import PriceTable, PriceTextError
from r2k_pipeline.sources.price_text import read_price_file
from r2k_pipeline.sources.prices import read_actions, read_bars, screen_actions, screen_bars
from r2k_pipeline.sources.protocol import CotDocument, PriceAnswer, SourceError
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.sources.settlement import INDEX
from r2k_pipeline.sources.wrong_files import refuse_wrong_file
from tests.unit.sources.price_writer import BARS, LAYOUTS, Bar, Style, write
from tests.unit.sources.workbooks import row_of, workbook

NOW: Final = datetime(2027, 1, 2, tzinfo=UTC)
PLAIN: Final = LAYOUTS["Open, High, Low, Close"]
COLUMNS: Final = ("Open", "High", "Low", "Close", "Volume")
YEAR: Final = tuple((date(2024, 7, 1) + timedelta(days=9 * n), *BARS[0][1:]) for n in range(40))
"""Bars of a year, so that two digits of a year are those of no day."""


def values(table: PriceTable) -> list[tuple[Any, ...]]:
    numbers = (pl.col(name).str.strip_chars().cast(pl.Float64) for name in COLUMNS)
    return table.rows.select(pl.col("Date").str.to_date(), *numbers).rows()


def without_volume(bars: tuple[Bar, ...]) -> list[tuple[Any, ...]]:
    return [(*bar[:5], None) for bar in bars]


def read_price_table(name: str, body: bytes) -> PriceTable:
    """The only table in a file."""
    (table,) = read_price_file(name, body).tables.values()
    assert isinstance(table, PriceTable)
    return table


def refusal(body: bytes | str, name: str = "^RUT.csv") -> str:
    with pytest.raises(PriceTextError) as caught:
        read_price_table(name, body if isinstance(body, bytes) else body.encode())
    said = f"{caught.value}; next: {caught.value.remedy}"
    assert len(said) < 400
    assert "\n" not in said
    return said


def plain(*rows: str, header: str = "Date,Open,High,Low,Close,Volume") -> str:
    return "\n".join([header, *rows, ""])


def of_days(*days: str) -> str:
    return plain(*(f"{day},100,104,99,101,5" for day in days))


def put(folder: Path, name: str, body: bytes | str) -> FilePrices:
    (folder / "prices").mkdir(exist_ok=True)
    (folder / "prices" / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    return FilePrices(folder)


# Layouts


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_in_each_declared_layout_is_read_back_and_recognised(name: str) -> None:
    layout = LAYOUTS[name]
    held = read_price_file("^RUT.csv", write(layout))
    table = held.of("^RUT")
    assert values(table) == list(BARS)
    assert held.layout == next(other.name for other in price_layouts() if other.roles == layout.roles and
                                other.lines == layout.lines)  # fmt: skip
    assert held.symbols in ((), ("^RUT",))
    assert table.remarks == ()
    upper = Style(newline="\r\n", encoding="utf-8-sig")
    assert values(read_price_table("^RUT.csv", write(layout, style=upper))) == list(BARS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_two_layouts_have_the_same_columns(name: str) -> None:
    same = [other.name for other in price_layouts() if other.roles == LAYOUTS[name].roles]
    assert [LAYOUTS[other].lines for other in same] == sorted({LAYOUTS[other].lines for other in same})


@pytest.mark.parametrize("wrapper", ["gz", "zip"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_read_out_of_its_wrapper(name: str, wrapper: str) -> None:
    body = write(LAYOUTS[name], style=Style(wrapper=wrapper))
    assert values(read_price_table(f"^RUT.csv.{wrapper}", body)) == list(BARS)
    assert values(read_price_table("^RUT.csv", body)) == list(BARS), "by content, whatever the name"


def test_the_layout_with_the_most_columns_is_taken_and_further_columns_make_no_difference() -> None:
    header = ["Date", "Open", "High", "Low", "Close", "Volume"]
    named = {
        "Open, High, Low, Close": [*header, "", "Note"],
        "Yahoo": ["", *header, "Adj Close"],
        "yfinance history": [*header, "Dividends", "Stock Splits"],
        "EODHD": [*header, "Adjusted_close"],
    }
    for name, columns in named.items():
        found = layout_of(columns)
        assert found is not None
        assert found.name == name


def test_adjusted_prices_stand_beside_traded_ones_and_are_not_taken_for_them() -> None:
    header = "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor"
    rows = (
        "2025-01-02,101,104,99,100,5,50,52,49,49.5,5,0.0,1.0",
        "2025-01-03,101,104,99,100,5,50,52,49,49.5,5,0.5,1.0",
    )
    answer = put_answer(plain(*rows, header=header))
    assert answer.bars["Close"].to_list() == ["101", "101"]
    assert answer.bars["Adj Close"].to_list() == ["50", "50"]
    assert actions_of(answer) == [("dividend", 0.5)], "a factor of 1 is no split"


def test_prices_before_a_split_are_divided_where_the_vendor_does_not(tmp_path: Path) -> None:
    """A reverse and a forward split: 1:2 makes two old shares one, 4:1 four new ones of one."""
    header = "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient"
    rows = (
        "2025-01-07,10,11,9,10,10,400,0,1",
        "2025-01-06,10,11,9,10,10,400,0,4",
        "2025-01-03,40,44,36,40,10,100,2,0.5",
        "2025-01-02,20,22,18,20,10,200,0,1",
    )
    table = read_price_table("IWM.csv", plain(*rows, header=header).encode())
    assert [row[1:] for row in values(table)] == [(10, 11, 9, 10, 400)] * 4
    assert table.rows["Dividends"].to_list() == ["0", "0", "0.5", "0.0"]
    assert table.remarks == ("prices before 2025-01-06 divided by the splits that the file lists: 2",)
    listed = actions_of(PriceAnswer("IWM", "-", table.rows, table.rows))
    assert sorted(listed) == [("dividend", 0.5), ("split", 0.5), ("split", 4.0)]


def actions_of(answer: PriceAnswer) -> list[tuple[str, float]]:
    return screen_actions([read_actions(answer, NOW)]).rows.select("kind", "amount").rows()


def put_answer(body: str) -> PriceAnswer:
    table = read_price_table("^RUT.csv", body.encode())
    return PriceAnswer("^RUT", "files:prices/^RUT.csv", table.rows, table.rows)


def test_a_footer_is_no_row() -> None:
    footer = '"Downloaded from Barchart.com as of 01-16-2025 05:31pm CDT"\n'
    assert values(read_price_table("^RUT.csv", write(LAYOUTS["Barchart"]) + footer.encode())) == list(BARS)
    assert "the last row is cut" in refusal(write(LAYOUTS["Barchart"]) + b"2025-01-15,1")


@pytest.mark.parametrize(
    ("above", "count"),
    [("Russell 2000\n", 1), ("sep=,\n", 1), ("Russell 2000,,,,,\nfrom,2025-01-02,,,,\n\n", 2), ("# a, b\n" * 30, 30)],
    ids=["title", "Excel's separator", "spreadsheet", "many"],
)
def test_lines_above_the_header_are_left_out_with_a_remark(tmp_path: Path, above: str, count: int) -> None:
    answer = put(tmp_path, "^RUT.csv", above.encode() + write(PLAIN)).fetch_prices("^RUT")
    assert values(PriceTable(answer.bars)) == list(BARS)
    (remark,) = answer.remarks
    first = above.splitlines()[0].rstrip(",")
    assert remark == f"{count} line{'s' * (count > 1)} above its header not read: {first}{' ...' * (count > 1)}"


def test_a_sign_too_many_at_the_end_of_the_header_is_no_column() -> None:
    header, *rows = write(PLAIN).splitlines()
    assert values(read_price_table("^RUT.csv", b"\n".join([header + b",,", *rows]))) == list(BARS)
    assert values(read_price_table("^RUT.csv", b",,\n".join([header, *rows, b""]))) == list(BARS)


def test_three_header_lines_are_found_below_a_title() -> None:
    body = b"my download\n" + write(LAYOUTS["yfinance download"])
    assert values(read_price_table("^RUT.csv", body)) == list(BARS)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<table><tr><td>1</td></tr>\n</table>\n", "an HTML page, not prices"),
        ('[{"Date":"2025-01-02","Open":1}]', "JSON, not a table; next: save it as CSV"),
        ("Date Open High Low Close\n2025-01-02 1 2 3 4\n", "no line with names of columns, the first is "
         "Date Open High Low Close; next: save it as CSV"),
        (plain("2025-01-02,1,2,3,4,5,6"), "line 2 (2025-01-02) has 7 cells, the first line 6; next: save it as CSV"),
        (plain("2025-01-02,1,2,3,4,5", '"Source: a vendor, 2025"'), "the last row is cut, or a note: it has 1 of 6 "),
    ],
    ids=["table", "json", "blanks", "wide", "note"],
)  # fmt: skip
def test_what_is_no_table_is_called_by_its_name(body: str, rule: str) -> None:
    assert rule in refusal(body)


def test_rows_that_say_themselves_that_they_are_not_daily_are_refused() -> None:
    hourly = write(LAYOUTS["Stooq bulk"]).replace(b",D,", b",60,")
    assert "not daily: <PER> is 60, not D; next: download it again" in refusal(hourly)


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ("Date,^RUT", "closes only: no column Open, High, Low, Close; found Date, ^RUT; next: take bars with open"),
        ("Date,Adj Close", "closes only: no column Open, High, Low, Close; found"),
        ("DATE,SP500", "closes only"),
        (
            "Time,Open,High,Low,Price",
            "no column Date; found Time, Open, High, Low, Price; next: name the columns Date,",
        ),
        ("Date,Open,High,Low,Close,close", "column Close, close is there twice; next: take one of them out"),
        ("Date,Open,High,Low,Close,Ticker,Symbol", "two columns of one meaning"),
        (f"Date,Open,Close,{'x' * 900}", f"no column High, Low; found Date, Open, Close, {'x' * 40}; next: name"),
        ("Date,Open,Close,,", "no column High, Low; found Date, Open, Close; next: name the columns"),
        (",Open,High,Low,Close", "no column Date; found (no name), Open"),
    ],
)
def test_a_header_of_no_layout_is_refused_with_what_is_missing(header: str, rule: str) -> None:
    assert rule in refusal(plain(",".join(["1"] * len(header.split(","))), header=header))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_documents_list_every_layout(name: str) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
    assert f"| {name} | `{','.join(LAYOUTS[name].header)}` |" in page.read_text("utf-8").splitlines()


# Days


@pytest.mark.parametrize(
    ("form", "days"),
    [
        ("%Y/%m/%d", BARS),
        ("%Y.%m.%d", BARS),
        ("%Y%m%d", BARS),
        ("%m/%d/%Y", BARS),
        ("%d/%m/%Y", BARS),
        ("%d.%m.%Y", BARS),
        ("%m-%d-%Y", BARS),
        ("%m/%d/%y", BARS),
        ("%d/%m/%y", YEAR),
        ("%d.%m.%y", YEAR),
        ("%m-%d-%y", YEAR),
        ("%y/%m/%d", YEAR),
        ("%d/%m/%y", YEAR[::-1]),
        ("%b %d, %Y", BARS),
        ("%B %d, %Y", BARS),
        ("%d-%b-%Y", BARS),
        ("%d %b %Y", BARS),
        ("%d-%b-%y", BARS),
        ("%Y-%m-%d 00:00:00", BARS),
        ("%Y-%m-%d 00:00:00-05:00", BARS),
        ("%Y-%m-%dT00:00:00.000Z", BARS),
        ("%Y-%m-%d 16:00:00-05:00", BARS),
        ("%m/%d/%Y 0:00", BARS),
        ("%m/%d/%Y 12:00:00 AM", BARS),
        ("%m/%d/%Y 16:00:00", BARS),
        ("%Y-%m-%d 13:00", BARS),
    ],
)
def test_days_in_one_form_are_read(form: str, days: tuple[Bar, ...]) -> None:
    assert values(read_price_table("^RUT.csv", write(PLAIN, days, Style(day=form)))) == list(days)


def test_days_without_leading_zeros_are_read() -> None:
    table = read_price_table("^RUT.csv", of_days("1/2/2025", "1/3/2025", "1/14/2025").encode())
    assert table.rows["Date"].to_list() == ["2025-01-02", "2025-01-03", "2025-01-14"]


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        (
            ("03/04/2025", "03/05/2025"),
            "does not decide which of month and day comes first in 03/04/2025: no day of it is above 12; next: write "
            "the days as YYYY-MM-DD, or download a span with later days of a month",
        ),
        (("03/04/25",), "does not decide which is year, month and day in 03/04/25; next: write the days as YYYY-MM-DD"),
        (("05/05/06",), "does not decide which is year, month and day in 05/05/06"),
        (("25/11/24", "26/11/24", "27/11/24"), "does not decide which is year, month and day in 25/11/24"),
        (("2025-01-02 16:00:00Z",), "no day in column Date, e.g. 2025-01-02 16:00:00Z"),
        (("2025-01-02 15:00:00",), "no day in column Date, e.g. 2025-01-02 15:00:00"),
        (("03.04.2025",), "does not decide which of month and day"),
        (("01/13/2025", "13/01/2025"), "no order of month and day fits all of 01/13/2025, ..., 13/01/2025; next:"),
        (("2025-01-02 05:00:00+00:00",), "no day in column Date, e.g. 2025-01-02 05:00:00+00:00; next: write the days"),
        (("1735776000",), "no day in column Date, e.g. 1735776000"),
        (
            ("03/13/2025", "03/14/2025", *(f"2025-04-{day:02}" for day in range(1, 13)), "03/17/2025", "03/18/2025"),
            "days in several forms, 2025-04-01 and 03/13/2025: a spreadsheet may have swapped month and day",
        ),
    ],
    ids=["undecided", "short year", "year first", "few short years", "UTC close", "no zone", "points", "both", "UTC",
         "seconds", "swapped by a spreadsheet"],
)  # fmt: skip
def test_days_that_the_file_does_not_decide_are_refused(days: tuple[str, ...], rule: str) -> None:
    assert rule in refusal(of_days(*days))


def test_one_day_above_12_decides_for_all() -> None:
    assert read_price_table("a", of_days("03/04/2025", "03/13/2025").encode()).rows["Date"][0] == "2025-03-04"
    assert read_price_table("a", of_days("04/03/2025", "13/03/2025").encode()).rows["Date"][0] == "2025-03-04"
    assert read_price_table("a", of_days("03/03/2025").encode()).rows["Date"][0] == "2025-03-03", "either order"


# Numbers


def grouped(value: float, decimals: int, decimal: str, thousands: str) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans({",": thousands, ".": decimal}))


@pytest.mark.parametrize(
    ("separator", "number"),
    [
        (",", lambda value: grouped(value, 3, ".", ",")),
        (",", lambda value: grouped(value, 3, ",", ".")),
        (";", lambda value: grouped(value, 3, ",", "")),
        (";", lambda value: grouped(value, 3, ".", "")),
        ("\t", lambda value: grouped(value, 3, ",", " ")),
        (",", lambda value: grouped(value, 3, ".", "'")),
        (",", lambda value: f"${value:,.3f}"),
        (",", lambda value: f"{value:.10e}"),
    ],
    ids=["1,234.5", "1.234,5", "1234,5;", "1234.5;", "1 234,5 tab", "1'234.5", "$1,234.5", "1e3"],
)
def test_numbers_in_one_style_are_read(separator: str, number: Callable[[float], str]) -> None:
    body = write(PLAIN, style=Style(separator=separator, number=number))
    assert values(read_price_table("^RUT.csv", body)) == list(BARS)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2025-01-02;1.234;1.240;1.230;1.235;5", "does not decide whether 1.2.. has thousands or decimals"),
        ('2025-01-02,"1,234","1,240","1,230","1,235",5', "does not decide whether 1,2.. has thousands or decimals"),
        ('2025-01-02,"1,5",2.25,1,"1,5",5', "numbers in two styles, 2.25 and 1,5"),
    ],
)
def test_numbers_that_the_file_does_not_decide_are_refused(row: str, rule: str) -> None:
    header = "Date;Open;High;Low;Close;Volume" if ";" in row else "Date,Open,High,Low,Close,Volume"
    assert re.search(rule, refusal(plain(row, header=header)))


def test_a_volume_with_two_groups_decides_for_the_prices() -> None:
    row = '2025-01-02,"38,123","38,500","38,001","38,400","1,234,567"'
    assert values(read_price_table("a", plain(row).encode())) == [
        (date(2025, 1, 2), 38123, 38500, 38001, 38400, 1234567)
    ]


@pytest.mark.parametrize(
    ("volume", "read"),
    [("3.33B", 3_330_000_000), ("149.2M", 149_200_000), ("12.5k", 12_500), ("1.2T", 1_200_000_000_000), ("7", 7),
     ("931800000.0", 931_800_000), ("1e9", 1_000_000_000)],
)  # fmt: skip
def test_volumes_with_a_letter_are_read(volume: str, read: float) -> None:
    table = read_price_table("a", plain(f"2025-01-02,100.5,104.5,99.5,101.5,{volume}").encode())
    assert values(table) == [(date(2025, 1, 2), 100.5, 104.5, 99.5, 101.5, read)]


@pytest.mark.parametrize("cell", ["", "-", "--", "—", "N/A", "null", "NaN"])
def test_a_file_without_usable_volumes_keeps_its_prices(cell: str) -> None:
    answer = put_answer(plain(*(f"2025-01-0{day},100,104,99,101,{cell}" for day in (2, 3))))
    days = build_sessions(["XNYS"], date(2025, 12, 31))
    rows = screen_bars([read_bars(answer, days, INDEX, NOW).rows], days, {"^RUT": "XNYS"}).rows
    assert rows.select("close", "volume").rows() == [(101.0, None)] * 2


def test_a_column_of_volumes_of_which_none_is_a_number_is_left_out_with_a_remark() -> None:
    table = read_price_table("a", plain("2025-01-02,100,104,99,101,n.q.", "2025-01-03,100,104,99,101,n.q.").encode())
    assert table.rows["Volume"].to_list() == [None, None]
    assert table.remarks == ("no number in column Volume, e.g. n.q.: the prices stand without a volume",)
    some = read_price_table("a", plain("2025-01-02,100,104,99,101,x", "2025-01-03,100,104,99,101,5").encode())
    assert some.rows["Volume"].to_list() == ["x", "5"], "one row of a sound column is refused by itself"


# Any frame in any layout


@st.composite
def frames(draw: st.DrawFn) -> tuple[Bar, ...]:
    days = draw(st.lists(st.integers(0, 12_000), min_size=1, max_size=30, unique=True))
    is_descending = draw(st.booleans())
    price = st.decimals("0.01", "99999", places=2)
    bars = []
    for day in sorted(days, reverse=is_descending):
        low, high = sorted((float(draw(price)), float(draw(price))))
        bars.append((date(1990, 1, 1) + timedelta(days=day), low, high, low, high, draw(st.integers(0, 10**10))))
    return tuple(bars)


DAYS: Final = (
    "%Y-%m-%d",
    "%d-%b-%y",
    "%Y-%m-%d 16:00:00",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y%m%d",
    "%d.%m.%Y",
    "%b %d, %Y",
    "%Y-%m-%d 00:00:00-05:00",
)
NUMBERS: Final[dict[str, Callable[[float], str]]] = {
    "plain": repr,
    "two decimals": lambda value: f"{value:.2f}",
    "thousands": lambda value: f"{value:,.2f}",
    "decimal comma": lambda value: f"{value:.2f}".replace(".", ","),
    "German": lambda value: grouped(value, 2, ",", "."),
    "dollars": lambda value: f"${value:,.2f}",
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    frame=frames(),
    name=st.sampled_from(list(LAYOUTS)),
    day=st.sampled_from(DAYS),
    number=st.sampled_from(list(NUMBERS)),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    wrapper=st.sampled_from(["", "gz", "zip"]),
)  # fmt: skip
def test_any_frame_written_in_any_layout_is_read_back_the_same(
    frame: tuple[Bar, ...],
    name: str,
    day: str,
    number: str,
    separator: str,
    encoding: str,
    newline: str,
    wrapper: str,
) -> None:
    """Or refused, where no day of the file is above 12."""
    style = Style(day, NUMBERS[number], separator, encoding, newline, wrapper)
    try:
        table = read_price_table("^RUT", write(LAYOUTS[name], frame, style))
    except PriceTextError as error:
        assert "which of month and day" in str(error)  # noqa: PT017
        assert all(bar[0].day <= 12 for bar in frame)
        return
    assert values(table) == list(frame)


# Sheets and wrappers


@pytest.fixture(scope="module")
def parquet() -> bytes:
    """As pandas writes it: the index last, as instants."""
    stream = io.BytesIO()
    columns = {name: [bar[place] for bar in BARS] for place, name in enumerate(COLUMNS, 1)}
    pl.DataFrame(columns | {"Date": [bar[0] for bar in BARS]}).with_columns(
        pl.col("Date").cast(pl.Datetime)
    ).write_parquet(stream)
    return stream.getvalue()


def test_a_parquet_file_is_read(parquet: bytes) -> None:
    assert values(read_price_table("^RUT.parquet", parquet)) == list(BARS)
    zoned = pl.read_parquet(parquet).with_columns(pl.col("Date").dt.replace_time_zone("America/New_York"))
    stream = io.BytesIO()
    zoned.write_parquet(stream)
    assert values(read_price_table("^RUT.parquet", stream.getvalue())) == list(BARS), "the day in its own zone"
    assert values(read_price_table("^RUT.parquet.gz", gzip.compress(parquet))) == list(BARS)


def test_columns_of_two_names_are_of_the_ticker_that_they_name(parquet: bytes) -> None:
    pairs = pl.read_parquet(parquet).rename({name: f"('{name}', 'IWM')" for name in COLUMNS})
    stream = io.BytesIO()
    pairs.write_parquet(stream)
    held = read_price_file("a.parquet", stream.getvalue())
    assert (held.symbols, values(held.of("IWM"))) == (("IWM",), list(BARS))


@pytest.mark.parametrize("cut", [10, 200, -5])
def test_a_damaged_sheet_is_refused_in_one_line(parquet: bytes, cut: int) -> None:
    assert "not a readable Parquet file" in refusal(parquet[:cut], "^RUT.parquet")


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (pl.Series([2**62]).cast(pl.Datetime("ms")), "column Other has a day outside of the years 1 to 9999"),
        (pl.Series([2**31 - 1]).cast(pl.Date), "column Other has a day outside of the years 1 to 9999"),
        (pl.Series([b"\xff"]), "not a readable Parquet file: datatype binary cannot be written to CSV"),
    ],
    ids=["instant", "day", "bytes"],
)
def test_a_column_that_no_text_can_hold_refuses_its_file(parquet: bytes, column: pl.Series, rule: str) -> None:
    """Polars ends its thread with a panic on a day that no calendar has."""
    stream = io.BytesIO()
    pl.read_parquet(parquet).with_columns(Other=column.extend_constant(None, len(BARS) - 1)).write_parquet(stream)
    assert rule in refusal(stream.getvalue(), "^RUT.parquet")
    with pytest.raises(SourceError, match=rule):
        read_report(CotDocument("a.parquet", "files:cot/a.parquet", stream.getvalue()), NOW)


def test_an_excel_file_is_read_also_by_another_name() -> None:
    rows = [row_of(1, "Date", *COLUMNS), *(row_of(n, str(bar[0]), *bar[1:]) for n, bar in enumerate(BARS, 2))]
    body = workbook("".join(rows))
    for name in ("^RUT.xlsx", "^RUT.csv"):
        assert values(read_price_table(name, body)) == list(BARS)
    assert "rows on 2 sheets: one is read" in refusal(workbook("".join(rows), sheets=2))


def test_a_sheet_whose_reader_finds_no_room_ends_that_process_only() -> None:
    """Its reader makes room for all cells up to the last one: 17 billion of them here."""
    far = row_of(1, "Date") + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    said = refusal(workbook(far), "^RUT.xlsx")
    assert "not a readable Excel file: damaged, or larger than 2,147,483,648 bytes in memory" in said


def test_a_sheet_beyond_the_bounds_is_refused() -> None:
    wide = '<row r="1"><c r="A1"><v>1</v></c><c r="ALM1"><v>1</v></c></row>'
    assert "a sheet of 1 rows and 1,001 columns, more than any of these files" in refusal(workbook(wide))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20), kept=st.floats(0.02, 1))
def test_a_damaged_file_is_refused_or_read_and_never_ends_the_run(
    parquet: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    text = write(PLAIN)
    for whole in (parquet, text, gzip.compress(text), write(PLAIN, style=Style(wrapper="zip"))):
        body = bytearray(whole)
        for place, byte in changes:
            body[int(place * (len(body) - 1))] = byte
        with contextlib.suppress(PriceTextError):
            read_price_table("^RUT.csv", bytes(body[: max(1, int(kept * len(body)))]))


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (gzip.compress(b"0" * 2_000_000), "beyond"),
        (gzip.compress(write(PLAIN))[:-20], "a gzip that is cut"),
        (b"\x1f\x8b" + bytes(40), "not a sound gzip"),
        (b"PK\x03\x04" + bytes(40), "not a sound zip"),
        (gzip.compress(write(PLAIN)) * 2, "a gzip of several parts; next: unpack it"),
    ],
    ids=["bomb", "cut", "no gzip", "no zip", "two"],
)
def test_a_wrapper_that_is_not_sound_is_refused(body: bytes, rule: str) -> None:
    assert rule in refusal(body)


# Whose file it is


@pytest.mark.parametrize("name", ["^RUT.csv", "^RUT.csv.gz", "^RUT.gz", "^RUT.zip", "^RUT.txt", "%5ERUT.csv"])
def test_a_file_is_of_the_symbol_that_it_is_named_after(tmp_path: Path, name: str) -> None:
    wrapper = name.rpartition(".")[2] if name.endswith((".gz", ".zip")) else ""
    source = put(tmp_path, name, write(PLAIN, style=Style(wrapper=wrapper)))
    answer = source.fetch_prices("^RUT")
    assert (answer.bars.height, answer.origin) == (3, f"files:prices/{name}")
    assert source.list_unread(["^RUT"]) == []


def test_a_file_of_another_name_is_of_the_symbols_that_it_names(tmp_path: Path) -> None:
    def rows(symbol: str) -> tuple[str, ...]:
        return tuple(f"{symbol},{bar[0]},{','.join(map(str, bar[1:]))}" for bar in BARS)

    header = "Symbol,Date,Open,High,Low,Close,Volume"
    source = put(tmp_path, "all_of_them.csv", plain(*rows("^RUT"), *rows("IWM")[:2], header=header))
    put(tmp_path, "download.csv", write(LAYOUTS["yfinance download"], style=Style(symbol="QQQ")))
    put(tmp_path, "data-1.txt", write(LAYOUTS["Stooq bulk"], style=Style(symbol="^SPX")))
    put(tmp_path, "data-2.txt", write(LAYOUTS["Stooq bulk"], style=Style(symbol="SPY.US")))
    found = {symbol: source.fetch_prices(symbol) for symbol in ("^RUT", "IWM", "QQQ", "^GSPC", "SPY")}
    assert {symbol: answer.bars.height for symbol, answer in found.items()} == {
        "^RUT": 3, "IWM": 2, "QQQ": 3, "^GSPC": 3, "SPY": 3
    }  # fmt: skip
    assert found["IWM"].origin == "files:prices/all_of_them.csv/IWM"
    assert sorted(source.prices.files()) == ["IWM", "QQQ", "SPY", "^GSPC", "^RUT"]
    assert source.list_unread(found) == []


def test_a_file_that_names_another_symbol_than_its_own_name_is_refused(tmp_path: Path) -> None:
    source = put(tmp_path, "IWM.csv", write(LAYOUTS["Stooq bulk"]))
    with pytest.raises(SourceError, match=r"the file names \^RUT, not IWM; next: .*name it after that one"):
        source.fetch_prices("IWM")


def test_of_two_files_of_a_symbol_its_csv_stands_and_without_one_none(tmp_path: Path) -> None:
    put(tmp_path, "^RUT.csv", write(PLAIN))
    source = put(tmp_path, "^RUT.csv.gz", b"")
    assert source.fetch_prices("^RUT").origin == "files:prices/^RUT.csv"
    (note,) = source.list_unread(["^RUT"])
    assert note.startswith(
        "prices/^RUT.csv.gz: not read, a second file of ^RUT: prices/^RUT.csv is; next: keep the right one as"
    )
    (tmp_path / "prices" / "^RUT.csv").rename(tmp_path / "prices" / "^RUT.txt")
    with pytest.raises(SourceError, match=r"several files of it: \^RUT.csv.gz, \^RUT.txt; next: keep one of them"):
        source.fetch_prices("^RUT")


# What people have: cuts of vendors' files


@pytest.fixture(scope="module")
def layouts(real: Path) -> Path:
    folder = real.parent / "faulty" / "prices" / "layouts"
    if not folder.is_dir():
        pytest.skip("the files in other layouts are not here")
    return folder


@pytest.fixture(scope="module")
def truth(real: Path) -> pl.DataFrame:
    """Bars of ^RUT as Yahoo had them."""
    return bars_in(real / "prices" / "^RUT.csv", "^RUT")


SESSIONS: Final = {"": build_sessions(["XNYS"], date(2026, 12, 31))}


def bars_in(file: Path, symbol: str) -> pl.DataFrame:
    """The bars of a file that a run would take; none of its rows is refused."""
    table, days = read_price_table(file.name, file.read_bytes()), SESSIONS[""]
    answer = PriceAnswer(symbol, f"files:prices/{file.name}", table.rows, None)
    rows = read_bars(answer, days, INDEX, NOW).rows
    refuse_wrong_file(answer, rows, days)
    found = screen_bars([rows], days, {symbol: "XNYS"})
    assert (found.rows.height, found.refused.height) == (answer.bars.height, 0)
    assert found.rows["is_final"].all()
    return found.rows.sort("session_date")


LIKE_THE_TRUTH: Final = {
    "L20_index_column.csv": 39,
    "L21_semicolon_decimal_comma.csv": 39,
    "L23_stooq_bulk.csv": 39,
    "L24_barchart.csv": 39,
    "L26_dates_mdY.csv": 39,
    "L27_dates_unpadded.csv": 39,
    "L28_dates_slash_iso.csv": 39,
    "L29_dates_midnight.csv": 39,
    "L30_thousands_quoted.csv": 39,
    "L32_no_volume.csv": 39,
    "L33_vol_suffix.csv": 39,
    "L34_vol_dash.csv": 39,
    "L35_utf16.csv": 752,
    "L36_bom.csv": 39,
    "L37_cr_only.csv": 752,
    "L38_descending.csv": 39,
    "L41_lower_header.csv": 39,
    "L03_yf_tzaware_history.csv": 39,
    "L06_twelvedata_lower_desc.csv": 39,
    "yf17_download.csv": 120,
    "yf17_download_flat.csv": 120,
    "yf17_history.csv": 120,
}
"""Files of ^RUT and their rows."""
VOLUMES: Final = {"L32_no_volume.csv": None, "L33_vol_suffix.csv": 3_330_000_000.0, "L34_vol_dash.csv": None}
"""Those whose volumes are not the truth's."""


@pytest.mark.parametrize("name", LIKE_THE_TRUTH)
def test_real_files_hold_the_bars_of_the_index(layouts: Path, truth: pl.DataFrame, name: str) -> None:
    rows = bars_in(layouts / name, "^RUT")
    both = rows.join(truth, on="session_date", suffix="_true")
    assert rows.height == both.height == LIKE_THE_TRUTH[name]
    for price in ("open", "high", "low", "close"):
        assert both.filter((pl.col(price) - pl.col(f"{price}_true")).abs() > 0.006).is_empty(), price
    if name in VOLUMES:
        assert rows["volume"].unique().to_list() == [VOLUMES[name]]
    else:
        assert both.filter(pl.col("volume") != pl.col("volume_true")).height <= 1, "one was revised later"


@pytest.mark.parametrize(
    ("name", "symbol", "layout", "rows", "first"),
    [
        ("L00_yf3line_crlf.csv", "^RUT", "yfinance download", 125, (2395.65, 2398.14, 2378.82, 2394.89, 5211500000)),
        ("L01_yf3line_adj.csv", "QQQ", "yfinance download", 37, (51.125, 51.15625, 50.28125, 51.0625, 5232000)),
        ("L04_yahoo_classic.csv", "^RUT", "Yahoo", 39, (167.44, 168.98, 167.44, 168.97, 179800000)),
        ("L05_yf_autoadjust_noadj.csv", "IWM", "Open, High, Low, Close", 39, (32.794, 32.929, 32.637, 32.929, 74800)),
        ("L07_nasdaq_com.csv", "^GSPC", "Nasdaq.com", 39, (5395.92, 5469.69, 5356.17, 5375.86, None)),
        ("L09_marketwatch.csv", "^GSPC", "Open, High, Low, Close", 218, (4778.14, 4796.64, 4758.17, 4796.56, None)),
        ("L12_investing.csv", "^GSPC", "Investing.com", 39, (7519.82, 7560.14, 7508.04, 7558.06, None)),
        ("L13_alphavantage.csv", "IBM", "Alpha Vantage", 100, (243.04, 248.92, 242.24, 248.0, 58660823)),
        ("L14_tiingo.csv", "IWM", "Tiingo", 39, (210.77, 210.8, 207.96, 208.32, 24912389)),
        ("L16_yf_floatvol.csv", "^RUT", "Yahoo", 39, (504.76, 510.96, 489.95, 496.42, 931800000)),
        ("L18_excel.xlsx", "IWM", "Yahoo", 756, (78.68, 79.12, 77.22, 78.16, 54095400)),
        ("L18_excel_saved_as.csv", "IWM", "Yahoo", 756, (78.68, 79.12, 77.22, 78.16, 54095400)),
        ("L19_parquet.parquet", "IWM", "Open, High, Low, Close", 2514, (109.386, 109.508, 108.608, 109.106, None)),
    ],
)  # fmt: skip
def test_real_files_of_other_symbols_are_read(
    layouts: Path, name: str, symbol: str, layout: str, rows: int, first: tuple[float | None, ...]
) -> None:
    body = (layouts / name).read_bytes()
    assert read_price_file(name, body).layout == layout
    bars = bars_in(layouts / name, symbol)
    assert bars.height == rows
    assert bars.select("open", "high", "low", "close").row(0) == pytest.approx(first[:4], rel=1e-4)
    assert bars["volume"][0] == first[4]


def test_real_files_of_stooq(layouts: Path) -> None:
    index = read_price_table("^SPX.csv", (layouts / "L10_stooq_index.csv").read_bytes())
    assert (index.rows.height, values(index)[0]) == (39, (date(1789, 5, 1), 0.51, 0.51, 0.51, 0.51, 0.0))
    with pytest.raises(SourceError, match=r"volumes with fractions, e.g. 27937545.35362: .*auto_adjust=False"):
        bars_in(layouts / "L11_stooq_etf.csv", "IWM")


def test_a_real_file_of_closes_only_is_refused(layouts: Path) -> None:
    said = refusal((layouts / "L02_yf_closeonly_wide.csv").read_bytes())
    assert said.startswith("closes only: no column Open, High, Low, Close; found Date, ^RUT; next: take bars with open")


def test_every_real_file_is_in_one_of_these_tests(layouts: Path) -> None:
    named = Path(__file__).read_text("utf-8")
    assert [file.name for file in layouts.iterdir() if file.name not in named] == []
