"""Copies records from an outbox file that was removed or replaced to the file that is at its path now.

The old file is still open, so nothing in it is lost. At its path there may be no file; the new file of another copy of
the game, which may have saved the same records first; or an older version of the file, from a backup or a cloud.
The copy that saves the records stores a mark of the old file in the same transaction, so they are saved once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame import kept
from ga_pygame.delivery.outbox import salvage
from ga_pygame.delivery.outbox.contract import NewRecord, Told, Transaction
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox


def move(old: SqliteOutbox, new: SqliteOutbox, destinations: Sequence[str], told: Told, *, is_new: bool) -> bool:
    """Copy waiting records and kept values.

    Args:
        old: The outbox whose file is gone.
        new: The outbox of the file at its path.
        destinations: The names of all destinations.
        told: Told of invalid values.
        is_new: Whether there was no file at its path.

    Returns:
        False if another copy of the game has already copied them.
    """
    mark = f"{old.identity}:{salvage.last(old.connection)}"  # for all copies the same

    def copy(transaction: Transaction) -> bool:
        if transaction.value(kept.SAVED_FROM) == mark:
            return False
        there = set() if is_new else {_event(one) for one, _ in _waiting_records(new, destinations)}
        if not is_new and transaction.value(kept.USER_ID) == salvage.kept_value(old.connection, kept.USER_ID):
            salvage.delete_sums(new.connection)  # an older version's sums: those of the old file include them
        salvage.copy_values(old.connection, old.launch, transaction, told.say)
        for record, only in _waiting_records(old, destinations):
            if _event(record) not in there:
                transaction.add([record], only)
        transaction.remember(kept.SAVED_FROM, mark)
        return True

    return new.transact(copy)


def waiting(old: SqliteOutbox, destinations: Sequence[str]) -> int:
    """Count the records that wait in a file that is gone."""
    return len(_waiting_records(old, destinations))


def _waiting_records(outbox: SqliteOutbox, destinations: Sequence[str]) -> list[tuple[NewRecord, list[str] | None]]:
    return salvage.read_records(outbox.connection, None, outbox.delivered, destinations).records


def _event(record: NewRecord) -> bytes:
    """Return the `event_uuid` of a record, which is the last field of its JSON."""
    return record.own.rpartition(b'"event_uuid":')[2]
