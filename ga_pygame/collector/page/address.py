"""The page's address: which view is open and what it is filtered by, as the query of a link.

A link holds all that a view needs to show the same again; so the browser's back and forward work, too. Its values come
from anybody who makes a link: they are cut to a length and only ever compared, shown as text or bound as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode

from ga_pygame.collector.warehouse.filters import OF_CONTEXTS

MAX_FILTER_CHARACTERS = 200
"""Characters of a filter's value; the rest is cut."""
MAX_STEPS_CHARACTERS = 2700
"""Characters of the steps of a funnel: eight event ids of the largest size."""
MAX_QUERY_CHARACTERS = 8192
"""Characters of the address' query that are read; a longer one counts as empty."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One control of the filter bar.

    Attributes:
        label: Its name on the page.
        kind: `text`, `date` (a UTC day), `number` (a whole one, 1 or more) or `choice`.
        choices: Value and words of each choice; the first one is the default.
        without: Filters that end when this one is set.
        longest: Characters of its value; the rest is cut.
    """

    label: str
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    longest: int = MAX_FILTER_CHARACTERS


FILTERS: dict[str, Filter] = {
    "days": Filter(
        "time",
        "choice",
        (
            ("", "all time"),
            ("1", "today"),
            ("2", "today and yesterday"),
            ("7", "the last 7 days"),
            ("30", "the last 30 days"),
            ("90", "the last 90 days"),
        ),
        without=("since", "until"),
    ),
    "since": Filter("first day", "date", without=("days",)),
    "until": Filter("last day", "date", without=("days",)),
    "build": Filter("build"),
    "platform": Filter("platform"),
    "custom_01": Filter("dimension 1"),
    "custom_02": Filter("dimension 2"),
    "custom_03": Filter("dimension 3"),
    "ab_id": Filter("A/B test"),
    "ab_variant_id": Filter("A/B variant"),
    "country_code": Filter("country"),
    "user_id": Filter("player", without=("newest",)),
    "who": Filter(
        "who plays",
        "choice",
        (
            ("", "players, once there are any"),
            ("player", "players"),
            ("developer,bot", "developer and bot"),
            ("player,developer,bot", "everybody"),
        ),
    ),
    "game": Filter("game key"),
    "category": Filter("category"),
    "session_id": Filter("session"),
    "text": Filter("text"),
    "search": Filter("find a player"),
    "error": Filter("kind of error"),
    "newest": Filter("events up to"),
    "event_id": Filter("event id", longest=MAX_STEPS_CHARACTERS // 8),
    "map": Filter("map"),
    "field": Filter("custom field"),
    "steps": Filter("steps", longest=MAX_STEPS_CHARACTERS),
    "minutes": Filter("window in minutes", "number"),
    "level": Filter("level"),
    "other_build": Filter("other build"),
    "other_ab_variant_id": Filter("other A/B variant"),
    "other_since": Filter("other first day", "date"),
    "other_until": Filter("other last day", "date"),
}
"""All filters by their name in the address; those of an event's field have the name of the field."""

EVERY_EVENT = (*OF_CONTEXTS, "user_id", "game")
"""The filters that compare a field which every event carries."""
METRIC_FILTERS = ("days", "since", "until", *EVERY_EVENT, "who")
"""The filters of all metrics."""
OTHER_FILTERS = ("other_build", "other_ab_variant_id", "other_since", "other_until")
"""The filters of the second side of a comparison."""


@dataclass(frozen=True, slots=True)
class PageAddress:
    """A view with its filters; a filter that is not set has no entry."""

    view: str = ""
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __hash__(self) -> int:
        return hash((self.view, frozenset(self.filters.items())))

    def query(self) -> str:
        """Return the query for a link, without the question mark."""
        return urlencode([("view", self.view)] * bool(self.view) + sorted(self.filters.items()))

    def link(self) -> str:
        """Return the link within the page."""
        return f"/?{self.query()}" if self.query() else "/"

    def at(self, view: str) -> PageAddress:
        """Return the address of another view with the same filters."""
        return PageAddress(view, self.filters)

    def with_filter(self, name: str, value: str) -> PageAddress:
        """Return the address with one filter changed; an empty value removes it, and so does one it excludes."""
        gone = {name, *(FILTERS[name].without if value else ())}
        kept = {other: old for other, old in self.filters.items() if other not in gone}
        return PageAddress(self.view, _known_filters({**kept, name: value}))


def parse_address(query: str) -> PageAddress:
    """Parse the query of an address, with or without its question mark; what is unknown is left out."""
    if len(query) > MAX_QUERY_CHARACTERS:
        return PageAddress()
    found = dict(parse_qsl(query.removeprefix("?")))
    return PageAddress(found.pop("view", "")[:MAX_FILTER_CHARACTERS], _known_filters(found))


def metric_filters(address: PageAddress, today: date) -> dict[str, str]:
    """Return the filters of an address as the metrics know them: the last days become a first day.

    Args:
        address: The address.
        today: The calendar day in the time zone of the metrics.
    """
    found = {name: value for name, value in address.filters.items() if name in METRIC_FILTERS}
    days = found.pop("days", "")
    if days:
        found["since"] = (today - timedelta(days=int(days) - 1)).isoformat()
    return found


def _known_filters(found: Mapping[str, str]) -> Mapping[str, str]:
    """Return the filters that exist and are set, each with a value that it can have."""
    kept = {}
    for name, value in found.items():
        one = FILTERS.get(name)
        text = value.strip()[: one.longest].strip() if one is not None else ""
        if one is not None and text and _can_be(one, text):
            kept[name] = text
    return MappingProxyType(kept)


def _can_be(one: Filter, text: str) -> bool:
    """Whether a filter can have this value."""
    if one.kind == "number":
        return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0
    return not one.choices or text in dict(one.choices)
