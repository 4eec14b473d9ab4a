"""Sessions and players without a crash, by build."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, share_of


class BuildStability(NamedTuple):
    """The sessions of a build by how they went. Rates are shares from 0 to 1 with a Wilson interval of 95 %.

    Attributes:
        build: The build with which the sessions began.
        sessions: All of them: healthy, errored, crashed and abnormal ones.
        healthy: Sessions without an error that ended, or are still played.
        errored: Sessions with an error, but no critical one.
        crashed: Sessions with a critical error.
        abnormal: Sessions without an error and without an end.
        crash_free_rate: 1 minus crashed ÷ sessions.
        players: Players of the build.
        crash_free_players: Players without a crashed session.
        players_rate: Crash-free players ÷ players.
        is_few: Fewer than 20 players: the shares say little.
    """

    build: str
    sessions: int
    healthy: int
    errored: int
    crashed: int
    abnormal: int
    crash_free_rate: float | None
    crash_free_low: float | None
    crash_free_high: float | None
    players: int
    crash_free_players: int
    players_rate: float | None
    players_low: float | None
    players_high: float | None
    is_few: bool


def stability(question: Question) -> list[BuildStability]:
    """Count sessions by how they went, the newest build first."""
    return [_stability_row(*row) for row in question.rows("stability")]


def _stability_row(build: str, sessions: int, healthy: int, errored: int, crashed: int, *others: int) -> BuildStability:
    abnormal, players, crashed_players = others
    by_sessions = share_of(sessions - crashed, sessions)
    by_players = share_of(players - crashed_players, players)
    return BuildStability(
        build,
        sessions,
        healthy,
        errored,
        crashed,
        abnormal,
        *by_sessions,
        players,
        players - crashed_players,
        *by_players,
        players < FEW_PLAYERS,
    )


STABILITY_METRIC = WarehouseMetric(
    "stability",
    "Sessions by the build with which they began: crashed are those with a critical error, errored those with a lesser"
    " one, abnormal those without an error and without an end, healthy all others; together they are all sessions.",
    BuildStability,
    stability,
)
