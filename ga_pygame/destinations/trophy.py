"""Trophy: metrics that the developer maps, and the rewards that come back.

Only mapped events are sent: each metric must exist in Trophy's dashboard, and a player with any event counts as a
monthly user. The writer adds up the mapped amounts, per metric and player. Before a sum is sent for the first time, it
is frozen on the disk together with an Idempotency-Key, so that neither a retry nor a crash counts it twice. One request
is in flight at a time, and at most five a second, Trophy's limit for all players of a game together.

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
from ga_pygame.addresses import TROPHY_URL, address
from ga_pygame.diagnostics import Drop
from ga_pygame.kinds import KIND_BY_CATEGORY
from ga_pygame.protocol import Host, Outcome, Reply, Request, StoredRecord, SummingDestination, Verdict
from ga_pygame.signals import Signal, emit

P = ParamSpec("P")

MIN_TROPHY_INTERVAL_SECONDS = 5.0

MetricSpec = str | tuple[str, float | str]
"""A metric's key, which counts 1 for each event; or a key with the amount: a number or the name of a field."""

MAX_TROPHY_REASON_LENGTH = 500
"""Characters kept of Trophy's error texts."""
MAX_REWARDS = 100
"""Rewards of one kind in an answer for which signals are emitted."""

_PASSING = (408, 409, 425, 429)
"""Statuses of temporary refusals."""


class Trophy(SummingDestination):
    """The destination of Trophy.

    Args:
        api_key: An application key, `app_….…`, made by your own server for the player. An admin key can change every
            player's data and is refused.
        metrics: The mapping: `{"progression.complete": "levels-completed", "resource.sink:gold": ("gold-spent",
            "amount"), "design:kill": "kills"}`. A key is a category (for progression and resource with the status or
            flow, for ads with the action), then any leading parts of the event id; of an ad its type and placement.
        base_url: Another server that speaks the protocol.
        interval: Seconds between sends, at least 5.
        user: More data of the player to store at Trophy (`name`, `email`, `tz`, …); by default only the id and the
            time zone.

    Attributes:
        achievement_completed: `(achievement: dict)` as Trophy sends it.
        streak_extended: `(streak: dict)`.
        points_changed: `(system: str, total: float, added: float)`.
        level_changed: `(system: str, level: dict)`.
        rank_changed: `(leaderboard: str, rank: int | None, previous: int | None)`.

    Raises:
        ValueError: The key is not an application key, or a mapping matches no event.
    """

    name = "trophy"
    max_events = 1
    pace = 0.2

    def __init__(
        self,
        api_key: str,
        *,
        metrics: Mapping[str, MetricSpec],
        base_url: str = TROPHY_URL,
        interval: float = 30.0,
        user: Mapping[str, Any] | None = None,
    ) -> None:
        _check_application_key(api_key)
        self._api_key = api_key
        self._url = address("base_url", base_url)
        self.interval: float | None = max(MIN_TROPHY_INTERVAL_SECONDS, interval)
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
        """Return the sums that an event adds to, with the amounts. Writer thread."""
        found = []
        for category, parts, metric, amount in self._mapping:
            if category == event["category"] and _parts(event)[: len(parts)] == parts:
                value = (event.get(amount) or 0) if isinstance(amount, str) else amount
                if category == "resource" and isinstance(amount, str):
                    value = abs(value)  # a sink's amount is negative; count what was spent
                if value:
                    found.append((json.dumps([metric, user_id]), value))
        return found

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        frozen = json.loads(b"{" + records[0].payload)
        metric, user_id = json.loads(frozen["slot"])
        user = {**({"tz": zone} if (zone := device.time_zone()) else {}), **self._user, "id": user_id}
        value = round(frozen["value"], 9)  # removes the rounding errors of adding fractions
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
        is_theirs = answer is not None and (not answer or "error" in answer)  # else a proxy in between answered
        if status is not None and 400 <= status < 500 and status not in _PASSING and is_theirs:
            error = untrusted.text((answer or {}).get("error"), MAX_TROPHY_REASON_LENGTH)
            return Verdict(Outcome.DROPPED, Drop.REJECTED, error or f"HTTP {status}")
        return Verdict(Outcome.RETRY)  # with the same key, so that nothing counts twice

    def _announce(self, answer: Mapping[str, Any]) -> None:
        """Emit the signals of an answer, on the game thread."""
        for achievement in _list(answer, "achievements"):
            self._post(self.achievement_completed, achievement)
        streak = answer.get("currentStreak")
        if isinstance(streak, dict) and streak.get("extended"):
            self._post(self.streak_extended, streak)
        for key, system in _dict_items(answer, "points"):
            total, added = (
                untrusted.finite_number(system.get("total")) or 0,
                untrusted.finite_number(system.get("added")) or 0,
            )
            if added:
                self._post(self.points_changed, key, total, added)
            if isinstance(level := system.get("level"), dict):
                self._post(self.level_changed, key, level)
        for key, board in _dict_items(answer, "leaderboards"):
            rank, previous = _rank(board.get("rank")), _rank(board.get("previousRank"))
            if rank != previous:
                self._post(self.rank_changed, key, rank, previous)

    def _post(self, signal: Signal[P], *args: P.args, **kwargs: P.kwargs) -> None:
        if self._host is not None:
            self._host.post(functools.partial(emit, signal, *args, **kwargs))


def _check_application_key(key: object) -> None:
    """Check the form of an application key; the message does not show the key."""
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
    """Parse `resource.sink:gold` to the category and the leading parts of the event id."""
    head, *parts = selector.split(":")
    category, _, kind = head.partition(".")
    known = {name: one for name, one in KIND_BY_CATEGORY.items() if not one.wanted_by}
    if category not in known or (kind and not known[category].variants):
        raise ValueError(f"metrics {selector!r}: must begin with one of {', '.join(known)}")
    if "" in parts or (parts and not known[category].told_by):
        raise ValueError(f"metrics {selector!r}: no event has an id that begins so")
    if variants := {one.lower(): one for one in known[category].variants}:
        if kind not in variants:
            raise ValueError(f"metrics {selector!r}: say which: {', '.join(f'{category}.{one}' for one in variants)}")
        parts = [variants[kind], *parts]
    return category, parts


def _spec(selector: str, spec: MetricSpec) -> tuple[str, float | str]:
    metric, amount = (spec, 1) if isinstance(spec, str) else spec
    if not metric:
        raise ValueError(f"metrics {selector!r}: must name a metric")
    category = selector.partition(":")[0].partition(".")[0]
    if isinstance(amount, str) and amount not in KIND_BY_CATEGORY[category].summed:
        raise ValueError(f"metrics {selector!r}: such an event has no number {amount!r}")
    if not isinstance(amount, str) and not math.isfinite(amount):
        raise ValueError(f"metrics {selector!r}: {amount} cannot be added up")
    return metric, amount


def _parts(event: Mapping[str, Any]) -> list[str]:
    told = (event.get(name) for name in KIND_BY_CATEGORY[event["category"]].told_by)
    return [part for value in told if value is not None for part in str(value).split(":")]


def _body(reply: Reply) -> dict[str, Any] | None:
    found = untrusted.parsed_or_none(reply.body)
    return found if isinstance(found, dict) else None


def _rank(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    return [one for one in found[:MAX_REWARDS] if isinstance(one, dict)] if isinstance(found, list) else []


def _dict_items(answer: Mapping[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    found = answer.get(name)
    items = islice(found.items(), MAX_REWARDS) if isinstance(found, dict) else ()
    return [(key, one) for key, one in items if isinstance(one, dict)]
