"""Long frames in attempts at levels."""

from __future__ import annotations

from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient


class LevelHitches(NamedTuple):
    """The long frames in the attempts at a level.

    Attributes:
        level: The parts joined by ':'.
        attempts: Attempts that failed or were completed.
        hitching: Those with a long frame.
        hitching_share: Hitching attempts ÷ attempts.
        players: Players of all these attempts.
        hitches: Long frames in all of them.
        per_attempt: Hitches ÷ attempts.
        most: The most in one attempt.
        is_few: Fewer than 20 players: the figures are those of their machines.
    """

    level: str
    attempts: int
    hitching: int
    hitching_share: float | None
    players: int
    hitches: int
    per_attempt: float | None
    most: int
    is_few: bool


def level_hitches(question: Question) -> list[LevelHitches]:
    """Count long frames by level; the level with most comes first, those without any are left out."""
    return [_level_hitches(*row) for row in question.rows("hitches")]


def _level_hitches(level: str, attempts: int, hitching: int, players: int, *others: Any) -> LevelHitches:
    hitches, most = (int(one) for one in others)
    share, mean = quotient(hitching, attempts), quotient(hitches, attempts)
    return LevelHitches(level, attempts, hitching, share, players, hitches, mean, most, players < FEW_PLAYERS)


HITCHES_METRIC = WarehouseMetric(
    "hitches",
    "Attempts that failed or were completed, by level, and the long frames in them: over 100 ms, or the knob hitch_ms.",
    LevelHitches,
    level_hitches,
)
