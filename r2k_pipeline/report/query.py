"""Queries on the published warehouse: one SELECT, read-only, bounded in memory and time, its rows to a file or a pipe.

Belongs here: asking, and where the rows go. Not here: the process that answers (query_worker.py), formats
(row_formats.py), the bounds that hold for claims as well (claims/).
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from r2k_pipeline.claims.bounds import QueryError, ShortError
from r2k_pipeline.claims.process import BoundedProcess, StartError
from r2k_pipeline.errors import LakeError
from r2k_pipeline.files import fsync_folder
from r2k_pipeline.locked import Cut
from r2k_pipeline.report import query_worker
from r2k_pipeline.report.cells import Format
from r2k_pipeline.report.query_worker import Query, QuerySetup

LONGER: Final = "; next: ask for less, or for longer with --seconds"
OWN_BYTES: Final = 512 << 20
"""What the process needs besides the query: a quarter of it to start, the rest for rows on their way out."""
PREFIXES: Final = "BKMGT"


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
    cut: Cut | None = None,
    summaries: Mapping[str, bytes] | None = None,
) -> Iterator[Answer]:
    """The answer to one SELECT, whole or not at all. Raises LakeError with the reason and the next command.

    It reads the published file, or a `cut` of it with rows in the `summaries` there, in a process of its own, which is
    killed where it does not heed being stopped.
    """
    if not warehouse.exists():
        raise LakeError(f"{warehouse}: no warehouse yet; next: r2k run")
    setup = QuerySetup(warehouse, memory_limit, seconds, _bytes(memory_limit) + OWN_BYTES, cut, summaries or {})
    try:
        body = tempfile.TemporaryFile()  # noqa: SIM115  (closed below; its errors here are not those of a reader)
    except OSError as error:
        raise LakeError(f"query: its rows cannot be kept: {error}; next: free space in TMPDIR") from error
    with body:
        try:
            with closing(BoundedProcess(query_worker.__name__, setup, [body.fileno()])) as process:
                rows, label, is_sample = json.loads(process.ask(Query(query, output, body.fileno())))
        except StartError as error:
            raise LakeError(f"{warehouse}: {error}; next: r2k run") from error
        except QueryError as error:
            raise LakeError(f"query: {error}{_next(error, memory_limit)}") from error
        body.seek(0)
        yield Answer(body, rows, label, is_sample)


def _bytes(limit: str) -> int:
    """What DuckDB means by `1.5GB` or `64 MiB`."""
    number, prefix, binary = re.fullmatch(r"([0-9.]+)\s*([KMGT])(i?)B", limit).groups()  # type: ignore[union-attr]
    return int(float(number) * (1024 if binary else 1000) ** PREFIXES.index(prefix))


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


def _next(error: QueryError, memory_limit: str) -> str:
    if str(error).startswith("stopped after"):
        return LONGER
    if isinstance(error, ShortError) or "Out of Memory" in str(error):
        return f"; next: ask for less, or raise R2K_MEMORY_LIMIT ({memory_limit})"
    return ""
