"""meta.quarantine: every refused row and why, from when it was refused."""

from r2k_pipeline.contracts.meta import Quarantine, RefusedRows
from tests.sql.rows import Row, derive


def refused(rule: str, recorded_at: str) -> Row:
    key = {"table_name": "raw.price_bars", "source": "files:prices/^RUT.csv", "row_key": "^RUT 2025-03-13"}
    return {**key, "rule": rule, "recorded_at": recorded_at}


GIVEN = {
    RefusedRows: [
        refused("high_not_below_low", "2025-03-13T22:00Z"),
        refused("conflicting_duplicate", "2025-03-15T22:00Z"),
    ]
}


def test_every_refused_row_with_each_rule_it_broke() -> None:
    found = derive(Quarantine, GIVEN).select("row_key", "rule", "recorded_at").rows()
    assert [(key, rule, f"{moment:%d}") for key, rule, moment in found] == [
        ("^RUT 2025-03-13", "conflicting_duplicate", "15"),
        ("^RUT 2025-03-13", "high_not_below_low", "13"),
    ]


def test_what_was_refused_later_is_not_there() -> None:
    assert derive(Quarantine, GIVEN, "2025-03-13T21:59Z").is_empty()
    assert derive(Quarantine, GIVEN, "2025-03-13T22:00Z").height == 1
