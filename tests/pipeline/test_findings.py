"""meta.findings on real data: the known defects are in it, dated, and little else; and how findings are shown."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.lake import Lake
from r2k_pipeline.orchestration.checks import check_result, reconciliation_checks
from r2k_pipeline.report.doctor import examine_findings
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables.findings import read_checks
from r2k_pipeline.tables.registry import SQL
from r2k_pipeline.warehouse import publish_warehouse
from tests.lakes import Published
from tests.pipeline.knowledge import built

CHECKS = {check.name: check for check in read_checks(SQL / "checks")}


@pytest.fixture(scope="module")
def findings(from_real: Published) -> pl.DataFrame:
    return from_real.lake.read(Findings)


def keys(findings: pl.DataFrame, check: str) -> list[str]:
    return findings.filter(check_name=check)["row_key"].to_list()


def test_bad_highs_of_the_russell_are_found_among_a_dozen(findings: pl.DataFrame) -> None:
    found = keys(findings, "price_outliers")
    assert {"^RUT 2023-05-24", "^RUT 2024-07-19"} <= set(found)
    assert len(found) == 13, "of 25,000 sessions with an ETF: one in 2,000"
    columns = findings.filter(
        pl.col("row_key").is_in(["^RUT 2023-05-24", "^RUT 2024-07-19"]), check_name="price_outliers"
    )
    assert columns["column_name"].to_list() == ["high", "high"]


def test_the_live_bar_that_was_never_corrected_is_found(findings: pl.DataFrame) -> None:
    found = keys(findings, "unsettled_bars")
    assert "^RUT 2025-09-08" in found
    assert len(found) == 17


def test_wrong_closes_are_found_and_few_others(findings: pl.DataFrame) -> None:
    """2020-03-20 is SPY's ex-date, and these files list no dividends."""
    found = [key for key in keys(findings, "wrong_closes") if key[-10:] >= "2010"]
    assert [key[-10:] for key in found if key.startswith("^RUT")] == [
        "2011-08-11", "2020-02-28", "2020-03-13", "2020-03-17", "2020-03-18", "2024-02-16",
    ]  # fmt: skip
    others = {symbol: [key for key in found if key.startswith(symbol)] for symbol in ("^GSPC", "^NDX", "^DJI")}
    assert {symbol: len(keys) for symbol, keys in others.items()} == {"^GSPC": 5, "^NDX": 4, "^DJI": 1}
    assert "^GSPC 2020-03-20" in others["^GSPC"]
    assert len(keys(findings, "wrong_closes")) == 27, "of 25,000 sessions with an ETF"


def test_vendors_defects_in_volume_are_found(findings: pl.DataFrame) -> None:
    assert [key for key in keys(findings, "small_volumes") if key > "IWM 2009" and key < "J"] == ["IWM 2019-07-30"]
    copies = [key for key in keys(findings, "volume_copies") if key >= "^RUT 2020"]
    assert len(copies) > 1400, "^RUT's volume is ^GSPC's"
    assert not [key for key in keys(findings, "volume_copies") if key.startswith("^GSPC")]


def test_gaps_are_listed_by_name(findings: pl.DataFrame) -> None:
    assert keys(findings, "missing_sessions") == ["RTY=F 2025-09-15"]
    assert {"RTY=F 2025-07-13", "RTY=F 2025-07-04"} <= set(keys(findings, "bars_on_closed_days"))
    missing = keys(findings, "missing_reports")
    assert len(missing) == 16
    assert {"tff_futures 2020-12-21", "tff_futures 2023-12-26"} <= set(missing)


def test_cftc_files_agree_with_themselves(findings: pl.DataFrame) -> None:
    """Exact on ordinary contracts, within rounding on the rest; six consolidated Dow rows are off by four."""
    for check in ("changes_off", "legacy_against_families", "reports_that_differ", "values_off_by_100"):
        assert keys(findings, check) == []
    assert {key.split()[1] for key in keys(findings, "sums_off_open_interest")} == {"12460+"}
    assert len(keys(findings, "sums_off_open_interest")) == 6


def test_codes_that_ended_are_named_and_none_is_new_or_renamed(findings: pl.DataFrame) -> None:
    told = findings.filter(check_name="catalogue_codes")
    assert set(told["evidence"].str.split(":").list.first()) == {"ended"}
    assert told.select(pl.col("contract_code").is_in(["13874N", "24477G", "138747"]).sum()).item() == 3


def test_nothing_is_an_error_and_nothing_was_known_before_its_row(findings: pl.DataFrame) -> None:
    assert set(findings["severity"]) == {"warn", "info"}
    closes = build_sessions(["XNYS"], date(2026, 12, 31)).select("session_date", "close_at")
    early = findings.join(closes, on="session_date").filter(pl.col("known_at") < pl.col("close_at"))
    assert early.is_empty()


@pytest.mark.parametrize("moment", [datetime(2024, 7, 19, 20, tzinfo=UTC), datetime(2021, 1, 8, 20, 30, tzinfo=UTC)])
def test_a_finding_known_then_is_the_same_without_what_came_later(
    from_real: Published, findings: pl.DataFrame, tmp_path: Path, moment: datetime
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "raw").symlink_to(from_real.lake.root / "raw")
    then = built(Run.of(Settings(source="files", lake=tmp_path, as_of=moment)), Findings)
    known = findings.filter(pl.col("known_at") <= moment)
    assert then.sort(Findings.primary_key()).equals(known.sort(Findings.primary_key()))


def test_dagster_shows_each_check_on_its_table(findings: pl.DataFrame) -> None:
    definition = reconciliation_checks()
    assert {(key.asset_key.to_user_string().replace("/", "."), key.name) for key in definition.check_keys} == {
        (check.table, check.name) for check in CHECKS.values()
    }
    assert not any(spec.blocking for spec in definition.check_specs)
    rows = findings.filter(check_name="price_outliers")
    result = check_result(CHECKS["price_outliers"], rows)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.metadata["rows"].value == 13
    assert str(result.metadata["newest"].value).startswith("- ^RUT 2024-07-19: high 2261.16")
    assert check_result(CHECKS["changes_off"], Findings.create_empty()).passed
    assert check_result(CHECKS["catalogue_codes"], findings.filter(check_name="catalogue_codes")).passed


def finding(**more: object) -> pl.DataFrame:
    row = {"check_name": "small_volumes", "table_name": "staging.daily_prices", "row_key": "IWM 2019-07-30",
           "severity": "warn", "symbol": "IWM", "session_date": date(2019, 7, 30), "evidence": "volume 1200",
           "known_at": datetime(2019, 7, 30, 20, tzinfo=UTC), **more}  # fmt: skip
    return Findings.validate(pl.DataFrame([row], schema_overrides=dict(Findings.create_empty().schema)).select(
        pl.lit(None).cast(dtype).alias(name) if name not in row else pl.col(name)
        for name, dtype in Findings.create_empty().schema.items()
    ))  # fmt: skip


@pytest.mark.parametrize(("severity", "ok"), [("warn", True), ("error", False)])
def test_the_doctor_lists_findings_and_only_errors_fail(tmp_path: Path, severity: str, ok: bool) -> None:
    lake = Lake.of(tmp_path, "files")
    lake.write(Findings, finding(severity=severity))
    (file,) = lake.files(Findings.dotted())
    publish_warehouse(lake.warehouse, {Findings: [file]}, [], "1GB")
    listed, *_ = examine_findings(lake)
    assert (listed.ok, listed.is_doubt) == (ok, True)
    assert "small_volumes: 1 found" in listed.detail
    assert "IWM 2019-07-30: volume 1200" in listed.detail
