"""Economy, money, design and funnel equal what plain Python computes from the exported events, with every filter."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from tests.warehouse.golden import (
    FILTERS,
    MINUTE,
    MONDAY,
    Event,
    Story,
    ask,
    day_of,
    each_filter,
    exported,
    passes,
    projected,
    store_story,
)
from tests.warehouse.trading import trading_story


@pytest.fixture(scope="module")
def trading_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trading") / "events.sqlite3"
    store_story(path, trading_story())
    return path


@pytest.fixture(scope="module")
def trade(trading_file: Path) -> list[Event]:
    return exported(trading_file)


@pytest.fixture(scope="module")
def trading(trading_file: Path) -> Iterator[Database]:
    with projected(trading_file) as database:
        yield database


def chosen(events: list[Event], filters: Filters, category: str, *, dated: bool = True) -> list[Event]:
    return [event for event in events if event["category"] == category and passes(event, filters, dated=dated)]


def active(events: list[Event], filters: Filters) -> dict[Any, set[str]]:
    """Return the players with an event, by day."""
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for event in events:
        if passes(event, filters):
            found[day_of(event["client_ts"])].add(event["user_id"])
    return found


def users(events: Iterable[Event]) -> set[str]:
    return {event["user_id"] for event in events}


def total(events: Iterable[Event], name: str = "amount") -> float:
    return float(sum(event.get(name, 0) for event in events))


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value)


def part_of(event: Event, by: str) -> tuple[str, str, str]:
    _, currency, item_type, item_id = event["event_id"].split(":")
    return (currency, item_type if by != "currency" else "", item_id if by == "item" else "")


# --- economy ---------------------------------------------------------------------------------------------------


@pytest.mark.e2e
@each_filter
@pytest.mark.parametrize("by", ["currency", "item_type", "item"])
def test_economy(trading: Database, trade: list[Event], filters: Filters, by: str) -> None:
    """Sources, sinks, players and the flow of both halves, by currency, item type or item."""
    by_day = active(trade, filters)
    everybody = set().union(*by_day.values())
    groups: defaultdict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for event in chosen(trade, filters, "resource"):
        groups[part_of(event, by)].append(event)
    rows = {(row.currency, row.item_type, row.item_id): row for row in ask(trading, "economy", filters, by=by)}
    assert set(rows) == set(groups)
    for key, row in rows.items():
        events = groups[key]
        gained = [event for event in events if event["event_id"].startswith("Source")]
        spent = [event for event in events if event["event_id"].startswith("Sink")]
        assert (row.source, row.sink, row.flow) == (total(gained), -total(spent), total(events))
        assert (row.source_events, row.sink_events, row.players) == (len(gained), len(spent), len(users(events)))
        assert row.flow_per_player == near(total(events) / len(everybody))
        assert row.sink_share == near(-total(spent) / total(gained) if gained else None)
        assert row.is_few == (len(users(events)) < 20)
        if by != "currency":
            assert (row.first_half_flow, row.flow_growth_rate, row.is_hoarded, row.is_inflating) == (None,) * 4
            continue
        first, last = min(by_day), max(by_day)
        length = ((last - first).days + 1) // 2
        halves = [
            [day for day in by_day if (day - first).days < length],
            [day for day in by_day if (last - day).days < length],
        ]
        flows = [
            total(event for event in events if day_of(event["client_ts"]) in half) / n
            if (n := sum(len(by_day[day]) for day in half))
            else None
            for half in halves
        ]
        assert [row.first_half_flow, row.second_half_flow] == [near(flow) for flow in flows]
        grew = flows[1] / flows[0] - 1 if flows[0] and flows[0] > 0 and flows[1] is not None else None
        assert row.flow_growth_rate == near(grew)
        assert row.is_inflating == (None if row.is_few or grew is None else grew >= 0.25)
        assert row.is_hoarded == (None if row.is_few else row.sink_share < 0.05)


def test_the_marks_are_both_there(trading: Database) -> None:
    """The comparisons above compare a currency that is hoarded, one that is not, and one that inflates."""
    rows = {row.currency: row for row in ask(trading, "economy")}
    assert (rows["gems"].is_hoarded, rows["gold"].is_hoarded) == (True, False)
    assert rows["gems"].is_inflating is True
    assert ask(trading, "economy", FILTERS["player"])[0].is_hoarded is None


@each_filter
def test_economy_by_day(trading: Database, trade: list[Event], filters: Filters) -> None:
    """Flow, balance since the first event, and what the day's players hold."""
    by_day = active(trade, filters)
    known = chosen(trade, filters, "resource", dated=False)
    rows = ask(trading, "economy_days", filters)
    assert len({(row.currency, row.day) for row in rows}) == len(rows)
    for currency in {event["event_id"].split(":")[1] for event in known}:
        own = [event for event in known if event["event_id"].split(":")[1] == currency]
        begun = min(day_of(event["client_ts"]) for event in own)
        assert [row.day for row in rows if row.currency == currency] == sorted(day for day in by_day if day >= begun)
        for row in (row for row in rows if row.currency == currency):
            earlier = [event for event in own if day_of(event["client_ts"]) <= row.day]
            today = [event for event in own if day_of(event["client_ts"]) == row.day]
            held = [total(event for event in earlier if event["user_id"] == user) for user in users(today)]
            assert (row.flow, row.balance) == (near(total(today)), near(total(earlier)))
            assert row.source == total(event for event in today if event["amount"] > 0)
            assert row.flow_per_player == near(total(today) / len(by_day[row.day]))
            assert (row.players, row.active_players) == (len(held), len(by_day[row.day]))
            assert row.mean_holding == near(statistics.mean(held) if held else None)
            assert row.median_holding == near(statistics.median(held) if held else None)


# --- money -----------------------------------------------------------------------------------------------------

BOUGHT: dict[str, Callable[[Event], tuple[str, str, str, str]]] = {
    "currency": lambda event: (event["currency"], "", "", ""),
    "item": lambda event: (event["currency"], *event["event_id"].split(":"), ""),
    "cart": lambda event: (event["currency"], "", "", event.get("cart_type", "")),
}


@each_filter
@pytest.mark.parametrize("by", BOUGHT)
def test_money(trading: Database, trade: list[Event], filters: Filters, by: str) -> None:
    """Revenue, purchases, payers, ARPPU and ARPDAU, each currency on its own."""
    player_days = sum(len(players) for players in active(trade, filters).values())
    groups: defaultdict[tuple[str, str, str, str], list[Event]] = defaultdict(list)
    for event in chosen(trade, filters, "business"):
        groups[BOUGHT[by](event)].append(event)
    rows = ask(trading, "money", filters, by=by)
    assert {(row.currency, row.item_type, row.item_id, row.cart) for row in rows} == set(groups)
    for row in rows:
        events = groups[row.currency, row.item_type, row.item_id, row.cart]
        of_currency = total(event for (one, *_), some in groups.items() if one == row.currency for event in some)
        assert row.revenue == near(total(events) / 100)
        assert row.revenue_share == near(total(events) / of_currency)
        assert (row.purchases, row.payers) == (len(events), len(users(events)))
        assert row.arppu == near(total(events) / 100 / len(users(events)))
        assert row.arpdau == near(total(events) / 100 / player_days)


@each_filter
def test_money_by_day(trading: Database, trade: list[Event], filters: Filters) -> None:
    """ARPDAU, ARPPU, and the conversion by the first purchase ever, for each day and the whole range."""
    by_day = active(trade, filters)
    first: dict[str, Event] = {}
    for event in sorted(chosen(trade, Filters(), "business"), key=lambda one: (one["client_ts"], one["position"])):
        first.setdefault(event["user_id"], event)
    bought = chosen(trade, filters, "business")
    rows = ask(trading, "money_days", filters)
    currencies = {event["currency"] for event in bought}
    times = {"all", *map(str, by_day)} if bought else set()
    assert {(row.time, row.currency) for row in rows} == {(t, c) for t in times for c in {"all", *currencies}}
    for row in rows:
        events = [
            event
            for event in bought
            if row.currency in ("all", event["currency"]) and row.time in ("all", str(day_of(event["client_ts"])))
        ]
        players = set().union(*(some for day, some in by_day.items() if row.time in ("all", str(day))))
        player_days = sum(len(some) for day, some in by_day.items() if row.time in ("all", str(day)))
        converted = [event for event in events if first[event["user_id"]] is event]
        assert (row.purchases, row.payers, row.active_players) == (len(events), len(users(events)), len(players))
        assert (row.first_payers, row.conversion_rate) == (len(converted), near(len(converted) / len(players)))
        assert row.payers_rate == near(len(users(events)) / len(players))
        if row.currency == "all":
            assert (row.revenue, row.arpdau, row.arppu) == (None, None, None)
        else:
            assert (row.revenue, row.arpdau) == (near(total(events) / 100), near(total(events) / 100 / player_days))
            assert row.arppu == near(total(events) / 100 / len(users(events)) if events else None)


# --- design ----------------------------------------------------------------------------------------------------


@each_filter
def test_design(trading: Database, trade: list[Event], filters: Filters) -> None:
    """Events, players, sum, mean and range of each event id and of each beginning of some."""
    groups: defaultdict[str, list[Event]] = defaultdict(list)
    for event in chosen(trade, filters, "design"):
        parts = event["event_id"].split(":")
        for depth in range(1, len(parts) + 1):
            groups[":".join(parts[:depth])].append(event)
    rows = ask(trading, "design", filters)
    assert [row.event_id for row in rows] == sorted(groups, key=lambda one: one.split(":"))
    for row in rows:
        events = groups[row.event_id]
        values = [event["value"] for event in events if "value" in event]
        assert (row.events, row.players, row.values) == (len(events), len(users(events)), len(values))
        assert row.own_events == sum(event["event_id"] == row.event_id for event in events)
        assert row.depth == len(row.event_id.split(":"))
        assert (row.sum, row.mean) == (near(sum(values)), near(statistics.mean(values))) if values else (None, None)
        assert (row.least, row.most) == (min(values, default=None), max(values, default=None))


@each_filter
@pytest.mark.parametrize("event_id", ["kill", "tutorial", "tutorial:jump"])
def test_design_values(trading: Database, trade: list[Event], filters: Filters, event_id: str) -> None:
    """Each value is in the interval that begins at it or below it, and the intervals have no gap."""
    events = [
        event
        for event in chosen(trade, filters, "design")
        if f"{event['event_id']}:".startswith(f"{event_id}:") and "value" in event
    ]
    rows = ask(trading, "design_values", filters, event_id=event_id)
    assert sum(row.events for row in rows) == len(events)
    for row, following in itertools.pairwise(rows):
        assert row.end == near(following.start)
    for row in rows:
        inside = [event for event in events if row.start <= event["value"] < row.end]
        assert (row.events, row.players) == (len(inside), len(users(inside)))


@each_filter
def test_design_fields(trading: Database, trade: list[Event], filters: Filters) -> None:
    """Events, players and values for each value of a custom field, and for events without it."""
    groups: defaultdict[str | None, list[Event]] = defaultdict(list)
    for event in chosen(trade, filters, "design"):
        if event["event_id"].startswith("tutorial"):
            groups[event.get("custom_fields", {}).get("weapon")].append(event)
    rows = ask(trading, "design_fields", filters, field="weapon", event_id="tutorial")
    assert {row.field_value for row in rows} == set(groups)
    for row in rows:
        events = groups[row.field_value]
        values = [event["value"] for event in events if "value" in event]
        assert (row.events, row.players, row.values) == (len(events), len(users(events)), len(values))
        assert row.mean == (near(statistics.mean(values)) if values else None)


def test_field_names(trading: Database, trade: list[Event]) -> None:
    """The custom fields of design events, with their counts."""
    counts = Counter(name for event in chosen(trade, Filters(), "design") for name in event.get("custom_fields", {}))
    assert {row.field: row.events for row in ask(trading, "field_names")} == counts
    assert set(counts) == {"weapon", "ga_who"}


@pytest.mark.parametrize("text", ["x' OR '1' = '1", 'a"b', "%", "{filters}", "$field"])
def test_what_a_person_types_is_a_value(trading: Database, text: str) -> None:
    """Ids and names that look like SQL find nothing and break nothing."""
    assert ask(trading, "design_values", event_id=text) == []
    assert ask(trading, "design_fields", field="weapon", event_id=text) == []
    assert [row.players for row in ask(trading, "funnel", steps=(text, text))] == [0, 0]


# --- funnel ----------------------------------------------------------------------------------------------------

IDS = ("design", "progression", "resource", "business")
FUNNELS = [
    (("Start:forest:level_1", "Complete:forest:level_1", "Start:forest:level_2"), 30),
    (("tutorial:begin", "tutorial:jump", "Source:gold:pickup:coin", "Sink:gold:shop:axe", "pack:gold"), 24 * 60),
    (("tutorial:begin", "tutorial:begin", "tutorial:begin"), 2),
    (("tutorial:jump", "not:there", "tutorial"), 30),
]


def chains(events: list[Event], steps: tuple[str, ...], seconds: int) -> list[list[tuple[int, int, int]]]:
    """Try each event of a player against the latest one before it that did the step before.

    Returns:
        For each step the events that did it: their time, the gap, and the time since the first step.
    """
    done: list[list[tuple[int, int, int]]] = [[] for _ in steps]
    for event in events:
        at = event["client_ts"]
        for place in reversed(range(len(steps))):  # an event does not follow itself
            if event["event_id"] != steps[place]:
                continue
            if not place:
                done[0].append((at, 0, 0))
            elif done[place - 1] and at - done[place - 1][-1][0] <= seconds:
                last, _, since = done[place - 1][-1]
                done[place].append((at, at - last, at - last + since))
    return done


@each_filter
@pytest.mark.parametrize(("steps", "minutes"), FUNNELS)
def test_funnel(trading: Database, trade: list[Event], filters: Filters, steps: tuple[str, ...], minutes: int) -> None:
    """Players who did each step within the window after the one before, with the median times of their first ones."""
    by_player: defaultdict[str, list[Event]] = defaultdict(list)
    for event in sorted(trade, key=lambda one: (one["client_ts"], one["position"])):
        if event["category"] in IDS and passes(event, filters):
            by_player[event["user_id"]].append(event)
    found = [chains(events, steps, minutes * 60) for events in by_player.values()]
    rows = ask(trading, "funnel", filters, steps=steps, minutes=minutes)
    assert [(row.step, row.event_id) for row in rows] == list(enumerate(steps, 1))
    before = None
    for row in rows:
        firsts = [done[row.step - 1][0] for done in found if done[row.step - 1]]
        assert row.players == len(firsts)
        if before is not None:
            assert row.lost == before.players - row.players
            assert row.step_rate == near(row.players / before.players if before.players else None)
            assert row.median_seconds == (statistics.median(gap for _, gap, _ in firsts) if firsts else None)
            assert row.median_total_seconds == (statistics.median(since for *_, since in firsts) if firsts else None)
            assert row.is_few == (before.players < 20)
        before = row


@each_filter
def test_event_ids(trading: Database, trade: list[Event], filters: Filters) -> None:
    """Each event id with its events, most frequent first."""
    counts = Counter(
        (event["category"], event["event_id"]) for event in trade if event["category"] in IDS and passes(event, filters)
    )
    rows = ask(trading, "event_ids", filters)
    assert {(row.category, row.event_id): row.events for row in rows} == counts
    assert [row.events for row in rows] == sorted(counts.values(), reverse=True)


@each_filter
def test_plan_names(trading: Database, trade: list[Event], filters: Filters) -> None:
    """Each level, currency, item, design id and value of a dimension with its events, most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for event in (one for one in trade if passes(one, filters)):
        parts = str(event.get("event_id", "")).split(":")
        if event["category"] == "design":
            counts["design", event["event_id"]] += 1
        elif event["category"] == "progression":
            counts["levels", ":".join(parts[1:])] += 1
        elif event["category"] == "resource":
            counts["currencies", parts[1]] += 1
            counts["items", ":".join(parts[2:])] += 1
        elif event["category"] == "business":
            counts["items", event["event_id"]] += 1
        for dimension in ("custom_01", "custom_02", "custom_03"):
            if event.get(dimension):
                counts[dimension, event[dimension]] += 1
    rows = ask(trading, "plan_names", filters)
    assert {(row.section, row.name): row.events for row in rows} == counts
    assert rows == sorted(rows, key=lambda row: (row.section, -row.events, row.name))


@pytest.mark.e2e
def test_a_funnel_that_a_person_counts(tmp_path: Path) -> None:
    """Steps that are repeated, in a wrong order, too late or in between break nothing."""
    story = Story()
    story.session("ann", MONDAY).design(1, "a").design(60, "a").design(65, "x").design(70, "b").design(75, "b")
    story.session("bob", MONDAY).design(1, "b").design(60, "a").design(60 + 11 * MINUTE, "b")
    story.session("cem", MONDAY).design(1, "a").design(20 * MINUTE, "a").design(20 * MINUTE + 8, "b")
    story.session("dan", MONDAY).design(1, "b")
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as database:
        first, second = ask(database, "funnel", steps=("a", "b"), minutes=10)
        assert (first.players, second.players, second.lost, second.total_rate) == (3, 2, 1, pytest.approx(2 / 3))
        assert second.median_seconds == 9  # 10 of ann, 8 of cem
        assert ask(database, "funnel", steps=("a", "b"), minutes=11)[1].players == 3
        twice = ask(database, "funnel", steps=("a", "a", "b"), minutes=60)
        assert [row.players for row in twice] == [3, 2, 2]
        assert twice[2].median_total_seconds == pytest.approx((69 + 20 * MINUTE + 7) / 2)
        assert ask(database, "funnel", steps=("a",)) == []
