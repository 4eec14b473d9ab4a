"""An event kind is one class: a made-up one passes through every part without a change to any of them."""

from __future__ import annotations

import ast
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ga_pygame import categories, rules
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import Integer, InvalidEvent
from ga_pygame.collector.page.rows import row_of_event
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.events import (
    Ad,
    Business,
    Design,
    Error,
    Flow,
    Health,
    Impression,
    Progression,
    Resource,
    SdkInit,
    SessionEnd,
    SessionHealth,
    Severity,
    Status,
    Troubleshooting,
    User,
    WalletChange,
)
from ga_pygame.kinds import EXACT, KIND_BY_CATEGORY, KIND_BY_CODE, Event
from tests.collectors import Collector
from tests.conftest import ROOT, Game

PROBE = """
from ga_pygame import rules
from ga_pygame.kinds import ABOVE_ZERO, Event
from ga_pygame.rules import Field


class Probe(Event):
    '''Somebody dug a hole.'''

    __slots__ = ("place", "depth")
    code = 200
    category = "probe"
    wire_fields = {"place": Field(rules.event_part, required=True), "depth": Field(rules.positive, required=True)}
    told_by = ("place",)
    summed = ("depth",)
    number_name = number_field = "depth"
    number_rule = rules.positive
    least = ABOVE_ZERO

    def __init__(self, place, depth):
        self.place = rules.event_part("place", place)
        self.depth = rules.positive("depth", depth)

    @staticmethod
    def key_of(place):
        return ("probe", place)

    @property
    def key(self):
        return self.key_of(self.place)

    def wire(self):
        return {"category": "probe", "place": self.place, "depth": self.depth}
"""
"""What `events.py` would get."""

GAME = (
    PROBE
    + """
import os, signal, sys, time
import pygame
import ga_pygame
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations import GameAnalytics, JsonLines, POGR, Trophy

pygame.init()
services = [
    GameAnalytics(SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY),
    POGR("client", "build"),
    Trophy("app_12345.secret", interval=5, metrics={"probe:door": ("depth", "depth"), "probe": "holes"}),
    JsonLines(os.environ["LINES"]),
]
tracker = ga_pygame.Tracker(destinations=services, upload_interval=0.1, strict=True)
tracker.start()
if "DIES" in os.environ:
    time.sleep(0.5)  # the session's start is in the outbox; what follows is in the journal only
for depth in (1, 2.5, 4):  # each is a row; the first also adds an entry that describes its kind
    tracker._recorder.post(Probe("door", depth), None)
tracker._recorder.post(Probe("well", 7), {"tool": "spade"})
if "DIES" in os.environ:
    os.kill(os.getpid(), signal.SIGKILL)
tracker.close()
"""
)


@pytest.fixture
def probe() -> Iterator[type[Event]]:
    """Define the kind in this process until the test is over."""
    scope: dict[str, Any] = {}
    exec(PROBE, scope)
    yield scope["Probe"]
    del KIND_BY_CODE[200], KIND_BY_CATEGORY["probe"]
    categories._known.pop("probe", None)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """Start a collector that knows the kind."""
    running = Collector(tmp_path, patches=PROBE)
    yield running
    running.stop()


def state(collector: Collector) -> Any:
    with urlopen(f"{collector.url}/_emu/state", timeout=10) as answer:
        return json.loads(answer.read())


@pytest.mark.e2e
def test_a_made_up_kind_goes_everywhere(
    game: Callable[..., Game], collector: Collector, probe: type[Event], tmp_path: Path
) -> None:
    """From a call through journal, replay of a dead launch, outbox and all destinations to the collector's page."""
    lines = tmp_path / "lines.jsonl"
    to_collector = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_WHO": "player"}
    knobs = {**to_collector, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20", "LINES": str(lines)}
    assert game(GAME, DIES="1", **knobs).end()[0] == -9
    assert game(GAME, **knobs).end()[:2] == (0, "")

    found = [event for event in collector.export() if event["category"] == "probe"]
    said = [(event["place"], event["depth"], event.get("custom_fields")) for event in found]
    once = [("door", 1, None), ("door", 2.5, None), ("door", 4, None), ("well", 7, {"tool": "spade"})]
    assert said == once * 2
    assert len({event["session_id"] for event in found}) == 2
    kept = [event for event in map(json.loads, lines.read_text().splitlines()) if event["category"] == "probe"]
    assert {event["event_uuid"] for event in kept} == {event["event_uuid"] for event in found}

    rows = [row["json"] for row in state(collector)["pogr"]["newest_rows"] if row["json"].get("event") == "probe"]
    assert sorted((row["event_key"], row["event_data"]["depth"]) for row in rows) == sorted(
        (place, depth) for place, depth, _ in once * 2
    )
    (player,) = state(collector)["trophy"]["newest_users"]
    assert player["totals"] == {"depth": 15, "holes": 8}

    row = row_of_event(Arrival(1, time.time(), "0" * 32, "probe", json.dumps(found[-1]).encode(), []))
    assert row["cells"][1:4] == ["probe", "well", "7"]


EXAMPLES: list[Event] = [
    User(),
    SessionEnd(7, "quit"),
    Business("USD", 499, "pack", "gold_500", "shop"),
    Resource(Flow.SINK, "gold", 2.5, "boost", "shield"),
    WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")),
    Progression(Status.COMPLETE, ("a", "b"), 7),
    Design("kill:slime", 3),
    Error(Severity.WARNING, "hm"),
    SessionHealth((0,) * 60 + (9,) + (0,) * 60, (), (), (("cpu_num_cores", 8),)),
    SdkInit(812, (("cpu_model", "x"), ("memory_sys_total", 16000))),
    Health(1.0, (0, 60)),
    Impression("admob", {"publisher_revenue": 0.5, "currency": "USD", "is_test": True}),
    Ad("show", "banner", "admob", "menu"),
    Troubleshooting(),
]
"""One event of each kind."""


def test_each_kind_has_an_example() -> None:
    """A new kind gets the tests below."""
    found = [type(event).code for event in EXAMPLES]
    assert sorted(found) == sorted(KIND_BY_CODE), "add to EXAMPLES"


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_the_journal_gives_back_what_it_got(event: Event) -> None:
    """An event's plain values make the same event, and are of types that the journal can hold."""
    values = event.values()
    assert type(event).of(*values) == event
    assert ast.literal_eval(repr(values)) == values


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_a_kind_says_what_it_sends(event: Event) -> None:
    """Its fields on the wire keep the rules that its class gives the collector, and its number is where it says."""
    wire = event.wire()
    own = wire.keys() - {"category"}
    kind = KIND_BY_CATEGORY[event.category]
    assert wire["category"] == event.category
    assert not kind.wire_fields or own <= kind.wire_fields.keys()
    assert {name for name, field in kind.wire_fields.items() if field.required} - own <= {"transaction_num"}
    assert own.isdisjoint(FIELDS), "an annotation has another meaning"
    assert {*event.told_by, *event.summed} <= {*own, "attempt_num"}
    for name in own & kind.wire_fields.keys():
        kind.wire_fields[name].check(name, wire[name])
    if event.number_field:
        two, four = event.with_number(2).wire(), event.with_number(4).wire()
        assert abs(two.pop(event.number_field)) == 2
        assert abs(four.pop(event.number_field)) == 4
        assert two == four


def test_a_kind_comes_before_the_rules_for_other_sdks(monkeypatch: pytest.MonkeyPatch, probe: type[Event]) -> None:
    """A new kind for a category that official SDKs send has its own fields on the wire, and is listed once."""
    monkeypatch.setitem(KIND_BY_CATEGORY, "ads", probe)
    categories._known.pop("ads", None)  # another test may have asked for it
    try:
        found = categories.category_of("ads")
        assert found is not None
        assert found.own == probe.wire_fields
        assert categories.names().count("ads") == 1
    finally:
        categories._known.pop("ads", None)


@pytest.mark.parametrize("kind", list(KIND_BY_CODE.values()), ids=lambda kind: kind.__name__)
def test_the_lowest_number_and_the_rule_agree(kind: type[Event]) -> None:
    """The quick path lets through what is not below `least`; the rule must not refuse it, nor take what is below."""
    rule, least = kind.number_rule, kind.least
    if rule is None:
        assert least == -EXACT, "a lowest number needs a rule that refuses those below it"
        return
    rule("number", least)
    if least > -EXACT:
        below = least - 1 if isinstance(rule, Integer) else math.nextafter(least, -math.inf)
        with pytest.raises(InvalidEvent):
            rule("number", below)


def test_only_a_resource_speaks_of_source_and_sink() -> None:
    """The rule for an amount is also of use to other kinds."""
    with pytest.raises(InvalidEvent, match=r"greater than 0 \(rule"):
        rules.positive("depth", 0)
    with pytest.raises(InvalidEvent, match="greater than 0; the sign on the wire comes from source or sink"):
        Resource(Flow.SINK, "gold", 0, "boost", "shield")


def test_a_code_stands_for_one_kind(probe: type[Event]) -> None:
    """A kind without a code, or with another one's, cannot be defined: the journal could not tell them apart."""
    for number in (0, -1, Design.code, probe.code):
        with pytest.raises(TypeError, match=f"code {number} "):
            type("Double", (Event,), {"code": number, "category": "double"})
    assert "double" not in categories.names()


def test_the_codes_in_the_journal_never_change() -> None:
    """A later version reads what this one left."""
    codes = {2: User, 3: SessionEnd, 4: Business, 5: Resource, 6: WalletChange, 7: Progression, 8: Design, 9: Error}
    assert dict(KIND_BY_CODE) == {
        **codes,
        10: Health,
        11: Ad,
        12: Troubleshooting,
        13: SessionHealth,
        14: SdkInit,
        15: Impression,
    }, "add a new kind to `codes`; never change the code of another"


def test_every_kind_is_in_the_docs() -> None:
    """A developer finds each category, its own fields, and whether all destinations get it."""
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8").partition("## What is sent")[2]
    for category, kind in KIND_BY_CATEGORY.items():
        row = next((line.split("|") for line in page.splitlines() if line.startswith(f"| `{category}` | ")), None)
        assert row is not None, f"add a row for `{category}` to docs/events.md, under What is sent"
        own, _, rest = row[3].partition(";")
        listed = set(re.findall(r"`(\w+)`", own))
        example = next(event for event in reversed(EXAMPLES) if event.category == category)
        sent = set(kind.wire_fields or example.wire()) - {"category"}
        assert listed == sent, f"docs/events.md, row `{category}`: its own fields are {', '.join(sorted(sent))}"
        assert not kind.wanted_by or f"`{kind.wanted_by}`" in rest, (
            f"docs/events.md, row `{category}`: {kind.wanted_by}"
        )
