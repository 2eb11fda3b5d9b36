"""A query at a past moment: the file that it is put to, how that is cut, and what it cannot have.

Belongs here: what `r2k sql --as-of` needs besides a query on the newest generation. Not here: the query (query.py),
which rows a moment has (snapshot.py).
"""

from collections.abc import Callable

from r2k_pipeline.generations import lake_as_of
from r2k_pipeline.report.query import QuerySetup, setup_of
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import NOT_KEPT, as_stream, cut_at, reading, summaries_in


def past_setup(settings: Settings, query: str, tell: Callable[[str], None]) -> QuerySetup:
    """The setup of a query at the moment of `settings`; `tell` gets a line for each table in it that has no past.

    Tables that sum up history are computed here where the query names them: its own process has no builder. Raises
    R2kError.
    """
    assert settings.as_of is not None
    lake = lake_as_of(settings.lake, settings.source, settings.as_of)
    summaries: dict[str, bytes] = {}
    summed, lost = summaries_in(query), [reason for table, reason in NOT_KEPT.items() if table.table in query]
    if summed or lost:
        with reading(lake, settings.as_of, settings.memory_limit) as snapshot:
            for reason in lost if snapshot.is_past else ():
                tell(reason)
            for table in summed if snapshot.is_past else ():
                summaries[table.dotted()] = as_stream(snapshot.read(table))
    return setup_of(lake.warehouse, settings.memory_limit, settings.query_seconds, cut_at(settings.as_of), summaries)
