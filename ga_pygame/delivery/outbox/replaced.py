"""From an outbox whose file was removed or replaced to the file that is in its place now.

The old file is still open, so nothing in it is lost. In its place there may be: nothing; the file of another copy of
the game, which may have saved the same records before us; an older copy of the file, from a backup or a cloud.
Whoever saves the records leaves a mark of where they come from, in the same transaction, so they are saved once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame import kept
from ga_pygame.delivery.outbox import salvage
from ga_pygame.delivery.outbox.contract import NewRecord, Told, Transaction
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox


def move(old: SqliteOutbox, new: SqliteOutbox, destinations: Sequence[str], told: Told, *, is_new: bool) -> bool:
    """Copy what waits and what is kept.

    Args:
        old: Its file is gone.
        new: The file in its place.
        destinations: All that there are.
        told: Told of values that make no sense.
        is_new: Whether there was no file in its place.

    Returns:
        False if another copy of the game has done it.
    """
    mark = f"{old.identity}:{salvage.last(old.connection)}"  # nobody writes there any more: all copies see the same

    def copy(transaction: Transaction) -> bool:
        if transaction.value(kept.SAVED_FROM) == mark:
            return False
        there = set() if is_new else {_event(one) for one, _ in _waiting_records(new, destinations)}
        if not is_new and transaction.value(kept.USER_ID) == salvage.kept_value(old.connection, kept.USER_ID):
            salvage.delete_sums(new.connection)  # of an older copy: the old file's have grown from them
        salvage.copy_values(old.connection, old.launch, transaction, told.say)
        for record, only in _waiting_records(old, destinations):
            if _event(record) not in there:
                transaction.add([record], only)
        transaction.remember(kept.SAVED_FROM, mark)
        return True

    return new.transact(copy)


def waiting(old: SqliteOutbox, destinations: Sequence[str]) -> int:
    """How many records wait in a file that is gone."""
    return len(_waiting_records(old, destinations))


def _waiting_records(outbox: SqliteOutbox, destinations: Sequence[str]) -> list[tuple[NewRecord, list[str] | None]]:
    return salvage.read_records(outbox.connection, None, outbox.delivered, destinations).records


def _event(record: NewRecord) -> bytes:
    """What no other event has: its `event_uuid`, which stands at its end."""
    return record.own.rpartition(b'"event_uuid":')[2]
