"""What is kept across launches: each value's name, its check and its default. Nobody else knows a name.

A file may be damaged, changed by hand or written by another version. A value that is wrong costs only itself: it is
as if it had never been kept, which is said once. The same checks hold for what is to be kept, so that nothing is
written that would be refused at the next launch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NewType

from ga_pygame import rules

MAX_KEPT_CHARACTERS = 2**17
"""Characters of one kept value; a larger one is not kept."""

MAX_KEPT_VALUES = 256
"""Kept values in all; more than these are not read."""

MAX_COUNT = 2**53
"""The highest that a counter may say, such as the number of sessions; what is above is damaged."""

MAX_ATTEMPTS = 2**31
"""The highest number of attempts at one level."""

LAUNCH = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A launch's name is part of file names."""

MAX_SUM = 1e15
"""The largest amount of a sum that is believed, in either direction."""

Say = Callable[[str, str], None]
"""Told a cause and a message, once per cause."""

KeptCheck = Callable[[str], str | None]
"""Gives a value as it may be used; `None` where it is wrong. May also raise ValueError."""


def _by(rule: Callable[[str, object], object]) -> KeptCheck:
    """A check that is a rule for what the game says."""

    def check(text: str) -> str | None:
        rule("kept value", text)
        return text if text.isprintable() else None

    return check


def _one_of(*words: str) -> KeptCheck:
    return lambda text: text if text in words else None


def _counter(text: str) -> str | None:
    return text if text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= MAX_COUNT else None


def _any_text(text: str) -> str:
    return text


def _object(text: str) -> str | None:
    """A JSON object; who reads it takes the sound part, see `remote_configs.sound`."""
    return text if isinstance(from_json(text), dict) else None


def _service_session(text: str) -> str | None:
    """What a destination keeps of a service's session: an object of short names that can stand in a header."""
    found = from_json(text)
    if not isinstance(found, dict) or len(found) > 16:
        return None
    for value in found.values():
        is_name = isinstance(value, str) and len(value) <= 256 and value.isascii() and value.isprintable()
        if not (is_name or isinstance(value, bool)):
            return None
    return text


class Rule(NamedTuple):
    """How one value is read.

    Attributes:
        check: See `KeptCheck`.
        words: What happens instead when it is wrong.
        otherwise: What it is then.
    """

    check: KeptCheck
    words: str
    otherwise: str | None = None


UNREADABLE = "?"
"""A position in a journal that was kept and cannot be understood: something else than none."""


KeptKey = NewType("KeptKey", str)
"""The name of a kept value, as it stands in the file. Made in this module only, so that each has its rule."""

USER_ID = KeptKey("user_id")
"""The player's random id, made once in a data folder's life."""
DIMENSIONS = (KeptKey("custom_01"), KeptKey("custom_02"), KeptKey("custom_03"))
"""The custom dimensions."""
CONSENT = KeptKey("consent")
"""What the player said last."""
REMOTE_CONFIGS = KeptKey("remote_configs")
"""The last answer of a service with remote configs, as JSON."""
SESSION_NUM = KeptKey("session_num")
"""How many sessions there were."""
TRANSACTION_NUM = KeptKey("transaction_num")
"""How many purchases there were."""
OUTBOX_SIZE = KeptKey("outbox_bytes")
"""The size of what waits in this very file; told to no other one."""
SET_ASIDE = KeptKey("salvage")
"""The file that was set aside and whose records are still to be saved."""
SAVED_FROM = KeptKey("saved_from")
"""The removed file whose records were saved in this one."""

COUNTERS = frozenset({SESSION_NUM, TRANSACTION_NUM})
"""Values that only grow, by `Transaction.increment`."""

_JOURNAL, _POGR_SESSION = "journal:", "pogr_session:"
JOURNALS = f"{_JOURNAL}*"
"""A pattern that fits the keys of all positions in journals. Of GLOB."""


def journal_position(launch: str) -> KeptKey:
    """The key of the number up to which a launch's journal is committed."""
    return KeptKey(_JOURNAL + launch)


def pogr_session(session_id: str) -> KeptKey:
    """The key of what POGR calls a session, as JSON."""
    return KeptKey(_POGR_SESSION + session_id)


def pogr_sessions(found: Mapping[str, str]) -> dict[str, str]:
    """What is kept of POGR's sessions, by the session's own id."""
    return {key.removeprefix(_POGR_SESSION): text for key, text in found.items() if key.startswith(_POGR_SESSION)}


def undecided_count(destination: str) -> KeptKey:
    """The key of how often a destination did not say whether it took a batch."""
    return KeptKey(f"undecided:{destination}")


def of_destination(name: str) -> KeptKey:
    """The key under which a destination keeps a value of its own; see `Host.remember`."""
    return KeptKey(name)


class Remember(NamedTuple):
    """A wish to keep a value across launches; `None` forgets it."""

    key: KeptKey
    value: str | None


class Beginning(NamedTuple):
    """What a tracker that starts is told of earlier launches.

    Attributes:
        user_id: The player's random id.
        dimensions: The custom dimensions.
        remote_configs: The last answer of a service.
    """

    user_id: str
    dimensions: tuple[str | None, str | None, str | None]
    remote_configs: Mapping[str, Any]


def beginning(found: Mapping[KeptKey, str]) -> Beginning:
    """Read what a tracker that starts needs of the kept values."""
    first, second, third = map(found.get, DIMENSIONS)
    configs = from_json(found.get(REMOTE_CONFIGS, "{}"))
    return Beginning(found[USER_ID], (first, second, third), configs or {})


_DIMENSION = Rule(_by(rules.custom_dimension), "the dimension is not set")
_VALUES: dict[str, Rule] = {
    USER_ID: Rule(_by(rules.user_id), "the player gets a new random id"),
    **dict.fromkeys(DIMENSIONS, _DIMENSION),
    CONSENT: Rule(_one_of("granted", "denied"), "the player is asked again"),
    SESSION_NUM: Rule(_counter, "sessions are counted from 1 again"),
    TRANSACTION_NUM: Rule(_counter, "purchases are counted from 1 again"),
    OUTBOX_SIZE: Rule(_counter, "the size is counted anew"),
    SET_ASIDE: Rule(_by(rules.custom_dimension), "what was set aside is not saved"),
    REMOTE_CONFIGS: Rule(_object, "the defaults are in force until the service answers"),
}
_PREFIXES: dict[str, Rule] = {
    _JOURNAL: Rule(_counter, "the journal's own word counts", UNREADABLE),
    _POGR_SESSION: Rule(_service_session, "the service gets a new session"),
}
_OTHERS = Rule(_any_text, "it is as if it had not been kept")  # of a game's own destination, which checks it


def value(name: str, found: object, say: Say) -> str | None:
    """A kept value as it may be used; `None` (or the rule's own word) if it is wrong, which is said once."""
    if found is None:
        return None
    rule = _rule(name)
    problem = "cannot be understood"
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= MAX_COUNT:
        found = str(found)  # an earlier version stored sizes so
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
    """All kept values that may be used, but for what is said of one file only."""
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
    """Whether a value may be kept: whether the next launch can read it. `None` forgets one."""
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
    """A kept number, as text or as itself; 0 where it is wrong."""
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 20:
        found = int(found)
    return found if type(found) is int and 0 <= found <= most else 0


def amount(found: object) -> float | None:
    """A kept sum; `None` where it is wrong."""
    if type(found) is not float and type(found) is not int:
        return None
    return float(found) if -MAX_SUM <= found <= MAX_SUM else None


def from_json(text: str | bytes) -> Any:
    """What JSON says; `None` where it says nothing, or nests deeper than Python can follow."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(_name: str) -> None:
    raise ValueError("NaN and infinity have no JSON form")


def _rule(name: str) -> Rule:
    found = _VALUES.get(name)
    return found or next((rule for start, rule in _PREFIXES.items() if name.startswith(start)), _OTHERS)
