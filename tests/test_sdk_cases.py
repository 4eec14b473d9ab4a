"""The inputs that the official SDKs' own validator tests try, against this package's rules.

Each row is one kind of input, in this project's words: what is checked, the input, and whether the official SDKs
(JavaScript and C++) take it. If this package judges otherwise, the row says why. A reason that is no longer needed
fails, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from ga_pygame import categories, events, rules
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import InvalidEvent
from ga_pygame.config import Config
from tests.collectors import event

LONGER_THAN = {"short": "s" * 40, "string": "s" * 80, "long": "s" * 8193}
KEYS = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789" * 4}


class Case(NamedTuple):
    """One input.

    Attributes:
        what: What is checked.
        value: The input, a tuple of arguments if `what` takes several.
        is_taken: Whether the official SDKs take it.
        reason: Why this package judges otherwise; "" if it does not.
    """

    what: str
    value: Any
    is_taken: bool
    reason: str = ""


def _declare(knob: str) -> Callable[[Any], object]:
    return lambda values: Config(**{knob: values})


def _wire(field: str) -> Callable[[Any], object]:
    return lambda value: FIELDS[field].check(field, value)


def _send(**fields: Any) -> None:
    for error in categories.wire_errors(event(**fields)):
        raise error


def _resource(flow: str, currency: str, amount: Any, item_type: Any, item_id: Any) -> object:
    declared = Config(currencies=["shells", "pearls"], item_types=["hats", "boats"])
    rules.declared("currency", currency, declared.currencies)
    rules.declared("item_type", item_type, declared.item_types)
    return events.Resource(events.Flow(flow), currency, amount, item_type, item_id)


CHECKS: dict[str, Callable[..., object]] = {
    "currency of a purchase": lambda value: rules.business_currency("currency", value),
    "declared currencies": _declare("currencies"),
    "declared item types": _declare("item_types"),
    "progression": lambda *levels: events.Progression(events.Status.START, levels),
    "purchase": events.Business,
    "resource": _resource,
    "design event": events.Design,
    "error": events.Error,
    "error on the wire": lambda severity, message: _send(category="error", severity=severity, message=message),
    "declared values of a dimension": lambda values: Config(dimension_values={1: values}),
    "sdk_version": _wire("sdk_version"),
    "build": lambda value: Config(build=value),
    "engine_version": _wire("engine_version"),
    "keys": lambda game, secret: Config(game_key=game, secret_key=secret),
    "event part": lambda value: rules.event_part("item_id", value),
    "design id": lambda value: rules.design_id("event_id", value),
    "short text": lambda value: rules.custom_dimension("custom_01", value),
    "text": lambda value: rules.user_id("user_id", value),
    "long text": lambda value: rules.message("message", value),
    "client_ts": _wire("client_ts"),
    "user id": lambda value: rules.user_id("user_id", value),
}

_ABSENT = "in Python, leave the argument out or give None; an empty text is more often a mistake"
_NO_MESSAGE = "in JavaScript an argument that is left out; here the call takes a text, which may be empty"
_OLD_ENGINE = "the published schema lists the engine; the SDKs only know the engines that they were ported to"
_NOT_SET = "it is the default: the game has none"

CASES = [
    Case("currency of a purchase", "NOK", True),
    Case("currency of a purchase", "XXX", True),
    *(Case("currency of a purchase", one, False) for one in ("nok", "NO", "NORWAY", "€", "", None)),
    Case("declared currencies", ["shells", "pearls"], True),
    *(Case("declared currencies", one, False) for one in (["", "pearls"], [None], [None, "pearls"])),
    Case("declared currencies", [], False),
    Case("declared item types", ["shells", "pearls"], True),
    *(Case("declared item types", one, False) for one in (["", "pearls"], [None], [None, "pearls"])),
    Case("declared item types", [], False),
    *(Case("progression", one, True) for one in (("sea",), ("sea", "reef"), ("sea", "reef_02", "cave 3"))),
    *(Case("progression", one, True, _ABSENT) for one in (("sea", "", ""), ("sea", "reef", ""))),
    *(Case("progression", one, True, _ABSENT) for one in (("sea", None, None), ("sea", "reef", None))),
    *(Case("progression", (first, "reef", last), False) for first in ("", None) for last in ("", None, "cave")),
    *(Case("progression", (first, first, last), False) for first in ("", None) for last in ("", None, "cave")),
    *(Case("progression", ("sea", middle, "cave"), False) for middle in ("", None)),
    *(Case("purchase", ("NOK", amount, "hat", "red", "menu"), True) for amount in (99, 0)),
    Case("purchase", ("NOK", 99, "hat", "red", None), True),
    Case("purchase", ("NOK", -99, "hat", "red", "menu"), False),
    *(Case("purchase", ("NOK", 99, kind, "red", None), False) for kind in ("", None)),
    *(Case("purchase", ("NOK", 99, "hat", item, "menu"), False) for item in ("", None)),
    *(Case("resource", (flow, "shells", 100, "hats", "red"), True) for flow in ("Sink", "Source")),
    *(Case("resource", (flow, "pearls", 100, "boats", "red"), True) for flow in ("Sink", "Source")),
    *(Case("resource", (flow, "stones", 100, "hats", "red"), False) for flow in ("Sink", "Source")),
    *(Case("resource", (flow, "shells", 100, "shoes", "red"), False) for flow in ("Sink", "Source")),
    *(
        Case("resource", (flow, "shells", amount, "hats", "red"), False)
        for flow in ("Sink", "Source")
        for amount in (0, -9)
    ),
    *(
        Case("resource", (flow, "shells", 10, "hats", item), False)
        for flow in ("Sink", "Source")
        for item in ("", None)
    ),
    *(Case("resource", (flow, "shells", 10, kind, "red"), False) for flow in ("Sink", "Source") for kind in ("", None)),
    *(Case("design event", (":".join(["jump"] * parts),), True) for parts in range(1, 6)),
    *(Case("design event", (one,), False) for one in ("", None, ":".join(["jump"] * 6))),
    *(Case("error", ("error", message), True) for message in ("it broke", "", "x" * 8192)),
    Case("error", ("error", None), True, _NO_MESSAGE),
    Case("error", ("error", LONGER_THAN["long"]), False),
    Case("error", ("fatal", "it broke"), False),
    *(Case("error on the wire", ("error", message), True) for message in ("it broke", "", "x" * 8192)),
    *(Case("error on the wire", one, False) for one in (("error", LONGER_THAN["long"]), ("fatal", ""))),
    Case("declared values of a dimension", ["red", "green", "blue"], True),
    Case("declared values of a dimension", [f"colour {number}" for number in range(21)], False),
    Case("declared values of a dimension", ["red", "green"] * 11, False, "a value that is named twice counts once"),
    *(Case("declared values of a dimension", ["red", one], False) for one in ("", None)),
    *(Case("sdk_version", one, True) for one in ("unity 7.8.9", "unity 9876.543.0", "unreal 7.8.9", "cocos2d 7.8.9")),
    *(Case("sdk_version", one, True) for one in ("corona 7.8", "lumberyard 7")),
    *(Case("sdk_version", f"unity {one}", False) for one in ("7.8.9.1", "v.8.9", "7.v.9", "7.8.v", "7.8.987654")),
    *(Case("sdk_version", one, False) for one in ("789", "mine 7.8.9", "mine 7.8.v", "corona7.8.9", "Unreal 7.8", "")),
    Case("sdk_version", "marmalade 7.8.9", False, _OLD_ENGINE),
    *(Case("build", one, True) for one in ("beta 7.8.9", "BETA 7.8.9", "ab# cd.ef7")),
    Case("build", None, False, _NOT_SET),
    *(Case("build", one, False) for one in ("", LONGER_THAN["short"])),
    *(
        Case("engine_version", one, True)
        for one in ("unity 7.8.9", "unity 7.8", "unity 7", "unreal 7.8.9", "cocos2d 7.8")
    ),
    *(Case("engine_version", f"unity {one}", False) for one in ("987654.8.9", "7.8.9.1")),
    *(
        Case("engine_version", one, False)
        for one in ("", None, "x" * 40, "uni 7.8", "unity7.8", "Unity 7.8", "UNITY 7.8")
    ),
    *(Case("engine_version", f"{one} 7.8.9", False, _OLD_ENGINE) for one in ("marmalade", "xamarin")),
    Case("keys", tuple(KEYS.values()), True),
    Case("keys", (None, None), False, _NOT_SET + ", and sends to a collector only"),
    *(Case("keys", (KEYS["game_key"], one), False) for one in ("", None)),
    *(Case("keys", (one, KEYS["secret_key"]), False) for one in ("", None)),
    *(Case("keys", (KEYS["game_key"], one), False) for one in ("789", KEYS["secret_key"] + "abcdef")),
    *(Case("keys", (one, KEYS["secret_key"]), False) for one in ("789", KEYS["secret_key"] + "abcdef")),
    *(Case("event part", one, True) for one in ("jumps", "x" * 32, "x" * 40, "x" * 64)),
    *(Case("event part", one, False) for one in ("", None, "x" * 80, "øæ", "*", "(%)", "&")),
    *(Case("design id", one, True) for one in ("jumps", "x" * 40, "Ab:cd(e?f g_hi7-89.1)2!34")),
    *(Case("design id", one, False) for one in ("", None, "x" * 80, "Ab:cd(e?f g_hi,7-89.1)2!34")),
    *(Case("short text", one, True) for one in ("x" * 10, "x" * 32)),
    *(Case("short text", one, False) for one in ("", None, LONGER_THAN["short"])),
    *(Case("text", one, True) for one in ("x" * 10, "x" * 64)),
    *(Case("text", one, False) for one in ("", None, LONGER_THAN["string"])),
    *(Case("long text", one, True) for one in ("", "x" * 10, "x" * 8192)),
    Case("long text", LONGER_THAN["long"], False),
    *(Case("client_ts", one, True) for one in (1_760_000_000, 2**32 - 1)),
    *(Case("client_ts", one, False) for one in (1 - 2**32, -(2**63), 2**63 - 1)),
    Case("user id", "somebody", True),
    *(Case("user id", one, False) for one in ("", None)),
]


@contextlib.contextmanager
def _judged() -> Iterator[list[bool]]:
    """Yield a list that holds, afterwards, whether the block raised the error of a rule or a knob."""
    verdict: list[bool] = []
    try:
        yield verdict
    except (InvalidEvent, ValueError):
        verdict.append(False)
    else:
        verdict.append(True)


@pytest.mark.parametrize("what", CHECKS)
def test_rules_judge_like_the_official_sdks(what: str) -> None:
    """What the official SDKs take or refuse, this package takes or refuses, except where the table has a reason."""
    cases = [case for case in CASES if case.what == what]
    assert cases
    for case in cases:
        with _judged() as verdict:
            CHECKS[what](*(case.value if isinstance(case.value, tuple) else (case.value,)))
        assert verdict == [case.is_taken is not bool(case.reason)], case
