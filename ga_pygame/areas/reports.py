"""The calls for everything that is neither progression nor resource nor money: design events, errors, wallets."""

from __future__ import annotations

from ga_pygame import attributes
from ga_pygame.areas.resource import ResourceArea, Wallet
from ga_pygame.diagnostics import Diagnostics, guard, guarded
from ga_pygame.events import Design, Fields, Troubleshooting
from ga_pygame.records import Post, no_repeat


class Reports:
    """These calls of a player of a `ServerTracker`, which has them as its own; `Tracker` has the same. Any thread.

    Args:
        post: Records an event.
        diagnostics: Reports wrong calls.
        resource: Checks the flows of wallets.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics, resource: ResourceArea) -> None:
        self._post = post
        self._diagnostics = diagnostics
        self._resource = resource

    __setattr__ = attributes.only()

    @guard
    def design(self, event_id: str, value: float | None = None, *, fields: Fields | None = None) -> None:
        """Report a game-specific event, as `Tracker.design`."""
        self._post(self._diagnostics.made(Design, event_id, value=value), fields)

    @guard
    def troubleshooting(self, *, fields: Fields | None = None) -> None:
        """Report trouble to the service's support, as `Tracker.troubleshooting`."""
        self._post(Troubleshooting(), fields)

    @guarded("wallet without a currency", lambda reports, *_args, **_named: reports.wallet(""))
    def wallet(self, currency: str) -> Wallet:
        """Make a wallet, as `Tracker.wallet`."""
        return Wallet(self._resource, currency, self._post, self._diagnostics, no_repeat)
