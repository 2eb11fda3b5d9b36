"""Moments as users write them: an instant with its zone, or a day, which means that day's close in New York.

Belongs here: text to UTC instants, refusing future ones. Not here: what was known at a moment.
"""

from datetime import UTC, date, datetime
from typing import Final

HOW: Final = "write it with its zone, e.g. 2025-03-14T15:00-04:00, or as a day, e.g. 2025-03-14, for that day's close"

FIRST: Final = date(1927, 1, 3)


def read_moment(given: object) -> datetime:
    """The UTC instant of `moment`. Raises ValueError with a hint what to write instead, also for a future moment."""
    moment, now = _parsed(given), datetime.now(UTC)
    if type(moment) is date:
        if moment > now.date():
            raise ValueError(f"{moment} is still to come; next: leave it out")
        moment = close_of(moment)
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(HOW)
    if moment > now:
        raise ValueError(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC is still to come; next: leave it out")
    return moment.astimezone(UTC)


def close_of(day: date) -> datetime:
    """The close of New York's stock exchange, half-days included. Raises ValueError for a day without a session."""
    return session_of(day)[1]


def session_of(day: date) -> tuple[datetime, datetime]:
    """The open and the close, UTC. Raises ValueError for a day without a session."""
    from exchange_calendars import get_calendar  # noqa: PLC0415  (pulls in pandas)

    if day < FIRST:
        raise ValueError(f"{day} is before {FIRST}, where the oldest prices begin; next: give a later day")
    week = get_calendar("XNYS", start=f"{date.fromordinal(day.toordinal() - 14)}", end=f"{day}")
    sessions = [session.date() for session in week.sessions]
    if sessions[-1] != day:
        raise ValueError(f"the exchange is closed on {day}; next: give {sessions[-1]}, the session before it")
    start, end = (moments.iloc[-1].to_pydatetime().astimezone(UTC) for moments in (week.opens, week.closes))
    return start, end


def _parsed(text: object) -> object:
    """A date for a day alone, a datetime for a day with an hour; anything else unchanged."""
    if not isinstance(text, str):
        return text
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(HOW) from error
