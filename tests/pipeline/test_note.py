"""The shipped note of March 2025, judged on the real vendor files: every verdict, and the numbers behind them."""

import json
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from r2k_pipeline.claims.known_views import SOURCES
from r2k_pipeline.claims.note import SHIPPED, read_note
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.claims.verdicts import judge_notes
from r2k_pipeline.tables.claims import Claims, claims
from tests.lakes import Published
from tests.pipeline.command_line import r2k

NOTE = SHIPPED / "russell_2000_2025_03.toml"
VERDICTS = {
    "P1": {"asset_manager": "holds", "leveraged_funds": "fails", "dealer": "fails",
           "legacy_noncommercial": "undetermined", "legacy_noncommercial_direction": "holds",
           "asset_manager_confidence": "holds", "leveraged_funds_confidence": "fails"},
    "P2": {"asset_manager_state": "holds", "leveraged_funds_state": "fails", "asset_manager_direction": "holds",
           "asset_manager_neutral_level": "fails", "legacy_noncommercial_direction": "fails",
           "asset_manager_mixed_flows": "fails", "leveraged_funds_mixed_flows": "fails",
           "mixed_across_groups": "holds"},
    "P3": {"asset_manager": "holds", "leveraged_funds": "fails", "legacy_noncommercial": "holds",
           "asset_manager_slower": "fails", "legacy_noncommercial_slower": "holds",
           "asset_manager_dominant": "holds", "legacy_noncommercial_dominant": "fails"},
    "T1": {"percentile_band": "holds", "consolidation": "holds", "end": "holds"},
    "T2": {"all_time_high": "holds", "consolidation": "fails"},
    "T3": {"last_month": "holds", "last_quarter": "fails", "last_year": "fails", "average_cross": "holds"},
    "T4": {"anchored_2024_12_13": "holds", "anchored_2024_07_09": "fails", "anchored_2023_12_13": "fails",
           "rolling_250": "fails",
           "above_2284_since_2024_12_13": "fails", "above_2284_since_2024_07_09": "fails",
           "above_2284_since_2023_12_13": "fails", "above_close_since_2024_12_13": "holds",
           "above_close_since_2024_07_09": "holds", "above_close_since_2023_12_13": "holds"},
    "T5": {"touched": "holds", "low_of_the_decline": "fails"},
    "T6": {"session_lows": "holds", "level": "holds", "level_of_a_swing": "holds"},
    "T7": {"session_lows": "holds", "level": "holds", "level_of_a_swing": "holds"},
    "T8": {"session_highs": "holds", "level": "holds", "level_of_a_swing": "holds"},
    "T9": {"closes": "fails", "price_of_the_day": "holds", "oversold_at_friday_close": "fails",
           "oversold_at_thursday_close": "holds"},
    "T10": {"order": "fails", "crossed_that_day": "fails", "cross_50x200": "fails", "ema_order": "fails"},
    "O1": {"support": "holds", "support_in_two_weeks": "fails", "floor": "holds", "floor_in_two_weeks": "fails"},
    "O2": {"below_the_average": "holds", "unconditional": "holds"},
}  # fmt: skip
AT_THE_OPEN = {
    "P1": {"asset_manager": "fails", "leveraged_funds": "fails", "dealer": "fails", "legacy_noncommercial": "fails",
           "legacy_noncommercial_direction": "fails", "asset_manager_confidence": "holds",
           "leveraged_funds_confidence": "fails"},
    "P2": {**VERDICTS["P2"], "asset_manager_direction": "fails", "asset_manager_mixed_flows": "holds",
           "leveraged_funds_mixed_flows": "holds"},
    "P3": VERDICTS["P3"],
}  # fmt: skip
"""Before that day's release: the note names no hour."""


def _claim(published: Published, claim: str, alternative: str) -> tuple[Any, Any, list[dict[str, Any]]]:
    """computed_value, computed_text and the evidence of one reading."""
    ((value, text, evidence),) = published.query(
        "select computed_value, computed_text, evidence from marts.claims "
        f"where note_id = '{NOTE.stem}' and claim_id = '{claim}' and alternative = '{alternative}'"
    )
    return value, text, json.loads(evidence)


def test_every_verdict(from_real: Published) -> None:
    found = from_real.query("select claim_id, alternative, verdict from marts.claims order by all")
    expected = [(claim, name, verdict) for claim, readings in VERDICTS.items() for name, verdict in readings.items()]
    expected += [
        (claim, f"{name}_at_open", verdict) for claim, of in AT_THE_OPEN.items() for name, verdict in of.items()
    ]
    assert found == sorted(expected)


@pytest.mark.parametrize(
    ("claim", "alternative", "least", "most"),
    [
        *(("T6", "session_lows", 70, 95), ("T7", "session_lows", 70, 95), ("T8", "session_highs", 60, 100)),
        *((claim, "level", 90, 100) for claim in ("T6", "T7", "T8")),
        *((claim, "level_of_a_swing", 5, 45) for claim in ("T6", "T7", "T8")),
    ],
)
def test_a_test_that_most_prices_pass_says_so(
    from_real: Published, claim: str, alternative: str, least: int, most: int
) -> None:
    said = re.fullmatch(r"(\d+) % of other prices pass this test", _claim(from_real, claim, alternative)[1])
    assert said
    assert least <= int(said[1]) <= most


def test_new_shorts_are_asset_managers_and_known_half_an_hour_before_the_close(from_real: Published) -> None:
    value, _, (row,) = _claim(from_real, "P1", "asset_manager")
    assert (value, row["report_date"], row["dominant_flow"]) == (17_448, "2025-03-11", "new_shorts")
    assert row["released_at"] == "2025-03-14T19:30:00+00:00"
    assert row["percentile_of_changes"] == pytest.approx(94.4, abs=1)
    assert _claim(from_real, "P1", "leveraged_funds")[0] == -4_965
    assert _claim(from_real, "P1", "dealer")[0] == 8_116
    assert _claim(from_real, "P1", "legacy_noncommercial")[0] == 10_950


@pytest.mark.parametrize(
    ("anchor", "low", "high"), [("2024_12_13", 2270, 2290), ("2024_07_09", 2220, 2235), ("2023_12_13", 2030, 2040)]
)
def test_the_point_of_control_depends_on_the_anchor(from_real: Published, anchor: str, low: float, high: float) -> None:
    value, _, (row,) = _claim(from_real, "T4", f"anchored_{anchor}")
    assert low <= value <= high
    assert (row["session_date"], row["volume_symbol"]) == ("2025-03-13", "IWM")


def test_no_close_gives_the_notes_rsi_but_a_price_of_the_day_does(from_real: Published) -> None:
    _, _, rows = _claim(from_real, "T9", "closes")
    assert {row["session_date"]: round(row["value"], 2) for row in rows} == {
        "2025-03-12": 26.84,
        "2025-03-13": 24.08,
        "2025-03-14": 35.14,
        "2025-03-17": 39.69,
    }
    value, _, (row,) = _claim(from_real, "T9", "price_of_the_day")
    assert value == pytest.approx(2034.51, abs=0.05)
    assert row["low"] < value < row["high"] < 2050


def test_the_averages_were_in_another_order_and_crossed_a_week_later(from_real: Published) -> None:
    _, order, (row,) = _claim(from_real, "T10", "order")
    assert order == "100>50>200"
    averages = [round(row[name], 2) for name in ("sma_100", "sma_50", "sma_200")]
    assert averages == [2271.05, 2219.87, 2203.02]
    assert _claim(from_real, "T10", "cross_50x200")[1] == "2025-03-20"
    assert _claim(from_real, "T10", "ema_order")[1] == "100>50>200"


def test_the_constructions_band_and_the_lows_of_the_note(from_real: Published) -> None:
    value, _, (row,) = _claim(from_real, "T1", "percentile_band")
    assert (round(value, 1), round(row["percentile_99"], 1)) == (1925.1, 2112.3)
    assert (round(row["lowest_low"], 2), round(row["highest_high"], 2)) == (1870.34, 2135.46)
    assert _claim(from_real, "T5", "low_of_the_decline")[0] == pytest.approx(1984.92, abs=0.01)


def test_flows_of_the_week_were_not_mixed(from_real: Published) -> None:
    value, _, (row,) = _claim(from_real, "P2", "asset_manager_mixed_flows")
    assert (row["report_date"], row["long_contracts_change_1w"], value) == ("2025-03-11", -24_073, 40_646)


def test_what_looks_ahead_says_until_when(from_real: Published) -> None:
    found = from_real.query("select distinct claim_id from marts.claims where judged_until_at > as_of order by all")
    assert found == [("O1",), ("O2",), ("T10",), ("T9",)]


def test_the_command_says_what_the_table_holds(from_real: Published, home: Path) -> None:
    said = r2k(home, "check-note", NOTE, "--source", "files", "--lake", from_real.folder, "--json")
    assert said.exit_code == 0, said.output
    verdicts = json.loads(said.stdout)["verdicts"]
    table = from_real.query("select claim_id, alternative, verdict, evidence from marts.claims")
    assert {(v["claim_id"], v["alternative"], v["verdict"], json.dumps(v["evidence"])) for v in verdicts} == set(table)


def test_before_the_note_was_written_nothing_is_known_of_it(from_real: Published) -> None:
    """As of the Thursday there is what is dated that day, as it stayed, and no verdict that needs the Friday."""
    files = {name: from_real.lake.files(name) for name in SOURCES}
    with Sandbox.over_files(files) as sandbox:
        then = claims(partial(judge_notes, [read_note(NOTE)], sandbox), datetime(2025, 3, 13, 20, tzinfo=UTC))
    assert set(then["claim_id"]) == {"T4", "T9", "T10"}
    later = from_real.lake.read(Claims).filter(pl.col("known_at") <= datetime(2025, 3, 13, 20, tzinfo=UTC))
    assert_frame_equal(then, later)


def test_the_note_runs_on_the_sample_and_says_so(sample: Published, home: Path) -> None:
    said = r2k(home, "check-note", NOTE, "--lake", sample.folder)
    assert said.exit_code == 0, said.output
    assert said.output.startswith("SAMPLE: synthetic data, not a market\n")
