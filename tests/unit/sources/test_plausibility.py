"""Series that are doubted before they are recorded: what is held and why, what passes, and how a user takes it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pytest

from r2k_pipeline.log.acceptance import accept_held
from r2k_pipeline.markets import read_markets
from r2k_pipeline.sources.files import FilePrices, FileReports
from tests.raw_story import RUT, Story, actions_of, at, bars_of, days_of

Edit = Callable[[pl.DataFrame], pl.DataFrame]

DAYS: Final = days_of(date(2023, 1, 3), 301)
DAY: Final = str(DAYS[150])
MARKETS: Final = (
    RUT.model_copy(update={"proxy": "IWM", "context": ("^VIX",)}),
    RUT.model_copy(update={"market": "SPX", "index": "^GSPC", "proxy": "SPY"}),
)
LOADED: Final = "2024-03-14T22:00"
PRICES: Final = ("Open", "High", "Low", "Close")


def walk(seed: int, start: float, like: np.ndarray | None = None, stray: float = 0.01) -> np.ndarray:
    """Closes of DAYS: one-day returns of `stray` (a ratio), around those of `like`."""
    noise = np.random.default_rng(seed).normal(0, stray, len(DAYS))
    moves = noise if like is None else np.append(0, like[1:] / like[:-1] - 1) + noise
    return start * np.cumprod(1 + moves)


RUSSELL: Final = walk(1, 2000)
STANDARD: Final = walk(2, 4000)
SERIES: Final = {
    "^RUT": RUSSELL,
    "IWM": walk(3, 200, RUSSELL, 0.0003),
    "^GSPC": STANDARD,
    "SPY": walk(4, 400, STANDARD, 0.0003),
    "^VIX": walk(5, 15, stray=0.08),
}


def bars(symbol: str) -> pl.DataFrame:
    """A sound answer for one symbol in Yahoo's layout, highs and lows a hundredth from the close."""
    close = pl.col("Close").cast(pl.Float64)
    plain = bars_of(dict(zip(DAYS, SERIES[symbol].tolist(), strict=True)))
    return plain.with_columns(High=(1.01 * close).cast(pl.String), Low=(0.99 * close).cast(pl.String))


def times(factor: float, first: int = 0, last: int = len(DAYS), names: tuple[str, ...] = PRICES) -> Edit:
    """Multiplies some prices of the rows from `first` to before `last`."""
    inside = pl.int_range(pl.len()).is_between(first, last - 1)
    return lambda rows: rows.with_columns(
        pl.when(inside).then((pl.col(n).cast(pl.Float64) * factor).cast(pl.String)).otherwise(pl.col(n)) for n in names
    )


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = replace(Story.begin(tmp_path, refused_share=1.0), markets=MARKETS)
    for symbol in SERIES:
        story.desk.quote(bars(symbol), symbol=symbol)
    return story


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """All series but for their last day, in the log."""
    folder = tmp_path_factory.mktemp("loaded")
    story = replace(Story.begin(folder, refused_share=1.0), markets=MARKETS)
    for symbol in SERIES:
        story.desk.quote(bars(symbol).head(300), symbol=symbol)
    story.fetch_prices("2024-03-13T22:00")
    for symbol in SERIES:
        story.desk.quote(bars(symbol), symbol=symbol)
    return story


def heights(story: Story) -> dict[str, int]:
    """Sessions of each symbol in the log; one whose volume settled later has two rows."""
    return dict(story.raw("price_bars").group_by("symbol").agg(pl.col("session_date").n_unique()).rows())


def closes_alone(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("Close").alias(name) for name in PRICES)


FAULTS: Final = {
    "closes alone": (closes_alone, "one price a session in 250 of the newest 250", "closes alone, it seems"),
    "block of cents": (times(100, 150, 170), f"{DAY} close", "cents for dollars"),
    "cents from then on": (times(100, 150), f"{DAY} close", "cents for dollars"),
    "split not applied": (times(2, 0, 150), f"{DAY} close", "a split 2:1"),
    "bad high": (times(1.5, 300, 301, ("High",)), f"{DAYS[300]} high", "far beyond the session's other prices"),
    "bad low": (times(0.7, 150, 151, ("Low",)), f"{DAY} low", "far beyond the session's other prices"),
    "another index": (lambda _: bars("^GSPC"), "it looks like ^GSPC's series", "from its own market's"),
    "another fund": (lambda _: bars("SPY"), "it looks like SPY's series", "from its own market's"),
    "the index's own fund": (lambda _: bars("IWM"), "it looks like IWM's series", "250 of 250 closes are those of IWM"),
}


LOADED_BEFORE: Final = ("split not applied", "bad high", "another index")
"""What is also tried in a log that has the series already; how it is doubted does not depend on that."""
CASES: Final = [
    *(pytest.param(*fault, True, id=f"{name}, first load") for name, fault in FAULTS.items()),
    *(pytest.param(*FAULTS[name], False, id=f"{name}, loaded before") for name in LOADED_BEFORE),
]


@pytest.mark.parametrize(("edit", "example", "rule", "is_first"), CASES)
def test_a_doubted_series_keeps_its_new_rows_out_and_the_others_go_on(
    story: Story, loaded: Story, tmp_path: Path, edit: Edit, example: str, rule: str, is_first: bool
) -> None:
    story = story if is_first else loaded.copied_to(tmp_path / "loaded")
    story.desk.quote(edit(bars("^RUT")), actions_of((DAY, "1.5", "0")))
    fetched, actions = story.fetch_prices(LOADED)
    (message,) = fetched.failures.filter(item="^RUT")["message"]
    assert fetched.failures.filter(item="^RUT")["status"].to_list() == ["held"]
    assert example in message
    assert rule in message or not is_first
    assert message.endswith("next: download it again, or if it is right: r2k accept '^RUT' --source files")
    assert actions.failures["item"].to_list() == ["^RUT"], "nothing of a doubted symbol is recorded"
    # Of an index and its fund that are one series nothing says which is right, until one is in the log.
    kept_out = {"^RUT", "IWM"} if edit is FAULTS["the index's own fund"][0] and is_first else {"^RUT"}
    assert heights(story) == {s: 301 for s in SERIES if s not in kept_out} | ({} if is_first else {"^RUT": 300})
    if not is_first:
        known = story.known("daily_prices", "2024-03-15")
        assert known.filter(symbol="^RUT")["close"].to_list() == pytest.approx(SERIES["^RUT"][:300].tolist())


def together(story: Story, edit: Edit) -> None:
    for symbol in ("^RUT", "IWM"):
        story.desk.quote(edit(bars(symbol)), symbol=symbol)


def flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Thirty rows that repeat the first one's close."""
    inside = pl.int_range(pl.len()).is_between(150, 179)
    close = pl.col("Close").get(150)
    return rows.with_columns(pl.when(inside).then(close).otherwise(pl.col(name)).alias(name) for name in PRICES)


def split(story: Story) -> None:
    story.desk.quote(times(2, 0, 150)(bars("^RUT")), actions_of((DAY, "0", "2")))


SOUND: Final[dict[str, Callable[[Story], None]]] = {
    "as it is": lambda _: None,
    "a crash that the fund shares": lambda story: together(story, times(0.6, 150)),
    "a flash crash that the fund shares": lambda story: together(story, times(0.8, 150, 151, ("Low",))),
    "a split that is listed": split,
    "a day of 30 %": lambda story: story.desk.quote(times(1.3, 150)(bars("^RUT"))),
    "a high of 3 % too much": lambda story: story.desk.quote(times(1.03, 150, 151, ("High",))(bars("^RUT"))),
    "volatility that doubles": lambda story: story.desk.quote(times(2.2, 150)(bars("^VIX")), symbol="^VIX"),
    "two names of one index": lambda story: story.desk.quote(bars("^GSPC"), symbol="^SPX"),
    "thirty flat days": lambda story: story.desk.quote(flat(bars("^RUT"))),
}


@pytest.mark.parametrize("prepare", SOUND.values(), ids=SOUND)
def test_what_can_happen_passes(story: Story, prepare: Callable[[Story], None]) -> None:
    prepare(story)
    if "^SPX" in story.desk.prices:
        again = RUT.model_copy(update={"market": "OWN", "index": "^SPX", "proxy": "SPY"})
        story = replace(story, markets=(*MARKETS, again))
    fetched, _ = story.fetch_prices(LOADED)
    assert fetched.failures.is_empty(), fetched.failures["message"].to_list()


@pytest.mark.parametrize(
    ("own", "is_held"),
    [({"class_": "volatility"}, False), ({"series": "yield", "inverse": True}, False), ({}, True)],
)
def test_volatility_and_yields_may_double_in_a_day(story: Story, own: dict[str, object], is_held: bool) -> None:
    """^VIX rose by 2.16 on 2018-02-05; an index of shares does not, so of one such a step is doubted."""
    alone = {"market": "OWN", "index": "^VIX", "proxy": None, "context": ()}
    market = RUT.model_copy(update={**alone, **own})
    story.desk.quote(times(2.0, 200)(bars("^VIX")), symbol="^VIX")
    fetched, _ = replace(story, markets=(*MARKETS, market)).fetch_prices(LOADED)
    assert fetched.failures["item"].to_list() == ["^VIX"] * is_held


def test_a_context_symbol_that_is_another_one_is_held(story: Story) -> None:
    story.desk.quote(bars("SPY"), symbol="^VIX")
    fetched, _ = story.fetch_prices(LOADED)
    assert fetched.failures["item"].to_list() == ["^VIX"]
    assert "it looks like SPY's series: 250 of 250 closes" in fetched.failures["message"][0]


@pytest.mark.parametrize(
    "edit", [closes_alone, FAULTS["another index"][0], FAULTS["split not applied"][0], FAULTS["bad low"][0]]
)
def test_what_a_user_accepts_is_not_doubted_again(story: Story, edit: Edit) -> None:
    whole = edit(bars("^RUT"))
    story.desk.quote(whole.head(300))
    story.fetch_prices("2024-03-13T22:00")
    story.clock.moment = at("2024-03-13T23:00")
    assert "300 held rows of raw.price_bars accepted" in accept_held(story, "^RUT")
    story.desk.quote(whole)
    fetched, _ = story.fetch_prices(LOADED)
    assert fetched.failures.is_empty(), fetched.failures["message"].to_list()
    assert heights(story)["^RUT"] == 301


def test_a_doubt_goes_with_the_file_that_caused_it(story: Story) -> None:
    story.desk.quote(bars("IWM"))
    story.fetch_prices(LOADED)
    assert sorted(item for _, item in story.lake.held()) == ["IWM", "^RUT"]
    story.desk.quote(bars("^RUT"))
    fetched, _ = story.fetch_prices("2024-03-15T22:00")
    assert fetched.failures.is_empty()
    assert story.lake.held() == {}
    assert heights(story) == dict.fromkeys(SERIES, 301)


def test_a_live_bar_is_not_judged(story: Story) -> None:
    story.desk.quote(times(1.5, 300, 301, ("High",))(bars("^RUT")))
    fetched, _ = story.fetch_prices(f"{DAYS[300]}T18:00")
    assert fetched.failures.is_empty()


def test_a_funds_adjusted_prices_are_seen_in_what_it_gains_on_its_index(tmp_path: Path) -> None:
    """Without adjusted closes beside them, and only while the log has nothing of it."""
    story = replace(Story.begin(tmp_path, refused_share=1.0), markets=MARKETS[:1])
    days = days_of(date(2016, 1, 4), 1500)
    level = {day: 1000 + n % 7 for n, day in enumerate(days)}
    paid = {day: 0.1 * close * (1 - 0.012 * (1500 - n) / 252) for n, (day, close) in enumerate(level.items())}
    story.desk.quote(bars_of(level))
    story.desk.quote(bars_of({day: 0.1 * close for day, close in level.items()}).drop("Adj Close"), symbol="IWM")
    assert "IWM" not in story.fetch_prices("2023-01-03T22:00")[0].failures["item"]
    other = replace(Story.begin(tmp_path / "other", refused_share=1.0), markets=MARKETS[:1])
    other.desk.quote(bars_of(level))
    other.desk.quote(bars_of(paid).drop("Adj Close"), symbol="IWM")
    (message,) = other.fetch_prices("2023-01-03T22:00")[0].failures.filter(item="IWM")["message"]
    assert "prices adjusted for dividends, it seems: it gains 1.2 % a year on ^RUT over 6 years" in message
    assert "auto_adjust=False" in message


@pytest.mark.parametrize(
    ("sessions", "said"),
    [
        (1500, "not so, it gains 0.0 % a year on ^RUT over 6 years"),
        (500, "not compared, as that takes 5 years in common with its index; next: take a file with Adj Close"),
    ],
)
def test_what_a_fund_without_adjusted_closes_was_compared_with_is_told_once(
    tmp_path: Path, sessions: int, said: str
) -> None:
    story = replace(Story.begin(tmp_path, refused_share=1.0), markets=MARKETS[:1])
    level = {day: 1000 + n % 7 for n, day in enumerate(days_of(date(2016, 1, 4), sessions))}
    story.desk.quote(bars_of(level))
    story.desk.quote(bars_of({day: 0.1 * close for day, close in level.items()}).drop("Adj Close"), symbol="IWM")
    (message,) = story.fetch_prices("2023-01-03T22:00")[0].log.filter(item="IWM")["message"]
    assert f"without Adj Close its prices may be adjusted for dividends: {said}" in message
    assert story.fetch_prices("2023-01-04T22:00")[0].log.filter(item="IWM")["message"].to_list() == [None]


@pytest.fixture
def faults(real: Path) -> Path:
    folder = real.parent / "faulty" / "prices" / "faults"
    if not folder.is_dir():
        pytest.skip("the small faulty price files are not here")
    return folder


RUSSELLS: Final = ("^RUT", "IWM")


def _story_of(
    real: Path, tmp_path: Path, file: Path | None = None, symbol: str = "^RUT", among: Sequence[str] = ()
) -> Story:
    """A lake of source files on the real ones, of the symbols `among` or all, with one file in another's place."""
    vendor = tmp_path / "vendor"
    (vendor / "prices").mkdir(parents=True)
    for source in (real / "prices").glob("*.csv"):
        if source.stem in among or not among:
            (vendor / "prices" / source.name).symlink_to(source)
    if file is not None:
        (vendor / "prices" / f"{symbol}.csv").unlink()
        (vendor / "prices" / f"{symbol}.csv").symlink_to(file)
    story = Story.begin(tmp_path / "lake", refused_share=1.0)
    markets = tuple(market for market in read_markets() if market.index in among or not among)
    return replace(story, markets=markets, desk=(FilePrices(vendor), FileReports(vendor)))


def test_every_real_series_passes(real: Path, tmp_path: Path) -> None:
    """From 1987 on here: the crashes, two splits of IWM, odd highs of ^RUT, ^VIX of 2018-02-05 and 2024-08-05."""
    fetched, _ = _story_of(real, tmp_path).fetch_prices("2026-01-05T22:00")
    assert fetched.failures.is_empty(), fetched.failures["message"].to_list()
    assert fetched.log.filter(status="ok").height == 10


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("block_x100", "held", "2024-03-14 close 2071.71 -> 203118.01 (cents for dollars?)"),
        ("switch_x100", "held", "cents for dollars"),
        ("split_not_applied", "held", "2024-05-24 close 4096.82 -> 2069.67 (a split 2:1?)"),
        ("bad_high_last", "held", "2025-12-31 high 3752.66, close 2481.91"),
        ("weekly_rows", "failed", "not daily: 600 of 751 sessions"),
        ("shift_day", "failed", "168 of 752 rows are on days without a session"),
    ],
)
def test_a_faulty_file_is_named_and_the_rest_is_recorded(
    real: Path, faults: Path, tmp_path: Path, name: str, status: str, said: str
) -> None:
    story = _story_of(real, tmp_path, faults / f"{name}.csv", among=RUSSELLS)
    fetched, _ = story.fetch_prices("2026-01-05T22:00")
    assert fetched.failures.select("item", "status").rows() == [("^RUT", status)]
    assert said in fetched.failures["message"][0]
    assert "; next: " in fetched.failures["message"][0]
    assert set(heights(story)) == {"IWM"}


@pytest.mark.parametrize(
    ("name", "written", "refused"),
    [("huge", 0, 752), ("tiny", 0, 752), ("inf_high", 751, 1), ("negative_close", 751, 1), ("flat_30", 752, 0),
     ("null_holiday", 752, 1), ("nan_close", 751, 1), ("null_session", 751, 1), ("missing_session", 751, 0),
     ("dividends_only", 752, 0)],
)  # fmt: skip
def test_rows_that_are_impossible_are_refused_and_odd_ones_kept(
    real: Path, faults: Path, tmp_path: Path, name: str, written: int, refused: int
) -> None:
    fetched, _ = _story_of(real, tmp_path, faults / f"{name}.csv", among=("^RUT",)).fetch_prices("2026-01-05T22:00")
    assert fetched.log.filter(item="^RUT").select("rows_written", "rows_quarantined").row(0) == (written, refused)


@pytest.mark.parametrize(("file", "symbol"), [("SPY", "IWM"), ("^GSPC", "^VIX")])
def test_a_copied_file_says_whose_it_is(real: Path, tmp_path: Path, file: str, symbol: str) -> None:
    story = _story_of(real, tmp_path, real / "prices" / f"{file}.csv", symbol)
    fetched, _ = story.fetch_prices("2026-01-05T22:00")
    assert fetched.failures.select("item", "status").rows() == [(symbol, "held")]
    assert f"it looks like {file}'s series" in fetched.failures["message"][0]
