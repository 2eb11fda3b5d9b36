"""How the last run went, as `r2k status` and doctor tell it: a run that failed or died is not forgotten."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import begin_run, end_run, mark_published, read_last_run, record_refusal, recording
from tests.pipeline.command_line import r2k
from tests.sql.rows import rows_of
from tests.unit.published import mart_row, publish

BEGAN: Final = datetime(2025, 3, 14, 21, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    rows = [mart_row("RUT", "2025-03-14"), mart_row("SPX", "2025-03-13"), mart_row("NDX", "2025-03-14")]
    return publish(tmp_path, rows)


def status(lake: Lake) -> tuple[int, str]:
    result = r2k(lake.root.parent, "status", "--lake", lake.root.parent)
    return result.exit_code, result.output


def test_status_tells_the_last_session_of_each_market(lake: Lake) -> None:
    assert "  last session  2025-03-14 (NDX, RUT), 2025-03-13 (SPX)\n" in status(lake)[1]


def test_a_run_that_published_is_well(lake: Lake) -> None:
    begin_run(lake, BEGAN)
    mark_published(lake, "0123456789abcdef")
    end_run(lake, BEGAN)
    assert status(lake)[0] == 0


def test_a_run_that_died_has_failed_and_one_that_goes_on_has_not(lake: Lake) -> None:
    with lake.lock():
        begin_run(lake, BEGAN)
        assert status(lake)[0] == 0
    code, said = status(lake)
    assert code == 1
    assert "LAST RUN      the run of 2025-03-14 21:00:00 UTC died (process " in said
    assert "the run of 2025-03-14 21:00:00 UTC died" in r2k(lake.root, "doctor", "--lake", lake.root.parent).output


def test_a_run_that_did_not_publish_has_failed(lake: Lake) -> None:
    with recording(lake, lambda: BEGAN):
        pass
    assert status(lake)[0] == 1
    with recording(lake, lambda: BEGAN) as failures:
        failures += ["warehouse: no space", "raw/price_bars fetched: ^RUT"]
    assert "failed: warehouse: no space (and 1 more line)" in status(lake)[1]


def test_the_next_command_is_of_the_lake_s_source(tmp_path: Path) -> None:
    """`r2k run` alone would make the sample's lake."""
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-14")], source="live")
    ask = ("--lake", tmp_path, "--source", "live", "--as-of", "2025-03-14")
    begin_run(lake, BEGAN)
    assert "died (process " in (said := r2k(tmp_path, "status", *ask).output)
    assert said.rstrip().endswith(f"; next: r2k run --source live --lake {tmp_path}")
    end_run(lake, BEGAN)
    said = r2k(tmp_path, "status", *ask).output
    assert said.rstrip().endswith(
        f"failed: it ended before it published; next: r2k run --source live --lake {tmp_path}"
    )
    (file,) = lake.files("marts.markets")
    file.write_bytes(b"")
    with pytest.raises(R2kError, match=r"; next: r2k run --source live --lake .*, which rebuilds it"):
        lake.files("marts.markets")


def test_a_run_that_could_not_begin_has_failed_unless_another_one_goes_on(lake: Lake, tmp_path: Path) -> None:
    with lake.lock():
        record_refusal(lake, BEGAN, ("another run holds this lake",))
    assert read_last_run(lake) is None
    record_refusal(lake, BEGAN, ("no such folder; next: mend it",))
    assert "failed: no such folder; next: mend it" in status(lake)[1]
    record_refusal(Lake.of(tmp_path / "nowhere", "files"), BEGAN, ("no such folder",))
    assert not (tmp_path / "nowhere").exists()


def test_what_is_named_already_is_not_named_again(tmp_path: Path) -> None:
    message = "yahoo: ^RUT: no answer; next: try again"
    lake = publish(
        tmp_path, [mart_row("RUT", "2025-03-14")], fetches=[{"item": "^RUT", "status": "failed", "message": message}]
    )
    begin_run(lake, BEGAN)
    mark_published(lake, "0123456789abcdef")
    end_run(lake, BEGAN, [f"raw/price_bars fetched: {message}"])
    code, said = status(lake)
    assert (code, said.count(message), "LAST RUN" in said) == (1, 1, False)


def test_why_rows_are_held_is_said_once_with_the_command_of_this_lake(tmp_path: Path) -> None:
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-14")], source="live")
    why = "^RUT: of 40 rows 40 would change: held, with 0 new ones"
    stored = f"{why}; next: r2k accept '^RUT' --source live"
    prices = dict.fromkeys(("open", "high", "low", "close"), 2044.0)
    lake.hold(PriceBars, "^RUT", rows_of(PriceBars, [{"symbol": "^RUT", "session_date": "2025-03-14", **prices}]))
    attempt = {
        "item": "^RUT",
        "table_name": "raw.price_bars",
        "status": "held",
        "message": stored,
        "fetched_at": BEGAN.isoformat(),
    }
    lake.append(FetchLog, rows_of(FetchLog, [attempt]), BEGAN)
    begin_run(lake, BEGAN)
    mark_published(lake, "0123456789abcdef")
    end_run(lake, BEGAN, [f"raw/price_bars fetched: {stored}"])
    said = r2k(tmp_path, "status", "--lake", tmp_path, "--source", "live")
    assert said.exit_code == 1
    assert f"  HELD          {why}; next: r2k accept '^RUT' --source live --lake {tmp_path}\n" in said.output
    assert "LAST RUN" not in said.output


@pytest.mark.parametrize("item", ["^RUT", "raw"])
def test_an_acceptance_is_not_asked_for_again(tmp_path: Path, item: str) -> None:
    """The last run still failed: only the next one publishes what was accepted."""
    lake = publish(tmp_path, [mart_row("RUT", "2025-03-14")], source="live")
    stray = lake.root / "raw" / "price_bars" / "stray.parquet"
    stray.parent.mkdir(parents=True)
    if item == "raw":
        stray.write_bytes(b"")
    else:
        prices = dict.fromkeys(("open", "high", "low", "close"), 2044.0)
        lake.hold(PriceBars, item, rows_of(PriceBars, [{"symbol": item, "session_date": "2025-03-14", **prices}]))
    begin_run(lake, BEGAN)
    mark_published(lake, "0123456789abcdef")
    accept = f"r2k accept {shlex.quote(item)} --source live"
    end_run(lake, BEGAN, [f"raw/price_bars fetched: held; next: {accept}", "actions: held, or " + accept + ", done"])
    where = ("--lake", tmp_path, "--source", "live")
    assert accept in r2k(tmp_path, "status", *where).output
    accepted = r2k(tmp_path, "accept", item, *where)
    assert accepted.exit_code == 0, accepted.output
    said = r2k(tmp_path, "status", *where)
    assert (said.exit_code, "r2k accept" in said.output) == (1, False)
    assert f"failed: {item} was accepted since; next: r2k run --source live" in said.output
