"""The digests of a folder's files, beside them in the format of `sha256sum`, to find lost or changed files.

Belongs here: writing them, and finding files that differ from them. Not here: what follows from it (continued.py,
generations.py, report/doctor.py).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from r2k_pipeline.files import digest_of, disk_error, write_atomically, write_flushed

SUMS: Final = "SHA256SUMS"
"""`sha256sum --check` reads it too."""


def write_sums(folder: Path) -> None:
    """Write the digests of all files below a folder that is being made."""
    write_flushed(folder / SUMS, _lines(_digests(folder)))


def renew_sums(folder: Path, table: str) -> None:
    """Replace the digests of a table's files, `layer/name`, by those of the files that are there."""

    def is_of(name: str) -> bool:
        return name == f"{table}.parquet" or name.startswith(f"{table}/")

    others = {name: digest for name, digest in (read_sums(folder) or {}).items() if not is_of(name)}
    there = {name: digest for name, digest in _digests(folder).items() if is_of(name)}
    write_atomically(folder / SUMS, _lines(others | there), lambda _: None)


def read_sums(folder: Path) -> dict[str, str] | None:
    """The recorded digest of each file by name; None for a folder without digests: the list is absent or has no entry.

    Damaged lines are ignored.
    """
    try:
        lines = (folder / SUMS).read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name} or None


def changed_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file of a folder that differs from its digest, and how; none for a folder without digests.

    Raises R2kError where one cannot be read.
    """
    listed = read_sums(folder)
    if listed is None:
        return
    try:
        there = _digests(folder)
    except OSError as error:
        raise disk_error(error.filename, "cannot be read", error) from error
    for name in sorted({*listed, *there}):
        if name not in there:
            yield folder / name, "it is gone"
        elif name not in listed:
            yield folder / name, "it was not published"
        elif there[name] != listed[name]:
            yield folder / name, "its content is not what was published"


def _lines(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / SUMS)
    return {str(file.relative_to(folder)): digest_of(file) for file in files}
