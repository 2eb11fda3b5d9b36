"""setups.toml: what each rule says, on rows that are about it, and what a mistake in the file is answered with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from dataframely.exc import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.transforms.setups import NAMED, SETUPS_FILE, read_setups
from tests.sql.rows import no_rows, rows_of

SETUPS = read_setups()
STATES = tuple(SETUPS.states)
INPUTS = [name for name in PositioningVsTechnicals.column_names() if name not in (*STATES, *NAMED)]
CALM = {
    **{"close": 2000.0, "sma_20": 2010.0, "sma_50": 1950.0, "sma_200": 1900.0, "rsi_14": 50.0, "macd_histogram": -1.0},
    **{"atr_14": 30.0, "drawdown_ratio": -0.02, "open_interest_contracts": 400_000.0},
    **{"support_distance_atr": -2.0, "resistance_distance_atr": 2.0, "support_price": 1940.0},
    "support_born_date": "2024-08-05",
    **{"institution_label": "asset managers", "speculator_label": "leveraged funds"},
    **{"speculator_net_percentile_156w": 50.0, "speculator_net_contracts": -10_000.0},
    **{"institution_net_percentile_156w": 50.0, "institution_net_contracts": 50_000.0, "report_age_days": 3},
    **{"speculator_net_weeks_156w": 145, "institution_net_weeks_156w": 145},
    **{"institution_net_contracts_change_1w": 0.0, "speculator_net_contracts_change_1w": 0.0},
    **{"institution_net_share_oi": 0.125, "return_1d": 0.001},
    **{"institution_long_contracts_change_1w": 0.0, "institution_short_contracts_change_1w": 0.0},
}
"""An uptrend in which nothing happens."""
DOWN = {"sma_50": 2100.0, "sma_200": 2200.0}
NEW_SHORTS = {"institution_dominant_flow": "new_shorts", "institution_short_contracts_change_1w": 4_000.0}
LIQUIDATION = {"institution_dominant_flow": "long_liquidation", "institution_long_contracts_change_1w": -4_000.0}
CROWDED = {"speculator_net_percentile_156w": 10.0}
RISING_TO_RESISTANCE = {"macd_histogram": 1.0, "resistance_distance_atr": 0.5}
IN_ZONE = {"around_price": 2001.0, "around_low": 1999.0, "around_high": 2003.0, "around_born_date": "2024-06-17"}
NO_LEVEL = {"support_distance_atr": None, "resistance_distance_atr": None}
SELL = {"institution_net_contracts_change_1w": -8_000.0, "speculator_net_contracts_change_1w": 8_000.0}
BUY = {name: -change for name, change in SELL.items()}
LOW, HIGH = {"institution_net_percentile_156w": 10.0}, {"institution_net_percentile_156w": 90.0}
CAPITULATION = {
    **{**DOWN, "rsi_14": 30.0, "drawdown_ratio": -0.1},
    **{"institution_net_contracts_change_1w": -8_000.0, "institution_long_contracts_change_1w": -1.0},
}


def all_named(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """States, setup and facts of rows that are CALM but for what they say."""
    days = [date(2000, 1, 1) + timedelta(days=n) for n in range(len(rows))]
    dated = [{"market": "RUT", "session_date": day, "known_at": f"{day}T23:00Z"} for day in days]
    joined = rows_of(PositioningVsTechnicals, [{**key, **CALM, **row} for key, row in zip(dated, rows, strict=True)])
    connection = planned()
    connection.register("given", joined.select(INPUTS).to_arrow())
    found = connection.execute("delete from joined; insert into joined from given; execute rules")
    names = [name for name, *_ in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@cache
def planned() -> duckdb.DuckDBPyConnection:
    """The rules over a table `joined`, planned once for all tests: that takes far longer than a few rows."""
    connection = duckdb.connect()
    connection.register("nothing", no_rows(PositioningVsTechnicals).select(INPUTS).to_arrow())
    connection.execute("create table joined as from nothing")
    connection.execute(f"prepare rules as from ({SETUPS.query()}) order by session_date")
    return connection


def named(**values: object) -> dict[str, object]:
    """The same of one row."""
    (found,) = all_named([values])
    return found


@pytest.mark.parametrize(
    ("values", "setup"),
    [
        ({}, "none"),
        (CAPITULATION, "capitulation"),
        ({**CAPITULATION, "rsi_14": 30.1}, "none"),
        ({**CAPITULATION, "drawdown_ratio": -0.099}, "none"),
        ({**CAPITULATION, "institution_net_contracts_change_1w": -7_999.0}, "none"),
        ({**CAPITULATION, "institution_long_contracts_change_1w": 0.0}, "none"),
        ({**CROWDED, "support_distance_atr": -0.5}, "crowded_short_at_support"),
        ({**CROWDED, "support_distance_atr": -0.01}, "crowded_short_at_support"),
        ({**CROWDED, "support_distance_atr": -0.51}, "none"),
        ({**CROWDED, **IN_ZONE}, "none"),
        ({**CROWDED, "support_distance_atr": -0.5, "resistance_distance_atr": 0.1}, "crowded_short_at_support"),
        ({**CROWDED, "support_distance_atr": None}, "none"),
        ({**CROWDED, "support_distance_atr": -0.5, "speculator_net_contracts": 1.0}, "none"),
        ({**CROWDED, "sma_20": 1990.0, "macd_histogram": 1.0}, "squeeze_risk"),
        ({**CROWDED, "sma_20": 1990.0, "macd_histogram": 1.0, "speculator_net_contracts": 1.0}, "none"),
        ({**CROWDED, "sma_20": 1990.0, "macd_histogram": 1.0, "speculator_net_percentile_156w": 10.1}, "none"),
        ({**DOWN, **NEW_SHORTS}, "short_build_into_downtrend"),
        (NEW_SHORTS, "none"),
        ({**DOWN, **NEW_SHORTS, "institution_short_contracts_change_1w": 3_999.0}, "none"),
        (LIQUIDATION, "long_liquidation"),
        ({**LIQUIDATION, "institution_long_contracts_change_1w": -3_999.0}, "none"),
        ({**CAPITULATION, **LIQUIDATION}, "capitulation"),
        ({**DOWN, **LOW}, "managers_low_in_downtrend"),
        ({**DOWN, **LOW, "institution_net_contracts": -1.0}, "managers_low_in_downtrend"),
        ({**DOWN, "institution_net_percentile_156w": 10.1}, "none"),
        (LOW, "none"),
        (HIGH, "managers_high_in_uptrend"),
        ({"institution_net_percentile_156w": 89.9}, "none"),
        ({**HIGH, "institution_net_contracts": 0.0}, "none"),
        ({**HIGH, **DOWN}, "none"),
        (SELL, "managers_sell_funds_buy"),
        ({**SELL, "institution_net_contracts_change_1w": -7_999.0}, "none"),
        ({**SELL, "speculator_net_contracts_change_1w": 7_999.0}, "none"),
        (BUY, "managers_buy_funds_sell"),
        ({**BUY, "institution_net_contracts_change_1w": 7_999.0}, "none"),
        ({**BUY, "speculator_net_contracts_change_1w": -7_999.0}, "none"),
        ({**SELL, "speculator_net_contracts_change_1w": None}, None),
        ({"speculator_net_percentile_156w": None}, None),
        ({"institution_net_contracts_change_1w": None, **LIQUIDATION}, None),
        ({"sma_200": None}, None),
        ({"institution_net_percentile_156w": None, **LIQUIDATION}, None),
        ({**LIQUIDATION, "report_age_days": 14}, "long_liquidation"),
        ({**LIQUIDATION, "report_age_days": 15}, None),
        ({"report_age_days": 15}, None),
        ({"report_age_days": None}, None),
    ],
)
def test_a_setup_holds_at_its_limits_and_not_beyond(values: dict[str, object], setup: str | None) -> None:
    found = named(**values)
    assert found["setup"] == setup
    assert [found[f"setup_fact_{n}"] is None for n in (1, 2, 3)] == [setup is None] * 3


PRICES = ("close", "sma_20", "sma_50", "sma_200")
POSITIONS = (LIQUIDATION, NEW_SHORTS, CROWDED, LOW, HIGH, SELL, BUY, {})
UNDEFINED = {"capitulation"}
"""Of an inverse series the contract's distance from its high is not known."""


def mirrored(row: dict[str, object]) -> dict[str, object]:
    """The same positions beside an inverse series, in which what rose falls by as much."""
    seen: dict[str, Any] = {**CALM, **row}
    turned = {name: 4000.0 - seen[name] for name in PRICES} | {"rsi_14": 100.0 - seen["rsi_14"]}
    turned |= {name: -seen[name] for name in ("macd_histogram", "return_1d")}
    below, above = seen["support_distance_atr"], seen["resistance_distance_atr"]
    turned["support_distance_atr"] = None if above is None else -above
    turned["resistance_distance_atr"] = None if below is None else -below
    of_resistance = {"resistance_price": 4000.0 - seen["support_price"], "resistance_born_date": "2024-08-05"}
    return {**row, **turned, **of_resistance, "is_inverse": True}


ROWS: Final = st.fixed_dictionaries(
    {
        "positions": st.sampled_from(POSITIONS),
        **{name: st.floats(1800, 2200) for name in ("sma_20", "sma_50", "sma_200")},
        "rsi_14": st.sampled_from([20.0, 30.0, 45.0, 70.0, 80.0]),
        "macd_histogram": st.sampled_from([-2.0, -0.5, 0.5, 2.0]),
        "support_distance_atr": st.sampled_from([None, -0.1, -0.5, -0.7]),
        "resistance_distance_atr": st.sampled_from([None, 0.2, 0.5, 0.9]),
        "institution_net_contracts_change_1w": st.sampled_from([-9_000.0, -1_000.0, 1_000.0, 9_000.0]),
        "drawdown_ratio": st.sampled_from([-0.2, 0.0]),
    }
).map(lambda drawn: {**{name: value for name, value in drawn.items() if name != "positions"}, **drawn["positions"]})


@given(st.lists(ROWS, min_size=40, max_size=80))
@settings(max_examples=4, deadline=None)
def test_an_inverse_series_gives_the_setups_of_its_mirror(rows: list[dict[str, object]]) -> None:
    """Trend and momentum turn round with the series; what is said of the contract and its positions stays."""
    for straight, turned in zip(all_named(rows), all_named([mirrored(row) for row in rows]), strict=True):
        names = [set(str(found["setups_held"]).split(", ")) - UNDEFINED - {"none"} for found in (straight, turned)]
        assert names[0] == names[1]
        for name in ("contract_trend", "contract_momentum", "alignment"):
            assert straight[name] == turned[name]
        assert (straight["trend"], straight["momentum"]) == (straight["contract_trend"], straight["contract_momentum"])
        assert {straight["trend"], turned["trend"]} in ({"up", "down"}, {"mixed"})


def test_facts_of_an_inverse_series_are_in_its_own_words() -> None:
    found = named(**mirrored({**CROWDED, "support_distance_atr": -0.5, "sma_20": 1990.0, "macd_histogram": 1.0}))
    assert found["setups_held"] == "crowded_short_at_support, squeeze_risk"
    assert found["setup_fact_2"] == "resistance 2060.00, 0.50 ATR above the close 2000.00, inverse to the contract"
    assert found["setup_fact_3"] == "the resistance dates from 2024-08-05"
    down = named(**mirrored({**DOWN, **NEW_SHORTS}))
    assert down["setup"] == "short_build_into_downtrend"
    assert down["setup_fact_3"] == "close 2000.00, inverse to the contract, above SMA 50 1900.00 and SMA 200 1800.00"


@pytest.mark.parametrize("facts", [{}, {"setup": "none", "setup_fact_1": "a", "setup_fact_3": "c"}])
def test_a_setup_without_its_facts_breaks_the_contract(facts: dict[str, str]) -> None:
    row = {"market": "RUT", "session_date": "2025-03-14", "known_at": "2025-03-14T20:00Z", "setup": "none", **facts}
    with pytest.raises(ValidationError, match="setups_have_facts"):
        rows_of(PositioningVsTechnicals, [row])


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({}, "none"),
        (CAPITULATION, "capitulation"),
        ({**CAPITULATION, **LIQUIDATION}, "capitulation, long_liquidation"),
        ({**CROWDED, **LIQUIDATION, "support_distance_atr": -0.1}, "crowded_short_at_support, long_liquidation"),
        (
            {**DOWN, **LOW, **SELL, **LIQUIDATION},
            "long_liquidation, managers_low_in_downtrend, managers_sell_funds_buy",
        ),
        ({**CAPITULATION, "report_age_days": 15}, None),
    ],
)
def test_every_setup_that_holds_is_told(values: dict[str, object], held: str | None) -> None:
    assert named(**values)["setups_held"] == held


def test_facts_carry_the_numbers() -> None:
    found = named(**DOWN, **NEW_SHORTS, institution_long_contracts_change_1w=-6530.0)
    assert [found[f"setup_fact_{n}"] for n in (1, 2, 3)] == [
        "asset managers short +4,000, +1.0 % of open interest",
        "asset managers long -6,530: new shorts lead",
        "close 2000.00 below SMA 50 2100.00 and SMA 200 2200.00",
    ]


def test_a_flow_is_told_in_contracts_and_of_open_interest_alike() -> None:
    """Open interest that shrinks, as it does when contracts are rolled, moves the net share against the flow."""
    found = named(institution_net_contracts_change_1w=6_000.0, institution_net_share_oi_change_1w=-0.06)
    assert found["setup_fact_3"] == "asset managers net +6,000 in the week, +1.5 % of open interest"
    assert found["alignment"] == "flow_with_trend"


def test_a_support_is_told_below_the_close() -> None:
    found = named(**CROWDED, support_distance_atr=-0.1449, support_price=1995.65)
    assert found["setup_fact_1"] == "leveraged funds net -10,000, percentile 10 of 145 weeks"
    assert found["setup_fact_2"] == "support 1995.65, 0.14 ATR below the close 2000.00"


@pytest.mark.parametrize(
    "prices",
    [
        {"support_price": 2000.0},
        {"resistance_price": 1999.0},
        {**IN_ZONE, "around_high": 1999.5},
        {"support_price": 2001},
    ],
)
def test_no_support_above_the_close_and_no_resistance_below_it(prices: dict[str, object]) -> None:
    row = {"market": "RUT", "session_date": "2025-03-14", "known_at": "2025-03-14T20:00Z", **CALM, **prices}
    with pytest.raises(ValidationError, match="levels_on_their_side"):
        rows_of(PositioningVsTechnicals, [row])


@pytest.mark.parametrize(("age", "alignment"), [(14, "flow_with_trend"), (15, None), (None, None)])
def test_a_flow_is_not_held_against_a_trend_that_is_weeks_younger(age: int | None, alignment: str | None) -> None:
    found = named(report_age_days=age, institution_net_contracts_change_1w=8_000.0)
    assert (found["alignment"], found["technical_state"]) == (alignment, "uptrend_pullback")


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ({}, ("up", "falling", "open_space", "uptrend_pullback")),
        (RISING_TO_RESISTANCE, ("up", "rising", "at_resistance", "uptrend_at_resistance")),
        ({"rsi_14": 70.0}, ("up", "overbought", "open_space", "overbought_uptrend")),
        ({**DOWN, "support_distance_atr": -0.1}, ("down", "falling", "at_support", "downtrend_at_support")),
        (IN_ZONE, ("up", "falling", "in_zone", "uptrend_pullback")),
        ({**IN_ZONE, "support_distance_atr": -0.5}, ("up", "falling", "at_support", "uptrend_pullback")),
        ({**DOWN, "macd_histogram": 1.0}, ("down", "rising", "open_space", "downtrend_rally")),
        ({**DOWN, "macd_histogram": 1.0, "return_1d": -0.0099}, ("down", "rising", "open_space", "downtrend_rally")),
        ({**DOWN, "macd_histogram": 1.0, "return_1d": -0.01}, ("down", "rising", "open_space", "downtrend")),
        ({**DOWN, "macd_histogram": 1.0, "return_1d": None}, ("down", "rising", "open_space", "downtrend_rally")),
        ({"return_1d": 0.0099}, ("up", "falling", "open_space", "uptrend_pullback")),
        ({"return_1d": 0.01}, ("up", "falling", "open_space", "uptrend")),
        ({"sma_50": 2001.0}, ("mixed", "falling", "open_space", "no_trend")),
        ({"rsi_14": None}, ("up", None, "open_space", None)),
        (NO_LEVEL, ("up", "falling", "open_space", "uptrend_pullback")),
    ],
)  # fmt: skip
def test_technical_state_is_of_trend_momentum_and_location(values: dict[str, object], states: tuple[str, ...]) -> None:
    found = named(**values)
    assert tuple(found[name] for name in ("trend", "momentum", "location", "technical_state")) == states


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.5, 0.5), st.sampled_from([{}, DOWN, {"sma_50": 2001.0}]))
def test_alignment_is_flow_against_trend(flow: float, trend: dict[str, object]) -> None:
    found = named(**trend, institution_net_contracts_change_1w=flow * 400_000)
    sign = {"up": 1, "down": -1, "mixed": 0}[str(found["trend"])] * flow
    expected = "no_trend" if found["trend"] == "mixed" else "flow_flat" if abs(flow * 400_000) < 4_000 else None
    assert found["alignment"] == (expected or ("flow_with_trend" if sign > 0 else "flow_against_trend"))


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def replace(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return replace


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_replaced("close > sma_50", "close > sma_51"), r"states.trend: no column 'sma_51'; allowed: .*sma_50"),
        (_replaced('name = "oversold",', 'name = "low",'), "states.momentum: 'low' is not one of overbought, rising"),
        (_replaced("[setups.capitulation]", "[setups.panic]"), "setups: 'panic' is not one of capitulation, crowded"),
        (_replaced("oversold_rsi = 30", 'oversold_rsi = "low"'), r"thresholds.oversold_rsi = 'low': .*number"),
        (_replaced("long = 70", "long = 20"), "positioning_limits.*must ascend"),
        (_replaced("macd_histogram > 0", "macd_histogram >"), "states.momentum: .* is not SQL"),
        (_replaced("report_age_days <= ", "report_age <= "), "states.alignment: no column 'report_age'"),
        (_replaced("macd_histogram > 0", "(select true)"), "states.momentum: .* one expression, no query"),
        (_replaced("draws = ", "drawings = "), "outcomes.draws"),
        (_replaced("[thresholds]", "[thresholds"), "not readable as TOML"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_is_allowed(
    tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    file = tmp_path / "setups.toml"
    file.write_text(change(SETUPS_FILE.read_text("utf-8")), "utf-8")
    with pytest.raises(MistakesError, match=f"(?s)setups.toml: .*{said}"):
        read_setups(file)
