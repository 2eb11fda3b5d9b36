"""Composition root: assembles assets, jobs and the resource; decides nothing."""

import dagster as dg

from r2k_pipeline.orchestration.assets import table_assets
from r2k_pipeline.orchestration.checks import newest, notes, reconciliation_checks, required
from r2k_pipeline.orchestration.jobs import refresh, refresh_after_close, refresh_and_report, site
from r2k_pipeline.orchestration.narrator import narrator
from r2k_pipeline.orchestration.publish import report, warehouse
from r2k_pipeline.orchestration.resources import Pipeline

defs = dg.Definitions(
    assets=[*table_assets(), warehouse, report],
    asset_checks=[reconciliation_checks(), newest, notes, required],
    jobs=[refresh, refresh_and_report, site],
    schedules=[refresh_after_close],
    resources={"pipeline": Pipeline()},
    loggers={"console": dg.colored_console_logger, "narrator": narrator},
    executor=dg.in_process_executor,
)
