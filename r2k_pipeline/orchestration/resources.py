"""The one Dagster resource: a run's settings and sources, and the lake's lock while its steps run.

Belongs here: what a run acquires before its first step and releases after its last. Not here: steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
from pydantic import PrivateAttr

from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import begin_run, end_run, record_failures, record_refusal
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.orchestration.failures import events_of, failures_of
from r2k_pipeline.orchestration.instance import forget_old_runs
from r2k_pipeline.runs import Run, now
from r2k_pipeline.settings import read_settings

WHOLE: Final = ("refresh", "refresh_and_report")
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
        """The resource of a run whose lake the caller holds."""
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
        """Lock the lake for the run; raises R2kError if another run has the lock, or if a run must not begin."""
        settings = read_settings()
        try:
            self._run, self._fixed, self._built = Run.of(settings), None, set()
            with self._locked(context):
                yield self
        except R2kError as error:
            record_refusal(Lake.of(settings.lake, settings.source, settings.as_of), now(), (str(error),))
            raise

    @contextmanager
    def _locked(self, context: dg.InitResourceContext) -> Iterator[None]:
        run, lake, is_whole = self._run, self._run.lake, _is_whole(context)
        run_id = context.run.run_id if context.run else ""
        with lake.lock(run.settings.lock_wait_seconds, run_id):
            if is_whole:
                begin_run(lake, run.clock())
            try:
                if (said := begin(run)) and context.log is not None:
                    context.log.info(said)
                yield
            finally:
                if is_whole:
                    end_run(lake, run.clock())
            if context.instance is not None:
                if is_whole:
                    record_failures(lake, failures_of(events_of(context.instance, run_id)))
                forget_old_runs(context.instance, run.settings.keep_runs)


def _is_whole(context: dg.InitResourceContext) -> bool:
    """Whether the run builds and publishes all tables: one of the two jobs, without a selection of assets."""
    return context.run is not None and context.run.job_name in WHOLE and not context.run.asset_selection
