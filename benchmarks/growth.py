"""Measure whether cost grows with the waiting records and with time: `python -m benchmarks.growth`.

With 0, 10,000 and 100,000 records in the outbox, and with an outbox full to its default limit, where each commit must
make room: start-up, calls, a commit of 64 records, a lease of 500 and its settling. Numbers are medians over
interleaved rounds of each round's percentile. All but start-up and calls is timed with the workers' classes on one
thread.

Then a day of play in accelerated time: the real tracker and outbox, a clock that is set by hand, two events in a
quarter of a second, a pause that ends the session once an hour, scripted answers. Memory, the size of the files and
open handles must not grow from hour to hour.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.inside import leave, percentiles, tell
from benchmarks.process import child, medians, outbox_file, parser, progress
from benchmarks.report import Cell, Report, ratio
from benchmarks.scene import NAMES, Scene
from benchmarks.servers import running

WAITING = (0, 10_000, 100_000)
_DESTINATION = "gameanalytics"
_FULL = "full"
_SHARED = b'"shared":"' + b"x" * 430 + b'"'
_OWN = b'"category":"design","event_id":"%s","value":1,"event_uuid":"%s"'
_TO_BE_FULL = 50_000
_STEP_SECONDS = 0.25


def records(count: int) -> list[Any]:
    """Make records of realistic size."""
    from ga_pygame.clock import new_id
    from ga_pygame.delivery.outbox.contract import NewRecord

    made = []
    for number in range(count):
        own = _OWN % (NAMES[number & 63].encode(), new_id().encode())
        made.append(NewRecord("session", "design", 1.7e9 + number, None, _SHARED, own))
    return made


def fill(data: Path, count: int) -> Any:
    """Make an outbox on disk in which that many records wait."""
    from ga_pygame.delivery.outbox.sqlite import SqliteOutbox

    outbox = SqliteOutbox(outbox_file(data), [_DESTINATION])
    for _ in range(0, count, 1000):
        outbox.transact(functools.partial(_add, records(1000)))
    return outbox


def _add(some: list[Any], transaction: Any) -> None:
    transaction.add(some)


def timed(work: Callable[[], Any], times: list[float]) -> Any:
    """Run work, record its milliseconds and return its result."""
    began = time.perf_counter()
    result = work()
    times.append((time.perf_counter() - began) * 1000)
    return result


def measure_parts(options: dict[str, Any]) -> dict[str, float]:
    """Measure commit, lease and settle with so many waiting; the outbox stays as full as it was."""
    data, waiting = Path(options["data"]), options["waiting"]
    is_full = waiting == _FULL
    limit = 5 * 2**20 if is_full else 2**40
    outbox = fill(data, _TO_BE_FULL if is_full else waiting)
    commits: list[float] = []
    leases: list[float] = []
    settles: list[float] = []

    def commit(size: int) -> None:
        some = records(size)

        def work(transaction: Any) -> int:
            transaction.add(some)
            trimmed: int = transaction.trim(limit)
            return trimmed

        timed(lambda: outbox.transact(work), commits)

    for _ in range(8):
        commit(64)
    commits.clear()
    for _ in range(50):
        for _ in range(8):
            commit(64)
        batch = timed(lambda: outbox.lease(_DESTINATION, 500, 900_000), leases)
        timed(functools.partial(outbox.settle, batch), settles)
    outbox.close()
    result: dict[str, float] = {}
    for name, times in (("commit", commits), ("lease", leases), ("settle", settles)):
        numbers = percentiles(times)
        result |= {f"{name} p50": numbers["p50"], f"{name} p99": numbers["p99"], f"{name} max": numbers["max"]}
    return result


def measure_start(options: dict[str, Any]) -> dict[str, float]:
    """Measure a launch with the outbox of `measure_parts`: start() and calls."""
    Scene()
    from ga_pygame import Tracker

    limit = 5 * 2**20 if options["waiting"] == _FULL else 2**40
    tracker = Tracker(collector=options["url"], max_outbox_bytes=limit)
    began = time.perf_counter()
    tracker.start()
    start = (time.perf_counter() - began) * 1000
    time.sleep(1.0)
    times = []
    clock = time.perf_counter_ns
    for number in range(5000):
        name, value = NAMES[number & 63], float(number)
        first = clock()
        tracker.design(name, value)
        times.append((clock() - first) / 1000)
        if number % 5 == 4:
            time.sleep(1 / 240)
    numbers = percentiles(times)
    return {"start": start, **{f"call {key}": numbers[key] for key in ("p50", "p99", "max")}}


def measure_day(options: dict[str, Any]) -> dict[str, Any]:
    """Measure a day of play, with a sample at the end of each hour."""
    import psutil

    from ga_pygame.protocol import Reply
    from ga_pygame.testing import FrameRunner, ManualClock, Parts, ScriptedTransport, tracker_of

    Scene()
    clock = ManualClock()
    init, taken = Reply(201, {}, b'{"configs":[]}'), Reply(200, {}, b"[]")
    transport = ScriptedTransport([lambda request: init if "init" in request.url else taken])
    parts = Parts(clock=lambda: clock, transport=lambda _timeout, _clock: transport, runner=FrameRunner)
    tracker = tracker_of(parts, collector="http://127.0.0.1:1", hook=False)
    tracker.start()
    process = psutil.Process()
    folder = outbox_file(Path(options["data"])).parent
    samples = []
    for hour in range(options["hours"]):
        began = time.perf_counter()
        for step in range(int(3600 / _STEP_SECONDS)):
            clock.advance(_STEP_SECONDS if step else 30.0, cpu=0.01)
            tracker.design(NAMES[step & 63], step)
            tracker.design(NAMES[step * 7 & 63])
            tracker.tick()
            if step % 64 == 0:
                transport.sent.clear()
        stats = tracker.stats
        samples.append(
            {
                "hour": hour + 1,
                "real s": time.perf_counter() - began,
                "resident MB": process.memory_info().rss / 2**20,
                "files KB": sum(file.stat().st_size for file in folder.iterdir()) / 1024,
                "handles": process.num_fds(),
                "threads": process.num_threads(),
                "recorded": stats.recorded,
                "delivered": sum(stats.delivered.values()),
                "dropped": sum(stats.dropped.values()),
            }
        )
    return {"samples": samples}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and the day, and print the tables."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--hours", type=int, default=24, help="of accelerated play; 0: none (default: %(default)s)")
    chosen = options.parse_args(arguments)
    if chosen.child:
        asked = json.loads(chosen.child)
        tell({"parts": measure_parts, "start": measure_start, "day": measure_day}[asked["do"]](asked))
        leave()
    paper = Report("benchmarks.growth", vars(chosen), chosen.json)
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    with running("down") as nobody:
        for round_ in range(chosen.rounds):
            for waiting in (*WAITING, _FULL):
                progress(f"round {round_ + 1}: {waiting} waiting")
                with tempfile.TemporaryDirectory() as data:
                    wanted = {"data": data, "waiting": waiting, "url": nobody.url}
                    one = child("benchmarks.growth", "ga_pygame", {**wanted, "do": "parts"})
                    two = child("benchmarks.growth", "ga_pygame", {**wanted, "do": "start"})
                found[waiting].append({**one, **two})
                paper.keep(str(waiting), found[waiting][-1])
        _show(paper, {waiting: medians(rounds) for waiting, rounds in found.items()})
    if chosen.hours:
        progress(f"{chosen.hours} hours of play")
        with tempfile.TemporaryDirectory() as data:
            day = child("benchmarks.growth", "ga_pygame", {"do": "day", "data": data, "hours": chosen.hours}, 1800)
        paper.keep("day", day)
        samples = day.get("samples", [])
        columns = list(samples[0]) if samples else [str(day)]
        shown = [one for one in samples if one["hour"] in (1, 2) or one["hour"] % 4 == 0]
        paper.show("A day of play", columns, [[f"{value:,.0f}" for value in one.values()] for one in shown])


def _show(paper: Report, found: dict[Any, dict[str, float]]) -> None:
    base = found[0]
    names = {"start": "start() ms", "call p50": "call p50 µs", "call p99": "call p99 µs", "call max": "call max µs"}
    for part in ("commit", "lease", "settle"):
        names |= {f"{part} {key}": f"{part} {key} ms" for key in ("p50", "p99", "max")}
    rows: list[list[Cell]] = []
    for key, title in names.items():
        values: list[Cell] = [found[waiting].get(key) for waiting in found]
        rows.append([title, ratio(found[WAITING[-1]].get(key), base.get(key)), *values])
    waiting = [f"{one:,}" if isinstance(one, int) else "full, 5 MiB" for one in found]
    paper.show("Cost by records waiting", ["", "100,000 / 0", *waiting], rows)


if __name__ == "__main__":
    main()
