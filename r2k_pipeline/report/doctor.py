"""Doctor: examines settings, lake and warehouse, and names the command that repairs each fault.

Belongs here: one finding per thing examined. Not here: repairs.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.errors import MistakesError, R2kError, first_names
from r2k_pipeline.files import disk_error, try_to_write
from r2k_pipeline.generations import is_beyond_repair, without_comparing
from r2k_pipeline.holes import NAMED
from r2k_pipeline.lake import Lake
from r2k_pipeline.markets import read_markets
from r2k_pipeline.raw_check import lost_rows
from r2k_pipeline.records import examine_records, home_of
from r2k_pipeline.report.status import read_status
from r2k_pipeline.settings import Settings, why_this_lake
from r2k_pipeline.snapshot import of_this_version
from r2k_pipeline.sums import SUMS, changed_files, read_sums
from r2k_pipeline.tables import TABLES
from r2k_pipeline.warehouse import open_warehouse

EXAMPLES: Final = 3
"""How many findings of one check are shown, the newest ones."""
_BY_CHECK: Final = f"""
select
    check_name,
    severity,
    count(*),
    list(row_key || ': ' || evidence order by known_at desc, row_key desc)[:{EXAMPLES}]
from meta.findings
group by check_name, severity
order by severity, check_name
"""


@dataclass(frozen=True)
class Finding:
    """One thing examined; `detail` is what was found and, for a fault, what to do."""

    what: str
    ok: bool
    detail: str
    is_doubt: bool = False
    """Not a fault, but a user should look at it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        state = "look" if self.is_doubt else "ok"
        return f"{state if self.ok else 'FAIL':6}{self.what:12}{self.detail}"


def examine(settings: Settings, *, lake_option: Path | None = None, online: bool = False) -> list[Finding]:
    """All findings, the good ones too; with `online` also the newest report against the CFTC's API.

    `lake_option`: the value of `--lake`, if given.
    """
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    published = _warehouse(lake)
    place = Finding("place", True, f"{settings.lake}, {why_this_lake(settings, lake_option)}")
    found = [place, *_markets(settings), _holder(lake), _records(settings), *_or_why("lake", _files(lake)), published]
    if lake.published.is_symlink():
        found += _or_why("tables", _tables(lake))
    if published.ok:
        found += [*_fetches(settings, lake), *examine_findings(lake)]
    return [*found, *(_or_why("online", _against_api(settings, lake)) if online else ())]


def _or_why(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of one examination; an error in it becomes a finding, so that the other ones go on."""
    try:
        yield from findings
    except R2kError as error:
        yield Finding(what, False, str(error))


def _markets(settings: Settings) -> Iterator[Finding]:
    try:
        names = [market.market for market in read_markets(settings.markets)]
        yield Finding("markets", True, first_names(names, NAMED) + (": r2k markets" if len(names) > NAMED else ""))
    except MistakesError as error:
        yield Finding("markets", False, str(error))


def _holder(lake: Lake) -> Finding:
    holder = lake.holder()
    return Finding("lock", True, "free" if holder is None else f"a run is on: {', '.join(holder.split(chr(10)))}")


def _records(settings: Settings) -> Finding:
    """Whether Dagster's records can be read; without them no run begins."""
    home = home_of(settings)
    wrong = examine_records(home)
    return Finding("records", wrong is None, wrong or f"{home}: Dagster can read what it wrote there")


def _files(lake: Lake) -> Iterator[Finding]:
    yield from _room(lake)
    problems = [*lake.damaged()] or [*_unread(lake)] or [*_lost_without_account(lake)]
    for problem in problems:
        yield Finding("lake", False, problem)
    if not problems:
        yield Finding(
            "lake", True, f"{lake.root}: every raw file of the account is there, with the content its name says"
        )
        yield from _gone_on_without(lake)
    yield from left_behind(lake)


def left_behind(lake: Lake) -> Iterator[Finding]:
    """What earlier runs left, unless a run is on."""
    for stray in lake.strays() if lake.holder() is None else ():
        said = f"{stray}: left by a run that ended early; the next run removes it, where owner and mode let it"
        yield Finding("lake", True, said, is_doubt=True)


def _room(lake: Lake) -> Iterator[Finding]:
    """Whether a run can write there, and has room for one more DuckDB file."""
    nearest = next(folder for folder in (lake.root, *lake.root.parents) if folder.exists())
    try:
        try_to_write(nearest)
    except OSError as error:
        yield Finding("lake", False, str(disk_error(lake.root, "cannot be written", error, "set R2K_LAKE")))
        return
    needed = lake.warehouse.stat().st_size if lake.warehouse.exists() else 0
    if (free := disk_usage(nearest).free) < needed:
        said = f"{free:,} bytes are free, and a run writes a DuckDB file of about {needed:,}"
        yield Finding("lake", False, f"{lake.root}: {said}; next: free space on that disk")


def _unread(lake: Lake) -> Iterator[str]:
    """Raw tables whose files are undamaged but of a form that this version cannot read."""
    for table in TABLES.values():
        if table.layer == "raw":
            try:
                lake.read(table)
            except R2kError as error:
                yield str(error)


def _lost_without_account(lake: Lake) -> Iterator[str]:
    """Lost raw files of a lake from a version that kept no account of raw."""
    if lake.account() is None:
        for lost in lost_rows(lake):
            yield f"{lake.root / 'raw'}: {lost}; next: restore it from backup"


def _gone_on_without(lake: Lake) -> Iterator[Finding]:
    """Lost raw files that a user accepted."""
    if account := lake.account():
        for accepted in account.accepted:
            said = f"{accepted.file}: {accepted.reason}; accepted {accepted.accepted_at:%Y-%m-%d %H:%M} UTC"
            yield Finding("lake", True, said, is_doubt=True)


def _tables(lake: Lake) -> Iterator[Finding]:
    """Files of the published generation that were lost or damaged later."""
    folder = lake.published.resolve()
    problems = dict(changed_files(folder))
    way_on = without_comparing(lake.published) if is_beyond_repair(problems) else f"{lake.run}, which repairs it"
    for file, why in problems.items():
        yield Finding("tables", False, f"{file}: {why}; next: {way_on}")
    listed = read_sums(folder)
    if listed is None:
        detail = f"{folder}: no digests in {SUMS}: of an earlier version, or lost; next: {lake.run}, which writes them"
        yield Finding("tables", True, detail, is_doubt=True)
    elif not problems:
        yield Finding("tables", True, f"{len(listed)} files are what was published")


def _warehouse(lake: Lake) -> Finding:
    """Whether the warehouse can be read and has this version's tables."""
    try:
        with open_warehouse(lake.warehouse) as connection, of_this_version(lake.warehouse):
            (row,) = connection.sql("select label, generation_id, published_at from meta.generation").fetchall()
    except R2kError as error:
        return Finding("warehouse", False, str(error))
    return Finding("warehouse", True, f"{row[0]}: generation {row[1]} of {row[2]:%Y-%m-%d %H:%M:%S} UTC")


def _fetches(settings: Settings, lake: Lake) -> Iterator[Finding]:
    try:
        status = read_status(settings)
    except R2kError as error:
        yield Finding("fetch", False, str(error))
        return
    for failure in status.failed:
        yield Finding("fetch", False, failure)
    for held in status.held:
        yield Finding("held", False, held)
    for hole in status.holes:
        yield Finding("holes", False, hole)
    if status.last_run:
        yield Finding("run", False, status.last_run)
    if status.release and status.release.is_late:
        yield Finding("release", False, f"report {status.release.late_report_date} is late; next: {lake.run}")
    if status.ok:
        yield Finding("fetch", True, "every required item was there at the last run")


def examine_findings(lake: Lake) -> Iterator[Finding]:
    """Rows in doubt in the published data, by reconciliation check: their number and the newest."""
    try:
        with open_warehouse(lake.warehouse) as connection, of_this_version(lake.warehouse):
            by_check = connection.sql(_BY_CHECK).fetchall()
    except R2kError as error:
        yield Finding("checks", False, str(error))
        return
    for name, severity, rows, examples in by_check:
        detail = "".join(f"\n{' ' * 18}{example}" for example in examples)
        yield Finding("checks", severity != "error", f"{name}: {rows:,} found, the newest{detail}", is_doubt=True)
    if not by_check:
        yield Finding("checks", True, "no row is in doubt")
        return
    query = f"from {Findings.dotted()} where check_name = '{by_check[0][0]}'"
    yield Finding("checks", True, f'all rows: {lake.command("sql")} "{query}"')


def _against_api(settings: Settings, lake: Lake) -> Iterator[Finding]:
    from r2k_pipeline.report.online import announced, compare_newest  # noqa: PLC0415  (pulls in an HTTP client)
    from r2k_pipeline.sources.announcements import read_announcements  # noqa: PLC0415
    from r2k_pipeline.sources.cftc import OFFICIAL  # noqa: PLC0415
    from r2k_pipeline.sources.kept_bodies import KeptBodies  # noqa: PLC0415
    from r2k_pipeline.sources.socrata import SocrataReports  # noqa: PLC0415

    if settings.source == "sample":
        yield Finding("online", True, "sample data is synthetic: nothing to compare with the CFTC")
        return
    codes = sorted({contract.code for market in read_markets(settings.markets) for contract in market.cot})
    api = SocrataReports(token=settings.cftc_token)
    for agrees, detail in compare_newest(lake.read(CotReports), codes, api):
        yield Finding("online", agrees, detail)
    kept = read_announcements(KeptBodies(lake.cache("cftc")), OFFICIAL, datetime.now(UTC))
    yield Finding("announced", True, announced(kept).replace("\n", f"\n{' ' * 18}"), is_doubt=True)
