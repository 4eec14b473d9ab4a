"""The collector's page with a keyboard, a screen reader or a small screen; and the texts of its rows."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import KEY, Collector
from tests.e2e import test_page
from tests.e2e.test_page import By, event, rows, until
from tests.e2e.test_page_services import begin, pogr, trophy

collector = test_page.collector

TRACEBACK = (
    'Traceback (most recent call last):\n  File "game.py", line 300, in <module>\n    play(levels[number])\n'
    + '  File "game.py", line 12, in play\n    raise KeyError(name)\n' * 5
    + "KeyError: 'sword'"
)
_LOG = {"service": "game", "environment": "test", "severity": "info", "type": "t", "log": "hello"}
_LOOK = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
_AXE = """
const [rules, done] = arguments, options = {resultTypes: ["violations"], ...(rules.length ? {runOnly: rules} : {})};
axe.run(document, options).then(found => done(found.violations));
"""
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe-core that look at colours, the only thing that a scheme changes."""


def axe_source() -> str:
    """Return axe-core's script: `npm install axe-core`, and AXE_CORE names its axe.min.js."""
    named = os.environ.get("AXE_CORE")
    around = [folder / "node_modules/axe-core/axe.min.js" for folder in Path(__file__).parents]
    for path in [Path(named)] if named else around:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    pytest.skip("needs axe-core: npm install axe-core, or AXE_CORE=…/axe.min.js")


def is_shown_as(browser: Any, wanted: list[Any]) -> bool:
    return bool(browser.execute_script(_LOOK) == wanted)


def looks(browser: Any) -> Iterator[str]:
    """Show the page on a desktop and a telephone, light and dark."""
    for width, height in ((1500, 1000), (390, 844)):
        for scheme in ("light", "dark"):
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            wanted = [width, scheme == "dark"]
            until(browser, partial(is_shown_as, browser, wanted))
            yield f"{width} {scheme}"


def fill(collector: Collector) -> None:
    """Send data for every part of the page."""
    now = int(time.time())
    collector.send(
        event("user", client_ts=now),
        event("error", severity="critical", message=TRACEBACK, client_ts=now),
        event(event_id="kill:slime", value=3, client_ts=now - 90_000),
        event("progression", event_id="Start:forest:1", client_ts=now),
        event(event_id="death", client_ts=now, custom_fields={"ga_x": 5, "ga_y": 7, "ga_map": "level_1"}),
        event("health", fps=59.9, frame_ms_p99=18.5, mem_mb=90.5, client_ts=now),
        event("resource", client_ts=now),
        event("business", client_ts=now),
        event("session_end", client_ts=now),
    )
    collector.send(event("user", session_id="de305d54-75b4-431b-adb2-eb6b9e546015", client_ts=now))
    for days, build in ((5, "1.0"), (2, "1.1")):
        session = f"de305d54-75b4-431b-adb2-eb6b9e54601{days + 1}"
        collector.send(event("user", session_id=session, client_ts=now - days * 86_400, build=build, user_id="eve"))
    collector.send(event(event_id="kill:slime#1"))
    pogr(collector, begin(collector, "ana"), "logs", _LOG)
    trophy(collector, "ana", "coins", 5, name="Ana")


FILLED = {
    "live": ("feed", "No events yet"),
    "overview": ("panel-whole", "Nothing stands out"),
    "progression": ("panel-levels", "No level yet"),
    "errors": ("panel-kinds", "No error in this range"),
    "health": ("panel-build", "No health event in this range"),
    "players": ("panel-players", "No player in this range"),
    "economy": ("panel-currencies", "No source or sink in this range"),
    "money": ("panel-revenue", "No purchase in this range"),
    "design": ("panel-tree", "No design event in this range"),
    "heatmap": ("panel-maps", "No event with a place"),
    "funnel": ("", "No event id yet"),
    "retention": ("panel-triangle", "No first day"),
    "compare": ("panel-numbers", "Nothing to compare"),
    "pogr": ("pogr-rows", "Nothing came for POGR yet"),
    "trophy": ("trophy-players", "Nothing came for Trophy yet"),
    "configs": ("", "This collector has no settings file"),
    "chaos": ("", "No fault is in force"),
}
"""The views: a table that `fill` gives rows, and words while there is nothing to show."""


def open_view(browser: Any, collector: Collector, view: str) -> None:
    """Load the page, or follow its own link if it is loaded."""
    if browser.current_url.startswith(f"{collector.url}/"):
        browser.execute_script(f"document.querySelector('nav a[data-view={view}]').click()")
    else:
        browser.get(f"{collector.url}/?view={view}")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, f".view-{view}"))
    assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en-US"


@pytest.fixture(scope="module")
def empty_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector without events, for all tests that only look."""
    collector = Collector(tmp_path_factory.mktemp("empty"), page=True)
    yield collector
    assert collector.stop() == 0


@pytest.fixture(scope="module")
def filled_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector and fill it, for all tests that only look."""
    collector = Collector(tmp_path_factory.mktemp("filled"), page=True)
    fill(collector)
    yield collector
    assert collector.stop() == 0


def check_access(browser: Any, view: str = "") -> None:
    """Check that axe finds nothing in any look of the page as it is: all rules in light, those of colours in dark."""
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(axe_source())
    for look in looks(browser):
        found = browser.execute_async_script(_AXE, _OF_COLOURS if look.endswith("dark") else [])
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], (view, look)


@pytest.mark.parametrize("first", [0, 1])
def test_axe_finds_nothing_in_empty_views(empty_collector: Collector, browser: Any, first: int) -> None:
    """What a view says while there is nothing to show: no finding in any look."""
    for view in islice(FILLED, first, None, 2):
        open_view(browser, empty_collector, view)
        until(browser, lambda: FILLED[view][1] in browser.page_source)  # noqa: B023 - asked in this turn
        check_access(browser, view)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_axe_finds_nothing_in_filled_views(filled_collector: Collector, browser: Any, first: int) -> None:
    """With open tables behind the charts: no finding in any look."""
    for view in islice(FILLED, first, None, 3):
        open_view(browser, filled_collector, view)
        until(browser, lambda: not FILLED[view][0] or rows(browser, FILLED[view][0]))  # noqa: B023
        browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
        check_access(browser, view)


def test_axe_finds_nothing_in_a_funnel(filled_collector: Collector, browser: Any) -> None:
    """With its steps picked."""
    browser.get(f"{filled_collector.url}/?view=funnel&minutes=525600&steps=kill:slime,Start:forest:1")
    until(browser, lambda: rows(browser, "panel-steps"))
    check_access(browser)


def test_axe_finds_nothing_in_opened_rows(filled_collector: Collector, browser: Any) -> None:
    """The first one was rejected, the second one was not."""
    open_view(browser, filled_collector, "live")
    until(browser, lambda: rows(browser, "feed"))
    for number in (0, 1):
        browser.execute_script(f"document.querySelectorAll('.feed button.open')[{number}].click()")
        until(browser, lambda: "event_uuid" in browser.find_element(By.CSS_SELECTOR, ".detail pre").text)
        check_access(browser)


def test_rows_open_by_keyboard(collector: Collector, browser: Any) -> None:
    """Enter and Space open a row, Escape closes it; the focus is seen and stays where it was while events come."""
    collector.send(event(event_id="first"))
    browser.get(collector.url)
    until(browser, lambda: rows(browser, "feed"))
    button = browser.find_element(By.CSS_SELECTOR, ".feed button.open")
    assert button.get_attribute("aria-expanded") == "false"
    browser.execute_script("document.querySelector('.feed .live-scroll').focus()")
    browser.switch_to.active_element.send_keys("\ue004")  # Tab
    assert browser.switch_to.active_element == button
    assert button.value_of_css_property("outline-style") == "solid"
    for key in ("\ue007", " "):  # Enter, Space
        button.send_keys(key)
        until(browser, lambda: "event_uuid" in browser.find_element(By.CSS_SELECTOR, ".detail pre").text)
        assert button.get_attribute("aria-expanded") == "true"
        detail = browser.find_element(By.ID, button.get_attribute("aria-controls"))
        assert "first" in detail.text
        button.send_keys("\ue00c")  # Escape
        until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ".detail"))
        assert button.get_attribute("aria-expanded") == "false"
    button.send_keys("\ue007")
    for number in range(5):  # more than a tab keeps: the row with the focus must stay
        collector.send(*(event(event_id=f"later:{number}:{one}") for one in range(60)))
    until(browser, lambda: test_page.counter(browser, "accepted") == 301)
    until(browser, lambda: any("later:4" in row for row in rows(browser, "feed")))
    assert browser.switch_to.active_element == button
    assert "first" in browser.find_element(By.CSS_SELECTOR, ".detail pre").text
    assert len(rows(browser, "feed")) <= 202


def narrow_faults(browser: Any, width: int) -> list[Any]:
    """Return how much wider than a narrow screen the page is, tables that are, and how many words are broken."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    until(browser, lambda: browser.execute_script("return innerWidth") == width)
    found: list[Any] = browser.execute_script(
        "const wider = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth;"
        "const tables = [...document.querySelectorAll('.live-scroll')]"
        ".filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth).map(one => one.ariaLabel);"
        "const words = document.querySelectorAll('.feed span.chip, .feed td.when > span:first-child');"
        "return [Math.max(wider, 0), tables, [...words].filter(one => one.getClientRects().length > 1).length]"
    )
    return found


def test_narrow_screens(collector: Collector, browser: Any) -> None:
    """At 1280, 390 and 320 px neither page nor table is wider than its place, and no word of the feed is broken."""
    open_view(browser, collector, "live")
    assert narrow_faults(browser, 390) == [0, [], 0]
    fill(collector)
    collector.send(event(event_id="a_very_long_name:" * 4 + "x" * 60, client_ts=1))
    for view, (table, _words) in FILLED.items():
        open_view(browser, collector, view)
        until(browser, lambda: not table or rows(browser, table))  # noqa: B023 - asked in this turn
        for width in (1280, 390, 320):
            assert narrow_faults(browser, width) == [0, [], 0], (view, width)


def test_a_long_level_on_a_narrow_screen(collector: Collector, browser: Any) -> None:
    """The headings of the panels of one level have its name, which has no place to break."""
    level = ":".join(letter * 64 for letter in "abc")
    for kind in ("Start", "Fail", "Complete"):
        collector.send(event("progression", event_id=f"{kind}:{level}", client_ts=int(time.time())))
    browser.get(f"{collector.url}/?view=progression&level={level}")
    until(browser, lambda: rows(browser, "panel-level_attempts"))
    assert narrow_faults(browser, 390) == [0, [], 0]


def test_what_rows_say(collector: Collector, browser: Any) -> None:
    """The event's own time and how late it came, an error's exception and line, sessions that crashed."""
    now = int(time.time())
    collector.send(
        event("user", client_ts=now),
        event("error", severity="critical", message=TRACEBACK, client_ts=now),
        event(event_id="late", client_ts=now - 3 * 86400),
    )
    browser.get(collector.url)
    until(browser, lambda: rows(browser, "feed") and rows(browser, "sessions"))
    found = {row.split("|")[2]: row.split("|") for row in rows(browser, "feed")}
    assert "critical · KeyError: 'sword'" in found
    own = browser.execute_script(f"return new Date({(now - 3 * 86400) * 1000}).toLocaleDateString('sv')")
    assert found["late"][0].startswith(own)
    assert found["late"][0].endswith("came 3 days later")
    titles = [
        one.get_attribute("title") for one in browser.find_elements(By.CSS_SELECTOR, ".feed td.when > span:first-child")
    ]
    assert all("took place at" in title and "came in at" in title for title in titles)
    browser.find_elements(By.CSS_SELECTOR, ".feed button.open")[1].click()
    facts = until(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".detail .facts").text)
    assert facts.endswith("raised at game.py, line 12")
    assert [row.split("|")[5] for row in rows(browser, "sessions")] == ["crashed"]
    assert "game" not in rows(browser, "feed")[0]
    assert not browser.find_elements(By.CSS_SELECTOR, ".feed td.game")


def test_what_is_not_seen_is_written_out(collector: Collector, browser: Any) -> None:
    """Controls, bidi overrides and characters without a width cannot hide what a name is; nor in the opened row."""
    name = "gold\u202edlog\u200b\u0085\U000e0041"
    collector.send(event("user", user_id=name), event("error", severity="error", message=f"{name}\x1b[31m"))
    browser.get(collector.url)
    until(browser, lambda: len(rows(browser, "feed")) == 2)
    text = "\n".join(rows(browser, "feed"))
    assert "error · gold\\u202edlog\\u200b\\x85\\U000e0041\\x1b[31m" in text
    assert "|gold\\u202edl…" in text
    browser.find_element(By.CSS_SELECTOR, ".feed button.open").click()
    detail = until(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".detail pre").text.removeprefix("…"))
    for body in (text, detail):
        assert not set("\u202e\u200b\u0085\U000e0041\x1b") & set(body)
    assert json.loads(detail)["message"] == f"{name}\x1b[31m"


def send_as(collector: Collector, key: str, *events: dict[str, Any]) -> int:
    """Send events of another game, whose signature cannot be checked."""
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=30)
    try:
        connection.request(
            "POST", f"/v2/{key}/events", json.dumps(events), {"Authorization": base64.b64encode(bytes(32)).decode()}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_game_that_is_turned_down_is_named(tmp_path: Path, browser: Any) -> None:
    """A 401 is told on the page, with the line that lets the game in, and without a secret."""
    collector = Collector(tmp_path, "--game", f"{'a' * 32}:{'b' * 40}", page=True)
    try:
        browser.get(collector.url)
        until(browser, lambda: "No events yet" in browser.page_source)
        assert send_as(collector, "c" * 32, event()) == 401
        banner = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".banners .banner"))[0]
        assert "c" * 32 in banner.text
        assert "--game" in banner.find_element(By.TAG_NAME, "pre").text
        assert "b" * 40 not in browser.page_source
    finally:
        assert collector.stop() == 0


def test_a_deleted_file_is_told(tmp_path: Path, browser: Any) -> None:
    """The page tells that the file is gone, and shows the events that arrive in the next one."""
    collector = Collector(tmp_path, page=True)
    try:
        collector.send(event())
        browser.get(collector.url)
        until(browser, lambda: len(rows(browser, "feed")) == 1)
        collector.db.unlink()
        banner = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".banners .banner"))[0]
        assert "deleted" in banner.text
        until(browser, lambda: collector.send(event(event_id="after:it")).status == 200)
        until(browser, lambda: any("after:it" in row for row in rows(browser, "feed")))
    finally:
        assert collector.stop() == 0


def test_several_games(collector: Collector, browser: Any) -> None:
    """Each row says of which game it is, as soon as there are two."""
    other = "0123456789abcdef" * 2
    collector.send(event())
    browser.get(collector.url)
    until(browser, lambda: rows(browser, "feed"))
    assert not browser.find_elements(By.CSS_SELECTOR, "td.game")
    assert send_as(collector, other, event(event_id="of:another")) == 200
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".feed td.game")) == 2)
    cells = browser.find_elements(By.CSS_SELECTOR, ".feed td.game span")
    assert [cell.get_attribute("title") for cell in cells] == [other, KEY]
    assert [cell.text for cell in cells] == ["01234567…", "5c6bcb54…"]
