"""Dagster's asset checks of the reconciliation: one for each file of sql/checks, on the table it names.

Belongs here: how findings are shown beside a table. Not here: what is checked (sql/checks), the findings themselves
(findings.py).
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.orchestration.assets import asset_key
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.tables.findings import Check, read_checks
from r2k_pipeline.tables.registry import SQL

FIRST_ROWS: Final = 10
ROWS: Final = "rows"
"""How many were found, in a check's metadata."""
SEVERITY: Final = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}
INFO: Final = "info"
"""The severity of a check that only informs: in Dagster it passes, with its rows beside it."""


def reconciliation_checks() -> dg.AssetChecksDefinition:
    """All checks in one step after meta.findings, where each reads its rows; none blocks.

    Of a table that is made alone, its own checks tell what meta.findings had before.
    """
    checks = read_checks(SQL / "checks")
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=asset_key(check.table),
            additional_deps=[asset_key(Findings)],
            description=check.why,
            metadata={"severity": check.severity},
        )
        for check in checks
    ]

    @dg.multi_asset_check(name="reconciliation", specs=specs, can_subset=True)
    def reconcile(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> Iterator[dg.AssetCheckResult]:
        found = pipeline.run.lake.read(Findings).partition_by("check_name", as_dict=True)
        asked = {key.name for key in context.selected_asset_check_keys}
        for check in checks:
            if check.name in asked:
                yield check_result(check, found.get((check.name,), Findings.create_empty()))

    return reconcile


def check_result(check: Check, rows: pl.DataFrame) -> dg.AssetCheckResult:
    """Passed if nothing was found that is in doubt; the number of rows, and the newest of them."""
    newest = rows.sort("known_at", "row_key", descending=True).head(FIRST_ROWS)
    lines = [f"- {key}: {evidence}" for key, evidence in newest.select("row_key", "evidence").iter_rows()]
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=asset_key(check.table),
        passed=rows.is_empty() or check.severity == INFO,
        severity=SEVERITY.get(check.severity, dg.AssetCheckSeverity.WARN),
        metadata={ROWS: rows.height, "newest": dg.MetadataValue.md("\n".join(lines))},
    )
