"""The bookkeeping of an outbox in memory that stands in for the disk: what the disk does not know.

The journal keeps it, so that the next launch can apply it if the process is killed before the disk can be written
again. Else a session would end twice, or a completed level would fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from ga_pygame import kept
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.outbox.open_session import LAUNCH_COLUMN, OpenSession, session_of
from ga_pygame.kept import COUNTERS, KeptKey

_ROW_NAMES = [one.name for one in fields(OpenSession)]
_ROW_NAMES.insert(LAUNCH_COLUMN, "")  # as in a row of the table


class Books(NamedTuple):
    """The bookkeeping at a position of the journal (see the module).

    Attributes:
        counters: How much has been added to each counter.
        attempts: The numbers of failed attempts that have changed, by level.
        sessions: The open sessions by id; `None` for one that has ended.
        sums: The amounts that wait: destination, slot, amount, idempotency key.
    """

    counters: Mapping[KeptKey, int]
    attempts: Mapping[str, int]
    sessions: Mapping[str, OpenSession | None]
    sums: Sequence[tuple[str, str, float, str]] = ()

    def text(self) -> str:
        """Encode as JSON."""
        rows = {name: None if one is None else _written(one) for name, one in self.sessions.items()}
        return json.dumps([self.counters, self.attempts, rows, self.sums], separators=(",", ":"))

    def apply(self, transaction: Transaction, launch: str) -> None:
        """Write to the disk's outbox; its other values stay as they are."""
        for counter, added in self.counters.items():
            if added:
                transaction.remember(counter, str(kept.count(transaction.value(counter)) + added))
        for level, number in self.attempts.items():
            transaction.set_attempts(level, number)
        for name, session in self.sessions.items():
            if session is None:
                transaction.delete_session(name)
            else:
                transaction.save_session(session, launch)
        for destination, slot, amount, key in self.sums:
            transaction.add_to_sum(destination, slot, amount, key)


def books_of(text: str) -> Books | None:
    """Decode books that another process wrote; leave out invalid parts. `None` if they cannot be read at all."""
    parts = kept.from_json(text)
    if not isinstance(parts, list) or [type(part) for part in parts] != [dict, dict, dict, list]:
        return None
    counters, attempts, rows, sums = parts
    return Books(
        {key: kept.count(counters.get(key)) for key in COUNTERS},
        {level: kept.count(number) for level, number in attempts.items()},
        {name: session for name, row in rows.items() if (session := _session_in(row)) is not None or row is None},
        [tuple(one) for one in sums if _is_sum(one)],
    )


def _is_sum(found: Any) -> bool:
    if not isinstance(found, list) or [type(part) for part in found] != [str, str, float, str]:
        return False
    return kept.amount(found[2]) is not None


def _written(session: OpenSession) -> list[Any]:
    """Return the columns that `session_of` reads, as far as JSON has them."""
    columns = {name: getattr(session, name, None) for name in _ROW_NAMES}
    columns["annotations"] = session.annotations.decode("utf-8", "replace")
    columns["wallet"] = json.dumps([[*flow, amount] for flow, amount in session.wallet.items()])
    return list(columns.values())


def _session_in(row: Any) -> OpenSession | None:
    if not isinstance(row, list):
        return None
    columns = dict(zip(_ROW_NAMES, row, strict=False))
    if isinstance(columns.get("annotations"), str):
        columns["annotations"] = columns["annotations"].encode("utf-8", "replace")
    return session_of(tuple(columns.values()))
