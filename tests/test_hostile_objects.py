"""Objects whose own methods raise, in every argument of every public call: the game goes on.

A game passes subclasses, mocks, proxies and mappings of its own. What they raise must not reach the game, must not cost
later events and is no defect of ours.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame import Tracker
from ga_pygame.areas.progression import ProgressionArea
from ga_pygame.signals import Signal, emit
from tests.effort import examples
from tests.odd_objects import Endless
from tests.test_tracker import World

METHODS = (
    "__eq__ __hash__ __str__ __repr__ __format__ __len__ __bool__ __getattr__ __getattribute__ __iter__ __next__ "
    "__index__ __int__ __float__ __contains__ __getitem__ __call__ __lt__ __le__ __gt__ __ge__ __add__ __radd__ "
    "__neg__ __round__ __trunc__ __fspath__ __instancecheck__ __reduce_ex__ items keys get isascii encode isprintable "
    "partition startswith is_integer"
).split()
ATTRIBUTES = (
    "__class__",
    "__traceback__",
    "__cause__",
    "__context__",
    "__notes__",
    "type",
    "name",
    "value",
    "exceptions",
)


class Refused(Exception):
    """The exception that they raise."""


def refuse(*_: object, **__: object) -> Any:
    raise Refused("no")


class Meta(type):
    """A class that does not tell its name."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__"):
            raise Refused(name)
        return super().__getattribute__(name)


def _made(base: type, value: tuple[Any, ...], methods: set[str], attributes: set[str], *, is_nameless: bool) -> Any:
    body = dict.fromkeys(methods, refuse) | {name: property(refuse) for name in attributes}
    kind = (Meta if is_nameless else type)("Nasty", (base,), body)
    made = base.__new__(kind, *value)
    base.__init__(made, *value)  # type: ignore[misc]  # as `kind` itself may raise in its own
    return made


hostile = st.builds(
    lambda one, methods, attributes, nameless: _made(one[0], one[1], methods, attributes, is_nameless=nameless),
    st.sampled_from(
        [
            (object, ()),
            (str, ("gold",)),
            (str, ("a:b",)),
            (str, ("error",)),
            (int, (1,)),
            (float, (2.5,)),
            (dict, ({"a": 1},)),
            (list, ([1],)),
            (ValueError, ("x",)),
        ]
    ),
    st.sets(st.sampled_from(METHODS), max_size=4) | st.just(set(METHODS)),
    st.sets(st.sampled_from(ATTRIBUTES), max_size=2),
    st.booleans(),
)
things: st.SearchStrategy[Any] = hostile | st.sampled_from(
    [None, True, 1, 2.5, "gold", "a", "error", float("nan"), 10**5000, b"x", [], {}, ()]
)
mappings = st.none() | things | st.builds(Endless) | st.dictionaries(st.sampled_from(["a", "b"]), things, max_size=2)


def _with_attempt(tracker: Tracker, a: Any, b: Any, f: Any) -> None:
    with tracker.progression.attempt(a, fields=f) as attempt:
        attempt.score = b


CALLS: dict[str, Callable[..., object]] = {
    "design": lambda t, a, b, f: t.design(a, b, fields=f),
    "at": lambda t, a, b, c, d, f: t.at(a, b, c, map=d, value=a, fields=f),
    "at, fields only": lambda t, a, f: t.at(1, 2, "a", map="b", value=a, fields=f),
    "snapshot_map": lambda t, a, b: t.snapshot_map(a, b),
    "business": lambda t, a, b, c, d, e, f: t.business(a, b, c, d, cart_type=e, fields=f),
    "business with a receipt": lambda t, a, b: t.business("USD", 1, "a", "b", receipt={"store": a, "receipt": b}),
    "troubleshooting": lambda t, f: t.troubleshooting(fields=f),
    "ad": lambda t, a, b, c, d, f: t.ad("show", a, b, c, duration_ms=d, fields=f),
    "impression": lambda t, a, b, f: t.impression(a, {"currency": b, "x": a}, fields=f),
    "impression of odd data": lambda t, a, f: t.impression("admob", a, fields=f),
    "business of a good kind": lambda t, a, f: t.business("USD", 1, "a", "b", cart_type=a, fields=f),
    "error": lambda t, a, b, f: t.error(a, b, fields=f),
    "error with a message": lambda t, a, f: t.error("error", a, fields=f),
    "exception": lambda t, a, b, f: t.exception(a, severity=b, fields=f),
    "resource.source": lambda t, a, b, c, d, f: t.resource.source(a, b, c, d, fields=f),
    "resource.sink": lambda t, a, b, f: t.resource.sink(a, b, "a", "a", fields=f),
    "wallet": lambda t, a, b, c, d, f: t.wallet(a).earn(b, c, d, fields=f),
    "wallet.spend": lambda t, a, b, c, f: t.wallet("gold").spend(a, b, c, fields=f),
    "progression.start": lambda t, a, b, f: t.progression.start(a, b, fields=f),
    "progression.complete": lambda t, a, b, f: t.progression.complete(a, score=b, fields=f),
    "progression.fail": lambda t, a, b, f: t.progression.fail(a, score=b, fields=f),
    "progression.attempt": _with_attempt,
    "player": lambda t, a: vars(type(t.player))["device"].__set__(t.player, a),
    "dimensions": lambda t, a, b: t.dimensions.__setitem__(a, b),
    "dimensions, read": lambda t, a: (t.dimensions[a], a in t.dimensions, list(t.dimensions)),
    "dimensions, deleted": lambda t, a: t.dimensions.__delitem__(a),
    "fields": lambda t, a, b: t.fields.__setitem__(a, b),
    "fields, read": lambda t, a, b: (t.fields.get(a), a in t.fields, t.fields.setdefault(a, b), t.fields.pop(a, None)),
    "fields.update": lambda t, f: t.fields.update(f),
    "external_user_id": lambda t, a: setattr(t, "external_user_id", a),
    "process": lambda t, a: t.process(a),
    "attach": lambda t, a: t.attach(a),
    "remote_configs.get": lambda t, a, b: (t.remote_configs.get(a, b), t.remote_configs.get("speed", b)),
    "remote_configs.get, changed": lambda t, a: t.remote_configs.get("spawns", []).append(a),
    "signals": lambda t, a: (t.session_started.connect(a), t.event_dropped.once(a)),
    "signals, disconnected": lambda t, a: (t.event_dropped.connect(a), t.event_dropped.disconnect(a)),
}
"""Every public call; `f` is custom fields, the other letters stand for anything."""

WITHOUT_ARGUMENTS = {"start", "close", "tick", "flush", "of"}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A call and its arguments."""
    name = draw(st.sampled_from(sorted(CALLS)))
    parameters = list(inspect.signature(CALLS[name]).parameters)[1:]
    return name, [draw(mappings if parameter == "f" else things) for parameter in parameters]


CONFIGS = (
    b'{"server_ts": 1700000000, "configs": [{"key": "speed", "value": "1"}, {"key": "spawns", "value": [[1, 2]]}]}'
)


@pytest.mark.e2e
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(made=st.lists(calls(), min_size=1, max_size=12), currencies=st.booleans())
def test_no_object_of_the_game_reaches_the_game_or_costs_other_events(
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    made: list[tuple[str, list[Any]]],
    currencies: bool,
) -> None:
    """No call raises, nothing is called a defect, what comes before and after arrives, and the session ends."""
    caplog.clear()
    folder: Path = tmp_path_factory.mktemp("hostile")
    world = World(folder)
    world.init = world.init._replace(body=CONFIGS)
    tracker = world.start(strict=False, currencies=["gold"] if currencies else None)
    world.play(tracker, 0.5)
    tracker.design("before")
    heard: list[int] = []
    for name, arguments in made:
        CALLS[name](tracker, *arguments)
        tracker.tick()
    tracker.event_dropped.connect(lambda _reason, count, _detail: heard.append(count))
    tracker.design("#")
    tracker.design("after")
    world.play(tracker, 0.5)
    tracker.close()
    pygame.quit()
    assert heard, "a receiver that was connected later hears"
    assert [name for name in world.ids if name in ("user", "before", "after", "session_end")] == [
        "user",
        "before",
        "after",
        "session_end",
    ]
    assert tracker.stats.dropped.get("internal", 0) == 0
    blames = [record.getMessage() for record in caplog.records if "Please report" in record.getMessage()]
    assert blames == []
    assert tracker.remote_configs.get("spawns", []) == [[1, 2]]
    for event in world.sent:
        assert event.get("configurations", {}).get("spawns", [[1, 2]]) == [[1, 2]]


def test_what_a_given_object_raises_is_said_at_the_games_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line with the place of the call and the class of the error; counted, and no defect of ours."""

    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise Refused(name)

    world = World(tmp_path)
    tracker = world.start(strict=False)
    tracker.attach(Proxy())
    tracker.attach(Proxy())
    tracker.close()
    pygame.quit()
    first, second = (record.getMessage() for record in caplog.records)
    words = "not attached: Tracker.attach called code that is not ours, which raised tests.test_hostile_objects.Refused"
    assert __file__ in first
    assert words in first
    assert words in second
    assert tracker.stats.dropped == {"invalid": 2}


def test_every_public_call_is_tried() -> None:
    """A call that is added to the tracker is added here."""
    public = {name for name, _ in inspect.getmembers(Tracker, callable) if not name.startswith("_")}
    missing = public - WITHOUT_ARGUMENTS - {name.partition(".")[0] for name in CALLS}
    assert not missing, f"add to CALLS: {', '.join(sorted(missing))}"
    areas = {name for name, _ in inspect.getmembers(ProgressionArea, callable) if not name.startswith("_")}
    assert areas <= {name.partition(".")[2] for name in CALLS if name.startswith("progression.")}


@pytest.mark.parametrize("connect", ["connect", "once"])
def test_receivers_are_told_apart_by_identity(caplog: pytest.LogCaptureFixture, connect: str) -> None:
    """Receivers whose `__eq__` or `__getattr__` fails, or that say that they are equal, keep nobody from hearing."""
    signal: Signal[[]] = Signal("test")
    heard: list[str] = []

    class Receiver:
        def __init__(self, name: str) -> None:
            self.name = name

        def __eq__(self, other: object) -> bool:
            raise Refused("not to be compared")

        def __hash__(self) -> int:
            raise Refused("no key")

        def __getattr__(self, name: str) -> Any:
            raise Refused(name)

        def __call__(self) -> None:
            heard.append(self.name)
            raise Refused("it fails")

        def method(self) -> None:
            heard.append(f"{self.name}'s method")

    first, second = Receiver("first"), Receiver("second")
    for receiver in (first, second, first.method, second.method, lambda: heard.append("last")):
        getattr(signal, connect)(receiver)
    signal.disconnect(second.method)
    with caplog.at_level(logging.ERROR, "ga_pygame"):
        emit(signal)
    assert heard == ["first", "second", "first's method", "last"]
    assert "Receiver" in caplog.text
    signal.disconnect(first)
    heard.clear()
    emit(signal)
    assert heard == (["second", "first's method", "last"] if connect == "connect" else [])
