"""Market identity: reads catalogue.toml and a user's own files into frozen values, and chooses the configured markets.

Belongs here: what one market is made of, which are chosen, and messages for a mistake in a file. Not here: any
computation on prices or positions, the commands that search the catalogue (report/market_list.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from r2k_pipeline.contracts.cot import CONTRACT_CODE
from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.market_classes import Family, MarketClass, PriceSeries, Role
from r2k_pipeline.mistakes import Strict, nearest, read_toml, say_mistakes
from r2k_pipeline.shipped import shipped

CATALOGUE_FILE: Final = shipped("catalogue.toml")
USUAL: Final = ("RUT", "SPX", "NDX", "DJI")
"""The markets of a run where the setting names none."""
EVERY: Final = "@ALL"
POINTS: Final = "index point"
UNADJUSTED: Final = "=F"
"""The end of Yahoo's symbols of continuous futures, whose bars before a roll are those of another contract."""
MarketId = Annotated[str, StringConstraints(pattern=r"^[0-9]?[A-Z][A-Z0-9_]{0,15}$")]
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL)]


class CotContract(Strict):
    """One futures contract and the reports in which it belongs to its market."""

    code: Annotated[str, StringConstraints(pattern=CONTRACT_CODE)]
    exchange: str
    first: date = date(1986, 1, 1)
    last: date = date(9999, 12, 31)
    scale: float = Field(1.0, gt=0)
    listed: str | None = Field(None, description="the CFTC's name of it in the newest report that was seen")

    @model_validator(mode="after")
    def _ordered(self) -> "CotContract":
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")
        return self


class Market(Strict):
    """One market: its COT contracts and, where it has prices, its index, volume proxy and future.

    `multiplier`: today's contract in units of `unit`, USD an index point unless said; None where no number is known.
    `inverse`: the prices of `index` fall where the contract rises. `required`: a run fails without its data.
    """

    market: MarketId
    name: str
    class_: MarketClass = Field("other", alias="class")
    report: Family = "tff"
    index: Symbol | None = None
    series: PriceSeries = "index"
    roll: Literal["ratio"] | None = None
    inverse: bool = False
    proxy: Symbol | None = None
    future: Symbol | None = None
    context: tuple[Symbol, ...] = ()
    calendar: str = "XNYS"
    unit: str = POINTS
    multiplier: float | None = Field(None, gt=0)
    cot: tuple[CotContract, ...] = ()
    required: bool = True

    @model_validator(mode="before")
    @classmethod
    def _named_by_the_report(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The name of the last contract, without its exchange, where none is given."""
        listed = [each.get("listed") for each in given.get("cot", ()) if isinstance(each, dict)]
        return {"name": listed[-1].rsplit(" - ", 1)[0], **given} if listed and isinstance(listed[-1], str) else given

    @model_validator(mode="after")
    def _has_prices_or_positions(self) -> "Market":
        of_prices = self.model_fields_set & {"proxy", "future", "context", "series", "roll", "inverse"}
        if self.index is None and (others := sorted(name for name in of_prices if getattr(self, name))):
            raise ValueError(f"index: is missing; next: add it, or remove {', '.join(others)}")
        if self.index is None and not self.cot:
            raise ValueError("has neither index nor cot; next: add one of them")
        if self.index is not None and self.multiplier is None:
            raise ValueError("multiplier: is missing; next: add it, the size of today's contract in units of `unit`")
        return self

    @model_validator(mode="after")
    def _has_sound_prices(self) -> "Market":
        for mistake in self._mistakes_of_prices():
            raise ValueError(mistake)
        return self

    def _mistakes_of_prices(self) -> Iterator[str]:
        """Why technicals of these prices, or the notional of a position, would be wrong."""
        if self.index is not None and self.index.endswith(UNADJUSTED):
            yield (
                f"index = {self.index!r}: Yahoo's continuous future is unadjusted, so that its rolls look like moves; "
                'next: leave out index (positions alone), or give series = "future" with roll and a file of your own, '
                f"adjusted, under a symbol without {UNADJUSTED}"
            )
        if self.series == "future" and self.roll is None:
            yield (
                'roll: is missing; next: roll = "ratio" if each roll is adjusted by the ratio of its two contracts '
                "(differences would leave wrong returns), or leave out index (positions alone)"
            )
        if self.roll is not None and self.series != "future":
            yield 'roll: is of futures alone; next: remove it, or add series = "future"'
        if self.series == "yield" and not self.inverse:
            yield (
                "inverse: is missing: a bond's future falls where its yield rises; next: inverse = true, or "
                'series = "index" for a future that is quoted in yield itself'
            )
        if self.inverse and self.series not in {"yield", "spot"}:
            yield 'inverse: is of a yield or a spot alone; next: remove it, or say series = "spot"'
        if self.series == "spot" and POINTS in self.unit:
            yield 'unit: is missing; next: what the spot price is USD for one of, e.g. unit = "troy ounces"'
        if self.index is not None and self.series == "index" and POINTS not in self.unit:
            yield (
                f"series: is missing: points of an index are no price of {self.unit!r}; next: series = one of spot "
                "(USD for one of it), fund, yield, future"
            )
        if self.series == "fund" and self.proxy is not None:
            yield "proxy: a fund has a volume of its own; next: remove proxy"

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
        """The report type whose groups have the market's roles."""
        return f"{self.report}_futures"

    @property
    def is_notional_known(self) -> bool:
        """Whether a close (1 / close, if inverse) is USD for one `unit` of the contract.

        It is not of a yield, of a fund's share, of a future whose older prices are adjusted, and in other currencies.
        """
        return self.index is not None and (self.series == "spot" or (self.series == "index" and self.unit == POINTS))

    def symbols(self) -> dict[str, str]:
        """Every vendor symbol of the market and its role: `index`, `proxy`, `future` or `context`."""
        roles = {self.index: "index", self.proxy: "proxy", self.future: "future"}
        return {symbol: role for symbol, role in roles.items() if symbol} | dict.fromkeys(self.context, "context")

    def kind_of(self, symbol: str) -> str:
        """The kind of a symbol of the market: its role there, or for its own prices their series, or `volatility`."""
        role = self.symbols()[symbol]
        if role == "index" and self.series == "index" and self.class_ == "volatility":
            return "volatility"
        return self.series if role == "index" else role


class Catalogue(Strict):
    """The shipped markets by id, and the trader groups of each role."""

    roles: dict[Role, tuple[str, ...]]
    markets: dict[str, Market]


@cache
def read_catalogue() -> Catalogue:
    """The shipped catalogue. Raises MistakesError."""
    tables = _tables(CATALOGUE_FILE)
    roles, positions = tables.pop("roles"), tables.pop("positions")
    tables |= {
        key: {"class": name, "required": False, **table}
        for name, each in positions.items()
        for key, table in each.items()
    }
    return Catalogue(roles=roles, markets=_parse(CATALOGUE_FILE, tables))


def read_markets(wanted: Sequence[str | Path] = ()) -> tuple[Market, ...]:
    """The markets that `wanted` names: ids, classes (@equity), @all, and files of a user's own (NAME.toml).

    A file's markets are in whatever the names say, and replace shipped ones of the same id; without names, USUAL.
    Raises MistakesError, also if two markets give one symbol different calendars.
    """
    files = [Path(each) for each in wanted if is_file(each)]
    own = {key: market for file in files for key, market in _parse(file, _tables(file)).items()}
    known = read_catalogue().markets | own
    chosen = {name for each in wanted if not is_file(each) for name in _named(str(each), known)} or {*USUAL}
    markets = tuple(market for key, market in known.items() if key in chosen or key in own)
    _refuse_two_calendars(markets, files[-1] if files else CATALOGUE_FILE)
    return markets


def is_file(entry: str | Path) -> bool:
    """Whether an entry of the setting is a file of markets, not the name of some."""
    return isinstance(entry, Path) or entry.lower().endswith(".toml")


def _named(name: str, known: Mapping[str, Market]) -> set[str]:
    """The ids that one name stands for, in upper or lower case."""
    name = name.upper()
    classes = {f"@{market.class_}".upper() for market in known.values()} | {EVERY}
    if name == EVERY:
        return {*known}
    if name in classes:
        return {key for key, market in known.items() if f"@{market.class_}".upper() == name}
    if name in known:
        return {name}
    meant = nearest(name, classes if name.startswith("@") else known)
    shown = ", ".join(each.lower() if each.startswith("@") else each for each in meant[:12])
    word = name.lstrip("@")
    is_found = any(word in f"{market.market} {market.name} {market.class_}".upper() for market in known.values())
    sought = word if is_found else meant[0].lstrip("@") if len(meant) == 1 else "gold"
    raise MistakesError(f"markets: {name}: no such market; nearest: {shown}; next: r2k markets find {sought.lower()}")


def _tables(file: Path) -> dict[str, Any]:
    return read_toml(file, "R2K_MARKETS", "markets.toml")


def _parse(file: Path, tables: Mapping[str, object]) -> dict[str, Market]:
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
    keys = ", ".join(field.alias or name for name, field in Market.model_fields.items() if name != "market")
    return f"{keys}; in cot: {', '.join(CotContract.model_fields)}"


def _refuse_two_calendars(markets: Sequence[Market], file: Path) -> None:
    """Raise MistakesError where a symbol has two: a bar has one close, which decides when it is final and known."""
    users: dict[str, Market] = {}
    for market in markets:
        for symbol in market.symbols():
            other = users.setdefault(symbol, market)
            if other.calendar != market.calendar:
                raise MistakesError(
                    f"{file}: [{market.market}] calendar = {market.calendar!r}: symbol {symbol} trades on "
                    f"{other.calendar!r} in [{other.market}]; allowed: one calendar a symbol"
                )
