"""Measure events a second, CPU time, bytes, memory, import, start and exit: `python -m benchmarks.throughput`.

Parts, all of them or those named by `--parts`:

- `rate`: events in a tight loop, then flush. "Stored" and "acknowledged" are counted from the first call;
  "backlog" is a second launch that sends the events which the first one stored while the server was down. Ours go to
  the real collector, which checks and commits each event, the others to a sink that only answers 200.
- `wire`: bytes per event at the sink (for us too), for 5,000 and for 100 events at once, including what comes before
  them (the handshake, the session's start); 64 names repeat, ids and times do not.
- `memory`: the memory of a running game of 3 s at 1,200 events/s minus that of the same game without a tracker; "bare
  requests" is one POST with that library on a thread, a cost of most contestants and of ours. The memory of this
  process only ("unshared") depends on which others use the same libraries at that moment.
- `import`, `startup` (from the process's start to its first frame), `exit` (from `close()` to the process's
  end, after 2 s of play): in seconds or milliseconds over the same without a tracker.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from benchmarks import environment
from benchmarks.peers import CONTESTANTS, OURS, base_of, with_bases
from benchmarks.process import child, chosen_peers, medians, parser, progress
from benchmarks.report import Cell, Report
from benchmarks.servers import STATES, Server, all_states

Found = dict[str, list[dict[str, Any]]]
Servers = dict[str, dict[bool, Server]]
PARTS = ("rate", "wire", "memory", "import", "startup", "exit")


class Run:
    """A run of the benchmark: its options and servers.

    Args:
        peers: Names of the peers.
        chosen: The options.
        paper: The report.
        servers: By state and by whether the contestant is ours.
    """

    def __init__(self, peers: Sequence[str], chosen: Any, paper: Report, servers: Servers) -> None:
        self._peers = list(peers)
        self._chosen = chosen
        self._paper = paper
        self._servers = servers

    def part(self, name: str) -> None:
        """Run all rounds of a part and show its table."""
        measure, show = {
            "rate": (self._rate, self._show_rate),
            "wire": (self._wire, self._show_wire),
            "memory": (self._memory, self._show_memory),
            "import": (self._import, self._show_import),
            "startup": (self._startup, self._show_startup),
            "exit": (self._exit, self._show_exit),
        }[name]
        names = [OURS, *self._peers] if name in ("rate", "wire") else with_bases([OURS, *self._peers])
        if name == "memory":
            names.append("bare requests")
        found: Found = defaultdict(list)
        for round_ in range(self._chosen.rounds):
            for contestant in names:
                progress(f"{name}, round {round_ + 1}: {contestant}")
                result = measure(contestant)
                found[contestant].append(result)
                self._paper.keep(f"{name}/{contestant}", result)
        show({contestant: medians(rounds) for contestant, rounds in found.items()})

    def _child(self, name: str, state: str, timeout: float = 180.0, **arguments: Any) -> dict[str, Any]:
        url = self._servers[state][CONTESTANTS[name].is_ours].url
        return child("benchmarks.throughput_child", name, {"url": url, **arguments}, timeout)

    # --- events a second --------------------------------------------------------------------------------

    def _rate(self, name: str) -> dict[str, Any]:
        server = self._servers["healthy"][name == OURS]
        events = self._chosen.events if name == OURS else min(self._chosen.events, self._chosen.peer_events)
        before, cpu = self._arrived(name), server.cpu_seconds()
        result = self._child(name, "healthy", part="rate", events=events)
        if "failed" in result:
            return result
        arrived = result["delivered"] if name == OURS else self._arrived(name) - before
        result |= {"arrived %": 100 * arrived / events, "acknowledged": arrived / result["acknowledged s"]}
        result["server cpu ms"] = 1e6 * (server.cpu_seconds() - cpu) / max(arrived, 1)
        result["cpu ms"] = 1e6 * result["cpu s"] / max(arrived, 1)
        if name == OURS:
            result["stored"] = events / result["stored s"]
            with tempfile.TemporaryDirectory() as data:
                alone = self._child(name, "down", part="store", events=events, data=data)
                again = self._child(name, "healthy", part="drain", events=events, data=data)
            result["stored alone"] = events / alone.get("stored s", float("nan"))
            result["store cpu ms"] = 1e6 * alone.get("cpu s", float("nan")) / events
            result["backlog"] = again.get("delivered", 0) / again.get("acknowledged s", float("nan"))
        return result

    def _arrived(self, name: str) -> int:
        return 0 if name == OURS else self._servers["healthy"][False].totals()["events"] // CONTESTANTS[name].marks

    def _show_rate(self, found: dict[str, dict[str, float]]) -> None:
        keys = ["acknowledged", "arrived %", "cpu ms", "calls s", "server cpu ms"]
        rows: list[list[Cell]] = [[name, *(got.get(key) for key in keys)] for name, got in found.items()]
        columns = ["contestant", "acknowledged/s", "arrived %", "CPU ms per 1,000", "calls took s"]
        self._paper.show("Throughput", [*columns, "server's CPU ms per 1,000"], rows)
        ours = found[OURS]
        more: list[Cell] = [ours.get(key) for key in ("stored", "stored alone", "store cpu ms", "backlog")]
        columns = ["", "stored/s", "stored/s, server down", "CPU ms per 1,000, server down", "backlog sent/s"]
        self._paper.show("Storing and sending apart", columns, [[OURS, *more]])

    def _wire(self, name: str) -> dict[str, Any]:
        sink = self._servers["healthy"][False]
        result: dict[str, Any] = {}
        for count in (5000, 100):
            before = sink.totals()
            child("benchmarks.throughput_child", name, {"url": sink.url, "part": "rate", "events": count})
            after = sink.totals()
            gone = {key: after[key] - before[key] for key in after}
            events = max(1, gone["events"] // CONTESTANTS[name].marks)
            result[f"body of {count}"] = gone["body_bytes"] / events
            result[f"wire of {count}"] = gone["wire_bytes"] / events
            result[f"batch of {count}"] = events / max(1, gone["requests"])
        return result

    def _show_wire(self, found: dict[str, dict[str, float]]) -> None:
        keys = [f"{what} of {count}" for count in (5000, 100) for what in ("body", "wire", "batch")]
        rows: list[list[Cell]] = [[name, *(got.get(key) for key in keys)] for name, got in found.items()]
        columns = ["contestant", *(f"{key} events" for key in keys)]
        self._paper.show("Bytes/event on the wire: bodies, with headers; events/request", columns, rows)

    # --- what a game has to carry -----------------------------------------------------------------------

    def _memory(self, name: str) -> dict[str, Any]:
        return self._child(name, "healthy", part="memory")

    def _show_memory(self, found: dict[str, dict[str, float]]) -> None:
        rows: list[list[Cell]] = []
        for name, got in found.items():
            base = found[base_of(name)]
            rows.append([name, *(got.get(key, 0) - base.get(key, 0) for key in ("rss", "peak", "uss"))])
        self._paper.show("Memory added, MB", ["contestant", "resident", "resident at its peak", "unshared"], rows)

    def _import(self, name: str) -> dict[str, Any]:
        module = CONTESTANTS[name].module
        code = f"import sys{', ' + module if module else ''}; print(*(set(sys.modules) & {{'pygame', 'requests'}}))"
        command = [environment.python_of(name), "-c", code]
        settings = {"PYTHONPATH": str(environment.ROOT), "HOME": tempfile.gettempdir()}
        times, loaded = [], ""
        for _ in range(5):
            began = time.perf_counter()
            loaded = subprocess.run(command, env=settings, capture_output=True, text=True, check=True).stdout.strip()
            times.append((time.perf_counter() - began) * 1000)
        return {"ms": min(times), "brings pygame": "pygame" in loaded, "brings requests": "requests" in loaded}

    def _show_import(self, found: dict[str, dict[str, float]]) -> None:
        def brings(got: dict[str, float]) -> str:
            return ", ".join(word for word in ("pygame", "requests") if got.get(f"brings {word}")) or "-"

        rows: list[list[Cell]] = [
            [name, got["ms"] - found[base_of(name)]["ms"], got["ms"], brings(got)] for name, got in found.items()
        ]
        self._paper.show("Import", ["contestant", "ms over bare Python", "ms", "brings in"], rows)

    def _startup(self, name: str) -> dict[str, Any]:
        result = self._child(name, "healthy", part="startup")
        return {"s": result["ready"] - result["began"], **result} if "failed" not in result else result

    def _show_startup(self, found: dict[str, dict[str, float]]) -> None:
        keys = ("start ms", "first call ms", "first frame ms")
        rows: list[list[Cell]] = [
            [name, (got["s"] - found[base_of(name)]["s"]) * 1000, got["s"] * 1000, *(got[key] for key in keys)]
            for name, got in found.items()
        ]
        columns = ["contestant", "ms added", "ms to the first frame", "import and start()", "first call", "first frame"]
        self._paper.show("From the process's start to the first frame", columns, rows)

    def _exit(self, name: str) -> dict[str, Any]:
        took: dict[str, Any] = {}
        for state in STATES:
            result = self._child(name, state, timeout=self._chosen.patience + 5, part="exit")  # 5: until close()
            over = "failed" in result
            took[state] = self._chosen.patience if over else result["ended"] - result["closing"]
        return took

    def _show_exit(self, found: dict[str, dict[str, float]]) -> None:
        patience = self._chosen.patience
        rows: list[list[Cell]] = [
            [name, *(f"over {patience:g}" if got[state] >= patience else got[state] for state in STATES)]
            for name, got in found.items()
        ]
        title = "Seconds from close() to the end of the process"
        self._paper.show(title, ["contestant", *STATES], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts and print the tables."""
    options = parser(__doc__)
    options.add_argument("--parts", default=",".join(PARTS), help="which (default: %(default)s)")
    options.add_argument("--events", type=int, default=50_000, help="of a rate (default: %(default)s)")
    options.add_argument("--peer-events", type=int, default=10_000, help="the same for peers (default: %(default)s)")
    options.add_argument("--patience", type=float, default=60.0, help="seconds to wait for an exit")
    chosen = options.parse_args(arguments)
    peers = chosen_peers(chosen.peers)
    paper = Report("benchmarks.throughput", vars(chosen), chosen.json)
    with all_states() as servers:
        run = Run(peers, chosen, paper, servers)
        for part in chosen.parts.split(","):
            run.part(part)


if __name__ == "__main__":
    main()
