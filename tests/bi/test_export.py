"""The files of Superset's export: columns as contracts say, sums only of what adds up, questions that agree.

Belongs here: what can be told without a Superset. Not here: what it shows (test_superset.py).
"""

import json
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import duckdb
import pytest
import yaml

from r2k_pipeline.contracts.columns import measure_of
from tests.bi.superset_server import FOLDER, PROJECT

DATASETS: Final = sorted(FOLDER.glob("datasets/**/*.yaml"))
CHARTS: Final = sorted(FOLDER.glob("charts/*.yaml"))
GUARDED: Final = r"case when count\(\*\) = 1 then max\((\w+)\) end"
"""A metric of what does not add up is null unless it is one row's."""
SUMMED: Final = r"case when count\(distinct market\) = 1 and count\(distinct report_type\) = 1 then sum\((\w+)\) end"
"""And one of what adds up over groups is null unless it is one market's in one kind of report."""


def _read(path: Path) -> dict[str, Any]:
    part: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return part


def _name(path: Path) -> str:
    return path.stem


def test_columns_are_the_contracts(bundle: ModuleType) -> None:
    assert [path for path, _ in bundle.datasets()] == DATASETS
    for path, table in bundle.datasets():
        said = path.read_text("utf-8").partition(bundle.COLUMNS)[2]
        assert said == bundle.build_columns(table), f"{path.name}: python bi/superset/bundle.py columns"


def test_metrics_sum_only_what_adds_up(bundle: ModuleType) -> None:
    for path, table in bundle.datasets():
        for metric in _read(path)["metrics"]:
            expression = metric["expression"]
            guarded, summed = re.fullmatch(GUARDED, expression), re.fullmatch(SUMMED, expression)
            assert guarded or summed or expression == "count(*)", f"{path.name}: {expression}"
            if guarded:
                assert measure_of(table.columns()[guarded[1]]) == "non_additive", expression
            if summed:
                assert measure_of(table.columns()[summed[1]]) in {"additive", "semi_additive"}, expression


@pytest.mark.parametrize("path", CHARTS, ids=_name)
def test_the_saved_question_is_the_charts_own(path: Path) -> None:
    """Superset keeps both, and asks the one on the page and the other for its API."""
    chart = _read(path)
    (query,) = json.loads(chart["query_context"])["queries"]
    asked = [column if isinstance(column, str) else column["label"] for column in query["columns"]]
    said = chart["params"]
    groups = said["groupby"] if isinstance(said["groupby"], list) else [said["groupby"]]
    assert asked == (said.get("all_columns") or [said["x_axis"], *groups])
    assert query.get("metrics", []) == (
        said.get("metrics") or [said["metric"]] if said.get("metric") else said["metrics"]
    )
    assert query["row_limit"] == said["row_limit"]
    filters = [(kept["subject"], kept["operator"], kept["comparator"]) for kept in said["adhoc_filters"]]
    assert [(kept["col"], kept["op"], kept["val"]) for kept in query["filters"]] == filters
    (dataset,) = [found for found in map(_read, DATASETS) if found["uuid"] == chart["dataset_uuid"]]
    columns = {column["column_name"] for column in dataset["columns"]}
    assert {*asked, *(kept["col"] for kept in query["filters"])} <= columns
    assert set(query.get("metrics", [])) <= {metric["metric_name"] for metric in dataset["metrics"]}


def test_a_line_takes_the_newest_report_known_at_each_moment() -> None:
    """Not a late revision of an older one; and where several became known at once, the newest of them."""
    vintages = [
        (date(2025, 1, 7), "2025-01-20 20:30", 1.0),  # two reports at once, as after a shutdown
        (date(2025, 1, 14), "2025-01-20 20:30", 2.0),
        (date(2025, 1, 21), "2025-01-24 20:30", 3.0),
        (date(2025, 1, 14), "2025-01-27 10:00", 20.0),  # a revision of what is not the newest any more
        (date(2025, 1, 21), "2025-01-28 10:00", 30.0),  # and of what is
    ]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; create schema marts")
        connection.execute(
            "create table marts.positioning_vintages (market text, report_type text, trader_group text, "
            "report_date date, known_at timestamptz, net_share_oi double)"
        )
        for row in vintages:
            connection.execute(
                "insert into marts.positioning_vintages values ('RUT', 'tff_futures', 'dealer', ?, ?, ?)", row
            )
        query = _read(FOLDER / "datasets/r2k/positioning_as_known.yaml")["sql"]
        shown = connection.sql(f"select known_at, net_share_oi from ({query}) order by known_at").fetchall()
    wanted = [((1, 20, 20, 30), 2.0), ((1, 24, 20, 30), 3.0), ((1, 28, 10, 0), 30.0)]
    assert shown == [(datetime(2025, *moment, tzinfo=UTC), value) for moment, value in wanted]


def test_a_bundle_for_postgresql_names_its_schema_and_session(bundle: ModuleType, tmp_path: Path) -> None:
    uri = "postgresql+psycopg2://reader@db.test/marts"
    bundle.main(["zip", str(tmp_path / "dashboard.zip"), "--uri", uri])
    with zipfile.ZipFile(tmp_path / "dashboard.zip") as archive:
        parts = {Path(name): yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    assert len(parts) == len(DATASETS) + len(CHARTS) + 3
    (database,) = [part for path, part in parts.items() if path.parent.name == "databases"]
    assert database["sqlalchemy_uri"] == uri
    assert "default_transaction_read_only=on" in database["extra"]["engine_params"]["connect_args"]["options"]
    datasets = [part for part in parts.values() if "table_name" in part]
    assert {part["schema"] for part in datasets} == {"r2k"}
    assert all("from r2k." in part["sql"] and "marts." not in part["sql"] for part in datasets if part["sql"])


def test_the_address_of_a_warehouse_is_its_link_and_no_generation(bundle: ModuleType, tmp_path: Path) -> None:
    """A generation's own file would show its rows for ever, and be gone after a few more."""
    (tmp_path / "generation.duckdb").touch()
    (tmp_path / "warehouse.duckdb").symlink_to("generation.duckdb")
    assert f"{tmp_path}/warehouse.duckdb?" in bundle.warehouse_uri(tmp_path / "warehouse.duckdb")


def test_a_bundle_without_its_warehouse_is_refused(
    bundle: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bundle.main(["zip", str(tmp_path / "dashboard.zip"), "--warehouse", str(tmp_path / "none.duckdb")])
    assert ended.value.code == 2
    assert "publish one with `r2k run`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_lock_pins_all_by_hash_and_names_no_host() -> None:
    lock = (FOLDER / "requirements.lock").read_text("utf-8")
    assert not re.findall(r"\S*://\S*|--(?:index|extra-index|find-links|trusted)\S*| @ \S+", lock)
    pins = [line for line in lock.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    assert all("--hash=sha256:" in pin for pin in pins)
    wanted = [
        line.split("[")[0] for line in re.findall(r"^[a-z][\w\[\]-]+", (FOLDER / "requirements.in").read_text(), re.M)
    ]
    locked = {re.split(r"[\[=]", pin)[0] for pin in pins}
    assert set(wanted) <= locked, "make lock"


def test_no_file_names_the_machine_it_was_made_on() -> None:
    machine = re.compile(r"(?:^|[\s\"'(=:/])/(?:work|root|home)/\w+")
    for path in [*FOLDER.rglob("*.yaml"), *FOLDER.glob("*.py"), *FOLDER.glob("requirements.*")]:
        assert not machine.search(path.read_text("utf-8")), path.relative_to(PROJECT)
