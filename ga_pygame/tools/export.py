"""`ga_pygame export`: the stored events as they were sent or as flat columns, or the rows of a metric."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from ga_pygame.collector.csv_text import CsvCell, harmless_cell
from ga_pygame.collector.plain_text import one_line, visible
from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import StoreError
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import BadFilter, filters_from
from ga_pygame.tools.printing import ToolError, complain, new_path, write_result
from ga_pygame.tools.sources import AskedCollector, Where, metric_named, open_source, projected_log, read_options

JSONL, JSON, CSV, PARQUET = "jsonl", "json", "csv", "parquet"
ROWS_PER_FETCH = 10_000
"""Rows of flat events that are in memory at once."""

_FLAT = """
SELECT events.id, game_key, user_id, session_id, session_num, events.client_ts, events.day, events.hour,
    events.category::VARCHAR AS category, build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id,
    ab_variant_id, country_code, sent_by, contexts.who, name, currency, item_type, item_id, status::VARCHAR AS status,
    flow::VARCHAR AS flow, severity::VARCHAR AS severity, value, score, attempt_num, seconds, amount, cart,
    events.length, fps, frame_ms_p99, mem_mb, custom_fields
FROM (SELECT * FROM events WHERE {filters}) AS events
    JOIN contexts ON contexts.context = events.context
    LEFT JOIN games ON games.game = events.game
    LEFT JOIN players ON players.player = events.player
    LEFT JOIN sessions ON sessions.session = events.session
    LEFT JOIN names ON names.name_key = events.name_key
ORDER BY events.id
"""
"""An event a row, with the columns of the warehouse; see its `schema.sql`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, as the options of the command say.

    Attributes:
        form: `jsonl`, `json`, `csv` or `parquet`.
        metric: A metric's name; `None` means events.
        options: The metric's own options.
        filters: The filters.
        rejected: The rejected events, with the broken rules.
        output: The file to write; `None` means stdout.
    """

    form: str
    metric: str | None
    options: Mapping[str, str]
    filters: Mapping[str, str]
    rejected: bool
    output: Path | None


def export(where: Where, wanted: Wanted) -> int:
    """Write what is wanted; return the exit code.

    Raises:
        ToolError: It cannot be read or written, or the options do not fit together.
    """
    if wanted.form == PARQUET and wanted.output is None:
        raise ToolError("parquet is not text: give the file to write with -o FILE")
    if wanted.rejected and (wanted.metric or wanted.filters or wanted.form not in (JSONL, JSON)):
        raise ToolError("--rejected prints all rejected events as JSON: leave out the other options")
    if wanted.options and wanted.metric is None:
        raise ToolError("--option belongs to a metric: name it with --metric")
    if wanted.metric is not None:
        return _export_metric(where, wanted.metric, wanted)
    if where.url is not None:
        return _export_asked(where.url, wanted)
    if wanted.form in (JSONL, JSON):
        return _export_lines(where, wanted)
    return _export_flat(where, wanted)


# --- events as they were sent ---------------------------------------------------------------------------


def _export_lines(where: Where, wanted: Wanted) -> int:
    path = where.path()
    if wanted.filters:
        with _flat_query(where, wanted) as (database, query, values):
            rows = database.ask(lambda cursor: cursor.execute(f"SELECT id FROM ({query})", values).fetchall())  # noqa: S608
        return _write_objects(_lines_of(path, {event_id for (event_id,) in rows}), wanted)
    try:
        with contextlib.closing(Queries(path)) as queries:
            code = _write_objects(queries.rejected() if wanted.rejected else queries.stored(), wanted)
            unreadable = queries.unreadable
    except StoreError as error:
        raise ToolError(str(error)) from error
    if unreadable and not code:
        return complain(f"{unreadable} stored requests of {path} are damaged and were left out")
    return code


def _export_asked(url: str, wanted: Wanted) -> int:
    """Write the events of a running collector, which may keep them in ClickHouse."""
    if wanted.filters or wanted.form not in (JSONL, JSON):
        raise ToolError(
            "--url gives all events as they were sent: leave out filters, --csv and --parquet, or give --db FILE"
        )
    with contextlib.closing(AskedCollector(url)) as collector:
        collector.check()
        return _write_objects(collector.lines("/api/export", {"rejected": "1"} if wanted.rejected else {}), wanted)


def _write_objects(lines: Iterable[bytes], wanted: Wanted) -> int:
    """Write JSON objects, one a line, or as one list."""
    return write_result(lines if wanted.form == JSONL else _as_list(lines), wanted.output)


def _as_list(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a JSON list."""
    before: bytes | None = None
    for number, line in enumerate(lines):
        if before is not None:
            yield before + b","
        before = line if number else b"[" + line
    yield b"[]" if before is None else before + b"]"


def _lines_of(path: Path, wanted: set[int]) -> Iterator[bytes]:
    """Yield the events with these ids as they were sent, in order of arrival."""
    with contextlib.closing(Reader(path, 0)) as log:
        for last, body in log.execute("SELECT id, body FROM batches ORDER BY id"):
            raws = batches.split_batch(body) or []
            first = last - len(raws) + 1
            yield from (one_line(raw) for event_id, raw in enumerate(raws, first) if event_id in wanted)


# --- events as columns ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _flat_query(where: Where, wanted: Wanted) -> Iterator[tuple[Database, str, dict[str, Any]]]:
    """Open the projected log, with the query of its events and the values of the filters."""
    try:
        condition, values = filters_from(wanted.filters).condition()
    except BadFilter as error:
        raise ToolError(str(error)) from error
    with projected_log(where.path(), where.timezone) as database:
        yield database, _FLAT.replace("{filters}", condition), values


def _export_flat(where: Where, wanted: Wanted) -> int:
    with _flat_query(where, wanted) as (database, query, values), database.transaction() as transaction:
        if wanted.form == PARQUET and wanted.output is not None:
            return _write_parquet(transaction.cursor, query, values, wanted.output)
        found = transaction.execute(query, values)
        names = [column[0] for column in found.description]
        return write_result(csv_lines(names, _fetched(found)), wanted.output)


def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while rows := found.fetchmany(ROWS_PER_FETCH):
        yield from rows


def _write_parquet(cursor: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any], path: Path) -> int:
    with new_path(path) as part:
        target = str(part).replace("'", "''")
        try:
            cursor.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, USE_TMP_FILE false)", dict(values))
        except duckdb.Error as error:
            raise ToolError(f"cannot write {path}: {error}") from error
    return 0


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Write a header and rows as CSV, a row a line, without formulas and without what a terminal obeys.

    Source: RFC 4180; OWASP, CSV Injection.
    """
    yield _csv_line(names)
    yield from map(_csv_line, rows)


def _csv_line(row: Sequence[Any]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="").writerow([_safe_cell(value) for value in row])
    return file.getvalue().encode("utf-8", "replace")


def _safe_cell(value: Any) -> CsvCell:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | dict | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = harmless_cell(str(value))
    return visible(text) if isinstance(text, str) else text


# --- a metric -------------------------------------------------------------------------------------------


def _export_metric(where: Where, name: str, wanted: Wanted) -> int:
    metric = metric_named(name)
    options = read_options(metric, wanted.options)
    with open_source(where) as source:
        rows = source.rows(metric, wanted.filters, options)
    names: tuple[str, ...] = metric.row._fields
    if wanted.form == CSV:
        return write_result(csv_lines(names, rows), wanted.output)
    lines = [one_line(msgspec.json.encode(row._asdict())) for row in rows]
    if wanted.form in (JSONL, JSON):
        return _write_objects(lines, wanted)
    return _parquet_of_lines(lines, wanted)


def _parquet_of_lines(lines: Sequence[bytes], wanted: Wanted) -> int:
    if not lines:
        raise ToolError("there are no rows, and so no columns: choose other filters, or --csv")
    if wanted.output is None:
        return 1
    with tempfile.TemporaryDirectory(prefix="ga_pygame_") as folder, contextlib.closing(duckdb.connect()) as connection:
        source = Path(folder) / "rows.jsonl"
        source.write_bytes(b"\n".join(lines))
        query = "SELECT * FROM read_json($path, format = 'newline_delimited')"
        return _write_parquet(connection, query, {"path": str(source)}, wanted.output)
