"""Documented corrections of vendors' bars: reads corrections.toml and applies it to the log.

Belongs here: what one correction says, where it applies, messages for a mistake in the file. Not here: finding
what needs one, recording the corrected rows (log/ingest.py).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from r2k_pipeline.contracts.prices import ROUNDING, SYMBOL, PriceBars
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.mistakes import read_toml, say_mistakes
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.screening import Screened, screen

CORRECTIONS_FILE: Final = shipped("corrections.toml")
CORRECTIONS: Final = "corrections"
"""The item name of corrections.toml in the fetch log and for `r2k accept`."""
BY_CORRECTION: Final = f"{CORRECTIONS}: "
"""How the source of a corrected row begins; the reasons follow."""
LAPSED: Final = "no entry applies any more"
KEY: Final = {"symbol": pl.String, "session_date": pl.Date}
Key = tuple[str, date]
Priced = Literal["open", "high", "low", "close", "volume"]
FIELDS: Final[tuple[Priced, ...]] = get_args(Priced)
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Correction(BaseModel):
    """One value of one bar: the vendor's (`was`), the right one (`value`), the reason and its evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    symbol: Annotated[str, StringConstraints(pattern=SYMBOL)]
    session_date: date
    field: Priced
    was: float = Field(ge=0, allow_inf_nan=False)
    value: float = Field(ge=0, allow_inf_nan=False)
    reason: Said
    evidence: Said

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date} {self.field}"

    def applies_to(self, bar: dict[str, Any]) -> bool:
        """Whether the vendor's last row is a finished bar that still has the wrong value (float32 noise aside)."""
        value = bar[self.field]
        stands = bar["is_final"] and not bar["is_withdrawn"] and value is not None
        return stands and math.isclose(value, self.was, rel_tol=ROUNDING)


@dataclass(frozen=True)
class Corrected:
    """`bars`: all that corrections concern, as they should stand; `unused`: entries that do not apply, and why.

    `without_bar`: entries for which there is no bar. `reverted`: of `bars`, those with a correction that the log has
    and no entry lists any more, as they would be without it.
    """

    bars: Screened
    reverted: Screened
    unused: tuple[str, ...]
    without_bar: tuple[Correction, ...]


def read_corrections(own: Path | None = None) -> tuple[Correction, ...]:
    """The shipped corrections and a user's own; a user's replaces a shipped one of the same value."""
    entries = [*_parse(CORRECTIONS_FILE), *(_parse(own) if own else ())]
    return tuple({str(entry): entry for entry in entries}.values())


def correct_bars(
    entries: Iterable[Correction], vendor: pl.DataFrame, log: pl.DataFrame, recorded_at: datetime
) -> Corrected:
    """Each bar that `entries` name, and each that the log has a correction of, as it should stand.

    `vendor` and `log` are PriceBars: the vendor's last rows, one a key, and all rows. A bar that breaks the contract
    after correction correction is refused.
    """
    by_bar: dict[Key, list[Correction]] = {}
    for entry in entries:
        by_bar.setdefault((entry.symbol, entry.session_date), []).append(entry)
    logged = _logged(log)
    keys = pl.DataFrame(sorted({*by_bar, *logged}), schema=KEY, orient="row")
    bars, reverted, unused = [], [], []
    for bar in vendor.join(keys, on=list(KEY), how="semi").iter_rows(named=True):
        key = (bar["symbol"], bar["session_date"])
        found = by_bar.pop(key, [])
        listed = {entry.field for entry in found}
        used = [entry for entry in found if entry.applies_to(bar)]
        unused += [f"{e}: the vendor says {bar[e.field]}, not {e.was}" for e in found if e not in used]
        unlisted = [
            correction
            for correction in logged.get(key, ())
            if correction.field not in listed and correction.applies_to(bar)
        ]
        bars.append(_corrected(bar, [*used, *unlisted], recorded_at))
        reverted += [_corrected(bar, used, recorded_at)] if unlisted else []
    schema = PriceBars.create_empty().schema
    should_stand, without = (screen(PriceBars, pl.DataFrame(rows, schema=schema)) for rows in (bars, reverted))
    without_bar = tuple(entry for found in by_bar.values() for entry in found)
    return Corrected(should_stand, without, tuple(unused), without_bar)


def _corrected(bar: dict[str, Any], used: list[Correction], recorded_at: datetime) -> dict[str, Any]:
    """The vendor's bar with these corrections."""
    reasons = "; ".join(dict.fromkeys(entry.reason for entry in used)) or LAPSED
    values = {entry.field: entry.value for entry in used}
    return bar | values | {"recorded_at": recorded_at, "source": BY_CORRECTION + reasons}


def _logged(log: pl.DataFrame) -> dict[Key, list[Correction]]:
    """The corrections of each bar that the log's last corrected row shows: what differs from the vendor's row then."""
    is_corrected = pl.col("source").str.starts_with(BY_CORRECTION)
    concerned = log.join(log.filter(is_corrected), on=list(KEY), how="semi").sort("recorded_at")
    vendor_rows: dict[Key, dict[str, Any]] = {}
    found: dict[Key, list[Correction]] = {}
    for row in concerned.iter_rows(named=True):
        key = (row["symbol"], row["session_date"])
        if not row["source"].startswith(BY_CORRECTION):
            vendor_rows[key] = row
            continue
        reason = row["source"].removeprefix(BY_CORRECTION)
        given = {"symbol": key[0], "session_date": key[1], "reason": reason, "evidence": "the log"}
        differ = [name for name in FIELDS if vendor_rows[key][name] not in (None, row[name])]
        found[key] = [Correction(**given, field=name, was=vendor_rows[key][name], value=row[name]) for name in differ]
    return found


def _parse(file: Path) -> list[Correction]:
    tables = read_toml(file, "R2K_CORRECTIONS", "corrections.toml")
    bars = tables.pop("bar", [])
    if tables or not isinstance(bars, list):
        raise MistakesError(f"{file}: only entries [[bar]] are allowed, found {', '.join(tables) or repr(bars)}")
    return [_parse_entry(file, number, entry) for number, entry in enumerate(bars, 1)]


def _parse_entry(file: Path, number: int, entry: object) -> Correction:
    try:
        return Correction.model_validate(entry)
    except ValidationError as error:
        mistakes = [f"  [[bar]] {number} {mistake}" for mistake in say_mistakes(error, Correction)]
        allowed = f"  allowed: {', '.join(Correction.model_fields)}; field: {', '.join(FIELDS)}"
        raise MistakesError("\n".join([f"{file}: fix and run again:", *mistakes, allowed])) from error
