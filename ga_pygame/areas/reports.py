"""The calls for what is neither progression nor resource nor money: design events, errors, wallets."""

from __future__ import annotations

from typing import Protocol

from ga_pygame import attributes, rules
from ga_pygame.areas.resource import ResourceArea, Wallet
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics, guard, guarded
from ga_pygame.events import Design, Fields, Severity, Troubleshooting
from ga_pygame.map_files import MAP_FIELD, MAX_COORDINATE, X_FIELD, Y_FIELD
from ga_pygame.records import Post, Repeat


class TakesErrors(Protocol):
    """What `engine.crashes.ErrorReports` does for these calls."""

    def error(self, severity: Severity | str, message: object, fields: Fields | None) -> None:
        """Record a message."""
        ...

    def exception(self, error: BaseException, severity: Severity | str, fields: Fields | None) -> None:
        """Record an exception."""
        ...


class Reports:
    """These calls; a tracker, and each player of a server, has them as its own. Any thread.

    Args:
        post: Records an event.
        repeat: Records an event that differs from an earlier one only in its number.
        diagnostics: Reports wrong calls.
        resource: Checks the flows of wallets.
        errors: Takes errors.
    """

    def __init__(
        self, post: Post, repeat: Repeat, diagnostics: Diagnostics, resource: ResourceArea, errors: TakesErrors
    ) -> None:
        self._post = post
        self._repeat = repeat
        self._diagnostics = diagnostics
        self._resource = resource
        self._errors = errors

    __setattr__ = attributes.only()

    @guard
    def design(self, event_id: str, value: float | None = None, *, fields: Fields | None = None) -> None:
        """Report a game-specific event: `"kill:slime"`, one to five parts, from the general to the specific.

        Args:
            event_id: Keep it to some thousand different ids: put no values into it that never repeat.
            value: A number, of which services show sums and averages.
            fields: Custom fields of this event.
        """
        # The id is itself the key of a repeat; an object of another type could equal the key of another kind.
        if type(event_id) is not str or not self._repeat(event_id, value, Design.least, fields):
            self._post(self._diagnostics.made(Design, event_id, value=value), fields)

    @guard
    def at(
        self,
        x: float,
        y: float,
        event: str,
        *,
        map: str,  # noqa: A002 - the word of those who make maps
        value: float | None = None,
        fields: Fields | None = None,
    ) -> None:
        """Report a design event that took place somewhere on a map, for the heatmap.

        Args:
            x: The place from the map's left side, in the units of the picture given to `snapshot_map`; kept to 0.1.
            y: The same from its upper side.
            event: The id of a design event, as for `design`: `"death"`.
            map: The name of the level or the map.
            value: As for `design`.
            fields: Further custom fields of this event.
        """
        place: dict[str, str | int | float] = {
            X_FIELD: _coordinate("x", x),
            Y_FIELD: _coordinate("y", y),
            MAP_FIELD: rules.custom_field_text("map", map),
        }
        own = {**place, **self._plain(fields), **place}  # first, so that further fields are left out if they are many
        if type(event) is not str or not self._repeat(event, value, Design.least, own):
            self._post(self._diagnostics.made(Design, event, value=value), own)

    def _plain(self, fields: Fields | None) -> Fields:
        """Return custom fields that can be joined with others: a mapping that is no dict may never end."""
        if fields is None or type(fields) is dict:
            return fields or {}
        try:
            return rules.custom_fields("custom_fields", fields)
        except InvalidEvent as error:
            self._diagnostics.left_out(error)
            return {}

    @guard
    def troubleshooting(self, *, fields: Fields | None = None) -> None:
        """Report trouble to the service's support; GameAnalytics documents the category without fields of its own.

        Args:
            fields: Custom fields, which say what the support asked for.
        """
        self._post(Troubleshooting(), fields)

    @guard
    def error(self, severity: Severity | str, message: str, *, fields: Fields | None = None) -> None:
        """Report an error. A launch sends a few different errors; further ones and repeats are only counted.

        Args:
            severity: `Severity.WARNING` or `"warning"`, …
            message: Cut if it is long: see `docs/limits.md`. It must not identify the player.
            fields: Custom fields of this event.
        """
        self._errors.error(severity, message, fields)

    @guard
    def exception(
        self, error: BaseException, *, severity: Severity | str = Severity.ERROR, fields: Fields | None = None
    ) -> None:
        """Report a caught exception with its traceback; one per class and place is sent each launch."""
        self._errors.exception(error, severity, fields)

    @guarded("wallet without a currency", lambda reports, *_args, **_named: reports.wallet(""))
    def wallet(self, currency: str) -> Wallet:
        """Make a wallet: it sums up the flows of one currency, which are sent once per attempt or 10 s."""
        return Wallet(self._resource, currency, self._post, self._diagnostics, self._repeat)


def _coordinate(field: str, value: object) -> float:
    """Return a coordinate that is checked, and rounded to a tenth."""
    number = rules.number(field, value)
    if abs(number) > MAX_COORDINATE:
        words = f"must be -{MAX_COORDINATE} to {MAX_COORDINATE}"
        raise InvalidEvent(field, value, words, "ours", "not_in_range")
    return round(number, 1)
