"""The shell of the collector's page in a real browser: navigation, filters in the address, CSV, the view Configs."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import CONFIGS, WHO, Collector
from tests.e2e import test_page
from tests.e2e.test_page import By, event, has_rows, rows, until

collector = test_page.collector

ENTER = "\ue007"


def heading(browser: Any) -> str:
    found = browser.find_elements(By.TAG_NAME, "h1")
    return str(found[0].text) if found else ""


def has_heading(browser: Any, words: str) -> bool:
    return heading(browser) == words


def control(browser: Any, label: str) -> Any:
    """Return the input of the filter bar or of a form that a label names."""
    return browser.find_element(By.XPATH, f"//label[span='{label}']/*[self::input or self::select or self::textarea]")


def send_builds(collector: Collector) -> None:
    collector.send(
        event(event_id="a:1", build="1.0"),
        event(event_id="a:2", build="2.0", user_id="ann"),
        event("error", build="2.0", message="Ärger"),
    )
    collector.send(event(event_id="bad#", build="1.0"))


def test_a_link_restores_view_and_filters(collector: Collector, browser: Any) -> None:
    """Filters are part of the address; back and forward go through them, and a new tab with the link shows the same."""
    send_builds(collector)
    browser.get(collector.url)
    until(browser, partial(has_rows, browser, 4))
    control(browser, "build").send_keys("2.0", ENTER)
    until(browser, partial(has_rows, browser, 2))
    assert browser.current_url.endswith("/?view=live&build=2.0") or browser.current_url.endswith("/?build=2.0")
    control(browser, "text").send_keys("äRGER", ENTER)
    until(browser, partial(has_rows, browser, 1))
    link = browser.current_url
    browser.back()
    until(browser, partial(has_rows, browser, 2))
    assert control(browser, "text").get_attribute("value") == ""
    browser.back()
    until(browser, partial(has_rows, browser, 4))
    browser.forward()
    browser.forward()
    until(browser, partial(has_rows, browser, 1))
    assert control(browser, "text").get_attribute("value") == "äRGER"
    browser.switch_to.new_window("tab")
    browser.get(link)
    until(browser, partial(has_rows, browser, 1))
    assert control(browser, "build").get_attribute("value") == "2.0"
    collector.send(event("error", build="2.0", message="noch ein ÄRGER"), event(build="2.0"))
    until(browser, partial(has_rows, browser, 2))
    browser.find_element(By.LINK_TEXT, "Clear filters").click()
    until(browser, partial(has_rows, browser, 6))
    control(browser, "player").send_keys("nobody", ENTER)
    until(browser, lambda: "No event matches" in browser.find_element(By.TAG_NAME, "body").text)


def test_what_is_typed_stays(collector: Collector, browser: Any) -> None:
    """A filter that is half typed is not reset by events that come in."""
    send_builds(collector)
    browser.get(collector.url)
    until(browser, partial(has_rows, browser, 4))
    control(browser, "build").send_keys("2.")
    collector.send(event(build="2.0"))
    until(browser, partial(has_rows, browser, 5))
    control(browser, "build").send_keys("0", ENTER)
    until(browser, partial(has_rows, browser, 3))
    assert control(browser, "build").get_attribute("value") == "2.0"


_FORGETS_SOON = """
from ga_pygame.collector.page import dashboard, waiting
dashboard.RECONNECT_SECONDS = 0.5
waiting.MAX_PAGES = 2
"""


def test_a_hurry_is_no_trouble(tmp_path: Path, browser: Any) -> None:
    """Views that are left while they are read, and pages that are left one after the other, are told nowhere."""
    collector = Collector(tmp_path, page=True, patches=_FORGETS_SOON)
    try:
        collector.send(event(), event("error", message="boom"), event("progression", event_id="Start:forest:1"))
        for view in ("progression", "errors", "live", "funnel", "overview"):
            browser.get(f"{collector.url}/?view={view}")
            until(browser, lambda: heading(browser))
        for views in (
            "errors overview errors",
            "funnel live funnel",
            "live design live",
            "configs live configs errors",
        ):
            browser.execute_script(
                "for (const view of arguments[0]) document.querySelector(`nav a[data-view=${view}]`).click()",
                views.split(),
            )
        until(browser, lambda: "view=errors" in browser.current_url and rows(browser, "panel-kinds"))
        assert heading(browser) == "Errors"
        time.sleep(1)  # until the pages that were left are forgotten
    finally:
        code = collector.stop()
    assert (code, collector.said()) == (0, "")


def test_views_are_opened_by_keyboard(collector: Collector, browser: Any) -> None:
    """Enter on a link of the navigation opens the view without a new page; the focus goes to its heading."""
    send_builds(collector)
    browser.get(f"{collector.url}/?view=live&build=1.0")
    until(browser, partial(has_rows, browser, 2))
    browser.execute_script("window.same = true")
    link = browser.find_element(By.LINK_TEXT, "Progression")
    assert link.get_attribute("href").endswith("/?view=progression&build=1.0")
    link.send_keys(ENTER)
    until(browser, partial(has_heading, browser, "Progression"))
    until(browser, lambda: browser.switch_to.active_element.tag_name == "h1")
    assert browser.title == "Progression · ga_pygame collector"
    current = browser.find_elements(By.CSS_SELECTOR, "nav a[aria-current=page]")
    assert [one.text for one in current] == ["Progression"]
    assert not browser.find_elements(By.CSS_SELECTOR, "table.live"), "the view that was left is gone"
    browser.back()
    until(browser, partial(has_heading, browser, "Live"))
    until(browser, partial(has_rows, browser, 2))
    assert browser.execute_script("return window.same")


def test_tables_as_csv(collector: Collector, browser: Any) -> None:
    """A table's link gives what the filters leave, and no cell begins a formula."""
    collector.send(
        event("progression", event_id="Start:-1 cmd"),
        event("error", message="=HYPERLINK(1)", build="2.0"),
        event("user", user_id="@me", build="2.0"),
    )
    browser.get(f"{collector.url}/?build=2.0")
    until(browser, partial(has_rows, browser, 2))
    link = browser.find_element(By.CSS_SELECTOR, ".feed a.csv").get_attribute("href")
    answer = collector.ask("GET", link.removeprefix(collector.url))
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.reader(io.StringIO(answer.body.decode())))
    assert table[0] == ["time", "category", "event", "value", "player", "game"]
    assert [row[1] for row in table[1:]] == ["user", "error"]
    assert [row[4] for row in table[1:]] == ["'@me", "player"]
    levels = until(browser, lambda: collector.ask("GET", "/csv/progression/outcomes").body.decode().splitlines()[1:])
    path = "/csv/progression/outcomes?build=2.0"
    assert len(collector.ask("GET", path).body.decode().splitlines()) == 1
    assert levels[0].startswith("'-1 cmd,1,0,0,1,0.0,")
    assert collector.ask("GET", "/csv/progression/nothing").status == 404
    assert collector.ask("GET", "/csv/nothing/levels").status == 404
    for path in ("csv/overview/whole", "picture/heatmap"):
        refused = collector.ask("GET", f"/{path}?since=tomorrow")
        assert (refused.status, "since" in refused.json()["error"]) == (400, True)


@pytest.fixture(params=["json", "toml"])
def configured(tmp_path: Path, request: Any) -> Iterator[Collector]:
    """Start a collector with a settings file of either form."""
    file = tmp_path / f"configs.{request.param}"
    if request.param == "json":
        file.write_text(json.dumps({"*": {"configs": [{"key": "gravity", "value": "80"}]}}))
    else:
        file.write_text('# ours\n["*"]\nconfigs = [{ key = "gravity", value = "80" }]\n')
    collector = Collector(tmp_path, "--configs", str(file), page=True)
    yield collector
    assert collector.stop() == 0


def test_configs_are_edited(configured: Collector, browser: Any) -> None:
    """A value changed in the form is what games get next; a broken rule is named, the history tells and restores."""
    browser.get(f"{configured.url}/?view=configs")
    until(browser, lambda: control(browser, "value").get_attribute("value") == "80")
    value = control(browser, "value")
    value.clear()
    value.send_keys("40")
    key = control(browser, "key")
    key.clear()
    key.send_keys("g" * 17)
    save = browser.find_element(By.XPATH, "//button[.='Save']")
    save.click()
    until(browser, lambda: "1 to 16 characters" in browser.find_element(By.CSS_SELECTOR, ".wrong").text)
    assert configs_of(configured) == {"gravity": "80"}
    assert key.get_attribute("value") == "g" * 17
    time.sleep(2.5)  # until the page has looked whether the file was changed
    assert "1 to 16 characters" in browser.find_element(By.CSS_SELECTOR, ".wrong").text
    key.clear()
    key.send_keys("gravity")
    save.click()
    until(browser, lambda: "Saved." in browser.find_element(By.TAG_NAME, "body").text)
    assert configs_of(configured) == {"gravity": "40"}
    until(browser, lambda: '*: gravity: "80" → "40"' in browser.find_element(By.CSS_SELECTOR, ".history").text)
    browser.find_element(By.XPATH, "//button[.='Restore']").click()
    until(browser, lambda: configs_of(configured) == {"gravity": "80"})


def focused(browser: Any) -> str:
    """Return what has the focus: the words of a button or a text, else the label of an input."""
    script = "const one = document.activeElement; return one.textContent || one.closest('label')?.textContent || ''"
    return str(browser.execute_script(script))


@pytest.mark.parametrize("configured", ["json"], indirect=True)
def test_a_form_keeps_the_focus(configured: Collector, browser: Any) -> None:
    """What is added gets it; after a removal the button to add has it; a form that is built anew says what was done."""
    browser.get(f"{configured.url}/?view=configs")
    until(browser, lambda: control(browser, "value").get_attribute("value") == "80")
    browser.find_element(By.XPATH, "//button[.='Add a config']").send_keys(ENTER)
    until(browser, lambda: focused(browser) == "key")
    assert browser.switch_to.active_element.get_attribute("value") == ""
    browser.find_element(By.XPATH, "//button[.='Add a variant']").send_keys(ENTER)
    until(browser, lambda: focused(browser) == "name of the variant")
    browser.find_element(By.XPATH, "//button[@aria-label='remove variant 1']").send_keys(ENTER)
    until(browser, lambda: focused(browser) == "Add a variant")
    browser.find_element(By.XPATH, "//button[@aria-label='remove config 2']").send_keys(ENTER)
    until(browser, lambda: focused(browser) == "Add a config")
    browser.find_element(By.XPATH, "//button[.='Save']").send_keys(ENTER)
    until(browser, lambda: focused(browser).startswith("Saved."))
    browser.find_element(By.XPATH, "//button[.='Discard changes']").send_keys(ENTER)
    until(browser, lambda: focused(browser) == "Your changes were discarded.")


def test_what_was_typed_stays_when_the_connection_is_back(configured: Collector, browser: Any) -> None:
    """A laptop that slept between two words of a form: it shows what was typed, and saves it."""
    browser.get(f"{configured.url}/?view=configs")
    until(browser, lambda: control(browser, "value").get_attribute("value") == "80")
    control(browser, "value").clear()
    control(browser, "value").send_keys("41")
    control(browser, "key").click()
    until(browser, lambda: "Not saved yet" in browser.find_element(By.CSS_SELECTOR, ".actions").text)
    browser.execute_script("window.isOld = true; window.socket.disconnect()")
    assert not browser.execute_script("return window.socket.connected")
    browser.execute_script("window.socket.connect()")
    until(browser, lambda: browser.execute_script("return window.socket.connected"))
    time.sleep(1.5)  # a look of the page
    if not browser.execute_script("return window.isOld"):  # on a busy machine
        pytest.skip("NiceGUI could not tell the browser what it had missed, and loaded the page anew")
    assert control(browser, "value").get_attribute("value") == "41"
    browser.find_element(By.XPATH, "//button[.='Save']").click()
    until(browser, lambda: configs_of(configured) == {"gravity": "41"})


def configs_of(collector: Collector) -> dict[str, Any]:
    """Return the remote configs that a game gets at its start."""
    body = json.dumps({"user_id": "player", **WHO}).encode()
    answer = collector.post(CONFIGS, body).json()
    return {one["key"]: one["value"] for one in answer["configs"]}


FEW_PAGES = """
from ga_pygame.collector.page import waiting
waiting.MAX_WAITING_PAGES = 5
waiting.MAX_PAGES = 12
"""
"""Fewer pages than a collector keeps: each load of the page takes a third of a second of the browser."""


def test_requests_without_a_socket_leave_room(tmp_path: Path, browser: Any) -> None:
    """A script that loads the page, and a person who reloads it, again and again: nobody is kept from the page."""
    collector = Collector(tmp_path, page=True, patches=FEW_PAGES)
    try:
        for _ in range(25):
            assert collector.ask("GET", "/").status == 200
        send_builds(collector)
        for _ in range(9):  # with those that wait, more pages than are kept
            browser.get(collector.url)
            until(browser, lambda: heading(browser) == "Live")
        until(browser, partial(has_rows, browser, 4))
        assert not browser.find_elements(By.ID, "opening")
    finally:
        assert collector.stop() == 0


def test_a_view_that_is_opened_before_the_warehouse(tmp_path: Path, browser: Any) -> None:
    """It shows its figures as soon as there are any, although nothing comes in meanwhile."""
    first = Collector(tmp_path)
    first.send(event("resource", client_ts=int(time.time())))
    assert first.stop() == 0
    first.db.with_suffix(".duckdb").write_bytes(b"damaged")
    again = Collector(tmp_path, page=True)
    try:
        browser.get(f"{again.url}/?view=economy")
        until(browser, lambda: rows(browser, "panel-currencies"))
    finally:
        assert again.stop() == 0
