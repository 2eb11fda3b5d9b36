"""One fault of the disk: which operation below a folder is struck, and how; compiled once, loaded before Python.

Belongs here: the compiler, what a child tells the library. Not here: the calls of libc themselves (disk.c).
"""

import ctypes
import errno
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from random import Random

SOURCE = Path(__file__).with_name("disk.c")


class Kind(IntEnum):
    """Operations, as disk.c numbers them; rmdir counts as unlink, symlink as link."""

    WRITE, FSYNC, RENAME, OPEN, UNLINK, LINK = range(6)


class Mode(IntEnum):
    """What is done to the operation that is struck, as disk.c numbers it."""

    COUNT, KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_ONCE, FAIL_ON = range(6)


KILLS = (Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.KILL_TORN)


@dataclass(frozen=True)
class Strike:
    """The `at`-th operation of `kind` (from 1) dies or fails with `number`; `at` 0 strikes none."""

    kind: Kind = Kind.WRITE
    mode: Mode = Mode.COUNT
    at: int = 0
    number: int = 0

    @classmethod
    def kill(cls, random: Random, counts: dict[str, int]) -> "Strike":
        """A kill at any operation of a run that has `counts` of them; each kind is as likely."""
        kind = random.choice([kind for kind in Kind if counts[kind.name]])
        return cls(kind, random.choice(KILLS), random.randint(1, counts[kind.name]))

    @classmethod
    def fail(cls, random: Random, counts: dict[str, int]) -> "Strike":
        """An I/O error of one operation, or a disk that is full from one write on."""
        if random.random() < 1 / 4:
            return cls(Kind.WRITE, Mode.FAIL_ON, random.randint(1, counts[Kind.WRITE.name]), errno.ENOSPC)
        kind = random.choice([kind for kind in Kind if counts[kind.name]])
        return cls(kind, Mode.FAIL_ONCE, random.randint(1, counts[kind.name]), errno.EIO)

    def __str__(self) -> str:
        return f"{self.mode.name.lower()} {self.kind.name.lower()} {self.at}"


def compile_disk(folder: Path) -> Path:
    """The library, made by the C compiler of the system."""
    library = folder / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def arm(folder: Path, strike: Strike) -> None:
    """From now on operations below `folder` are counted, and one of them is struck; in a process that loaded it."""
    ctypes.CDLL(None).disk_arm(str(folder).encode(), strike.kind, strike.mode, ctypes.c_long(strike.at), strike.number)


def counted() -> dict[str, int]:
    """Operations since `arm`, by kind."""
    return {kind.name: ctypes.CDLL(None).disk_count(kind) for kind in Kind}
