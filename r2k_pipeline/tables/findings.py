"""Reconciliation checks as data: each file of sql/checks, and the one model that unites their rows in meta.findings.

Belongs here: what a check says of itself and how its rows become findings. Not here: the checks (sql/checks), how
Dagster shows them (checks.py).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from r2k_pipeline.contracts.findings import SEVERITIES, Findings
from r2k_pipeline.sql_models import SqlModel
from r2k_pipeline.tables import TABLES

HEADER: Final = re.compile(r"^-- on: (?P<table>\w+\.\w+)  severity: (?P<severity>\w+)$", re.MULTILINE)
OPTIONAL: Final = ("symbol", "session_date", "report_type", "contract_code", "report_date", "column_name")
"""Columns that a check may omit, depending on the key of its table; `known_at` and `evidence` are required."""


@dataclass(frozen=True)
class Check:
    """One SELECT whose rows are findings about rows of `table`; `why` is its leading comment."""

    name: str
    table: str
    severity: str
    why: str
    query: str


def read_checks(folder: Path) -> tuple[Check, ...]:
    """Every check of `folder`, by name. Raises ValueError for one that does not say its table and severity."""
    return tuple(_read_check(file) for file in sorted(folder.glob("*.sql")))


def _read_check(file: Path) -> Check:
    query = file.read_text("utf-8")
    header = HEADER.search(query)
    if header is None or header["table"] not in TABLES or header["severity"] not in SEVERITIES:
        raise ValueError(f"{file}: needs a line `-- on: TABLE  severity: {' or '.join(SEVERITIES)}` of a known table")
    why = SqlModel(file.stem, HEADER.sub("--", query, count=1)).comment.strip()
    return Check(file.stem, header["table"], header["severity"], why, query)


def findings_model(checks: tuple[Check, ...]) -> SqlModel:
    """The model of meta.findings: the rows of one check after the other. Raises ValueError where there is no check."""
    if not checks:
        raise ValueError("no checks: sql/checks is empty")
    empty = ", ".join(f"null::{'date' if name.endswith('_date') else 'varchar'} as {name}" for name in OPTIONAL)
    parts = "symbol, session_date::varchar, report_type, contract_code, report_date::varchar"
    key = f"concat_ws(' ', {parts}) as row_key"
    columns = ", ".join(key if name == "row_key" else name for name in Findings.column_names())
    why = "-- What the reconciliation checks doubt, row by row: shown with its evidence and never repaired.\n"
    return SqlModel(
        Findings.dotted(),
        why
        + ";\n".join(
            f"select {columns}\nfrom (\nselect {empty} where false\nunion all by name\n"
            f"select '{check.name}' as check_name, '{check.table}' as table_name, '{check.severity}' as severity, *\n"
            f"from (\n{check.query}\n)\n)"
            for check in checks
        ),
        tuple(Findings.primary_key()),
    )
