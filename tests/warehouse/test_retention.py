"""Old events go from log and warehouse; players keep their first day, also in a warehouse that is made anew."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import last_old_id, removes_old
from ga_pygame.collector.storage.schema import SELECT_LAST_ID
from ga_pygame.collector.storage.store import Change, RejectedEvent, Store, Submission
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.projector import Projector
from ga_pygame.collector.warehouse.retention import EVENTS_PER_REMOVAL, SECONDS_BETWEEN_REMOVALS, Retention
from tests.warehouse.golden import (
    DAY,
    HOUR,
    MONDAY,
    Event,
    Story,
    ask,
    day_of,
    exported,
    golden_story,
    projected,
    store_events,
    store_story,
)


class Kept:
    """A log with its warehouse, from which old events are removed."""

    def __init__(self, path: Path, days: int, timezone: str = "UTC") -> None:
        self.path = path
        self.store = Store(path)
        self.log = Reader(path, 0)
        self.database = Database(path.with_suffix(".duckdb"), timezone)
        self.told: list[str] = []
        self.projector = Projector(self.log, self.database, lambda cause, message: self.told.append(message))
        self.projector.run_to_end()
        self.retention = Retention(days, self.store, self.log, self.database)

    def remove(self, now: float) -> int:
        """Remove all that is too old and return the number of steps that removed something."""
        steps = 0
        while self.retention.step(now) == SECONDS_BETWEEN_REMOVALS:
            steps += 1
        return steps

    def ids(self) -> list[int]:
        return [one for (one,) in self.database.writer.execute("SELECT id FROM events ORDER BY id").fetchall()]

    def close(self) -> None:
        self.store.close()
        self.database.close()
        self.log.close()


@contextlib.contextmanager
def kept(path: Path, days: int, timezone: str = "UTC") -> Iterator[Kept]:
    with contextlib.closing(Kept(path, days, timezone)) as one:
        yield one


def arrivals(path: Path) -> list[tuple[float, int]]:
    """Return the time of arrival and the number of events of each request."""
    with contextlib.closing(Reader(path, 0)) as log:
        return log.execute("SELECT received_at, number FROM batches WHERE number > 0 ORDER BY id").fetchall()


def store_by_time(path: Path) -> None:
    """Store the golden story in the order in which it happened."""
    story = golden_story()
    story.events.sort(key=lambda event: event["client_ts"])
    store_story(path, story)


def by_day(events: list[Event], since: datetime.date) -> dict[str, tuple[int, int]]:
    """Count players and new players by day, in plain Python."""
    first: dict[str, datetime.date] = {}
    seen: dict[datetime.date, set[str]] = {}
    for one in events:
        day, user = day_of(one["client_ts"]), one["user_id"]
        first[user] = min(first.get(user, day), day)
        seen.setdefault(day, set()).add(user)
    days = sorted(day for day in seen if day >= since)
    return {str(day): (len(seen[day]), sum(first[user] == day for user in seen[day])) for day in days}


@pytest.mark.e2e
def test_players_stay_returning(tmp_path: Path) -> None:
    """The figures of the days that are left are those of before, also in a warehouse that is made anew."""
    path = tmp_path / "events.sqlite3"
    store_by_time(path)
    whole = exported(path)
    since = day_of(MONDAY + 6 * DAY)
    expected = by_day(whole, since)
    everybody = Filters(since=since, who=("player", "developer", "bot"))

    def shown(database: Database) -> dict[str, tuple[int, int]]:
        rows = ask(database, "overview", everybody)
        return {row.time: (row.players, row.new_players) for row in rows if row.period == "now" and row.time != "all"}

    with kept(path, 6) as one:
        # a request arrives with its newest event, so nothing that is removed is of the days that are compared
        before = shown(one.database)
        assert before == expected
        assert one.remove(MONDAY + 11 * DAY + HOUR) > 0
        left = len(exported(path))
        assert 0 < left < len(whole)
        assert len(one.ids()) == left
        assert shown(one.database) == expected
        assert not one.told
    with projected(path) as anew:
        assert shown(anew) == expected
        assert any(new < players for players, new in expected.values())


@pytest.mark.e2e
def test_what_goes_is_what_arrived_before(tmp_path: Path) -> None:
    """Log and warehouse lose the same requests: those that arrived before the first day that is kept."""
    path = tmp_path / "events.sqlite3"
    store_by_time(path)
    before = arrivals(path)
    with kept(path, 3) as one:
        one.remove(MONDAY + 8 * DAY + 5 * HOUR)
        kept_requests = before[next(n for n, (at, _) in enumerate(before) if at >= MONDAY + 5 * DAY) :]
        assert arrivals(path) == kept_requests
        assert len(one.ids()) == sum(number for _, number in kept_requests)


@pytest.mark.e2e
def test_days_are_those_of_the_zone(tmp_path: Path) -> None:
    """Midnight in Tokyo is nine hours before midnight in UTC."""
    path = tmp_path / "events.sqlite3"
    story = Story()
    story.session("p1", MONDAY + 14 * HOUR).end(30)
    late = Story(2)
    late.session("p2", MONDAY + 16 * HOUR).end(30)
    store_events(path, [(MONDAY + 14.5 * HOUR, story.events), (MONDAY + 16.5 * HOUR, late.events)])
    with kept(path, 1, "Asia/Tokyo") as one:
        one.remove(MONDAY + DAY + 16 * HOUR)  # Wednesday there; Tuesday began at 15:00 UTC of Monday
        assert [event["user_id"] for event in exported(path)] == ["p2", "p2"]


@pytest.mark.e2e
def test_steps_are_bounded(tmp_path: Path) -> None:
    """A long log goes in steps, between which requests are stored."""
    path = tmp_path / "events.sqlite3"
    story = Story()
    session = story.session("p1", MONDAY)
    for number in range(3 * EVENTS_PER_REMOVAL // 2):
        session.design(number, "tick")
    some = [story.events[at : at + 500] for at in range(0, len(story.events), 500)]
    store_events(path, [(MONDAY + 1, events) for events in some])
    with kept(path, 1) as one:
        assert one.remove(MONDAY + 5 * DAY) == 2
        assert one.ids() == []
        assert exported(path) == []


@pytest.mark.e2e
def test_a_log_without_events_goes_on(tmp_path: Path) -> None:
    """After all is removed, ids go on, the warehouse knows its log, and a known player is no new one."""
    path = tmp_path / "events.sqlite3"
    story = Story()
    story.session("p1", MONDAY).business(5, "pack:gold", 499).end(30)
    store_events(path, [(MONDAY + 60, story.events)])
    with kept(path, 1) as one:
        one.remove(MONDAY + 9 * DAY)
        assert one.log.execute(SELECT_LAST_ID).fetchone() == (3,)
        later = Story(3)
        later.session("p1", MONDAY + 9 * DAY).end(30)
        later.session("p2", MONDAY + 9 * DAY).end(30)
        store_events(path, [(MONDAY + 9 * DAY + 60, later.events)])
        one.projector.run_to_end()
        assert one.ids() == [4, 5, 6, 7]
        assert [ask(one.database, "overview")[0][n] for n in (2, 3, 4)] == [2, 1, 1]
        paid = one.database.writer.execute("SELECT paid_day FROM players ORDER BY user_id").fetchall()
        assert paid == [(day_of(MONDAY),), (None,)]
    with projected(path) as anew:
        assert [ask(anew, "overview")[0][n] for n in (2, 3, 4)] == [2, 1, 1]


@pytest.mark.e2e
@pytest.mark.parametrize("when", ["before the warehouse", "after both"])
def test_a_crash_in_between(tmp_path: Path, when: str) -> None:
    """If the process ends after the log's commit, the next pass brings the warehouse up to it."""
    path = tmp_path / "events.sqlite3"
    store_by_time(path)
    with kept(path, 2) as one:
        ids = one.ids()
        if when == "before the warehouse":
            up_to = last_old_id(one.log, MONDAY + 7 * DAY, 10**6)
            one.store.change(Change(removes_old(up_to, []), 0)).result(10)
            assert one.ids() == ids
        else:
            one.remove(MONDAY + 9 * DAY)
    with kept(path, 2) as again:
        again.remove(MONDAY + 9 * DAY)
        assert len(again.ids()) == len(exported(path)) < len(ids)
        sessions = again.database.writer.execute("SELECT count(*) FROM sessions").fetchone()
        assert sessions == (len({one["session_id"] for one in exported(path)}),)


@pytest.mark.e2e
def test_levels_and_hours_of_players_are_those_of_the_events_left(tmp_path: Path) -> None:
    """What is kept per level and hour equals what the rest of the log has, by plain Python."""
    path, story = tmp_path / "events.sqlite3", Story()
    for day in (0, 1, 8):
        session = story.session(f"p{day % 2}", MONDAY + day * DAY).level(1, "Start", "a")
        session.level(9, "Complete", "a", attempt_num=day + 1)
    store_events(path, [(e["client_ts"] + 0.5, [e]) for e in story.events])
    with kept(path, 2) as one:
        assert one.ids()
        one.remove(MONDAY + 9 * DAY)
        left = exported(path)
        assert {event["user_id"] for event in left} == {"p0"}
        (level,) = ask(one.database, "levels")
        starts = [event for event in left if event.get("event_id") == "Start:a"]
        assert (level.starts, level.completes, level.players) == (len(starts), 1, 1)
        assert [row.attempts for row in ask(one.database, "attempts")] == [9]
        assert [row.time for row in ask(one.database, "overview")] == ["all", str(day_of(MONDAY + 8 * DAY))]


@pytest.mark.e2e
def test_rejected_events_go_too(tmp_path: Path) -> None:
    """A player's name may be in them."""
    path = tmp_path / "events.sqlite3"
    store_by_time(path)
    with contextlib.closing(Store(path)) as store:
        store.submit(Submission("a" * 32, MONDAY, [], [RejectedEvent("design", b"{}", "[]")], 2)).result(10)
    with kept(path, 1) as one:
        one.remove(MONDAY + 90 * DAY)
        with contextlib.closing(Queries(path)) as queries:
            assert list(queries.rejected()) == []
