"""`r2k note`: arguments, output in three forms, errors, on a small published lake."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result

import r2k_pipeline
from r2k_pipeline.contracts.marts import Markets
from r2k_pipeline.snapshot import reading
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from tests.pipeline.command_line import r2k
from tests.unit.published import SAMPLE, mart_row, publish


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample's lake with two sessions of two markets."""
    folder = tmp_path_factory.mktemp("lakes")
    days = {"2025-03-12": 2026.46, "2025-03-13": 1993.69}
    rows = [mart_row(market, day, close=close) for market in ("RUT", "SPX") for day, close in days.items()]
    publish(folder, rows)
    return folder


def ask(folder: Path, home: Path, *arguments: object) -> Result:
    return r2k(home, "note", "--lake", folder, *arguments)


def test_all_markets_by_default_and_the_sample_says_so(folder: Path, tmp_path: Path) -> None:
    said = ask(folder, tmp_path).output
    assert re.findall(r"^# (\w+),", said, re.MULTILINE) == ["RUT", "SPX"]
    assert said.count(f"> {SAMPLE}") == 4
    assert said.count("No advice.") == 2


def test_a_plain_day_is_that_days_close(folder: Path, tmp_path: Path) -> None:
    said = ask(folder, tmp_path, "rut", "2025-03-12").output
    assert "# RUT, RUT: Wednesday 12 March 2025" in said
    assert "Close 2,026.46" in said
    assert "1,993.69" not in said


@pytest.mark.parametrize("command", ["note", "brief"])
def test_market_and_moment_are_arguments_or_options(folder: Path, tmp_path: Path, command: str) -> None:
    def said(*arguments: str) -> Result:
        return r2k(tmp_path, command, "--lake", folder, *arguments)

    one = said("rut", "2025-03-12").stdout
    assert one.count("\n# RUT, RUT: ") + one.startswith("# RUT, RUT: ") == 1
    assert "1,993.69" not in one
    for same in (["RUT", "--as-of", "2025-03-12"], ["--market", "rut", "--as-of", "2025-03-12"]):
        assert said(*same).stdout == one
    assert said("--market", "RUT", "2025-03-12").stdout == one
    twice = said("RUT", "--market", "SPX")
    assert (twice.exit_code, "a market is given twice: RUT and SPX" in twice.stderr) == (2, True)
    assert "WHEN = 'yesterday'" in said("RUT", "yesterday").stderr
    assert "--as-of = 'yesterday'" in said("RUT", "--as-of", "yesterday").stderr


def test_what_changed_since_a_day(folder: Path, tmp_path: Path) -> None:
    said = ask(folder, tmp_path, "RUT", "2025-03-13", "--since", "2025-03-12").output
    assert "## RUT since Wednesday 12 March 2025" in said
    assert "- Close: 2,026.46 → 1,993.69" in said
    (changes,) = json.loads(ask(folder, tmp_path, "RUT", "--since", "2025-03-12", "--json").stdout)["since"]
    assert changes["facts"] == [{"what": "Close", "before": "2,026.46", "now": "1,993.69"}]


def test_a_day_in_which_nothing_changed_says_so(folder: Path, tmp_path: Path) -> None:
    said = ask(folder, tmp_path, "--since", "2025-03-13").output
    assert said.count("since Thursday 13 March 2025") == said.count("Nothing that the note tells has changed.") == 2


def test_each_number_has_a_query_that_returns_it(folder: Path, tmp_path: Path) -> None:
    (note,) = json.loads(ask(folder, tmp_path, "RUT", "--json").stdout)["notes"]
    figures = [f for part in note["sections"] for sentence in part["sentences"] for f in sentence["figures"]]
    assert [figure["text"] for figure in figures] == ["1,993.69"]
    with r2k_pipeline.open("sample", lake=folder) as data:
        for figure in figures:
            assert data.sql(figure["query"]).item() == figure["value"]
        assert data.note("RUT").as_dict() == note
    assert f"- 1,993.69 ← `{figures[0]['query']}`" in ask(folder, tmp_path, "RUT", "--evidence").output


def test_a_day_alone_is_that_of_all_markets(folder: Path, tmp_path: Path) -> None:
    both = ask(folder, tmp_path, "2025-03-12").output
    assert "# RUT, " in both
    assert "# SPX, " in both
    assert ask(folder, tmp_path, "2025-03-12", "rut").output == ask(folder, tmp_path, "RUT", "2025-03-12").output


def test_as_a_page_of_its_own(folder: Path, tmp_path: Path) -> None:
    page = ask(folder, tmp_path, "RUT", "--html").output
    assert page.startswith("<!doctype html>")
    assert "Close 1,993.69" in page
    assert not re.search(r"(src|href)=.https?:", page)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("VIX",),
            1,
            "no market 'VIX' is published; next: one of RUT, SPX; a market that was added comes with the next r2k run",
        ),
        (("RUT", "2025-03-15"), 2, "closed on 2025-03-15; next: give 2025-03-14, the session before it"),
        (("RUT", "yesterday"), 2, "write it with its zone"),
        (("RUT", "2025-03-11"), 1, "next: 2025-03-12, the first session that is published, or a later day"),
        (("RUT", "--since", "2025-03-16"), 2, "the exchange is closed on 2025-03-16"),
        (
            ("RUT", "2025-03-12", "--since", "2025-03-13"),
            1,
            "the note is on 2025-03-12; next: give that day or an earlier",
        ),
    ],
)
def test_what_cannot_be_said(folder: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    said = ask(folder, tmp_path, *arguments)
    assert message in said.output
    assert said.exit_code == code


def test_sessions_that_were_recorded_together_have_one_setup_the_newest_ones(tmp_path: Path) -> None:
    """A market that joins late has its whole history known at one moment."""
    recorded = {"known_at": "2025-03-14T21:00Z", **{f"setup_fact_{number}": "a fact" for number in (1, 2, 3)}}
    setups = {"2025-03-12": "capitulation", "2025-03-13": "long_liquidation"}
    rows = [mart_row("VIX", day, setup=setup, **recorded) for day, setup in setups.items()]
    counted = {"market": "VIX", "horizon_sessions": 5, "events": 3, "independent_events": 3}
    outcomes = [counted | {"setup": setup} for setup in setups.values()]
    publish(tmp_path, rows, more={SetupOutcomes: outcomes})
    assert "Too few such setups (long liquidation) came before" in ask(tmp_path, tmp_path, "VIX").output


def test_a_setup_of_the_day_before_is_not_that_of_a_session_without_one(tmp_path: Path) -> None:
    facts = {f"setup_fact_{number}": "a fact" for number in (1, 2, 3)}
    rows = [mart_row("RUT", "2025-03-12", setup="capitulation", **facts), mart_row("RUT", "2025-03-13")]
    counted = {"market": "RUT", "setup": "capitulation", "horizon_sessions": 5, "events": 3, "independent_events": 3}
    publish(tmp_path, rows, more={SetupOutcomes: [counted]})
    assert "such setups" not in ask(tmp_path, tmp_path, "RUT").output


def test_a_market_whose_prices_no_source_had_is_said_to_have_none(tmp_path: Path) -> None:
    """GLD was in no folder: no later moment has a session of it."""
    usual = {"calendar": "XNYS", "price_series": "index", "market_class": "metal"}
    markets = [{"market": name, "name": name, "index_symbol": name, **usual} for name in ("GC", "RUT")]
    publish(tmp_path, [mart_row("RUT", "2025-03-14")], more={Markets: markets})
    for when in ((), ("2025-03-14",)):
        said = ask(tmp_path, tmp_path, "GC", *when)
        assert said.exit_code == 1
        assert "market 'GC' has no prices, so no brief, note or chart; next: r2k sql" in said.output


def test_a_market_is_of_volatility_by_its_class_whatever_its_symbol(tmp_path: Path) -> None:
    days = ("2025-03-13", "2025-03-14")
    rows = [mart_row(market, day) for market in ("FEAR", "RUT") for day in days]
    usual = {"calendar": "XNYS", "price_series": "index"}
    fear = {"market": "FEAR", "name": "another", "index_symbol": "^OVX", "market_class": "volatility", **usual}
    russell = {"market": "RUT", "name": "Russell 2000", "index_symbol": "^RUT", "market_class": "equity", **usual}
    lake = publish(tmp_path, rows, more={Markets: [fear, russell]})
    with reading(lake, None) as snapshot:
        found = snapshot.ask("select market, is_volatility from note_prices(null, now()) order by market").fetchall()
    assert found == [("FEAR", True), ("RUT", False)]
