"""The CFTC's own COT archives over HTTPS, downloaded only when they changed.

Belongs here: which files exist for a report type, and the conditional GET over a cache of bodies.
Not here: what is inside a file (cot.py), transport (http.py).
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from r2k_pipeline.report_types import REPORTS
from r2k_pipeline.sources.http import REMEDY, Answer, FetchError, Limits, fetch, redact
from r2k_pipeline.sources.protocol import CotDocument, SourceError

OFFICIAL = "https://www.cftc.gov"
_WASHINGTON = ZoneInfo("America/New_York")
_LAST_YEAR_OF_LONG_HISTORY = 2016
_TRUST_MOVING = timedelta(days=6)
_TRUST_CLOSED = timedelta(days=90)
"""How long a cached ETag is trusted: one that does not change with its body must not hide new reports for ever. Files
of the current year change every week anyway, so for them this costs no extra download."""


@dataclass(frozen=True)
class _Validators:
    """The server's validators of a cached body, and the body's hash, which ties the two together."""

    url: str
    sha256: str
    etag: str | None
    last_modified: str | None
    fetched_at: str

    def believed(self, url: str, body: bytes, now: datetime, trust: timedelta) -> bool:
        """Whether a 304 may stand for `body`: same address, same bytes, young enough, clock not turned back."""
        age = now - datetime.fromisoformat(self.fetched_at)
        return self.url == url and self.sha256 == _sha256(body) and timedelta(0) <= age <= trust

    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the body only if it changed."""
        sent = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in sent.items() if value is not None}

    def contradicted_by(self, answer: Answer, body: bytes) -> bool:
        """Whether a 304 describes another body than the cached one: the ETag did not change with the content."""
        claims = {"etag": self.etag, "last-modified": self.last_modified, "content-length": str(len(body))}
        said = {name: answer.headers.get(name, "") for name in claims}
        # A length of 0 is that of the empty 304 itself (some servers add it), not of the file.
        return any(text not in ("", "0", claims[name]) for name, text in said.items() if claims[name])


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
        self._cache_dir, self._base_url, self._now, self._limits = cache_dir, base_url.rstrip("/"), now, limits
        self._archives, self._first_year = [REPORTS[kind] for kind in report_types], first_year

    def list_reports(self) -> list[str]:
        """Per report type, oldest first: the long history where it is wanted, each year from 2017, this week."""
        return list(self._paths())

    def fetch_report(self, name: str) -> CotDocument | None:
        """The file as it stands at the CFTC now; None while the running year has none yet.

        Raises SourceError: not one of list_reports(), any failure of the request, a file that vanished.
        """
        path = self._paths().get(name)
        if path is None:
            raise self._error(name, "not a file of these archives")
        url = f"{self._base_url}/{path}"
        try:
            body = self._revalidated(name, url)
        except FetchError as error:
            raise self._error(name, f"{redact(url)}: {error}") from error
        return None if body is None else CotDocument(name, redact(url), body)

    def _paths(self) -> dict[str, str]:
        first = max(self._first_year, _LAST_YEAR_OF_LONG_HISTORY + 1)
        paths: dict[str, str] = {}
        for archive in self._archives:
            history = [archive.long_history] if self._first_year <= _LAST_YEAR_OF_LONG_HISTORY else []
            years = [archive.yearly.format(year) for year in range(first, self._this_year() + 1)]
            paths |= {name: f"files/dea/history/{name}" for name in history + years}
            paths[archive.current_week] = f"dea/newcot/{archive.current_week}"
        return paths

    def _this_year(self) -> int:
        return self._now().astimezone(_WASHINGTON).year

    def _is_running_year(self, name: str) -> bool:
        return name.endswith(f"{self._this_year()}.zip")

    def _revalidated(self, name: str, url: str) -> bytes | None:
        """The current body, downloaded unless the server confirms the cached one; None: not published yet."""
        for part in (f"{name}.part", f"{name}.json.part"):
            self._path(part).unlink(missing_ok=True)  # left by a process that was killed while writing
        cached, had = self._read_cached(name, url), self._path(name).exists()
        if cached is not None:
            body, validators = cached
            answer = fetch(url, validators.conditions(), self._limits)
            if answer.status == 304 and not validators.contradicted_by(answer, body):
                return body
        if cached is None or answer.status == 304:
            answer = fetch(url, {"Cache-Control": "no-cache"}, self._limits)
        if answer.status == 404 and self._is_running_year(name) and not had:
            return None
        if answer.status != 200:
            raise FetchError(f"HTTP {answer.status}" + (" for a file that was there before" if had else ""))
        self._write_cached(name, url, answer)
        return answer.body

    def _read_cached(self, name: str, url: str) -> tuple[bytes, _Validators] | None:
        """A cached body that a 304 may stand for; None where there is none, or it is damaged, foreign or too old."""
        trust = _TRUST_MOVING if self._is_running_year(name) or name.endswith(".txt") else _TRUST_CLOSED
        try:
            body = self._path(name).read_bytes()
            validators = _Validators(**json.loads(self._path(name + ".json").read_bytes()))
            return (body, validators) if validators.believed(redact(url), body, self._now(), trust) else None
        except (FileNotFoundError, ValueError, TypeError):
            return None  # a faulty cache costs a download, never an error

    def _write_cached(self, name: str, url: str, answer: Answer) -> None:
        """Body first: a crash between the two leaves a hash that does not fit, hence a download."""
        etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
        validators = _Validators(redact(url), _sha256(answer.body), etag, modified, self._now().isoformat())
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        self._replace(name, answer.body)
        self._replace(name + ".json", json.dumps(asdict(validators)).encode())

    def _replace(self, name: str, content: bytes) -> None:
        part = self._path(name + ".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self._cache_dir / name

    def _error(self, name: str, rule: str) -> SourceError:
        return SourceError(self.name, name, rule, REMEDY)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
