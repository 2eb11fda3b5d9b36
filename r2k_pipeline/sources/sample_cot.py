"""Synthetic COT reports of five futures: positions, traders and concentration that add up as the CFTC's do.

Belongs here: the positioning story and the numbers. Not here: the CFTC's file layouts (sample_cot_files.py).
The story is the note's: in March 2025 asset managers build Russell and S&P shorts and sell Nasdaq longs.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from r2k_pipeline.sources.release_calendar import report_dates
from r2k_pipeline.sources.sample_draws import Floats, draw_shocks, draw_uniforms

Counts = npt.NDArray[np.int64]

FIRST_YEAR, LAST_YEAR = 2020, 2025
PERSISTENCE, WEEKLY_NOISE = 0.97, 0.018
"""Share of a group's deviation from its usual share that is left after a week, and the noise a week adds (ratio)."""


@dataclass(frozen=True)
class Contract:
    """One future as the CFTC lists it, and its usual state.

    Shares are percent of open interest by dealer, asset manager, leveraged, other, nonreportable (spreads: the first
    four); traders are long, short, spread of the first four groups; concentration is percent held by the 4 largest
    longs, 4 largest shorts, 8 largest longs, 8 largest shorts.
    """

    code: str
    exchange: str
    commodity: str
    name: str
    units: str
    subgroup: str
    open_interest: int
    long_shares: tuple[float, ...]
    short_shares: tuple[float, ...]
    spread_shares: tuple[float, ...]
    traders: tuple[int, ...]
    concentration: tuple[float, ...]


@dataclass(frozen=True)
class CotHistory:
    """All reports of a contract, oldest first, one row each.

    `positions`, contracts: open interest; long, short, spread of dealer, asset manager, leveraged, other; long, short
    of all reportables; long, short of nonreportables. `changes`: the same against the report before. `traders`: total;
    the twelve cells; reportable long, short. `concentration`, percent: gross 4L 4S 8L 8S, net 4L 4S 8L 8S.
    """

    contract: Contract
    report_dates: list[date]
    positions: Counts
    changes: Counts
    traders: Counts
    concentration: Floats


_CME, _CBOT, _CFE = "CHICAGO MERCANTILE EXCHANGE", "CHICAGO BOARD OF TRADE", "CBOE FUTURES EXCHANGE"
CONTRACTS = (
    Contract(
        *("124603", "CBT ", "124 ", f"SAMPLE DJIA x $5 - {_CBOT}", "($5 X DJIA INDEX)", "F20", 85_000),
        *((37, 18, 21, 2, 16), (37, 13, 15, 13, 16), (2, 1, 3, 0.2)),
        *((12, 12, 7, 17, 9, 5, 19, 17, 10, 2, 5, 1), (39, 40, 51, 55)),
    ),
    Contract(
        *("13874A", "CME ", "138 ", f"SAMPLE E-MINI S&P 500 - {_CME}", "($50 X S&P 500 INDEX)", "F20", 2_200_000),
        *((11, 49, 8, 6, 12), (31, 16, 21, 8, 9), (2.5, 8.5, 3, 0.4)),
        *((29, 38, 23, 158, 71, 100, 66, 83, 57, 27, 24, 7), (13, 23, 20, 32)),
    ),
    Contract(
        *("209742", "CME ", "209 ", f"SAMPLE NASDAQ MINI - {_CME}", "(NASDAQ 100 STOCK INDEX X $20)", "F20", 260_000),
        *((19, 35, 18, 7, 15), (27, 16, 30, 6, 14), (2, 2.5, 2, 0.3)),
        *((25, 21, 10, 65, 34, 29, 42, 53, 25, 16, 20, 5), (20, 26, 32, 39)),
    ),
    Contract(
        *("239742", "CME ", "239 ", f"SAMPLE RUSSELL E-MINI - {_CME}", "(RUSSEL 2000 INDEX X $50)", "F20", 450_000),
        *((25, 39, 14, 4, 6), (20, 28, 28, 6, 5), (1.5, 8, 2.5, 0.2)),
        *((32, 17, 7, 90, 60, 43, 44, 72, 26, 10, 16, 4), (19, 25, 30, 35)),
    ),
    Contract(
        *("1170E1", "E   ", "117 ", f"SAMPLE VIX FUTURES - {_CFE}", "($1000 X INDEX)", "F90", 340_000),
        *((12, 21, 15, 3, 8), (7, 17, 25, 1, 9), (7, 13, 18, 3)),
        *((15, 13, 20, 19, 26, 24, 37, 44, 53, 10, 8, 16), (29, 21, 39, 33)),
    ),
)

_UNCHANGED = (("2020-01-07", 1.0),)
_BUILD_UP = (("2025-02-18", 1.0), ("2025-02-25", 1.03), ("2025-03-04", 1.08), ("2025-03-11", 1.18))
STORY: dict[tuple[str, str, int], tuple[tuple[str, float], ...]] = {
    # (code, side, group): factors on the usual share by date, straight lines between, the ends held
    ("239742", "short", 1): (*_BUILD_UP, ("2025-03-18", 1.26), ("2025-04-22", 1.22), ("2025-08-26", 1.0)),
    ("239742", "long", 1): (("2025-02-18", 1.0), ("2025-03-18", 0.9), ("2025-08-26", 1.0)),
    ("13874A", "short", 1): (*_BUILD_UP, ("2025-04-22", 1.25), ("2025-08-26", 1.0)),
    ("209742", "long", 1): (("2025-01-21", 1.0), ("2025-03-18", 0.84), ("2025-05-27", 0.84), ("2025-09-30", 1.0)),
}


def build_cot_history(contract: Contract) -> CotHistory:
    """All reports of FIRST_YEAR..LAST_YEAR; the one before them is drawn too, so that the first has its changes."""
    drawn = report_dates(date(LAST_YEAR, 12, 31))
    drawn = drawn[bisect_left(drawn, date(FIRST_YEAR, 1, 1)) - 1 :]
    positions, reports = _build_positions(contract, drawn), drawn[1:]
    traders, concentration = _build_traders(contract, len(reports)), _build_concentration(contract, len(reports))
    return CotHistory(contract, reports, positions[1:], np.diff(positions, axis=0), traders, concentration)


def _build_positions(contract: Contract, reports: list[date]) -> Counts:
    """Positions in CotHistory's order; nonreportables are what the reportables leave of open interest."""
    usual = contract.open_interest * _wander(contract, reports, "open interest", (1.0,))[:, 0]
    open_interest = np.rint(usual).astype(np.int64)
    spreads = np.rint(usual[:, None] * _wander(contract, reports, "spread", contract.spread_shares) / 100)
    spreads = spreads.astype(np.int64)
    outright = (open_interest - spreads.sum(axis=1))[:, None]
    longs, shorts = (
        _split(outright, _wander(contract, reports, side, shares))
        for side, shares in (("long", contract.long_shares), ("short", contract.short_shares))
    )
    cells = np.stack([longs[:, :4], shorts[:, :4], spreads], axis=2).reshape(len(reports), 12)
    reportable = open_interest[:, None] - np.column_stack([longs[:, 4], shorts[:, 4]])
    return np.column_stack([open_interest, cells, reportable, longs[:, 4], shorts[:, 4]])


def _wander(contract: Contract, reports: list[date], side: str, usual: tuple[float, ...]) -> Floats:
    """`usual` by report and group, times a mean-reverting factor (AR(1) around 1) and the story's factor."""
    noise = draw_shocks(f"{contract.code} {side}", len(reports), len(usual)) * WEEKLY_NOISE
    deviation = np.zeros_like(noise)
    for week in range(1, len(reports)):
        deviation[week] = PERSISTENCE * deviation[week - 1] + noise[week]
    shares = np.array(usual) * (1 + deviation)
    days = np.array(reports, dtype="datetime64[D]").astype(np.int64)
    for group in range(len(usual)):
        points = STORY.get((contract.code, side, group), _UNCHANGED)
        when = np.array([day for day, _ in points], dtype="datetime64[D]").astype(np.int64)
        shares[:, group] *= np.interp(days, when, [factor for _, factor in points])
    return shares


def _split(total: Counts, weights: Floats) -> Counts:
    """`total` of each row over the columns in proportion to `weights`; the last column takes what rounding leaves."""
    parts = np.rint(total * weights[:, :-1] / weights.sum(axis=1, keepdims=True)).astype(np.int64)
    return np.column_stack([parts, total[:, 0] - parts.sum(axis=1)])


def _build_traders(contract: Contract, reports: int) -> Counts:
    """Trader counts in CotHistory's order; a trader is counted in several cells but once in a total."""
    scale = 0.85 + 0.3 * draw_uniforms(f"{contract.code} traders", reports, 12)
    cells = np.rint(np.array(contract.traders) * scale).astype(np.int64)
    longs, shorts, spreads = cells[:, 0::3].sum(axis=1), cells[:, 1::3].sum(axis=1), cells[:, 2::3].sum(axis=1)
    sides = np.rint(0.85 * np.column_stack([longs + spreads, shorts + spreads])).astype(np.int64)
    return np.column_stack([np.rint(0.8 * sides.sum(axis=1)).astype(np.int64), cells, sides])


def _build_concentration(contract: Contract, reports: int) -> Floats:
    """Percent of open interest: gross, then net at 96 % of gross; the 8 largest always hold more than the 4 largest."""
    scale = 0.92 + 0.16 * draw_uniforms(f"{contract.code} concentration", reports, 2)
    gross = np.array(contract.concentration) * np.column_stack([scale, scale])
    return np.column_stack([gross, 0.96 * gross])
