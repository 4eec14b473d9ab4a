"""What is kept across launches, each with its check and its default: the one table through which it is read.

A file may be damaged, changed by hand or written by another version. A value that is wrong costs only itself: it is
as if it had never been kept, which is said once. The same checks hold for what is to be kept, so that nothing is
written that would be refused at the next launch.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent

MAX_KEPT_CHARACTERS = 2**17
"""Characters of one kept value; a larger one is not kept."""

MAX_KEPT_VALUES = 256
"""Kept values in all; more than these are not read."""

MAX_COUNT = 2**53
"""The highest that a counter may say, such as the number of sessions; what is above is damaged."""

MAX_ATTEMPTS = 2**31
"""The highest number of attempts at one level."""

MAX_SESSION_SECONDS = 30 * 86_400.0
"""The longest session that is believed; the length of a longer one is taken for damaged."""

MAX_SUM = 1e15
"""The largest amount of a sum that is believed, in either direction."""

MAX_WALLET_FLOWS = 1000
"""Flows in a wallet: before it has more, the sums become events; more than these are not read."""

Say = Callable[[str, str], None]
"""Told a cause and a message, once per cause."""

Check = Callable[[str], str | None]
"""Gives a value as it may be used; `None` where it is wrong. May also raise ValueError."""


def _by(rule: Callable[[str, object], object]) -> Check:
    """A check that is a rule for what the game says."""

    def check(text: str) -> str | None:
        rule("kept value", text)
        return text if text.isprintable() else None

    return check


def _one_of(*words: str) -> Check:
    return lambda text: text if text in words else None


def _counter(text: str) -> str | None:
    return text if text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= MAX_COUNT else None


def _anything(text: str) -> str:
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
        check: See `Check`.
        words: What happens instead when it is wrong.
        otherwise: What it is then.
    """

    check: Check
    words: str
    otherwise: str | None = None


UNREADABLE = "?"
"""A position in a journal that was kept and cannot be understood: something else than none."""


_VALUES: dict[str, Rule] = {
    "user_id": Rule(_by(rules.user_id), "the player gets a new random id"),
    "custom_01": Rule(_by(rules.custom_dimension), "the dimension is not set"),
    "custom_02": Rule(_by(rules.custom_dimension), "the dimension is not set"),
    "custom_03": Rule(_by(rules.custom_dimension), "the dimension is not set"),
    "consent": Rule(_one_of("granted", "denied"), "the player is asked again"),
    "session_num": Rule(_counter, "sessions are counted from 1 again"),
    "transaction_num": Rule(_counter, "purchases are counted from 1 again"),
    "outbox_bytes": Rule(_counter, "the size is counted anew"),
    "trimmed": Rule(_counter, "what is missing may be counted once more"),
    "salvage": Rule(_by(rules.custom_dimension), "what was set aside is not saved"),
    "remote_configs": Rule(_object, "the defaults are in force until the service answers"),
}
_PREFIXES: dict[str, Rule] = {
    "journal:": Rule(_counter, "the journal's own word counts", UNREADABLE),
    "pogr_session:": Rule(_service_session, "the service gets a new session"),
}
_OTHERS = Rule(_anything, "it is as if it had not been kept")  # of a game's own destination, which checks it


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


def values(pairs: Iterable[tuple[object, object]], say: Say) -> dict[str, str]:
    """All kept values that may be used."""
    found: dict[str, str] = {}
    for name, text in pairs:
        if len(found) >= MAX_KEPT_VALUES:
            say("kept:number", f"there are more than {MAX_KEPT_VALUES} kept values; the others are not read")
            break
        if isinstance(name, str) and (sound := value(name, text, say)) is not None:
            found[name] = sound
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


# --- an open session -------------------------------------------------------------------------------------

LAUNCH = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A launch's name is part of file names."""

Flow = tuple[str, str, str, str]


class SessionRow(NamedTuple):
    """An open session's row, checked. See `OpenSession`."""

    session_id: str
    session_num: int
    session_start_ts: float
    client_ts: float
    clock_offset: float | None
    length: float
    annotations: bytes
    attempt: str | None
    wallet: Mapping[Flow, float]


def session_row(columns: tuple[Any, ...]) -> SessionRow | None:
    """An open session's row in the order of its columns; each has its default, `None` where no session is left."""
    if len(columns) != len(SessionRow._fields):
        return None
    session_id, number, start, at, offset, length, annotations, attempt, wallet = columns
    if not isinstance(session_id, str) or not 0 < len(session_id) <= 64 or not session_id.isprintable():
        return None
    said = _annotations(annotations)
    number = count(number) or count((said or {}).get("session_num"))
    if not number:
        return None  # no number is better than a false one
    start, at = _time(start), _time(at)
    if at is None:
        at = start
    if at is None:
        return None
    return SessionRow(
        session_id,
        number,
        at if start is None else start,
        at,
        float(offset) if _is_number(offset) and abs(offset) < MAX_CLOCK_SECONDS else None,
        float(length) if _is_number(length) and 0 <= length <= MAX_SESSION_SECONDS else 0.0,
        bytes(annotations) if said is not None else b"",
        _level(attempt),
        _wallet(wallet),
    )


MAX_CLOCK_SECONDS = 1e11
"""The latest time and the largest clock offset that is believed: some 3,000 years."""


def _is_number(found: object) -> bool:
    return (type(found) is float and math.isfinite(found)) or type(found) is int


def _time(found: Any) -> float | None:
    return float(found) if _is_number(found) and 0 <= found < MAX_CLOCK_SECONDS else None


def _annotations(found: object) -> dict[str, Any] | None:
    """The shared fields of a session's events; `None` where they are none, or name no player."""
    said = from_json(b"{" + found + b"}") if isinstance(found, bytes) and found else None
    if not isinstance(said, dict):
        return None
    user_id = said.get("user_id", "unknown")
    return said if isinstance(user_id, str) and user_id else None


def _level(found: object) -> str | None:
    try:
        if isinstance(found, str):
            rules.progression_levels(tuple(found.split(":")))
            return found
    except InvalidEvent:
        pass
    return None


def _wallet(found: object) -> dict[Flow, float]:
    """Flows that were not sent yet; one that is wrong costs only itself."""
    flows = from_json(found) if isinstance(found, str) else None
    wallet: dict[Flow, float] = {}
    for one in flows[:MAX_WALLET_FLOWS] if isinstance(flows, list) else ():
        try:
            flow, currency, item_type, item_id, amount = one
            rules.resource_currency("currency", currency)
            rules.event_part("item_type", item_type)
            rules.event_part("item_id", item_id)
            rules.positive("amount", amount)
        except (ValueError, TypeError):
            continue
        if flow in ("Source", "Sink"):
            wallet[flow, currency, item_type, item_id] = float(amount)
    return wallet


def lost_flows(found: object, wallet: Mapping[Flow, float]) -> int:
    """How many flows of a kept wallet are not in what was read of it; 1 where nothing says how many there were."""
    flows = from_json(found) if isinstance(found, str) else None
    return max(0, len(flows) - len(wallet)) if isinstance(flows, list) else 1
