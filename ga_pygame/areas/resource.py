"""Virtual currencies: single flows, and wallets that sum up what comes in crumbs.

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
    """`tracker.resource`. Amounts are positive; what is spent is sent as a negative amount.

    Args:
        post: Takes the events.
        diagnostics: Takes what is wrong with a call.
        currencies: The ones that the game declared; `None` for any.
        item_types: The ones that the game declared; `None` for any.
        repeat: Takes flows that differ from an earlier one in their amount only.
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
        """The player got `amount` of a currency, by what `item_type` and `item_id` say."""
        key = Resource.key_of(_SOURCE, currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, Resource.least):
            self._post(self._checked(Flow.SOURCE, currency, amount, item_type, item_id), fields)

    @guard
    def sink(self, currency: str, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None) -> None:
        """The player spent `amount` of a currency, on what `item_type` and `item_id` say."""
        key = Resource.key_of(_SINK, currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, Resource.least):
            self._post(self._checked(Flow.SINK, currency, amount, item_type, item_id), fields)

    def _checked(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> Resource:
        """A checked flow, also against the lists that the game declared."""
        event = Resource(flow, currency, amount, item_type, item_id)
        rules.declared("currency", event.currency, self._currencies)
        rules.declared("item_type", event.item_type, self._item_types)
        return event


class Wallet:
    """`tracker.wallet("gold")`: flows of one currency, summed up and sent once per attempt or 10 s.

    The sums are on disk like events: a crash loses none.
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
        """The player got `amount`, by what `item_type` and `item_id` say.

        With custom fields it is an event of its own and not summed up: another flow would have other fields.
        """
        key = WalletChange.key_of(_SOURCE, self._currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, WalletChange.least):
            self._flow(Flow.SOURCE, amount, item_type, item_id, fields)

    @guard
    def spend(self, amount: float, item_type: str, item_id: str, *, fields: Fields | None = None) -> None:
        """The player spent `amount`, on what `item_type` and `item_id` say; with custom fields see `earn`."""
        key = WalletChange.key_of(_SINK, self._currency, item_type, item_id)
        if fields is not None or not self._repeat(key, amount, WalletChange.least):
            self._flow(Flow.SINK, amount, item_type, item_id, fields)

    def _flow(self, flow: Flow, amount: float, item_type: str, item_id: str, fields: Fields | None) -> None:
        change = self._area._checked(flow, self._currency, amount, item_type, item_id)
        self._post(WalletChange(change) if fields is None else change, fields)
