"""Price files in Yahoo's layout, from bytes to bars, refused rows and errors by file (others: test_price_layouts)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.orchestration.assets import raw_result
from r2k_pipeline.orchestration.events import NOTES
from r2k_pipeline.sources.containers import READ
from r2k_pipeline.sources.files import FilePrices, FileReports
from r2k_pipeline.sources.prices import read_actions, read_bars, say_missing_opens, screen_actions, screen_bars
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from r2k_pipeline.sources.screening import Screened
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.sources.settlement import INDEX
from r2k_pipeline.tables.reference import Sessions
from tests.raw_story import Story, bars_of, days_of
from tests.special_files import SPECIAL

NOW: Final = datetime(2025, 1, 7, 12, tzinfo=UTC)
HEADER: Final = "Date,Open,High,Low,Close,Adj Close,Volume"
DAYS: Final = ("2025-01-02", "2025-01-03", "2025-01-06")
ROWS: Final = tuple(f"{day},100.0,104.0,99.0,{101 + i}.5,{101 + i}.5,5000{i}" for i, day in enumerate(DAYS))

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def sessions() -> pl.DataFrame:
    """Four sessions of January 2025; the 9th, when the exchange was closed, is not among them."""
    days = [date.fromisoformat(day) for day in (*DAYS, "2025-01-07")]
    return Sessions.cast(
        pl.DataFrame(
            {
                "calendar": ["XNYS"] * len(days),
                "session_date": days,
                "open_at": [datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC) for day in days],
                "close_at": [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days],
                "session_number": range(len(days)),
                "settles_at": [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) + INDEX.volume for day in days],
                "is_half_day": [False] * len(days),
            }
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    return tmp_path


def put(folder: Path, body: bytes | str, symbol: str = "^RUT") -> PriceAnswer:
    """What the source makes of a file with this content."""
    (folder / "prices" / f"{symbol}.csv").write_bytes(body.encode() if isinstance(body, str) else body)
    return FilePrices(folder).fetch_prices(symbol)


def table(*rows: str, header: str = HEADER, newline: str = "\n") -> str:
    return newline.join([header, *rows, ""])


def three_lines(*rows: str, ticker: str = "^RUT", is_by_ticker: bool = False) -> str:
    """As `yf.download(..., auto_adjust=False).to_csv()` writes them; `group_by="ticker"` swaps two of the lines."""
    names = HEADER.split(",")[1:]
    heads = [",".join(["Price", *names]), ",".join(["Ticker", *[ticker] * len(names)])]
    first, second = reversed(heads) if is_by_ticker else heads
    return table(second, "Date" + "," * len(names), *rows, header=first)


def timed(time: str) -> str:
    """As `Ticker.history(auto_adjust=False).to_csv()` writes them."""
    return table(*(f"{row[:10]}{time}{row[10:]}" for row in ROWS[:2]))


def screened(answer: PriceAnswer, sessions: pl.DataFrame, now: datetime = NOW) -> Screened:
    """The account of one answer; holds that every row is in it."""
    found = screen_bars([read_bars(answer, sessions, INDEX, now).rows], sessions, {answer.symbol: "XNYS"})
    assert answer.bars.height == found.rows.height + found.refused.height + found.identical.height
    return found


def test_reads_bars_as_the_vendor_printed_them(folder: Path, sessions: pl.DataFrame) -> None:
    found = screened(put(folder, table(*ROWS)), sessions)
    assert found.refused.is_empty()
    assert found.rows.select("symbol", "session_date", "close", "volume", "source").rows() == [
        ("^RUT", date(2025, 1, 2), 101.5, 50000.0, "files:prices/^RUT.csv"),
        ("^RUT", date(2025, 1, 3), 102.5, 50001.0, "files:prices/^RUT.csv"),
        ("^RUT", date(2025, 1, 6), 103.5, 50002.0, "files:prices/^RUT.csv"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(table(*ROWS[:2]).encode("utf-8-sig"), id="byte order mark"),
        pytest.param(table(*ROWS[:2], newline="\r\n").encode(), id="CRLF"),
        pytest.param(table(*ROWS[:2], newline="\r\n").encode("utf-8-sig"), id="both"),
        pytest.param(table(*ROWS[:2], header=HEADER.replace(",", ", ")).encode(), id="blanks in the header"),
        pytest.param(table(*ROWS[:2]).rstrip().encode(), id="no newline at the end"),
        pytest.param(
            table(
                *(",".join(reversed(row.split(","))) for row in ROWS[:2]),
                header=",".join(reversed(HEADER.split(","))),
            ).encode(),
            id="columns in another order",
        ),
        pytest.param(
            table(*(f"{row},x" for row in ROWS[:2]), header=HEADER + ",Note").encode(), id="a column that is not used"
        ),
        pytest.param(table(*(row.replace(",", ", ") for row in ROWS[:2])).encode(), id="blanks before numbers"),
        pytest.param(table(*(row.replace(",", " ,") for row in ROWS[:2])).encode(), id="blanks behind values"),
        pytest.param(table(*(f" {row}" for row in ROWS[:2])).encode(), id="blanks before days"),
        pytest.param(table(*(row.replace("2025-01-0", "2025-1-") for row in ROWS[:2])).encode(), id="unpadded days"),
        pytest.param(table(*(f'"{row[:10]}"{row[10:]}' for row in ROWS[:2])).encode(), id="quoted days"),
        pytest.param(table(*ROWS[:2]).encode("utf-16"), id="UTF-16"),
        pytest.param(table(*ROWS[:2], newline="\r").encode(), id="CR"),
        pytest.param(table(*ROWS[:2], "", " ", ",,,,,,", "").encode(), id="blank lines at the end"),
        pytest.param(three_lines(*ROWS[:2]).encode(), id="three header lines"),
        pytest.param(three_lines(*ROWS[:2]).replace("\n", "\r\n").encode("utf-8-sig"), id="three, saved again"),
        pytest.param(three_lines(*ROWS[:2], is_by_ticker=True).encode(), id="three, by ticker"),
        pytest.param(timed(" 00:00:00-05:00").encode(), id="instants of New York"),
        pytest.param(timed("T16:00:01-05:00").encode(), id="instants of the close"),
        pytest.param(timed(" 00:00:00+00:00").encode(), id="midnights in UTC"),
        pytest.param(timed(" 00:00:00").encode(), id="midnights"),
    ],
)
def test_spelling_of_the_file_makes_no_difference(folder: Path, sessions: pl.DataFrame, body: bytes) -> None:
    plain = screened(put(folder, table(*ROWS[:2])), sessions)
    assert screened(put(folder, body), sessions).rows.equals(plain.rows)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(b"", "an empty price answer", id="zero bytes"),
        pytest.param(table().encode(), "an empty price answer", id="header only"),
        pytest.param(
            table(*ROWS, header=HEADER.replace("Close,Adj", "Close,Open,Adj")), "Open is there twice", id="twice"
        ),
        pytest.param(table(*ROWS).encode() + b"2025-01-07,caf\xe9", "invalid utf-8", id="cp1252"),
        pytest.param(table(*ROWS, "2025-01-07,1,2,3"), "the last row is cut", id="cut download"),
        pytest.param(
            table(*ROWS, ROWS[0] + ",1,2"),
            "line 5 (2025-01-02) has 9 cells, the first line 7",
            id="row with too many cells",
        ),
        pytest.param(bytes(range(256)) * 10, "not a readable table", id="binary"),
        pytest.param(b"<html>\n<body>Too many requests</body>\n</html>\n", "an HTML page", id="HTML page"),
        pytest.param(b"PK\x03\x04" + bytes(40), "not a sound zip", id="zip"),
        pytest.param(b"\x1f\x8b" + bytes(40), "not a sound gzip", id="gzip"),
    ],
)
def test_a_file_that_is_no_price_file_is_named(folder: Path, body: bytes | str, rule: str) -> None:
    with pytest.raises(SourceError) as caught:
        put(folder, body)
    assert (caught.value.source, caught.value.key) == ("files:prices/^RUT.csv", "^RUT")
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("body", "is_bad_download"),
    [
        (b"", True),
        (table(), True),
        (b"<!DOCTYPE html>\n<html>", True),
        (table(*ROWS, "2025-01-07,1,2,3"), True),
        (three_lines(*ROWS)[:-3], True),
        (timed(" 00:00:00-05:00")[:-3], True),
        (table(*ROWS, ROWS[0] + ",1,2"), False),
        (table(*ROWS, header=HEADER.replace("Close,Adj", "Close,Open,Adj")), False),
        (table(*ROWS).encode() + b"2025-01-07,caf\xe9", False),
        (b"PK\x03\x04" + bytes(40), True),
        (bytes(range(256)) * 10, False),
        (table(*ROWS, header="<TICKER>,<PER>,<PER>,<TIME>,<OPEN>,<HIGH>,<LOW>"), False),
    ],
)
def test_only_a_bad_download_is_to_be_downloaded_again(folder: Path, body: bytes | str, is_bad_download: bool) -> None:
    with pytest.raises(SourceError) as caught:
        put(folder, body)
    assert ("download it again" in caught.value.remedy) == is_bad_download


def test_a_number_cut_at_the_end_is_told_where_it_shows(folder: Path) -> None:
    """yfinance ends each line; Yahoo's own files do not end their last one."""
    with pytest.raises(SourceError, match=r"the last line has no end.*next: download it again"):
        put(folder, three_lines(*ROWS)[:-3])
    assert put(folder, table(*ROWS)[:-1]).bars.height == 3


@pytest.mark.parametrize("ticker", ["IWM", "^rut"])
def test_a_file_of_another_ticker_fails(folder: Path, ticker: str) -> None:
    with pytest.raises(SourceError, match=r"the file names .*, not \^RUT; next: .*name it after"):
        put(folder, three_lines(*ROWS, ticker=ticker))


def test_a_column_of_another_ticker_is_not_taken_for_its_own(folder: Path) -> None:
    found = put(folder, three_lines(*ROWS).replace(",^RUT\n", ",^DJI\n", 1))
    assert found.bars["Volume"].to_list() == [None] * 3
    assert found.remarks == (
        "no column Volume: the prices stand without a volume",
        "^DJI in it not read, as the file is named after ^RUT",
    )


def test_what_is_not_read_is_named_with_what_to_do(folder: Path) -> None:
    put(folder, table(*ROWS))
    put(folder, table(*ROWS), "IWM")
    prices = folder / "prices"
    (prices / "old").mkdir()
    for name in (
        "^RUT (1).csv",
        "^NDX (1).csv",
        "^rut.csv",
        "IWM.csv.gz",
        "notes.doc",
        "notes.txt",
        "AAPL.csv",
        ".x.csv",
    ):
        (prices / name).write_bytes(b"")
    said = dict(note.split(": ", 1) for note in FilePrices(folder).list_unread(["^RUT", "^NDX", "IWM", "^DJI"]))
    second = "not read, a second file of {0}: prices/{0}.csv is; next: keep the right one as prices/{0}.csv"
    unknown = "not read, the name is no symbol of a market; next: name it SYMBOL.csv, or take it out of prices/"
    assert said == {
        "prices/^RUT (1).csv": second.format("^RUT"),
        "prices/^rut.csv": second.format("^RUT"),
        "prices/^NDX (1).csv": "not read, another spelling of ^NDX; next: keep the right one as prices/^NDX.csv",
        "prices/IWM.csv.gz": second.format("IWM"),
        "prices/notes.txt": "not read, the name is no symbol; an empty price answer; next: download it again",
        "prices/notes.doc": f"not read: not one of {', '.join(READ)}; next: save it as CSV, prices/SYMBOL.csv",
        "prices/AAPL.csv": unknown,
        "prices/old": "a folder, not looked into; next: move its files into prices/ itself",
    }
    assert FilePrices(folder, "sample", is_download=False).list_unread(["^RUT"]) == []


def test_a_folder_of_many_unread_files_is_told_in_few_notes(folder: Path) -> None:
    for n in range(40):
        put(folder, table(*ROWS), f"S{n}")
    notes = FilePrices(folder).list_unread(["^RUT"])
    assert len(notes) == 11
    assert notes[-1].startswith("prices/: 30 more files are not read")


def test_unread_files_are_notes_of_the_run_and_no_failures(folder: Path, tmp_path: Path) -> None:
    bars = bars_of({day: 2000.0 + n for n, day in enumerate(days_of(date(2024, 1, 2), 40))})
    bars.write_csv(folder / "prices" / "^RUT.csv")
    bars.write_csv(folder / "prices" / "^RUT (1).csv")
    story = replace(Story.begin(tmp_path / "lake"), desk=(FilePrices(folder), FileReports(folder)))
    intake, actions = story.fetch_prices("2024-06-01T12:00")
    assert (intake.failures.height, intake.total("rows_written"), len(intake.notes), actions.notes) == (0, 40, 1, ())
    shown = raw_result(story.lake, PriceBars, intake).metadata
    assert shown is not None
    assert shown[NOTES].value.endswith("- " + intake.notes[0])


def test_a_missing_file_is_named_with_the_remedy(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"files:prices/IWM\.csv: IWM: no such file; next: put prices/IWM\.csv"):
        FilePrices(folder).fetch_prices("IWM")
    with pytest.raises(SourceError, match=r"sample:.*: the sample does not have it; next: r2k run --source live$"):
        FilePrices(folder, "sample", is_download=False).fetch_prices("IWM")


def test_an_unreadable_file_is_named(folder: Path) -> None:
    (folder / "prices" / "IWM.csv").mkdir()
    with pytest.raises(SourceError, match=r"IWM: unreadable: Is a directory; next: check the file"):
        FilePrices(folder).fetch_prices("IWM")


@pytest.mark.parametrize("make", SPECIAL)
def test_what_is_no_file_is_not_opened(folder: Path, make: Callable[[Path], None]) -> None:
    """A named pipe would hold a run for ever."""
    for name in ("IWM.csv", "my tickers.csv"):
        make(folder / "prices" / name)
    with pytest.raises(SourceError, match=r"IWM: unreadable: a pipe, socket or device, not a file; next: check the"):
        FilePrices(folder).fetch_prices("IWM")
    (note,) = FilePrices(folder).list_unread(["IWM"])
    assert "my tickers.csv: not read, the name is no symbol; unreadable: a pipe, socket or device" in note


@pytest.mark.parametrize(
    ("body", "missing", "remedy"),
    [
        (table(*ROWS, header=HEADER.replace("Low", "Lowest")), "no column Low; found Date, Open, High, Lowest", "name"),
        (table("2025-01-02,1,2", header="Date,Open,High"), "no column Low, Close; found", "name the columns"),
        (
            table("2025-01-02,1", header="Date,^RUT"),
            "closes only: no column Open, High, Low, Close; found Date, ^RUT",
            "take bars with open, high, low and close",
        ),
    ],
    ids=["renamed", "removed", "closes of one symbol"],
)
def test_a_file_without_the_columns_is_named(folder: Path, body: str, missing: str, remedy: str) -> None:
    with pytest.raises(SourceError) as caught:
        put(folder, body)
    assert (caught.value.source, caught.value.key) == ("files:prices/^RUT.csv", "^RUT")
    assert missing in caught.value.rule
    assert remedy in caught.value.remedy
    assert "download" not in caught.value.remedy


def test_an_answer_without_yahoos_columns_is_named(sessions: pl.DataFrame) -> None:
    answer = PriceAnswer("^RUT", "yahoo", pl.DataFrame({"Date": ["2025-01-02"], "Close": ["1"]}), None)
    with pytest.raises(SourceError, match="no column Open, High, Low, Volume; found Date, Close"):
        read_bars(answer, sessions, INDEX, NOW)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2025-01-06,100,98,99,99,99,1", "high_not_below_low"),
        ("2025-01-06,100,103,99,98,98,1", "close_within_range"),
        ("2025-01-06,-100,-99,-103,-101,-101,1", "close min_exclusive"),
        ("2025-01-06,x,103,99,101,101,1", "open dtype"),
        ("2025-01-06,0,98,99,98.5,99,1", "high_not_below_low"),
        ("2025-01-06,100,inf,99,101,101,1", "high inf"),
        ("2025-01-06,100,103,99,NaN,NaN,1", "close nullability"),
        ("2025-01-06,100,103,99,,,1", "close nullability"),
        ("2025-01-06,100,103,99,null,null,1", "close nullability"),
        ("2025-01-06,100,103,99,abc,101,1", "close dtype"),
        ('2025-01-06,100,103,99,"1,001.5",101,1', "close_within_range"),
        ("2025-01-06,100,103,99,101,101,-1", "volume min"),
        ("2025-01-09,100,103,99,101,101,1", "in_the_future"),
        ("2025-01-05,100,103,99,101,101,1", "not_a_trading_day"),
        ("06.01.2025,100,103,99,101,101,1", "session_date is not a day"),
        ("2025-02-30,100,103,99,101,101,1", "session_date is not a day"),
        ("25-1-6,100,103,99,101,101,1", "session_date is not a day"),
        ("2025-01-06 09:30:00,100,103,99,101,101,1", "session_date is not a day"),
        ("2025-01-06 05:00:00+00:00,100,103,99,101,101,1", "session_date is not a day"),
        (",100,103,99,101,101,1", "session_date is not a day"),
    ],
)
def test_a_bad_row_is_refused_by_rule_and_the_others_stay(
    folder: Path, sessions: pl.DataFrame, row: str, rule: str
) -> None:
    found = screened(put(folder, table(*ROWS[:2], row)), sessions)
    assert found.rows["session_date"].to_list() == [date(2025, 1, 2), date(2025, 1, 3)]
    (refused,) = found.refused.to_dicts()
    assert rule in refused["rule"]
    assert refused["table_name"] == "raw.price_bars"
    assert refused["source"] == "files:prices/^RUT.csv"
    assert refused["row_key"] == f"^RUT {row.partition(',')[0] or '?'}"


def test_a_refused_row_is_kept_as_the_vendor_wrote_it(folder: Path, sessions: pl.DataFrame) -> None:
    (refused,) = screened(put(folder, table(ROWS[0], "2025-01-06,abc,103.0,99,1e2,7,x")), sessions).refused.to_dicts()
    written = pl.Series([refused["row_values"]]).str.json_decode(
        pl.Struct(dict.fromkeys(("open", "high", "close", "volume"), pl.String))
    )
    assert written[0] == {"open": "abc", "high": "103.0", "close": "1e2", "volume": "x"}


def test_zero_volume_is_kept_and_blank_volume_is_null(folder: Path, sessions: pl.DataFrame) -> None:
    """^VIX prints 0 for ever; only prices must be above 0."""
    rows = ("2025-01-02,1,1,1,1,1,0", "2025-01-03,1,1,1,1,1,")
    assert screened(put(folder, table(*rows)), sessions).rows["volume"].to_list() == [0.0, None]


def test_identical_rows_count_as_one(folder: Path, sessions: pl.DataFrame) -> None:
    found = screened(put(folder, table(ROWS[0], ROWS[0], ROWS[1])), sessions)
    assert (found.rows.height, found.refused.height, found.identical.height) == (2, 0, 1)


def test_rows_of_one_day_that_differ_are_both_refused(folder: Path, sessions: pl.DataFrame) -> None:
    found = screened(put(folder, table(ROWS[0], ROWS[1], ROWS[1].replace("102.5", "102.6"))), sessions)
    assert found.rows["session_date"].to_list() == [date(2025, 1, 2)]
    assert found.refused["rule"].to_list() == ["conflicting_duplicate"] * 2


def test_a_day_written_in_two_ways_is_one_day(folder: Path, sessions: pl.DataFrame) -> None:
    unpadded = ROWS[0].replace("2025-01-02", " 2025-1-2")
    found = screened(put(folder, table(ROWS[0], unpadded, ROWS[1])), sessions)
    assert (found.rows.height, found.refused.height, found.identical.height) == (2, 0, 1)


def test_rows_of_one_day_that_differ_in_their_volumes_alone_are_one_bar_without_a_volume(
    folder: Path, sessions: pl.DataFrame
) -> None:
    answer = put(folder, table(*ROWS, ROWS[2].replace("50002", "50003")))
    found = screened(answer, sessions)
    assert found.rows.select("close", "volume").rows() == [(101.5, 50000.0), (102.5, 50001.0), (103.5, None)]
    assert (found.refused.height, found.identical.height) == (0, 1)
    assert read_bars(answer, sessions, INDEX, NOW).remarks == (
        "rows of one day differ in their volumes alone, on 2025-01-06: the prices stand without a volume",
    )


@pytest.mark.parametrize("open_", ["0", "", "null", "NaN", "-1", "105", "98", "inf"])
def test_a_bar_without_a_usable_open_keeps_its_other_prices(folder: Path, sessions: pl.DataFrame, open_: str) -> None:
    found = screened(put(folder, table(*ROWS[:2], f"2025-01-06,{open_},104,99,101,101,1")), sessions)
    assert found.rows.select("open", "high", "low", "close", "volume").row(2) == (None, 104.0, 99.0, 101.0, 1.0)
    assert say_missing_opens(found.rows) == ["no open inside the bar, on 2025-01-06: the other prices stand"]


def test_an_open_that_a_vendor_rounded_to_float32_is_one(folder: Path, sessions: pl.DataFrame) -> None:
    row = "2025-01-06,104.0000610351562,104,99,101,101,1"
    assert screened(put(folder, table(row)), sessions).rows["open"].item() == 104.0000610351562


def test_order_of_rows_makes_no_difference(folder: Path, sessions: pl.DataFrame) -> None:
    forwards = screened(put(folder, table(*ROWS)), sessions)
    backwards = screened(put(folder, table(*reversed(ROWS))), sessions)
    assert backwards.rows.sort("session_date").equals(forwards.rows)


@pytest.mark.parametrize(
    ("now", "is_final"),
    [
        (datetime(2025, 1, 3, 20, 59, tzinfo=UTC), False),
        (datetime(2025, 1, 3, 21, 19, tzinfo=UTC), False),
        (datetime(2025, 1, 3, 21, 20, tzinfo=UTC), True),
    ],
    ids=["live", "quotes come late", "settled"],
)
def test_a_bar_is_final_only_when_its_session_is_over(
    folder: Path, sessions: pl.DataFrame, now: datetime, is_final: bool
) -> None:
    rows = screened(put(folder, table(*ROWS[:2])), sessions, now).rows
    assert rows["is_final"].to_list() == [True, is_final]


def test_dividends_and_splits_are_read_where_the_file_has_them(folder: Path) -> None:
    header = HEADER + ",Dividends,Stock Splits"
    answer = put(folder, table(ROWS[0] + ",0.0,0.0", ROWS[1] + ",1.25,", ROWS[2] + ",,2.0", header=header), "IWM")
    found = screen_actions([read_actions(answer, NOW)])
    assert found.rows.select("symbol", "action_date", "kind", "amount").rows() == [
        ("IWM", date(2025, 1, 3), "dividend", 1.25),
        ("IWM", date(2025, 1, 6), "split", 2.0),
    ]
    assert read_actions(put(folder, table(*ROWS)), NOW).is_empty()


@pytest.mark.parametrize(("amount", "rule"), [("1.2.5", "amount dtype"), ("-1", "amount min"), ("inf", "amount inf")])
def test_an_amount_that_is_none_is_refused_not_dropped(folder: Path, amount: str, rule: str) -> None:
    answer = put(folder, table(f"{ROWS[0]},{amount},0", header=HEADER + ",Dividends,Stock Splits"))
    found = screen_actions([read_actions(answer, NOW)])
    assert found.rows.is_empty()
    assert found.refused.select("row_key", "rule").rows() == [("^RUT 2025-01-02 dividend", rule)]


def test_real_files_are_read_to_the_last_row(real: Path) -> None:
    """Of ten vendor files only the future's has bad rows: four days without a session, two closes out of range."""
    sessions = build_sessions(["XNYS"], date(2025, 12, 31))
    refused = []
    for file in sorted((real / "prices").glob("*.csv")):
        answer = FilePrices(real).fetch_prices(file.stem)
        assert answer.bars.height == len(file.read_text().splitlines()) - 1
        refused.append(screened(answer, sessions, datetime(2026, 1, 2, tzinfo=UTC)).refused)
    bad = pl.concat(refused)
    assert bad["source"].unique().to_list() == ["files:prices/RTY=F.csv"]
    assert bad.height == 6
    assert bad.filter(pl.col("rule") == "not_a_trading_day")["row_key"].sort().to_list() == [
        f"RTY=F {day}" for day in ("2023-11-23", "2025-01-09", "2025-07-04", "2025-09-01")
    ]
    assert bad.filter(pl.col("rule").str.contains("close_within_range"))["row_key"].sort().to_list() == [
        f"RTY=F {day}" for day in ("2025-07-13", "2025-09-15")
    ]
