"""Bodies of earlier answers on disk, each with the validators of its server, one process at a time.

Belongs here: the two files of a body, whether it is undamaged and young enough. Not here: requests (cftc.py), and
when a kept body may stand for an answer.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from r2k_pipeline.files import write_flushed
from r2k_pipeline.sources.http import Answer, redact


@dataclass(frozen=True)
class Validators:
    """The server's validators of a kept body, and the body's hash, which ties the two together."""

    url: str
    sha256: str
    etag: str | None
    last_modified: str | None
    fetched_at: str

    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the body only if it changed."""
        sent = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in sent.items() if value is not None}

    def contradicted_by(self, answer: Answer, body: bytes) -> bool:
        """Whether a 304 describes another body than the kept one: the ETag did not change with the content."""
        claims = {"etag": self.etag, "last-modified": self.last_modified, "content-length": str(len(body))}
        answered = {name: answer.headers.get(name, "") for name in claims}
        # A length of 0 is that of the empty 304 itself (some servers add it), not of the file.
        return any(text not in ("", "0", claims[name]) for name, text in answered.items() if claims[name])


@dataclass(frozen=True)
class KeptBodies:
    """The bodies in `folder`, by name; the validators of NAME are in NAME.json."""

    folder: Path

    def has(self, name: str) -> bool:
        """Whether there is a body of that name, sound or not."""
        return self._path(name).exists()

    def read(self, name: str, url: str, now: datetime, trust: timedelta) -> tuple[bytes, Validators] | None:
        """A body from `url` that is undamaged and no older than `trust`; None where there is none.

        What a process that was killed while writing left behind is removed. A clock that was turned back trusts none.
        """
        for part in (f"{name}.part", f"{name}.json.part"):
            self._path(part).unlink(missing_ok=True)
        try:
            body = self._path(name).read_bytes()
            validators = Validators(**json.loads(self._path(name + ".json").read_bytes()))
            age = now - datetime.fromisoformat(validators.fetched_at)
        except (FileNotFoundError, ValueError, TypeError):
            return None  # damage costs a download, never an error
        is_sound = validators.url == redact(url) and validators.sha256 == _sha256(body)
        return (body, validators) if is_sound and timedelta(0) <= age <= trust else None

    def write(self, name: str, url: str, answer: Answer, now: datetime) -> None:
        """Body first: a crash between the two leaves a hash that does not fit, hence a download."""
        etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
        validators = Validators(redact(url), _sha256(answer.body), etag, modified, now.isoformat())
        self._replace(name, answer.body)
        self._replace(name + ".json", json.dumps(asdict(validators)).encode())

    def _replace(self, name: str, content: bytes) -> None:
        part = self._path(name + ".part")
        write_flushed(part, content)
        part.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / name


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
