"""marts.sessions: past and present trading days with what reports group by."""

from r2k_pipeline.contracts.marts import Sessions
from r2k_pipeline.tables.reference import Sessions as GivenSessions
from tests.sql.rows import derive, session

WEEK = [
    session("2024-11-27"),
    session("2024-11-29", "18:00Z", is_half_day=True),
    session("2024-12-02"),
    session("2024-12-30"),
    session("2024-12-31"),
    session("2025-01-02"),
]


def test_calendar_attributes() -> None:
    found = derive(Sessions, {GivenSessions: WEEK})
    assert found["is_month_end"].to_list() == [False, True, False, False, True, False]
    assert found["is_half_day"].to_list() == [False, True, False, False, False, False]
    assert found.select("year", "quarter", "month", "iso_week").rows()[3:] == [
        (2024, 4, 12, 1),
        (2024, 4, 12, 1),
        (2025, 1, 1, 1),
    ]


def test_sessions_that_have_not_opened_are_not_there() -> None:
    def days(as_of: str) -> int:
        return derive(Sessions, {GivenSessions: WEEK}, as_of).height

    assert (days("2024-12-02T14:29Z"), days("2024-12-02T14:30Z")) == (2, 3)
