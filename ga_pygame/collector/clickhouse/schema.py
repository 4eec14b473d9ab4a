"""The tables in ClickHouse: their SQL for a single server and for a cluster; make, check and migrate them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from ga_pygame import clock
from ga_pygame.collector.clickhouse.client import WHEN_STORED, ClickHouseError, Client, text_literal
from ga_pygame.collector.storage.schema import StoreError
from ga_pygame.collector.warehouse.database import UTC, sql_text, statements
from ga_pygame.rules import HITCHES_FIELD, SECONDS_FIELD, SENT_BY_FIELD, SERVER, WHO_FIELD

CLICKHOUSE_SCHEMA_VERSION = 3
"""Raise it with each change of the SQL files of this folder; what an older database lacks belongs into `_MIGRATIONS`,
new tables that are filled from events belong into `_FILLED_SINCE`, too."""
OLDEST_FOR_METRICS = (26, 3)
"""The oldest ClickHouse that is asked for metrics. An older one stores and shows events; 18.16 and 26.9 are tried."""
DEFAULT_DATABASE = "ga_pygame"
DEDUPLICATION_WINDOW = 10_000
"""Blocks whose tokens a single server remembers, so that a block that is sent again is not stored again."""
REJECTED_DAYS = 7
"""Days for which rejected events are kept."""
_SHARDED_BY = {
    "ga_events": "cityHash64(user_id)",
    "ga_rejected": "id",
    "ga_counts": "cityHash64(block)",
    "ga_settings": "saved_us",
    "ga_secrets": "cityHash64(name)",
    "ga_schema": "made_us",
    "ga_players": "player",
    "ga_games": "game",
    "ga_contexts": "context",
    "ga_names": "name_key",
    "ga_presence": "player",
    "ga_sessions": "player",
    "ga_visits": "player",
}
"""The tables, and what decides on which shard of a cluster a row is: copies of an event are on the same one."""
_DAY_OF_ARRIVAL = "toDate(toDateTime(intDiv(received_us, 1000000), '{timezone}'))"
_ARRIVED = {
    "ga_events": _DAY_OF_ARRIVAL,
    "ga_rejected": _DAY_OF_ARRIVAL,
    "ga_counts": "arrived",
    "ga_presence": _DAY_OF_ARRIVAL,
    "ga_sessions": _DAY_OF_ARRIVAL,
    "ga_visits": _DAY_OF_ARRIVAL,
}
"""The tables whose rows become too old, and the day from which their age counts."""
_MIGRATIONS: dict[int, tuple[str, ...]] = {}
"""By version, the statements that turn the tables of the version before into it; views are made anew after them."""
_FILLED_SINCE: dict[int, tuple[str, ...]] = {2: ("ga_presence", "ga_sessions", "ga_visits")}
"""By version, its new tables that ClickHouse fills from events: an older database fills them once from all it has."""
_INDEXED_SINCE: dict[int, tuple[str, ...]] = {3: ("ga_sessions by_player player TYPE bloom_filter GRANULARITY 1",)}
"""By version, its new indexes of tables that were there before: the table, and the index as `asked.sql` has it."""
SECONDS_FOR_RECORD = 10.0
"""How long a collector waits for the row of `ga_schema` in the tables of a cluster."""
SECONDS_PER_LOOK_FOR_RECORD = 0.2
SECONDS_FOR_FILLING = 3_600.0
"""How long a server may take to fill a table from the events of one day."""
_SQL_FOLDER = Path(__file__).parent
_TOLD = """
    session_num build platform os_version device custom_01 custom_02 custom_03 ab_id ab_variant_id country_code event_id
    value score attempt_num amount currency cart_type length severity message fps frame_ms_p99 mem_mb ad_action ad_type
    ad_placement error_category error_area error_action
""".split()
"""The fields that are read of an event's JSON, all at once and as texts: numbers of other SDKs may be texts, too."""
_ALL_TOLD = f"JSONExtract(json, 'Tuple({', '.join(f'{name} Nullable(String)' for name in _TOLD)})')"
_AS_NUMBER = "toFloat64OrNull({x})"
_MACROS = {
    "key": "bitShiftRight(cityHash64({x}), 1)",
    "sentNumber": f"multiIf(abs({_AS_NUMBER}) < 1e-290, 0., abs({_AS_NUMBER}) < 1e290, {_AS_NUMBER}, NULL)",
    "sentCount": f"multiIf({_AS_NUMBER} BETWEEN 0 AND 1e9, toInt64(round({_AS_NUMBER})), NULL)",
}
"""See macros.sql of the warehouse."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tables are made.

    Attributes:
        database: Their database, of letters, digits and `_`.
        cluster: The name of the cluster in the servers' configuration; "" for a single server.
        replicated: Each shard has replicas, which ZooKeeper or Keeper coordinates.
        retention: Days for which events are kept; `None` keeps all.
        timezone: The zone of the metrics' days.
        has_metrics: The servers are not too old for metrics.
    """

    database: str = DEFAULT_DATABASE
    cluster: str = ""
    replicated: bool = False
    retention: int | None = None
    timezone: str = UTC
    has_metrics: bool = True

    @property
    def on_cluster(self) -> str:
        """What a statement needs to be run on all servers."""
        return f" ON CLUSTER '{self.cluster}'" if self.cluster else ""

    def local(self, table: str) -> str:
        """Return the name of a table on each server; without a cluster it is the table itself."""
        return f"{table}_local" if self.cluster else table


class MadeSchema(NamedTuple):
    """What a database says of its tables."""

    version: int
    timezone: str
    cluster: str
    retention: int


def schema_statements(layout: Layout) -> list[str]:
    """Return the statements that make all tables, views and functions in the present database."""
    found = [f"CREATE DATABASE IF NOT EXISTS {layout.database}{layout.on_cluster}"]
    found += [one for text in _read_statements("stored.sql") for one in _table_statements(text, layout)]
    if layout.has_metrics:
        found += _metric_statements(layout)
    return [*found, _record(layout)]


def _metric_statements(layout: Layout) -> list[str]:
    """Return the statements for what only metrics need."""
    found: list[str] = []
    for text in _read_statements("asked.sql"):
        if text.startswith("CREATE TABLE"):
            found += _table_statements(text, layout)
        elif text.startswith("CREATE MATERIALIZED VIEW"):
            found.append(_filling_view(text, layout))
        else:
            found.append(re.sub(r"^(CREATE OR REPLACE VIEW \w+)", rf"\1{layout.on_cluster}", text))
    functions = [
        re.sub(r"^\s*--.*\n", "", one, flags=re.MULTILINE) for one in statements(sql_text("clickhouse_macros.sql"))
    ]
    found += [re.sub(r"^\s*(CREATE OR REPLACE FUNCTION \w+)", rf"\1{layout.on_cluster}", one) for one in functions]
    return [one.replace("{timezone}", layout.timezone).strip() for one in found]


@cache
def _read_statements(name: str) -> tuple[str, ...]:
    """Read the statements of a file of this folder, without comments."""
    text = re.sub(r"\s*--.*", "", (_SQL_FOLDER / name).read_text(encoding="utf-8"))
    return tuple(one.strip() for one in statements(text))


def _table_statements(text: str, layout: Layout) -> Iterator[str]:
    """Yield the statements for a table: that of each server and, in a cluster, the one that spreads rows over them."""
    match = re.fullmatch(r"CREATE TABLE (\w+) \((.*)\) ENGINE = (\w+)\((.*?)\)(.*)", text, re.DOTALL)
    if match is None:
        raise ValueError(f"not a table: {text}")
    name, columns, engine, of_engine, rest = match.groups()
    if layout.replicated:
        path = f"/clickhouse/tables/{{shard}}/{layout.database}/{name}"
        engine = f"Replicated{engine}"
        of_engine = ", ".join([f"'{path}'", "'{replica}'", *([of_engine] if of_engine else [])])
    local = layout.local(name)
    columns = _with_types(columns, layout)
    parts = [f"CREATE TABLE IF NOT EXISTS {local}{layout.on_cluster} ({columns})", f"ENGINE = {engine}({of_engine})"]
    yield " ".join([*parts, rest.strip(), *_options(name, layout)])
    if layout.cluster:
        spread = f"Distributed('{layout.cluster}', '{layout.database}', {local}, {_SHARDED_BY[name]})"
        yield f"CREATE TABLE IF NOT EXISTS {name}{layout.on_cluster} AS {local} ENGINE = {spread}"


def _options(table: str, layout: Layout) -> Iterator[str]:
    if not layout.has_metrics:
        return
    if ttl := ttl_of(table, layout):
        yield f"TTL {ttl}"
    if not layout.replicated:
        yield f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"


def ttl_of(table: str, layout: Layout) -> str:
    """Return when the rows of a table are too old; "" if never."""
    days = layout.retention
    if table == "ga_rejected":
        days = REJECTED_DAYS if days is None else min(REJECTED_DAYS, days)
    if table not in _ARRIVED or days is None:
        return ""
    return f"{_ARRIVED[table].replace('{timezone}', layout.timezone)} + INTERVAL {days + 1} DAY"


def retention_statements(layout: Layout) -> list[str]:
    """Return the statements that make present tables keep events as long as the layout says."""
    found = []
    for table in _ARRIVED:
        ttl = ttl_of(table, layout)
        change = f"MODIFY TTL {ttl}" if ttl else "REMOVE TTL"
        found.append(f"ALTER TABLE {layout.local(table)}{layout.on_cluster} {change}")
    return [*found, _record(layout)]


def _with_types(columns: str, layout: Layout) -> str:
    """Write the columns of a table as the servers know them."""
    if not layout.has_metrics:
        return columns.replace("{columns}", "").replace("{word}", "String").replace("{packed}", "").rstrip()
    own = re.sub(r"\s*--.*", "", (_SQL_FOLDER / "columns.sql").read_text(encoding="utf-8")).rstrip()
    names = {
        "sent_by": SENT_BY_FIELD,
        "server": SERVER,
        "who": WHO_FIELD,
        "seconds": SECONDS_FIELD,
        "hitches": HITCHES_FIELD,
    }
    for name, value in names.items():
        own = own.replace(f"{{{name}}}", value)
    own = _expanded(own, "oneOf", _word_of_enum)
    for name, template in _MACROS.items():
        own = _expanded(own, name, partial(template.replace, "{x}"))
    own = re.sub(r"\btold\.(\w+)", lambda found: f"tupleElement({_ALL_TOLD}, '{found[1]}')", own)
    return (
        columns.replace("{columns}", own)
        .replace("{word}", "LowCardinality(String)")
        .replace("{packed}", "CODEC(ZSTD(3))")
    )


def _word_of_enum(argument: str) -> str:
    """Write a text as one of some words, NULL if it is none of them: a cast of another text would fail the block."""
    text, first, more = re.split(r", ('\w+')((?:, '\w+')*)$", argument)[:3]
    words = first + more
    known = f"({text}) IN ({words})"
    enum = words.replace("'", "''")
    return f"if({known}, CAST(if({known}, {text}, {first}), 'Nullable(Enum8({enum}))'), NULL)"


def _expanded(text: str, name: str, meaning: Callable[[str], str]) -> str:
    """Replace each call of a macro by the meaning of its argument."""
    while match := re.search(rf"\b{name}\(", text):
        start, begin = match.span()
        end = begin
        depth = 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + meaning(text[begin : end - 1]) + text[end:]
    return text


def _filling_view(text: str, layout: Layout) -> str:
    """Write the view that fills a table from new events; in a cluster, on each server from its own."""
    text = re.sub(
        r"^CREATE MATERIALIZED VIEW (\w+)", rf"CREATE MATERIALIZED VIEW IF NOT EXISTS \1{layout.on_cluster}", text
    )
    return re.sub(r"\b(TO|FROM) (ga_\w+)", lambda found: f"{found[1]} {layout.local(found[2])}", text)


def _record(layout: Layout) -> str:
    retention = -1 if layout.retention is None else layout.retention
    made_us = int(clock.wall_now() * 1e6)
    values = f"{made_us}, {CLICKHOUSE_SCHEMA_VERSION}, '{layout.timezone}', '{layout.cluster}', {retention}"
    return f"INSERT INTO ga_schema (made_us, version, timezone, cluster, retention) VALUES ({values})"


# --- in a database ----------------------------------------------------------------------------------------


def open_schema(client: Client, timezone: str, retention: int | None) -> Layout:
    """Check the tables of a database; make those of a single server if there are none, and migrate older ones.

    Args:
        client: The database.
        timezone: The zone of the metrics' days.
        retention: Days for which events are kept; `None` leaves what was set before.

    Returns:
        What the database has.

    Raises:
        StoreError: It cannot be used, or it was made by a newer version or for another time zone.
        ClickHouseError: A server refuses.
        Unreachable: No server answers.
    """
    has_metrics = client.server_version() >= OLDEST_FOR_METRICS
    wanted = Layout(client.database, retention=retention, timezone=timezone, has_metrics=has_metrics)
    if retention is not None and not has_metrics:
        raise StoreError("this ClickHouse is too old for --retention: drop partitions of ga_events instead")
    made = read_schema(client)
    if made is None and _is_spread(client):
        made = _wait_for_record(client)
    if made is None:
        _run_statements(client, schema_statements(wanted))
        return wanted
    if made.version > CLICKHOUSE_SCHEMA_VERSION:
        raise StoreError(f"the tables in {client.place} were made by a newer ga_pygame: update it")
    if has_metrics and made.timezone != timezone:
        raise StoreError(
            f"the days of the tables in {client.place} are those of {made.timezone}: use --timezone {made.timezone}"
        )
    kept = None if made.retention < 0 else made.retention
    layout = replace(wanted, cluster=made.cluster, retention=kept if retention is None else retention)
    if made.version < CLICKHOUSE_SCHEMA_VERSION:
        _migrate(client, made.version, layout)
    if layout.retention != kept:
        _run_statements(client, retention_statements(layout))
    return layout


def read_schema(client: Client) -> MadeSchema | None:
    """Read what a database says of its tables; `None` if it or the tables do not exist.

    In a cluster, rows without its name are of collectors that did not wait for the first row.
    """
    query = (
        "SELECT version, timezone, cluster, retention FROM ga_schema"
        " ORDER BY cluster != '' DESC, made_us DESC LIMIT 1 FORMAT JSONCompact"
    )
    try:
        rows = msgspec.json.decode(client.query(query))["data"]
    except ClickHouseError as error:
        if error.is_missing:
            return None
        raise
    return MadeSchema(int(rows[0][0]), rows[0][1], rows[0][2], int(rows[0][3])) if rows else None


def _is_spread(client: Client) -> bool:
    """Whether the tables are there and those of a cluster."""
    query = "SELECT count() FROM system.tables WHERE database = {} AND name = 'ga_schema' AND engine = 'Distributed'"
    return client.query(query.format(text_literal(client.database)), database=False).strip() != b"0"


def _wait_for_record(client: Client) -> MadeSchema:
    """Wait for the row that says how the tables of a cluster were made: it may be on its way to its shard or replica.

    Raises:
        StoreError: It does not come.
    """
    monotonic = clock.SystemClock().monotonic
    until = monotonic() + SECONDS_FOR_RECORD
    while (made := read_schema(client)) is None:
        if monotonic() >= until:
            raise StoreError(f"ga_schema in {client.place} is empty: run all statements of `clickhouse-schema`")
        clock.sleep(SECONDS_PER_LOOK_FOR_RECORD)
    return made


def _migrate(client: Client, version: int, layout: Layout) -> None:
    """Turn tables of an older version into those of this one. Several collectors may do so at once."""
    newer = range(version + 1, CLICKHOUSE_SCHEMA_VERSION + 1)
    _run_statements(client, [one for number in newer for one in _MIGRATIONS.get(number, ())])
    if layout.has_metrics:
        made = _metric_statements(layout)
        views = [one for one in made if one.startswith("CREATE OR REPLACE VIEW")]  # they read the new tables
        _run_statements(client, [one for one in made if one not in views])
        _run_statements(client, [one for number in newer for one in _index_statements(number, layout)])
        for table in (table for number in newer for table in _FILLED_SINCE.get(number, ())):
            _fill_table(client, table, layout)
        _run_statements(client, views)
    _run_statements(client, [_record(layout)])


def _index_statements(version: int, layout: Layout) -> Iterator[str]:
    """Yield what adds the new indexes of a version; ClickHouse makes them for older rows meanwhile."""
    for text in _INDEXED_SINCE.get(version, ()):
        table, name, index = text.split(" ", 2)
        change = f"ALTER TABLE {layout.local(table)}{layout.on_cluster}"
        yield f"{change} ADD INDEX IF NOT EXISTS {name} {index}"
        yield f"{change} MATERIALIZE INDEX {name}"


def _fill_table(client: Client, table: str, layout: Layout) -> None:
    """Fill a table from the events, day by day; those that its view has stored meanwhile change nothing.

    In a cluster, each shard fills its table from its events, as its view does.
    """
    days = client.query("SELECT DISTINCT event_day FROM ga_events ORDER BY event_day").decode().split()
    (select,) = (
        found[1]
        for text in _read_statements("asked.sql")
        if (found := re.fullmatch(rf"CREATE MATERIALIZED VIEW \w+ TO {table} AS\s(.*)", text, re.DOTALL))
    )
    select = select.replace("{timezone}", layout.timezone)
    for day in days:
        of_day = select.replace(" WHERE ", f" WHERE event_day = '{day}' AND ")
        options = {"parallel_distributed_insert_select": "2"} if layout.cluster else {}
        client.query(f"INSERT INTO {table} {of_day}", seconds=SECONDS_FOR_FILLING, options=options)


def _run_statements(client: Client, texts: list[str]) -> None:
    for text in texts:
        options = WHEN_STORED if text.startswith("INSERT") else {}
        client.query(text, database=not text.startswith("CREATE DATABASE"), options=options)
