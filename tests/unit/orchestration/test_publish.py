"""Publishing from a page of the UI, which makes any tables alone."""

from datetime import date
from pathlib import Path

import dagster as dg

from r2k_pipeline.orchestration.events import failures_of
from r2k_pipeline.orchestration.publish import warehouse
from r2k_pipeline.orchestration.resources import Pipeline
from tests.raw_story import Story, bars_of, days_of


def test_tables_that_nobody_built_are_not_published_and_are_named_in_one_line(tmp_path: Path) -> None:
    story = Story.begin(tmp_path)
    day = days_of(date(2024, 3, 11), 1)[0]
    story.desk.quote(bars_of({day: 2960.0}))
    story.fetch_prices(f"{day}T20:35")
    resources = {"pipeline": Pipeline.of(story)}
    result = dg.materialize([warehouse], resources=resources, raise_on_error=False)
    (failure,) = failures_of(result.all_events)
    assert failure.startswith("warehouse: features.anchored_vwaps and ")
    assert failure.endswith("; the last generation stays; next: Materialize all")
    assert len(failure) < 250
