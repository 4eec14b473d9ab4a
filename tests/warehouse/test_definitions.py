"""Small stories with figures that a person counts: the edge cases of the definitions."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.warehouse.asking import Question, answer_metric
from ga_pygame.collector.warehouse.database import Database, sql_text
from ga_pygame.collector.warehouse.filters import BadFilter, Filters, filters_from
from ga_pygame.collector.warehouse.intervals import percentile, share_of
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.metrics.retention import mean_retention
from tests.warehouse.golden import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    TODAY,
    Story,
    ask,
    projected,
    store_events,
    store_story,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.mark.requirement("002:days-in-utc")
def test_a_session_over_midnight(file: Path) -> None:
    """It is one session, of the day on which it began; its player was there on both days, and came back on day 1."""
    story = Story()
    story.session("ann", MONDAY + DAY - 10 * MINUTE).design(20 * MINUTE, "a").end(30 * MINUTE)
    store_story(file, story)
    with projected(file) as database:
        whole, first, second = ask(database, "overview")
        assert (whole.players, whole.new_players, whole.sessions, whole.median_length) == (1, 1, 1, 1800)
        assert (first.time, first.players, first.new_players, first.sessions) == ("2026-03-02", 1, 1, 1)
        assert (second.time, second.players, second.returning_players, second.sessions) == ("2026-03-03", 1, 1, 0)
        assert second.crash_free_sessions is None
        cells = ask(database, "retention")
        assert [(cell.day, cell.returned) for cell in cells[:2]] == [(1, 1), (2, 0)]
        assert len(cells) == 17  # up to the day before TODAY
        assert mean_retention(cells, 1) == 1.0


def test_another_time_zone_has_other_days(file: Path) -> None:
    """In Los Angeles, 8 hours behind, the same session lies within one day."""
    story = Story()
    story.session("ann", MONDAY + DAY - 10 * MINUTE).design(20 * MINUTE, "a").end(30 * MINUTE)
    store_story(file, story)
    with projected(file, "America/Los_Angeles") as database:
        assert [(row.time, row.players) for row in ask(database, "overview")] == [("all", 1), ("2026-03-02", 1)]
        assert [row.time for row in ask(database, "overview", bucket="hour")] == [
            "all",
            "2026-03-02 15:00",
            "2026-03-02 16:00",
        ]


def test_events_that_come_a_week_late(file: Path) -> None:
    """They count on the day on which they happened, also if later ones are known already: the first day moves back."""
    early, late = Story(1), Story(2)
    early.session("ann", MONDAY).design(5, "a").end(60)
    late.session("ann", MONDAY + 7 * DAY).end(30)
    store_events(file, [(MONDAY + 7 * DAY + 40, late.events), (MONDAY + 7 * DAY + 50, early.events)])
    with projected(file) as database:
        rows = ask(database, "overview")
        assert [(row.time, row.new_players) for row in rows] == [("all", 1), ("2026-03-02", 1), ("2026-03-09", 0)]
        assert [cell.day for cell in ask(database, "retention") if cell.returned] == [7]


@pytest.mark.e2e
def test_a_first_complete_that_comes_late(file: Path) -> None:
    """The attempts are those of the Complete that happened first, also if a later one was projected before it."""
    early, late = Story(1), Story(2)
    early.session("ann", MONDAY).level(9, "Complete", "a", attempt_num=2)
    late.session("ann", MONDAY).level(60, "Complete", "a", attempt_num=5)
    store_events(file, [(MONDAY + 70, late.events)])
    with projected(file, database=file.with_suffix(".duckdb")) as database:
        assert [(row.attempts, row.players) for row in ask(database, "attempts")] == [(5, 1)]
    store_events(file, [(MONDAY + 80, early.events)])
    with projected(file, database=file.with_suffix(".duckdb")) as database:
        assert [(row.attempts, row.players) for row in ask(database, "attempts")] == [(2, 1)]
        (level,) = ask(database, "levels")
        assert (level.starts, level.completes, level.players, level.median_attempts) == (0, 2, 1, 2)


def test_a_players_clock_that_is_ahead(file: Path) -> None:
    """Times after the arrival are impossible: they are moved back together, so the order and the gaps stay."""
    story = Story()
    story.session("ann", MONDAY + 3 * DAY).level(10, "Start", "a").level(70, "Complete", "a", attempt_num=1)
    store_events(file, [(MONDAY + 71.5, story.events)])
    with projected(file) as database:
        times = database.ask(lambda cursor: cursor.execute("SELECT client_ts FROM events ORDER BY id").fetchall())
        begin = datetime.datetime(2026, 3, 2, 0, 0, 1)  # 71 s, the last event's time, minus 70
        assert [time.replace(microsecond=0) - begin for (time,) in times] == [
            datetime.timedelta(seconds=seconds) for seconds in (0, 10, 70)
        ]


def test_a_time_that_is_nonsense_does_not_move_the_others(file: Path) -> None:
    """An event of the year 5138 among others happened when it arrived."""
    story = Story()
    story.session("ann", MONDAY).design(99_999_999_999 - MONDAY, "a").end(60)
    store_events(file, [(MONDAY + 61.5, story.events)])
    with projected(file) as database:
        assert [(row.time, row.players) for row in ask(database, "overview")] == [("all", 1), ("2026-03-02", 1)]


def test_no_session_end_and_two(file: Path) -> None:
    """A session without an end has no length; of two ends the longer one counts."""
    story = Story()
    story.session("ann", MONDAY).design(5, "a")
    story.session("bob", MONDAY).end(40).end(50)
    store_story(file, story)
    with projected(file) as database:
        row = ask(database, "overview")[0]
        assert (row.sessions, row.ended_sessions, row.mean_length, row.playtime_per_player) == (2, 1, 50, 25)


def test_duplicates_and_a_player_with_one_event(file: Path) -> None:
    """An event that is sent twice counts once; a player with one event is a player."""
    story = Story()
    story.session("ann", MONDAY)
    store_events(file, [(MONDAY + 1, story.events), (MONDAY + 2, story.events)])
    with projected(file) as database:
        row = ask(database, "overview")[0]
        assert (row.players, row.sessions, row.ended_sessions, row.median_length) == (1, 1, 0, None)
        assert database.ask(lambda cursor: cursor.execute("SELECT count(*) FROM events").fetchone()) == (1,)


def test_errored_and_crashed_sessions(file: Path) -> None:
    """A session with a critical error crashed, whatever else it has; one with lesser errors only is errored."""
    story = Story()
    story.session("ann", MONDAY).error(1, "error", "a").error(2, "critical", "b")
    story.session("ann", MONDAY + HOUR).error(1, "warning", "a")
    story.session("bob", MONDAY).end(5)
    store_story(file, story)
    with projected(file) as database:
        row = ask(database, "overview")[0]
        assert (row.sessions, row.errored_sessions, row.crashed_sessions) == (3, 1, 1)
        assert row.crash_free_sessions == pytest.approx(2 / 3)


def test_levels_of_a_small_game(file: Path) -> None:
    """Starts, fails, completes, abandons and drop-off of three players."""
    story = Story()
    ann = story.session("ann", MONDAY).level(1, "Start", "a").level(9, "Fail", "a", 8.0, attempt_num=1)
    ann.level(10, "Start", "a").level(30, "Complete", "a", 20.0, attempt_num=2, score=100).level(31, "Start", "b")
    bob = story.session("bob", MONDAY).level(1, "Start", "a").level(5, "Complete", "a", 4.0, attempt_num=1, score=50)
    bob.end(6)
    story.session("eve", MONDAY).level(1, "Start", "a").end(2)
    store_story(file, story)
    with projected(file) as database:
        a, b = ask(database, "levels")
    assert (a.level, a.starts, a.fails, a.completes, a.abandons) == ("a", 4, 1, 2, 1)
    assert (a.players, a.completers, a.completion_rate) == (3, 2, 0.5)
    assert (a.drop_off, a.next_level, a.left_after, a.left_after_rate) == (pytest.approx(1 / 3), "b", 1, 0.5)
    assert (a.median_attempts, a.p90_attempts) == (1.5, pytest.approx(1.9))
    assert (a.median_seconds, a.mean_score, a.is_few) == (8.0, 75.0, True)
    assert (b.level, b.starts, b.abandons, b.players, b.completion_rate) == ("b", 1, 1, 1, 0.0)
    assert (b.next_level, b.left_after, b.left_after_rate, b.median_attempts) == ("", 0, None, None)


def test_attempts_of_a_game_that_sends_no_attempt_num(file: Path) -> None:
    """They are the player's Fails before the first Complete, plus 1, also within one second."""
    story = Story()
    ann = story.session("ann", MONDAY)
    ann.level(1, "Fail", "a").level(2, "Fail", "a").level(2, "Complete", "a").level(9, "Fail", "a")
    story.session("bob", MONDAY).level(1, "Complete", "a")
    store_story(file, story)
    with projected(file) as database:
        assert [(row.attempts, row.players) for row in ask(database, "attempts")] == [(1, 1), (3, 1)]


@pytest.mark.e2e
def test_a_game_with_three_thousand_levels(file: Path) -> None:
    """All of them are listed, in the order of play, not in that of their names."""
    story = Story()
    for user in ("ann", "bob"):
        session = story.session(user, MONDAY)
        for number in range(3000):
            session.level(number, "Start", f"world:{(number * 7) % 3000}")
    store_story(file, story)
    with projected(file) as database:
        levels = ask(database, "levels")
    assert [row.level for row in levels] == [f"world:{(number * 7) % 3000}" for number in range(3000)]
    assert {row.players for row in levels} == {2}


def test_wilson_intervals() -> None:
    """Values of the literature: 8 of 10 is 0.490 to 0.943; of nothing there is no share."""
    share = share_of(8, 10)
    assert (share.rate, round(share.low or 0, 3), round(share.high or 0, 3)) == (0.8, 0.49, 0.943)
    assert share_of(0, 0) == (None, None, None)
    assert share_of(0, 5).low == 0.0
    assert share_of(5, 5).high == 1.0


def test_percentiles() -> None:
    """They are interpolated between the two neighbours."""
    assert percentile({1: 3, 2: 1}, 0.5) == 1
    assert percentile({1: 1, 4: 1}, 0.5) == 2.5
    assert percentile({}, 0.5) is None


def test_filters_from_texts() -> None:
    """They are read by their names; what cannot be read says what is right."""
    found = filters_from({"since": "2026-01-31", "who": "player,bot", "build": "'; DROP TABLE events"})
    assert found == Filters(since=datetime.date(2026, 1, 31), who=("player", "bot"), build="'; DROP TABLE events")
    for wrong in (
        {"since": "yesterday"},
        {"who": "cat"},
        {"built": "1"},
        {"since": "2026-02-01", "until": "2026-01-01"},
    ):
        with pytest.raises(BadFilter):
            filters_from(wrong)


@pytest.mark.e2e
def test_players_count_by_default_once_there_are_any(tmp_path: Path) -> None:
    """A developer's events are all there is at first; later they would spoil the figures."""
    story = Story()
    story.session("dev", MONDAY, custom_fields={"ga_who": "developer"}).end(10)
    assert _counted(tmp_path / "first.sqlite3", story) == {"": 1, "developer": 1, "player": 0}
    story.session("ann", MONDAY).end(10)
    story.session("bob", MONDAY).end(10)
    assert _counted(tmp_path / "second.sqlite3", story) == {"": 2, "developer": 1, "player": 2}


def _counted(path: Path, story: Story) -> dict[str, int]:
    """Count the players of a story by the filter of who plays; "" means no filter."""
    store_story(path, story)
    found = {}
    with projected(path) as database:
        for who in ("", "developer", "player"):
            filters = Filters(who=(who,) if who else ())

            def players(cursor: Any, filters: Filters = filters) -> Any:
                return answer_metric(Question(cursor, filters, TODAY), METRICS["overview"], {})

            rows = database.ask(players)
            found[who] = rows[0].players if rows else 0
    return found


def test_each_macro_is_defined_once() -> None:
    """A second definition would silently change what the first one's queries count."""
    names = re.findall(r"MACRO (\w+)", sql_text("macros.sql"))
    assert sorted(names) == sorted(set(names))


def test_numbers_with_which_nothing_can_be_computed(file: Path) -> None:
    """Texts as `nan`, infinite sums and numbers next to 0 are none, and each metric answers beside them."""
    story = Story()
    session = story.session("ann", MONDAY)
    for text in ("nan", "inf", "1e308"):
        session.level(1, "Fail", "a", custom_fields={"seconds": text, "hitches": text})
    session.level(2, "Fail", "a", custom_fields={"seconds": 3.5, "hitches": 2})
    for value in (1e308, 1e308, -1e308, 5e-324, 7):
        session.design(3, "k", value)
    session.resource(4, "Source:gold:pickup:coin", 1e308).resource(5, "Source:gold:pickup:coin", 8)
    session.end(9, length=2**63 - 1)
    store_story(file, story)
    with projected(file) as database:
        (level,), (hitches,) = ask(database, "levels"), ask(database, "hitches")
        assert (level.fails, level.median_seconds, hitches.hitches) == (4, 3.5, 2)
        assert [(node.values, node.sum) for node in ask(database, "design")] == [(2, 7)]
        assert sum(row.events for row in ask(database, "design_values")) == 2
        assert [row.source for row in ask(database, "economy")] == [8]
        assert ask(database, "players")[0].playtime == 0


def test_a_rollback_takes_no_room_from_the_sets_of_players() -> None:
    """The macros that a rollback brings back have too little room, so they are defined again."""
    database = Database(None)
    database.make_anew()
    writer = database.writer
    for _ in range(2):
        writer.begin()
        writer.execute("INSERT INTO players SELECT i, 1, i, now(), now(), 0, NULL, NULL FROM range(1, 2001) t(i)")
        database.fit_sets(writer)
        writer.rollback()
        database.forget_sets()
        database.fit_sets(writer)
    assert writer.execute("SELECT setSize(playerSet(1000))").fetchall() == [(1,)]
    writer.execute("INSERT INTO players SELECT i, 1, i, now(), now(), 0, NULL, NULL FROM range(1, 2001) t(i)")
    database.fit_sets(writer)
    assert writer.execute("SELECT setSize(playerSet(2000))").fetchall() == [(1,)]
    database.close()
