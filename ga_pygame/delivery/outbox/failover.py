"""The outbox that the tracker uses: on disk while the disk works, else in memory.

A full disk, a read-only folder, a damaged file or another program that locks it must cost the game nothing. Each case
is reported once. Records in memory move to the disk as soon as it works again, at the latest when the game ends; the
journal keeps them until then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ga_pygame import kept
from ga_pygame.clock import Clock
from ga_pygame.delivery.outbox import replaced, salvage
from ga_pygame.delivery.outbox.contract import (
    Batch,
    DeadLaunch,
    LockedError,
    MigrationError,
    Outbox,
    OutboxError,
    Rejected,
    Told,
    Transaction,
)
from ga_pygame.delivery.outbox.file import (
    BUSY_SECONDS,
    DamagedError,
    GoneError,
    NewerSchemaError,
    OlderSchemaError,
    read_values,
)
from ga_pygame.delivery.outbox.launches import Launches
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.memory_slices import Slices
from ga_pygame.delivery.outbox.sqlite import OPEN_SECONDS, SqliteOutbox
from ga_pygame.diagnostics import Diagnostics, Drop

T = TypeVar("T")

PATIENCE_SECONDS = 5.0
"""The time for which another process may lock the file before events get their numbers in memory, where two copies of a
game may give the same `transaction_num` or `session_num`. Until then events wait in the journal, without numbers."""

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 5.0
"""The time until the first retry of the disk, which doubles with each retry, and the longest one."""


class FailoverOutbox:
    """The tracker's outbox (see the module). The constructor opens the disk and never raises.

    Args:
        path: The database file; `None` if there is no folder for it.
        destinations: The names of destinations that take records.
        clock: For the time between retries.
        diagnostics: Counts losses and reports every error.
        summing: The names of destinations that take sums.
        open_disk: Opens the file.
    """

    def __init__(
        self,
        path: Path | None,
        destinations: Sequence[str],
        clock: Clock,
        diagnostics: Diagnostics,
        summing: Sequence[str] = (),
        *,
        open_disk: Callable[..., SqliteOutbox] = SqliteOutbox,
    ) -> None:
        self._path = path
        self._open_disk = open_disk
        self._destinations, self._summing = tuple(destinations), tuple(summing)
        self._clock, self._diagnostics = clock, diagnostics
        self._told = Told(self._say, self._lost, self._refused)
        self._memory = MemoryOutbox(destinations, summing, self._told)
        self._memory.is_lasting = path is None
        self._launch = self._memory.launch
        self._disk: SqliteOutbox | None = None
        self._in_memory = self._moving = False
        self._numbered_in_memory = False  # whether events got numbers in memory since the disk failed
        self._locked_since: float | None = None
        self._retry_after = FIRST_RETRY_SECONDS
        self._next_try = 0.0
        self._closing = self._has_given_up = False
        self._damage: OutboxError | None = None
        self._delivered: dict[str, int] = {}  # the last id sent from the file that was set aside, by destination
        self._aside: Path | None = None  # the new path of a damaged file that is being moved
        self._slices = Slices(self._memory, kept.journal_position(self._launch))
        self._is_another = False  # whether earlier launches used another file
        self._has_saved = False  # whether the records of set-aside files are copied, also those of earlier launches
        if path is None:
            self._to_memory(None)
            return
        try:
            self._disk = self._opened(path, OPEN_SECONDS, migrates=False)
        except OlderSchemaError:  # the writer migrates it on its own thread
            self._to_memory(None)
            self._next_try = 0.0
        except DamagedError as error:
            self._replace(error)
        except OutboxError as error:
            self._to_memory(error)

    def _opened(self, path: Path, seconds: float, *, migrates: bool = True) -> SqliteOutbox:
        """Open the file, or another one beside it if a newer version of the package wrote it."""
        try:
            return self._sqlite(path, seconds, migrates=migrates)
        except NewerSchemaError as error:
            self._path = path.with_name("outbox.older.sqlite3")
            self._is_another = True
            self._say("newer", f"{error}; it is left as it is, and {self._path.name} is used beside it")
            return self._sqlite(self._path, seconds, migrates=migrates)

    def _sqlite(
        self, path: Path, seconds: float, *, migrates: bool = True, launches: Launches | None = None
    ) -> SqliteOutbox:
        launches = launches or Launches(path.parent, self._launch, self._told)
        names = (self._destinations, self._summing)
        return self._open_disk(path, *names, seconds=seconds, told=self._told, migrates=migrates, launches=launches)

    # --- a file that is damaged, or gone ----------------------------------------------------------------

    def _replace(self, error: OutboxError) -> None:
        """Set a damaged file aside and begin a new one with its kept values; go on in memory if that fails."""
        self._damage = error
        try:
            self._begin_another(error)
        except (OutboxError, OSError, ValueError, TypeError) as failed:
            self._to_memory(failed)

    def _begin_another(self, error: OutboxError) -> None:
        if isinstance(error, GoneError):
            self._begin_after_removal(error)
        else:
            self._begin_anew(error)

    def _begin_anew(self, error: OutboxError) -> None:
        """Set the file aside and begin a new one with all but its records; `transact` copies those later."""
        path = self._path
        if path is None:
            return
        if self._disk is not None:
            self._delivered = self._disk.delivered
            self._disk.close()
            self._disk = None
        aside = self._aside = self._aside or salvage.free_name(path)
        self._is_another = True
        salvage.set_aside(path, aside)
        disk = self._sqlite(path, BUSY_SECONDS)

        def copy(transaction: Transaction) -> None:
            with salvage.opened(aside) as damaged:
                salvage.copy_values(damaged, self._launch, transaction, self._told.say)
            transaction.remember(kept.SET_ASIDE, aside.name)

        disk.transact(copy)
        self._disk, self._aside, self._damage, self._has_saved = disk, None, None, False
        self._say("damaged", f"{error}; set aside as {aside.name}")

    def _begin_after_removal(self, error: OutboxError) -> None:
        """Open the file anew after it was removed or replaced; copy the records of the old one, which is still open."""
        path, old = self._path, self._disk
        if path is None or old is None:
            return
        self._is_another = True
        is_new = not path.exists()
        try:
            disk = self._sqlite(path, BUSY_SECONDS, launches=old.launches)
        except DamagedError:
            salvage.set_aside(path, salvage.free_name(path))
            is_new = True
            disk = self._sqlite(path, BUSY_SECONDS, launches=old.launches)
        try:
            has_moved = replaced.move(old, disk, self._destinations, self._told, is_new=is_new)
        except BaseException:
            disk.close(is_followed=True)
            raise
        self._disk, self._damage = disk, None
        old.close(is_followed=True)
        words = "what waited in it was saved" if has_moved else "another copy saved what waited"
        self._say("gone", f"{error}; {words}")

    def _save_records(self) -> None:
        """Copy the records of a file that was set aside. This is slow, so only the writer does it."""
        disk, path = self._disk, self._path
        if disk is None or path is None or self._in_memory:
            return

        def save(transaction: Transaction) -> tuple[str, salvage.Found] | None:
            name = transaction.value(kept.SET_ASIDE)
            if name is None:
                return None
            transaction.remember(kept.SET_ASIDE, None)
            aside = path.with_name(Path(name).name)
            if not aside.exists():
                return None
            with salvage.opened(aside) as damaged:
                found = salvage.read_records(damaged, aside, self._delivered, self._destinations)
            for record, only in found.records:
                transaction.add([record], only)
            return aside.name, found

        try:
            saved = disk.transact(save)
        except OutboxError:
            return  # the next transaction or the next launch tries again
        self._has_saved = True
        if saved is not None:
            name, found = saved
            if found.records:
                self._say("saved", f"{len(found.records)} waiting events could be saved from {name}")
            self._lost(found.lost, f"they were in {name}, which is damaged")

    # --- the disk cannot be used now --------------------------------------------------------------------

    def _to_memory(self, error: Exception | None) -> None:
        """Go on in memory, with the disk's counters if they can be read; report `error` unless it is `None`."""
        self._others_write(error)
        if isinstance(error, MigrationError):
            self._diagnostics.defect("the upgrade of the outbox's file, which is left as it is", error)
        self._next_try = self._clock.monotonic() + self._retry_after
        self._retry_after = min(2 * self._retry_after, MAX_RETRY_SECONDS)
        if self._in_memory:
            return
        self._in_memory = True
        if error is not None:
            self._say("memory", f"events are kept in memory until the disk can be written: {error}")
        with contextlib.suppress(OutboxError):
            if self._disk is not None:
                self._memory.take_over(*self._disk.counters())
            elif self._path is not None:
                self._memory.take_over(kept.values(read_values(self._path).items(), self._told.say), {}, {})

    def _to_disk(self) -> bool:
        """Move what is in memory to the disk; false if that still fails."""
        # An uploader leases from memory first and looks at `_moving` then; the writer sets `_moving` first and looks at
        # `busy` then. In another order both could go on, and a batch being sent would be moved and sent again.
        self._moving = True
        if self._memory.busy and not self._closing:
            self._moving = False
            return False
        try:
            self._bring_back()
        except (OutboxError, OSError) as error:
            if isinstance(error, (DamagedError, GoneError)):
                self._damage = error
            self._to_memory(error)
            return False
        else:
            self._memory.forget()
        finally:
            self._moving = False
        self._in_memory = self._numbered_in_memory = False
        self._locked_since = None
        self._slices.clear()
        self._retry_after = FIRST_RETRY_SECONDS
        self._diagnostics.forget("outbox:memory")
        return True

    def _bring_back(self) -> None:
        if self._path is None:
            raise OutboxError("there is no place for a file")
        if self._damage is not None:
            self._begin_another(self._damage)
        if self._disk is None:
            self._disk = self._opened(self._path, BUSY_SECONDS)
        self._diagnostics.drop(Drop.NO_CONSENT, self._disk.transact(self._memory.pour))

    def _say(self, cause: str, message: str) -> None:
        self._diagnostics.warn_once(f"outbox:{cause}", message)

    def _refused(self, message: str) -> None:
        self._diagnostics.drop(Drop.PART, detail=message)
        self._say("sum", message)

    def _lost(self, count: int, why: str) -> None:
        if not count:
            return
        self._diagnostics.drop(Drop.DAMAGED, count, why)
        self._say(f"lost:{why}", f"{count} waiting events are lost: {why}")

    # --- the contract -----------------------------------------------------------------------------------

    def _others_write(self, error: Exception | None) -> bool:
        """Note an error; return whether it only means that another process has been writing for a short time."""
        if not isinstance(error, LockedError):
            self._locked_since = None
        elif self._locked_since is None:
            self._locked_since = self._clock.monotonic()
        return self._is_patient

    @property
    def _is_patient(self) -> bool:
        """Whether another process has been writing, for less than `PATIENCE_SECONDS`."""
        since = self._locked_since
        return since is not None and self._clock.monotonic() < since + PATIENCE_SECONDS

    def transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        if self._in_memory and self._path is not None and self._clock.monotonic() >= self._next_try:
            self._to_disk()
        if self._damage is not None and not self._in_memory:
            self._replace(self._damage)
        if not self._has_saved:
            self._save_records()
        if self._in_memory and may_wait and not self._numbered_in_memory and self._is_patient:
            raise LockedError(f"{self._path} is held by another process")
        return self._transact(work, may_wait=may_wait)

    def transact_at_start(self, work: Callable[[Transaction], T]) -> T:
        """See `Outbox`."""
        result = self._transact(work)
        self._numbered_in_memory = False
        return result

    def _transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        if not self._in_memory and self._disk is not None:
            try:
                result = self._disk.transact(work)
            except (DamagedError, GoneError) as error:
                self._replace(error)
            except OutboxError as error:
                if self._others_write(error) and may_wait:
                    raise
                self._to_memory(error)
            else:
                self._locked_since = None
                return result
        if not self._in_memory and self._disk is not None:  # a new file
            try:
                return self._disk.transact(work)
            except OutboxError as error:
                self._to_memory(error)
        self._numbered_in_memory = True
        return self._slices.transact(work)

    @property
    def launch(self) -> str:
        return self._launch

    def journal_path(self) -> Path | None:
        return self._disk.journal_path() if self._disk is not None and not self._in_memory else None

    def journal_done(self, position: int) -> int:
        if not self._in_memory:
            self._slices.position = position
        return self._slices.look()

    def journal_books(self) -> str | None:
        return self._slices.books() if self._in_memory else None

    def journal_sent(self, position: int) -> int:
        return self._disk.journal_sent(position) if self._disk is not None and not self._in_memory else 0

    @property
    def is_on_disk(self) -> bool:
        return not self._in_memory or self._path is None

    def forget_launch(self, dead_launch: DeadLaunch) -> None:
        if self._disk is not None:
            with contextlib.suppress(OutboxError):
                self._disk.forget_launch(dead_launch)

    def dead_launches(self) -> Sequence[DeadLaunch]:
        try:
            found = self._disk.dead_launches() if self._disk and not self._in_memory else ()
            return [replace(dead_launch, is_of_this_file=False) for dead_launch in found] if self._is_another else found
        except LockedError:
            raise
        except OutboxError as error:
            self._note(error, self._disk, "what earlier launches left cannot be read now")
            return ()

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        disk = self._disk
        if disk is not None and self._damage is None and not self._memory.was_cleared:
            try:
                batch = disk.lease(destination, max_events, max_bytes)
            except OutboxError as error:
                self._note(error, disk, "events on the disk cannot be read now")
                batch = None
            if batch is not None:
                return replace(batch, more=True) if len(self._memory) else batch
        if self._moving:
            return None
        batch = self._memory.lease(destination, max_events, max_bytes)
        if batch is not None and self._moving:
            self._memory.release(batch)
            return None
        return batch

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        try:
            batch.origin.settle(batch, rejected)
        except OutboxError as error:
            self._note(error, batch.origin, "sent events cannot be removed from the disk now")

    def _note(self, error: OutboxError, origin: Outbox | None, consequence: str) -> None:
        """Note an error on an uploader's thread; the writer repairs damage on its own thread."""
        if isinstance(error, (DamagedError, GoneError)):
            if origin is self._disk:  # else the writer has already replaced that file
                self._damage = error
        else:
            self._say(consequence, f"{consequence}: {error}")

    def release(self, batch: Batch) -> None:
        batch.origin.release(batch)

    def save(self) -> None:
        self._closing = True
        if self._in_memory and (self._has_given_up or not self._to_disk()):
            if not self._has_given_up:  # also not meanwhile
                self._has_given_up = True
                self._count_loss()
            if self._disk is not None and self._memory.is_over:
                with contextlib.suppress(OutboxError):
                    self._disk.mark_ended()  # else the next launch would end our sessions again
        if self._disk is not None:
            with contextlib.suppress(OutboxError):
                self._disk.save()

    @property
    def unsaved(self) -> int:
        """Return how many records are in memory only."""
        return self._slices.unsaved if self._in_memory else 0

    def give_up(self) -> int:
        before, self._has_given_up = self._has_given_up, True  # first, or `save` could count the same records again
        lost = 0 if before else self.unsaved
        self._has_given_up = before or lost > 0
        return lost

    def _count_loss(self) -> None:
        """Count the loss if the disk never recovered."""
        if lost := self.unsaved:
            self._diagnostics.drop(Drop.OUTBOX_FULL, lost)
            self._say("lost", f"{lost} events are lost: they were not sent, and the disk cannot be written")
        if self._disk is not None and isinstance(self._damage, GoneError):
            with contextlib.suppress(OutboxError):
                waiting = replaced.waiting(self._disk, self._destinations)
                self._lost(waiting, f"{self._damage}, and no other can be made")

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()
