"""The box around a claim's SQL: what it cannot reach, however it is written, and what it does when it is overrun."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from r2k_pipeline.claims.process import GRACE_SECONDS
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError
from r2k_pipeline.claims.worker import PROCESS_BYTES
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.errors import R2kError
from tests.sql.rows import Given
from tests.unit.sandboxed import sandboxed

MOMENT = datetime(2025, 3, 14, 20, tzinfo=UTC)
SECONDS = 0.5
SLOW = "select levenshtein(repeat('a', 200000), repeat('b', 200000)) as value"
BUSY_SECONDS = 8
"""More than a process takes to end and to start on a busy machine."""


def _bar(day: str) -> dict[str, object]:
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    return {"market": "RUT", "session_date": day, "known_at": f"{day}T20:00Z", **prices}


ROWS: Given = {MarketBars: [_bar("2025-03-14"), _bar("2025-12-31")]}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("lake"), ROWS, SECONDS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ('with "staging.x" as (select 1) select * from staging.x', "must not name a query 'staging.x'"),
        (
            'with "published.staging.market_bars" as (select 1) select * from published.staging.market_bars',
            "must not name a query",
        ),
        ("with \"/x.parquet\" as (select 1) select * from '/x.parquet'", "must not name a query"),
        (
            "from (with duckdb_settings as (select 1) from duckdb_settings) as a, duckdb_settings",
            "must not read 'duckdb_settings'",
        ),
        ("with duckdb_settings as (from duckdb_settings) from duckdb_settings", "must not read 'duckdb_settings'"),
        (
            "with a as (from duckdb_settings), duckdb_settings as (select 1) from a, duckdb_settings",
            "must not read 'duckdb_settings'",
        ),
        ('select * from "staging.market_bars"', "must not read 'staging.market_bars'"),
        ("from memory.staging.market_bars", "must not read 'memory.staging.market_bars'"),
        ("from staging.cot_releases", "must not read 'staging.cot_releases'"),
        ("from (select 1) as a, lateral query_table('raw.price_bars')", "must not read 'query_table'"),
        ("from (select 1) as a, lateral duckdb_settings()", "must not read 'duckdb_settings'"),
        ("from (select 1) as a positional join raw.price_bars", "must not read 'raw.price_bars'"),
        ("from (describe staging.market_bars)", "one SELECT"),
        ("summarize staging.market_bars", "one SELECT"),
        ("with gone as (update marts.markets set name = '' returning 1) select 1 as value", "one SELECT"),
        ("select close as value from staging.market_bars using sample 1 rows", "must not sample"),
        ("select count(*) as value from staging.market_bars tablesample 10%", "must not sample"),
        ("select published.main.latest() as value", "must not call latest"),
        ("select ago(interval 1 day) as value", "must not call ago"),
        ("select age(timestamp '2025-01-01') as value", "must not call age"),
        ("select pg_sleep(100) as value", "must not call pg_sleep"),
        ("select list_transform([1], lambda x: x + random()) as value", "must not call random"),
        ("select sum(random()) over () as value", "must not call random"),
        ("select current_timestamp as value", "must not call"),
        ("select current_localtimestamp as value", "must not call"),
        ("select rsi_15 as value from features.daily_indicators", "Candidate bindings: .*rsi_14"),
        ("select " + "(" * 2_000 + "1" + ")" * 2_000 + " as value", "nested too deeply|not SQL"),
    ],
)
def test_no_way_of_writing_reaches_what_is_not_shown(box: Sandbox, sql: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason):
        box.rows(sql, {}, MOMENT)


def test_a_query_that_names_itself_as_the_evidence_of_another_claim_finds_none(box: Sandbox) -> None:
    first = box.rows("select 41 as secret", {}, MOMENT)
    assert box.truths("secret = 41", first).to_list() == [True]
    with pytest.raises(SandboxError, match="must not read 'evidence'"):
        box.rows("select * from (with evidence as (select 1 as x) from evidence) as a, evidence", {}, MOMENT)


@pytest.mark.parametrize(
    "sql",
    [
        'select max(close) as value from Staging."MARKET_BARS"',
        "with levels as (select close from staging.market_bars) select max(close) as value from LEVELS",
        "select max(a.close) as value from staging.market_bars as a, unnest([1]) as b, range(1) as c",
        "from staging.market_bars as bars select bars.close as value limit 1;",
        "with recursive loop as (select 2000 as value union select value from loop) from loop",
        "with a as (select 2000 as value), b as (from a) select (select max(value) from a) as value from b",
        "select 2000 as value union all select close from staging.market_bars limit 1",
        "select 2000 as value where exists (from latest()) or not exists (from as_of('2025-03-14'))",
        "select coalesce(max(relative_strength_20d_ratio), 2000) as value from marts.cross_market",
    ],
)
def test_usual_sql_runs_and_sees_no_later_row(box: Sandbox, sql: str) -> None:
    assert box.rows(sql, {}, MOMENT).rows() == [(2000.0,)]
    days = box.rows("select max(session_date)::varchar as value from staging.market_bars", {}, MOMENT)
    assert days.item() == "2025-03-14"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select len(range(400000000)) as value", "Out of Memory"),
        ("select length(repeat('a', 2000000000)) as value", "Out of Memory"),
        ("select list_reduce(range(100000000), lambda a, b: a + b) as value", "Out of Memory|stopped after"),
        (SLOW, r"stopped after 0\.5 seconds"),
        ("select repeat('x', 40000000) as value", "more than 32 MB|stopped after"),
    ],
)
def test_what_takes_too_much_ends_in_time_within_its_memory_and_the_next_query_runs(
    box: Sandbox, sql: str, reason: str
) -> None:
    before = box.process.pid
    started = time.monotonic()
    with pytest.raises(SandboxError, match=reason):
        box.rows(sql, {}, MOMENT)
    assert time.monotonic() - started < SECONDS + GRACE_SECONDS + BUSY_SECONDS
    assert box.rows("select 1 as value", {}, MOMENT).item() == 1
    if box.process.pid == before and sys.platform == "linux":
        status = Path(f"/proc/{before}/status").read_text("utf-8")
        (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak) * 1024 < PROCESS_BYTES + (200 << 20)  # code and files mapped are not data


def test_a_query_for_which_memory_falls_short_leaves_nothing_in_the_way_of_the_next(box: Sandbox) -> None:
    box.rows("select 1 as value", {}, MOMENT)
    before = box.process.pid
    with pytest.raises(SandboxError, match="Out of Memory"):
        box.rows("select len(range(400000000)) as value", {}, MOMENT)
    assert box.process.pid != before


def test_a_process_that_is_gone_is_started_anew_and_asked_once_more(box: Sandbox) -> None:
    box.rows("select 1 as value", {}, MOMENT)
    before = box.process.pid
    os.kill(before, signal.SIGKILL)
    assert box.rows("select 2 as value", {}, MOMENT).item() == 2
    assert box.process.pid != before


def test_a_condition_gives_one_answer_a_row(box: Sandbox) -> None:
    rows = box.rows("select unnest([1, 2]) as value", {}, MOMENT)
    for condition in ("count(*) > 0", "unnest([true, false])", "true) as holds_when from evidence where (false"):
        with pytest.raises(SandboxError, match=r"answers on 2 rows|not SQL"):
            box.truths(condition, rows)


def test_a_file_that_is_no_warehouse_is_named_with_the_next_command(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(b"no database" * 1000)
    with (
        duckdb.connect() as other,
        Sandbox.over_warehouse(file, other) as box,
        pytest.raises(R2kError, match=r"cannot read .*next: r2k run"),
    ):
        box.rows("select 1 as value", {}, datetime(2025, 1, 1, tzinfo=UTC))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_ends_with_its_parent_even_in_the_midst_of_a_query(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.exists()
        time.sleep(0.5)
    finally:
        parent.kill()
        parent.communicate()
    given_up = time.monotonic() + BUSY_SECONDS
    while child.exists() and time.monotonic() < given_up:
        time.sleep(0.05)
    assert not child.exists()


PARENT = f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from tests.unit.sandboxed import sandboxed
with sandboxed(Path(sys.argv[1]), {{}}, seconds=60) as box:
    box.rows("select 1 as value", {{}}, datetime(2025, 3, 14, tzinfo=UTC))
    print(box.process.pid, flush=True)
    box.rows("{SLOW}", {{}}, datetime(2025, 3, 14, tzinfo=UTC))
"""
