"""The address of a store on ClickHouse: `clickhouse://user:password@host:8123,host:8123/database`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

PASSWORD_VARIABLE = "GA_PYGAME_CLICKHOUSE_PASSWORD"  # noqa: S105 - the name of a variable
_SCHEMES = {"clickhouse": ("http", 8123), "clickhouses": ("https", 8443)}
_FORM_OF_STORE = (
    "clickhouse://user:password@host:8123/database (clickhouses:// with TLS, several hosts joined by commas)"
)


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a database is, and who asks.

    Attributes:
        urls: The servers' HTTP interfaces, e.g. `http://10.0.0.1:8123`.
        database: Its name, of letters, digits and `_`.
        user: The name of the user.
        password: It is never shown.
    """

    urls: tuple[str, ...]
    database: str
    user: str = "default"
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """The same for people, without the password."""
        return f"{self.database} on {', '.join(self.urls)}"


def parse_store(text: str) -> StoreAddress:
    """Read an address; a password that it does not have comes from `GA_PYGAME_CLICKHOUSE_PASSWORD`.

    Raises:
        ValueError: It is no such address; the message does not repeat the text.
    """
    named_scheme, _, rest = text.partition("://")  # `urlsplit` of newer Pythons takes no list with [::1] in it
    if named_scheme.lower() not in _SCHEMES:
        raise ValueError(f"write {_FORM_OF_STORE}")
    scheme, default_port = _SCHEMES[named_scheme.lower()]
    place, _, path = rest.partition("/")
    named, _, hosts = place.rpartition("@")
    user, _, password = named.partition(":")
    database = path.strip("/")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", database):
        raise ValueError(f"name the database, of letters, digits and _: {_FORM_OF_STORE}")
    urls = []
    for host in hosts.split(","):
        match = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", host)
        if match is None:
            raise ValueError(f"name each host as host or host:port: {_FORM_OF_STORE}")
        urls.append(f"{scheme}://{match[1]}:{match[2] or default_port}")
    password = unquote(password) or os.environ.get(PASSWORD_VARIABLE, "")
    return StoreAddress(tuple(urls), database, unquote(user) or "default", password)
