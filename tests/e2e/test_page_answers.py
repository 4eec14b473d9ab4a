"""The views of figures in a real browser: what they show is what the golden events say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.warehouse.intervals import share_of
from tests.collectors import Collector
from tests.e2e.test_page import By, rows, until
from tests.e2e.test_page_access import check_access
from tests.e2e.test_page_views import ENTER, control, has_heading
from tests.warehouse.golden import Event, Story, exported, golden_story, store_story
from tests.warehouse.test_findings import rage_quits
from tests.warehouse.test_metrics import sessions, status

_OPEN = "document.querySelectorAll('.panel details').forEach(one => one.open = true)"


@pytest.fixture(scope="module")
def golden_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector on a file with the golden events."""
    folder = tmp_path_factory.mktemp("golden")
    store_story(folder / "events.sqlite3", golden_story())
    collector = Collector(folder, page=True)
    yield collector
    assert collector.stop() == 0


@pytest.fixture(scope="module")
def events(golden_collector: Collector) -> list[Event]:
    """The events of players: as soon as there are any, they alone are shown."""
    found = exported(golden_collector.db)
    return [event for event in found if "ga_who" not in event.get("custom_fields", {})]


def show(browser: Any, collector: Collector, query: str, table: str) -> list[list[str]]:
    """Open a view and return the cells of a table, when all events are in its figures."""
    browser.get(f"{collector.url}/?{query}")

    def is_whole() -> bool:
        status_line = browser.find_elements(By.CSS_SELECTOR, ".view [role=status]")
        return bool(rows(browser, table)) and bool(status_line) and not status_line[0].text

    until(browser, is_whole, 60)
    return [row.split("|") for row in rows(browser, table)]


def players_of(events: list[Event], kind: str, level: str) -> set[str]:
    """Return the players with an event of a level."""
    return {one["user_id"] for one in events if one.get("event_id", "") == f"{kind}:{level}"}


def tiles(browser: Any) -> dict[str, str]:
    found = browser.find_elements(By.CSS_SELECTOR, ".tile")
    return {one.find_element(By.TAG_NAME, "dt").text: one.find_element(By.CLASS_NAME, "number").text for one in found}


def test_the_overview_shows_the_golden_figures(golden_collector: Collector, events: list[Event], browser: Any) -> None:
    """Players, sessions, lengths and crashes, by tile and in the table behind."""
    table = show(browser, golden_collector, "view=overview", "panel-whole")
    found = tiles(browser)
    played = sessions(events)
    lengths = [event["length"] for event in events if event["category"] == "session_end"]
    crashed = sum(any(event.get("severity") == "critical" for event in one) for one in played.values())
    assert found["players"] == str(len({event["user_id"] for event in events}))
    assert found["sessions"] == str(len(played))
    mean = round(sum(lengths) / len(lengths))
    assert found["mean length"] == f"{mean // 60} min {mean % 60:02} s"
    assert found["crash-free sessions"] == f"{100 * (1 - crashed / len(played)):.0f} %"
    assert table[0][5] == str(len(played))
    by_day = show(browser, golden_collector, "view=overview&since=2026-03-04&until=2026-03-08", "panel-players")
    assert [row[1] for row in by_day if row[0] == "now"] == [f"2026-03-0{day}" for day in range(4, 9)]


def test_progression_shows_the_golden_figures(golden_collector: Collector, events: list[Event], browser: Any) -> None:
    """Players and completers of each level; a level that is chosen is in the address."""
    table = show(browser, golden_collector, "view=progression", "panel-funnel")
    for row in table:
        completers = players_of(events, "Complete", row[0])
        inside = completers | players_of(events, "Start", row[0]) | players_of(events, "Fail", row[0])
        assert row[1:3] == [str(len(inside)), str(len(completers))]
        assert row[3] == f"{100 * (1 - len(completers) / len(inside)):.0f} %"
    assert len(table) == 5
    control(browser, "level").send_keys("forest:level_3", ENTER)
    title = "//h2[.='Scores in forest:level_3']"
    until(browser, lambda: browser.find_elements(By.XPATH, title))
    assert "level=forest%3Alevel_3" in browser.current_url
    scores = [event["score"] for event in events if event.get("event_id") == "Complete:forest:level_3"]
    shown = until(browser, lambda: rows(browser, "panel-level_score"))
    assert sum(int(row.split("|")[2]) for row in shown) == len(scores)


def test_retention_shows_the_golden_figures(golden_collector: Collector, events: list[Event], browser: Any) -> None:
    """The mean of the first day, with its interval; newest first day on top."""
    table = show(browser, golden_collector, "view=retention", "panel-mean")
    days: dict[str, set[int]] = {}
    for event in events:
        days.setdefault(event["user_id"], set()).add(event["client_ts"] // 86_400)
    returned = sum(min(some) + 1 in some for some in days.values())
    share = share_of(returned, len(days))
    assert share.rate is not None
    assert share.low is not None
    assert table[0][2:4] == [str(len(days)), str(returned)]
    assert table[0][4:6] == [f"{100 * share.rate:.0f} %", f"{100 * share.low:.0f} %"]
    triangle = [row.split("|")[0] for row in rows(browser, "panel-triangle")]
    assert triangle == sorted(triangle, reverse=True)


def test_compare_shows_the_golden_figures(golden_collector: Collector, events: list[Event], browser: Any) -> None:
    """Both builds are in the address; each side has its figures, and its CSV the same ones."""
    query = "build=1.1&other_build=1.0"
    table = {row[0]: row for row in show(browser, golden_collector, f"view=compare&{query}", "panel-numbers")}
    for at, build in ((2, "1.1"), (3, "1.0")):
        assert table["players"][at] == str(len({one["user_id"] for one in events if one["build"] == build}))
    answer = golden_collector.ask("GET", f"/csv/compare/numbers?{query}").body.decode()
    (players,) = (row for row in csv.reader(io.StringIO(answer)) if row[0] == "players")
    assert players[2:4] == table["players"][2:4]
    assert control(browser, "other build").get_attribute("value") == "1.0"
    assert browser.find_elements(By.CSS_SELECTOR, "datalist option[value='1.0']")
    assert not browser.find_elements(By.CSS_SELECTOR, "datalist option[id]"), "each costs the collector an element"


def test_a_finding_leads_to_its_view(tmp_path: Path, browser: Any) -> None:
    """Enter on the link of a sentence opens the view with the finding's filters; axe finds nothing on either page."""
    story = Story()
    rage_quits(story, 60)
    store_story(tmp_path / "events.sqlite3", story)
    collector = Collector(tmp_path, page=True)
    try:
        show(browser, collector, "view=overview&who=player", "panel-findings")
        (item,) = browser.find_elements(By.CSS_SELECTOR, ".notes li")
        assert "50 % of the 60 Fails in l1 are rage quits" in item.text
        browser.execute_script(_OPEN)
        check_access(browser)
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        item.find_element(By.TAG_NAME, "a").send_keys(ENTER)
        until(browser, partial(has_heading, browser, "Progression"))
        assert "level=l1" in browser.current_url
        assert "who=player" in browser.current_url
        until(browser, lambda: browser.find_elements(By.XPATH, "//h2[.='Time of an attempt at l1']"))
        check_access(browser)
    finally:
        assert collector.stop() == 0


def test_the_golden_events_have_all_parts_of_progression(events: list[Event]) -> None:
    """The comparisons above compare something."""
    assert {status(event) for event in events if event["category"] == "progression"} == {"Start", "Fail", "Complete"}
