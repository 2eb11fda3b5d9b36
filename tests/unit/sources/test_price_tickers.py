"""Several tickers in one file: what yfinance downloads of several, in the forms in which pandas saves it.

Belongs here: whose column and whose row it is. Not here: layouts of one symbol (test_price_layouts.py).
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd
import polars as pl
import pytest
import yfinance as yf
from yfinance.data import YfData

from r2k_pipeline.sources.files import FilePrices
from r2k_pipeline.sources.price_headers import read_header
from r2k_pipeline.sources.price_tables import PriceTextError
from r2k_pipeline.sources.price_text import read_price_file
from r2k_pipeline.sources.protocol import SourceError
from tests.unit.sources.workbooks import row_of, workbook
from tests.vendor_stub import Bar, StubSession, VendorStub, chart, opening_stamp

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
RUT: Final[list[Bar]] = [
    ("2025-03-12", 2037.6, 2050.21, 2000.39, 2024.18, 2024.18, 5_100_000),
    ("2025-03-13", 2024.0, 2030.5, 1990.25, 1993.69, 1993.69, 5_150_000),
    ("2025-03-14", 2005.0, 2045.1, 2004.8, 2044.1, 2044.1, 5_200_000),
    ("2025-03-17", 2043.0, 2070.9, 2040.6, 2068.33, 2068.33, 4_900_000),
]
IWM: Final[list[Bar]] = [(day, *(value / 10 for value in bar), 7_000) for day, *bar, _ in (RUT[1], RUT[3])]  # type: ignore[operator]
"""Begins later, and has no bar of a day between."""
BARS: Final = ("Date", "Open", "High", "Low", "Close", "Volume")
Download = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Download]:
    """yfinance's download of these two tickers; a third is unknown to the vendor."""
    yf.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    YfData.cache_get.cache_clear()
    with VendorStub() as stub:
        paid = opening_stamp("2025-03-17")
        dividends = {"dividends": {str(paid): {"amount": 0.5, "date": paid}}}
        stub.serve_chart("^RUT", chart("^RUT", RUT))
        stub.serve_chart("IWM", chart("IWM", IWM, events=dividends, meta={"instrumentType": "ETF"}))

        def frame(*tickers: str, **options: Any) -> pd.DataFrame:
            options = {"start": "2025-03-01", "auto_adjust": False, "threads": False, "progress": False, **options}
            found = yf.download(list(tickers), session=StubSession(stub), **options)
            assert isinstance(found, pd.DataFrame)
            return found

        yield frame
    YfData.cache_get.cache_clear()


def parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def named_by_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis([str(column) for column in frame.columns], axis=1)


FORMS: Final[dict[str, Callable[[pd.DataFrame], bytes]]] = {
    "to_csv": lambda frame: frame.to_csv().encode(),
    "reset_index, to_csv": lambda frame: frame.reset_index().to_csv().encode(),
    "reset_index, to_csv without index": lambda frame: frame.reset_index().to_csv(index=False).encode(),
    "names as text": lambda frame: named_by_text(frame).to_csv().encode(),
    "names as text, reset_index": lambda frame: named_by_text(frame.reset_index()).to_csv(index=False).encode(),
    "columns without level names": lambda frame: frame.rename_axis([None, None], axis=1).to_csv().encode(),
    "to_parquet": parquet,
    "reset_index, to_parquet": lambda frame: parquet(frame.reset_index()),
    "stack, to_csv": lambda frame: frame.stack("Ticker", future_stack=True).to_csv().encode(),
    "stack, reset_index, to_csv": lambda frame: (
        frame.stack("Ticker", future_stack=True).reset_index().to_csv().encode()
    ),
    "stack, to_parquet": lambda frame: parquet(frame.stack("Ticker", future_stack=True)),
}


def bars_of(bars: pl.DataFrame) -> list[tuple[Any, ...]]:
    return bars.select(pl.col("Date").str.head(10), pl.col(BARS[1:]).cast(pl.Float64)).sort("Date").rows()


def source(folder: Path, **files: bytes) -> FilePrices:
    (folder / "prices").mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / "prices" / name).write_bytes(body)
    return FilePrices(folder)


@pytest.mark.parametrize("group_by", ["column", "ticker"])
@pytest.mark.parametrize(
    "options", [{}, {"actions": True}, {"auto_adjust": True}], ids=["plain", "actions", "adjusted"]
)
@pytest.mark.parametrize("form", FORMS)
def test_each_symbol_is_read_as_if_in_a_file_of_its_own(
    download: Download, tmp_path: Path, form: str, options: dict[str, Any], group_by: str
) -> None:
    both = download("^RUT", "IWM", "NA", group_by=group_by, **options)
    files = source(tmp_path, **{"both.csv": FORMS[form](both)})
    assert sorted(files.prices.files()) == ["IWM", "NA", "^RUT"]
    for symbol in ("^RUT", "IWM"):
        own = source(tmp_path / symbol, **{f"{symbol}.csv": download(symbol, **options).to_csv().encode()})
        alone, found = own.fetch_prices(symbol), files.fetch_prices(symbol)
        assert bars_of(found.bars) == bars_of(alone.bars)
        assert set(found.bars.columns) == set(alone.bars.columns)
        assert (found.actions is None, found.remarks) == (alone.actions is None, alone.remarks)
        if found.actions is not None and alone.actions is not None:
            paid = [each.actions.select(pl.col("Dividends").cast(pl.Float64).sum()).item() for each in (found, alone)]
            assert paid[0] == paid[1]
        assert found.origin == f"files:prices/both.csv/{symbol}"
    with pytest.raises(SourceError, match="NA: an empty price answer: all its cells are blank; next: download it"):
        files.fetch_prices("NA")


def cells(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.splitlines()]


@pytest.mark.parametrize(
    "top",
    [
        "Date,Open,High,Low,Close\n,1,2,1,2\n2025-03-12,1,2,1,2",
        "Date,Open,High,Low,Close\n,NA,NA,NA,NA\n2025-03-12,1,2,1,2",
        "Date,Open,High,Low,Close\n2025-03-12,1,2,1,2\nDate,,,,",
        "Date,Close,Volume\n,IWM,IWM\n2025-03-12,1,2",
    ],
    ids=["a row without its day", "a row of nothing", "a header again", "no bars"],
)
def test_a_second_line_that_does_not_name_tickers_is_a_row(top: str) -> None:
    header = read_header(cells(top))
    assert (header.lines, header.owners) == (1, ())


@pytest.mark.parametrize("heads", ["Price,{}\nTicker,{}", ",{}\n,{}"], ids=["named levels", "none"])
def test_tickers_that_are_called_like_a_price_are_tickers(heads: str) -> None:
    """Opendoor and Lowe's."""
    names = ["Open", "High", "Low", "Close"]
    upper, lower = ",".join([*names, *names]), ",".join(["OPEN"] * 4 + ["LOW"] * 4)
    header = read_header(cells(heads.format(upper, lower) + "\nDate" + "," * 8))
    assert (header.lines, header.owners, header.names_of("LOW")) == (3, ("OPEN", "LOW"), ["Date", *names])


def test_a_name_of_a_merged_cell_is_that_of_its_columns() -> None:
    """As pandas writes an Excel file: https://pandas.pydata.org/docs/user_guide/io.html, MultiIndex in a sheet."""
    rows = [
        row_of(1, "Price", *(each for name in BARS[1:] for each in (name, ""))),
        row_of(2, "Ticker", *("IWM", "^RUT") * 5),
        row_of(3, "Date", *[""] * 10),
        *(row_of(n, day, *(n * 1.5, n) * 5) for n, day in enumerate(("2025-03-12", "2025-03-13"), 4)),
    ]
    held = read_price_file("both.xlsx", workbook("".join(rows)))
    assert held.symbols == ("IWM", "^RUT")
    assert bars_of(held.of("IWM").rows) == [("2025-03-12", *[6.0] * 5), ("2025-03-13", *[7.5] * 5)]
    assert bars_of(held.of("^RUT").rows) == [("2025-03-12", *[4.0] * 5), ("2025-03-13", *[5.0] * 5)]


def test_splits_of_one_symbol_leave_another_alone() -> None:
    header = "Symbol,timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient"
    rows = [f"{symbol},2025-03-1{day},8,8,8,8,8,100,0,{ratio}" for symbol, ratios in
            {"IWM": (1, 2), "QQQ": (1, 1)}.items() for day, ratio in zip((3, 4), ratios, strict=True)]  # fmt: skip
    held = read_price_file("both.csv", "\n".join([header, *rows, ""]).encode())
    assert [row[4] for row in bars_of(held.of("IWM").rows)] == [4.0, 8.0]
    assert [row[4] for row in bars_of(held.of("QQQ").rows)] == [8.0, 8.0]
    assert held.of("IWM").remarks == ("prices before 2025-03-14 divided by the splits that the file lists: 1",)
    assert held.of("QQQ").remarks == ()


LINES: Final = "Price,Open,High,Low,Close,Open,High,Low,Close\nTicker,A,A,A,A,B,B,B,B\nDate" + "," * 8
ROW: Final = "\n2025-03-13" + ",1" * 8 + "\n"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (LINES.replace("A,A,A,A", "A,A,A,") + ROW, "A: no column Close; found Date, Open, High, Low"),
        (LINES.replace("A,A,A,A,B", "A,A,A,A,A") + ROW, "column Open is there twice; next: take one of them out"),
        (LINES.replace("Close,Open", "Open,Close") + ROW, "column Close, Open is there twice"),
        (LINES + ROW[:-1], "the last line has no end"),
        (LINES + "\n", "an empty price answer; next: download it again"),
        (
            "Date,Ticker,Open,High,Low,Close\n2025-03-13,A,1,1,1,1\n2025-03-13,,1,1,1,1\n",
            "rows with a blank symbol: 1; next: fill it in",
        ),
        (
            "Date;Volume;('Open', 'A');('High', 'A');('Low', 'A');('Close', 'A')\n2025-03-13;1;1;1;1;1\n",
            "tickers in its header, and none beside Volume",
        ),
    ],
    ids=["lacking", "twice", "twice in order", "cut", "empty", "nobody's row", "nobody's column"],
)
def test_what_is_not_clear_is_refused(body: str, rule: str) -> None:
    with pytest.raises(PriceTextError) as caught:
        read_price_file("both.csv", body.encode()).of("A")
    assert rule.removeprefix("A: ") in f"{caught.value}; next: {caught.value.remedy}"


def test_a_ticker_without_its_columns_leaves_the_others_alone() -> None:
    held = read_price_file("both.csv", (LINES.replace("B,B,B,B", "B,B,B,") + ROW).encode())
    assert bars_of(held.of("A").rows.with_columns(pl.col("Volume").cast(pl.String))) == [
        ("2025-03-13", *[1.0] * 4, None)
    ]
    assert held.of("A").remarks == ("no column Volume: the prices stand without a volume",)
    with pytest.raises(PriceTextError, match="no column Close; found Date, Open, High, Low"):
        held.of("B")


def test_the_form_of_days_is_decided_by_all_of_the_file() -> None:
    rows = "A,03/04/2025,1,2,1,2\nB,13/04/2025,1,2,1,2\n"
    held = read_price_file("both.csv", f"Symbol,Date,Open,High,Low,Close\n{rows}".encode())
    assert held.of("A").rows["Date"].to_list() == ["2025-04-03"]


def test_a_file_of_its_own_stands_before_one_of_several_and_two_of_several_stand_for_none(
    download: Download, tmp_path: Path
) -> None:
    both = download("^RUT", "IWM").to_csv().encode()
    files = source(tmp_path, **{"both.csv": both, "IWM.csv": download("IWM").to_csv().encode()})
    assert files.fetch_prices("IWM").origin == "files:prices/IWM.csv"
    assert files.fetch_prices("^RUT").origin == "files:prices/both.csv/^RUT"
    files = source(tmp_path, **{"again.csv": both})
    with pytest.raises(SourceError, match=r"\^RUT: several files of it: again.csv, both.csv; next: keep one of them"):
        files.fetch_prices("^RUT")


def test_a_file_of_several_that_is_named_after_one_is_read_for_that_one(download: Download, tmp_path: Path) -> None:
    files = source(tmp_path, **{"IWM.csv": download("^RUT", "IWM").to_csv().encode()})
    assert list(files.prices.files()) == ["IWM"]
    assert files.fetch_prices("IWM").remarks == ("^RUT in it not read, as the file is named after IWM",)
    files = source(tmp_path, **{"ALL.csv": download("^RUT", "IWM").to_csv().encode()})
    with pytest.raises(
        SourceError, match=r"names IWM, \^RUT, not ALL; next: give a file of several symbols a name that"
    ):
        files.fetch_prices("ALL")
