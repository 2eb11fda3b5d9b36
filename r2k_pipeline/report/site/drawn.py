"""Cache of files that take seconds to draw: an unchanged one is copied from the previous site.

Belongs here: the record of sources, the copy. Not here: drawing (pictures.py), the swap (replace_folder.py).
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from r2k_pipeline.origins import code_digest

NAME: Final = "drawn.json"
"""In the site: for each drawn file the digests of its data and of its own bytes."""


class Drawn:
    """The drawn files of the old site in `before`, and those of the new site, drawn on request.

    If the record is lost or damaged, or a file does not match its digest there, the file is drawn again.
    """

    def __init__(self, before: Path) -> None:
        self._before, self._digests = before, _read(before / NAME)
        self._now: dict[str, list[str]] = {}

    def file(self, name: str, source: object, draw: Callable[[], bytes]) -> bytes:
        """The bytes of a file: those from before if they were drawn by this program from an equal `source` (JSON)."""
        key = _digest(json.dumps([code_digest(), source], sort_keys=True).encode())
        body = b""
        with suppress(OSError):
            body = (self._before / name).read_bytes()
        if self._digests.get(name) != [key, _digest(body)]:
            body = draw()
        self._now[name] = [key, _digest(body)]
        return body

    def record(self) -> dict[str, bytes]:
        """The record of the requested files, as a file of the site."""
        return {NAME: json.dumps(self._now, indent=1).encode()}


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        said = json.loads(file.read_bytes())
        return said if isinstance(said, dict) else {}
    return {}


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
