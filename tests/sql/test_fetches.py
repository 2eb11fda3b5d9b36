"""meta.fetches: the latest attempt for each item, and when one last succeeded."""

from r2k_pipeline.contracts.meta import Fetches, FetchLog
from tests.sql.rows import Row, derive


def attempt(day: int, status: str, item: str = "^RUT", table: str = "raw.price_bars") -> Row:
    return {"item": item, "table_name": table, "fetched_at": f"2025-03-{day}T22:00Z", "status": status}


GIVEN = {
    FetchLog: [
        attempt(12, "ok"),
        attempt(13, "failed"),
        attempt(14, "failed"),
        attempt(14, "ok", table="raw.price_actions"),
        attempt(14, "failed", item="IWM"),
    ]
}


def test_the_latest_attempt_and_the_last_success() -> None:
    found = derive(Fetches, GIVEN).select("item", "table_name", "fetched_at", "status", "last_ok_at").rows()
    assert [(item, table, f"{at:%d}", status, ok and f"{ok:%d}") for item, table, at, status, ok in found] == [
        ("IWM", "raw.price_bars", "14", "failed", None),
        ("^RUT", "raw.price_actions", "14", "ok", "14"),
        ("^RUT", "raw.price_bars", "14", "failed", "12"),
    ]


def test_later_attempts_are_not_there() -> None:
    found = derive(Fetches, GIVEN, "2025-03-13T21:59Z")
    assert found.select("item", "status").rows() == [("^RUT", "ok")]
