"""The files of one raw table, also while they are merged. A file is named by the moment and the digest of its content.

Belongs here: names, digests, the journal of a merge. Not here: when files are added and merged (lake.py), which files
there must be (account.py).
"""

from pathlib import Path
from typing import Final

from r2k_pipeline.files import DIGITS, digest_of, fsync

JOURNAL: Final = ".merged"
"""In a raw table's folder while its files are merged: the merged file's name, then the names it stands for."""


def raw_files(folder: Path) -> list[Path]:
    """The files of a raw table, oldest first, without those whose rows are in a merged file."""
    _, gone = superseded(folder)
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(entry for entry in entries if entry.name[0] != "." and entry.name not in gone)


def digests_of(folder: Path) -> dict[str, str]:
    """The digest of the content of each file of a raw table, by name."""
    return {file.name: content_digest(file) for file in raw_files(folder)}


def content_digest(file: Path) -> str:
    """The digest of a file's content in the form of file names; empty if it is not a file."""
    return digest_of(file)[:DIGITS] if file.is_file() else ""


def superseded(folder: Path) -> tuple[str, set[str]]:
    """The name of a merged file in place, and the names of those whose rows it has: they no longer belong to the table.

    Both are empty where there is none.
    """
    try:
        merged, *names = (folder / JOURNAL).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return "", set()
    return (merged, set(names)) if (folder / merged).exists() else ("", set())


def end_merge(folder: Path) -> None:
    """End a merge, also one that a killed process left: the journal goes last."""
    for name in superseded(folder)[1]:
        (folder / name).unlink(missing_ok=True)
    fsync(folder)
    (folder / JOURNAL).unlink()
