"""The bounds of the collector's memory and of its work in one turn, without a server."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from ga_pygame.collector import answers, bodies, connections
from ga_pygame.collector.gameanalytics import validation


def test_a_rejection_that_nobody_reads_is_told_later() -> None:
    """Large answers have a bound together, whatever they say; small ones always pass."""
    sent: list[list[Any]] = []
    blocked = asyncio.Event()
    held = bodies.Held(100_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"1"), (b"content-type", b"text/plain"), (b"x", b"y")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        for piece in scope["pieces"]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async def answer(*pieces: bytes) -> list[Any]:
        messages: list[Any] = []
        sent.append(messages)

        async def send(message: Any) -> None:
            messages.append(message)
            if message.get("body") and len(sent) == 1:
                await blocked.wait()

        await answers.Answers(app, held)({"type": "http", "pieces": pieces}, None, send)  # type: ignore[arg-type]
        return messages

    async def main() -> None:
        first = asyncio.create_task(answer(b"a" * 90_000, b"b" * 90_000))
        await asyncio.sleep(0)
        refused = await answer(b"c" * 40_000, b"d" * 40_000)
        assert [one["type"] for one in refused] == ["http.response.start", "http.response.body"]
        assert refused[0]["status"] == 503
        assert dict(refused[0]["headers"]) == {b"x": b"y", b"content-length": b"0", b"retry-after": b"5"}
        assert not refused[1]["body"]
        assert b"".join(one["body"] for one in (await answer(b"c" * 30_000))[1:]) == b"c" * 30_000
        blocked.set()
        whole = await first
        assert b"".join(one["body"] for one in whole[1:]) == b"a" * 90_000 + b"b" * 90_000
        assert max(len(one["body"]) for one in whole[1:]) == answers.ANSWER_PIECE_BYTES
        assert [one["more_body"] for one in whole[1:]] == [True] * 4 + [False]

    asyncio.run(asyncio.wait_for(main(), 60))


class _Wire(asyncio.Transport):
    """A transport without a client."""

    unread = 0

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def test_a_client_that_reads_too_slowly_is_late() -> None:
    """Only the amount that a client reads counts; the time before there was something to read does not."""
    wire = _Wire()
    megabyte = 2**20

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * megabyte})

    async def send(_message: Any) -> None:
        wire.unread = 100_000

    async def main() -> None:
        now = asyncio.get_running_loop().time()
        one = answers.Answers(app, bodies.Held())
        one.begin(wire, now - 1_000)
        assert not one.is_late(now)
        for _ in range(2):
            await one({"type": "http"}, None, send)  # type: ignore[arg-type]
            now = asyncio.get_running_loop().time()
            due = now + answers.MAX_STALLED_SECONDS + megabyte / answers.MIN_BYTES_PER_SECOND
            assert not one.is_late(due - 5)
            for wire.unread in (50_000, 10):
                assert one.is_late(due + 5)
            wire.unread = 0  # it has read all
            assert not one.is_late(due + 5)

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.e2e
def test_a_turn_of_the_loop_parses_so_many_lines_of_all_connections() -> None:
    """However many connections send tiny chunks in the same moment, others have their turn, and nothing is lost."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        config = uvicorn.Config(app)
        config.load()
        all_of_them, state = connections.Connections(), ServerState()
        ours = [all_of_them.protocol(config, state, {}) for _ in range(20)]
        for one in ours:
            one.connection_made(_Wire())
            one.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            one.data_received(b"1\r\nx\r\n" * 2_000)

        def chunks() -> int:
            cycles: list[Any] = [one.cycle for one in ours]
            return sum(len(cycle.body) for cycle in cycles if cycle)

        before, turns = chunks(), 0
        while chunks() < 20 * 2_000:
            assert (chunks() - before) * 2 <= connections.MAX_LINES_PER_TURN + connections.MAX_PIECE_LINES
            before = chunks()
            turns += 1
            assert turns < 1_000
            await asyncio.sleep(0)
        for task in state.tasks:
            task.cancel()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_large_bodies_share_a_bound_and_small_ones_always_pass() -> None:
    """Beyond the bound only a large body is told to come later; what is done gives its bytes back."""
    held = bodies.Held()
    with held.share() as large:
        large(bodies.MAX_BODIES_BYTES)
        with held.share() as small:
            small(bodies.ALWAYS_HELD_BYTES)
        with held.share() as other, pytest.raises(bodies.Busy):
            other(bodies.ALWAYS_HELD_BYTES + 1)
    with held.share() as later:
        later(bodies.MAX_BODIES_BYTES)


def test_gzip_of_gzip_is_unpacked_once() -> None:
    """A gzip inside a gzip is not JSON and not a bomb."""
    twice = gzip.compress(gzip.compress(b"0" * 10**6))
    with pytest.raises(bodies.BadBody):
        validation.sort_out(bodies.unpack(twice, "gzip", bodies.MAX_UNPACKED_BYTES))
