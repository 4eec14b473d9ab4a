"""Other versions of Python: `nox` installs the sdist with each that this machine has, and runs the core's tests.

The tests run from the unpacked sdist without its package, so what they import is what was installed. Versions that the
machine lacks are skipped. `.ci/run` does so with the oldest and the newest one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TESTS = (
    "cli crash_hooks crashes events game_test hook hostile_objects kinds public_api signals sqlite_outbox traces"
    " tracker writer"
).split()
"""What differs between versions: frames and tracebacks, hooks of the interpreter, SQLite, types, the command line."""


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """Install from the sdist, and run the core's tests."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "sdist", ignore_errors=True)
    session.install("hatchling", "hatch-fancy-pypi-readme")
    session.run("python", "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder / "sdist"), silent=True)
    (sdist,) = (folder / "sdist").glob("*.tar.gz")
    session.install(
        f"ga-pygame[collector] @ {sdist.as_uri()}", "hypothesis", "pytest", "pytest-timeout", "pytest-xdist"
    )
    session.run("python", "-m", "tarfile", "-e", str(sdist), str(folder / "sdist"), silent=True)
    unpacked = folder / "sdist" / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(unpacked / "ga_pygame")
    (unpacked / "_ga_pygame_pytestplugin.py").unlink()
    session.chdir(unpacked)
    tests = [f"tests/test_{name}.py" for name in TESTS]
    session.run("python", "-m", "pytest", "-q", "-n", "0", "-m", "not e2e", *(session.posargs or tests))
