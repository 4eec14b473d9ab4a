"""Finds the blocks of code on the pages, with what a comment above a block says about its test.

A comment that begins with "test:" stands directly above the block, and no reader sees it:

- `<!-- test: skipped: the reason -->`: the block is only compiled.
- `<!-- test: then name(1) -->`: what is run after the block, e.g. a call of a function that the block defines.
- `<!-- test: warns: some words -->`: the block makes the package warn with these words, as the page says.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_BLOCK = re.compile(
    r"(?:^[ ]*<!-- test: (?P<told>.*?) -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)(?P<attributes>[^\n]*)\n(?P<code>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
_KINDS = ("", "then", "skipped:", "warns:")
_TITLE = re.compile(r'title="([^"]+)"')


class Sample(NamedTuple):
    """A block of code.

    Attributes:
        page: The page, seen from the root.
        line: The line where the block begins.
        language: The word behind the fence.
        title: The name of the file that it shows; "" if there is none.
        code: Its text.
        then: What is run after it.
        reason: Why it is not run; "" if it is.
        warning: What the package warns of when it runs.
    """

    page: str
    line: int
    language: str
    title: str
    code: str
    then: str = ""
    reason: str = ""
    warning: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def samples_of(page: Path) -> list[Sample]:
    """Return the blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        kind, _, told = (match["told"] or "").partition(" ")
        assert kind in _KINDS, f"{page}: {kind}"
        title = _TITLE.search(match["attributes"])
        found.append(
            Sample(
                page.relative_to(ROOT).as_posix(),
                text.count("\n", 0, match.start("indent")) + 1,
                match["language"],
                title[1] if title else "",
                textwrap.dedent(match["code"]),
                *(told if kind == one else "" for one in _KINDS[1:]),
            )
        )
    return found


def all_samples(*languages: str) -> list[Sample]:
    """Return the blocks of all pages in these languages."""
    return [one for page in PAGES for one in samples_of(page) if one.language in languages]


def toml_of(text: str) -> dict[str, Any]:
    """Read TOML."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    return dict(tomllib.loads(text))
