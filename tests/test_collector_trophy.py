"""The collector's emulation of Trophy's application API, over real HTTP and with the official SDK."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import http.client
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame.clients import TrophyClient
from tests.collectors import NO_SDK, Answer, Collector
from tests.conftest import eventually
from tests.effort import examples

trophy_rules = pytest.importorskip("ga_pygame.collector.emulators.trophy.rules")

from ga_pygame.collector.emulators.trophy import users as trophy_users  # noqa: E402 - after the check that the extra is installed
from ga_pygame.collector.emulators.trophy.reads import Reads  # noqa: E402 - the same
from ga_pygame.collector.emulators.trophy.state import MetricEvent, TrophyState  # noqa: E402 - the same
from ga_pygame.collector.storage import schema  # noqa: E402 - after the check that the extra is installed

KEY = "app_test.secret"
DEFAULT = trophy_rules.DEFAULT.read_text(encoding="utf-8")
UNLIMITED = DEFAULT.replace("events_per_second = 5", "events_per_second = 0")
BOARDS = """
[leaderboards.most-coins]
name = "Most coins"
rank_by = "metric"
metric = "coins-collected"
max_participants = 3

[leaderboards.longest-streak]
name = "Longest streak"
rank_by = "streak"
"""


def start(folder: Path, rules: str = UNLIMITED, *options: str) -> Collector:
    path = folder / "trophy.toml"
    path.write_text(rules, encoding="utf-8")
    return Collector(folder, "--trophy-rules", str(path), *options)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector that accepts any number of events a second; each test uses players of its own."""
    collector = start(tmp_path_factory.mktemp("collector"), UNLIMITED + BOARDS)
    yield collector
    assert collector.stop() == 0


@pytest.fixture
def player() -> str:
    """Return the id of a player that no other test uses."""
    return f"player-{uuid.uuid4()}"


def ask(
    collector: Collector, method: str, path: str, body: Any = None, *, key: str | None = KEY, **headers: str
) -> Answer:
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return collector.ask(method, path, raw, named if key is None else {"X-API-KEY": key, **named})


def event(
    collector: Collector,
    player: str,
    value: Any = 1,
    metric: str = "levels-completed",
    *,
    once: str | None = None,
    prefix: str = "/v1",
    **user: Any,
) -> Answer:
    headers = {} if once is None else {"Idempotency_Key": once}
    body = {"user": {"id": player, **user}, "value": value}
    return ask(collector, "POST", f"{prefix}/metrics/{metric}/event", body, **headers)


def read(collector: Collector, path: str) -> Any:
    reply = ask(collector, "GET", f"/v1/{path}")
    assert reply.status == 200, reply.body
    return reply.json()


def shift(collector: Collector, **by: Any) -> None:
    assert collector.ask("POST", "/_emu/clock", json.dumps(by).encode()).status == 200


def names(reply: Answer) -> list[str]:
    return [one["name"] for one in reply.json()["achievements"]]


def counts(collector: Collector) -> dict[str, int]:
    found: dict[str, int] = collector.summary()["trophy"]
    return found


# --- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/users/x", "/api/users/x", "/v1/leaderboards", "/v1/nothing"])
@pytest.mark.parametrize("key", [None, "", "nodot", ".", "app_x.", ".secret", "ü"])
def test_keys_have_two_parts(free: Collector, path: str, key: str | None) -> None:
    """Without a key of the form part.part: 401."""
    reply = ask(free, "GET", path, key=key)
    assert reply.status == 401
    assert "X-API-KEY" in reply.json()["error"]


def test_configured_keys(tmp_path: Path) -> None:
    """With keys in the rules others get 401; an application key used for another user gets 403."""
    rules = UNLIMITED + '\n[[keys]]\nkey = "app_one.s"\nuser = "one"\n[[keys]]\nkey = "abcdefgh.admin"\n'
    collector = start(tmp_path, rules)
    try:

        def status(key: str, user: str, path: str = "metrics/x/event") -> int:
            return ask(collector, "POST", f"/v1/{path}", {"user": {"id": user}, "value": 1}, key=key).status

        assert status("app_other.s", "one") == 401
        assert status("app_one.s", "one") == 201
        assert status("app_one.s", "two") == 403
        assert status("app_one.s", "two", "achievements/finish-tutorial/complete") == 403
        assert status("abcdefgh.admin", "two") == 201
        for path in ("users/two", "users/two/streak", "users/two/points/stars", "users/two/preferences"):
            assert ask(collector, "GET", f"/v1/{path}", key="app_one.s").status == 403
        assert ask(collector, "PUT", "/v1/users/two", {}, key="app_one.s").status == 403
        assert ask(collector, "PATCH", "/v1/users/two/preferences", {}, key="app_one.s").status == 403
        assert ask(collector, "POST", "/v1/users", {"id": "two"}, key="app_one.s").status == 403
    finally:
        assert collector.stop() == 0


# --- golden vectors ----------------------------------------------------------------------------------------


def test_same_key_twice_is_processed_once(free: Collector, player: str) -> None:
    """201, then 202 with the state as it is: nothing added, nothing completed, nothing extended."""
    first = event(free, player, 3, once="k")
    assert first.status == 201
    assert (first.json()["idempotencyKey"], first.json()["idempotentReplayed"]) == ("k", False)
    event(free, player, 2)
    again = event(free, player, 3, once="k")
    assert again.status == 202
    answer = again.json()
    assert (answer["total"], answer["achievements"], answer["currentStreak"]["extended"]) == (5, [], False)
    assert (answer["idempotencyKey"], answer["idempotentReplayed"]) == ("k", True)
    assert answer["eventId"] == first.json()["eventId"]
    assert (answer["points"]["stars"]["added"], answer["points"]["stars"]["awards"]) == (0, [])
    assert read(free, f"users/{player}/metrics/levels-completed")["current"] == 5


def test_keys_are_per_user_and_metric(free: Collector, player: str) -> None:
    """The same key on another metric or by another user is another event."""
    for who, metric in ((player, "a-metric"), (player, "another"), (player + "2", "a-metric")):
        assert event(free, who, 1, metric, once="k").status == 201
    assert event(free, player, 1, "a-metric", once="k").status == 202


def test_without_a_key_nothing_is_said_of_one(free: Collector, player: str) -> None:
    """Events without a key are all processed."""
    for total in (1, 2):
        reply = event(free, player)
        assert (reply.status, reply.json()["total"]) == (201, total)
        assert "idempotencyKey" not in reply.json()


def test_negative_values(free: Collector, player: str) -> None:
    """-5 lowers the total, completes nothing, takes no points; what was completed is not completed again."""
    assert names(event(free, player, 3)) == ["First flight", "Cloud walker"]
    reply = event(free, player, -5)
    assert (reply.status, reply.json()["total"], names(reply)) == (201, -2, [])
    assert reply.json()["points"]["stars"]["added"] == 0
    assert names(event(free, player, 5)) == []


def test_fractions(free: Collector, player: str) -> None:
    """A value may be a fraction."""
    assert event(free, player, 0.5, "km").json()["total"] == 0.5
    assert event(free, player, 0.25, "km").json()["total"] == 0.75


@pytest.mark.e2e
def test_six_in_a_second(fresh: Collector) -> None:
    """The sixth event or completion in a second, by whomever, gets 429; a second later the same key gets 201."""
    for attempt in range(20):  # on a slow machine six calls may take more than that second
        began = time.monotonic()
        for number in range(4):
            assert event(fresh, f"player-{attempt}-{number}", once="k").status == 201
        reply = ask(fresh, "POST", "/v1/achievements/finish-tutorial/complete", {"user": {"id": f"x{attempt}"}})
        assert reply.status == 201
        late = event(fresh, f"late{attempt}", once="k")
        if late.status == 429 or time.monotonic() - began < 1:
            break
        time.sleep(1.05)
    assert (late.status, late.headers["retry-after"]) == (429, "1")
    assert ask(fresh, "POST", "/v1/achievements/finish-tutorial/complete", {"user": {"id": "late"}}).status == 429
    assert ask(fresh, "GET", f"/v1/users/x{attempt}").status == 200
    time.sleep(1.05)
    assert event(fresh, f"late{attempt}", once="k").status == 201


@pytest.mark.e2e
def test_lost_answer(fresh: Collector) -> None:
    """A connection that dies after the event was processed: the same key again tells so, and nothing counts twice."""
    fault = {"route": "trophy/metrics", "drop": True, "processed": True}
    assert fresh.ask("POST", "/_emu/fail", json.dumps(fault).encode()).status == 200
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        event(fresh, "me", 7, once="k")
    reply = event(fresh, "me", 7, once="k")
    assert (reply.status, reply.json()["total"]) == (202, 7)


@pytest.mark.e2e
def test_concurrent_events_are_refused(fresh: Collector) -> None:
    """While an event of a user and metric is being processed, another gets 409; other users and metrics do not."""
    fault = {"route": "trophy/metrics", "delay": 4.0}
    assert fresh.ask("POST", "/_emu/fail", json.dumps(fault).encode()).status == 200
    slow = threading.Thread(target=event, args=(fresh, "me"))
    slow.start()
    assert eventually(lambda: not fresh.ask("GET", "/_emu/fail").json()["faults"]), "the slow one has not come"
    assert event(fresh, "me").status == 409
    assert event(fresh, "me", 1, "other").status == 201
    assert event(fresh, "you").status == 201
    slow.join()
    time.sleep(0.1)
    assert event(fresh, "me").json()["total"] == 2


@pytest.mark.e2e
def test_lenient_lets_concurrent_events_wait(tmp_path: Path) -> None:
    """With --lenient they are processed one after the other, and none is lost."""
    collector = start(tmp_path, UNLIMITED, "--lenient")
    statuses: list[int] = []
    try:
        threads = [
            threading.Thread(target=lambda: statuses.extend(event(collector, "me").status for _ in range(20)))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [201] * 120
        assert read(collector, "users/me/metrics/levels-completed")["current"] == 120
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
def test_strict_concurrency_loses_nothing(tmp_path: Path) -> None:
    """Many senders with keys that try again after 409: the total is exact."""
    collector = start(tmp_path)

    def send(sender: int) -> None:
        for number in range(15):
            while event(collector, "me", 1, once=f"{sender}:{number}").status == 409:
                time.sleep(0.003)

    try:
        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read(collector, "users/me/metrics/levels-completed")["current"] == 60
        assert read(collector, "users/me/points/stars")["total"] == 60 * 10 + 20
        assert counts(collector)["events"] == 60
    finally:
        assert collector.stop() == 0


# --- what is refused ---------------------------------------------------------------------------------------

BAD: list[tuple[Any, int]] = [
    (b"", 422),
    (b"x", 400),
    (b"[]", 400),
    (b"\xff", 400),
    (b'{"user": {"id": "u"}, "value": NaN}', 400),
    (b'{"user": {"id": "\\ud83d"}, "value": 1}', 400),
    ({"value": 1}, 422),
    ({"user": "u", "value": 1}, 422),
    ({"user": {}, "value": 1}, 422),
    ({"user": {"id": ""}, "value": 1}, 422),
    ({"user": {"id": 7}, "value": 1}, 422),
    ({"user": {"id": "u" * 600}, "value": 1}, 422),
    ({"user": {"id": "u"}}, 422),
    ({"user": {"id": "u"}, "value": "1"}, 422),
    ({"user": {"id": "u"}, "value": True}, 422),
    ({"user": {"id": "u"}, "value": None}, 422),
    ({"user": {"id": "u"}, "value": 1e300}, 422),
    ({"user": {"id": "u", "tz": "Mars/Base"}, "value": 1}, 422),
    ({"user": {"id": "u", "tz": "../etc"}, "value": 1}, 422),
    ({"user": {"id": "u", "tz": "Europe"}, "value": 1}, 422),
    ({"user": {"id": "u", "tz": ""}, "value": 1}, 422),
    ({"user": {"id": "u", "tz": 7}, "value": 1}, 422),
    ({"user": {"id": "u", "subscribeToEmails": True}, "value": 1}, 422),
    ({"user": {"id": "u", "subscribeToEmails": "yes"}, "value": 1}, 422),
    ({"user": {"id": "u", "deviceTokens": "t"}, "value": 1}, 422),
    ({"user": {"id": "u", "signUpDate": "yesterday"}, "value": 1}, 422),
    ({"user": {"id": "u", "signUpDate": "2100-01-01"}, "value": 1}, 422),
    ({"user": {"id": "u", "signUpDate": "2026-01-01T25:00:00Z"}, "value": 1}, 422),
    ({"user": {"id": "u", "attributes": {"role": 1}}, "value": 1}, 422),
    ({"user": {"id": "u"}, "value": 1, "attributes": {f"a{number}": "x" for number in range(101)}}, 422),
    ({"user": {"id": "u"}, "value": 1, "attributes": {"category": 1}}, 422),
    ({"user": {"id": "u"}, "value": 1, "attributes": []}, 422),
]


@pytest.mark.parametrize(("body", "status"), BAD, ids=[f"{number}" for number in range(len(BAD))])
def test_bad_events(free: Collector, body: Any, status: int) -> None:
    """No JSON object: 400; one that breaks a rule: 422; nothing of it is kept."""
    before = counts(free)
    reply = ask(free, "POST", "/v1/metrics/levels-completed/event", body)
    assert reply.status == status, reply.body
    assert reply.json()["error"]
    after = counts(free)
    assert after == {**before, "refused": before["refused"] + 1}


@pytest.mark.e2e
def test_attributes_that_exist(tmp_path: Path) -> None:
    """If the rules list attributes, these are taken and others are named."""
    rules = UNLIMITED.replace("event = []", 'event = ["level"]').replace("user = []", 'user = ["role"]')
    collector = start(tmp_path, rules)
    try:
        body = {"user": {"id": "u", "attributes": {"role": "hopper"}}, "value": 1, "attributes": {"level": "1"}}
        assert ask(collector, "POST", "/v1/metrics/m/event", body).status == 201
        assert read(collector, "users/u")["attributes"] == {"role": "hopper"}
        body["attributes"] = {"level": "1", "weather": "sun", "colour": "red"}
        reply = ask(collector, "POST", "/v1/metrics/m/event", body)
        assert reply.status == 422
        assert "colour, weather" in reply.json()["error"]
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
def test_the_published_call(tmp_path: Path) -> None:
    """The example of the Ruby client, with its attributes, at a collector with its own rules."""
    collector = Collector(tmp_path)
    try:
        client = TrophyClient(collector=collector.url)
        answer = client.metrics.event(
            idempotency_key="e4296e4b-8493-4bd1-9c30-5a1a9ac4d78f",
            key="words-written",
            user={
                "email": "user@example.com",
                "tz": "Europe/London",
                "attributes": {"department": "engineering", "role": "developer"},
                "id": "18",
            },
            value=750,
            attributes={"category": "writing", "source": "mobile-app"},
        ).wait(10)
        client.close()
        assert answer is not None
        assert (answer.error, answer.total) == ("", 750)
    finally:
        assert collector.stop() == 0


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29T23:30:00Z", "2024-02-29"),
        ("2024-02-29T23:30:00-02:00", "2024-03-01"),
        ("2024-02-29T23:30:00.5+09:00", "2024-02-29"),
        ("2024-02-29T23:30:00", "2024-02-29"),
    ],
)
def test_the_day_of_a_sign_up(free: Collector, player: str, said: str, kept: str) -> None:
    """A time is kept as its calendar day in UTC."""
    assert event(free, player, signUpDate=said).status == 201
    assert read(free, f"users/{player}")["signUpDate"] == kept


@pytest.mark.e2e
def test_a_year_in_review(tmp_path: Path) -> None:
    """Active days, weeks and months, and of each the most active one with its metrics, points and achievements."""
    collector = start(tmp_path, UNLIMITED + BOARDS)
    try:
        now = dt.datetime.now(dt.timezone.utc)
        year = now.year + 2
        shift(collector, days=(dt.datetime(year, 3, 2, 12, tzinfo=dt.timezone.utc) - now).days)
        first_day = read_day(collector)
        played: list[tuple[str, float, str]] = []
        for later, values in ((0, [1, 1]), (1, [2]), (30, [3, 4, 5, 0])):
            shift(collector, days=later)
            for value in values:
                body = {"user": {"id": "me"}, "value": value, "attributes": {"world": f"w{value % 2}"}}
                assert ask(collector, "POST", "/v1/metrics/coins-collected/event", body).status == 201
            played += [(read_day(collector), value, f"w{value % 2}") for value in values]
        event(collector, "other", 1, "coins-collected")
        client = TrophyClient(collector=collector.url)
        answer = client.users.wrapped("me").wait(10)
        summary = client.users.points_event_summary(
            "me", "stars", aggregation="daily", start_date=first_day, end_date=played[-1][0]
        ).wait(10)
        client.close()
        assert answer is not None
        assert not answer.has_error(), answer.error
        days = [dt.date.fromisoformat(day) for day, *_ in played]
        activity = answer.activity
        assert activity.days_active == len(set(days))
        assert activity.weeks_active == len({day - dt.timedelta(day.weekday()) for day in days})
        assert activity.months_active == len({day.month for day in days})
        assert activity.most_active_day.date == played[-1][0]
        assert activity.most_active_month.month == days[-1].month - 1
        week = days[-1] - dt.timedelta(days[-1].weekday())
        assert (activity.most_active_week.start, activity.most_active_week.end) == (
            str(week),
            str(week + dt.timedelta(6)),
        )
        coins = activity.entire_year.metrics["coins-collected"]
        assert (coins.current_total, coins.change_this_period, coins.percentile_this_period) == (16, 16, 50)
        worlds = {key: figure.change_this_period for key, figure in coins.by_attribute["world"].items()}
        assert worlds == {key: sum(value for _, value, one in played if one == key) for key in ("w0", "w1")}
        last = activity.most_active_day.metrics["coins-collected"]
        assert (last.change_this_period, last.percentile_this_period) == (12, None)
        assert activity.entire_year.points["stars"].change_this_period == 1
        assert activity.entire_year.leaderboards["most-coins"].rank == 1
        assert activity.entire_year.longest_streak is not None
        assert (
            activity.entire_year.longest_streak.length
            == read(collector, "users/me/streak?historyPeriods=60")["streakHistory"][-31]["length"]
        )
        assert summary is not None
        assert [point.change for point in summary.summary if point.change] == [1]
        assert summary.summary[-1].total == 1
        for asked, status in (("1", 200), (str(year - 1), 200), (str(year + 1), 422), ("0", 422), ("x", 422)):
            assert ask(collector, "GET", f"/v1/users/me/wrapped?year={asked}").status == status, asked
        assert ask(collector, "GET", "/v1/users/nobody/wrapped").status == 404
    finally:
        assert collector.stop() == 0


def read_day(collector: Collector) -> str:
    """Return the emulator's day, for a player without a time zone."""
    event(collector, "clock", 0)
    day: str = read(collector, "users/clock/streak?historyPeriods=1")["periodStart"]
    return day


@pytest.mark.parametrize("status", [422, 404])
def test_unknown_metrics(tmp_path: Path, status: int) -> None:
    """Without auto_create an unknown metric is refused, with the code that the rules say."""
    rules = UNLIMITED.replace("auto_create = true", "auto_create = false")
    collector = start(tmp_path, rules.replace("unknown_metric_status = 422", f"unknown_metric_status = {status}"))
    try:
        assert event(collector, "me", 1, "made-up").status == status
        assert event(collector, "me").status == 201
    finally:
        assert collector.stop() == 0


def test_unknown_metrics_are_made_up(free: Collector, player: str) -> None:
    """With auto_create a metric begins to exist with its first event, under any name."""
    for path, key in (("made-up", "made-up"), ("a%2Fb%20c", "a/b c"), ("%C3%BC", "ü"), ("event", "event")):
        assert event(free, player, 2, path).status == 201
        assert read(free, f"users/{player}/metrics/{path}")["key"] == key
    assert {"made-up", "a/b c"} <= {one["key"] for one in read(free, f"users/{player}/metrics")}


def test_wrong_paths_and_methods(free: Collector) -> None:
    """A missing route is 404 in the service's form, another method 405."""
    for path in ("/v1/nothing", "/v1/", "/v1/metrics/x", "/v1/users/", "/v1/metrics//event", "/api/users/x/y"):
        reply = ask(free, "POST", path, b"{}")
        assert (reply.status, bool(reply.json()["error"])) == (404, True), path
    for method, path in (("GET", "/v1/metrics/x/event"), ("DELETE", "/v1/users/x"), ("POST", "/v1/leaderboards")):
        assert ask(free, method, path, b"").status == 405
    assert ask(free, "POST", "/v1/metrics/x/event", b" " * 1_100_000).status == 413
    assert free.ask("GET", "/api/summary").status == 200


def test_preflight(tmp_path: Path) -> None:
    """A browser may send events from a page of an allowed origin."""
    collector = Collector(tmp_path, "--allow-origin", "https://game.example")
    try:
        for path in ("/v1/metrics/x/event", "/api/users/x"):
            reply = collector.ask("OPTIONS", path, None, {"Origin": "https://game.example"})
            assert (reply.status, reply.headers["access-control-allow-origin"]) == (204, "*")
            for name in ("x-api-key", "idempotency-key", "content-type"):
                assert name in reply.headers["access-control-allow-headers"].lower()
        assert "PUT" in reply.headers["access-control-allow-methods"]
    finally:
        assert collector.stop() == 0


# --- achievements --------------------------------------------------------------------------------------------


def test_achievements_of_a_metric(free: Collector, player: str) -> None:
    """Those whose value lies between the old and the new total are completed, once."""
    assert [names(event(free, player)) for _ in range(4)] == [["First flight"], [], ["Cloud walker"], []]
    jump = event(free, player + "2", 10)
    assert names(jump) == ["First flight", "Cloud walker"]
    one = jump.json()["achievements"][1]
    assert (one["trigger"], one["metricName"], one["metricValue"]) == ("metric", "Levels completed", 3)
    assert one["achievedAt"].endswith("Z")


def test_achievement_by_call(free: Collector, player: str) -> None:
    """Completed once; a second call tells of the first; others cannot be completed so."""
    body = {"user": {"id": player}}
    first = ask(free, "POST", "/v1/achievements/finish-tutorial/complete", body)
    assert first.status == 201
    assert (first.json()["achievement"]["trigger"], first.json()["achievement"]["key"]) == ("api", "finish-tutorial")
    again = ask(free, "POST", "/v1/achievements/finish-tutorial/complete", body)
    assert again.status == 201
    assert again.json()["completionId"] == first.json()["completionId"]
    assert again.json()["achievement"]["achievedAt"] == first.json()["achievement"]["achievedAt"]
    assert ask(free, "POST", "/v1/achievements/none/complete", body).status == 404
    assert ask(free, "POST", "/v1/achievements/first-flight/complete", body).status == 422
    assert ask(free, "POST", "/v1/achievements/finish-tutorial/complete", {}).status == 422


def test_composite_achievement(free: Collector, player: str) -> None:
    """One that consists of others is completed with the last of them."""
    event(free, player, 3)
    assert names(event(free, player, 10, "slimes-stomped")) == ["Slime time", "Sky champion"]
    found = {one["key"]: one for one in read(free, f"users/{player}/achievements")}
    assert found["sky-champion"]["trigger"] == "achievement"
    assert len(found["sky-champion"]["achievementIds"]) == 2


@pytest.mark.e2e
def test_composites_of_composites(tmp_path: Path) -> None:
    """A chain of them is completed at once, also by a call, and its points are given."""
    rules = """
    events_per_second = 0
    [achievements.a]
    name = "A"
    api = true
    [achievements.b]
    name = "B"
    all_of = ["a"]
    [achievements.c]
    name = "C"
    all_of = ["b"]
    [points.xp]
    name = "XP"
    max = 15
    triggers = [{ achievement = "a", points = 10 }, { achievement = "c", points = 10 }]
    """
    collector = start(tmp_path, rules)
    try:
        reply = ask(collector, "POST", "/v1/achievements/a/complete", {"user": {"id": "me"}})
        points = reply.json()["points"]["xp"]
        assert (points["total"], points["added"], [one["awarded"] for one in points["awards"]]) == (15, 15, [10, 5])
        assert [one["key"] for one in read(collector, "users/me/achievements")] == ["a", "b", "c"]
    finally:
        assert collector.stop() == 0


def test_incomplete_achievements(free: Collector, player: str) -> None:
    """Only the completed ones, or all with who has them."""
    event(free, player)
    assert [one["key"] for one in read(free, f"users/{player}/achievements")] == ["first-flight"]
    everything = read(free, f"users/{player}/achievements?includeIncomplete=true")
    assert len(everything) == 7
    assert everything[0]["completions"] >= 1
    assert 0 < everything[0]["rarity"] <= 100
    assert everything[1]["achievedAt"] is None


# --- points and levels -----------------------------------------------------------------------------------------


def test_points_and_levels(free: Collector, player: str) -> None:
    """Each trigger gives its points; a level is told of only when it changes."""
    first = event(free, player).json()["points"]["stars"]
    assert (first["total"], first["added"], "level" in first) == (10, 10, False)
    second = event(free, player).json()["points"]["stars"]
    assert (second["total"], second["level"]["key"]) == (20, "glider")
    third = event(free, player).json()["points"]["stars"]
    assert (third["total"], third["added"]) == (50, 30)
    assert [(one["awarded"], one["trigger"]["type"]) for one in third["awards"]] == [
        (10, "metric"),
        (20, "achievement"),
    ]
    coins = [event(free, player, 4, "coins-collected").json()["points"]["stars"]["added"] for _ in range(5)]
    assert coins == [0, 0, 1, 0, 1]
    assert "stars" not in event(free, player, 1, "slimes-stomped").json()["points"]
    mine = read(free, f"users/{player}/points/stars?awards=2")
    assert (mine["total"], mine["level"]["key"], len(mine["awards"])) == (52, "glider", 2)
    assert [one["total"] for one in mine["awards"]] == [52, 51]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Make a file with the highest allowed number of players, most of them with points, and the default rules."""
    db = schema.connect_to_write(tmp_path / "many.sqlite3")
    db.execute("BEGIN")
    rows = ((f"n{number}", f"name {number}") for number in range(trophy_users.MAX_USERS))
    db.executemany("INSERT INTO trophy_users (user_id, name, created, updated) VALUES (?, ?, 0, 0)", rows)
    points = ((f"n{number}", "stars", number % 101) for number in range(0, trophy_users.MAX_USERS, 3))
    db.executemany("INSERT INTO trophy_points VALUES (?, ?, ?)", points)
    db.execute("COMMIT")
    yield db
    db.close()


@pytest.mark.e2e
def test_players_are_counted_by_points(many: sqlite3.Connection) -> None:
    """Each player counts at one level and in one range; who never got points has none."""
    totals = [number % 101 if number % 3 == 0 else 0 for number in range(trophy_users.MAX_USERS)]
    reads = Reads(many, trophy_rules.load_rules(None))
    levels = {one["level"]["key"]: one["users"] for one in reads.level_summary("stars")}
    assert levels == {
        "fledgling": sum(total < 20 for total in totals),
        "glider": sum(20 <= total < 60 for total in totals),
        "falcon": sum(total >= 60 for total in totals),
    }
    for one in reads.points_summary("stars"):
        assert one["users"] == sum(one["from"] <= total <= one["to"] for total in totals)


def test_a_board_of_many_players(many: sqlite3.Connection) -> None:
    """Ranks, names, a player's place and the threshold are those of all players, equal values in order of their ids."""
    rules = trophy_rules.load_rules(None)
    scores = [(number % 101, f"n{number}") for number in range(0, trophy_users.MAX_USERS, 3)]
    best = sorted(scores, key=lambda one: (-one[0], one[1]))[:100]
    board = Reads(many, rules).leaderboard("most-stars", 40, 20, None)["rankings"]
    assert [(one["value"], one["userId"]) for one in board] == best[40:60]
    assert [one["userName"] for one in board] == [one["userId"].replace("n", "name ") for one in board]
    boards, stars = TrophyState(many, rules).boards, rules.leaderboards["most-stars"]
    assert boards.place(stars, best[70][1]) == 70
    assert boards.place(stars, "n0") is None
    assert boards.threshold(stars) == best[-1][0] + 1
    assert boards.standing(stars, best[0][1]) == (1, 100)
    assert boards.standing(stars, "n3") == (None, 3)


def test_not_any_number_of_players(many: sqlite3.Connection) -> None:
    """A further player is refused, with what to do; those that there are go on."""
    state = TrophyState(many, trophy_rules.load_rules(None))
    new = MetricEvent("new", {}, "coins-collected", 1.0, {}, "")
    status, reply = state.event(new)
    assert status == 422
    assert "reset" in reply["error"]
    assert state.event(dataclasses.replace(new, user_id="n5"))[0] == 201


# --- streaks ---------------------------------------------------------------------------------------------------


def test_streak_over_days(tmp_path: Path) -> None:
    """Days in a row lengthen it, the same day does not, a missed day ends it; a shifted clock shows it in seconds."""
    collector = start(tmp_path)
    try:

        def play() -> tuple[int, bool]:
            streak = event(collector, "me").json()["currentStreak"]
            return streak["length"], streak["extended"]

        assert [play(), play()] == [(1, True), (1, False)]
        shift(collector, days=1)
        assert read(collector, "users/me/streak")["length"] == 1
        assert [play(), play()] == [(2, True), (2, False)]
        shift(collector, days=1)
        third = event(collector, "me").json()
        assert third["currentStreak"]["length"] == 3
        assert "Three days in the sky" in [one["name"] for one in third["achievements"]]
        assert 15 in [one["awarded"] for one in third["points"]["stars"]["awards"]]
        found = read(collector, "users/me/streak?historyPeriods=5")
        assert [one["length"] for one in found["streakHistory"]] == [0, 0, 1, 2, 3]
        assert found["expires"] > found["periodEnd"] == found["streakHistory"][-1]["periodEnd"]
        shift(collector, days=2)
        lost = read(collector, "users/me/streak")
        assert (lost["length"], lost["started"], lost["expires"], lost["extended"]) == (0, None, None, None)
        assert play() == (1, True)
        shift(collector, reset=True)
        assert play() == (1, False)
    finally:
        assert collector.stop() == 0


def test_streak_is_in_the_players_zone(tmp_path: Path) -> None:
    """The same moment is another day elsewhere; the day decides."""
    collector = start(tmp_path)
    try:
        now = dt.datetime.now(dt.timezone.utc)
        midday = now.replace(hour=11, minute=30, second=0)
        shift(collector, seconds=(midday - now).total_seconds())
        west, east = "Etc/GMT+12", "Etc/GMT-14"  # 23:30 of the day before, 01:30 of the day after
        days = {
            tz: event(collector, tz, tz=tz).json()["currentStreak"]["periodStart"] for tz in (west, "Etc/GMT", east)
        }
        assert days[west] < days["Etc/GMT"] < days[east]
        shift(collector, seconds=3600)
        assert event(collector, west, tz=west).json()["currentStreak"]["length"] == 2
        assert event(collector, east, tz=east).json()["currentStreak"]["length"] == 1
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
def test_threshold_and_other_metrics(tmp_path: Path) -> None:
    """A day counts when its sum reaches the threshold; metrics without a streak never count."""
    collector = start(tmp_path, UNLIMITED.replace("threshold = 1 ", "threshold = 3 "))
    try:
        assert event(collector, "me", 50, "coins-collected").json()["currentStreak"]["length"] == 0
        assert [event(collector, "me").json()["currentStreak"]["length"] for _ in range(4)] == [0, 0, 1, 1]
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
@pytest.mark.parametrize(("frequency", "days"), [("weekly", 7), ("monthly", 31)])
def test_longer_periods(tmp_path: Path, frequency: str, days: int) -> None:
    """Weeks begin on Monday, months on their first day."""
    collector = start(tmp_path, UNLIMITED.replace('frequency = "daily"', f'frequency = "{frequency}"'))
    try:
        now = dt.datetime.now(dt.timezone.utc)
        start_of = dt.datetime(2026, 6, 1, 12, tzinfo=dt.timezone.utc)  # a Monday, the first day of a month of 30 days
        shift(collector, seconds=(start_of - now).total_seconds())
        first = event(collector, "me").json()["currentStreak"]
        end = {"weekly": "2026-06-07", "monthly": "2026-06-30"}[frequency]
        assert (first["periodStart"], first["periodEnd"], first["length"]) == ("2026-06-01", end, 1)
        assert first["expires"] == {"weekly": "2026-06-14", "monthly": "2026-07-31"}[frequency]
        shift(collector, days=days)
        assert event(collector, "me").json()["currentStreak"]["length"] == 2
        history = read(collector, "users/me/streak?historyPeriods=3")["streakHistory"]
        assert [one["length"] for one in history] == [0, 1, 2]
        shift(collector, days=2 * days + 1)
        assert event(collector, "me").json()["currentStreak"]["length"] == 1
    finally:
        assert collector.stop() == 0


def test_streaks_of_several(free: Collector, player: str) -> None:
    """Longest first; a player that nobody knows has none."""
    event(free, player)
    found = read(free, f"streaks?userIds=nobody&userIds={player}")
    assert [(one["userId"], one["streakLength"]) for one in found] == [(player, 1), ("nobody", 0)]


# --- leaderboards ------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_leaderboards(tmp_path: Path) -> None:
    """Ranks by value, equal values share one; an event tells the rank before it and after it."""
    collector = start(tmp_path, UNLIMITED + BOARDS)
    try:
        for who, coins in (("a", 5), ("b", 9), ("c", 5)):
            reply = event(collector, who, coins, "coins-collected", name=who.upper())
        told = reply.json()["leaderboards"]["most-coins"]
        assert (told["rank"], told["previousRank"], told["metricKey"]) == (2, None, "coins-collected")
        told = event(collector, "c", 10, "coins-collected").json()["leaderboards"]["most-coins"]
        assert (told["rank"], told["previousRank"], told["threshold"]) == (1, 2, 6)
        board = read(collector, "leaderboards/most-coins?limit=3")
        ranks = [(one["userId"], one["userName"], one["rank"], one["value"]) for one in read_board(collector)]
        assert ranks == [("c", "C", 1, 15), ("b", "B", 2, 9), ("a", "A", 3, 5)]
        assert board["status"] == "active"
        beyond = event(collector, "d", 1, "coins-collected").json()["leaderboards"]["most-coins"]
        assert (beyond["rank"], beyond["threshold"]) == (None, 6)
        assert [one["userId"] for one in read_board(collector, "offset=1&limit=1")] == ["b"]
        assert [one["userId"] for one in read_board(collector, "userId=b")] == ["b", "a"]
        assert [one["userId"] for one in read_board(collector, "userId=b&offset=-1")] == ["c", "b", "a"]
        assert read_board(collector, "userId=nobody") == []
        assert ask(collector, "GET", "/v1/leaderboards/most-coins?limit=4").status == 422
        assert ask(collector, "GET", "/v1/leaderboards/none").status == 404
        mine = read(collector, "users/c/leaderboards/most-coins")
        assert (mine["rank"], mine["value"]) == (1, 15)
        assert [(one["previousRank"], one["rank"]) for one in mine["history"]] == [(None, 2), (2, 1)]
        event(collector, "a")
        streaks = read(collector, "leaderboards/longest-streak?limit=5")["rankings"]
        assert [(one["userId"], one["rank"], one["value"]) for one in streaks] == [("a", 1, 1)]
        assert [one["key"] for one in read(collector, "leaderboards")] == ["most-stars", "most-coins", "longest-streak"]
    finally:
        assert collector.stop() == 0


def read_board(collector: Collector, query: str = "") -> list[dict[str, Any]]:
    query = query if "limit" in query else f"{query}&limit=3"
    found: list[dict[str, Any]] = read(collector, f"leaderboards/most-coins?{query.strip('&')}")["rankings"]
    return found


# --- users -----------------------------------------------------------------------------------------------------


def test_users(free: Collector, player: str) -> None:
    """Created, identified, changed and read; what is not said stays, what is null goes."""
    assert ask(free, "GET", f"/v1/users/{player}").status == 404
    assert ask(free, "PATCH", f"/v1/users/{player}", {"name": "x"}).status == 404
    made = ask(free, "POST", "/v1/users", {"id": player, "name": "Ann", "email": "a@example.com"})
    assert made.status == 201
    assert made.json()["subscribeToEmails"] is True
    assert ask(free, "POST", "/v1/users", {"id": player}).status == 422
    changed = ask(free, "PATCH", f"/v1/users/{player}", {"tz": "Asia/Tokyo", "deviceTokens": ["t"]}).json()
    assert (changed["name"], changed["tz"], changed["deviceTokens"]) == ("Ann", "Asia/Tokyo", ["t"])
    identified = ask(free, "PUT", f"/v1/users/{player}", {"name": None, "subscribeToEmails": True})
    assert (identified.status, identified.json()["name"]) == (200, None)
    event(free, player, name="Bo", tz=None)
    assert (read(free, f"users/{player}")["name"], read(free, f"users/{player}")["tz"]) == ("Bo", None)
    off = ask(free, "PATCH", f"/v1/users/{player}", {"subscribeToEmails": False}).json()
    assert (off["email"], off["subscribeToEmails"]) == (None, False)
    assert ask(free, "PATCH", f"/v1/users/{player}", {"subscribeToEmails": True}).status == 422
    assert ask(free, "PUT", f"/v1/users/{player}2", b"").status == 200
    for body in (b"[]", b"x"):
        assert ask(free, "PUT", f"/v1/users/{player}", body).status == 400
    assert ask(free, "PUT", f"/v1/users/{player}", {"tz": "Nowhere"}).status == 422


def test_users_with_difficult_ids(free: Collector) -> None:
    """Any id can be written into a path."""
    for user_id, path in (("discord/1", "discord%2F1"), ("ü ✓", "%C3%BC%20%E2%9C%93"), ("a%b?c#d", "a%25b%3Fc%23d")):
        assert ask(free, "PUT", f"/v1/users/{path}", {}).json()["id"] == user_id
        assert event(free, user_id).status == 201
        assert read(free, f"users/{path}/streak")["length"] == 1


def test_preferences(free: Collector, player: str) -> None:
    """Everything is on until it is turned off; wrong ones are refused."""
    path = f"/v1/users/{player}/preferences"
    assert ask(free, "GET", path).status == 404
    assert ask(free, "PATCH", path, {}).status == 404
    event(free, player)
    assert ask(free, "GET", path).json()["notifications"]["recap"] == ["email", "push"]
    said = {"notifications": {"recap": [], "streak_reminder": ["push"]}, "streak": {"enabled": False}}
    answer = ask(free, "PATCH", path, said).json()
    assert answer["notifications"]["recap"] == []
    assert answer["notifications"]["achievement_completed"] == ["email", "push"]
    assert ask(free, "GET", path).json() == answer
    refused: list[Any] = [
        {"notifications": {"x": []}},
        {"notifications": {"recap": ["sms"]}},
        {"streak": {"daysOff": [0]}},
    ]
    for wrong in refused:
        assert ask(free, "PATCH", path, wrong).status == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("users/nobody/metrics", 404),
        ("users/nobody/streak", 404),
        ("users/nobody/achievements", 404),
        ("users/{me}/metrics/none", 404),
        ("users/{me}/points/none", 404),
        ("users/{me}/leaderboards/none", 404),
        ("points/none", 404),
        ("points/none/levels", 404),
        ("users/{me}/streak?historyPeriods=x", 422),
        ("users/{me}/streak?historyPeriods=-1", 422),
        ("users/{me}/streak?historyPeriods=9999", 422),
        ("users/{me}/streak?historyPeriods=" + "9" * 50, 422),
        ("leaderboards/most-stars?limit=1.5", 422),
        ("streaks?" + "&".join(f"userIds={number}" for number in range(101)), 422),
        ("users/{me}/metrics/levels-completed/event-summary?aggregation=hourly", 422),
        ("users/{me}/metrics/m/event-summary?aggregation=daily&startDate=2026-02-30&endDate=2026-03-01", 422),
        ("users/{me}/metrics/m/event-summary?aggregation=daily&startDate=9999-12-31&endDate=9999-12-31", 422),
        ("users/{me}/metrics/m/event-summary?aggregation=monthly&startDate=9999-12-01&endDate=9999-12-31", 422),
        ("users/{me}/points/stars/event-summary?aggregation=daily&startDate=2026-02-03&endDate=2026-02-01", 422),
        ("users/{me}/points/nothing/event-summary?aggregation=daily&startDate=2026-02-01&endDate=2026-02-01", 404),
        ("users/{me}/metrics/m/event-summary?aggregation=weekly&startDate=0001-01-01&endDate=0001-01-05", 200),
    ],
)
def test_wrong_questions(free: Collector, player: str, path: str, status: int) -> None:
    """What there is not is 404, what cannot be asked 422."""
    event(free, player)
    event(free, player, 1, "m")
    assert ask(free, "GET", f"/v1/{path.format(me=player)}").status == status


# --- what stays --------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_restart_keeps_everything(tmp_path: Path) -> None:
    """Totals, keys, streaks, points, boards, made-up metrics, the clock: all as before a kill."""
    first = start(tmp_path, UNLIMITED + BOARDS)
    shift(first, days=3)
    for number in range(3):
        event(first, "me", 1, once=f"k{number}")
    event(first, "me", 2, "made-up", once="k")
    ask(first, "PATCH", "/v1/users/me/preferences", {"notifications": {"recap": []}})
    paths = [
        "users/me",
        "users/me/metrics",
        "users/me/achievements",
        "users/me/streak",
        "users/me/points/stars",
        "users/me/preferences",
        "leaderboards/most-stars",
        "users/me/leaderboards/most-stars",
    ]
    before = [read(first, path) for path in paths]
    first.kill()
    second = start(tmp_path, UNLIMITED + BOARDS)
    try:
        assert [read(second, path) for path in paths] == before
        assert event(second, "me", 1, once="k1").status == 202
        assert counts(second) == {"users": 1, "events": 4, "replays": 1, "achievements": 2, "refused": 0}
        assert second.ask("GET", "/_emu/clock").json()["shift_seconds"] == 3 * 86400
    finally:
        assert second.stop() == 0


def test_reset_and_clock(fresh: Collector) -> None:
    """A reset forgets players and time; a clock cannot be shifted by nonsense."""
    event(fresh, "me")
    shift(fresh, days=1, seconds=5)
    assert fresh.ask("GET", "/_emu/clock").json()["shift_seconds"] == 86405
    assert fresh.ask("POST", "/_emu/reset", b"").status == 200
    assert counts(fresh) == dict.fromkeys(("users", "events", "replays", "achievements", "refused"), 0)
    assert fresh.ask("GET", "/_emu/clock").json()["shift_seconds"] == 0
    for body in ('{"days": "1"}', '{"day": 1}', '{"days": 1e9}', "[]", "x", '{"days": true}'):
        assert fresh.ask("POST", "/_emu/clock", body.encode()).status == 400, body


@pytest.mark.e2e
def test_state(fresh: Collector) -> None:
    """`/_emu/state` tells what a player has."""
    event(fresh, "me", 3, name="Ann", tz="Europe/Paris")
    (me,) = fresh.ask("GET", "/_emu/state").json()["trophy"]["newest_users"]
    assert me == {
        "user_id": "me",
        "name": "Ann",
        "tz": "Europe/Paris",
        "totals": {"levels-completed": 3},
        "streak": 1,
        "points": {"stars": 50},
        "levels": {"stars": "Glider"},
        "achievements": ["First flight", "Cloud walker"],
    }


@pytest.mark.e2e
def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    """A collector's file from before POGR and Trophy gets their tables and keeps its events."""
    import sqlite3  # noqa: PLC0415 - only here

    from ga_pygame.collector.storage import schema  # noqa: PLC0415

    old = sqlite3.connect(tmp_path / "events.sqlite3")
    for statement in schema._VERSIONS[0].split(";\n"):
        old.execute(statement)
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO totals VALUES (1, 'design', 7, 0, 0)")
    old.commit()
    old.close()
    collector = start(tmp_path)
    try:
        assert event(collector, "me").status == 201
        assert collector.summary()["accepted"] == {"design": 7}
    finally:
        assert collector.stop() == 0


# --- the file of rules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "not a file"),
        ("auto_creat = true", "auto_creat"),
        ("unknown_metric_status = 500", "unknown_metric_status"),
        ("events_per_second = -1", "events_per_second"),
        ("[metrics.a]\nstreek = true", "streek"),
        ("[achievements.a]\nname = 'A'", "exactly one"),
        ("[achievements.a]\nname = 'A'\napi = true\nstreak = 3", "exactly one"),
        ("[achievements.a]\nname = 'A'\nstreak = 0", "streak"),
        ("[achievements.a]\nname = 'A'\nall_of = ['b']", "'b'"),
        ("[metrics.m]\nachievements = [{key='a', name='A', value=1}, {key='a', name='A', value=2}]", "twice"),
        ("[points.p]\nname = 'P'\ntriggers = [{points = 1}]", "exactly one"),
        ("[points.p]\nname = 'P'\ntriggers = [{points = 1, metric = 'm'}]", "'m'"),
        ("[points.p]\nname = 'P'\ntriggers = [{points = 1, streak = 0}]", "more than 0"),
        ("[points.p]\nname = 'P'\nmax = -1", "max"),
        ("[leaderboards.l]\nname = 'L'\nrank_by = 'metric'", "does not fit"),
        ("[leaderboards.l]\nname = 'L'\nrank_by = 'points'\npoints = 'p'", "'p'"),
        ("[leaderboards.l]\nname = 'L'\nrank_by = 'luck'", "luck"),
        ("[streak]\nfrequency = 'hourly'", "hourly"),
        ("[[keys]]\nkey = 'nodot'", "dot"),
    ],
)
def test_mistakes_in_the_rules(tmp_path: Path, text: str, words: str) -> None:
    """A mistake stops the start and is named with the file."""
    path = tmp_path / "trophy.toml"
    path.write_text(text)
    with pytest.raises(trophy_rules.RulesError, match=r"trophy\.toml") as caught:
        trophy_rules.load_rules(path)
    assert words in str(caught.value)


def test_missing_and_default_rules(tmp_path: Path) -> None:
    """A missing file is named; the default one is good, and ids do not change between runs."""
    with pytest.raises(trophy_rules.RulesError, match="cannot read"):
        trophy_rules.load_rules(tmp_path / "none.toml")
    rules = trophy_rules.load_rules(None)
    assert rules.auto_create is True
    assert {"levels-completed", "slimes-stomped", "coins-collected"} <= rules.metrics.keys()
    values = [(one.name, one.value) for one in rules.metrics["levels-completed"].achievements]
    assert values == [("First flight", 1), ("Cloud walker", 3)]
    assert uuid.UUID(trophy_rules.stable_id("metric", "levels-completed")).version == 4
    assert trophy_rules.stable_id("metric", "a") != trophy_rules.stable_id("achievement", "a")


# --- the official SDK ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def official(collector: Collector, prefix: str = "/v1", key: str = KEY, retries: int = 0) -> Iterator[Any]:
    """Return Trophy's own Python SDK, with the collector as its server."""
    package = pytest.importorskip("trophy", reason=NO_SDK)
    environment = pytest.importorskip("trophy.environment").TrophyApiEnvironment
    address = f"http://127.0.0.1:{collector.port}{prefix}"
    with pytest.importorskip("httpx").Client(timeout=30) as connection:
        yield package.TrophyApi(
            api_key=key,
            tenant_id="tenant",
            environment=environment(api=address, admin=address),
            max_retries=retries,
            httpx_client=connection,
        )


@pytest.fixture(params=["/v1", "/api"])
def sdk(free: Collector, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the official SDK, with the new address and with the old one."""
    with official(free, request.param) as client:
        yield client


def test_sdk_events(sdk: Any, player: str) -> None:
    """The SDK reads every part of an event's answer."""
    user = sdk_user(player, tz="Europe/London", name="Ann", email="ann@example.com", subscribe_to_emails=True)
    first = sdk.metrics.event(key="levels-completed", user=user, value=3, idempotency_key="k")
    assert (first.total, first.idempotent_replayed) == (3, False)
    assert [one.name for one in first.achievements] == ["First flight", "Cloud walker"]
    assert first.achievements[0].achieved_at.tzinfo is not None
    assert (first.current_streak.length, first.current_streak.extended) == (1, True)
    assert first.current_streak.frequency == "daily"
    stars = first.points["stars"]
    assert (stars.total, stars.added, stars.level.key) == (50, 50, "glider")
    assert [one.trigger.type for one in stars.awards] == ["metric", "achievement"]
    assert first.leaderboards["most-stars"].rank >= 1
    again = sdk.metrics.event(key="levels-completed", user=user, value=3, idempotency_key="k")
    assert (again.total, again.idempotent_replayed, again.achievements) == (3, True, [])


def sdk_user(player: str, **fields: Any) -> Any:
    return pytest.importorskip("trophy", reason=NO_SDK).UpsertedUser(id=player, **fields)


def test_sdk_users(sdk: Any, player: str) -> None:
    """Create, identify, read, update, preferences."""
    trophy = pytest.importorskip("trophy", reason=NO_SDK)
    made = sdk.users.create(id=player, name="Ann", sign_up_date="2026-01-01", device_tokens=["t"])
    assert (made.id, made.sign_up_date, made.control) == (player, "2026-01-01", False)
    assert sdk.users.identify(id=player, tz="Asia/Tokyo").tz == "Asia/Tokyo"
    assert sdk.users.update(id=player, name="Bo").name == "Bo"
    assert sdk.users.get(id=player).name == "Bo"
    assert sdk.users.get_preferences(id=player).notifications.recap == ["email", "push"]
    changed = sdk.users.update_preferences(
        id=player, notifications=trophy.NotificationPreferences(streak_reminder=["email"])
    )
    assert changed.notifications.streak_reminder == ["email"]
    assert changed.streak.enabled is True


def test_sdk_reads(sdk: Any, player: str) -> None:
    """Every reading route that is implemented gives what the SDK's models demand."""
    sdk.metrics.event(key="levels-completed", user=sdk_user(player), value=1)
    sdk.metrics.event(key="coins-collected", user=sdk_user(player), value=40)
    done = sdk.achievements.complete(key="finish-tutorial", user=sdk_user(player))
    assert (done.achievement.trigger, done.points) == ("api", {})
    metrics = {one.key: one for one in sdk.users.all_metrics(id=player)}
    assert metrics["coins-collected"].current == 40
    assert metrics["levels-completed"].achievements[0].achieved_at is not None
    assert sdk.users.single_metric(id=player, key="coins-collected").current == 40
    assert {one.key for one in sdk.users.achievements(id=player)} == {"first-flight", "finish-tutorial", "pocket-money"}
    assert len(sdk.users.achievements(id=player, include_incomplete="true")) == 7
    streak = sdk.users.streak(id=player, history_periods=3)
    assert (streak.length, len(streak.streak_history), streak.pauses) == (1, 3, [])
    assert streak.extended is not None
    points = sdk.users.points(id=player, key="stars", awards=10)
    assert (points.total, len(points.awards), points.level.key) == (14, 2, "fledgling")
    assert sdk.users.points_boosts(id=player, key="stars") == []
    mine = sdk.users.leaderboard(id=player, key="most-stars", num_events=5)
    assert mine.value == 14
    assert mine.history[-1].rank >= 1
    today = dt.datetime.now(dt.timezone.utc).date()
    summary = sdk.users.metric_event_summary(
        id=player,
        key="coins-collected",
        aggregation="daily",
        start_date=(today - dt.timedelta(days=2)).isoformat(),
        end_date=(today + dt.timedelta(days=1)).isoformat(),
    )
    assert (sum(one.change for one in summary), summary[-1].total) == (40, 40)
    assert len(sdk.achievements.all_()) == 7
    assert sdk.streaks.list(user_ids=[player])[0].streak_length == 1
    assert [one.key for one in sdk.leaderboards.all_()] == ["most-stars", "most-coins", "longest-streak"]
    board = sdk.leaderboards.get(key="most-coins", offset=0, limit=3)
    assert board.rankings[0].rank == 1
    assert sdk.leaderboards.get(key="longest-streak", user_id=player).rankings[0].user_id == player
    assert [one.points for one in sdk.points.system(key="stars").triggers] == [10, 1, 20, 15]
    assert sdk.points.boosts(key="stars") == []
    assert [one.key for one in sdk.points.levels(key="stars")] == ["fledgling", "glider", "falcon"]
    assert sum(one.users for one in sdk.points.level_summary(key="stars")) >= 1
    assert sum(one.users for one in sdk.points.summary(key="stars")) >= 1


def test_sdk_errors(free: Collector, sdk: Any, player: str) -> None:
    """Refusals arrive as the SDK's own errors, with the reason."""
    package = pytest.importorskip("trophy", reason=NO_SDK)
    with pytest.raises(package.UnprocessableEntityError) as caught:
        sdk.metrics.event(key="x", user=sdk_user(player, tz="Nowhere"), value=1)
    assert "tz" in caught.value.body["error"]
    with pytest.raises(package.NotFoundError):
        sdk.achievements.complete(key="none", user=sdk_user(player))
    with pytest.raises(package.NotFoundError):
        sdk.users.update(id=player, name="x")
    with official(free, key="nodot") as stranger, pytest.raises(package.UnauthorizedError):
        stranger.users.get(id=player)


@pytest.mark.e2e
def test_sdk_waits_when_it_is_too_fast(fresh: Collector) -> None:
    """The SDK honours Retry-After: the sixth event in a second arrives on its second try."""
    began = time.monotonic()
    with official(fresh, retries=2) as client:
        for number in range(6):
            reply = client.metrics.event(key="m", user=sdk_user("me"), value=1, idempotency_key=str(number))
    assert reply.total == 6
    assert counts(fresh)["refused"] >= 1 or time.monotonic() - began >= 1.0, "a busy machine is not too fast"


# --- anything at all ---------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_user = st.dictionaries(
    st.sampled_from("id email name tz signUpDate deviceTokens subscribeToEmails attributes".split()), _json, max_size=6
)
_bodies: Any = (
    st.binary(max_size=60)
    | _json.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"user": _user | _json, "value": _json, "attributes": _json}).map(
        lambda value: json.dumps(value).encode()
    )
    | st.fixed_dictionaries({"user": st.just({"id": "u"}), "value": st.floats() | st.integers()}).map(
        lambda value: json.dumps(value).encode()
    )
    | st.fixed_dictionaries({"notifications": _json, "streak": _json}).map(lambda value: json.dumps(value).encode())
)
_parts = st.sampled_from(
    "users metrics achievements points leaderboards streaks event complete preferences streak u stars most-stars"
    " finish-tutorial levels-completed event-summary wrapped levels summary %00 %FF %2F .. a%20b ?limit=x".split()
)


@pytest.mark.e2e
@settings(
    deadline=None,
    max_examples=examples(250),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH"]),
    path=st.lists(_parts, min_size=1, max_size=5).map("/".join),
    body=_bodies,
    query=st.dictionaries(
        st.sampled_from("limit offset userId historyPeriods awards numEvents userIds includeIncomplete".split()),
        st.sampled_from(["", "1", "-1", "x", "9" * 30, "1e3", "%FF", "true"]),
        max_size=3,
    ),
)
def test_nothing_breaks_it(free: Collector, method: str, path: str, body: bytes, query: dict[str, str]) -> None:
    """Whatever comes gets an answer in JSON, never a server's error."""
    question = "&".join(f"{name}={value}" for name, value in query.items())
    reply = ask(free, method, f"/v1/{path}?{question}", body)
    assert reply.status < 500, reply.body
    reply.json()


@pytest.mark.e2e
@settings(
    deadline=None,
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values=st.lists(st.integers(-20, 20) | st.floats(-5, 5).map(lambda one: round(one, 2)), min_size=1, max_size=8))
def test_totals_and_points_follow_from_the_values(free: Collector, values: list[float]) -> None:
    """Totals are sums; each coin trigger counts the multiples passed, never backwards."""
    player = f"player-{uuid.uuid4()}"
    total = 0.0
    points = 0
    for value in values:
        reply = event(free, player, value, "coins-collected").json()
        passed = int((total + value) // 10 - total // 10)
        total += value
        points += max(0, passed)
        assert reply["total"] == pytest.approx(total)
        assert reply["points"]["stars"]["total"] == points
