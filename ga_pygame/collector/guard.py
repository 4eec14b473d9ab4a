"""Who may see what: the `Host` header, the page's token, other origins.

A web page anywhere can make its visitor's browser ask a server on that visitor's own machine, and a name that
points at 127.0.0.1 lets it read the answer too. So on loopback only loopback's own names are served.
Beyond loopback any name can be right; there the page and its data need a token, while games need none to
send: their bodies are signed.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

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


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands before the whole application.

    Args:
        app: What is behind it.
        ingests: Whether a path is one that games send to.
        loopback_host: The loopback address that is listened on, or `None` beyond loopback.
        token: Needed for everything but sending, or `None`.
        cookie: The name under which a browser keeps the token; browsers share cookies between ports.
    """

    def __init__(
        self,
        app: ASGIApp,
        ingests: Callable[[str], bool],
        *,
        loopback_host: str | None,
        token: str | None,
        cookie: str,
    ) -> None:
        self._app = app
        self._ingests = ingests
        self._names = LOOPBACK_NAMES | {loopback_host.lower()} if loopback_host else None
        self._token = token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._names is not None and _name(host) not in self._names:
            await _refuse(scope, send, 403, "this Host is not served: use 127.0.0.1 or localhost in the address")
            return
        if self._ingests(scope["path"]):
            await self._app(scope, receive, send)
            return
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            await _refuse(scope, send, 403, "other sites may not ask this")
            return
        if self._token is not None and not self._knows(headers.get("cookie", "")):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            given = query.pop("token", [""])[0]
            bearer = headers.get("authorization", "").removeprefix("Bearer ")
            if not (self._fits(given) or self._fits(bearer)):
                await _refuse(
                    scope, send, 401, "open the address with ?token=… that the collector printed at its start"
                )
                return
            if scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "GET" and given:
                await self._welcome(scope, send, urlencode(query, doseq=True))
                return
        await self._app(scope, receive, _with_page_headers(send))

    def _fits(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def _knows(self, cookies: str) -> bool:
        try:
            morsel = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return False
        return morsel is not None and self._fits(morsel.value)

    async def _welcome(self, scope: Scope, send: Send, query: str) -> None:
        """Keep the token in a cookie and take it out of the address."""
        target = scope["path"] + (f"?{query}" if query else "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
        headers = [(b"location", target.encode()), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _name(host: str) -> str:
    """The name in a `Host` header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


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


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
