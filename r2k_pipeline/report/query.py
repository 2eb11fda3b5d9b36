"""Queries on the published warehouse: one SELECT, read-only, bounded in memory and time, its rows to a file or a pipe.

Belongs here: sending a query, and where its rows go. Not here: the process that answers (query_worker.py), formats
(row_formats.py), bounds shared with claims (claims/). It imports little, so that it starts fast.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from r2k_pipeline.claims.process import BoundedProcess, StartError
from r2k_pipeline.errors import QueryError, R2kError, ShortError
from r2k_pipeline.files import discard, disk_error, fsync
from r2k_pipeline.folders import Folders
from r2k_pipeline.report.output_types import Format

if TYPE_CHECKING:
    from r2k_pipeline.locked import Cut

WORKER: Final = "r2k_pipeline.report.query_worker"
"""The module that answers. Not imported here: only its process needs DuckDB and Arrow."""
LONGER: Final = "ask for less, or for longer with --seconds"
OWN_BYTES: Final = 512 << 20
"""Memory of the process besides the query's: a quarter to start, the rest for rows being written."""
PREFIXES: Final = "BKMGT"


@dataclass(frozen=True)
class Answer:
    """The rows of a query as bytes in an unnamed temporary file, ready to be read, and the label of their source."""

    body: BinaryIO
    rows: int
    label: str
    is_sample: bool


@dataclass(frozen=True)
class QuerySetup:
    """The warehouse, the memory limits of DuckDB and of the process, the time limit, and the cut.

    `summaries`: rows of tables, as Arrow streams, that are empty in the cut.
    """

    warehouse: Path
    memory_limit: str
    seconds: float
    process_bytes: int
    cut: "Cut | None" = None
    summaries: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """One SELECT, and the descriptor of the open file for its rows."""

    text: str
    output: Format
    stream: int


class QueryProcess:
    """A process of its own for one query, which is killed if it ignores the time limit.

    It starts on construction, and imports its libraries while the caller reads settings. Raises R2kError.
    """

    def __init__(self) -> None:
        try:
            self._body = tempfile.TemporaryFile()  # noqa: SIM115  (closed below; its errors are not those of a reader)
        except OSError as error:
            raise R2kError("query", f"its rows cannot be kept: {error}", "free space in TMPDIR") from error
        self._process = BoundedProcess(WORKER, [self._body.fileno()])

    def __enter__(self) -> "QueryProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()
        self._body.close()

    def answer(self, query: str, output: Format, setup: QuerySetup) -> Answer:
        """The answer to one SELECT, whole or not at all. Raises R2kError with the reason and the next command."""
        if not setup.warehouse.exists():
            raise R2kError(setup.warehouse, "no warehouse yet", Folders.around(setup.warehouse).run)
        self._process.setup = setup
        try:
            said = self._process.ask(Query(query, output, self._body.fileno()))
        except StartError as error:
            raise R2kError(setup.warehouse, error, Folders.around(setup.warehouse).run) from error
        except QueryError as error:
            raise R2kError("query", error, _next(error, setup.memory_limit)) from error
        self._body.seek(0)
        return Answer(self._body, *json.loads(said))


def setup_of(
    warehouse: Path,
    memory_limit: str,
    seconds: float,
    cut: "Cut | None" = None,
    summaries: Mapping[str, bytes] | None = None,
) -> QuerySetup:
    """The setup of a query: the published file, or a `cut` of it with rows for its `summaries`, and the bounds."""
    process_bytes = _bytes(memory_limit) + OWN_BYTES
    return QuerySetup(warehouse, memory_limit, seconds, process_bytes, cut, summaries or {})


def _bytes(limit: str) -> int:
    """What DuckDB means by `1.5GB` or `64 MiB`."""
    number, prefix, binary = re.fullmatch(r"([0-9.]+)\s*([KMGT])(i?)B", limit).groups()  # type: ignore[union-attr]
    return int(float(number) * (1024 if binary else 1000) ** PREFIXES.index(prefix))


def check_destination(file: Path, lake: Path) -> None:
    """Raise R2kError unless `file` may be written or replaced: not in the lake, and no folder or device."""
    where = file.resolve()
    if where.is_relative_to(lake.resolve()):
        raise R2kError(file, f"is inside the lake {lake}, which only runs write to", "another --output")
    if where.exists() and not where.is_file():
        raise R2kError(file, "exists and is not a regular file", "another --output")
    if not where.parent.is_dir():
        raise R2kError(file, f"there is no folder {where.parent}", "make it")


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
        fsync(where.parent)
    except OSError as error:
        raise disk_error(file, "not written", error) from error
    finally:
        discard(temporary)


def _next(error: QueryError, memory_limit: str) -> str:
    if str(error).startswith("stopped after"):
        return LONGER
    if isinstance(error, ShortError) or "Out of Memory" in str(error):
        return f"ask for less, or raise R2K_MEMORY_LIMIT ({memory_limit})"
    return ""
