"""The allowed imports as a table, and the cost of `import ga_pygame`."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import parsed, statements

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ga_pygame"
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
OURS = [name for name in MODULES if not name.startswith(("collector/", "tools/"))]

VOCABULARY = {
    "addresses",
    "advice",
    "annotations",
    "attributes",
    "categories",
    "checks",
    "clock",
    "config",
    "device",
    "diagnostics",
    "events",
    "forks",
    "home_paths",
    "kept",
    "kinds",
    "lettering",
    "map_files",
    "process",
    "protocol",
    "records",
    "remote_configs",
    "rules",
    "sdk_events",
    "signals",
    "similar",
    "paths",
    "traces",
    "untrusted",
    "window_kind",
}
"""What all parts may speak of."""

ANY = {"*"}
ALLOWED: dict[str, set[str]] = {
    # part (a folder, or a file that lies in none): the other parts that it may import when it runs
    "announcer": {"diagnostics", "signals"},
    "attributes": {"checks", "diagnostics"},
    "advice": set(),
    "not_running": {"active", "advice", "areas", "diagnostics", "rules"},
    "idle": {"active", "diagnostics", "forks", "tracker"},
    "checks": {"traces"},
    "currencies": set(),
    "rules": {"checks", "currencies", "similar"},
    "clock": set(),
    "process": {"clock"},
    "device": set(),
    "annotations": {"checks", "device", "rules"},
    "kinds": {"checks", "rules"},
    "events": {"checks", "kinds", "rules", "sdk_events"},
    "sdk_events": {"checks", "kinds", "process", "rules"},
    "dynamic_ids": {"diagnostics", "events", "kinds"},
    "log_handler": {"events", "idle", "rules", "traces"},
    "freezing": set(),
    "lettering": set(),
    "window_kind": set(),
    "records": {"annotations", "events", "kinds"},
    "categories": {"annotations", "checks", "events", "kinds", "rules"},
    "diagnostics": {"checks", "traces"},
    "signals": {"attributes", "checks", "clock", "diagnostics", "traces"},
    "traces": set(),
    "untrusted": {"clock"},
    "flushing": {"advice", "signals"},
    "nodes": {"checks", "diagnostics", "traces"},
    "active": {"advice", "diagnostics", "forks", "traces", "wiring"},
    "remote_configs": {"attributes", "checks", "diagnostics", "rules", "traces", "tuning", "untrusted"},
    "tuning": {"checks"},
    "addresses": set(),
    "forms": {"addresses", "checks", "protocol", "rules"},
    "program": set(),
    "plan": {"checks", "rules", "similar"},
    "similar": set(),
    "development": VOCABULARY | {"dynamic_ids", "engine", "map_files", "mistakes", "plan", "program"},
    "map_files": set(),
    "mistakes": {"diagnostics", "events", "similar"},
    "config": {"checks", "forms", "program", "rules"},
    "protocol": {"clock", "diagnostics", "rules"},
    "forks": set(),
    "paths": set(),
    "home_paths": {"traces"},
    "kept": {"checks", "rules"},
    "recording": VOCABULARY,
    "areas": VOCABULARY,
    "engine": VOCABULARY,
    "overlay": VOCABULARY | {"engine", "parts", "recording", "tuning"},
    "delivery": VOCABULARY | {"recording", "delivery/outbox"},
    "delivery/outbox": VOCABULARY | {"recording"},
    "destinations": VOCABULARY,
    "server": VOCABULARY
    | {"areas", "delivery", "delivery/outbox", "destinations", "engine", "forms", "parts", "recording", "stored"},
    "testing": VOCABULARY | {"active", "forms", "delivery", "delivery/outbox", "parts", "tracker"},
    "clients": VOCABULARY | {"parts", "clients/pogr", "clients/trophy"},
    "clients/pogr": VOCABULARY | {"parts", "clients"},
    "clients/trophy": VOCABULARY | {"parts", "clients"},
    "collector": {"checks", "rules", "clock"},
    "collector/storage": {"clock", "collector", "paths"},
    "collector/stores": {"collector/storage", "collector/warehouse"},
    "collector/clickhouse": {
        "categories",
        "clock",
        "collector",
        "collector/gameanalytics",
        "collector/storage",
        "collector/stores",
        "collector/warehouse",
        "rules",
    },
    "collector/gameanalytics": {
        "annotations",
        "categories",
        "checks",
        "config",
        "rules",
        "clock",
        "collector",
        "collector/storage",
        "collector/stores",
    },
    "collector/emulators": {
        "clock",
        "collector",
        "collector/storage",
        "collector/emulators/pogr",
        "collector/emulators/trophy",
    },
    "collector/emulators/pogr": {"clock", "collector", "collector/storage", "collector/emulators"},
    "collector/emulators/trophy": {"clock", "collector", "collector/storage", "collector/emulators"},
    "collector/warehouse": {"categories", "rules", "clock", "collector", "collector/storage"},
    "collector/warehouse/metrics": {"map_files", "rules", "collector", "collector/warehouse"},
    "collector/page": {
        "categories",
        "clock",
        "rules",
        "similar",
        "map_files",
        "collector",
        "collector/storage",
        "collector/emulators",
        "collector/emulators/pogr",
        "collector/emulators/trophy",
        "collector/gameanalytics",
        "collector/page/views",
        "collector/stores",
        "collector/warehouse",
        "collector/warehouse/metrics",
    },
    "collector/page/views": {
        "rules",
        "categories",
        "clock",
        "collector",
        "collector/storage",
        "collector/emulators",
        "collector/emulators/pogr",
        "collector/emulators/trophy",
        "collector/gameanalytics",
        "collector/page",
        "collector/warehouse",
        "collector/warehouse/metrics",
    },
    "collector/app.py": ANY,
    "collector/traffic.py": {"collector", "collector/stores"},
    "collector/server.py": ANY,
    "collector/keeping.py": ANY,
    "collector/upkeep.py": {
        "clock",
        "collector",
        "collector/gameanalytics",
        "collector/storage",
        "collector/stores",
        "rules",
    },
    "tools": ANY,
    "option_values": set(),
    "options": {"__init__", "addresses", "collector", "option_values", "plan"},
    "cli": ANY,
    "__main__": {"cli"},
    "__init__": ANY,
    "tracker": ANY,
    "running": ANY,
    "parts": VOCABULARY
    | {"program", "announcer", "areas", "development", "engine", "recording", "delivery", "delivery/outbox"},
    "privacy_export": {"delivery/outbox", "stored"},
    "stored": {"areas", "config", "delivery", "delivery/outbox", "kept", "recording"},
    "wiring": ANY,
}

FOREIGN: dict[str, set[str]] = {
    # library: the modules, or the folders, that may import it when they run
    "pygame": {
        "areas/consent.py",
        "areas/consent_screen.py",
        "engine/focus.py",
        "engine/hook.py",
        "engine/map_pictures.py",
        "engine/png_file.py",
        "overlay",
        "testing/game_test.py",
        "window_kind.py",
    },
    "requests": {"delivery/transport.py"},
    "sqlite3": {"delivery/outbox"},
    "time": {"clock.py"},
    "uuid": set(),
    "datetime": {"clock.py"},
    "unittest": set(),
}

LONGEST = 450
SHORTER = {"tracker.py": 350}
"""The tracker is the table of contents: what a game sees, mostly docstrings."""
ROOM = {"tracker.py": "`areas/` (calls), `running.py` or `flushing.py`, or shorten docstrings"}
"""The place for what does not fit."""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements except those that only type checkers see."""
    outer = [node]
    while outer:
        for child in statements(outer.pop()):
            if not is_type_checking(child):
                yield child
                outer.append(child)


def tree(name: str) -> ast.Module:
    return parsed(MODULES[name])


@functools.cache
def imports(name: str, *, at_import: bool = False) -> frozenset[str]:
    """Return the dotted names of the modules that a module imports; for `from a import b` also `a.b`."""
    module = tree(name)
    nodes = statements_that_run(module) if not at_import else (n for n in module.body if not is_type_checking(n))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide who imports whom"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def part(name: str) -> str:
    """Return the part of the package to which a file belongs: its folder, or the file itself."""
    if name in ALLOWED or "/" not in name:
        return name if name in ALLOWED else name.removesuffix(".py")
    return name.rpartition("/")[0]


def file_of(dotted: str) -> str | None:
    """Return the file of a module of the package."""
    path = dotted.replace(".", "/")
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in MODULES), None)


def modules_imported(name: str, *, at_import: bool = False) -> set[str]:
    """The modules of the package that a module imports; of a package only what it takes from there."""
    ours = {dotted.removeprefix("ga_pygame.") for dotted in imports(name, at_import=at_import) if "." in dotted}
    found = {file for dotted in ours if (file := file_of(dotted)) is not None}
    folders = {file for file in found if file.endswith("/__init__.py")}
    return found - {folder for folder in folders if any(one.startswith(folder[:-11]) for one in found - {folder})}


def parts_imported(name: str) -> set[str]:
    """The other parts that a module imports; what is no module comes from the package's `__init__`."""
    ours = {dotted for dotted in imports(name) if dotted.startswith("ga_pygame.") and dotted.count(".") == 1}
    names = {dotted.removeprefix("ga_pygame.") for dotted in ours} - {"__version__"}
    public = {"__init__"} if any(file_of(one) is None for one in names) else set()
    return {part(file) for file in modules_imported(name)} | public


def test_imports_go_in_one_direction() -> None:
    """Folders know the vocabulary and what lies below them; tracker and wiring know all."""
    limited = [name for name in MODULES if ALLOWED[part(name)] != ANY]
    wrong = {name: parts_imported(name) - ALLOWED[part(name)] - {part(name)} for name in limited}
    assert {name: parts for name, parts in wrong.items() if parts} == {}


def test_no_circles() -> None:
    """No module needs another that needs it, neither when it is imported nor later."""
    needs = {name: modules_imported(name) for name in MODULES}
    while leaves := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in leaves}
    assert not needs


def test_every_part_is_in_the_table() -> None:
    """A new part decides what it may know; one that is gone leaves the table."""
    assert {part(name) for name in MODULES} == set(ALLOWED)


def neighbours(path: Path) -> set[str]:
    """Return the modules that a module of the demo game or the benchmarks imports from its own folder."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix(path.parent.name).removeprefix(".")
            is_ours = node.level == 1 or (node.module or "").partition(".")[0] == path.parent.name
            found |= ({module} if module else {alias.name for alias in node.names}) if is_ours else set()
    return found


@pytest.mark.parametrize("folder", ["demo_game", "benchmarks"])
def test_no_circles_beside_the_package(folder: str) -> None:
    """The demo game is what people copy: a screen needs no other one."""
    paths = {path.stem: path for path in (ROOT / folder).glob("*.py")}
    if not paths:
        pytest.skip(f"{folder} is not in this distribution")
    needs = {name: neighbours(path) & paths.keys() for name, path in paths.items()}
    while leaves := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in leaves}
    assert not needs


def test_the_demo_game_imports_at_the_top() -> None:
    """Only what starts it chooses an environment first, and what prints its table needs an extra."""
    for path in (ROOT / "demo_game").glob("*.py"):
        functions = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)]
        inside = [node for one in functions for node in ast.walk(one) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not inside or path.stem in {"__main__", "collected"}, path


@pytest.mark.parametrize("library", FOREIGN)
def test_a_library_has_its_place(library: str) -> None:
    """Time, ids, pygame, HTTP and SQL each come in through one door, where a test can put something else."""
    users = {name for name in OURS if library in {dotted.partition(".")[0] for dotted in imports(name)}}
    assert {name for name in users if not {name, name.rpartition("/")[0]} & FOREIGN[library]} == set()


def test_only_the_runner_starts_threads() -> None:
    """Everything else is steps, which a test can make by hand."""
    starters = {name for name in OURS if "Thread(" in MODULES[name].read_text(encoding="utf-8")}
    assert starters == {"delivery/runner.py"}


def test_only_the_clock_sleeps() -> None:
    """And only where the game asked to wait, or on a worker."""
    callers = {name for name in OURS if {"ga_pygame.clock.sleep", "time.sleep"} & imports(name)}
    assert callers == {
        "signals.py",
        "delivery/runner.py",
        "delivery/outbox/file_lock.py",
        "engine/png_file.py",
        "delivery/outbox/shared_memory.py",
    }


def test_no_module_is_too_long() -> None:
    """A file that nobody can keep in mind is split."""
    for name, path in MODULES.items():
        lines = path.read_text(encoding="utf-8").count("\n")
        most = SHORTER.get(name, LONGEST)
        assert lines <= most, (
            f"{name} has {lines} lines, {most} are allowed: move code to {ROOM.get(name, 'a file beside it')}"
        )


MAX_SHARED_NAMES = 4
"""Names that still mean two things. Lower it when one is renamed; never raise it."""


def top_level_names(tree: ast.Module) -> set[str]:
    """Return the functions, classes and constants of a module, but no type variables."""
    found: set[str] = set()
    bodies = [tree.body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.If | ast.Try):
                bodies += [node.body, node.orelse]
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if not re.match(r"(TypeVar|ParamSpec)\(", ast.unparse(node.value) if node.value else ""):
                    found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for name in found if not name.startswith("__")}


def test_a_name_means_one_thing() -> None:
    """A reader who searches for a name of the top level finds one definition of it."""
    places: dict[str, list[str]] = {}
    for module in MODULES:
        for name in top_level_names(tree(module)):
            places.setdefault(name, []).append(module)
    shared = {name: modules for name, modules in places.items() if len(modules) > 1}
    assert len(shared) <= MAX_SHARED_NAMES, shared


MAX_PARAMETERS = 7
MANY_PARAMETERS = {
    "clients/trophy/client.py:TrophyClient.__init__": "what a game sets once, by name",
    "clients/trophy/users.py:UsersArea.identify": "the service's own call, with the service's names",
    "clients/trophy/users.py:UsersArea.update": "the same",
}
"""Calls of a service's API have the parameters that the service gives them."""


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of a function's parameters, without `self`, `*args` and `**kwargs`."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def functions_of(tree: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield all functions of a module, each with the names of its outer classes and functions."""
    for node in statements(tree):
        inner = name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}.{node.name}" if not name.endswith(":") else f"{name}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield inner, node
        yield from functions_of(node, inner)


def test_no_function_takes_too_much() -> None:
    """Arguments that belong together are one value."""
    found = {
        name
        for module in MODULES
        for name, function in functions_of(tree(module), f"{module}:")
        if len(parameters(function)) > MAX_PARAMETERS
    }
    assert found == set(MANY_PARAMETERS)


def test_kept_values_have_one_owner() -> None:
    """A key of a kept value is made where its check stands, and nowhere else is it spelt."""
    makers = {name for name, path in MODULES.items() if "KeptKey(" in path.read_text(encoding="utf-8")}
    assert makers == {"kept.py"}


def test_no_drawers() -> None:
    """A thing has a name and a place."""
    names = {Path(name).stem for name in MODULES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def test_no_empty_modules() -> None:
    """No placeholder for later: every module has at least a docstring that says what it is for."""
    for name in MODULES:
        assert ast.get_docstring(tree(name)), name


def fresh(code: str) -> str:
    """Run code in a new interpreter and return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_is_light_and_without_effect() -> None:
    """`import ga_pygame` loads none of the heavy libraries, prints nothing, starts nothing, hooks nothing."""
    heavy = """
        pygame requests sqlite3 asyncio platformdirs uuid starlette dataclasses inspect logging pathlib urllib
        difflib traceback random ga_pygame.config ga_pygame.wiring ga_pygame.delivery
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


def test_a_tracker_that_does_not_run_loads_nothing_that_delivers() -> None:
    """A worker of multiprocessing imports the game's module, with its tracker; so does a test of a game."""
    code = (
        "import multiprocessing.process, sys, ga_pygame;"
        "multiprocessing.process.current_process()._inheriting = True;"
        "tracker = ga_pygame.Tracker(); tracker.start(); tracker.design('a'); tracker.close();"
        "heavy = ('pygame', 'requests', 'sqlite3', 'ga_pygame.wiring', 'ga_pygame.running', 'ga_pygame.delivery');"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert fresh(code) == "[]"


def test_a_tracker_that_is_not_started_loads_neither_pygame_nor_requests() -> None:
    """Modules that take time are loaded by `start()` and by the workers."""
    code = "import sys, ga_pygame; ga_pygame.Tracker(); print([n for n in ('pygame', 'requests') if n in sys.modules])"
    assert fresh(code) == "[]"
