"""Published rows of two generations compared, and the restatement that waits for acceptance if they differ.

Belongs here: the comparison of one table, the file of a waiting restatement. Not here: when tables are compared and
why they differ (gate.py, causes.py), the log of accepted restatements (contracts/restatements.py).
"""

import filecmp
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from r2k_pipeline.contracts.clock import rows_known_at
from r2k_pipeline.contracts.table import BY_DAY, BY_SESSION, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import write_atomically
from r2k_pipeline.lake import Lake
from r2k_pipeline.table_files import UNREADABLE

RESTATEMENT: Final = "restatement"
"""Its name as an item of `r2k accept`."""
EXAMPLES: Final = 3
AFTER: Final = " after"
"""Ends the name of a changed row's new value; no column has a blank in its name."""


class Difference(BaseModel):
    """How the published rows of one table differ between two generations; `columns` are new (+) or gone (-)."""

    model_config = ConfigDict(frozen=True)

    table_name: str
    rows_changed: int = 0
    rows_missing: int = 0
    rows_added: int = 0
    columns: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    digest: str = ""

    @property
    def rows(self) -> int:
        """All rows that differ."""
        return self.rows_changed + self.rows_missing + self.rows_added

    def __str__(self) -> str:
        counts = f"{self.rows_changed:,} rows changed, {self.rows_missing:,} missing, {self.rows_added:,} added"
        return f"{self.table_name}: {counts}, e.g. {'; '.join(self.examples)}"


class Restatement(BaseModel):
    """Rows known by `told_until` that would differ from those of generation `generation_before`."""

    model_config = ConfigDict(frozen=True)

    digest: str
    found_at: datetime
    told_until: datetime
    generation_before: str
    causes: tuple[str, ...]
    differences: tuple[Difference, ...]
    accepted_at: datetime | None = None

    def headline(self) -> str:
        """Counts, moment and causes in one line, without the next command."""
        rows, tables = sum(found.rows for found in self.differences), len(self.differences)
        moment, causes = f"{self.told_until:%Y-%m-%d %H:%M:%S} UTC", "; ".join(self.causes)
        differ = f"{rows:,} rows of {tables} tables would differ from those published as of {moment}"
        return f"{RESTATEMENT}: {differ}; cause: {causes}"

    def lines(self, lake: Lake) -> list[str]:
        """Headline, tables and next command, for a person."""
        return [
            self.headline(),
            *map(str, self.differences),
            f"generation {self.generation_before} stays; {self.next_command(lake)}",
        ]

    def next_command(self, lake: Lake) -> str:
        """The next command: accept it, or run and publish it if it was accepted."""
        accept = f"{lake.command(f'accept {RESTATEMENT}')}, or undo the cause"
        return f"next: {lake.run if self.accepted_at else accept}"


@dataclass(frozen=True)
class _Differing:
    """The rows that differ: changed (with their new values in columns that end in AFTER), missing, added."""

    changed: pl.DataFrame
    missing: pl.DataFrame
    added: pl.DataFrame

    def each(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """All three."""
        return self.changed, self.missing, self.added


def compare_published(
    table: type[Table],
    before: Sequence[Path],
    after: Sequence[Path],
    moment: datetime,
    known_with: Sequence[Path] = (),
    bars: Sequence[Path] = (),
) -> Difference | None:
    """How the rows known by `moment` differ between the Parquet files of `table` before and after; None if they agree.

    Columns that only one side has are named and not compared. `known_with`: Parquet of the table that must have a row
    of the same key (see Table); `bars`: that of the published MarketBars. Raises R2kError if a file cannot be read.
    """
    same = {file.name for file in before for other in after if file.name == other.name and _is_same(file, other)}
    parts = [[file for file in files if file.name not in same] for files in (before, after)]
    if not any(parts):
        return None
    empty = _read([*before, *after][:1]).clear()
    keys = _read(known_with).select(table.primary_key()).unique() if known_with else None

    def known(files: Sequence[Path]) -> pl.DataFrame:
        rows = rows_known_at(table, _read(files) if files else empty, moment)
        return rows if keys is None else rows.join(keys, on=keys.columns, how="semi", maintain_order="left")

    old, new = map(known, parts)
    columns = _new_and_gone(old, new)
    shared = [name for name in new.columns if name in old.columns]
    old, new = old.select(shared).cast(new.select(shared).schema, strict=False), new.select(shared)
    if old.equals(new):
        return Difference(table_name=table.dotted(), columns=columns) if columns else None
    published = known(before).select(shared) if same else old
    return _difference(table, columns, _differing_rows(table, old, new, published, bars))


def _difference(table: type[Table], columns: tuple[str, ...], rows: _Differing) -> Difference | None:
    """The difference made of the `rows` and `columns` that differ; None if there are none."""
    if not columns and all(frame.is_empty() for frame in rows.each()):
        return None
    return Difference(
        table_name=table.dotted(),
        rows_changed=rows.changed.height,
        rows_missing=rows.missing.height,
        rows_added=rows.added.height,
        columns=columns,
        examples=tuple(_examples(_key_in(table, rows.missing), rows)),
        digest=hashlib.sha256(b"".join(map(_body, rows.each()))).hexdigest(),
    )


def _new_and_gone(old: pl.DataFrame, new: pl.DataFrame) -> tuple[str, ...]:
    """The columns that only one side has."""
    gone = [f"-{name}" for name in old.columns if name not in new.columns]
    return (*gone, *(f"+{name}" for name in new.columns if name not in old.columns))


def _key_in(table: type[Table], rows: pl.DataFrame) -> list[str]:
    """The key columns of a table that `rows` have; an older generation may lack one."""
    return [name for name in table.primary_key() if name in rows.columns]


def _differing_rows(
    table: type[Table], old: pl.DataFrame, new: pl.DataFrame, published: pl.DataFrame, bars: Sequence[Path]
) -> _Differing:
    """The rows of `old` and `new` that differ, without late news. `published`: the rows of all parts before.

    Rows are compared by hash first, because most are the same.
    """
    old_hashes, new_hashes = old.hash_rows(), new.hash_rows()
    gone = old.filter(~old_hashes.is_in(new_hashes.implode()))
    come = new.filter(~new_hashes.is_in(old_hashes.implode()))
    key = _key_in(table, old)
    if len(key) < len(table.primary_key()):  # no row can be matched with another one
        return _Differing(gone.clear().join(come.clear(), on=key, suffix=AFTER), gone, come)
    changed = gone.join(come, on=key, suffix=AFTER, nulls_equal=True)
    missing = gone.join(come, on=key, how="anti", nulls_equal=True)
    added = come.join(gone, on=key, how="anti", nulls_equal=True)
    if changed.is_empty() and added.is_empty():
        return _Differing(changed, missing, added)
    return _Differing(
        _without_late_values(table, published, changed, bars), missing, _without_late_rows(table, published, added)
    )


def _without_late_rows(table: type[Table], published: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    """The added rows that are no later than the last published row of their market, pair of markets, symbol or type.

    Later rows are late news, which changes no published row: a file that ended a day before, a symbol that failed for a
    day, a new market. If the older generation lacks the column that dates a row, which are later is unknown: all stay.
    """
    if table.known_by not in published.columns:
        return added
    known, key = str(table.known_by), table.primary_key()[:-1]
    of = [column for column in key if column in ("market", "other_market")] or key[:1]
    last = pl.col(known).max().alias("last_published")
    if not of:
        dated = added.join(published.select(last), how="cross")
    else:
        dated = added.join(published.group_by(of).agg(last), on=of, how="inner", maintain_order="left")
    return dated.filter(pl.col(known) <= pl.col("last_published")).drop("last_published")


def _without_late_values(
    table: type[Table], published: pl.DataFrame, changed: pl.DataFrame, bars: Sequence[Path]
) -> pl.DataFrame:
    """The changed rows, without those that only got values of a session that the published generation did not have.

    That is late news too: a fetch failed, or came before the close had settled. An example, where the published bars
    end on Thursday: Thursday's row had no volume, and now has one with `volume_known_at` on Friday. A fact that is
    withdrawn, a setup that is found, a position that gets its price are others. `bars` as of `compare_published`.
    """
    by = "market" if "market" in published.columns else "symbol"
    dates = {column: at for column, at in table.known_later.items() if at in BY_SESSION} | BY_DAY
    dates = {column: at for column, at in dates.items() if column in published.columns and at in published.columns}
    if changed.is_empty() or not dates or (by == "market" and not bars):
        return changed
    last = _last_sessions(_read(bars) if by == "market" else published, by)
    values = [name for name in published.columns if f"{name}{AFTER}" in changed.columns]
    is_news_alone = pl.all_horizontal(_is_same_or_news(name, dates.get(name)) for name in values)
    against = changed.join(last, on=by, how="left", maintain_order="left")
    return against.filter(~is_news_alone).drop("last_day", "last_published")


def _is_same_or_news(name: str, dated_by: str | None) -> pl.Expr:
    """Whether a column did not change, or was null and got a value of a session after the last published one."""
    is_same = pl.col(name).eq_missing(pl.col(f"{name}{AFTER}"))
    if dated_by is None:
        return is_same
    if name in BY_DAY:
        is_later = pl.col(dated_by) > pl.col("last_day")
    else:
        is_later = pl.col(f"{dated_by}{AFTER}") > pl.col("last_published")
    return is_same | (pl.col(name).is_null() & is_later.fill_null(False))


def _last_sessions(bars: pl.DataFrame, by: str) -> pl.DataFrame:
    """The last session of each market or symbol (`last_day`), and when it was first known (`last_published`)."""
    days = bars.group_by(by, last_day="session_date").agg(last_published=pl.col("known_at").min())
    return days.sort("last_day").group_by(by).last()


def _body(frame: pl.DataFrame) -> bytes:
    """The same bytes for the same rows in any order."""
    return b"|" + frame.hash_rows().sort().to_numpy().tobytes()


def _examples(key: list[str], rows: _Differing) -> Iterator[str]:
    """Some rows of each kind: the key and, of a changed one, the first column that differs."""
    for row in rows.changed.sort(key).head(EXAMPLES).iter_rows(named=True):
        name = next(name for name in row if f"{name}{AFTER}" in row and row[name] != row[f"{name}{AFTER}"])
        yield f"{_key(key, row)} {name} {row[name]} -> {row[f'{name}{AFTER}']}"
    for others, what in ((rows.missing, "is missing"), (rows.added, "was not published")):
        for row in others.sort(key).head(EXAMPLES).iter_rows(named=True):
            yield f"{_key(key, row)} {what}"


def _key(key: list[str], row: dict[str, Any]) -> str:
    return " ".join(str(row[name]) for name in key)


def _is_same(one: Path, other: Path) -> bool:
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _read(files: Sequence[Path]) -> pl.DataFrame:
    try:
        return pl.read_parquet([file.read_bytes() for file in files])
    except UNREADABLE as error:
        raise R2kError(files[0].parent, f"cannot be compared: {error}", "restore it from backup") from error


def file_of(lake: Lake) -> Path:
    """The file of the waiting restatement."""
    return lake.root / "held" / f"{RESTATEMENT}.json"


def read_restatement(lake: Lake) -> Restatement | None:
    """The restatement that waits for acceptance or, accepted, for the next run; None if there is none."""
    file = file_of(lake)
    try:
        return Restatement.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise R2kError(file, "cannot be read", f"remove it, then {lake.run}, which finds it anew") from error


def write_restatement(lake: Lake, found: Restatement | None) -> None:
    """Keep the waiting restatement in place of an earlier one; None removes it."""
    if found is None:
        file_of(lake).unlink(missing_ok=True)
    else:
        write_atomically(file_of(lake), found.model_dump_json(indent=2).encode(), lambda _: None)
