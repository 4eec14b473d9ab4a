"""Time in a level and scores as histograms."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric


class LevelBin(NamedTuple):
    """A bar of a histogram.

    Attributes:
        level: The level.
        figure: `seconds` (of Fails and Completes) or `score` (of Completes).
        from_value: The least value of the bin.
        to_value: The bin ends below it; `None` for the last one of a level with a few much larger values.
        attempts: Fails and Completes with such a value.
    """

    level: str
    figure: str
    from_value: float
    to_value: float | None
    attempts: int


def level_histogram(question: Question, level: str = "") -> list[LevelBin]:
    """Count attempts by their time, and completes by their score.

    Args:
        question: The question.
        level: One level; "" for all.
    """
    return [LevelBin(*row) for row in question.rows("level_histogram", level=level)]


LEVEL_HISTOGRAM_METRIC = WarehouseMetric(
    "level_histogram",
    "Fails and Completes of a level by the seconds that the attempt took, and Completes by their score.",
    LevelBin,
    level_histogram,
    {"level": str},
)
