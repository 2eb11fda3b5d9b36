"""What a run's checks come to: failures that make it red, and notes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from r2k_pipeline.orchestration.execute import Summary, next_commands
from r2k_pipeline.orchestration.failures import failed_checks
from r2k_pipeline.orchestration.outcome import notes_of
from r2k_pipeline.settings import Settings

MISSING = "the prices of ^RUT end at 2025-03-12: session 2025-03-13 was due 2025-03-13 20:00 UTC and is missing"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def check(
    name: str, severity: dg.AssetCheckSeverity, *, passed: bool = False, **metadata: object
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["raw", "price_bars"]),
        check_name=name,
        passed=passed,
        metadata={
            key: dg.MetadataValue.int(v) if isinstance(v, int) else dg.MetadataValue.md(str(v))
            for key, v in metadata.items()
        },
        severity=severity,
    )


CHECKS = [
    check("fetched", ERROR, failures="- yahoo: ^RUT: no answer\n- yahoo: IWM: no answer"),
    check("fetched", ERROR, passed=True, failures=""),
    check("missing_sessions", WARN, rows=2, newest="- ^RUT 2025-03-13: no bar"),
    check("missing_reports", WARN, rows=1_016, newest=""),
    check("stale_bars", WARN, passed=True, rows=0, newest=""),
    check("newest", WARN, holes=f"- {MISSING}"),
]


def test_only_errors_fail_a_run_line_by_line() -> None:
    assert failed_checks(CHECKS) == [
        f"raw/price_bars fetched: yahoo: {symbol}: no answer" for symbol in ("^RUT", "IWM")
    ]


@pytest.mark.parametrize(
    ("checks", "notes"),
    [
        (CHECKS, [MISSING, "in doubt: missing_sessions 2, missing_reports 1,016; next: r2k doctor"]),
        (CHECKS[:2], []),
    ],
)
def test_warnings_are_notes_with_their_counts(checks: list[dg.AssetCheckEvaluation], notes: list[str]) -> None:
    assert list(notes_of(checks)) == notes


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
    assert next_commands(settings).startswith("r2k brief --as-of 2025-03-14T20:00:00Z · r2k status --as-of 2025-03-14T")
