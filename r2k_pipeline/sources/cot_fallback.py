"""The CFTC's archives where they answer, and its public reporting API where they do not, as one source of COT files.

Belongs here: when the API is asked, for which reports, and the file that its rows make. Not here: either server
(cftc.py, socrata.py), what a file means (cot.py).
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import PurePath
from typing import ClassVar, Final

from r2k_pipeline.report_types import family_of
from r2k_pipeline.sources.cftc import TRUST_CLOSED, ArchiveFile, CftcArchives
from r2k_pipeline.sources.cot_archive import decode, unpack
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.http import REMEDY, Answer, OutOfReachError, redact
from r2k_pipeline.sources.kept_bodies import KeptBodies
from r2k_pipeline.sources.protocol import ANNOUNCEMENTS, Announcements, CotDocument, SourceError
from r2k_pipeline.sources.socrata import SocrataReports, header_of

ASKED_ANEW: Final = 2
"""So many of the newest reports are asked for even where their number of rows is known: they may be revised."""
_BEGIN: Final = re.compile(rb'(?:"[^"]*"|[^,"]*)\s*,\s*"?\d{5,6}"?\s*,\s*"?(\d{4}-\d{2}-\d{2})"?\s*,')
"""The begin of a row: name, YYMMDD, day."""


@dataclass
class ArchivesOrApi:
    """CotSource: `archives` until one of them is out of reach (see OutOfReachError), then `api` for the rest.

    The API is asked how many rows each report has, and then for those reports only whose rows are not in a body kept of
    an earlier answer (`kept` holds its own). Its rows are handed on as the file that they stand for.
    """

    archives: CftcArchives
    api: SocrataReports
    kept: KeptBodies
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    name: ClassVar[str] = "cftc"
    asks_vendor: ClassVar[bool] = True
    _out_of_reach: str = ""
    _counts: dict[str, dict[date, int]] = field(default_factory=dict)
    _newest: dict[str, dict[date, list[bytes]]] = field(default_factory=dict)

    def list_reports(self) -> list[str]:
        """As the archives."""
        return self.archives.list_reports()

    def fetch_report(self, name: str) -> CotDocument | None:
        """The file, from the archives or made of the API's rows; None while the running year has no report.

        Raises SourceError where neither answers, or the archives fail in a way that another server would not mend.
        """
        if self._out_of_reach:
            return self._from_api(name)
        try:
            return self.archives.fetch_report(name)
        except SourceError as error:
            if not isinstance(error.__cause__, OutOfReachError):
                raise
            self._out_of_reach = error.rule
        document = self._from_api(name)
        remark = (
            f"{self._out_of_reach}; {redact(self.api.base_url)} was asked instead, for this file and those after it"
        )
        return document and replace(document, remark=remark)

    def fetch_announcements(self) -> Announcements:
        """As the archives: the page is on their server. Raises SourceError."""
        if self._out_of_reach:
            raise SourceError(self.name, ANNOUNCEMENTS, f"not asked: {self._out_of_reach}", REMEDY)
        return self.archives.fetch_announcements()

    def _from_api(self, name: str) -> CotDocument | None:
        file = self.archives.files()[name]
        try:
            counted = self._counted(file.report_type)
            wanted = {day: counted[day] for day in _days_of(file, counted)}
            if not wanted and self.archives.is_running_year(name):
                return None
            if not wanted:
                raise SourceError("socrata", file.report_type, f"no report of {name}", REMEDY)
            lines = self._lines(name, file.report_type, wanted)
        except SourceError as error:
            rule = f"{self._out_of_reach}; {error.source}: {error.rule}"
            raise SourceError(self.name, name, rule, REMEDY) from error
        body = header_of(file.report_type) + b"".join(line for day in sorted(lines) for line in lines[day])
        origin = f"{redact(self.api.address(file.report_type))}#/{name}"
        return CotDocument(f"{PurePath(name).stem}.txt", origin, body)

    def _counted(self, report_type: str) -> dict[date, int]:
        if report_type not in self._counts:
            self._counts[report_type] = self.api.count_rows(report_type)
        return self._counts[report_type]

    def _lines(self, name: str, report_type: str, wanted: Mapping[date, int]) -> dict[date, list[bytes]]:
        """The lines of the `wanted` reports by day, with those that the API had to be asked for; they are kept."""
        newest = sorted(self._counts[report_type])[-ASKED_ANEW:]
        fetched = self._newest.get(report_type, {})
        kept = self._kept_lines(name, report_type)
        known = {day: kept[day] for day, n in wanted.items() if day not in newest and len(kept.get(day, [])) == n}
        known |= {day: fetched[day] for day in wanted if day in fetched}
        asked = {day: n for day, n in wanted.items() if day not in known}
        known |= self.api.fetch_days(report_type, asked)
        self._newest[report_type] = fetched | {day: known[day] for day in wanted if day in newest}
        if asked:
            body = b"".join(line for day in sorted(known) for line in known[day])
            self.kept.write(name, self.api.address(report_type), Answer(200, {}, body), self.now())
        return known

    def _kept_lines(self, name: str, report_type: str) -> dict[date, list[bytes]]:
        """Lines by day of the body kept of the API, and for days that it lacks of the one kept of the archives."""
        own = self.kept.read(name, self.api.address(report_type), self.now(), TRUST_CLOSED)
        return _of_archive(name, report_type, self.archives.kept(name)) | (_by_day(own[0].splitlines()) if own else {})


def _days_of(file: ArchiveFile, counted: Mapping[date, int]) -> list[date]:
    """The days of the reports in a file: those of its years, or the newest one."""
    if file.years is None:
        return [max(counted)] if counted else []
    first, last = file.years
    return [day for day in counted if first <= day.year <= last]


def _of_archive(name: str, report_type: str, body: bytes | None) -> dict[date, list[bytes]]:
    """Lines by day of an archive with the columns in the usual order; none for another body, which saves no request."""
    if body is None or not name.endswith(".zip"):
        return {}
    document = CotDocument(name, name, body)
    try:
        header, *lines = decode(document, unpack(document)[1]).splitlines()
        names = [normalise(each) for each in next(csv.reader([header.decode()]))]
    except (SourceError, csv.Error, ValueError):
        return {}
    return _by_day(lines) if names == list(LAYOUTS[family_of(report_type)].columns) else {}


def _by_day(lines: Iterable[bytes]) -> dict[date, list[bytes]]:
    found: dict[date, list[bytes]] = {}
    for line in lines:
        if begin := _BEGIN.match(line):
            with suppress(ValueError):  # a day that is none: no report is of it
                found.setdefault(date.fromisoformat(begin[1].decode()), []).append(line + b"\r\n")
    return found
