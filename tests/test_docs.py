"""The pages: working links, a place in the navigation, and a short README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.samples import PAGES, toml_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"`([A-Za-z_][\w/.]*(?:\.py|\.md|\.js|\.css|\w/))`")
_MADE_UP = {"my_game.py", "main.py"}
"""Names of samples."""
MAX_README_LINES = 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows one finds the page."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / link).resolve()
        is_left_out = "benchmarks" in target.parts and not (ROOT / "benchmarks").exists()  # in an sdist
        assert target.exists() or is_left_out, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
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


def test_every_page_is_in_the_navigation() -> None:
    """A page is a line of `nav` in zensical.toml, and a line is a page."""
    nav = toml_of((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(entries(nav)) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def entries(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for one in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(one)


def test_a_reader_of_the_files_finds_every_page() -> None:
    """Links lead from the README to each page, if need be over others."""
    found, queue = set[Path](), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        found.add(page)
        links = [(page.parent / link).resolve() for link in _LINK.findall(page.read_text(encoding="utf-8"))]
        queue += [link for link in links if link.suffix == ".md" and link not in found and link.exists()]
    assert set(DOCS.rglob("*.md")) <= found


def test_the_readme_is_short() -> None:
    """A newcomer reads it to the end."""
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= MAX_README_LINES


def test_the_collectors_data_are_on_its_page() -> None:
    """A reader finds each route of the collector's own API."""
    source = (ROOT / "ga_pygame" / "collector" / "app.py").read_text(encoding="utf-8")
    routes = set(re.findall(r'Route\("(/api/\w+)"', source))
    listed = set(re.findall(r"\| `(/api/\w+)", (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")))
    assert routes
    assert listed == routes, f"docs/collector.md, Its data as JSON: {', '.join(sorted(listed ^ routes))}"


def test_the_forms_for_issues_are_whole() -> None:
    """A form with a slip is shown to nobody: each has a name, a description, and fields with labels of their own."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; the extra docs brings it")
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    if not folder.exists():
        pytest.skip("an sdist has no forms")
    for path in folder.glob("[!c]*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert form.keys() == {"name", "description", "labels", "body"}, path
        assert all({"type", "id", "attributes"} <= field.keys() for field in form["body"]), path
        labels = [field["attributes"]["label"] for field in form["body"]]
        assert len(set(labels)) == len(labels) > 0, path
