"""Judged claims: what notes say, how it was read, and whether the data bears it out.

Belongs here: what a verdict is, which tables claims are about. Not here: notes (notes/*.toml), how they are judged
(claims/).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts import cot, marts, prices
from r2k_pipeline.contracts.columns import choice, day, instant, number, text
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables import (
    TABLES,
    anchored_vwaps,
    consolidations,
    indicators,
    levels,
    profiles,
    weekly_indicators,
)
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.forms import Over

VERDICTS: Final = ("holds", "fails", "undetermined")
READABLE: Final[tuple[type[Table], ...]] = (
    prices.DailyPrices,
    cot.CotPositions,
    prices.MarketBars,
    indicators.DailyIndicators,
    indicators.MovingAverageCrosses,
    weekly_indicators.WeeklyIndicators,
    profiles.SwingPivots,
    profiles.VolumeProfiles,
    anchored_vwaps.AnchoredVwaps,
    consolidations.Consolidations,
    consolidations.OpenRanges,
    levels.LevelEvidence,
    levels.Levels,
    marts.WeeklyPositioning,
    marts.PositioningVsTechnicals,
    marts.CrossMarket,
    marts.Markets,
    marts.Sessions,
    marts.TraderGroups,
)
"""The tables that a claim may read, as they were known at its moment."""
BARE: Final[tuple[type[Table], ...]] = (prices.PriceVintages, marts.PositioningVintages, CotReleases)
"""Further tables for the macro data_ends, which cuts them itself."""
SOURCES: Final = Over(dict.fromkeys([*(TABLES[each.stands_of or each.dotted()] for each in READABLE), *BARE]))
"""The tables that those are made from."""
Judge = Callable[[datetime], Iterable[Mapping[str, Any]]]
"""A function from a moment to the verdicts on the notes by what was known then, as rows of Claims."""


class Claims(Table, layer="marts", may_change=True):
    """One reading of one claim of a note, judged on what was known at `known_at`; readings stand side by side."""

    note_id = text("the note: name of its file", key=True)
    claim_id = text("the claim within the note", key=True)
    alternative = text("which reading of the claim's words", key=True)
    claim = text("the claim, in our words")
    market = text("market id that the reading gives; null where it gives none", nullable=True)
    definition = text("the reading: what it takes the words to mean, its query or check, parameters and condition")
    verdict = choice(VERDICTS, "undetermined: no rows, a null, or a definition that could not be computed")
    story = text("in one line, the verdicts on the readings of the claim that were known at `known_at`")
    computed_value = number(Unit.OF_CLAIM, "the number found: `value` of the first row that decides", nullable=True)
    computed_text = text(
        "what was found in words: a day, a state, a number with its unit and day; how many other prices would pass",
        nullable=True,
    )
    value_date = day("session or report of the value; null where it is of no one day", nullable=True)
    unit = text("unit of what was computed")
    as_of = instant("the moment at which the claim was made: it is judged on what was known then")
    judged_until_at = instant("for a claim that looks ahead: the later moment it is judged at", nullable=True)
    known_at = instant("when this verdict could first be given: judged_until_at, else as_of")
    evidence = text("the rows behind the verdict, JSON", regex=r"^\[")
    reason = text("why it is undetermined; of any verdict: what windows to its moment lack", nullable=True)

    @dy.rule()
    def undetermined_says_why(cls) -> pl.Expr:  # noqa: N805
        return (pl.col("verdict") != "undetermined") | pl.col("reason").is_not_null()

    @dy.rule()
    def known_when_judged(cls) -> pl.Expr:  # noqa: N805
        return pl.col("known_at") == pl.coalesce("judged_until_at", "as_of")


@builds(Claims)
def claims(judge: Annotated[Judge, SOURCES], as_of: datetime) -> pl.DataFrame:
    """The verdicts that could be given by `as_of`, in the notes' order."""
    rows = [verdict for verdict in judge(as_of) if verdict["known_at"] <= as_of]
    schema = Claims.create_empty().schema
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
