"""A player on whose behalf a server reports events: the calls of a `Tracker` for one of many players."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ga_pygame import attributes, rules
from ga_pygame.areas.earnings import Earnings
from ga_pygame.areas.player import ChosenDimensions, Dimensions, DimensionTuple, GlobalFields, OfAllEvents
from ga_pygame.areas.progression import ProgressionArea, abandon
from ga_pygame.areas.reports import Reports
from ga_pygame.areas.resource import ResourceArea
from ga_pygame.config import Config
from ga_pygame.diagnostics import Diagnostics, request
from ga_pygame.engine.crashes import ErrorReports
from ga_pygame.events import Fields
from ga_pygame.records import Context, no_repeat
from ga_pygame.server.seats import Seat, Seats


class ServerPlayer(OfAllEvents):
    """A player of a server, made by `ServerTracker.player()`. Any thread; no call blocks, none raises but in `strict`.

    Attributes:
        progression: Attempts at levels.
        resource: Virtual currency, gained and spent.
        business: Reports a purchase; see `Earnings.business`.
        ad: Reports what happened to an advertisement; see `Earnings.ad`.
        design: Reports a game-specific event; see `Reports.design`.
        error: Reports an error; see `Reports.error`.
        exception: Reports a caught exception; see `Reports.exception`.
        troubleshooting: Reports trouble to the service's support; see `Reports.troubleshooting`.
        wallet: Makes a wallet; see `Reports.wallet`.

    Args:
        seat: The player's place.
        seats: All places.
        config: The knobs in force.
        diagnostics: Reports wrong calls.
        write_now: Makes the writer store what is recorded at once.
    """

    __setattr__ = attributes.only("external_user_id", "dimensions", "fields")
    _is_made = False

    def __init__(
        self, seat: Seat, seats: Seats, config: Config, diagnostics: Diagnostics, write_now: Callable[[], None]
    ) -> None:
        self._seat, self._seats, self._diagnostics = seat, seats, diagnostics
        post = seats.poster(seat)
        self.progression = ProgressionArea(post, diagnostics)
        seat.abandon = lambda: abandon(self.progression)
        self.resource = ResourceArea(post, diagnostics, config.currencies, config.item_types)
        earnings = Earnings(post, diagnostics, no_repeat, write_now)
        self.business, self.ad = earnings.business, earnings.ad
        reports = Reports(post, no_repeat, diagnostics, self.resource, ErrorReports(post, diagnostics))
        self.design, self.troubleshooting, self.wallet = reports.design, reports.troubleshooting, reports.wallet
        self.error, self.exception = reports.error, reports.exception
        self._dimensions = Dimensions(ChosenDimensions(config.dimension_values), self._set_dimensions, diagnostics)
        self._fields = GlobalFields(self._set_fields, diagnostics)
        self._set_fields(None)
        self._is_made = True

    def __repr__(self) -> str:
        return f"<ServerPlayer {'plays' if self._seat.session else 'does not play'}>"

    @request
    def alive(self) -> None:
        """Note that the player is still connected, so that the session of a silent player goes on."""
        self._seats.sit(self._seat)

    @request
    def leave(self) -> None:
        """End the session: the player left. An open attempt fails. Later events of this object are not recorded."""
        self._seats.leave(self._seat)

    @property
    def user_id(self) -> str:
        """The player's id."""
        return self._seat.context.user_id

    @property
    def session_id(self) -> str:
        """The id of the running session; "" if none runs."""
        session = self._seat.session
        return session.id if session is not None else ""

    def _context_now(self) -> Context:
        return self._seat.context

    def _set_dimensions(self, values: DimensionTuple, _number: int) -> None:
        self._change(dimensions=(values[0] or None, values[1] or None, values[2] or None))

    def _set_fields(self, fields: Fields | None) -> None:
        """Set the fields of all events, with the mark that a server sends them if there is room."""
        own = fields or {}
        if len(own) < rules.MAX_CUSTOM_FIELDS:
            own = {**own, rules.SENT_BY_FIELD: rules.SERVER}
        self._change(fields=own)

    def _change(self, **parts: Any) -> None:
        with self._seats.lock:
            self._seat.context = self._seat.context.changed(**parts)
