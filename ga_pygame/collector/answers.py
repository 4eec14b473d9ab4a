"""Send answers in pieces, as fast as the client reads, and bound the bytes of all answers together.

Uvicorn would copy a whole answer into the connection's buffer. It would stay there until the client has read it, which
may never happen. So each answer stays in one place, where its bytes are counted, and its connection gets a piece at a
time.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ga_pygame.collector.bodies import Busy, Held
from ga_pygame.collector.responses import RETRY_AFTER_SECONDS

ANSWER_PIECE_BYTES = 64 * 2**10
"""Bytes of an answer that its connection gets at once."""
MAX_ANSWERS_BYTES = 32 * 2**20
"""Bytes of all answers that clients are reading; a further large one is replaced by a 503."""
MAX_STALLED_SECONDS = 30.0
"""How long a client may read nothing of its answer; then its connection is closed."""
MIN_BYTES_PER_SECOND = 32 * 2**10
"""Average speed at which a client must read an answer, after the first `MAX_STALLED_SECONDS`; else it is closed."""


class Answers:
    """The application of one connection, with its answers sent in pieces.

    Args:
        app: The application.
        held: Counts the bytes of the answers of all connections.
    """

    def __init__(self, app: ASGIApp, held: Held) -> None:
        self._app = app
        self._held = held
        self._transport: asyncio.Transport | None = None
        self._since = 0.0
        self._given = 0

    def begin(self, transport: asyncio.Transport, now: float) -> None:
        """Set the transport that answers are written to; `now` is the loop's time."""
        self._transport = transport
        self._since = now

    @property
    def unread_bytes(self) -> int:
        """Bytes that were given to the connection and that its client has not read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def is_late(self, now: float) -> bool:
        """Whether the client reads too slowly."""
        due = self._since + MAX_STALLED_SECONDS + self._given / MIN_BYTES_PER_SECOND
        return now > due and self.unread_bytes > 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        refused = False

        async def send_in_pieces(message: Message) -> None:
            nonlocal start, refused
            if message["type"] == "http.response.start":
                start = message  # sent with the first piece of the body, once it is known whether there is room for it
                return
            body: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            with self._held.share() as hold:
                try:
                    hold(len(body))
                except Busy:
                    refused = refused or start is not None
                if refused:
                    body, more = b"", False
                if start is not None:
                    self._give(0)
                    await send(_instead(start) if refused else start)
                elif refused:
                    return
                start = None
                await self._send(body, send, more=more)

        await self._app(scope, receive, send_in_pieces)

    async def _send(self, body: bytes, send: Send, *, more: bool) -> None:
        for at in range(0, len(body) or 1, ANSWER_PIECE_BYTES):
            piece = body[at : at + ANSWER_PIECE_BYTES]
            self._give(len(piece))
            more_body = more or at + ANSWER_PIECE_BYTES < len(body)
            await send({"type": "http.response.body", "body": piece, "more_body": more_body})

    def _give(self, size: int) -> None:
        """Count bytes that the client must read from now on."""
        if not self.unread_bytes:  # the client has read all, so the time until now was ours
            self._since = asyncio.get_running_loop().time()
            self._given = 0
        self._given += size


def _instead(start: Message) -> Message:
    """Make the start of a 503 that replaces an answer: its body is empty, so that a game keeps its events."""
    headers = [(name, value) for name, value in start["headers"] if not name.lower().startswith(b"content-")]
    extra = [(b"content-length", b"0"), (b"retry-after", str(RETRY_AFTER_SECONDS).encode())]
    return {**start, "status": 503, "headers": [*headers, *extra]}
