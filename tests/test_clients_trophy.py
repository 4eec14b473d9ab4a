"""Trophy's client: requests, answers, retries and keys, compared with the official SDK's requests."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ga_pygame.clients import RequestOptions, TrophyClient, TrophyEnvironment, UpsertedUser
from ga_pygame.clients.trophy.answers import Answer, EventResponse
from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.parts import Parts
from ga_pygame.protocol import Reply, Request
from ga_pygame.signals import Response
from ga_pygame.testing import ManualClock, ScriptedTransport
from tests.collectors import NO_SDK

KEY = "app_12345.secret"
PLAYER = {"id": "18"}

EVENT: dict[str, Any] = {
    "eventId": "e-1",
    "metricId": "m-1",
    "total": 750,
    "achievements": [
        {
            "id": "a-1",
            "name": "500 words",
            "trigger": "metric",
            "description": None,
            "badgeUrl": "https://badges.test/1.png",
            "metricId": "m-1",
            "metricValue": 500,
            "userAttributes": [{"key": "department", "value": "engineering"}],
            "achievedAt": "2026-01-01T12:00:00Z",
            "fieldOfTheFuture": {},
        }
    ],
    "currentStreak": {"length": 3, "frequency": "daily", "periodEnd": "2026-01-01", "extended": True},
    "points": {
        "xp": {
            "id": "p-1",
            "total": 30,
            "added": 10,
            "level": {"key": "bronze", "points": 25},
            "awards": [
                {"awarded": 10, "total": 30, "trigger": {"type": "metric", "metricThreshold": 100}, "boosts": []}
            ],
        }
    },
    "leaderboards": {"words": {"rankBy": "metric", "rank": 1, "previousRank": None, "breakdownAttributes": []}},
    "idempotencyKey": "k-1",
    "idempotentReplayed": False,
}


def reply(status: int, data: Any, **headers: str) -> Reply:
    """Make a JSON answer."""
    return Reply(status, headers, json.dumps(data).encode())


CREATED = reply(201, EVENT)


class Trophy:
    """A client whose worker runs inside `tick()`, and the requests that it sent."""

    def __init__(self, *answers: Reply | Callable[[Request], Reply], **knobs: Any) -> None:
        self.clock = ManualClock()
        self.transport = ScriptedTransport(answers or [CREATED])
        parts = Parts(
            clock=lambda: self.clock,
            new_id=lambda: "random-id",
            chance=lambda: 0.5,
            transport=lambda _timeout, _clock: self.transport,
            runner=FrameRunner,
        )
        self.client = TrophyClient(**{"api_key": KEY, "parts": parts, **knobs})

    def event(self, **changes: Any) -> Response[EventResponse]:
        """Report an event."""
        return self.client.metrics.event(**{"key": "words-written", "user": PLAYER, "value": 750, **changes})

    def finish(self, response: Response[Any], seconds: float = 0.0) -> Any:
        """Tick until the response has fired, once and not inside the call; return its answer."""
        heard: list[Any] = []
        assert not response.done
        response.finished.connect(heard.append)
        for _ in range(10):
            self.client.tick()
            self.clock.advance(seconds)
        assert len(heard) == 1
        return heard[0]


def test_an_event_as_published() -> None:
    """The seed's example: path, headers and camelCase body."""
    trophy = Trophy()
    answer = trophy.finish(
        trophy.client.metrics.event(
            idempotency_key="e4296e4b-8493-4bd1-9c30-5a1a9ac4d78f",
            key="words-written",
            user={
                "email": "user@example.com",
                "tz": "Europe/London",
                "attributes": {"department": "engineering", "the_role": "developer"},
                "id": "18",
                "device_tokens": ["t"],
                "subscribe_to_emails": False,
            },
            value=750,
            attributes={"category": "writing", "source": "mobile-app"},
        )
    )
    assert not answer.has_error()
    (request,) = trophy.transport.sent
    assert (request.method, request.url) == ("POST", "https://api.trophy.so/v1/metrics/words-written/event")
    assert request.headers == {
        "X-API-KEY": KEY,
        "Idempotency-Key": "e4296e4b-8493-4bd1-9c30-5a1a9ac4d78f",
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {
        "user": {
            "email": "user@example.com",
            "tz": "Europe/London",
            "attributes": {"department": "engineering", "the_role": "developer"},
            "id": "18",
            "deviceTokens": ["t"],
            "subscribeToEmails": False,
        },
        "value": 750,
        "attributes": {"category": "writing", "source": "mobile-app"},
    }


@pytest.mark.parametrize("user", ["18", {"id": "18"}, UpsertedUser(id="18")])
def test_users_come_in_three_shapes(user: Any) -> None:
    """An id, a mapping or an `UpsertedUser`; what is not given is not sent, and there is no key unless given."""
    trophy = Trophy()
    trophy.finish(trophy.event(user=user, value=1.5))
    (request,) = trophy.transport.sent
    assert json.loads(request.body) == {"user": {"id": "18"}, "value": 1.5}
    assert "Idempotency-Key" not in request.headers


def test_the_typed_answer() -> None:
    """Nested parts are typed; unknown fields are left out."""
    trophy = Trophy()
    answer: EventResponse = trophy.finish(trophy.event())
    assert (answer.http_status, answer.error, answer.event_id, answer.total) == (201, "", "e-1", 750)
    (achievement,) = answer.achievements
    assert (achievement.metric_value, achievement.description) == (500, None)
    assert achievement.user_attributes[0].value == "engineering"
    assert (answer.current_streak.length, answer.current_streak.extended) == (3, True)
    points = answer.points["xp"]
    assert points.level is not None
    assert (points.added, points.level.key, points.awards[0].awarded) == (10, "bronze", 10)
    assert points.awards[0].trigger is not None
    assert points.awards[0].trigger.metric_threshold == 100
    assert (answer.leaderboards["words"].rank, answer.leaderboards["words"].previous_rank) == (1, None)
    assert (answer.idempotency_key, answer.idempotent_replayed) == ("k-1", False)


def test_an_answer_of_an_older_service() -> None:
    """Missing and null parts are empty; a replay says so."""
    trophy = Trophy(reply(202, {"eventId": "e", "total": 5.5, "achievements": None, "idempotentReplayed": True}))
    answer = trophy.finish(trophy.event())
    assert (answer.total, answer.achievements, answer.points, answer.leaderboards) == (5.5, (), {}, {})
    assert (answer.current_streak.length, answer.idempotent_replayed, answer.http_status) == (0, True, 202)


ROUTES: list[tuple[Callable[[TrophyClient], Response[Any]], str, str, Any]] = [
    (lambda t: t.users.identify("18", tz="Europe/London"), "PUT", "/users/18", {"tz": "Europe/London"}),
    (lambda t: t.users.identify("18"), "PUT", "/users/18", {}),
    (lambda t: t.users.update("18", subscribe_to_emails=False), "PATCH", "/users/18", {"subscribeToEmails": False}),
    (lambda t: t.users.create({"id": "18", "name": "Ada"}), "POST", "/users", {"id": "18", "name": "Ada"}),
    (lambda t: t.users.get("a/b c?"), "GET", "/users/a%2Fb%20c%3F", None),
    (lambda t: t.users.achievements("18"), "GET", "/users/18/achievements", None),
    (
        lambda t: t.users.achievements("18", include_incomplete=True),
        "GET",
        "/users/18/achievements?includeIncomplete=true",
        None,
    ),
    (lambda t: t.users.all_metrics("18"), "GET", "/users/18/metrics", None),
    (lambda t: t.users.single_metric("18", "kills"), "GET", "/users/18/metrics/kills", None),
    (lambda t: t.users.streak("18", history_periods=7), "GET", "/users/18/streak?historyPeriods=7", None),
    (lambda t: t.users.points("18", "xp", awards=3), "GET", "/users/18/points/xp?awards=3", None),
    (lambda t: t.users.leaderboard("18", "top", num_events=2), "GET", "/users/18/leaderboards/top?numEvents=2", None),
    (lambda t: t.users.get_preferences("18"), "GET", "/users/18/preferences", None),
    (
        lambda t: t.users.update_preferences(
            "18", notifications={"streak_reminder": ["push"]}, streak={"days_off": [0]}
        ),
        "PATCH",
        "/users/18/preferences",
        {"notifications": {"streak_reminder": ["push"]}, "streak": {"daysOff": [0]}},
    ),
    (
        lambda t: t.achievements.complete("finish-tutorial", user=PLAYER),
        "POST",
        "/achievements/finish-tutorial/complete",
        {"user": PLAYER},
    ),
    (lambda t: t.leaderboards.all_(include_finished=True), "GET", "/leaderboards?includeFinished=true", None),
    (
        lambda t: t.leaderboards.get("top", offset=0, limit=10, user_id="18"),
        "GET",
        "/leaderboards/top?offset=0&limit=10&userId=18",
        None,
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), ROUTES)
def test_routes(call: Callable[[TrophyClient], Response[Any]], method: str, path: str, body: Any) -> None:
    """Each call is the documented request; empty and foreign answers are tolerated."""
    trophy = Trophy(reply(200, {"x": 1}))
    answer: Answer = trophy.finish(call(trophy.client))
    assert not answer.has_error(), answer.error
    (request,) = trophy.transport.sent
    assert (request.method, request.url) == (method, f"https://api.trophy.so/v1{path}")
    assert (json.loads(request.body) if request.body else None) == body
    assert ("Content-Type" in request.headers) == (body is not None)


def test_answers_that_are_lists() -> None:
    """They are in the field that says what they are."""
    trophy = Trophy(
        reply(200, [{"id": "a", "achievedAt": None, "rarity": 12.5}]),
        reply(200, [{"key": "kills", "current": 4}]),
        reply(200, [{"key": "top"}]),
    )
    assert trophy.finish(trophy.client.users.achievements("18")).achievements[0].rarity == 12.5
    assert trophy.finish(trophy.client.users.all_metrics("18")).metrics[0].current == 4
    assert trophy.finish(trophy.client.leaderboards.all_()).leaderboards[0].key == "top"


def test_other_typed_answers() -> None:
    """User, streak, points, leaderboard and preferences."""
    trophy = Trophy(
        reply(200, {"id": "18", "subscribeToEmails": True, "attributes": {"a": "b"}, "control": False}),
        reply(200, {"length": 2, "extended": "2026-01-01T00:00:00Z", "streakHistory": [{"length": 1}]}),
        reply(200, {"key": "xp", "total": 7, "level": None}),
        reply(200, {"key": "top", "status": "active", "rankings": [{"userId": "18", "rank": 1, "value": 9}]}),
        reply(200, {"notifications": {"streak_reminder": ["push"], "recap": []}, "streak": {"daysOff": [6]}}),
        reply(201, {"completionId": "c", "achievement": {"key": "finish-tutorial"}}),
    )
    client = trophy.client
    user = trophy.finish(client.users.get("18"))
    assert (user.subscribe_to_emails, user.attributes, user.tz) == (True, {"a": "b"}, None)
    streak = trophy.finish(client.users.streak("18"))
    assert (streak.extended, streak.streak_history[0].length) == ("2026-01-01T00:00:00Z", 1)
    assert trophy.finish(client.users.points("18", "xp")).total == 7
    leaderboard = trophy.finish(client.leaderboards.get("top"))
    assert (leaderboard.status, leaderboard.rankings[0].user_id, leaderboard.http_status) == ("active", "18", 200)
    preferences = trophy.finish(client.users.get_preferences("18"))
    assert (preferences.notifications.recap, preferences.notifications.reactivation) == ((), None)
    assert preferences.streak.days_off == (6,)
    assert (
        trophy.finish(client.achievements.complete("finish-tutorial", user="18")).achievement.key == "finish-tutorial"
    )


@pytest.mark.parametrize(
    "answer", [Reply(status) for status in (408, 409, 429, 500, 503)] + [Reply(None, error="down")]
)
def test_repeats_with_the_same_key(answer: Reply) -> None:
    """The documented answers, and none, are repeated; the request is the same to the byte."""
    trophy = Trophy(answer, answer, CREATED)
    result = trophy.finish(trophy.event(idempotency_key="k-1"), seconds=1.0)
    assert not result.has_error()
    assert len(trophy.transport.sent) == 3
    assert {request.headers["Idempotency-Key"] for request in trophy.transport.sent} == {"k-1"}
    assert len({request.body for request in trophy.transport.sent}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_wrong_is_not_repeated(status: int) -> None:
    """The service's words are the error."""
    trophy = Trophy(reply(status, {"error": "unknown attributes: colour"}))
    result = trophy.finish(trophy.event(idempotency_key="k-1"), seconds=60)
    assert (result.error, result.http_status) == ("unknown attributes: colour", status)
    assert len(trophy.transport.sent) == 1


@pytest.mark.parametrize(("status", "sent"), [(409, 3), (429, 3), (408, 1), (500, 1), (None, 1)])
def test_without_a_key_only_what_was_not_processed_is_repeated(status: int | None, sent: int) -> None:
    """An event that the service may have counted is not sent twice, unless the client makes the keys."""
    trophy = Trophy(Reply(status, error="" if status else "down"))
    assert trophy.finish(trophy.event(), seconds=5).has_error()
    assert len(trophy.transport.sent) == sent
    trophy = Trophy(Reply(status, error="" if status else "down"), auto_idempotency_key=True)
    trophy.finish(trophy.event(), seconds=5)
    assert [request.headers["Idempotency-Key"] for request in trophy.transport.sent] == ["random-id"] * 3


def test_retry_after_is_honoured() -> None:
    """Not a moment earlier; a call for another metric does not wait for it."""
    trophy = Trophy(reply(429, {"error": "slow down"}, **{"retry-after": "7"}), CREATED)
    slow = trophy.event(idempotency_key="k-1")
    other = trophy.event(key="kills", idempotency_key="k-2")
    same = trophy.event(idempotency_key="k-3")
    for _ in range(10):
        trophy.client.tick()
    assert (slow.done, other.done, same.done) == (False, True, False)
    trophy.clock.advance(6.9)
    for _ in range(10):
        trophy.client.tick()
    assert not slow.done
    trophy.clock.advance(0.2)
    for _ in range(10):
        trophy.client.tick()
    keys = [request.headers["Idempotency-Key"] for request in trophy.transport.sent]
    assert keys == ["k-1", "k-2", "k-1", "k-3"]
    assert slow.done
    assert same.done


def test_request_options() -> None:
    """Another key and wait; additional headers win over the client's own, but not over the idempotency key."""
    trophy = Trophy(tenant_id="tenant")
    options = RequestOptions(
        timeout_in_seconds=3,
        api_key="app_other.secret",
        additional_headers={"X-Trace": "1", "idempotency-key": "theirs", "x-api-key": "app_given.one", "TENANT-ID": 7},
        additional_query_parameters={"debug": True, "tag": ["a", "b"], "none": None},
        additional_body_parameters={"value": 1, "note": "x"},
    )
    trophy.finish(trophy.event(idempotency_key="ours", request_options=options))
    (request,) = trophy.transport.sent
    assert request.url.endswith("/event?debug=true&tag=a&tag=b")
    assert request.timeout == 3
    assert request.headers == {
        "X-Trace": "1",
        "Idempotency-Key": "ours",
        "x-api-key": "app_given.one",
        "TENANT-ID": "7",
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {"note": "x", "user": PLAYER, "value": 750}
    assert "secret" not in repr(options)
    refused = trophy.event(request_options={"additional_headers": {"X-Api-Key": "12345678.admin"}})
    assert "additional_headers: X-Api-Key is an admin key" in trophy.finish(refused).error
    assert len(trophy.transport.sent) == 1


@pytest.mark.parametrize(
    "knobs",
    [
        {"environment": TrophyEnvironment.DEFAULT},
        {"environment": TrophyEnvironment.PRODUCTION},
        {"environment": SimpleNamespace(api="https://api.trophy.so/v1", admin="https://admin.trophy.so/v1")},
        {"environment": "https://api.trophy.so/v1"},
        {"environment": TrophyEnvironment.DEFAULT, "base_url": "https://api.trophy.so/v1/"},
    ],
)
def test_the_environment_is_an_address(knobs: dict[str, Any]) -> None:
    """By the names of the Ruby and of the Python SDK, as the Python SDK's object, or as text; `base_url` wins."""
    trophy = Trophy(**knobs)
    trophy.finish(trophy.event())
    assert trophy.transport.sent[0].url == "https://api.trophy.so/v1/metrics/words-written/event"
    with pytest.raises(ValueError, match="environment"):
        Trophy(environment="nowhere")


def test_dates_may_be_dates() -> None:
    """A sign-up and the bounds of a summary are sent as ISO 8601 text."""
    trophy = Trophy()
    day = datetime.date(2026, 1, 31)
    noon = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    users = trophy.client.users
    trophy.finish(trophy.event(user={"id": "18", "sign_up_date": day}))
    trophy.finish(trophy.event(user=UpsertedUser(id="18", sign_up_date=noon)))
    trophy.finish(users.identify("18", sign_up_date=day))
    trophy.finish(users.points_event_summary("18", "xp", aggregation="daily", start_date=day, end_date="2026-02-01"))
    bodies = [json.loads(request.body)["user"]["signUpDate"] for request in trophy.transport.sent[:2]]
    assert bodies == ["2026-01-31", "2026-01-31T12:00:00+00:00"]
    assert json.loads(trophy.transport.sent[2].body) == {"signUpDate": "2026-01-31"}
    query = "aggregation=daily&startDate=2026-01-31&endDate=2026-02-01"
    assert trophy.transport.sent[3].url.endswith(f"/users/18/points/xp/event-summary?{query}")


def test_request_options_as_a_mapping() -> None:
    """As in the official SDK; `max_retries` counts for that call."""
    trophy = Trophy(Reply(429))
    trophy.finish(trophy.event(request_options={"max_retries": 0}))
    assert len(trophy.transport.sent) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": {}}, "user: needs an id"),
        ({"user": {"id": 18}}, "user: needs an id"),
        ({"user": 18}, "object"),
        ({"value": float("nan")}, "finite"),
        ({"value": True}, "finite"),
        ({"value": "5"}, "finite"),
        ({"key": ""}, "no key or id"),
        ({"key": ".."}, "no key or id"),
        ({"attributes": {"a": object()}}, "JSON"),
        ({"request_options": {"wait": 5}}, "wait"),
        ({"request_options": {"timeout_in_seconds": 0}}, "timeout_in_seconds"),
        ({"request_options": {"api_key": "12345678.secret"}}, "admin key"),
    ],
)
def test_wrong_calls(changes: Mapping[str, Any], words: str) -> None:
    """An error in a later tick, no exception, no request, no key in the words."""
    trophy = Trophy()
    answer = trophy.finish(trophy.event(**changes))
    assert words in answer.error
    assert "secret" not in answer.error
    assert trophy.transport.sent == []


def test_admin_keys_are_refused() -> None:
    """A key that opens the whole account has no place in a game; the message names the fix, not the key."""
    with pytest.raises(ValueError, match="application key for the player") as error:
        TrophyClient("12345678.secret")
    assert "secret" not in str(error.value)
    assert not Trophy(api_key="12345678.secret", allow_admin_key=True).event().done


def test_no_key(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once, answered with errors, never an exception; a collector needs none."""
    trophy = Trophy(api_key=None)
    assert "api_key is needed" in trophy.finish(trophy.event()).error
    assert trophy.transport.sent == []
    assert "api_key is needed" in caplog.text
    monkeypatch.setenv("GA_PYGAME_COLLECTOR", "http://127.0.0.1:8420/")
    trophy = Trophy(api_key=None, base_url="https://elsewhere.test")
    trophy.finish(trophy.event())
    assert trophy.transport.sent[0].url == "http://127.0.0.1:8420/v1/metrics/words-written/event"
    assert trophy.transport.sent[0].headers["X-API-KEY"].startswith("app_")


@pytest.mark.parametrize("body", [b"", b"<html>", b"5", b"[]", b"\xff"])
def test_a_good_status_with_a_bad_body(body: bytes) -> None:
    """It is an error, not an empty answer."""
    trophy = Trophy(Reply(200, body=body))
    assert "not the JSON" in trophy.finish(trophy.event()).error


def test_the_key_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the repr nor in an error nor in the log."""
    trophy = Trophy(Reply(401))
    answer = trophy.finish(trophy.event())
    assert "secret" not in f"{trophy.client!r} {answer!r} {trophy.transport.sent!r} {caplog.text}"


# --- over real sockets ----------------------------------------------------------------------------------


class Service:
    """A service on loopback that keeps its requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                path, query = urlsplit(self.path)[2:4]
                service.requests.append(
                    {
                        "method": self.command,
                        "path": path,
                        "query": sorted(parse_qsl(query)),
                        "json": json.loads(body) if body else None,
                        **{
                            name: self.headers[name]
                            for name in ("X-API-KEY", "Idempotency-Key", "Content-Type", "Tenant-ID")
                        },
                    }
                )
                status, answer = service.answers.pop(0) if service.answers else (500, {"error": "no answer"})
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - http.server's names

            def log_message(self, *_args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


def test_blocking_awaiting_and_signals(service: Service) -> None:
    """One implementation serves a plain loop, an asyncio game and receivers."""
    service.answers = [(201, EVENT)] * 3
    client = TrophyClient(KEY, collector=service.url)
    blocking = client.metrics.event(key="kills", user=PLAYER, value=1).wait(10)
    assert blocking is not None
    assert blocking.total == 750

    async def play() -> None:
        assert (await client.metrics.event(key="kills", user=PLAYER, value=1)).total == 750
        assert (await client.metrics.event(key="kills", user=PLAYER, value=1).finished).total == 750

    asyncio.run(play())
    client.close()
    assert [request["path"] for request in service.requests] == ["/v1/metrics/kills/event"] * 3


FULL_USER = {
    "id": "18",
    "email": "ada@example.com",
    "name": "Ada",
    "tz": "Europe/London",
    "device_tokens": ["t"],
    "subscribe_to_emails": True,
    "attributes": {"department": "engineering"},
}
FACTS = {name: value for name, value in FULL_USER.items() if name != "id"}
OPTIONS = {
    "additional_headers": {"X-Trace": "1"},
    "additional_query_parameters": {"debug": "1"},
    "additional_body_parameters": {"note": "x"},
    "timeout_in_seconds": 5,
}
SAME_CALLS: dict[str, Callable[[Any], Any]] = {
    "event": lambda t: t.metrics.event(key="words written ä", user=FULL_USER, value=750, idempotency_key="k-1"),
    "event, attributes": lambda t: t.metrics.event(
        key="kills", user={"id": "18"}, value=-1.5, attributes={"category": "writing"}
    ),
    "event, options": lambda t: t.metrics.event(key="kills", user={"id": "18"}, value=1, request_options=OPTIONS),
    "identify": lambda t: t.users.identify("18", **FACTS),
    "identify, nothing": lambda t: t.users.identify("18"),
    "update": lambda t: t.users.update("18", tz="Europe/Paris", sign_up_date="2026-01-01"),
    "get": lambda t: t.users.get("18"),
    "achievements": lambda t: t.users.achievements("18", include_incomplete="true"),
    "metrics": lambda t: t.users.all_metrics("18"),
    "metric": lambda t: t.users.single_metric("18", "kills"),
    "streak": lambda t: t.users.streak("18", history_periods=7),
    "points": lambda t: t.users.points("18", "xp", awards=5),
    "points event summary": lambda t: t.users.points_event_summary(
        "18", "xp", aggregation="weekly", start_date="2026-01-01", end_date="2026-01-31"
    ),
    "wrapped": lambda t: t.users.wrapped("18", year=2025),
    "leaderboard": lambda t: t.users.leaderboard("18", "top", run="2026-01-01", num_events=3),
    "preferences": lambda t: t.users.get_preferences("18"),
    "update preferences": lambda t: t.users.update_preferences("18", notifications={"streak_reminder": ["push"]}),
    "complete": lambda t: t.achievements.complete("finish-tutorial", user=FULL_USER),
    "leaderboards": lambda t: t.leaderboards.all_(include_finished=True),
    "rankings": lambda t: t.leaderboards.get("top", offset=0, limit=10, user_id="18", user_attributes="city:London"),
}


@pytest.mark.parametrize("name", SAME_CALLS)
def test_the_request_is_the_official_sdks(name: str, service: Service) -> None:
    """The same call of the official SDK: method, path, query, JSON and the headers that matter are equal."""
    sdk = pytest.importorskip("trophy", reason=NO_SDK)
    call = SAME_CALLS[name]
    base = f"{service.url}/v1"
    environment = sdk.TrophyApiEnvironment(api=base, admin=base)
    refused = (422, {"error": "only the request matters"})
    service.answers = [refused, refused]
    try:
        call(sdk.TrophyApi(api_key=KEY, tenant_id="tenant", environment=environment))
    except Exception as error:  # noqa: BLE001 - each status has its own class there
        assert "only the request matters" in str(error)  # noqa: PT017
    client = TrophyClient(KEY, base_url=base, tenant_id="tenant")
    answer = call(client).wait(10)
    client.close()
    assert answer.error == "only the request matters"
    theirs, ours = service.requests
    assert ours == theirs


def test_the_answer_is_read_as_by_the_official_sdk(service: Service) -> None:
    """The SDK's typed answer and ours have the same values."""
    sdk = pytest.importorskip("trophy", reason=NO_SDK)
    base = f"{service.url}/v1"
    answer = {**EVENT, "points": {}, "leaderboards": {}}  # the SDK demands every field of these
    service.answers = [(201, answer)] * 2
    client = TrophyClient(KEY, base_url=base)
    ours = client.metrics.event(key="kills", user=PLAYER, value=1).wait(10)
    client.close()
    official = sdk.TrophyApi(api_key=KEY, environment=sdk.TrophyApiEnvironment(api=base, admin=base))
    theirs = official.metrics.event(key="kills", user=sdk.UpsertedUser(id="18"), value=1)
    assert ours is not None
    assert (ours.event_id, ours.total) == (theirs.event_id, theirs.total)
    assert ours.achievements[0].name == theirs.achievements[0].name
    assert ours.current_streak.length == theirs.current_streak.length
    assert service.requests[0] == service.requests[1]
