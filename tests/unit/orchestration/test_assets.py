"""What the UI shows of a table."""

import polars as pl

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.orchestration.assets import preview


def test_a_preview_has_whole_column_names_however_many_there_are() -> None:
    table = PositioningVsTechnicals.create_empty()
    shown = preview(pl.concat([table, pl.DataFrame({"market": ["RUT"]})], how="diagonal")).md_str
    assert [cell.strip() for cell in shown.splitlines()[0].strip("|").split("|")] == table.columns
