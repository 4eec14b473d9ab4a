"""Each metric gives the same figures on ClickHouse as on DuckDB, from the same events by the same text."""

from __future__ import annotations

import datetime
import functools
import json
import math
import random
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from typing import Any

import pytest

from ga_pygame.collector.clickhouse.address import parse_store
from ga_pygame.collector.clickhouse.client import SECONDS_FOR_METRICS, Client
from ga_pygame.collector.clickhouse.store import ClickHouseStore
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.asking import Question, SqlEngine
from ga_pygame.collector.warehouse.clickhouse import SETTINGS, ClickHouse
from ga_pygame.collector.warehouse.database import Database, sql_text
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.collectors import KEY
from tests.warehouse.golden import DAY, FILTERS, HOUR, MONDAY, TODAY, Story, projected, requests_of, store_story
from tests.warehouse.trading import trading_story

Asked = tuple[str, dict[str, Any], str]
"""A question: the metric, its options, the name of the filters."""
ODD = "o'brien \\N \\' \"Ä\"\t\n{x:String} $who"
"""A text as a player's program may send it as an id."""
TRACEBACK = 'Traceback (most recent call last):\n  File "/home/ann/game.py", line 7, in jump\nValueError: high'
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "overview": [{"bucket": "hour"}],
    "economy": [{"by": "item_type"}, {"by": "item"}],
    "money": [{"by": "item"}, {"by": "cart"}],
    "heatmap": [{"map": "forest", "cell": 10}, {"event_id": "kill"}],
    "design_values": [{"event_id": "tutorial"}, {"event_id": "kill"}],
    "design_fields": [{"field": "weapon"}, {"field": "power", "event_id": "tutorial"}],
    "funnel": [
        {"steps": ["tutorial", "tutorial:begin"], "minutes": 60},
        {"steps": ["Start:forest:level_1", "Complete:forest:level_1", "Start:forest:level_2", "pack:gold"]},
    ],
    "health": [{"by": "platform"}, {"by": "device"}, {"by": "level"}],
    "level_histogram": [{"level": "forest:level_2"}],
    "players": [{"search": "P1"}, {"search": "ä"}, {"limit": 5}],
    "timeline": [{"limit": 1000}],
    "compare": [{"other_build": "1.0"}, {"other_until": datetime.date(2026, 3, 6)}],
}
"""The options with which metrics are asked, beside none."""
NEED_OPTIONS = ("funnel", "trail")
WITH_ALL_FILTERS = ("overview", "levels", "timeline")
"""Metrics that are asked with all filters: between them they read each kind of view that has filters."""
FILTER_SETS = {
    "none": Filters(),
    "several": replace(FILTERS["several"], until=FILTERS["range"].until),
    "dimensions": Filters(custom_01="ninja", custom_02="hard", custom_03="left", ab_id="jump", ab_variant_id="b"),
    "player": Filters(user_id="p7", game=KEY, country_code="DE"),
    "nothing": FILTERS["nothing"],
}
"""All filters, several at once: an engine that understands each condition understands them joined by AND."""


@pytest.fixture(scope="session")
def duckdb_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The warehouse with the golden events and all that they do not have."""
    path = tmp_path_factory.mktemp("engines") / "events.sqlite3"
    store_story(path, whole_story())
    with projected(path) as database:
        yield database


@pytest.fixture(scope="session")
def client(todays_clickhouse: str) -> Iterator[Client]:
    """A database of today's ClickHouse into which a collector's store has written the same events."""
    told: list[str] = []
    address = parse_store(f"clickhouse://{todays_clickhouse}/golden")
    with closing(ClickHouseStore(address, "UTC", lambda _, text: told.append(text), Troubles())) as store:
        futures = [
            store.submit(take_apart(KEY, received_at, json.dumps(events).encode(), "", light=False)[0])
            for received_at, events in requests_of(whole_story())
        ]
        assert sum(future.result(60) for future in futures) == len(whole_story().events)
    with closing(Client(address)) as client:
        yield client
    assert told == []


@pytest.fixture(scope="session")
def clickhouse(client: Client) -> ClickHouse:
    """What metrics ask; equal queries are asked once."""

    @functools.cache
    def answered(text: str, parameters: tuple[tuple[str, str], ...]) -> bytes:
        return client.query(text, dict(parameters))

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
        place = {"ga_map": "forest" if number % 5 else "cave", "ga_x": number * 3.5, "ga_y": -number}
        session.design(31, rng.choice(["kill:slime", "fall"]), custom_fields=place)
        session.error(32, rng.choice(["debug", "critical"]), TRACEBACK)
        fields = {"seconds": number * 1.5, "hitches": number % 4}
        session.level(2 * HOUR, "Fail", "forest:level_1", custom_fields=fields).end(2 * HOUR + 10)
    odd = story.session(ODD, MONDAY, build="1'0", custom_fields={"weapon": ODD})
    odd.design(1, "tutorial", -0.1).level(1, "Start", "forest:level_1").level(2, "Start", "odd (b)").level(
        3, "Complete", "odd (b)", score=1e-3
    )
    story.session("other", MONDAY).level(1, "Start", "odd (b)")  # so that no two levels have the same mean place
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
            if field != "id" and not alike(figure, same):  # ids are numbers in the log, and times in ClickHouse
                return f"{field} is {figure!r} in DuckDB and {same!r} in ClickHouse: {one}"
    return "" if len(here) == len(there) else f"{len(here)} rows in DuckDB, {len(there)} in ClickHouse"


@pytest.mark.e2e
@pytest.mark.timeout(400)  # ClickHouse plans for as long as DuckDB takes for the whole answer
def test_every_metric_with_every_filter(duckdb_rows: Database, clickhouse: ClickHouse) -> None:
    """The typed rows are equal, and there are some if nothing is filtered."""
    with duckdb_rows.transaction() as cursor, ThreadPoolExecutor(1) as other_thread:
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
            for name in ("none",) if number else FILTER_SETS if metric in WITH_ALL_FILTERS else ("none", "several"):
                yield metric, given, name


def columns_of(name: str) -> dict[str, list[str]]:
    """Return the names of the columns of each table and view of the warehouse's schema, in order."""
    text = re.sub(r"--.*", "", sql_text(name))
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\);", text, re.DOTALL)
    found = {table: re.findall(r"(?:^|,)\s*(\w+)\s+\w", columns) for table, columns in tables}
    views = re.findall(r"CREATE VIEW (\w+) AS\s+SELECT (.*?)\s+FROM", text, re.DOTALL)
    return found | {view: re.split(r",\s+", columns) for view, columns in views}


def test_the_views_have_the_columns_of_the_warehouse(client: Client) -> None:
    """All that a metric may ask of DuckDB is there in ClickHouse; DuckDB's file has a state, too."""
    here = columns_of("schema.sql")
    query = "SELECT table, groupArray(name) FROM system.columns WHERE database = currentDatabase() GROUP BY table"
    there = dict(json.loads(client.query(f"{query} FORMAT JSONCompact"))["data"])
    assert set(here) - set(there) == {"state"}
    assert not {
        table: lacking for table in here if table in there and (lacking := set(here[table]) - set(there[table]))
    }
    assert columns_of("schema.sql")["games"] == ["game", "game_key"]


def test_every_filter_is_tried() -> None:
    """Each of them is in one of the sets."""
    tried = {field.name for field in fields(Filters) for one in FILTER_SETS.values() if getattr(one, field.name)}
    assert tried == {field.name for field in fields(Filters)}


def test_parameters_arrive_as_they_are(client: Client) -> None:
    """Texts of users are data, also with quotes, escapes and what looks like a parameter."""
    values = {"text": ODD, "day": TODAY, "yes": True, "whole": -(2**40), "half": 0.5, "none": None, "list": [ODD, ""]}
    names = ", ".join(f"${name}" for name in values)
    text = f"SELECT {names}, has($list, $text), CAST('2026-03-02 00:00:01.5' AS DateTime64(6, 'UTC'))"
    (row,) = ClickHouse(client.query).execute(text, values).fetchall()
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
    assert "enable_materialized_cte = 1" in text
    ClickHouse(send, is_spread=True).execute("SELECT n FROM t", {})
    assert "enable_materialized_cte = 0" in sent[1][0]
    assert SECONDS_FOR_METRICS < float(SETTINGS["max_execution_time"]) < 1.1 * SECONDS_FOR_METRICS


def test_a_player_is_found_by_index(client: Client) -> None:
    """Neither the events nor the sessions of others are read, nor the blocks in which copies of others could be."""
    asked: list[tuple[str, Mapping[str, str]]] = []

    def send(text: str, parameters: Mapping[str, str]) -> bytes:
        asked.append((text, parameters))
        return client.query(text, parameters)

    question = Question(ClickHouse(send), Filters(user_id="p7"), TODAY)
    for view in ("events", "sessions"):
        ((number,),) = question.rows_of(f"SELECT count(*) FROM {view} WHERE {{filters}}")
        assert number > 0
    of_events, of_sessions = (
        client.query(f"EXPLAIN indexes = 1 {text.replace('FORMAT JSONCompact', '')}", parameters).decode()
        for text, parameters in asked
    )
    assert "Name: by_player" in of_events
    assert "PrimaryKeyExpand" not in of_events
    assert "Condition: (session in " in of_sessions
