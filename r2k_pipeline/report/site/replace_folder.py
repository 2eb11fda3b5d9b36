"""Puts a folder of files in the place of another in one rename, so that a reader never sees half a site.

Belongs here: the swap, and what crashed writers left. Not here: what the files are (publish.py).
"""

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from r2k_pipeline.files import discard, disk_error, fsync, write_flushed

ABANDONED_SECONDS: Final = 3600
"""A folder that was never swapped in is deleted after this long, as its writer must have died."""


def swap_in(link: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with `files` where `link` is, in one rename: `link` is a symbolic link to a folder beside it.

    A folder cannot be renamed over one that has files, a link can: a crash at any point leaves the old site or the
    new one. A real folder at `link` (a copied lake has one) is first moved aside: for that one moment there is none.
    Raises R2kError; the old site stays.
    """
    token = secrets.token_hex(4)
    folder = link.with_name(f".{link.name}.{token}")
    fresh = link.with_name(f".{link.name}.{token}.link")
    before = link.with_name(link.readlink().name if link.is_symlink() else f".{link.name}.{token}.old")
    try:
        _write(folder, files)
        fresh.symlink_to(folder.name, target_is_directory=True)
        if link.is_dir() and not link.is_symlink():
            link.rename(before)
        fresh.replace(link)
        fsync(link.parent)
    except OSError as error:
        discard(fresh)
        discard(folder)
        if before.is_dir() and not link.exists():
            before.rename(link)
        left = f" ({folder} is left: a later report sweeps it)" if folder.exists() else ""
        raise disk_error(link, f"not written, the old site stays{left}", error) from error
    _sweep(link, before)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, body in files.items():
        write_flushed(folder / name, body)
    for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        fsync(inner)


def _sweep(link: Path, before: Path) -> None:
    """Delete the replaced site, and folders that writers died on long ago."""
    current = link.with_name(link.readlink().name)
    for other in link.parent.glob(f".{link.name}.*"):  # the dot keeps `report` from deleting folders of `report-RUT`
        with suppress(FileNotFoundError):  # another writer deleted it
            is_abandoned = time.time() - other.lstat().st_mtime > ABANDONED_SECONDS
            if other != current and (other == before or is_abandoned):
                discard(other)
