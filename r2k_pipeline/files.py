"""Files on disk, whatever is in them: written whole or not at all, linked, pointed to, removed.

Belongs here: renames and fsyncs, each once; what is no file. Not here: which files there are (lake.py, generations.py).
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from r2k_pipeline.errors import R2kError

DIGITS: Final = 16
"""Of a digest in a name: 64 bits tell apart all that one lake ever has."""
_DIGESTS: Final[dict[tuple[int, int, int, int], str]] = {}
"""Digests of files by device, inode, size and time of change: a file that was written again is another one."""

_PAGE: Final = 4096
_FULL: Final = "free space on that disk, or inodes (df -h, df -i)"
_OWNER: Final = "check owner and mode"
_REMEDIES: Final[Mapping[str, str]] = {
    os.strerror(number): remedy
    for number, remedy in {
        errno.ENOSPC: _FULL,
        errno.EDQUOT: _FULL,
        errno.EFBIG: "raise this shell's limit of a file's size (ulimit -f)",
        errno.EROFS: "make that disk writable",
        errno.EACCES: _OWNER,
        errno.EPERM: _OWNER,
    }.items()
}
"""What a user can do, by the system's words: DuckDB and Arrow quote them and give no number."""


def disk_error(what: object, refused: str, error: Exception, other: str = "check the disk") -> R2kError:
    """An error of the disk in one line: `refused` is what was not done, `other` the remedy for an unknown cause."""
    said = next((words for words in _REMEDIES if words in str(error)), None)
    reason = said or getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return R2kError(what, f"{refused}: {reason}", _REMEDIES.get(reason, other))


def try_to_write(folder: Path) -> None:
    """Raise OSError where the disk takes no file: a mode says nothing of one that became read-only or full."""
    from tempfile import TemporaryFile  # noqa: PLC0415  (pulls in random, and few need it)

    with TemporaryFile(dir=folder) as stream:
        stream.write(bytes(_PAGE))


def refuse_special(file: Path) -> None:
    """Raise OSError for a named pipe, a socket or a device: reading one may wait for ever, or never end."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise OSError(errno.EINVAL, "a pipe, socket or device, not a file", str(file))


def write_atomically(file: Path, body: bytes, verify: Callable[[Path], None], durable: bool = True) -> None:
    """temp file in the same folder -> write -> fsync -> verify -> rename -> fsync folder; no trace on failure.

    Not `durable`: without the fsyncs, for what may be lost in a power cut; they take 3 ms each.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(body)
            put_in_place(temporary, file, verify, durable)
    finally:
        discard(temporary)


def put_in_place(temporary: Path, file: Path, verify: Callable[[Path], None], durable: bool = True) -> None:
    """fsync -> verify -> rename -> fsync folder, of a temporary file beside the one that it replaces."""
    if durable:
        fsync(temporary)
    verify(temporary)
    temporary.replace(file)
    if durable:
        fsync(file.parent)


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Errors of writing `file` become one R2kError."""
    try:
        yield
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
        raise disk_error(file, "not written, the old one stays", error) from error


def short_digest(body: bytes) -> str:
    """The first DIGITS digits of the SHA-256 of some bytes."""
    return hashlib.sha256(body).hexdigest()[:DIGITS]


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. A process reads a file once, also if it has several names."""
    seen = file.stat()
    key = seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns
    if key not in _DIGESTS:
        with file.open("rb") as stream:
            _DIGESTS[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _DIGESTS[key]


def link_or_copy(file: Path, target: Path) -> None:
    """The same file under a second name, as a copy where the disk has no hard links: files of tables never change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
        fsync(target)


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, in one rename over the link or file that was there."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    fsync(link.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder; a folder is hidden first, so that nobody reads it half removed."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    hidden = path if path.name.startswith(".") else path.rename(path.with_name(f".{path.name}.tmp"))
    shutil.rmtree(hidden)


def discard(path: Path) -> None:
    """Remove a file or folder that was not put in place, if the disk allows it.

    The error that ended the writing is the one to report. A later run removes the rest.
    """
    with suppress(OSError):
        remove(path)


def write_flushed(file: Path, body: bytes) -> None:
    """Write and fsync a file whose folder is renamed afterwards: the rename must not reach the disk first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    fsync(file)


def fsync(path: Path) -> None:
    """Make the content of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
