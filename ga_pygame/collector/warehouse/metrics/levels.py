"""Levels in the order in which players reach them: attempts, completion, time, drop-off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, percentile, share_of


class LevelFigures(NamedTuple):
    """What players did in a level. Rates are shares from 0 to 1 with a Wilson interval of 95 %, times are seconds.

    Attributes:
        level: The parts joined by ':'.
        starts: Attempts that were started.
        fails: Fail events.
        completes: Complete events.
        abandons: Starts with neither Fail nor Complete.
        players: Players who started, failed or completed it.
        completers: Players who completed it.
        completion_rate: Completes ÷ attempts.
        players_rate: Completers ÷ players.
        drop_off: 1 minus `players_rate`: they were in the level and never completed it.
        next_level: The level that comes next in this order; "" for the last one.
        left_after: Players who completed this level and were never in the next one.
        left_after_rate: The same ÷ completers.
        median_attempts: The median over players of the attempts until they completed it.
        p90_attempts: The 90th percentile of the same.
        median_seconds: The median time of an attempt that failed or completed.
        p90_seconds: The 90th percentile of the same.
        mean_score: The mean score of the completes.
        is_few: Fewer than 20 players: the shares say little.
    """

    level: str
    starts: int
    fails: int
    completes: int
    abandons: int
    players: int
    completers: int
    completion_rate: float | None
    completion_low: float | None
    completion_high: float | None
    players_rate: float | None
    players_low: float | None
    players_high: float | None
    drop_off: float | None
    next_level: str
    left_after: int
    left_after_rate: float | None
    median_attempts: float | None
    p90_attempts: float | None
    median_seconds: float | None
    p90_seconds: float | None
    mean_score: float | None
    is_few: bool


def levels(question: Question) -> list[LevelFigures]:
    """Count what players did in each level, in the order in which they reach them."""
    return levels_of_sides(question, *question.together(*QUESTIONS_OF_LEVELS))[0]


def levels_of_sides(question: Question, *answers: Any) -> list[list[LevelFigures]]:
    """Return the levels of each side of a question from the answers to `QUESTIONS_OF_LEVELS`."""
    counted, tries, times = answers
    needed: defaultdict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for side, level, number, players in tries:
        needed[side, level][number] = players
    measured = {(side, level): figures for side, level, *figures in times}
    return [
        [
            one._replace(
                median_attempts=percentile(needed[side, one.level], 0.5),
                p90_attempts=percentile(needed[side, one.level], 0.9),
                **dict(zip(_MEASURED, measured.get((side, one.level), (None, None, None)), strict=True)),
            )
            for one in _levels_of_rows([row[1:] for row in counted if row[0] == side])
        ]
        for side in range(len(question.sides))
    ]


_MEASURED = ("median_seconds", "p90_seconds", "mean_score")
"""The columns of level_times.sql."""


def counted_levels(question: Question) -> list[LevelFigures]:
    """Return the same without attempts until completion, times and scores, which take the greater part of the time."""
    return _levels_of_rows([row[1:] for row in _counted_rows(question)])


def _counted_rows(question: Question) -> list[tuple[Any, ...]]:
    """Return the rows of levels.sql, those of all parts of the players added."""
    parts = [question.rows("levels", first=first, last=last) for first, last in question.parts]
    return [
        (*some[0][:2], *(sum(figures) for figures in zip(*(figures for _, _, *figures in some), strict=True)))
        for some in zip(*parts, strict=True)
    ]


QUESTIONS_OF_LEVELS: tuple[Callable[[Question], list[tuple[Any, ...]]], ...] = (
    _counted_rows,
    lambda question: question.rows("attempts"),
    lambda question: question.rows("level_times"),
)
"""What is asked for the figures of levels; none depends on another, what takes longest comes first."""


def _levels_of_rows(rows: list[tuple[Any, ...]]) -> list[LevelFigures]:
    """Compute the figures of each level of a side."""
    following = [row[0] for row in rows[1:]]
    return [_figures(row, level or "") for row, level in zip_longest(rows, following)]


def _figures(row: Sequence[Any], next_level: str) -> LevelFigures:
    level, starts, fails, completes, abandons, players, completers, went_on = row
    by_attempts = share_of(completes, fails + completes + abandons)
    by_players = share_of(completers, players)
    left_after = completers - went_on if next_level else 0
    return LevelFigures(
        level=level,
        starts=starts,
        fails=fails,
        completes=completes,
        abandons=abandons,
        players=players,
        completers=completers,
        completion_rate=by_attempts.rate,
        completion_low=by_attempts.low,
        completion_high=by_attempts.high,
        players_rate=by_players.rate,
        players_low=by_players.low,
        players_high=by_players.high,
        drop_off=None if by_players.rate is None else 1 - by_players.rate,
        next_level=next_level,
        left_after=left_after,
        left_after_rate=share_of(left_after, completers if next_level else 0).rate,
        median_attempts=None,
        p90_attempts=None,
        median_seconds=None,
        p90_seconds=None,
        mean_score=None,
        is_few=players < FEW_PLAYERS,
    )


LEVELS_METRIC = WarehouseMetric(
    "levels",
    "Levels in the order in which players reach them. Attempts are Fails, Completes and abandons, which are Starts with"
    " neither; players are those with an event of the level.",
    LevelFigures,
    levels,
)
