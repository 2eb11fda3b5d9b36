"""PostgreSQL as BI tools use it: through SQLAlchemy, which Superset and many others stand on.

Belongs here: what such a client sees of a publication. Not here: the tools themselves.
"""

from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from tests.publish.server import Database, publish
from tests.publish.warehouses import PUBLISHED, build_lake


def test_sqlalchemy_lists_tables_types_keys_and_comments(tmp_path: Path, database: Database) -> None:
    publish(build_lake(tmp_path), database)
    engine = create_engine(database.url().replace("postgresql://", "postgresql+psycopg://"))
    try:
        found = inspect(engine)
        assert set(found.get_table_names("r2k")) == {table.table for table in PUBLISHED}
        mart = "positioning_vs_technicals"
        assert found.get_pk_constraint(mart, "r2k")["constrained_columns"] == ["market", "session_date"]
        assert found.get_table_comment(mart, "r2k") == {"text": PositioningVsTechnicals.description()}
        columns = {column["name"]: column for column in found.get_columns(mart, "r2k")}
        assert list(columns) == PositioningVsTechnicals.column_names()
        assert str(columns["known_at"]["type"]) == "TIMESTAMP"
        assert columns["known_at"]["type"].timezone  # type: ignore[attr-defined]
        assert (columns["close"]["comment"] or "").endswith("[index points]")
    finally:
        engine.dispose()


def test_a_transaction_of_sqlalchemy_that_repeats_its_reads_stays_in_one_generation(
    tmp_path: Path, database: Database
) -> None:
    """As docs/bi.md says: for a dashboard of several queries."""
    first, second = build_lake(tmp_path / "a", "a", height=24), build_lake(tmp_path / "b", "b", height=31)
    publish(first, database)
    url = database.url().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as connection:
            assert connection.execute(text("select generation_id from r2k.generation")).scalar() == "a"
            publish(second, database)
            assert connection.execute(text("select count(*) from r2k.markets")).scalar() == 24
        with engine.connect() as connection:
            assert connection.execute(text("select count(*) from r2k.markets")).scalar() == 31
    finally:
        engine.dispose()
