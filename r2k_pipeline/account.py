"""The account of raw: the names of the files that its tables must have, kept outside `raw/`, which may be lost.

Belongs here: its content, its format, its own digest. Not here: when it is written and what is compared with it
(lake.py), what a run does about a difference (raw_check.py).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

RAW: Final = "raw"
"""Its name as an item of `r2k accept`."""
_NAME: Final = re.compile(r"\d{8}T\d{12}-[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class RawFault:
    """One file of a raw table that differs from the account; `is_there`: it can be set aside."""

    file: Path
    reason: str
    is_there: bool = True

    @property
    def name(self) -> str:
        """Table and file, below `raw/`."""
        return f"{self.file.parent.name}/{self.file.name}"

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


class Accepted(BaseModel):
    """One missing or damaged file that a user accepted."""

    model_config = ConfigDict(frozen=True)

    file: str
    reason: str
    accepted_at: datetime


class Account(BaseModel):
    """File names by raw table; `pending` is one that is being appended, and may be there or not."""

    model_config = ConfigDict(frozen=True)

    files: Mapping[str, frozenset[str]] = {}
    pending: tuple[str, str] | None = None
    accepted: tuple[Accepted, ...] = ()

    @classmethod
    def over(cls, present: Mapping[str, Mapping[str, str]]) -> "Account":
        """The account of the present files (digests by table and name); of two equal files it names the first."""
        first = {
            table: {digest: name for name, digest in sorted(digests.items(), reverse=True) if _NAME.fullmatch(name)}
            for table, digests in present.items()
        }
        return cls(files={table: frozenset(names.values()) for table, names in first.items()})

    @classmethod
    def parse(cls, body: bytes) -> "Account":
        """The account in a file's bytes. Raises ValueError if they are damaged."""
        digest, _, text = body.partition(b"\n")
        if digest.decode(errors="replace") != hashlib.sha256(text).hexdigest():
            raise ValueError("its content does not match the digest in its first line")
        return cls.model_validate_json(text)

    def body(self) -> bytes:
        """The file: a digest of the rest, then JSON."""
        ordered = self.model_copy(
            update={"files": {table: sorted(names) for table, names in sorted(self.files.items())}}
        )
        text = ordered.model_dump_json(indent=1, warnings=False).encode()
        return hashlib.sha256(text).hexdigest().encode() + b"\n" + text

    def of(self, table: str) -> frozenset[str]:
        """The files of one raw table."""
        return self.files.get(table, frozenset())

    def begin(self, table: str, name: str) -> "Account":
        """The account while a file is being appended."""
        return self.model_copy(update={"pending": (table, name)})

    def settle(self, table: str, name: str | None, superseded: Iterable[str] = ()) -> "Account":
        """The account with a file that was written; with None, without the pending file, which never was."""
        names = (self.of(table) - set(superseded)) | ({name} if name else set())
        return self.model_copy(update={"files": {**self.files, table: frozenset(names)}, "pending": None})

    def compare(self, table: str, folder: Path, present: Mapping[str, str]) -> list[RawFault]:
        """The faults of a raw table's files; `present` are the digests of their contents by name."""
        expected = self.of(table)
        may_be = {self.pending[1]} if self.pending and self.pending[0] == table else set()
        faults = [RawFault(folder / name, "it is gone", is_there=False) for name in sorted(expected - present.keys())]
        for name, digest in sorted(present.items()):
            if name not in expected | may_be:
                faults.append(RawFault(folder / name, _why_foreign(name, digest, expected)))
            elif digest != digest_in(name):
                faults.append(RawFault(folder / name, "content does not match the digest in its name"))
        return faults


def digest_in(name: str) -> str:
    """The digest in the name of a raw file."""
    return name.removesuffix(".parquet").rpartition("-")[2]


def _why_foreign(name: str, digest: str, expected: Iterable[str]) -> str:
    twins = [other for other in expected if digest_in(other) == digest]
    if twins:
        return f"a copy of {twins[0]}, which no run wrote"
    return "no run wrote this file" if _NAME.fullmatch(name) else "no file of a raw table, which no run wrote"
