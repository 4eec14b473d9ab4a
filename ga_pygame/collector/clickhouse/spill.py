"""A local log for events that ClickHouse does not take now: acknowledged after its commit, and sent on later.

Some senders delete a batch whatever the answer. For them, the collector must take it while ClickHouse is down.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import removes_old
from ga_pygame.collector.storage.schema import StoreError, make_folder
from ga_pygame.collector.storage.store import Change, RejectedEvent, Store, StoreFull, Submission
from ga_pygame.collector.stores.contract import Submits
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles

SPILL_FILE = "spill.sqlite3"
REQUESTS_SENT_ON = 50
"""Requests of the log that are sent on together."""
SECONDS_BETWEEN_SENDS = 2.0
"""Time between two looks for what to send on, or two tries."""
_SPILL_TROUBLE = "spill"
_ACCEPTED = "SELECT id, game_id, received_at, body FROM batches WHERE number > 0 ORDER BY id LIMIT ?"
_REJECTED = "SELECT game_id, received_at, category, errors, json FROM rejected WHERE id <= ?"
_LAST_REJECTED = "SELECT max(id) FROM (SELECT id FROM rejected ORDER BY id LIMIT ?)"
_COUNT_WAITING = "SELECT ifnull((SELECT sum(number) FROM batches), 0) + (SELECT count(*) FROM rejected)"


class Spill:
    """Takes submissions, and gives them to ClickHouse or keeps them until it takes them.

    Args:
        folder: For the log; of this collector alone.
        store: ClickHouse.
        tell: Called to tell the developer about trouble.
        troubles: Shows the same on the page.

    Raises:
        StoreError: The folder cannot be used.
    """

    def __init__(self, folder: Path, store: Submits, tell: Tell, troubles: Troubles) -> None:
        try:
            make_folder(folder)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror}. Choose another --spill") from error
        self._store = store
        self._tell = tell
        self._troubles = troubles
        self._log = Store(folder / SPILL_FILE, tell=tell, troubles=troubles)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ga-collector-spill", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> Future[int]:
        """Store the events of a request; see `Submits.submit`."""
        answer: Future[int] = Future()
        try:
            taken = self._store.submit(submission)
        except StoreFull:
            self._keep(submission, answer)
        else:
            taken.add_done_callback(partial(self._taken, submission, answer))
        return answer

    def probe(self) -> Future[Any]:
        """Ask whether the log can be written; see `TakesEvents.probe`."""
        return self._log.probe()

    def waiting(self) -> int:
        """Count the events that wait to be sent on; any thread may ask.

        Raises:
            StoreError: The log cannot be read.
        """
        with contextlib.closing(Reader(self._log.path, self._log.generation)) as reader:
            return int(reader.execute(_COUNT_WAITING).fetchone()[0])

    def close(self) -> None:
        """End the thread and close the log; what waits is sent on after the next start."""
        self._ends.set()
        self._thread.join()
        self._log.close()

    def _taken(self, submission: Submission, answer: Future[int], taken: Future[int]) -> None:
        error = taken.exception()
        if isinstance(error, StoreFull):
            self._keep(submission, answer)
        else:
            _copy_result(answer, taken)

    def _keep(self, submission: Submission, answer: Future[int]) -> None:
        try:
            self._log.submit(submission).add_done_callback(partial(_copy_result, answer))
        except StoreFull as error:
            answer.set_exception(error)

    # --- the thread that sends on -----------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.closing(Reader(self._log.path, self._log.generation)) as reader:
            while not self._ends.is_set():
                try:
                    reader.follow(self._log.generation)
                    has_more = self._send_on(reader)
                except StoreFull:  # the writer has told why
                    has_more = False
                except Exception as error:  # noqa: BLE001 - this thread must go on
                    self._tell(_SPILL_TROUBLE, f"cannot send on what waits: {type(error).__name__}: {error}")
                    has_more = False
                if not has_more:
                    self._ends.wait(SECONDS_BETWEEN_SENDS)

    def _send_on(self, reader: Reader) -> bool:
        """Send on the oldest requests and remove them; return whether there may be more.

        A crash between the two sends them again; ClickHouse leaves out copies of events.
        """
        games = dict(reader.execute("SELECT id, key FROM games").fetchall())
        accepted = reader.execute(_ACCEPTED, (REQUESTS_SENT_ON,)).fetchall()
        last = accepted[-1][0] if accepted else reader.execute(_LAST_REJECTED, (REQUESTS_SENT_ON,)).fetchone()[0]
        if last is None:
            return False
        submissions = [_submission(games[game], received_at, body) for _, game, received_at, body in accepted]
        submissions += [_refused_submission(games, row) for row in reader.execute(_REJECTED, (last,))]
        futures = [self._store.submit(one) for one in submissions if one is not None]
        for future in futures:
            error = future.exception()
            if isinstance(error, StoreFull):
                raise error
            if error is not None:  # it would be refused again, and must not hold up the others
                self._tell(_SPILL_TROUBLE, f"a request that waited is left out ({type(error).__name__})")
        self._log.change(Change(removes_old(last, ()), 0)).result()
        return True


def _copy_result(answer: Future[int], done: Future[int]) -> None:
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(error)


def _submission(game_key: str, received_at: float, body: bytes) -> Submission | None:
    """Make the submission of a stored request; `None` if it is damaged."""
    encoding = "gzip" if body.startswith(b"\x1f\x8b") else ""
    try:
        return take_apart(game_key, received_at, body, encoding, light=False, lenient=True)[0]
    except Exception:  # noqa: BLE001 - a damaged request must not hold up the others
        return None


def _refused_submission(games: dict[int, str], row: tuple[Any, ...]) -> Submission:
    game, received_at, category, errors, raw = row
    return Submission(games[game], received_at, (), (RejectedEvent(category, bytes(raw), errors),), len(raw))
