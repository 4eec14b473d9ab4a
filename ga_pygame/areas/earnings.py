"""What the game earns: purchases with real money, and advertisements."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ga_pygame import attributes
from ga_pygame.diagnostics import Diagnostics, guard
from ga_pygame.events import Ad, Business, Fields, FieldValue, Impression
from ga_pygame.records import Post, Repeat


class Earnings:
    """The calls for money; the tracker has them as its own. Any thread.

    Args:
        post: Records an event.
        diagnostics: Reports wrong calls.
        repeat: Records a purchase that differs from an earlier one only in its amount.
        write_now: Makes the writer store what is recorded at once.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics, repeat: Repeat, write_now: Callable[[], None]) -> None:
        self._post = post
        self._diagnostics = diagnostics
        self._repeat = repeat
        self._write_now = write_now

    __setattr__ = attributes.only()

    @guard
    def business(
        self,
        currency: str,
        amount_cents: int,
        item_type: str,
        item_id: str,
        *,
        cart_type: str | None = None,
        receipt: Mapping[str, str] | None = None,
        fields: Fields | None = None,
    ) -> None:
        """Report a purchase with real money.

        Args:
            currency: Its ISO 4217 code, e.g. `"USD"`.
            amount_cents: The price in hundredths of the currency: 499 is 4.99.
            item_type: The kind of item.
            item_id: The item.
            cart_type: The place in the game where it was bought; "" is none.
            receipt: The shop's receipt: `{"store": "google_play", "receipt": "…", "signature": "…"}`.
            fields: Custom fields of this event.
        """
        key = Business.key_of(currency, item_type, item_id, cart_type)
        if (
            fields is None
            and receipt is None
            and type(amount_cents) is int
            and self._repeat(key, amount_cents, Business.least)
        ):
            self._write_now()
        else:
            required = (currency, amount_cents, item_type, item_id)
            self._post(self._diagnostics.made(Business, *required, cart_type=cart_type, receipt=receipt), fields)

    @guard
    def ad(
        self,
        action: str,
        ad_type: str,
        sdk: str,
        placement: str,
        *,
        reason: str | None = None,
        duration_ms: int | None = None,
        fields: Fields | None = None,
    ) -> None:
        """Report what happened to an advertisement.

        Args:
            action: `"clicked"`, `"show"`, `"failed_show"` or `"reward_received"`.
            ad_type: `"video"`, `"rewarded_video"`, `"playable"`, `"interstitial"`, `"offer_wall"` or `"banner"`.
            sdk: The advertising network's library, e.g. `"admob"`.
            placement: The place in the game where it is shown.
            reason: Why it was not shown, e.g. `"no_fill"`; sent with `failed_show` only.
            duration_ms: How long a video was watched; sent with videos only.
            fields: Custom fields of this event.
        """
        required = (action, ad_type, sdk, placement)
        self._post(self._diagnostics.made(Ad, *required, reason=reason, duration_ms=duration_ms), fields)

    @guard
    def impression(
        self, network: str, data: Mapping[str, FieldValue | bool | None], *, fields: Fields | None = None
    ) -> None:
        """Report what an advertisement that was shown earned, as the advertising network says.

        Args:
            network: The network or mediator, e.g. `"admob"`.
            data: Its words: `{"publisher_revenue": 0.012, "currency": "USD", "country": "DK", "adunit_id": "…", …}`.
            fields: Custom fields of this event.
        """
        self._post(self._diagnostics.made(Impression, network, data), fields)
