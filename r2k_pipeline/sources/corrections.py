"""Documented corrections of vendors' bars: reads corrections.toml and applies it to the log.

Belongs here: what one correction says, where it applies, messages for a mistake in the file. Not here: finding
what needs one, recording the corrected rows (orchestration/ingest.py).
"""

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from r2k_pipeline.contracts.prices import ROUNDING, SYMBOL, PriceBars
from r2k_pipeline.mistakes import say_mistakes
from r2k_pipeline.sources.screening import Screened, screen

SHIPPED: Final = Path(__file__).parents[1] / "corrections.toml"
BY_CORRECTION: Final = "corrections: "
"""How the source of a corrected row begins; the reasons follow."""
LAPSED: Final = "no entry applies any more"
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class CorrectionsError(ValueError):
    """A mistake in a corrections file; the message names file, entry, what is wrong and what is allowed."""


class Correction(BaseModel):
    """One value of one bar: what the vendor says (`was`), what is right (`value`), why, and where that is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    symbol: Annotated[str, StringConstraints(pattern=SYMBOL)]
    session_date: date
    field: Literal["open", "high", "low", "close", "volume"]
    was: float = Field(ge=0, allow_inf_nan=False)
    value: float = Field(ge=0, allow_inf_nan=False)
    reason: Said
    evidence: Said

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date} {self.field}"

    def applies_to(self, bar: dict[str, Any]) -> bool:
        """While the vendor's last word is a finished bar with the value that was found wrong (float32 noise aside)."""
        said = bar[self.field]
        stands = bar["is_final"] and not bar["is_withdrawn"] and said is not None
        return stands and math.isclose(said, self.was, rel_tol=ROUNDING)


@dataclass(frozen=True)
class Corrected:
    """`bars`: all that corrections concern, as they should stand; `unused`: entries that do not apply, and why."""

    bars: Screened
    unused: tuple[str, ...]


def read_corrections(own: Path | None = None) -> tuple[Correction, ...]:
    """The shipped corrections and a user's own; a user's replaces a shipped one of the same value."""
    entries = [*_parse(SHIPPED), *(_parse(own) if own else ())]
    return tuple({str(entry): entry for entry in entries}.values())


def correct_bars(
    entries: Iterable[Correction], vendor: pl.DataFrame, last: pl.DataFrame, recorded_at: datetime
) -> Corrected:
    """Each bar that `entries` name, and each that a lapsed correction changed, as it should stand.

    `vendor` and `last` are PriceBars, one row a key: the vendor's last word, and the last row of all. A bar that
    a correction would break against the contract is refused.
    """
    by_bar: dict[tuple[str, date], list[Correction]] = {}
    for entry in entries:
        by_bar.setdefault((entry.symbol, entry.session_date), []).append(entry)
    corrected = last.filter(pl.col("source").str.starts_with(BY_CORRECTION)).select("symbol", "session_date").rows()
    keys = pl.DataFrame(sorted({*by_bar, *corrected}), schema=["symbol", "session_date"], orient="row")
    keys = keys.cast({"symbol": pl.String, "session_date": pl.Date})
    bars, unused = [], {str(entry): f"{entry}: no such bar" for found in by_bar.values() for entry in found}
    for bar in vendor.join(keys, on=["symbol", "session_date"], how="semi").iter_rows(named=True):
        found = by_bar.get((bar["symbol"], bar["session_date"]), [])
        used = [entry for entry in found if entry.applies_to(bar)]
        for entry in found:
            said = f"{entry}: the vendor says {bar[entry.field]}, not {entry.was}"
            unused[str(entry)] = "" if entry in used else said
        reasons = "; ".join(dict.fromkeys(entry.reason for entry in used)) or LAPSED
        values = {entry.field: entry.value for entry in used}
        bars.append(bar | values | {"recorded_at": recorded_at, "source": BY_CORRECTION + reasons})
    written = pl.DataFrame(bars, schema=PriceBars.create_empty().schema)
    return Corrected(screen(PriceBars, written), tuple(filter(None, unused.values())))


def _parse(file: Path) -> list[Correction]:
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise CorrectionsError(f"{file}: no such file; set R2K_CORRECTIONS to an existing corrections.toml") from error
    except OSError as error:
        raise CorrectionsError(
            f"{file}: unreadable: {error.strerror}; set R2K_CORRECTIONS to a corrections.toml"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorrectionsError(f"{file}: not TOML: {error}") from error
    bars = tables.pop("bar", [])
    if tables or not isinstance(bars, list):
        raise CorrectionsError(f"{file}: only entries [[bar]] are allowed, found {', '.join(tables) or repr(bars)}")
    return [_parse_entry(file, number, entry) for number, entry in enumerate(bars, 1)]


def _parse_entry(file: Path, number: int, entry: object) -> Correction:
    try:
        return Correction.model_validate(entry)
    except ValidationError as error:
        mistakes = [f"  [[bar]] {number} {mistake}" for mistake in say_mistakes(error, Correction)]
        allowed = f"  allowed: {', '.join(Correction.model_fields)}; field: open, high, low, close, volume"
        raise CorrectionsError("\n".join([f"{file}: fix and run again:", *mistakes, allowed])) from error
