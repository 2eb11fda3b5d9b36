"""Contract of findings: rows of data that a reconciliation check doubts, each with its evidence.

Belongs here: the content of a finding and the row it marks. Not here: the checks (sql/checks), rows that were refused
at intake (meta.py).
"""

from typing import Final

from r2k_pipeline.contracts.columns import choice, day, instant, text
from r2k_pipeline.contracts.cot import CONTRACT_CODE
from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.report_types import REPORT_TYPES

SEVERITIES: Final = ("error", "warn", "info")


class Findings(Table, layer="meta", known_by="known_at", may_change=True):
    """One row that one check doubts, with its evidence; nothing is repaired. Joins by symbol and session_date (bars)
    or report_type, contract_code and report_date (positions; without a code it is about the whole report).
    """

    check_name = text("the check, a file of sql/checks", key=True)
    table_name = text("the table whose row is meant", key=True)
    row_key = text("key of the row, its parts separated by blanks", key=True)
    severity = choice(
        SEVERITIES, "error: the run ends non-zero; warn: shown, and the run goes on; info: for `r2k doctor`"
    )
    symbol = text("vendor symbol of the bar", nullable=True, regex=SYMBOL)
    session_date = day("session of the bar", nullable=True)
    report_type = choice(REPORT_TYPES, "which report", nullable=True)
    contract_code = text("CFTC contract market code; null: the whole report", nullable=True, regex=CONTRACT_CODE)
    report_date = day("as-of day of the report", nullable=True)
    column_name = text("the column in doubt; null: the whole row", nullable=True)
    known_at = instant("when the data that the finding rests on was known")
    evidence = text("what was found, in numbers")
