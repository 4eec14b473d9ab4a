"""The save file: coins and the best score, in one small JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(slots=True)
class Progress:
    """The contents of the save file."""

    coins: int = 0
    best_score: int = 0


MAX_COUNT = 10**9


def _count(value: float) -> int:
    """Check a number of the file, which may have been changed by hand or damaged."""
    return min(MAX_COUNT, max(0, int(value)))


def load(path: Path) -> Progress:
    """Read the file; a missing one is a new player.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not what `store` wrote.
    """
    if not path.exists():
        return Progress()
    data = json.loads(path.read_text(encoding="utf-8"))
    try:
        return Progress(coins=_count(data["coins"]), best_score=_count(data["best_score"]))
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"the save file has no {error}") from error


def store(path: Path, progress: Progress) -> None:
    """Write the file.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(progress)), encoding="utf-8")
