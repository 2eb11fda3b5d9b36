"""Errors that explain themselves: what failed, why, and the next command.

Belongs here: the one error that every command and the Python API raise for what a user can mend. It imports nothing, so
that a program which starts knows it. Not here: Dagster's failures, what a source answers (sources/).
"""


class LakeError(Exception):
    """The lake cannot be used as asked; the message names the file, the reason and the next command."""


class HeldError(LakeError):
    """Another process holds the lake's lock."""
