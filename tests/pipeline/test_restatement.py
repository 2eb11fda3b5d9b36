"""A restatement on the command line: the run that finds it, what status and doctor tell, accept, publication."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import polars as pl

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.generations import last_generation
from r2k_pipeline.lake import Lake
from r2k_pipeline.sums import SUMS
from tests.lakes import Published
from tests.pipeline.command_line import r2k, summary_of


def test_what_was_told_otherwise_waits_until_it_is_accepted(
    sample: Published, home: Path, copy_of: Callable[[Path, str], Path]
) -> None:
    folder = copy_of(sample.folder, "lake")
    lake = Lake.of(folder, "sample")
    published = last_generation(lake)
    assert published is not None
    (mart,) = published.files(PositioningVsTechnicals)
    told = pl.read_parquet(mart)
    (published.folder / SUMS).unlink()
    mart.unlink()  # a hard link: the table at hand stays
    told.with_columns(pl.col("rsi_14") + 0.25).write_parquet(mart)

    refused = summary_of(r2k(home, "run", "--json", "--lake", folder))
    assert (refused["ok"], refused["published"], refused["generation_id"]) == (
        False,
        False,
        sample.summary["generation_id"],
    )
    headline, rows, cause = refused["failures"]
    count = told["rsi_14"].count()
    assert headline.startswith(
        f"warehouse: restatement: {count:,} rows of 1 tables would differ from those published as of"
    )
    assert f"marts.positioning_vs_technicals: {count:,} rows changed, 0 missing, 0 added, e.g. " in rows
    assert "cause: unknown" in headline
    assert cause.endswith(f"next: r2k accept restatement --source sample --lake {folder}, or undo the cause")

    for place, command in product((folder, copy_of(folder, "moved")), ("status", "doctor")):
        result = r2k(home, command, "--lake", place)
        assert result.exit_code == 1
        told = f"next: r2k accept restatement --source sample --lake {place}, or"
        assert result.stdout.count(told) == 1, result.stdout
        assert "LAST RUN" not in result.stdout, "it is told once"
    assert r2k(home, "accept", "restatement", "--lake", folder).exit_code == 0
    waiting = json.loads(r2k(home, "status", "--lake", folder, "--json").stdout)
    assert waiting["held"][0].endswith(f"next: r2k run --lake {folder}")

    done = summary_of(r2k(home, "run", "--json", "--lake", folder))
    assert (done["ok"], done["published"]) == (True, True)
    assert r2k(home, "status", "--lake", folder).exit_code == 0
    query = "select table_name, rows_changed, generation_before from meta.restatements"
    said = r2k(home, "sql", "--lake", folder, "--format", "json", query)
    assert json.loads(said.stdout) == [
        {
            "table_name": "marts.positioning_vs_technicals",
            "rows_changed": count,
            "generation_before": sample.summary["generation_id"],
        }
    ]
    assert mart.exists(), "what was replaced stays"
