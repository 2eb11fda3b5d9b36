"""Dagster's records: damaged, locked, full, shared, old, or left by a process that was killed. Data is never at stake.

Belongs here: what a run and doctor say of them, and what becomes of runs. Not here: what a run computes.
"""

import errno
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import point
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import begin_run, mark_published, read_last_run
from r2k_pipeline.orchestration.execute import execute_refresh
from r2k_pipeline.orchestration.instance import open_instance
from r2k_pipeline.orchestration.launcher import LAKE, TO_LOCK, LockedRunLauncher, end_dead_runs
from r2k_pipeline.orchestration.narrator import narrator
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.settings import Settings
from tests.pipeline.command_line import r2k
from tests.processes import command_line, forked

TABLE: Final = dg.AssetKey("table")


def definitions(happens: Callable[[Lake], None] = lambda _: None) -> dg.Definitions:
    """A refresh of one asset and its check, which takes no time; `happens` in the asset."""

    @dg.asset(key=TABLE)
    def table(pipeline: Pipeline) -> dg.MaterializeResult[None]:
        happens(pipeline.run.lake)
        return dg.MaterializeResult(metadata={"lake": str(pipeline.run.lake.derived)})

    @dg.asset_check(asset=TABLE)
    def sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return dg.Definitions(
        assets=[table],
        asset_checks=[sound],
        jobs=[dg.define_asset_job("refresh")],
        resources={"pipeline": Pipeline()},
        loggers={"narrator": narrator},
    )


@pytest.fixture
def tmp_path(homes: Path) -> Iterator[Path]:
    """Where Dagster's commits cost nothing."""
    with tempfile.TemporaryDirectory(dir=homes) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(lake=tmp_path / "lake")


def refresh(settings: Settings) -> None:
    execute_refresh(definitions(), settings)


def last_lake(settings: Settings) -> str | None:
    """Which folder the newest materialization says that it was made in."""
    with open_instance(settings) as instance:
        event = instance.get_latest_materialization_event(TABLE)
    found = event and event.asset_materialization and event.asset_materialization.metadata["lake"].value
    return found if isinstance(found, str) else None


# Where they are


def test_each_source_has_its_own_and_a_replay_is_no_materialization_of_a_current_table(tmp_path: Path) -> None:
    current = Settings(lake=tmp_path, source="sample")
    replay = Settings(lake=tmp_path, source="sample", as_of="2025-03-14T15:00-04:00")
    refresh(current)
    refresh(replay)
    other = Settings(lake=tmp_path, source="live")
    assert last_lake(other) is None
    assert last_lake(current) == str(tmp_path / "sample")
    assert last_lake(replay) == str(tmp_path / "sample" / "as_of" / "2025-03-14T190000Z")


def test_a_replay_is_none_either_where_a_user_named_the_home(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    refresh(settings)
    refresh(settings.model_copy(update={"as_of": Settings(as_of="2025-03-14T15:00-04:00").as_of}))
    assert last_lake(settings) == str(settings.lake / "sample")


def test_each_source_has_its_own_in_a_home_that_a_user_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    sample, live = (Settings(lake=tmp_path, source=source) for source in ("sample", "live"))
    refresh(sample)
    assert last_lake(live) is None
    assert last_lake(sample) == str(tmp_path / "sample")
    assert {entry.name for entry in home.iterdir()} == {"live", "sample"}


def test_a_users_dagster_yaml_holds_and_is_not_written_to(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    file, of_source = home / "dagster.yaml", home / "sample" / "dagster.yaml"
    text = "concurrency:\n  runs:\n    max_concurrent_runs: {}\n"

    def most_at_once() -> int:
        refresh(settings)
        with open_instance(settings) as instance:
            queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        return queue.max_concurrent_runs

    assert most_at_once() == 1
    assert not file.exists()
    file.write_text(text.format(7))
    assert most_at_once() == 7
    of_source.write_text(text.format(5))
    assert most_at_once() == 5, "the nearer one"
    assert (file.read_text(), of_source.read_text()) == (text.format(7), text.format(5))


# Damage


@pytest.fixture(scope="module")
def after_a_run(homes: Path) -> Iterator[Path]:
    """A lake after a refresh."""
    with tempfile.TemporaryDirectory(dir=homes) as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        refresh(Settings(lake=Path(folder)))
        yield Path(folder)


@pytest.mark.parametrize("file", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
@pytest.mark.parametrize("content", ["garbage", "cut"])
def test_a_damaged_file_is_one_line_and_doctor_sees_it(
    settings: Settings, after_a_run: Path, file: str, content: str
) -> None:
    shutil.copytree(after_a_run, settings.lake)
    home = settings.lake / "sample" / ".dagster"
    body = (home / file).read_bytes()
    (home / file).write_bytes(b"garbage " * 1000 if content == "garbage" else body[: len(body) // 2])
    with pytest.raises(R2kError) as told:
        refresh(settings)
    assert str(told.value).startswith(f"{home}: Dagster's records cannot be kept: ")
    assert str(told.value).endswith(f"; next: remove {home}: it has no data")
    assert "\n" not in str(told.value)
    examined = r2k(settings.lake, "doctor", "--lake", settings.lake, DAGSTER_HOME="").stdout
    (line,) = (line for line in examined.splitlines() if line[6:].startswith("records"))
    assert line.startswith("FAIL")
    assert f"next: remove {home}" in line
    home.rename(settings.lake / "taken away")
    refresh(settings)
    assert last_lake(settings) is not None


def run_small(lake: Path, most_bytes: int = -1) -> None:
    """A run of `definitions`, in a process of its own, that writes no file of more than `most_bytes`."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        refresh(Settings(lake=lake))
    except R2kError as error:
        sys.exit(f"r2k: {error}")


def test_two_first_runs_at_once_end_in_one_line_at_most(tmp_path: Path) -> None:
    with ExitStack() as stack:
        runs = [stack.enter_context(forked(run_small, tmp_path / "lake")) for _ in range(3)]
        ended = [(process.communicate(timeout=120)[1], process.returncode) for process in runs]
    assert (len(ended), 0) == (3, min(code for _, code in ended if code is not None))
    for said, code in ended:
        assert "Traceback" not in said
        assert code == 0 or "another run holds this lake" in said


@pytest.mark.parametrize("most_bytes", [10_000, 100_000, 200_000])
def test_a_disk_that_takes_no_more_is_one_line(tmp_path: Path, most_bytes: int) -> None:
    with forked(run_small, tmp_path / "lake", most_bytes) as process:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 1, said
    assert "Traceback" not in said
    *dagsters, line = said.splitlines()
    assert {*dagsters} <= {"Exception while writing logger call to event log: disk I/O error"}, "Dagster's own words"
    assert "Dagster's records cannot be kept: " in line
    assert line.endswith("; next: check the disk")


# Runs that were killed, or failed late


def test_a_run_that_fails_after_the_swap_says_that_it_published(settings: Settings) -> None:
    def swap_and_fail(lake: Lake) -> None:
        (lake.generations / "first").mkdir(parents=True)
        point(lake.published, "generations/first")
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    summary = execute_refresh(definitions(swap_and_fail), settings)
    assert (summary.ok, summary.published) == (False, True)
    elsewhere = settings.model_copy(update={"lake": settings.lake / "other"})
    assert not execute_refresh(definitions(), elsewhere).published


def recorded(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> str:
    """The id of a run that is recorded so, as a killed process leaves it."""
    job = definitions().resolve_job_def("refresh")
    return instance.create_run_for_job(job, status=status, tags=tags).run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


UNFINISHED: Final = [dg.DagsterRunStatus[name] for name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]


@pytest.mark.parametrize("status", UNFINISHED)
def test_a_run_that_does_not_hold_its_lake_has_failed(settings: Settings, status: dg.DagsterRunStatus) -> None:
    lake = Lake.of(settings.lake, "sample")
    with open_instance(settings) as instance:
        by_command = recorded(instance, status, **{LAKE: str(lake.root)})
        by_ui = recorded(instance, status)
        with lake.lock(run_id=by_command):
            end_dead_runs(instance, lake.root)
            assert status_of(instance, by_command) == status, "it holds the lake"
        with lake.lock(run_id="another"):
            end_dead_runs(instance, lake.root)
        assert status_of(instance, by_command) == dg.DagsterRunStatus.FAILURE, "whatever its process's number was"
        assert status_of(instance, by_ui) == status, "it may be on its way to the lock"
        end_dead_runs(instance, lake.root, timedelta())
        assert status_of(instance, by_ui) == dg.DagsterRunStatus.FAILURE, "its server begins anew"


def test_the_next_run_puts_right_what_a_killed_one_left(settings: Settings) -> None:
    root = Lake.of(settings.lake, "sample").root
    with open_instance(settings) as instance:
        killed = recorded(instance, dg.DagsterRunStatus.STARTED, **{LAKE: str(root)})
    refresh(settings)
    with open_instance(settings) as instance:
        assert status_of(instance, killed) == dg.DagsterRunStatus.FAILURE


def test_dagsters_monitoring_learns_it_from_the_lock(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R2K_LAKE", str(settings.lake))
    lake = Lake.of(settings.lake, "sample")
    with open_instance(settings, writes_one_run=False) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, LockedRunLauncher)
        assert instance.run_monitoring_enabled
        run = instance.get_run_by_id(recorded(instance, dg.DagsterRunStatus.STARTED, **{LAKE: str(lake.root)}))
        assert run is not None
        with lake.lock(run_id=run.run_id):
            assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
    assert timedelta(seconds=30) < TO_LOCK


def test_status_has_why_a_run_of_the_ui_failed_although_it_published(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R2K_LAKE", str(settings.lake))
    lake = Lake.of(settings.lake, "sample")

    @dg.asset
    def site(pipeline: Pipeline) -> None:
        mark_published(pipeline.run.lake, "0123456789abcdef")
        raise R2kError("the site", "no space left on the disk", "free it")

    jobs = [dg.define_asset_job("refresh")]
    job = dg.Definitions([site], jobs=jobs, resources={"pipeline": Pipeline()}).resolve_job_def("refresh")
    with open_instance(settings, writes_one_run=False) as instance:
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        assert failures_of_last(lake) == ("site: the site: no space left on the disk; next: free it",)
        monkeypatch.setenv("R2K_MARKETS", '["nowhere.toml"]')
        job.execute_in_process(instance=instance, raise_on_error=False)
    (refused,) = failures_of_last(lake)
    assert "nowhere.toml" in refused


def test_a_table_that_is_made_alone_does_not_end_the_record_of_a_run_that_died(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R2K_LAKE", str(settings.lake))
    lake = Lake.of(settings.lake, "sample")
    with lake.lock():
        begin_run(lake, datetime.now(UTC))

    @dg.asset
    def table(pipeline: Pipeline) -> None:
        assert pipeline.run.lake == lake

    job = dg.Definitions([table], jobs=[dg.define_asset_job("alone")], resources={"pipeline": Pipeline()})
    with open_instance(settings, writes_one_run=False) as instance:
        assert job.resolve_job_def("alone").execute_in_process(instance=instance).success
    run = read_last_run(lake)
    assert run is not None
    assert "died" in (run.problem(is_on=False, again="r2k run") or "")


def test_materialize_all_is_a_run_too_and_the_last_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The button starts Dagster's own job, with a selection of all assets; *Materialize unsynced* with some of them."""
    monkeypatch.setenv("R2K_LAKE", str(settings.lake))
    lake, works = Lake.of(settings.lake, "sample"), [False]

    @dg.asset
    def warehouse(pipeline: Pipeline) -> None:
        if not works[0]:
            raise R2kError("the disk", "is full", "free it")
        mark_published(pipeline.run.lake, "0123456789abcdef")

    job = dg.Definitions([warehouse], resources={"pipeline": Pipeline()}).resolve_implicit_global_asset_job_def()
    with open_instance(settings, writes_one_run=False) as instance:
        for works[0], failures in ((False, ("warehouse: the disk: is full; next: free it",)), (True, ())):
            done = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[warehouse.key])
            assert done.success == works[0]
            assert failures_of_last(lake) == failures


def failures_of_last(lake: Lake) -> tuple[str, ...]:
    """Why the last run of a lake failed."""
    run = read_last_run(lake)
    assert run is not None
    return run.failures


# What is kept


def test_records_of_old_runs_go_but_for_the_last_of_each_table(settings: Settings) -> None:
    kept = settings.model_copy(update={"keep_runs": 2})
    home = settings.lake / "sample" / ".dagster"
    with open_instance(settings) as instance:
        ended = [recorded(instance, dg.DagsterRunStatus.FAILURE) for _ in range(2)]
    refresh(settings)
    with open_instance(settings) as instance:
        ended = [run.run_id for run in instance.get_runs()]
    refresh(settings)
    with open_instance(settings) as instance:
        (made,) = {run.run_id for run in instance.get_runs()} - {*ended}
        newer = [recorded(instance, dg.DagsterRunStatus.FAILURE) for _ in range(3)]
    for _ in range(2):
        execute_refresh(dg.Definitions(jobs=[no_table()], loggers={"narrator": narrator}), kept)
    with open_instance(settings) as instance:
        left = {run.run_id for run in instance.get_runs()}
        assert made in left, "the table was last made in it"
        assert left.isdisjoint([*ended, *newer])
        assert len(left) == 3
        logs = {file.stem for file in (home / "history" / "runs").glob("*.db")} - {"index"}
        assert logs <= left
        index = sqlite3.connect(home / "history" / "runs" / "index.db")
        for name in ("event_logs", "asset_check_executions"):
            assert {run_id for (run_id,) in index.execute(f"select run_id from {name}")} <= left, name
        index.close()
        assert last_lake(settings) is not None


def no_table() -> dg.JobDefinition:
    """A refresh in which nothing is made."""

    @dg.op
    def nothing() -> None: ...

    @dg.job(name="refresh")
    def refresh() -> None:
        nothing()

    return refresh


# Interrupts


@contextmanager
def begun(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A `r2k run` that has said of its first table that it is made; started anew, as how Python ends counts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    process = subprocess.Popen(
        [sys.executable, "-c", "from r2k_pipeline.cli import main; main()", "run", "--lake", str(tmp_path / "lake")],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "rows" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("gaps", [[0.0, 0.3], [0.0, 0.01, 0.01]], ids=["two", "three at once"])
def test_an_interrupt_is_one_line_however_often_it_comes(tmp_path: Path, gaps: list[float]) -> None:
    with begun(tmp_path) as process:
        for gap in gaps:
            time.sleep(gap)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert "Traceback" not in said
        assert [line for line in said.splitlines() if not line.startswith("  ")] == [
            "r2k: interrupted; the last published generation stays"
        ]
    with Lake.of(tmp_path / "lake", "sample").lock():
        pass


# Records that another process has locked


def test_records_that_another_process_has_locked_are_one_line(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with open_instance(Settings(lake=lake)):
        pass
    locked = [sqlite3.connect(file) for file in sorted((lake / "sample" / ".dagster").rglob("*.db"))]
    assert locked
    try:
        for connection in locked:
            connection.execute("begin exclusive")
        with forked(command_line, "run", "--lake", str(lake)) as process:
            printed, said = process.communicate(timeout=120)
            assert process.returncode == 1
    finally:
        for connection in locked:
            connection.close()
    assert "Traceback" not in printed + said
    assert re.search(r"^r2k: .*\.dagster.*locked.*; next: ", said, re.MULTILINE), said
