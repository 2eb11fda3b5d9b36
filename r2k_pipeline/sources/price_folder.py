"""The files of a `prices/` folder: the file of each symbol, and notes on entries that are read for none.

Belongs here: names of files, symbols that files name themselves. Not here: what is in a file (price_text.py), what a
fetch makes of it (files.py).
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.errors import first_names
from r2k_pipeline.sources.containers import READ
from r2k_pipeline.sources.price_tables import PriceFile
from r2k_pipeline.sources.price_text import read_price_file
from r2k_pipeline.sources.size_limits import BoundsError, read_bounded

MAX_NAMED: Final = 10
"""Most notes, each on one file; more would hide other messages."""
_ENDINGS: Final = re.compile(rf"(?:{'|'.join(re.escape(ending) for ending in READ)})+$", re.IGNORECASE)
Stamp = tuple[Path, int, int]
"""A file as it was: path, time of change, size."""


@dataclass(frozen=True)
class PriceFolder:
    """`prices/` of a files folder. A file belongs to the symbol in its name, else to the symbols named inside.

    `SYMBOL.csv` goes before other endings of the same name.
    """

    folder: Path
    _inside: dict[Stamp, PriceFile | str] = field(default_factory=dict, compare=False, repr=False)

    def entries(self) -> list[Path]:
        """All entries but hidden ones."""
        return sorted(entry for entry in self.folder.glob("*") if not entry.name.startswith("."))

    def files(self) -> dict[str, list[Path]]:
        """The files of each symbol, the one to read first. A file named after a symbol is not searched for others."""
        entries, found = [entry for entry in self.entries() if _is_read(entry)], dict[str, list[Path]]()
        for entry in sorted(entries, key=lambda entry: entry.name != f"{symbol_of(entry)}.csv"):
            if symbol := symbol_of(entry):
                found.setdefault(symbol, []).append(entry)
        named = set(found)
        for entry in entries:
            for symbol in sorted({*self.symbols_in(entry)} - named):
                found.setdefault(symbol, []).append(entry)
        return found

    def symbols_in(self, entry: Path) -> tuple[str, ...]:
        """The symbols inside a file that is not named after one; none if it cannot be read."""
        content = self.tables_in(entry)
        return content.symbols if isinstance(content, PriceFile) else ()

    def tables_in(self, entry: Path) -> PriceFile | str | None:
        """The tables in a file not named after a symbol, or why it has none; None for a file named after one."""
        if symbol_of(entry) or not _is_read(entry):
            return None
        try:
            status = entry.stat()
            stamp = entry, status.st_mtime_ns, status.st_size
            if stamp not in self._inside:
                self._inside[stamp] = read_price_file(entry.name, read_bounded(entry))
        except BoundsError as error:
            self._inside[stamp] = f"{error}; next: {error.remedy or 'take it out of prices/'}"
        except OSError as error:
            return f"unreadable: {error.strerror}; next: check the file"
        return self._inside[stamp]

    def name_unread(self, symbols: Collection[str]) -> list[str]:
        """A note, with what to do, for each entry that is read for none of `symbols`."""
        files = self.files()
        read = {files[symbol][0] for symbol in symbols if symbol in files}
        unread = [entry for entry in self.entries() if entry not in read]
        notes = [f"prices/{entry.name}: {self.say_unread(entry, symbols)}" for entry in unread[:MAX_NAMED]]
        more = len(unread) - len(notes)
        unnamed = f"{more} more {'files are' if more > 1 else 'file is'}"
        last = f"prices/: {unnamed} not read; next: remove files that are not SYMBOL.csv"
        return [*notes, last] if more else notes

    def say_unread(self, entry: Path, symbols: Collection[str]) -> str:
        """Why an entry is read for none of `symbols`, and what to do."""
        if entry.is_dir():
            return "a folder, not looked into; next: move its files into prices/ itself"
        own = next(spelled_like(entry, symbols), None)
        if not _is_read(entry):
            return f"not read: not one of {', '.join(READ)}; next: save it as CSV, prices/{own or 'SYMBOL'}.csv"
        if own:
            stands = self.files().get(own)
            other = f"a second file of {own}: prices/{stands[0].name} is" if stands else f"another spelling of {own}"
            return f"not read, {other}; next: keep the right one as prices/{own}.csv"
        content = self.tables_in(entry)
        if isinstance(content, str):
            return f"not read, the name is no symbol; {content}"
        if content and (wanted := [symbol for symbol in content.symbols if symbol in symbols]):
            first = self.files()[wanted[0]][0].name
            return f"not read, a second file of {wanted[0]}: prices/{first} is; next: keep one of them"
        whose = "neither its name nor a column is the" if content and not content.symbols else "the name is no"
        return f"not read, {whose} symbol of a market; next: name it SYMBOL.csv, or take it out of prices/"


def symbol_of(entry: Path) -> str | None:
    """The symbol that a file is named after: `^RUT.csv`, `%5ERUT.csv`, `^RUT.csv.gz`, `^RUT.xlsx`."""
    stem = unquote(_ENDINGS.sub("", entry.name))
    return stem if re.fullmatch(SYMBOL, stem) else None


def say_left_out(entry: Path, content: PriceFile) -> list[str]:
    """Notes on lines of a file that are not read, and on the symbols in it beside the one that it is named after."""
    own = symbol_of(entry)
    others = [symbol for symbol in content.symbols if symbol != own]
    alone = [f"{first_names(others)} in it not read, as the file is named after {own}"] if own and others else []
    return [*content.remarks, *alone]


def _is_read(entry: Path) -> bool:
    return entry.suffix.lower() in READ


def spelled_like(entry: Path, symbols: Iterable[str]) -> Iterator[str]:
    """Symbols that a name may mean: `^RUT (1).csv`, `rut.csv`, `^RUT - Copy.csv`."""
    stem = re.split(r"[ (]", _ENDINGS.sub("", unquote(entry.name)), maxsplit=1)[0]
    return (symbol for symbol in symbols if _letters(symbol) == _letters(stem.removesuffix(entry.suffix)))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
