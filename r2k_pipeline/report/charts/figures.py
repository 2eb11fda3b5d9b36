"""All figures of a lake at a moment: a review for each market, the markets side by side, what followed setups.

Belongs here: which figures there are, and why one is missing. Not here: what is in them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from r2k_pipeline.errors import R2kError
from r2k_pipeline.folders import run_of
from r2k_pipeline.report.charts.cross_market import build_cross_market
from r2k_pipeline.report.charts.figure import Figure
from r2k_pipeline.report.charts.known_rows import SESSIONS, Known, read_known, read_moments
from r2k_pipeline.report.charts.outcome_rows import read_outcomes
from r2k_pipeline.report.charts.outcomes import build_outcomes
from r2k_pipeline.report.charts.review import build_review
from r2k_pipeline.snapshot import Snapshot

_PRICED: Final = "select market from marts.markets where index_symbol is not null order by sort_order, market"
"""Markets without prices have no sessions, so no figures."""
_UNSEEN: Final = "no finished session is known at this moment, so nothing is shown of it; next: r2k status"


@dataclass(frozen=True)
class Figures:
    """Reviews in the order of the markets; `notes` say what is missing and why."""

    reviews: tuple[Figure, ...]
    cross_market: Figure | None
    outcomes: Figure | None
    notes: tuple[str, ...]


def read_figures(snapshot: Snapshot, markets: Sequence[str] | None = None) -> Figures:
    """The figures of all markets, or of `markets`. Raises R2kError where a market is not known."""
    asked, is_sample = _asked(snapshot, markets), snapshot.generation["is_sample"]
    moments = {moment.market: moment for moment in read_moments(snapshot)}
    known = [read_known(snapshot, moments[market]) for market in asked if market in moments]
    notes = [f"{market}: {_UNSEEN}" for market in asked if market not in moments]
    notes += [note for one in known for note in _missing(one, run_of(snapshot.generation["source"]))]
    drawn = [one for one in known if len(one.sessions)]
    reviews = tuple(build_review(one, is_sample) for one in drawn)

    cross_market = outcomes = None
    positioned = [one for one in drawn if len(one.vintages)]
    if len(positioned) > 1:
        cross_market = build_cross_market(positioned, is_sample)
    else:
        notes.append(f"cross-market: needs two markets with prices and positions, found {len(positioned)}")

    happened = read_outcomes(snapshot)
    if len(happened.events):
        outcomes = build_outcomes(happened, is_sample)
    else:
        notes.append("outcomes: no setup has an event whose horizon has passed")
    return Figures(reviews, cross_market, outcomes, tuple(notes))


def _asked(snapshot: Snapshot, markets: Sequence[str] | None) -> list[str]:
    """The markets with prices, all or those of `markets`, in their order. Raises R2kError where one is not known."""
    listed = [name for (name,) in snapshot.ask(_PRICED).fetchall()]
    if markets is None:
        return listed
    if unknown := sorted(set(markets) - set(listed)):
        raise R2kError(f"no market {', '.join(unknown)}", next=f"one of {', '.join(listed)}")
    return [market for market in listed if market in markets]


def _missing(known: Known, run: str) -> Iterator[str]:
    """Notes on missing parts of a market's review; the site shows them, so `run` names no folder."""
    market, day = known.moment.market, known.moment.session_date
    if known.sessions.is_empty():
        yield f"{market}: no bar in staging.market_bars by {day}, no review; next: {run}"
        return
    if known.vintages.is_empty():
        yield f"{market}: no COT report known by {day}, its review has no positions"
    if len(known.sessions) < SESSIONS:
        yield f"{market}: {len(known.sessions)} sessions of history by {day}, what needs more is not drawn"
