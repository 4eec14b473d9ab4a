"""The views Economy, Money, Design and Funnel in a real browser, with the figures of the golden events."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ga_pygame.collector.warehouse.filters import Filters
from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.test_page import By, rows, until
from tests.warehouse.golden import Event, passes, store_story
from tests.warehouse.trading import trading_story

ENTER = "\ue007"
FILTERS = "build=1.1"
PLAYERS = Filters(who=("player",))


@pytest.fixture(scope="module")
def trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with the golden events and a trade, projected."""
    folder = tmp_path_factory.mktemp("trade")
    store_story(folder / "events.sqlite3", trading_story())
    collector = Collector(folder, page=True)
    number = len(trading_story().events)
    assert eventually(lambda: projected_of(collector) == f"{number}/{number}")
    yield collector
    assert collector.stop() == 0


@pytest.fixture(scope="module")
def players_events() -> list[Event]:
    """The events of players with the build of `FILTERS`: a page shows players once there are any."""
    return [
        event
        for event in trading_story().events
        if event.get("build") == "1.1" and "ga_who" not in event.get("custom_fields", {})
    ]


def projected_of(collector: Collector) -> str:
    return collector.ask("GET", "/api/warehouse/levels").headers.get("x-ga-projected", "")


def opened(browser: Any, collector: Collector, view: str, panel: str, query: str = "") -> list[list[str]]:
    """Open a view with the filters; return the cells of a panel's table."""
    browser.get(f"{collector.url}/?view={view}&{FILTERS}{query}")
    return shown(browser, panel)


def shown(browser: Any, panel: str) -> list[list[str]]:
    found: list[str] = until(browser, lambda: rows(browser, f"panel-{panel}"))
    return [row.split("|") for row in found]


def of(events: list[Event], category: str) -> list[Event]:
    return [event for event in events if event["category"] == category]


def test_economy_shows_the_golden_figures(trader: Collector, browser: Any, players_events: list[Event]) -> None:
    """Sources, sinks, players and what stands out of each currency; the CSV has the items."""
    cells = {row[0]: row for row in opened(browser, trader, "economy", "currencies")}
    resources = of(players_events, "resource")
    assert set(cells) == {"gold", "gems"}
    for currency, row in cells.items():
        own = [event for event in resources if event["event_id"].split(":")[1] == currency]
        source = sum(event["amount"] for event in own if event["amount"] > 0)
        sink = -sum(event["amount"] for event in own if event["amount"] < 0)
        players = len({event["user_id"] for event in own})
        assert row[2:5] == [f"{source:,}", f"{sink:,}", f"{source - sink:,}"]
        assert row[-1] == str(players)
        assert f"({players} players)" in row[1] if row[1] else currency == "gold"
    assert cells["gems"][1].startswith("hoarded: players spend ")
    link = browser.find_element(By.CSS_SELECTOR, ".panel-items a.csv").get_attribute("href")
    table = list(csv.DictReader(io.StringIO(trader.ask("GET", link.removeprefix(trader.url)).body.decode())))
    ids = {(event["event_id"].split(":")[1], *event["event_id"].split(":")[2:]) for event in resources}
    assert {(row["currency"], row["item type"], row["item"]) for row in table} == ids


def test_money_shows_the_golden_figures(trader: Collector, browser: Any, players_events: list[Event]) -> None:
    """Revenue, purchases and payers of each currency, never added."""
    cells = {row[0]: row for row in opened(browser, trader, "money", "currencies")}
    bought = of(players_events, "business")
    assert set(cells) == {"USD", "EUR"}
    for currency, row in cells.items():
        own = [event for event in bought if event["currency"] == currency]
        payers = len({event["user_id"] for event in own})
        revenue = sum(event["amount"] for event in own) / 100
        assert [row[1], row[3], row[4], row[5]] == [
            f"{revenue:,.2f}",
            str(len(own)),
            str(payers),
            f"{revenue / payers:,.2f}",
        ]
    conversion = shown(browser, "conversion")
    assert conversion[0][:2] == ["whole range", str(len({event["user_id"] for event in players_events}))]


def test_design_shows_the_golden_figures(trader: Collector, browser: Any, players_events: list[Event]) -> None:
    """The tree, and below a chosen event id its values and a custom field."""
    cells = {row[0]: row for row in opened(browser, trader, "design", "tree", "&event_id=tutorial&field=weapon")}
    some = [event for event in of(players_events, "design") if event["event_id"].split(":")[0] == "tutorial"]
    values = [event["value"] for event in some if "value" in event]
    assert set(cells) == {"tutorial", "· tutorial:begin", "· tutorial:jump"}
    assert cells["tutorial"][1:3] == [str(len(some)), str(len({event["user_id"] for event in some}))]
    assert cells["tutorial"][5] == f"{statistics.mean(values):,.2f}"
    assert sum(int(row[2]) for row in shown(browser, "values")) == len(values)
    weapons = Counter(event["custom_fields"]["weapon"] for event in some)
    assert {row[0]: int(row[1]) for row in shown(browser, "fields")} == weapons


def funnel_counts(events: list[Event], steps: list[str]) -> list[int]:
    """Count players by their steps in order, without a window."""
    done: defaultdict[str, int] = defaultdict(int)
    for event in sorted(events, key=lambda one: one["client_ts"]):  # stable: of a second, in order of arrival
        at = done[event["user_id"]]
        if at < len(steps) and event.get("event_id") == steps[at]:
            done[event["user_id"]] = at + 1
    return [sum(reached > place for reached in done.values()) for place in range(len(steps))]


def has_players(browser: Any, counts: list[int]) -> bool:
    return [row.split("|")[2] for row in rows(browser, "panel-steps")] == list(map(str, counts))


def test_a_funnel_is_picked_by_keyboard(trader: Collector, browser: Any, players_events: list[Event]) -> None:
    """Steps are typed, moved and removed without a mouse; the address holds them, and a link restores them."""
    steps = ["tutorial:begin", "Source:gold:pickup:coin", "tutorial:jump"]
    browser.get(f"{trader.url}/?view=funnel&{FILTERS}&minutes=525600")
    until(browser, lambda: "Choose 2 to 8 steps" in browser.find_element(By.TAG_NAME, "body").text)
    for step in steps:
        active = until(browser, partial(next_input, browser))
        active.send_keys(step, ENTER)
        until(browser, partial(is_in_address, browser, step))
    until(browser, partial(has_players, browser, funnel_counts(players_events, steps)))
    browser.find_element(By.CSS_SELECTOR, "button[aria-label='move step 3 up']").send_keys(ENTER)
    moved = [steps[0], steps[2], steps[1]]
    until(browser, partial(has_players, browser, funnel_counts(players_events, moved)))
    until(browser, lambda: browser.switch_to.active_element.get_attribute("value") == steps[2])
    link = browser.current_url
    browser.find_element(By.CSS_SELECTOR, "button[aria-label='remove step 3']").send_keys(ENTER)
    until(browser, partial(has_players, browser, funnel_counts(players_events, moved[:2])))
    browser.back()
    until(browser, partial(has_players, browser, funnel_counts(players_events, moved)))
    browser.switch_to.new_window("tab")
    browser.get(link)
    until(browser, partial(has_players, browser, funnel_counts(players_events, moved)))
    until(browser, lambda: step_values(browser) == [*moved, ""])
    browser.find_element(By.LINK_TEXT, "Clear filters").click()
    until(browser, lambda: "build=" not in browser.current_url)
    everybody = [event for event in trading_story().events if passes(event, PLAYERS)]
    assert step_values(browser) == [*moved, ""]
    until(browser, lambda: rows(browser, "panel-steps")[0].split("|")[2] == str(funnel_counts(everybody, moved)[0]))


def step_values(browser: Any) -> list[str]:
    inputs = browser.find_elements(By.CSS_SELECTOR, ".steps input")
    return [one.get_attribute("value") for one in inputs if one.is_displayed()]


def next_input(browser: Any) -> Any:
    """Return the empty input behind the last step."""
    inputs = [one for one in browser.find_elements(By.CSS_SELECTOR, ".steps input") if one.is_displayed()]
    return inputs[-1] if inputs and not inputs[-1].get_attribute("value") else None


def is_in_address(browser: Any, step: str) -> bool:
    return step.replace(":", "%3A") in browser.current_url
