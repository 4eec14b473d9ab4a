"""Each metric equals what plain Python computes from the exported events, with every filter."""

from __future__ import annotations

import datetime
import statistics
from collections import Counter, defaultdict

import pytest

from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics.overview import filters_before
from tests.warehouse.golden import DAY, FILTERS, TODAY, Event, ask, day_of, each_filter, passes


def first_days(events: list[Event]) -> dict[str, datetime.date]:
    """Return the first day ever of each player."""
    found: dict[str, int] = {}
    for event in events:
        found[event["user_id"]] = min(event["client_ts"], found.get(event["user_id"], 2**40))
    return {user: day_of(at) for user, at in found.items()}


def sessions(events: list[Event]) -> dict[str, list[Event]]:
    """Return the events of each session in the order of their times."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event["client_ts"]):  # stable: of a second, in order of arrival
        found[event["session_id"]].append(event)
    return found


def levels_of(events: list[Event], filters: Filters) -> dict[tuple[str, str], list[Event]]:
    """Return the progression events of each player in each level, in the order of their times."""
    found: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event["client_ts"]):
        if event["category"] == "progression" and passes(event, filters):
            found[event["user_id"], event["event_id"].partition(":")[2]].append(event)
    return found


def status(event: Event) -> str:
    return str(event["event_id"].partition(":")[0])


@each_filter
def test_overview(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """Players, new ones, sessions, lengths and crashes by day and for the whole range."""
    new_on = first_days(golden_events)
    inside = [event for event in golden_events if passes(event, filters)]
    began = [one for one in sessions(golden_events).values() if passes(one[0], filters)]
    rows = {row.time: row for row in ask(golden, "overview", filters) if row.period == "now"}
    days = {day_of(event["client_ts"]) for event in inside}
    assert set(rows) == {"all", *map(str, days)}
    for time, row in rows.items():
        of_time = [event for event in inside if time in ("all", str(day_of(event["client_ts"])))]
        new = {e["user_id"] for e in of_time if new_on[e["user_id"]] == day_of(e["client_ts"])}
        some = [one for one in began if time in ("all", str(day_of(one[0]["client_ts"])))]
        lengths = [event["length"] for one in some for event in one if event["category"] == "session_end"]
        crashed = [one for one in some if any(event.get("severity") == "critical" for event in one)]
        assert row.players == len({event["user_id"] for event in of_time})
        assert (row.new_players, row.returning_players) == (len(new), row.players - len(new))
        assert (row.sessions, row.ended_sessions, row.crashed_sessions) == (len(some), len(lengths), len(crashed))
        assert row.mean_length == (pytest.approx(statistics.mean(lengths)) if lengths else None)
        assert row.median_length == (statistics.median(lengths) if lengths else None)
        assert row.playtime_per_player == (pytest.approx(sum(lengths) / row.players) if row.players else None)
        assert row.crash_free_sessions == (pytest.approx(1 - len(crashed) / len(some)) if some else None)


def test_overview_against_the_period_before(golden: Database) -> None:
    """The second row is the same number of days before the range."""
    filters = FILTERS["range"]
    before = filters_before(filters, TODAY)
    assert before is not None
    assert before.until == filters.since - datetime.timedelta(days=1)  # type: ignore[operator]  # it has a first day
    assert ask(golden, "overview", filters)[1]._replace(period="now") == ask(golden, "overview", before)[0]
    assert [row.period for row in ask(golden, "overview")].count("before") == 0


@pytest.mark.parametrize("metric", ["overview", "compare"])
@pytest.mark.parametrize("year", [1, 1000])
def test_no_period_before_the_calendar_begins(golden: Database, metric: str, year: int) -> None:
    """From a first day so early that the same number of days before it has no date, the metric still answers."""
    filters = Filters(since=datetime.date(year, 1, 1))
    assert filters_before(filters, TODAY) is None
    rows = ask(golden, metric, filters)
    assert "before" not in {row[0] for row in rows}
    assert ask(golden, "overview", filters) == ask(golden, "overview")


def test_overview_by_hour(golden: Database, golden_events: list[Event]) -> None:
    """Each hour has its players."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for event in golden_events:
        at = datetime.datetime.fromtimestamp(event["client_ts"], datetime.timezone.utc)
        found[f"{at:%Y-%m-%d %H}:00"].add(event["user_id"])
    rows = ask(golden, "overview", bucket="hour")
    assert {row.time: row.players for row in rows[1:]} == {hour: len(users) for hour, users in found.items()}


CONTEXT = ("build", "platform", "os_version", "device", "custom_01", "custom_02", "custom_03", "ab_id", "ab_variant_id")
"""The fields of a context, beside who plays: a player is always the same here."""


@each_filter
def test_levels(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """Starts, fails, completes, abandons, players, times and drop-off of each level, in the order of play."""
    visits = levels_of(golden_events, filters)
    rows = ask(golden, "levels", filters)
    means = mean_places(golden_events, filters)
    assert {row.level for row in rows} == set(means)
    assert [means[row.level] for row in rows] == sorted(means.values())
    for row, following in zip(rows, [*rows[1:], None], strict=False):
        by_player = {user: Counter(map(status, some)) for (user, level), some in visits.items() if level == row.level}
        total = sum(by_player.values(), Counter())
        completers = {user for user, counts in by_player.items() if counts["Complete"]}
        some = [event for (_, level), events in visits.items() if level == row.level for event in events]
        seconds = [event["custom_fields"]["seconds"] for event in some if "seconds" in event.get("custom_fields", {})]
        scores = [event["score"] for event in some if "score" in event]
        abandons = sum(max(0, one["Start"] - one["Fail"] - one["Complete"]) for one in by_player.values())
        assert (row.starts, row.fails, row.completes) == (total["Start"], total["Fail"], total["Complete"])
        assert (row.abandons, row.players, row.completers) == (abandons, len(by_player), len(completers))
        assert row.median_seconds == (statistics.median(seconds) if seconds else None)
        assert row.mean_score == (pytest.approx(statistics.mean(scores)) if scores else None)
        assert row.is_few == (len(by_player) < 20)
        assert row.next_level == (following.level if following else "")
        stayed = {user for user in completers if following and (user, following.level) not in visits}
        assert row.left_after == len(stayed)


def order(event: Event) -> tuple[int, int]:
    return event["client_ts"], event["position"]


def mean_places(events: list[Event], filters: Filters) -> dict[str, float]:
    """Return the mean place of each level: its number among the player's levels by arrival, once a day and context."""
    reached: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for event in sorted(events, key=lambda event: event["position"]):
        if event["category"] == "progression":
            own = reached[event["user_id"]]
            own.setdefault(event["event_id"].partition(":")[2], len(own) + 1)
    days = {
        (user, level, day_of(event["client_ts"]), *(event.get(name, "") for name in CONTEXT))
        for (user, level), some in levels_of(events, filters).items()
        for event in some
    }
    places: defaultdict[str, list[int]] = defaultdict(list)
    for user, level, *_ in days:
        places[level].append(reached[user][level])
    return {level: statistics.mean(some) for level, some in places.items()}


@each_filter
def test_attempts(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """The attempt_num of each player's first Complete, and its median and 90th percentile on the level."""
    needed: defaultdict[str, list[int]] = defaultdict(list)
    for (_, level), events in levels_of(golden_events, filters).items():
        firsts = [event["attempt_num"] for event in events if status(event) == "Complete"][:1]
        needed[level] += firsts
    expected = {(level, tries): number for level, some in needed.items() for tries, number in Counter(some).items()}
    assert {(row.level, row.attempts): row.players for row in ask(golden, "attempts", filters)} == expected
    for row in ask(golden, "levels", filters):
        some = sorted(needed[row.level])
        assert row.median_attempts == (statistics.median(some) if some else None)
        if len(some) > 1:
            assert row.p90_attempts == pytest.approx(statistics.quantiles(some, n=10, method="inclusive")[8])


@each_filter
def test_retention(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """New players who passed on their first day, and those of them with an event n days later."""
    new_on = first_days(golden_events)
    seen = {(event["user_id"], day_of(event["client_ts"])) for event in golden_events}
    new: defaultdict[datetime.date, set[str]] = defaultdict(set)
    for event in golden_events:
        day = day_of(event["client_ts"])
        if new_on[event["user_id"]] == day and passes(event, filters):
            new[day].add(event["user_id"])
    expected = [
        (first, len(new[first]), n, sum((user, first + n * datetime.timedelta(1)) in seen for user in new[first]))
        for first in sorted(new, reverse=True)
        for n in range(1, 31)
        if first + n * datetime.timedelta(1) < TODAY
    ]
    assert [(row.first_day, row.new_players, row.day, row.returned) for row in ask(golden, "retention", filters)] == (
        expected
    )


def test_the_golden_events_reach_all_parts(golden: Database, golden_events: list[Event]) -> None:
    """The comparisons above compare something."""
    assert 1_000 < len(golden_events) < 3_000
    assert (max(e["client_ts"] for e in golden_events) - min(e["client_ts"] for e in golden_events)) > 9 * DAY
    rows = ask(golden, "levels")
    assert len(rows) == 5
    assert sum(row.abandons for row in rows) > 5
    assert sum(row.left_after for row in rows) > 5
    assert {row.is_few for row in rows} == {True, False}
    assert sum(row.returned for row in ask(golden, "retention")) > 20
