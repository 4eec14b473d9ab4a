"""The interpreters that contestants run in: `python -m benchmarks.environment` makes them.

All peers but one share an environment with this package: the extra `bench`. bugnet-sdk installs `pygame` over
pygame-ce, so it gets an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
WANTED = {"peers": [f"{ROOT}[bench]"], "bugnet": ["bugnet-sdk==1.0.0", "psutil>=6"]}
"""The packages of each environment; the versions of the peers are in pyproject.toml."""


def folder() -> Path:
    """Return the folder of the environments: `GA_PYGAME_BENCH`, or beside this file."""
    return Path(os.environ.get("GA_PYGAME_BENCH") or Path(__file__).parent / ".environments")


def python_of(name: str) -> str:
    """Return the interpreter of a contestant."""
    home = folder() / ("bugnet" if name.endswith("bugnet") else "peers")
    scripts = "Scripts" if os.name == "nt" else "bin"
    return str(home / scripts / ("python.exe" if os.name == "nt" else "python"))


def is_made(name: str) -> bool:
    """Whether a contestant's environment exists."""
    return Path(python_of(name)).exists()


def make() -> None:
    """Make both environments with the present interpreter."""
    for name, packages in WANTED.items():
        home = folder() / name
        venv.create(home, with_pip=True)
        (home.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        subprocess.run([python_of(name), "-m", "pip", "install", "-q", *packages], check=True)
        print(f"{name}: {home}", file=sys.stderr)


if __name__ == "__main__":
    make()
