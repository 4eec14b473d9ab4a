"""Each metric gives the same figures on ClickHouse as on DuckDB, from the same rows by the same text."""

from __future__ import annotations

import datetime
import functools
import importlib.util
import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import pytest

from ga_pygame import categories
from ga_pygame.collector.warehouse.asking import Question, SqlEngine
from ga_pygame.collector.warehouse.clickhouse import ClickHouse
from ga_pygame.collector.warehouse.database import Database, sql_text, statements
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.collectors import KEY
from tests.warehouse import chdb_process
from tests.warehouse.golden import DAY, FILTERS, HOUR, MONDAY, TODAY, Story, projected, store_story
from tests.warehouse.trading import trading_story

Asked = tuple[str, dict[str, Any], str]
"""A question: the metric, its options, the name of the filters."""
TABLES = ("games", "players", "sessions", "presence", "visits", "balances", "contexts", "names", "events")
ODD = "o'brien \\N \\' \"Ä\"\t\n{x:String} $who"
"""A text as a player's program may send it as an id."""
TRACEBACK = 'Traceback (most recent call last):\n  File "/home/ann/game.py", line 7, in jump\nValueError: high'
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "overview": [{"bucket": "hour"}],
    "economy": [{"by": "item_type"}, {"by": "item"}],
    "money": [{"by": "item"}, {"by": "cart"}],
    "design_values": [{"event_id": "tutorial"}, {"event_id": "kill"}],
    "design_fields": [{"field": "weapon"}, {"field": "power", "event_id": "tutorial"}],
    "funnel": [
        {"steps": ["tutorial", "tutorial:begin"], "minutes": 60},
        {"steps": ["Start:forest:level_1", "Complete:forest:level_1", "Start:forest:level_2", "pack:gold"]},
    ],
    "health": [{"by": "platform"}, {"by": "device"}, {"by": "level"}],
    "level_histogram": [{"level": "forest:level_2"}],
    "players": [{"search": "P1"}, {"search": "ä"}, {"limit": 5}],
    "timeline": [{"newest": 500, "limit": 1000}],
    "compare": [{"other_build": "1.0"}, {"other_until": datetime.date(2026, 3, 6)}],
}
"""The options with which metrics are asked, beside none."""
NEED_OPTIONS = ("funnel", "trail")
FILTER_SETS = {
    "none": Filters(),
    "several": replace(FILTERS["several"], until=FILTERS["range"].until),
    "dimensions": Filters(custom_01="ninja", custom_02="hard", custom_03="left", ab_id="jump", ab_variant_id="b"),
    "player": Filters(user_id="p7", game=KEY, country_code="DE"),
    "nothing": FILTERS["nothing"],
}
"""All filters, several at once: an engine that understands each condition understands them joined by AND."""


class Chdb:
    """The process that answers; `send` is what `ClickHouse` takes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def send(self, text: str, parameters: Mapping[str, str] = {}) -> bytes:
        """Run a query or a statement."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([text, dict(parameters)]).encode() + b"\n")
        self._process.stdin.flush()
        length = int(self._process.stdout.readline())
        body = self._process.stdout.read(abs(length))
        assert length >= 0, f"{body.decode()}\n{text}"
        return body


@pytest.fixture(scope="session")
def chdb() -> Iterator[Chdb]:
    """An empty ClickHouse."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("chdb is not installed")
    command = [sys.executable, "-W", "ignore", chdb_process.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Chdb(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def duckdb_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The warehouse with the golden events and all that they do not have."""
    path = tmp_path_factory.mktemp("engines") / "events.sqlite3"
    store_story(path, whole_story())
    with projected(path) as database:
        yield database


@pytest.fixture(scope="session")
def clickhouse(chdb: Chdb, duckdb_rows: Database, tmp_path_factory: pytest.TempPathFactory) -> ClickHouse:
    """ClickHouse with the rows of the warehouse; equal queries are asked once."""
    names = ", ".join(f"'{name}'" for name in categories.names())
    for text in (sql_text("clickhouse_schema.sql").replace("{categories}", names), sql_text("clickhouse_macros.sql")):
        for statement in statements(text):
            chdb.send(statement)
    folder = tmp_path_factory.mktemp("rows")
    with duckdb_rows.cursor() as cursor:
        for table in TABLES:
            file = folder / f"{table}.parquet"
            cursor.execute(f"COPY {table} TO '{file}'")
            chdb.send(f"INSERT INTO {table} SELECT * FROM file('{file}', Parquet)")

    @functools.cache
    def answered(text: str, parameters: tuple[tuple[str, str], ...]) -> bytes:
        return chdb.send(text, dict(parameters))

    return ClickHouse(lambda text, parameters: answered(text, tuple(parameters.items())))


def whole_story() -> Story:
    """Add to the golden events with their trade: health, tracebacks, odd texts, sessions over midnight, late events."""
    story, rng = trading_story(), random.Random(3)
    for number in range(25):
        build = rng.choice(["1.0", "1.1"])
        session = story.session(
            f"h{number}", MONDAY + number * DAY // 4 - HOUR, build=build, device=f"Deck {number % 3}"
        )
        session.add(1, "health", fps=rng.randrange(200, 600) / 10).level(3, "Start", "forest:level_1")
        session.add(30, "health", fps=rng.randrange(200, 600) / 10, frame_ms_p99=rng.randrange(90), mem_mb=90.5)
        session.design(31, "tutorial:jump", 1e9 / (number + 3), custom_fields={"power": number / 4})
        session.error(32, rng.choice(["debug", "critical"]), TRACEBACK)
        fields = {"seconds": number * 1.5, "hitches": number % 4}
        session.level(2 * HOUR, "Fail", "forest:level_1", custom_fields=fields).end(2 * HOUR + 10)
    odd = story.session(ODD, MONDAY, build="1'0", custom_fields={"weapon": ODD})
    odd.design(1, "tutorial", -0.1).level(2, "Start", "odd (b)").level(3, "Complete", "odd (b)", score=1e-3)
    story.session("once", MONDAY - 7 * DAY)
    return story


def alike(one: object, other: object) -> bool:
    """Whether two figures are the same, of the same type; sums of floats depend on their order."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def first_difference(here: list[Any], there: list[Any]) -> str:
    """Say where two lists of rows differ; "" if they do not."""
    for one, other in zip(here, there, strict=False):
        for field, figure, same in zip(one._fields, one, other, strict=True):
            if not alike(figure, same):
                return f"{field} is {figure!r} in DuckDB and {same!r} in ClickHouse: {one}"
    return "" if len(here) == len(there) else f"{len(here)} rows in DuckDB, {len(there)} in ClickHouse"


@pytest.mark.e2e
def test_every_metric_with_every_filter(duckdb_rows: Database, clickhouse: ClickHouse) -> None:
    """The typed rows are equal, and there are some if nothing is filtered."""
    with duckdb_rows.cursor() as cursor, ThreadPoolExecutor(1) as other_thread:
        kinds = METRICS["errors"].function(Question(cursor, Filters(), TODAY))
        questions = list(asked(kinds[0].fingerprint))
        future = other_thread.submit(figures, clickhouse, questions)
        here, there = figures(cursor, questions), future.result()
    assert not [one[:2] for one, rows in zip(questions, here, strict=True) if one[2] == "none" and not rows]
    pairs = zip(questions, here, there, strict=True)
    assert not {str(one): found for one, *both in pairs if (found := first_difference(*both))}


def figures(engine: SqlEngine, questions: list[Asked]) -> list[list[Any]]:
    """Return the rows of each question."""
    return [
        METRICS[name].function(Question(engine, FILTER_SETS[some], TODAY), **given) for name, given, some in questions
    ]


def asked(fingerprint: str) -> Iterator[Asked]:
    """Yield each metric with the names of all filters, and without a filter with its other options."""
    for metric in METRICS:
        options = [{"fingerprint": fingerprint}] if metric == "trail" else OPTIONS.get(metric, [])
        for number, given in enumerate([*([] if metric in NEED_OPTIONS else [{}]), *options]):
            for name in ("none",) if number else FILTER_SETS:
                yield metric, given, name


def columns_of(name: str) -> dict[str, list[str]]:
    """Return the names of the columns of each table of an SQL file, in order."""
    text = re.sub(r"--.*", "", sql_text(name))
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\)(?: ENGINE|;)", text, re.DOTALL)
    found = {table: re.findall(r"(?:^|,)\s*(\w+)\s+\w", columns) for table, columns in tables}
    views = re.findall(r"CREATE VIEW (\w+) AS\s+SELECT (.*?)\s+FROM", text, re.DOTALL)
    return found | {view: re.split(r",\s+", columns) for view, columns in views}


def test_the_tables_have_the_same_columns() -> None:
    """In the same order, by which they are copied here; DuckDB's file has a state, too."""
    here, there = columns_of("schema.sql"), columns_of("clickhouse_schema.sql")
    assert set(here) - set(there) == {"state"}
    assert {table: here[table] for table in TABLES} == {table: there[table] for table in TABLES}
    assert {table: sorted(columns) for table, columns in here.items() if table in there} == {
        table: sorted(columns) for table, columns in there.items()
    }
    assert there["games"] == ["game", "game_key"]


def test_every_filter_is_tried() -> None:
    """Each of them is in one of the sets."""
    tried = {field.name for field in fields(Filters) for one in FILTER_SETS.values() if getattr(one, field.name)}
    assert tried == {field.name for field in fields(Filters)}


def test_parameters_arrive_as_they_are(chdb: Chdb) -> None:
    """Texts of users are data, also with quotes, escapes and what looks like a parameter."""
    values = {"text": ODD, "day": TODAY, "yes": True, "whole": -(2**40), "half": 0.5, "none": None, "list": [ODD, ""]}
    names = ", ".join(f"${name}" for name in values)
    text = f"SELECT {names}, has($list, $text), CAST('2026-03-02 00:00:01.5' AS DateTime64(6, 'UTC'))"
    (row,) = ClickHouse(chdb.send).execute(text, values).fetchall()
    assert row == (*values.values(), 1, datetime.datetime(2026, 3, 2, 0, 0, 1, 500_000))


def test_what_clickhouse_is_sent() -> None:
    """Parameters have the type of their values in the query and are sent as texts; others are not sent."""
    sent: list[tuple[str, Mapping[str, str]]] = []
    answer = b'{"meta": [{"name": "n", "type": "Nullable(Float64)"}], "data": [["inf"], [null], [1]]}'

    def send(text: str, parameters: Mapping[str, str]) -> bytes:
        sent.append((text, parameters))
        return answer

    engine = ClickHouse(send)
    found = engine.execute("SELECT n FROM t WHERE a = $a AND b IN $b AND c = $a", {"a": "x\ty", "b": ["'"], "d": 1})
    assert found.fetchall() == [(math.inf,), (None,), (1.0,)]
    ((text, parameters),) = sent
    assert text.startswith("SELECT n FROM t WHERE a = {a:String} AND b IN {b:Array(String)} AND c = {a:String}\nFORMAT")
    assert parameters == {"a": "x\\ty", "b": "['\\'']"}
