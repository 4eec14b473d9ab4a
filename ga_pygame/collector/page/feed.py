"""Rows of the page's feed, made once for all tabs that show the same category."""

from __future__ import annotations

from collections import deque

from ga_pygame.collector.page import rows
from ga_pygame.collector.page.rows import TableRow
from ga_pygame.collector.storage.queries import Arrival, Queries

ROWS_KEPT = 200
"""Rows of a category that a tab shows at most."""

ROWS_PER_LOOK = 100
"""New rows of one look; if there are more, only the newest are shown."""


Looked = tuple[list[TableRow], int]
"""The rows that a look found, newest first, and the last id that it covered."""

NOTHING: Looked = ([], -1)


class Feed:
    """The newest rows of one category, newest first.

    `look` reads the file and runs on the reading thread; all other methods run on the loop.

    Args:
        category: See `Queries.newest`.
    """

    def __init__(self, category: str | None) -> None:
        self.category = category
        self.total = 0
        """The number of rows so far. A tab remembers it to ask for later rows with `since`."""
        self._rows: deque[TableRow] = deque(maxlen=ROWS_KEPT)
        self._up_to = -1

    def look(self, queries: Queries) -> Looked:
        """Read the rows that arrived after the ones here."""
        up_to = queries.newest_id()
        if up_to == self._up_to:
            return [], up_to
        first = self._up_to < 0
        most = ROWS_KEPT if first else ROWS_PER_LOOK
        found = queries.newest(0 if first else self._up_to, most, self.category, up_to)
        return [_safe_row(one) for one in found], up_to

    def add(self, looked: Looked) -> None:
        """Add the rows that `look` found."""
        found, up_to = looked
        new = [row for row in found if row["id"] > self._up_to]  # two looks may have started at the same row
        self._up_to = max(self._up_to, up_to)
        self._rows.extendleft(reversed(new))
        self.total += len(new)

    def since(self, total: int) -> list[TableRow]:
        """Return the rows after a tab's `total`, newest first; for 0, all that are kept."""
        return list(self._rows)[: max(0, self.total - total)]


def _safe_row(one: Arrival) -> TableRow:
    try:
        return rows.row_of_event(one)
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
