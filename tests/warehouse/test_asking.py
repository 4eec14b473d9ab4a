"""What a metric's function asks: one state of the tables, two questions at a time, within the memory that there is."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from ga_pygame.collector.warehouse.asking import Question
from ga_pygame.collector.warehouse.database import (
    MAX_PARSED_QUERIES,
    Database,
    NotReady,
    ReadTransaction,
    WarehouseLimits,
)
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.warehouse.golden import TODAY

PLAYERS, LEVELS, LEVELS_OF_A_PLAYER = 20_000, 3_000, 100
NUMBER = "SELECT count(*) FROM games"


@pytest.fixture
def database() -> Iterator[Database]:
    """A warehouse with a player and a game."""
    with closing(Database(None)) as database:
        database.make_anew()
        database.writer.execute("INSERT INTO games VALUES (1, 'a')")
        made = "1, 1, 'ann', TIMESTAMP '2026-03-02', DATE '2026-03-02', 0, NULL, NULL"
        database.writer.execute(f"INSERT INTO players VALUES ({made})")
        database.fit_sets(database.writer)
        yield database


def games(question: Question) -> int:
    """Count the games that a question sees."""
    return int(question.cursor.execute(NUMBER, {}).fetchall()[0][0])


def write_game(database: Database) -> None:
    """Write one more, as the writing thread does."""
    database.writer.begin()
    database.writer.execute("INSERT INTO games VALUES (2, 'b')")
    database.commit(database.writer)


def test_questions_that_are_asked_together_see_the_same_state(database: Database) -> None:
    """Two are answered at the same time; what is committed after the metric began is in none of them."""
    both = threading.Barrier(2, timeout=20)

    def wait_and_count(question: Question) -> int:
        both.wait()
        return games(question)

    def write_and_count(question: Question) -> int:
        write_game(database)
        return wait_and_count(question)

    def metric(transaction: ReadTransaction) -> list[int]:
        return Question(transaction, Filters(), TODAY).together(write_and_count, wait_and_count, games)

    assert database.ask(metric) == [1, 1, 1]
    assert database.ask(lambda transaction: games(Question(transaction, Filters(), TODAY))) == 2


def test_after_and_in_a_commit_questions_are_asked_one_after_the_other(database: Database) -> None:
    """A second cursor could see another state then; a question does not wait for the commit."""

    def write_and_ask(transaction: ReadTransaction) -> list[int]:
        question = Question(transaction, Filters(), TODAY)
        before = games(question)
        write_game(database)
        with transaction.another() as cursor:
            assert cursor is None
        return [before, *question.together(games, games)]

    assert database.ask(write_and_ask) == [1, 1, 1]

    class SlowCommit:
        def commit(self) -> None:
            assert database.ask(metric) == [2, 2]

    def metric(transaction: ReadTransaction) -> list[int]:
        with transaction.another() as cursor:
            assert cursor is None
        return Question(transaction, Filters(), TODAY).together(games, games)

    database.commit(SlowCommit())  # type: ignore[arg-type]


def test_an_error_in_one_of_them_is_that_of_all(database: Database) -> None:
    """It is raised when the other one has ended, and the next metric is answered."""

    def fails(question: Question) -> None:
        question.cursor.execute("SELECT error('odd')", {})

    with pytest.raises(duckdb.Error, match="odd"):
        database.ask(lambda transaction: Question(transaction, Filters(), TODAY).together(games, fails, games))
    assert database.ask(lambda transaction: Question(transaction, Filters(), TODAY).together(games, games)) == [1, 1]


def test_a_file_that_is_closed_meanwhile_ends_both(database: Database) -> None:
    """A metric that is being answered ends with an error that says so; no thread is left."""
    begun = threading.Barrier(3, timeout=20)

    def ask_for_long(question: Question) -> None:
        begun.wait()
        question.cursor.execute("SELECT sum(range) FROM range(1_000_000_000_000)", {}).fetchall()

    def close() -> None:
        begun.wait()
        database.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(NotReady):
        database.ask(lambda transaction: Question(transaction, Filters(), TODAY).together(ask_for_long, ask_for_long))
    closing.join(20)
    assert not closing.is_alive()
    assert not [one for one in threading.enumerate() if one.name.startswith("ga-collector-metrics")]


SIDES = {
    "two builds": (Filters(build="1.0", who=("player",)), Filters(build="1.1", who=("player",))),
    "a build and all": (Filters(build="1.0"), Filters()),
    "days that overlap": (
        Filters(since=TODAY - datetime.timedelta(17)),
        Filters(until=TODAY - datetime.timedelta(13)),
    ),
    "a build of some days and another": (Filters(build="1.0", until=TODAY), Filters(build="1.1")),
}


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("name", ["levels", "attempts", "level_times", "retention", "compared"])
def test_both_sides_get_what_each_gets_alone(golden: Database, name: str, sides: str) -> None:
    """Also if they share rows."""
    first, second = SIDES[sides]
    values = {"levels": {"first": 1, "last": 1024}, "retention": {"today": TODAY, "longest": 30}}.get(name, {})

    def rows(first: Filters, second: Filters | None = None) -> list[tuple[object, ...]]:
        found = golden.ask(
            lambda transaction: Question(transaction, first, TODAY, second).rows(name, None, **values)  # type: ignore[arg-type]
        )
        return sorted(found, key=lambda row: row[0])

    assert rows(first)
    assert rows(second)
    assert rows(first, second) == [*rows(first), *((1, *row) for _, *row in rows(second))]


def test_queries_are_parsed_once(database: Database) -> None:
    """Questions share what was parsed; the oldest texts do not fill the memory."""
    texts = [f"SELECT {number}" for number in range(MAX_PARSED_QUERIES + 1)]

    def ask_all(transaction: ReadTransaction) -> dict[str, duckdb.Statement]:
        assert [transaction.execute(text).fetchall() for text in texts] == [[(i,)] for i in range(len(texts))]
        return dict(transaction.parsed)

    first = database.ask(ask_all)
    assert 0 < len(first) <= MAX_PARSED_QUERIES
    again = database.ask(lambda transaction: (transaction.execute(texts[-1]), dict(transaction.parsed))[1])
    assert again[texts[-1]] is first[texts[-1]]


@pytest.mark.e2e
def test_levels_of_many_players_and_levels_need_little_memory(tmp_path: Path) -> None:
    """Two million pairs of a player and a level are counted within 64 MiB; sets of all players take more."""
    with closing(Database(tmp_path / "many.duckdb", limits=WarehouseLimits(memory="64MiB"))) as database:
        database.make_anew()
        writer = database.writer
        writer.execute(
            "INSERT INTO players SELECT i, 1, 'u' || i, TIMESTAMP '2026-03-02', DATE '2026-03-02', 0, NULL, NULL"
            f" FROM range(1, {PLAYERS + 1}) t(i)"
        )
        writer.execute(f"INSERT INTO names SELECT i, 'progression', 'l' || i, '', '', '', '' FROM range({LEVELS}) t(i)")
        writer.execute(  # a player is in one level after the other, and does not complete the last one
            "INSERT INTO visits SELECT p, 1, 1, DATE '2026-03-02', (7 * p + k) % $levels, TIMESTAMP '2026-03-02', 1, 0,"
            " CASE WHEN k < $own - 1 THEN 1 ELSE 0 END, TIMESTAMP '2026-03-02', 1, 'player', false, k + 1"
            " FROM range($own) a(k), range(1, $players + 1) b(p)",
            {"levels": LEVELS, "own": LEVELS_OF_A_PLAYER, "players": PLAYERS},
        )
        database.fit_sets(writer)
        rows = database.ask(
            lambda transaction: METRICS["levels"].function(Question(transaction, Filters(), datetime.date(2026, 3, 9)))
        )
    assert len(rows) == LEVELS
    assert sum(row.players for row in rows) == sum(row.starts for row in rows) == PLAYERS * LEVELS_OF_A_PLAYER
    assert (
        sum(row.completers for row in rows) == sum(row.completes for row in rows) == PLAYERS * (LEVELS_OF_A_PLAYER - 1)
    )
    assert sum(row.abandons for row in rows) == PLAYERS
