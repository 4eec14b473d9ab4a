"""Ask ClickHouse in the texts of the metrics, which are those for DuckDB."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

SETTINGS: dict[str, int | str] = {
    "aggregate_functions_null_for_empty": 1,  # the sum of nothing is NULL
    "cast_keep_nullable": 1,  # so is the text of NULL
    "enable_materialized_cte": 1,  # a part of a text that others read twice is computed once, as DuckDB does
    "join_use_nulls": 1,  # and the columns of a row that a LEFT JOIN does not find
    "max_execution_time": 125,  # a server does not go on long after the collector has given up
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 1,  # infinity is "inf" instead of null
    "prefer_column_name_to_alias": 1,  # `sum(x) AS x` does not change what another sum(x) adds up
}
"""Settings with which ClickHouse understands SQL as DuckDB does; each query has them."""
_SETTINGS_FOR_CLUSTERS: dict[str, int | str] = {"enable_materialized_cte": 0}
"""Other settings for a cluster: whether its other servers see what one has computed once was not tried."""
_SINCE = re.compile(r"day >= (\$\w*since)")
_FOUND_SINCE = r"\g<0> AND (event_day >= \1 - 1 OR event_day = toDate(0))"
"""What a first day becomes, so that ClickHouse reads only later partitions and parts of its sort key.

`event_day` is the day of the player's clock in UTC. An event's time is the same or, if that clock was ahead, an earlier
one, so no event of the range is left out; zones differ by less than a day. Events without a time have the day 0, and
so have all rows of views that are made of several events.
"""


_OF_PLAYER = "player IN (SELECT player FROM players WHERE user_id = $user_id)"
_KEYS_OF_PLAYER = "SELECT bitShiftRight(cityHash64(game_key, $user_id), 1) FROM games"
_FOUND_PLAYER = f"player IN ({_KEYS_OF_PLAYER})"
"""What a player becomes: the key in each game is computed (`columns.sql`), so that no table of players is read."""
_ITS_SESSIONS = f"SELECT session FROM ga_sessions WHERE player IN ({_KEYS_OF_PLAYER})"  # noqa: S608 - names of ours
_SESSIONS_OF_PLAYER = f"FROM (SELECT * FROM sessions WHERE session GLOBAL IN ({_ITS_SESSIONS})) AS sessions WHERE "  # noqa: S608
"""What `sessions` become for a player: the view knows the player of a session only after it has computed all of it."""
_CHOOSE_FEW_ROWS = ("user_id", "session", "newest")
"""Parameters by which an index finds few blocks of rows: those of a player, of a session, or with an event."""
_SETTINGS_FOR_FEW_ROWS: dict[str, int | str] = {
    "ignore_data_skipping_indices": "'by_moment'",
    "use_skip_indexes_if_final_exact_mode": 0,
}
"""Settings for them. Without the last one, FINAL also reads each block that could have a copy of an event which the
index has found, which is nearly all. Copies have the same player and session, and an id of their own, so that these
indexes find all copies or the event that is asked for. They may have other times: that index needs the setting.
"""


@dataclass(frozen=True, slots=True)
class ClickHouseAnswer:
    """The result of a query: its rows."""

    found: list[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.found


class ClickHouse:
    """ClickHouse as a metric's function asks it; the thread is that of `send`.

    Args:
        send: Runs a query with the texts of its parameters by name, as ClickHouse's HTTP interface takes them
            (`param_<name>`), and returns the answer's body. It raises what it likes.
        is_spread: Whether the tables are those of a cluster.
    """

    def __init__(self, send: Callable[[str, Mapping[str, str]], bytes], *, is_spread: bool = False) -> None:
        self._send = send
        self._settings = SETTINGS | _SETTINGS_FOR_CLUSTERS if is_spread else SETTINGS

    def execute(self, text: str, values: Mapping[str, Any], /) -> ClickHouseAnswer:
        """Run a query with the values of its parameters, `$name` in its text."""
        text = _SINCE.sub(_FOUND_SINCE, text)
        chosen = self._settings
        if any(values.get(name) for name in _CHOOSE_FEW_ROWS):
            chosen = chosen | _SETTINGS_FOR_FEW_ROWS
        if _OF_PLAYER in text:
            text = re.sub(r"FROM sessions\s+WHERE ", _SESSIONS_OF_PLAYER, text.replace(_OF_PLAYER, _FOUND_PLAYER))
        own = {name: values[name] for name in re.findall(r"\$(\w+)", text)}
        for name, value in own.items():
            text = re.sub(rf"\${name}\b", f"{{{name}:{_parameter_type(value)}}}", text)
        settings = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        query = f"{text}\nFORMAT JSONCompact SETTINGS {settings}"
        body = self._send(query, {name: _parameter_text(value) for name, value in own.items()})
        return ClickHouseAnswer(_rows_of_body(body))


_TYPES = {bool: "Bool", int: "Int64", float: "Float64", str: "String", datetime.date: "Date32"}


def _parameter_type(value: object) -> str:
    """Return the ClickHouse type of a parameter."""
    if isinstance(value, list):
        return "Array(String)"
    return "Nullable(Int64)" if value is None else _TYPES[type(value)]


def _parameter_text(value: object) -> str:
    """Write a parameter as ClickHouse reads it. Source: ClickHouse, TabSeparated, Data Formatting."""
    if value is None:
        return r"\N"
    if isinstance(value, list):
        return f"[{', '.join(map(_array_item, value))}]"
    return _escaped(value) if isinstance(value, str) else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")


def _array_item(text: str) -> str:
    return "'" + _escaped(text).replace("'", r"\'") + "'"


class _Column(msgspec.Struct):
    name: str
    type: str


class _Body(msgspec.Struct):
    """An answer in the format JSONCompact."""

    meta: list[_Column]
    data: list[list[Any]]


def _rows_of_body(body: bytes) -> list[tuple[Any, ...]]:
    found = msgspec.json.decode(body, type=_Body)
    readers = [_reader_of_type(column.type) for column in found.meta]
    return [
        tuple(read(value) if read and value is not None else value for read, value in zip(readers, row, strict=True))
        for row in found.data
    ]


def _reader_of_type(type_: str) -> Callable[[Any], Any] | None:
    """Return what makes a value of a type from one of JSON; `None` if it is one already."""
    plain = re.sub(r"^(?:LowCardinality\()?(?:Nullable\()?(\w+).*", r"\1", type_)
    return _READERS.get(plain)


_READERS: dict[str, Callable[[Any], Any]] = {
    "Date": datetime.date.fromisoformat,
    "Date32": datetime.date.fromisoformat,
    "DateTime": datetime.datetime.fromisoformat,
    "DateTime64": datetime.datetime.fromisoformat,
    "Float64": float,
}
