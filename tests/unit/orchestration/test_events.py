"""What a run's events say: failures that make it red, and notes."""

import dagster as dg
import pytest

from r2k_pipeline.folders import usual_folder
from r2k_pipeline.lake import Lake
from r2k_pipeline.orchestration.events import failed_checks, notes_of

MISSING = "the prices of ^RUT end at 2025-03-12: session 2025-03-13 was due 2025-03-13 20:00 UTC and is missing"
REMARK = "^RUT: no opens before 1990"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def check(
    name: str, severity: dg.AssetCheckSeverity, *, passed: bool = False, table: str = "price_bars", **metadata: object
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["raw", table]),
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


def test_a_file_of_bars_and_actions_fails_in_one_line() -> None:
    both = [
        check("fetched", ERROR, table=f"price_{rows}", failures="- IWM: no such file") for rows in ("bars", "actions")
    ]
    assert failed_checks(both) == ["raw/price_bars fetched: IWM: no such file"]
    counts = [check(name, ERROR, rows=2) for name in ("negative_prices", "duplicates")]
    assert len(failed_checks(counts)) == 2, "equal numbers of two checks are two findings"


@pytest.mark.parametrize(
    ("checks", "notes"),
    [
        (
            CHECKS,
            [REMARK, MISSING, "in doubt: missing_sessions 2, missing_reports 1,016; next: r2k doctor --source live"],
        ),
        (CHECKS[:2], [REMARK]),
    ],
)
def test_warnings_are_notes_with_their_counts(checks: list[dg.AssetCheckEvaluation], notes: list[str]) -> None:
    fetched = dg.AssetMaterialization("raw", metadata={"notes": dg.MetadataValue.md(f"- {REMARK}")})
    built = dg.AssetMaterialization("marts", metadata={"state": "built"})
    assert list(notes_of([fetched, built], checks, Lake.of(usual_folder(), "live"))) == notes
