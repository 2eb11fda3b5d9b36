"""`r2k files DIR`: what each file is taken for, whose it is, its days and rows, and what is wrong with it.

Belongs here: the lines, the JSON, the exit code. Not here: what is read of a layout (unit/sources).
"""

import gzip
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.pipeline.command_line import r2k
from tests.raw_story import days_of
from tests.unit.sources.price_writer import LAYOUTS, Bar, Style, write

DAYS = days_of(date(2024, 1, 2), 40)
BARS: tuple[Bar, ...] = tuple((day, 2000.0 + n, 2010.0 + n, 1990.0 + n, 2005.0 + n, 1e6) for n, day in enumerate(DAYS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("prices", "cot/2024"):
        (tmp_path / part).mkdir(parents=True)
    return tmp_path


def put(folder: Path, name: str, body: bytes | str) -> None:
    (folder / name).write_bytes(body if isinstance(body, bytes) else body.encode())


def listed(folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and what is said of each file."""
    result = r2k(folder, "files", folder, "--json")
    return result.exit_code, {each.pop("file"): each for each in json.loads(result.stdout)}


def test_each_file_is_told_with_what_it_was_taken_for(folder: Path) -> None:
    put(folder, "prices/^RUT.csv.gz", gzip.compress(write(LAYOUTS["Investing.com"], BARS, Style(day="%m/%d/%Y"))))
    fear = tuple((bar[0], *(14 + n % 5 + p / 1e3 for p in bar[1:5]), 1.0) for n, bar in enumerate(BARS[:30]))
    put(folder, "prices/data.txt", write(LAYOUTS["Stooq bulk"], fear, Style(symbol="^VIX")))
    put(folder, "cot/2024/fut_fin_txt_2024.zip", build_sample_cot()["fut_fin_txt_2024.zip"])
    code, found = listed(folder)
    days = {"first": "2024-01-02", "last": str(DAYS[-1]), "rows": 40, "ok": True, "problem": None, "notes": []}
    assert code == 0
    assert found == {
        "prices/^RUT.csv.gz": days | {"taken_for": "Investing.com", "symbol": "^RUT"},
        "prices/data.txt": days | {"taken_for": "Stooq bulk", "symbol": "^VIX", "last": str(DAYS[29]), "rows": 30},
        "cot/2024:fut_fin_txt_2024.zip": days
        | {"taken_for": "tff_futures", "symbol": None, "rows": 265, "last": "2024-12-31"},
    }
    text = r2k(folder, "files", folder).stdout.splitlines()
    assert text[1].startswith("ok      prices/data.txt: Stooq bulk, ^VIX, 2024-01-02 to ")
    assert text[-1] == "3 listed, 0 failed"


def test_what_is_wrong_is_told_with_the_way_out_and_ends_with_1(folder: Path) -> None:
    put(folder, "prices/^RUT.csv", "Date,^RUT\n2024-01-02,1\n")
    put(folder, "prices/IWM.csv", write(LAYOUTS["Yahoo"], BARS[::2]))
    put(
        folder,
        "prices/^NDX.csv",
        write(LAYOUTS["Yahoo"], tuple((*bar[:1], *(-p for p in bar[1:5]), 1.0) for bar in BARS)),
    )
    put(folder, "prices/history.csv", write(LAYOUTS["Yahoo"], BARS))
    put(folder, "prices/notes.doc", "x")
    put(folder, "cot/annualci.txt", "Market_and_Exchange_Names,NComm_Positions_Long_All_NoCIT\n1,1\n")
    put(folder, "cot/2024/FinFutYY.txt", "<html>")
    code, found = listed(folder)
    assert code == 1
    wanted = {
        "prices/^RUT.csv": "closes only: no column Open, High, Low, Close; found Date, ^RUT; next: take bars",
        "prices/IWM.csv": "not daily: 19 of 39 sessions of its span have no row",
        "prices/^NDX.csv": "40 of 40 rows refused: high_not_below_low",
        "prices/history.csv": "not read, neither its name nor a column is the symbol of a market; next: name it",
        "prices/notes.doc": "not read: not one of .txt",
        "cot/annualci.txt": "a supplemental report",
        "cot/2024:FinFutYY.txt": "an HTML page, not a report; next: delete the file and download it again",
    }
    assert {name: name if found[name]["problem"].startswith(said) else found[name]["problem"]
            for name, said in wanted.items()} == {name: name for name in found}  # fmt: skip
    assert not any(each["ok"] for each in found.values())
    assert (found["prices/history.csv"]["taken_for"], found["prices/history.csv"]["rows"]) == ("Yahoo", 40)
    text = r2k(folder, "files", folder).stdout
    assert text.count("FAILED") == len(wanted)
    assert len(text.splitlines()) == 2 * len(wanted) + 1
    assert max(map(len, text.splitlines())) < 420


def test_another_spelling_of_a_symbol_is_told_as_a_run_tells_it(folder: Path) -> None:
    for name in ("^rut.csv", "RUT.csv", "iwm (1).csv"):
        put(folder, f"prices/{name}", write(LAYOUTS["Yahoo"], BARS))
    code, found = listed(folder)
    spelt = "not read, another spelling of {0}; next: keep the right one as prices/{0}.csv"
    assert code == 1
    assert found["prices/^rut.csv"]["problem"] == spelt.format("^RUT")
    assert found["prices/iwm (1).csv"]["problem"] == spelt.format("IWM")
    assert found["prices/RUT.csv"]["notes"] == [
        "a run does not ask for RUT: no configured market has it; where it is ^RUT, name it prices/^RUT.csv"
    ]


def test_series_are_compared_with_each_other_as_in_a_run(folder: Path) -> None:
    spoilt = [(*bar[:1], *(p * 100 for p in bar[1:5]), bar[5]) if n in (20, 21) else bar for n, bar in enumerate(BARS)]
    put(folder, "prices/^RUT.csv", write(LAYOUTS["Yahoo"], tuple(spoilt)))
    _, found = listed(folder)
    problem = found["prices/^RUT.csv"]["problem"]
    assert "steps that no session allows, with no split listed: 2" in problem
    assert problem.endswith("; next: if it is right, after a run r2k accept '^RUT' --source files")


def test_notes_do_not_fail(folder: Path) -> None:
    put(folder, "prices/^RUT.csv", write(LAYOUTS["Open, High, Low, Close"], BARS))
    put(folder, "prices/^RUT.txt", "x")
    put(folder, "prices/IWM.csv", write(LAYOUTS["Open, High, Low, Close"], BARS))
    put(
        folder,
        "prices/AAPL.csv",
        write(LAYOUTS["Yahoo"], tuple((*bar[:1], *(p / 7 for p in bar[1:5]), 1.0) for bar in BARS)),
    )
    code, found = listed(folder)
    assert found["prices/^RUT.txt"]["notes"] == ["not read: prices/^RUT.csv is the file of ^RUT"]
    assert found["prices/AAPL.csv"]["notes"] == ["a run does not ask for AAPL: no configured market has it"]
    assert any(note.startswith("without Adj Close its prices may be adjusted for dividends: not compared")
               for note in found["prices/IWM.csv"]["notes"]) or found["prices/IWM.csv"]["problem"]  # fmt: skip
    assert code == int(not found["prices/IWM.csv"]["ok"])


def test_each_symbol_of_a_file_of_several_has_its_line(folder: Path) -> None:
    parts = {"^RUT": 1, "IWM": 10, "AAPL": 8, "Apple Inc": 1}
    bars = [(symbol, bar[0], *(value / n for value in bar[1:])) for symbol, n in parts.items() for bar in BARS]
    rows = [",".join(map(str, bar)) for bar in bars]
    blank = [f"QQQ,{bar[0]},,,,," for bar in BARS]
    put(folder, "prices/tickers.csv", "\n".join(["Ticker,Date,Open,High,Low,Close,Volume", *rows, *blank, ""]))
    tenth = tuple((bar[0], *(price / 10 for price in bar[1:])) for bar in BARS)
    put(folder, "prices/IWM.csv", write(LAYOUTS["Yahoo"], tenth))
    result = r2k(folder, "files", folder, "--json")
    found = {each["symbol"]: each for each in json.loads(result.stdout) if each["file"] == "prices/tickers.csv"}
    assert result.exit_code == 1
    assert (found["^RUT"]["problem"], found["^RUT"]["rows"], found["^RUT"]["notes"]) == (None, 40, [])
    unasked = "a run does not ask for AAPL: no configured market has it"
    assert (found["AAPL"]["problem"], found["AAPL"]["rows"], found["AAPL"]["notes"]) == (None, 40, [unasked])
    assert found["Apple Inc"]["problem"] == "'Apple Inc' is no symbol; next: write symbols as Yahoo does: ^RUT, IWM"
    assert found["QQQ"]["problem"] == "an empty price answer: all its cells are blank; next: download it again"
    assert found[None]["notes"] == ["not read: prices/IWM.csv is the file of IWM"]
    text = r2k(folder, "files", folder).stdout.splitlines()
    assert "FAILED  prices/tickers.csv: QQQ" in text


def test_a_continuous_future_of_no_market_is_read_as_one(folder: Path) -> None:
    put(folder, "prices/GC=F.csv", write(LAYOUTS["Yahoo"], BARS))
    code, found = listed(folder)
    assert (code, found["prices/GC=F.csv"]["problem"], found["prices/GC=F.csv"]["rows"]) == (0, None, 40)
    assert found["prices/GC=F.csv"]["notes"] == ["a run does not ask for GC=F: no configured market has it"]


def test_what_a_terminal_would_act_on_is_escaped(tmp_path: Path) -> None:
    """Of a cell and of a file name; `\\x1b]0;` would give the window a new title."""
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "^RUT.csv").write_text("Date,Open,High,Low,Close\n\x1b]0;hi\x07x,1,2,1,2\n")
    (tmp_path / "prices" / "a\x1b]0;hi\x07\udcff.csv").write_text("nothing")
    said = r2k(tmp_path, "files", tmp_path).output
    assert "no day in column Date, e.g. \\x1b]0;hi\\x07x; next:" in said
    assert "prices/a\\x1b]0;hi\\x07\\udcff.csv" in said
    assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize(("name", "said"), [("nowhere", "no such folder"), ("", "neither prices/ nor cot/ is in it")])
def test_a_folder_without_files_is_named(tmp_path: Path, name: str, said: str) -> None:
    result = r2k(tmp_path, "files", tmp_path / name)
    assert result.exit_code == 1
    assert f"{said}; next: put price files into prices/ and reports into cot/" in result.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_the_real_files_are_all_read(real: Path, tmp_path: Path) -> None:
    for part in ("prices", "cot"):
        shutil.copytree(real / part, tmp_path / "files" / part)
    found = json.loads(r2k(tmp_path, "files", tmp_path / "files", "--json").stdout)
    assert [each["file"] for each in found if not each["ok"]] == []
    assert {each["taken_for"] for each in found} == {"Yahoo", "tff_futures", "tff_combined", "legacy_futures"}
