"""Contracts of the marts: what analysts, SQL users and BI tools read.

Belongs here: positions in today's contracts, the point-in-time join, dimensions. Not here: how they are
computed (sql/marts/).
"""

from typing import Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import (
    additive,
    choice,
    count,
    day,
    dimension,
    equivalents,
    flag,
    instant,
    number,
    percentile,
    points,
    ratio,
    semi_additive,
    share_oi,
    text,
    usd,
)
from r2k_pipeline.contracts.cot import RELEASE_BASES, TRADER_GROUPS
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.market_classes import CLASSES, PRIMARY_REPORTS, ROLES, SERIES
from r2k_pipeline.report_types import REPORT_TYPES

FLOWS: Final = ("new_longs", "long_liquidation", "new_shorts", "short_covering")
NEAREST_BORN: Final = "birth of its founding evidence; the zone: features.levels, this role, nearness 1"
RANK_COLUMNS: Final = (
    *("cot_index_26w", "cot_index_52w", "cot_index_156w", "net_percentile_52w", "net_percentile_156w"),
    *("net_zscore_52w", "net_zscore_156w", "movement_index_6w"),
)
"""Columns that rank a week's net among others: null where that net is not known."""
POSITIONING_STATES: Final = ("extreme_short", "short", "neutral", "long", "extreme_long")

TRENDS: Final = ("up", "mixed", "down")
MOMENTA: Final = ("overbought", "rising", "falling", "oversold")
LOCATIONS: Final = ("at_support", "at_resistance", "between_levels", "in_zone", "open_space")
TECHNICAL_STATES: Final = (
    *("oversold_downtrend", "downtrend_at_support", "downtrend_rally", "downtrend", "no_trend"),
    *("uptrend", "uptrend_pullback", "uptrend_at_resistance", "overbought_uptrend"),
)
ALIGNMENTS: Final = ("flow_with_trend", "flow_against_trend", "flow_flat", "no_trend")
SETUPS: Final = (
    *("capitulation", "crowded_short_at_support", "squeeze_risk"),
    *("short_build_into_downtrend", "long_liquidation"),
    *("managers_low_in_downtrend", "managers_sell_funds_buy", "managers_buy_funds_sell", "managers_high_in_uptrend"),
    "none",
)
"""The values that rules in setups.toml may give."""
CROWDINGS: Final = ("crowded_long", "crowded_short", "none")
REVERSALS: Final = ("leaving_extreme_long", "leaving_extreme_short", "turned_long", "turned_short", "none")


class _WeeklyPositions(dy.Schema):
    market = text("market id", key=True)
    report_type = choice(REPORT_TYPES, "which report", key=True)
    report_date = day("as-of day of the positions", key=True)
    trader_group = choice(TRADER_GROUPS, "trader group of the report", key=True)
    contract_codes = text("the contracts summed, comma-separated")
    long_contracts = semi_additive(equivalents("long positions"))
    short_contracts = semi_additive(equivalents("short positions"))
    spreading_contracts = semi_additive(equivalents("positions both long and short"))
    net_contracts = semi_additive(equivalents("long less short, to a ten-thousandth", signed=True))
    open_interest_contracts = equivalents("open interest of the market")
    net_share_oi = share_oi("net / open interest")
    net_notional_usd = semi_additive(
        usd(
            "net x multiplier x close (1 / close if inverse) of the as-of day; null without is_notional_known",
        )
    )
    change_basis = text("null where weekly changes are whole; otherwise why they are null", nullable=True)
    long_contracts_change_1w = additive(equivalents("against the previous report", signed=True))
    short_contracts_change_1w = additive(equivalents("against the previous report", signed=True))
    net_contracts_change_1w = additive(equivalents("against the previous report", signed=True))
    open_interest_contracts_change_1w = equivalents("against the previous report", signed=True)
    net_share_oi_change_1w = number(Unit.CHANGE_OF_SHARE, "against the previous report", nullable=True)
    new_longs_contracts = additive(equivalents("longs added in the week"))
    long_liquidation_contracts = additive(equivalents("longs given up in the week"))
    new_shorts_contracts = additive(equivalents("shorts added in the week"))
    short_covering_contracts = additive(equivalents("shorts bought back in the week"))
    dominant_flow = choice(FLOWS, "the largest of the four flows; ties in this order", nullable=True)
    cot_index_26w = percentile("Briese: 100 (net - min) / (max - min) over 26 weeks, this one included")
    cot_index_52w = percentile("the same over 52 weeks")
    cot_index_156w = percentile("the same over 156 weeks")
    net_percentile_52w = percentile("percent of the weeks known of the last 52 with net at or below this week's")
    net_percentile_156w = percentile("the same over 156 weeks")
    net_zscore_52w = number(Unit.STANDARD_DEVIATIONS, "(net - mean) / sd over 52 weeks, ddof 1", nullable=True)
    net_zscore_156w = number(Unit.STANDARD_DEVIATIONS, "the same over 156 weeks", nullable=True)
    willco_26w = percentile("the COT index of net_share_oi over 26 weeks (Williams)")
    movement_index_6w = number(Unit.COT_INDEX_POINTS, "six-week change of cot_index_26w", nullable=True)
    net_weeks_156w = count(Unit.WEEKS, "weeks known of the last 156, this one included: ranks are among them")
    traders_long = count(Unit.TRADERS, "traders with long positions; null where suppressed or summed", nullable=True)
    traders_short = count(Unit.TRADERS, "traders with short positions; null where suppressed or summed", nullable=True)
    long_per_trader_contracts = equivalents("long_contracts / traders_long")
    short_per_trader_contracts = equivalents("short_contracts / traders_short")
    concentration_net_4_long_percent = number(
        Unit.PERCENT_OI, "net longs of the 4 largest traders of any group", nullable=True
    )
    concentration_net_4_short_percent = number(Unit.PERCENT_OI, "net shorts of the 4 largest", nullable=True)
    concentration_net_8_long_percent = number(Unit.PERCENT_OI, "net longs of the 8 largest", nullable=True)
    concentration_net_8_short_percent = number(Unit.PERCENT_OI, "net shorts of the 8 largest", nullable=True)
    positioning_state = choice(
        POSITIONING_STATES, "by net_percentile_156w and the limits in setups.toml: 10, 30, 70, 90", nullable=True
    )
    released_at = instant("when the report became public")
    release_basis = choice(RELEASE_BASES, "documented exception, rule, or estimate")

    @dy.rule()
    def ranked_where_known(cls) -> pl.Expr:  # noqa: N805
        is_ranked = pl.any_horizontal(pl.col(*RANK_COLUMNS, "positioning_state").is_not_null())
        return pl.col("net_contracts").is_not_null() | ~is_ranked

    @dy.rule()
    def flows_where_changes_are_known(cls) -> pl.Expr:  # noqa: N805
        longs = pl.any_horizontal(pl.col("new_longs_contracts", "long_liquidation_contracts").is_not_null())
        shorts = pl.any_horizontal(pl.col("new_shorts_contracts", "short_covering_contracts").is_not_null())
        are_longs = pl.col("long_contracts_change_1w").is_not_null() | ~longs
        return are_longs & (pl.col("short_contracts_change_1w").is_not_null() | ~shorts)


class WeeklyPositioning(_WeeklyPositions, Table, layer="marts", stands_of="marts.positioning_vintages"):
    """One trader group's positions in one market and report, in today's contract equivalents, and their week."""

    known_at = instant("when these values were known: released_at, or later where a revision changed them")


class PositioningVintages(_WeeklyPositions, Table, layer="marts"):
    """One vintage of a row of weekly positioning: what was known from `known_at` until `superseded_at`."""

    known_at = instant("when these values were known: released_at, or later where a revision changed them", key=True)
    superseded_at = instant("when a revision changed or removed them; null = they stand", nullable=True)


class Markets(Table, layer="marts"):
    """One market: the symbols that stand for it, if it has prices, its contract of today and its report."""

    market = text("market id", key=True)
    name = text("name of the market")
    index_symbol = text("vendor symbol of its prices; null: positions without technicals", nullable=True)
    proxy_symbol = text("ETF whose volume stands for the index's", nullable=True)
    future_symbol = text("vendor symbol of the future", nullable=True)
    calendar = text("exchange calendar of its sessions")
    contract_multiplier_usd = usd("USD per index point of today's contract, or its contract_units")
    contract_unit = text("what contract_multiplier_usd counts, e.g. index point, troy ounces")
    price_series = choice(SERIES, "what its prices are; null: positions without technicals", nullable=True)
    is_inverse = flag("its prices fall where the contract rises, as a yield does")
    is_notional_known = flag("whether a close (1 / close if is_inverse) is USD for one contract_unit")
    market_class = choice(CLASSES, "kind of what is traded")
    primary_report_type = choice(PRIMARY_REPORTS, "the report whose groups have the market's roles")
    contract_codes = text("COT contracts of the market, comma-separated", nullable=True)
    sort_order = dimension(count(Unit.POSITION, "order to show it in, as configured"))


class Sessions(Table, layer="marts", known_by="open_at", may_change=True):
    """One trading session, with calendar attributes for BI."""

    calendar = text("exchange calendar", key=True)
    session_date = day("exchange-local trading day", key=True)
    open_at = instant("opening bell")
    close_at = instant("closing bell; early on half-days")
    is_half_day = flag("closes early")
    year = dimension(count(Unit.YEAR, "calendar year"))
    quarter = dimension(count(Unit.QUARTER, "calendar quarter, 1..4"))
    month = dimension(count(Unit.MONTH, "calendar month, 1..12"))
    iso_week = dimension(count(Unit.ISO_WEEK, "ISO week of the year"))
    is_month_end = flag("last session of its month")


class TraderGroups(Table, layer="marts"):
    """One trader group of one or more report families and what it means."""

    trader_group = choice(TRADER_GROUPS, "as in the fact tables", key=True)
    report_family = choice(("tff", "disaggregated", "legacy", "tff and disaggregated", "all"), "reports that print it")
    label = text("name to show")
    meaning = text("who is in it, after the CFTC's explanatory notes")
    role = choice(ROLES, "who the group is in its report; null: other reportables, nonreportable", nullable=True)
    sort_order = dimension(count(Unit.POSITION, "order to show it in"))


def _newest_positions(group: str) -> dict[str, dy.Column]:
    """The columns of one group or role in the newest report: its net position, how it ranks, the week's flow."""
    columns: dict[str, dy.Column] = {
        "net_contracts": equivalents("long less short", signed=True),
        "net_share_oi": share_oi("net / open interest"),
        "net_percentile_156w": percentile("rank of net among the weeks known of the last 156"),
        "net_weeks_156w": count(Unit.WEEKS, "how many those weeks are; ranks from 141 on", nullable=True),
        "net_contracts_change_1w": equivalents("week's flow", signed=True),
        "long_contracts_change_1w": equivalents("of it, longs", signed=True),
        "short_contracts_change_1w": equivalents("of it, shorts", signed=True),
        "net_share_oi_change_1w": number(Unit.CHANGE_OF_SHARE, "change of net / open interest", nullable=True),
        "dominant_flow": choice(FLOWS, "largest of the four flows of the week", nullable=True),
        "positioning_state": choice(POSITIONING_STATES, "by percentile", nullable=True),
    }
    return {f"{group}_{name}": column for name, column in columns.items()}


class PositioningVsTechnicals(Table, layer="marts", grows=True):
    """One market and session: technicals, levels and positioning as they were known at that session's close."""

    market = text("market id", key=True)
    session_date = day("exchange-local trading day", key=True)
    known_at = instant(
        "the session's close (half-days too), when its price was final, or when a late session was recorded"
    )
    close = points("close of the index, or of what else marts.markets.price_series says")
    is_inverse = flag("the contract falls where this close rises: setups and alignment are of the contract's direction")
    return_1d = ratio("close to close; null where the session before is missing", nullable=True)
    rsi_14 = percentile("Wilder's RSI over 14 sessions")
    sma_20 = points("mean close of 20 sessions", nullable=True)
    sma_50 = points("mean close of 50 sessions", nullable=True)
    sma_100 = points("mean close of 100 sessions", nullable=True)
    sma_200 = points("mean close of 200 sessions", nullable=True)
    ema_20 = points("exponential mean of 20 sessions", nullable=True)
    macd = points("EMA 12 less EMA 26", nullable=True, positive=False)
    macd_signal = points("EMA 9 of macd", nullable=True, positive=False)
    macd_histogram = points("macd less its signal", nullable=True, positive=False)
    atr_14 = number(Unit.POINTS, "Wilder's average true range over 14 sessions", nullable=True, low=0)
    bollinger_upper = points("SMA 20 plus two population standard deviations", nullable=True)
    bollinger_lower = points("SMA 20 less two population standard deviations", nullable=True, positive=False)
    high_252d = points("highest high of 252 sessions", nullable=True)
    low_252d = points("lowest low of 252 sessions", nullable=True)
    realised_volatility_20d = number(Unit.RATIO_A_YEAR, "of log returns over 20 sessions", nullable=True, low=0)
    drawdown_ratio = ratio("close against its running high, 0 or negative", nullable=True)
    moving_average_order = text("SMA 50, 100, 200 from highest to lowest, e.g. 100>50>200", nullable=True)
    missing_sessions_252d = count(
        Unit.SESSIONS, "sessions of the exchange without a bar since the 252nd last bar: windows of sessions span them"
    )
    last_cross_date = day("session of the latest cross among SMA 50, 100, 200", nullable=True)
    last_cross = text("what crossed: fast x slow and direction, e.g. 50x200 down", nullable=True)
    support_price = points("price of the nearest support zone, which lies wholly below the close", nullable=True)
    support_distance_atr = number(Unit.ATR, "price less close, below 0", nullable=True)
    support_born_date = day(NEAREST_BORN, nullable=True)
    support_2_price = points("price of the next support zone", nullable=True)
    support_2_distance_atr = number(Unit.ATR, "price less close", nullable=True)
    resistance_price = points("price of the nearest resistance zone, which lies wholly above the close", nullable=True)
    resistance_distance_atr = number(Unit.ATR, "price less close, above 0", nullable=True)
    resistance_born_date = day(NEAREST_BORN, nullable=True)
    resistance_2_price = points("price of the next resistance zone", nullable=True)
    resistance_2_distance_atr = number(Unit.ATR, "price less close", nullable=True)
    around_price = points(
        "price of the zone that contains the close, which is neither support nor resistance", nullable=True
    )
    around_low = points("its lower edge, at or below the close", nullable=True)
    around_high = points("its upper edge, at or above the close", nullable=True)
    around_born_date = day(NEAREST_BORN, nullable=True)
    range_start_date = day("start of the innermost open consolidation range that holds the close", nullable=True)
    range_floor = points("its lower edge", nullable=True)
    range_ceiling = points("its upper edge", nullable=True)
    range_core_low = points("1st percentile of its closes", nullable=True)
    range_core_high = points("99th percentile of its closes", nullable=True)
    range_position_ratio = ratio("where in the range the close is, 0 floor, 1 ceiling", nullable=True)
    range_parent_start_date = day("start of the range around it: open, started before, holds both edges", nullable=True)
    poc_250 = points("point of control of the rolling 250 sessions", nullable=True)
    value_area_low_250 = points("lower edge of its value area", nullable=True)
    value_area_high_250 = points("upper edge of its value area", nullable=True)
    volume_symbol = text("whose volume the profile is made of", nullable=True)
    report_date = day("as-of day of the newest report of the market's primary type released by then", nullable=True)
    released_at = instant("when that report became public", nullable=True)
    report_age_days = count(Unit.DAYS, "session date less report date", nullable=True)
    open_interest_contracts = equivalents("open interest of the market in that report")
    locals().update(_newest_positions("leveraged_funds"))
    locals().update(_newest_positions("asset_manager"))
    institution_label = text("who the institution is in the market's primary report", nullable=True)
    locals().update(_newest_positions("institution"))
    speculator_label = text("who the speculator is in it", nullable=True)
    locals().update(_newest_positions("speculator"))
    trend = choice(TRENDS, "close above (below) SMA 50 and SMA 200, or neither", nullable=True)
    momentum = choice(MOMENTA, "RSI(14) beyond 30 or 70, else the sign of the MACD histogram", nullable=True)
    location = choice(
        LOCATIONS,
        "which levels are within half an ATR of the close; in_zone = none, but one is around it",
        nullable=True,
    )
    technical_state = choice(TECHNICAL_STATES, "of trend, momentum and location, by setups.toml", nullable=True)
    contract_trend = choice(TRENDS, "trend of the contract: the other way round if is_inverse", nullable=True)
    contract_momentum = choice(MOMENTA, "momentum of the contract: the other way round if is_inverse", nullable=True)
    alignment = choice(
        ALIGNMENTS,
        "the institution's week against contract_trend; flat below 1 % of OI; null if the report is older than 14 days",
        nullable=True,
    )
    setup = choice(
        SETUPS,
        "the first of setups.toml that holds; null where a need is not known or the report is older than 14 days",
        nullable=True,
    )
    setup_fact_1 = text("first of the three facts that made the setup, with its numbers", nullable=True)
    setup_fact_2 = text("second of them", nullable=True)
    setup_fact_3 = text("third of them", nullable=True)
    setups_held = text("every setup that holds, in the order of setups.toml; none; null as setup", nullable=True)

    @dy.rule()
    def setups_have_facts(cls) -> pl.Expr:  # noqa: N805
        facts = (pl.col(f"setup_fact_{number}").is_not_null() == pl.col("setup").is_not_null() for number in (1, 2, 3))
        return pl.all_horizontal(facts)

    @dy.rule()
    def levels_on_their_side(cls) -> pl.Expr:  # noqa: N805
        close = pl.col("close")
        around = close.is_between("around_low", "around_high")
        rules = (pl.col("support_price") < close, pl.col("resistance_price") > close, around)
        return pl.all_horizontal(rule.fill_null(value=True) for rule in rules)


class Movers(Table, layer="marts"):
    """One trader group's week in one market, as known from `known_at` until `superseded_at`: how unusual it is there.

    The macro movers(ts) has the newest week of every market.
    """

    market = text("market id", key=True)
    report_date = day("as-of day of the positions", key=True)
    trader_group = choice(TRADER_GROUPS, "a reportable group of the market's primary report", key=True)
    known_at = instant("when these values were known: the release, or later where a revision changed them", key=True)
    role = choice(ROLES, "who the group is in its report; null: other reportables", nullable=True)
    open_interest_contracts = equivalents("open interest of the market")
    net_contracts = equivalents("long less short", signed=True)
    net_share_oi = share_oi("net / open interest")
    net_contracts_change_1w = equivalents("week's flow", signed=True)
    flow_oi_ratio = ratio("week's flow / open interest", nullable=True)
    dominant_flow = choice(FLOWS, "largest of the four flows of the week", nullable=True)
    flow_place = count(
        Unit.PLACE, "of its flow by size among flow_weeks, 1 = the largest; null: no flow", nullable=True
    )
    flow_weeks = count(Unit.WEEKS, "weeks of this market with a flow, known then, this one included")
    flow_percentile = percentile("percent of those weeks with a flow of this size or smaller; from 47 weeks on")
    net_percentile_156w = percentile("rank of net among the weeks known of the last 156")
    positioning_state = choice(POSITIONING_STATES, "by net_percentile_156w", nullable=True)
    crowding = choice(CROWDINGS, "net long (short), and more so than in 9 of 10 weeks of three years", nullable=True)
    reversal = choice(
        REVERSALS,
        "a flow of 1 % of OI out of last week's extreme state, or net changed its sign",
        nullable=True,
    )
    setup = choice(SETUPS, "at the first close with this report; null without prices", nullable=True)
    setup_known_at = instant("that close", nullable=True)
    superseded_at = instant("when a revision changed or removed the row; null = it stands", nullable=True)


class CrossMarket(Table, layer="marts", grows=True):
    """One market against another at one session, as both were known at its close; differences are market less other."""

    market = text("market id", key=True)
    other_market = text("the market that it is held against", key=True)
    session_date = day("exchange-local trading day, a session of both", key=True)
    known_at = instant("when both rows of the mart were known")
    report_date = day("as-of day of the newest report of `market`", nullable=True)
    institution_percentile_difference = number(
        Unit.RANK_DIFFERENCE, "of net_percentile_156w, by primary reports", nullable=True
    )
    speculator_percentile_difference = number(
        Unit.RANK_DIFFERENCE, "of net_percentile_156w, by primary reports", nullable=True
    )
    institution_net_share_spread = number(Unit.CHANGE_OF_SHARE, "of net_share_oi, by primary reports", nullable=True)
    speculator_net_share_spread = number(Unit.CHANGE_OF_SHARE, "of net_share_oi, by primary reports", nullable=True)
    leveraged_funds_percentile_difference = number(Unit.RANK_DIFFERENCE, "of net_percentile_156w", nullable=True)
    asset_manager_percentile_difference = number(Unit.RANK_DIFFERENCE, "of net_percentile_156w", nullable=True)
    leveraged_funds_net_share_spread = number(Unit.CHANGE_OF_SHARE, "of net_share_oi", nullable=True)
    asset_manager_net_share_spread = number(Unit.CHANGE_OF_SHARE, "of net_share_oi", nullable=True)
    relative_strength_20d_ratio = ratio("(1 + return over 20 common sessions) / (1 + the other's) - 1", nullable=True)
    relative_strength_60d_ratio = ratio("the same over 60", nullable=True)
