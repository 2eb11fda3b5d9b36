"""The end of a run as a user reads it: commands that work now, and lead to the lake of the run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from r2k_pipeline.report.run_summary import Summary, next_commands
from r2k_pipeline.settings import Settings


@pytest.mark.parametrize("as_of", [None, datetime(2025, 3, 14, 20, tzinfo=UTC)])
def test_a_failed_run_names_commands_that_work_now(as_of: datetime | None) -> None:
    state: dict[str, Any] = {"ok": False, "published": False, "checked_at": None, "generation_id": as_of and "1f"}
    counts: dict[str, Any] = {"seconds": 1.0, "rows_new": 0, "rows_refused": 0, "failures": ("it",), "notes": ()}
    there = next_commands(Settings(source="files"))
    summary = Summary(**state, **counts, label="files", as_of=as_of, warehouse=Path("w"), next=there)
    assert ("r2k note" in summary.text()) == (as_of is not None)
    assert ("the last generation stays" in summary.text()) == (as_of is not None)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (Settings(), ""),
        (Settings(source="live"), " --source live"),
        (Settings(lake=Path("/a lake")), " --lake '/a lake'"),
    ],
)
def test_the_next_commands_lead_to_the_lake_of_the_run(settings: Settings, where: str) -> None:
    assert next_commands(settings).startswith(f"r2k note{where} · r2k status{where} · r2k ui{where} · r2k sql ")


def test_the_ui_of_files_gets_their_folder_as_it_can_run() -> None:
    said = next_commands(Settings(source="files", files=Path("/my files")))
    assert " · r2k ui --source files --files '/my files' · " in said
    assert said.count("--files") == 1


def test_after_a_rebuild_they_show_the_moment() -> None:
    settings = Settings(as_of=datetime(2025, 3, 14, 20, tzinfo=UTC))
    assert next_commands(settings).startswith("r2k note --as-of 2025-03-14T20:00:00Z · r2k status --as-of 2025-03-14T")
