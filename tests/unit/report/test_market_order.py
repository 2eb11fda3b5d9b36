"""Markets are shown in the configured order everywhere: the product's first market comes first."""

import json
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.contracts.marts import Markets
from r2k_pipeline.lake import Lake
from r2k_pipeline.markets import read_markets
from r2k_pipeline.report.brief import read_brief
from r2k_pipeline.report.charts.known_rows import read_moments
from r2k_pipeline.report.note.compose import read_notes
from r2k_pipeline.snapshot import reading
from r2k_pipeline.tables.reference import build_markets
from tests.pipeline.command_line import r2k
from tests.unit.published import mart_row, publish

ORDER: Final = ["RUT", "SPX", "NDX", "DJI"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    markets = [
        {"market": name, "name": name, "index_symbol": f"^{name}", "price_series": "index", "calendar": "XNYS"}
        | {"sort_order": place}
        for place, name in enumerate(ORDER)
    ]
    rows = [mart_row(name, "2025-03-14") for name in sorted(ORDER)]
    return publish(tmp_path_factory.mktemp("lake"), rows, more={Markets: markets})


def test_the_usual_markets_are_in_this_order() -> None:
    rows = build_markets(read_markets())
    assert rows.sort("sort_order")["market"].to_list() == ORDER


def test_every_list_of_markets_is_in_the_configured_order(lake: Lake) -> None:
    with reading(lake) as snapshot:
        assert [market for (market,) in snapshot.ask("select market from latest()").fetchall()] == ORDER
        assert [moment.market for moment in read_moments(snapshot)] == ORDER
        assert [*read_notes(snapshot)] == ORDER
        assert [page.market["market"] for page in read_brief(snapshot, None).pages] == ORDER


@pytest.mark.parametrize("command", ["note", "brief"])
def test_commands_print_in_the_configured_order(lake: Lake, tmp_path: Path, command: str) -> None:
    said = r2k(tmp_path, command, "--lake", lake.root.parent).stdout
    assert [line.split(",")[0][2:] for line in said.splitlines() if line.startswith("# ")] == ORDER


def test_status_names_them_in_the_configured_order(lake: Lake, tmp_path: Path) -> None:
    said = json.loads(r2k(tmp_path, "status", "--json", "--lake", lake.root.parent).stdout)
    assert [*said["last_sessions"]] == ORDER
