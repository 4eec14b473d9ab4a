"""Players, each with sessions, playtime, levels, purchases and errors."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, whole_number
from ga_pygame.collector.warehouse.metrics.timeline import time_shown

PLAYERS_LISTED = 300
"""Players that are returned if no limit is given: those seen last."""
MAX_PLAYERS_LISTED = 10_000
"""Players that may be asked for at once."""


class PlayerFigures(NamedTuple):
    """What a player did.

    Attributes:
        user_id: The player.
        first_seen: The time of the player's first event ever, in UTC, e.g. `2026-01-31 18:00:59`.
        last_seen: The time of the last event of the sessions.
        sessions: Sessions.
        playtime: The sum of their lengths, in seconds.
        by_server: Sessions that a server sent on the player's behalf.
        levels_completed: Distinct levels with a Complete.
        purchases: Business events.
        spent: Their sums by currency, e.g. `4.99 EUR, 9.98 USD`.
        errors: Error events.
        game: The game's key.
        ab_id: The A/B test of the newest start or end of a session that names a group, "" for none.
        ab_variant_id: The player's group in it.
    """

    user_id: str
    first_seen: str
    last_seen: str
    sessions: int
    playtime: int
    by_server: int
    levels_completed: int
    purchases: int
    spent: str
    errors: int
    game: str
    ab_id: str
    ab_variant_id: str


def players(question: Question, search: str = "", limit: int = PLAYERS_LISTED) -> list[PlayerFigures]:
    """List players; those seen last come first.

    Args:
        question: The question.
        search: A part of the player's id, in any case.
        limit: Players to return at most.
    """
    rows = question.rows("players", search=search, most=limit)
    return [_player(list(some)) for _, some in groupby(rows, key=lambda row: row[:2])]


def _player(rows: list[tuple[Any, ...]]) -> PlayerFigures:
    """Make a player's figures from a row for each currency."""
    user_id, game, first_at, last_seen, sessions, playtime, by_server, levels, errors, *test, _, _, _ = rows[0]
    paid = [(currency, count, cents) for *_, currency, count, cents in rows if count]
    spent = ", ".join(f"{cents / 100:,.2f} {currency}" for currency, _, cents in paid)
    times = (time_shown(first_at), time_shown(last_seen))
    purchases = sum(count for _, count, _ in paid)
    return PlayerFigures(
        user_id, *times, sessions, int(playtime), by_server, levels, purchases, spent, errors, game, *test
    )


PLAYERS_METRIC = WarehouseMetric(
    "players",
    "Players with a session that began in the range, those seen last first: their sessions, the sum of the lengths of"
    " those that ended, the sessions that a server sent on their behalf, the levels that they completed, what they"
    " paid, their errors, and the group of the A/B test that their newest session names.",
    PlayerFigures,
    players,
    {"search": str, "limit": lambda text: min(whole_number("limit", text), MAX_PLAYERS_LISTED)},
)
