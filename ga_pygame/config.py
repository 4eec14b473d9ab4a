"""Defines each knob once: its default, its unit and the environment variable that sets it.

A keyword of `Tracker` wins over the environment, the environment over the default. A wrong keyword raises at once,
since a developer sees it. A wrong environment value is logged and not used, since the game may run for a player.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent, Pattern
from ga_pygame.forms import (
    MAX_DECLARED,
    Address,
    Boolean,
    Choice,
    Destinations,
    DimensionValues,
    Folder,
    Form,
    Names,
    PlanFile,
    Seconds,
    Size,
    Word,
    from_text,
    wrong,
)

if TYPE_CHECKING:
    from ga_pygame.protocol import Destination

SANDBOX_GAME_KEY = "5c6bcb5402204249437fb5a7a80a4959"
SANDBOX_SECRET_KEY = "16813a12f718bc5c620f56944e1abc3ea13ccbac"  # noqa: S105 - published for everyone
"""GameAnalytics' published sandbox pair. Source: REST v2, Sandbox keys."""

OTHER_VARIABLES = frozenset(
    f"GA_PYGAME_{name}" for name in ("AB_VARIANT", "BENCH", "CLICKHOUSE_PASSWORD", "GAMES", "PAGE_TOKEN")
)
"""Environment variables of this package that are not knobs of a tracker."""
_OTHER_PREFIX = "GA_PYGAME_CONFIG_"
"""What those begin with that set a remote config; see `remote_configs.overrides_of`."""

_UPLOAD_SECONDS = 20.0
_UPLOAD_SECONDS_TO_COLLECTOR = 1.0
_GAME = Pattern("[A-Za-z0-9_-]{1,40}", "1 to 40 letters, digits, - or _", "ours: it names a folder", allowed="[\\w-]")
_KEY_NAME = Pattern("[ -~]{1,30}", "1 to 30 characters, such as f9 or left shift", "ours: pygame's name of a key")
_MAX_UNKNOWN = 5


def _knob(default: Any, text: str, form: Form, *, unit: str = "", env: str = "", secret: bool = False) -> Any:
    metadata = {"doc": text, "unit": unit, "env": f"GA_PYGAME_{env}" if env else "", "form": form}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The knobs of one tracker. Frozen; checked when it is made. `docs/knobs.md` describes each.

    Raises:
        InvalidEvent: A key, a name or an id breaks a rule of the service.
        ValueError: A number is out of range.
        TypeError: There is no knob of that name.
    """

    game_key: str | None = _knob(None, "the game's key", Word(private=True), env="GAME_KEY", secret=True)
    secret_key: str | None = _knob(None, "the game's secret key", Word(private=True), env="SECRET_KEY", secret=True)
    build: str | None = _knob(None, "the game's version, on every event", Word(rules.build), env="BUILD")
    user_id: str | None = _knob(
        None,
        "your own id for the player; default: a random one, kept in the data folder",
        Word(rules.user_id, private=True),
    )
    collector: str | None = _knob(
        None, "send everything to this collector instead of the services", Address(path=False), env="COLLECTOR"
    )
    endpoint: str | None = _knob(
        None,
        "GameAnalytics' server; default: production, or the sandbox with the sandbox keys",
        Address(path=True),
        env="ENDPOINT",
    )
    data_dir: str | os.PathLike[str] | None = _knob(
        None, "where events wait; default: the user's data folder for this system", Folder(), env="DATA_DIR"
    )
    game: str | None = _knob(
        None,
        "the name of the data folder of a game without keys of its own; default: its main program's name and place",
        Word(_GAME),
        env="GAME",
    )
    enabled: bool = _knob(True, "off: nothing is recorded, written or sent", Boolean(), env="ENABLED")
    strict: bool = _knob(False, "raise `InvalidEvent` at a wrong call (development, tests)", Boolean(), env="STRICT")
    consent: str = _knob(
        rules.NOT_NEEDED,
        "ask: write and send nothing before the player agrees, by `consent.ask(screen)` or `consent.grant()`",
        Choice((rules.NOT_NEEDED, rules.ASK)),
        env="CONSENT",
    )
    child_directed: bool = _knob(
        False,
        "for a game for children: a new random id each launch, and no texts, which `docs/privacy.md` lists",
        Boolean(),
    )
    hook: bool = _knob(
        True, "observe the game's calls of pygame; off: the game calls `process(event)` and `tick()`", Boolean()
    )
    capture_exceptions: bool = _knob(True, "report uncaught exceptions as errors", Boolean())
    currencies: Collection[str] | None = _knob(
        None,
        "the allowed virtual currencies; default: any",
        Names(rules.resource_currency, MAX_DECLARED, '["gold", "gems"]'),
    )
    item_types: Collection[str] | None = _knob(
        None,
        "the allowed item types of resources; default: any",
        Names(rules.event_part, MAX_DECLARED, '["boost", "skin"]'),
    )
    dimension_values: Mapping[int, Collection[str]] | None = _knob(
        None, "the allowed values of custom dimensions 1 to 3, at most 20 for each; default: any", DimensionValues()
    )
    plan: str | os.PathLike[str] | None = _knob(
        None,
        "a tracking plan (`docs/plan.md`), beside the game; default: `events.toml` there, while it is developed",
        PlanFile(),
    )
    destinations: Sequence[Destination] | None = _knob(
        None, "the destinations of events; default: GameAnalytics with these keys", Destinations()
    )
    pause_timeout: float = _knob(
        20.0, "a longer pause ends the session", Seconds(zero=True), unit="s", env="PAUSE_TIMEOUT"
    )
    upload_interval: float | None = _knob(
        None, "seconds between uploads; default: 20, to a collector 1", Seconds(zero=False), env="UPLOAD_INTERVAL"
    )
    request_timeout: float = _knob(
        10.0, "the longest wait for a server's answer", Seconds(zero=False), unit="s", env="REQUEST_TIMEOUT"
    )
    shutdown_timeout: float = _knob(
        1.0, "the longest wait when the game ends", Seconds(zero=True), unit="s", env="SHUTDOWN_TIMEOUT"
    )
    journal: bool = _knob(
        True,
        "write each event to memory that survives a kill of the process; off: a kill may lose the last 0.05 s",
        Boolean(),
    )
    max_outbox_bytes: int = _knob(
        5 * 2**20,
        "space for waiting events; above it, events of the oldest session are dropped first",
        Size(),
        unit="bytes",
        env="MAX_OUTBOX_BYTES",
    )
    configs_interval: float | None = _knob(
        None,
        "ask for remote configs again after this time, beside each session's start; default: not within a session",
        Seconds(zero=False),
        unit="s",
        env="CONFIGS_INTERVAL",
    )
    resubmit_on_server_error: bool | None = _knob(
        None,
        "send events again after a server error; default: only to our own collector, which drops duplicates",
        Boolean(),
    )

    attempt_seconds: bool = _knob(
        True, "add the time in an attempt to its Fail and Complete, as custom field `seconds`", Boolean()
    )
    hitch_ms: float = _knob(
        100.0,
        "a longer frame is counted with the running attempt, as custom field `hitches`",
        Seconds(zero=False, unit="milliseconds"),
        unit="ms",
    )
    health: bool = _knob(
        False,
        "send `sdk_init` and each session's `health` with histograms, as GameAnalytics' own SDKs can",
        Boolean(),
        env="HEALTH",
    )
    overlay: bool | None = _knob(
        None,
        "a key shows events, session, frames and remote configs in the game; default: while a program in source sends "
        "to a collector; never in a built game",
        Boolean(),
        env="OVERLAY",
    )
    overlay_key: str = _knob("f9", "the key that opens and closes the overlay, by pygame's name", Word(_KEY_NAME))
    who: str | None = _knob(
        None,
        "who plays: player, developer or bot; default: developer if a program in source sends to a collector",
        Choice(rules.WHO_PLAYS),
        env="WHO",
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _formed(one, getattr(self, one.name)))
        check_keys(self.game_key, self.secret_key)
        if (self.game_key is None) != (self.secret_key is None):
            raise ValueError("game_key and secret_key belong together: give both or none")
        if self.child_directed and self.user_id is not None:
            raise ValueError("user_id: leave it out with child_directed: it would recognise a child in every launch")


def who_plays(config: Config, *, is_group_chosen: bool = False) -> str | None:
    """Return the value of the custom field `rules.WHO_FIELD` on all events; `None` for a player's, which have none.

    Args:
        config: The knobs in force.
        is_group_chosen: Whether somebody chose the group of the A/B test: then it is no player's, whose group is
            chosen by chance.
    """
    if config.who is not None and not (is_group_chosen and config.who == rules.PLAYER):
        return None if config.who == rules.PLAYER else config.who
    return rules.DEVELOPER if is_group_chosen or is_development(config) else None


def is_development(config: Config) -> bool:
    """Return whether a game is being developed: it runs from source, and sends to a collector."""
    if not config.collector:
        return False
    from ga_pygame import program  # noqa: PLC0415 - only with a collector

    return not program.is_built()


def wants_overlay(config: Config) -> bool:
    """Return whether a game has the overlay, closed at first: it runs from source, and asks for it or is developed."""
    if config.overlay is False or not config.hook or not (config.overlay or config.collector):
        return False
    from ga_pygame import program  # noqa: PLC0415 - only with an overlay

    return not program.is_built()


def upload_seconds(config: Config) -> float:
    """Return the seconds between uploads: few for a collector, whose page a developer watches; more for a service."""
    if config.upload_interval is not None:
        return config.upload_interval
    return _UPLOAD_SECONDS_TO_COLLECTOR if config.collector else _UPLOAD_SECONDS


def _formed(one: Field[Any], value: object) -> Any:
    """Return a knob's value in its exact type. Idempotent: a generator becomes a tuple, which may be checked again."""
    form: Form = one.metadata["form"]
    if value is not None:
        return form(one.name, value)
    if one.default is None:
        return None
    default = f"{one.default} {one.metadata['unit']}".rstrip()
    raise wrong(one.name, value, f"must be {form.words}; leave it out for the default, {default}")


def check_keys(game_key: object, secret_key: object) -> None:
    """Check the form of a game's keys; `None` is allowed. Raises `ValueError`, without showing the keys."""
    _check_key("game_key", game_key)
    if game_key is not None and game_key == secret_key:
        raise ValueError("game_key and secret_key are the same; see the game's settings for both keys")
    _check_key("secret_key", secret_key)


def _check_key(name: str, value: object) -> None:
    check, other = rules.game_key, rules.secret_key
    if name == "secret_key":
        check, other = other, check
    if value is None or _fits(check, value):
        return
    why = f"is a {type(value).__name__}" if not isinstance(value, str) else _key_problem(value, check, other)
    source = "REST v2, Game keys"
    raise ValueError(f"{name}: {why}; must be {check.words} ({source})")


def _key_problem(value: str, check: Pattern, other: Pattern) -> str:
    """Return why a text is not a key, without showing the text."""
    plain = value.strip()
    found = ["has spaces or a line break around it; strip() it"] if plain != value else []
    if plain != plain.lower():
        found.append("has upper-case letters; copy it again or lower() it")
    plain = plain.lower()
    if _fits(other, plain):
        found.append("has the form of the other key; are game_key and secret_key swapped?")
    elif not _fits(check, plain):
        if not plain or not set(plain) <= _HEXADECIMAL:
            return _NO_KEY.format(len(value))
        found.append(f"has {len(plain)} characters")
    return ", ".join(found)


_HEXADECIMAL = frozenset("0123456789abcdef")
_NO_KEY = "its {} characters are no key; leave both keys out while you use a collector"


def _fits(check: Pattern, value: object) -> bool:
    try:
        check("key", value)
    except InvalidEvent:
        return False
    return True


def load(knobs: Mapping[str, Any], environment: Mapping[str, str], warn: Callable[[str, str], None]) -> Config:
    """Make a `Config` from keywords and environment.

    Args:
        knobs: The keywords given to `Tracker`.
        environment: Usually `os.environ`.
        warn: Called with a cause and a message for each environment value that is not used.

    Raises:
        TypeError: There is no knob of that name.
        ValueError: A keyword's value is wrong.
    """
    known = {one.name: one for one in fields(Config)}
    for name in knobs:
        if name not in known:
            import difflib  # noqa: PLC0415 - 1 ms, for a wrong call only

            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
            raise TypeError(f"Tracker has no knob {name!r}{meant}")
    given = {name: value for name, value in knobs.items() if not (value is None and known[name].default is None)}
    chosen = {name: _formed(known[name], value) for name, value in given.items()}
    _warn_of_unknown(environment, known, warn)
    from_environment = {}
    for one in known.values():
        text = environment.get(one.metadata["env"], "") if one.metadata["env"] else ""
        if text.strip() and one.name not in chosen:
            value = _parse(one, text, warn)
            if value is not MISSING:
                from_environment[one.name] = value
    if ("game_key" in chosen) != ("secret_key" in chosen):  # both keys come from one place or are refused below
        from_environment = {name: value for name, value in from_environment.items() if not name.endswith("_key")}
    try:
        return Config(**{**from_environment, **chosen})
    except ValueError as error:
        if not from_environment:
            raise
        why = str(error)
    config = Config(**chosen)  # raises if the keywords are wrong
    warn("environment", f"the GA_PYGAME_* variables are not used: {why}")
    return config


def _parse(one: Field[Any], text: str, warn: Callable[[str, str], None]) -> Any:
    """Read and check one environment value; return `MISSING` if it is wrong."""
    variable = one.metadata["env"]
    try:
        value = _formed(one, from_text(one.metadata["form"], text))
        if one.name.endswith("_key"):
            _check_key(one.name, value)
    except ValueError as error:
        is_named = str(error).startswith(one.name)
        warn(variable, f"{variable} is not used: {error if is_named else wrong(one.name, text, str(error))}")
        return MISSING
    return value


def _warn_of_unknown(
    environment: Mapping[str, str], known: Mapping[str, Field[Any]], warn: Callable[[str, str], None]
) -> None:
    """Report once which `GA_PYGAME_*` variables are unknown: most are misspelt."""
    variables = {one.metadata["env"]: one.name for one in known.values() if one.metadata["env"]}
    ours = OTHER_VARIABLES | variables.keys()
    unknown = sorted(
        name
        for name in environment
        if name.upper().startswith("GA_PYGAME_") and name not in ours and not name.upper().startswith(_OTHER_PREFIX)
    )
    if not unknown:
        return
    import difflib  # noqa: PLC0415 - 1 ms, for a wrong variable only

    said = []
    for name in unknown[:_MAX_UNKNOWN]:
        plain = name.upper()
        near = difflib.get_close_matches(plain, ours, 1, 0.8)
        knob = plain.removeprefix("GA_PYGAME_").lower()
        if knob in known and plain not in variables:
            hint = f" ({knob} is set in the code only: Tracker({knob}=\u2026))"
        else:
            hint = f" (did you mean {near[0]}?)" if near else ""
        said.append(f"{name!r:.60}{hint}")
    more = f", and {len(unknown) - _MAX_UNKNOWN} more" if len(unknown) > _MAX_UNKNOWN else ""
    warn("unknown variables", f"variables that are not known, and not used: {', '.join(said)}{more}")


def game_keys(config: Config) -> tuple[str, str] | None:
    """Return the game's two keys; if there are none, the published sandbox pair for a collector, else `None`."""
    if config.game_key is not None and config.secret_key is not None:
        return config.game_key, config.secret_key
    return (SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY) if config.collector else None


NO_KEYS = "game"
"""Stands for the key of a game that has none, since it has only destinations of its own."""


def data_folder(config: Config, game_key: str) -> Path | None:
    """Return the data folder of one game; `None` if there is no home folder.

    Events for a collector have a folder of their own, so that none of them reaches a service. A game with keys is
    recognised by its key. A game without them is recognised by its program's name and place: two games that use the
    published sandbox pair must share neither the player's id nor the waiting events.

    There is no home folder if HOME is not set and the system's list of users has no entry for the user.
    """
    shared = shared_folder(config, game_key)
    if shared is None or game_key not in (NO_KEYS, SANDBOX_GAME_KEY):
        return shared
    from ga_pygame import program  # noqa: PLC0415 - not for a game with keys

    kind = "collector" if config.collector else NO_KEYS if game_key == NO_KEYS else "sandbox"
    return shared.with_name(f"{kind}-{config.game or program.name()}")


def shared_folder(config: Config, game_key: str) -> Path | None:
    """Return the folder of all games with the same key. Earlier versions also used it for games without keys."""
    import platformdirs  # noqa: PLC0415 - 4 ms that `import ga_pygame` need not cost

    try:
        root = Path(config.data_dir) if config.data_dir else platformdirs.user_data_path("ga_pygame", appauthor=False)
    except RuntimeError:  # there is no home folder; older versions of platformdirs return a folder "~" instead
        return None
    if not root.is_absolute():
        return None
    return root / (f"{game_key}-collector" if config.collector else game_key)
