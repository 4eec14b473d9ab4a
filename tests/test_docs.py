"""The pages: working links, samples in valid Python, and a short README."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_SAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_PATH = re.compile(r"`([A-Za-z_][\w/.]*(?:\.py|\.md|\.js|\.css|\w/))`")
_MADE_UP = {"my_game.py"}
"""Names of samples."""
MAX_README_LINES = 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows one finds the page."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / link).resolve()
        is_left_out = "benchmarks" in target.parts and not (ROOT / "benchmarks").exists()  # in an sdist
        assert target.exists() or is_left_out, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_name_files(page: Path) -> None:
    """A reader finds each file of the repository that a page names in backticks."""
    for path in _PATH.findall(page.read_text(encoding="utf-8")):
        is_left_out = path.startswith("benchmarks") and not (ROOT / "benchmarks").exists()  # in an sdist
        assert path in _MADE_UP or is_left_out or is_file_of_ours(page, path), f"{page.name}: there is no `{path}`"


def is_file_of_ours(page: Path, path: str) -> bool:
    """Return whether a path leads from the root, the package, a folder of it, or the page."""
    roots = (ROOT, ROOT / "ga_pygame", page.parent)
    if any((root / path).exists() for root in roots):
        return True
    return any((ROOT / "ga_pygame").rglob(path.rstrip("/")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_samples_are_python(page: Path) -> None:
    """A copied sample has no syntax error."""
    for sample in _SAMPLE.findall(page.read_text(encoding="utf-8")):
        ast.parse(textwrap.dedent(sample))


def test_every_page_is_linked_from_the_readme() -> None:
    """Each page can be found."""
    linked = set(_LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_the_readme_is_short() -> None:
    """A newcomer reads it to the end."""
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= MAX_README_LINES


def test_the_sample_of_a_test_passes() -> None:
    """The sample of a game's test passes in a project of one's own."""
    samples = _SAMPLE.findall((ROOT / "docs" / "testing.md").read_text(encoding="utf-8"))
    tests: dict[str, Any] = {}
    for sample in samples:
        names: dict[str, object] = {}
        exec(compile(sample, "docs/testing.md", "exec"), names)
        tests |= {name: one for name, one in names.items() if name.startswith("test_") and callable(one)}
    assert tests
    for test in tests.values():
        test()


def test_the_collectors_data_are_on_its_page() -> None:
    """A reader finds each route of the collector's own API."""
    source = (ROOT / "ga_pygame" / "collector" / "app.py").read_text(encoding="utf-8")
    routes = set(re.findall(r'Route\("(/api/\w+)"', source))
    listed = set(re.findall(r"\| `(/api/\w+)", (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")))
    assert routes
    assert listed == routes, f"docs/collector.md, Its data as JSON: {', '.join(sorted(listed ^ routes))}"
