"""Annotations, the fields that all events carry: one table with the rule and the origin of each.

`records.Context` takes its parts from here, the encoder its JSON, the journal the values and their checks, the
collector its validation; a test compares `docs/events.md` with it. A new annotation needs a row here and a row in that
list. One that never changes during a launch has `Origin.LAUNCH` and `fixed`; one that changes has `Origin.CONTEXT`, a
`part` whose type `records.Context` declares, and a caller of `Recorder.change`. What is sent about the player or the
machine is described in `docs/privacy.md`, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from ga_pygame import device, rules
from ga_pygame.checks import Check, Flag, Integer, InvalidEvent, OneOf, Text
from ga_pygame.rules import Field


class Origin(Enum):
    """The source of an annotation's value."""

    LAUNCH = "the machine or this package; never changes during a launch"
    SESSION = "the session"
    CONTEXT = "`records.Context`: what is in force at the call"
    EVENT = "the writer: each event has its own"
    OTHERS = "only official SDKs, whose events the collector takes too"


_DEFAULTS_SOURCE = "REST v2, Default annotations"
_unknown = Text(64, "schema, Default annotations")
_name_of_device = Text(64, "schema, Default annotations", shortest=1)
_nonempty = Text(2**16, _DEFAULTS_SOURCE, shortest=1)
_short = Text(32, _DEFAULTS_SOURCE)
_flag = Field(Flag(_DEFAULTS_SOURCE))
_id = Field(Text(256, _DEFAULTS_SOURCE))


class Annotation(NamedTuple):
    """A field that events share.

    Attributes:
        name: The name on the wire.
        field: The server's rule.
        fixed: Returns the value if it comes from the launch, also while the context has none.
        part: The attribute of `Context` that holds it. If several annotations share a part, it is a tuple of their
            values in the order of the table, or a mapping by their names.
        given: The rule for the value that the game passes, if it is not the server's.
        is_kept: Whether the value is kept for the next launch; see `kept`.
    """

    name: str
    field: Field
    origin: Origin = Origin.OTHERS
    fixed: Callable[[], object] | None = None
    part: str = ""
    given: Check | None = None
    is_kept: bool = False


def _required_of_launch(name: str, check: Check, fixed: Callable[[], object]) -> Annotation:
    """Return a field of the launch that every sender must send; the collector refuses events without it.

    For an optional one write `Annotation(name, Field(check), Origin.LAUNCH, fixed=fixed)`.
    """
    return Annotation(name, Field(check, required=True), Origin.LAUNCH, fixed=fixed)


def _custom_dimension(name: str) -> Annotation:
    return Annotation(
        name, Field(_short), Origin.CONTEXT, part="dimensions", given=rules.custom_dimension, is_kept=True
    )


def _fact(name: str, field: Field, given: Check | None = None, *, is_kept: bool = False) -> Annotation:
    """Return a fact of the player or the device; `areas.player_facts.PlayerFacts` has an attribute of its name."""
    return Annotation(name, field, Origin.CONTEXT, part="facts", given=given, is_kept=is_kept)


def _unless_given(name: str) -> Annotation:
    """Return a fact that every sender must send; it is unknown while the game does not tell it."""
    return _fact(name, Field(_unknown, required=True), _name_of_device)._replace(fixed=lambda: device.UNKNOWN)


_client_ts = Integer(
    _DEFAULTS_SOURCE,
    least=rules.CLIENT_TS_RANGE[0],
    most=rules.CLIENT_TS_RANGE[1],
    words="must be seconds since 1970 in 10 or 11 digits (not milliseconds)",
)
_REQUIRED_ID = Field(_nonempty, required=True)
_ANY = Field(rules.anything)

ANNOTATIONS = (
    _required_of_launch("v", Integer(_DEFAULTS_SOURCE, least=2, most=2, words="must be exactly 2"), lambda: 2),
    Annotation("user_id", _REQUIRED_ID, Origin.CONTEXT, part="user_id", given=rules.user_id, is_kept=True),
    _required_of_launch("sdk_version", rules.sdk_version, lambda: rules.SDK_VERSION),
    _required_of_launch("os_version", rules.os_version, device.system_version),
    _unless_given("manufacturer"),
    _unless_given("device"),
    _required_of_launch("platform", rules.platform, device.platform_name),
    Annotation("session_id", Field(rules.uuid, required=True), Origin.SESSION),
    Annotation("session_num", Field(Integer(_DEFAULTS_SOURCE, least=1), required=True), Origin.SESSION),
    Annotation("client_ts", Field(_client_ts, required=True, is_in_schema=False), Origin.EVENT),
    Annotation("event_uuid", Field(rules.uuid), Origin.EVENT),
    Annotation("build", Field(_short), Origin.CONTEXT, part="build", given=rules.build),
    Annotation("user_id_ext", _ANY, Origin.CONTEXT, part="external_user_id", given=rules.external_user_id),
    _custom_dimension("custom_01"),
    _custom_dimension("custom_02"),
    _custom_dimension("custom_03"),
    Annotation("ab_id", _ANY, Origin.CONTEXT, part="extra"),
    Annotation("ab_variant_id", _ANY, Origin.CONTEXT, part="extra"),
    Annotation("configurations", _ANY, Origin.CONTEXT, part="extra"),
    Annotation("configurations_v3", _ANY, Origin.CONTEXT, part="extra"),
    Annotation("custom_fields", Field(rules.custom_fields), Origin.CONTEXT, part="fields"),
    _fact("engine_version", Field(rules.engine_version)),
    _fact("connection_type", Field(OneOf(device.CONNECTIONS, _DEFAULTS_SOURCE))),
    _fact("gender", Field(rules.gender), is_kept=True),
    _fact("birth_year", Field(rules.birth_year), is_kept=True),
    _fact("limit_ad_tracking", _flag),
    _fact("logon_gamecenter", _flag),
    _fact("logon_gameplay", _flag),
    _fact("logon_googleplay", _flag),
    _fact("jailbroken", _flag),
    _fact("facebook_id", _id, rules.service_id, is_kept=True),
    _fact("googleplus_id", _id, rules.service_id),
    _fact("android_id", _id, rules.service_id),
    _fact("ios_idfv", _id, rules.service_id),
    _fact("ios_idfa", _id, rules.service_id),
    _fact("google_aid", _id, rules.service_id),
)
"""All annotations. The collector accepts any other field, as the server does."""

FIELDS: Mapping[str, Field] = {one.name: one.field for one in ANNOTATIONS}
"""The server's rules by name."""

PARTS: Mapping[str, tuple[Annotation, ...]] = {
    part: tuple(one for one in ANNOTATIONS if one.part == part)
    for part in dict.fromkeys(one.part for one in ANNOTATIONS if one.part)
}
"""The annotations in each part of a `Context`."""


@cache
def launch_annotations() -> dict[str, object]:
    """Return the annotations that never change during a launch."""
    return {one.name: one.fixed() for one in ANNOTATIONS if one.fixed is not None}


def context_annotations(context: object) -> dict[str, Any]:
    """Return the annotations that a `Context` holds; those that are `None` are left out."""
    found: dict[str, Any] = {}
    for part, members in PARTS.items():
        value = getattr(context, part)
        if len(members) == 1:
            found[members[0].name] = value
        elif isinstance(value, tuple):
            if len(value) != len(members):
                raise ValueError(f"part `{part}` has {len(value)} values, ANNOTATIONS has {len(members)}")
            found.update((one.name, own) for one, own in zip(members, value, strict=True))
        elif value is not None:
            found.update(value)
    return {name: value for name, value in found.items() if value is not None}


def sound_parts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parts of a `Context` that come from a file; leave out those that break their rule.

    Another version may have more or fewer annotations in a tuple: missing values are `None`, surplus ones are left out.

    Raises:
        InvalidEvent: A required one breaks its rule.
    """
    parts: dict[str, Any] = {}
    for part, members in PARTS.items():
        value = found.get(part)
        if len(members) == 1:
            parts[part] = _kept_value(members[0], value)
        elif isinstance(value, tuple):
            padded = (*value, *[None] * len(members))
            parts[part] = tuple(_kept_value(one, own) for one, own in zip(members, padded, strict=False))
        elif type(value) is dict and all(type(name) is str for name in value):
            rules_of = {one.name: one for one in members}
            parts[part] = {name: own for name, own in value.items() if _is_fit(rules_of.get(name), own)}
    return {part: value for part, value in parts.items() if value is not None}


def _is_fit(one: Annotation | None, value: Any) -> bool:
    """Whether a value of a mapping keeps its rule; `None` and those of another version's annotations do."""
    try:
        if one is not None and value is not None:
            (one.given or one.field.check)(one.name, value)
    except InvalidEvent:
        return False
    return True


def _kept_value(one: Annotation, value: Any) -> Any:
    """Check a value; `None` if it breaks its rule and may be left out."""
    try:
        if value is None and not one.field.required:
            return None
        return (one.given or one.field.check)(one.name, value)
    except InvalidEvent:
        if one.field.required:
            raise
        return None
