"""How answers leave: in pieces, as fast as their client reads, and not too many bytes of them at once.

The server would copy an answer whole into the connection's buffer, where it stays until the client has read it, which
may be never. So an answer waits in one place, which is counted, and its connection holds a piece or two.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ga_pygame.collector.bodies import Busy, Held

ANSWER_PIECE_BYTES = 64 * 2**10
"""Bytes of an answer that are given to its connection at once."""
MAX_ANSWERS_BYTES = 32 * 2**20
"""Bytes of all answers that are being read; instead of another large one there is 503."""
MAX_STALLED_SECONDS = 30.0
"""How long a client may read nothing of its answer; then it is closed."""
MIN_BYTES_PER_SECOND = 32 * 2**10
"""How fast a client has to read, on the average of an answer, and besides `MAX_STALLED_SECONDS`; then it is closed."""
RETRY_AFTER_SECONDS = 5


class Answers:
    """The application as one connection sees it.

    Args:
        app: The application.
        held: What the answers of all connections hold.
    """

    def __init__(self, app: ASGIApp, held: Held) -> None:
        self._app = app
        self._held = held
        self._transport: asyncio.Transport | None = None
        self._since = 0.0
        self._given = 0

    def begin(self, transport: asyncio.Transport, now: float) -> None:
        """Note where the answers go; `now` is the loop's time."""
        self._transport = transport
        self._since = now

    @property
    def unread_bytes(self) -> int:
        """What was given to the connection, and waits for its client."""
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
            if (
                message["type"] == "http.response.start"
            ):  # kept until it is known whether there is room for what follows
                start = message
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
        """Note bytes that its client has to read from now on."""
        if not self.unread_bytes:  # it has read all: the time that we take is not its fault
            self._since = asyncio.get_running_loop().time()
            self._given = 0
        self._given += size


def _instead(start: Message) -> Message:
    """The start of an answer without room: empty, so that a game keeps what it sent, and else as it was."""
    headers = [(name, value) for name, value in start["headers"] if not name.lower().startswith(b"content-")]
    extra = [(b"content-length", b"0"), (b"retry-after", str(RETRY_AFTER_SECONDS).encode())]
    return {**start, "status": 503, "headers": [*headers, *extra]}
