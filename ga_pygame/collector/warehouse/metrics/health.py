"""Frame rate, frame times and memory, by build, platform, device or level."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, one_of
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient

HITCH_MS = 50.0
"""A frame that takes longer is seen as a hitch: three frames at 60 frames a second."""
_HEALTH_PARTS = ("build", "platform", "device", "level")


class HealthFigures(NamedTuple):
    """How smoothly the game ran for a part of the samples.

    Attributes:
        part: The build, platform, device or level; "" for samples between levels.
        samples: Health events: of 30 s from this tracker, of a session from official SDKs.
        players: Their players.
        median_fps: The median of the samples' mean frame rates.
        p05_fps: The 5th percentile: 5 % of the samples are slower.
        median_ms: 1000 ÷ `median_fps`: half of the samples have a longer mean frame time, in milliseconds.
        p95_ms: 1000 ÷ `p05_fps`: 5 % of the samples have a longer one.
        median_p99_ms: The median of the frame times that 1 % of a sample's frames exceed.
        hitches_share: The share of the samples of which 1 % of the frames took longer than 50 ms.
        median_mb: The median of the memory that the game uses, in MiB.
        p95_mb: The 95th percentile.
        is_few: Fewer than 20 players: the figures are those of their machines.
    """

    part: str
    samples: int
    players: int
    median_fps: float | None
    p05_fps: float | None
    median_ms: float | None
    p95_ms: float | None
    median_p99_ms: float | None
    hitches_share: float | None
    median_mb: float | None
    p95_mb: float | None
    is_few: bool


def health(question: Question, by: str = "build") -> list[HealthFigures]:
    """Measure the samples by part; the part with most samples comes first.

    Args:
        question: The question.
        by: `build`, `platform`, `device` or `level`.
    """
    if by == "level":
        return [_health_row(*row) for row in question.rows("health_levels", hitch_ms=HITCH_MS)]
    return [_health_row(*row) for row in question.rows("health", by=by, hitch_ms=HITCH_MS)]


def _health_row(part: str, samples: int, players: int, *others: Any) -> HealthFigures:
    median_fps, p05_fps, median_p99_ms, hitching, timed, median_mb, p95_mb = others
    return HealthFigures(
        part=part,
        samples=samples,
        players=players,
        median_fps=median_fps,
        p05_fps=p05_fps,
        median_ms=quotient(1000.0, median_fps or 0.0),
        p95_ms=quotient(1000.0, p05_fps or 0.0),
        median_p99_ms=median_p99_ms,
        hitches_share=quotient(hitching, timed),
        median_mb=median_mb,
        p95_mb=p95_mb,
        is_few=players < FEW_PLAYERS,
    )


HEALTH_METRIC = WarehouseMetric(
    "health",
    "Frame rate, frame times and memory over samples: this tracker's of 30 seconds, official SDKs' of a session.",
    HealthFigures,
    health,
    {"by": partial(one_of, "by", _HEALTH_PARTS)},
)
