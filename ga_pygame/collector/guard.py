"""Who may see and send what: the `Host` header, the page's token, pages of other sites.

A web page anywhere can make its visitor's browser ask a server on that visitor's own machine, and a name that
points at 127.0.0.1 lets it read the answer too. So on loopback only loopback's own names are served.
Beyond loopback any name can be right; there the page and its data need a token.

    signed      GameAnalytics' routes: any Host (official SDKs come by a hosts file or a proxy), any origin; the
                routes look at the signature, and at `is_foreign` where they cannot check it
    unsigned    POGR's and Trophy's routes: no page of another site, unless `--allow-origin` names it
    own         the page, its data, the switchboard: no page of another site, and the token
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ga_pygame.collector.teller import Tell

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OWN_POSTS = "/_emu/"
"""What else than games may POST to: the switchboard."""
PAGE_SOCKET = "/_nicegui_ws/"
"""Where the page's web socket is. The same by plain requests (long polling) is not served: its bodies have no limit,
and each one that asks is kept until it has been silent for long."""
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
"""What a person sees who followed a link: one more click, which then comes from here."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_foreign(scope: Scope) -> bool:
    """Whether a page of another site made this request, as far as its browser says; behind the guard."""
    return bool(scope.get(_SCOPE_FOREIGN))


def parse_origin(text: str) -> str:
    """An origin for `Guard`, from `http://name:port` or `*`.

    Raises:
        ValueError: It is none.
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
    """Why a request is not let through, and what a person sees instead."""

    status: int
    reason: str
    page: bytes = b""


_WRONG_HOST = _TurnedDown(403, "this Host is not served: use 127.0.0.1 or localhost in the address")


class Guard:
    """Stands before the whole application.

    Args:
        app: What is behind it.
        signed: Whether a path is one whose requests are signed.
        unsigned: Whether a path is another one that games send to.
        loopback_host: The loopback address that is listened on, or `None` beyond loopback.
        token: Needed for everything but sending, or `None`.
        cookie: The name under which a browser keeps the token; browsers share cookies between ports.
        origins: Other sites whose pages may send; `*` for all.
        tell: Told, for the developer, what is turned down and what is broken.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        signed: Callable[[str], bool],
        unsigned: Callable[[str], bool],
        loopback_host: str | None,
        token: str | None,
        cookie: str,
        origins: Collection[str],
        tell: Tell,
    ) -> None:
        self._app = app
        self._signed = signed
        self._unsigned = unsigned
        self._names = LOOPBACK_NAMES | {loopback_host.lower()} if loopback_host else None
        self._token = token
        self._cookie = cookie
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
        scope["query_string"], token = _without_token(scope["query_string"])  # what is behind may log the address
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
        """Why a request to a game's route without signatures is turned down."""
        if not self._is_named(headers.get("host", "")):
            return _WRONG_HOST
        if not is_foreign(scope):
            return None
        origin = headers.get("origin", "")
        where = origin if _is_origin(origin) else "ORIGIN"
        self._tell("foreign", f"a web page of another site was turned down (403); to let it: --allow-origin {where}")
        return _TurnedDown(403, "other sites may not ask this unless --allow-origin names them")

    def _of_own(self, scope: Scope, headers: Headers, token: str) -> _TurnedDown | None:
        """Why a request for the page, its data or the switchboard is turned down."""
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
        """Why somebody who asks for what is there is turned down: another site's page, or no token."""
        path = scope["path"]
        if self._is_foreign(headers, ()):
            follows = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
            page = _FOLLOWED if follows and path == "/" and "origin" not in headers else b""
            return _TurnedDown(403, "other sites may not ask this", page)
        if self._token is None or self._knows(headers.get("cookie", "")):
            return None
        if self._fits(token) or self._fits(headers.get("authorization", "").removeprefix("Bearer ")):
            return None
        return _TurnedDown(401, "open the address with ?token=… that the collector printed at its start")

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is behind the guard; what it raises ends here, as a traceback may show what a request held."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:  # noqa: BLE001 - whatever it is: the sender keeps what it sent, the others are served
            self._tell("broken", f"a request could not be answered ({type(error).__name__}): please report this")
            if not started:
                await _turn_down(scope, send, _TurnedDown(500, ""))

    def _is_named(self, host: str) -> bool:
        return self._names is None or _host_name(host) in self._names

    def _is_foreign(self, headers: Headers, allowed: Collection[str]) -> bool:
        """Whether a page made this request that is neither ours nor of an allowed origin."""
        origins = headers.getlist("origin")
        if origins:
            host = headers.get("host", "")
            return not all("*" in allowed or one.lower() in allowed or self._is_own(one, host) for one in origins)
        return headers.get("sec-fetch-site", "none").lower() not in ("same-origin", "none") and "*" not in allowed

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is this server under the name that was asked, if that is a name of ours."""
        try:
            return urlsplit(origin).netloc.lower() == host.lower() and self._is_named(host)
        except ValueError:
            return False

    def _fits(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _knows(self, cookies: str) -> bool:
        """Whether ours is among the cookies; those of other apps on this host may hold anything."""
        pairs = (one.strip().partition("=") for one in cookies.split(";"))
        return any(name == self._cookie and self._fits(value) for name, _, value in pairs)

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Keep the token in a cookie and take it out of the address."""
        target = b"/" + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
        headers = [(b"location", target), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _without_token(query: bytes) -> tuple[bytes, str]:
    """A query without its token, and the token."""
    if b"token" not in query and b"%" not in query:
        return query, ""
    text = query.decode("latin-1")
    rest = [(name, value) for name, value in parse_qsl(text, keep_blank_values=True) if name != "token"]
    return urlencode(rest).encode(), parse_qs(text).get("token", [""])[0]


def _host_name(host: str) -> str:
    """The name in a `Host` header, without port and brackets."""
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
    """Turn a request down; one that may carry a game's events gets an empty body, at which senders keep them."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body, kind = why.page, b"text/html"
    if not body and scope["method"] in ("GET", "HEAD") and why.reason:
        body, kind = json.dumps({"error": why.reason}).encode(), b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": why.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
