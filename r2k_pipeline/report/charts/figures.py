"""All figures of a lake at a moment: a review for each market, the markets side by side, what followed setups.

Belongs here: which figures there are, and why one is missing. Not here: what is in them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.report.charts.cross_market import build_cross_market
from r2k_pipeline.report.charts.figure import Figure
from r2k_pipeline.report.charts.known_rows import SESSIONS, Known, Moment, read_known, read_moments
from r2k_pipeline.report.charts.outcome_rows import read_outcomes
from r2k_pipeline.report.charts.outcomes import build_outcomes
from r2k_pipeline.report.charts.review import build_review
from r2k_pipeline.report.version import of_this_version
from r2k_pipeline.warehouse import open_warehouse


@dataclass(frozen=True)
class Figures:
    """Reviews in the order of the markets; `notes` say what is missing and why."""

    reviews: tuple[Figure, ...]
    cross_market: Figure | None
    outcomes: Figure | None
    notes: tuple[str, ...]


def read_figures(lake: Lake, as_of: datetime | None = None, markets: Sequence[str] | None = None) -> Figures:
    """The figures of all markets, or of `markets`, as known at `as_of` (default: the newest).

    Raises LakeError where a market is not known, or the warehouse is missing or of another version of r2k.
    """
    with open_warehouse(lake.warehouse) as connection, of_this_version(lake.warehouse):
        return _figures(connection, as_of, markets)


def _figures(connection: duckdb.DuckDBPyConnection, as_of: datetime | None, markets: Sequence[str] | None) -> Figures:
    listed = [name for (name,) in connection.sql("select market from marts.markets order by market").fetchall()]
    if unknown := sorted(set(markets or ()) - set(listed)):
        raise LakeError(f"no market {', '.join(unknown)}; next: one of {', '.join(listed)}")
    ((is_sample,),) = connection.sql("select is_sample from meta.generation").fetchall()
    moments = {moment.market: moment for moment in read_moments(connection, as_of)}
    asked = [market for market in listed if markets is None or market in markets]
    known = [read_known(connection, moments[market]) for market in asked if market in moments]
    unseen = "no finished session is known at this moment, so nothing is shown of it; next: r2k status"
    notes = [f"{market}: {unseen}" for market in asked if market not in moments]
    notes += [note for one in known for note in _missing(one)]
    drawn = [one for one in known if len(one.sessions)]
    cross_market = _cross_market(drawn, is_sample, notes)
    outcomes = _outcomes(connection, list(moments.values()), is_sample, notes)
    return Figures(tuple(build_review(one, is_sample) for one in drawn), cross_market, outcomes, tuple(notes))


def _missing(known: Known) -> Iterator[str]:
    """What a market's review lacks."""
    market, day = known.moment.market, known.moment.session_date
    if known.sessions.is_empty():
        yield f"{market}: no bar in staging.market_bars by {day}, no review; next: r2k run"
        return
    if known.vintages.is_empty():
        yield f"{market}: no COT report known by {day}, its review has no positions"
    if len(known.sessions) < SESSIONS:
        yield f"{market}: {len(known.sessions)} sessions of history by {day}, what needs more is not drawn"


def _cross_market(drawn: Sequence[Known], is_sample: bool, notes: list[str]) -> Figure | None:
    positioned = [known for known in drawn if len(known.vintages)]
    if len(positioned) > 1:
        return build_cross_market(positioned, is_sample)
    notes.append(f"cross-market: needs two markets with positions, there are {len(positioned)}")
    return None


def _outcomes(
    connection: duckdb.DuckDBPyConnection, moments: Sequence[Moment], is_sample: bool, notes: list[str]
) -> Figure | None:
    """What followed is known of the newest session alone: statistics of a generation hold all that it knows."""
    if any(not moment.is_newest for moment in moments):
        notes.append("outcomes: this generation knows what came later; next: r2k run --as-of for that moment")
        return None
    found = read_outcomes(connection)
    if len(found.events):
        return build_outcomes(found, is_sample)
    notes.append("outcomes: no setup has an event whose horizon has passed")
    return None
