"""Measure the warehouse: `python -m benchmarks.warehouse --events 1000000`.

Events of made-up players over 60 days are written straight into a collector's file: sessions of some 25 events, levels
with attempts, designs, resources, purchases, errors, health. Then they are projected into DuckDB's file, and each
metric is asked with several filters, best of some tries. "CPU" is that of this process; the wall time of a busy
machine says little.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gzip
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

_Result = TypeVar("_Result")

KEY = "5c6bcb5402204249437fb5a7a80a4959"
BEGIN = 1_760_054_400
"""2025-10-10 00:00 UTC."""
DAYS = 60
DAY = 86_400
_EVENTS_OF_A_SESSION = 22
_REQUESTS_AT_ONCE = 2_000
_TRIES = 7
_OPTIONS = {"funnel": {"steps": ["Start:forest:level_1", "Complete:forest:level_1", "Start:forest:level_2"]}}
"""Options of metrics that answer nothing without them."""
_SOME_PLAYER = "SELECT user_id FROM players WHERE player = 1"


class Players:
    """Makes sessions of players of different skill.

    Args:
        number: Of players.
        seed: Of all chance.
    """

    def __init__(self, number: int, seed: int = 1) -> None:
        self._rng = rng = random.Random(seed)
        self._ids = [f"{rng.getrandbits(128):032x}" for _ in range(number)]
        self._skills = [rng.random() for _ in range(number)]
        self._first_days = [rng.randrange(DAYS) for _ in range(number)]
        self._levels = [1] * number
        self._tries = [0] * number
        self._sessions = [0] * number

    def plan(self, sessions: int) -> list[tuple[int, int]]:
        """Return the beginnings of sessions in seconds, with their players, in order."""
        rng = self._rng
        found = []
        for _ in range(sessions):
            player = rng.randrange(len(self._ids))
            day = min(DAYS - 1, self._first_days[player] + int(rng.expovariate(0.15)))
            found.append((BEGIN + day * DAY + rng.randrange(DAY), player))
        return sorted(found)

    def play(self, at: int, player: int) -> tuple[int, list[str]]:
        """Return the end of a session and the JSON of its events."""
        shared, sent, now = self._shared(at, player), [], at
        who = ',"custom_fields":{"ga_who":"developer"}' if player % 50 == 0 else ""

        def send(own: str) -> None:
            fields = who if "custom_fields" not in own else ""
            sent.append(f'{{{own},"client_ts":{now},{shared}{fields},"event_uuid":"{self._uuid()}"}}')

        send('"category":"user"')
        while len(sent) < _EVENTS_OF_A_SESSION:
            level = f"forest:level_{self._levels[player]}"
            send(f'"category":"progression","event_id":"Start:{level}"')
            for _ in range(self._rng.randrange(2, 6)):
                now += self._rng.randrange(1, 9)
                send(self._other())
            now += self._rng.randrange(5, 60)
            send(self._outcome(player, level))
        send(f'"category":"session_end","length":{now - at}')
        return now, sent

    def _uuid(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _shared(self, at: int, player: int) -> str:
        self._sessions[player] += 1
        platform = ("linux", "windows", "mac_osx")[player % 3]
        build = f"1.{(at - BEGIN) // DAY // 7}"
        return (
            f'"v":2,"user_id":"{self._ids[player]}","sdk_version":"rest api v2","platform":"{platform}",'
            f'"os_version":"{platform} {player % 7}.{player % 5}","manufacturer":"unknown","device":"unknown",'
            f'"session_id":"{self._uuid()}","session_num":{self._sessions[player]},"build":"{build}",'
            f'"custom_01":"{("ninja", "wizard", "smith")[player % 3]}"'
        )

    def _other(self) -> str:
        rng, chance = self._rng, self._rng.random()
        item, amount = f"item{rng.randrange(20)}", rng.randrange(1, 50)
        if chance < 0.5:
            event_id = f"kill:enemy_{rng.randrange(60)}:{rng.choice('abcde')}"
            return f'"category":"design","event_id":"{event_id}","value":{rng.random():.2f}'
        if chance < 0.7:
            return f'"category":"resource","event_id":"Source:gold:pickup:{item}","amount":{amount}'
        if chance < 0.9:
            return f'"category":"resource","event_id":"Sink:gold:boost:{item}","amount":-{amount}'
        if chance < 0.905:
            return f'"category":"business","event_id":"pack:{item}","amount":499,"currency":"USD","transaction_num":1'
        if chance < 0.92:
            severity = "critical" if chance < 0.907 else "error"
            return f'"category":"error","severity":"{severity}","message":"boom {amount}"'
        fps, p99 = rng.randrange(300, 600) / 10, rng.randrange(60, 160) / 4
        return f'"category":"health","fps":{fps},"frame_ms_p99":{p99},"mem_mb":90.5'

    def _outcome(self, player: int, level: str) -> str:
        rng = self._rng
        self._tries[player] += 1
        tries = self._tries[player]
        status = "Complete" if rng.random() < 0.3 + 0.6 * self._skills[player] else "Fail"
        if status == "Complete":
            self._tries[player] = 0
            self._levels[player] = self._levels[player] % 60 + 1
        fields = f'"seconds":{rng.randrange(50, 900) / 10}' + (',"ga_who":"developer"' if player % 50 == 0 else "")
        return (
            f'"category":"progression","event_id":"{status}:{level}","attempt_num":{tries},'
            f'"score":{rng.randrange(2000)},"custom_fields":{{{fields}}}'
        )


def write_log(path: Path, events: int, players: int) -> int:
    """Write a collector's file with about that many events; return how many."""
    from ga_pygame.collector.storage.schema import connect_to_write

    made = Players(players)
    last, rows = 0, []
    with contextlib.closing(connect_to_write(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute("INSERT INTO games VALUES (1, ?)", (KEY,))
        for at, player in made.plan(events // (_EVENTS_OF_A_SESSION + 3)):
            now, sent = made.play(at, player)
            last += len(sent)
            body = gzip.compress(f"[{','.join(sent)}]".encode(), 1, mtime=0)
            rows.append((last, len(sent), 1, now + 5.25, "user", body))
            if len(rows) >= _REQUESTS_AT_ONCE:
                db.executemany("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", rows)
                rows.clear()
        db.executemany("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute("COMMIT")
    return last


def timed(work: Callable[[], _Result]) -> tuple[float, float, _Result]:
    """Return the seconds of wall and of processor time of a call, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


@contextlib.contextmanager
def project(log: Path) -> Iterator[Any]:
    """Project a collector's file, print how fast, and yield the warehouse."""
    from ga_pygame.collector.storage.reading import Reader
    from ga_pygame.collector.warehouse.database import Database
    from ga_pygame.collector.warehouse.projector import Projector

    file = log.with_suffix(".duckdb")
    with contextlib.closing(Database(file)) as database, contextlib.closing(Reader(log, 0)) as reader:
        projector = Projector(reader, database, lambda _, message: print(message))
        wall, cpu, _ = timed(projector.run_to_end)
        events = projector.progress.all
        database.writer.execute("CHECKPOINT")
        size = file.stat().st_size / events
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"projected {events:,} events: {events / wall:,.0f}/s, CPU {cpu / events * 1e6:.1f} µs each,", end=" ")
        print(f"{size:.1f} bytes each, {memory:.0f} MB of memory at most")
        yield database


def ask_all(database: Any) -> None:
    """Print the milliseconds of each metric with several filters."""
    from ga_pygame.collector.warehouse.asking import Question
    from ga_pygame.collector.warehouse.filters import Filters
    from ga_pygame.collector.warehouse.metrics import METRICS

    today = datetime.datetime.fromtimestamp(BEGIN + DAYS * DAY, datetime.timezone.utc).date()
    filters = {
        "no filter": Filters(),
        "players": Filters(who=("player",)),
        "a build and platform": Filters(build="1.3", platform="linux"),
        "a dimension": Filters(custom_01="ninja"),
        "a player": Filters(user_id=database.ask(lambda cursor: cursor.execute(_SOME_PLAYER).fetchone())[0]),
        "two weeks": Filters(since=today - datetime.timedelta(days=28), until=today - datetime.timedelta(days=15)),
    }
    print("\n| metric | filter | rows | ms | CPU ms |\n|---|---|--:|--:|--:|")
    for metric in METRICS.values():
        for name, one in filters.items():

            def question(metric: Any = metric, one: Filters = one) -> list[Any]:
                options = _OPTIONS.get(metric.name, {})
                return database.ask(lambda cursor: metric.function(Question(cursor, one, today), **options))  # type: ignore[no-any-return]

            tries = [timed(question) for _ in range(_TRIES)]
            wall, cpu = min(wall for wall, _, _ in tries), min(cpu for _, cpu, _ in tries)
            print(f"| {metric.name} | {name} | {len(tries[0][2])} | {wall * 1000:.0f} | {cpu * 1000:.0f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, project and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--players", type=int, default=50_000)
    parser.add_argument("--log", type=Path, help="a collector's file to use, or to make and keep")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = chosen.log or Path(folder) / "events.sqlite3"
        if not log.exists():
            wall, _, events = timed(lambda: write_log(log, chosen.events, chosen.players))
            print(f"made {events:,} events of {chosen.players:,} players in {wall:.0f} s, {log.stat().st_size:,} bytes")
        with project(log) as database:
            ask_all(database)


if __name__ == "__main__":
    main()
