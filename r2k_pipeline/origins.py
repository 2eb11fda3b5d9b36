"""Digests of a generation's inputs besides raw: settings, markets, program, release ledger.

Belongs here: the digests, and the parts that differ. Not here: consequences of a difference (gate.py, causes.py).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from r2k_pipeline.files import DIGITS, short_digest
from r2k_pipeline.markets import CATALOGUE_FILE, Market, read_catalogue
from r2k_pipeline.settings import Settings
from r2k_pipeline.shipped import PACKAGE, shipped
from r2k_pipeline.sources.corrections import CORRECTIONS_FILE
from r2k_pipeline.sources.release_calendar import LEDGER
from r2k_pipeline.transforms.setups import SETUPS_FILE

BESIDE: Final = (LEDGER, CORRECTIONS_FILE, CATALOGUE_FILE, SETUPS_FILE)
"""Data with digests of their own: a new line in them does not change the program."""
SETTINGS: Final = ("first_year", "profile_since", "report_types")
"""Settings that tables depend on, besides the contents of the corrections, the roles and the setups."""


def digests_of(settings: Settings, markets: Iterable[Market]) -> dict[str, str]:
    """The columns `*_digest` of meta.generation.

    Defaults of a market are part of the program: a key that a version adds changes no market.
    """
    return {
        "settings_digest": _named(_settings(settings)),
        "markets_digest": _named({m.market: m.model_dump_json(exclude_defaults=True) for m in markets}),
        "code_digest": code_digest(),
        "ledger_digest": short_digest(LEDGER.read_bytes()),
    }


def differing(before: str, after: str) -> frozenset[str]:
    """The names whose digests differ between two values of `name=digest`."""
    old, new = _parts(before), _parts(after)
    return frozenset(name for name in {*old, *new} if old.get(name) != new.get(name))


def changed_settings(before: str, after: str) -> Iterator[str]:
    """The settings that differ, in words. Those that one side lacks are of another version, so nobody changed them."""
    of_both = _parts(before).keys() & _parts(after).keys()
    yield from (f"{name} changed" for name in sorted(differing(before, after) & of_both))


def changed_markets(before: str, after: str) -> Iterator[str]:
    """The markets that differ, in words: changed, gone or new."""
    old, new = _parts(before), _parts(after)
    for name in sorted(differing(before, after)):
        yield f"{name} is gone" if name not in new else f"{name} {'changed' if name in old else 'is new'}"


def _parts(digests: str) -> dict[str, str]:
    return dict(part.split("=") for part in digests.split())


@cache
def code_digest() -> str:
    """Digest over the program's sources, its .toml files and its SQL, installed or not; computed once a process."""
    digest, sql = hashlib.sha256(), shipped("sql")
    code = {*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")}.difference(BESIDE)
    for file in [*sorted(code), *sorted(sql.rglob("*.sql"))]:
        folder = sql if file.is_relative_to(sql) else PACKAGE
        digest.update(str(file.relative_to(folder.parent)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:DIGITS]


def _settings(settings: Settings) -> dict[str, str]:
    own = settings.corrections.read_text("utf-8") if settings.corrections else ""
    values = {name: repr(getattr(settings, name)) for name in SETTINGS}
    shipped_ones = {"roles": repr(read_catalogue().roles), "setups.toml": SETUPS_FILE.read_text("utf-8")}
    return values | shipped_ones | {"corrections": CORRECTIONS_FILE.read_text("utf-8") + own}


def _named(parts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={short_digest(value.encode())}" for name, value in sorted(parts.items()))
