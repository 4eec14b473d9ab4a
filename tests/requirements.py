"""Which test shows which demand of the GameAnalytics documents: makes docs/requirements.md from markers on the tests.

`demands.txt` has the demands. A test that shows one has `@pytest.mark.requirement("002:hmac")`, with several names
if it shows several. `python -m tests.requirements` writes the page anew.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.sources import parsed

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "requirements.md"
DEMANDS = Path(__file__).with_name("demands.txt")
MARKER = "requirement"
OPEN = "open"
HEAD = """\
# Requirements

What GameAnalytics' two documents of the Collector API demand, and the tests that show that it holds. 002 stands for
the page "Collector REST API", 003 for the newer page "Setup", of which only what the first does not have is listed.
"open" means that no test shows it yet. This page is made from `tests/demands.txt` and the markers of the tests:
`python -m tests.requirements`.
"""


class Demand(NamedTuple):
    """A demand of a document.

    Attributes:
        name: Its id.
        section: The document and its section.
        words: What is demanded.
    """

    name: str
    section: str
    words: str


def demands() -> list[Demand]:
    """Read the demands in the order of the documents."""
    found, section = [], ""
    for line in DEMANDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line and not line.startswith("#"):
            name, _, words = line.partition(" | ")
            found.append(Demand(name, section, words))
    return found


@functools.cache
def shown() -> Mapping[str, list[str]]:
    """Return for each demand that a marker names the tests with it, as `tests/test_x.py::test_y`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if f".{MARKER}" not in path.read_text(encoding="utf-8"):
            continue  # most files have none, and to parse all takes seconds
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _marked(node):
                    found[name].append(f"{path.relative_to(ROOT).as_posix()}::{node.name}")
    return found


def _marked(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield the names in the markers of a test."""
    for one in node.decorator_list:
        if isinstance(one, ast.Call) and ast.unparse(one.func) == f"pytest.mark.{MARKER}":
            yield from (str(ast.literal_eval(argument)) for argument in one.args)


def page() -> str:
    """Return the text of the page."""
    tests = shown()
    lines, section = [HEAD], ""
    known = demands()
    lines.append(f"{sum(one.name in tests for one in known)} of {len(known)} demands have a test.\n")
    for one in known:
        if one.section != section:
            section = one.section
            lines += [f"## {section}\n", "| id | demand | tests |", "|---|---|---|"]
        names = ", ".join(f"`{name}`" for name in tests.get(one.name, ())) or OPEN
        lines.append(f"| `{one.name}` | {one.words} | {names} |")
        lines.append("")
    text = "\n".join(lines)
    return text.replace(" |\n\n| `", " |\n| `")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
