"""Progress of a run on a terminal: Dagster's events as one line a table.

Belongs here: the wording of progress. Not here: the summary (execute.py), where lines go (cli.py).
"""

import logging
from typing import Final

import dagster as dg

PROGRESS: Final = logging.getLogger("r2k.progress")
"""Where lines go; the command line shows them on standard error."""


class _Narrate(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
        if event is None:
            return
        if event.event_type_value == "ASSET_MATERIALIZATION":
            entry = event.step_materialization_data.materialization
            rows = entry.metadata.get("dagster/row_count") or entry.metadata.get("rows_written")
            count = "" if rows is None else f"{rows.value:>10,} rows"
            PROGRESS.info("  %-40s%s", "/".join(entry.asset_key.path), count)
        elif event.event_type_value == "STEP_FAILURE":
            PROGRESS.info("  %-40s    FAILED", event.step_key)


def _build(_: dg.InitLoggerContext) -> logging.Logger:
    """Dagster logger that `r2k run` uses instead of the long console log."""
    logger = logging.Logger("r2k.narrator", logging.DEBUG)
    logger.addHandler(_Narrate())
    return logger


narrator: Final = dg.LoggerDefinition(_build, description="One line for every table as it is materialized.")
