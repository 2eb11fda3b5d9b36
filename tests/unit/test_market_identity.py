"""Which contracts are a market: real CFTC files around the Russell's move and the consolidated rows' new unit."""

import shutil
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.marts import WeeklyPositioning
from r2k_pipeline.log.ingest import ingest_reports
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.pipeline.knowledge import built
from tests.raw_story import lines_of, zip_of

ICE, CME = "23977A", "239742"
OWN_MARKET = """
[SPX]
name = "S&P 500, all contracts"
index = "^GSPC"
multiplier = 50
cot = [{ code = "13874+", exchange = "CME" }]
"""

TWO_EXCHANGES = f"""
[RUT]
name = "Russell 2000"
index = "^RUT"
multiplier = 50
cot = [{{ code = "{CME}", exchange = "CME" }}, {{ code = "{ICE}", exchange = "ICE", last = 2021-06-01 }}]
"""


def ingested(lake: Path, years: dict[str, bytes]) -> Run:
    """A lake with the raw log of these yearly files."""
    files = lake / "files_given"
    (files / "cot").mkdir(parents=True)
    for name, content in years.items():
        (files / "cot" / name).write_bytes(content)
    run = Run.of(Settings(source="files", files=files, lake=lake))
    ingest_reports(run)
    return run


def open_interest(positioning: pl.DataFrame, market: str) -> dict[date, float]:
    rows = positioning.filter(market=market, report_type="tff_futures", trader_group="dealer")
    return dict(rows.select("report_date", "open_interest_contracts").iter_rows())


def reported(run: Run, code: str) -> dict[date, int]:
    rows = run.lake.read(CotReports).filter(contract_code=code)
    return dict(rows.select("report_date", "open_interest_contracts").iter_rows())


def yearly(real: Path, *years: int) -> dict[str, bytes]:
    return {f"fut_fin_txt_{y}.zip": (real / "cot" / f"fut_fin_txt_{y}.zip").read_bytes() for y in years}


@pytest.fixture(scope="module")
def move(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, pl.DataFrame]:
    """The reports of 2017 and 2018, in which the Russell 2000 moved from ICE to CME, and positioning from them."""
    run = ingested(tmp_path_factory.mktemp("move"), yearly(real, 2017, 2018))
    return run, built(run, WeeklyPositioning)


def sample_years() -> dict[str, bytes]:
    """The sample's reports of two years, the Russell with as many contracts of $100 at ICE until 2021-06-01."""
    files = {}
    for name in ("fut_fin_txt_2020.zip", "fut_fin_txt_2021.zip"):
        header, *lines = lines_of(build_sample_cot()[name])
        at_cme = [line for line in lines if f",{CME}," in line and line.split(",")[2] <= "2021-06-01"]
        at_ice = [line.replace(CME, ICE).replace("$50", "$100") for line in at_cme]
        files[name] = zip_of([header, *lines, *at_ice])
    return files


def test_two_contracts_of_the_sample_are_one_series_until_one_ends_whatever_their_names(tmp_path: Path) -> None:
    markets, files = tmp_path / "markets.toml", sample_years()
    markets.write_text(TWO_EXCHANGES)
    run = own_run(ingested(tmp_path / "lake", files), markets)
    positioning = built(run, WeeklyPositioning)
    total, ice, cme = open_interest(positioning, "RUT"), reported(run, ICE), reported(run, CME)
    assert len(ice) > 70
    assert total == {day: cme[day] + 2 * ice.get(day, 0) for day in cme}
    renamed = {name: swap_names(tmp_path / name, content, b"239742", b"209742") for name, content in files.items()}
    again = own_run(ingested(tmp_path / "renamed", renamed), markets)
    assert again.lake.read(CotReports).filter(contract_code=CME)["market_name"].str.contains("NASDAQ").all()
    assert_frame_equal(built(again, WeeklyPositioning), positioning)


def test_the_russell_is_one_series_through_its_move_to_cme(move: tuple[Run, pl.DataFrame]) -> None:
    _, positioning = move
    total = open_interest(positioning, "RUT")
    assert total[date(2017, 9, 5)] == 545_269 + 37_497 == 582_766
    assert total[date(2017, 9, 12)] == 489_595 + 809_537
    assert total[date(2017, 9, 19)] == 58_120 + 525_777 == 583_897
    assert len(total) == 105, "every week of two years, 2018-12-31 included"


def test_the_end_of_the_old_contract_is_no_step(move: tuple[Run, pl.DataFrame]) -> None:
    run, positioning = move
    total, ice, cme = open_interest(positioning, "RUT"), reported(run, ICE), reported(run, CME)
    last, after = date(2018, 6, 5), date(2018, 6, 12)
    assert (total[last], total[after]) == (ice[last] + cme[last], cme[after])
    step = total[after] - total[last]
    assert step - (cme[after] - cme[last]) == -ice[last], "beyond the contract that remains: what was left of the other"
    assert ice[last] < 0.02 * total[last]


def test_other_russell_contracts_are_never_the_russell_2000(move: tuple[Run, pl.DataFrame]) -> None:
    run, positioning = move
    others = {code: reported(run, code) for code in ("239744", "23977C", "239750", "239745")}
    assert any(others.values()), "they are in the files"
    rows = positioning.filter(market="RUT")
    assert set(rows["contract_codes"]) == {ICE, CME, f"{CME}, {ICE}"}
    ice, cme = reported(run, ICE), reported(run, CME)
    since, until = date(2017, 8, 15), date(2018, 6, 5)
    for day, total in open_interest(positioning, "RUT").items():
        assert total == (ice.get(day, 0) if day <= until else 0) + (cme.get(day, 0) if day >= since else 0), day


def test_names_are_no_keys(real: Path, move: tuple[Run, pl.DataFrame], tmp_path: Path) -> None:
    """The names of the Russell 2000 and of another index change places; nothing else does."""
    renamed = {}
    for name, content in yearly(real, 2017, 2018).items():
        renamed[name] = swap_names(tmp_path / name, content, b"239742", b"209742")
    run = ingested(tmp_path / "lake", renamed)
    names = run.lake.read(CotReports).filter(contract_code=CME)["market_name"]
    assert names.str.contains("NASDAQ").all()
    assert_frame_equal(built(run, WeeklyPositioning), move[1])


def swap_names(file: Path, content: bytes, *codes: bytes) -> bytes:
    """A yearly zip in which the market names of two contracts changed places."""
    file.write_bytes(content)
    with zipfile.ZipFile(file) as archive:
        (member,) = archive.namelist()
        lines = archive.read(member).splitlines(keepends=True)
    named = {line.split(b",")[3].strip(b' "'): line.split(b",")[0] for line in lines}
    first, second = (named[code] for code in codes)
    swapped = {first: second, second: first}
    lines = [swapped.get(name := line.split(b",")[0], name) + line[len(name) :] for line in lines]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"".join(lines))
    return file.read_bytes()


def test_a_consolidated_row_is_one_series_across_its_change_of_unit(real: Path, tmp_path: Path) -> None:
    """From $250 to $50 at report 2023-05-02; the row's own unit says so."""
    markets = tmp_path / "markets.toml"
    markets.write_text(OWN_MARKET)
    run = ingested(tmp_path / "lake", yearly(real, 2023))
    total = open_interest(built(own_run(run, markets), WeeklyPositioning), "SPX")
    assert total[date(2023, 4, 25)] == pytest.approx(2_265_795, abs=0.5)
    assert total[date(2023, 5, 2)] == pytest.approx(2_304_633, abs=0.5)
    assert reported(run, "13874+")[date(2023, 4, 25)] == 453_159
    steps = [abs(b / a - 1) for a, b in zip(list(total.values())[:-1], list(total.values())[1:], strict=True)]
    assert max(steps) < 0.3, "no week multiplied or divided it by five"
    shutil.rmtree(tmp_path / "lake")


def own_run(run: Run, markets: Path) -> Run:
    """The same lake with a markets file of the user's own."""
    return Run.of(run.settings.model_copy(update={"markets": (str(markets),)}))
