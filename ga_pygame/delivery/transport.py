"""How a request leaves the machine. The only module that imports `requests`, on the uploader's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ga_pygame.clock import Clock
from ga_pygame.exchange import Answered, Reply, Request

if TYPE_CHECKING:
    import requests

_CONNECT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 8 * 2**20
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_DIRECT: dict[str, Any] = {"proxies": {}, "verify": True, "cert": None}
"""No proxy, whatever the environment says: none could reach a collector on this machine."""


class RequestsTransport:
    """HTTP by `requests`, which honours the player's proxies and certificates; blocks its thread.

    Args:
        timeout: The longest wait for a whole answer, in seconds.
        clock: For that wait.
    """

    def __init__(self, timeout: float, clock: Clock) -> None:
        self._timeout = timeout
        self._clock = clock
        self._session: requests.Session | None = None
        self._settings: dict[str | None, dict[str, Any]] = {}  # by host, what the environment says

    def open(self) -> None:
        import requests  # noqa: PLC0415 - 150 ms, paid here on the worker while the game loads

        self._session = requests.Session()

    def send(self, request: Request) -> Answered:
        import requests  # noqa: PLC0415 - loaded by open()

        if self._session is None:
            self.open()
        assert self._session is not None  # noqa: S101 - made by open()
        timeout = self._timeout if request.timeout is None else request.timeout
        deadline = self._clock.monotonic() + timeout
        timeouts = (min(_CONNECT_SECONDS, timeout), timeout)
        try:
            # Prepared without the session, which would put a password from ~/.netrc into our Authorization header,
            # add headers of its own and read the environment anew each time: 0.4 ms of 1.4.
            prepared = requests.Request(
                request.method, request.url, data=request.body, headers=dict(request.headers)
            ).prepare()
            settings = self._settings_for(self._session, request.url)
            with self._session.send(
                prepared, timeout=timeouts, stream=True, allow_redirects=False, **settings
            ) as response:
                body = self._read(response, deadline)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answered(Reply(response.status_code, headers, body))
        except (requests.RequestException, OSError, ValueError) as error:
            reason = _reason(error, request.url)
            return Answered(Reply(None, error=reason, maybe_handled=not _is_before_sending(error)))

    def _settings_for(self, session: requests.Session, url: str) -> dict[str, Any]:
        """The player's proxies and certificates for a host."""
        host = urlsplit(url).hostname
        if host not in self._settings:
            merged: Any = _DIRECT
            if host not in _THIS_MACHINE:
                merged = session.merge_environment_settings(url, {}, None, None, None)
            self._settings[host] = {name: merged[name] for name in _DIRECT}
        return self._settings[host]

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read the body within bounds of size and time; a cut answer raises."""
        body = bytearray()
        for piece in response.iter_content(65536):
            body += piece
            if len(body) > _MAX_ANSWER_BYTES or self._clock.monotonic() > deadline:
                raise OSError("the answer is too long or too slow")
        return bytes(body)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _reason(error: BaseException, url: str) -> str:
    """Why there is no answer, for a log: the deepest cause, without the URL's path, which has the game's key."""
    deepest = error
    while (cause := deepest.__cause__ or deepest.__context__) is not None:
        deepest = cause
    why = getattr(deepest, "strerror", None) or type(deepest).__name__
    return f"no answer from {'/'.join(url.split('/')[:3])}: {why}"


def _is_before_sending(error: BaseException | None) -> bool:
    """Whether the failure lies before the first byte of the request: no name, no connection, no TLS."""
    import urllib3.exceptions as lower  # noqa: PLC0415 - loaded with requests

    before = (lower.NewConnectionError, lower.ConnectTimeoutError, lower.SSLError, lower.ProxyError)
    while error is not None:
        if isinstance(error, before):
            return True
        error = error.__cause__ or error.__context__
    return False
