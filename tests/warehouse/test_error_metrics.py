"""Errors by kind, what came before them, and sessions without a crash: as plain Python computes them."""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from tests.warehouse.golden import (
    HOUR,
    MINUTE,
    MONDAY,
    Event,
    Story,
    ask,
    each_filter,
    exported,
    golden_story,
    passes,
    projected,
    store_story,
)

SEVERITIES = ("debug", "info", "warning", "error", "critical")

_HEAD = "Traceback (most recent call last):\n"
_CAUSE = "\nDuring handling of the above exception, another exception occurred:\n\n"


def trace(*calls: str, raised: str = "KeyError: 'sword'", slash: str = "/", folder: str = "~/game") -> str:
    """Write a traceback; a call is a file, a line, and its text, e.g. `play.py 3 go(1)`."""
    frames = []
    for call in calls:
        file, line, *text = call.split()
        shown = f"    {text[0]}\n    ~~^^^\n" if text else ""
        frames.append(f'  File "{folder}{slash}{file}", line {line}, in play\n{shown}')
    return f"{_HEAD}{''.join(frames)}{raised}"


KINDS: dict[str, tuple[str, ...]] = {
    "a class at a place": (
        trace("main.py 3 go(1)", "play.py 7 bag[name]"),
        trace("main.py 3 go(1)", "play.py 7 bag[name]", raised="KeyError: 'other'\nand more: lines"),
        trace("main.py 3 go(1)", "play.py 7 bag[name]", folder="C:\\Games\\it", slash="\\"),
        trace("x.py 1 open()", raised="OSError") + _CAUSE + trace("main.py 3 go(1)", "play.py 7 bag[name]"),
        trace("main.py 30 go(1)", "play.py 71 bag[name]"),  # in a later build
    ),
    "another line": (trace("main.py 3 go(1)", "play.py 7 pockets[name]"),),
    "another function": (
        trace("main.py 3 go(1)", "play.py 7 bag[name]").replace("in play\n    bag", "in buy\n    bag"),
    ),
    "without lines, as of an executable": (trace("main.py 3", "play.py 7"), trace("main.py 4", "play.py 9")),
    "another class": (trace("main.py 3 go(1)", "play.py 7 bag[name]", raised="game.SwordError: 'sword'"),),
    "a group": (
        "  + Exception Group" + trace("main.py 3 go(1)", "play.py 8 bag[name]").replace("\n", "\n  | "),
        "  + Exception Group" + trace("main.py 4 go(1)", "play.py 9 bag[name]").replace("\n", "\n  | "),
    ),
    "a syntax error": (_HEAD + "  File \"play.py\", line 7\n    go(\n      ^\nSyntaxError: '(' was never closed",),
    "outer calls do not count": (
        trace("a.py 1", "b.py 2", "c.py 3", "d.py 4", "e.py 5", "f.py 6"),
        trace("z.py 9", "b.py 2", "c.py 3", "d.py 4", "e.py 5", "f.py 6"),
    ),
    "a text": ("save failed: PermissionError",),
    "another text": ("save failed: OSError",),
    "of another engine": ("NullReferenceException: x\n  at Game.Play () in Play.cs:7",),
    "empty": ("",),
}
KIND_OF = {text: kind for kind, texts in KINDS.items() for text in texts}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden events with tracebacks and other errors."""
    story, rng = golden_story(), random.Random(5)
    texts = list(KIND_OF)
    for event in list(story.events):
        if event["category"] == "user" and rng.random() < 0.4:
            own = {"category": "error", "severity": rng.choice(SEVERITIES), "message": rng.choice(texts)}
            at = event["client_ts"] + rng.randrange(60)
            story.events.append({**event, **own, "client_ts": at, "event_uuid": story.new_id()})
    path = tmp_path_factory.mktemp("errors") / "events.sqlite3"
    store_story(path, story)
    return path


@pytest.fixture(scope="module")
def told(file: Path) -> list[Event]:
    """The events in the order of the players' clocks."""
    return sorted(exported(file), key=lambda event: (event["client_ts"], event["position"]))


@pytest.fixture(scope="module")
def database(file: Path) -> Iterator[Database]:
    with projected(file) as found:
        yield found


def kind_of(message: str) -> str:
    return KIND_OF.get(message, message)


def utc(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M:%S}"


def by_session(events: list[Event]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event["session_id"]].append(event)
    return found


@pytest.mark.e2e
@each_filter
def test_errors_by_kind(database: Database, told: list[Event], filters: Filters) -> None:
    """Errors, players, sessions, worst severity, builds, times and the newest text of each kind."""
    builds: list[str] = []
    for event in told:
        if event["build"] not in builds:
            builds.append(event["build"])
    kinds: defaultdict[str, list[Event]] = defaultdict(list)
    for event in told:
        if event["category"] == "error" and passes(event, filters):
            kinds[kind_of(event["message"])].append(event)
    rows = ask(database, "errors", filters)
    assert {kind_of(row.message) for row in rows} == set(kinds)
    assert len(rows) == len({row.fingerprint for row in rows}) == len(kinds)
    assert [row.players for row in rows] == sorted((row.players for row in rows), reverse=True)
    for row in rows:
        some = kinds[kind_of(row.message)]
        assert row.message == some[-1]["message"]
        assert row.events == len(some)
        assert row.players == len({event["user_id"] for event in some})
        assert row.sessions == len({event["session_id"] for event in some})
        assert row.severity == max((event["severity"] for event in some), key=SEVERITIES.index)
        seen = sorted({event["build"] for event in some}, key=builds.index)
        assert (row.first_build, row.last_build) == (seen[0], seen[-1])
        assert (row.first_seen, row.last_seen) == (utc(some[0]["client_ts"]), utc(some[-1]["client_ts"]))


def test_all_kinds_are_there(database: Database) -> None:
    """The comparison above compares tracebacks and texts, and each is told by the line that says what happened."""
    rows = {kind_of(row.message): row for row in ask(database, "errors")}
    assert set(KINDS) <= set(rows)
    assert rows["another class"].error == "game.SwordError: 'sword'"
    assert rows["a text"].error == "save failed: PermissionError"


@pytest.mark.e2e
@each_filter
def test_what_came_before_an_error(database: Database, told: list[Event], filters: Filters) -> None:
    """Of the newest error of a kind: the events of its session up to it, at most 30, the newest last."""
    sessions = by_session(told)
    for row in ask(database, "errors", filters):
        some = [e for e in told if e["category"] == "error" and passes(e, filters)]
        newest = [event for event in some if kind_of(event["message"]) == kind_of(row.message)][-1]
        own = sessions[newest["session_id"]]
        expected = own[: own.index(newest) + 1][-31:]
        found = ask(database, "trail", filters, fingerprint=row.fingerprint)
        assert [(one.time, one.session_id) for one in found] == [
            (utc(event["client_ts"]), event["session_id"]) for event in expected
        ]
        assert found[-1].happened == ("crashed" if newest["severity"] == "critical" else "error")
        assert found[0].happened == "session starts"
    assert ask(database, "trail", filters, fingerprint="0" * 16) == []


def test_a_long_trail_is_cut_at_its_beginning(tmp_path: Path) -> None:
    """The 30 events before the error, in words; what came after it is not there."""
    story = Story()
    session = story.session("ann", MONDAY)
    for number in range(40):
        session.design(number + 1, f"kill:{number}", number)
    session.level(50, "Fail", "forest:1").resource(51, "Sink:gold:boost:shield", -5).business(52, "pack:gold", 499)
    session.error(53, "error", "boom").design(54, "after")
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:
        fingerprint = ask(found, "errors")[0].fingerprint
        rows = ask(found, "trail", fingerprint=fingerprint)
    assert len(rows) == 31
    assert [(row.happened, row.name, row.value, row.unit) for row in rows[-5:]] == [
        ("design", "kill:39", 39, ""),
        ("level failed", "forest:1", None, ""),
        ("spent", "gold:boost:shield", 5, "gold"),
        ("bought", "pack:gold", 4.99, "USD"),
        ("error", "boom", None, ""),
    ]


@each_filter
def test_sessions_without_a_crash(database: Database, told: list[Event], filters: Filters) -> None:
    """Healthy, errored, crashed and abnormal sessions are all sessions of a build; players without a crashed one."""
    newest = told[-1]["client_ts"]
    counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    players: defaultdict[str, set[str]] = defaultdict(set)
    crashed: defaultdict[str, set[str]] = defaultdict(set)
    for events in by_session(told).values():
        if not passes(events[0], filters):
            continue
        build, user = events[0]["build"], events[0]["user_id"]
        severities = {event.get("severity") for event in events} - {None}
        has_end = any(event["category"] == "session_end" for event in events)
        went = "crashed" if "critical" in severities else "errored" if severities else "healthy"
        if went == "healthy" and not has_end and events[-1]["client_ts"] < newest - 10 * MINUTE:
            went = "abnormal"
        counts[build][went] += 1
        players[build].add(user)
        if went == "crashed":
            crashed[build].add(user)
    rows = ask(database, "stability", filters)
    assert {row.build for row in rows} == set(counts)
    for row in rows:
        own = counts[row.build]
        assert [row.healthy, row.errored, row.crashed, row.abnormal] == [
            own[went] for went in ("healthy", "errored", "crashed", "abnormal")
        ]
        assert row.healthy + row.errored + row.crashed + row.abnormal == row.sessions
        assert row.crash_free_rate == pytest.approx(1 - row.crashed / row.sessions)
        assert (row.players, row.crash_free_players) == (
            len(players[row.build]),
            len(players[row.build] - crashed[row.build]),
        )
        assert row.players_low <= row.players_rate <= row.players_high
        assert row.is_few == (row.players < 20)


def test_how_a_session_went(tmp_path: Path) -> None:
    """Each kind once, the newest build first; a session without an end that is as new as the newest event is played."""
    story = Story()
    story.session("ann", MONDAY, build="1").design(1, "a").end(5)
    story.session("bob", MONDAY, build="1").error(1, "warning", "a")
    story.session("eve", MONDAY, build="1").error(1, "warning", "a").error(2, "critical", "b").end(3)
    story.session("joe", MONDAY, build="1").design(60, "a")
    story.session("ann", MONDAY + HOUR, build="2").design(1, "a")
    story.session("joe", MONDAY + HOUR - 5 * MINUTE, build="2").design(1, "a")
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:
        second, first = ask(found, "stability")
    assert (second.build, second.sessions, second.healthy, second.crash_free_rate) == ("2", 2, 2, 1)
    assert (first.sessions, first.healthy, first.errored, first.crashed, first.abnormal) == (4, 1, 1, 1, 1)
    assert (first.crash_free_rate, first.players, first.crash_free_players) == (0.75, 4, 3)
