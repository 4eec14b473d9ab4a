"""The facts of the player and the device: checked by one rule on both ends, on each event, kept where that is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygame
import pytest

from ga_pygame import device
from ga_pygame.annotations import FIELDS
from ga_pygame.areas.player_facts import DEVICE_FACTS, FACT_RULES, KnownFacts
from ga_pygame.categories import wire_errors
from ga_pygame.diagnostics import Drop
from ga_pygame.engine.connection import CONNECTION_SECONDS, ConnectionWatch
from ga_pygame.kept import FACTS
from tests.test_tracker import World

GOOD: dict[str, Any] = {
    "gender": "female",
    "birth_year": 1990,
    "facebook_id": "f-1",
    "googleplus_id": "g-1",
    "limit_ad_tracking": True,
    "logon_gamecenter": True,
    "logon_gameplay": True,
    "logon_googleplay": True,
    "jailbroken": True,
    "android_id": "a-1",
    "ios_idfv": "v-1",
    "ios_idfa": "i-1",
    "google_aid": "l-1",
    "device": "steamdeck",
    "manufacturer": "valve",
    "engine_version": "godot 4.3",
    "connection_type": "wifi",
}
WRONG: dict[str, Any] = {
    "gender": "other",
    "birth_year": 90,
    "facebook_id": 7,
    "googleplus_id": ["g"],
    "limit_ad_tracking": 1,
    "logon_gamecenter": "yes",
    "logon_gameplay": "true",
    "logon_googleplay": 1.0,
    "jailbroken": {},
    "android_id": "x" * 257,
    "ios_idfv": True,
    "ios_idfa": b"i",
    "google_aid": 1.5,
    "device": "x" * 65,
    "manufacturer": 3,
    "engine_version": "pygame-ce 2.5.5",
    "connection_type": "cable",
}
ABSENT = {*GOOD} - {"device", "manufacturer"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(ConnectionWatch.__init__, "__defaults__", (lambda: None,))
    pygame.quit()
    made = World(tmp_path / "data")
    yield made
    for tracker in made.trackers:
        tracker.close()
    pygame.quit()


@pytest.mark.requirement(
    "002:limit_ad_tracking",
    "002:logon_gamecenter",
    "002:logon_gameplay",
    "002:jailbroken",
    "002:android_id",
    "002:googleplus_id",
    "002:facebook_id",
    "002:gender",
    "002:birth_year",
    "002:engine_version",
    "002:ios_idfv",
    "002:ios_idfa",
    "002:google_aid",
    "002:device",
    "002:manufacturer",
    "002:connection_type",
)
def test_what_a_game_knows_is_on_its_events(world: World) -> None:
    """Each fact from when it is set; `None`, and `False` for a flag, clears it; android_id gives way to google_aid."""
    tracker = world.start()
    for name, value in GOOD.items():
        setattr(tracker.player, name, value)
        assert getattr(tracker.player, name) == value
    tracker.design("all")
    tracker.player.google_aid = None
    tracker.design("no google_aid")
    for name, value in GOOD.items():
        setattr(tracker.player, name, False if value is True else None)
    tracker.design("none")
    tracker.close()
    before, everything, without, none, _ = world.sent
    assert {name: everything[name] for name in GOOD if name != "android_id"} == {
        name: value for name, value in GOOD.items() if name != "android_id"
    }
    assert "android_id" not in everything
    assert (without["android_id"], "google_aid" in without) == ("a-1", False)
    for event in (before, none):
        assert ABSENT.isdisjoint(event)
        assert (event["device"], event["manufacturer"]) == ("unknown", "unknown")
    assert [error for event in world.sent for error in wire_errors(event)] == []


@pytest.mark.requirement("002:facebook_id", "002:gender", "002:birth_year")
def test_what_the_document_stores_is_kept(world: World) -> None:
    """The next launch has it from its first event on, also on events from before start(); what is cleared is gone."""
    first = world.launch()
    first.player.birth_year = 1990
    first.start()
    for name, value in GOOD.items():
        setattr(first.player, name, value)
    first.close()
    second = world.launch()
    second.player.gender = "male"
    second.design("early")
    second.start()
    assert (second.player.gender, second.player.birth_year) == ("male", 1990)
    second.player.facebook_id = None
    second.close()
    third = world.start()
    third.close()
    later = [event for event in world.sent if event["session_num"] > 1]
    shown = [(event["category"], *(event.get(name) for name in (*FACTS, "jailbroken"))) for event in later]
    assert tuple(FACTS) == ("gender", "birth_year", "facebook_id")
    assert shown == [
        ("user", "male", 1990, "f-1", None),
        ("design", "male", 1990, "f-1", None),
        ("session_end", "male", 1990, None, None),
        ("user", "male", 1990, None, None),
        ("session_end", "male", 1990, None, None),
    ]


@pytest.mark.parametrize("text", ["two\nlines", "\0", "\u202e", "\U0001f600"])
def test_what_events_carry_is_kept(text: str, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Also a text that no terminal prints: events of one launch had it, and the next said it cannot be understood."""
    first = world.start()
    first.player.facebook_id, first.dimensions[1] = text, text
    world.play(first)
    first.close()
    second = world.start()
    assert (second.player.facebook_id, second.dimensions[1]) == (text, text)
    second.close()
    assert "kept value" not in caplog.text


def test_a_no_forgets_the_facts(world: World) -> None:
    """Nothing of a person is left after consent.deny(), in memory or on the disk."""
    tracker = world.start()
    for name, value in GOOD.items():
        setattr(tracker.player, name, value)
    tracker.consent.deny()
    assert [getattr(tracker.player, name) for name in GOOD] == [None] * len(GOOD)
    tracker.consent.grant()
    tracker.close()
    world.start().close()
    assert all(ABSENT.isdisjoint(event) for event in world.sent)


def test_a_game_for_children_says_nothing_about_the_child(world: World) -> None:
    """Facts of the device are taken, those of a person are not, also not those that an earlier launch kept."""
    first = world.start()
    first.player.gender = "female"
    first.close()
    tracker = world.start(child_directed=True, strict=False)
    for name, value in GOOD.items():
        setattr(tracker.player, name, value)
    tracker.design("played")
    assert tracker.stats.dropped[Drop.INVALID] == len(GOOD) - len(DEVICE_FACTS)
    tracker.close()
    (event,) = [event for event in world.sent if event.get("event_id") == "played"]
    assert set(event) & set(GOOD) == DEVICE_FACTS


def test_forgetting_the_player_forgets_the_facts(world: World) -> None:
    """Events after privacy.forget(), and of the next launch, say nothing of the person before."""
    tracker = world.start()
    for name, value in GOOD.items():
        setattr(tracker.player, name, value)
    tracker.privacy.forget()
    tracker.design("after")
    assert [getattr(tracker.player, name) for name in GOOD] == [None] * len(GOOD)
    tracker.close()
    world.start().close()
    assert any(event.get("event_id") == "after" for event in world.sent)
    assert all(ABSENT.isdisjoint(event) for event in world.sent)


@pytest.mark.requirement("002:annotations-checked")
@pytest.mark.parametrize("name", GOOD)
def test_both_ends_refuse_the_same(name: str, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong value is not set, counted, and logged with the line of the game; the collector refuses such an event."""
    event = {"category": "design", "event_id": "a", name: WRONG[name]}
    assert name in [error.field for error in wire_errors(event)]
    assert name not in [error.field for error in wire_errors({**event, name: GOOD[name]})]
    tracker = world.start(strict=False)
    with caplog.at_level(logging.WARNING, "ga_pygame"):
        setattr(tracker.player, name, WRONG[name])
    assert getattr(tracker.player, name) is None
    assert tracker.stats.dropped[Drop.INVALID.value] == 1
    assert "test_player_facts.py:" in caplog.text
    assert f"not set: {name}" in caplog.text


def test_each_fact_is_here() -> None:
    """A row that is added to the table gets an example, and no annotation of the document is left to other SDKs."""
    assert set(GOOD) == set(WRONG) == set(FACT_RULES)
    assert [name for name in FIELDS if name in GOOD] == list(FACT_RULES)


def test_the_connection_is_looked_at_now_and_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer is on events until it changes; what the game says wins."""
    answers = ["lan", "offline", None]
    reads: list[str | None] = []

    def read() -> str | None:
        reads.append(answers[min(len(reads), 2)])
        return reads[-1]

    monkeypatch.setattr(ConnectionWatch.__init__, "__defaults__", (read,))
    tracker = world.start()
    for name in "abc":
        world.play(tracker, CONNECTION_SECONDS)
        tracker.design(name)
    tracker.player.connection_type = "wwan"
    tracker.design("d")
    tracker.close()
    told = {event["event_id"]: event.get("connection_type") for event in world.sent if event["category"] == "design"}
    assert told == {"a": "lan", "b": "offline", "c": None, "d": "wwan"}
    assert len(reads) <= 4


def test_this_machine_is_asked(tmp_path: Path) -> None:
    """The watch reads the system's own answer."""
    told: list[str | None] = []
    ConnectionWatch(told.append).look(0.0)
    assert told == [kind for kind in (device.connection_type(),) if kind is not None]


def test_a_change_is_told_once() -> None:
    """A fact that the machine tells again changes nothing."""
    facts = KnownFacts()
    assert facts.find("connection_type", "lan")
    assert not facts.find("connection_type", "lan")
    facts.say("connection_type", "wifi")
    assert not facts.find("connection_type", "offline")
