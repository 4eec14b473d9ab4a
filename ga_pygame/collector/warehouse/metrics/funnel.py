"""A funnel: how many players did one step after the other, each within a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.database import sql_text
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, share_of

MIN_STEPS, MAX_STEPS = 2, 8
"""Steps of a funnel."""
DEFAULT_WINDOW_MINUTES = 30
MAX_WINDOW_MINUTES = 525_600
"""The longest window, a year."""


class FunnelStep(NamedTuple):
    """A step of a funnel with the players who did it and all steps before it; times are seconds.

    Attributes:
        step: 1, 2, …
        event_id: The event id.
        players: Players who did it.
        lost: Players who did the step before, but not this one.
        step_rate: Players ÷ those of the step before.
        step_low: The lower end of its Wilson interval of 95 %.
        step_high: The upper end.
        total_rate: Players ÷ those of the first step.
        median_seconds: The median over players of the time since the step before.
        median_total_seconds: The same since the first step.
        is_few: Fewer than 20 players did the step before: the share says little.
    """

    step: int
    event_id: str
    players: int
    lost: int
    step_rate: float | None
    step_low: float | None
    step_high: float | None
    total_rate: float | None
    median_seconds: float | None
    median_total_seconds: float | None
    is_few: bool


def funnel(question: Question, steps: Sequence[str] = (), minutes: float = DEFAULT_WINDOW_MINUTES) -> list[FunnelStep]:
    """Count the players who did each step; nothing if there are fewer than two steps.

    Args:
        question: The question.
        steps: Two to eight event ids, see `EventId`.
        minutes: The longest time between a step and the next one.
    """
    if not MIN_STEPS <= len(steps) <= MAX_STEPS:
        return []
    ids: dict[str, Any] = {f"id_{number}": steps.index(step) + 1 for number, step in enumerate(steps, 1)}
    rows = question.rows_of(_funnel_text(len(steps)), steps=list(steps), seconds=minutes * 60, **ids)
    found = {step: (players, gap, since_first) for step, players, gap, since_first in rows}
    funnel_steps: list[FunnelStep] = []
    for number, event_id in enumerate(steps, 1):
        players, gap, since_first = found.get(number, (0, None, None))
        before = funnel_steps[-1].players if funnel_steps else players
        by_step = share_of(players, before)
        first = funnel_steps[0].players if funnel_steps else players
        funnel_steps.append(
            FunnelStep(
                step=number,
                event_id=event_id,
                players=players,
                lost=before - players,
                step_rate=by_step.rate,
                step_low=by_step.low,
                step_high=by_step.high,
                total_rate=share_of(players, first).rate,
                median_seconds=gap if number > 1 else None,
                median_total_seconds=since_first if number > 1 else None,
                is_few=before < FEW_PLAYERS,
            )
        )
    return funnel_steps


@cache
def _funnel_text(number: int) -> str:
    """Write the query of a funnel with so many steps."""
    of_step = sql_text("metrics/funnel_step.sql").partition("\n")[2].rstrip()  # without its comment
    later = [of_step.replace("{number}", str(step)).replace("{before}", str(step - 1)) for step in range(2, number + 1)]
    firsts = (
        f"SELECT {step} AS step, player, argMin(gap, client_ts) AS gap,"  # noqa: S608 - numbers of ours
        f" argMin(second - began, client_ts) AS since_first FROM step_{step} GROUP BY player"
        for step in range(2, number + 1)
    )
    text = sql_text("metrics/funnel.sql").replace("{steps}", "\n".join(f"{one}," for one in later))
    return text.replace("{firsts}", "\n    UNION ALL ".join(firsts))


def split_steps(text: str) -> list[str]:
    """Split a text with event ids joined by commas, which no event id has; empty ones and those beyond eight go."""
    return [step for one in text.split(",") if (step := one.strip())][:MAX_STEPS]


def _read_steps(text: str) -> list[str]:
    """Read the option `steps`.

    Raises:
        BadFilter: There are fewer than two or more than eight.
    """
    steps = [step for one in text.split(",") if (step := one.strip())]
    if not MIN_STEPS <= len(steps) <= MAX_STEPS:
        raise BadFilter(f"steps must be {MIN_STEPS} to {MAX_STEPS} event ids joined by commas")
    return steps


def _read_minutes(text: str) -> float:
    """Read the option `minutes`.

    Raises:
        BadFilter: It is no number of minutes up to a year.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_WINDOW_MINUTES:
        raise BadFilter(f"minutes must be a whole number from 1 to {MAX_WINDOW_MINUTES}")
    return int(text)


FUNNEL_METRIC = WarehouseMetric(
    "funnel",
    "Players who did a step and, before it, all steps above it in this order, each within the window after the one"
    " before; a step is an event id, and a step that is repeated counts once.",
    FunnelStep,
    funnel,
    {"steps": _read_steps, "minutes": _read_minutes},
)
