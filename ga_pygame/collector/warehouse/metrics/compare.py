"""Compare two builds, periods or A/B variants: the figures of overview and progression side by side."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.filters import BadFilter, Filters, filters_from
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, Mean, Share, difference_of, mean_of, share_of
from ga_pygame.collector.warehouse.metrics.levels import QUESTIONS_OF_LEVELS, LevelFigures, levels_of_sides
from ga_pygame.collector.warehouse.metrics.overview import filters_before
from ga_pygame.collector.warehouse.metrics.retention import RetentionCell, retention_of_sides

OTHER_SIDE = ("build", "ab_variant_id", "since", "until")
"""The filters in which the sides can differ; those of the second side are named `other_build` and so on."""
COMPARED_DAYS = (1, 7)
"""The days of retention that are compared."""
HIGHER, LOWER, ALIKE, FEW = "higher", "lower", "no difference shown", "not enough players yet"


class ComparedFigure(NamedTuple):
    """A figure of both sides.

    Attributes:
        figure: Its name, as overview and levels name it.
        level: The level; "" for a figure of all.
        is_share: Whether it is a share from 0 to 1. Others are numbers; times are seconds.
        first_side: What the first side is, e.g. `build 1.1`.
        first: Its figure.
        first_low: The lower end of its interval of 95 %; `None` if it has none, as counts and medians.
        first_high: The upper end.
        first_players: The players that it is about: with a level those in it, for `left_after_rate` its completers.
        second_side: What the second side is.
        second: As of the first one.
        second_low: The same.
        second_high: The same.
        second_players: The same.
        difference: The first minus the second.
        difference_low: The lower end of its interval of 95 %.
        difference_high: The upper end.
        verdict: `higher` or `lower`, said of the first side, `no difference shown`, `not enough players yet`; "" for
            counts and medians.
    """

    figure: str
    level: str
    is_share: bool
    first_side: str
    first: float | None
    first_low: float | None
    first_high: float | None
    first_players: int
    second_side: str
    second: float | None
    second_low: float | None
    second_high: float | None
    second_players: int
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: str


class _Value(NamedTuple):
    """A figure of one side."""

    value: Share | Mean
    players: int
    has_verdict: bool


def compare(question: Question, **other: Any) -> list[ComparedFigure]:
    """Compute the figures of both sides; none if there is nothing to compare with.

    Args:
        question: Its filters are the first side.
        other: Filters of the second side that differ, e.g. `other_build`. If there are none, the second side is the
            period before, if the first one has a first day; else the build before.
    """
    sides = sides_of(question, {name.removeprefix("other_"): value for name, value in other.items() if value})
    if sides is None:
        return []
    both = replace(question, filters=sides[0], second=sides[1])
    *of_levels, cells, all_rows, places = both.together(
        *QUESTIONS_OF_LEVELS, partial(retention_of_sides, longest=max(COMPARED_DAYS)), _rows_of_all, _places
    )
    of_sides = zip(all_rows, cells, levels_of_sides(both, *of_levels), strict=True)
    first, second = (
        {(name, level): value for name, level, value in chain(_of_all(row), _of_retention(some), _of_levels(figures))}
        for row, some, figures in of_sides
    )
    names = [side_name(*sides), side_name(sides[1], sides[0])]
    nothing = _Value(Share(None, None, None), 0, has_verdict=True)
    keys = sorted(dict.fromkeys([*first, *second]), key=lambda key: places.get(key[1], -1))
    return [_compared(key, names, first.get(key, nothing), second.get(key, nothing)) for key in keys]


def _places(question: Question) -> dict[str, int]:
    """Return the place of each level in the order in which the players of both sides reach them."""
    first, second = question.sides
    unlike: dict[str, Any] = {name: None for name in OTHER_SIDE if getattr(first, name) != getattr(second, name)}
    return {row[0]: place for place, row in enumerate(question.rows("level_order", replace(first, **unlike)))}


def sides_of(question: Question, other: dict[str, Any]) -> tuple[Filters, Filters] | None:
    """Return the filters of both sides; `None` if there is nothing to compare with."""
    first = question.filters
    if other:
        return first, replace(first, **other)
    earlier = filters_before(first, question.today)
    if earlier is not None:
        return replace(first, until=first.until or max(question.today, first.since or question.today)), earlier
    rows = question.rows("builds", replace(first, build=None))
    builds = [row[0] for row in rows]
    newest = builds.index(first.build) if first.build in builds else len(builds) - 1
    if newest < 1:
        return None
    return replace(first, build=builds[newest]), replace(first, build=builds[newest - 1])


def side_name(side: Filters, other: Filters) -> str:
    """Name a side by what it does not share with the other one."""
    parts = []
    if side.build != other.build:
        parts.append("all builds" if side.build is None else f"build {side.build}")
    if side.ab_variant_id != other.ab_variant_id:
        parts.append("all variants" if side.ab_variant_id is None else f"variant {side.ab_variant_id}")
    if (side.since, side.until) != (other.since, other.until):
        parts.append(f"{side.since or 'the beginning'} to {side.until or 'today'}")
    return ", ".join(parts) or "the same"


def _rows_of_all(question: Question) -> list[Sequence[Any]]:
    """Return the row of compared.sql for each side."""
    found = {side: row for side, *row in question.rows("compared")}
    return [found.get(side, _NOBODY) for side in range(len(question.sides))]


_NOBODY = (0, 0, 0, 0, 0, 0, None, 0, 0, 0)
"""The row of compared.sql for a side without players."""


def _of_all(row: Sequence[Any]) -> Iterator[tuple[str, str, _Value]]:
    """Yield the figures of the overview."""
    players, new, sessions, ended, crashed, playtime, median, *squares = row
    figures: dict[str, Share | Mean] = {
        "players": _without_interval(players),
        "new_players": _without_interval(new),
        "sessions": _without_interval(sessions),
        "sessions_per_player": mean_of(sessions, float(squares[0]), players),
        "playtime_per_player": mean_of(float(playtime), squares[1], players),
        "mean_length": mean_of(float(playtime), squares[2], ended),
        "median_length": _without_interval(median),
        "crash_free_sessions": share_of(sessions - crashed, sessions),
    }
    plain = ("players", "new_players", "sessions", "median_length")
    for name, value in figures.items():
        yield name, "", _Value(value, players, name not in plain)


def _without_interval(value: float | None) -> Mean:
    """Return a figure that has no interval."""
    return Mean(value, None, None)


def _of_retention(cells: list[RetentionCell]) -> Iterator[tuple[str, str, _Value]]:
    """Yield the retention over all first days for which it is known."""
    for day in COMPARED_DAYS:
        some = [cell for cell in cells if cell.day == day]
        new = sum(cell.new_players for cell in some)
        yield f"retention_d{day}", "", _Value(share_of(sum(cell.returned for cell in some), new), new, has_verdict=True)


def _of_levels(figures: list[LevelFigures]) -> Iterator[tuple[str, str, _Value]]:
    """Yield the figures of each level."""
    for one in figures:
        for name, value in _of_level(one).items():
            players = one.completers if name == "left_after_rate" else one.players
            yield name, one.level, _Value(value, players, isinstance(value, Share))


def _of_level(one: LevelFigures) -> dict[str, Share | Mean]:
    return {
        "players_rate": Share(one.players_rate, one.players_low, one.players_high),
        "completion_rate": Share(one.completion_rate, one.completion_low, one.completion_high),
        "left_after_rate": share_of(one.left_after, one.completers if one.next_level else 0),
        "median_attempts": _without_interval(one.median_attempts),
        "median_seconds": _without_interval(one.median_seconds),
    }


def _compared(key: tuple[str, str], names: list[str], first: _Value, second: _Value) -> ComparedFigure:
    difference = difference_of(first.value, second.value)
    return ComparedFigure(
        *key,
        is_share=key[0].endswith("_rate") or key[0].startswith(("retention", "crash_free")),
        first_side=names[0],
        first=first.value[0],
        first_low=first.value[1],
        first_high=first.value[2],
        first_players=first.players,
        second_side=names[1],
        second=second.value[0],
        second_low=second.value[1],
        second_high=second.value[2],
        second_players=second.players,
        difference=difference.difference,
        difference_low=difference.low,
        difference_high=difference.high,
        verdict=_verdict_of(difference.low, difference.high, first, second),
    )


def _verdict_of(low: float | None, high: float | None, first: _Value, second: _Value) -> str:
    if not (first.has_verdict and second.has_verdict):
        return ""
    if low is None or high is None or min(first.players, second.players) < FEW_PLAYERS:
        return FEW
    if low > 0:
        return HIGHER
    return LOWER if high < 0 else ALIKE


def _reader_of_day(name: str) -> Any:
    """Return what reads a day from a text."""

    def read(text: str) -> datetime.date | None:
        try:
            return getattr(filters_from({name: text}), name)  # type: ignore[no-any-return]
        except BadFilter as error:
            raise BadFilter(f"other_{error}") from error

    return read


COMPARE_METRIC = WarehouseMetric(
    "compare",
    "The figures of overview and levels of two sides with intervals of 95 %: the filters, and the filters with"
    " other_build, other_ab_variant_id, other_since or other_until instead; without these, the period or the build"
    " before.",
    ComparedFigure,
    compare,
    {f"other_{name}": _reader_of_day(name) if name in ("since", "until") else str for name in OTHER_SIDE},
)
