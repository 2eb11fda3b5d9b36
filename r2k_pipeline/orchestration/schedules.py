"""Jobs and when they run.

Belongs here: the main job and its schedule. Not here: what it materializes (assets.py, publication.py).
"""

import dagster as dg

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Fetch, build, check, publish: every table and the warehouse.",
    executor_def=dg.in_process_executor,
)

refresh_after_close = dg.ScheduleDefinition(
    name="refresh_after_close",
    job=refresh,
    cron_schedule=["35 16 * * 1-5", "45 15 * * 5"],
    execution_timezone="America/New_York",
    description="After each close with quotes settled, and after Friday's COT release. Off until switched on.",
)
