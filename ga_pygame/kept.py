"""The values kept across launches: each one's name, check and default. No other module has the names.

A file may be damaged, changed by hand or written by another version. A wrong value is treated as if it had never been
kept, which is reported once; other values are not affected. The same checks run before a value is written, so nothing
is written that the next launch would refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NewType

from ga_pygame import rules

MAX_KEPT_CHARACTERS = 2**17
"""Characters of one kept value; a larger one is not kept."""

MAX_KEPT_NAME = 255
"""Characters of the kept name of a file."""

MAX_KEPT_VALUES = 256
"""Kept values in all; further ones are not read."""

MAX_COUNT = 2**53
"""The highest value of a counter, such as the number of sessions; a higher one is damaged."""

MAX_ATTEMPTS = 2**31
"""The highest number of attempts at one level."""

LAUNCH = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The pattern of a launch's name, which is part of file names."""

MAX_SUM = 1e15
"""The largest kept sum that is accepted, positive or negative."""

Say = Callable[[str, str], None]
"""Reports a message, once per cause. Arguments: cause, message."""

KeptCheck = Callable[[str], str | None]
"""Returns a value in the form in which it may be used; `None` if it is wrong. May also raise `ValueError`."""


def _by(rule: Callable[[str, object], object]) -> KeptCheck:
    """Make a check of a rule for arguments of the game: what events carry can also be kept."""

    def check(text: str) -> str:
        rule("kept value", text)
        return text

    return check


def _well_formed_user_id(text: str) -> str | None:
    """Check the random id; one of another form is damaged."""
    rules.user_id("kept value", text)
    return text if text.isprintable() else None


def _one_of(*words: str) -> KeptCheck:
    return lambda text: text if text in words else None


def _counter(text: str) -> str | None:
    return text if text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= MAX_COUNT else None


def _year(text: str) -> str | None:
    rules.birth_year("kept value", int(text))
    return text


def _any_text(text: str) -> str:
    return text


def _object(text: str) -> str | None:
    """Check that a text is a JSON object. Its reader takes the valid parts: see `remote_configs.sound`."""
    return text if isinstance(from_json(text), dict) else None


def _service_session(text: str) -> str | None:
    """Check a service's session: a JSON object of short texts, each valid in an HTTP header, and booleans."""
    found = from_json(text)
    if not isinstance(found, dict) or len(found) > 16:
        return None
    for value in found.values():
        is_name = isinstance(value, str) and len(value) <= 256 and value.isascii() and value.isprintable()
        if not (is_name or isinstance(value, bool)):
            return None
    return text


class Rule(NamedTuple):
    """How a kept value is checked.

    Attributes:
        check: See `KeptCheck`.
        words: What happens if the value is wrong, for the message.
        otherwise: The value that is used then.
    """

    check: KeptCheck
    words: str
    otherwise: str | None = None


UNREADABLE = "?"
"""Stands for a kept position in a journal that cannot be read, which differs from none being kept."""


KeptKey = NewType("KeptKey", str)
"""The name of a kept value in the file. Made only in this module, so that each has its rule."""

USER_ID = KeptKey("user_id")
"""The player's random id, made once in a data folder's life."""
DIMENSIONS = (KeptKey("custom_01"), KeptKey("custom_02"), KeptKey("custom_03"))
"""The custom dimensions."""
GENDER, BIRTH_YEAR, FACEBOOK_ID = KeptKey("gender"), KeptKey("birth_year"), KeptKey("facebook_id")
FACTS: Mapping[str, KeptKey] = {str(key): key for key in (GENDER, BIRTH_YEAR, FACEBOOK_ID)}
"""The facts of the player that are kept, by their names on the wire."""
CONSENT = KeptKey("consent")
"""The player's last answer."""
REMOTE_CONFIGS = KeptKey("remote_configs")
"""The last answer of a service with remote configs, as JSON."""
SESSION_NUM = KeptKey("session_num")
"""The number of sessions so far."""
TRANSACTION_NUM = KeptKey("transaction_num")
"""The number of purchases so far."""
OUTBOX_SIZE = KeptKey("outbox_bytes")
"""The size of the records that wait in this file; never copied to another file."""
SET_ASIDE = KeptKey("salvage")
"""The damaged file that was set aside and whose records are still to be saved."""
CLEARED_FOR = KeptKey("cleared_for")
"""The launch of the yes for which the data of before a no were deleted; see `delivery.consent_mark`."""
SAVED_FROM = KeptKey("saved_from")
"""The removed file whose records were saved into this one."""

COUNTERS = frozenset({SESSION_NUM, TRANSACTION_NUM})
"""Values that only grow, by `Transaction.increment`."""

_JOURNAL, _POGR_SESSION, _UNDECIDED = "journal:", "pogr_session:", "undecided:"
JOURNALS = f"{_JOURNAL}*"
"""An SQL GLOB pattern that matches the keys of all positions in journals."""


def journal_position(launch: str) -> KeptKey:
    """Return the key of the number up to which a launch's journal is committed."""
    return KeptKey(_JOURNAL + launch)


def pogr_session(session_id: str) -> KeptKey:
    """Return the key of POGR's data of a session, which are JSON."""
    return KeptKey(_POGR_SESSION + session_id)


def pogr_sessions(found: Mapping[str, str]) -> dict[str, str]:
    """Return the kept data of POGR's sessions by our session id."""
    return {key.removeprefix(_POGR_SESSION): text for key, text in found.items() if key.startswith(_POGR_SESSION)}


def undecided_count(destination: str) -> KeptKey:
    """Return the key of the number of times a destination did not say whether it took a batch."""
    return KeptKey(_UNDECIDED + destination)


def of_destination(name: str) -> KeptKey:
    """Return the key under which a destination keeps a value of its own; see `Host.remember`."""
    return KeptKey(name)


class Remember(NamedTuple):
    """A request to keep a value across launches; `None` forgets it."""

    key: KeptKey
    value: str | None


class Beginning(NamedTuple):
    """The kept values that a starting tracker needs.

    Attributes:
        user_id: The player's random id.
        dimensions: The custom dimensions.
        facts: The facts of the player, by name; those that are not kept are not in it.
        remote_configs: The last answer of a service with remote configs; empty if there was none.
    """

    user_id: str
    dimensions: tuple[str | None, str | None, str | None]
    facts: Mapping[str, str | int]
    remote_configs: Mapping[str, Any]


def beginning(found: Mapping[KeptKey, str]) -> Beginning:
    """Read the values that a starting tracker needs from the kept values."""
    first, second, third = map(found.get, DIMENSIONS)
    configs = from_json(found.get(REMOTE_CONFIGS, "{}"))
    facts = {name: int(found[key]) if key == BIRTH_YEAR else found[key] for name, key in FACTS.items() if key in found}
    return Beginning(found[USER_ID], (first, second, third), facts, configs or {})


def configs_for(answer: Mapping[str, Any], user_id: str) -> Mapping[str, Any]:
    """Return a kept answer with remote configs if it holds for this player, else an empty one.

    The group of an A/B test, and the values that come with it, hold for the player who asked. Without a group the
    values are those of all players, so they hold for another `user_id`, too.
    """
    is_of_group = bool(answer.get("ab_id") or answer.get("ab_variant_id"))
    return {} if is_of_group and answer.get("user_id") != user_id else answer


def _file_name(text: str) -> str | None:
    """Check the name of a file beside the outbox, which is no path."""
    return _short_printable(text) if text.strip(".") and not {"/", "\\", ":"} & set(text) else None


def _short_printable(text: str) -> str | None:
    return text if 0 < len(text) <= MAX_KEPT_NAME and text.isprintable() else None


_DIMENSION = Rule(_by(rules.custom_dimension), "the dimension is not set")
_VALUES: dict[str, Rule] = {
    USER_ID: Rule(_well_formed_user_id, "the player gets a new random id"),
    **dict.fromkeys(DIMENSIONS, _DIMENSION),
    GENDER: Rule(_by(rules.gender), "it is not known"),
    BIRTH_YEAR: Rule(_year, "it is not known"),
    FACEBOOK_ID: Rule(_by(rules.service_id), "it is not known"),
    CONSENT: Rule(_one_of("granted", "denied"), "the player is asked again"),
    SESSION_NUM: Rule(_counter, "sessions are counted from 1 again"),
    TRANSACTION_NUM: Rule(_counter, "purchases are counted from 1 again"),
    OUTBOX_SIZE: Rule(_counter, "the size is counted anew"),
    SET_ASIDE: Rule(_file_name, "what was set aside is not saved"),
    CLEARED_FOR: Rule(_short_printable, "what a denial of consent left is deleted, and all that waits with it"),
    SAVED_FROM: Rule(_short_printable, "what waited in the removed file may be saved again"),
    REMOTE_CONFIGS: Rule(_object, "the defaults are in force until the service answers"),
}
_PREFIXES: dict[str, Rule] = {
    _JOURNAL: Rule(_counter, "the position in the journal itself is used", UNREADABLE),
    _POGR_SESSION: Rule(_service_session, "the service gets a new session"),
    _UNDECIDED: Rule(_counter, "the tries are counted from 1 again"),
}
_OTHERS = Rule(_any_text, "it is as if it had not been kept")  # a value of a game's own destination, which checks it


def value(name: str, found: object, say: Say) -> str | None:
    """Return a kept value that may be used. For a wrong one, report it and return its rule's `otherwise`."""
    if found is None:
        return None
    rule = _rule(name)
    problem = "cannot be understood"
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= MAX_COUNT:
        found = str(found)  # an earlier version stored sizes as numbers
    if not isinstance(found, str):
        problem = f"is {type(found).__name__}, not text"
    elif len(found) > MAX_KEPT_CHARACTERS:
        problem = f"has {len(found)} characters, at most {MAX_KEPT_CHARACTERS} are read"
    else:
        try:
            sound = rule.check(found)
        except (ValueError, RecursionError):
            sound = None
        if sound is not None:
            return sound
    say(f"kept:{name}", f"the kept value {name!r} {problem}: {rule.words}")
    return rule.otherwise


def values(pairs: Iterable[tuple[object, object]], say: Say) -> dict[KeptKey, str]:
    """Return all kept values that may be used, except `OUTBOX_SIZE`, which holds for one file only."""
    found: dict[KeptKey, str] = {}
    for name, text in pairs:
        if len(found) >= MAX_KEPT_VALUES:
            say("kept:number", f"there are more than {MAX_KEPT_VALUES} kept values; the others are not read")
            break
        if name == OUTBOX_SIZE:
            continue
        if isinstance(name, str) and (sound := value(name, text, say)) is not None:
            found[KeptKey(name)] = sound
    return found


def storable(name: str, text: object, say: Say) -> bool:
    """Return whether a value may be kept, because the next launch can read it; report if not. `None` always may."""
    if text is None:
        return True
    if value(name, text, say) is None:
        return False
    try:
        f"{name}{text}".encode()
    except UnicodeEncodeError:
        say(f"kept:{name}", f"the value {name!r} is not kept: it has half a surrogate pair, which UTF-8 cannot say")
        return False
    return True


def count(found: object, most: int = MAX_COUNT) -> int:
    """Return a kept whole number, stored as text or as a number; 0 if it is wrong."""
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 20:
        found = int(found)
    return found if type(found) is int and 0 <= found <= most else 0


def amount(found: object) -> float | None:
    """Return a kept sum; `None` if it is wrong."""
    if type(found) is not float and type(found) is not int:
        return None
    return float(found) if -MAX_SUM <= found <= MAX_SUM else None


def from_json(text: str | bytes) -> Any:
    """Decode JSON; return `None` if it is invalid or nested deeper than Python's recursion limit allows."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(_name: str) -> None:
    raise ValueError("NaN and infinity have no JSON form")


def _rule(name: str) -> Rule:
    found = _VALUES.get(name)
    return found or next((rule for start, rule in _PREFIXES.items() if name.startswith(start)), _OTHERS)
