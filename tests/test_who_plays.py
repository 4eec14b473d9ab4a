"""Who plays: the mark of a developer's and a bot's events, which a player's events do not have."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ga_pygame import Config
from ga_pygame.config import who_plays
from ga_pygame.rules import MAX_CUSTOM_FIELDS, WHO_FIELD, WHO_PLAYS
from tests.test_tracker import World, world

__all__ = ["world"]

COLLECTOR = "http://127.0.0.1:1"


def marks(world: World, **knobs: Any) -> set[str | None]:
    """Play once; return the marks of all events."""
    already = len(world.sent)
    tracker = world.start(**knobs)
    tracker.design("kill:slime", 1)
    tracker.design("kill:slime", 2)
    tracker.progression.start("forest", fields={"weapon": "bow"})
    tracker.progression.complete()
    tracker.close()
    sent = world.sent[already:]
    assert len(sent) == 6
    return {event.get("custom_fields", {}).get(WHO_FIELD) for event in sent}


@pytest.mark.parametrize(
    ("knobs", "who"),
    [
        ({}, None),
        ({"collector": COLLECTOR}, "developer"),
        ({"collector": COLLECTOR, "who": "player"}, None),
        ({"collector": COLLECTOR, "who": "bot"}, "bot"),
        ({"who": "bot"}, "bot"),
        ({"who": "developer"}, "developer"),
        ({"who": "player"}, None),
    ],
)
def test_who_plays_from_source(world: World, knobs: dict[str, Any], who: str | None) -> None:
    """With a collector a developer does; to a service goes a mark only if the game asks for it."""
    assert marks(world, **knobs) == {who}


@pytest.mark.parametrize(("knobs", "who"), [({}, None), ({"who": "bot"}, "bot")])
def test_players_have_executables(
    world: World, monkeypatch: pytest.MonkeyPatch, knobs: dict[str, Any], who: str | None
) -> None:
    """Players who send to a collector are players; a bot says so there, too."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert marks(world, collector=COLLECTOR, **knobs) == {who}


def test_the_environment_says_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that starts the game need not change its code."""
    monkeypatch.setenv("GA_PYGAME_WHO", "bot")
    monkeypatch.setenv("GA_PYGAME_COLLECTOR", COLLECTOR)
    assert marks(world) == {"bot"}


def test_only_three_can_play() -> None:
    """A wrong word raises where the tracker is made."""
    for who in WHO_PLAYS:
        assert Config(who=who).who == who
    for wrong in ("Bot", "", 1, ["bot"]):
        with pytest.raises(ValueError, match="must be one of player, developer, bot"):
            Config(who=wrong)  # type: ignore[arg-type]
    assert who_plays(Config()) is None


def test_a_full_event_is_not_marked(world: World) -> None:
    """A mark never costs the game a field."""
    tracker = world.start(collector=COLLECTOR)
    full = {f"f{number}": number for number in range(MAX_CUSTOM_FIELDS)}
    tracker.design("full", fields=full)
    tracker.fields = full
    tracker.design("all")
    tracker.fields = {WHO_FIELD: "tester"}
    tracker.design("own")
    tracker.close()
    found = {event.get("event_id"): event.get("custom_fields") for event in world.sent}
    assert found["full"] == found["all"] == full
    assert found["own"] == {WHO_FIELD: "tester"}
