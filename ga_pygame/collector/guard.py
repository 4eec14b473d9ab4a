"""Decide who may see and send what: by the `Host` header, the page's token and the request's origin.

Any web page can make its visitor's browser send requests to a server on the visitor's own machine. If its host name is
made to point at 127.0.0.1 (DNS rebinding), the page can read the answers too. So on loopback only loopback's own
names are served. Beyond loopback any name may be right; there the page and its data need a token.

    signed      GameAnalytics' routes: any Host (official SDKs come by a hosts file or a proxy) and any origin; the
                routes check the signature, or `is_foreign` if they cannot check it
    unsigned    POGR's and Trophy's routes: no page of another site, unless `--allow-origin` names it
    own         the page, its data, the switchboard: no page of another site; beyond loopback, only with the token
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ga_pygame.collector.teller import Tell

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN_ENVIRONMENT = "GA_PYGAME_PAGE_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable with the token of the page, for one that stays the same at each start."""
MIN_TOKEN = 16
"""Characters of such a token at least."""
_FORM_OF_TOKEN = re.compile(f"[A-Za-z0-9_-]{{{MIN_TOKEN},200}}", re.ASCII)
HEALTH_PATHS = ("/healthz", "/readyz")
"""Paths that need no token; see `traffic`."""
OWN_POSTS = ("/_emu/", "/api/import", "/api/forget")
"""The only routes besides the games' that accept a POST: the switchboard's and those of commands."""
PAGE_SOCKET = "/_nicegui_ws/"
"""The path of the page's web socket. Long polling at this path is not served: its bodies have no limit, and each client
that polls is kept in memory until it has been silent for long."""
_SCOPE_FOREIGN = "ga_pygame.foreign"

_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FOLLOWED = (
    b"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>ga_pygame collector</title>"
    b'<p>Another site led here. <a href="/">Open the collector\'s page</a>'
)
"""Shown to a person who followed a link of another site: its own link is a request of this site."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_token(text: str) -> str:
    """Check a token for the page that the environment gives; "" means that the collector makes one.

    Raises:
        ValueError: It is too short, or has characters that an address cannot have; the message does not repeat it.
    """
    if text and not _FORM_OF_TOKEN.fullmatch(text):
        raise ValueError(
            f"must be {MIN_TOKEN} to 200 letters, digits, - or _; leave it out, and the collector makes one"
        )
    return text


def is_foreign(scope: Scope) -> bool:
    """Whether the browser says that a page of another site made this request; for the code behind the guard."""
    return bool(scope.get(_SCOPE_FOREIGN))


def parse_origin(text: str) -> str:
    """Parse an origin for `Guard`: `http://name:port` or `*`.

    Raises:
        ValueError: It is not an origin.
    """
    if text == "*":
        return text
    try:
        parts = urlsplit(text)
        good = parts.scheme and parts.hostname and (parts.port is None or parts.port) and parts.path in ("", "/")
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise ValueError("must be an origin as browsers send it, e.g. http://localhost:8000, or * for all")
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True, slots=True)
class _TurnedDown:
    """Why a request is not let through, and the page to show instead."""

    status: int
    reason: str
    page: bytes = b""


_WRONG_HOST = _TurnedDown(403, "this Host is not served: use 127.0.0.1 or localhost in the address")


class PageToken(NamedTuple):
    """What opens the page beyond loopback.

    Attributes:
        token: A secret.
        cookie: Name of the cookie with the token; browsers share cookies between ports, so it differs by port.
    """

    token: str
    cookie: str


class Guard:
    """The application that checks each request before the application behind it.

    Args:
        app: The application behind the guard.
        signed: Tells whether the requests of a path are signed.
        unsigned: Tells whether a path is another one that games send to.
        loopback_host: The loopback address to listen on, or `None` beyond loopback.
        token: Needed for everything but sending; `None` if no token is needed.
        origins: Other sites whose pages may send; `*` for all.
        tell: Called to tell the developer what is turned down and what is broken.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        signed: Callable[[str], bool],
        unsigned: Callable[[str], bool],
        loopback_host: str | None,
        token: PageToken | None,
        origins: Collection[str],
        tell: Tell,
    ) -> None:
        self._app = app
        self._signed = signed
        self._unsigned = unsigned
        self._names = LOOPBACK_NAMES | {loopback_host.lower()} if loopback_host else None
        self._token = token.token if token is not None else None
        self._cookie = token.cookie if token is not None else ""
        self._origins = origins
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path: str = scope["path"]
        scope = {**scope, _SCOPE_FOREIGN: self._is_foreign(headers, self._origins)}
        if self._signed(path):
            await self._behind(scope, receive, send)
            return
        is_unsigned = self._unsigned(path)
        scope["query_string"], token = _without_token(scope["query_string"])  # the application may log the address
        turned_down = self._of_unsigned(scope, headers) if is_unsigned else self._of_own(scope, headers, token)
        if turned_down is not None:
            await _turn_down(scope, send, turned_down)
        elif is_unsigned:
            await self._behind(scope, receive, send)
        elif token and self._token and scope["type"] == "http" and path == "/" and scope["method"] == "GET":
            await self._welcome(scope, send)
        else:
            await self._behind(scope, receive, _with_page_headers(send))

    def _of_unsigned(self, scope: Scope, headers: Headers) -> _TurnedDown | None:
        """Return why a request to an unsigned route is turned down, `None` if it is not."""
        if not self._is_named(headers.get("host", "")):
            return _WRONG_HOST
        if not is_foreign(scope):
            return None
        origin = headers.get("origin", "")
        where = origin if _is_origin(origin) else "ORIGIN"
        self._tell("foreign", f"a web page of another site was turned down (403); to allow it: --allow-origin {where}")
        return _TurnedDown(403, "other sites may not ask this unless --allow-origin names them")

    def _of_own(self, scope: Scope, headers: Headers, token: str) -> _TurnedDown | None:
        """Return why a request for the page, its data or the switchboard is turned down, `None` if it is not."""
        path, method = scope["path"], scope.get("method", "GET")
        if method not in ("GET", "HEAD", "OPTIONS") and not path.startswith(OWN_POSTS):
            self._tell("404", f"{method} {path[:100]}: there is no such route; is the game's address right?")
            return _TurnedDown(404, "there is no such route")
        if not self._is_named(headers.get("host", "")):
            return _WRONG_HOST
        if path.startswith(PAGE_SOCKET) and scope["type"] == "http":
            return _TurnedDown(404, "the page needs a web socket")
        return self._of_visitor(scope, headers, token)

    def _of_visitor(self, scope: Scope, headers: Headers, token: str) -> _TurnedDown | None:
        """Check the origin and the token of a request for the page, its data or the switchboard."""
        path = scope["path"]
        if self._is_foreign(headers, ()):
            follows = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
            page = _FOLLOWED if follows and path == "/" and "origin" not in headers else b""
            return _TurnedDown(403, "other sites may not ask this", page)
        if path in HEALTH_PATHS:
            return None  # they tell nothing about games or players
        if self._token is None or self._knows(headers.get("cookie", "")):
            return None
        if self._fits(token) or self._fits(headers.get("authorization", "").removeprefix("Bearer ")):
            return None
        return _TurnedDown(401, "open the address with ?token=… that the collector printed at its start")

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application. Its exceptions end here: a traceback in the log may show the data of a request."""
        started = is_gone = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        async def hearing() -> Message:
            nonlocal is_gone
            message = await receive()
            is_gone = message["type"] in ("http.disconnect", "websocket.disconnect")
            return message

        try:
            await self._app(scope, hearing, noting)
        except Exception as error:  # noqa: BLE001 - any defect: this sender keeps its events, others are served
            if is_gone and isinstance(error, RuntimeError):
                return  # a tab was closed while it loaded, so Starlette's middleware misses a response
            self._tell("broken", f"a request could not be answered ({type(error).__name__}): please report this")
            if not started:
                await _turn_down(scope, send, _TurnedDown(500, ""))

    def _is_named(self, host: str) -> bool:
        return self._names is None or _host_name(host) in self._names

    def _is_foreign(self, headers: Headers, allowed: Collection[str]) -> bool:
        """Whether a page made this request that is neither the collector's nor of an allowed origin."""
        origins = headers.getlist("origin")
        if origins:
            host = headers.get("host", "")
            return not all("*" in allowed or one.lower() in allowed or self._is_own(one, host) for one in origins)
        return headers.get("sec-fetch-site", "none").lower() not in ("same-origin", "none") and "*" not in allowed

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is this server under the name in the `Host` header, and that name is served."""
        try:
            return urlsplit(origin).netloc.lower() == host.lower() and self._is_named(host)
        except ValueError:
            return False

    def _fits(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _knows(self, cookies: str) -> bool:
        """Whether the cookie with the token is there. Other apps on this host may have put anything into the header."""
        pairs = (one.strip().partition("=") for one in cookies.split(";"))
        return any(name == self._cookie and self._fits(value) for name, _, value in pairs)

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Put the token into a cookie and redirect to the address without it."""
        target = b"/" + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
        headers = [(b"location", target), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _without_token(query: bytes) -> tuple[bytes, str]:
    """Split a query into the rest and its token."""
    if b"token" not in query and b"%" not in query:
        return query, ""
    text = query.decode("latin-1")
    rest = [(name, value) for name, value in parse_qsl(text, keep_blank_values=True) if name != "token"]
    return urlencode(rest).encode(), parse_qs(text).get("token", [""])[0]


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_origin(text: str) -> bool:
    try:
        return bool(parse_origin(text)) and text != "*"
    except ValueError:
        return False


def _with_page_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in _PAGE_HEADERS.items()
                    if name.lower().encode() not in present
                ),
            ]
        await send(message)

    return send_with_headers


async def _turn_down(scope: Scope, send: Send, why: _TurnedDown) -> None:
    """Turn a request down. The answer to a POST has an empty body: then SDKs keep the events."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body, kind = why.page, b"text/html"
    if not body and scope["method"] in ("GET", "HEAD") and why.reason:
        body, kind = json.dumps({"error": why.reason}).encode(), b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": why.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
