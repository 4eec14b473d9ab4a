"""The collector's page in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import collectors
from tests.collectors import SECRET, Collector

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

__all__ = ["By", "Select"]


def event(category: str = "design", **fields: Any) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {"design": {"value": ...}, "session_end": {"length": 75}}
    return collectors.event(category, **{**kinds.get(category, {}), **fields})


def resident_kib(collector: Collector) -> int:
    status = Path(f"/proc/{collector.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """Start a collector in an empty folder, which must have only its own files afterwards."""
    collector = Collector(tmp_path, page=True)
    yield collector
    assert collector.stop() == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {collector.db.name, collector.db.with_suffix(".duckdb").name}


def until(browser: Any, condition: Callable[[], Any], seconds: float = 20) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(lambda _: condition())


def rows(browser: Any, table: str, tone: str = "") -> list[str]:
    script = (
        "return [...document.querySelectorAll(arguments[0])].map("
        "body => [...body.querySelectorAll('td')].map(cell => cell.textContent.trim()).join('|'))"
    )
    found: list[str] = browser.execute_script(script, f".{table} table.live tbody{tone}")
    return found


def has_rows(browser: Any, count: int) -> bool:
    return len(rows(browser, "feed")) == count


def counter(browser: Any, name: str) -> int:
    text: str = browser.execute_script(
        "return document.querySelector(`[data-counter='${arguments[0]}'] .number`)?.textContent ?? '-1'", name
    )
    return int(text.replace(",", ""))


def asked_hosts(browser: Any) -> set[str]:
    hosts = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message.get("params", {})
        url = parameters.get("request", {}).get("url") or parameters.get("url") or ""
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and message["method"] in (
            "Network.requestWillBeSent",
            "Network.webSocketCreated",
        ):
            hosts.add(urlsplit(url).hostname or "")
    return hosts


@pytest.mark.requirement("003:live")
def test_events_appear_as_they_arrive(collector: Collector, browser: Any) -> None:
    """Without a reload: newest first, rejected ones red with field and rule, counters; no stranger is asked."""
    browser.get(collector.url)
    until(browser, lambda: "No events yet" in browser.page_source)
    assert f"GA_PYGAME_COLLECTOR=http://127.0.0.1:{collector.port} python my_game.py" in browser.page_source

    assert collector.send(event("user"), event(event_id="kill:slime", value=3)).status == 200
    until(browser, lambda: len(rows(browser, "feed")) == 2)
    assert "kill:slime|3|player" in rows(browser, "feed")[0]
    assert not browser.find_element(By.CSS_SELECTOR, ".empty").is_displayed()

    assert collector.send(event(event_id="kill:slime#1")).status == 400
    (rejected,) = until(browser, lambda: rows(browser, "feed", ".rejected"))
    assert "event_id" in rejected
    assert "'#' is not allowed" in rejected
    colour = browser.find_element(By.CSS_SELECTOR, ".feed tbody.rejected td").value_of_css_property("color")
    red, green, blue = (int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    assert red > 2 * max(green, blue)

    one = event()
    assert collector.send(one, one).status == 200
    until(browser, lambda: counter(browser, "duplicates") == 1)
    assert (counter(browser, "accepted"), counter(browser, "rejected")) == (3, 1)
    until(browser, lambda: counter(browser, "sessions live") == 1)

    browser.find_element(By.CSS_SELECTOR, ".feed tbody").click()
    until(browser, lambda: one["event_uuid"] in browser.find_element(By.CSS_SELECTOR, ".detail pre").text)
    assert SECRET.decode() not in browser.page_source
    assert asked_hosts(browser) <= {"127.0.0.1"}
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_sessions_and_levels(collector: Collector, browser: Any) -> None:
    """Sessions show player, number, length and end; levels their starts, completes, fails, abandons and rate."""
    browser.get(collector.url)
    second = "de305d54-75b4-431b-adb2-eb6b9e546015"
    collector.send(
        event("user"),
        event("progression", event_id="Start:forest:1"),
        event("progression", event_id="Fail:forest:1", attempt_num=1),
        event("progression", event_id="Start:forest:1"),
        event("progression", event_id="Complete:forest:1", attempt_num=2, client_ts=1_760_000_100),
        event("user", session_id=second, user_id="other"),
        event("session_end", session_id=second, user_id="other"),
    )
    until(browser, lambda: len(rows(browser, "sessions")) == 2)
    until(browser, lambda: any("|5|" in row for row in rows(browser, "sessions")))
    found = {row.split("|")[0]: row.split("|") for row in rows(browser, "sessions")}
    assert found["player"][3:] == ["1:40", "5", "still playing"]
    assert found["other"][3:] == ["1:15", "2", "ended"]
    collector.send(event("session_end", length=120))
    until(browser, lambda: any("2:00|6|ended" in row for row in rows(browser, "sessions")))
    browser.find_element(By.LINK_TEXT, "Progression").click()
    until(browser, lambda: rows(browser, "panel-outcomes") == ["forest:1|2|1|1|0|50 %|9 %|91 %"])
    chart = until(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".panel-outcomes .chart"))
    assert "Completes, fails and abandons" in until(browser, lambda: chart.get_attribute("aria-label"))
    collector.send(event("progression", event_id="Start:forest:2"))
    until(browser, lambda: rows(browser, "panel-outcomes")[1:] == ["forest:2|1|0|0|1|0 %|0 %|79 %"])


def test_what_a_game_sends_stays_text(collector: Collector, browser: Any) -> None:
    """Markup in names, messages, categories and keys is shown, not run."""
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    browser.get(collector.url)
    collector.send(
        event("error", severity="error", message=evil),
        event("user", user_id=evil),
        event(evil),
        event(event_id=evil),
        event(custom_fields={evil: evil}),
        event("session_end", length=1, user_id="{{ constructor.constructor('document.title=1')() }}"),
    )
    until(browser, lambda: len(rows(browser, "feed")) == 6)
    browser.execute_script("document.querySelectorAll('.feed tbody').forEach(body => body.click())")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".detail pre"))
    assert any("<script>" in row for row in rows(browser, "feed"))
    assert browser.title == "Live · ga_pygame collector"
    assert browser.execute_script("return document.querySelectorAll('table.live img, table.live script').length") == 0


def test_filter_and_pause(collector: Collector, browser: Any) -> None:
    """A category can be picked, also `rejected`; a pause stops the feed and loses nothing."""
    browser.get(collector.url)
    collector.send(event(), event("user"), event(v=1))
    until(browser, lambda: len(rows(browser, "feed")) == 3)
    pick = Select(browser.find_element(By.CSS_SELECTOR, "select.pick"))
    for value, count in (("user", 1), ("rejected", 1), ("design", 2), ("", 3)):
        pick.select_by_value(value)
        until(browser, partial(has_rows, browser, count))
    button = browser.find_element(By.CSS_SELECTOR, "button.plain")
    button.click()
    until(browser, lambda: button.text == "Resume")
    collector.send(event())
    until(browser, lambda: counter(browser, "accepted") == 3)
    assert len(rows(browser, "feed")) == 3
    button.click()
    until(browser, lambda: len(rows(browser, "feed")) == 4)


@pytest.mark.timeout(400)
def test_a_thousand_events_a_second(collector: Collector, browser: Any) -> None:
    """A flood neither freezes the page nor lets its rows or the collector's memory grow."""
    browser.get(collector.url)
    collector.send(event())
    until(browser, lambda: rows(browser, "feed"))
    before = resident_kib(collector)
    browser.execute_script(
        "window.longest = 0; let last = performance.now();"
        "setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - last);"
        " last = now; }, 20)"
    )
    stop = threading.Event()
    sent = [1]

    def flood() -> None:
        while not stop.is_set():
            if collector.send(*(event(event_id=f"kill:{number}") for number in range(100))).status == 200:
                sent[0] += 100
            stop.wait(0.1)

    game = threading.Thread(target=flood)
    game.start()
    try:
        until(browser, lambda: counter(browser, "accepted") > 3000, 200)
        assert counter(browser, "events per second") > 0
        assert len(rows(browser, "feed")) <= 200
        until(browser, lambda: counter(browser, "accepted") > 5000, 200)
    finally:
        stop.set()
        game.join()
    until(browser, lambda: counter(browser, "accepted") == sent[0], 60)
    assert len(rows(browser, "feed")) == 200
    longest = browser.execute_script("return window.longest")
    assert longest is not None, "the page was loaded anew"
    assert longest < 30_000, "the page did not react"
    assert browser.execute_script("return document.querySelectorAll('*').length") < 4000
    assert resident_kib(collector) - before < 60_000


def test_two_tabs(collector: Collector, browser: Any) -> None:
    """A second tab sees everything; one that is closed leaves the other alone."""
    browser.get(collector.url)
    first = browser.current_window_handle
    collector.send(event())
    browser.switch_to.new_window("tab")
    browser.get(collector.url)
    until(browser, lambda: len(rows(browser, "feed")) == 1)
    browser.close()
    browser.switch_to.window(first)
    collector.send(event())
    until(browser, lambda: len(rows(browser, "feed")) == 2)


def test_beyond_loopback_the_page_needs_its_token(tmp_path: Path, browser: Any) -> None:
    """The printed address opens the page, live, and the token leaves the address bar; without it there is none."""
    collector = Collector(tmp_path, "--host", "0.0.0.0", page=True)
    try:
        token = collector.read_greeting().split("token=")[1].split()[0]
        browser.get(collector.url)
        assert "token" in browser.find_element(By.TAG_NAME, "body").text
        browser.get(f"{collector.url}/?token={token}")
        assert browser.current_url == f"{collector.url}/"
        collector.send(event())
        until(browser, lambda: len(rows(browser, "feed")) == 1)
    finally:
        code = collector.stop()
    assert (code, collector.said()) == (0, "")
