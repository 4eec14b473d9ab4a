"""The knobs: where each value comes from, which values are refused, and that the docs have all knobs."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_pygame import Tracker
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY, Config, data_folder, load

ROOT = Path(__file__).parent.parent
KEYS = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789abcdef01234567" + "89abcdef" * 2}
FIELDS = {field.name: field for field in dataclasses.fields(Config)}


class Warnings(dict[str, str]):
    """The warnings of `load`, messages by cause."""

    def __call__(self, cause: str, message: str) -> None:
        self[cause] = message


def silent(cause: str, message: str) -> None:
    raise AssertionError(f"warned about {cause}: {message}")


def test_keyword_beats_environment_beats_default() -> None:
    """One order of precedence for every knob."""
    assert load({}, {}, silent).pause_timeout == 20.0
    environment = {"GA_PYGAME_PAUSE_TIMEOUT": "7.5"}
    assert load({}, environment, silent).pause_timeout == 7.5
    assert load({"pause_timeout": 3}, environment, silent).pause_timeout == 3


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("BUILD", "0.3.1", "build", "0.3.1"),
        ("COLLECTOR", "http://127.0.0.1:8420", "collector", "http://127.0.0.1:8420"),
        ("ENDPOINT", "https://example.org", "endpoint", "https://example.org"),
        ("DATA_DIR", "/tmp/x", "data_dir", os.path.abspath("/tmp/x")),
        ("ENABLED", "0", "enabled", False),
        ("ENABLED", " Off ", "enabled", False),
        ("STRICT", "yes", "strict", True),
        ("STRICT", "TRUE", "strict", True),
        ("PAUSE_TIMEOUT", "0", "pause_timeout", 0.0),
        ("UPLOAD_INTERVAL", "5", "upload_interval", 5.0),
        ("REQUEST_TIMEOUT", "2.5", "request_timeout", 2.5),
        ("SHUTDOWN_TIMEOUT", "0.5", "shutdown_timeout", 0.5),
        ("MAX_OUTBOX_BYTES", "1000", "max_outbox_bytes", 1000),
    ],
)
def test_environment_values_are_parsed(variable: str, text: str, name: str, value: object) -> None:
    """Each variable arrives in the knob's own type."""
    found = getattr(load({}, {f"GA_PYGAME_{variable}": text}, silent), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("variable", "text", "name"),
    [
        ("BUILD", "x" * 33, "build"),
        ("COLLECTOR", "127.0.0.1:8420", "collector"),
        ("ENABLED", "maybe", "enabled"),
        ("STRICT", "2", "strict"),
        ("PAUSE_TIMEOUT", "nan", "pause_timeout"),
        ("PAUSE_TIMEOUT", "-1", "pause_timeout"),
        ("PAUSE_TIMEOUT", "inf", "pause_timeout"),
        ("UPLOAD_INTERVAL", "0", "upload_interval"),
        ("REQUEST_TIMEOUT", "soon", "request_timeout"),
        ("MAX_OUTBOX_BYTES", "5 MB", "max_outbox_bytes"),
    ],
)
def test_a_wrong_environment_value_warns_and_falls_back(variable: str, text: str, name: str) -> None:
    """A player's broken environment never stops the game; the message names the variable."""
    warnings = Warnings()
    config = load({}, {f"GA_PYGAME_{variable}": text}, warnings)
    assert getattr(config, name) == FIELDS[name].default
    assert list(warnings) == [f"GA_PYGAME_{variable}"]
    assert f"GA_PYGAME_{variable}" in warnings[f"GA_PYGAME_{variable}"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([f.metadata["env"] for f in FIELDS.values() if f.metadata["env"]]), st.text()))
def test_no_environment_raises(environment: dict[str, str]) -> None:
    """Whatever the variables hold, there is a config, and it is a valid one."""
    config = load({}, environment, Warnings())
    assert dataclasses.replace(config) == config


@pytest.mark.parametrize(
    ("knobs", "kind", "words"),
    [
        ({"gamekey": "x"}, TypeError, "did you mean game_key?"),
        ({"pause_time": 1}, TypeError, "did you mean pause_timeout?"),
        ({"zzz": 1}, TypeError, "there are: game_key, "),
        ({"game_key": "short", "secret_key": KEYS["secret_key"]}, ValueError, "game_key: its 5 characters are no key"),
        ({"game_key": KEYS["game_key"]}, ValueError, "belong together"),
        ({"game_key": "a" * 32, "secret_key": "a" * 32}, ValueError, "are the same"),
        ({"game_key": "…", "secret_key": "…"}, ValueError, "leave both keys out while you use a collector"),
        ({"game_key": "", "secret_key": ""}, ValueError, "leave both keys out while you use a collector"),
        ({"game_key": "A" * 32, "secret_key": "b" * 40}, ValueError, "game_key: has upper-case letters"),
        ({"game_key": "a" * 32, "secret_key": "b" * 40 + "\n"}, ValueError, "secret_key: has spaces or a line break"),
        ({"game_key": "a" * 40, "secret_key": "b" * 32}, ValueError, "game_key and secret_key swapped?"),
        ({"game_key": "a" * 31, "secret_key": "b" * 40}, ValueError, "game_key: has 31 characters; must be 32"),
        ({"game_key": 5, "secret_key": 6}, ValueError, "not a int"),
        ({"build": ""}, ValueError, "build"),
        ({"user_id": "x" * 65}, ValueError, "user_id"),
        ({"collector": "localhost:8420"}, ValueError, "collector 'localhost:8420': must start with http://"),
        ({"endpoint": "ftp://x"}, ValueError, "endpoint"),
        ({"pause_timeout": -1}, ValueError, "pause_timeout"),
        ({"shutdown_timeout": float("nan")}, ValueError, "shutdown_timeout"),
        ({"upload_interval": 0}, ValueError, "upload_interval"),
        ({"request_timeout": float("inf")}, ValueError, "request_timeout"),
        ({"max_outbox_bytes": 0}, ValueError, "max_outbox_bytes"),
        ({"currencies": ["gold_1"]}, ValueError, "currencies"),
        ({"item_types": ["a:b"]}, ValueError, "item_types"),
        ({"dimension_values": {4: ["a"]}}, ValueError, "custom dimensions 1, 2 and 3"),
        ({"dimension_values": {1: ["x" * 33]}}, ValueError, r"dimension_values\[1\]"),
    ],
)
def test_a_wrong_keyword_raises_at_once(knobs: dict[str, Any], kind: type[Exception], words: str) -> None:
    """A developer is watching: the message says what is right, and never shows a key."""
    with pytest.raises(kind, match=words) as caught:
        load(knobs, {}, silent)
    for name in ("game_key", "secret_key"):
        if isinstance(knobs.get(name), str) and knobs[name]:
            assert knobs[name] not in str(caught.value)


def test_a_wrong_keyword_raises_whatever_the_environment_says() -> None:
    """A good environment does not hide a wrong keyword, a wrong one is not blamed on the keywords."""
    with pytest.raises(ValueError, match="build"):
        load({"build": ""}, {"GA_PYGAME_PAUSE_TIMEOUT": "3"}, silent)


def test_keys_are_a_pair_from_one_place() -> None:
    """Keys from the environment are used as a pair, and never mixed with one from the code."""
    pair = {"GA_PYGAME_GAME_KEY": KEYS["game_key"], "GA_PYGAME_SECRET_KEY": KEYS["secret_key"]}
    assert load({}, pair, silent).game_key == KEYS["game_key"]
    sandbox = {"game_key": SANDBOX_GAME_KEY, "secret_key": SANDBOX_SECRET_KEY}
    assert load(sandbox, pair, silent).secret_key == SANDBOX_SECRET_KEY
    with pytest.raises(ValueError, match="belong together"):
        load({"game_key": KEYS["game_key"]}, pair, silent)
    warnings = Warnings()
    assert load({}, {"GA_PYGAME_GAME_KEY": KEYS["game_key"]}, warnings).game_key is None
    assert "belong together" in warnings["environment"]


def test_a_keyword_of_none_means_not_given() -> None:
    """`build=os.environ.get(...)` and the like fall through to the environment and the default."""
    assert load({"build": None}, {"GA_PYGAME_BUILD": "1"}, silent).build == "1"


def test_keys_are_never_shown() -> None:
    """Neither key is in the repr, wherever a config may be printed, nor in a warning."""
    config = load(KEYS, {}, silent)
    assert not any(key in repr(config) for key in KEYS.values())
    warnings = Warnings()
    load({}, {"GA_PYGAME_GAME_KEY": KEYS["secret_key"], "GA_PYGAME_SECRET_KEY": KEYS["game_key"]}, warnings)
    assert warnings
    assert not any(key in message for key in KEYS.values() for message in warnings.values())


def test_a_config_is_frozen() -> None:
    """Knobs are set once."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().build = "2"  # type: ignore[misc]


def test_a_collectors_events_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """Events recorded for a local collector never reach the service, nor the other way round."""
    key = KEYS["game_key"]
    mine = data_folder(Config(data_dir=tmp_path), key)
    theirs = data_folder(Config(data_dir=tmp_path, collector="http://127.0.0.1:1"), key)
    assert mine is not None
    assert theirs is not None
    assert mine != theirs
    assert mine.parent == theirs.parent == tmp_path
    default = data_folder(Config(), key)
    assert default is not None
    assert default.is_absolute()


@pytest.mark.parametrize("name", FIELDS)
def test_the_docs_have_every_knob(name: str) -> None:
    """A knob's row in the docs has its variable and says what the code says."""
    rows = (ROOT / "docs" / "knobs.md").read_text(encoding="utf-8").splitlines()
    row = [row for row in rows if row.startswith(f"| `{name}` |")]
    assert len(row) == 1, f"docs/knobs.md needs one row for {name}: | knob | default | environment | what it is |"
    _, _, default, variable, text, _ = (cell.strip() for cell in row[0].split("|"))
    knob = FIELDS[name]
    assert variable == (f"`{knob.metadata['env']}`" if knob.metadata["env"] else "")
    assert text == knob.metadata["doc"]
    assert default == shown(knob.default, knob.metadata["unit"])


def shown(default: object, unit: str) -> str:
    """Return a default in the form in which the docs write it."""
    if default is None:
        return "\u2013"
    if isinstance(default, bool):
        return "on" if default else "off"
    if unit == "bytes" and isinstance(default, int):
        return f"{default // 2**20} MiB"
    return default if isinstance(default, str) else f"{default:g} {unit}"


@pytest.mark.parametrize("name", FIELDS)
def test_no_knob_without_a_test(name: str) -> None:
    """Each knob is turned in some test of what it does; one that nobody turns does not matter."""
    others = [path for path in Path(__file__).parent.rglob("test_*.py") if path.name != Path(__file__).name]
    used = re.compile(rf"\b{name}=|[\"']{name}[\"']:|GA_PYGAME_{name.upper()}\b")
    assert any(used.search(path.read_text(encoding="utf-8")) for path in others), (
        f"no test outside {Path(__file__).name} turns {name}: add one that sees its effect"
    )


def test_a_wrong_key_has_one_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside variables of the environment: what is chained hides the reason, and neither shows a key."""
    monkeypatch.setenv("GA_PYGAME_UPLOAD_INTERVAL", "3")
    wrong: list[dict[str, Any]] = [{"game_key": "abc", "secret_key": "b" * 40}, {"game_key": "a" * 32}]
    for keys in wrong:
        with pytest.raises(ValueError, match="key") as raised:
            Tracker(**keys)
        assert raised.value.__context__ is None or raised.value.__suppress_context__
        assert "abc" not in str(raised.value)


def test_the_declared_values_of_dimensions_cannot_be_changed() -> None:
    """The knobs are frozen, all of them; a mapping without an end is refused."""
    config = Config(dimension_values={1: ["ninja"]})
    assert config.dimension_values == {1: ("ninja",)}
    with pytest.raises(TypeError):
        config.dimension_values[2] = ("x",)  # type: ignore[index]

    class Endless(dict[int, list[str]]):
        def items(self) -> Any:
            return ((1, ["a"]) for _ in itertools.count())

    with pytest.raises(ValueError, match="or no end"):
        Config(dimension_values=Endless())
