"""Reports: tables for a README, JSON for later comparison, both with a description of the machine."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Cell = str | float | None


def machine() -> dict[str, Any]:
    """Describe the machine, without its name."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def number(value: Cell) -> str:
    """Format a number with two or three significant figures."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if math.isnan(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Format a table in Markdown."""
    head = f"| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}"
    body = "\n".join(f"| {' | '.join(number(cell) for cell in row)} |" for row in rows)
    return f"### {title}\n\n{head}\n{body}\n"


def ratio(theirs: float | None, ours: float | None) -> Cell:
    """Format theirs divided by ours: above 1 is good for us."""
    if theirs is None or not ours:
        return None
    return f"{number(theirs / ours)}x"


class Report:
    """The tables and numbers of one run.

    Args:
        name: The benchmark's module.
        settings: The options of the run.
        path: The file for the JSON; `None` for none.
    """

    def __init__(self, name: str, settings: dict[str, Any], path: Path | None) -> None:
        hidden = {"json", "child"}
        shown = {key: value for key, value in settings.items() if key not in hidden}
        self._data: dict[str, Any] = {"benchmark": name, "machine": machine(), "settings": shown, "rounds": {}}
        self._path = path
        facts = self._data["machine"]
        print(f"`python -m {name} {' '.join(a for a in sys.argv[1:] if not a.endswith('.json') and a != '--json')}`")
        print(f"on {facts['cores']} x {facts['cpu']}, {facts['system']}, {facts['python']}\n", flush=True)

    def keep(self, key: str, value: Any) -> None:
        """Add raw numbers and save them, so that an aborted run keeps what it has."""
        self._data["rounds"].setdefault(key, []).append(value)
        self.save()

    def show(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table and keep it."""
        listed = [list(row) for row in rows]
        self._data.setdefault("tables", {})[title] = {"columns": list(columns), "rows": listed}
        print(table(title, columns, listed), flush=True)
        self.save()

    def save(self) -> None:
        """Write the JSON."""
        if self._path is not None:
            self._path.write_text(json.dumps(self._data, indent=1), encoding="utf-8")
