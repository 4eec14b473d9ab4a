"""Remote configs: time windows, types, A/B groups, and invalid answers."""

from __future__ import annotations

import inspect
import json
import math
from types import FunctionType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import Tracker, remote_configs
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.remote_configs import ConfigsInForce, Overrides, RemoteConfigs, overrides_of, sound

NOW = 1_700_000_000.0


def empty() -> RemoteConfigs:
    diagnostics = Diagnostics()
    return RemoteConfigs(ConfigsInForce(diagnostics.warn_once), diagnostics)


def configs(*found: dict[str, Any], **more: Any) -> RemoteConfigs:
    made = empty()
    made._found.update({"configs": list(found), **more}, NOW)
    return made


def values(**found: Any) -> RemoteConfigs:
    return configs(*({"key": key, "value": value} for key, value in found.items()))


def test_a_developer_sets_what_the_service_would() -> None:
    """By environment variables, in any case of the key; the service's other values stay."""
    said: list[str] = []
    environment = {
        "GA_PYGAME_CONFIG_gravity": "40",
        "GA_PYGAME_CONFIG_SPEED": "3",
        "GA_PYGAME_CONFIG_": "no key",
        f"GA_PYGAME_CONFIG_{'x' * 17}": "too long",
        "GA_PYGAME_CONFIG_big": "x" * 2001,
        "GA_PYGAME_AB_VARIANT": "b",
        "GA_PYGAME_BUILD": "1",
    }
    found = ConfigsInForce(lambda _cause, message: said.append(message), overrides_of(environment))
    game = RemoteConfigs(found, Diagnostics())
    assert (game.get("gravity", 80.0), game.get("Speed", 1), game.ab_variant_id) == (40.0, 3, "")
    assert found.update({}, NOW)  # so that events carry them, also if no service answers
    assert not found.update({}, NOW)
    sent = [{"key": key, "value": value} for key, value in {"gravity": "9", "Speed": "1", "lives": "5"}.items()]
    found.update({"configs": sent, "ab_id": "t", "ab_variant_id": "a"}, NOW)
    assert dict(game.values) == {"gravity": "40", "Speed": "3", "lives": "5"}
    assert (game.ab_id, game.ab_variant_id) == ("t", "a")  # kept by an earlier launch: these values are in force
    assert found.annotations()["configurations"]["Speed"] == "3"
    assert "ab_variant_id" not in found.annotations()  # not all of its values are in force
    assert len(said) == 1
    assert said[0].startswith(
        "remote configs: set by environment variables, not by the service: gravity, speed, the A/B"
    )
    found.is_ready = True
    found.update({"configs": sent, "ab_id": "t", "ab_variant_id": "a"}, NOW)
    said_of_group = (
        "GA_PYGAME_AB_VARIANT: the collector's answer has the A/B group 'a', not 'b'; compare it with the experiment"
        " in the collector's settings"
    )
    assert said[1:] == [said_of_group]
    found.update({"configs": sent, "ab_id": "t", "ab_variant_id": "b"}, NOW)
    assert game.ab_variant_id == "b"
    assert len(said) == 2
    assert overrides_of({"HOME": "/"}) == Overrides()


def test_what_cannot_be_set_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A developer who sets a variable that is not used must not have to guess why nothing changes."""
    monkeypatch.setenv(f"GA_PYGAME_CONFIG_{'x' * 17}", "too long")
    monkeypatch.setenv("GA_PYGAME_CONFIG_big", "x" * 2001)
    monkeypatch.setenv("GA_PYGAME_AB_VARIANT", "v" * 65)
    for number in range(51):
        monkeypatch.setenv(f"GA_PYGAME_CONFIG_n{number}", "1")
    tracker = Tracker(collector="http://127.0.0.1:9")
    assert len(tracker.remote_configs.values) == 50
    (said,) = [one.getMessage() for one in caplog.records if "are not used" in one.getMessage()]
    for part in (
        "GA_PYGAME_CONFIG_xxxxxxxxxxxxxxxx: the key",
        "is longer than 16 characters; GA_PYGAME_CONFIG_big: the value of 'big' is longer than 2000 characters",
        "there are more than 50",
        "GA_PYGAME_AB_VARIANT is longer than 64 characters",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ("[]", []),
        ("7.5", 7.5),
        ('"text"', "text"),
        ([1, {"b": None}], [1, {"b": None}]),
        (3, 3),
        ("no json", "default"),
        ("[" * 1500, "default"),
    ],
)
def test_a_value_as_json(value: object, found: object, caplog: pytest.LogCaptureFixture) -> None:
    """Decoded, as a copy; the default and one line in the log if it is none."""
    game = values(key=value)
    assert game.json("key", "default") == found
    assert game.json("other", 5) == 5
    assert game.json(7, "default") == "default"  # type: ignore[arg-type]  # wrong on purpose
    assert ("remote config 'key' is no JSON" in caplog.text) is (found == "default")
    changed = game.json("key")
    if isinstance(changed, list):
        changed.append(1)
        assert game.json("key") == found


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
@pytest.mark.requirement("003:answer-window")
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
        (9.0, 80, 9),
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
        (9.7, 80),
        (True, 80),
        (True, 80.0),
        ("yes", True),
        ("[NaN]", []),
        ('{"a": 1e999}', {}),
        ("{", {}),
        ("[1]", {}),
        ("[" * 2000, []),
        ([1], 5),
    ],
)
def test_what_does_not_fit_is_the_default_and_said_once(
    caplog: pytest.LogCaptureFixture, value: object, default: Any
) -> None:
    """A wrong value on the server never breaks the game."""
    found = values(key=value)
    line = inspect.getframeinfo(inspect.currentframe()).lineno + 1  # type: ignore[arg-type]  # CPython has frames
    assert found.get("key", default) == default
    assert found.get("key", default) == default
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        f"{__file__}:{line}: remote config 'key' is no {type(default).__name__}"
    ]


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.e2e
@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        math.nan,
        10**400,
        "[" * 100_000,
        "1" * 5000,
        "x" * 2001,
        "\ud800",
        ["\udfff"],
        [math.nan],
        {"a": {"b": math.inf}},
        ["x"] * 501,
        ["x" * 10_001],
        deep(9),
        lambda: deep(100_000),
        {1: 2},
        object(),
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_beyond_the_limits_is_not_taken_and_said_once(caplog: pytest.LogCaptureFixture, value: object) -> None:
    """Each event carries the configs: what is too large or no JSON would cost the events; the others are taken."""
    made = empty()
    if isinstance(value, FunctionType):
        value = value()
    answer = {"configs": [{"key": "a", "value": 1}, {"key": "key", "value": value}, {"key": "z", "value": "2"}]}
    made._found.update(answer, NOW)
    made._found.update(answer, NOW + 1)
    assert dict(made.values) == {"a": 1, "z": "2"}
    assert made.get("key", "default") == "default"
    assert len(caplog.records) == 1
    assert "'key'" in caplog.text


@pytest.mark.parametrize("count", [51, 1000, 100_000])
def test_more_configs_than_the_service_has_are_not_taken(caplog: pytest.LogCaptureFixture, count: int) -> None:
    """Fifty, as documented."""
    made = configs(*({"key": f"k{number}", "value": "v"} for number in range(count)))
    assert list(made.values) == [f"k{number}" for number in range(50)]
    assert "more than 50" in caplog.text


def test_a_key_that_is_too_long_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Sixteen characters, as documented; the warning has not all of it."""
    made = configs({"key": "k" * 16, "value": 1}, {"key": "k" * 17, "value": 1}, {"key": "k" * 10**6, "value": 1})
    assert list(made.values) == ["k" * 16]
    assert len(caplog.text) < 1000


def test_configs_that_are_large_together_stay_out_of_the_events(caplog: pytest.LogCaptureFixture) -> None:
    """The game has them all; 100 kB on each event would fill the outbox after some fifty events."""
    found = configs(*({"key": f"k{number}", "value": "v" * 2000} for number in range(50)), ab_id="t")
    assert found.get("k49", "") == "v" * 2000
    assert found._found.annotations() == {"ab_id": "t"}
    assert "together" in caplog.text


@pytest.mark.parametrize(
    "hash_",
    ["\ud800", "x" * 300_000, "x" * 65, "a b", "a\n", "", 5, None, ["a"], "a&b", "\u0661", "a\x00"],
    ids=lambda hash_: repr(hash_)[:9],
)
def test_a_hash_that_cannot_stand_in_an_address_is_none(hash_: object) -> None:
    """It goes into the address of each later init: a wrong one ended the install's analytics."""
    assert sound({"configs_hash": hash_})["configs_hash"] == ""
    assert sound({"configs_hash": "1448877966322221aZ"})["configs_hash"] == "1448877966322221aZ"


@pytest.mark.parametrize("name", ["ab_id", "ab_variant_id"])
@pytest.mark.parametrize(
    "value", ["x" * 65, "x" * 10**6, "\ud800", "a\nb", ["a"], {}, 1.5, True, 10**40], ids=lambda v: repr(v)[:20]
)
def test_an_ab_id_that_is_none_is_left_out(name: str, value: object) -> None:
    """It goes onto every event."""
    made = configs(**{name: value})
    assert made._found.annotations() == {}


@pytest.mark.parametrize(
    "kept", [None, 5, "x", [], {"configs": {}}, {"configs": [None, 5, [], {}, {"key": 5}]}], ids=repr
)
def test_what_is_no_answer_has_nothing(kept: object) -> None:
    """A kept value on the disk may be anything."""
    nothing = {"configs": [], "configs_hash": "", "ab_id": "", "ab_variant_id": "", "user_id": ""}
    assert sound(kept) == nothing


def test_a_missing_config_is_the_default_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Most players are in no test and have no configs."""
    assert values().get("gravity", 80.0) == 80.0
    assert caplog.records == []


@pytest.mark.requirement("003:answer-ab", "003:answer-control")
def test_ab_groups_and_annotations() -> None:
    """Events carry the configs in force and the A/B ids, and leave out what there is none of."""
    found = configs({"key": "a", "value": "1"}, ab_id="t1", ab_variant_id="v2")
    assert found._found.annotations() == {"configurations": {"a": "1"}, "ab_id": "t1", "ab_variant_id": "v2"}
    assert configs()._found.annotations() == {}
    assert configs(ab_id=None).ab_id == ""


def test_configs_with_versions_are_annotated_as_newer_sdks_do() -> None:
    """With key, id and version, beside the values; what has no valid version or is the developer's own is not."""
    found = ConfigsInForce(lambda _cause, _message: None, Overrides({"mine": "1"}))
    sent: list[dict[str, Any]] = [
        {"key": "a", "value": {"x": 1}, "id": "i==", "vsn": 7},
        {"key": "b", "value": "2", "id": None, "vsn": 0},
        {"key": "later", "value": "3", "id": "l", "vsn": 1, "start_ts": NOW + 1},
        {"key": "Mine", "value": "4", "id": "m", "vsn": 1},
        *(
            {"key": f"odd{at}", "value": "5", "id": "o", "vsn": vsn}
            for at, vsn in enumerate((None, -1, "1", True, 2**54))
        ),
        {"key": "id", "value": "6", "id": "x" * 65, "vsn": 1},
    ]
    assert found.update({"configs": sent}, NOW)
    assert json.loads(json.dumps(found.annotations()["configurations_v3"])) == [
        {"key": "a", "id": "i==", "vsn": 7},
        {"key": "b", "id": "", "vsn": 0},
        {"key": "id", "id": "", "vsn": 1},
    ]
    assert found.annotations()["configurations"]["a"] == {"x": 1}
    sent[0]["vsn"] = 8
    assert found.update({"configs": sent}, NOW)  # the same value, saved again: events say its version
    assert not found.update(sound({"configs": sent}), NOW)  # as it is kept for the next launch


def test_update_says_whether_anything_changed() -> None:
    """`remote_configs_updated` fires for changes only; configs that are gone are gone."""
    made = empty()
    answer = {"configs": [{"key": "a", "value": 1}]}
    assert made._found.update(answer, NOW)
    assert not made._found.update(answer, NOW)
    assert made._found.update({"configs": []}, NOW)
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
    made = empty()
    made._found.update(answer, NOW)
    made._found.annotations()
    made.get(key, default)
    for name in made.values:
        assert type(made.get(name, 5)) is int
        assert type(made.get(name, 0.5)) is float
        assert isinstance(made.get(name, {}), dict)


@given(
    answer=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("configs", "configs_hash", "ab_id", "ab_variant_id", "user_id"), _json)
    )
)
def test_what_is_sound_can_be_sent_and_kept(answer: dict[str, Any]) -> None:
    """Strict JSON in UTF-8, of bounded size, and sound again when it comes back from the disk."""
    found = sound(answer)
    text = json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    assert sound(json.loads(text)) == found
    assert len(found["configs"]) <= remote_configs.MAX_CONFIGS


def test_what_the_game_gets_is_its_own() -> None:
    """A list that the game changes in place, to objects of pygame, must not be what each event carries."""
    found = values(spawns=[[1, 2]], shop={"a": [1]}, text="[1]")
    before = json.dumps(found._found.annotations())
    mine: Any = found.get("spawns", [])
    mine[0] = object()
    mine += ["more"] * 20_000
    found.get("shop", {})["a"].append(object())
    found.get("text", []).append(2)
    found.values["spawns"][0].append(object())
    assert json.dumps(found._found.annotations()) == before
    assert found.get("spawns", []) == [[1, 2]]
    assert found.values == {"spawns": [[1, 2]], "shop": {"a": [1]}, "text": "[1]"}


def test_an_answer_that_is_changed_later_changes_nothing() -> None:
    """A destination of the game's own may use its object again."""
    answer: dict[str, Any] = {"configs": [{"key": "a", "value": [1]}]}
    made = empty()
    made._found.update(answer, NOW)
    answer["configs"][0]["value"].append(object())
    assert made.values == {"a": [1]}
    assert not made._found.update({"configs": [{"key": "a", "value": [1]}]}, NOW)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "9" * 400])
def test_a_number_that_is_not_finite_is_the_default(caplog: pytest.LogCaptureFixture, value: str) -> None:
    """A speed of NaN spreads to every position."""
    found = values(key=value).get("key", 80.0)
    assert found == 80.0
    assert "'key' is no float" in caplog.text


@pytest.mark.parametrize(("value", "expected"), [(2**63 - 1, 2**63 - 1), ("-9223372036854775807", -(2**63) + 1)])
def test_the_largest_whole_numbers_are_taken(value: Any, expected: int) -> None:
    """They fit into 64 bits, as pygame's own."""
    assert values(key=value).get("key", 5) == expected
    assert values(key=str(expected * 2)).get("key", 5) == 5
    assert values(key=1e300).get("key", 5) == 5


class Key(str):
    """A key whose own methods raise."""

    def __hash__(self) -> int:
        raise RuntimeError("no key")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __format__(self, spec: str) -> str:
        raise RuntimeError("no text")


def test_a_key_whose_own_methods_fail_is_taken_as_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """And what is no string is said, with the default."""
    found = values(key="9", text="fast")
    assert found.get(Key("key"), 5) == 9
    assert found.get(Key("text"), 5) == 5
    assert "remote config 'text' is no int" in caplog.text
    for wrong in ([], 5, None, object()):
        assert found.get(wrong, 5) == 5  # type: ignore[arg-type]
    assert "must be a string, not a list" in caplog.text
