"""Each knob: which values it accepts, how it converts them, and its message for others."""

from __future__ import annotations

import dataclasses
import fractions
import itertools
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import Tracker, forms
from ga_pygame.config import Config, load, upload_seconds
from ga_pygame.destinations import Destination, JsonLines

FIELDS = {field.name: field for field in dataclasses.fields(Config)}
FLAGS = [name for name, field in FIELDS.items() if isinstance(field.metadata["form"], forms.Boolean)]
SECONDS = [name for name, field in FIELDS.items() if isinstance(field.metadata["form"], forms.Seconds)]


class Archive(JsonLines):
    """A destination with a name of its own."""

    name = "archive"


class Foreign(float):
    """A scalar like numpy's: a subclass of Python's own type with a `dtype` and an `item`."""

    dtype = "float64"

    def item(self) -> float:
        return float(self)


class Currency(str, Enum):
    """A game's declared names as an enumeration."""

    GOLD = "gold"
    GEMS = "gems"


ANYTHING = [object(), [object()], {"a": object()}, object, b"bytes", 1j, float("nan"), lambda: 1, Ellipsis, 10**400]


@pytest.mark.parametrize("name", FIELDS)
def test_no_knob_takes_just_anything(name: str) -> None:
    """Each knob: one sentence that names it, at construction."""
    for value in ANYTHING:
        unsound: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=name) as caught:
            Config(**unsound)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", FIELDS)
def test_none_is_the_default_or_is_refused(name: str) -> None:
    """`pause_timeout=None` says what is right, as does every knob that has a value by default."""
    nothing: dict[str, Any] = {name: None}
    if FIELDS[name].default is None:
        assert getattr(Config(**nothing), name) is None
        return
    with pytest.raises(ValueError, match=f"{name} None: must be .*leave it out for the default, "):
        Tracker(**nothing)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", "false", "", "1", 0, 1, 0.0, [], b"no"])
def test_a_flag_is_true_or_false(name: str, value: Any) -> None:
    """`hook="no"` was on: every text is true in Python."""
    with pytest.raises(ValueError, match=f"{name}.*must be True or False, not a {type(value).__name__}"):
        Config(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["5", True, float("nan"), float("inf"), -1, -0.1, 1e300, 10**400, [1], timedelta(1)])
def test_seconds_are_a_finite_number(name: str, value: Any) -> None:
    """Neither texts nor booleans, no NaN, and nothing that a wait of Python cannot take."""
    with pytest.raises(ValueError, match=rf"{name}.*must be a number of (milli)?seconds"):
        Config(**{name: value})


@pytest.mark.parametrize("value", [2, 2.0, Foreign(2), fractions.Fraction(2)])
def test_numbers_become_floats(value: Any) -> None:
    """Of another library's scalar only the number is kept."""
    for name in SECONDS:
        found = getattr(Config(**{name: value}), name)
        assert found == 2
        assert type(found) is float


@pytest.mark.parametrize("value", [0, -1, 5e6, "5", True, 2**80, float("nan"), b"5"])
def test_a_size_is_a_whole_number(value: object) -> None:
    """Not a float that happens to be whole: the message says how to make it one."""
    with pytest.raises(ValueError, match=r"max_outbox_bytes.*must be a whole number of bytes"):
        Config(max_outbox_bytes=value)  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"build": 0.3}, 'build 0.3: must be a string, not a float; give "0.3"'),
        ({"build": 3}, r"build 3: must be a string, not a int; give str\(build\)"),
        ({"build": True}, "must be a string, not a bool"),
        ({"build": b"0.3"}, r"build: must be a string, not a bytes; give value.decode\(\)"),
        ({"user_id": 123456789}, r"user_id: must be a string, not a int; give str\(user_id\)"),
        ({"user_id": "\ud800"}, "user_id"),
        ({"game": "my game"}, "game 'my game'"),
        ({"game": "../x"}, "game"),
        ({"game": ""}, "game"),
        ({"currencies": "gold"}, r'currencies \'gold\': must be a list such as \["gold", "gems"\], not a str'),
        ({"currencies": b"gold"}, "currencies: must be a list"),
        ({"currencies": {"gold": 1}}, "currencies: must be a list.*not a dict"),
        ({"currencies": 5}, "currencies 5: must be a list.*not a int"),
        ({"currencies": []}, "currencies: is empty, so that everything would be refused"),
        ({"currencies": iter(())}, "currencies: is empty"),
        ({"currencies": [5]}, "currencies 5: must be a string"),
        ({"currencies": ["gold", None]}, "currencies None: must be a string"),
        ({"currencies": itertools.repeat("gold")}, "or no end"),
        ({"currencies": (f"c{'a' * n}" for n in range(101))}, "c|more than"),
        ({"item_types": "boost"}, "item_types"),
        ({"item_types": set()}, "item_types: is empty"),
        ({"item_types": [f"type {n}" for n in range(101)]}, "item_types: has more than 100 different values"),
        ({"dimension_values": ["a"]}, r'dimension_values: must be a mapping such as \{1: \["ninja", "mage"\]\}'),
        ({"dimension_values": "ninja"}, "must be a mapping"),
        ({"dimension_values": {1: "ninja"}}, r"dimension_values\[1\] 'ninja': must be a list"),
        ({"dimension_values": {1: []}}, r"dimension_values\[1\]: is empty"),
        ({"dimension_values": {1: [1]}}, r"dimension_values\[1\].*must be a string"),
        ({"dimension_values": {"1": ["a"]}}, "there are the custom dimensions 1, 2 and 3"),
        ({"dimension_values": {True: ["a"]}}, "there are the custom dimensions 1, 2 and 3"),
        ({"dimension_values": {1.5: ["a"]}}, "there are the custom dimensions 1, 2 and 3"),
        ({"dimension_values": {3: [f"v{n}" for n in range(21)]}}, r"\[3\]: has more than 20 different values"),
        ({"data_dir": 5}, "data_dir 5: must be a folder, as a string or a Path, not a int"),
        ({"data_dir": b"/tmp/x"}, "data_dir: must be a folder.*os.fsdecode"),
        ({"data_dir": ""}, "data_dir ''"),
        ({"data_dir": "a\0b"}, "data_dir"),
        ({"data_dir": True}, "data_dir True"),
        ({"destinations": "x"}, "destinations 'x': must be a list such as .*not a str"),
        ({"destinations": []}, "destinations: is empty, so that nothing would be recorded"),
        ({"destinations": JsonLines("x")}, r"put brackets around it: destinations=\[JsonLines\(…\)\]"),
        ({"destinations": JsonLines}, "not the class JsonLines"),
        ({"destinations": [JsonLines]}, r"destinations\[0\]: is the class JsonLines; give an instance"),
        ({"destinations": [JsonLines("x"), None]}, r"destinations\[1\]: a NoneType is no destination"),
        ({"destinations": ["http://x"]}, "no destination: it has no method judge"),
        ({"destinations": [JsonLines("a"), Archive("b"), JsonLines("c")]}, "two have the name 'json_lines'"),
        ({"resubmit_on_server_error": "yes"}, "resubmit_on_server_error 'yes': must be True or False"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(knobs: dict[str, Any], words: str) -> None:
    """At construction, to the developer, with the right form."""
    with pytest.raises(ValueError, match=words) as caught:
        Tracker(**knobs)
    assert "123456789" not in str(caught.value)


def made(**attributes: Any) -> Destination:
    """Make a destination with such attributes."""
    mine: Destination = type("Mine", (JsonLines,), attributes)("x")
    return mine


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (lambda: made(name=""), "needs a `name`"),
        (lambda: made(name=5), "needs a `name`"),
        (lambda: made(name="a\nb"), "needs a `name`"),
        (lambda: made(name="x" * 65), "needs a `name`"),
        *((lambda one=one: made(name=f"a{one}b"), "is not allowed") for one in '/\\:*?"<>|,'),
        *((lambda one=one: made(name=one), "may not be its beginning") for one in (".a", "..", "a.", " a", "a ")),
        *((lambda one=one: made(name=one), "Windows has a device") for one in ("NUL", "con.x", "Lpt1")),
        (lambda: made(name="\U0001f600" * 64), "at most 200 bytes"),
        (lambda: made(encode=None), r"has no method encode\(\)"),
        (lambda: made(judge=Destination.judge), r"has no method judge\(\)"),
        (lambda: made(max_events=0), "max_events of Mine must be a whole number, 1 or more"),
        (lambda: made(max_bytes=1.5), "max_bytes of Mine"),
        (lambda: made(interval="1"), "interval of Mine must be a number of seconds or None"),
        (lambda: made(pace=float("nan")), "pace of Mine"),
        (lambda: made(wants_health=1), "wants_health of Mine"),
        (
            type("Duck", (), {"name": "duck", "encode": len, "judge": len}),
            r"Duck has no method redirect\(\); subclass ga_pygame.destinations.Destination",
        ),
    ],
)
def test_a_destination_is_looked_at_before_it_is_used(target: Callable[[], Any], words: str) -> None:
    """A value that would fail later in a worker is reported at construction."""
    with pytest.raises(ValueError, match=words):
        Config(destinations=[target()])


def test_what_is_given_as_a_list_is_read_once_and_kept() -> None:
    """Generators, sets, views, enumerations; doubles count once; a wrong variable beside them changes nothing."""
    declared = load(
        {
            "currencies": (name for name in ("gold", "gems", "gold")),
            "item_types": {"boost": 1, "skin": 2}.keys(),
            "dimension_values": {1: iter(["ninja"]), 2: {"a"}},
            "destinations": (one for one in [JsonLines("x"), Archive("y")]),
        },
        {"GA_PYGAME_GAME_KEY": "0" * 32},  # alone: refused with a second look at the keywords
        lambda _cause, _message: None,
    )
    assert declared.currencies == ("gold", "gems")
    assert declared.item_types == ("boost", "skin")
    assert declared.dimension_values == {1: ("ninja",), 2: ("a",)}
    assert [one.name for one in declared.destinations or ()] == ["json_lines", "archive"]
    assert dataclasses.replace(declared) == declared


def test_texts_are_exact_strings() -> None:
    """A subclass of `str` would be written into a database or a journal as what it is not."""
    names: Any = Currency  # iterable, which type checkers do not see
    assert [type(name) for name in Config(currencies=names).currencies or ()] == [str, str]
    assert Config(currencies=names).currencies == ("gold", "gems")
    assert type(Config(build=Currency.GOLD).build) is str


def test_a_folder_is_absolute_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game that changes its folder later, or starts in another one, keeps its events in one place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert Config(data_dir="data").data_dir == str(tmp_path / "data")
    assert Config(data_dir=Path("data")).data_dir == str(tmp_path / "data")
    assert Config(data_dir="~/x").data_dir == str(tmp_path / "home" / "x")
    assert load({}, {"GA_PYGAME_DATA_DIR": "./data "}, refuse).data_dir == str(tmp_path / "data")


@pytest.mark.posix("Windows does not remove the folder that a process is in")
def test_a_folder_from_one_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game whose own folder was removed needs an absolute one."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Config(data_dir=tmp_path).data_dir == str(tmp_path)
    with pytest.raises(ValueError, match="data_dir 'data': must be an absolute folder here"):
        Config(data_dir="data")


def refuse(cause: str, message: str) -> None:
    raise AssertionError(f"{cause}: {message}")


def test_numpys_scalars_are_taken() -> None:
    """With numpy itself, if it is installed."""
    numpy = pytest.importorskip("numpy")
    found = Config(
        pause_timeout=numpy.float32(2),
        max_outbox_bytes=numpy.int64(9),
        hook=numpy.bool_(False),
        build=numpy.str_("1"),
        dimension_values={numpy.int8(1): numpy.array(["a", "b"])},
    )
    assert (found.pause_timeout, found.max_outbox_bytes, found.hook, found.build) == (2.0, 9, False, "1")
    assert found.dimension_values == {1: ("a", "b")}
    with pytest.raises(ValueError, match="pause_timeout"):
        Config(pause_timeout=numpy.float64("nan"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("GA_PYGAME_STRCT", "did you mean GA_PYGAME_STRICT?"),
        ("GA_PYGAME_COLECTOR", "did you mean GA_PYGAME_COLLECTOR?"),
        ("ga_pygame_strict", "did you mean GA_PYGAME_STRICT?"),
        ("GA_PYGAME_HOOK", "hook is set in the code only: Tracker\\(hook="),
        ("GA_PYGAME_", "GA_PYGAME_"),
        ("GA_PYGAME_\x1b[31m", r"\\x1b"),
    ],
)
def test_a_variable_that_nobody_reads_is_told(name: str, words: str) -> None:
    """A slip of the keyboard must not look like a setting that does nothing."""
    warned: dict[str, str] = {}
    assert load({}, {name: "1"}, warned.__setitem__) == Config()
    assert list(warned) == ["unknown variables"]
    with pytest.raises(AssertionError, match=words):
        refuse(*warned.popitem())


def test_many_unknown_variables_are_one_line() -> None:
    """And those of our other tools are none."""
    warned: list[str] = []
    environment = {f"GA_PYGAME_{'X' * n}": "1" for n in range(1, 200)} | {"GA_PYGAME_BENCH": "x", "OTHER": "1"}
    load({}, environment, lambda _cause, message: warned.append(message))
    assert len(warned) == 1
    assert "and 194 more" in warned[0]
    assert "BENCH" not in warned[0]
    assert len(warned[0]) < 700


def test_the_interval_is_shorter_to_a_collector() -> None:
    """A developer who watches the page sees an event a second later; a service is asked three times a minute."""
    assert upload_seconds(Config()) == 20
    assert upload_seconds(Config(collector="http://127.0.0.1:1")) == 1
    assert upload_seconds(Config(collector="http://127.0.0.1:1", upload_interval=7)) == 7
