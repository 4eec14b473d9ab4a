"""The views Economy, Money, Design and Funnel without a browser: words, marks, columns and steps."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any, cast

import pytest

from ga_pygame.collector.page import dashboard
from ga_pygame.collector.page.address import MAX_STEPS_CHARACTERS, PageAddress, parse_address
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.page.views import design, economy, funnel, money
from ga_pygame.collector.page.views.catalogue import VIEWS
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.metrics.design import DesignNode
from ga_pygame.collector.warehouse.metrics.design_fields import DesignFieldValue, FieldName
from ga_pygame.collector.warehouse.metrics.design_values import interval_width
from ga_pygame.collector.warehouse.metrics.economy import EconomyRow
from ga_pygame.collector.warehouse.metrics.economy_days import EconomyDay
from ga_pygame.collector.warehouse.metrics.funnel import FunnelStep, split_steps
from ga_pygame.collector.warehouse.metrics.money_days import MoneyDay
from ga_pygame.collector.warehouse.metrics.unique_values import UniqueValues

__all__ = ["dashboard"]  # imported first: it prepares NiceGUI's environment

GOLD = EconomyRow("gold", "", "", 100.0, 2.0, 98.0, 4.9, 0.02, 9, 1, 25, 1.0, 1.5, 0.5, True, True, False)
DAY = datetime.date(2026, 3, 2)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            GOLD,
            "hoarded: players spend 2% of what they gain; inflates: flow per player and day grew by 50% (25 players)",
        ),
        (GOLD._replace(is_hoarded=False), "inflates: flow per player and day grew by 50% (25 players)"),
        (GOLD._replace(is_hoarded=False, is_inflating=None), ""),
        (GOLD._replace(players=3, is_hoarded=None, is_inflating=None, is_few=True), "not enough players yet (3 of 20)"),
    ],
)
def test_a_currency_is_marked_in_words(row: EconomyRow, words: str) -> None:
    """Each mark has its figure and its number of players; with few players nothing is said of the currency."""
    assert economy.what_stands_out(row) == words


def test_currencies_share_no_axis_and_have_the_same_days() -> None:
    """A chart for each currency, with a gap where it has no figure; the table of all has the others."""
    day = EconomyDay("gold", DAY, 5.0, 1.0, 4.0, 4.0, 2, 2.0, 1, 4.0, 4.0, True)
    later = day._replace(day=DAY + datetime.timedelta(1), flow_per_player=7.0)
    gems = later._replace(currency="gems", flow_per_player=9.0)
    others = [gems._replace(currency=name) for name in ("a", "b", "c")]
    known = [GOLD, *(GOLD._replace(currency=name, players=1) for name in ("a", "b", "c", "gems", "silent"))]
    found = economy.economy_panels(known, [], [GOLD, GOLD._replace(currency="gems")], [day, later, gems, *others])
    names = [panel.name for panel in found.panels]
    assert names[:7] == ["currencies", "flow_1", "flow_2", "flow_3", "flow_4", "flow", "balance_1"]
    drawn = {panel.name: panel.chart for panel in found.panels if panel.chart is not None}
    for name, line in {"flow_1": [2.0, 7.0], "flow_2": [None, 9.0]}.items():
        chart = drawn[name]
        assert chart["xAxis"]["data"] == ["2026-03-02", "2026-03-03"]
        assert [series["data"] for series in chart["series"]] == [line]
    assert "flow" not in drawn
    assert next(panel for panel in found.panels if panel.name == "flow").sheet.rows[2][0] == "gems"
    items = found.panels[-1]
    assert "those of gold" in items.counted
    assert len(items.sheet.rows) == 2
    for panel in found.panels:
        assert all(len(row) == len(panel.sheet.columns) for row in panel.sheet.rows), panel.name
    one = economy.economy_panels([GOLD], [], [GOLD], [day, later])
    assert [panel.name for panel in one.panels] == ["currencies", "flow", "balance", "item_types", "items"]


def test_revenue_is_of_currencies_and_conversion_of_all() -> None:
    """The row of all currencies is in the conversion only, and the whole range is in no line by day."""
    every = MoneyDay("all", "all", None, 3, 2, 1, 10, None, None, 0.1, 0.2, True)
    rows = [every, every._replace(time="2026-03-02"), every._replace(time="2026-03-02", currency="EUR", revenue=4.99)]
    found = {panel.name: panel for panel in money.money_panels([], [], [], rows).panels}
    assert [row[:3] for row in found["revenue"].sheet.rows] == [("2026-03-02", "EUR", 4.99)]
    assert [row[0] for row in found["conversion"].sheet.rows] == ["whole range", "2026-03-02"]
    chart = found["conversion"].chart
    assert chart is not None
    assert chart["series"][0]["data"] == [10.0]
    assert "tracker.business(" in found["items"].empty


class Answers:
    """Stands in for `Snapshots`: answers metrics and remembers the options."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: dict[str, dict[str, Any]] = {}

    async def metric(self, name: str, address: PageAddress, **options: Any) -> list[Any]:
        self.asked[name] = options
        return self.answers.get(name, [])


def panels_at(view: str, query: str, answers: Answers) -> Any:
    sheets = VIEWS[view].sheets
    assert sheets is not None
    return asyncio.run(cast("Any", sheets(cast("Snapshots", answers), parse_address(query))))


def test_unique_values_are_marked_in_words() -> None:
    """Each field's highest day, what is nearest to its limit first; several games are told apart."""
    day = datetime.date(2026, 3, 2)
    over = UniqueValues("a" * 32, "custom_01", day, 51, 50, 1.02, "over")
    near = UniqueValues("a" * 32, "cart_type", day, 8, 10, 0.8, "near")
    few = near._replace(day=datetime.date(2026, 3, 3), different=1, share=0.1, state="")
    rows = panels_at("design", "", Answers(unique_values=[near, few, over]))["unique"].rows
    assert rows == [
        ("custom_01", 51, 50, 1.02, "2026-03-02", "over the limit"),
        ("cart_type", 8, 10, 0.8, "2026-03-02", "near the limit"),
    ]
    several = Answers(unique_values=[over, near._replace(game="b" * 32)])
    names = [row[0] for row in panels_at("design", "", several)["unique"].rows]
    assert names == ["custom_01 of aaaaaaaa…", "cart_type of bbbbbbbb…"]


def test_design_below_an_event_id() -> None:
    """The tree shows what is below the chosen id; a field that no event can have is not asked for."""
    node = DesignNode("kill", 1, 9, 0, 5, 1.8, 9, 9.0, 1.0, 1.0, 1.0, True)
    nodes = [node, node._replace(event_id="kill:bat", depth=2), node._replace(event_id="killer")]
    value = DesignFieldValue("weapon", None, 3, 2, 0, None, None, True)
    answers = Answers(design=nodes, field_names=[FieldName("weapon", 3)], design_fields=[value])
    found = panels_at("design", "event_id=kill&field='; DROP", answers)
    assert [row[0] for row in found["tree"].rows] == ["kill", "· kill:bat"]
    assert answers.asked["design_fields"] == {"field": "weapon", "event_id": "kill"}
    assert answers.asked["design_values"] == {"event_id": "kill"}
    assert found["fields"].rows[0][:2] == ("(without it)", 3)
    assert [row[0] for row in design.tree_panel(nodes, "").sheet.rows] == ["kill", "· kill:bat", "killer"]


def test_the_histogram_is_of_the_most_frequent_values() -> None:
    """Without a chosen event id; one that has no values is not taken."""
    node = DesignNode("a", 1, 9, 0, 5, 1.8, 9, 9.0, 1.0, 1.0, 1.0, True)
    nodes = [
        node,
        node._replace(event_id="a:b", own_events=3, values=3),
        node._replace(event_id="c", own_events=9, values=0),
    ]
    assert design.most_frequent(nodes) == "a:b"
    assert design.most_frequent(nodes[:1]) == ""


def test_steps_of_the_address() -> None:
    """The view asks for the steps and the window of the link; without steps it says what to do."""
    answers = Answers(funnel=[FunnelStep(1, "a", 3, 0, 1.0, 0.4, 1.0, 1.0, None, None, True)])
    panels_at("funnel", "steps=a,b%3Ac&minutes=90", answers)
    assert answers.asked["funnel"] == {"steps": ["a", "b:c"], "minutes": 90}
    assert "2 to 8 steps" in funnel.funnel_panels([], [], 30).panels[0].empty
    assert funnel.window_of(parse_address("minutes=999999999")) == 525_600
    assert funnel.window_of(parse_address("minutes=soon")) == funnel.window_of(parse_address("minutes=0")) == 30


def test_a_link_holds_eight_long_steps() -> None:
    """Event ids of the largest size survive the address."""
    longest = ["Complete:" + ":".join(name * 64 for name in "abcd")] * 8
    address = PageAddress("funnel").with_filter("steps", ",".join(longest))
    assert len(address.filters["steps"]) <= MAX_STEPS_CHARACTERS
    assert split_steps(parse_address(address.query()).filters["steps"]) == longest


def test_steps_are_picked() -> None:
    """Typed behind the last one, changed, removed by an empty text, several by commas, never more than eight."""
    assert funnel.changed_steps([], 0, " a ") == "a"
    assert funnel.changed_steps(["a"], 1, "b,c") == "a,b,c"
    assert funnel.changed_steps(["a", "b", "c"], 1, "") == "a,c"
    assert funnel.changed_steps(["a", "b"], 0, "x") == "x,b"
    assert funnel.changed_steps(list("abcdefgh"), 0, "x,y").count(",") == 7
    assert funnel.moved_step(["a", "b", "c"], 2) == "a,c,b"


@pytest.mark.parametrize(
    ("metric", "option", "text"),
    [
        ("economy", "by", "player"),
        ("money", "by", "day"),
        ("design_fields", "field", "a'b"),
        ("funnel", "steps", "a"),
        ("funnel", "steps", ",".join("abcdefghi")),
        ("funnel", "minutes", "-5"),
        ("funnel", "minutes", "1" * 5000),
    ],
)
def test_a_wrong_option_is_named(metric: str, option: str, text: str) -> None:
    """The answer says what is right."""
    with pytest.raises(BadFilter, match=option):
        METRICS[metric].options[option](text)


@pytest.mark.parametrize(
    ("least", "most", "are_whole", "width"),
    [
        (0, 10, True, 1),
        (0, 100, True, 5),
        (0, 1, False, 0.05),
        (3, 3, False, 1),
        (0, 240, True, 10),
        (0, 1e6, True, 5e4),
    ],
)
def test_intervals_of_a_histogram(least: float, most: float, are_whole: bool, width: float) -> None:
    """Their width is a round number, and there are not too many."""
    assert interval_width(least, most, are_whole=are_whole) == pytest.approx(width)
