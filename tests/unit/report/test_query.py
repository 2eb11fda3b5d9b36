"""`r2k sql`: what a query may do, how it is stopped, and that its rows are whole in every format."""

import csv
import io
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from r2k_pipeline.cli import main
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.query import QueryProcess, QuerySetup, setup_of
from tests.pipeline.command_line import R2K, r2k
from tests.unit.published import SAMPLE, mart_row, publish


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = [mart_row("RUT", "2025-03-13", close=1993.69, rsi_14=24.08), mart_row("SPX", "2025-03-13", close=5521.52)]
    return publish(tmp_path_factory.mktemp("lakes"), rows)


@pytest.fixture
def sql(lake: Lake, tmp_path: Path) -> "Sql":
    return Sql(lake, tmp_path)


class Sql:
    """`r2k sql --lake ... ARGUMENTS`, called from an empty folder."""

    def __init__(self, lake: Lake, home: Path) -> None:
        self.lake, self.home = lake, home

    def __call__(self, *arguments: object, **environment: str) -> Result:
        return r2k(self.home, "sql", "--lake", self.lake.root.parent, *arguments, **environment)

    def csv(self, query: str) -> list[dict[str, str]]:
        """Rows, as a reader of RFC 4180 sees them."""
        return list(csv.DictReader(io.StringIO(self("--format", "csv", query).stdout, newline="")))

    def json(self, query: str) -> list[dict[str, object]]:
        """Rows, as a reader sees them that takes nothing but JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        found: list[dict[str, object]] = json.loads(
            self("--format", "json", query).stdout, parse_constant=refuse, parse_float=Decimal
        )
        return found

    def parquet(self, query: str) -> pl.DataFrame:
        file = self.home / "out.parquet"
        assert self("--format", "parquet", "--output", file, query).exit_code == 0
        return pl.read_parquet(file)


# What a query may do


@pytest.fixture(scope="module")
def process() -> Iterator[QueryProcess]:
    """One process for all queries of a test: each finds what the others left, and starts none."""
    with QueryProcess() as process:
        yield process


def kept(*folders: Path) -> dict[Path, bytes]:
    """The files there."""
    return {file: file.read_bytes() for folder in folders for file in folder.rglob("*.*")}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("copy marts.markets to '{folder}/out.csv'", "COPY is disabled"),
        ("copy (select 1) to '{warehouse}.wal'", "COPY is disabled"),
        ("explain analyze copy (select 1) to '{warehouse}.wal'", "EXPLAIN is disabled"),
        ("export database '{folder}/out'", "EXPORT is disabled"),
        ("attach '{folder}/out.duckdb'", "ATTACH is disabled"),
        ("detach warehouse", "DETACH is disabled"),
        ("install httpfs", "LOAD is disabled"),
        ("load '{folder}/evil.duckdb_extension'", "LOAD is disabled"),
        ("pragma database_list", "PRAGMA is disabled"),
        ("call pragma_version()", "CALL is disabled"),
        ("set memory_limit = '64GB'", "SET is disabled"),
        ("set variable x = 1", "SET is disabled"),
        ("reset memory_limit", "SET is disabled"),
        ("use meta", "SET is disabled"),
        ("create temp table t as select 1", "CREATE is disabled"),
        ("insert into marts.markets values (1)", "INSERT is disabled"),
        ("update marts.markets set name = ''", "UPDATE is disabled"),
        ("delete from marts.markets", "DELETE is disabled"),
        ("drop table marts.markets", "DROP is disabled"),
        ("vacuum", "VACUUM is disabled"),
        ("begin", "TRANSACTION is disabled"),
        ("prepare p as select 1", "PREPARE is disabled"),
        ("select 1; select 2", "2 statements, one is run; next: one SELECT"),
        ("select 1; drop table marts.markets", "2 statements, one is run; next: one SELECT"),
        ("", "there is no statement; next: one SELECT"),
        ("/* nothing */", "there is no statement; next: one SELECT"),
        ("pivot marts.markets on market using count(*)", "a pivot without `in (values)` is disabled"),
        ("with gone as (delete from marts.markets returning 1) from gone", "read-only|read_only|syntax|DML|CTE"),
        ("select * from read_csv('/etc/passwd')", "file system operations are disabled"),
        ("select * from read_text('/etc/passwd')", "file system operations are disabled"),
        ("select * from read_blob('/etc/passwd')", "file system operations are disabled"),
        ("select * from read_json('/etc/passwd')", "file system operations are disabled"),
        ("select * from read_parquet('{folder}/secret.parquet')", "file system operations are disabled"),
        ("select * from parquet_metadata('{folder}/secret.parquet')", "file system operations are disabled"),
        ("select * from sniff_csv('{folder}/secret.csv')", "file system operations are disabled"),
        ("select * from glob('{folder}/*')", "file system operations are disabled"),
        ("select * from read_csv('https://127.0.0.1/x.csv')", "disabled"),
        ("select * from '{folder}/secret.csv'", "file system operations are disabled"),
        ("select * from duckdb_secrets()", "file system operations are disabled"),
        ("select getenv('HOME')", "getenv does not exist"),
        ("from enable_logging()", "locked"),
        ("from query('select 1; select 2')", "query"),
        ("select * from (select 1 as a) as x, (select 2 as A) as y", "two columns are named 'a'"),
        ("select 170141183460469231731687303715884105727::hugeint", "Could not cast"),
    ],
)
def test_what_a_query_may_not_do_is_refused_and_nothing_is_touched(
    lake: Lake, process: QueryProcess, tmp_path: Path, query: str, message: str
) -> None:
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    pl.DataFrame({"password": ["hunter2"]}).write_parquet(tmp_path / "secret.parquet")
    before = kept(tmp_path, lake.root)
    with pytest.raises(R2kError, match=r"^query: ") as refused:
        process.answer(query.format(folder=tmp_path, warehouse=lake.warehouse), "table", _setup(lake))
    said = str(refused.value)
    assert "\n" not in said
    assert any(part in said for part in message.split("|")), said
    assert "hunter2" not in said
    assert kept(tmp_path, lake.root) == before


def _setup(lake: Lake) -> QuerySetup:
    return setup_of(lake.warehouse, "1GB", 20)


def test_a_refusal_is_one_line_and_exit_code_1(sql: Sql) -> None:
    result = sql("drop table marts.markets")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("r2k: query: DROP is disabled")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "query",
    [
        "from marts.markets",
        "values (1)",
        "with one as (select 1 as x) from one;",
        "describe marts.markets",
        "show all tables",
        "summarize marts.markets",
        "pivot marts.markets on market in ('RUT', 'SPX') using count(*)",
        "select 1 -- to the end",
        "from as_of('2025-03-14 21:00Z')",
    ],
)
def test_what_reads_is_answered(lake: Lake, process: QueryProcess, query: str) -> None:
    answer = process.answer(query, "table", _setup(lake))
    assert answer.rows >= 1
    assert answer.body.read().count(b"\n") >= answer.rows + 4
    answer.body.seek(0)
    answer.body.truncate()


# Time and memory


ROWS_WITHOUT_END = "select x, md5(x::varchar) as y from range(900000000000) r (x)"


@pytest.mark.parametrize(
    ("query", "output"),
    [
        *((ROWS_WITHOUT_END, output) for output in ("table", "csv", "json")),
        ("select count(*) from range(9000000) a (x), range(9000000) b (y) where x * y % 7 = 3", "csv"),
        ("with recursive loop as (select 1 as x union all from loop) select count(*) from loop", "csv"),
    ],
)
def test_a_query_is_stopped_and_leaves_half_an_answer_nowhere(sql: Sql, query: str, output: str) -> None:
    started = time.monotonic()
    result = sql("--format", output, "--seconds", "0.5", query)
    assert time.monotonic() - started < 8
    assert (result.exit_code, result.stdout) == (1, "")
    assert "query: stopped after 0.5 seconds; next: ask for less" in result.stderr or "Out of Memory" in result.stderr


def test_what_does_not_heed_being_stopped_ends_with_its_process(sql: Sql) -> None:
    """One call of a function is not interrupted; this one takes half a minute."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    file = sql.home / "never.csv"
    command = [R2K, "sql", "--lake", sql.lake.root.parent, "--output", file, "select list_sum(range(110000000))"]
    ended = subprocess.run(
        command,
        env={**environment, "R2K_QUERY_SECONDS": "0.5"},
        cwd=sql.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("r2k: query: stopped after 0.5 seconds; next: ask for less")
    assert list(sql.home.iterdir()) == []


def test_memory_is_bounded_and_nothing_spills_to_disk(sql: Sql) -> None:
    query = "select count(*) from (select distinct md5(x::varchar) from range(9000000) as r (x))"
    result = sql(query, R2K_MEMORY_LIMIT="100MB")
    assert result.exit_code == 1
    assert "Out of Memory Error" in result.stderr
    assert result.stderr.rstrip().endswith("next: ask for less, or raise R2K_MEMORY_LIMIT (100MB)")
    assert [file.name for file in sql.lake.root.iterdir() if "tmp" in file.name] == []
    assert list(sql.home.iterdir()) == []


@pytest.mark.parametrize(
    "query",
    [
        "select array_agg(x) from (select unnest(range(1000000000)) x)",
        "select range(2000000000)",
        "select list_sort(range(300000000))",
    ],
)
def test_what_functions_take_beside_the_limit_of_duckdb_is_bounded_too(sql: Sql, query: str) -> None:
    result = sql("--seconds", "3", query)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("r2k: query: ")
    assert "next: ask for less" in result.stderr


def test_a_long_answer_needs_no_more_memory_than_its_bounds(sql: Sql) -> None:
    result = sql("--format", "csv", "--output", sql.home / "long.csv", "from range(3000000)", R2K_MEMORY_LIMIT="64MB")
    assert result.exit_code == 0, result.stderr
    with (sql.home / "long.csv").open("rb") as stream:
        assert sum(1 for _ in stream) == 3_000_001


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_a_time_that_is_none_is_wrong_use(sql: Sql, seconds: str) -> None:
    result = sql("--seconds", seconds, "select 1")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"r2k: --seconds = {float(seconds)}: should be")


# Formats


def test_a_table_shows_what_it_leaves_out(sql: Sql) -> None:
    short = sql("from range(200)").stdout
    assert "…" not in short
    assert short.count("\n") == 204
    long = sql("from range(12345)").stdout.splitlines()
    assert len(long) == 205
    assert long[-1] == "… 12,345 rows, the first 200 are shown; all of them: --format csv"


def test_a_table_shows_values_as_sql_writes_them(sql: Sql) -> None:
    values = (
        "true as t, null as n, 0.1::double as d, 3.10::decimal(5, 2) as c, 0::decimal(9, 8) as z, ' x' as s, 7 as i"
    )
    cells = sql(f"select {values}").stdout.splitlines()[3].strip("│").split("│")
    assert [cell[1:].rstrip() for cell in cells] == ["true", "null", "0.1", "3.10", "0.00000000", " x", "7"]


def test_a_table_cuts_no_cell_and_lets_no_control_character_through(sql: Sql) -> None:
    long = "x" * 3_000
    shown = sql(f"select '{long}' as a, chr(27) || '[31mred' || chr(10) || chr(155) as b, 1/3::double as c").stdout
    assert long in shown
    assert "␛[31mred␊�" in shown
    assert "0.3333333333333333" in shown
    assert len(shown.splitlines()) == 5


def test_the_sample_says_so_beside_its_rows(sql: Sql) -> None:
    result = sql("--format", "csv", "select 1 as one")
    assert (result.stdout_bytes, result.stderr) == (b"one\r\n1\r\n", f"{SAMPLE}\n")


TEXT = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"]
PLAIN = ["RUT", "^RUT", "ES=F", "a-b", "1-2", " x", '"', "a,b", "line\nline", "'", "é", ""]


def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe_and_numbers_do_not(sql: Sql) -> None:
    values = ", ".join("('" + text.replace("'", "''") + "')" for text in TEXT + PLAIN)
    assert [row["x"] for row in sql.csv(f"from (values {values}) as v (x)")] == ["'" + text for text in TEXT] + PLAIN
    (row,) = sql.csv("""select -1 as "-a", -1.5 as b, -2.5::decimal(5, 2) as c, -1::hugeint as d, '-1' as "=e" """)
    assert row == {"'-a": "-1", "b": "-1.5", "c": "-2.50", "d": "-1", "'=e": "'-1"}
    (listed,) = sql.csv("select ['=1'] as x, interval '-3 days' as y")
    assert listed == {"x": '["=1"]', "y": "'-3 days"}


def test_only_csv_changes_text(sql: Sql) -> None:
    assert sql.json("select '=1+1' as x") == [{"x": "=1+1"}]
    assert sql.parquet("select '=1+1' as x")["x"].to_list() == ["=1+1"]


def test_csv_is_rfc_4180_with_instants_in_utc(sql: Sql) -> None:
    query = "select market, known_at, session_date, rsi_14, 'a \"b\"' as q, '' as e, true as t from latest() order by 1"
    expected = (
        "market,known_at,session_date,rsi_14,q,e,t\r\n"
        'RUT,2025-03-13T20:00:00+00:00,2025-03-13,24.08,"a ""b""","",true\r\n'
        'SPX,2025-03-13T20:00:00+00:00,2025-03-13,,"a ""b""","",true\r\n'
    )
    assert sql("--format", "csv", query).stdout_bytes.decode() == expected
    assert sql("--format", "csv", "select market from latest() where false").stdout_bytes == b"market\r\n"


def test_json_has_instants_exact_numbers_and_no_nan(sql: Sql) -> None:
    query = """select timestamptz '2025-03-14 20:00:00.5+01' as at, date '2025-03-14' as day, 'nan'::double as nan,
        '-inf'::double as inf, 0.1 as d, 170141183460469231731687303715884105727::hugeint as h, null as n,
        [1.5, 'nan'::double] as l, {'at': timestamptz '2025-03-14 20:00Z', 'm': map {1: ['inf'::float]}} as s,
        '{"a": [1]}'::json as j, 'é"' || chr(0) as text"""
    assert sql.json(query) == [
        {
            "at": "2025-03-14T19:00:00.5+00:00",
            "day": "2025-03-14",
            "nan": None,
            "inf": "-inf",
            "d": Decimal("0.1"),
            "h": 170141183460469231731687303715884105727,
            "n": None,
            "l": [Decimal("1.5"), None],
            "s": {"at": "2025-03-14T20:00:00+00:00", "m": {"1": ["inf"]}},
            "j": {"a": [1]},
            "text": 'é"\0',
        }
    ]
    assert sql.json("select 1 as x where false") == []
    assert sql.json("from range(3)") == [{"range": 0}, {"range": 1}, {"range": 2}]


def test_parquet_keeps_types(sql: Sql) -> None:
    frame = sql.parquet("""select market, close, known_at, session_date, [1, 2] as l, {'a': 'b'} as s, 5::hugeint as h,
        interval 1 day as i from latest() order by market""")
    assert frame.schema == {
        "market": pl.String,
        "close": pl.Float64,
        "known_at": pl.Datetime("us", "UTC"),
        "session_date": pl.Date,
        "l": pl.List(pl.Int32),
        "s": pl.Struct({"a": pl.String}),
        "h": pl.Decimal(38, 0),
        "i": pl.String,
    }
    known_at = datetime(2025, 3, 13, 20, tzinfo=UTC)
    row = ("RUT", 1993.69, known_at, date(2025, 3, 13), [1, 2], {"a": "b"}, Decimal(5), "1 day")
    assert frame.row(0) == row


ODD = [
    ("uuid '00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
    ("'ab'::blob", "ab"),
    ("'101'::bit", "101"),
    ("time '10:00'", "10:00:00"),
    ("'x'::enum('x', 'y')", "x"),
    ("timestamp_ns '2020-01-01 00:00:00.123456789'", "2020-01-01T00:00:00.123456789"),
    ("timestamp '2020-01-01'", "2020-01-01T00:00:00"),
    ("timestamptz 'infinity'", "infinity"),
    ("date 'infinity'", "infinity"),
    (
        "12345678901234567890123456789012345678901234567890::bignum",
        "12345678901234567890123456789012345678901234567890",
    ),
    ("union_value(a := 1)", '"1"'),
    ("1::variant", '"1"'),
    ("row(1, 2)", "(1, 2)"),
    ("[1, 2]::int[2]", "[1,2]"),
    ("{'a': null::int[]}", '{"a":null}'),
    ("null::struct(a int)", ""),
    ("'nan'::double", "NaN"),
]


def test_no_type_is_lost_or_crashes(sql: Sql) -> None:
    cells = {f"c{number}": value for number, (value, _) in enumerate(ODD)}
    query = f"select {', '.join(f'{value} as {name}' for name, value in cells.items())}, 1 as y"
    assert sql.csv(query) == [dict(zip(cells, (text for _, text in ODD), strict=True)) | {"y": "1"}]
    (row,) = sql.json(query)
    assert (row["y"], row.keys()) == (1, {*cells, "y"})
    assert sql(query).exit_code == 0
    frame = sql.parquet(query)
    assert (frame.height, frame.columns) == (1, [*cells, "y"])


# Where a query comes from, and where its rows go


def test_a_query_is_read_from_a_pipe(sql: Sql) -> None:
    clean = {name: None for name in os.environ if name.startswith("R2K_")}
    arguments = ["sql", "--lake", str(sql.lake.root.parent), "--format", "csv", "-"]
    result = CliRunner(env=clean).invoke(main, arguments, input="select 1 as one\n-- a comment\n")
    assert (result.exit_code, result.stdout_bytes) == (0, b"one\r\n1\r\n")


def test_an_output_file_is_replaced_whole_or_not_at_all(sql: Sql) -> None:
    file = sql.home / "out.csv"
    file.write_text("old")
    assert sql("--format", "csv", "--output", file, "select nothing").exit_code == 1
    assert file.read_text() == "old"
    done = sql("--format", "csv", "--output", "out.csv", "select 1 as one")
    assert (done.exit_code, done.stdout) == (0, "")
    assert file.read_bytes() == b"one\r\n1\r\n"
    assert [found.name for found in sql.home.iterdir()] == ["out.csv"]


def test_parquet_needs_a_file(sql: Sql) -> None:
    result = sql("--format", "parquet", "select 1")
    assert result.exit_code == 2
    assert "--format parquet needs --output FILE" in result.stderr


@pytest.mark.parametrize("name", ["warehouse.duckdb", "raw/new.csv", "../new.csv"])
def test_the_lake_is_no_place_for_output(sql: Sql, name: str) -> None:
    file = sql.lake.root / name
    link = sql.home / "link"
    link.symlink_to(file)
    before = sql.lake.warehouse.read_bytes()
    for destination in (file, link):
        result = sql("--output", destination, "select 1")
        assert result.exit_code == 1
        assert "is inside the lake" in result.stderr
    assert sql.lake.warehouse.read_bytes() == before
    assert not (sql.lake.root.parent / "new.csv").exists()


def test_a_folder_or_a_device_is_not_replaced(sql: Sql) -> None:
    pipe = sql.home / "pipe"
    os.mkfifo(pipe)
    for destination in (sql.home, pipe):
        result = sql("--output", destination, "select 1")
        assert (result.exit_code, "not a regular file" in result.stderr) == (1, True)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert "there is no folder" in sql("--output", sql.home / "no" / "x.csv", "select 1").stderr


def test_a_full_disk_is_named(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/null")
    result = sql("select 1")
    assert result.exit_code == 1
    assert "its rows cannot be kept" in result.stderr
