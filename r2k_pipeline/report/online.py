"""The newest report we hold against the CFTC's public API, for `r2k doctor --online`.

Belongs here: which rows are compared and in which values they differ. Not here: the API (sources/socrata.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.sources.protocol import SourceError
from r2k_pipeline.sources.socrata import SocrataReports

KEY: Final = ("report_type", "report_date", "contract_code")
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


def _differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> list[str]:
    """`contract column: ours, theirs` for each value that differs, also where only one side has the row."""
    long = [rows.unpivot(VALUES, index="contract_code") for rows in (ours, theirs)]
    both = long[0].join(long[1], on=["contract_code", "variable"], how="full", coalesce=True, suffix="_theirs")
    apart = both.filter(pl.col("value").ne_missing(pl.col("value_theirs"))).sort("contract_code", "variable")
    return [f"{code} {name}: {mine} here, {other} there" for code, name, mine, other in apart.iter_rows()]
