"""The views Errors, Health and Players in a real browser: their figures, and what a person opens by keyboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.test_page import By, rows, until
from tests.e2e.test_page_views import ENTER, control
from tests.warehouse.golden import DAY, HOUR, MONDAY, Story

EVIL = "<img src=x onerror=\"document.title='owned'\">{{ 1 + 1 }}"
TRACE = (
    'Traceback (most recent call last):\n  File "~/game/main.py", line 3, in run\n    play()\n'
    '  File "~/game/play.py", line 7, in play\n    go(1)\nKeyError: "sword"'
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with a story whose figures a person counts."""
    story = Story()
    for number, user in enumerate(("ann", "bob")):
        session = story.session(user, MONDAY + number * DAY, build="1.0", device="Deck")
        session.level(1, "Start", "forest:1").business(2, "pack:gold", 499).add(
            30, "health", fps=40 + 20 * number, frame_ms_p99=60 - 40 * number, mem_mb=100
        )
        session.error(31, "critical", TRACE.replace("sword", user)).end(90)
    story.session("eve", MONDAY + 2 * DAY, build="1.1").error(1, "warning", EVIL).end(60)
    long = story.session(EVIL, MONDAY + 2 * DAY + HOUR, build="1.1")
    for number in range(120):
        long.design(number + 1, f"kill:{number}")
    running = Collector(tmp_path_factory.mktemp("players"), page=True)
    for at in range(0, len(story.events), 100):
        assert running.send(*story.events[at : at + 100], packed=True).status == 200
    of_all = f"{len(story.events)}/{len(story.events)}"
    assert eventually(lambda: running.ask("GET", "/api/warehouse/health").headers.get("x-ga-projected") == of_all, 20)
    yield running
    assert running.stop() == 0


def open_filled(browser: Any, collector: Collector, query: str, panel: str) -> list[str]:
    """Open an address and return the rows of a panel when it has some."""
    browser.get(f"{collector.url}/?{query}")
    found: list[str] = until(browser, lambda: rows(browser, f"panel-{panel}"))
    return found


def focused_heading(browser: Any) -> str:
    script = "const at = document.activeElement; return at && at.tagName === 'H2' ? at.textContent : ''"
    return str(browser.execute_script(script))


def has_focus_on(browser: Any, words: str) -> bool:
    return words in focused_heading(browser)


def shown(browser: Any, panel: str) -> list[list[str]]:
    return [row.split("|") for row in rows(browser, f"panel-{panel}")]


def test_errors_open_by_keyboard(collector: Collector, browser: Any) -> None:
    """A kind of error has its figures; Enter opens its text and what came before, in the address; back closes it."""
    open_filled(browser, collector, "view=errors", "kinds")
    kinds = {row[0]: [row[1], *row[3:8]] for row in shown(browser, "kinds")}
    assert kinds == {
        'KeyError: "bob"': ["critical", "2", "2", "2", "1.0", "1.0"],
        EVIL: ["warning", "1", "1", "1", "1.1", "1.1"],
    }
    builds = [[*row[:6], *row[9:10]] for row in shown(browser, "builds")]
    assert builds == [["1.1", "2", "1", "1", "0", "0", "2"], ["1.0", "2", "0", "0", "2", "0", "2"]]
    link = browser.find_element(By.PARTIAL_LINK_TEXT, "KeyError")
    link.send_keys(ENTER)
    until(browser, partial(has_focus_on, browser, "KeyError"))
    until(browser, lambda: rows(browser, "panel-trail"))
    text = browser.execute_script("return document.querySelector('.panel-trail pre').textContent")
    assert text == TRACE.replace("sword", "bob")
    assert [row[1:3] for row in shown(browser, "trail")] == [
        ["session starts", ""],
        ["level started", "forest:1"],
        ["bought", "pack:gold"],
        ["health", ""],
        ["crashed", 'KeyError: "bob"'],
    ]
    address = browser.current_url
    assert "error=" in address
    browser.back()
    until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ".panel-trail"))
    browser.switch_to.new_window("tab")
    browser.get(address)
    until(browser, lambda: rows(browser, "panel-trail"))
    browser.find_element(By.LINK_TEXT, "The player's timeline").send_keys(ENTER)
    until(browser, lambda: rows(browser, "panel-timeline"))
    assert control(browser, "player").get_attribute("value") == "bob"
    assert browser.title == "Players · ga_pygame collector"


def test_health_shows_what_arrived(collector: Collector, browser: Any) -> None:
    """Rates and hitches of the two samples, by build, device and level."""
    open_filled(browser, collector, "view=health", "level")
    for panel, part in {"build": "1.0", "device": "Deck", "level": "forest:1"}.items():
        (row,) = shown(browser, panel)
        assert row[:4] == [part, "2", "2", "50"]
        assert row[8].endswith("50 %")
        assert row[-1] == "few players"
        assert browser.find_element(By.CSS_SELECTOR, f".panel-{panel} .chart").get_attribute("aria-label")


def test_a_player_is_found_and_opened(collector: Collector, browser: Any) -> None:
    """The search leaves those whose id has the text; a player opens by keyboard, page by page; names stay text."""
    open_filled(browser, collector, "view=players", "players")
    assert [row[0] for row in shown(browser, "players")] == [EVIL, "eve", "bob", "ann"]
    control(browser, "find a player").send_keys("AN", ENTER)
    until(browser, lambda: len(rows(browser, "panel-players")) == 1)
    assert shown(browser, "players") == [
        ["ann", "2026-03-02 00:00:00", "2026-03-02 00:01:30", "1", "1.50", "0", "0", "1", "4.99 USD", "1", "", ""]
    ]
    answer = collector.ask("GET", "/csv/players/players?search=an")
    assert next(iter(list(csv.reader(io.StringIO(answer.body.decode())))[1:]))[:5] == [
        "ann",
        "2026-03-02 00:00:00",
        "2026-03-02 00:01:30",
        "1",
        "1.5",
    ]
    open_filled(browser, collector, "view=players", "players")
    browser.find_element(By.PARTIAL_LINK_TEXT, "<img").send_keys(ENTER)
    until(browser, partial(has_focus_on, browser, "Timeline of <img"))
    assert len(shown(browser, "timeline")) == 100
    assert shown(browser, "timeline")[0][3] == "kill:119"
    browser.find_element(By.LINK_TEXT, "Older events").send_keys(ENTER)
    until(browser, lambda: len(rows(browser, "panel-timeline")) == 21)
    assert [shown(browser, "timeline")[at][3] for at in (0, -2)] == ["kill:19", "kill:0"]
    browser.back()
    until(browser, lambda: len(rows(browser, "panel-timeline")) == 100)
    assert browser.title == "Players · ga_pygame collector"
    assert not browser.find_elements(By.CSS_SELECTOR, ".panel img")


def test_focus_stays_while_events_come(collector: Collector, browser: Any) -> None:
    """A link that has the focus keeps it when the player plays on, and leads to where the present page ends."""
    story = Story(9)
    session = story.session("zoe", MONDAY + 3 * DAY, custom_fields={"ga_who": "developer"})  # not in the other tests
    for number in range(110):
        session.design(number + 1, f"kill:{number}")
    assert collector.send(*story.events, packed=True).status == 200
    open_filled(browser, collector, "view=players&user_id=zoe&who=developer%2Cbot", "timeline")
    until(browser, lambda: len(rows(browser, "panel-timeline")) == 100)
    link = browser.find_element(By.LINK_TEXT, "Older events")
    before = link.get_attribute("href")
    browser.execute_script("arguments[0].focus()", link)
    session.design(111, "kill:last")
    assert collector.send(story.events[-1]).status == 200
    until(browser, lambda: shown(browser, "timeline")[0][3] == "kill:last")
    until(browser, lambda: link.get_attribute("href") != before)
    assert browser.switch_to.active_element == link
    link.send_keys(ENTER)
    until(browser, lambda: [row[3] for row in shown(browser, "timeline")][:1] == ["kill:10"])
