"""Remote configs: time windows, types, A/B groups, and answers that are not what they should be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.remote_configs import RemoteConfigs

NOW = 1_700_000_000.0


def configs(*found: dict[str, Any], **more: Any) -> RemoteConfigs:
    made = RemoteConfigs(Diagnostics())
    made.update({"configs": list(found), **more}, NOW)
    return made


def values(**found: Any) -> RemoteConfigs:
    return configs(*({"key": key, "value": value} for key, value in found.items()))


@pytest.mark.parametrize(
    ("start", "end", "is_in_force"),
    [
        (None, None, True),
        (0, 0, True),
        (NOW - 1, NOW + 1, True),
        (NOW, NOW + 1, False),
        (NOW - 1, NOW, False),
        (NOW + 1, None, False),
        (None, NOW - 1, False),
        ("soon", None, False),
    ],
)
def test_time_windows(start: object, end: object, is_in_force: bool) -> None:
    """Strictly after the start and before the end; missing, null and 0 mean without bound."""
    found = configs({"key": "gravity", "value": "9", "start_ts": start, "end_ts": end})
    assert ("gravity" in found.values) is is_in_force


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        ("9.5", 80.0, 9.5),
        ("9", 80.0, 9.0),
        (9, 80.0, 9.0),
        ("9", 80, 9),
        (9.7, 80, 9),
        ("true", False, True),
        ("0", True, False),
        (1, False, True),
        (False, True, False),
        (0, 5, 0),
        ("", "x", ""),
        ("red", "blue", "red"),
        (5, "blue", "5"),
        ([1], "blue", "[1]"),
        ("[1, 2]", [], [1, 2]),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_values_come_in_the_type_of_their_default(value: object, default: Any, expected: object) -> None:
    """The service sends strings and JSON; the game gets what it asked for, falsy values too."""
    found = values(key=value).get("key", default)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "default"),
    [
        ("fast", 80.0),
        ("9.5", 80),
        (math.inf, 80),
        (math.nan, 80),
        ("yes", True),
        ("{", {}),
        ("[1]", {}),
        ("[" * 100_000, []),
        ([1], 5),
        ("1" * 5000, 5),
    ],
)
def test_what_does_not_fit_is_the_default_and_said_once(
    caplog: pytest.LogCaptureFixture, value: object, default: Any
) -> None:
    """A wrong value on the server never breaks the game."""
    found = values(key=value)
    assert found.get("key", default) == default
    assert found.get("key", default) == default
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        f"remote config 'key' is no {type(default).__name__}"
    ]


def test_a_missing_config_is_the_default_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Most players are in no test and have no configs."""
    assert values().get("gravity", 80.0) == 80.0
    assert caplog.records == []


def test_ab_groups_and_annotations() -> None:
    """Events carry the configs in force and the A/B ids, and leave out what there is none of."""
    found = configs({"key": "a", "value": "1"}, ab_id="t1", ab_variant_id="v2")
    assert found.annotations() == {"configurations": {"a": "1"}, "ab_id": "t1", "ab_variant_id": "v2"}
    assert configs().annotations() == {}
    assert configs(ab_id=None).ab_id == ""


def test_update_says_whether_anything_changed() -> None:
    """`remote_configs_updated` fires for changes only; configs that are gone are gone."""
    made = RemoteConfigs(Diagnostics())
    answer = {"configs": [{"key": "a", "value": 1}]}
    assert made.update(answer, NOW)
    assert not made.update(answer, NOW)
    assert made.update({"configs": []}, NOW)
    assert made.values == {}


def test_values_cannot_be_changed_by_the_game() -> None:
    """The mapping is read-only."""
    with pytest.raises(TypeError):
        values(a=1).values["a"] = 2  # type: ignore[index]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", "value", "start_ts", "end_ts"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(answer=st.fixed_dictionaries({"configs": _json, "ab_id": _json}), default=_json, key=_json)
def test_no_answer_and_no_key_raises(answer: dict[str, Any], default: Any, key: Any) -> None:
    """Whatever a server sends and a game asks for, the game gets a value."""
    made = RemoteConfigs(Diagnostics())
    made.update(answer, NOW)
    made.annotations()
    made.get(key, default)
    for name in made.values:
        assert type(made.get(name, 5)) is int
        assert type(made.get(name, 0.5)) is float
        assert isinstance(made.get(name, {}), dict)
