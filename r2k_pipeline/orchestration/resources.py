"""The one Dagster resource: settings as run config, a held lake while steps work.

Belongs here: what a run needs before its first step and gives back after its last. Not here: steps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

import dagster as dg
from pydantic import Field, PrivateAttr

from r2k_pipeline.last_run import begin_run, end_run
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.settings import Settings

WHOLE: Final = ("refresh", "refresh_and_report")
"""Jobs that make all tables and publish them."""


class Pipeline(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which source, which folder, which moment; empty means: as the environment and r2k.toml say."""

    source: str = Field(default="", description="sample, files or live")
    files: str = Field(default="", description="folder of downloaded files, for source `files`")
    as_of: str = Field(default="", description="rebuild as known at this moment, e.g. 2025-03-14T15:00-04:00")
    lake: str = Field(default="", description="folder of all data")
    markets: str = Field(default="", description="a markets.toml of your own")

    run_of: ClassVar[Callable[[Settings], Run]] = Run.of
    """Of the class, because Dagster makes instances of its own out of the fields."""
    _run: Run = PrivateAttr()

    @classmethod
    def over(cls, run_of: Callable[[Settings], Run]) -> "Pipeline":
        """The same resource whose runs `run_of` makes: with a clock, markets or sources of the caller's."""
        pipeline: Pipeline = type(cls.__name__, (cls,), {"run_of": staticmethod(run_of)})()
        return pipeline

    @classmethod
    def config_of(cls, settings: Settings) -> dict[str, str]:
        """Settings as run config."""
        chosen = settings.model_dump(mode="json", include=set(cls.model_fields), exclude_none=True)
        return {name: str(value) for name, value in chosen.items()}

    @property
    def run(self) -> Run:
        """What the steps of this run work on."""
        return self._run

    @contextmanager
    def yield_for_execution(self, _context: dg.InitResourceContext) -> Iterator["Pipeline"]:
        """Hold the lake for the run; raises LakeError where another run holds it."""
        chosen = {name: value for name in type(self).model_fields if (value := getattr(self, name))}
        self._run = type(self).run_of(Settings(**chosen))
        run, lake = self._run, self._run.lake
        with lake.lock(run.settings.lock_wait_seconds):
            begin_run(lake, run.clock()) if _is_whole(_context) else None
            try:
                yield self
            finally:
                end_run(lake, run.clock())


def _is_whole(context: dg.InitResourceContext) -> bool:
    """Whether all tables are made and published: one of the two jobs, without a selection of assets."""
    return context.run is not None and context.run.job_name in WHOLE and not context.run.asset_selection
