"""Rows for SQL models: a test writes the columns it is about, the contract fills the rest.

Belongs here: filling, holding against contracts, running a model and the models it reads. Not here: expectations.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

import dataframely as dy
import numpy as np
import polars as pl

from r2k_pipeline.contracts.columns import choices_of
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.markets import read_catalogue
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.release_calendar import first_publications
from r2k_pipeline.sql_models import read_models, run_model
from r2k_pipeline.tables import TABLES, reference
from r2k_pipeline.transforms.epochs import NEVER
from r2k_pipeline.transforms.setups import read_setups

Row = Mapping[str, Any]
Given = Mapping[type[Table], Sequence[Row]]

MODELS: Final = {model.name: model for model in read_models(shipped("sql"))}
LOADED: Final = "2010-01-01T00:00Z"
"""When a row was recorded unless a test says otherwise: one bulk load, before anything the tests are about."""
_INDEX: Final = {
    **{"calendar": "XNYS", "contract_multiplier_usd": 50.0, "contract_unit": "index point"},
    **{"price_series": "index", "is_notional_known": True},
    **{"market_class": "equity", "primary_report_type": "tff_futures"},
}
RUT: Final = {"market": "RUT", "name": "Russell 2000", **_INDEX}
SPX: Final = {"market": "SPX", "name": "S&P 500", **_INDEX}


def rows_of(table: type[Table], given: Sequence[Row]) -> pl.DataFrame:
    """`given` as rows of `table` that fit its contract; days and instants may be ISO text."""
    unknown = {name for row in given for name in row} - set(table.column_names())
    assert not unknown, f"{table.dotted()} has no column {unknown}"
    if not given:
        return no_rows(table)
    filled = [{name: _cell(name, column, row) for name, column in table.columns().items()} for row in given]
    return fitting(table, pl.DataFrame(filled, schema=no_rows(table).schema))


def fitting(table: type[Table], rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` as `table` has them; raises an error that names the rules they break. A tenth of `validate` alone."""
    fits = table.fit(rows)
    return table.validate(rows, cast=True) if fits is None else fits


@cache
def no_rows(table: type[Table]) -> pl.DataFrame:
    """`table` without a row, made once: a test of a model reads a dozen of them."""
    return table.create_empty()


def derive(table: type[Table], given: Given, as_of: str = "2100-01-01T00:00Z") -> pl.DataFrame:
    """The rows of a SQL model as known at `as_of`; models between it and `given` run too, the rest is empty."""
    frames = {upstream.dotted(): rows_of(upstream, rows) for upstream, rows in given.items()}
    return fitting(table, _derive(table.dotted(), frames, datetime.fromisoformat(as_of)))


def _derive(name: str, frames: dict[str, pl.DataFrame], as_of: datetime) -> pl.DataFrame:
    if name not in frames and name == reference.TraderRoles.dotted():
        frames[name] = reference.build_trader_roles(read_catalogue().roles)
    elif name not in frames and name not in MODELS:
        frames[name] = no_rows(TABLES[name])
    elif name not in frames:
        upstreams = MODELS[name].upstreams
        read = {upstream: _derive(upstream, frames, as_of) for upstream in upstreams}
        markets = frames.get("reference.markets", no_rows(reference.Markets))["market"].to_list()
        variables = {"as_of": as_of, "markets": markets, "first_publications": first_publications()}
        variables["published_until"] = NEVER
        asked = name, as_of, *markets, *(_content(frame) for frame in read.values())
        if asked not in _ANSWERS:
            variables |= read_setups().variables()
            nothing_on_disk = {upstream: [] for upstream in upstreams}
            _ANSWERS[asked] = run_model(MODELS[name], nothing_on_disk, variables, memory_limit="1GB", empty=read)
        frames[name] = _ANSWERS[asked]
    return frames[name]


_ANSWERS: Final[dict[tuple[object, ...], pl.DataFrame]] = {}
"""What models gave, by all that they read: most tests of a model change one of a dozen tables."""


def _content(frame: pl.DataFrame) -> bytes:
    return hashlib.sha256(frame.write_ipc(None).getbuffer()).digest()


def _cell(name: str, column: dy.Column, row: Row) -> Any:
    value = row.get(name, LOADED if name == "recorded_at" else None)
    if value is None and name == "known_at":
        value = _closed_at(row)
    if value is None:
        return None if column.nullable else _plainest(name, column)
    if isinstance(value, str) and isinstance(column, dy.Datetime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(value, str) and isinstance(column, dy.Date) else value


def _closed_at(row: Row) -> str | None:
    """The close of the session at which a row was told, 16:00 in New York in summer."""
    days = (row[name] for name in ("session_date", "filed_date", "known_date", "confirmed_date") if name in row)
    return next((f"{day}T20:00Z" for day in days), None)


def _plainest(name: str, column: dy.Column) -> Any:
    """A value that stands for "does not matter here"."""
    match column:
        case dy.Bool():
            return False
        case dy.Float64():
            return 1.0
        case dy.Int64():
            return 0
        case dy.String():
            return next(iter(choices_of(column)), "-")
    raise AssertionError(f"say {name}")


def bar(symbol: str, day: str, close: float, **more: Any) -> Row:
    """A finished bar that traded at one price, its volume settled."""
    at_one_price = dict.fromkeys(("open", "high", "low", "close"), close)
    return {"symbol": symbol, "session_date": day, **at_one_price, "is_final": True, "is_settled": True, **more}


def session(day: str, close_at: str = "21:00Z", **more: Any) -> Row:
    """A session of the New York exchange, by day and hour of its close (UTC)."""
    opens, closes = f"{day}T14:30Z", datetime.fromisoformat(f"{day}T{close_at}")
    hours = {"open_at": opens, "close_at": closes, "settles_at": closes + timedelta(hours=12)}
    return {"calendar": "XNYS", "session_date": day, "session_number": _weekdays(day), **hours, **more}


def _weekdays(day: str) -> int:
    """A session's number where every weekday is one."""
    return int(np.busday_count("1900-01-01", day))


def symbol(name: str, role: str, market: str = "RUT") -> Row:
    """What a vendor symbol stands for."""
    return {"market": market, "symbol": name, "role": role, "calendar": "XNYS"}


def fetch(item: str, at: str, shows: tuple[str, str] | None = None, **more: Any) -> Row:
    """An attempt in the log of price bars, and the days whose rows it could have shown."""
    first, last = shows or (None, None)
    said = {"item": item, "table_name": "raw.price_bars", "fetched_at": at, "status": "ok"}
    return {**said, "shows_from": first, "shows_until": last, **more}


def contract(code: str, first: str = "1986-01-01", last: str = "9999-12-31", market: str = "RUT") -> Row:
    """A COT contract of a market."""
    return {"market": market, "contract_code": code, "first_report_date": first, "last_report_date": last}


def report(code: str, day: str, long: int, short: int, open_interest: int = 1000, **more: Any) -> Row:
    """A TFF row in which leveraged funds hold `long` and `short`, and nonreportables the rest."""
    return {
        "report_type": "tff_futures",
        "contract_code": code,
        "report_date": day,
        "contract_units": "($50 X INDEX)",
        "open_interest_contracts": open_interest,
        "leveraged_funds_long_contracts": long,
        "leveraged_funds_short_contracts": short,
        "leveraged_funds_spreading_contracts": 0,
        "nonreportable_long_contracts": open_interest - long,
        "nonreportable_short_contracts": open_interest - short,
        **more,
    }


def release(day: str, released_at: str | None = None) -> Row:
    """A report's release: by default the Friday after a Tuesday, 15:30 in New York in winter."""
    friday = date.fromisoformat(day) + timedelta(days=3)
    by_rule = f"{friday}T20:30Z"
    released = {"released_at": released_at or by_rule, "scheduled_at": by_rule, "release_basis": "actual"}
    return {"report_date": day, **released}


RUSSELL: Final[Given] = {
    reference.Markets: [RUT],
    reference.MarketSymbols: [symbol("^RUT", "index"), symbol("IWM", "proxy")],
    reference.MarketContracts: [contract("239742")],
}
"""One market with its symbols and its contract; a test adds what is about it."""
