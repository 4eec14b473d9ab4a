"""Trophy: metrics that the developer maps, and the rewards that come back.

Nothing is sent implicitly: each metric must exist in Trophy's dashboard, and a player who sends any counts
as a monthly user. The writer adds up what a mapping says, per metric and player; a sum is frozen under an
Idempotency-Key on the disk before it is sent for the first time, so that neither a retry nor a crash counts
it twice. One request is under way at a time, and at most five a second, Trophy's limit for all players of a
game together.

Source: Trophy's application API, docs and OpenAPI.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ParamSpec
from urllib.parse import quote

from ga_pygame import device, untrusted
from ga_pygame.addresses import address
from ga_pygame.diagnostics import Drop
from ga_pygame.protocol import Host, Outcome, Reply, Request, StoredRecord, SummingDestination, Verdict
from ga_pygame.signals import Signal

P = ParamSpec("P")

PRODUCTION = "https://api.trophy.so/v1"
FEWEST_SECONDS = 5.0

MetricSpec = str | tuple[str, float | str]
"""A metric's key, which counts 1 for each event; or with the amount: a number or the name of a field."""

MAX_REASON_LENGTH = 500
"""Characters that are kept of what Trophy says went wrong."""
MAX_REWARDS = 100
"""Rewards of one kind in an answer that are told to the game."""

_PASSING = (408, 409, 425, 429)
"""Refusals of the moment."""

_NUMBERS = {
    "session_end": ("length",),
    "business": ("amount",),
    "resource": ("amount",),
    "progression": ("score", "attempt_num"),
    "design": ("value",),
}
"""The fields of each category that can be summed up."""

_CATEGORIES = ("user", "session_end", "business", "resource", "progression", "design", "error")


class Trophy(SummingDestination):
    """The destination of Trophy.

    Args:
        api_key: An application key, `app_….…`, bound to the player; made by your own server. An admin key
            can change every player's data and is refused.
        metrics: What counts: `{"progression.complete": "levels-completed", "resource.sink:gold":
            ("gold-spent", "amount"), "design:kill": "kills"}`. The left side is a category, for progression
            and resource with the status or flow, then any leading parts of the event id.
        base_url: Another server that speaks the protocol.
        interval: Seconds between sends, at least 5.
        user: Further facts about the player to be kept at Trophy (`name`, `email`, `tz`, …); by default the
            id and the time zone only.

    Attributes:
        achievement_completed: `(achievement: dict)` as Trophy sends it.
        streak_extended: `(streak: dict)`.
        points_changed: `(system: str, total: float, added: float)`.
        level_changed: `(system: str, level: dict)`.
        rank_changed: `(leaderboard: str, rank: int | None, previous: int | None)`.

    Raises:
        ValueError: The key is no application key, or a mapping cannot mean anything.
    """

    name = "trophy"
    max_events = 1
    pace = 0.2

    def __init__(
        self,
        api_key: str,
        *,
        metrics: Mapping[str, MetricSpec],
        base_url: str = PRODUCTION,
        interval: float = 30.0,
        user: Mapping[str, Any] | None = None,
    ) -> None:
        _check_key(api_key)
        self._api_key = api_key
        self._url = address("base_url", base_url)
        self.interval: float | None = max(FEWEST_SECONDS, interval)
        self._user = dict(user or {})
        self._mapping = [(*_selector(selector), *_spec(selector, spec)) for selector, spec in metrics.items()]
        self._host: Host | None = None
        self.achievement_completed: Signal[[dict[str, Any]]] = Signal("achievement_completed")
        self.streak_extended: Signal[[dict[str, Any]]] = Signal("streak_extended")
        self.points_changed: Signal[[str, float, float]] = Signal("points_changed")
        self.level_changed: Signal[[str, dict[str, Any]]] = Signal("level_changed")
        self.rank_changed: Signal[[str, int | None, int | None]] = Signal("rank_changed")

    def __repr__(self) -> str:
        return f"<Trophy at {self._url}: {len(self._mapping)} mappings>"

    def redirect(self, collector: str) -> None:
        """Send to a collector instead."""
        self._url = f"{collector.rstrip('/')}/v1"

    def open(self, host: Host) -> None:
        self._host = host

    def amounts(self, event: Mapping[str, Any], user_id: str) -> list[tuple[str, float]]:
        """What an event adds to which sums. Writer thread."""
        found = []
        for category, parts, metric, amount in self._mapping:
            if category == event["category"] and _parts(event)[: len(parts)] == parts:
                value = (event.get(amount) or 0) if isinstance(amount, str) else amount
                if category == "resource" and isinstance(amount, str):
                    value = abs(value)  # a sink's is negative: what was spent counts
                if value:
                    found.append((json.dumps([metric, user_id]), value))
        return found

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        frozen = json.loads(b"{" + records[0].payload)
        metric, user_id = json.loads(frozen["slot"])
        user = {**({"tz": zone} if (zone := device.time_zone()) else {}), **self._user, "id": user_id}
        value = round(frozen["value"], 9)  # without the noise of adding fractions
        body = {"user": user, "value": int(value) if float(value).is_integer() else value}
        headers = {
            "X-API-KEY": self._api_key,
            "Content-Type": "application/json",
            "Idempotency-Key": frozen["key"],
        }
        return Request(f"{self._url}/metrics/{quote(metric, safe='')}/event", json.dumps(body).encode(), headers)

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:  # noqa: ARG002
        return [self._verdict(reply)]

    def _verdict(self, reply: Reply) -> Verdict:
        status, answer = reply.status, _body(reply)
        if status in (200, 201, 202) and answer is not None:
            if status != 202 and not answer.get("idempotentReplayed"):
                self._announce(answer)
            return Verdict(Outcome.DELIVERED)
        if status in (401, 403) and answer is not None:
            if self._host is not None:
                fix = "check the application key and that it belongs to this player; sums are kept"
                self._host.warn_once("trophy:key", f"Trophy refuses the key ({status}): {fix}")
            return Verdict(Outcome.REFUSED)
        is_theirs = answer is not None and (not answer or "error" in answer)  # else something in between said it
        if status is not None and 400 <= status < 500 and status not in _PASSING and is_theirs:
            error = untrusted.text((answer or {}).get("error"), MAX_REASON_LENGTH)
            return Verdict(Outcome.DROPPED, Drop.REJECTED, error or f"HTTP {status}")
        return Verdict(Outcome.RETRY)  # under the same key, so that nothing counts twice

    def _announce(self, answer: Mapping[str, Any]) -> None:
        """Turn an answer into signals, on the game thread."""
        for achievement in _list(answer, "achievements"):
            self._post(self.achievement_completed, achievement)
        streak = answer.get("currentStreak")
        if isinstance(streak, dict) and streak.get("extended"):
            self._post(self.streak_extended, streak)
        for key, system in _items(answer, "points"):
            total, added = untrusted.number(system.get("total")) or 0, untrusted.number(system.get("added")) or 0
            if added:
                self._post(self.points_changed, key, total, added)
            if isinstance(level := system.get("level"), dict):
                self._post(self.level_changed, key, level)
        for key, board in _items(answer, "leaderboards"):
            rank, previous = _rank(board.get("rank")), _rank(board.get("previousRank"))
            if rank != previous:
                self._post(self.rank_changed, key, rank, previous)

    def _post(self, signal: Signal[P], *args: P.args, **kwargs: P.kwargs) -> None:
        if self._host is not None:
            self._host.post(functools.partial(signal.emit, *args, **kwargs))


def _check_key(key: object) -> None:
    """Check the form of an application key without showing it."""
    if isinstance(key, str) and _KEY.fullmatch(key):
        return
    is_one = isinstance(key, str) and key.strip().startswith("app_") and "." in key
    why = "has characters that no key has (spaces, a line break, …), or nothing around its dot; " if is_one else ""
    raise ValueError(
        f"api_key: {why}must be an application key (app_….…); an admin key must never be in a game: "
        "have your server make application keys"
    )


_KEY = re.compile(r"app_[!-~]+\.[!-~]+")


def _selector(selector: str) -> tuple[str, list[str]]:
    """`resource.sink:gold` as category and leading parts of the event id."""
    head, *parts = selector.split(":")
    category, _, kind = head.partition(".")
    if category not in _CATEGORIES or (kind and category not in ("progression", "resource")):
        raise ValueError(f"metrics {selector!r}: must begin with one of {', '.join(_CATEGORIES)}")
    if "" in parts or (parts and category in ("user", "session_end")):
        raise ValueError(f"metrics {selector!r}: no event has an id that begins so")
    if category in ("progression", "resource"):
        kinds = ("start", "fail", "complete") if category == "progression" else ("source", "sink")
        if kind not in kinds:
            raise ValueError(f"metrics {selector!r}: say which: {', '.join(f'{category}.{one}' for one in kinds)}")
        parts = [kind.capitalize(), *parts]
    return category, parts


def _spec(selector: str, spec: MetricSpec) -> tuple[str, float | str]:
    metric, amount = (spec, 1) if isinstance(spec, str) else spec
    if not metric:
        raise ValueError(f"metrics {selector!r}: must name a metric")
    if isinstance(amount, str) and amount not in _NUMBERS.get(selector.partition(":")[0].partition(".")[0], ()):
        raise ValueError(f"metrics {selector!r}: such an event has no number {amount!r}")
    if not isinstance(amount, str) and not math.isfinite(amount):
        raise ValueError(f"metrics {selector!r}: {amount} cannot be added up")
    return metric, amount


def _parts(event: Mapping[str, Any]) -> list[str]:
    if event["category"] == "error":
        return [event["severity"]]
    return str(event.get("event_id", "")).split(":")


def _body(reply: Reply) -> dict[str, Any] | None:
    try:
        found = untrusted.parsed(reply.body)
    except untrusted.Unsound:
        return None
    return found if isinstance(found, dict) else None


def _rank(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    return [one for one in found[:MAX_REWARDS] if isinstance(one, dict)] if isinstance(found, list) else []


def _items(answer: Mapping[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    found = answer.get(name)
    items = islice(found.items(), MAX_REWARDS) if isinstance(found, dict) else ()
    return [(key, one) for key, one in items if isinstance(one, dict)]
