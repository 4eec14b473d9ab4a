"""The numbers of the collector that the demo shows at the end."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

CATEGORIES = ("user", "session_end", "progression", "resource", "business", "design", "error")


def fetch_summary(url: str) -> dict[str, Any] | None:
    """Ask a collector for its counts of accepted and rejected events; None if it does not answer."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/summary", timeout=3) as reply:  # noqa: S310 - http only
            summary = json.load(reply)
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None


def print_summary(summary: dict[str, Any]) -> None:
    """Print accepted and rejected events per category."""
    accepted, rejected = summary.get("accepted", {}), summary.get("rejected", {})
    names = [*CATEGORIES, *sorted((set(accepted) | set(rejected)) - set(CATEGORIES))]
    rows = [(name, accepted.get(name, 0), rejected.get(name, 0)) for name in names]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    try:
        from rich.console import Console  # noqa: PLC0415 - comes with the collector extra
        from rich.table import Table  # noqa: PLC0415
    except ImportError:
        write = sys.stdout.write
        write(f"{'events':<14}{'accepted':>10}{'rejected':>10}\n")
        for name, good, bad in rows:
            write(f"{name:<14}{good:>10}{bad:>10}\n")
        return
    table = Table(title="What the collector got", title_justify="left")
    table.add_column("events")
    table.add_column("accepted", justify="right", style="green")
    table.add_column("rejected", justify="right", style="red")
    for name, good, bad in rows:
        table.add_row(name, str(good), str(bad) if bad else "-", end_section=name == names[-1])
    Console().print(table)
