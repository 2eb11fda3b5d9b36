"""Bad vendor files: each fault is named with source, key and rule, the others go on, the last good rows stay."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import dagster as dg
import polars as pl
import pytest

from r2k_pipeline.contracts.prices import DailyPrices
from r2k_pipeline.orchestration.launcher import LAKE
from r2k_pipeline.tables import TABLES
from tests.lakes import Published, Said
from tests.pipeline.command_line import r2k

HTML = b"<!DOCTYPE html><html><body>Service unavailable</body></html>"


def _lines(file: Path, edit: Callable[[list[str]], list[str]]) -> None:
    file.write_text("\n".join(edit(file.read_text("utf-8").splitlines())) + "\n", "utf-8")


def _cells(line: str, **cells: str) -> str:
    """A price line with some cells changed; the sample's files have Yahoo's columns."""
    names = ("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume")
    return ",".join((dict(zip(names, line.split(","), strict=True)) | cells).values())


def _break_bars(lines: list[str]) -> list[str]:
    """Rows 100.. of the index: high below low, a negative and a missing price, a Sunday, duplicates."""
    lines[100] = _cells(lines[100], High="1.0")
    lines[101] = _cells(lines[101], Low="-5.0")
    lines[102] = _cells(lines[102], Close="NaN")
    differing, repeated = _cells(lines[103], Close=lines[103].split(",")[3]), lines[104]
    return [*lines, differing, repeated, _cells(lines[105], Date="2024-06-16")]


def _break_open_interest(file: Path) -> None:
    """The newest Russell row says one contract more than its groups hold."""
    with zipfile.ZipFile(file) as archive:
        (member,) = archive.namelist()
        lines = archive.read(member).decode().splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if "239742" in line)
    cells = lines[number].split(",")
    place = lines[0].replace('"', "").split(",").index("Open_Interest_All")
    cells[place] = str(int(cells[place]) + 1)
    lines[number] = ",".join(cells)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, "".join(lines))


def _zip_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(f"{name}.txt", body)
    return buffer.getvalue()


def break_everything(folder: Path) -> None:
    """One fault in each of most files of a folder of vendor files."""
    prices, cot = folder / "prices", folder / "cot"
    (prices / "^DJI.csv").unlink()
    (prices / "DIA.csv").write_bytes((prices / "DIA.csv").read_bytes().splitlines(keepends=True)[0])
    (prices / "QQQ.csv").write_bytes(HTML)
    _lines(prices / "SPY.csv", lambda lines: [lines[0].replace("High", "Highest"), *lines[1:]])
    _lines(prices / "^RUT.csv", _break_bars)
    whole = (cot / "fut_fin_txt_2020.zip").read_bytes()
    (cot / "fut_fin_txt_2020.zip").write_bytes(whole[: len(whole) // 2])
    (cot / "fut_fin_txt_2021.zip").write_bytes(HTML)
    (cot / "fut_fin_txt_2022.zip").write_bytes(_zip_of(FinFut22=b"a", extra=b"b"))
    (cot / "deacot2020.zip").write_bytes(_zip_of(annual=bytes(2**25)))
    _break_open_interest(cot / "fut_fin_txt_2024.zip")


@pytest.fixture(scope="module")
def broken(
    from_files: Published, vendor_files: Path, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Published:
    """A good lake after a second run, on broken files and with a contract code that no report has."""
    assert from_files.result.exit_code == 0, from_files.result.output
    folder = tmp_path_factory.mktemp("broken")
    files = shutil.copytree(vendor_files, folder / "vendor")
    break_everything(files)
    markets = folder / "markets.toml"
    markets.write_text(
        '[DJI]\nname = "Dow"\nclass = "equity"\nindex = "^DJI"\nproxy = "DIA"\nmultiplier = 5\n'
        'cot = [{ code = "124603", exchange = "CBT" }, { code = "999999", exchange = "CBT" }]\n'
    )
    lake = shutil.copytree(from_files.folder, folder / "lake")
    result = r2k(home, "run", "--json", "--lake", lake, "--files", files, R2K_MARKETS=str(markets))
    return Published(lake, "files", Said.of(result), home)


def test_dagster_shows_a_run_in_which_something_required_failed_as_failed(broken: Published) -> None:
    """Red, with what failed by name in its last step; the warehouse was published before."""
    with mock.patch.dict(os.environ, DAGSTER_HOME=str(broken.home / "files")), dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(dg.RunsFilter(tags={LAKE: str(broken.lake.root)}))
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    assert run.status is dg.DagsterRunStatus.FAILURE
    (failed,) = [event for event in events if event.is_step_failure]
    assert failed.step_key == "warehouse_required"
    assert "files:prices/^DJI.csv: ^DJI: no such file" in failed.step_failure_data.error_display_string
    assert dg.AssetKey("warehouse") in {event.asset_key for event in events if event.is_step_materialization}
    assert broken.summary["published"]


@pytest.mark.parametrize(
    ("source", "rule"),
    {
        "files:prices/^DJI.csv: ^DJI": "no such file",
        "files:prices/DIA.csv: DIA": "an empty price answer",
        "files:prices/QQQ.csv: QQQ": "",
        "files:prices/SPY.csv: SPY": "no column High",
        "files:cot/fut_fin_txt_2020.zip: ": "not a sound zip",
        "files:cot/fut_fin_txt_2021.zip: ": "HTML page",
        "files:cot/fut_fin_txt_2022.zip: ": "one text member expected",
        "files:cot/deacot2020.zip: ": "beyond the caps",
        "markets: contract code 999999": "is in no report",
    }.items(),
)
def test_a_bad_file_is_named_with_source_key_and_rule(broken: Published, source: str, rule: str) -> None:
    named = [failure for failure in broken.summary["failures"] if source in failure and rule in failure]
    assert named, broken.summary["failures"]
    assert all("; next: " in failure for failure in named)


def test_the_exit_code_tells_and_the_rest_is_published(broken: Published, from_files: Published) -> None:
    assert broken.result.exit_code == 1
    assert broken.summary["published"]
    assert not broken.summary["ok"]
    assert broken.summary["as_of"] > from_files.summary["as_of"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (100, "high_not_below_low"),
        (101, "low|min_exclusive"),
        (102, "close|nullability"),
        (103, "conflicting_duplicate"),
    ],
)
def test_a_bad_bar_is_in_quarantine_and_the_last_good_one_stays(
    broken: Published, from_files: Published, vendor_files: Path, line: int, rule: str
) -> None:
    day = (vendor_files / "prices" / "^RUT.csv").read_text("utf-8").splitlines()[line].split(",")[0]
    refused = broken.query(f"select source, rule from meta.quarantine where row_key = '^RUT {day}'")
    assert refused
    assert all(source == "files:prices/^RUT.csv" for source, _ in refused)
    assert all(rule.replace("|", " ") in found for _, found in refused)
    bar = f"select close, revision from staging.daily_prices where symbol = '^RUT' and session_date = '{day}'"
    assert broken.query(bar) == from_files.query(bar) != []


def test_a_bar_of_a_day_without_a_session_is_in_quarantine(broken: Published) -> None:
    found = broken.query("select row_key from meta.quarantine where rule = 'not_a_trading_day'")
    assert found == [("^RUT 2024-06-16",)]


def test_a_row_that_does_not_add_up_is_in_quarantine_and_the_last_good_one_stays(
    broken: Published, from_files: Published
) -> None:
    (refused,) = broken.query("select source, row_key, rule from meta.quarantine where table_name = 'raw.cot_reports'")
    source, key, rule = refused
    assert source == "files:cot/fut_fin_txt_2024.zip"
    assert "longs_make_open_interest" in rule
    report_type, code, day = key.split()
    row = f"""from staging.cot_positions select trader_group, long_contracts, open_interest_contracts, revision
        where report_type = '{report_type}' and contract_code = '{code}' and report_date = '{day}' order by all"""
    assert broken.query(row) == from_files.query(row) != []


def test_every_row_is_accounted_for(broken: Published) -> None:
    """read = written + quarantined + identical (+ held), and a repeat that says the same is identical."""
    found = broken.query("""
        select rows_read, rows_quarantined, rows_written from meta.fetches
        where item = '^RUT' and table_name = 'raw.price_bars'""")
    good = broken.lake.read(DailyPrices).filter(symbol="^RUT").height
    assert found == [(good + 3, 6, 0)]


def test_what_was_not_fetched_is_as_it_was(broken: Published, from_files: Published) -> None:
    def content(published: Published, name: str) -> pl.DataFrame:
        return published.lake.read(TABLES[name])

    for name in ("staging.daily_prices", "staging.cot_positions", "features.daily_indicators", "features.levels"):
        assert content(broken, name).equals(content(from_files, name)), name


def test_status_and_doctor_name_what_failed(broken: Published, home: Path) -> None:
    for command in ("status", "doctor"):
        result = r2k(home, command, "--lake", broken.folder, "--source", "files")
        assert result.exit_code == 1, result.output
        assert "files:prices/^DJI.csv: ^DJI: no such file" in result.stdout


def test_a_folder_with_little_in_it_publishes_that_and_names_the_rest(
    vendor_files: Path, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "vendor" / "prices").mkdir(parents=True)
    for name in ("^RUT.csv", "IWM.csv"):
        shutil.copy(vendor_files / "prices" / name, tmp_path / "vendor" / "prices")
    result = r2k(home, "run", "--json", "--lake", tmp_path, "--files", tmp_path / "vendor")
    small = Published(tmp_path, "files", Said.of(result), home)
    assert result.exit_code == 1
    assert small.summary["published"]
    assert any("cot" in failure for failure in small.summary["failures"])
    assert sum("no such file" in failure for failure in small.summary["failures"]) >= 6
    assert small.query("select market, report_date, rsi_14 > 0 from latest()") == [("RUT", None, True)]
