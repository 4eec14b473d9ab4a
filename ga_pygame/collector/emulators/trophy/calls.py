"""A call of Trophy's API that was let in, and the table of the reading routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ga_pygame.collector import bodies
from ga_pygame.collector.emulators.trophy.reads import HISTORY_PERIODS, Reads
from ga_pygame.collector.emulators.trophy.users import CallRefused

MAX_QUERY_NUMBER = 10_000
"""The largest number of a query parameter; a larger one is reduced to it."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request whose key was accepted."""

    request: Request
    names: list[str]
    body: bytes
    only_user: str | None
    delay: float

    def fields(self) -> dict[str, Any]:
        """Decode the JSON object of the body; no body means an empty object."""
        if not self.body:
            return {}
        try:
            unpacked = bodies.unpack(self.body, self.request.headers.get("content-encoding", ""))
            return bodies.decode_fields(unpacked)
        except bodies.TooLarge as error:
            raise CallRefused(413, f"the body unpacks to more than {bodies.MAX_OBJECT_BYTES} bytes") from error
        except bodies.BadBody as error:
            raise CallRefused(400, str(error)) from error

    def number(self, name: str, default: int) -> int:
        """Return a whole number of the query."""
        text = self.request.query_params.get(name)
        if text is None:
            return default
        try:
            number = int(text[:20])
        except ValueError:
            number = None
        if number is None or abs(number) > 10**9:
            raise CallRefused(422, f"{name} must be a whole number")
        return min(number, MAX_QUERY_NUMBER)

    def text(self, name: str) -> str:
        """Return a text of the query."""
        return str(self.request.query_params.get(name, ""))

    def mine(self, user_id: str) -> str:
        """Check that the key may act for a user, and return the user."""
        if self.only_user is not None and user_id != self.only_user:
            raise CallRefused(403, "this application key belongs to another user")
        return user_id


def _user(call: ApiCall) -> str:
    return call.mine(call.names[0])


READS: dict[tuple[str, ...], Callable[[Reads, ApiCall], Any]] = {
    ("users", "*"): lambda reads, call: reads.user(_user(call)),
    ("users", "*", "preferences"): lambda reads, call: reads.preferences(_user(call)),
    ("users", "*", "metrics"): lambda reads, call: reads.metrics(_user(call)),
    ("users", "*", "metrics", "*"): lambda reads, call: reads.metric(_user(call), call.names[1]),
    ("users", "*", "metrics", "*", "event-summary"): lambda reads, call: reads.event_summary(
        _user(call), call.names[1], call.text("aggregation"), call.text("startDate"), call.text("endDate")
    ),
    ("users", "*", "achievements"): lambda reads, call: reads.user_achievements(
        _user(call), incomplete=call.text("includeIncomplete") == "true"
    ),
    ("users", "*", "streak"): lambda reads, call: reads.streak(
        _user(call), call.number("historyPeriods", HISTORY_PERIODS)
    ),
    ("users", "*", "points", "*"): lambda reads, call: reads.user_points(
        _user(call), call.names[1], max(0, call.number("awards", 5))
    ),
    ("users", "*", "points", "*", "event-summary"): lambda reads, call: reads.points_event_summary(
        _user(call), call.names[1], call.text("aggregation"), call.text("startDate"), call.text("endDate")
    ),
    ("users", "*", "wrapped"): lambda reads, call: reads.wrapped(
        _user(call), call.number("year", 0) if call.text("year") else None
    ),
    ("users", "*", "points", "*", "boosts"): lambda reads, call: reads.boosts(call.names[1]),
    ("users", "*", "leaderboards", "*"): lambda reads, call: reads.user_leaderboard(
        _user(call), call.names[1], max(0, call.number("numEvents", 10))
    ),
    ("achievements",): lambda reads, _: reads.achievements(),
    ("streaks",): lambda reads, call: reads.streaks(call.request.query_params.getlist("userIds")),
    ("points", "*"): lambda reads, call: reads.points(call.names[0]),
    ("points", "*", "boosts"): lambda reads, call: reads.boosts(call.names[0]),
    ("points", "*", "levels"): lambda reads, call: reads.levels(call.names[0]),
    ("points", "*", "level-summary"): lambda reads, call: reads.level_summary(call.names[0]),
    ("points", "*", "summary"): lambda reads, call: reads.points_summary(call.names[0]),
    ("leaderboards",): lambda reads, _: reads.leaderboards(),
    ("leaderboards", "*"): lambda reads, call: reads.leaderboard(
        call.names[0],
        call.number("offset", 0),
        max(0, call.number("limit", 10)),
        call.request.query_params.get("userId"),
    ),
}
"""The reading routes by their paths; `*` stands for a name, which goes into `ApiCall.names`."""
