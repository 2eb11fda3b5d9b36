"""The commands of messages lead to the lake that the message is about."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from r2k_pipeline.cli import main
from r2k_pipeline.folders import Folders, usual_folder
from r2k_pipeline.moments import read_moment

MOMENT = datetime(2025, 3, 14, 20, 0, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "run"),
    [("sample", "r2k run"), ("files", "r2k run --files DIR"), ("live", "r2k run --source live")],
)
def test_a_lake_elsewhere_is_named_and_the_usual_one_is_not(tmp_path: Path, source: str, run: str) -> None:
    usual, other = (Folders.of(folder, source) for folder in (usual_folder(), tmp_path / "my lake"))
    assert (usual.run, usual.command("doctor")) == (run, f"r2k doctor --source {source}")
    where = f" --lake '{tmp_path}/my lake'"
    assert (other.run, other.command("doctor")) == (run + where, f"r2k doctor --source {source}{where}")


def test_a_recorded_message_leads_to_the_lake_where_it_is_read(tmp_path: Path) -> None:
    said = "IWM: held; next: r2k accept IWM --source files"
    usual, other = (Folders.of(folder, "files") for folder in (usual_folder(), tmp_path))
    assert (usual.here(said), other.here(said)) == (said, f"{said} --lake {tmp_path}")
    assert other.here(other.here(said)) == other.here(said)


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.replace(microsecond=0)])
def test_a_rebuild_is_made_anew_as_of_its_moment(tmp_path: Path, moment: datetime) -> None:
    *options, said = shlex.split(Folders.of(tmp_path, "files", moment).run)
    assert options == ["r2k", "run", "--source", "files", "--lake", str(tmp_path), "--as-of"]
    assert read_moment(said) == moment


@pytest.mark.parametrize("as_of", [None, MOMENT])
def test_a_file_is_in_the_nearest_lake_around_it(tmp_path: Path, as_of: datetime | None) -> None:
    lake = Folders.of(tmp_path / "live" / "lake", "files", as_of)
    for file in (lake.warehouse, lake.generations / "20250314T2000-a" / "warehouse.duckdb", lake.derived / "a" / "b"):
        assert Folders.around(file) == lake
    assert Folders.around(Path("/nowhere/a.duckdb")) == Folders.at(Path("/nowhere"))


@pytest.mark.parametrize("command", ["brief", "status", "accept raw", "sql 'select 1'", "check-note a.toml", "note"])
def test_each_command_names_the_lake_that_it_was_given(tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(main, [*shlex.split(command), "--source", "live", "--lake", str(tmp_path)])
    assert done.exit_code == 1
    assert f" --source live --lake {tmp_path}" in done.output.partition("next: ")[2], done.output
