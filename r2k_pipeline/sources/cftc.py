"""The CFTC's own COT archives over HTTPS, downloaded only when they changed.

Belongs here: which files exist for a report type, and the conditional GET over a cache of bodies.
Not here: what is inside a file (cot.py), transport (http.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from r2k_pipeline.report_types import REPORTS
from r2k_pipeline.sources.announcements import fetch_announcements
from r2k_pipeline.sources.http import REMEDY, FetchError, Limits, fetch, redact
from r2k_pipeline.sources.kept_bodies import KeptBodies
from r2k_pipeline.sources.protocol import Announcements, CotDocument, SourceError

OFFICIAL = "https://www.cftc.gov"
_WASHINGTON = ZoneInfo("America/New_York")
LAST_YEAR_OF_LONG_HISTORY = 2016
_HISTORY = "files/dea/history"
_TRUST_MOVING = timedelta(days=6)
TRUST_CLOSED = timedelta(days=90)
"""How long a kept body is trusted: a validator that does not change with its body must not hide new reports for ever.
Files of the current year change every week anyway, so for them this costs no extra download."""


@dataclass(frozen=True)
class ArchiveFile:
    """One file: the type of its reports, its path on the server, its years (first, last); None: the current week."""

    report_type: str
    path: str
    years: tuple[int, int] | None


class CftcArchives:
    """CotSource over `base_url`; bodies and validators live in `cache_dir`, one process at a time.

    If the server cannot be reached, a file fails; it is never served from the cache.
    """

    name = "cftc"
    asks_vendor = True

    def __init__(
        self,
        cache_dir: Path,
        report_types: Sequence[str],
        first_year: int,
        *,
        base_url: str = OFFICIAL,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        """`first_year`: of the reports wanted. ValueError: a report type not in REPORTS, no http(s) `base_url`."""
        if unknown := sorted(set(report_types) - set(REPORTS)):
            raise ValueError(f"report types {unknown}: the CFTC archives hold {', '.join(REPORTS)}")
        if not base_url.startswith(("https://", "http://")):
            raise ValueError("base_url of the CFTC archives: must begin with https:// or http://")
        self._kept, self._base_url, self._now, self._limits = KeptBodies(cache_dir), base_url.rstrip("/"), now, limits
        self._report_types, self._first_year = report_types, first_year

    def list_reports(self) -> list[str]:
        """Per report type, oldest first: the long history where it is wanted, each year from 2017, this week."""
        return list(self.files())

    def fetch_report(self, name: str) -> CotDocument | None:
        """The file as it stands at the CFTC now; None while the running year has none yet.

        Raises SourceError: not one of list_reports(), any failure of the request, a file that vanished; its cause is an
        OutOfReachError where another server may have the reports.
        """
        if name not in self.files():
            raise self._error(name, "not a file of these archives")
        url = self._url(name)
        try:
            body = self._revalidated(name, url)
        except FetchError as error:
            raise self._error(name, f"{redact(url)}: {error}") from error
        return None if body is None else CotDocument(name, redact(url), body)

    def fetch_announcements(self) -> Announcements:
        """The page of special announcements, which is kept. Raises SourceError."""
        return fetch_announcements(self._kept, self._base_url, self._now, self._limits)

    def files(self) -> dict[str, ArchiveFile]:
        """The files of list_reports(), by name."""
        first, last = max(self._first_year, LAST_YEAR_OF_LONG_HISTORY + 1), self._this_year()
        files: dict[str, ArchiveFile] = {}
        for kind in self._report_types:
            report, history = REPORTS[kind], (self._first_year, LAST_YEAR_OF_LONG_HISTORY)
            if self._first_year <= LAST_YEAR_OF_LONG_HISTORY:
                files[report.long_history] = ArchiveFile(kind, f"{_HISTORY}/{report.long_history}", history)
            for year in range(first, last + 1):
                name = report.yearly.format(year)
                files[name] = ArchiveFile(kind, f"{_HISTORY}/{name}", (year, year))
            files[report.current_week] = ArchiveFile(kind, f"dea/newcot/{report.current_week}", None)
        return files

    def kept(self, name: str) -> bytes | None:
        """The body of an earlier answer, where it is undamaged and not too old to be believed of closed years."""
        found = self._kept.read(name, self._url(name), self._now(), TRUST_CLOSED)
        return found and found[0]

    def _url(self, name: str) -> str:
        return f"{self._base_url}/{self.files()[name].path}"

    def _this_year(self) -> int:
        return self._now().astimezone(_WASHINGTON).year

    def is_running_year(self, name: str) -> bool:
        """Whether a file is that of the year that is not over, which may not be there yet."""
        return name.endswith(f"{self._this_year()}.zip")

    def _revalidated(self, name: str, url: str) -> bytes | None:
        """The current body, downloaded unless the server confirms the cached one; None: not published yet."""
        trust = _TRUST_MOVING if self.is_running_year(name) or name.endswith(".txt") else TRUST_CLOSED
        cached, had = self._kept.read(name, url, self._now(), trust), self._kept.has(name)
        if cached is not None:
            body, validators = cached
            answer = fetch(url, validators.conditions(), self._limits)
            if answer.status == 304 and not validators.contradicted_by(answer, body):
                return body
        if cached is None or answer.status == 304:
            answer = fetch(url, {"Cache-Control": "no-cache"}, self._limits)
        if answer.status == 404 and self.is_running_year(name) and not had:
            return None
        if answer.status != 200:
            raise FetchError(f"HTTP {answer.status}" + (" for a file that was there before" if had else ""))
        self._kept.write(name, url, answer, self._now())
        return answer.body

    def _error(self, name: str, rule: str) -> SourceError:
        return SourceError(self.name, name, rule, REMEDY)
