"""Any answer of a server: no code that reads it raises, and the data that it leaves is bounded."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame.clients.pogr import wire as pogr_wire
from ga_pygame.clients.retry import delay_before
from ga_pygame.clients.trophy import answers as trophy_answers
from ga_pygame.clients.trophy import wire as trophy_wire
from ga_pygame.delivery import uploader
from ga_pygame.destinations import POGR, GameAnalytics, Host, Reply, Situation, StoredRecord, Trophy
from ga_pygame.protocol import Outcome, Standing
from ga_pygame.testing import ManualClock
from tests.effort import examples

slowly = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Answers are large; a busy machine takes its time to make them up."""

NAMES = [
    *("success", "payload", "session_id", "error", "event", "errors", "event_uuid", "server_ts", "enabled", "flags"),
    *("configs", "configs_hash", "ab_id", "ab_variant_id", "key", "value", "start_ts", "end_ts"),
    *("achievements", "currentStreak", "extended", "points", "total", "added", "level", "leaderboards", "rank"),
    *("previousRank", "idempotentReplayed", "id", "name", "metrics", "streak", "length", "rankings", "history"),
]
ODD = st.sampled_from(["\ud800", "a\r\nX: y", "x" * 70_000, "", "\x00", "1e999", "é"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ODD
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = (
    JSON.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=30)
    | st.sampled_from([b"", b"[" * 50_000, b'{"a":' * 50_000, b'{"error":1e999}'])
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["inf", "nan", "-1", "1e308", "1e999", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 99 Foo 99999 99:99:99 +9999", "0"]
)
FIELDS = ["retry-after", "retry-after-ms", "x-ratelimit-reset", "date", "x-ga-service", "content-type"]
HEADERS = st.dictionaries(st.sampled_from(FIELDS), TEXTS)
STATUS = st.none() | st.integers(-1, 1100) | st.sampled_from([200, 201, 202, 400, 401, 403, 404, 413, 429, 500, 503])
REPLIES = st.builds(Reply, STATUS, HEADERS, BODIES, st.text(max_size=3), st.booleans())

EVENT = b'"category":"design","event_id":"a","user_id":"u","event_uuid":"00000001-75b4-431b-adb2-eb6b9e546014"}'
RECORD = StoredRecord(1, "s1", "design", 1.7e9, None, EVENT)
SITUATION = Situation("s1", 1, "u", None, RECORD)


def host(kept: dict[str, Any]) -> Host:
    clock = ManualClock()
    return Host(clock, {}, kept.__setitem__, lambda _configs: None, lambda *_: None)


@slowly
@given(st.lists(REPLIES, min_size=1, max_size=3))
def test_pogr_reads_any_answer(replies: list[Reply]) -> None:
    """A session's id can stand in a header, the time is one, and each event has a verdict."""
    kept: dict[str, Any] = {}
    pogr = POGR("client", "build")
    pogr.open(host(kept))
    for reply in replies:
        request = pogr.handshake(SITUATION)
        if request is not None:
            assert isinstance(pogr.welcome(reply), Standing)
            continue
        request = pogr.encode([RECORD])
        assert all(value.isascii() and value.isprintable() for value in request.headers.values())
        json.loads(request.body)
        (verdict,) = pogr.judge(reply, [RECORD])
        assert isinstance(verdict.outcome, Outcome)
        assert len(verdict.errors) <= 500 or verdict.errors == reply.error
    assert all(len(value) < 2000 for value in kept.values() if value)


@pytest.mark.parametrize(
    "session_id", ["a\r\nX-Admin: 1", "x" * 10**5, "é", "\ud800", "a b", "\x7f", 5, ["a"], {"a": 1}, None, True, 1.5]
)
def test_a_pogr_session_that_no_header_can_carry_is_no_answer(session_id: Any) -> None:
    """Its events would be dropped without ever having left."""
    body = json.dumps({"success": True, "payload": {"session_id": session_id}}).encode()
    pogr = POGR("client", "build")
    pogr.open(host({}))
    pogr.handshake(SITUATION)
    assert pogr.welcome(Reply(200, {}, body)) is Standing.RETRY
    answer = pogr_wire.judge_reply("init", Reply(200, {}, body))
    assert answer.session_id == ""
    assert answer.result.has_error()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"session_id": "s1"}',
        '{"session_id": "s1", "intake_id": "a\\r\\nb"}',
        '{"session_id": 5, "intake_id": "i"}',
        '{"session_id": "s1", "intake_id": ["i"]}',
        "\ud800",
        "[" * 10**5,
    ],
)
def test_a_pogr_session_that_was_kept_and_is_wrong_is_forgotten(text: str) -> None:
    """The value on the disk may be damaged; an older or newer version's further fields do not matter."""
    kept: dict[str, Any] = {}
    good = json.dumps({"session_id": "s2", "intake_id": "i2", "is_over": True, "more": 1})
    values = {"pogr_session:s1": text, "pogr_session:s2": good}
    pogr = POGR("client", "build")
    pogr.open(host(kept)._replace(values=values))
    request = pogr.handshake(SITUATION)
    assert request is not None
    assert request.headers["INTAKE_SESSION_ID"] == "i2"
    assert kept == {"pogr_session:s1": None}


def test_pogr_keeps_a_bounded_number_of_sessions() -> None:
    """A session whose end was lost would be kept for ever; the oldest are ended."""
    kept: dict[str, Any] = {}
    pogr = POGR("client", "build")
    pogr.open(host(kept))
    for number in range(300):
        situation = Situation(f"s{number}", 1, "u", None, RECORD._replace(session_id=f"s{number}"))
        while (request := pogr.handshake(situation)) is not None:
            payload = {"session_id": f"i{number}"} if request.url.endswith("/init") else {}
            pogr.welcome(Reply(200, {}, json.dumps({"success": True, "payload": payload}).encode()))
    assert len([value for value in kept.values() if value]) <= 101


@slowly
@given(REPLIES)
def test_trophy_reads_any_answer(reply: Reply) -> None:
    """And tells the game only what is of its type."""
    heard: list[tuple[Any, ...]] = []
    trophy = Trophy("app_a.b", metrics={"user": "m"})
    for name in ("points_changed", "rank_changed"):
        getattr(trophy, name).connect(lambda *values: heard.append(values))
    trophy.open(host({}))
    (verdict,) = trophy.judge(reply, [RECORD])
    assert isinstance(verdict.outcome, Outcome)
    assert len(verdict.errors) <= 500
    for _, *values in heard:
        assert all(value is None or math.isfinite(value) for value in values)


def test_trophy_tells_a_bounded_number_of_rewards() -> None:
    """An answer of a hundred thousand would stop the game for a while."""
    heard: list[Any] = []
    trophy = Trophy("app_a.b", metrics={"user": "m"})
    trophy.achievement_completed.connect(heard.append)
    trophy.rank_changed.connect(lambda *values: heard.append(values))
    trophy.open(host({}))
    boards = {f"b{number}": {"rank": number, "previousRank": "x"} for number in range(5000)}
    body = json.dumps({"achievements": [{"id": "a"}] * 5000, "leaderboards": boards}).encode()
    trophy.judge(Reply(201, {}, body), [RECORD])
    assert len(heard) == 200


KINDS = [
    kind for kind in vars(trophy_answers).values() if isinstance(kind, type) and issubclass(kind, trophy_answers.Answer)
]


@slowly
@given(REPLIES, st.sampled_from(KINDS), st.sampled_from(["", "achievements", "metrics"]))
def test_trophys_client_reads_any_answer(reply: Reply, kind: type[trophy_answers.Answer], wrap: str) -> None:
    """The typed answer says whether it worked."""
    answer = trophy_wire.typed_answer(kind, reply, wrap)
    assert isinstance(answer, kind)
    assert reply.status is not None or answer.error == (reply.error or "no answer")
    assert len(answer.error) <= 600
    assert trophy_wire.may_repeat(reply, is_harmless=True) in (True, False)


@slowly
@given(REPLIES, st.sampled_from(["init", "event", "end"]))
def test_pogrs_client_reads_any_answer(reply: Reply, command: str) -> None:
    """The result is the answer's text or an error, and the log is JSON."""
    answer = pogr_wire.judge_reply(command, reply)
    assert len(answer.result.error) <= 600
    if not answer.result.error and reply.status is not None:
        json.loads(answer.log)


@slowly
@given(REPLIES)
def test_gameanalytics_keeps_only_what_is_sound(reply: Reply) -> None:
    """The values for the disk and the events are JSON of bounded size."""
    kept: dict[str, Any] = {}
    service = GameAnalytics("0" * 32, "1" * 40)
    service.open(host(kept))
    service.handshake(SITUATION)
    service.welcome(reply)
    service.judge(reply, [RECORD])
    for value in kept.values():
        assert len(value) < 10**6
        json.dumps(json.loads(value), allow_nan=False).encode()


@slowly
@given(HEADERS, st.integers(1, 40), st.floats(0, 1))
def test_every_wait_is_bounded(headers: dict[str, str], attempt: int, chance: float) -> None:
    """Whatever the headers ask for: seconds, milliseconds, dates, or nonsense."""
    reply = Reply(503, headers)
    assert 0.0 <= delay_before(attempt, reply, 1.7e9, chance) <= 72.0
    assert 0.0 <= uploader._retry_after(reply) <= uploader.MAX_RETRY_AFTER_SECONDS
