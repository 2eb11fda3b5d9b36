"""The address of a PostgreSQL database, parsed so that no message shows its password.

Belongs here: what an address may look like, and how it is shown. Not here: connecting (session.py); everything that
libpq understands (TLS, PG* variables, ~/.pgpass) is left to libpq.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from r2k_pipeline.errors import R2kError

CONNECT_TIMEOUT_SECONDS: Final = 10
"""Default: libpq by itself waits for minutes on a host that does not answer."""
FORM: Final = "postgresql://USER@HOST:PORT/DATABASE"
_ADDRESS: Final = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>(?:[^:@/?#,\[\]]*|\[[^\]@/?#]*\])(?::\d*)?(?:,(?:[^:@/?#,\[\]]*|\[[^\]@/?#]*\])(?::\d*)?)*)"
    r"(?:/(?P<database>[^@/?#]*))?"
    r"(?:\?(?P<parameters>\w+=[^&#]*(?:&\w+=[^&#]*)*))?"
)


class PublishError(R2kError):
    """Nothing was published, and the last publication stays; the message gives the reason and the next command."""


@dataclass(frozen=True)
class Address:
    """Where to publish. `url` has the password and is never shown; `shown` is safe to print."""

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse a libpq URI. Raises PublishError, which does not repeat the URI."""
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise PublishError(
                f"the address is not of the form {FORM}",
                next="write special characters of a password as %XX, or leave the password to PGPASSWORD or ~/.pgpass",
            )
        parameters = parse_qsl(found["parameters"] or "", keep_blank_values=True)
        hidden = [found["password"] or "", *(value for name, value in parameters if "password" in name)]
        secrets = {text for value in hidden for text in (value, unquote(value)) if text}
        user = f"{found['user']}@" if found["user"] else ""
        shown = f"postgresql://{user}{found['hosts']}/{found['database'] or ''}"
        return cls(url, shown, tuple(sorted(secrets, key=len, reverse=True)))

    def with_timeout(self) -> str:
        """The URI to connect with, with a time limit."""
        if "connect_timeout=" in self.url:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}connect_timeout={CONNECT_TIMEOUT_SECONDS}"

    def without_secrets(self, text: str) -> str:
        """`text` with every password of this address taken out."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text
