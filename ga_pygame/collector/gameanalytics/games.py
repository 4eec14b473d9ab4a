"""The games that may send, with their secret keys, and the check of each request.

On loopback, where only programs of this machine can connect, a collector that was given no games accepts every game:
its developer runs it. It checks signatures only for the published sandbox keys, as it knows no other secret key.
Otherwise only the given games may send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY

ENVIRONMENT = "GA_PYGAME_GAMES"
MAX_UNTOLD_GAMES = 100
"""Games that a collector accepts without being given their keys; further ones get 401."""
MAX_SECRETS = 2
"""Secret keys of a game that are valid at once."""
MAX_GAMES_FILE_BYTES = 2**20
"""Bytes of a file with games; a longer one is refused at the start."""
_FORM_OF_SIGNATURE = re.compile(rb"[A-Za-z0-9+/]{43}=", re.ASCII)


@dataclass(frozen=True, slots=True)
class Game:
    """A game; its secret key is never shown."""

    key: str
    secret: str = field(repr=False)

    def signature(self, body: bytes) -> bytes:
        """Return the `Authorization` of a body: base64 of its HMAC-SHA256 with the secret key. Source: REST v2."""
        return base64.b64encode(hmac.digest(self.secret.encode(), body, hashlib.sha256))

    def signed(self, body: bytes, authorization: bytes) -> bool:
        """Whether a body was signed with this game's secret key."""
        return hmac.compare_digest(self.signature(body), authorization.strip())


SANDBOX_GAME = Game(SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY)


def parse(text: str) -> Game:
    """Parse a game from `KEY:SECRET`.

    Raises:
        ValueError: It is not of this form; the message does not repeat the text.
    """
    key, _, secret = text.partition(":")
    try:
        rules.game_key("game key", key)
        rules.secret_key("secret key", secret)
    except InvalidEvent as error:
        digits = 32 if error.field == "game key" else 40
        raise ValueError(f"its {error.field} must be {digits} lower-case hexadecimal digits: KEY:SECRET") from None
    return Game(key, secret)


def parse_all(text: str) -> list[Game]:
    """Parse games: `KEY:SECRET` each, separated by spaces, commas or line breaks; `#` begins a comment.

    Raises:
        ValueError: One is not of this form; the message does not repeat the text.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]
    return [parse(word) for word in words]


def load_games(path: Path) -> list[Game]:
    """Read the games of a file.

    Raises:
        ValueError: The file cannot be read, or contains something else.
    """
    try:
        if not path.is_file():
            raise ValueError(f"{path} is not a file")
        if path.stat().st_size > MAX_GAMES_FILE_BYTES:
            raise ValueError(f"{path} has more than {MAX_GAMES_FILE_BYTES} bytes")
        games = parse_all(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    if not games:
        raise ValueError(f"{path} names no game: write one KEY:SECRET a line")
    return games


def by_key(games: Iterable[Game]) -> dict[str, tuple[Game, ...]]:
    """Return the games by their key. One may have two secret keys, while players change to a build with the new one.

    Raises:
        ValueError: A game has more of them.
    """
    found: dict[str, tuple[Game, ...]] = {}
    for game in games:
        others = found.get(game.key, ())
        if game not in others:
            found[game.key] = (*others, game)
        if len(found[game.key]) > MAX_SECRETS:
            raise ValueError(f"the game {game.key} has more than {MAX_SECRETS} secret keys: leave out the oldest")
    return found


class NotLetIn(Exception):
    """A request that is turned down; the message is for the developer and contains no secret."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Games:
    """The games that are let in.

    Args:
        told: The games that the collector was given.
        takes_all: It was given none, and only programs of this machine can connect.
        tell: Called to tell the developer which games are turned down and whose signatures are not checked.
        troubles: Shows the same on the page.
    """

    def __init__(self, told: Iterable[Game], *, takes_all: bool, tell: Tell, troubles: Troubles) -> None:
        self._known = by_key(told) or by_key([SANDBOX_GAME])
        self._takes_all = takes_all
        self._tell = tell
        self._troubles = troubles
        self._untold: set[str] = set()

    def admit(self, key: str, body: bytes, authorization: bytes, *, foreign: bool) -> bool:
        """Check a request; return whether its signature was checked, so that its sender knows the secret key.

        Args:
            key: The game key in its address.
            body: As it was sent.
            authorization: The header, empty if there is none.
            foreign: A page of another site sent it.

        Raises:
            NotLetIn: The request is turned down.
        """
        try:
            is_checked = self._check(key, body, authorization, foreign=foreign)
        except NotLetIn as refused:
            well_formed = rules.game_key.compile().fullmatch(key) is not None
            who = f"the game {key}" if well_formed else "a game"
            self._tell(f"{refused.status} for a game", f"{who} was turned down ({refused.status}): {refused}")
            if well_formed:
                needs_no_line = key in self._known or key == SANDBOX_GAME.key
                command = "" if needs_no_line else f"python -m ga_pygame collect --game {key}:SECRET_KEY"
                text = f"The game {key} was turned down: {refused}."
                self._troubles.tell(f"game {key}", text, command, kind="games that were turned down")
            else:
                self._troubles.tell("game without a key", f"A game was turned down: {refused}.")
            raise
        self._troubles.clear(f"game {key}")
        return is_checked

    def _check(self, key: str, body: bytes, authorization: bytes, *, foreign: bool) -> bool:
        _check_form(key)
        if not authorization.strip():
            raise NotLetIn(401, "the Authorization header is missing: the base64 of the body's HMAC-SHA256")
        known = self._known.get(key)
        if known is not None:
            if not any(game.signed(body, authorization) for game in known):
                raise NotLetIn(
                    401,
                    "its signature does not fit: compare the secret key in the game with the one given to the"
                    " collector; signed is the body as it is sent, after gzip",
                )
            return True
        if not self._takes_all and key == SANDBOX_GAME.key:
            raise NotLetIn(
                401,
                "it sends without keys of its own: give it the keys of a game that this collector was told, or start"
                " the collector without games",
            )
        if not self._takes_all:
            raise NotLetIn(401, f"this collector does not know its key: start it with --game {key}:SECRET_KEY")
        if not _FORM_OF_SIGNATURE.fullmatch(authorization.strip()):
            raise NotLetIn(401, "the Authorization header is not the base64 of an HMAC-SHA256 (44 characters)")
        if foreign:
            raise NotLetIn(
                403,
                "a web page sent it, and the signatures of this game cannot be checked: start the collector with"
                f" --game {key}:SECRET_KEY, or name the page with --allow-origin",
            )
        if key not in self._untold:
            if len(self._untold) >= MAX_UNTOLD_GAMES:
                raise NotLetIn(401, f"more than {MAX_UNTOLD_GAMES} games: name those that may send with --game")
            self._untold.add(key)
            self._tell(
                "signatures are not checked",
                f"the game {key} sends with keys of its own; its signatures are not checked, as the collector does"
                f" not know its secret key (to have them checked: --game {key}:SECRET_KEY)",
            )
            self._troubles.tell(
                "signatures are not checked",
                f"The game {key} sends with keys of its own. Its events are taken, but its signatures are not checked,"
                " as the collector does not know its secret key. To have them checked:",
                f"python -m ga_pygame collect --game {key}:SECRET_KEY",
                calm=True,
            )
        return False


def _check_form(key: str) -> None:
    """Check the form of a game key. The messages never repeat the key: it may be the secret key.

    Raises:
        NotLetIn: It is not a game key.
    """
    if rules.game_key.compile().fullmatch(key):
        return
    if not key:
        problem = "there is no game key in the address"
    elif rules.secret_key.compile().fullmatch(key.lower()):
        problem = "its game key has the form of a secret key: game_key and secret_key are swapped"
    elif rules.game_key.compile().fullmatch(key.lower()):
        problem = "its game key must be in lower case"
    else:
        problem = f"a game key has 32 digits of 0-9 and a-f, this one has {len(key)} characters"
    raise NotLetIn(401, problem)
