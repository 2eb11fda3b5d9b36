"""The shipped note of March 2025, and other people's numbers, judged on the real vendor files."""

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
from r2k_pipeline.report.check_note import check_note
from r2k_pipeline.snapshot import open_snapshot
from r2k_pipeline.tables.claims import Claims, claims
from tests.lakes import Published
from tests.pipeline.command_line import r2k

NOTE = SHIPPED / "russell_2000_2025_03.toml"
BEFORE = "before that day's report came out"
STORIES = {
    "P1a": "true of asset managers, false of leveraged funds, unknown of noncommercial traders; " + BEFORE + ": false",
    "P1b": "true of asset managers and of noncommercial traders, false of leveraged funds; " + BEFORE
    + ": true of asset managers, false of leveraged funds and of noncommercial traders",
    "P1c": "true of asset managers and of noncommercial traders, false of leveraged funds; " + BEFORE
    + ": true of asset managers, false of leveraged funds and of noncommercial traders",
    "P1d": "true of asset managers, false of leveraged funds and of noncommercial traders",
    "P1e": "true of noncommercial traders, false of asset managers and of leveraged funds; " + BEFORE
    + ": true of leveraged funds and of noncommercial traders, false of asset managers",
    "P1f": "true of asset managers and of noncommercial traders, false of leveraged funds; " + BEFORE
    + ": true of asset managers, false of leveraged funds and of noncommercial traders",
    "P2a": "true of asset managers, false of leveraged funds, unknown of noncommercial traders",
    "P2b": "true " + BEFORE + ", false after that day's report came out",
    "P2c": "true of asset managers, false of leveraged funds and of noncommercial traders; " + BEFORE
    + ": true of leveraged funds and of noncommercial traders, false of asset managers",
    "P3a": "true of asset managers and of noncommercial traders, false of leveraged funds",
    "P3b": "true of noncommercial traders, false of asset managers and of leveraged funds",
    "P3c": "false",
    "P4": "not checkable: the tables have no such series",
    "T1": "true",
    "T2": "true",
    "T3a": "true over the last month, false over the last quarter and over the last year",
    "T3b": "true",
    "T4": "true since 2024-12-13, false since 2024-07-09 and since 2023-12-13",
    "T5": "true in each of 2 readings",
    "T6": "true",
    "T7": "true",
    "T8a": "true",
    "T8b": "true within a quarter of a percent, false to the point",
    "T9a": "false; true at a price of that session",
    "T9b": "false",
    "T10a": "false",
    "T10b": "false",
    "O1a": "true within 33 sessions, false within 10 sessions",
    "O1b": "true within 33 sessions, false within 10 sessions",
    "O2": "true",
    "O3": "true",
}  # fmt: skip
"""What each of its 31 statements comes to."""
VALUES = {
    ("P1a", "asset_manager"): ("rank", 94.4, "2025-03-11"),
    ("P1c", "asset_manager"): ("contracts", -23_978, "2025-03-11"),
    ("P1d", "asset_manager"): ("contracts", -23_978, "2025-03-11"),
    ("P1e", "leveraged_funds"): ("contracts", 15_124, "2025-03-11"),
    ("P1f", "asset_manager_share"): ("share", -0.0506, "2025-03-11"),
    ("P2c", "asset_manager"): ("contracts", 40_646, "2025-03-11"),
    ("P3b", "noncommercial_than_before"): ("contracts", -164, "2025-03-11"),
    ("P3c", "as_it_says"): ("ratio", -0.1056, "2025-03-14"),
    ("T1", "as_it_says"): ("points", 1925.15, "2024-07-09"),
    ("T4", "since_2024_07_09"): ("points", 2220.0, "2025-03-13"),
    ("T6", "as_it_says"): ("points", 1921.36, "2024-02-05"),
    ("T8b", "to_the_point"): ("points", 2110.54, "2025-03-24"),
    ("T9a", "during_the_day"): ("points", 2034.51, "2025-03-14"),
    ("T10b", "as_it_says"): ("points", 2203.02, "2025-03-13"),
    ("O1a", "to_the_point_33_rows"): ("points", 1989.0, "2025-03-31"),
    ("O1b", "to_the_point_33_rows"): ("points", 1924.0, "2025-04-03"),
}
PUBLIC = Path(__file__).parents[1] / "fixtures" / "notes"
"""Numbers that other people printed, in our words."""


@pytest.fixture(scope="module")
def shipped(from_real: Published) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the shipped note in marts.claims, by claim and alternative."""
    rows = from_real.lake.read(Claims).filter(pl.col("note_id") == NOTE.stem).to_dicts()
    return {(row["claim_id"], row["alternative"]): row for row in rows}


def test_each_of_its_statements_has_its_verdict(shipped: dict[tuple[str, str], dict[str, Any]]) -> None:
    in_order = sorted(shipped.items(), key=lambda each: each[1]["known_at"])
    assert {claim: row["story"] for (claim, _), row in in_order} == STORIES
    (early,) = {row["story"] for (claim, _), row in shipped.items() if claim == "P2b" and row["as_of"].hour < 20}
    assert early == "true in each of 3 readings"
    assert read_note(NOTE).coverage() == "31 statements: 30 checked, 1 not checkable, 0 without a word"


def test_the_numbers_behind_the_verdicts(shipped: dict[tuple[str, str], dict[str, Any]]) -> None:
    for key, (_, value, day) in VALUES.items():
        row = shipped[key]
        assert row["computed_value"] == pytest.approx(value, rel=2e-3), key
        assert str(row["value_date"]) == day, key
    (order,) = json.loads(shipped["T10b", "as_it_says"]["evidence"])
    assert order["also"] == "sma_100: 2,271.05 points, sma_50: 2,219.87 points"
    (cross,) = json.loads(shipped["T10a", "as_it_says"]["evidence"])
    assert (cross["value"], cross["day"]) == ("50x200 down", "2025-03-20")


@pytest.mark.parametrize(("claim", "most"), [("T6", 45), ("T7", 45), ("T8a", 45)])
def test_a_level_says_how_many_other_prices_would_be_one(
    shipped: dict[tuple[str, str], dict[str, Any]], claim: str, most: int
) -> None:
    said = re.search(r"; (\d+) % of prices near the close pass$", shipped[claim, "as_it_says"]["computed_text"])
    assert said
    assert 5 <= int(said[1]) <= most


def test_what_looks_ahead_says_until_when(shipped: dict[tuple[str, str], dict[str, Any]]) -> None:
    ahead = {claim for (claim, _), row in shipped.items() if row["judged_until_at"] is not None}
    assert ahead == {"T8b", "T10a", "O1a", "O1b", "O2", "O3"}


@pytest.mark.parametrize(
    ("name", "holds", "fails", "others"),
    [
        ("cross", 10, 3, {"A2b": "false", "A4c": "false", "A6b": "false"}),
        (
            "positions",
            7,
            3,
            {
                "F5": "false of noncommercial traders",
                "I4": "false of noncommercial traders",
                "S4": "true in contracts, false by open interest",
            },
        ),
        ("retraced", 17, 1, {"X11b": "false"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_of_public_notes_come_out(
    from_real: Published, name: str, holds: int, fails: int, others: dict[str, str]
) -> None:
    with open_snapshot(from_real.lake) as snapshot:
        checked = check_note(PUBLIC / f"{name}.toml", snapshot)
    assert checked.errors == ()
    words = [verdict.finding.verdict for verdict in checked.verdicts]
    assert (words.count("holds"), words.count("fails"), len(words)) == (holds, fails, holds + fails)
    stories = checked.as_dict()["stories"]
    assert {claim: story for claim, story in stories.items() if not _is_true(story)} == others


def _is_true(story: str) -> bool:
    return story.startswith("true") and "false" not in story


def test_the_command_says_what_the_table_holds(from_real: Published, home: Path) -> None:
    said = r2k(home, "check-note", NOTE, "--source", "files", "--lake", from_real.folder, "--json")
    assert said.exit_code == 0, said.output
    verdicts = json.loads(said.stdout)["verdicts"]
    table = from_real.query("select claim_id, alternative, verdict, story, evidence from marts.claims")
    found = {(v["claim_id"], v["alternative"], v["verdict"], v["story"], json.dumps(v["evidence"])) for v in verdicts}
    assert found == set(table)


def test_before_the_note_was_written_nothing_is_known_of_it(from_real: Published) -> None:
    """As of the Thursday there is what is dated that day, as it stayed, and no verdict that needs the Friday."""
    files = {name: from_real.lake.files(name) for name in SOURCES}
    with Sandbox.over_files(files) as sandbox:
        then = claims(partial(judge_notes, [read_note(NOTE)], sandbox), datetime(2025, 3, 13, 20, tzinfo=UTC))
    assert set(then["claim_id"]) == {"T4", "T10b"}
    later = from_real.lake.read(Claims).filter(pl.col("known_at") <= datetime(2025, 3, 13, 20, tzinfo=UTC))
    assert_frame_equal(then, later)


def test_the_note_runs_on_the_sample_and_says_so(sample: Published, home: Path) -> None:
    said = r2k(home, "check-note", NOTE, "--lake", sample.folder)
    assert said.exit_code == 0, said.output
    assert said.output.startswith("SAMPLE: synthetic data, not a market\n")
