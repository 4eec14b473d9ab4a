"""Check that each contestant works and talks only to its server: `python -m benchmarks.check`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.inside import leave, tell
from benchmarks.peers import CONTESTANTS
from benchmarks.process import child, chosen_peers, parser, progress
from benchmarks.report import Cell, Report
from benchmarks.scene import NAMES, Scene
from benchmarks.servers import running

_EVENTS = 100
_OWN = ("127.0.0.1", "localhost")


def measure(options: dict[str, Any]) -> None:
    """Report some events and note each address that is looked up, in a process of its own."""
    foreign: set[str] = set()

    def watch(event: str, details: tuple[Any, ...]) -> None:
        address = details[1] if event == "socket.connect" else details[0] if event == "socket.getaddrinfo" else None
        host = address[0] if isinstance(address, tuple) else address
        if host is not None and host not in _OWN:
            foreign.add(str(host))
            raise OSError("this benchmark stays on this machine")

    sys.addaudithook(watch)
    contestant = CONTESTANTS[options["peer"]]()
    Scene()
    report = contestant.start(options["url"])
    for number in range(_EVENTS):
        report(NAMES[number & 63], number)
    contestant.flush(20)
    time.sleep(1)
    tell({"foreign": sorted(foreign)})
    leave()


def main(arguments: Sequence[str] | None = None) -> None:
    """Check all contestants."""
    chosen = parser(__doc__).parse_args(arguments)
    if chosen.child:
        measure(json.loads(chosen.child))
        return
    paper = Report("benchmarks.check", vars(chosen), chosen.json)
    rows: list[list[Cell]] = []
    with running("healthy") as sink:
        for name in ["ga_pygame", *chosen_peers(chosen.peers)]:
            progress(name)
            before = sink.totals()
            result = child("benchmarks.check", name, {"url": sink.url}, timeout=60)
            after = sink.totals()
            gone = {key: after[key] - before[key] for key in after}
            said = result.get("failed") or ", ".join(result["foreign"]) or "none"
            rows.append(
                [name, f"{gone['events'] // CONTESTANTS[name].marks} of {_EVENTS}", str(gone["requests"]), said]
            )
    paper.show("Contestants", ["contestant", "events arrived", "requests", "other addresses asked for"], rows)


if __name__ == "__main__":
    main()
