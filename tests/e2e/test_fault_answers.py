"""Hostile and dripping answers: no loss, no duplicate at a server that drops none, bounded memory."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import sys
import time
import zlib
from collections.abc import Callable

import pytest

from tests.e2e.fault_counts import tally
from tests.e2e.fault_launch import Launch, Plan
from tests.e2e.fault_suite import Suite
from tests.e2e.plain_server import Behaviour, Exchange, PlainServer, good

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")

MORE_MEMORY = 64 * 2**20
"""So much more than with a good server may a game hold, in bytes."""

MOST_KEPT = 16 * 2**20
"""So large may a data folder become, in bytes."""

Hostile = Callable[[random.Random], Behaviour]


@functools.cache
def bomb(megabytes: int) -> bytes:
    """Return that many zeros, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*[packer.compress(bytes(2**20)) for _ in range(megabytes)], packer.flush()])


def endless_body(status: int, *headers: str) -> Behaviour:
    """Send an answer whose body never ends, as fast as it is read."""

    def behave(exchange: Exchange) -> bool:
        head = "\r\n".join([f"HTTP/1.1 {status} Answer", *headers, "Transfer-Encoding: chunked", "", ""])
        exchange.send(head.encode())
        chunk = b"10000\r\n" + bytes(2**16) + b"\r\n"
        for _ in range(2**30 // 2**16):
            exchange.send(chunk)
        raise EOFError

    return behave


def packed(status: int, *headers: str) -> Behaviour:
    def behave(exchange: Exchange) -> bool:
        exchange.answer(status, bomb(600), "Content-Encoding: gzip", *headers)
        return False

    return behave


def dripping(where: str) -> Behaviour:
    """Send an answer that goes on slowly and never ends."""

    def behave(exchange: Exchange) -> bool:
        if where == "body":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            exchange.drip(b" " * 100_000, 0.1)
        elif where == "headers":
            exchange.send(b"HTTP/1.1 200 OK\r\n")
            exchange.drip(b"X-Header: value\r\n" * 10_000, 0.1)
        elif where == "status":
            exchange.drip(b"HTTP/1.1 200 OK\r\n\r\n" * 100, 0.2)
        else:
            while not exchange.over.wait(0.1):
                exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        raise EOFError

    return behave


BODIES = (b"", b"<html><h1>403 Forbidden</h1></html>", b"Too Many Requests", b"\x00\xff\xfe", b"null of sorts")


def foreign(chance: random.Random) -> Behaviour:
    """Answer as a gateway, a firewall or a portal between game and server."""

    def behave(exchange: Exchange) -> bool:
        exchange.answer(chance.choice((400, 403, 404, 408, 429)), chance.choice(BODIES), "Content-Type: text/html")
        return False

    return behave


def long_errors(size: int) -> Behaviour:
    """Answer 400 as GameAnalytics does, with so many bytes about one event; the others were collected.

    That one is counted as rejected; it is kept here all the same, so that it need not be told from a loss.
    """

    def behave(exchange: Exchange) -> bool:
        if not exchange.is_events:
            return good(exchange)
        errors = [{"error_type": "value_too_long", "path": "/event_id", "reason": "x" * size}]
        body = json.dumps([{"event": exchange.events[0], "errors": errors}])
        exchange.answer(400, body.encode(), "Content-Type: application/json")
        return True

    return behave


def long_foreign_error(_: random.Random) -> Behaviour:
    """Answer with an error of the same size, as another server between both does."""

    def behave(exchange: Exchange) -> bool:
        exchange.answer(400, b"<p>" + b"x" * 2_000_000)
        return False

    return behave


INITS: tuple[str, ...] = (
    '"configs": [{"key": "speed", "value": NaN}]',
    '"configs": [{"key": "speed", "value": 1e999}], "configs_hash": "1"',
    '"configs": [{"key": "speed", "value": -Infinity}]',
    '"configs_hash": "\\ud800", "configs": [{"key": "\\udfff", "value": "\\ud83d"}]',
    '"ab_id": "\\ud800", "ab_variant_id": "\\u0000"',
    f'"configs": [{{"key": "speed", "value": "{"x" * 300_000}"}}]',
    f'"configs": [{{"key": "speed", "value": "{"x" * 7_000_000}"}}]',
    f'"configs": [{", ".join(f"""{{"key": "k{number}", "value": "{number}"}}""" for number in range(100_000))}]',
    f'"configs_hash": "{"y" * 300_000}"',
    f'"ab_id": "{"z" * 1_000_000}", "ab_variant_id": "1"',
    f'"configs": {"[" * 50_000}{"]" * 50_000}',
    f'"configs": [{{"key": "speed", "value": {"9" * 100_000}}}]',
    '"configs": {"key": 1}, "configs_hash": 5, "ab_id": [], "server_ts": 1e999',
    '"server_ts": true, "configs": [[], null, 1, {"key": [], "value": {}}]',
    f'"server_ts": -{"9" * 5000}',
    '"configs": [{"key": "speed", "value": "2", "start_ts": NaN, "end_ts": 1e999}]',
)


def strange_init(chance: random.Random) -> Behaviour:
    """Answer an init with values that are partly invalid; events are accepted."""
    picked = chance.choice(INITS)

    def behave(exchange: Exchange) -> bool:
        if exchange.is_events:
            return good(exchange)
        now = b'"server_ts": %d, ' % time.time() if "server_ts" not in picked else b""
        exchange.answer(201, b"{" + now + picked.encode() + b"}", "Content-Type: application/json")
        return True

    return behave


HOSTILE: dict[str, Hostile] = {
    "redirects with an endless body": lambda _: endless_body(302, "Location: /v2/elsewhere"),
    "an endless body": lambda chance: endless_body(chance.choice((200, 400, 503))),
    "gzip that unpacks to 600 MB": lambda chance: packed(chance.choice((200, 302, 400, 503)), "Location: /"),
    "a dripping body": lambda _: dripping("body"),
    "dripping headers": lambda _: dripping("headers"),
    "a dripping status line": lambda _: dripping("status"),
    "100 Continue without end": lambda _: dripping("continue"),
    "2 MB of errors (400)": lambda _: long_errors(2_000_000),
    "6 MB of errors (400)": lambda _: long_errors(6_000_000),
    "2 MB of somebody's 400": long_foreign_error,
    "400, 403, 404, 408, 429 of somebody else": foreign,
    "init answers with NaN, surrogates, 7 MB": strange_init,
}
CUT = 0.5
"""Seconds that a request of these games may take in all."""
LATE_CUT = 2.0
"""The same if the answer must come in time, also on a busy machine."""


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answers(kind: str, suite: Suite, plain_server: PlainServer) -> None:
    """Whatever a server sends, events arrive once when it is well again, and the game's memory stays bounded."""
    results = []
    usual = _peak_with_a_good_server(suite, plain_server)
    for _ in range(suite.rounds(1, 20)):
        world = suite.world(server=plain_server)
        behave = HOSTILE[kind](suite.chance)
        also_init = suite.chance.random() < 0.5 or "init" in kind
        plain_server.behave = lambda exchange, behave=behave, also_init=also_init: (  # type: ignore[misc]
            behave(exchange) if exchange.is_events or also_init else good(exchange)
        )
        asked = plain_server.asked
        world.play(Plan(seconds=3.0, flush_every=0.3, pause=0.01), request_timeout=str(CUT))
        asked = plain_server.asked - asked
        plain_server.heal()
        world.play(Plan(seconds=0.2, wait_for_all=15.0))
        world.drain()
        names = {life.name for life in world.lives()}
        events = [event for event in plain_server.export() if event["custom_fields"].get("launch") in names]
        result, _ = tally(f"answer: {kind}", 1, world.lives(), events)
        peaks = [life.peak for life in world.lives() if life.peak]
        result.more_memory = max(0, max(peaks, default=0) - usual)
        if result.more_memory > MORE_MEMORY:
            result.wrong.append(f"{result.more_memory / 2**20:.0f} MB more than with a good server")
        if ("drip" in kind or "Continue" in kind) and asked < 3 - also_init:
            result.wrong.append(f"one request held for as long as the game ran ({asked} requests)")
        size = sum(path.stat().st_size for path in world.data.rglob("*") if path.is_file())
        if size > MOST_KEPT:
            result.wrong.append(f"{size / 2**20:.0f} MB in the data folder")
        if dropped := [dict(life.dropped) for life in world.lives() if set(life.dropped) - {"rejected"}]:
            result.wrong.append(f"dropped {dropped}")
        if "report this" in world.said:
            result.wrong.append(world.said[world.said.index("report this") - 80 :][:800])
        results.append(result)
    suite.report(*results)


def _peak_with_a_good_server(suite: Suite, plain_server: PlainServer) -> int:
    world = suite.world(server=plain_server)
    plain_server.heal()
    world.play(Plan(seconds=2.0, flush_every=0.3, pause=0.01))
    return world.lives()[0].peak


class ReadLate:
    """A behaviour that stops the game, answers its events at once, and lets the game go on later.

    Args:
        asleep: How long it stands still, in seconds.
    """

    def __init__(self, asleep: float) -> None:
        self.game: Launch | None = None
        self.slept = 0
        self._asleep = asleep

    def __call__(self, exchange: Exchange) -> bool:
        game = self.game
        if not exchange.is_events or game is None or self.slept:
            return good(exchange)
        self.slept += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(game.process.pid, signal.SIGSTOP)
            since = time.monotonic()
            good(exchange)
            exchange.over.wait(self._asleep)
            os.kill(game.process.pid, signal.SIGCONT)
            game.suspended.append((since, time.monotonic()))
        return True


def test_answer_read_late(suite: Suite, plain_server: PlainServer) -> None:
    """An answer that came in time and is read after the time for it, since the machine slept, is an answer."""
    results = []
    for _ in range(suite.rounds(2, 20)):
        world = suite.world(server=plain_server)
        late = ReadLate(LATE_CUT + suite.chance.uniform(0.3, 1.0))
        plain_server.behave = late
        launched = world.launch(Plan(seconds=1.5, flush_every=0.2), request_timeout=str(LATE_CUT))
        late.game = launched
        launched.end()
        world.play(Plan(seconds=0.2, wait_for_all=15.0))
        world.drain()
        names = {life.name for life in world.lives()}
        events = [event for event in plain_server.export() if event["custom_fields"].get("launch") in names]
        result, _ = tally("answer read late", 1, world.lives(), events)
        if not late.slept:
            result.wrong.append("no request to sleep at")
        results.append(result)
    suite.report(*results)
