"""Dagster's records of a run that keeps its connections: what others read of them, during the run and after it."""

from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from r2k_pipeline.orchestration.event_log import KeptEventLog
from r2k_pipeline.orchestration.instance import open_instance
from r2k_pipeline.settings import Settings


@dg.asset
def recorded() -> None:
    """An asset of which only the record matters."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "sample"


def test_the_ui_sees_every_event_while_the_run_still_holds_its_files(tmp_path: Path, home: Path) -> None:
    with open_instance(Settings(lake=tmp_path / "lake")) as ours:
        assert isinstance(ours.event_log_storage, KeptEventLog)
        result = dg.materialize([recorded], instance=ours)
        with open_instance(Settings(lake=tmp_path / "lake"), writes_one_run=False) as other:
            assert not isinstance(other.event_log_storage, KeptEventLog)
            seen = [entry.dagster_event for entry in other.all_logs(result.run_id) if entry.dagster_event]
            (record,) = other.get_asset_records([dg.AssetKey("recorded")])
    planned, *done = [event.event_type_value for event in seen if event.step_key]
    assert planned == "ASSET_MATERIALIZATION_PLANNED"
    assert done == [event.event_type_value for event in result.all_events if event.step_key]
    assert record.asset_entry.last_materialization_record is not None


def test_a_commit_waits_for_no_disk_and_no_half_of_it_can_be_read(tmp_path: Path, home: Path) -> None:
    with open_instance(Settings(lake=tmp_path / "lake")) as ours:
        run = dg.materialize([recorded], instance=ours).run_id
        for connect in (ours.event_log_storage.index_connection, partial(ours.event_log_storage.run_connection, run)):
            with connect() as connection:
                modes = [
                    connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous")
                ]
            assert modes == ["wal", 1], "1 is normal: safe with a write-ahead log"


def test_files_are_closed_whole_and_opened_again_where_they_ended(tmp_path: Path, home: Path) -> None:
    runs = []
    for number in (1, 2):
        with open_instance(Settings(lake=tmp_path / "lake")) as ours:
            runs.append(dg.materialize([recorded], instance=ours).run_id)
            found = ours.fetch_materializations(dg.AssetKey("recorded"), limit=10).records
            assert [record.run_id for record in found] == runs[::-1], f"after run {number}"
        assert list((home / "history").rglob("*-wal")) == [], "what is not in the file itself yet"


def test_a_run_keeps_its_files_open_and_copies_no_output_unless_a_users_settings_say_where_these_go(
    tmp_path: Path, home: Path
) -> None:
    def kinds(text: str) -> tuple[bool, bool]:
        home.mkdir(parents=True, exist_ok=True)
        (home / "dagster.yaml").write_text(text)
        with open_instance(Settings(lake=tmp_path / "lake")) as ours:
            result = dg.materialize([recorded], instance=ours)
            assert result.success
            copies = {file.name for file in home.rglob(f"{result.run_id}/**/*") if file.is_file()}
            return isinstance(ours.event_log_storage, KeptEventLog), bool(copies)

    elsewhere = f"{{base_dir: {home / 'elsewhere'}}}"
    assert kinds("telemetry: {enabled: false}\n") == (True, False)
    assert kinds(f"storage: {{sqlite: {elsewhere}}}\n") == (False, True)
    local = "module: dagster._core.storage.local_compute_log_manager, class: LocalComputeLogManager"
    assert kinds(f"compute_logs: {{{local}, config: {elsewhere}}}\n") == (True, True)
