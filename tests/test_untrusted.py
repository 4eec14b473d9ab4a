"""JSON from a network: the standard decoder's results, within bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import untrusted
from ga_pygame.untrusted import Unsound, parsed

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_sound_json_is_read_as_it_was_written(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Any value, with any spaces and escapes."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parsed(text.encode()) == json.loads(text)
    assert json.loads(untrusted.written(value)) == value


@given(st.binary(max_size=60) | st.text(alphabet='[]{},:"\\u0d8 e-+.123truefalsn\n').map(str.encode))
def test_any_bytes_are_json_or_unsound(body: bytes) -> None:
    """Whatever the standard decoder takes is taken too; nothing but `Unsound` is raised."""
    try:
        expected = json.loads(body.decode())
    except ValueError:
        expected = Unsound
    try:
        found = parsed(body)
    except Unsound:
        assert expected is Unsound or not _is_plain(expected)
        return
    assert expected is Unsound or found == expected or not _is_plain(expected)


def _is_plain(value: Any) -> bool:
    """Whether both decoders must agree: no number that is not finite or beyond 18 digits, no half surrogates."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode().decode()
    except ValueError:
        return False
    return not any(len(run) > 18 for run in text.split())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999", None),
        ("-1e999", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1" * 300, float("1" * 300)),
        ("1" * 4000, None),
        ("1" * 5000, None),
        ('"\\ud800"', "\ufffd"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('["a\\"b\\\\"]', ['a"b\\']),
        ("\ufeff{}", {}),
        ('{"a": NaN, "b": 1}', {"a": None, "b": 1}),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_a_value_that_cannot_be_kept_costs_itself(text: str, value: object) -> None:
    """The rest of the answer counts."""
    assert parsed(text.encode()) == value


@pytest.mark.e2e
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"{",
        b'{"a"',
        b'{"a":',
        b"[1,]",
        b"[1 2]",
        b'{"a":1,}',
        b"{1:2}",
        b"[}",
        b"1 2",
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b'"\\x"',
        b'"abc',
        b"<html>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 33 + b"]" * 33,
        b"[" + b"0," * 100_000 + b"0]",
        b'"' + b"x" * 100_000 + b'"',
        b'"' + b"\\n" * 60_000 + b'"',
        b"[" + b" " * untrusted.MAX_JSON_BYTES + b"]",
    ],
    ids=lambda body: repr(body[:12]) + str(len(body)),
)
def test_what_is_no_json_or_too_much_is_unsound(body: bytes) -> None:
    """Size, number and depth are bounded."""
    with pytest.raises(Unsound):
        parsed(body)
    assert untrusted.parsed_object(body) == {}
    assert not untrusted.is_json(body)


def test_an_excerpt_writes_no_more_than_it_shows() -> None:
    """A list that never ends is cut as well."""
    assert untrusted.excerpt({"a": [1, "x"]}, 100) == '{"a": [1, "x"]}'
    assert untrusted.excerpt(["x" * 10**6] * 3, 10) == '["xxxxxxx…'
    shared: list[Any] = []
    for _ in range(30):
        shared = [shared, shared]  # 2**30 lists
    assert len(untrusted.excerpt(shared, 1000)) == 1000


@pytest.mark.parametrize("value", ["a\r\nb", "a b", "", "\u00e9", "x" * 257, 5, None, ["a"], "a\x00", "\ud800", "\x7f"])
def test_a_token_that_a_header_cannot_carry_is_none(value: object) -> None:
    """Line breaks would be headers of their own."""
    assert untrusted.token(value) == ""
    assert untrusted.token("de305d54-75b4-431b-adb2-eb6b9e546014") != ""


@pytest.mark.parametrize("value", [math.inf, math.nan, "1700000000", 10**30, 10**400, -5, 0, True, None, [], 1e11])
def test_an_absurd_time_is_none(value: object) -> None:
    """The clock of events is not moved by it."""
    assert untrusted.server_time(value) is None
    assert untrusted.server_time(1_700_000_000) == 1_700_000_000


@pytest.mark.parametrize("nested", [False, True])
def test_each_value_counts_once(nested: bool) -> None:
    """As many as the limit says: the value itself, keys, and all that is in it."""
    value: object = {"a": [0] * 96} if nested else [0] * 98
    assert untrusted.is_within(value, elements=99, depth=4, characters=10)
    assert not untrusted.is_within([value], elements=99, depth=4, characters=10)
