"""Evidence of levels: every price that a chartist would mark, with the dates it arose and could first be known.

Belongs here: turning pivots, profiles, ranges and yearly extremes into one list of evidence. Not here: clustering
them into zones (levels.py). Evidence is a fact of one date; a reference that moves (a rolling point of control, a
252-session extreme) becomes evidence once it has stood for `HOLD_SESSIONS` within `STAND_ATR` of one value.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.row_ranges import Integers, column_array, physical_array, rows_on, symbol_offsets

HOLD_SESSIONS = 5
"""Sessions that a moving reference must stand before it counts, as many as a swing pivot's k."""
STAND_ATR = 0.25
"""How far it may move meanwhile, in ATR: half the distance that separates two zones."""
FAMILIES = ("swing", "range", "year", "high", "low", "poc", "value")
"""First words of the kinds, in the order in which evidence of one session is filed."""
KINDS = (*(f"{of}_{edge}" for of in ("swing", "range", "year") for edge in ("high", "low")), "high_252d", "low_252d")
ROLLING = ("rolling_60", "rolling_250")
"""Windows of the profiles whose edges are evidence."""
OF_PROFILES = ("poc", "value_area_low", "value_area_high")
"""Columns of profiles; a kind of evidence is one of these and the window."""
EDGES = pl.DataFrame(
    [(f"{edge}_{window}", edge, window) for edge in OF_PROFILES for window in ROLLING],
    schema=["kind", "edge", "profile_window"],
    orient="row",
)


PIECE = ["market", "kind", "born_date", "price"]
"""The columns that identify a piece of evidence."""


def find_evidence(
    bars: pl.DataFrame,
    indicators: pl.DataFrame,
    pivots: pl.DataFrame,
    profiles: pl.DataFrame,
    consolidations: pl.DataFrame,
) -> pl.DataFrame:
    """All evidence: market (Enum of those of `bars`), kind (kind_enum), price, born_date, confirmed_date; in no order.

    Kinds: `swing_high` `swing_low` `range_high` `range_low` `year_high` `year_low` `high_252d` `low_252d`, and
    `poc_` `value_area_low_` `value_area_high_` + the name of each rolling profile window. Prices in index points.
    `indicators` have the rows of `bars`, `profiles` are sorted by market and session_date. Raises ValueError if bars or
    profiles are not sorted or the edge of a consolidation is not a close of the bars in it.
    """
    offsets, day = symbol_offsets(bars), bars.schema["session_date"]
    windows = sorted(name for name in profiles["profile_window"].unique() if name.startswith("rolling_"))
    kinds = kind_enum([*KINDS, *(f"{name}_{window}" for window in windows for name in OF_PROFILES)])
    extremes = bars.select("market", "session_date").hstack(indicators.select("atr_14", "high_252d", "low_252d"))
    parts = [
        _pivot_evidence(pivots, kinds),
        *_edge_evidence(consolidations, bars, offsets),
        *_year_evidence(bars, offsets),
        *_standing_evidence(extremes, offsets, {name: name for name in ("high_252d", "low_252d")}),
        *_profile_evidence(profiles, windows, bars, offsets, indicators["atr_14"]),
    ]
    dtypes: dict[str, pl.DataType | type[pl.DataType]] = {
        "market": market_enum(bars, offsets),
        "kind": kinds,
        "price": pl.Float64,
        "born_date": day,
        "confirmed_date": day,
    }
    return pl.concat(
        part.lazy().select(pl.col(name).cast(of) for name, of in dtypes.items()) for part in parts
    ).collect()


def with_published_dates(found: pl.DataFrame, stood: pl.DataFrame, extends: bool) -> pl.DataFrame:
    """Evidence of find_evidence, each piece with the confirmed_date of its first publication.

    A late session would move that date, and with it the id of a zone, which names the date of its founder. An example:
    the k sessions after a pivot confirm it, and the last of them was Thursday. When Wednesday's bar arrives late, the
    kth is Wednesday; the pivot keeps Thursday.

    `stood`: level evidence that stood so far, with `starts_on` of its market; pieces confirmed later are not in it. If
    `extends`, `stood` is all of the evidence confirmed before starts_on.
    """
    if stood.is_empty():
        return found
    published = stood.cast({name: found.schema[name] for name in ("market", "kind")})
    starts = published.select("market", "starts_on").unique()
    dated = found.with_row_index("item").join(starts, on="market", how="left", maintain_order="left")
    if extends:
        new = dated.filter(pl.col("confirmed_date") >= pl.col("starts_on"))
        return pl.concat([published.select(found.columns), new.select(found.columns)])
    early = dated.filter((pl.col("confirmed_date") <= pl.col("starts_on")).fill_null(False))
    doubtful = _doubtful_pieces(published, early)
    if doubtful.is_empty():
        return found
    dates = _published_dates(published, early, doubtful)
    return (
        dated.join(dates, on="item", how="left", maintain_order="left")
        .with_columns(confirmed_date=pl.coalesce("published_date", "confirmed_date"))
        .select(found.columns)
    )


def _doubtful_pieces(published: pl.DataFrame, early: pl.DataFrame) -> pl.DataFrame:
    """The pieces (few) that were published with another date than `early` evidence has, and those that it has twice."""
    moved = published.join(early, on=[*PIECE, "confirmed_date"], how="anti")
    repeated = early.filter(early.select(PIECE).is_duplicated())
    return pl.concat([moved.select(PIECE), repeated.select(PIECE)]).unique()


def _published_dates(published: pl.DataFrame, early: pl.DataFrame, doubtful: pl.DataFrame) -> pl.DataFrame:
    """item, published_date of the `doubtful` pieces of the `early` evidence.

    Of equal pieces the first found gets the date of the first published, the second that of the second.
    """

    def numbered(rows: pl.DataFrame) -> pl.DataFrame:
        ordered = rows.join(doubtful, on=PIECE, how="semi", maintain_order="left").sort(
            "confirmed_date", maintain_order=True
        )
        return ordered.with_columns(nth=pl.int_range(pl.len()).over(PIECE))

    before = numbered(published).select(*PIECE, "nth", published_date="confirmed_date")
    return numbered(early).join(before, on=[*PIECE, "nth"], maintain_order="left").select("item", "published_date")


def latest_births(stood: pl.DataFrame, markets: int) -> tuple[pl.DataFrame, date | None]:
    """When the latest evidence of each edge of rolling profiles was born, and the first of these days.

    Columns: market, profile_window, and a day for each of OF_PROFILES. Later evidence is found by comparison with the
    value of that day, so an edge need be followed only from then on. The first day is None (all sessions are needed)
    unless all edges of this number of markets have one.
    """
    edges = stood.select("market", "born_date", "kind").join(EDGES, on="kind")
    births = edges.pivot("edge", index=["market", "profile_window"], values="born_date", aggregate_function="max")
    missing = [pl.lit(None, pl.Date).alias(name) for name in OF_PROFILES if name not in births.columns]
    births = births.with_columns(missing)
    days = births.select(OF_PROFILES).unpivot()["value"].drop_nulls()
    first: date | None = days.min()  # type: ignore[assignment]
    return births, first if len(days) == len(OF_PROFILES) * len(ROLLING) * markets else None


def since_births(profiles: pl.DataFrame, births: pl.DataFrame) -> pl.DataFrame:
    """The profiles, without the values of an edge from before its latest evidence was born."""
    is_before = {name: pl.col("session_date") < pl.col(f"{name}_birth") for name in OF_PROFILES}
    return (
        profiles.join(births, on=["market", "profile_window"], how="left", suffix="_birth", maintain_order="left")
        .with_columns(pl.when(~before.fill_null(False)).then(name).alias(name) for name, before in is_before.items())
        .select(profiles.columns)
    )


def market_enum(bars: pl.DataFrame, offsets: Integers) -> pl.Enum:
    """The markets of `bars`, in their order."""
    return pl.Enum(bars["market"].gather(offsets[:-1]))


def kind_enum(kinds: Iterable[str]) -> pl.Enum:
    """These kinds, in the order in which evidence of one session is filed."""
    return pl.Enum(sorted(kinds, key=lambda kind: (FAMILIES.index(kind.split("_")[0]), kind)))


def _evidence(frame: pl.DataFrame, rows: Integers, kind: str, price: str, confirmed: pl.Series) -> pl.DataFrame:
    """Evidence born at the sessions in `rows` of `frame`, at the prices in its column `price`."""
    return pl.DataFrame(
        {
            "market": frame["market"][rows],
            "kind": pl.Series([kind]).new_from_index(0, rows.size),
            "price": frame[price][rows],
            "born_date": frame["session_date"][rows],
            "confirmed_date": confirmed,
        }
    )


def _pivot_evidence(pivots: pl.DataFrame, kinds: pl.Enum) -> pl.DataFrame:
    kind = pl.when(kind="low").then(pl.lit("swing_low", kinds)).otherwise(pl.lit("swing_high", kinds))
    return pivots.select("market", "price", "confirmed_date", kind=kind, born_date="pivot_date")


def _edge_evidence(consolidations: pl.DataFrame, bars: pl.DataFrame, offsets: Integers) -> Iterator[pl.DataFrame]:
    """Edges of ranges, when a range was confirmed or a close moved an edge; each is born at the close it equals.

    Nested ranges share edges: the same edge of two of them at one session is one piece of evidence.
    """
    from r2k_pipeline.transforms.level_evidence_kernels import first_equal  # noqa: PLC0415  (imports numba)

    close, day = column_array(bars, "close"), physical_array(bars["session_date"])
    key = ("market", "start_date", "confirmed_date")
    versions = consolidations.select(pl.col("market").cast(market_enum(bars, offsets)), *key[1:], "low", "high")
    for edge in ("low", "high"):
        version = pl.col("market", "start_date", edge)
        edges = versions.sort(key).filter(pl.any_horizontal(version.ne_missing(version.shift())))
        place, since = physical_array(edges["market"]), physical_array(edges["start_date"])
        rows = first_equal(close, day, offsets, place, since, column_array(edges, edge))
        known = physical_array(edges["confirmed_date"])
        if strange := np.count_nonzero((rows < 0) | (day[rows] > known)):
            raise ValueError(f"levels: the {edge} of {strange} consolidations is no close of the bars in them")
        once = pl.DataFrame({"row": rows, "confirmed": edges["confirmed_date"]}).unique()
        yield _evidence(bars, once["row"].to_numpy(), f"range_{edge}", "close", once["confirmed"])


def _year_evidence(bars: pl.DataFrame, offsets: Integers) -> Iterator[pl.DataFrame]:
    """A calendar year's high and low, known from the first session of the next year."""
    from r2k_pipeline.transforms.level_evidence_kernels import year_extremes  # noqa: PLC0415  (imports numba)

    days = bars["session_date"].cast(pl.Date).to_physical().to_numpy()
    first, last = (days.min(), days.max()) if days.size else (0, 0)
    years = np.arange(np.datetime64(int(first), "D"), np.datetime64(int(last), "D") + 367, dtype="M8[Y]") + 1
    begins = years.astype("M8[D]").astype(np.int64)
    high, low = column_array(bars, "high"), column_array(bars, "low")

    def search(first: int, end: int) -> NDArray[np.void]:
        found: NDArray[np.void] = year_extremes(high, low, days, begins, offsets[first : end + 1])
        return found

    rows = np.concatenate(map_batches(search, offsets))
    for edge in ("high", "low"):
        yield _evidence(bars, rows[edge], f"year_{edge}", edge, bars["session_date"].gather(rows["next"]))


def _profile_evidence(
    profiles: pl.DataFrame, windows: list[str], bars: pl.DataFrame, offsets: Integers, atr: pl.Series
) -> Iterator[pl.DataFrame]:
    """Points of control and value-area edges of the rolling windows; anchored profiles restate other evidence."""
    for window in windows:
        own = profiles.select("market", "session_date", *OF_PROFILES).filter(profiles["profile_window"] == window)
        rows = rows_on(bars, offsets, own["market"], own["session_date"])
        kinds = {f"{name}_{window}": name for name in OF_PROFILES}
        yield from _standing_evidence(own.with_columns(atr[rows].alias("atr_14")), symbol_offsets(own), kinds)


def _standing_evidence(frame: pl.DataFrame, offsets: Integers, kinds: dict[str, str]) -> Iterator[pl.DataFrame]:
    """Evidence where the columns `kinds` (by kind) stood; `frame` has atr_14, its markets' rows begin at `offsets`."""
    from r2k_pipeline.transforms.level_evidence_kernels import standing  # noqa: PLC0415  (imports numba)

    names = ("atr_14", *kinds.values())
    numbers, dates = frame.select(names), frame["session_date"]

    def search(first: int, end: int) -> list[Integers]:
        rows = numbers[offsets[first] : offsets[end]].select(pl.all().fill_null(float("nan")))
        atr, *columns = (column_array(rows, name) for name in names)
        starts = offsets[first : end + 1] - offsets[first]
        return [
            np.stack(standing(values, atr, STAND_ATR, starts, HOLD_SESSIONS)) + offsets[first] for values in columns
        ]

    batches = map_batches(search, offsets)
    for (kind, name), found in zip(kinds.items(), zip(*batches, strict=True), strict=True):
        since, stood = np.concatenate(found, axis=1)
        yield _evidence(frame, since, kind, name, dates.gather(stood))
