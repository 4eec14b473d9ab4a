"""Rows of the page's feed, made once for all tabs that show the same events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ga_pygame.collector.page import rows
from ga_pygame.collector.page.address import EVERY_EVENT, PageAddress
from ga_pygame.collector.page.rows import TableRow
from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.collector.stores.contract import EventReader

ROWS_KEPT = 200
"""Rows of a category that a tab shows at most."""

ROWS_PER_LOOK = 100
"""New rows of one look; if there are more, only the newest are shown."""

MAX_SEARCHED = 20_000
"""Newest events that are searched for a player, a session or a text; older ones are in the export."""


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Which events a feed shows.

    Attributes:
        category: See `EventReader.newest`.
        fields: Names of fields and the values that they must have.
        game: The game key, or the beginning of it; "" for all games.
        text: What the event's JSON must contain, in any case; "" for all events.
    """

    category: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    game: str = ""
    text: str = ""

    @property
    def searches(self) -> bool:
        """Whether events must be decoded to know if they belong here."""
        return bool(self.fields or self.game or self.text)

    def has(self, one: Arrival) -> bool:
        """Whether an event belongs to the feed; its category is not looked at."""
        if not one.game_key.startswith(self.game):
            return False
        if not self.fields and not self.text:
            return True
        event = rows.decoded(one.json)
        if event is None:
            return False
        if any(_text_of(event, name) != value for name, value in self.fields):
            return False
        return self.text in msgspec.json.encode(event).decode().casefold()


def feed_key(address: PageAddress) -> FeedKey:
    """Return which events the filters of an address leave."""
    found = address.filters
    names = [name for name in (*EVERY_EVENT, "session_id") if name != "game" and name in found]
    return FeedKey(
        found.get("category"),
        tuple((name, found[name]) for name in names),
        found.get("game", ""),
        found.get("text", "").casefold(),
    )


def _text_of(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


Looked = tuple[list[TableRow], int, list[str]]
"""The rows that a look found, newest first, and the last id that it covered. If events may appear late, also the
`event_uuid` of each row: so one that was found before is recognised."""

NOTHING: Looked = ([], -1, [])


class Feed:
    """The newest rows of some events, newest first.

    `look` reads the file and runs on the reading thread; all other methods run on the loop.

    Args:
        key: Which events.
        meant: See `rows.row_of_event`.
    """

    def __init__(self, key: FeedKey, meant: Callable[[dict[str, Any]], str] | None = None) -> None:
        self.key = key
        self._meant = meant
        self.total = 0
        """The number of rows so far. A tab remembers it to ask for later rows with `since`."""
        self._rows: deque[TableRow] = deque(maxlen=ROWS_KEPT)
        self._up_to = -1
        self._shown: dict[str, int] = {}

    def look(self, queries: EventReader) -> Looked:
        """Read the rows that arrived after the ones here, and late ones of before."""
        up_to = queries.newest_id()
        if up_to == self._up_to and not queries.overlap:
            return [], up_to, []
        first = self._up_to < 0
        most = ROWS_KEPT if first else ROWS_PER_LOOK
        limit = MAX_SEARCHED if self.key.searches else most
        after = 0 if first else max(0, self._up_to - queries.overlap)
        found = queries.newest(after, limit, self.key.category, up_to)
        if self.key.searches:
            found = [one for one in found if self.key.has(one)][:most]
        uuids = [_uuid_of(one) for one in found] if queries.overlap else []
        return [_safe_row(one, self._meant) for one in found], up_to, uuids

    def add(self, looked: Looked) -> None:
        """Add the rows that `look` found."""
        found, up_to, uuids = looked
        if uuids:
            new = [row for row, uuid in zip(found, uuids, strict=True) if uuid not in self._shown]
            self._shown |= {uuid: row["id"] for row, uuid in zip(found, uuids, strict=True)}
            for uuid in list(self._shown)[:-MAX_SEARCHED]:
                del self._shown[uuid]
        else:
            new = [row for row in found if row["id"] > self._up_to]  # two looks may have started at the same row
        self._up_to = max(self._up_to, up_to)
        self._rows.extendleft(reversed(new))
        self.total += len(new)

    def since(self, total: int) -> list[TableRow]:
        """Return the rows after a tab's `total`, newest first; for 0, all that are kept."""
        return list(self._rows)[: max(0, self.total - total)]


def _uuid_of(one: Arrival) -> str:
    """Return what tells an event from all others."""
    uuid = batches.about(one.json).event_uuid
    return uuid if isinstance(uuid, str) else str(one.id)


def _safe_row(one: Arrival, meant: Callable[[dict[str, Any]], str] | None) -> TableRow:
    try:
        return rows.row_of_event(one, meant)
    except Exception:  # noqa: BLE001 - one event that cannot be shown must not hide the others
        return {
            "id": one.id,
            "tone": "accepted",
            "cells": [
                [None, one.received_at, ""],
                "",
                "an event that cannot be shown",
                "",
                "",
                rows.game(one.game_key),
            ],
            "notes": [],
        }
