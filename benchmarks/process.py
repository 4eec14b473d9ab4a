"""Run contestants, each in a fresh process, and read their measurements."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.inside import RESULT
from benchmarks.peers import PEERS


def child(module: str, peer: str, arguments: dict[str, Any], timeout: float = 180.0) -> dict[str, Any]:
    """Run `python -m module` for a contestant; return its measurements, or `{"failed": why}`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        kept = {name: value for name, value in os.environ.items() if not _is_foreign(name)}
        settings = {
            **kept,
            "HOME": home,
            "GA_PYGAME_DATA_DIR": str(arguments.get("data") or home),
            "GA_PYGAME_GAME": "benchmark",
            "PYTHONPATH": str(environment.ROOT),
            "SDL_VIDEODRIVER": "dummy",
            "SDL_AUDIODRIVER": "dummy",
            "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        }
        began = time.time()
        command = [environment.python_of(peer), "-m", module, "--child", json.dumps({**arguments, "peer": peer})]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=timeout, cwd=home, env=settings
            )
        except subprocess.TimeoutExpired as stuck:
            text = stuck.stdout.decode() if isinstance(stuck.stdout, bytes) else ""
            return {**_read(text), "failed": f"not over after {timeout:.0f} s", "began": began, "ended": time.time()}
        ended = time.time()
        if not arguments.get("dies"):  # then the next launch wants it
            _remove_journals(Path(arguments.get("data") or home))
    measured = _read(done.stdout)
    if not measured and not arguments.get("dies"):
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"failed": lines[-1], "began": began, "ended": ended}
    return {**measured, "began": began, "ended": ended}


def outbox_file(data: Path) -> Path:
    """Return the path of the sandbox game's outbox in a data folder."""
    from ga_pygame.config import Config
    from ga_pygame.stored import outbox_path

    path = outbox_path(Config(collector="http://127.0.0.1:1", data_dir=data, game="benchmark"))
    assert path is not None
    return path


def _remove_journals(data: Path) -> None:
    """Free the shared memory of our processes that ended without `close()`."""
    from ga_pygame.recording import journal_files

    for left in journal_files.folder(outbox_file(data).parent).glob("journal-*.ring"):
        journal_files.remove(left)


def _is_foreign(name: str) -> bool:
    """Whether an environment variable would change a contestant or its server."""
    return name.lower().endswith("_proxy") or name.startswith(("GA_PYGAME_", "SENTRY_", "OTEL_", "POSTHOG_", "PYTHON"))


def _read(text: str) -> dict[str, Any]:
    for line in text.splitlines():
        if line.startswith(RESULT):
            found: dict[str, Any] = json.loads(line.removeprefix(RESULT))
            return found
    return {}


def parser(description: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """Make the parser with the options of all benchmarks."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help="interleaved rounds (default: %(default)s)")
    made.add_argument("--peers", default="all", help="all, none, or names: posthog,sentry (default: %(default)s)")
    made.add_argument("--json", type=Path, help="write what was measured into this file too")
    made.add_argument("--child", help=argparse.SUPPRESS)
    return made


def chosen_peers(text: str) -> list[str]:
    """Return the peers to run: the chosen ones whose environment exists."""
    names = [] if text == "none" else list(PEERS) if text == "all" else text.split(",")
    if unknown := set(names) - set(PEERS):
        raise SystemExit(f"no such peers: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if missing := [name for name in ("ga_pygame", *names) if not environment.is_made(name)]:
        raise SystemExit(f"no environment for {', '.join(missing)}: run `python -m benchmarks.environment`")
    return names


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the median over rounds of each number; `{}` if no round succeeded."""
    good = [one for one in rounds if "failed" not in one]
    names = [name for name, value in (good[0].items() if good else ()) if isinstance(value, int | float)]
    return {name: statistics.median(one[name] for one in good if name in one) for name in names}


def progress(text: str) -> None:
    """Print what is running."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
