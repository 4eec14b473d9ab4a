"""Sends requests over HTTP. The only module that imports `requests`, on the uploader's thread."""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ga_pygame.clock import Clock
from ga_pygame.protocol import Answered, Reply, Request

if TYPE_CHECKING:
    import requests

    from ga_pygame.delivery import exchange_bounds

MAX_REASON = 200
"""Characters of the reason for a missing answer."""
_CONNECT_SECONDS = 5.0
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_DIRECT: dict[str, Any] = {"proxies": {}, "verify": True, "cert": None}
"""No proxy, whatever the environment says: it could not reach a collector on this machine."""
_PRIVATE = re.compile(r"\S*[/\\@]\S*")
"""A word that may contain a path, an address or a password."""


class RequestsTransport:
    """HTTP transport by `requests`, which uses the player's proxies and certificates; blocks its thread.

    It trusts the certificates of `requests` and those of the system; if `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE` names
    others, only these.

    It follows no redirects and keeps no cookies. Each exchange keeps the bounds of `exchange_bounds`.

    Args:
        timeout: The longest wait for a whole answer, in seconds.
        clock: Measures that wait.
    """

    def __init__(self, timeout: float, clock: Clock) -> None:
        self._timeout = timeout
        self._clock = clock
        self._made: exchange_bounds.Budget | None = None
        self._session: requests.Session | None = None
        self._settings: dict[str | None, dict[str, Any]] = {}  # the environment's, by host

    @property
    def _budget(self) -> exchange_bounds.Budget:
        from ga_pygame.delivery import exchange_bounds  # noqa: PLC0415 - http.client, 20 ms, paid on the worker

        if self._made is None:
            self._made = exchange_bounds.Budget(self._clock)
        return self._made

    def open(self) -> None:
        import requests  # noqa: PLC0415 - 150 ms, paid here on the worker while the game loads

        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _adapter(self._budget))
        self._session = session

    def send(self, request: Request) -> Answered:
        timeout = self._timeout if request.timeout is None else request.timeout
        self._budget.begin(timeout)
        try:
            return Answered(self._answer(request, timeout))
        except Exception as error:  # noqa: BLE001 - whatever a server, a proxy or the environment makes of it
            reason = _reason(error, request.url, self._secrets(request.url))
            self._forget_settings(request.url)
            return Answered(Reply(None, error=reason, maybe_handled=self._budget.is_sent))

    def _answer(self, request: Request, timeout: float) -> Reply:
        import requests  # noqa: PLC0415 - loaded by open()

        from ga_pygame.delivery import exchange_bounds  # noqa: PLC0415 - the same

        if self._session is None:
            self.open()
        assert self._session is not None  # noqa: S101 - made by open()
        # Prepared and sent without the session. It would replace our Authorization header by a password from ~/.netrc,
        # add headers, read the environment for each request (0.4 ms of 1.4), and read the whole body of a redirect,
        # even if it is not followed.
        prepared = requests.Request(
            request.method, request.url, data=request.body, headers=dict(request.headers)
        ).prepare()
        settings = self._settings_for(self._session, request.url)
        timeouts = (min(_CONNECT_SECONDS, timeout), timeout)
        adapter = self._session.get_adapter(prepared.url or "")
        response = adapter.send(prepared, timeout=timeouts, stream=True, **settings)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            try:
                body = exchange_bounds.body_of(response.raw)
            except exchange_bounds.Unread as error:
                reason = _reason(error, request.url, self._secrets(request.url))
                return Reply(None, headers, error.beginning, reason, maybe_handled=True, unread=response.status_code)
            response.raw.release_conn()
            return Reply(response.status_code, headers, body)
        finally:
            response.raw.close()  # no effect after `release_conn`; else the rest is never read

    def _settings_for(self, session: requests.Session, url: str) -> dict[str, Any]:
        """Return the player's proxies and certificates for a host."""
        host = urlsplit(url).hostname
        if host not in self._settings:
            merged: Any = _DIRECT
            if host not in _THIS_MACHINE:
                merged = session.merge_environment_settings(url, {}, None, None, None)
            self._settings[host] = {name: merged[name] for name in _DIRECT}
        return self._settings[host]

    def _forget_settings(self, url: str) -> None:
        """Read the settings again at the next request, since the player may have switched a proxy on or off."""
        with contextlib.suppress(ValueError):  # no address, so there are none
            self._settings.pop(urlsplit(url).hostname, None)

    def _secrets(self, url: str) -> list[str]:
        """Return the secrets of the proxies in use: user names and passwords, the words before the host."""
        try:
            proxies = self._settings.get(urlsplit(url).hostname, _DIRECT)["proxies"]
        except ValueError:
            return []
        users = [str(proxy).rpartition("@")[0] for proxy in proxies.values()]
        return [word for user in users for word in re.split(r"[:/]+", user)[1:] if word]

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _adapter(budget: exchange_bounds.Budget) -> Any:
    """Make an adapter that bounds all its connections by the budget and trusts the system's certificates."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - loaded by open()

    from ga_pygame.delivery import certificates, exchange_bounds  # noqa: PLC0415 - the same

    context = functools.cache(certificates.system_context)

    class Adapter(HTTPAdapter):
        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            if verify is True and url.lower().startswith("https"):
                conn.conn_kw["ssl_context"] = context()

        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
            return bounded(super().get_connection_with_tls_context(*args, **kwargs))

        def get_connection(self, *args: Any, **kwargs: Any) -> Any:  # of requests before 2.32
            return bounded(super().get_connection(*args, **kwargs))

    def bounded(pool: Any) -> Any:
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = exchange_bounds.bounded(pool.ConnectionCls, budget)
        return pool

    return Adapter(max_retries=0)


def _reason(error: BaseException, url: str, secrets: list[str]) -> str:
    """Make the reason for a missing answer, for a log: the deepest cause with a text.

    It shows neither a path (of the URL, with the game's key, or of the player's files) nor a proxy's password.
    """
    why = ""
    cause: BaseException | None = error
    while cause is not None:
        name = type(cause).__name__
        said = str(getattr(cause, "strerror", None) or cause).strip()
        why = f"{name}: {said}" if said and name not in said and not getattr(cause, "strerror", None) else said or name
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    for secret in secrets:
        why = why.replace(secret, "…")
    why = _PRIVATE.sub("…", why)
    why = "".join(one if one.isprintable() else " " for one in why[:MAX_REASON])
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"no answer from {scheme[:10]}://{host[:100]}: {why}"
