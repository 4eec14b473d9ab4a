"""Ask the warehouse: what each metric's function gets."""

from __future__ import annotations

import contextlib
import datetime
import queue
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from ga_pygame.collector.warehouse.database import ReadTransaction, sql_text
from ga_pygame.collector.warehouse.filters import BadFilter, Filters, rows_of_sides
from ga_pygame.rules import PLAYER


class SqlAnswer(Protocol):
    """The result of a query."""

    def fetchall(self) -> list[Any]:
        """Return its rows, each a tuple."""


class SqlEngine(Protocol):
    """What answers queries: a cursor of DuckDB, or `clickhouse.ClickHouse`."""

    def execute(self, text: str, values: Mapping[str, Any], /) -> SqlAnswer:
        """Run a query with the values of its parameters, `$name` in its text."""


TABLES_OF_SIDES = ("visits", "progression_events", "presence", "sessions")
"""The tables whose rows of two sides can be asked for at once."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the warehouse, for one thread; all its queries see the same state of the tables.

    Attributes:
        cursor: What answers it: a transaction of the warehouse, or ClickHouse.
        filters: The filters.
        today: The calendar day in the warehouse's time zone, which is not over yet.
        second: The filters of the second side, if two are compared.
    """

    cursor: SqlEngine
    filters: Filters
    today: datetime.date
    second: Filters | None = None

    @property
    def sides(self) -> tuple[Filters, ...]:
        """The filters of both sides, or of the only one."""
        return (self.filters,) if self.second is None else (self.filters, self.second)

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """The first and last player of each part of all players; several if sets of all would be too large."""
        return self.cursor.parts if isinstance(self.cursor, ReadTransaction) else ((0, 0),)

    def rows(self, name: str, filters: Filters | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Run `metrics/<name>.sql` and return its rows.

        In its text `{filters}` is the condition of the filters on a row of `events` or `sessions`, `{undated}` the
        same without the days. `{visits}`, or another of `TABLES_OF_SIDES`, is its rows that pass the filters of the
        question, with the column `side`: 0, or 1 for the second side.

        Args:
            name: The file.
            filters: Others than those of the question.
            values: Its own parameters, `$name` in its text.
        """
        return self.rows_of(sql_text(f"metrics/{name}.sql"), filters, **values)

    def rows_of(self, text: str, filters: Filters | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Run a text that is made of files of `metrics/`; see `rows` for the others."""
        for placeholder, dated in (("{filters}", True), ("{undated}", False)):
            if placeholder in text:
                condition, bound = (filters or self.filters).condition(dated=dated)
                text = text.replace(placeholder, condition)
                values |= bound
        for table in TABLES_OF_SIDES:
            if f"{{{table}}}" in text:
                found, bound = rows_of_sides(table, self.sides)
                text = text.replace(f"{{{table}}}", found)
                values |= bound
        return self.cursor.execute(text, values).fetchall()

    def together(self, *questions: Callable[[Question], Any]) -> list[Any]:
        """Answer several questions that do not depend on each other, two at a time if the engine can.

        Those of a large warehouse are answered one after the other, since two need twice the memory.

        Args:
            questions: Each gets one with the same filters, on a thread of its own; those that take longest first.
        """
        transaction = self.cursor
        if not isinstance(transaction, ReadTransaction) or len(questions) < 2 or len(transaction.parts) > 1:
            return [ask(self) for ask in questions]
        with transaction.another() as cursor:
            if cursor is None:
                return [ask(self) for ask in questions]
            free: queue.SimpleQueue[Question] = queue.SimpleQueue()
            for one in (transaction.cursor, cursor):
                free.put(replace(self, cursor=replace(transaction, cursor=one, another=contextlib.nullcontext)))

            def answer(ask: Callable[[Question], Any]) -> Any:
                question = free.get()
                try:
                    return ask(question)
                finally:
                    free.put(question)

            with ThreadPoolExecutor(2, "ga-collector-metrics") as threads:
                return list(threads.map(answer, questions))


class WarehouseMetric(NamedTuple):
    """A metric: what is asked, and what a row of the answer is.

    Attributes:
        name: Its name for the page, the JSON API, CSV and the command line.
        sentence: What is counted, in one plain sentence for the page.
        row: The type of its rows, a `NamedTuple` with the field's words.
        function: Asks it.
        options: Its parameters beside the filters: their names, with a function that reads each from a text.
    """

    name: str
    sentence: str
    row: type[Any]
    function: Callable[..., list[Any]]
    options: Mapping[str, Callable[[str], Any]] = {}


def answer_metric(question: Question, metric: WarehouseMetric, options: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a metric. If the filters do not say who plays, players count once there are any.

    A developer's own events come first, and are all there is; later they would spoil the figures of the players.
    """
    if not question.filters.who:
        text = "SELECT count(*) FROM contexts WHERE who = $who"
        if question.cursor.execute(text, {"who": PLAYER}).fetchall() != [(0,)]:
            question = replace(question, filters=replace(question.filters, who=(PLAYER,)))
    return metric.function(question, **options)


def one_of(name: str, choices: Collection[str], text: str) -> str:
    """Read a metric's parameter that is one of some words.

    Raises:
        BadFilter: It is none of them.
    """
    if text not in choices:
        raise BadFilter(f"{name} must be one of: {', '.join(choices)}")
    return text


def whole_number(name: str, text: str) -> int:
    """Read a metric's parameter that is a whole number of 0 or more.

    Raises:
        BadFilter: It is none, or larger than any id.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadFilter(f"{name} must be a whole number of 0 or more")
    return int(text)
