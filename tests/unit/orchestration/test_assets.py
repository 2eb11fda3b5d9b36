"""What the UI shows of a table, and that each can be made alone there."""

from pathlib import Path

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.definitions import defs
from r2k_pipeline.orchestration.assets import asset_key, preview
from r2k_pipeline.orchestration.checks import reconciliation_checks
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.origins import code_digest
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings


def test_a_preview_has_whole_column_names_however_many_there_are() -> None:
    table = PositioningVsTechnicals.create_empty()
    shown = preview(pl.concat([table, pl.DataFrame({"market": ["RUT"]})], how="diagonal")).md_str
    assert [cell.strip() for cell in shown.splitlines()[0].strip("|").split("|")] == table.columns


def test_the_button_of_each_table_makes_it_with_the_checks_of_it_alone() -> None:
    """*Materialize* on a table's page asks for what must be made with it, and for the checks of these tables."""
    whole = defs.resolve_implicit_global_asset_job_def()
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        made = dg.AssetSelection.assets(key).required_multi_asset_neighbors().resolve(graph)
        checks = {check for check in graph.asset_check_keys if check.asset_key in made}
        job = whole.get_subset(asset_selection=made, asset_check_selection=checks)
        assert job.asset_layer.selected_asset_keys == made


def test_everything_is_unsynced_after_a_change_of_the_program() -> None:
    """*Materialize unsynced* then publishes too, and draws the site: both are of one program."""
    graph = defs.resolve_asset_graph()
    assert {graph.get(key).code_version for key in graph.materializable_asset_keys} == {code_digest()}


def test_checks_of_one_table_tell_of_that_table_alone(tmp_path: Path) -> None:
    key = asset_key("raw.price_bars")
    checks = dg.Definitions(
        asset_checks=[reconciliation_checks()],
        resources={"pipeline": Pipeline.of(Run.of(Settings(lake=tmp_path)))},
    )
    asked = {check for check in checks.resolve_asset_graph().asset_check_keys if check.asset_key == key}
    job = checks.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=asked)
    done = job.execute_in_process().get_asset_check_evaluations()
    assert {check.asset_check_key for check in done} == asked
