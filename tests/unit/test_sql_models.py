"""SQL models: name from path, upstreams from FROM clauses, rows from Parquet; and errors that name the model."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from r2k_pipeline.contracts.table import LAYERS
from r2k_pipeline.errors import R2kError
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.release_calendar import first_publications
from r2k_pipeline.sql_models import SqlModel, read_models, run_model
from r2k_pipeline.tables import TABLES
from r2k_pipeline.transforms.setups import read_setups

SHIPPED = [model for model in read_models(shipped("sql")) if model.name.split(".")[0] in LAYERS]
DOUBLES = SqlModel("marts.doubles", "-- why\nselect market, close * 2 as close\nfrom features.bars\norder by market\n")


@pytest.fixture
def bars(tmp_path: Path) -> list[Path]:
    """A table in two files, in a folder with an apostrophe."""
    folder = tmp_path / "analyst's"
    folder.mkdir()
    files = [folder / "1.parquet", folder / "2.parquet"]
    for file, market in zip(files, ("RUT", "SPX"), strict=True):
        pl.DataFrame({"market": [market], "close": [1.5]}).write_parquet(file)
    return files


def run(model: SqlModel, files: list[Path], **variables: object) -> pl.DataFrame:
    return run_model(model, dict.fromkeys(model.upstreams, files), variables, memory_limit="256MB")


def test_a_file_is_a_table_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "doubles.sql").write_text(DOUBLES.query, "utf-8")
    (tmp_path / "README.md").write_text("not a model")
    assert read_models(tmp_path) == (DOUBLES,)


def test_upstreams_are_the_tables_of_the_lake_it_reads_and_nothing_else() -> None:
    query = """-- raw.not_this is only in a comment
    with bars as (select * from staging.daily_prices), later as (select * from bars),
    staging as (select 'features.nor_this' as name)
    select * from later join raw.price_bars using (symbol)
    where symbol in (select symbol from reference.market_symbols) and exists (from staging)
    union all select * from raw.price_bars, unnest([1]), generate_series(1, 2)"""
    assert SqlModel("marts.any", query).upstreams == (
        "raw.price_bars",
        "reference.market_symbols",
        "staging.daily_prices",
    )


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.name)
def test_shipped_models_say_why_and_run_on_empty_tables(model: SqlModel) -> None:
    """A lake of the first minute: every upstream is there and has no row."""
    assert model.comment
    empty = {name: TABLES[name].create_empty() for name in model.upstreams}
    given = {"as_of": datetime(2025, 3, 14, 20, tzinfo=UTC), "first_publications": first_publications()}
    variables = {**given, **read_setups().variables()}
    rows = run_model(model, {name: [] for name in model.upstreams}, variables, memory_limit="256MB", empty=empty)
    assert TABLES[model.name].validate(rows, cast=True).columns == TABLES[model.name].column_names()


def test_runs_over_all_files_of_an_upstream(bars: list[Path]) -> None:
    assert run(DOUBLES, bars).rows() == [("RUT", 3.0), ("SPX", 3.0)]


@pytest.mark.parametrize("older", [1, 2])
def test_raw_files_that_are_older_than_a_column_have_null_there(tmp_path: Path, older: int) -> None:
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for number, file in enumerate(files):
        row = {"symbol": "^RUT"} if number < older else {"is_settled": True, "symbol": "^RUT"}
        pl.DataFrame(row).write_parquet(file)
    model = SqlModel("staging.any", "-- why\nselect symbol, is_settled from raw.price_bars")
    empty = {"raw.price_bars": pl.DataFrame(schema={"symbol": pl.String, "is_settled": pl.Boolean})}
    rows = run_model(model, {"raw.price_bars": files}, {}, memory_limit="256MB", empty=empty)
    assert sorted(rows["is_settled"].to_list(), key=bool) == [None] * older + [True] * (2 - older)


def test_an_upstream_without_files_stands_in_as_its_empty_frame() -> None:
    empty = {"features.bars": pl.DataFrame(schema={"market": pl.String, "close": pl.Float64})}
    rows = run_model(DOUBLES, {"features.bars": []}, {}, memory_limit="256MB", empty=empty)
    assert rows.schema == {"market": pl.String, "close": pl.Float64}
    assert rows.is_empty()


def test_variables_reach_the_query(bars: list[Path]) -> None:
    model = SqlModel(
        "marts.any", "select getvariable('as_of') as known_at, count(*) as rows from features.bars group by 1"
    )
    moment = datetime(2025, 3, 14, 20, tzinfo=UTC)
    assert model.variables == ("as_of",)
    assert DOUBLES.variables == ()
    assert SqlModel("marts.any", "select 'getvariable(''as_of'')' as text").variables == ()
    ((known_at, count),) = run(model, bars, as_of=moment).rows()
    assert (known_at.astimezone(UTC), count) == (moment, 2)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("select nothing from features.bars", duckdb.BinderException),
        ("select 1 // 0 from features.bars", duckdb.Error),
        ("select error('no') from features.bars", duckdb.InvalidInputException),
        ("from read_csv('/nowhere.csv'), features.bars", R2kError),
    ],
)
def test_an_error_names_the_model(bars: list[Path], query: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^sql model marts\.broken: "):
        run(SqlModel("marts.broken", query), bars)


def test_a_damaged_upstream_is_named_with_the_model(bars: list[Path]) -> None:
    bars[1].write_bytes(bars[1].read_bytes()[:-9])
    with pytest.raises(duckdb.Error, match=r"sql model marts\.doubles: .*2\.parquet"):
        run(DOUBLES, bars)


def test_runs_do_not_see_each_other(bars: list[Path]) -> None:
    """Each runs in a database of its own: no variable, no table, no setting is left for the next."""
    run(DOUBLES, bars, as_of=datetime(2025, 1, 1, tzinfo=UTC))
    left = SqlModel("marts.left", "select getvariable('as_of') as as_of, count(*) as tables from duckdb_tables()")
    assert run(left, bars).rows() == [(None, 0)]


def test_a_model_by_market_is_the_same_market_by_market(bars: list[Path]) -> None:
    model = SqlModel(DOUBLES.name, "-- why\n-- by: market\n" + DOUBLES.query)
    assert model.is_by_market
    assert not DOUBLES.is_by_market
    assert model.comment == "why why"
    files = dict.fromkeys(model.upstreams, bars)
    parts = [run_model(model, files, {}, memory_limit="256MB", markets=[market]) for market in ("RUT", "SPX")]
    assert [part["market"].to_list() for part in parts] == [["RUT"], ["SPX"]]
    assert pl.concat(parts).equals(run(model, bars))


def test_a_model_may_limit_itself_to_markets_and_read_all(bars: list[Path]) -> None:
    query = """select a.market, b.market as other from features.bars as a cross join features.bars as b
        where a.market != b.market and list_contains(getvariable('markets'), a.market)"""
    model = SqlModel("marts.pairs", f"-- by: market\n{query}")
    rows = run_model(model, {"features.bars": bars}, {}, memory_limit="256MB", markets=["SPX"])
    assert rows.rows() == [("SPX", "RUT")]


def test_the_rows_of_several_selects_are_under_each_other(bars: list[Path]) -> None:
    two = SqlModel("marts.two", f"{DOUBLES.query};\nselect market, getvariable('half') as close from reference.markets")
    assert two.upstreams == ("features.bars", "reference.markets")
    assert two.variables == ("half",)
    files = {"features.bars": bars, "reference.markets": bars[:1]}
    rows = run_model(two, files, {"half": 0.5}, memory_limit="256MB")
    assert rows.rows() == [("RUT", 3.0), ("SPX", 3.0), ("RUT", 0.5)]


def test_names_of_markets_sort_and_compare_as_text(bars: list[Path]) -> None:
    """Within a query they are an ENUM, which sorts by place: it is in the order of the text, however it is given."""
    query = "select market || '!' as said, market from features.bars where market >= 'RUT' order by market desc"
    model = SqlModel("marts.names", query)
    rows = run_model(model, {"features.bars": bars}, {}, memory_limit="256MB", markets=["SPX", "RUT", "DJI"], threads=1)
    assert rows.schema == {"said": pl.String, "market": pl.String}
    assert rows.rows() == [("SPX!", "SPX"), ("RUT!", "RUT")]
