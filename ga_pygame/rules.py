"""The limits and patterns that events must keep, each with its source.

One table for both ends: the event classes check the game's arguments, the collector checks the fields of events on the
wire. A broken rule raises `InvalidEvent`, which names the field, the value, the rule and the fix. These checks have no
state and do no I/O; any thread may call them.

Sources are named by page: "REST v2" is GameAnalytics' Collector REST API documentation, "schema" the
published JSON schemas of its servers, "SDK" the behaviour of its official SDKs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any, NamedTuple

from ga_pygame.checks import (
    MAX_PART,
    MISSING,
    Check,
    Counts,
    Integer,
    InvalidEvent,
    Number,
    OneOf,
    Pattern,
    Text,
    exact_number,
    exact_text,
)
from ga_pygame.currencies import CURRENCIES
from ga_pygame.similar import did_you_mean

# --- the table: arguments of calls ----------------------------------------------------------------------

_PART_CHARACTERS = r"[A-Za-z0-9\s\-_.()!?]"
_PART = _PART_CHARACTERS + f"{{1,{MAX_PART}}}"
_PART_WORDS = "1 to 64 of: letters, digits, space, - _ . ( ) ! ?"
_ID_CHARACTERS = r"[A-Za-z0-9\s\-_.()!?:]"
_VERSION = r"[0-9]{0,5}(\.[0-9]{0,5}){0,2}"

event_part = Pattern(
    _PART,
    _PART_WORDS,
    "REST v2, Event ids",
    allowed=_PART_CHARACTERS,
    lines=False,
    parts=1,
)
design_id = Pattern(
    f"{_PART}(:{_PART}){{0,4}}",
    f"1 to 5 parts joined by ':', each {_PART_WORDS}",
    "REST v2, Design",
    allowed=_ID_CHARACTERS,
    lines=False,
    parts=5,
)
resource_currency = Pattern(
    "[A-Za-z]{1,64}", "1 to 64 letters, no digits, no underscore", "schema, Resource", allowed="[A-Za-z]"
)
business_currency = Pattern(
    "|".join(CURRENCIES),
    "a currency of ISO 4217 in upper case, e.g. USD; virtual currency is a resource",
    "REST v2, Business",
    allowed="[A-Z]",
)
amount_cents = Integer("REST v2, Business", words="must be a whole number of cents, 0 or more: 4.99 USD is 499")
positive = Number("ours: an amount", positive=True)
resource_amount = Number("REST v2, Resource", positive=True, fix="; the sign on the wire comes from source or sink")
number = Number("REST v2, Design")
score = Integer("schema, Progression", least=-(2**63), words="must be a whole number", fix="; round it: int(score)")
count = Integer("REST v2, Default annotations")
cart_type = Text(32, "REST v2, Business (short string)")
severity = OneOf(("debug", "info", "warning", "error", "critical"), "REST v2, Error")
message = Text(8192, "schema, Error")
custom_dimension = Text(32, "REST v2, Custom dimensions (short string)", shortest=1)
build = Text(32, "REST v2, Default annotations (short string)", shortest=1)
user_id = Text(64, "SDK, user id", shortest=1)
external_user_id = Text(256, "ours: an id, not a document", shortest=1)
gender = OneOf(("male", "female"), "REST v2, Default annotations")
service_id = Text(256, "REST v2, Default annotations", shortest=1)
birth_year = Integer("REST v2, Default annotations", least=1000, most=9999, words="must be a year of 4 digits")
uuid = Pattern(
    "[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    "a lower-case UUID, e.g. de305d54-75b4-431b-adb2-eb6b9e546014",
    "REST v2, Default annotations",
    repeats=False,
)
game_key = Pattern("[0-9a-f]{32}", "32 lower-case hexadecimal digits", "REST v2, Game keys")
secret_key = Pattern("[0-9a-f]{40}", "40 lower-case hexadecimal digits", "REST v2, Game keys")

MAX_ERROR_MESSAGE = message.longest
MAX_CUSTOM_FIELDS = 50
NOT_NEEDED, ASK = "not_needed", "ask"
"""Whether the player is asked before anything is recorded: the values of the knob `consent`."""

WHO_FIELD = "ga_who"
"""The custom field that says who plays: `developer` or `bot`; a player's events have none. Source: ours."""
WHO_PLAYS = PLAYER, DEVELOPER, BOT = ("player", "developer", "bot")
SENT_BY_FIELD, SERVER = "ga_sent_by", "server"
"""The custom field of events that a game's server sends on behalf of players, and its value."""
SECONDS_FIELD = "seconds"
"""The custom field of Fail and Complete with the attempt's seconds of focus, one decimal. Source: ours."""
CRASH_FIELD = "ga_crash"
"""The custom field that says how an error was noticed, one of `CRASH_KINDS`; other errors have none. Source: ours."""
CRASH_KINDS = MAIN, THREAD, TASK, UNRAISABLE, FATAL, HANG = ("main", "thread", "task", "unraisable", "fatal", "hang")
crash_kind = OneOf(CRASH_KINDS, "ours")
CRUMBS_FIELD = "ga_before"
"""The custom fields `ga_before_1`, … with the events before a critical error, the oldest first. Source: ours."""
HITCHES_FIELD = "hitches"
"""The custom field of Fail and Complete with the attempt's long frames, if it had any. Source: ours."""
_CUSTOM_FIELDS_SOURCE = "SDK, Custom event fields"
custom_field_key = Pattern(
    "[A-Za-z0-9_]{1,64}", "1 to 64 letters, digits or _", _CUSTOM_FIELDS_SOURCE, allowed="[A-Za-z0-9_]"
)
custom_field_text = Text(256, _CUSTOM_FIELDS_SOURCE, shortest=1)
custom_field_number = Number(_CUSTOM_FIELDS_SOURCE)
_known_keys, _LONGEST_TEXT, _USUAL = custom_field_key.remembered, custom_field_text.longest, 2**53

PATTERNS_OF_CALLS = (event_part, design_id, resource_currency, business_currency, custom_field_key)
"""The patterns that check a game's calls; `Tracker.start()` compiles them, so that no frame waits for it."""


def _is_usual(key: object, value: object) -> bool:
    """Whether a quick test shows that a custom field is valid and of exact types; else it needs the full check."""
    if type(key) is not str or key not in _known_keys:
        return False
    kind = type(value)
    if kind is str:  # the value gets no variable of type `str`, which would cost 0.5 µs
        return 0 < len(value) <= _LONGEST_TEXT and value.isascii()  # type: ignore[arg-type, attr-defined]  # it is a str
    return (kind is int or kind is float) and -_USUAL <= value <= _USUAL  # type: ignore[operator]  # it is a number


def custom_field(key: object, value: object) -> tuple[str, str | int | float]:
    """Check one custom field: a key of 1 to 64 word characters; a string of 1 to 256 characters or a finite number."""
    name = custom_field_key("custom_fields key", key)
    field = f"custom_fields.{name}"
    if issubclass(type(value), str):
        return name, custom_field_text(field, value)
    number = exact_number(value)
    if number is None:
        fix = "must be a string or a number; write a bool as 0 or 1 and leave out what is None"
        raise InvalidEvent(field, value, fix, _CUSTOM_FIELDS_SOURCE, "wrong_type", private=True)
    return name, custom_field_number(field, number)


def custom_fields(field: str, value: object) -> dict[str, str | int | float]:
    """Check all custom fields of one event, a mapping of at most 50; return it, or a copy with exact types."""
    if type(value) is not dict:
        return _foreign_fields(field, value)
    if len(value) > MAX_CUSTOM_FIELDS:
        words = f"must have at most {MAX_CUSTOM_FIELDS} entries, has {len(value)}"
        raise InvalidEvent(field, MISSING, words, _CUSTOM_FIELDS_SOURCE, "not_in_range")
    others: dict[object, tuple[str, str | int | float]] = {}
    for key, entry in value.items():
        if not _is_usual(key, entry):
            checked = custom_field(key, entry)
            if checked[0] is not key or checked[1] is not entry:
                others[key] = checked
    if others:
        return dict(others.get(key) or (key, entry) for key, entry in value.items())
    return value


def _foreign_fields(field: str, value: object) -> dict[str, str | int | float]:
    """Check custom fields that are not a dict; their `items()` may be endless, whatever their `len()` returns."""
    if not isinstance(value, Mapping):
        raise InvalidEvent(field, value, "must be a mapping", _CUSTOM_FIELDS_SOURCE, "wrong_type", private=True)
    found = [custom_field(key, entry) for key, entry in islice(value.items(), MAX_CUSTOM_FIELDS + 1)]
    if len(found) > MAX_CUSTOM_FIELDS:
        words = f"must have at most {MAX_CUSTOM_FIELDS} entries, has more"
        raise InvalidEvent(field, MISSING, words, _CUSTOM_FIELDS_SOURCE, "not_in_range")
    return dict(found)


_RECEIPT_SOURCE = "REST v2, Business, receipt_info"
_STORES = ("apple", "google_play")
_MAX_RECEIPT = 2**16
_RECEIPT = Pattern(
    "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)", "", _RECEIPT_SOURCE, repeats=False
)


def receipt_info(field: str, value: object) -> dict[str, str]:
    """Check a shop's receipt: `store` is apple or google_play, `receipt` is base64, google_play needs a `signature`.

    Its words never contain the receipt, which proves a purchase of a person.
    """
    if not isinstance(value, Mapping):
        raise _wrong_receipt(field, value, 'must be a mapping: {"store": "apple", "receipt": "…"}', "wrong_type")
    found = {name: exact_text(value.get(name)) for name in ("store", "receipt", "signature") if name in value}
    if len(found) != len(value):
        raise _wrong_receipt(field, value, "may have store, receipt and signature only; leave out the rest")
    for name, text in found.items():
        if text is None or len(text) > _MAX_RECEIPT:
            words = f"{name} must be a string of at most {_MAX_RECEIPT} characters; leave out what you do not have"
            raise _wrong_receipt(field, value, words, "wrong_type" if text is None else "wrong_length")
    checked = {name: text for name, text in found.items() if text is not None}
    if checked.get("store") not in _STORES:
        raise _wrong_receipt(
            field, value, f"store must be one of: {', '.join(_STORES)}; leave out other stores' receipts"
        )
    if not _is_base64(checked.get("receipt", "")):
        raise _wrong_receipt(field, value, "receipt must be in base64 and not empty: base64.b64encode(data).decode()")
    signature = checked.get("signature", "")
    if checked["store"] == "google_play" and not signature:
        raise _wrong_receipt(field, value, "signature is required for google_play: the signature of the purchase")
    if not signature.isascii():
        raise _wrong_receipt(field, value, "signature must be ASCII text, as the store gives it")
    return checked


def _is_base64(text: str) -> bool:
    return _RECEIPT.compile().fullmatch(text) is not None


def _wrong_receipt(field: str, value: object, words: str, kind: str = "no_match") -> InvalidEvent:
    return InvalidEvent(field, value, words, _RECEIPT_SOURCE, kind, private=True)


def progression_levels(levels: tuple[object, ...]) -> tuple[str, ...]:
    """Check the one to three parts of a progression, outermost first."""
    if not 1 <= len(levels) <= 3:
        words = f"must have 1 to 3 parts such as 'forest', 'level_1'; has {len(levels)}"
        raise InvalidEvent("progression", MISSING, words, "REST v2, Progression", "wrong_length")
    return tuple(event_part(f"progression{position}", part) for position, part in enumerate(levels, 1))


def exception(field: str, value: object) -> None:
    """Check that a value is an exception."""
    if not issubclass(type(value), BaseException):  # a mock's `__class__` deceives `isinstance`
        words = "must be an exception; report a text with tracker.error(severity, message)"
        raise InvalidEvent(field, value, words, "ours", "wrong_type", private=True)


def declared(field: str, value: object, names: Collection[str] | None) -> None:
    """Check a name against the list that the game declared; `None` means that it declared none."""
    if names is not None and value not in names:
        words = f"is not declared; declared are: {', '.join(sorted(names))}.{did_you_mean(str(value), names)}"
        words += " Add it to the list or correct the name"
        raise InvalidEvent(field, value, words, "the game's own declared list", "not_in_enum")


fps_table = Counts(121, "SDK, Health events")
memory_table = Counts(101, "SDK, Health events")
device_text = Text(256, "SDK, Health events")


def boolean(field: str, value: object) -> bool:
    """Check that a value is true or false."""
    if type(value) is not bool:
        raise InvalidEvent(field, value, "must be true or false", "SDK, Init events", "wrong_type")
    return value


AD_ACTIONS = ("clicked", "show", "failed_show", "reward_received")
AD_TYPES = ("video", "rewarded_video", "playable", "interstitial", "offer_wall", "banner")
AD_VIDEOS = ("video", "rewarded_video")
AD_REASONS = ("unknown", "offline", "no_fill", "internal_error", "invalid_request", "unable_to_precache")
_ADS = "SDK, Ad events"
ad_action, ad_type = OneOf(AD_ACTIONS, _ADS), OneOf(AD_TYPES, _ADS)
ad_reason = OneOf(AD_REASONS, _ADS)
ad_sdk = Text(32, _ADS, shortest=1)
ad_placement = Text(64, _ADS, shortest=1)
ad_duration = Integer(_ADS, words="must be a whole number of milliseconds, 0 or more", fix="; round it")

_IMPRESSIONS = "SDK, Impression events"
ad_network = Text(64, _IMPRESSIONS, shortest=1)
MAX_IMPRESSION_FIELDS = 50
_impression_key = Text(64, _IMPRESSIONS, shortest=1)
_impression_text = Text(256, _IMPRESSIONS)
_impression_number = Number(_IMPRESSIONS)


def impression_data(field: str, value: object) -> dict[str, str | int | float | bool]:
    """Check what a network says about an impression: at most 50 texts, numbers and booleans; `None` is left out.

    `publisher_revenue` is a number of 0 or more, `currency` one of ISO 4217.
    """
    if not isinstance(value, Mapping):
        raise InvalidEvent(
            field, value, 'must be a mapping: {"publisher_revenue": 0.01, …}', _IMPRESSIONS, "wrong_type"
        )
    pairs = [(key, one) for key, one in islice(value.items(), MAX_IMPRESSION_FIELDS + 1) if one is not None]
    if len(pairs) > MAX_IMPRESSION_FIELDS:
        words = f"must have at most {MAX_IMPRESSION_FIELDS} entries, has more"
        raise InvalidEvent(field, MISSING, words, _IMPRESSIONS, "not_in_range")
    named = [(_impression_key(f"{field} key", key), one) for key, one in pairs]
    return {name: _impression_value(f"{field}.{name}", name, one) for name, one in named}


def _impression_value(field: str, name: str, value: object) -> str | int | float | bool:
    if name == "publisher_revenue":
        revenue = _impression_number(field, value)
        if revenue < 0:
            raise InvalidEvent(field, value, "must be 0 or more", _IMPRESSIONS, "not_in_range")
        return revenue
    if name == "currency":
        return business_currency(field, value)
    if type(value) is bool:
        return value
    return _impression_text(field, value) if issubclass(type(value), str) else _impression_number(field, value)


def impression_object(field: str, value: object) -> object:
    """Check what another SDK sends about an impression: an object, since each network has fields of its own."""
    if not isinstance(value, Mapping):
        raise InvalidEvent(field, value, "must be an object", _IMPRESSIONS, "wrong_type")
    return value


# --- the table: the wire --------------------------------------------------------------------------------

PLATFORMS = (
    "ios android windows windows_phone blackberry roku tizen nacl mac_osx tvos webplayer ps4 xboxone "
    "uwp_mobile uwp_desktop uwp_console uwp_iot uwp_surfacehub webgl xbox360 ps3 psm vita wiiu samsung_tv "
    "linux watch_os kai_os uwp_holographic"
).split()
_ENGINES = (
    r"unity|unreal|corona|marmalade|xamarin(\.ios|\.android|\.mac)?|gamemaker|flash|cocos2d|monogame|stingray|"
    "cryengine|buildbox|defold|lumberyard|frvr|construct|godot|stencyl|fusion|nativescript"
)
_SDKS = (
    r"ios|android|unity|unreal|corona|marmalade|xamarin(\.ios|\.android|\.mac)?|gamemaker|flash|cocos2d|javascript|"
    "tvos|uwp|wsa|buildbox|defold|cpp|mono|lumberyard|stingray|frvr|air|uwp_cpp|tizen|construct|godot|stencyl|"
    "fusion|nativescript|roblox|flutter"
)
SDK_VERSION = "rest api v2"
CLIENT_TS_RANGE = (1_000_000_000, 99_999_999_999)

_ANNOTATIONS = "REST v2, Default annotations"
sdk_version = Pattern(
    rf"rest api v2|({_SDKS}) {_VERSION}(-?(alpha|beta|a|b))?", "a custom client sends 'rest api v2'", _ANNOTATIONS
)
os_version = Pattern(
    rf"({'|'.join(PLATFORMS)}) {_VERSION}",
    "a platform and up to three numbers, e.g. 'linux 6.8.0', 'mac_osx 14.5', 'windows 10.0.22631'",
    _ANNOTATIONS,
)
engine_version = Pattern(
    rf"({_ENGINES}) {_VERSION}", "a known engine and up to three numbers; pygame is not among them", _ANNOTATIONS
)
platform = OneOf(PLATFORMS, _ANNOTATIONS)
business_id = Pattern(
    f"{_PART}:{_PART}", f"itemType:itemId, each {_PART_WORDS}", "REST v2, Business", allowed=_ID_CHARACTERS
)
resource_id = Pattern(
    f"(Sink|Source):[A-Za-z]{{1,64}}:{_PART}:{_PART}",
    f"Sink or Source, currency (letters only), itemType, itemId, joined by ':', each {_PART_WORDS}",
    "REST v2, Resource",
    allowed=_ID_CHARACTERS,
)
progression_id = Pattern(
    f"(Start|Fail|Complete):{_PART}(:{_PART}){{0,2}}",
    f"Start, Fail or Complete and 1 to 3 parts joined by ':', each {_PART_WORDS}",
    "REST v2, Progression",
    allowed=_ID_CHARACTERS,
)
wire_design_id = Pattern(
    f"{_PART}(:{_PART}){{0,4}}",
    f"1 to 5 parts joined by ':', each {_PART_WORDS}",
    "REST v2, Design",
    allowed=_ID_CHARACTERS,
)


def anything(field: str, value: object) -> None:
    """Accept any value: official SDKs send the field, but no rule is published."""


class Field(NamedTuple):
    """One field of an event on the wire.

    Attributes:
        check: Its rule.
        required: Whether every event must have it.
        is_in_schema: Whether the published schemas require it, too. If only the REST document does, official SDKs may
            leave it out, and so may all clients of a lenient collector.
    """

    check: Check
    required: bool = False
    is_in_schema: bool = True


class EventRule(NamedTuple):
    """A rule about several fields of an event on the wire, which the REST document has and the published schemas lack.

    Attributes:
        check: Takes the event, whose single fields may be wrong; raises `InvalidEvent`.
        is_broken_by_sdks: Whether official SDKs were seen to break it, so that it holds for other clients only.
    """

    check: Callable[[Mapping[str, Any]], None]
    is_broken_by_sdks: bool = False


def _check_sign_of_flow(event: Mapping[str, Any]) -> None:
    amount, event_id = exact_number(event.get("amount")), event.get("event_id")
    if amount is None or not isinstance(event_id, str):
        return
    flow = event_id.partition(":")[0]
    if flow == "Sink" and not amount < 0:
        words = "must be less than 0, since the event_id begins with Sink: 100 gold spent is -100"
    elif flow == "Source" and amount < 0:
        words = "must not be less than 0, since the event_id begins with Source"
    else:
        return
    raise InvalidEvent("amount", amount, words, "REST v2, Resource", "not_in_range")


def _check_start_without(field: str) -> Callable[[Mapping[str, Any]], None]:
    """Make a check that a progression event with the status Start does not have a field."""

    def check(event: Mapping[str, Any]) -> None:
        event_id = event.get("event_id")
        if event.get(field) is not None and isinstance(event_id, str) and event_id.partition(":")[0] == "Start":
            words = "must be left out of a Start: only Fail and Complete have it"
            raise InvalidEvent(field, event[field], words, "REST v2, Progression", "no_extra_properties_allowed")

    return check


def _check_reason_of_ad(event: Mapping[str, Any]) -> None:
    if event.get("ad_fail_show_reason") is not None and event.get("ad_action") != "failed_show":
        words = "must be left out: only an ad with the ad_action failed_show has a reason"
        raise _wrong_ad("ad_fail_show_reason", event, words)


def _check_duration_of_ad(event: Mapping[str, Any]) -> None:
    if event.get("ad_duration") is not None and event.get("ad_type") not in AD_VIDEOS:
        words = f"must be left out: only an ad of the ad_type {' or '.join(AD_VIDEOS)} has it"
        raise _wrong_ad("ad_duration", event, words)


def _wrong_ad(field: str, event: Mapping[str, Any], words: str) -> InvalidEvent:
    return InvalidEvent(field, event[field], words, _ADS, "no_extra_properties_allowed")


reason_of_failed_ad = EventRule(_check_reason_of_ad)
"""Only an ad that could not be shown has a reason."""
duration_of_video_ad = EventRule(_check_duration_of_ad)
"""Only videos have a duration."""
sign_of_flow = EventRule(_check_sign_of_flow, is_broken_by_sdks=True)
"""A sink's amount is negative, a source's is not. The JavaScript SDK does not negate it if the flow is a text."""
no_attempt_at_start = EventRule(_check_start_without("attempt_num"))
"""Only Fail and Complete count an attempt."""
no_score_at_start = EventRule(_check_start_without("score"))
"""Only Fail and Complete have a score."""
