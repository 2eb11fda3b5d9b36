"""A small published lake for tests of what people read: a few rows, written by hand, through the real publication."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from r2k_pipeline.contracts.marts import Markets, PositioningVsTechnicals
from r2k_pipeline.contracts.meta import Fetches, Generation
from r2k_pipeline.files import fsync
from r2k_pipeline.generations import Published, last_generation, publish_generation
from r2k_pipeline.lake import Lake
from r2k_pipeline.publication import BY_PUBLISHING, DERIVED
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import read_macros
from tests.sql.rows import Given, Row, rows_of

HOMES: Final = "TESTS_DAGSTER_HOMES"
"""Names, to every process of a test run, a folder that is removed when they have ended."""
OF_NOTHING: Final = {"generation_id": "0" * 16, **dict.fromkeys(("published_at", "as_of"), "1970-01-01T00:00Z")}
TABLES_PUBLISHED: Final = (*DERIVED, *BY_PUBLISHING)
SAMPLE: Final = "SAMPLE: synthetic data, not a market"


def mart_row(market: str, day: str, **more: Any) -> Row:
    """A mart row known at that day's close, 16:00 in New York in summer."""
    return {"market": market, "session_date": day, "known_at": f"{day}T20:00Z", "close": 2000.0, **more}


def publish(
    folder: Path, rows: Sequence[Row], *, source: str = "sample", fetches: Sequence[Row] = (), more: Given | None = None
) -> Lake:
    """The lake of `source` in `folder`, published with such rows in the mart and `more` in other tables."""
    lake = Lake.of(folder, source)
    is_sample = source == "sample"
    moment = "2025-03-14T22:00Z"
    given: Given = {
        PositioningVsTechnicals: rows,
        Markets: [
            {
                "market": market,
                "name": market,
                "index_symbol": f"^{market}",
                "price_series": "index",
                "calendar": "XNYS",
            }
            for market in sorted({row["market"] for row in rows})
        ],
        Fetches: [{"table_name": "raw.price_bars", "fetched_at": moment, **fetch} for fetch in fetches],
        Generation: [
            {
                "generation_id": "0123456789abcdef",
                **dict.fromkeys(("published_at", "as_of"), moment),
                "source": source,
                "is_sample": is_sample,
                "label": SAMPLE if is_sample else source,
            }
        ],
        **(more or {}),
    }
    nothing = _of_nothing()
    lake.keep_account(lake.settled_account())  # of no raw files: these tables were made of none
    if not lake.generations.exists():
        for layer in {table.layer for table in TABLES_PUBLISHED}:
            shutil.copytree(
                nothing.derived / layer, lake.derived / layer, copy_function=_flushed_copy, dirs_exist_ok=True
            )
    for table in TABLES_PUBLISHED:
        rows = given.get(table, [])
        if rows or lake.generations.exists():
            lake.write(table, rows_of(table, rows))
    _publish(lake, f"{len(list(lake.generations.glob('*'))):03}-0123456789abcdef", last_generation(nothing))
    return lake


def _publish(lake: Lake, name: str, last: Published | None = None) -> None:
    files = {table: lake.files(table.dotted()) for table in TABLES_PUBLISHED}
    macros = read_macros(shipped("sql/macros"), [table.dotted() for table in TABLES_PUBLISHED])
    publish_generation(lake, files, macros, "1GB", name, last=last)


def _flushed_copy(file: str, copy: str) -> None:
    """A table as a run leaves it."""
    shutil.copyfile(file, copy)
    fsync(Path(copy))


@cache
def _of_nothing() -> Lake:
    """A lake of no rows, published once a process: others go on from its DuckDB file, as a day does from the last."""
    folder = Path(tempfile.mkdtemp(prefix="of_nothing_", dir=os.environ.get(HOMES)))
    lake = Lake.of(folder, "sample")
    for table in TABLES_PUBLISHED:
        lake.write(table, rows_of(table, [OF_NOTHING] if table is Generation else []))
    _publish(lake, "0")
    return lake
