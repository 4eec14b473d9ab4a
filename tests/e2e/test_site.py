"""The documentation's site: no warning, nothing fetched from elsewhere, a search that works from a folder."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import eventually
from tests.samples import ROOT

pytestmark = pytest.mark.e2e

SITE = ROOT / "site"
_LOADED = re.compile(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="([^"#]+)"')


@pytest.mark.timeout(300)
def test_the_site(browser: Any) -> None:
    """Each picture, style and script is in the folder; a reader types a word, and gets the pages that have it."""
    build()
    pages = sorted(SITE.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        for address in _LOADED.findall(page.read_text(encoding="utf-8")):
            base = SITE if address.startswith("/") else page.parent  # of 404.html
            assert (base / address.lstrip("/").partition("?")[0]).exists(), f"{page.name} loads {address}"
    browser.get((SITE / "index.html").as_uri())
    browser.switch_to.active_element.send_keys("/")
    field = eventually(lambda: browser.execute_script(_FIELD))
    field.send_keys("heartbeat")
    found = eventually(lambda: browser.execute_script(_RESULTS))
    assert any("architecture.html" in one for one in found), found
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


_ALL = (
    "const all = root => [...root.querySelectorAll('*')].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);"
)
_FIELD = f"{_ALL} return all(document).find(e => e.matches('input[type=text], input[role=combobox]'))"
_RESULTS = f"{_ALL} return all(document).filter(e => e.matches('a[href*=\"h=heartbeat\"]')).map(e => e.href)"


def build() -> None:
    """Build the site as `.ci/run` does; what that has left is used again."""
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("zensical is not installed; it is in the extra docs")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
