"""The command `r2k files`: what each file of a folder is taken for, and what is wrong with it, without a run or a lake.

Belongs here: a line a file, as a first run would judge it. Not here: reading (sources/), what a run records (log/).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.errors import R2kError, first_names
from r2k_pipeline.log.ingest import read_symbol
from r2k_pipeline.log.refusals import judge_refusals, say_rules
from r2k_pipeline.markets import UNADJUSTED, Market, read_catalogue, read_markets
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.files import NO_REPORTS, FilePrices, FileReports
from r2k_pipeline.sources.plausibility import doubt_series, remark_unproven
from r2k_pipeline.sources.price_folder import spelled_like, symbol_of
from r2k_pipeline.sources.price_tables import PriceFile
from r2k_pipeline.sources.prices import Bars, read_actions, say_missing_opens, screen_actions, screen_bars
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from r2k_pipeline.sources.screening import Screened, day_of
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.sources.wrong_files import unread_actions


@dataclass(frozen=True)
class Listed:
    """One file, or one symbol of a file of several.

    `taken_for`: the layout, or the report types; `symbol`: of prices; `rows`: all that are in it, from `first` to
    `last`. `problem`: why a run would not take it, with what to do; `notes` on a file that a run would take.
    """

    file: str
    taken_for: str = ""
    symbol: str | None = None
    first: date | None = None
    last: date | None = None
    rows: int = 0
    problem: str | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON, days as text."""
        days = {"first": self.first and str(self.first), "last": self.last and str(self.last)}
        return {"ok": self.problem is None} | asdict(self) | days

    def text(self) -> str:
        """A line, and one more for each note."""
        span = [f"{self.first} to {self.last}", f"{self.rows:,} row{'s' * (self.rows != 1)}"] if self.rows else []
        found = ", ".join(filter(None, [self.taken_for, self.symbol, *span]))
        said = f"{self.file}: {found}" if found else self.file
        notes = [f"        {line}" for line in (self.problem, *self.notes) if line]
        return "\n".join([f"{'FAILED' if self.problem else 'ok':6}  {said}", *notes])


def list_files(folder: Path, settings: Settings, now: datetime) -> list[Listed]:
    """Every file below `prices/` and `cot/` of a folder. Raises R2kError where it has neither."""
    if not any((folder / part).is_dir() for part in ("prices", "cot")):
        what = "neither prices/ nor cot/ is in it" if folder.is_dir() else "no such folder"
        raise R2kError(folder, what, "put price files into prices/ and reports into cot/ of one folder, and name that")
    return [*_prices(FilePrices(folder), settings, now), *_reports(FileReports(folder), settings, now)]


def as_text(found: Sequence[Listed]) -> str:
    """All files and their count."""
    failed = sum(each.problem is not None for each in found)
    return "\n".join([*(each.text() for each in found), f"{len(found)} listed, {failed} failed"])


def _prices(source: FilePrices, settings: Settings, now: datetime) -> Iterator[Listed]:
    """Each symbol with its file, then each file that is not, or not wholly, the one that a run reads."""
    files = source.prices.files()
    answers, listed = [], {}
    for symbol, (file, *_) in files.items():
        listed[symbol] = Listed(f"prices/{file.name}", symbol=symbol)
        try:
            answer = source.fetch_prices(symbol)
        except SourceError as error:
            listed[symbol] = replace(listed[symbol], problem=_said(error))
            continue
        answers.append(answer)
        listed[symbol] = _of_bars(listed[symbol], answer.layout, answer.bars)
    for symbol, judged in _judge(answers, settings, now).items():
        listed[symbol] = replace(listed[symbol], problem=judged.problem, notes=judged.notes)
    asked = {symbol for market in read_markets(settings.markets) for symbol in market.symbols()}
    for symbol in sorted(files, key=lambda symbol: (listed[symbol].file, symbol)):
        unasked = () if symbol in asked else (_say_unasked(files[symbol][0], symbol, asked),)
        yield replace(listed[symbol], notes=(*listed[symbol].notes, *unasked))
    yield from _other_files(source, files, asked)


def _say_unasked(file: Path, symbol: str, asked: Iterable[str]) -> str:
    spelt = next(spelled_like(file, asked), None) if symbol_of(file) == symbol else None
    other = f"; where it is {spelt}, name it prices/{spelt}.csv" if spelt else ""
    return f"a run does not ask for {symbol}: no configured market has it{other}"


def _other_files(source: FilePrices, files: Mapping[str, Sequence[Path]], asked: Iterable[str]) -> Iterator[Listed]:
    """Files that no symbol is read from, and those with symbols that are read from another; `files` by symbol.

    `asked`: the symbols of a run; a file may be another spelling of one.
    """
    symbols = tuple(dict.fromkeys((*asked, *files)))
    for entry in source.prices.entries():
        owned = [symbol for symbol, its in files.items() if entry in its]
        if not owned:
            stray = Listed(f"prices/{entry.name}", problem=source.prices.say_unread(entry, symbols))
            held = source.prices.tables_in(entry)
            yield _of_bars(stray, held.layout, held.days()) if isinstance(held, PriceFile) else stray
        elif notes := _elsewhere(entry, (*owned, *source.prices.symbols_in(entry)), files):
            yield Listed(f"prices/{entry.name}", notes=notes)


def _elsewhere(entry: Path, symbols: Iterable[str], files: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    """A note for each other file that has some of these symbols of a file."""
    others: dict[Path, list[str]] = {}
    for symbol in dict.fromkeys(symbols):
        if files[symbol][0] != entry:
            others.setdefault(files[symbol][0], []).append(symbol)
    return tuple(
        f"not read: prices/{file.name} {'is the file of' if symbol_of(file) else 'also holds'} {first_names(its)}"
        for file, its in others.items()
    )


@dataclass(frozen=True)
class Judgement:
    """What a first run would say of a symbol: why it would not take it, or notes."""

    problem: str | None
    notes: tuple[str, ...] = ()


def _judge(answers: Sequence[PriceAnswer], settings: Settings, now: datetime) -> dict[str, Judgement]:
    """The judgement on each symbol, all compared with each other and with an empty log."""
    if not answers:
        return {}
    markets = _markets_of([answer.symbol for answer in answers], settings)
    calendars = {symbol: market.calendar for market in markets for symbol in market.symbols()}
    sessions = build_sessions({calendars[answer.symbol] for answer in answers}, now.date())
    bars: dict[str, Bars] = {}
    wrong: dict[str, str] = {}
    for answer in answers:
        try:
            bars[answer.symbol] = read_symbol(markets, sessions, now, answer)
        except SourceError as error:
            wrong[answer.symbol] = _said(error)
    screened = screen_bars([its.rows for its in bars.values()], sessions, calendars)
    judged = judge_refusals(PriceBars, screened, settings.refused_share)
    kept, none = judged.screened.rows, PriceBars.create_empty()
    splits = screen_actions([read_actions(answer, now) for answer in answers if answer.symbol in bars]).rows
    unproven = [answer.symbol for answer in answers if "Adj Close" not in answer.bars.columns]
    doubts = doubt_series(kept, none, splits, markets, unproven)
    unsure = remark_unproven(kept, none, markets, [symbol for symbol in unproven if symbol not in doubts])
    wrong |= {
        symbol: f"{said}; next: if it is right, after a run r2k accept {quote(symbol)} --source files"
        for symbol, said in doubts.items()
    }
    wrong |= {symbol: judged.failures[its.origin] for symbol, its in bars.items() if its.origin in judged.failures}

    def notes(answer: PriceAnswer) -> Iterator[str]:
        if answer.symbol in bars:
            yield from bars[answer.symbol].remarks
            yield from say_missing_opens(kept.filter(symbol=answer.symbol))
            yield from _refusals(judged.screened, answer.origin)
        yield from filter(None, (unread_actions(answer), unsure.get(answer.symbol)))

    return {
        each.symbol: Judgement(wrong[each.symbol]) if each.symbol in wrong else Judgement(None, tuple(notes(each)))
        for each in answers
    }


def _markets_of(symbols: Iterable[str], settings: Settings) -> list[Market]:
    """Markets of the catalogue and the settings, and one for each symbol of none: an index of New York, or a future."""
    known = read_catalogue().markets | {market.market: market for market in read_markets(settings.markets)}
    listed = {symbol for market in known.values() for symbol in market.symbols()}
    others = [symbol for symbol in symbols if symbol not in listed]
    roles = [{"future" if symbol.endswith(UNADJUSTED) else "index": symbol} for symbol in others]
    usual = {"name": "-", "index": "-", "multiplier": 1}
    alone = ({"market": f"OTHER_{n}"} | usual | role for n, role in enumerate(roles))
    return [*known.values(), *map(Market.model_validate, alone)]


def _reports(source: FileReports, settings: Settings, now: datetime) -> Iterator[Listed]:
    for name in sorted(name for name in source.list_reports() if name != NO_REPORTS):
        listed = Listed(f"cot/{name}")
        try:
            report = read_report(source.fetch_report(name), now)
        except SourceError as error:
            yield replace(listed, problem=_said(error))
            continue
        types = ", ".join(report["report_type"].drop_nulls().unique().sort())
        listed = _spanning(replace(listed, taken_for=types), report.select(day=day_of("report_date"))["day"])
        judged = judge_refusals(CotReports, screen_reports([report]), settings.refused_share)
        problem = next(iter(judged.failures.values()), None)
        yield replace(listed, problem=problem, notes=() if problem else tuple(_refusals(judged.screened, None)))


def _of_bars(listed: Listed, layout: str, rows: pl.DataFrame) -> Listed:
    return _spanning(replace(listed, taken_for=layout), rows.select(day=day_of("Date"))["day"])


def _spanning(listed: Listed, days: pl.Series) -> Listed:
    first: Any = days.min()
    last: Any = days.max()
    return replace(listed, first=first, last=last, rows=len(days))


def _refusals(screened: Screened, origin: str | None) -> Iterator[str]:
    """A note on rows that a run would refuse."""
    refused = screened.refused if origin is None else screened.refused.filter(source=origin)
    for rule, count in refused["rule"].value_counts(sort=True).head(3).iter_rows():
        yield f"{count:,} row{'s' * (count > 1)} refused: {say_rules(rule)}"


def _said(error: SourceError) -> str:
    return f"{error.rule}; next: {error.remedy}"
