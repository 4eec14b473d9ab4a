"""Where a command gets its figures: from a running collector, or from its file.

No process can open DuckDB's file while another one has it open. So a collector that runs is asked over HTTP; if none
does, the log is projected into a temporary file. Whoever names a file with `--db` gets the latter in both cases.
"""

from __future__ import annotations

import contextlib
import datetime
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import requests

from ga_pygame import clock
from ga_pygame.collector import app, keeping
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import StoreError, make_folder
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, answer_metric
from ga_pygame.collector.warehouse.database import Database, NotReady
from ga_pygame.collector.warehouse.filters import BadFilter, filters_from
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Progress, Projector
from ga_pygame.tools.printing import ToolError, print_note, say_progress

SECONDS_FOR_CONNECT = 3.0
"""How long a collector may take to answer a connection."""
MAX_BUSY_ANSWERS = 10
"""Answers "try later" (503), a second apart, before a command gives up: a collector that just started needs some."""
_READ_CHUNK = 65_536
"""Bytes of an answer that are read at once, where it is read while it comes."""
SECONDS_FOR_CHECK = 5.0
"""How long what listens on a collector's port may take to say that it is one."""
SECONDS_FOR_ANSWER = 600.0
"""How long a collector may take to answer: to forget a player it searches all of its log."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where the events are, as the options of a command say.

    Attributes:
        db: The collector's file.
        url: The address of a running collector, as it printed it: with `?token=…` beyond loopback.
        port: The port of the collector if neither is given.
        timezone: The zone of calendar days, if the file is read.
    """

    db: Path | None
    url: str | None
    port: int
    timezone: str

    def path_to_write(self) -> Path:
        """Return the collector's file, which may not exist; the default folder is made.

        Raises:
            ToolError: The options name none.
        """
        if self.db is not None:
            return self.db
        if self.port == 0:
            raise ToolError("each collector on --port 0 has a new file: name it with --db")
        path = keeping.default_database(self.port)
        try:
            make_folder(path.parent)
        except OSError as error:
            raise ToolError(f"cannot make {path.parent}: {error.strerror}: choose a file with --db") from error
        return path

    def path(self) -> Path:
        """Return the collector's file, to read it.

        Raises:
            ToolError: There is none.
        """
        path = self.path_to_write()
        if self.db is None and not path.exists():
            raise ToolError(
                f"there is no file {path}, where the collector on port {self.port} keeps its events:"
                " start `collect` first, or give another --port, or the file with --db"
            )
        return path


class Source(Protocol):
    """What answers metrics."""

    def rows(self, metric: WarehouseMetric, filters: Mapping[str, str], options: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a metric, of its type.

        Raises:
            ToolError: It cannot be answered; the message says why.
        """


@contextlib.contextmanager
def open_source(where: Where) -> Iterator[Source]:
    """Open the running collector, or the file if none runs.

    Raises:
        ToolError: There is neither.
    """
    collector = running_collector(where)
    if collector is not None:
        with contextlib.closing(collector):
            yield collector
        return
    with projected_log(where.path(), where.timezone) as database:
        yield ProjectedLog(database)


def running_collector(where: Where) -> AskedCollector | None:
    """Return the collector at the address, or at the default port; `None` if the file must be read.

    Raises:
        ToolError: An address was given, and no collector answers there.
    """
    if where.url is None and (where.db is not None or where.port == 0):
        return None
    collector = AskedCollector(where.url or f"http://127.0.0.1:{where.port}")
    try:
        collector.check()
    except ToolError:
        collector.close()
        if where.url is not None:
            raise
        return None
    return collector


class AskedCollector:
    """A running collector.

    Args:
        url: Its address, with the page's token in it if it needs one.

    Raises:
        ToolError: It is no address.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
        except ValueError:
            good = False
        if not good:
            raise ToolError("--url must be the address that the collector printed, e.g. http://127.0.0.1:8420")
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy may see the data, and none is needed on the own machine
        token = parse_qs(parts.query).get("token", [""])[0]
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def check(self) -> None:
        """Check that a collector answers.

        Raises:
            ToolError: None does.
        """
        listed = self._json(self._call("GET", "/api/warehouse", seconds=SECONDS_FOR_CHECK))
        if not isinstance(listed, list) or not all(isinstance(one, dict) and "metric" in one for one in listed):
            raise ToolError(f"what answers at {self._base} is no collector of this version")

    def newest_id(self) -> int:
        """Return the id of the newest event, 0 if there is none.

        Raises:
            ToolError: The collector does not answer, or is of an earlier version.
        """
        found = self._json(self._call("GET", "/api/summary"))
        try:
            return int(found["newest_id"])
        except (TypeError, KeyError) as error:
            raise ToolError(f"the collector at {self._base} is of another version: restart it") from error

    def events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the next events after an id, accepted and rejected, as `/api/events` tells them.

        Raises:
            ToolError: The collector does not answer.
        """
        found = self._json(self._call("GET", "/api/events", params={"after": str(after), "limit": str(limit)}))
        return list(found)

    def rows(self, metric: WarehouseMetric, filters: Mapping[str, str], options: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a metric. See `Source`."""
        texts = {
            name: ",".join(value) if isinstance(value, list | tuple) else str(value) for name, value in options.items()
        }
        reply = self._call("GET", f"/api/warehouse/{metric.name}", params={**filters, **texts})
        _say_how_far(reply.headers.get(app.PROJECTED_HEADER, ""))
        names = metric.row._fields
        try:
            return [metric.row(**{name: one[name] for name in names}) for one in self._json(reply)]
        except (TypeError, KeyError) as error:
            raise ToolError(f"the collector at {self._base} is of another version: restart it") from error

    def lines(self, path: str, params: Mapping[str, str]) -> Iterator[bytes]:
        """Yield the lines of an answer as they come.

        Raises:
            ToolError: The collector does not answer, or not to the end.
        """
        with self._call("GET", path, params=params, stream=True) as reply:
            try:
                for line in reply.iter_lines(_READ_CHUNK, delimiter=b"\n"):
                    if line:
                        yield line
            except requests.RequestException as error:
                raise ToolError(f"the answer of {self._base} broke off ({type(error).__name__})") from error

    def post(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Send a body and return the answer.

        Raises:
            ToolError: It was not done.
        """
        found = self._json(self._call("POST", path, params=params, body=body))
        return found if isinstance(found, dict) else {}

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = SECONDS_FOR_ANSWER,
        stream: bool = False,
    ) -> requests.Response:
        for _ in range(MAX_BUSY_ANSWERS):
            reply = self._request(method, path, params, body, seconds=seconds, stream=stream)
            if reply.status_code != 503:
                break
            clock.sleep(1.0)
        if reply.status_code == 401:
            raise ToolError("the collector wants its token: give --url with ?token=… as it printed it at its start")
        if reply.status_code != 200:
            raise ToolError(f"the collector says: {_why_not(reply)}")
        return reply

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        *,
        seconds: float,
        stream: bool,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self._base + path,
                params=params,
                data=body,
                timeout=(SECONDS_FOR_CONNECT, seconds),
                allow_redirects=False,
                stream=stream,
            )
        except requests.RequestException as error:
            raise ToolError(f"no collector answers at {self._base} ({type(error).__name__}): is it running?") from error

    def _json(self, reply: requests.Response) -> Any:
        try:
            return reply.json()
        except ValueError as error:
            raise ToolError(f"what answers at {self._base} is no collector") from error


class ProjectedLog:
    """A log that this process has projected."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def rows(self, metric: WarehouseMetric, filters: Mapping[str, str], options: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a metric. See `Source`."""
        today = datetime.datetime.fromtimestamp(clock.wall_now(), self.database.zone).date()
        try:
            read = filters_from(filters)
            return self.database.ask(lambda cursor: answer_metric(Question(cursor, read, today), metric, options))
        except (BadFilter, NotReady) as error:
            raise ToolError(str(error)) from error


@contextlib.contextmanager
def projected_log(path: Path, timezone: str) -> Iterator[Database]:
    """Project a collector's file into a temporary one; the collector may be running.

    Raises:
        ToolError: The file cannot be read.
    """
    told: list[str] = []

    def tell(cause: str, message: str) -> None:
        told.append(message)
        if cause != "warehouse":
            print_note(message)

    def show(progress: Progress) -> None:
        say_progress("reading", progress.done, progress.all)

    with tempfile.TemporaryDirectory(prefix="ga_pygame_", ignore_cleanup_errors=True) as folder:
        database = Database(Path(folder) / "projected.duckdb", timezone)
        with contextlib.ExitStack() as stack:
            try:
                log = stack.enter_context(contextlib.closing(Reader(path, 0)))
                stack.enter_context(contextlib.closing(database))
                Projector(log, database, tell).run_to_end(show)
            except StoreError as error:
                raise ToolError(str(error)) from error
            except NotReady as error:
                raise ToolError(f"cannot read {path}: {told[-1] if told else error}") from error
            yield database


def metric_named(name: str) -> WarehouseMetric:
    """Return a metric.

    Raises:
        ToolError: There is none of this name.
    """
    if name not in METRICS:
        raise ToolError(f"there is no metric {name[:40]!r}; there are: {', '.join(METRICS)}")
    return METRICS[name]


def read_options(metric: WarehouseMetric, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read a metric's own options from texts.

    Raises:
        ToolError: It has no such option, or it cannot be read.
    """
    unknown = sorted(set(texts) - set(metric.options))
    if unknown:
        known = ", ".join(metric.options) or "none"
        raise ToolError(f"the metric {metric.name} has no option {unknown[0][:40]!r}; there are: {known}")
    try:
        return {name: metric.options[name](text) for name, text in texts.items()}
    except BadFilter as error:
        raise ToolError(str(error)) from error


def _say_how_far(header: str) -> None:
    """Say that not all events are in the figures yet, if that is so."""
    done, _, of_all = header.partition("/")
    if done.isdecimal() and of_all.isdecimal() and int(done) < int(of_all):
        print_note(f"the collector has counted {int(done):,} of {int(of_all):,} events so far: ask again for all")


def _why_not(reply: requests.Response) -> str:
    """Return what the collector says is wrong."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(reply.json().get("error", reply.status_code))
    return str(reply.status_code)
