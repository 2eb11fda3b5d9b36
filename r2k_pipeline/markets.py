"""Market identity: reads markets.toml and a user's own file into frozen values.

Belongs here: what one market is made of, and messages for a mistake in the file. Not here: any
computation on prices or positions.
"""

import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from r2k_pipeline.contracts.cot import CONTRACT_CODE
from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.mistakes import say_mistakes
from r2k_pipeline.shipped import shipped

SHIPPED: Final = shipped("markets.toml")
Family = Literal["tff", "disaggregated", "legacy"]
MarketId = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,15}$")]
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CotContract(_Strict):
    """One futures contract and the reports in which it belongs to its market."""

    code: Annotated[str, StringConstraints(pattern=CONTRACT_CODE)]
    exchange: str
    first: date = date(1986, 1, 1)
    last: date = date(9999, 12, 31)
    scale: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "CotContract":
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")
        return self


class Market(_Strict):
    """One index with its volume proxy, its future and its COT contracts; multiplier in USD per index point."""

    market: MarketId
    name: str
    report: Family = "tff"
    index: Symbol
    proxy: Symbol | None = None
    future: Symbol | None = None
    context: tuple[Symbol, ...] = ()
    calendar: str = "XNYS"
    multiplier: float = Field(gt=0)
    cot: tuple[CotContract, ...] = ()

    @model_validator(mode="after")
    def _not_counted_twice(self) -> "Market":
        spans = sorted((contract.code, contract.first, contract.last) for contract in self.cot)
        for (code, _, last), (next_code, first, _) in pairwise(spans):
            if code == next_code and first <= last:
                raise ValueError(f"cot code {code} is listed twice for reports of {first}")
        if any(c.code.endswith("+") for c in self.cot) and len({c.code for c in self.cot}) > 1:
            raise ValueError("a consolidated code (with +) includes its E-mini already: list it alone")
        return self

    @model_validator(mode="after")
    def _one_role_a_symbol(self) -> "Market":
        symbols = [symbol for symbol in (self.index, self.proxy, self.future, *self.context) if symbol]
        if repeated := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
            raise ValueError(f"{', '.join(repeated)} is in two of index, proxy, future, context: keep one")
        return self

    @property
    def primary_report(self) -> str:
        """The report type that is fetched for it even where no setting names it."""
        return f"{self.report}_futures"

    def symbols(self) -> dict[str, str]:
        """Every vendor symbol of the market and its role: `index`, `proxy`, `future` or `context`."""
        roles = {self.index: "index", self.proxy: "proxy", self.future: "future"}
        return {symbol: role for symbol, role in roles.items() if symbol} | dict.fromkeys(self.context, "context")


def _parse(file: Path) -> dict[str, Market]:
    try:
        tables: dict[str, Any] = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise MistakesError(f"{file}: no such file; set R2K_MARKETS to an existing markets.toml") from error
    except OSError as error:
        raise MistakesError(f"{file}: unreadable: {error.strerror}; set R2K_MARKETS to a markets.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MistakesError(f"{file}: not TOML: {error}") from error
    return {key: _parse_market(file, key, table) for key, table in tables.items()}


def _parse_market(file: Path, key: str, table: object) -> Market:
    if not isinstance(table, dict):
        raise MistakesError(f"{file}: {key}: a market is a table, [{key}], with keys {_allowed()}")
    if "market" in table:
        raise MistakesError(f"{file}: [{key}] market: the table's name is the market's id; allowed keys: {_allowed()}")
    try:
        return Market.model_validate({"market": key, **table})
    except ValidationError as error:
        mistakes = [f"  [{key}] {mistake}" for mistake in say_mistakes(error, Market)]
        raise MistakesError("\n".join([f"{file}: fix and run again:", *mistakes])) from error


def _allowed() -> str:
    keys = ", ".join(field for field in Market.model_fields if field != "market")
    return f"{keys}; in cot: {', '.join(CotContract.model_fields)}"


def read_markets(own: Path | None = None) -> tuple[Market, ...]:
    """The shipped markets and a user's own, by id; a user's market replaces a shipped one of the same id.

    Raises MistakesError, also if two markets give one symbol different calendars.
    """
    markets = tuple((_parse(SHIPPED) | (_parse(own) if own else {})).values())
    users: dict[str, Market] = {}
    for market in markets:
        for symbol in market.symbols():
            other = users.setdefault(symbol, market)
            if (
                other.calendar != market.calendar
            ):  # a bar has one close, which decides when it is final and when it was known
                raise MistakesError(
                    f"{own or SHIPPED}: [{market.market}] calendar = {market.calendar!r}: symbol {symbol} trades on "
                    f"{other.calendar!r} in [{other.market}]; allowed: one calendar a symbol"
                )
    return markets
