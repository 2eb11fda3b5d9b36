"""Progress of a run on a terminal: Dagster's events as one line a table.

Belongs here: the wording of progress. Not here: the summary (report/run_summary.py), where lines go (cli.py).
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

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
            PROGRESS.info("  %-40s%s", "/".join(entry.asset_key.path), _count(entry.metadata))
        elif event.event_type_value == "STEP_FAILURE":
            PROGRESS.info("  %-40s    FAILED", event.step_key)


def _count(metadata: Mapping[str, dg.MetadataValue[Any]]) -> str:
    """The rows of a table and whether it was built; of raw data only its new rows."""
    if rows := metadata.get("dagster/row_count"):
        is_built = metadata["state"].value == "built" if "state" in metadata else True
        return f"{rows.value:>10,} rows{'' if is_built else ', unchanged'}"
    new = metadata.get("rows_written")
    return "" if new is None else f"{new.value:>10,} new rows"


@dg.logger(None, description="One line for every table as it is materialized.")
def narrator(_: dg.InitLoggerContext) -> logging.Logger:
    """Dagster logger that `r2k run` uses instead of the long console log."""
    logger = logging.Logger("r2k.narrator", logging.DEBUG)
    logger.addHandler(_Narrate())
    return logger
