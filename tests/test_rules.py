"""The rule table: every limit, and the surprises of Python's own `re`, `bool` and `float`."""

from __future__ import annotations

import enum
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import categories, checks, rules
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import InvalidEvent
from tests.collectors import ANNOTATIONS

NAMED_RULES = {
    name: rule
    for name, rule in vars(rules).items()
    if isinstance(rule, checks.Pattern | checks.Text | checks.OneOf | checks.Integer | checks.Number)
}
PART = re.compile(r"[A-Za-z0-9 \-_.()!?]{1,64}")

GOOD: dict[str, list[object]] = {
    "event_part": ["a", "Level #1".replace("#", "n"), "a-b_c.d(e)!?", "x" * 64],
    "design_id": ["a", "a:b:c:d:e", "kill: slime!", ":".join(["x" * 64] * 5)],
    "resource_currency": ["gold", "G" * 64],
    "business_currency": ["USD", "XXX"],
    "amount_cents": [0, 499, 2**62],
    "positive": [1, 0.001, 1e300],
    "resource_amount": [1, 0.001, 1e300],
    "number": [0, -1, 0.0, -3.5, 10**20],
    "score": [0, -5, 2**62],
    "count": [0, 7],
    "cart_type": ["", "s", "x" * 32, "läden"],
    "crash_kind": ["main", "hang"],
    "ad_action": ["show"],
    "ad_type": ["banner"],
    "ad_reason": ["no_fill"],
    "ad_sdk": ["admob"],
    "ad_placement": ["x" * 64],
    "ad_network": ["admob", "x" * 64],
    "birth_year": [1000, 1990, 9999],
    "device_text": ["", "A CPU @ 3 GHz", "x" * 256],
    "gender": ["male", "female"],
    "service_id": ["1", "x" * 256],
    "ad_duration": [0, 5],
    "severity": ["debug", "info", "warning", "error", "critical"],
    "message": ["", "x" * 8192, "日本\n"],
    "custom_dimension": ["ninja", "x" * 32],
    "build": ["0.3.1", "x" * 32],
    "user_id": ["u", "x" * 64],
    "external_user_id": ["u", "x" * 256],
    "uuid": ["de305d54-75b4-431b-adb2-eb6b9e546014", "38306639-3661-3262-2d39-303030303030"],
    "game_key": ["5c6bcb5402204249437fb5a7a80a4959"],
    "secret_key": ["16813a12f718bc5c620f56944e1abc3ea13ccbac"],
    "custom_field_key": ["seed", "A_1", "x" * 64],
    "custom_field_text": ["x", "x" * 256],
    "custom_field_number": [0, -1.5],
    "sdk_version": ["rest api v2", "unity 7.10.6", "cpp 5.4.0", "godot 3.0.1"],
    "os_version": ["linux 6.8.0", "mac_osx 14.5", "windows 10.0.22631", "uwp_desktop 10"],
    "engine_version": ["unity 2022.3.1", "godot 4"],
    "platform": ["linux", "windows", "mac_osx", "kai_os"],
    "business_id": ["pack:gold_500", "a b:c!"],
    "resource_id": ["Source:gold:pickup:coin", "Sink:G:a:b"],
    "progression_id": ["Start:a", "Fail:a:b", "Complete:a:b:c"],
    "wire_design_id": ["a", "a:b:c:d:e"],
}
BAD: dict[str, list[object]] = {
    "event_part": [
        "",
        "x" * 65,
        "a:b",
        "a,b",
        "a\n",
        "\na",
        "a\tb",
        "é",
        "\uff11",
        "a\u00a0b",
        "a\x1fb",
        "#",
        1,
        None,
        b"a",
    ],
    "design_id": ["", ":", "a:", ":a", "a::b", "a:b:c:d:e:f", "a:b\n", "a;b", "x" * 65, "a:é", 3, None, ["a"]],
    "resource_currency": ["", "gold1", "my_gold", "gold\n", "g old", "göld", "x" * 65, None, 5],
    "business_currency": ["ABC", "usd", "US", "USDX", "USD\n", "\uff35\uff33\uff24", "", None, 840],
    "amount_cents": [-1, 4.99, 5.0, True, False, "5", None, math.nan, 2**63],
    "positive": [0, -1, 0.0, -0.0, True, "1", None, math.nan, math.inf, -math.inf, 10**400, 1j],
    "resource_amount": [0, -1, 0.0, -0.0, True, "1", None, math.nan, math.inf, -math.inf, 10**400, 1j],
    "number": [True, False, "1", None, math.nan, math.inf, -math.inf, 10**400, -(10**400), 1j, [1]],
    "score": [1.5, 1.0, True, "9", None, math.nan, 2**63],
    "count": [-1, 1.0, True, None],
    "crash_kind": ["Main", "", None, 1],
    "ad_action": ["seen", None],
    "ad_type": ["Banner", 1],
    "ad_reason": ["", None],
    "ad_sdk": ["", "x" * 33],
    "ad_placement": ["", "x" * 65],
    "ad_network": ["", "x" * 65, 1],
    "birth_year": [90, 10_000, "1990", 1990.0, True],
    "device_text": ["x" * 257, 1],
    "gender": ["", "Male", "other", 1],
    "service_id": ["", "x" * 257, 7],
    "ad_duration": [-1, 0.5, True],
    "cart_type": ["x" * 33, 1, None],
    "severity": ["Error", "fatal", "error\n", "", None, 3, True],
    "message": ["x" * 8193, None, b"x", 1],
    "custom_dimension": ["", "x" * 33, 1, None],
    "build": ["", "x" * 33, 1.0],
    "user_id": ["", "x" * 65, 7],
    "external_user_id": ["", "x" * 257, 7],
    "uuid": [
        "DE305D54-75B4-431B-ADB2-EB6B9E546014",
        "de305d54-75b4-431b-adb2-eb6b9e546014\n",
        "de305d5475b4431badb2eb6b9e546014",
        "",
        7,
    ],
    "game_key": ["5C6BCB5402204249437FB5A7A80A4959", "x" * 32, "^" * 32, "5c6bcb5402204249437fb5a7a80a4959\n", 1],
    "secret_key": ["5c6bcb5402204249437fb5a7a80a4959", "_" * 40, None],
    "custom_field_key": ["", "a b", "a-b", "a\n", "é", "x" * 65, 1],
    "custom_field_text": ["", "x" * 257],
    "custom_field_number": [math.nan, math.inf],
    "sdk_version": ["rest api v2\n", "rest api v3", "pygame 0.1", ""],
    "os_version": ["linux 6.8.0-45-generic", "linux 1.2.3.4", "darwin 23", "linux", "linux 6.8.0\n", "linux \uff16"],
    "engine_version": ["pygame 2.5", "unity"],
    "platform": ["darwin", "macos", "win32", "", None, "linux\n"],
    "business_id": ["pack", "a:b:c", "a;b", "", None],
    "resource_id": ["source:gold:a:b", "Sink:my_gold:a:b", "Sink:gold:a", 1],
    "progression_id": ["Begin:a", "Start", "Start:a:b:c:d", None],
    "wire_design_id": ["a::b", "a:b:c:d:e:f", "", 3],
}


def refused(rule: checks.Check, value: object) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        rule("field", value)
    return caught.value


def test_every_rule_of_the_table_is_tested() -> None:
    """A rule that is added to the table needs its good and its bad values here."""
    public = {name for name in NAMED_RULES if not name.startswith("_")}
    assert public == set(GOOD) == set(BAD)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
@pytest.mark.requirement("002:id-characters")
def test_good_values_pass(name: str, value: object) -> None:
    """A value that the service's documentation allows passes, the second time, too."""
    NAMED_RULES[name]("field", value)
    NAMED_RULES[name]("field", value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
@pytest.mark.requirement("002:id-characters", "002:build")
def test_bad_values_are_refused_with_field_rule_and_source(name: str, value: object) -> None:
    """A value that the server would refuse is refused here, and the message names field, rule and source."""
    error = refused(NAMED_RULES[name], value)
    assert error.field == "field"
    assert error.rule
    assert error.source
    assert str(error) == f"field{error._shown()}: {error.rule} (rule: {error.source})"
    assert error.error_type in {"wrong_type", "no_match", "not_in_enum", "not_in_range", "wrong_length"}


@given(st.text(st.characters() | st.sampled_from("ab:.\n\t\r\v\f \u2028é\uff11"), max_size=70))
def test_event_part_is_exactly_the_ascii_class_without_line_breaks(text: str) -> None:
    """Neither Unicode digits and spaces nor a trailing newline, which `re` lets through, get into an event id."""
    if PART.fullmatch(text) and text.isascii():
        rules.event_part("part", text)
    else:
        refused(rules.event_part, text)


@given(st.lists(st.text("ab \n:é", max_size=66), min_size=1, max_size=7))
def test_design_ids_are_one_to_five_parts(parts: list[str]) -> None:
    """A design id passes exactly if each of its one to five parts would."""
    text = ":".join(parts)
    found = text.split(":")
    if len(found) <= 5 and all(PART.fullmatch(part) and part.isascii() for part in found):
        rules.design_id("event_id", text)
    else:
        refused(rules.design_id, text)


def test_an_enum_member_does_not_teach_a_rule_its_name() -> None:
    """A str-enum is judged by its value; its `str()`, such as `Coin.GOLD`, stays forbidden."""

    class Coin(str, enum.Enum):
        GOLD = "gold"

    rules.resource_currency("currency", Coin.GOLD)
    refused(rules.resource_currency, "Coin.GOLD")


def test_message_names_the_forbidden_character() -> None:
    """The developer reads which character is wrong and which are right."""
    error = refused(rules.event_part, "Level #1")
    assert str(error).startswith("field 'Level #1': '#' is not allowed (1 to 64 of: letters, digits, space,")
    assert "'\\n' is refused here, though the service takes it" in str(refused(rules.event_part, "a\n"))
    assert "must not be empty" in str(refused(rules.event_part, ""))


def test_what_a_player_may_have_typed_is_not_shown() -> None:
    """Free texts are measured in the log, never quoted; a long name is cut."""
    secret = "mother's maiden name" * 30
    for check in (rules.user_id, rules.custom_dimension, rules.build, rules.custom_field_text):
        assert "maiden" not in str(refused(check, secret))
        assert f"{len(secret)} characters" in str(refused(check, secret))
    assert len(str(refused(rules.event_part, "x" * 10_000))) < 300


@given(st.dictionaries(st.text(max_size=66), st.text(max_size=260) | st.integers() | st.floats() | st.booleans()))
def test_custom_fields_pass_exactly_when_each_entry_does(fields: dict[str, Any]) -> None:
    """Keys are words of 1 to 64 ASCII characters, values strings of 1 to 256 or finite numbers."""

    def is_good(key: str, value: object) -> bool:
        if not re.fullmatch("[A-Za-z0-9_]{1,64}", key, re.ASCII) or isinstance(value, bool):
            return False
        return 1 <= len(value) <= 256 if isinstance(value, str) else math.isfinite(value)  # type: ignore[arg-type]

    if all(is_good(key, value) for key, value in fields.items()):
        rules.custom_fields("custom_fields", fields)
    else:
        refused(rules.custom_fields, fields)


@pytest.mark.parametrize("value", [None, True, [1], {"a": 1}, b"x", 1j])
def test_custom_fields_hold_no_other_types(value: object) -> None:
    """A bool, None or container is no custom field; the message says what to do instead."""
    error = refused(rules.custom_fields, {"seed": value})
    assert error.field == "custom_fields.seed"
    assert "0 or 1" in error.rule


def test_at_most_fifty_custom_fields() -> None:
    """The fifty-first custom field is refused, and so is what is no mapping."""
    rules.custom_fields("custom_fields", {f"k{number}": number for number in range(50)})
    assert "has 51" in refused(rules.custom_fields, {f"k{number}": number for number in range(51)}).rule
    refused(rules.custom_fields, [("a", 1)])


@pytest.mark.parametrize("levels", [(), ("a", "b", "c", "d"), ("a", ""), ("a:b",), (1,), ("a\n",)])
def test_progressions_have_one_to_three_good_parts(levels: tuple[object, ...]) -> None:
    """Too many, too few and malformed parts are refused; the position of a bad one is named."""
    with pytest.raises(InvalidEvent) as caught:
        rules.progression_levels(levels)
    assert caught.value.field.startswith("progression")
    rules.progression_levels(("a",))
    rules.progression_levels(("a", "b", "c"))


@pytest.mark.requirement("002:dimension-list")
def test_declared_lists_are_optional_and_checked_when_given() -> None:
    """No list means anything goes; an empty one means nothing does; the message lists what is declared."""
    rules.declared("currency", "gold", None)
    rules.declared("currency", "gold", {"gold"})
    with pytest.raises(InvalidEvent, match="declared are: gems, gold"):
        rules.declared("currency", "silver", {"gold", "gems"})
    with pytest.raises(InvalidEvent):
        rules.declared("currency", "gold", ())


def test_remembering_stays_bounded() -> None:
    """Names that never repeat do not fill the memory, and are still judged."""
    rule = checks.Pattern("[0-9]+", "digits", "test")
    for number in range(5000):
        rule("field", str(number))
    assert len(rule.remembered) <= 4096
    refused(rule, "x")


def test_what_never_repeats_is_not_remembered() -> None:
    """An event's id takes no memory after its check."""
    rules.uuid("event_uuid", "de305d54-75b4-431b-adb2-eb6b9e546014")
    assert not rules.uuid.remembered


# --- the wire -----------------------------------------------------------------------------------------------

WIRE = {"category": "user", "client_ts": 1_760_000_000, **ANNOTATIONS}


def errors(**changes: Any) -> list[tuple[str, str]]:
    event = {name: value for name, value in {**WIRE, **changes}.items() if value != "gone"}
    return [(error.field, error.error_type) for error in categories.wire_errors(event)]


@pytest.mark.parametrize("field", [name for name, field in FIELDS.items() if field.required])
@pytest.mark.requirement(
    "002:device",
    "002:v",
    "002:user_id",
    "002:annotation-sdk_version",
    "002:os_version",
    "002:manufacturer",
    "002:platform",
    "002:session_id",
    "002:session_num",
    "002:client_ts",
)
def test_required_annotations(field: str) -> None:
    """Each annotation that the schema requires is missed when it is gone or null."""
    assert errors(**{field: "gone"}) == [(field, "missing_required_property")]
    assert errors(**{field: None}) == [(field, "missing_required_property")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"client_ts": "gone"}, [("client_ts", "missing_required_property")]),
        ({"client_ts": "gone", "sdk_version": "javascript 4.4.7"}, []),  # as that SDK does if it is out of range
        ({"client_ts": 1_760_000_000_000}, [("client_ts", "not_in_range")]),
        ({"client_ts": 999_999_999}, [("client_ts", "not_in_range")]),
        ({"v": "2"}, [("v", "wrong_type")]),
        ({"v": 3}, [("v", "not_in_range")]),
        ({"v": True}, [("v", "wrong_type")]),
        ({"session_num": 0}, [("session_num", "not_in_range")]),
        ({"session_id": 5}, [("session_id", "wrong_type")]),
        ({"jailbroken": True}, []),
        ({"jailbroken": False}, [("jailbroken", "not_in_enum")]),
        ({"engine_version": "pygame 2.5"}, [("engine_version", "no_match")]),
        ({"connection_type": ""}, [("connection_type", "not_in_enum")]),
        ({"build": "x" * 33}, [("build", "wrong_length")]),
        ({"custom_01": 7}, [("custom_01", "wrong_type")]),
        ({"unknown_to_us": [1, 2]}, []),
        ({"category": "gone"}, [("category", "missing_required_property")]),
        ({"category": "rumour"}, [("category", "not_in_enum")]),
        ({"category": ["user"]}, [("category", "wrong_type")]),
        ({"category": "session_end"}, [("length", "missing_required_property")]),
        ({"category": "session_end", "length": -1}, [("length", "not_in_range")]),
        ({"category": "session_end", "length": 2.0}, [("length", "wrong_type")]),
        ({"category": "design", "event_id": "a:b"}, []),
        ({"category": "design", "event_id": "a::b"}, [("event_id", "no_match")]),
        ({"category": "design", "event_id": "a\u3000b"}, [("event_id", "no_match")]),  # no ASCII space
        ({"category": "design", "event_id": "a", "value": True}, [("value", "wrong_type")]),
        ({"category": "resource", "event_id": "Sink:gold:boost:shield", "amount": -5}, []),
        ({"category": "resource", "event_id": "Sink:my_gold:boost:shield", "amount": -5}, [("event_id", "no_match")]),
        ({"category": "resource", "event_id": "Sink:gold:boost:shield", "amount": 5}, [("amount", "not_in_range")]),
        ({"category": "resource", "event_id": "Sink:gold:boost:shield", "amount": 0}, [("amount", "not_in_range")]),
        ({"category": "resource", "event_id": "Source:gold:boost:shield", "amount": -5}, [("amount", "not_in_range")]),
        ({"category": "resource", "event_id": "Source:gold:boost:shield", "amount": 0.5}, []),
        ({"category": "resource", "event_id": "Sink:gold:boost:shield", "amount": "5"}, [("amount", "wrong_type")]),
        ({"category": "resource", "event_id": 5, "amount": 5}, [("event_id", "wrong_type")]),
        (
            {
                "category": "resource",
                "event_id": "Sink:gold:boost:shield",
                "amount": 5,
                "sdk_version": "javascript 5.0.0",
            },
            [],  # it does not negate the amount if the flow is given as a text
        ),
        ({"category": "progression", "event_id": "Start:a:b:c"}, []),
        (
            {"category": "progression", "event_id": "Start:a", "attempt_num": 1, "score": 0},
            [("attempt_num", "no_extra_properties_allowed"), ("score", "no_extra_properties_allowed")],
        ),
        (
            {"category": "progression", "event_id": "Start:a", "score": 0, "sdk_version": "cpp 5.4.0"},
            [("score", "no_extra_properties_allowed")],  # it adds a score of 0 to Fail and Complete only
        ),
        ({"category": "progression", "event_id": "Start:a", "score": None}, []),
        ({"category": "progression", "event_id": "Fail:a", "attempt_num": 1, "score": 5}, []),
        ({"category": "progression", "event_id": "Complete:a", "attempt_num": 2, "score": -5}, []),
        ({"category": "progression", "event_id": "Begin:a"}, [("event_id", "no_match")]),
        ({"category": "progression", "event_id": "Fail:a", "attempt_num": -1}, [("attempt_num", "not_in_range")]),
        ({"category": "error", "severity": "error", "message": ""}, []),
        ({"category": "error", "severity": "fatal", "message": ""}, [("severity", "not_in_enum")]),
        (
            {"category": "business", "event_id": "a:b", "amount": 1, "currency": "USD", "transaction_num": 1},
            [],
        ),
        (
            {"category": "business", "event_id": "a;b", "amount": 1.5, "currency": "usd", "transaction_num": 1},
            [("event_id", "no_match"), ("amount", "wrong_type"), ("currency", "no_match")],
        ),
        ({"category": "sdk_error", "user_id": "gone", "session_id": "gone", "session_num": "gone"}, []),
    ],
)
@pytest.mark.requirement(
    "002:events-category",
    "002:business-event_id",
    "002:business-amount",
    "002:business-currency",
    "002:resource-event_id",
    "002:progression-event_id",
    "002:progression-pattern",
    "002:design-event_id",
    "002:design-value",
    "002:error-severities",
    "002:error-message",
)
def test_wire_errors(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """The server's side of the table: each broken rule of an event, in the server's words."""
    assert errors(**changes) == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*categories.names(), "nonsense"]), st.data())
def test_wire_errors_never_raise(category: str, data: st.DataObject) -> None:
    """Whatever JSON arrives is judged, never answered with an exception."""
    names = [*FIELDS, *(known.own if (known := categories.category_of(category)) else ())]
    changes = data.draw(st.dictionaries(st.sampled_from(names), _json, max_size=5))
    for error in categories.wire_errors({**WIRE, "category": category, **changes}):
        assert isinstance(error, InvalidEvent)


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("design_id", "kill::slime", "part 2 is empty (1 to 5 parts joined by ':'"),
        ("design_id", "kill:slime:", "part 3 is empty"),
        ("design_id", ":kill", "part 1 is empty"),
        ("design_id", "a:b:c:d:e:f", "has more than 5 parts"),
        ("design_id", "kill:" + "x" * 65, "part 2 has 65 characters, at most 64 are allowed"),
        ("design_id", "kill:sl#me", "'#' is not allowed"),
        ("event_part", "x" * 65, "has 65 characters, at most 64 are allowed (1 to 64 of"),
        ("score", 12.5, "must be a whole number; round it: int(score)"),
        ("score", "high", "must be a whole number"),
        ("score", math.nan, "must be a whole number"),
        ("number", "high", "must be an int or a float, not a string"),
    ],
)
def test_a_message_says_which_part_is_wrong_and_why(rule: str, value: object, words: str) -> None:
    """And no advice that would raise: `int("high")`."""
    said = refused(NAMED_RULES[rule], value).rule
    assert said.startswith(words)
    assert ("int(" in said) == (value == 12.5)
