"""Notes on entries of `prices/` that are not read, each with a remedy.

Belongs here: folders, other kinds of files, copies and other spellings of a symbol's file. Not here: what is read
(files.py); a file that is read and wrong fails by itself.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

MAX_NAMED: Final = 10
"""Most notes, one a file; more would hide other messages."""
UNPACKED: Final = (".gz", ".zip", ".bz2", ".xz", ".7z")
TABLES: Final = (".xls", ".xlsx", ".ods", ".parquet", ".txt", ".tsv", ".json")


def name_unread(folder: Path, symbols: Collection[str]) -> list[str]:
    """A note for each entry of a `prices/` folder that is no symbol's CSV; hidden ones are passed over."""
    entries = sorted(entry for entry in folder.glob("*") if not entry.name.startswith("."))
    unread = [entry for entry in entries if entry.name not in {f"{symbol}.csv" for symbol in symbols}]
    notes = [f"prices/{entry.name}: {_say(entry, symbols)}" for entry in unread[:MAX_NAMED]]
    more = len(unread) - len(notes)
    return [*notes, f"prices/: {more} more are not read; next: remove files that are not SYMBOL.csv"] if more else notes


def _say(entry: Path, symbols: Collection[str]) -> str:
    suffix = entry.suffix.lower()
    own = next(_spelled_like(entry, symbols), None)
    name = f"prices/{own or 'SYMBOL'}.csv"
    if entry.is_dir():
        return "a folder, not looked into; next: move its files into prices/ itself"
    if suffix in UNPACKED:
        return f"not read; next: unpack it as {name}"
    if suffix in TABLES:
        return f"not read; next: save it as CSV, {name}"
    if suffix == ".csv" and own:
        return f"not read, a copy or another spelling: {own}'s file is {name}; next: keep the right one under that name"
    return "not read, the name is no symbol of a market; next: name it SYMBOL.csv, or take it out of prices/"


def _spelled_like(entry: Path, symbols: Collection[str]) -> Iterator[str]:
    """Symbols that a name may mean: `^RUT (1).csv`, `%5ERUT.csv`, `rut.csv`, `^RUT - Copy.csv`, `^RUT.csv.gz`."""
    stem = re.split(r"[ (]|\.(?:csv|xlsx?|gz|zip)\b", unquote(entry.name), maxsplit=1, flags=re.IGNORECASE)[0]
    return (symbol for symbol in symbols if _letters(symbol) == _letters(stem.removesuffix(entry.suffix)))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
