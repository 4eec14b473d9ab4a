"""The public API: its names, their documentation, and no change by accident."""

from __future__ import annotations

import collections
import dataclasses
import enum
import inspect
import keyword
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import ga_pygame
from ga_pygame import Config, Response, Signal, Tracker
from ga_pygame.areas.consent import Consent
from ga_pygame.areas.earnings import Earnings
from ga_pygame.areas.player import Dimensions, GlobalFields
from ga_pygame.areas.player_facts import FACT_RULES, PlayerFacts
from ga_pygame.areas.privacy import Privacy
from ga_pygame.areas.progression import Attempt, ProgressionArea
from ga_pygame.areas.reports import Reports
from ga_pygame.areas.resource import ResourceArea, Wallet
from ga_pygame.clients import POGRClient, TrophyClient
from ga_pygame.destinations import Destination, GameAnalytics
from ga_pygame.remote_configs import RemoteConfigs
from ga_pygame.testing import FrameRunner, ManualClock, Parts, ScriptedTransport, tracker_of

PUBLIC = [
    "Config",
    "ConsentState",
    "ConsentWords",
    "Drop",
    "Flow",
    "FlushResult",
    "InvalidEvent",
    "LoggingHandler",
    "Response",
    "ServerTracker",
    "Severity",
    "Signal",
    "Stats",
    "Status",
    "Tracker",
    "__version__",
    "current",
    "tunable",
]
TRACKER = """
    ad at attach batch_delivered business close config connection_lost connection_restored consent design dimensions
    error event_dropped event_rejected exception external_user_id fields flush impression player privacy process
    progression remote_configs remote_configs_updated resource session_ended session_id session_started snapshot_map
    start stats tick troubleshooting user_id wallet
""".split()
AREAS: dict[type, set[str]] = {
    ProgressionArea: {"start", "complete", "fail", "attempt", "current"},
    Attempt: {"complete", "fail", "score"},
    ResourceArea: {"source", "sink"},
    Wallet: {"earn", "spend"},
    Dimensions: {"values"},
    PlayerFacts: set(FACT_RULES),
    Consent: {"ask", "grant", "deny", "state"},
    Privacy: {"export", "forget"},
    RemoteConfigs: {"bind", "get", "json", "ready", "values", "ab_id", "ab_variant_id"},
}
DOCUMENTED = [
    *(getattr(ga_pygame, name) for name in PUBLIC if name != "__version__"),
    *AREAS,
    GlobalFields,
    Destination,
    GameAnalytics,
]


def public(thing: Any) -> list[str]:
    return sorted(name for name in dir(thing) if not name.startswith("_"))


def tracker(folder: Path, **knobs: Any) -> Tracker:
    parts = Parts(clock=ManualClock, runner=FrameRunner, transport=lambda _timeout, _clock: ScriptedTransport([]))
    return tracker_of(parts, data_dir=folder, **knobs)


def test_the_public_names_are_listed_in_order() -> None:
    """`__all__` is the promise; a name added or gone is a decision."""
    assert ga_pygame.__all__ == PUBLIC == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(ga_pygame))
    with pytest.raises(AttributeError, match="'ga_pygame' has no attribute 'Configs'"):
        _ = ga_pygame.Configs  # type: ignore[attr-defined]


def test_the_trackers_attributes(tmp_path: Path) -> None:
    """The snapshot of what a game can say to the tracker."""
    found = public(tracker(tmp_path))
    assert found == TRACKER, f"add to TRACKER, or remove from it: {', '.join(sorted({*found} ^ {*TRACKER}))}"


@pytest.mark.parametrize("area", AREAS)
def test_the_areas_attributes(area: type, tmp_path: Path) -> None:
    """The snapshot of what a game can say to each of the tracker's areas."""
    made = tracker(tmp_path)
    areas = (made.progression, made.progression.attempt("a"), made.resource, made.wallet("gold"), made.dimensions)
    one = next(
        one for one in (*areas, made.player, made.consent, made.privacy, made.remote_configs) if type(one) is area
    )
    assert set(public(one)) == AREAS[area]


def documented_names() -> dict[str, set[str]]:
    """Return the names in `docs/events.md` by object; without those that are no attributes (`await`, `[1]`)."""
    page = (Path(__file__).parent.parent / "docs" / "events.md").read_text(encoding="utf-8")
    table = page.partition("**All names.**")[2].partition("**Without patching.**")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ")][1:]
    return {
        thing.strip().strip("`"): {
            name for name in re.findall(r"`([a-z_0-9]+)`", names) if not keyword.iskeyword(name) and name != "dict"
        }
        for thing, names in rows
    }


def test_the_docs_list_what_is_public(tmp_path: Path) -> None:
    """A game sees on our objects what it needs, and all of that stands on one page."""
    made = tracker(tmp_path)
    objects = {
        "Tracker": made,
        "tracker.progression": made.progression,
        "tracker.progression.attempt(…)": made.progression.attempt("a"),
        "tracker.resource": made.resource,
        "tracker.wallet(…)": made.wallet("gold"),
        "tracker.dimensions": made.dimensions,
        "tracker.player": made.player,
        "tracker.consent": made.consent,
        "tracker.privacy": made.privacy,
        "tracker.remote_configs": made.remote_configs,
        "a signal": made.session_started,
        "a response": made.flush(),
        "POGRClient": POGRClient(),
        "TrophyClient": TrophyClient("app_key"),
    }
    listed = documented_names()
    assert set(listed) == {*objects, "tracker.fields"}
    for name, one in objects.items():
        assert set(public(one)) == listed[name], name
    assert set(public(made.fields)) == set(public(collections.UserDict())) - {"copy", "data", "fromkeys"}


@pytest.mark.parametrize("thing", DOCUMENTED, ids=lambda thing: thing.__name__)
def test_everything_public_has_a_docstring(thing: type) -> None:
    """Classes, their methods and properties; data attributes stand in the class's docstring."""
    assert thing.__doc__
    assert not thing.__doc__.startswith(f"{thing.__name__}("), "that is the dataclass's own"
    for name, member in vars(thing).items():
        if name.startswith("_") or isinstance(member, enum.Enum):
            continue
        if inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod):
            in_protocol = thing is GameAnalytics and getattr(Destination, name, None)
            assert inspect.getdoc(in_protocol or member), f"{thing.__name__}.{name}"


@pytest.mark.parametrize("kind", [Config, ga_pygame.Stats, ga_pygame.FlushResult])
def test_every_field_is_explained(kind: Any) -> None:
    """The fields of a dataclass or a named tuple, in its docstring or beside them."""
    beside = {one.name: one.metadata.get("doc") for one in dataclasses.fields(kind)} if kind is Config else {}
    for name in beside or kind._fields:
        assert beside.get(name) or f"{name}:" in (kind.__doc__ or ""), name


def test_every_attribute_of_the_tracker_is_in_its_docstring(tmp_path: Path) -> None:
    """Signals with what they carry, and the areas."""
    documented = Tracker.__doc__ or ""
    own = [name for name in vars(tracker(tmp_path)) if not name.startswith("_")]
    assert own
    for name in own:
        assert f"{name}: " in documented, name


def test_signals_are_named_in_the_past_tense(tmp_path: Path) -> None:
    """They tell what has happened, and know their own names."""
    signals = {name: one for name, one in vars(tracker(tmp_path)).items() if isinstance(one, Signal)}
    assert len(signals) == 8
    for name, one in signals.items():
        assert one.name == name
        assert name.split("_")[-1] in {
            "started",
            "ended",
            "delivered",
            "rejected",
            "dropped",
            "updated",
            "lost",
            "restored",
        }


def test_events_return_none_and_requests_a_response() -> None:
    """Fire and forget, or something to wait for."""
    for method in (
        Reports.design,
        Reports.troubleshooting,
        Earnings.business,
        Earnings.ad,
        Reports.error,
        Reports.exception,
    ):
        assert typing.get_type_hints(method, localns=vars(ga_pygame.events)).get("return") is type(None)
    assert inspect.signature(Tracker.flush).return_annotation.startswith("Response")
    assert Response.__doc__


def test_a_drops_reasons_are_explained() -> None:
    """The reasons that a developer sees in `stats.dropped`, each with a word in the source."""
    source = inspect.getsource(ga_pygame.Drop)
    for reason in ga_pygame.Drop:
        assert f'{reason.name} = "{reason.value}"\n    """' in source


def test_the_types_are_shipped() -> None:
    """`py.typed` lets a game's type checker see ours."""
    assert (Path(ga_pygame.__file__).parent / "py.typed").exists()


def test_the_version_is_semantic() -> None:
    """Three numbers."""
    assert [part.isdigit() for part in ga_pygame.__version__.split(".")] == [True] * 3
