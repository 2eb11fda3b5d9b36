"""Queries on the published warehouse: one SELECT, read-only, bounded in memory and time, its rows to a file or a pipe.

Belongs here: running it and where the rows go. Not here: what is in the warehouse, formats (row_formats.py), the bounds
that hold for claims as well (claims/bounds.py).
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa

from r2k_pipeline.claims.bounds import QueryError, RefusedError, one_select, stopped_after
from r2k_pipeline.lake import LakeError, fsync_folder
from r2k_pipeline.report.cells import Format, projection
from r2k_pipeline.report.row_formats import write_rows
from r2k_pipeline.report.version import of_this_version
from r2k_pipeline.warehouse import open_warehouse

BATCH_ROWS: Final = 10_000
READS: Final = "one SELECT (or from, values, with, describe, show, summarize)"
LONGER: Final = "; next: ask for less, or for longer with --seconds"


@dataclass(frozen=True)
class Answer:
    """The rows of a query as bytes in a file without a name, ready to be read, and where they come from."""

    body: BinaryIO
    rows: int
    label: str
    is_sample: bool


@contextmanager
def run_query(
    warehouse: Path,
    query: str,
    output: Format,
    *,
    memory_limit: str,
    seconds: float,
    abandon: Callable[[str], None] | None = None,
) -> Iterator[Answer]:
    """The answer to one SELECT, whole or not at all. Raises LakeError with the reason and the next command.

    `abandon` gets such a message and must end the process: it is called if the query does not heed being stopped.
    """
    too_late = abandon and partial(abandon, f"query: stopped after {seconds:g} seconds{LONGER}")
    with ExitStack() as open_while_read:
        try:
            body: BinaryIO = open_while_read.enter_context(tempfile.TemporaryFile())
            with open_warehouse(warehouse, memory_limit) as connection:
                one_select(connection, query)
                with stopped_after(connection, seconds, too_late):
                    rows = _write(connection, query, output, body)
                with of_this_version(warehouse):
                    (told,) = connection.execute("select label, is_sample from meta.generation").fetchall()
            body.seek(0)
        except RefusedError as error:
            raise LakeError(f"query: {error}; next: {READS}") from error
        except QueryError as error:
            raise LakeError(f"query: {error}{_next(str(error), memory_limit)}") from error
        except OSError as error:
            raise LakeError(f"query: its rows cannot be kept: {error}; next: free space in TMPDIR") from error
        yield Answer(body, rows, *told)


def check_destination(file: Path, lake: Path) -> None:
    """Raise LakeError unless `file` may be written or replaced: not in the lake, and no folder or device."""
    where = file.resolve()
    if where.is_relative_to(lake.resolve()):
        raise LakeError(f"{file}: is inside the lake {lake}, which only runs write to; next: another --output")
    if where.exists() and not where.is_file():
        raise LakeError(f"{file}: is there and no plain file; next: another --output")
    if not where.parent.is_dir():
        raise LakeError(f"{file}: there is no folder {where.parent}; next: make it")


def save_answer(answer: Answer, file: Path) -> None:
    """Write the answer beside `file` and rename it into its place, so that nobody reads half of it."""
    where = file.resolve()
    temporary = where.with_name(f".{where.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            shutil.copyfileobj(answer.body, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(where)
        fsync_folder(where.parent)
    except OSError as error:
        raise LakeError(f"{file}: not written: {error.strerror or error}; next: check the disk") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write(connection: duckdb.DuckDBPyConnection, query: str, output: Format, body: BinaryIO) -> int:
    relation = connection.sql(query)
    twice = [name for name, times in Counter(map(str.lower, relation.columns)).items() if times > 1]
    if twice:
        raise QueryError(f"two columns are named {twice[0]!r}; next: give one another name, `... as other`")
    reader = relation.project(projection(relation.columns, relation.types, output)).to_arrow_reader(BATCH_ROWS)
    return write_rows(reader.schema, _batches(reader), output, body)


def _batches(reader: Any) -> Iterator[Any]:
    """The reader's batches; what goes wrong in DuckDB then comes as an error of Arrow or of the system."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise QueryError(str(error).splitlines()[0]) from error
        yield batch


def _next(reason: str, memory_limit: str) -> str:
    if reason.startswith("stopped after"):
        return LONGER
    if "Out of Memory" in reason:
        return f"; next: ask for less, or raise R2K_MEMORY_LIMIT ({memory_limit})"
    return ""
