"""Remote configs: values that the service sets for the running game, with time windows and A/B groups.

They come with the answer to init and are kept, so that a game without a connection uses the last ones. Their time
windows are checked only when they arrive, as in the official SDKs, so that nothing changes in the middle of a level.
Source: GameAnalytics REST v2, Init / Remote configs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ga_pygame import attributes, rules, untrusted
from ga_pygame.checks import exact_number, exact_text
from ga_pygame.diagnostics import Diagnostics, game_call, guarded
from ga_pygame.traces import pass_on, type_name

if TYPE_CHECKING:
    from ga_pygame.tuning import Binding

MAX_CONFIGS = 50
"""Configs that a game may have. Source: GameAnalytics' documentation of remote configs."""
MAX_KEY_LENGTH = 16
"""Characters of a config's key. Source: as for `MAX_CONFIGS`."""
MAX_VALUE_LENGTH = 2000
"""Characters of a config's value that is text. Source: as for `MAX_CONFIGS`."""
MAX_JSON_LENGTH = 10_000
"""Characters of the texts in a config's value that is a list or an object, together."""
MAX_JSON_ELEMENTS = 500
"""Elements of a config's value that is a list or an object, as `untrusted.is_within` counts them."""
MAX_JSON_DEPTH = 8
"""Nested levels of a config's value that is a list or an object."""
MAX_AB_ID_LENGTH = 64
"""Characters of the id of an A/B test, and of the id of its group."""
MAX_ANNOTATED_LENGTH = 16_000
"""Characters of the JSON of all configs, which each event carries; if there are more, events carry no configs."""
MAX_NUMBER = 2**63 - 1
"""The largest whole number that a game gets from a config, positive or negative: pygame takes no larger ones."""
MAX_HASH_LENGTH = 64
"""Characters of the hash that tells the service which configs we have."""
MAX_CONFIG_ID_LENGTH = 64
"""Characters of the id that the service gives a config."""
MAX_VSN = 2**53
"""The highest version of a config."""

_MAX_REFUSALS = 1000
_HASH = re.compile(f"[0-9A-Za-z]{{1,{MAX_HASH_LENGTH}}}")
D = TypeVar("D")
T = TypeVar("T", bool, int, float, str, list, dict)  # type: ignore[type-arg]  # JSON's own types

OVERRIDE_PREFIX = "GA_PYGAME_CONFIG_"
"""What the environment variables that set a config begin with; the rest is its key, in any case."""
FORCED_VARIANT = "GA_PYGAME_AB_VARIANT"
"""The environment variable that chooses the player's group in the A/B test of a collector."""


class Overrides(NamedTuple):
    """What a developer's environment sets in the place of the service.

    Attributes:
        values: Texts by the key in lower case, since Windows knows only one case of a variable's name.
        ab_variant_id: The group that our collector is asked for, with its values; "" leaves it to the service.
        refused: What is left out and why, "" for nothing.
    """

    values: Mapping[str, str] = MappingProxyType({})
    ab_variant_id: str = ""
    refused: str = ""


_NO_OVERRIDES = Overrides()


def overrides_of(environment: Mapping[str, str]) -> Overrides:
    """Read the overrides of a developer's environment; a key or value that no service could send is left out."""
    own = [name for name in environment if name.upper().startswith(OVERRIDE_PREFIX)]
    found = {name[len(OVERRIDE_PREFIX) :].lower(): environment[name] for name in own}
    refusals = {key: _refusal({"key": key, "value": text}) for key, text in found.items()}
    values = [(key, text) for key, text in found.items() if not refusals[key]]
    group, chosen = _ab_id(environment.get(FORCED_VARIANT)), environment.get(FORCED_VARIANT)
    refused = [f"{OVERRIDE_PREFIX}{key:.{MAX_KEY_LENGTH}}: {why}" for key, why in refusals.items() if why]
    refused += [f"there are more than {MAX_CONFIGS}"] * (len(values) > MAX_CONFIGS)
    refused += [f"{FORCED_VARIANT} is longer than {MAX_AB_ID_LENGTH} characters"] * bool(chosen and not group)
    return Overrides(dict(values[:MAX_CONFIGS]), group, "; ".join(refused))


class ConfigsInForce:
    """The remote configs in force, and the player's A/B group. Game thread only.

    Attributes:
        values: By key, as the service sent them. Events carry these objects, so the game gets only copies of them.
        ab_id: The A/B test that the player is in, "" for none.
        ab_variant_id: The player's group in it.
        is_ready: Whether the service has answered in this launch.
        bindings: The objects of the game whose fields follow the values.
        asked: The default of each config that the game has asked for; `None` unless an overlay shows them.
        chosen_variant_id: The group that a developer asks the collector for, "" for none.

    Args:
        warn_once: Reports refused configs. Arguments: cause, message.
        overrides: What a developer sets in the place of the service.
    """

    def __init__(self, warn_once: Callable[[str, str], None], overrides: Overrides = _NO_OVERRIDES) -> None:
        self._warn_once = warn_once
        self._overrides = overrides
        self.values: Mapping[str, Any] = self._overridden({})
        self._versions: tuple[dict[str, Any], ...] = ()
        self.ab_id = ""
        self.ab_variant_id = ""
        self.chosen_variant_id = overrides.ab_variant_id
        self.is_ready = False
        self.bindings: list[Binding] = []
        self.asked: dict[str, Any] | None = None
        self._sent: Sequence[Mapping[str, Any]] = ()  # the configs in force as the service sent them
        self._told: tuple[Any, ...] = ({}, (), "", "")  # what `update` said last
        if overrides != _NO_OVERRIDES:
            group = overrides.ab_variant_id and f"the A/B group (so {rules.WHO_FIELD} says that no player plays)"
            names = ", ".join([*overrides.values, *filter(None, [group])])
            warn_once("configs:overrides", f"remote configs: set by environment variables, not by the service: {names}")

    def update(self, answer: Mapping[str, Any], now: float) -> bool:
        """Apply an answer to init; return whether anything changed.

        Args:
            answer: Any mapping; `configs`, `ab_id` and `ab_variant_id` of the new answer or of the kept one are read.
            now: Seconds since 1970 by the server's clock.
        """
        found = sound(answer, lambda why: self._warn_once("configs", f"remote configs: {why}"))
        self._sent = [config for config in found["configs"] if _is_in_force(config, now)]
        self.ab_id = found["ab_id"]
        self.ab_variant_id = found["ab_variant_id"]
        if self.is_ready and self.chosen_variant_id not in ("", self.ab_variant_id):
            words = f"{FORCED_VARIANT}: the collector's answer has the A/B group {self.ab_variant_id or 'none'!r}, not"
            fix = "compare it with the experiment in the collector's settings"
            self._warn_once("configs:variant", f"{words} {self.chosen_variant_id!r}; {fix}")
        return self._apply()

    def override(self, key: str, text: str | None) -> bool:
        """Set a config in the place of the service until the end of this launch, as `OVERRIDE_PREFIX` does.

        Args:
            key: Its key, in any case.
            text: Its value; `None` gives it back to the service.

        Returns:
            Whether anything changed; a key or text that no service could send changes nothing.
        """
        values = {name: value for name, value in self._overrides.values.items() if name != key.lower()}
        if text is not None:
            if _refusal({"key": key, "value": text}):
                return False
            values[key.lower()] = text
        self._overrides = self._overrides._replace(values=values)
        return self._apply()

    def is_overridden(self, key: str) -> bool:
        """Return whether the developer sets a config."""
        return key.lower() in self._overrides.values

    def _apply(self) -> bool:
        values = self._overridden({config["key"]: config["value"] for config in self._sent})
        self.values = _copied(values)  # the answer may be an object that the destination still changes
        self._versions = tuple(
            {"key": config["key"], "id": config.get("id", ""), "vsn": config["vsn"]}
            for config in self._sent
            if "vsn" in config and config["key"].lower() not in self._overrides.values
        )
        before, self._told = self._told, (self.values, self._versions, self.ab_id, self.ab_variant_id)
        if before != self._told:
            for binding in self.bindings:
                binding.follow()
        return before != self._told

    def _overridden(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values with the developer's own, under the service's spelling of their keys."""
        left = dict(self._overrides.values)
        values = {key: left.pop(key.lower(), value) for key, value in sent.items()}
        return {**values, **left}

    def annotations(self) -> dict[str, Any]:
        """Return the fields that events carry, those of older SDKs and of newer ones.

        `configurations` has the values by key; `configurations_v3` has key, id and version of each config that came
        with a version, but no value. An official SDK sends one of them; we send both, since only the values can be
        read by a person, and only the versions are what the service counts by. Source: GameAnalytics SDKs 4 and 5.
        The group of the A/B test is left out if a developer has set a value: then its values are not in force.
        """
        found: dict[str, Any] = {"configurations": self.values, "configurations_v3": self._versions}
        if len(json.dumps(found)) > MAX_ANNOTATED_LENGTH:
            why = f"more than {MAX_ANNOTATED_LENGTH} characters together; events go without them"
            self._warn_once("configs:annotations", f"remote configs: {why}")
            found = {}
        if not self._overrides.values:
            found |= {"ab_id": self.ab_id, "ab_variant_id": self.ab_variant_id}
        return {name: value for name, value in found.items() if value}


class RemoteConfigs:
    """Values that the service sets: `tracker.remote_configs`. Game thread only.

    Args:
        found: Holds the configs in force.
        diagnostics: Reports wrong calls.
    """

    def __init__(self, found: ConfigsInForce, diagnostics: Diagnostics) -> None:
        self._found = found
        self._diagnostics = diagnostics

    __setattr__ = attributes.only()

    @property
    def values(self) -> Mapping[str, Any]:
        """A copy of the configs in force, by key, as the service sent them."""
        return MappingProxyType(_copied(self._found.values))

    @property
    def ab_id(self) -> str:
        """The A/B test that the player is in, "" for none."""
        return self._found.ab_id

    @property
    def ab_variant_id(self) -> str:
        """The player's group in it."""
        return self._found.ab_variant_id

    @property
    def ready(self) -> bool:
        """Whether the service has answered in this launch; before, the values of an earlier launch are in force."""
        return self._found.is_ready

    @guarded("the default is used", lambda _self, _key=None, default=None, *_more, **_named: default)
    def json(self, key: str, default: Any = None) -> Any:
        """Return a config's value decoded from JSON: a list, an object, a number, …; a copy.

        Returns the default if there is no such config or its value is not JSON; the latter is logged once.

        Args:
            key: The config's name.
            default: Of any type.
        """
        name = self._name(key)
        value = None if name is None else self._value(name)
        if value is None or not isinstance(value, str):
            return default if value is None else _copied(value)
        try:
            return _copied(json.loads(value))
        except (ValueError, RecursionError):
            words = f"{game_call()}: remote config {name!r} is no JSON; its default is used"
            self._diagnostics.warn_once(f"config:{name}", words)
            return default

    @guarded("the default is used", lambda _self, _key=None, default=None, *_more, **_named: default)
    def get(self, key: str, default: T) -> T:
        """Return a config's value in the type of the default.

        Returns the default if there is no such config or its value cannot be converted; the latter is logged once,
        with the line of this call. A list or dict is a copy, so the game may change it. A number is finite.

        Args:
            key: The config's name.
            default: Also gives the type: bool, int, float, str, or a list or dict for JSON.
        """
        return self._typed(key, default, game_call)

    def _typed(self, key: str, default: T, place: Callable[[], str]) -> T:
        """Return a config's value in the type of the default; `place` returns the line of code for the message."""
        name = self._name(key)
        value = None if name is None else self._value(name)
        asked = self._found.asked
        if asked is not None and name is not None and len(asked) < MAX_CONFIGS:
            asked[name] = default
        if value is None:
            return default
        try:
            converted: T = _converted(value, type(default))
        except Exception as failure:  # noqa: BLE001 - a server may send anything; the game must go on
            pass_on(failure)
            words = f"{place()}: remote config {name!r} is no {type_name(default)}; its default is used"
            self._diagnostics.warn_once(f"config:{name}", words)
            return default
        return converted

    @guarded("not bound: the defaults stay", lambda _self, kind=None, *_more, **_named: _unbound(kind))
    def bind(self, kind: type[D]) -> D:
        """Return an object of a dataclass whose fields follow the remote configs of their names, also later ones.

        A value of another type than the field's default, or out of its bounds, gives the default, and is logged once
        with the line of this call.

        Args:
            kind: A dataclass whose fields all have defaults; `ga_pygame.tunable(80.0, least=0, most=200)` adds bounds.
        """
        from ga_pygame.tuning import Binding  # noqa: PLC0415 - imports dataclasses, for games that bind

        place = game_call()  # later answers are applied in `tick()`, when the stack does not have the game's call
        binding = Binding(
            kind,
            lambda key, default: self._typed(key, default, lambda: place),
            lambda cause, message: self._diagnostics.warn_once(cause, f"{place}: {message}"),
        )
        self._found.bindings.append(binding)
        bound: D = binding.bound
        return bound

    def _name(self, key: object) -> str | None:
        """Return a key as text; `None`, with a message, if it is none."""
        name = exact_text(key)
        if name is None:
            words = f"the key of a remote config must be a string, not a {type_name(key)}; the default is used"
            self._diagnostics.warn_once("config key", words)
        return name

    def _value(self, name: str) -> Any:
        """Return a value by its key, or by the key in lower case, as an override may have it."""
        values = self._found.values
        return values[name] if name in values else values.get(name.lower())


def _unbound(kind: Any) -> Any:
    """Return an object of a class that cannot be bound, if it can be made, so that the game goes on."""
    try:
        return kind()
    except Exception as failure:  # noqa: BLE001 - a class of the game
        pass_on(failure)
        return None


def sound(answer: object, refused: Callable[[str], None] = lambda _why: None) -> dict[str, Any]:
    """Return the valid parts of an answer to init, new or kept by an earlier launch.

    A part that breaks a rule is left out. The result has all of these: `configs` (a list of objects with `key`,
    `value` and, if given, `start_ts` and `end_ts` in seconds since 1970, `vsn` and `id`), `configs_hash`, `ab_id`,
    `ab_variant_id` and `user_id` (strings, "" for none). It can be encoded as JSON in UTF-8.

    Args:
        answer: Any object.
        refused: Called at most once, with a message that says which parts are left out and why.
    """
    given: Mapping[Any, Any] = answer if isinstance(answer, Mapping) else {}
    refusals: list[str] = []
    listed = given.get("configs")
    configs: dict[str, dict[str, Any]] = {}
    for config in listed[:_MAX_REFUSALS] if isinstance(listed, list) else ():
        why = _refusal(config)
        if not why and len(configs) == MAX_CONFIGS and config["key"] not in configs:
            why = f"there are more than {MAX_CONFIGS}"
        if why:
            refusals.append(why)
        else:
            names = ("key", "value", "start_ts", "end_ts")
            kept = {name: config[name] for name in names if config.get(name) is not None}
            configs[config["key"]] = {**kept, **_version(config)}
    found: dict[str, Any] = {"configs": list(configs.values())}
    hash_ = given.get("configs_hash")
    found["configs_hash"] = hash_ if isinstance(hash_, str) and _HASH.fullmatch(hash_) else ""
    for name in ("ab_id", "ab_variant_id"):
        found[name] = _ab_id(given.get(name))
    user_id = given.get("user_id")
    is_id = untrusted.is_within(user_id, elements=1, depth=0, characters=untrusted.MAX_TOKEN)
    found["user_id"] = user_id if isinstance(user_id, str) and is_id else ""
    refusals += [f"{name} is not taken" for name in _IDS if given.get(name) not in (None, "") and not found[name]]
    if refusals:
        more = f" ({len(refusals)} in all)" if len(refusals) > 1 else ""
        refused(f"{refusals[0]}{more}; what the service sends beyond its own limits is not taken")
    return found


_IDS = ("configs_hash", "ab_id", "ab_variant_id")


def _refusal(config: Any) -> str:
    """Return why a config is refused; "" if it is valid."""
    if not isinstance(config, dict) or not isinstance(key := config.get("key"), str) or not key:
        return "a config without a key"
    if not untrusted.is_within(key, elements=1, depth=0, characters=MAX_KEY_LENGTH):
        return f"the key {key[:MAX_KEY_LENGTH]!r}… is longer than {MAX_KEY_LENGTH} characters"
    problem = _value_problem(config.get("value"))
    if problem:
        return f"the value of {key!r} is {problem}"
    for name in ("start_ts", "end_ts"):
        if config.get(name) is not None and untrusted.finite_number(config[name]) is None:
            return f"{name} of {key!r} is no time"
    return ""


def _version(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `vsn` and `id` of a config; nothing if it has no valid version, and no `id` if that is not valid."""
    vsn, id_ = config.get("vsn"), config.get("id")
    if type(vsn) is not int or not 0 <= vsn <= MAX_VSN:
        return {}
    is_id = isinstance(id_, str) and 0 < len(id_) <= MAX_CONFIG_ID_LENGTH and id_.isprintable()
    return {"vsn": vsn, "id": id_} if is_id else {"vsn": vsn}


def _value_problem(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, list | dict):
        within = {"elements": MAX_JSON_ELEMENTS, "depth": MAX_JSON_DEPTH, "characters": MAX_JSON_LENGTH}
        return "" if untrusted.is_within(value, **within) else "too large, too deep, or no JSON"
    if untrusted.is_within(value, elements=1, depth=0, characters=MAX_VALUE_LENGTH):
        return ""
    return f"longer than {MAX_VALUE_LENGTH} characters, or no finite number"


def _ab_id(value: object) -> str:
    """Return the id of an A/B test or of a group; "" if the value is not an id."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value) if value else ""
    fits = isinstance(value, str) and len(value) <= MAX_AB_ID_LENGTH and value.isprintable()
    return value if fits and isinstance(value, str) else ""


def _is_in_force(config: Mapping[str, Any], now: float) -> bool:
    """Return whether a valid config is in force at `now`, in seconds since 1970."""
    start, end = config.get("start_ts") or float("-inf"), config.get("end_ts") or float("inf")
    return bool(start < now < end)


def _converted(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    if kind is bool:
        return _BOOLS[str(value).strip().lower()]
    if kind in (list, dict):
        found = _copied(json.loads(value) if isinstance(value, str) else value)
        if not isinstance(found, kind):
            raise ValueError("another type")
        return found
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and value % 1):
        raise ValueError("another type")
    found = kind(value)
    number = exact_number(found)
    if number is not None and not (math.isfinite(number) if isinstance(number, float) else abs(number) <= MAX_NUMBER):
        raise ValueError("not finite, or too large")
    return found


def _copied(value: Any) -> Any:
    """Return a deep copy of a JSON value, with exact types; raise `ValueError` for NaN and infinity, which are none."""
    return json.loads(json.dumps(value, allow_nan=False))


_BOOLS = {"true": True, "1": True, "false": False, "0": False}
