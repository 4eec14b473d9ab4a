"""POGR's and Trophy's sections of the collector's page in a real browser."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.collectors import Collector
from tests.e2e import test_page
from tests.e2e.test_page import By, Select, event, rows, until

collector = test_page.collector

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>{{ 7 * 7 }}"


def ask(collector: Collector, path: str, body: Any, **headers: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        reply = connection.getresponse()
        answer: dict[str, Any] = json.loads(reply.read())
        return {"status": reply.status, **answer}
    finally:
        connection.close()


def begin(collector: Collector, who: str) -> str:
    session: str = ask(collector, "/v1/intake/init", {"association_id": who}, POGR_CLIENT="sky", POGR_BUILD="0.3.1")[
        "payload"
    ]["session_id"]
    return session


def pogr(collector: Collector, session: str, kind: str, body: Any) -> None:
    assert ask(collector, f"/v1/intake/{kind}", body, INTAKE_SESSION_ID=session)["status"] == 200


def trophy(collector: Collector, who: str, metric: str, value: float, **user: Any) -> None:
    path, body = f"/v1/metrics/{metric}/event", {"user": {"id": who, **user}, "value": value}
    while ask(collector, path, body, **{"X-API-KEY": "app_x.y"})["status"] == 429:
        time.sleep(0.2)


def play(collector: Collector, name: str = "Ann") -> None:
    """Send a session with some of each thing that the page shows."""
    session = begin(collector, "install-7f3a")
    pogr(collector, session, "data", {"data": {"version": "0.3.1", "store": "itch", "locale": "de_DE"}})
    combat = {
        "event": "progression",
        "sub_event": "complete",
        "event_type": "user-event",
        "event_flag": "completed",
        "event_key": "forest:1",
        "event_data": {"attempt_num": 2},
    }
    pogr(collector, session, "event", combat)
    pogr(collector, session, "event", {**combat, "tags": {"override_timestamp": "2026-01-02T03:04:05Z"}})
    pogr(collector, session, "logs", {"log": "save failed", "severity": "warn"})
    pogr(collector, session, "metrics", {"metrics": {"fps": 59.9, "memory": {"free_mb": 812, "state": "ok"}}})
    pogr(collector, session, "monitor", {"cpu_usage": 12.5, "memory_usage": 104857600, "settings": {"vsync": True}})
    ask(collector, "/v1/intake/end", {}, INTAKE_SESSION_ID=session)
    begin(collector, "install-11c0")
    trophy(collector, "player-1", "levels-completed", 3, name=name, tz="Europe/Berlin")
    trophy(collector, "player-1", "slimes-stomped", 12)
    trophy(collector, "player-1", "coins-collected", 34)
    trophy(collector, "player-2", "levels-completed", 1)


def listed(browser: Any) -> list[str]:
    return [link.text for link in browser.find_elements(By.CSS_SELECTOR, "nav a") if link.is_displayed()]


def test_hidden_until_used(collector: Collector, browser: Any) -> None:
    """A developer who uses neither service sees neither; each is listed with its first call."""
    browser.get(collector.url)
    collector.send(event())
    until(browser, lambda: len(rows(browser, "feed")) == 1)
    assert {"Live", "Progression", "Configs"} <= set(listed(browser))
    assert not {"POGR", "Trophy"} & set(listed(browser))
    begin(collector, "me")
    until(browser, lambda: listed(browser)[-3:] == ["POGR", "Configs", "Chaos"])
    trophy(collector, "me", "levels-completed", 1)
    until(browser, lambda: listed(browser)[-4:] == ["POGR", "Trophy", "Configs", "Chaos"])


def test_what_the_services_got(collector: Collector, browser: Any, tmp_path_factory: Any) -> None:
    """Sessions, rows with their facts and times, players with all they have, leaderboards: live."""
    browser.get(f"{collector.url}/?view=pogr")
    until(browser, lambda: "Nothing came for POGR yet" in browser.page_source)
    collector.send(event("user"), event())
    play(collector)
    until(browser, lambda: (len(rows(browser, "pogr-rows")), len(rows(browser, "pogr-sessions"))) == (6, 2))
    sessions = [row.split("|") for row in rows(browser, "pogr-sessions")]
    assert [(one[0], one[1], bool(one[3]), one[4]) for one in sessions] == [
        ("install-11c0", "0.3.1", False, "0"),
        ("install-7f3a", "0.3.1", True, "6"),
    ]
    found = [row.split("|") for row in reversed(rows(browser, "pogr-rows"))]
    assert [one[1] for one in found] == ["data", "event", "event", "logs", "metrics", "monitor"]
    assert found[0][2] == "version 0.3.1 · store itch · locale de_DE"
    assert found[1][2] == "progression · complete · forest:1 · completed"
    assert found[1][0] == found[1][3]
    assert found[2][3].startswith("2026-01-0")
    assert found[3][2] == "warn · save failed"
    assert found[4][2] == "fps 59.9 · memory free_mb 812, state ok"
    assert "memory.state" in found[4][-1]
    assert found[5][2].endswith("settings vsync true")
    browser.find_element(By.LINK_TEXT, "Trophy").click()
    until(browser, lambda: len(rows(browser, "trophy-boards")) == 2)
    players = {row.split("|")[0]: row.split("|") for row in rows(browser, "trophy-players")}
    assert players["Ann"][1] == "coins-collected 34 · levels-completed 3 · slimes-stomped 12"
    assert players["Ann"][2:4] == ["1", "Stars 53, Glider"]
    assert "Sky champion" in players["Ann"][4]
    assert rows(browser, "trophy-boards") == ["Most stars|1|Ann|53", "|2|player-2|10"]
    trophy(collector, "player-2", "levels-completed", 10)
    until(browser, lambda: rows(browser, "trophy-boards")[0] == "Most stars|1|player-2|130")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    if folder := os.environ.get("PAGE_SCREENSHOTS"):
        browser.set_window_size(1500, 1500)
        browser.save_screenshot(str(Path(folder) / "services.png"))


def test_what_a_game_sends_stays_text(collector: Collector, browser: Any) -> None:
    """Markup in ids, names, metrics, logs and keys is shown, not run."""
    browser.get(f"{collector.url}/?view=pogr")
    session = begin(collector, EVIL)
    pogr(collector, session, "logs", {"log": EVIL, "severity": EVIL})
    pogr(collector, session, "metrics", {"metrics": {EVIL: EVIL}})
    pogr(collector, session, "data", {"data": EVIL})
    trophy(collector, EVIL, "levels-completed", 1)
    trophy(collector, "named", "%3Cscript%3Edocument.title=1%3C%2Fscript%3E", 1, name=EVIL)
    until(browser, lambda: len(rows(browser, "pogr-rows")) == 3)
    check_it_is_text(browser, "POGR", "pogr-rows", "pogr-sessions")
    until(browser, lambda: "Trophy" in listed(browser))
    browser.find_element(By.LINK_TEXT, "Trophy").click()
    until(browser, lambda: len(rows(browser, "trophy-players")) == 2)
    check_it_is_text(browser, "Trophy", "trophy-players")


def check_it_is_text(browser: Any, title: str, *tables: str) -> None:
    everything = " ".join(row for table in tables for row in rows(browser, table))
    assert "<script>" in everything
    assert "<img" in everything
    assert browser.title == f"{title} · ga_pygame collector"
    assert browser.execute_script("return document.querySelectorAll('table.live img, table.live script').length") == 0


def test_chaos_is_picked_on_the_page(collector: Collector, browser: Any) -> None:
    """A fault begins when it is picked, all views say so, and it ends the same way."""
    browser.get(f"{collector.url}/?view=chaos")
    until(browser, lambda: "No fault is in force" in browser.page_source)
    Select(browser.find_element(By.CSS_SELECTOR, ".chaos select")).select_by_value("500")
    until(browser, lambda: "In force: 500" in browser.page_source)
    assert collector.send(event()).status == 500
    until(browser, lambda: "1 requests got it" in browser.page_source)
    browser.get(collector.url)
    until(browser, lambda: "Chaos: 500" in browser.find_element(By.CSS_SELECTOR, ".banners").text)
    browser.get(f"{collector.url}/?view=chaos")
    until(browser, lambda: "In force: 500" in browser.page_source)
    Select(browser.find_element(By.CSS_SELECTOR, ".chaos select")).select_by_value("")
    until(browser, lambda: "No fault is in force" in browser.page_source)
    assert collector.send(event()).status == 200


def test_the_heatmap_is_seen(collector: Collector, browser: Any) -> None:
    """The picture loads, has words for screen readers, and follows a filter."""
    place = {"ga_x": 5, "ga_y": 7, "ga_map": "level_1"}
    fields = [{**place, "ga_x": x} for x in (5, 6, 500)]
    assert collector.send(*(event(event_id="death", custom_fields=one) for one in fields)).status == 200
    browser.get(f"{collector.url}/?view=heatmap")
    width = "return document.querySelector('img.picture')?.naturalWidth ?? 0"
    until(browser, lambda: browser.execute_script(width) > 0)
    image = browser.find_element(By.CSS_SELECTOR, "img.picture")
    assert "Heatmap of level_1: most events, 2," in image.get_attribute("alt")
    browser.get(f"{collector.url}/?view=heatmap&event_id=jump")
    until(browser, lambda: "No event with a place" in browser.page_source)
    assert not browser.find_elements(By.CSS_SELECTOR, "img.picture")
