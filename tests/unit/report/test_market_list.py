"""`r2k markets`: the catalogue is searched, and a market is added to the user's settings without other changes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from r2k_pipeline.cli import main
from r2k_pipeline.errors import MistakesError, SettingsError
from r2k_pipeline.markets import read_markets
from r2k_pipeline.report.market_list import add, find
from r2k_pipeline.settings import FILE, Settings, read_settings
from tests.special_files import make_pipe


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("gold", "GC"),
        ("088691", "GC"),
        ("treasury 10-year", "ZN"),
        ("6e", "6E"),
        ("^RUT", "RUT"),
        ("NIKKEI yen", "NIY"),
    ],
)
def test_a_market_is_found_by_name_code_id_or_symbol(folder: Path, text: str, first: str) -> None:
    assert first in {market.market for market in find(text, Settings())}


def test_what_is_not_there_names_what_is_near(folder: Path) -> None:
    said = "no market of the catalogue has 'slver'; nearest: silver; next: r2k markets find silver"
    with pytest.raises(MistakesError, match=said):
        find("slver", Settings())


def test_an_added_market_joins_the_usual_ones(folder: Path) -> None:
    written = f'{folder / FILE}: markets = ["RUT", "SPX", "NDX", "DJI", "GC"]'
    assert add(["gc"], Settings()) == f"{written}; next: r2k run --source live"  # the sample does not have it
    assert [market.market for market in read_markets(read_settings().markets)] == ["RUT", "SPX", "NDX", "DJI", "GC"]


def test_what_else_is_in_the_file_stays(folder: Path) -> None:
    text = '# mine\nmarkets = [\n  "RUT", # the Russell\n]\nfirst_year = 2011  # enough\n'
    (folder / FILE).write_text(text)
    add(["@metal", "GC"], read_settings())
    written = (folder / FILE).read_text()
    assert written.startswith('# mine\nmarkets = [\n  "RUT", # the Russell\n')
    assert written.endswith("first_year = 2011  # enough\n")
    assert read_settings().markets == ("RUT", "@METAL", "GC")


def test_a_file_of_ones_own_stays_beside_it(folder: Path) -> None:
    (folder / "mine.toml").write_text('[SOX]\nname = "Semiconductors"\ncot = [{ code = "24000A", exchange = "CME" }]\n')
    (folder / FILE).write_text('markets = "mine.toml"\n')
    add(["VX"], read_settings())
    assert (folder / FILE).read_text() == 'markets = ["mine.toml", "RUT", "SPX", "NDX", "DJI", "VX"]\n'
    ids = [market.market for market in read_markets(read_settings().markets)]
    assert ids == ["RUT", "SPX", "NDX", "DJI", "VX", "SOX"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GCC", "markets: GCC: no such market; nearest: GC; next: r2k markets find gc$"),
        ("gold", "markets: GOLD: no such market; .*; next: r2k markets find gold$"),
        ("@metals", "nearest: @metal; next: r2k markets find metal$"),
        ("no.toml", "no such file"),
    ],
)
def test_what_is_no_market_is_not_written(folder: Path, name: str, said: str) -> None:
    with pytest.raises(MistakesError, match=said):
        add([name], Settings())
    assert not (folder / FILE).exists()


def test_what_is_no_file_is_not_opened(folder: Path) -> None:
    """A named pipe would hold every command for ever."""
    make_pipe(folder / "mine.toml")
    with pytest.raises(MistakesError, match=r"mine\.toml: unreadable: a pipe, socket or device, not a file; set R2K_M"):
        add([str(folder / "mine.toml")], Settings())
    make_pipe(folder / FILE)
    with pytest.raises(SettingsError, match=r"r2k\.toml: cannot be read: a pipe, socket or device, not a file; next:"):
        read_settings()


def test_a_variable_that_wins_over_the_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R2K_MARKETS", "RUT")
    with pytest.raises(MistakesError, match=r"R2K_MARKETS is set and wins over r2k\.toml"):
        add(["GC"], read_settings())


def test_a_second_time_writes_nothing(folder: Path) -> None:
    add(["GC"], Settings())
    before = (folder / FILE).read_bytes()
    assert "nothing to write, GC was configured" in add(["GC"], read_settings())
    assert (folder / FILE).read_bytes() == before


def test_the_commands_print_lines_and_json(folder: Path) -> None:
    ask = CliRunner().invoke
    listed = ask(main, ["markets"])
    assert listed.exit_code == 0
    assert listed.output.splitlines()[1].split()[:4] == ["RUT", "equity", "tff", "^RUT"]
    assert '"prices": null' in ask(main, ["markets", "find", "gold", "--json"]).output
    refused = ask(main, ["markets", "add", "GCC"])
    assert refused.exit_code == 1
    assert "nearest: GC" in refused.output
