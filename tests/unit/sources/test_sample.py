"""The sample: the same bytes every time, numbers that add up as the vendors' do, and the story of the note in them."""

import csv
import io
import zipfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from pandas.tseries.holiday import USFederalHolidayCalendar

from r2k_pipeline.sources.sample import write_sample

# exchange_calendars 4.13.2 reads Series.values, which pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning:pandas.errors.Pandas4Warning")

SYMBOLS = ("^RUT", "^GSPC", "^NDX", "^DJI", "IWM", "SPY", "QQQ", "DIA")
CODES = ("239742", "13874A", "209742", "124603", "1170E1")
YEARS = range(2020, 2026)
GROUPS = ("Dealer", "Asset_Mgr", "Lev_Money", "Other_Rept")
KEY = ("CFTC_Contract_Market_Code", "Report_Date_as_YYYY-MM-DD")
LEGACY_KEY = ("CFTC Contract Market Code", "As of Date in Form YYYY-MM-DD")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake") / "files"
    write_sample(folder)
    return folder


def read_member(archive: Path) -> str:
    with zipfile.ZipFile(archive) as opened:
        (member,) = opened.namelist()
        return opened.read(member).decode("ascii")


def read_text(sample: Path, pattern: str) -> pl.DataFrame:
    """All years of one report, every cell as printed."""
    years = [read_member(sample / "cot" / pattern.format(year)).encode() for year in YEARS]
    return pl.concat([pl.read_csv(text, infer_schema=False) for text in years])


def as_numbers(printed: pl.DataFrame, key: tuple[str, str]) -> pl.DataFrame:
    """Key as text, every padded number as a number, the suppressed count as null; by contract, oldest first."""
    numbers = [name for name in printed.columns[7:] if "Units" not in name and "Code" not in name and "Fut" not in name]
    values = pl.col(numbers).str.strip_chars().replace(".", None).cast(pl.Float64, strict=True)
    return printed.select(pl.col(key).str.strip_chars(), values).sort(key)


@pytest.fixture(scope="module")
def tff(sample: Path) -> pl.DataFrame:
    return as_numbers(read_text(sample, "fut_fin_txt_{}.zip"), KEY)


@pytest.fixture(scope="module")
def legacy(sample: Path) -> pl.DataFrame:
    printed = read_text(sample, "deacot{}.zip").drop("CFTC Market Code in Initials (Quotes)", "Contract Units")
    return as_numbers(printed, LEGACY_KEY)


@pytest.fixture(scope="module")
def russell(sample: Path) -> pl.DataFrame:
    return pl.read_csv(sample / "prices" / "^RUT.csv", try_parse_dates=True)


def closes(bars: pl.DataFrame, first: date, last: date) -> pl.Series:
    return bars.filter(pl.col("Date").is_between(first, last))["Close"]


def test_every_call_writes_the_same_bytes_and_nothing_beside_them(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again")
    files = sorted(path.relative_to(sample) for path in sample.rglob("*") if path.is_file())
    expected = [f"prices/{symbol}.csv" for symbol in SYMBOLS]
    expected += [f"cot/{name}{year}.zip" for name in ("fut_fin_txt_", "deacot") for year in YEARS]
    assert sorted(map(str, files)) == sorted(expected)
    assert all((sample / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    write_sample(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_remains_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    (tmp_path / "files.partial" / "cot").mkdir(parents=True)
    (tmp_path / "files.partial" / "cot" / "half.zip").write_bytes(b"PK")
    write_sample(tmp_path / "files")
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
    assert not (tmp_path / "files" / "cot" / "half.zip").exists()


def test_headers_line_ends_and_widths_are_the_vendors_own(sample: Path, real: Path) -> None:
    for folder, name in (("cot", "fut_fin_txt_2024.zip"), ("cot", "deacot2025.zip")):
        ours = read_member(sample / folder / name).splitlines(keepends=True)
        theirs = read_member(real / folder / name).splitlines(keepends=True)
        assert ours[0] == theirs[0]
        code = ",239742,"
        our_row, their_row = (next(csv.reader(io.StringIO(next(x for x in t if code in x)))) for t in (ours, theirs))
        pairs = list(zip(our_row, their_row, strict=True))[1:]
        assert [len(a) for a, b in pairs if "." not in (a, b)] == [len(b) for a, b in pairs if "." not in (a, b)]
        assert {our_row[4], our_row[6]} == {"CME ", "239 "}
    assert (sample / "prices" / "IWM.csv").read_bytes().split(b"\n")[0] == (
        real / "prices" / "IWM.csv"
    ).read_bytes().split(b"\n")[0]


def test_the_unchanging_cells_of_a_contract_are_the_real_ones(sample: Path, real: Path) -> None:
    constant = [*(KEY[0], "CFTC_Market_Code", "CFTC_Region_Code", "CFTC_Commodity_Code", "Contract_Units")]
    constant += ["CFTC_SubGroup_Code", "FutOnly_or_Combined"]
    both = [
        pl.read_csv(read_member(folder / "cot" / "fut_fin_txt_2024.zip").encode(), infer_schema=False)
        .filter(pl.col(KEY[0]).str.strip_chars().is_in(CODES))
        .select(constant)
        .unique()
        .sort(KEY[0])
        for folder in (sample, real)
    ]
    assert both[0].height == len(CODES)
    assert both[0].equals(both[1])


def test_it_says_sample_in_every_row(sample: Path) -> None:
    for pattern in ("fut_fin_txt_{}.zip", "deacot{}.zip"):
        printed = read_text(sample, pattern)
        assert printed.to_series(0).str.starts_with("SAMPLE ").all()


def test_report_dates_are_tuesdays_or_the_monday_before_a_federal_holiday(tff: pl.DataFrame) -> None:
    holidays = {day.date() for day in USFederalHolidayCalendar().holidays("2020-01-01", "2025-12-31")}
    tuesdays = [date(2020, 1, 7) + timedelta(weeks=week) for week in range(313)]
    expected = [day - timedelta(days=1) if day in holidays else day for day in tuesdays]
    expected[expected.index(date(2020, 12, 22))] = date(2020, 12, 21)  # by decision of the CFTC: no holiday
    for code in CODES:
        assert tff.filter(pl.col(KEY[0]) == code)[KEY[1]].str.to_date().to_list() == expected


def test_report_dates_include_all_that_the_real_files_have(tff: pl.DataFrame, real: Path) -> None:
    for year in YEARS:
        text = read_member(real / "cot" / f"fut_fin_txt_{year}.zip").encode()
        theirs = pl.read_csv(text, infer_schema=False).filter(pl.col(KEY[0]).str.strip_chars() == "13874A")[KEY[1]]
        assert set(theirs) <= set(tff[KEY[1]])


def test_open_interest_is_the_sum_of_either_side(tff: pl.DataFrame) -> None:
    for side in ("Long", "Short"):
        cells = [f"{group}_Positions_{kind}_All" for group in GROUPS for kind in (side, "Spread")]
        reportable = pl.sum_horizontal(cells)
        assert tff.select((reportable == pl.col(f"Tot_Rept_Positions_{side}_All")).all()).item()
        total = reportable + pl.col(f"NonRept_Positions_{side}_All")
        assert tff.select((total == pl.col("Open_Interest_All")).all()).item()
    assert tff.select(pl.col("^.*Positions.*$").min()).min_horizontal().item() > 0


def test_changes_are_differences_to_the_report_before_across_years_too(tff: pl.DataFrame, legacy: pl.DataFrame) -> None:
    changes = {name: name.replace("Change_in_", "") for name in tff.columns if name.startswith("Change_in_")}
    for change, stem in changes.items():
        level = stem if stem in tff.columns else "_".join([*stem.split("_")[:-2], "Positions", *stem.split("_")[-2:]])
        step = pl.col(level).diff().over(KEY[0])
        assert tff.select(((step == pl.col(change)) | step.is_null()).all()).item(), change
        assert tff.select(step.null_count()).item() == len(CODES)
    for name in (column for column in legacy.columns if column.startswith("Change in") and "Open" not in column):
        level = name.removeprefix("Change in ").replace("-", " Positions-")
        level = f" {level}" if level not in legacy.columns else level
        step = pl.col(level).diff().over(LEGACY_KEY[0])
        assert legacy.select(((step == pl.col(name)) | step.is_null()).all()).item(), name


def test_percentages_are_of_open_interest_and_concentration_is_ordered(tff: pl.DataFrame) -> None:
    share = 100 * pl.col("Asset_Mgr_Positions_Short_All") / pl.col("Open_Interest_All")
    assert tff.select((share - pl.col("Pct_of_OI_Asset_Mgr_Short_All")).abs().max()).item() <= 0.05 + 1e-9
    for side in ("Long", "Short"):
        four, eight = (pl.col(f"Conc_Gross_LE_{n}_TDR_{side}_All") for n in (4, 8))
        assert tff.select((eight > four).all()).item()
        assert tff.select((pl.col(f"Conc_Net_LE_4_TDR_{side}_All") < four).all()).item()
        assert tff.select((eight <= pl.col(f"Pct_of_OI_Tot_Rept_{side}_All")).all()).item()


def test_traders_are_enough_to_be_published_and_few_are_suppressed(tff: pl.DataFrame) -> None:
    assert tff["Traders_Tot_All"].min() >= 20
    cells = tff.select(pl.col("^Traders_.*$"))
    assert cells.select(pl.sum_horizontal(pl.all().null_count())).item() > 0
    assert cells.min().min_horizontal().item() >= 4
    for side in ("Long", "Short"):
        largest = pl.max_horizontal([f"Traders_{group}_{side}_All" for group in GROUPS])
        assert tff.select((pl.col(f"Traders_Tot_Rept_{side}_All") >= largest).all()).item()
        assert tff.select((pl.col("Traders_Tot_All") >= pl.col(f"Traders_Tot_Rept_{side}_All")).all()).item()


def test_legacy_agrees_with_itself_and_with_tff(tff: pl.DataFrame, legacy: pl.DataFrame) -> None:
    spread = pl.col("Noncommercial Positions-Spreading (All)")
    for side in ("Long", "Short"):
        total = pl.col(f"Noncommercial Positions-{side} (All)") + pl.col(f"Commercial Positions-{side} (All)") + spread
        total += pl.col(f"Nonreportable Positions-{side} (All)")
        assert legacy.select((total == pl.col("Open Interest (All)")).all()).item()
    assert legacy.select(pl.col("^.*\\(Old\\)$")).to_numpy().tolist() == (
        legacy.select(name for name in legacy.columns if name.endswith("(All)") and "Change" not in name)
        .to_numpy()
        .tolist()
    )
    joined = tff.join(legacy, left_on=KEY, right_on=LEGACY_KEY, validate="1:1")
    assert joined.height == tff.height == legacy.height
    assert joined.select((pl.col("Open_Interest_All") == pl.col("Open Interest (All)")).all()).item()
    reported = pl.col("NonRept_Positions_Long_All") == pl.col("Nonreportable Positions-Long (All)")
    assert joined.select(reported.all()).item()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_bars_are_consistent_and_on_every_session(sample: Path, symbol: str) -> None:
    bars = pl.read_csv(sample / "prices" / f"{symbol}.csv", try_parse_dates=True)
    assert bars.columns == ["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"]
    assert bars["Date"].is_sorted()
    assert (bars["Date"][0], bars["Date"][-1]) == (date(2020, 1, 2), date(2025, 12, 31))
    top, bottom = pl.max_horizontal("Open", "Close"), pl.min_horizontal("Open", "Close")
    assert bars.select(((pl.col("High") >= top) & (pl.col("Low") <= bottom) & (pl.col("Low") > 0)).all()).item()
    assert bars["Volume"].min() > 0
    adjusted = bars.select((pl.col("Adj Close") / pl.col("Close")).alias("ratio"))["ratio"]
    assert abs(adjusted[-1] - 1) < 1e-6
    steps = int((adjusted.diff().abs() > 1e-4).sum())
    assert steps == (0 if symbol.startswith("^") else 12)


def test_the_sessions_are_those_that_the_real_russell_traded_on(russell: pl.DataFrame, real: Path) -> None:
    theirs = pl.read_csv(real / "prices" / "^RUT.csv", try_parse_dates=True)["Date"]
    assert russell["Date"].equals(theirs.filter(theirs >= date(2020, 1, 1)))


def test_an_etf_tracks_its_index(sample: Path, russell: pl.DataFrame) -> None:
    etf = pl.read_csv(sample / "prices" / "IWM.csv")["Close"]
    assert float((etf / russell["Close"] / 0.0994 - 1).abs().max()) < 0.001


def test_the_markets_move_together_but_not_in_step(sample: Path) -> None:
    names = ("^RUT", "^GSPC", "^NDX", "^DJI")
    returns = [pl.read_csv(sample / "prices" / f"{name}.csv")["Close"].pct_change().drop_nulls() for name in names]
    between = np.corrcoef(np.array(returns))[np.triu_indices(4, 1)]
    assert 0.7 < between.min() < between.max() < 0.95


def test_the_russell_ranges_then_makes_its_high_then_falls_back_into_the_range(russell: pl.DataFrame) -> None:
    inside = closes(russell, date(2024, 1, 2), date(2024, 7, 9))
    low, high = float(inside.min()), float(inside.max())
    assert (1905 < low < 1930, 2105 < high < 2135) == (True, True)
    noise = float(inside.log().diff().std())
    assert np.log(high / low) / (noise * np.sqrt(len(inside))) < 0.8  # tighter than a random walk: a consolidation
    peak = russell.row(int(russell["Close"].arg_max()), named=True)["Date"]
    assert date(2024, 11, 18) <= peak <= date(2024, 11, 29)
    before_the_fall, fallen = closes(russell, date(2025, 2, 18), date(2025, 2, 18)).item(), 1994.0
    assert closes(russell, date(2025, 2, 19), date(2025, 3, 13)).max() < before_the_fall
    assert closes(russell, date(2025, 3, 13), date(2025, 3, 13)).item() == fallen
    assert low < fallen < high
    assert closes(russell, date(2025, 12, 31), date(2025, 12, 31)).item() > before_the_fall


def test_the_russell_is_oversold_around_the_13th_of_march(russell: pl.DataFrame) -> None:
    rsi = pl.Series(talib.RSI(russell["Close"].to_numpy(), 14))
    around = rsi.filter(russell["Date"].is_between(date(2025, 3, 11), date(2025, 3, 14)))
    assert 20 < around.min() < around.max() < 30
    february = rsi.filter(russell["Date"].is_between(date(2025, 2, 10), date(2025, 2, 18)))
    assert february.min() > 40


def test_asset_managers_build_russell_shorts_in_march(tff: pl.DataFrame) -> None:
    russell = tff.filter(pl.col(KEY[0]) == "239742").with_columns(pl.col(KEY[1]).str.to_date())
    shorts, added = "Asset_Mgr_Positions_Short_All", "Change_in_Asset_Mgr_Short_All"
    march = russell.filter(pl.col(KEY[1]).is_between(date(2025, 3, 4), date(2025, 3, 11)))
    assert march[added].min() > 8_000
    year_before = russell.filter(pl.col(KEY[1]).is_between(date(2024, 3, 12), date(2025, 3, 11)))
    assert year_before[shorts].max() == march[shorts][-1]
    assert march["Change_in_Asset_Mgr_Long_All"].max() < 0


def test_shorts_build_in_the_s_and_p_while_nasdaq_longs_are_sold(tff: pl.DataFrame) -> None:
    def growth(code: str, column: str, first: str, last: str) -> float:
        by_date = {day: value for found, day, value in tff.select(*KEY, column).iter_rows() if found == code}
        return float(by_date[last] / by_date[first] - 1)

    assert growth("13874A", "Asset_Mgr_Positions_Short_All", "2025-02-18", "2025-03-18") > 0.1
    assert growth("209742", "Asset_Mgr_Positions_Long_All", "2025-01-21", "2025-03-18") < -0.05
