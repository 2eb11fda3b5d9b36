"""Rows of figures: those of the warehouse as known at one market's last finished session.

Belongs here: which rows count, never what became known later. Not here: how they look.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.clock import rows_known_at
from r2k_pipeline.contracts.marts import PositioningVintages
from r2k_pipeline.snapshot import Snapshot

SESSIONS: Final = 260
"""How far back a review goes: a year and a little."""
PROFILE_WINDOW: Final = "rolling_250"
FLOWS: Final = ("new_longs", "short_covering", "long_liquidation", "new_shorts")


@dataclass(frozen=True)
class Moment:
    """The last finished session of a market that was known at the moment, and its close (UTC)."""

    market: str
    name: str
    session_date: date
    known_at: datetime
    symbol: str
    series: str
    is_inverse: bool


@dataclass(frozen=True)
class Known:
    """One market at one moment. Frames keep the columns of their tables; `sessions` and `vintages` run oldest first."""

    moment: Moment
    sessions: pl.DataFrame
    boxes: pl.DataFrame
    levels: pl.DataFrame
    profile: pl.DataFrame
    bins: pl.DataFrame
    vintages: pl.DataFrame


def read_moments(snapshot: Snapshot) -> list[Moment]:
    """Of each market that has a finished session, the last one; in the order of the markets."""
    rows = snapshot.ask(
        """
        select market, name, session_date, known_at, index_symbol, price_series, m.is_inverse
        from latest() as l
        inner join marts.markets as m using (market)
        order by place_of(market), market
        """
    ).fetchall()
    return [Moment(*row) for row in rows]


def read_known(snapshot: Snapshot, moment: Moment) -> Known:
    """Everything that a review of one market shows."""

    def read(query: str) -> pl.DataFrame:
        parameters: dict[str, Any] = {"market": moment.market, "day": moment.session_date, "at": moment.known_at}
        named = {name: value for name, value in parameters.items() if f"${name}" in query}
        rows: pl.DataFrame = snapshot.ask(query, **named).pl()
        return rows

    return Known(
        moment,
        read(_SESSIONS),
        read(_BOXES),
        read(_LEVELS),
        read(_PROFILE),
        read(_BINS),
        rows_known_at(PositioningVintages, read(_VINTAGES), moment.known_at),
    )


_BARS: Final = """
    select * from market_bars_as_of($at) where market = $market and session_date <= $day
"""
"""Bars as known at the moment."""

_SESSIONS: Final = f"""
select session_date, coalesce(calendar.close_at, bars.known_at) as at, open, high, low, bars.close,
    sma_50, sma_100, sma_200, rsi_14
from ({_BARS} order by session_date desc limit {SESSIONS}) as bars
left join (
    select market, session_date, sma_50, sma_100, sma_200, rsi_14
    from positioning_vs_technicals_as_of($at)
) using (market, session_date)
left join marts.markets as markets using (market)
left join marts.sessions as calendar using (calendar, session_date)
order by session_date
"""

_BOXES: Final = """
select start_date, first_confirmed_date, confirmed_date, end_date, low, high, sessions, parent_start_date
from consolidations_as_of($at)
where market = $market
qualify row_number() over (partition by start_date, first_confirmed_date order by confirmed_date desc) = 1
order by start_date, first_confirmed_date
"""

_LEVELS: Final = """
select level_id, price, low, high, kind, role, strength, touches, confirmed_date, distance_atr, evidence
from features.levels where market = $market and session_date = $day
order by price
"""

_PROFILE: Final = f"""
select start_date, session_date, poc, value_area_low, value_area_high, volume_symbol, method
from features.volume_profiles
where market = $market and session_date = $day and profile_window = '{PROFILE_WINDOW}' and poc is not null
"""

_BINS: Final = f"from profile_bins($market, '{PROFILE_WINDOW}', $at)"

_VINTAGES: Final = f"""
select trader_group, role, report_date, known_at, superseded_at, released_at, net_share_oi, net_percentile_156w,
    change_basis, {", ".join(f"{flow}_contracts" for flow in FLOWS)}
from marts.positioning_vintages
left join marts.trader_groups using (trader_group)
where market = $market
    and report_type = (select primary_report_type from marts.markets where market = $market)
order by known_at, report_date, trader_group
"""
