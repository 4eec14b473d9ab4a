"""The games that may send, with their secret keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent

SANDBOX_KEY = "5c6bcb5402204249437fb5a7a80a4959"
SANDBOX_SECRET = "16813a12f718bc5c620f56944e1abc3ea13ccbac"  # noqa: S105 - published, for everybody's tests


@dataclass(frozen=True, slots=True)
class Game:
    """One game; its secret key is never shown."""

    key: str
    secret: str = field(repr=False)

    def signature(self, body: bytes) -> bytes:
        """The `Authorization` of a body: base64 of its HMAC-SHA256 under the secret key. Source: REST v2."""
        return base64.b64encode(hmac.digest(self.secret.encode(), body, hashlib.sha256))

    def signed(self, body: bytes, authorization: bytes) -> bool:
        """Whether a body was signed with this game's secret key."""
        return hmac.compare_digest(self.signature(body), authorization.strip())


SANDBOX = Game(SANDBOX_KEY, SANDBOX_SECRET)


def parse(text: str) -> Game:
    """A game from `KEY:SECRET`.

    Raises:
        ValueError: With a message that does not repeat what was given.
    """
    key, _, secret = text.partition(":")
    try:
        rules.game_key("game key", key)
        rules.secret_key("secret key", secret)
    except InvalidEvent as error:
        digits = 32 if error.field == "game key" else 40
        raise ValueError(f"its {error.field} must be {digits} lower-case hexadecimal digits: KEY:SECRET") from None
    return Game(key, secret)
