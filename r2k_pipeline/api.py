"""The Python API behind `import r2k_pipeline`: run a source, open what it published as of a moment, query it.

Belongs here: what a user calls from Python. Not here: anything computed. Names are exported by the package (__init__).
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from r2k_pipeline.claims.query_limits import one_select, stopped_after
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.errors import QueryError, R2kError
from r2k_pipeline.mistakes import nearest
from r2k_pipeline.report.brief import read_brief
from r2k_pipeline.report_types import REPORT_TYPES
from r2k_pipeline.settings import Settings, read_settings
from r2k_pipeline.snapshot import Snapshot, of_this_version, snapshot_of
from r2k_pipeline.tables import TABLES

if TYPE_CHECKING:
    from r2k_pipeline.report.charts.figure import Figure
    from r2k_pipeline.report.note.compose import Note
    from r2k_pipeline.report.run_summary import Summary

Path_ = str | Path
Moment = str | date | datetime


class Data:
    """One source's published data as known at one moment: read-only, and unchanged by later publications.

    Every method raises R2kError with the reason and the next command. Close it, or use it in `with`. Threads may share
    it: their questions are answered one after the other.
    """

    def __init__(self, snapshot: Snapshot, seconds: float) -> None:
        self._snapshot, self._seconds = snapshot, seconds
        self._lock, self._is_closed = threading.RLock(), False

    def __repr__(self) -> str:
        published = f"generation {self.generation['generation_id']} as known at {self.moment:%Y-%m-%d %H:%M} UTC"
        return f"<r2k data, {self.generation['label']}: {published}{', closed' if self._is_closed else ''}>"

    def __enter__(self) -> "Data":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._is_closed = True
            self._snapshot.connection.close()

    @property
    def generation(self) -> Mapping[str, Any]:
        """The row of meta.generation, by column."""
        return self._snapshot.generation

    @property
    def moment(self) -> datetime:
        """The UTC instant of the snapshot: everything in it was known by then."""
        return self._snapshot.moment

    @property
    def markets(self) -> tuple[str, ...]:
        """The ids of the markets, in their configured order."""
        return tuple(self.table("marts.markets").sort("sort_order", maintain_order=True)["market"])

    def sql(self, query: str) -> pl.DataFrame:
        """The rows of one SELECT, stopped after the setting `query_seconds`."""
        how = "one SELECT, e.g. from latest()"
        if not isinstance(query, str):
            raise R2kError(f"query = {query!r}", "is no text", how)
        connection = self._snapshot.connection
        try:
            with self._reading():
                one_select(connection, query)
                with stopped_after(connection, self._seconds):
                    rows: pl.DataFrame = self._snapshot.ask(query).pl()
        except QueryError as error:
            raise R2kError("query", error, how) from error
        return rows

    def table(self, table: type[Table] | str, market: str | None = None) -> pl.DataFrame:
        """The rows of a table, by contract or as `layer.name`, of one market or all, sorted by its key."""
        published = {name: found for name, found in TABLES.items() if found.layer in PUBLISHED_LAYERS}
        contract = published.get(table.dotted() if isinstance(table, type) else table)
        if contract is None:
            wanted = str(table).lower()
            meant = [name for name in published if name.endswith(f".{wanted}")] or nearest(wanted, published)
            raise R2kError(f"table = {table!r}", "no such table is published", f"one of {', '.join(meant)}")
        if market is not None and "market" not in contract.column_names():
            raise R2kError(contract.dotted(), "has no market", "leave it out")
        of_market = "" if market is None else " where market = $market"
        query = f"select {', '.join(contract.column_names())} from {contract.dotted()}{of_market}"
        return self._rows(query, contract, {} if market is None else {"market": market})

    def prices(self, market: str) -> pl.DataFrame:
        """One market's bars as they stood at the moment, oldest first: what the transforms take."""
        query = "from market_bars_as_of($moment) where market = $market"
        return self._rows(query, TABLES["staging.market_bars"], {"market": market, "moment": self.moment})

    def positions(self, market: str, report_type: str | None = None) -> pl.DataFrame:
        """One market's weekly positions by trader group as they stood at the moment, oldest first.

        `report_type`: the market's primary one unless given.
        """
        if report_type is not None and report_type not in REPORT_TYPES:
            raise R2kError(f"report_type = {report_type!r}", "no such report", f"one of {', '.join(REPORT_TYPES)}")
        asked = {"market": market, "report_type": report_type, "moment": self.moment}
        primary = "(select primary_report_type from marts.markets where market = $market)"
        query = (
            "from weekly_positioning_as_of($moment) "
            f"where market = $market and report_type = coalesce($report_type::varchar, {primary})"
        )
        return self._rows(query, TABLES["marts.weekly_positioning"], asked)

    def brief(self, market: str | None = None) -> str:
        """The brief of one market or all, as Markdown."""
        with self._reading():
            if market is not None:
                self._check(market)
            return read_brief(self._snapshot, market).text()

    def note(self, market: str) -> "Note":
        """The readable note on one market; `text()` is Markdown; each of `figures` has its query."""
        from r2k_pipeline.report.note.compose import read_note  # noqa: PLC0415  (who asks for tables needs none)

        with self._reading():
            self._check(market)
            return read_note(self._snapshot, market)

    def figure(self, market: str) -> "Figure":
        """The weekly review of one market, which a notebook renders; `png()` is the picture, `spec()` the Vega-Lite."""
        from r2k_pipeline.report.charts.figures import read_figures  # noqa: PLC0415  (altair is a second's import)

        with self._reading():
            self._check(market)
            found = read_figures(self._snapshot, [market])
        if not found.reviews:
            raise R2kError(market, f"nothing to draw: {'; '.join(found.notes)}", self._snapshot.lake.command("status"))
        return found.reviews[0]

    def _rows(self, query: str, table: type[Table], parameters: Mapping[str, Any]) -> pl.DataFrame:
        try:
            with self._reading():
                if "market" in parameters:
                    self._check(parameters["market"])
                rows: pl.DataFrame = self._snapshot.ask(f"{query} order by all", **parameters).pl()
        except duckdb.Error as error:
            raise R2kError(table.dotted(), str(error).splitlines()[0], self._snapshot.lake.run) from error
        return rows.sort(table.primary_key())

    def _check(self, market: object) -> None:
        if market not in self.markets:
            meant = nearest(str(market), self.markets)
            raise R2kError(f"market = {market!r}", "no such market", f"one of {', '.join(meant)}")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A context for what reads the file: one thread at a time. Raises R2kError if it is closed."""
        with self._lock:
            if self._is_closed:
                raise R2kError("data", "is closed", "r2k_pipeline.open()")
            with of_this_version(self._snapshot.file):
                yield


def _settings(source: str | None, lake: Path_ | None, as_of: Moment | None, **more: Any) -> Settings:
    given = {"source": source, "lake": lake, "as_of": as_of and str(as_of), **more}
    return read_settings(str, **{name: value for name, value in given.items() if value is not None})


def run(
    source: str | None = None, *, lake: Path_ | None = None, files: Path_ | None = None, as_of: Moment | None = None
) -> "Summary":
    """Fetch, build, check and publish, as `r2k run`; defaults come from R2K_* and r2k.toml.

    Raises R2kError where a run cannot start; the summary of a failed run has `ok` False.
    """
    from r2k_pipeline.definitions import defs  # noqa: PLC0415  (Dagster is two seconds' import)
    from r2k_pipeline.orchestration.execute import execute_refresh  # noqa: PLC0415

    return execute_refresh(defs, _settings(source, lake, as_of, files=files and Path(files).absolute()))


def open_data(source: str | None = None, *, lake: Path_ | None = None, as_of: Moment | None = None) -> Data:
    """Open what `source` published, as known at `as_of` (default: everything published). Raises R2kError."""
    settings = _settings(source, lake, as_of)
    return Data(snapshot_of(settings), settings.query_seconds)
