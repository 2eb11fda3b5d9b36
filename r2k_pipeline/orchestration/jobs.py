"""Jobs and when they run.

Belongs here: the jobs and the schedule. Not here: what they materialize (assets.py, publish.py).
"""

import dagster as dg

SITE = dg.AssetSelection.assets("report")

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - SITE,
    description="Fetch, build, check, publish: every table and the warehouse. What `r2k run` runs.",
)

refresh_and_report = dg.define_asset_job(
    "refresh_and_report",
    selection=dg.AssetSelection.all(),
    description="The refresh, and the site of what it published.",
)

site = dg.define_asset_job(
    "site",
    selection=SITE,
    description="The site of what is published. What `r2k report` writes.",
)

refresh_after_close = dg.ScheduleDefinition(
    name="refresh_after_close",
    job=refresh_and_report,
    cron_schedule=["35 16 * * 1-5", "30 7 * * 1-5", "45 15 * * 5"],
    execution_timezone="America/New_York",
    description="After each close with prices settled, before the next open with volumes settled, and after Friday's "
    "COT release. Off until switched on.",
)
