"""Statistics over counts: shares with their intervals, percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, sqrt
from typing import NamedTuple

FEW_PLAYERS = 20
"""Below this number of players a share says little, and is shown in grey."""
_Z = 1.959963984540054
"""The normal quantile of a 95 % interval."""


class Share(NamedTuple):
    """A share with its Wilson interval of 95 %, each from 0 to 1; `None` if nothing was counted."""

    rate: float | None
    low: float | None
    high: float | None


def share_of(number: int, all_of_them: int) -> Share:
    """Compute a share and its interval. Source: Wilson 1927, score interval without continuity correction."""
    if not all_of_them:
        return Share(None, None, None)
    rate, n = number / all_of_them, all_of_them
    middle = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2))
    return Share(rate, max(0.0, middle - half), min(1.0, middle + half))


class Mean(NamedTuple):
    """A mean with its interval of 95 %; `None` if nothing was counted, and the interval if there is one value only."""

    mean: float | None
    low: float | None
    high: float | None


def mean_of(total: float, squares: float, n: int) -> Mean:
    """Compute a mean and its interval from sums.

    Args:
        total: The sum of the values.
        squares: The sum of their squares.
        n: How many there are.

    Source: the normal approximation, mean ± 1.96 standard errors.
    """
    if not n:
        return Mean(None, None, None)
    mean = total / n
    if n == 1:
        return Mean(mean, None, None)
    half = _Z * sqrt(max(0.0, squares - n * mean**2) / (n - 1) / n)
    return Mean(mean, mean - half, mean + half)


class Difference(NamedTuple):
    """A difference with its interval of 95 %; `None` if one of the two is unknown."""

    difference: float | None
    low: float | None
    high: float | None


def difference_of(first: Share | Mean, second: Share | Mean) -> Difference:
    """Compute the first minus the second, and the interval of this difference from the two intervals.

    Source: Newcombe 1998, method 10 (shares); Zou and Donner 2008, MOVER (the same for others).
    """
    (one, low_one, high_one), (two, low_two, high_two) = first, second
    if one is None or two is None:
        return Difference(None, None, None)
    if low_one is None or high_one is None or low_two is None or high_two is None:
        return Difference(one - two, None, None)
    below = sqrt((one - low_one) ** 2 + (high_two - two) ** 2)
    above = sqrt((high_one - one) ** 2 + (two - low_two) ** 2)
    return Difference(one - two, one - two - below, one - two + above)


def percentile(counts: Mapping[int, int], part: float) -> float | None:
    """Compute a percentile of whole numbers, interpolated between two neighbours; `None` if there are none.

    Args:
        counts: How often each number occurs.
        part: From 0 to 1; 0.5 is the median.
    """
    total = sum(counts.values())
    if not total:
        return None
    position = part * (total - 1)
    low, high = _number_at(counts, floor(position)), _number_at(counts, ceil(position))
    return low + (high - low) * (position - floor(position))


def _number_at(counts: Mapping[int, int], index: int) -> int:
    """Return the number at an index of the sorted numbers."""
    for number in sorted(counts):
        index -= counts[number]
        if index < 0:
            return number
    raise IndexError(index)


def quotient(number: float, by: float) -> float | None:
    """Divide; `None` if there is nothing to divide by."""
    return number / by if by else None
