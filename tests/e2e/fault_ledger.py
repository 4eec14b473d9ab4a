"""The ledger of the fault suite's games, and its comparison with the events that arrived at the collector."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ON_DISK_SECONDS = 0.05
"""The promise: a call that returned this long before the process died is safe."""

BUSY_MACHINE_SECONDS = 0.25
"""What a machine that runs other tests beside this one may add before it lets the writer's thread work, beside the
time in which the game's own thread stood still too. A call that is lost although it was older than all that
counts as lost; one older than the promise counts as late."""

STANDSTILL_SECONDS = 0.03
"""Two calls of the game further apart than this: its thread got no processor."""

LATE_SHARE = 0.25
"""In how many of the kills a call may be late."""

Event = dict[str, Any]


@dataclass
class Life:
    """One launch of the game. Times in seconds of `time.monotonic`.

    Attributes:
        calls: When each call returned, by its number.
        wallet: When each flow went into the wallet.
        died: When it was killed, `None` if it ended by itself.
        suspended: From when until when it was stopped.
        called: What each call carries of itself, by its number: unique on this machine.
        peak: The most memory that it held at a time, in bytes.
    """

    name: str
    session_id: str = ""
    starting: float = 0.0
    started: float = 0.0
    calls: dict[int, float] = field(default_factory=dict)
    wallet: list[float] = field(default_factory=list)
    closing: float | None = None
    closed: float | None = None
    died: float | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    flushed: str | None = None
    suspended: list[tuple[float, float]] = field(default_factory=list)
    called: dict[int, float] = field(default_factory=dict)
    peak: int = 0

    def standstill(self, since: float) -> float:
        """Return how long the game's own thread got no processor between this time and its death."""
        moments = [at for at in self.calls.values() if at >= since] + [self.died or since]
        gaps = (later - earlier for earlier, later in itertools.pairwise(moments))
        return sum(gap for gap in gaps if gap > STANDSTILL_SECONDS)


def read(path: Path) -> dict[str, Life]:
    """Read the launches from a ledger, in the order of their starts."""
    lives: dict[str, Life] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        name, word, at, *more = json.loads(line)
        life = lives.setdefault(name, Life(name))
        if word == "starting":
            life.starting = at
        elif word == "started":
            life.started, life.session_id = at, more[0]
        elif word == "call":
            life.calls[more[0]], life.called[more[0]] = at, more[2]
        elif word == "wallet":
            life.wallet.append(at)
        elif word == "closing":
            life.closing = at
        elif word == "closed":
            life.closed = at
            life.dropped, life.peak = more
        elif word == "flushed":
            life.flushed = more[0]
        elif word == "died":
            life.died = at
    return lives


@dataclass
class Result:
    """The cost of a fault.

    Attributes:
        fault: Its name.
        rounds: How often it was met.
        events: Calls that had to arrive.
        lost: Of these, how many did not.
        doubled: Events that arrived more than once.
        kills: Processes that were killed.
        late: Kills that cost a call older than `ON_DISK_SECONDS`.
        oldest: The age of the oldest call that a kill cost, in seconds.
        slowest_close: The longest `close()`, in seconds.
        slowest_start: The longest `start()`, in seconds.
        more_memory: The most that a game held more than the same game with a good server, in bytes.
        resent: Events that the collector got again and dropped as doubles.
        wrong: What else is not as promised, in words.
    """

    fault: str
    rounds: int
    events: int = 0
    lost: int = 0
    doubled: int = 0
    kills: int = 0
    late: int = 0
    oldest: float = 0.0
    slowest_close: float = 0.0
    slowest_start: float = 0.0
    more_memory: int = 0
    resent: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, most_lost: int = 0) -> None:
        """Fail if a promise is broken."""
        assert self.lost <= most_lost, self
        assert self.doubled == 0, self
        assert not self.wrong, "\n".join(self.wrong)
        assert self.late <= max(1, LATE_SHARE * self.kills), self


@dataclass(frozen=True)
class Promise:
    """The promises that a fault must not break.

    Attributes:
        counters: No number has a gap or a repeat.
        order: A session's events arrive in the order of the calls.
        is_sequential: One launch after the other, so that session numbers rise with them.
        is_lossless: Nothing may be lost but the last calls of a launch that was killed.
        sessions: Every session begins and ends once; else at most once.
    """

    counters: bool = True
    order: bool = True
    is_sequential: bool = True
    is_lossless: bool = True
    sessions: bool = True


ALL = Promise()


def verify(fault: str, rounds: int, lives: Sequence[Life], events: Sequence[Event], promise: Promise = ALL) -> Result:
    """Compare the events that arrived with the ledger.

    Args:
        fault: Its name.
        rounds: How often it was met.
        lives: All launches that shared an outbox, the one that drained it last.
        events: What the collector stored of them, in order of arrival.
        promise: What to check.
    """
    result = Result(fault, rounds)
    by_life: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_life[event["custom_fields"]["launch"]].append(event)
    result.doubled += sum(times - 1 for times in Counter(event["event_uuid"] for event in events).values())
    for life in lives:
        _check_calls(life, by_life[life.name], result, promise)
        _check_sessions(life, by_life[life.name], result, promise)
        if life.dropped and promise.is_lossless:
            result.wrong.append(f"{life.name}: dropped {life.dropped}")
        if life.started:
            result.slowest_start = max(result.slowest_start, life.started - life.starting)
        if life.closing is not None and life.closed is not None:
            result.slowest_close = max(result.slowest_close, life.closed - life.closing)
    if promise.counters:
        _check_counters(lives, events, result, promise)
    return result


def _check_calls(life: Life, own: Sequence[Event], result: Result, promise: Promise) -> None:
    arrived = [event["custom_fields"]["n"] for event in own if "n" in event["custom_fields"]]
    times = Counter(arrived)
    result.doubled += sum(count - 1 for count in times.values())
    if promise.order and arrived != sorted(arrived):
        falls = [(one, two) for one, two in itertools.pairwise(arrived) if two < one]
        result.wrong.append(f"{life.name}: arrived out of order: {falls[:5]}")
    lost = [number for number in life.calls if number not in times]
    flows = sum(event["amount"] for event in own if event["category"] == "resource")
    if flows > len(life.wallet) + (life.died is not None):
        result.wrong.append(f"{life.name}: {flows} in the wallet after {len(life.wallet)} flows")
    if life.died is None:
        result.events += len(life.calls)
        result.lost += len(lost)
        if promise.is_lossless and flows != len(life.wallet):
            result.wrong.append(f"{life.name}: {flows} in the wallet after {len(life.wallet)} flows")
        return
    result.kills += 1
    times_lost = [life.calls[number] for number in lost] + life.wallet[int(flows) :]
    ages = [life.died - at for at in times_lost]
    result.events += sum(life.died - at > ON_DISK_SECONDS for at in life.calls.values())
    most = ON_DISK_SECONDS + BUSY_MACHINE_SECONDS
    result.lost += sum(life.died - at - life.standstill(at) > most for at in times_lost)
    result.late += any(age > ON_DISK_SECONDS for age in ages)
    result.oldest = max([result.oldest, *ages])
    if promise.is_lossless and lost and arrived and min(lost) < max(arrived):
        result.wrong.append(f"{life.name}: {min(lost)} is missing before {max(arrived)}")


def _check_sessions(life: Life, own: Sequence[Event], result: Result, promise: Promise) -> None:
    sessions: dict[str, list[Event]] = defaultdict(list)
    for event in own:
        sessions[event["session_id"]].append(event)
    if promise.sessions and life.session_id and not sessions and (life.died is None or life.died - life.started > 0.3):
        result.wrong.append(f"{life.name}: its session did not arrive")
    for session_id, some in sessions.items():
        categories = [event["category"] for event in some]
        for category in ("user", "session_end"):
            found = categories.count(category)
            if found > 1 or (promise.sessions and not found):
                result.wrong.append(f"{life.name}: session {session_id} has {found} {category}")
        # A call of the very moment in which the end of a sleep ends a session may still be stamped with it.
        last = "session_end" if life.suspended else categories[-1]
        if promise.order and (categories[0], last) != ("user", "session_end"):
            result.wrong.append(f"{life.name}: {categories[0]} came first, {categories[-1]} last")
    attempts = [event["event_id"] for event in own if event["category"] == "progression"]
    starts = sum(attempt.startswith("Start:") for attempt in attempts)
    if promise.is_lossless and len(attempts) != 2 * starts:
        result.wrong.append(f"{life.name}: {starts} attempts began, {len(attempts) - starts} ended")
    if len(sessions) == 1 and promise.is_lossless:
        _check_length(life, own, result)


def _check_length(life: Life, own: Sequence[Event], result: Result) -> None:
    """Check a session's length in whole seconds; after a kill as of the last commit."""
    numbers = [event["custom_fields"]["n"] for event in own if "n" in event["custom_fields"]]
    known = [life.calls[number] for number in numbers if number in life.calls]
    asleep = sum(until - since for since, until in life.suspended)
    most = (life.closed or life.died or 0.0) - life.starting - asleep
    if life.died is None and life.closing is not None:
        least = life.closing - life.started - asleep
    else:
        last_commit = max(known, default=life.started) - ON_DISK_SECONDS - BUSY_MACHINE_SECONDS
        least = last_commit - life.started - asleep  # the journal has later calls, but no later length
    slack = 0.35 * len(life.suspended)  # a sleep is dated back to the last look, a quarter of a second before
    for end in (event for event in own if event["category"] == "session_end"):
        if not int(max(0.0, least - slack)) <= end["length"] <= int(most + slack):
            result.wrong.append(f"{life.name}: length {end['length']}, played {least:.2f} to {most:.2f} s")


def _check_counters(lives: Sequence[Life], events: Sequence[Event], result: Result, promise: Promise) -> None:
    starts = [event for event in events if event["category"] == "user"]
    numbers = [event["session_num"] for event in starts]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        result.wrong.append(f"session numbers {_gaps(numbers)}")
    if promise.is_sequential:
        places = {life.name: place for place, life in enumerate(lives)}
        order = [
            places[event["custom_fields"]["launch"]] for event in sorted(starts, key=lambda one: one["session_num"])
        ]
        if order != sorted(order):
            result.wrong.append("session numbers do not rise with the launches")
    ids = {event["session_id"]: event["session_num"] for event in starts}
    if any(ids.get(event["session_id"]) != event["session_num"] for event in events):
        result.wrong.append("an event has another session's number")
    sales = [event["transaction_num"] for event in events if event["category"] == "business"]
    if (sales if promise.order else sorted(sales)) != list(range(1, len(sales) + 1)):
        result.wrong.append(f"transaction numbers {_gaps(sales)}")
    if promise.order:
        expected = 1
        for event in events:
            if event["category"] == "progression" and not event["event_id"].startswith("Start:"):
                if event["attempt_num"] != expected:
                    result.wrong.append(f"attempt {event['attempt_num']} instead of {expected}")
                expected = 1 if event["event_id"].startswith("Complete:") else event["attempt_num"] + 1


def _gaps(numbers: Iterable[int]) -> str:
    found = Counter(numbers)
    repeats = [number for number, times in found.items() if times > 1]
    missing = [number for number in range(1, max(found, default=0) + 1) if number not in found]
    return f"repeat {repeats[:5]}, miss {missing[:5]}"
