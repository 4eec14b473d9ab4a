"""Attempts to complete a level: their distribution."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric


class LevelAttempts(NamedTuple):
    """The players who completed a level with this number of attempts."""

    level: str
    attempts: int
    players: int


def attempts(question: Question) -> list[LevelAttempts]:
    """Count players by level and attempts to complete it."""
    return [LevelAttempts(*row) for _, *row in question.rows("attempts")]


ATTEMPTS_METRIC = WarehouseMetric(
    "attempts",
    "Players who completed a level, by the attempts that they needed: their Fails before their first Complete, plus 1.",
    LevelAttempts,
    attempts,
)
