"""The rules of the findings: what stands out in the figures, each with its test and its sentence.

A new rule is a function and a row of `RULES`. A rule that cannot be sure yields nothing: it compares ends of intervals,
and needs `FEW_PLAYERS` players.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ga_pygame.collector.warehouse.asking import Question
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, difference_of, mean_of, share_of
from ga_pygame.collector.warehouse.metrics.levels import LevelFigures, counted_levels

LEVELS_BESIDE = 2
"""Levels before a level, and as many after it, that it is compared with."""
RAGE_QUIT_SECONDS = 20
"""A session that ends within this time of a Fail is a rage quit. Source: Glitchless."""
RAGE_QUIT_SHARE = 0.1
"""So many of a level's Fails are rage quits before it is told."""
UNREACHED_SHARE = 0.1
"""A level that fewer of the players reach is told."""
INFLATION_GROWTH = 0.25
"""Growth of the net gain from the earlier to the later half of the days that is told. Source: GamePulse."""


class Finding(NamedTuple):
    """Something that stands out.

    Attributes:
        rule: The name of the rule.
        sentence: What was found, with its figures.
        rate: The figure, from 0 to 1.
        low: The lower end of its interval of 95 %.
        high: The upper end.
        n: What the figure is a share of.
        n_of: What was counted there: `players`, `fails`, `sessions` or `player-days`.
        view: The view of the page that shows more.
        query: The filters of that view as the query of a link, beside those of the question.
    """

    rule: str
    sentence: str
    rate: float | None
    low: float | None
    high: float | None
    n: int
    n_of: str
    view: str
    query: str


class Evidence(NamedTuple):
    """What the rules look at.

    Attributes:
        levels: The levels in the order in which players reach them.
        rage_quits: Rows of `rage_quits.sql`.
        builds: Rows of `build_crashes.sql`.
        halves: Rows of `inflation.sql`.
    """

    levels: list[LevelFigures]
    rage_quits: list[tuple[Any, ...]]
    builds: list[tuple[Any, ...]]
    halves: list[_HalfOfDays]


def evidence_of(question: Question) -> Evidence:
    """Ask what the rules look at."""
    rage_quits, levels, halves, builds = question.together(
        lambda one: one.rows("rage_quits", seconds=RAGE_QUIT_SECONDS),
        counted_levels,
        lambda one: one.rows("inflation"),
        lambda one: one.rows("build_crashes"),
    )
    return Evidence(levels, rage_quits, builds, [_HalfOfDays(*row) for row in halves])


class FindingRule(NamedTuple):
    """A rule.

    Attributes:
        name: Its name.
        sentence: When it speaks.
        find: Yields its findings.
    """

    name: str
    sentence: str
    find: Callable[[Evidence], Iterator[Finding]]


def find_losing_level(evidence: Evidence) -> Iterator[Finding]:
    """Find the level that loses most against its neighbours."""
    sure = [one for one in evidence.levels if not one.is_few]
    found: list[Finding] = []
    for place, one in enumerate(sure):
        beside = sure[max(0, place - LEVELS_BESIDE) : place] + sure[place + 1 : place + 1 + LEVELS_BESIDE]
        if len(beside) >= LEVELS_BESIDE:
            found += _loss(one, beside)
    yield from sorted(found, key=lambda loss: loss.low or 0.0, reverse=True)[:1]


def _loss(one: LevelFigures, beside: Sequence[LevelFigures]) -> Iterator[Finding]:
    """Compare a level with its neighbours: with their median, and with all their players, of whom few may be lost."""
    usual = statistics.median(other.drop_off or 0.0 for other in beside)
    loss = share_of(one.players - one.completers, one.players)
    lost = sum(other.players - other.completers for other in beside)
    difference = difference_of(loss, share_of(lost, sum(other.players for other in beside)))
    if loss.rate is None or loss.low is None or loss.low <= usual or (difference.low or 0.0) <= 0:
        return
    sentence = (
        f"{one.level} loses {percent(loss.rate)} of its {one.players:,} players (at least {percent(loss.low)}): they"
        f" never complete it. In the levels around it {percent(usual)} do not."
    )
    query = urlencode({"level": one.level})
    yield Finding("losing_level", sentence, *loss, one.players, "players", "progression", query)


def find_rage_quits(evidence: Evidence) -> Iterator[Finding]:
    """Find the level after whose Fails most sessions end at once."""
    sure = [
        (share_of(quits, fails), level, fails)
        for level, fails, players, quits in evidence.rage_quits
        if players >= FEW_PLAYERS
    ]
    share, level, fails = max(sure, key=lambda some: some[0].low or 0.0, default=(share_of(0, 0), "", 0))
    if share.low is None or share.rate is None or share.low < RAGE_QUIT_SHARE:
        return
    sentence = (
        f"{percent(share.rate)} of the {fails:,} Fails in {level} are rage quits (at least {percent(share.low)}): the"
        f" session ends within {RAGE_QUIT_SECONDS} seconds."
    )
    yield Finding("rage_quits", sentence, *share, fails, "fails", "progression", urlencode({"level": level}))


def find_crashing_build(evidence: Evidence) -> Iterator[Finding]:
    """Find builds that crash more than the build before; the newest first."""
    sure = [row for row in evidence.builds if row[3] >= FEW_PLAYERS]
    for (before, others, crashed_before, *_), (build, sessions, crashed, *_) in reversed(list(pairwise(sure))):
        now, then = share_of(crashed, sessions), share_of(crashed_before, others)
        difference = difference_of(now, then)
        if now.rate is None or then.rate is None or difference.low is None or difference.low <= 0:
            continue
        sentence = (
            f"Build {build} crashes more than {before}: {percent(now.rate)} of {sessions:,} sessions instead of"
            f" {percent(then.rate)} of {others:,}."
        )
        yield Finding("crashing_build", sentence, *now, sessions, "sessions", "errors", urlencode({"build": build}))


class _HalfOfDays(NamedTuple):
    """The earlier or later half of a currency's days; see `inflation.sql`."""

    currency: str
    is_later: bool
    players: int
    player_days: int
    net: float
    squares: float


def find_inflation(evidence: Evidence) -> Iterator[Finding]:
    """Find currencies of which players gain more and more."""
    for _, halves in groupby(evidence.halves, key=lambda half: half.currency):
        both = list(halves)
        if len(both) == 2 and min(half.players for half in both) >= FEW_PLAYERS:
            yield from _inflation(*both)


def _inflation(earlier: _HalfOfDays, later: _HalfOfDays) -> Iterator[Finding]:
    """Compare the two halves of a currency's days."""
    then = mean_of(earlier.net, earlier.squares, earlier.player_days)
    now = mean_of(later.net, later.squares, later.player_days)
    difference = difference_of(now, then)
    if not then.mean or now.mean is None or then.mean < 0 or difference.low is None or difference.low <= 0:
        return
    growth = now.mean / then.mean - 1
    if growth < INFLATION_GROWTH:
        return
    sentence = (
        f"The currency {later.currency} inflates: in the later half of the days a player gains {now.mean:,.1f} a day"
        f" net of what is spent, in the earlier half {then.mean:,.1f} (+{percent(growth)})."
    )
    yield Finding("inflation", sentence, growth, None, None, later.player_days, "player-days", "economy", "")


def find_unreached_level(evidence: Evidence) -> Iterator[Finding]:
    """Find the first level, in the order of play, that almost nobody reaches."""
    most = max((one.players for one in evidence.levels), default=0)
    if most < FEW_PLAYERS:
        return
    for one in evidence.levels:
        share = share_of(one.players, most)
        if share.rate is not None and share.high is not None and share.high < UNREACHED_SHARE:
            sentence = (
                f"{one.level} is reached by {one.players:,} of {most:,} players ({percent(share.rate)}, at most"
                f" {percent(share.high)})."
            )
            query = urlencode({"level": one.level})
            yield Finding("unreached_level", sentence, *share, most, "players", "progression", query)
            return


def percent(share: float) -> str:
    """Format a share: whole percents, with one decimal below 10."""
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.0995 else f"{100 * share:.0f} %"


RULES = (
    FindingRule(
        "losing_level",
        "The level that loses most against the two levels before and the two after it: the lower end of its loss lies"
        " above their median, and the interval of the difference to all their players above 0.",
        find_losing_level,
    ),
    FindingRule(
        "rage_quits",
        "The level with most rage quits: at least a tenth of its Fails, by the lower end of the interval, is followed"
        f" by the end of the session within {RAGE_QUIT_SECONDS} seconds.",
        find_rage_quits,
    ),
    FindingRule(
        "crashing_build",
        "A build of which a larger share of sessions crashes than of the build before, by the interval of the"
        " difference.",
        find_crashing_build,
    ),
    FindingRule(
        "inflation",
        "A currency of which players gain at least a quarter more per day, net of what they spend, in the later half of"
        " the days, by the interval of the difference.",
        find_inflation,
    ),
    FindingRule(
        "unreached_level",
        "The first level that fewer than a tenth of the players reach, by the upper end of the interval.",
        find_unreached_level,
    ),
)
"""All rules, in the order in which their findings are shown."""
