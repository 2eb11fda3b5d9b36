"""Every unit of a column: its text is what readers see.

Belongs here: the units, and which of them are percentages. Not here: how a number is written in one (report/, claims/).
"""

from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """The unit of a column; what is counted is a unit too. A column with a closed list of values has that list."""

    TEXT = "text"
    FLAG = "flag"
    DAY = "day"
    INSTANT = "UTC instant"
    OF_CLAIM = "as `unit` says"

    POINTS = "index points"
    POINTS_PER_POINT = "index points per point of the contract's own index"
    ATR = "ATR"
    USD = "USD"
    USD_A_SHARE = "USD a share, or new shares per old"
    RATIO = "ratio, 1 = 100 %"
    PLAIN_RATIO = "ratio"
    RATIO_A_YEAR = "ratio a year, 1 = 100 %"
    SHARE_OI = "share of open interest, -1..1"
    CHANGE_OF_SHARE = "share of open interest, -2..2"
    PERCENT_OI = "percent of open interest"
    RANK = "0..100"
    RANK_DIFFERENCE = "percentile points, -100..100"
    COT_INDEX_POINTS = "points of the COT index, -100..100"
    STANDARD_DEVIATIONS = "standard deviations"
    PROBABILITY = "probability"
    SCORE = "prices and holds"

    CONTRACTS = "contracts"
    EQUIVALENTS = "today's contract equivalents"
    VOLUME = "shares or contracts"
    TRADERS = "traders"

    BREAKS = "breaks"
    CROSSES = "crosses"
    DAYS = "days"
    DRAWS = "draws"
    EVENTS = "events"
    FILES = "files"
    ISO_WEEK = "ISO week"
    MINUTES = "minutes"
    MONTH = "month"
    PIECES = "pieces of evidence"
    PLACE = "place"
    POSITION = "position"
    QUARTER = "quarter"
    REVISIONS = "revisions"
    ROWS = "rows"
    SENTENCES = "sentences"
    SESSIONS = "sessions"
    TOUCHES = "touches"
    VERSION = "version"
    WEEKS = "weeks"
    YEAR = "year"


RATIOS: Final = frozenset({Unit.RATIO, Unit.PLAIN_RATIO, Unit.RATIO_A_YEAR, Unit.SHARE_OI, Unit.CHANGE_OF_SHARE})
"""Units of which 1 is 100 %."""
HUNDREDTHS: Final = frozenset({Unit.RANK, Unit.RANK_DIFFERENCE, Unit.PERCENT_OI})
"""Units of which 1 is 1 %."""
