"""Virtual currencies: single flows, and wallets that sum up many small flows.

Source: GameAnalytics REST v2, Resource, which asks not to send an event for each coin.
"""

from __future__ import annotations

from collections.abc import Collection

from ga_pygame import attributes, rules
from ga_pygame.diagnostics import Diagnostics, guard
from ga_pygame.events import Fields, Flow, Resource, WalletChange
from ga_pygame.records import Post, Repeat, no_repeat

_SOURCE, _SINK = Flow.SOURCE.value, Flow.SINK.value


class ResourceArea:
    """Virtual currency, gained and spent: `tracker.resource`. Any thread.

    Amounts are given positive; those that are spent are sent negative.

    Args:
        post: Records an event.
        diagnostics: Reports wrong calls.
        currencies: The currencies that the game declared; `None` allows any.
        item_types: The item types that the game declared; `None` allows any.
        repeat: Records an event that differs from an earlier one only in its amount.
    """

    def __init__(
        self,
        post: Post,
        diagnostics: Diagnostics,
        currencies: Collection[str] | None,
        item_types: Collection[str] | None,
        repeat: Repeat = no_repeat,
    ) -> None:
        self._post = post
        self._repeat = repeat
        self._diagnostics = diagnostics
        self._currencies = frozenset(currencies) if currencies is not None else None
        self._item_types = frozenset(item_types) if item_types is not None else None

    __setattr__ = attributes.only()

    @guard
    def source(
        self, currency: str, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None
    ) -> None:
        """Report `amount` (> 0) of a currency that the player got through the item `item_id` of type `item_type`."""
        key = Resource.key_of(_SOURCE, currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, Resource.least):
            self._post(self._checked(Flow.SOURCE, currency, amount, item_type, item_id), fields)

    @guard
    def sink(self, currency: str, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None) -> None:
        """Report `amount` (> 0) of a currency that the player spent on the item `item_id` of type `item_type`."""
        key = Resource.key_of(_SINK, currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, Resource.least):
            self._post(self._checked(Flow.SINK, currency, amount, item_type, item_id), fields)

    def _checked(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> Resource:
        """Return a flow that is checked, also against the declared currencies and item types."""
        event = Resource(flow, currency, amount, item_type, item_id)
        rules.declared("currency", event.currency, self._currencies)
        rules.declared("item_type", event.item_type, self._item_types)
        return event


class Wallet:
    """Flows of one currency, summed up and sent once per attempt or 10 s: `tracker.wallet("gold")`. Any thread.

    The sums are stored on disk as events are, so a crash loses none.
    """

    def __init__(
        self, area: ResourceArea, currency: str, post: Post, diagnostics: Diagnostics, repeat: Repeat = no_repeat
    ) -> None:
        self._area = area
        self._currency = currency
        self._post = post
        self._diagnostics = diagnostics
        self._repeat = repeat

    __setattr__ = attributes.only()

    @guard
    def earn(self, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None) -> None:
        """Add `amount` (> 0) that the player got through the item `item_id` of type `item_type`.

        A flow with custom fields is sent as an event of its own, since other flows have other fields.
        """
        key = WalletChange.key_of(_SOURCE, self._currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, WalletChange.least):
            self._flow(Flow.SOURCE, amount, item_type, item_id, fields)

    @guard
    def spend(self, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None) -> None:
        """Add `amount` (> 0) that the player spent on such an item. Custom fields as for `earn`."""
        key = WalletChange.key_of(_SINK, self._currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, WalletChange.least):
            self._flow(Flow.SINK, amount, item_type, item_id, fields)

    def _flow(self, flow: Flow, amount: float, item_type: str, item_id: str, fields: Fields | None) -> None:
        change = self._area._checked(flow, self._currency, amount, item_type, item_id)
        self._post(WalletChange(change) if fields is None else change, fields)
