"""Facts of the player and the device that a game may know: `tracker.player.gender = "female"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from ga_pygame import attributes
from ga_pygame.annotations import PARTS
from ga_pygame.checks import Flag, InvalidEvent
from ga_pygame.diagnostics import Diagnostics, setting

T = TypeVar("T")

FACT_RULES = {one.name: one.given or one.field.check for one in PARTS["facts"]}
"""The rule of each fact. Source: REST v2, Default annotations."""

DEVICE_FACTS = frozenset(
    {"connection_type", "device", "engine_version", "jailbroken", "limit_ad_tracking", "manufacturer"}
)
"""The facts that say nothing about a person: with `child_directed` only these are taken."""

Facts = Mapping[str, Any]
"""Values by the names of the annotations; `None` for a fact that the game has cleared."""


def checked_fact(name: str, value: object) -> Any:
    """Return a fact's value in its exact type; `None` for none, which a flag's `False` is, too.

    Raises:
        InvalidEvent: The value breaks the fact's rule.
    """
    check = FACT_RULES[name]
    is_none = value is None or (value is False and isinstance(check, Flag))
    return None if is_none else check(name, value)


def without_surplus(facts: Facts) -> dict[str, Any]:
    """Return facts as events carry them: with a `google_aid` there is no `android_id`, as the document says."""
    is_surplus = facts.get("google_aid") is not None
    return {name: value for name, value in facts.items() if not (is_surplus and name == "android_id")}


class KnownFacts:
    """The facts that the game told in this launch or an earlier one, and those of the machine; behind `PlayerFacts`.

    Args:
        is_for_children: Only `DEVICE_FACTS` are taken, and none of an earlier launch.
    """

    def __init__(self, *, is_for_children: bool = False) -> None:
        self.is_for_children = is_for_children
        self._found: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._said: dict[str, Any] = {}

    def load(self, kept: Facts) -> Facts:
        """Take the last launch's facts; return those that the game told in this launch."""
        self._kept = {} if self.is_for_children else dict(kept)
        return self._said

    def say(self, name: str, value: object) -> None:
        """Take a fact from the game, which wins over what the machine tells; `None` clears it."""
        self._said[name] = value

    def find(self, name: str, value: object) -> bool:
        """Take a fact from the machine, `None` for unknown; return whether that changes the facts in force."""
        before = self.known
        self._found[name] = value
        return self.known != before

    def forget(self) -> None:
        """Forget what the game told, in this launch and in earlier ones."""
        self._kept, self._said = {}, {}

    @property
    def kept(self) -> Facts:
        """The last launch's facts."""
        return self._kept

    @property
    def said(self) -> Facts:
        """The facts for events; see `Facts` and `without_surplus`."""
        return without_surplus({**self._found, **self._kept, **self._said})

    @property
    def known(self) -> Facts:
        """All facts that have a value."""
        return {name: value for name, value in {**self._found, **self._kept, **self._said}.items() if value is not None}


class Fact(Generic[T]):
    """An attribute of `PlayerFacts`, of the name that the annotation has on the wire."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, facts: None, _owner: type) -> Fact[T]: ...

    @overload
    def __get__(self, facts: PlayerFacts, _owner: type) -> T | None: ...

    def __get__(self, facts: PlayerFacts | None, _owner: type) -> Fact[T] | T | None:
        return self if facts is None else facts._told.known.get(self._name)

    def __set__(self, facts: PlayerFacts, value: T | None) -> None:
        facts._set(self._name, value)


class PlayerFacts:
    """Facts of the player and the device, on each event from then on; `None` clears one.

    Nothing is sent that the game does not set, except `connection_type` where the system tells it. `gender`,
    `birth_year` and `facebook_id` are kept for the next launch; `consent.deny()` and `privacy.forget()` forget all. Ask
    the player before you set what says something about a person. Source: REST v2, Default annotations.

    Args:
        told: Holds the values.
        changed: Called after a change with the name and the value of a fact.
        diagnostics: Reports wrong calls.

    Attributes:
        gender: `"male"` or `"female"`.
        birth_year: A year of four digits.
        facebook_id: The player's id there.
        googleplus_id: The player's id there.
        limit_ad_tracking: `True` if the player limits ad tracking; `False` is the same as `None`, as for all flags.
        logon_gamecenter: `True` if the player is logged in to Game Center.
        logon_gameplay: `True` if the player is logged in to Google Play, as the REST document spells it.
        logon_googleplay: The same, as the published schemas spell it.
        jailbroken: `True` if the device is jailbroken.
        android_id: Of a device without `google_aid`; left out of events that have one.
        ios_idfv: Apple's identifier for vendors.
        ios_idfa: Apple's identifier for advertisers.
        google_aid: Google's identifier for advertisers.
        device: The model, e.g. `"steamdeck"`; events say `unknown` without it.
        manufacturer: The maker, e.g. `"valve"`; events say `unknown` without it.
        engine_version: A known engine and its version, e.g. `"godot 4.3"`; the server takes no pygame here.
        connection_type: `"offline"`, `"wwan"`, `"wifi"` or `"lan"`; wins over what the system tells.
    """

    gender = Fact[str]()
    birth_year = Fact[int]()
    facebook_id = Fact[str]()
    googleplus_id = Fact[str]()
    limit_ad_tracking = Fact[bool]()
    logon_gamecenter = Fact[bool]()
    logon_gameplay = Fact[bool]()
    logon_googleplay = Fact[bool]()
    jailbroken = Fact[bool]()
    android_id = Fact[str]()
    ios_idfv = Fact[str]()
    ios_idfa = Fact[str]()
    google_aid = Fact[str]()
    device = Fact[str]()
    manufacturer = Fact[str]()
    engine_version = Fact[str]()
    connection_type = Fact[str]()

    def __init__(self, told: KnownFacts, changed: Callable[[str, Any], None], diagnostics: Diagnostics) -> None:
        self._told = told
        self._changed = changed
        self._diagnostics = diagnostics

    __setattr__ = attributes.only(*FACT_RULES)

    @setting
    def _set(self, name: str, value: object) -> None:
        checked = checked_fact(name, value)
        if checked is not None and self._told.is_for_children and name not in DEVICE_FACTS:
            words = "is not taken, since child_directed is on: it says something about the child"
            raise InvalidEvent(name, value, words, "ours: child_directed", "not_allowed", private=True)
        self._told.say(name, checked)
        self._changed(name, checked)

    def __repr__(self) -> str:
        return f"PlayerFacts({', '.join(self._told.known)})"
