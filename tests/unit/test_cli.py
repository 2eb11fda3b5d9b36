"""The command line: options, output, messages and exit codes, on a small published lake."""

import csv
import io
import json
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import duckdb
import polars as pl
import pytest
from click.testing import Result

import r2k_pipeline
from r2k_pipeline.contracts.cot import CotPositions
from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.contracts.marts import Sessions
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars, PriceVintages
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.postgresql.tables import published_tables
from r2k_pipeline.restatement import Restatement, write_restatement
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.release_calendar import release, report_dates
from r2k_pipeline.sources.settlement import GRACE
from tests.pipeline.command_line import R2K, r2k
from tests.sql.rows import Given, bar, rows_of
from tests.unit.published import SAMPLE, mart_row, publish

COMMANDS = ("run", "ui", "status", "sql", "brief", "doctor", "accept", "files")
FAILED = "files:prices/^DJI.csv: ^DJI: no such file; next: put prices/^DJI.csv into the folder"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lakes: a good `sample`, and `files` whose last fetch of one symbol failed."""
    folder = tmp_path_factory.mktemp("lakes")
    rows = [mart_row("RUT", "2025-03-13", close=1993.69, rsi_14=24.08), mart_row("SPX", "2025-03-13", close=5521.52)]
    publish(folder, rows)
    publish(folder, rows, source="files", fetches=[{"item": "^DJI", "status": "failed", "message": FAILED}])
    return folder


@pytest.fixture
def ask(folder: Path, tmp_path: Path) -> "Ask":
    return Ask(folder, tmp_path)


class Ask:
    """`r2k COMMAND --lake ... ARGUMENTS` in this process."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home

    def __call__(self, command: str, *arguments: object, **environment: str) -> Result:
        return r2k(self.home, command, "--lake", self.folder, *arguments, **environment)


def test_help_lists_every_command_with_what_it_does(ask: Ask) -> None:
    result = r2k(ask.home, "--help")
    assert result.exit_code == 0
    lines = result.output.partition("Commands:\n")[2].splitlines()
    listed = dict(line.split(None, 1) for line in lines if line.strip())
    assert set(COMMANDS) <= set(listed)
    for command in COMMANDS:
        assert r2k(ask.home, command, "--help").exit_code == 0


def test_version(ask: Ask) -> None:
    result = r2k(ask.home, "--version")
    assert (result.exit_code, version("r2k-pipeline") in result.output) == (0, True)


@pytest.mark.parametrize("arguments", [("dance",), ("run", "--source", "nowhere"), ("sql",), ("run", "--nonsense")])
def test_wrong_use_is_exit_code_2(ask: Ask, arguments: tuple[str, ...]) -> None:
    result = r2k(ask.home, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr


# r2k sql


QUERY = "select market, close, rsi_14, known_at from latest()"


def test_sql_prints_a_table(ask: Ask) -> None:
    result = ask("sql", QUERY)
    assert result.exit_code == 0
    assert "1993.69" in result.stdout
    assert "│ SPX" in result.stdout


def test_sql_offers_the_name_that_was_meant(ask: Ask) -> None:
    assert 'Did you mean "latest"?' in ask("sql", "select * from latst()").stderr
    assert 'Did you mean "marts.movers"?' in ask("sql", "from movers").stderr
    assert "Candidate macros: movers(ts" in ask("sql", "from movers()").stderr


def test_sql_prints_csv(ask: Ask) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("sql", "--format", "csv", QUERY).stdout)))
    assert [(row["market"], row["close"], row["rsi_14"]) for row in rows] == [
        ("RUT", "1993.69", "24.08"),
        ("SPX", "5521.52", ""),
    ]


def test_sql_prints_json(ask: Ask) -> None:
    rows = json.loads(ask("sql", "--format", "json", QUERY).stdout)
    assert [(row["market"], row["close"], row["rsi_14"]) for row in rows] == [
        ("RUT", 1993.69, 24.08),
        ("SPX", 5521.52, None),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select nothing from latest()", "nothing"),
        ("select * from nowhere", "nowhere"),
        ("selec 1", "syntax error"),
        ("select 1 / ", "syntax error"),
        ("create table t (a int)", "read-only"),
        ("delete from marts.markets", "read-only"),
        ("select * from read_csv('/etc/passwd')", "disabled"),
        ("copy marts.markets to 'out.csv'", "disabled"),
        ("attach 'other.duckdb'", "disabled"),
        ("set memory_limit = '100GB'", "locked"),
    ],
)
def test_a_query_that_cannot_be_run_says_why(ask: Ask, query: str, message: str) -> None:
    result = ask("sql", query)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("r2k: query: ")
    assert message in result.stderr
    assert not list(ask.home.glob("*.csv"))


# r2k brief, status, doctor


def test_brief(ask: Ask) -> None:
    result = ask("brief", "--market", "RUT")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"> {SAMPLE}\n\n# RUT, RUT: 2025-03-13")
    assert "1,993.69" in result.stdout
    assert "# SPX" not in result.stdout


def test_brief_as_json(ask: Ask) -> None:
    found = json.loads(ask("brief", "--json").stdout)
    assert found["label"] == SAMPLE
    assert [row["market"] for row in found["markets"]] == ["RUT", "SPX"]


def test_brief_of_an_unknown_market_names_those_there_are(ask: Ask) -> None:
    result = ask("brief", "--market", "XYZ")
    assert (result.exit_code, result.stdout) == (1, "")
    added = "a market that was added comes with the next r2k run"
    assert result.stderr == f"r2k: no market 'XYZ' is published; next: one of RUT, SPX; {added}\n"


def test_status_of_a_good_lake(ask: Ask) -> None:
    result = ask("status")
    assert result.exit_code == 0
    assert "0123456789abcdef, published 2025-03-14 22:00:00 UTC" in result.stdout
    assert "last session  2025-03-13" in result.stdout
    assert "last report   none" in result.stdout
    assert json.loads(ask("status", "--json").stdout)["last_report"] is None


def test_status_names_what_failed(ask: Ask) -> None:
    result = ask("status", "--source", "files")
    assert result.exit_code == 1
    assert FAILED in result.stdout
    found = json.loads(ask("status", "--source", "files", "--json").stdout)
    assert (found["ok"], found["failed"]) == (False, [FAILED])


def test_doctor_of_a_good_lake(ask: Ask) -> None:
    result = ask("doctor")
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.stdout


def test_doctor_finds_what_failed_and_what_is_damaged(folder: Path, ask: Ask) -> None:
    lake = Lake.of(folder, "files")
    broken = lake.root / "raw" / "price_bars" / "20250314T220000000000-0123456789abcdef.parquet"
    broken.parent.mkdir(parents=True)
    try:
        broken.write_bytes(b"PAR1 not what it was PAR1")
        result = ask("doctor", "--source", "files", "--json")
    finally:
        broken.unlink()
    findings = {finding["detail"]: finding["ok"] for finding in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert findings[FAILED] is False
    assert any(str(broken) in detail and not ok for detail, ok in findings.items())


def test_doctor_says_who_holds_the_lake(folder: Path, ask: Ask) -> None:
    with Lake.of(folder, "sample").lock():
        result = ask("doctor")
    assert f"process {os.getpid()}" in result.stdout


def test_accept_of_what_is_not_held_says_what_is(folder: Path, ask: Ask) -> None:
    result = ask("accept", "^RUT")
    assert (result.exit_code, result.stdout) == (1, "")
    status = f"r2k status --source sample --lake {folder}"
    assert result.stderr == f"r2k: ^RUT: none of its revisions are held; held: nothing; next: {status}\n"


def test_instants_are_utc_wherever_one_reads(folder: Path, tmp_path: Path) -> None:
    """A process of its own: DuckDB takes the zone of its surroundings when it is loaded."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    printed = subprocess.run(
        [R2K, "status", "--lake", folder],
        env={**environment, "TZ": "Asia/Tokyo"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "published 2025-03-14 22:00:00 UTC" in printed


# What is not there, and wrong settings


@pytest.mark.parametrize(
    ("source", "then"), [("sample", ""), ("live", " --source live"), ("files", " --files DIR")], ids=lambda said: said
)
@pytest.mark.parametrize("command", [("status",), ("brief", "--as-of", "2025-03-14"), ("sql", "select 1")])
def test_without_a_warehouse_the_next_command_is_run(
    tmp_path: Path, command: tuple[str, ...], source: str, then: str
) -> None:
    result = r2k(tmp_path, *command, "--lake", tmp_path, "--source", source)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.rstrip().endswith(f"no warehouse yet; next: r2k run{then} --lake {tmp_path}")


@pytest.fixture
def of_another_version(tmp_path: Path) -> Path:
    """A folder with a lake whose warehouse has none of the tables of this version."""
    lake = Lake.of(tmp_path, "sample")
    lake.keep_account(lake.present_account())
    warehouse = lake.warehouse
    duckdb.connect(warehouse).close()
    return tmp_path


@pytest.mark.parametrize("command", [("status",), ("brief",), ("report",), ("sql", "select 1")])
def test_a_warehouse_of_another_version_is_said_to_be_one(of_another_version: Path, command: tuple[str, ...]) -> None:
    result = r2k(of_another_version, *command, "--lake", of_another_version)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "warehouse.duckdb: published by another version: Catalog Error" in result.stderr
    assert result.stderr.rstrip().endswith(f"next: r2k run --lake {of_another_version}")


def test_doctor_examines_the_rest_where_the_warehouse_cannot_be_read(of_another_version: Path) -> None:
    warehouse = Lake.of(of_another_version, "sample").warehouse
    for content, said in [(None, "published by another version"), (b"no database" * 1000, "cannot be opened")]:
        if content:
            warehouse.write_bytes(content)
        result = r2k(of_another_version, "doctor", "--lake", of_another_version, "--json")
        found = {finding["what"]: finding for finding in json.loads(result.stdout)}
        assert result.exit_code == 1
        assert (found["warehouse"]["ok"], found["lock"]["ok"], found["lake"]["ok"]) == (False, True, True)
        assert said in found["warehouse"]["detail"]


@pytest.mark.parametrize(
    ("change", "table", "what"),
    [
        ("alter table meta.fetches drop column message", "meta.fetches", "fetch"),
        ("alter table meta.findings drop column evidence", "meta.findings", "checks"),
        ("drop table meta.findings", "meta.findings", "checks"),
    ],
)
def test_a_table_of_another_version_is_said_to_be_one(
    folder: Path, tmp_path: Path, change: str, table: str, what: str
) -> None:
    shutil.copytree(folder, tmp_path / "lakes")
    with duckdb.connect(Lake.of(tmp_path / "lakes", "sample").warehouse) as connection:
        connection.execute(change)
    another = pytest.raises(R2kError, match=r"published by another version: .*; next: r2k run")
    with r2k_pipeline.open("sample", lake=tmp_path / "lakes") as data, another:
        data.table(table)
    result = r2k(tmp_path, "doctor", "--lake", tmp_path / "lakes")
    assert result.exit_code == 1
    assert f"FAIL  {what}" in result.stdout
    assert "published by another version" in result.stdout


def test_a_query_that_is_not_utf_8_is_said_to_be_so(ask: Ask) -> None:
    result = ask("sql", "select 1 -- \udcff")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "r2k: query: not UTF-8 at character 13\n"


def test_doctor_without_a_warehouse_says_so(tmp_path: Path) -> None:
    result = r2k(tmp_path, "doctor", "--lake", tmp_path)
    assert result.exit_code == 1
    assert "no warehouse yet; next: r2k run" in result.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("R2K_SOURCE", "everywhere"),
        ("R2K_FIRST_YEAR", "1066"),
        ("R2K_AS_OF", "2025-03-14T15:00"),
        ("R2K_AS_OF", "yesterday"),
        ("R2K_LOCK_WAIT_SECONDS", "-1"),
        ("R2K_REPORT_TYPES", '["tff"]'),
    ],
)
@pytest.mark.parametrize("command", ["run", "status"])
def test_a_wrong_setting_is_exit_code_2_and_named(ask: Ask, command: str, name: str, value: str) -> None:
    result = ask(command, **{name: value})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"r2k: {name}")
    assert result.stderr.count("\n") == 1


def test_a_wrong_value_in_the_config_file_is_exit_code_2(ask: Ask) -> None:
    (ask.home / "r2k.toml").write_text("first_yaer = 2010\n")
    result = ask("status")
    assert result.exit_code == 2
    assert "first_yaer" in result.stderr.lower()


def test_arguments_win_over_the_environment_and_that_over_the_config_file(ask: Ask) -> None:
    (ask.home / "r2k.toml").write_text('source = "live"\n')
    assert ask("status", "--source", "sample", R2K_SOURCE="files").exit_code == 0
    assert FAILED in ask("status", R2K_SOURCE="files").stdout
    assert "no warehouse yet" in ask("status").stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[RUT]\nname = "Russell"\nindex = "^RUT"\n', "multiplier"),
        ('[RUT]\nname = "Russell"\nindex = "^RUT"\nmultiplier = 50\nindxe = "x"\n', "indxe"),
        ("RUT = 5\n", "a market is a table"),
        ("[RUT\n", "not TOML"),
    ],
)
def test_a_mistake_in_a_markets_file_names_the_key(ask: Ask, tmp_path: Path, text: str, message: str) -> None:
    markets = tmp_path / "markets.toml"
    markets.write_text(text)
    result = ask("doctor", R2K_MARKETS=str(markets))
    assert result.exit_code == 1
    assert str(markets) in result.stdout
    assert message in result.stdout


def test_the_ui_is_started_with_every_setting(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `corrections`, a run of the UI would take back what a run of the command line had corrected."""
    started: dict[str, str] = {}
    monkeypatch.setattr("r2k_pipeline.orchestration.ui.serve_ui", lambda *_: started.update(os.environ))
    (tmp_path / "mine.toml").touch()
    said = 'corrections = "mine.toml"\nrevision_share = 0.5\nreport_types = ["tff_futures"]\n'
    (tmp_path / "r2k.toml").write_text(said + 'profile_since = ["2025-01-02"]\n')
    with mock.patch.dict(os.environ):
        result = ask("ui", "--source", "files", "--files", tmp_path, "--as-of", "2025-03-14T15:00-04:00")
    assert result.exit_code == 0, result.output
    for name, value in started.items():
        if name.startswith("R2K_"):
            monkeypatch.setenv(name, value)
    served = Settings()
    assert (served.corrections, served.revision_share) == (tmp_path / "mine.toml", 0.5)
    assert (served.report_types, served.profile_since) == (("tff_futures",), (date(2025, 1, 2),))
    assert (served.source, served.files, served.lake) == ("files", tmp_path, ask.folder)
    assert served.as_of == datetime(2025, 3, 14, 19, tzinfo=UTC)


def test_a_report_that_is_held_is_not_late_because_no_session_has_closed_on_it(tmp_path: Path) -> None:
    """It is out on Good Friday, and New York's next close is Monday's."""
    now = datetime.now(UTC)
    newest = max(day for day in report_dates(now.date()) if release(day).released_at + GRACE <= now)
    before = mart_row("RUT", "2025-03-13", report_date=str(newest - timedelta(days=7)))
    held = {"report_type": "tff_futures", "contract_code": "239742", "report_date": str(newest)}
    held |= dict.fromkeys(("released_at", "known_at"), release(newest).released_at)
    for more, is_late in ({}, True), ({CotPositions: [held]}, False):
        publish(tmp_path, [before], source="live", more=more)
        result = r2k(tmp_path, "status", "--lake", tmp_path, "--source", "live")
        assert ("LATE" in result.output) is is_late


def test_where_a_restatement_waits_what_is_old_names_the_way_on_with_it(tmp_path: Path) -> None:
    """Newer data was fetched: another run would not publish it either."""
    lake, moment = publish(tmp_path, [mart_row("RUT", "2025-03-14")], source="files"), datetime(2025, 3, 20, tzinfo=UTC)
    told = {"told_until": moment, "generation_before": "0123456789abcdef", "causes": ("code changed",)}
    waiting = Restatement(digest="0", found_at=moment, differences=(), **told)
    run = f"next: r2k run --files DIR --lake {tmp_path}"
    accept = f"next: r2k accept restatement --source files --lake {tmp_path}, or undo the cause"
    for restatement, way_on in (waiting, accept), (waiting.model_copy(update={"accepted_at": moment}), run):
        write_restatement(lake, restatement)
        for read in "status", "note":
            said = r2k(tmp_path, read, "--lake", tmp_path, "--source", "files").output
            (hole,) = [line for line in said.splitlines() if "is published: " in line]
            assert hole.endswith(f"the first 2025-03-17; {way_on}")
    held = f"cause: code changed; accepted; {run}\n"
    assert held in r2k(tmp_path, "status", "--lake", tmp_path, "--source", "files").output


def test_a_lake_that_nobody_refreshed_is_not_well_unless_it_is_the_sample(tmp_path: Path) -> None:
    """Its calendar of sessions ends where its last run did; the sample is synthetic, and has no later news."""
    for source, code in ("live", 1), ("files", 1), ("sample", 0):
        publish(tmp_path, [mart_row("RUT", "2025-03-14")], source=source)
        result = r2k(tmp_path, "status", "--lake", tmp_path, "--source", source)
        assert result.exit_code == code, result.output
        said = "  HOLE          nothing fetched since 2025-03-14 22:00 UTC is published: "
        assert (said in result.output) is bool(code)
        for read in "brief", "note":
            shown = r2k(tmp_path, read, "--lake", tmp_path, "--source", source)
            assert ("r2k: nothing fetched since 2025-03-14 22:00 UTC is published: " in shown.stderr) is bool(code)
            assert "nothing fetched" not in shown.stdout
        assert ("sessions of XNYS have closed since, the first 2025-03-17; next: r2k run" in result.output) is bool(
            code
        )


def test_what_is_missing_and_what_is_in_doubt_is_told_by_status_and_doctor(tmp_path: Path) -> None:
    closes = {day: f"2025-03-{day}T20:00Z" for day in ("12", "13", "14")}
    sessions = [
        {"calendar": "XNYS", "session_date": f"2025-03-{day}", "open_at": f"2025-03-{day}T13:30Z", "close_at": close}
        for day, close in closes.items()
    ]
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    bar_of_rut = {"symbol": "^RUT", "session_date": "2025-03-12", "known_at": closes["12"], **prices}
    doubt = {"check_name": "missing_sessions", "table_name": "staging.daily_prices", "severity": "warn"}
    given: Given = {
        Sessions: sessions,
        PriceVintages: [bar_of_rut],
        Findings: [{**doubt, "row_key": key, "known_at": closes["14"]} for key in "ab"],
    }
    publish(tmp_path, [mart_row("RUT", "2025-03-12")], source="files", more=given)
    missing = (
        "the prices of ^RUT end at 2025-03-12: session 2025-03-13 was due 2025-03-13 20:00 UTC, 2 are missing since"
    )
    result = r2k(tmp_path, "status", "--lake", tmp_path, "--source", "files")
    assert result.exit_code == 1
    assert (
        f"  HOLE          {missing}; next: r2k run --files DIR --lake {tmp_path}, with newer files\n" in result.output
    )
    assert f"  in doubt      missing_sessions 2; next: r2k doctor --source files --lake {tmp_path}\n" in result.output
    examined = r2k(tmp_path, "doctor", "--lake", tmp_path, "--source", "files").output
    assert f"FAIL  holes       {missing}" in examined
    query = "from meta.findings where check_name = 'missing_sessions'"
    assert f'ok    checks      all rows: r2k sql --source files --lake {tmp_path} "{query}"\n' in examined
    evening = ("--as-of", "2025-03-13T20:35+00:00")
    result = r2k(tmp_path, "status", "--lake", tmp_path, "--source", "files", *evening)
    due = "session 2025-03-13 was due 2025-03-13 20:00 UTC and is missing"
    assert f"  awaited       the prices of ^RUT end at 2025-03-12: {due}\n" in result.output
    assert (result.exit_code, "HOLE" in result.output) == (0, False)


def test_a_failure_of_what_is_no_longer_asked_for_is_over(tmp_path: Path) -> None:
    gone = {"item": "cut.zip", "table_name": "raw.cot_reports", "fetched_at": "2025-03-13T22:00Z"}
    now = {"item": "good.zip", "table_name": "raw.cot_reports", "fetched_at": "2025-03-14T22:00Z", "status": "ok"}
    accepted = {**now, "item": "other.zip", "fetched_at": "2025-03-14T23:00Z", "status": "accepted", "message": "done"}
    for status, code in (("ok", 0), ("failed", 1)):
        asked = {**now, "status": status, "message": "good.zip: not a sound zip"}
        failed = {**gone, "status": "failed", "message": "cut.zip: not a sound zip"}
        publish(tmp_path, [mart_row("RUT", "2025-03-13")], fetches=[failed, asked, accepted])
        result = r2k(tmp_path, "status", "--lake", tmp_path)
        assert (result.exit_code, "cut.zip" in result.output) == (code, False), result.output


@pytest.mark.parametrize(("command", "said_by"), [("status", "stdout"), ("doctor", "stdout"), ("accept", "stderr")])
def test_damaged_held_rows_are_named(command: str, said_by: str, tmp_path: Path) -> None:
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-13")])
    (lake.root / "held" / "price_bars").mkdir(parents=True)
    (lake.root / "held" / "price_bars" / "^RUT.parquet").write_bytes(b"half a file")
    result = r2k(tmp_path, command, *(["^RUT"] if command == "accept" else []), "--lake", tmp_path)
    assert (result.exit_code, result.exc_info[0]) == (1, SystemExit)
    assert "^RUT.parquet: cannot be read: " in getattr(result, said_by)


def test_doctor_counts_a_raw_file_that_is_gone(tmp_path: Path) -> None:
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-13")])
    moment = datetime(2025, 3, 14, tzinfo=UTC)
    bars = rows_of(PriceBars, [bar("^RUT", day, 2000.0) for day in ("2025-03-12", "2025-03-13")])
    account = {"item": "^RUT", "table_name": "raw.price_bars", "status": "ok", "rows_read": 2, "rows_written": 2}
    lake.append(FetchLog, rows_of(FetchLog, [{**account, "fetched_at": "2025-03-14T00:00Z"}]), moment)
    file = lake.append(PriceBars, bars, moment)
    assert file is not None
    assert r2k(tmp_path, "doctor", "--lake", tmp_path).exit_code == 0
    file.unlink()
    result = r2k(tmp_path, "doctor", "--lake", tmp_path)
    assert result.exit_code == 1
    assert f"{file}: it is gone; next: restore this file from backup" in result.stdout


@pytest.mark.parametrize("command", ["status", "doctor", "brief", "note"])
def test_a_damaged_block_of_the_warehouse_is_one_line(tmp_path: Path, command: str) -> None:
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-13", close=2000.0)])
    blocks, tables = "select block_id from pragma_storage_info('{}') where block_id >= 0", published_tables("r2k")
    with duckdb.connect(lake.warehouse, read_only=True) as connection:
        found = {
            block for table in tables for block in connection.sql(blocks.format(table.contract.dotted())).fetchall()
        }
    with lake.warehouse.open("r+b") as stream:
        for (block,) in found:
            stream.seek(3 * 4096 + block * 2**18 + 64)
            stream.write(b"damaged!" * (2**15 - 16))
    result = r2k(tmp_path, command, "--lake", tmp_path)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert "warehouse.duckdb: cannot be read: Corrupt" in result.output
    assert f"; next: r2k run --lake {tmp_path}" in result.output


def test_doctor_sees_that_a_published_file_was_changed_and_that_it_is_right_again(tmp_path: Path) -> None:
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-13", close=2000.0)])
    (file,) = lake.published_files("marts.positioning_vs_technicals")
    body = file.read_bytes()
    pl.read_parquet(file).with_columns(close=2000.0000000000005).write_parquet(file)
    (file.parent / "brought.parquet").write_bytes(body)
    result = r2k(tmp_path, "doctor", "--lake", tmp_path)
    assert result.exit_code == 1
    assert f"{file}: its content is not what was published; next: r2k run" in result.stdout
    assert f"{file.parent / 'brought.parquet'}: it was not published; next: r2k run" in result.stdout
    (file.parent / "brought.parquet").unlink()
    file.write_bytes(body)
    assert r2k(tmp_path, "doctor", "--lake", tmp_path).exit_code == 0
    (lake.published / "SHA256SUMS").unlink()
    result = r2k(tmp_path, "doctor", "--lake", tmp_path)
    assert result.exit_code == 0
    lost = (
        f"no digests in SHA256SUMS: of an earlier version, or lost; next: r2k run --lake {tmp_path}, which writes them"
    )
    assert lost in result.stdout


def test_a_market_may_be_named_in_small_letters_and_a_moment_by_its_day(ask: Ask) -> None:
    told = ask("brief", "--market", "rut", "--as-of", "2025-03-14")
    assert told.exit_code == 0, told.output
    assert told.stdout == ask("brief", "--market", "RUT", "--as-of", "2025-03-14T20:00Z").stdout


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["note", "RUT", "2025-03-15"], "WHEN"),
        (["note", "RUT", "2025-03-14", "--since", "2025-03-15"], "--since"),
        (["brief", "--as-of", "2025-03-15"], "--as-of"),
    ],
)
def test_a_closed_day_is_named_as_it_was_written(ask: Ask, arguments: list[str], written: str) -> None:
    told = ask(*arguments)
    assert told.exit_code == 2
    said = f"r2k: {written} = '2025-03-15': the exchange is closed on 2025-03-15; next: give 2025-03-14"
    assert told.output.startswith(said)


def test_a_run_as_of_a_moment_to_come_is_refused(ask: Ask, folder: Path) -> None:
    result = ask("run", "--as-of", "2999-01-01T00:00Z")
    assert result.exit_code == 2
    assert "--as-of = '2999-01-01T00:00Z': 2999-01-01 00:00 UTC is still to come; next: leave it out" in result.output
    assert not (folder / "sample" / "as_of" / "2999-01-01T000000Z" / "warehouse.duckdb").exists()


def test_doctor_of_a_folder_that_a_run_would_make(tmp_path: Path) -> None:
    result = r2k(tmp_path, "doctor", "--lake", tmp_path / "new" / "lake")
    assert "cannot be written" not in result.stdout


@pytest.mark.parametrize("command", [["status"], ["sql", "from marts.markets"]])
def test_output_that_a_full_disk_refuses_is_one_line(tmp_path: Path, command: list[str]) -> None:
    """As of `r2k run --json > last_run.json` by cron."""
    publish(tmp_path, [mart_row("RUT", "2025-03-13")])
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [R2K, *command, "--lake", tmp_path], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    *labels, said = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert said == (
        "r2k: standard output: not written: No space left on device; "
        "next: free space on that disk, or inodes (df -h, df -i)"
    )
    assert {*labels} <= {"SAMPLE: synthetic data, not a market"}
