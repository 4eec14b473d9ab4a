"""Finds in a game's source the names that it reports: literal arguments of the tracker's calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ga_pygame.tools.game_source import source_files, source_text

_PROGRESSION_STEPS = frozenset({"start", "complete", "fail", "attempt"})
_HOLE = "\0"
"""Stands in a text for what only the running game knows: the `{…}` of an f-string."""


class ReportedName(NamedTuple):
    """A name in a call.

    Attributes:
        path: The file.
        line: The line of the call.
        section: The section of the plan.
        name: The name, with `*` for what only the running game knows.
        pattern: What the name may be.
    """

    path: Path
    line: int
    section: str
    name: str
    pattern: re.Pattern[str]


class SourceNames(NamedTuple):
    """What was found.

    Attributes:
        names: The names.
        files: How many files were read.
        unread: Files that are no Python of this version.
        computed: Calls with a name that is not literal.
    """

    names: list[ReportedName]
    files: int
    unread: list[Path]
    computed: int


def names_in_sources(paths: list[Path]) -> SourceNames:
    """Search files, and the Python files of folders."""
    names: list[ReportedName] = []
    unread: list[Path] = []
    files = computed = 0
    for path in (file for one in paths for file in ([one] if one.is_file() else source_files(one))):
        try:
            tree = ast.parse(source_text(path) or "")
        except (SyntaxError, ValueError, RecursionError):
            unread.append(path)
            continue
        files += 1
        for line, section, text in _texts_in(tree):
            if text is None:
                computed += 1
            else:
                names.append(_reported_name(path, line, section, text))
    return SourceNames(names, files, unread, computed)


def _reported_name(path: Path, line: int, section: str, text: str) -> ReportedName:
    pattern = re.compile(re.escape(text).replace(re.escape(_HOLE), ".*"))
    return ReportedName(path, line, section, text.replace(_HOLE, "*"), pattern)


def _texts_in(tree: ast.Module) -> Iterator[tuple[int, str, str | None]]:
    """Yield line, section and text of each name; `None` for one that is not literal."""
    known = _constants(tree)
    for node in ast.walk(tree):
        found = _of_call(node) if isinstance(node, ast.Call) else _of_assignment(node)
        for section, parts in found:
            texts = [""]
            for place, part in enumerate(parts):
                front = ":" if place else ""
                texts = [f"{text}{front}{one}" for text in texts for one in _literals(part, known)]
            if not texts:
                yield getattr(node, "lineno", 0), section, None
            for text in texts:
                yield getattr(node, "lineno", 0), section, text


def _constants(tree: ast.Module) -> Mapping[str, str]:
    """Return the texts that names of the module's top level have for good."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _literals(node: ast.expr, known: Mapping[str, str]) -> list[str]:
    """Return the texts that an expression may have; none if only the running game knows them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Name) and node.id in known:
        return [known[node.id]]
    if isinstance(node, ast.IfExp):
        both = [_literals(node.body, known), _literals(node.orelse, known)]
        return [one for some in both for one in some] if all(both) else []
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else _HOLE for one in node.values]
        return ["".join(map(str, parts))]
    return []


def _of_call(call: ast.Call) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield section and parts of each name in a call of the tracker."""
    words = ast.unparse(call.func).split(".")
    method, area = words[-1], words[-2] if len(words) > 1 else ""
    if len(words) < 2:
        return
    if method == "design":
        yield from _arguments(call, "design", (0, "event_id"))
    elif area == "progression" and method in _PROGRESSION_STEPS and call.args:
        yield "levels", list(call.args)
    elif area == "resource" and method in ("source", "sink"):
        yield from _arguments(call, "currencies", (0, "currency"))
        yield from _arguments(call, "items", (2, "item_type"), (3, "item_id"))
    elif method == "wallet":
        yield from _arguments(call, "currencies", (0, "currency"))
    elif method in ("earn", "spend"):
        yield from _arguments(call, "items", (1, "item_type"), (2, "item_id"))
    elif method == "business":
        yield from _arguments(call, "items", (2, "item_type"), (3, "item_id"))


def _arguments(call: ast.Call, section: str, *wanted: tuple[int, str]) -> Iterator[tuple[str, list[ast.expr]]]:
    named = {one.arg: one.value for one in call.keywords}
    parts = [call.args[place] if place < len(call.args) else named.get(name) for place, name in wanted]
    if all(part is not None and not isinstance(part, ast.Starred) for part in parts):
        yield section, [part for part in parts if part is not None]


def _of_assignment(node: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield what `tracker.dimensions[1] = "ninja"` and `tracker.dimensions = {1: "ninja"}` set."""
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Subscript) and ast.unparse(target.value).endswith(".dimensions"):
            yield from _of_dimension(target.slice, node.value)
        elif ast.unparse(target).endswith(".dimensions") and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if key is not None:
                    yield from _of_dimension(key, value)


def _of_dimension(number: ast.expr, value: ast.expr) -> Iterator[tuple[str, list[ast.expr]]]:
    is_cleared = isinstance(value, ast.Constant) and value.value is None
    if isinstance(number, ast.Constant) and number.value in (1, 2, 3) and not is_cleared:
        yield f"custom_0{number.value}", [value]
