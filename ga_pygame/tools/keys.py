"""`ga_pygame keys new`: keys of a game for a collector of one's own."""

from __future__ import annotations

import secrets

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.tools.printing import ToolError, print_lines


def print_keys(game_key: str | None) -> int:
    """Print a game key and a secret key, and where they belong; return the exit code.

    Args:
        game_key: The key of a game that gets another secret key; `None` makes a game key, too.

    Raises:
        ToolError: It is no game key.
    """
    if game_key is not None:
        try:
            rules.game_key("game key", game_key)
        except InvalidEvent:
            raise ToolError("--game must be the game's key: 32 digits of 0-9 and a-f") from None
    key, secret = game_key or secrets.token_hex(16), secrets.token_hex(20)
    lines = [
        f"{key}:{secret}",
        "",
        f'in the game:       Tracker(game_key="{key}", secret_key="{secret}", …)',
        "for the collector: the first line in a file that only it can read: collect --games FILE",
    ]
    if game_key is not None:
        lines.append("while players still have the old build, leave the line with the old secret key in that file")
    return print_lines(line.encode() for line in lines)
