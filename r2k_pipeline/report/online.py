"""Our newest report compared with the CFTC's API, for `r2k doctor --online`: the newest report, announcements.

Belongs here: which rows are compared and in which values they differ; announcements beside the ledger. Not here: the
API (sources/socrata.py), fetching the page (sources/announcements.py).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.sources.protocol import SourceError
from r2k_pipeline.sources.release_calendar import documented_releases
from r2k_pipeline.sources.socrata import SocrataReports

KEY: Final = ("report_type", "report_date", "contract_code")
SHOWN: Final = 6
"""Lines of the page, and of the ledger."""
VALUES: Final = [name for name, dtype in CotReports.create_empty().schema.items() if dtype.is_numeric()]


def compare_newest(held: pl.DataFrame, codes: Sequence[str], api: SocrataReports) -> Iterator[tuple[bool, str]]:
    """(agrees, what was compared or differs) for the newest report of each type that holds one of `codes`.

    `held` are CotReports, all vintages. If the API cannot be reached, it does not agree, and the text gives the reason.
    """
    stands = held.sort("recorded_at").unique(KEY, keep="last").filter(~pl.col("is_withdrawn"))
    ours = stands.filter(pl.col("contract_code").is_in(codes))
    newest = ours.filter(pl.col("report_date") == pl.col("report_date").max().over("report_type")).sort(KEY)
    for rows in newest.partition_by("report_type"):
        report_type, day = rows.select("report_type", "report_date").row(0)
        stamp = rows["recorded_at"].max()
        assert stamp is not None
        try:
            said = api.fetch_reports(report_type, day, rows["contract_code"].to_list(), stamp)  # type: ignore[arg-type]
        except SourceError as error:
            yield False, str(error)
            continue
        apart = _differences(rows, said)
        of = f"{report_type} {day}, {rows.height} contracts"
        yield not apart, f"{of}: " + ("; ".join(apart) or f"the same {len(VALUES)} values each")


def announced(kept: tuple[str, datetime] | None) -> str:
    """The newest announcements that a live run kept, and the newest releases that the shipped ledger documents."""
    ledger = (
        f"report {row.report_date} released {row.released_at:%Y-%m-%d %H:%M} UTC ({row.release_basis}): {row.reason}"
        for row in documented_releases()[:SHOWN]
    )
    if kept is None:
        page = ["the CFTC's page of special announcements: no live run of this lake reached it in 90 days"]
    else:
        text, fetched_at = kept
        page = [f"the CFTC's special announcements as of {fetched_at:%Y-%m-%d %H:%M} UTC", *text.splitlines()[:SHOWN]]
    return "\n".join([*page, f"the ledger of r2k, its newest {SHOWN} exceptions:", *ledger])


def _differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> list[str]:
    """`contract column: ours, theirs` for each value that differs, also where only one side has the row."""
    long = [rows.unpivot(VALUES, index="contract_code") for rows in (ours, theirs)]
    both = long[0].join(long[1], on=["contract_code", "variable"], how="full", coalesce=True, suffix="_theirs")
    apart = both.filter(pl.col("value").ne_missing(pl.col("value_theirs"))).sort("contract_code", "variable")
    return [f"{code} {name}: {mine} here, {other} there" for code, name, mine, other in apart.iter_rows()]
