"""The commands `r2k markets`: what is configured, what the catalogue has, and adding a market to the user's settings.

Belongs here: search, a list as text, the line of r2k.toml. Not here: what a market is (markets.py), other settings.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from r2k_pipeline.errors import MistakesError
from r2k_pipeline.files import write_atomically
from r2k_pipeline.folders import run_of
from r2k_pipeline.markets import USUAL, Market, is_file, read_catalogue, read_markets
from r2k_pipeline.mistakes import nearest
from r2k_pipeline.settings import FILE, Settings

KEY: Final = "markets"
VARIABLE: Final = "R2K_MARKETS"


def as_text(markets: Iterable[Market], note: str) -> str:
    """One line a market, in columns, and `note` below."""
    rows = [("market", "class", "report", "prices", "name", "codes")]
    rows += [(m["market"], m["class"], m["report"], _prices(m), m["name"], m["codes"]) for m in as_rows(markets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([*lines, note])


def as_rows(markets: Iterable[Market]) -> list[dict[str, Any]]:
    """For JSON: a market's id, class, report family, prices (None: positions alone), name and codes."""
    return [
        {
            "market": market.market,
            "class": market.class_,
            "report": market.report,
            "prices": market.index,
            "series": market.series if market.index else None,
            "inverse": market.inverse,
            "name": market.name,
            "codes": " ".join(dict.fromkeys(contract.code for contract in market.cot)),
        }
        for market in markets
    ]


def _prices(row: Mapping[str, Any]) -> str:
    """The symbol, and what it is unless that is an index: `^TNX, inverse yield`."""
    if row["series"] in (None, "index"):
        return row["prices"] or "-"
    return f"{row['prices']}, {'inverse ' * row['inverse']}{row['series']}"


def find(text: str, settings: Settings) -> list[Market]:
    """The markets whose id, name, class, code or CFTC name has every word of `text`. Raises MistakesError for none."""
    known = read_catalogue().markets | {market.market: market for market in read_markets(settings.markets)}
    words = text.upper().split()
    if found := [market for market in known.values() if all(word in _said_of(market) for word in words)]:
        return found
    meant = nearest(text.upper(), {word for market in known.values() for word in _said_of(market).split()})
    hint, sought = (f"; nearest: {meant[0].lower()}", meant[0].lower()) if len(meant) == 1 else ("", "gold")
    raise MistakesError(f"markets: no market of the catalogue has {text!r}{hint}; next: r2k markets find {sought}")


def add(names: Sequence[str], settings: Settings) -> str:
    """Write `names` into the setting `markets` of r2k.toml in the current folder, and say so. Raises MistakesError."""
    read_markets(names)
    if os.environ.get(VARIABLE):
        raise MistakesError(f"{VARIABLE} is set and wins over {FILE}; next: add the market there, or unset it")
    new = [name for name in map(_spelled, names) if name not in settings.markets]
    file = Path(FILE).absolute()
    if not new:
        return f"{file}: nothing to write, {', '.join(map(_spelled, names))} was configured; next: {_next(settings)}"
    usual = () if any(not is_file(name) for name in settings.markets) else USUAL  # beside a file alone there are these
    wanted = [_as_written(name, file.parent) for name in (*settings.markets, *usual, *new)]
    text = _written(file, wanted)
    write_atomically(file, text.encode(), lambda _: None)
    return f"{file}: markets = {_shown(wanted)}; next: {_next(settings)}"


def _next(settings: Settings) -> str:
    """The run that brings an added market. The sample has the usual ones alone."""
    return run_of("live" if settings.source == "sample" else settings.source)


def _said_of(market: Market) -> str:
    contracts = " ".join(f"{contract.code} {contract.listed or ''}" for contract in market.cot)
    return f"{market.market} {market.name} {market.class_} {market.index or ''} {contracts}".upper()


def _spelled(name: str) -> str:
    return str(Path(name).expanduser().absolute()) if is_file(name) else name.upper()


def _as_written(name: str, folder: Path) -> str:
    """A class in lower case, and a file of the folder without its path."""
    if is_file(name) and Path(name).is_relative_to(folder):
        return str(Path(name).relative_to(folder))
    return name.lower() if name.startswith("@") else name


def _written(file: Path, wanted: Sequence[str]) -> str:
    """The text of the settings file with these markets; all else in it stays, comments too."""
    try:
        document = tomlkit.parse(file.read_text("utf-8")) if file.exists() else tomlkit.document()
        kept: Mapping[str, Any] = document
        if isinstance(listed := kept.get(KEY), tomlkit.items.Array):
            listed.extend(wanted[len(listed) :])
        else:
            document[KEY] = list(wanted)
        return tomlkit.dumps(document)
    except (OSError, TOMLKitError) as error:
        raise MistakesError(f"{file}: cannot be changed: {error}; next: make it a readable TOML file") from error


def _shown(wanted: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in wanted) + "]"
