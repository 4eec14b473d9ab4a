"""Builds events of made-up players, stores them as a collector does, projects them and asks metrics.

`Story` is for small cases that a person counts, `golden_story` has some 1,500 events for comparisons with plain Python.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse.asking import Question
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Projector
from tests import effort
from tests.collectors import ANNOTATIONS, KEY

Event = dict[str, Any]
DAY, HOUR, MINUTE = 86_400, 3_600, 60
MONDAY = 1_772_409_600
"""2026-03-02 00:00 UTC."""
TODAY = datetime.date(2026, 3, 20)


@functools.cache
def day_of(seconds: float) -> datetime.date:
    """Return the UTC calendar day of a time."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()


class Session:
    """A session of a player, whose events go into a story; the time of each is given in seconds since its start."""

    def __init__(self, story: Story, user: str, at: float, annotations: Mapping[str, Any]) -> None:
        self._story = story
        self._at = at
        self._annotations = {**ANNOTATIONS, "user_id": user, "session_id": story.new_id(), **annotations}
        self.add(0, "user")

    def add(self, after: float, category: str, **fields: Any) -> Session:
        """Add an event."""
        own = {"category": category, "client_ts": int(self._at + after), "event_uuid": self._story.new_id(), **fields}
        self._story.events.append({**self._annotations, **own})
        return self

    def level(self, after: float, status: str, level: str, seconds: float | None = None, **fields: Any) -> Session:
        """Add a progression event; with the seconds in the level as the tracker sends them."""
        if seconds is not None:
            fields["custom_fields"] = {**self._annotations.get("custom_fields", {}), "seconds": seconds}
        return self.add(after, "progression", event_id=f"{status}:{level}", **fields)

    def design(self, after: float, event_id: str, value: float | None = None, **fields: Any) -> Session:
        """Add a design event."""
        return self.add(after, "design", event_id=event_id, **({} if value is None else {"value": value}), **fields)

    def resource(self, after: float, event_id: str, amount: float, **fields: Any) -> Session:
        """Add a resource event, e.g. `Source:gold:pickup:coin`; the amount of a sink is negative."""
        return self.add(after, "resource", event_id=event_id, amount=amount, **fields)

    def business(self, after: float, event_id: str, amount: int, currency: str = "USD", **fields: Any) -> Session:
        """Add a purchase."""
        own = {"event_id": event_id, "amount": amount, "currency": currency, "transaction_num": 1}
        return self.add(after, "business", **own, **fields)

    def error(self, after: float, severity: str, message: str) -> Session:
        """Add an error."""
        return self.add(after, "error", severity=severity, message=message)

    def end(self, after: float, length: int | None = None) -> Session:
        """Add the end; the length is that of the session if none is given."""
        return self.add(after, "session_end", length=int(after) if length is None else length)


class Story:
    """Events in the order in which they are stored.

    Args:
        seed: Of the ids.
    """

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self.events: list[Event] = []

    def new_id(self) -> str:
        """Make an id, the same at each run."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def session(self, user: str, at: float, **annotations: Any) -> Session:
        """Begin a session at a time in seconds since 1970."""
        return Session(self, user, at, annotations)


def store_events(path: Path, requests: Iterable[tuple[float, list[Any]]], game: str = KEY) -> None:
    """Send requests, each with its time of arrival and its events, through the collector's checks into its file."""
    with contextlib.closing(Store(path)) as store:
        for received_at, events in requests:
            submission, rejected = take_apart(game, received_at, json.dumps(events).encode(), "", light=False)
            assert not rejected, rejected
            store.submit(submission).result(30)


def store_story(path: Path, story: Story) -> None:
    """Store a story in requests of 50 events, each at the time of its newest event."""
    store_events(path, requests_of(story))


def requests_of(story: Story) -> list[tuple[float, list[Event]]]:
    """Return a story in requests of 50 events, each with its time of arrival: that of its newest event."""
    some = [story.events[at : at + 50] for at in range(0, len(story.events), 50)]
    return [(max(event["client_ts"] for event in events) + 0.5, events) for events in some]


@contextlib.contextmanager
def projected(path: Path, timezone: str = "UTC", database: Path | None = None) -> Iterator[Database]:
    """Project a collector's file, into memory if no file is given."""
    told: list[str] = []
    warehouse = Database(database, timezone)
    with contextlib.closing(Reader(path, 0)) as log, contextlib.closing(warehouse):
        Projector(log, warehouse, lambda cause, message: told.append(message)).run_to_end()
        assert not told
        yield warehouse


def ask(database: Database, metric: str, filters: Filters | None = None, **options: Any) -> list[Any]:
    """Return the rows of a metric."""
    function = METRICS[metric].function
    return database.ask(lambda cursor: function(Question(cursor, filters or Filters(), TODAY), **options))


def exported(path: Path) -> list[Event]:
    """Return the stored events as `ga_pygame export` prints them, each with its `position` in order of arrival."""
    with contextlib.closing(Queries(path)) as queries:
        lines = enumerate(queries.stored())
        return [{**json.loads(line), "position": position} for position, line in lines]


def passes(event: Event, filters: Filters, *, dated: bool = True) -> bool:
    """Decide in plain Python whether an event passes the filters."""
    day = day_of(event["client_ts"])
    if dated and not ((filters.since or day) <= day <= (filters.until or day)):
        return False
    for name, value in _wanted(filters):
        if event.get(name, "") != value:
            return False
    return not filters.who or event.get("custom_fields", {}).get("ga_who", "player") in filters.who


_FIELDS = (
    "build",
    "platform",
    "custom_01",
    "custom_02",
    "custom_03",
    "ab_id",
    "ab_variant_id",
    "country_code",
    "user_id",
)


@functools.cache
def _wanted(filters: Filters) -> tuple[tuple[str, str], ...]:
    """Return the fields of an event that have to have a value, each with that value."""
    return tuple((name, value) for name in _FIELDS if (value := getattr(filters, name)) is not None)


FILTERS = {
    "none": Filters(),
    "range": Filters(since=day_of(MONDAY + 2 * DAY), until=day_of(MONDAY + 6 * DAY)),
    "build": Filters(build="1.1"),
    "platform": Filters(platform="windows"),
    "custom_01": Filters(custom_01="ninja"),
    "custom_02": Filters(custom_02="hard"),
    "custom_03": Filters(custom_03="left"),
    "variant": Filters(ab_id="jump", ab_variant_id="b"),
    "players": Filters(who=("player",)),
    "others": Filters(who=("developer", "bot")),
    "country": Filters(country_code="SE"),
    "player": Filters(user_id="p7"),
    "game": Filters(game=KEY),
    "several": Filters(since=day_of(MONDAY + DAY), build="1.0", platform="linux", who=("player",)),
    "nothing": Filters(build="9.9"),
}
"""Filters that the golden story has events for."""

EVERYDAY_FILTERS = ("none", "range", "several")
"""Those that the everyday lane tries; the other ones differ from `several` in the field only."""

_tried = {name: filters for name, filters in FILTERS.items() if not effort.is_everyday or name in EVERYDAY_FILTERS}
each_filter = pytest.mark.parametrize("filters", _tried.values(), ids=_tried)
"""Runs a test with each filter."""


def golden_story(players: int = 60, days: int = 12) -> Story:
    """Make some 1,500 events: players of different skill who come back or not, two builds, a developer and a bot."""
    story = Story(7)
    rng = random.Random(11)
    for number in range(players):
        first, skill, reached, build = rng.randrange(days - 3), rng.random(), 1, rng.choice(["1.0", "1.1"])
        annotations: dict[str, Any] = {
            "platform": rng.choice(["linux", "windows"]),
            "custom_01": rng.choice(["ninja", "wizard"]),
            "custom_02": rng.choice(["easy", "hard"]),
            "custom_03": rng.choice(["left", "right"]),
            "ab_id": "jump" if number % 4 else "speed",
            "ab_variant_id": rng.choice(["a", "b"]),
        }
        annotations["os_version"] = f"{annotations['platform']} 6.8"
        if number % 3:
            annotations["country_code"] = "DE" if number % 3 == 1 else "SE"
        if number < 4:
            annotations["custom_fields"] = {"ga_who": "bot" if number == 0 else "developer"}
        for played, day in enumerate([first, *[d for d in range(first + 1, days) if rng.random() < 0.3]]):
            at = MONDAY + day * DAY + rng.randrange(DAY)
            build = "1.1" if day > days // 2 else build
            session = story.session(f"p{number}", at, session_num=played + 1, build=build, **annotations)
            reached = _play(session, rng, skill, reached)
    return story


def _play(session: Session, rng: random.Random, skill: float, reached: int) -> int:
    """Play some attempts; return the level that was reached."""
    at, tries = 0, 0
    for _ in range(rng.randrange(5)):
        level = f"forest:level_{reached}"
        at += rng.randrange(1, 40)
        session.level(at, "Start", level)
        seconds = rng.randrange(20, 900) / 10
        at += int(seconds) + 1
        chance = rng.random()
        tries += 1
        if chance < 0.1:
            continue  # neither Fail nor Complete
        if chance < 0.1 + 0.9 * skill:
            session.level(at, "Complete", level, seconds, attempt_num=tries, score=rng.randrange(1000))
            reached, tries = reached % 5 + 1, 0
        else:
            session.level(at, "Fail", level, seconds, attempt_num=tries)
        if rng.random() < 0.2:
            session.resource(at, "Source:gold:pickup:coin", rng.randrange(1, 9))
        if rng.random() < 0.1:
            session.design(at, f"kill:{rng.choice(['slime', 'bat'])}", rng.randrange(5))
        if rng.random() < 0.05:
            session.error(at, rng.choice(["error", "critical"]), f"boom {rng.randrange(3)}")
        if rng.random() < 0.03:
            session.business(at, "pack:gold", 499)
    if rng.random() < 0.9:
        session.end(at + 5)
    return reached
