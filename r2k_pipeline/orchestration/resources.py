"""The one Dagster resource: a run's settings and sources, and the lake's lock while its steps run.

Belongs here: what a run acquires before its first step and releases after its last. Not here: steps.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import dagster as dg
from pydantic import PrivateAttr

from r2k_pipeline.last_run import recording, recording_refusal
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.orchestration.events import events_of, failures_of
from r2k_pipeline.orchestration.instance import forget_old_runs
from r2k_pipeline.runs import Run, now
from r2k_pipeline.settings import read_settings

WAREHOUSE: Final = dg.AssetKey("warehouse")
PUBLISHING: Final = ("refresh", "refresh_and_report")
"""Jobs that make all tables and publish them."""


class Pipeline(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The settings of this server: source, folders and moment are those given to `r2k ui`.

    None of them is run configuration: a server keeps the records of one source, and a web page must not choose folders.
    """

    _run: Run = PrivateAttr()
    _fixed: Run | None = PrivateAttr(default=None)
    _built: set[str] = PrivateAttr(default_factory=set)

    @classmethod
    def of(cls, run: Run) -> dg.ResourceDefinition:
        """The resource of a run whose lake the caller has locked."""
        pipeline = cls()
        pipeline._run = run
        return dg.ResourceDefinition.hardcoded_resource(pipeline)

    @property
    def run(self) -> Run:
        """The Run of these steps."""
        return self._run

    @property
    def fixed(self) -> Run:
        """The Run for steps after the last fetch; the first such step fixes its moment."""
        self._fixed = self._fixed or self._run.fixed()
        return self._fixed

    @property
    def built(self) -> set[str]:
        """The names of the tables that these steps have built or found unchanged."""
        return self._built

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Pipeline"]:
        """Lock the lake for a run of the UI, and record how it goes if it is to publish.

        Raises R2kError if another run has the lock, or if a run must not begin.
        """
        settings, run_id = read_settings(), context.run.run_id if context.run else ""
        with recording_refusal(settings):
            self._run, self._fixed, self._built = Run.of(settings), None, set()
            lake, is_recorded = self._run.lake, _publishes(context.run)
            record: AbstractContextManager[list[str]] = recording(lake, now) if is_recorded else nullcontext([])
            with lake.lock(settings.lock_wait_seconds, run_id), record as failures:
                if (remark := begin(self._run)) and context.log is not None:
                    context.log.info(remark)
                yield self
                if context.instance is not None:
                    failures.extend(failures_of(events_of(context.instance, run_id)))
                    forget_old_runs(context.instance, settings.keep_runs)


def _publishes(run: dg.DagsterRun | None) -> bool:
    """Whether a run is to publish: one of the two jobs, or assets that a user chose, with the warehouse among them."""
    if run is None:
        return False
    return WAREHOUSE in run.asset_selection if run.asset_selection else run.job_name in PUBLISHING
