"""The list of players, a player's timeline, and how smoothly their games ran: as plain Python computes them."""

from __future__ import annotations

import contextlib
import datetime
import json
import random
import sqlite3
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.warehouse.asking import whole_number
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import BadFilter, Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.warehouse.golden import (
    DAY,
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


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden events with health events of four devices, and purchases in another currency."""
    story, rng = golden_story(), random.Random(6)
    for event in list(story.events):
        device = rng.choice(["Deck", "unknown", "", "Pi"])
        for number in range(rng.randrange(4) if event["category"] in ("user", "progression") else 0):
            fields: dict[str, Any] = {"fps": rng.randrange(200, 1200) / 10, "frame_ms_p99": rng.randrange(80, 320) / 4}
            if rng.random() < 0.9:
                fields["mem_mb"] = rng.randrange(500, 2000) / 10
            at = event["client_ts"] + number * rng.randrange(20)
            own = {"category": "health", "client_ts": at, "device": device, "event_uuid": story.new_id()}
            kept = {name: value for name, value in event.items() if name not in ("event_id", "attempt_num", "score")}
            story.events.append({**kept, **own, **fields})
        if event["category"] == "business":
            story.events.append({**event, "event_uuid": story.new_id(), "currency": "EUR", "amount": 250})
    path = tmp_path_factory.mktemp("players") / "events.sqlite3"
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


def utc(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M:%S}"


def quantile(values: list[float], part: float) -> float | None:
    """Interpolate between the two neighbours of a place in the sorted values."""
    if not values:
        return None
    some = sorted(values)
    place = part * (len(some) - 1)
    low = int(place)
    return some[low] + (some[min(low + 1, len(some) - 1)] - some[low]) * (place - low)


@pytest.mark.e2e
@each_filter
def test_the_list_of_players(database: Database, told: list[Event], filters: Filters) -> None:
    """First and last time, sessions, playtime, levels, purchases by currency and errors; seen last first."""
    sessions: defaultdict[str, list[Event]] = defaultdict(list)
    for event in told:
        sessions[event["session_id"]].append(event)
    began: defaultdict[str, list[list[Event]]] = defaultdict(list)
    for events in sessions.values():
        if passes(events[0], filters):
            began[events[0]["user_id"]].append(events)
    rows = ask(database, "players", filters)
    assert {row.user_id for row in rows} == set(began)
    assert [row.last_seen for row in rows] == sorted((row.last_seen for row in rows), reverse=True)
    for row in rows:
        own = began[row.user_id]
        inside = [event for event in told if event["user_id"] == row.user_id and passes(event, filters)]
        completed = {event["event_id"] for event in inside if event.get("event_id", "").startswith("Complete:")}
        bought = [event for event in inside if event["category"] == "business"]
        first = next(event["client_ts"] for event in told if event["user_id"] == row.user_id)
        assert (row.first_seen, row.last_seen) == (
            utc(first),
            utc(max(event["client_ts"] for events in own for event in events)),
        )
        assert row.sessions == len(own)
        assert row.playtime == sum(event.get("length", 0) for events in own for event in events)
        assert (row.levels_completed, row.purchases) == (len(completed), len(bought))
        assert row.errors == sum(event["category"] == "error" for event in inside)
        tests = [(event.get("ab_id", ""), event["ab_variant_id"]) for event in inside if event.get("ab_variant_id")]
        assert (row.ab_id, row.ab_variant_id) == (tests[-1] if tests else ("", ""))
        sums = {
            currency: sum(event["amount"] for event in bought if event["currency"] == currency)
            for currency in sorted({event["currency"] for event in bought})
        }
        assert row.spent == ", ".join(f"{cents / 100:.2f} {currency}" for currency, cents in sums.items())
    assert filters.build == "9.9" or rows
    assert filters.build == "9.9" or {row.ab_variant_id for row in rows} <= {"a", "b"}


def test_some_players_paid_in_two_currencies(database: Database) -> None:
    """The comparison above compares that."""
    assert {len(row.spent.split(", ")) for row in ask(database, "players") if row.spent} == {2}


def test_the_newest_group_of_an_ab_test(tmp_path: Path) -> None:
    """The group of the newest session that names one: a later session without an answer of the service keeps it."""
    story = Story()
    story.session("ann", MONDAY, ab_id="jump", ab_variant_id="low").end(5)
    story.session("ann", MONDAY + 60, ab_id="speed", ab_variant_id="high").end(5)
    story.session("ann", MONDAY + 120).end(5)
    story.session("bob", MONDAY).end(5)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:
        groups = {row.user_id: (row.ab_id, row.ab_variant_id) for row in ask(found, "players")}
    assert groups == {"ann": ("speed", "high"), "bob": ("", "")}


def test_players_are_searched(tmp_path: Path) -> None:
    """By any part of the id, in any case; what a person types is data. The limit counts players, not rows."""
    story = Story()
    for number, user in enumerate(("Ann", "hannah", "bob", "100%", "' OR 1=1 --")):
        story.session(user, MONDAY + number).business(1, "a:b", 100).business(1, "a:b", 100, "EUR").end(5)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:

        def search(text: str, limit: int = 300) -> list[str]:
            return [row.user_id for row in ask(found, "players", search=text, limit=limit)]

        assert search("ANN") == ["hannah", "Ann"]
        assert search("%") == ["100%"]
        assert search("_") == search("x") == []
        assert search("' or 1") == ["' OR 1=1 --"]
        assert search("", 2) == ["' OR 1=1 --", "100%"]
        assert len(search("")) == 5


@each_filter
def test_the_timeline(database: Database, told: list[Event], filters: Filters) -> None:
    """All events that pass, the newest first; pages join without a gap or an event twice."""
    passing = [event for event in told if passes(event, filters)]
    expected = [(utc(event["client_ts"]), event["user_id"]) for event in reversed(passing)]
    found: list[Any] = []
    newest = 0
    while not found or newest:
        page = ask(database, "timeline", filters, newest=newest, limit=301)
        found += page[:300]
        newest = page[300].id if len(page) > 300 else 0
        if not page:
            break
    assert [(row.time, row.user_id) for row in found] == expected
    assert len({row.id for row in found}) == len(found)


def test_a_timeline_in_words(tmp_path: Path) -> None:
    """What was bought, failed and crashed, with its number and unit; another player's events are not there."""
    story = Story()
    ann = story.session("ann", MONDAY, build="1.0", session_num=4).level(1, "Start", "forest:1")
    ann.level(9, "Complete", "forest:1", score=120).design(10, "kill:bat", 2.5).resource(11, "Source:gold:a:b", 3)
    ann.business(12, "pack:gold", 499, "EUR").add(13, "health", fps=59.5).error(14, "critical", "boom").end(15)
    story.session("bob", MONDAY).end(5)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:
        rows = ask(found, "timeline", Filters(user_id="ann"))
    assert {(row.user_id, row.build, row.session_num) for row in rows} == {("ann", "1.0", 4)}
    assert [(row.happened, row.name, row.value, row.unit) for row in rows] == [
        ("session ends", "", 15, "s"),
        ("crashed", "boom", None, ""),
        ("health", "", 59.5, "fps"),
        ("bought", "pack:gold", 4.99, "EUR"),
        ("earned", "gold:a:b", 3, "gold"),
        ("design", "kill:bat", 2.5, ""),
        ("level completed", "forest:1", 120, ""),
        ("level started", "forest:1", None, ""),
        ("session starts", "", None, ""),
    ]


def samples_by_part(told: list[Event], filters: Filters, by: str) -> dict[str, list[Event]]:
    """Return the health events that pass by their part."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    playing: dict[str, str] = {}
    for event in told:
        if event["category"] == "progression":
            status, _, level = event["event_id"].partition(":")
            playing[event["session_id"]] = level if status == "Start" else ""
        elif event["category"] == "health" and passes(event, filters):
            system = event["os_version"] if event["device"] in ("", "unknown") else event["device"]
            part = playing.get(event["session_id"], "") if by == "level" else system
            found[event[by] if by in ("build", "platform") else part].append(event)
    return found


@pytest.mark.parametrize("by", ["build", "platform", "device", "level"])
@each_filter
def test_health(database: Database, told: list[Event], filters: Filters, by: str) -> None:
    """Frame rate, frame times and memory of each part, the part with most samples first."""
    parts = samples_by_part(told, filters, by)
    rows = ask(database, "health", filters, by=by)
    assert {row.part: row.samples for row in rows} == {part: len(some) for part, some in parts.items()}
    assert [row.samples for row in rows] == sorted((row.samples for row in rows), reverse=True)
    for row in rows:
        some = parts[row.part]
        rates = [event["fps"] for event in some]
        times = [event["frame_ms_p99"] for event in some]
        memory = [event["mem_mb"] for event in some if "mem_mb" in event]
        assert row.players == len({event["user_id"] for event in some})
        assert row.median_fps == pytest.approx(statistics.median(rates))
        assert row.p05_fps == pytest.approx(quantile(rates, 0.05))
        assert row.median_ms == pytest.approx(1000 / statistics.median(rates))
        assert row.median_p99_ms == pytest.approx(statistics.median(times))
        assert row.hitches_share == pytest.approx(sum(time > 50 for time in times) / len(times))
        assert row.median_mb == (pytest.approx(statistics.median(memory)) if memory else None)
        assert row.p95_mb == (pytest.approx(quantile(memory, 0.95)) if memory else None)
        assert row.is_few == (row.players < 20)


def test_health_of_official_sdks(tmp_path: Path) -> None:
    """Of 100 s, 2 at 30 and 98 at 60 frames: a mean of 59.4, 1 % at 30; odd tables, of older logs, are no figure."""
    table = [0] * 121
    table[30], table[60] = 2, 98
    story = Story()
    session = story.session("ann", MONDAY, build="sdk").add(1, "health", fps_data_table=table)
    session.add(2, "health", fps_data_table=[0] * 121).end(99)
    log = tmp_path / "events.sqlite3"
    store_story(log, story)
    odd: list[Any] = [[], "fast", [1, None, 3], [-1, 2], [[1]], {"a": 1}, 7]
    body = json.dumps([{**story.events[1], "fps_data_table": one} for one in odd]).encode()
    with contextlib.closing(sqlite3.connect(log)) as db, db:
        ((last, game),) = db.execute("SELECT max(id), max(game_id) FROM batches").fetchall()
        row = (last + len(odd), len(odd), game, MONDAY + 99, ",".join(["health"] * len(odd)), body)
        db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
    with projected(log) as found:
        (row,) = ask(found, "health")
    assert (row.part, row.samples, row.players) == ("sdk", 9, 1)
    assert (row.median_fps, row.median_p99_ms) == (pytest.approx(59.4), pytest.approx(1000 / 30))
    assert (row.hitches_share, row.median_mb) == (0, None)


def test_no_samples_and_no_rate(tmp_path: Path) -> None:
    """A rate of 0 has no frame time; without events there are no rows."""
    story = Story()
    story.session("ann", MONDAY).add(1, "health", fps=0, frame_ms_p99=100).end(5)
    story.session("bob", MONDAY + DAY).end(5)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as found:
        (row,) = ask(found, "health")
        assert (row.median_fps, row.median_ms, row.hitches_share) == (0, None, 1)
        for by in ("build", "level"):
            assert ask(found, "health", Filters(user_id="bob"), by=by) == []


def test_options_are_read() -> None:
    """Each option of the metrics is read from a text, or named if it is wrong."""
    assert METRICS["health"].options["by"]("level") == "level"
    assert METRICS["timeline"].options["newest"]("12") == 12
    assert METRICS["timeline"].options["limit"]("999999") == 1000
    assert METRICS["players"].options["limit"]("999999") == 10_000
    assert METRICS["players"].options["search"]("ann") == "ann"
    with pytest.raises(BadFilter, match="by must be one of: build, platform, device, level"):
        METRICS["health"].options["by"]("moon")
    for wrong in ("-1", "1.5", "²", "9" * 19, ""):
        with pytest.raises(BadFilter, match="limit must be a whole number"):
            whole_number("limit", wrong)
