"""The tables of claims: each statement with its verdict in one line, and every reading with its evidence.

Belongs here: these two tables, as known at the site's moment. Not here: verdicts (claims/), other tables
(market_tables.py).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from r2k_pipeline.report.site.claim_pictures import Judged
from r2k_pipeline.report.site.pictures import Picture
from r2k_pipeline.report.site.tables import Column, DataTable, Folded, ask, build_table, slug
from r2k_pipeline.snapshot import Snapshot

CLAIMS: Final = "marts.claims"
_CLAIM_ID: Final = "{note_id}-{claim_id}-{alternative}"
_ORDER: Final = "note_id, regexp_extract(claim_id, '^\\D*'), length(claim_id), claim_id"
_FIRST: Final = "(verdict = 'holds') desc, length(alternative), alternative"
"""The reading to show for a statement, as by `main_reading`: a true one, else the plainest."""
_FOUND: Final = "coalesce(computed_text, format('{:,} ({})', computed_value, unit)) as computed_text"
"""A claim in SQL has its number without words."""
_NOT_JUDGED: Final = ("not_checkable", "without_a_word")
_STATEMENT: Final = (
    Column(f"{CLAIMS}.claim_id", label="claim", verbatim=True, link="#" + _CLAIM_ID),
    Column(f"{CLAIMS}.claim", label="what the note says", verbatim=True),
    Column(f"{CLAIMS}.story", label="what the data says", verbatim=True),
    Column(f"{CLAIMS}.computed_text", label="found, in the first reading that is true", verbatim=True),
)
_CLAIM: Final = (
    Column(f"{CLAIMS}.claim_id", label="claim", verbatim=True),
    Column(f"{CLAIMS}.claim", label="what the note says", verbatim=True),
    Column(f"{CLAIMS}.alternative", label="reading"),
    Column(f"{CLAIMS}.verdict"),
    Column(f"{CLAIMS}.computed_text", label="found", verbatim=True),
    Column(f"{CLAIMS}.as_of", label="judged as of"),
    Column(f"{CLAIMS}.known_at", label="known"),
)


def statements(snapshot: Snapshot) -> DataTable:
    """Each statement of the notes with its verdict in one line, and the value of one reading."""
    query = f"""
        select
            note_id, alternative, claim_id, claim,
            arg_max(story, known_at) over (partition by note_id, claim_id) as story,
            {_FOUND}
        from {CLAIMS}
        qualify row_number() over (partition by note_id, claim_id order by {_FIRST}) = 1
        order by {_ORDER}"""
    asked = ask(snapshot, query)
    counts = {name: sum(row["alternative"] == name for row in asked.rows) for name in _NOT_JUDGED}
    checked = len(asked.rows) - sum(counts.values())
    of_these = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    return build_table(
        "statements",
        "Statements of notes, each in one line",
        _STATEMENT,
        asked,
        empty="No statement could be judged by this moment.",
        note=f"{len(asked.rows)} statements: {checked} checked, {of_these}.",
    )


def claims(
    snapshot: Snapshot, market: str | None = None, pictures: Mapping[Judged, Picture] = MappingProxyType({})
) -> DataTable:
    """Every reading of every claim that could be judged by the moment, or those of one market.

    Charts, definitions and evidence are folded below the table of all; a market's table links there.
    """
    query = f"""
        select
            note_id, claim_id, claim, alternative, verdict, {_FOUND}, as_of, known_at, definition, evidence, reason
        from {CLAIMS}
        {"where market = $market::varchar" if market else ""}
        order by {_ORDER}, alternative"""
    asked = ask(snapshot, query, **({"market": market} if market else {}))
    page = "" if market is None else "claims.html"
    linked = Column(_CLAIM[0].of, label="claim", verbatim=True, link=page + "#" + _CLAIM_ID)
    table = build_table(
        "claims",
        f"Claims on {market}" if market else "Claims of notes, every reading, and what the data says",
        (linked, *_CLAIM[1:]),
        asked,
        empty="No claim could be judged by this moment.",
    )
    return table if market else replace(table, folded=tuple(_folded(row, pictures) for row in asked.rows))


def _folded(row: Mapping[str, Any], pictures: Mapping[Judged, Picture]) -> Folded:
    titles = {"Why": "reason", "Definition": "definition", "Evidence": "evidence"}
    parts = tuple((title, str(row[name])) for title, name in titles.items() if row[name] is not None)
    title = "{claim_id}, {alternative}: {verdict}".format_map(row).replace("_", " ")
    picture = pictures.get((row["note_id"], row["claim_id"], row["alternative"], row["verdict"]))
    return Folded(slug(_CLAIM_ID.format_map(row)), title, parts, picture)
