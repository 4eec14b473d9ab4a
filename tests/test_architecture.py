"""Who may import whom, held as data; and what `import ga_pygame` costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ga_pygame"
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
OURS = [name for name in MODULES if not name.startswith("collector/")]

VOCABULARY = {
    "addresses",
    "attributes",
    "checks",
    "clock",
    "config",
    "device",
    "diagnostics",
    "events",
    "exchange",
    "forks",
    "kept",
    "remote_configs",
    "process",
    "rules",
    "signals",
    "traces",
    "untrusted",
}
"""What all parts may speak of."""

ANY = {"*"}
ALLOWED: dict[str, set[str]] = {
    # part: the other parts of the package that it may import when it runs
    "announcer": {"diagnostics", "signals"},
    "attributes": {"checks", "diagnostics"},
    "advice": set(),
    "idle": {"active", "diagnostics", "forks", "tracker", "wiring"},
    "checks": {"traces"},
    "rules": {"checks"},
    "clock": set(),
    "process": {"clock"},
    "events": {"rules", "process"},
    "device": {"rules"},
    "diagnostics": {"checks", "traces"},
    "signals": {"attributes", "checks", "clock", "diagnostics", "traces"},
    "traces": set(),
    "untrusted": {"clock"},
    "flushing": {"advice", "signals"},
    "nodes": {"checks", "diagnostics", "traces"},
    "active": {"advice", "diagnostics", "forks", "traces"},
    "remote_configs": {"attributes", "checks", "diagnostics", "traces", "untrusted"},
    "addresses": set(),
    "forms": {"addresses", "checks", "exchange", "rules"},
    "program": set(),
    "config": {"checks", "forms", "program", "rules"},
    "exchange": {"clock", "diagnostics"},
    "forks": set(),
    "kept": {"checks", "remote_configs", "rules", "untrusted"},
    "marshalled": set(),
    "entries": {"checks", "events", "marshalled", "rules"},
    "inbox": {"diagnostics", "entries", "events", "traces"},
    "recorder": VOCABULARY | {"inbox"},
    "engine": VOCABULARY | {"inbox"},
    "delivery": VOCABULARY | {"entries", "inbox", "marshalled"},
    "destinations": VOCABULARY,
    "testing": VOCABULARY | {"delivery"},
    "clients": VOCABULARY | {"wiring"},
    "collector": {"checks", "events", "rules", "clock"},
    "cli": {"collector", "__init__"},
    "__main__": {"cli"},
    "__init__": ANY,
    "tracker": ANY,
    "wiring": ANY,
}

FOREIGN: dict[str, set[str]] = {
    # library: the modules that may import it when they run
    "pygame": {"engine/focus.py", "engine/hook.py"},
    "requests": {"delivery/transport.py"},
    "sqlite3": {
        "delivery/sqlite_outbox.py",
        "delivery/sqlite_schema.py",
        "delivery/sqlite_transaction.py",
        "delivery/sqlite_file.py",
        "delivery/sqlite_waiting.py",
        "delivery/launches.py",
        "delivery/salvage.py",
    },
    "time": {"clock.py"},
    "uuid": set(),
    "datetime": {"clock.py"},
    "unittest": set(),
}

LONGEST = 450
LONGER = {"tracker.py": 600}
"""The tracker is the table of contents, mostly docstrings."""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def nodes_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield child
            yield from nodes_that_run(child)


def imports(name: str, *, at_import: bool = False) -> set[str]:
    """The modules that a module imports, dotted; with `from a import b` also `a.b`."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    nodes = nodes_that_run(tree) if not at_import else (n for n in tree.body if not is_type_checking(n))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide who imports whom"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(name: str) -> str:
    """The part of the package that a file belongs to: its folder, or itself."""
    return name.removesuffix(".py").split("/")[0]


def parts_imported(name: str) -> set[str]:
    found = set()
    for dotted in imports(name):
        first, _, rest = dotted.partition(".")
        if first == "ga_pygame":
            second = rest.partition(".")[0]
            if second and ((PACKAGE / f"{second}.py").exists() or (PACKAGE / second).is_dir()):
                found.add(second)
            elif second:
                found.add("__init__")
    return found - {part(name)}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_in_one_direction(name: str) -> None:
    """Engine, delivery and destinations know the vocabulary and not each other; tracker and wiring know all."""
    allowed = ALLOWED[part(name)]
    assert allowed == ANY or parts_imported(name) <= allowed


def test_every_part_is_in_the_table() -> None:
    """A new part decides what it may know; one that is gone leaves the table."""
    assert {part(name) for name in MODULES} == set(ALLOWED)


@pytest.mark.parametrize("library", FOREIGN)
def test_a_library_has_its_place(library: str) -> None:
    """Time, ids, pygame, HTTP and SQL each come in through one door, where a test can put something else."""
    users = {name for name in OURS if library in {dotted.partition(".")[0] for dotted in imports(name)}}
    assert users <= FOREIGN[library]


def test_only_the_runner_starts_threads() -> None:
    """Everything else is steps, which a test can make by hand."""
    starters = {name for name in OURS if "Thread(" in MODULES[name].read_text(encoding="utf-8")}
    assert starters == {"delivery/runner.py"}


def test_only_the_clock_sleeps() -> None:
    """And only where the game asked to wait, or on a worker."""
    callers = {name for name in OURS if {"ga_pygame.clock.sleep", "time.sleep"} & imports(name)}
    assert callers == {"signals.py", "delivery/runner.py", "delivery/file_lock.py", "delivery/shared_memory.py"}


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_too_long(name: str) -> None:
    """A file that nobody can keep in mind is split."""
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGER.get(name, LONGEST)


def test_no_drawers() -> None:
    """A thing has a name and a place."""
    names = {Path(name).stem for name in MODULES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def test_no_empty_modules() -> None:
    """No placeholder for later: every module has at least a docstring that says what it is for."""
    for name, path in MODULES.items():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), name


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_is_light_and_without_effect() -> None:
    """`import ga_pygame` loads none of the heavy libraries, prints nothing, starts nothing, hooks nothing."""
    heavy = """
        pygame requests sqlite3 asyncio platformdirs uuid starlette dataclasses inspect logging pathlib urllib
        difflib traceback ga_pygame.config ga_pygame.wiring ga_pygame.delivery
    """
    code = f"""
        import sys
        before, loaded = sys.excepthook, set(sys.modules)
        import ga_pygame
        print([name for name in {heavy.split()} if name in sys.modules.keys() - loaded])
        import threading, logging
        print(threading.active_count(), sys.excepthook is before, logging.getLogger().handlers)
    """
    assert fresh("\n".join(line.strip() for line in code.splitlines())) == "[]\n1 True []"


def test_a_tracker_that_is_not_started_loads_neither_pygame_nor_requests() -> None:
    """What costs time is loaded by `start()` and by the workers."""
    code = "import sys, ga_pygame; ga_pygame.Tracker(); print([n for n in ('pygame', 'requests') if n in sys.modules])"
    assert fresh(code) == "[]"
