"""Errors that explain themselves: what failed, why, and the next command.

Belongs here: the errors that commands and the Python API raise for what a user can mend, and a list of names in one. It
imports next to nothing, so that a program which starts knows them. Not here: what a source answers (sources/),
Dagster's failures.
"""

from collections.abc import Sequence


def first_names(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


class R2kError(Exception):
    """What failed, why, and the next command: `what: why; next: command` as one message; each is text or a path."""

    def __init__(self, what: object, why: object = "", next: object = "") -> None:
        self.what, self.why, self.next = str(what), str(why), str(next)
        reason = ": ".join(filter(None, (self.what, self.why)))
        super().__init__(f"{reason}; next: {self.next}" if self.next else reason)


class HeldError(R2kError):
    """Another process holds the lake's lock."""


class SettingsError(R2kError):
    """Settings that are not allowed, a line each: the option, variable or line of the file, the rule, what to do."""


class MistakesError(R2kError):
    """Mistakes in a file that a user wrote, a line each."""


class QueryError(R2kError):
    """SQL that is refused, fails or was stopped; the message is the reason, in one line."""


class RefusedError(QueryError):
    """SQL that is not one SELECT; the message names its kind."""


class ShortError(QueryError):
    """SQL that ran out of memory."""
