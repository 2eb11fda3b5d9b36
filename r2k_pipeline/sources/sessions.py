"""Trading sessions from exchange calendars: real opens and closes, half-days included.

Belongs here: the call to exchange_calendars, nothing else. Not here: which calendar a market uses.
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Final

import polars as pl

from r2k_pipeline.sources.settlement import VOLUME

if TYPE_CHECKING:
    import pandas as pd
    from exchange_calendars import ExchangeCalendar

FIRST_SESSION: Final = date(1927, 1, 1)
"""The longest price history (^GSPC) begins at the end of 1927; the library's own default is 20 years back."""


def build_sessions(calendars: Iterable[str], until: date) -> pl.DataFrame:
    """Sessions of `calendars` from 1927 (or as far as known) to `until`, sorted by key.

    Raises ValueError for an unknown calendar, with the names there are.
    """
    frames = []
    for name in sorted(set(calendars)):
        calendar = _calendar(name, until)
        frames.append(
            pl.DataFrame(
                {
                    "calendar": [name] * len(calendar.sessions),
                    "session_date": calendar.sessions.to_numpy().astype("datetime64[D]"),
                    "open_at": _instants(calendar.opens),
                    "close_at": _instants(calendar.closes),
                    "session_number": range(len(calendar.sessions)),
                    "settles_at": _instants(calendar.closes) + VOLUME,
                    "is_half_day": calendar.sessions.isin(calendar.early_closes),
                }
            )
        )
    return pl.concat(frames)


def _calendar(name: str, until: date) -> "ExchangeCalendar":
    from exchange_calendars import errors, get_calendar, get_calendar_names  # noqa: PLC0415  (pulls in pandas)

    try:
        return get_calendar(name, start=FIRST_SESSION.isoformat(), end=until.isoformat())
    except errors.InvalidCalendarName as error:
        allowed = ", ".join(get_calendar_names(include_aliases=False))
        raise ValueError(f"markets: calendar = {name!r} is not one of {allowed}") from error
    except ValueError:  # its holidays are not known that far: then as far as they are
        known = get_calendar(name)
        first, last = known.bound_min(), known.bound_max()
        start = max(FIRST_SESSION, first.date()) if first is not None else FIRST_SESSION
        end = min(until, last.date()) if last is not None else until
        return get_calendar(name, start=start.isoformat(), end=end.isoformat())


def _instants(moments: "pd.Series[pd.Timestamp]") -> pl.Series:
    """UTC moments of pandas as a column of instants."""
    return pl.Series(moments.to_numpy(dtype="datetime64[us]")).dt.replace_time_zone("UTC")
