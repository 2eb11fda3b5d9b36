"""Markets: what is shipped, a user's own file, and for every mistake in it a message with file and key."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.errors import MistakesError
from r2k_pipeline.markets import USUAL, Market, read_catalogue, read_markets
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.sessions import build_sessions

OWN = """
[SOX]
name = "Semiconductors"
index = "^SOX"
proxy = "SOXX"
calendar = "XNYS"
multiplier = 10
cot = [{ code = "24000A", exchange = "CME" }]
"""


def own(folder: Path, text: str) -> Path:
    file = folder / "own.toml"
    file.write_text(text, "utf-8")
    return file


def test_ships_four_markets_each_with_its_symbols_and_contracts() -> None:
    markets = {market.market: market for market in read_markets()}
    assert list(markets) == ["RUT", "SPX", "NDX", "DJI"]
    assert markets["RUT"].symbols() == {"^RUT": "index", "IWM": "proxy", "RTY=F": "future", "^VIX": "context"}
    assert {m.market: (m.multiplier, {c.code for c in m.cot}) for m in markets.values()} == {
        "RUT": (50, {"239742", "23977A"}),
        "SPX": (50, {"13874A"}),
        "NDX": (20, {"209742"}),
        "DJI": (5, {"124603"}),
    }


def test_russell_contracts_count_only_in_their_own_life() -> None:
    """Empty at the CME from 2008 to 2017, back on 2017-08-15; ICE's mini until 2018-06-05: both in the roll week."""
    rut = read_markets()[0]

    def counted(report: date) -> set[str]:
        return {c.code for c in rut.cot if c.first <= report <= c.last}

    assert counted(date(2008, 6, 3)) == {"239742"}
    assert counted(date(2015, 12, 29)) == {"23977A"}
    assert counted(date(2017, 9, 12)) == {"239742", "23977A"}
    assert counted(date(2018, 6, 12)) == {"239742"}


def test_own_file_adds_a_market(tmp_path: Path) -> None:
    markets = {market.market: market for market in read_markets([own(tmp_path, OWN)])}
    assert list(markets) == ["RUT", "SPX", "NDX", "DJI", "SOX"]
    assert markets["SOX"].cot[0].first == date(1986, 1, 1)


def test_own_file_replaces_a_market_of_the_same_id(tmp_path: Path) -> None:
    markets = {market.market: market for market in read_markets([own(tmp_path, OWN.replace("[SOX]", "[RUT]"))])}
    assert list(markets) == ["RUT", "SPX", "NDX", "DJI"]
    assert markets["RUT"].index == "^SOX"


def test_own_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(b"\xef\xbb\xbf" + OWN.encode())
    assert read_markets([file])[-1].market == "SOX"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        pytest.param('name = "Semiconductors"\n', "", ["[SOX] name: is missing"], id="missing key"),
        pytest.param('index = "^SOX"\n', "", ["[SOX] index: is missing; next: add it, or remove proxy"], id="no index"),
        pytest.param("multiplier = 10\n", "", ["[SOX] multiplier: is missing"], id="an index in no unit"),
        pytest.param(
            'calendar = "XNYS"', 'class = "metals"', ["[SOX] class = 'metals'", "'metal'"], id="unknown class"
        ),
        pytest.param("proxy", "etf", ["[SOX] etf: no such key", "rename it to calendar, "], id="unknown key"),
        pytest.param("exchange", "exchnge", ["cot.0.exchnge", "rename it to exchange"], id="unknown cot key"),
        pytest.param('"^SOX"', '"../etc/passwd"', ["[SOX] index = '../etc/passwd'", "pattern"], id="hostile symbol"),
        pytest.param("[SOX]", "[sox]", ["[sox] market = 'sox'", "pattern '^[0-9]?[A-Z]"], id="market id"),
        pytest.param("[SOX]", '[SOX]\nmarket = "RUT"', ["[SOX] market", "allowed keys"], id="id said twice"),
        pytest.param("multiplier = 10", "multiplier = 0", ["multiplier = 0", "greater than 0"], id="no multiplier"),
        pytest.param("multiplier = 10", "multiplier = inf", ["multiplier = inf", "finite"], id="infinite multiplier"),
        pytest.param("24000A", "4000A", ["cot.0.code = '4000A'", "[0-9A-Z]{6}"], id="code without its leading zero"),
        pytest.param('"CME"', '"CME", first = "soon"', ["cot.0.first = 'soon'", "date"], id="not a date"),
        pytest.param(
            '"CME"', '"CME", first = 2020-01-01, last = 2019-01-01', ["cot.0", "2020-01-01 is after"], id="ends before"
        ),
        pytest.param(
            "cot = [", 'cot = [{ code = "24000A", exchange = "ICE" }, ', ["24000A is listed twice"], id="counted twice"
        ),
        pytest.param(
            "cot = [", 'cot = [{ code = "24000+", exchange = "CME" }, ', ["consolidated"], id="consolidated and its own"
        ),
        pytest.param('proxy = "SOXX"', 'proxy = "^SOX"', ["^SOX is in two of index, proxy"], id="symbol in two roles"),
        pytest.param(
            '"^SOX"', '"GC=F"', ["[SOX] index = 'GC=F'", "unadjusted", "leave out index"], id="Yahoo's future"
        ),
        pytest.param(
            '"^SOX"',
            '"GC=F"\nseries = "future"\nroll = "ratio"',
            ["[SOX] index = 'GC=F'", "unadjusted"],
            id="Yahoo's future, whatever is said of it",
        ),
        pytest.param(
            '"^SOX"', '"OWN"\nseries = "future"', ["[SOX] roll: is missing", 'roll = "ratio"'], id="future without roll"
        ),
        pytest.param(
            '"^SOX"',
            '"OWN"\nseries = "future"\nroll = "difference"',
            ["roll = 'difference'", "'ratio'"],
            id="differences",
        ),
        pytest.param("proxy", 'roll = "ratio"\nproxy', ["roll: is of futures alone"], id="roll of an index"),
        pytest.param("proxy", 'series = "yield"\nproxy', ["inverse: is missing", "inverse = true"], id="yield"),
        pytest.param("proxy", "inverse = true\nproxy", ["inverse: is of a yield or a spot"], id="inverse index"),
        pytest.param("proxy", 'series = "spot"\nproxy', ["unit: is missing", "troy ounces"], id="spot of nothing"),
        pytest.param(
            "proxy", 'unit = "troy ounces"\nproxy', ["series: is missing", "fund, yield"], id="ounces in points"
        ),
        pytest.param(
            "proxy", 'series = "fund"\nproxy', ["proxy: a fund has a volume of its own"], id="a fund's volume twice"
        ),
        pytest.param(
            'index = "^SOX"\nproxy = "SOXX"',
            'series = "yield"\ninverse = true',
            ["index: is missing; next: add it, or remove inverse, series"],
            id="a yield of no symbol",
        ),
        pytest.param(OWN, "SOX = 1", ["SOX: a market is a table, [SOX], with keys name"], id="not a table"),
        pytest.param("[SOX]", "[SOX", ["not TOML", "line 2"], id="not TOML"),
    ],
)
def test_a_mistake_names_file_key_and_what_is_allowed(tmp_path: Path, right: str, wrong: str, said: list[str]) -> None:
    assert right in OWN
    file = own(tmp_path, OWN.replace(right, wrong, 1))
    with pytest.raises(MistakesError) as caught:
        read_markets([file])
    for part in [str(file), *said]:
        assert part in str(caught.value)


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(MistakesError) as caught:
        read_markets([own(tmp_path, OWN.replace("multiplier = 10", "multiplier = -1").replace("^SOX", "s o x"))])
    assert "[SOX] multiplier" in str(caught.value)
    assert "[SOX] index" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(MistakesError, match=r"R2K_MARKETS") as caught:
        read_markets([tmp_path / name])
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_calendar_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"calendar = 'XNYZ' is not one of .*XNYS"):
        build_sessions(["XNYZ"], date(2025, 1, 31))


def test_a_calendar_that_is_known_for_fewer_years_starts_later() -> None:
    """Tokyo's holidays are known since 1997, New York's since before the first index."""
    sessions = (
        build_sessions(["XTKS", "XNYS"], date(2025, 1, 31)).group_by("calendar").agg(pl.col("session_date").min())
    )
    first = dict(sessions.iter_rows())
    assert first["XTKS"] == date(1997, 1, 6)
    assert first["XNYS"] < date(1927, 12, 30)


def test_a_symbol_of_two_markets_has_one_calendar(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[OWN]\nname = "Own"\nindex = "OWN"\ncontext = ["^GSPC"]\ncalendar = "XHKG"\nmultiplier = 50\n')
    with pytest.raises(MistakesError, match=r"\[OWN\] calendar = 'XHKG': symbol \^GSPC trades on 'XNYS' in \[SPX\]"):
        read_markets([own])
    own.write_text(own.read_text().replace("XHKG", "XNYS"))
    assert [market.market for market in read_markets([own])][-1] == "OWN"


def test_a_markets_own_report_is_fetched_beside_those_of_the_setting(tmp_path: Path) -> None:
    tff = {"source": "live", "lake": tmp_path, "report_types": ("tff_futures",)}
    asked = [Run.of(Settings(**tff, markets=markets)).report_types for markets in (("RUT",), ("RUT", "GC"))]
    assert asked == [("tff_futures",), ("tff_futures", "disaggregated_futures")]
    usual = Run.of(Settings(source="live", lake=tmp_path)).report_types
    assert usual == ("tff_futures", "tff_combined", "legacy_futures", "legacy_combined")


@pytest.mark.parametrize(
    ("said", "is_notional_known"),
    [
        ({"index": "^SOX"}, True),
        ({"index": "^N225", "unit": "JPY an index point"}, False),
        ({"index": "XAU", "series": "spot", "unit": "troy ounces"}, True),
        ({"index": "JPY", "series": "spot", "inverse": True, "unit": "JPY"}, True),
        ({"index": "GLD", "series": "fund", "unit": "troy ounces"}, False),
        ({"index": "^TNX", "series": "yield", "inverse": True, "unit": "USD face value"}, False),
        ({"index": "OWN", "series": "future", "roll": "ratio"}, False),
        ({}, False),
    ],
)
def test_a_notional_is_there_where_a_close_is_usd_for_one_unit(
    said: dict[str, object], is_notional_known: bool
) -> None:
    cot = [{"code": "24000A", "exchange": "CME"}]
    market = Market.model_validate({"market": "OWN", "name": "Own", "multiplier": 100, "cot": cot, **said})
    assert market.is_notional_known is is_notional_known


def test_prices_of_the_catalogue_are_of_a_stated_series_and_no_run_needs_them() -> None:
    markets = read_catalogue().markets
    priced = {key: (market.index, market.series, market.inverse) for key, market in markets.items() if market.index}
    assert {key: its for key, its in priced.items() if key not in USUAL} == {
        **{"EMD": ("^MID", "index", False), "VX": ("^VIX", "index", False)},
        **{"ZF": ("^FVX", "yield", True), "ZN": ("^TNX", "yield", True), "TN": ("^TNX", "yield", True)},
        **{"ZB": ("^TYX", "yield", True), "UB": ("^TYX", "yield", True)},
        **{"GC": ("GLD", "fund", False), "SI": ("SLV", "fund", False)},
        **{"PL": ("PPLT", "fund", False), "PA": ("PALL", "fund", False)},
    }
    assert [key for key, market in markets.items() if market.required] == list(USUAL)
    assert {market.calendar for market in read_markets(["@all"]) if market.index} == {"XNYS"}


def test_a_symbol_is_judged_by_what_it_is_in_each_market() -> None:
    rut, zn = (read_catalogue().markets[key] for key in ("RUT", "ZN"))
    assert [rut.kind_of(symbol) for symbol in rut.symbols()] == ["index", "proxy", "future", "context"]
    assert [zn.kind_of(symbol) for symbol in zn.symbols()] == ["yield"]
