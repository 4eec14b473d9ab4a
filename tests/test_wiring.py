"""The parts of a tracker: its destinations, its folder, and several destinations at once."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import Config, Tracker, stored, wiring
from ga_pygame.areas.consent import ConsentState
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.delivery.consent_mark import ConsentMark
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.delivery.writer import FRAMES_SECONDS
from ga_pygame.destinations import (
    Destination,
    GameAnalytics,
    JsonLines,
    Outcome,
    Reply,
    Request,
    StoredRecord,
    Verdict,
)
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import CLEARED_FOR, KeptKey
from ga_pygame.parts import Parts
from ga_pygame.recording import journal_files
from ga_pygame.testing import ManualClock, ScriptedTransport, tracker_of
from tests.conftest import eventually

KEYS: dict[str, Any] = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789" * 4}
INIT = Reply(201, {}, b'{"server_ts": 1700000000}')


class Second(GameAnalytics):
    """A second service with the same protocol."""

    name = "second"


class Services:
    """One transport for each uploader, all with answers by address."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.down: set[str] = set()
        self.sent: list[Request] = []
        self.timeouts: list[float] = []
        self.trackers: list[Tracker] = []

    def _answer(self, request: Request) -> Reply:
        if any(request.url.startswith(one) for one in self.down):
            return Reply(None, error="down")
        self.sent.append(request)
        return INIT if "init" in request.url else Reply(200, {}, b"[]")

    def _transport(self, timeout: float, _clock: object) -> ScriptedTransport:
        self.timeouts.append(timeout)
        return ScriptedTransport([self._answer])

    def start(self, **knobs: Any) -> Tracker:
        parts = Parts(clock=lambda: self.clock, chance=lambda: 1.0, transport=self._transport, runner=FrameRunner)
        return self.start_of(parts, **knobs)

    def start_of(self, parts: Parts, **knobs: Any) -> Tracker:
        tracker = tracker_of(parts, **{"strict": True, "hook": False, **knobs})
        self.trackers.append(tracker)
        tracker.start()
        return tracker

    def events(self, host: str) -> list[str]:
        found = []
        for request in self.sent:
            if request.url.startswith(host) and request.url.endswith("/events"):
                found += [one.get("event_id", one["category"]) for one in json.loads(gzip.decompress(request.body))]
        return found

    def play(self, tracker: Tracker, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1, cpu=0.05)
            tracker.tick()


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()
    yield made
    for tracker in made.trackers:
        tracker.close()


ONE, TWO = "http://one.test", "http://two.test"


def outbox_path(config: Config) -> Path:
    path = stored.outbox_path(config)
    assert path is not None
    return path


def remembering(key: str, value: str) -> Callable[[Transaction], None]:
    return lambda transaction: transaction.remember(KeptKey(key), value)


def both() -> list[GameAnalytics]:
    return [GameAnalytics(**KEYS, endpoint=ONE), Second(**KEYS, endpoint=TWO)]


def test_one_call_goes_to_all_destinations(services: Services, tmp_path: Path) -> None:
    """Each gets every event once; stats count each for itself."""
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    tracker.design("a")
    tracker.close()
    assert services.events(ONE) == services.events(TWO) == ["user", "a", "session_end"]
    assert tracker.stats.delivered == {"gameanalytics": 3, "second": 3}


def test_a_destination_that_is_down_delays_no_other(services: Services, tmp_path: Path) -> None:
    """Its events wait, also for the next launch; the other's are not sent again."""
    services.down.add(TWO)
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    tracker.design("a")
    services.play(tracker, 30)
    tracker.close()
    assert services.events(ONE) == ["user", "a", "session_end"]
    services.down.clear()
    services.start(destinations=both(), data_dir=tmp_path).close()
    assert services.events(TWO) == ["user", "a", "session_end", "user", "session_end"]
    assert services.events(ONE) == ["user", "a", "session_end", "user", "session_end"]


def test_a_flush_waits_for_all_destinations(services: Services, tmp_path: Path) -> None:
    """It is answered when each has answered, with the errors of those that failed."""
    services.down.add(TWO)
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    result = tracker.flush().wait(1.0)
    assert result is not None
    assert result.error == "down"
    assert services.events(ONE) == ["user"]


@pytest.mark.parametrize(
    ("knobs", "address"),
    [
        (KEYS, "https://api.gameanalytics.com"),
        ({"game_key": SANDBOX_GAME_KEY, "secret_key": SANDBOX_SECRET_KEY}, "https://sandbox-api.gameanalytics.com"),
        ({**KEYS, "endpoint": "https://example.org"}, "https://example.org"),
        ({**KEYS, "collector": "http://127.0.0.1:1", "endpoint": "https://example.org"}, "http://127.0.0.1:1"),
        ({"collector": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
    ],
)
def test_where_events_go(knobs: dict[str, Any], address: str) -> None:
    """A collector takes everything instead of the services, with the game's keys or the published ones."""
    (found,) = wiring.destinations(Config(**knobs))
    assert found.encode([]).url.startswith(f"{address}/v2/")
    key = knobs.get("game_key", SANDBOX_GAME_KEY)
    assert f"/{key}/" in found.encode([]).url


def test_neither_keys_nor_collector_is_nowhere() -> None:
    """An endpoint alone has no keys to sign with."""
    assert wiring.destinations(Config()) == ()
    assert wiring.destinations(Config(endpoint="https://example.org")) == ()


def test_given_destinations_are_used_as_they_are() -> None:
    """No other is added."""
    given = both()
    assert list(wiring.destinations(Config(**KEYS, destinations=given))) == given


class Own(Destination):
    """A game's own destination, as in docs/services.md, but without `redirect`."""

    name = "own"

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return Request(TWO, b"", headers={})

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        return [Verdict(Outcome.DELIVERED)] * len(records)


class Redirected(Own):
    name = "redirected"
    url = TWO

    def redirect(self, collector: str) -> None:
        self.url = collector

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return Request(self.url, b"", headers={})


def test_with_a_collector_nothing_leaves_for_elsewhere(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A destination that cannot be redirected gets no events, which is logged once with the fix."""
    given = [Own(), Redirected(), JsonLines(tmp_path / "lines")]
    tracker = services.start(destinations=given, collector=ONE, data_dir=tmp_path, strict=False)
    tracker.design("a")
    tracker.close()
    assert {request.url for request in services.sent} == {ONE}
    assert "redirected" in tracker.stats.delivered
    assert "own" not in tracker.stats.delivered
    assert (tmp_path / "lines").exists()
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'own'" in said
    assert "redirect(collector)" in said


def test_if_no_destination_is_left_nothing_is_recorded(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the destination, and does not ask for keys."""
    services.start(destinations=[Own()], collector=ONE, data_dir=tmp_path, strict=False).close()
    assert services.sent == []
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'own'" in said


def test_without_a_collector_a_destination_needs_no_redirect() -> None:
    """Its own server gets the events."""
    given = [Own()]
    assert wiring.destinations(Config(destinations=given)) == tuple(given)
    assert wiring.left_out(Config(destinations=given)) == []


def test_each_game_and_a_collector_have_a_file_of_their_own(tmp_path: Path) -> None:
    """Two games of one developer, and one game with and without a collector, never mix."""
    other: dict[str, Any] = {"game_key": "f" * 32, "secret_key": "e" * 40}
    paths = {
        outbox_path(Config(data_dir=tmp_path, **knobs))
        for knobs in (KEYS, other, {**KEYS, "collector": "http://127.0.0.1:1"}, {"collector": "http://127.0.0.1:1"})
    }
    assert len(paths) == 4
    assert {path.name for path in paths} == {"outbox.sqlite3"}


def test_the_request_timeout_reaches_the_transport(services: Services, tmp_path: Path) -> None:
    """One transport for each destination, with the knob's seconds."""
    services.start(destinations=both(), data_dir=tmp_path, request_timeout=3.5)
    assert services.timeouts == [3.5, 3.5]


def test_the_shutdown_timeout_reaches_the_runner(tmp_path: Path) -> None:
    """`close()` gives the workers that many seconds."""
    given: list[float] = []

    class Noting(FrameRunner):
        def stop(self, timeout: float) -> bool:
            given.append(timeout)
            return super().stop(timeout)

    parts = Parts(clock=ManualClock, runner=Noting, transport=lambda _timeout, _clock: ScriptedTransport([INIT]))
    tracker = tracker_of(parts, **KEYS, data_dir=tmp_path, shutdown_timeout=0.25, hook=False)
    tracker.start()
    tracker.close()
    assert given == [0.25]


def test_another_outbox_can_be_put_in(tmp_path: Path) -> None:
    """Tests and builds without a disk keep events in memory."""
    kept: list[MemoryOutbox] = []

    def in_memory(path: Path | None, destinations: Sequence[str], *_: Any, **__: Any) -> MemoryOutbox:
        kept.append(MemoryOutbox(destinations))
        return kept[0]

    parts = Parts(
        clock=ManualClock,
        runner=FrameRunner,
        outbox=in_memory,
        transport=lambda _timeout, _clock: ScriptedTransport([Reply(None, error="down")]),
    )
    tracker = tracker_of(parts, **KEYS, data_dir=tmp_path / "data", hook=False)
    tracker.start()
    tracker.close()
    assert len(kept[0]) == 2
    assert not (tmp_path / "data").exists()


def test_kept_consent_is_read_without_making_a_file(tmp_path: Path) -> None:
    """Unknown if nothing was kept, or the kept value is not an answer."""
    config = Config(**KEYS, data_dir=tmp_path / "data")
    assert stored.kept_consent(config) is ConsentState.UNKNOWN
    assert not (tmp_path / "data").exists()
    outbox = FailoverOutbox(outbox_path(config), ["x"], ManualClock(), Diagnostics())
    for kept, expected in (("perhaps", ConsentState.UNKNOWN), ("denied", ConsentState.DENIED)):
        outbox.transact(remembering("consent", kept))
        assert stored.kept_consent(config) is expected
    outbox.close()


HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("PRAGMA locking_mode = EXCLUSIVE")
held.execute("BEGIN EXCLUSIVE")
held.execute("CREATE TABLE IF NOT EXISTS held (n)")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """Let another process hold the file, so that it can be neither read nor written."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        try:
            yield
        finally:
            holder.kill()


def _hide(path: Path, how: str) -> contextlib.AbstractContextManager[None]:
    if how == "locked":
        return held_by_another(path)
    if how == "damaged":
        path.write_bytes(b"damaged" * 1000)
    elif how == "a bit":
        content = path.read_bytes()
        path.write_bytes(content.replace(b"denied", b"deni\xe5d"))
    else:
        for file in path.parent.glob("outbox.*"):
            file.unlink()
    return contextlib.nullcontext()


@pytest.mark.parametrize("how", ["locked", "damaged", "a bit", "removed"])
def test_a_no_holds_though_the_outbox_cannot_be_read(services: Services, tmp_path: Path, how: str) -> None:
    """Nothing is recorded and nothing sent, not even init; a later yes begins anew."""
    first = services.start(destinations=both(), data_dir=tmp_path)
    first.design("before")
    first.consent.deny()
    first.close()
    path = outbox_path(first.config)
    assert path is not None
    asked = len(services.sent)
    with _hide(path, how):
        second = services.start(destinations=both(), data_dir=tmp_path)
        assert second.consent.state is ConsentState.DENIED
        second.design("never")
        services.play(second, 60)
        second.close()
        assert len(services.sent) == asked
        assert second.stats.recorded == 0


def _is_denied_in(path: Path) -> bool:
    """Return whether the file says that consent is denied and its lock is free again."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as one:
        try:
            one.execute("BEGIN IMMEDIATE")
            row = one.execute("SELECT value FROM key_value WHERE key = 'consent'").fetchone()
            return bool(row == ("denied",))
        except sqlite3.OperationalError:
            return False


@pytest.mark.e2e
def test_a_no_while_the_outbox_is_locked_holds(services: Services, tmp_path: Path) -> None:
    """Events that waited there stay unsent; after a later grant they are deleted instead of sent."""
    services.down |= {ONE, TWO}
    threads = Parts(transport=services._transport)  # who can wait for a lock while the game goes on
    first = services.start_of(threads, destinations=both(), data_dir=tmp_path)
    first.design("before")
    path = outbox_path(first.config)
    assert path is not None
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        first.consent.deny()
        first.close()
    assert eventually(lambda: _is_denied_in(path), 20)  # a thread of the first launch is still at it
    services.down.clear()
    second = services.start(destinations=both(), data_dir=tmp_path)
    assert second.consent.state is ConsentState.DENIED
    second.consent.grant()
    second.design("after")
    second.close()
    third = services.start(destinations=both(), data_dir=tmp_path)
    assert third.consent.state is ConsentState.GRANTED
    third.close()
    assert services.events(ONE) == services.events(TWO) == ["user", "after", "session_end", "user", "session_end"]


def _no_and_yes(tracker: Tracker) -> None:
    tracker.consent.deny()
    tracker.consent.grant()


def _forget(tracker: Tracker) -> None:
    assert tracker.privacy.forget()


@pytest.mark.e2e
@pytest.mark.parametrize("delete", [_no_and_yes, _forget])
@pytest.mark.parametrize(("until_close", "times"), [(True, 1), (False, 3)])
def test_a_yes_after_a_no_while_the_outbox_is_locked_holds(
    services: Services, tmp_path: Path, until_close: bool, times: int, delete: Callable[[Tracker], None]
) -> None:
    """The deletion that the no began takes nothing of what comes after the yes, however often the player changes it.

    The same holds for `privacy.forget()`, which is both in one.
    """
    services.down |= {ONE, TWO}
    threads = Parts(transport=services._transport)
    first = services.start_of(threads, destinations=both(), data_dir=tmp_path, strict=False)
    first.design("secret")
    path = outbox_path(first.config)
    assert eventually(lambda: first.stats.stored == 2)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        for _ in range(times):
            delete(first)
        for number in range(3):
            first.design("locked", number)
        if until_close:
            first.close()
        held.execute("ROLLBACK")
    assert until_close or eventually(lambda: first.stats.waiting == 0 and b"secret" not in _content(tmp_path))
    for number in range(3):
        first.design("free", number)
    first.close()
    assert eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("ga_pygame")], 20)
    services.down.clear()
    second = services.start_of(threads, destinations=both(), data_dir=tmp_path)
    assert second.consent.state is ConsentState.GRANTED
    second.close()
    got = [] if until_close else ["user", *["locked"] * 3, *["free"] * 3, "session_end"]
    assert services.events(ONE) == services.events(TWO) == [*got, "user", "session_end"]
    assert first.stats.dropped.get("outbox_full", 0) == (5 if until_close else 0)
    assert first.stats.dropped["no_consent"] + second.stats.dropped.get("no_consent", 0) >= 2
    assert not path.with_name("consent-denied").exists()
    assert b"secret" not in _content(tmp_path)


@pytest.mark.parametrize("is_cleared", [True, False])
def test_a_kill_between_the_yes_and_the_deletion_sends_nothing_of_before_the_no(
    services: Services, tmp_path: Path, is_cleared: bool
) -> None:
    """The mark names the launch of the yes; the outbox says whether that launch has deleted the data of before."""
    services.down |= {ONE, TWO}
    first = services.start(destinations=both(), data_dir=tmp_path)
    first.design("before")
    first.close()
    path = outbox_path(first.config)
    mark = ConsentMark(path)
    mark.deny()
    assert mark.read() == ""
    mark.grant("launch-of-the-yes")
    if is_cleared:
        outbox = FailoverOutbox(path, ["gameanalytics", "second"], ManualClock(), Diagnostics())
        outbox.transact(remembering(CLEARED_FOR, "launch-of-the-yes"))
        outbox.close()
    services.down.clear()
    second = services.start(destinations=both(), data_dir=tmp_path)
    assert second.consent.state is ConsentState.GRANTED
    assert mark.read() is None
    second.close()
    before = ["user", "before", "session_end"] if is_cleared else []
    assert services.events(ONE) == services.events(TWO) == [*before, "user", "session_end"]
    assert second.stats.dropped == ({} if is_cleared else {"no_consent": 3})


def test_what_a_no_deletes_is_counted_once(services: Services, tmp_path: Path) -> None:
    """For two destinations, too; what waits for one of them counts as well."""
    services.down.add(TWO)
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    tracker.design("one has it")
    services.play(tracker, 30)
    assert services.events(ONE) == ["user", "one has it"]
    for number in range(5):
        tracker.design("none has it", number)
    services.clock.advance(0.1)
    tracker.tick()
    services.clock.advance(0.001)
    tracker.design("not stored yet")
    tracker.consent.deny()
    assert tracker.stats.waiting == 0
    # Two wait for one destination, five for both, one is in the inbox; the session's end is not recorded any more.
    assert tracker.stats.dropped == {"no_consent": 2 + 5 + 1 + 1}


def test_a_launch_that_ended_well_leaves_nothing_but_what_is_kept(services: Services, tmp_path: Path) -> None:
    """No record, no journal, no value of its own: a thousand launches do not make the outbox larger."""
    kept = []
    for _ in range(3):
        tracker = services.start(destinations=both(), data_dir=tmp_path)
        tracker.design("a")
        tracker.close()
        path = outbox_path(tracker.config)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
            kept.append({key for (key,) in connection.execute("SELECT key FROM key_value")})
        assert not list(journal_files.folder(path.parent).glob("*.ring"))
    assert kept[0] == kept[1] == kept[2] == {"user_id", "session_num", "outbox_bytes", "remote_configs"}


def test_the_writer_begins_when_a_frame_was_shown(services: Services, tmp_path: Path) -> None:
    """Then most games wait, and no frame does; not at each frame, and in its own time if no frame is shown."""
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    stored = []
    for seconds, shown in ((0.05, False), (0.001, True), (0.001, True), (FRAMES_SECONDS, True), (0.039, False)):
        tracker.design("a")
        services.clock.advance(seconds)
        if shown:
            tracker._running.frame_shown()  # type: ignore[union-attr]  # it is started
        tracker.tick()
        stored.append(tracker.stats.stored)
    assert [after - before for before, after in itertools.pairwise(stored)] == [1, 0, 2, 0]
    services.clock.advance(0.002)
    tracker.tick()
    assert tracker.stats.stored == stored[-1] + 1


def test_the_first_game_adopts_what_games_without_keys_shared(tmp_path: Path) -> None:
    """Events that wait there are delivered by it, with the player's id; another game begins anew."""
    shared = tmp_path / f"{SANDBOX_GAME_KEY}-collector"
    clock = ManualClock()
    before = FailoverOutbox(shared / "outbox.sqlite3", ["gameanalytics"], clock, Diagnostics())
    before.transact(lambda transaction: transaction.remember(KeptKey("user_id"), "the player"))
    rings = journal_files.folder(shared)
    before.close()
    rings.mkdir(exist_ok=True)
    (rings / "other.ring").write_bytes(b"a dead launch's")

    def play(game: str) -> Tracker:
        parts = Parts(
            clock=ManualClock, runner=FrameRunner, transport=lambda _timeout, _clock: ScriptedTransport([INIT] * 9)
        )
        tracker = tracker_of(parts, collector="http://127.0.0.1:1", data_dir=tmp_path, game=game, hook=False)
        tracker.start()
        return tracker

    first, second = play("pong"), play("snake")
    assert first.user_id == "the player"
    assert second.user_id not in {"", "the player"}
    assert not shared.exists()
    assert (journal_files.folder(tmp_path / "collector-pong") / "other.ring").exists()
    first.close()
    second.close()
    again = play("pong")
    assert again.user_id == "the player"
    again.close()


def test_a_folder_that_cannot_be_moved_is_used_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows while a game of an earlier version runs: nothing that waits is left behind."""
    config = Config(collector="http://127.0.0.1:1", data_dir=tmp_path, game="pong")
    shared = tmp_path / f"{SANDBOX_GAME_KEY}-collector"
    shared.mkdir()
    (shared / "outbox.sqlite3").touch()
    assert outbox_path(config).parent == shared

    def refuse(_self: Path, _to: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "rename", refuse)
    stored.adopt(config)
    assert outbox_path(config).parent == shared
    monkeypatch.undo()
    stored.adopt(config)
    assert outbox_path(config).parent == tmp_path / "collector-pong"


def _content(folder: Path) -> bytes:
    """Return all bytes in a game's folder."""
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("damaged", [False, True])
def test_a_no_before_start_deletes_what_waits(services: Services, tmp_path: Path, damaged: bool) -> None:
    """Nothing delivers then; it is deleted nevertheless, also what lies in a file that was set aside."""
    threads = Parts(transport=services._transport)
    services.down |= {ONE, TWO}
    first = services.start_of(threads, destinations=both(), data_dir=tmp_path, consent="ask")
    first.consent.grant()
    first.design("secret")
    player = first.user_id
    first.close()
    path = outbox_path(first.config)
    assert path is not None
    if damaged:
        (path.parent / "outbox.damaged-2.sqlite3").write_bytes(path.read_bytes())
    assert b"secret" in _content(tmp_path)
    second = tracker_of(threads, destinations=both(), data_dir=tmp_path, consent="ask", hook=False)
    services.trackers.append(second)
    second.consent.deny()
    second.start()
    second.close()
    assert eventually(lambda: _is_denied_in(path))
    assert b"secret" not in _content(tmp_path)
    assert player.encode() not in _content(tmp_path)
    services.down.clear()
    third = services.start_of(threads, destinations=both(), data_dir=tmp_path, consent="ask")
    assert third.consent.state is ConsentState.DENIED
    third.consent.grant()
    assert third.user_id not in {"", player}


@pytest.mark.parametrize("early", [True, False])
def test_a_first_no_leaves_nothing_but_itself(services: Services, tmp_path: Path, early: bool) -> None:
    """No outbox is made for a player who does not want one, and no id."""
    threads = Parts(transport=services._transport)
    for _ in range(2):
        tracker = tracker_of(threads, destinations=both(), data_dir=tmp_path, consent="ask", hook=False)
        services.trackers.append(tracker)
        if early:
            tracker.consent.deny()
        tracker.start()
        tracker.consent.deny()
        tracker.design("never")
        tracker.close()
        assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["consent-denied"]
    again = services.start_of(threads, destinations=both(), data_dir=tmp_path, consent="ask")
    assert again.consent.state is ConsentState.DENIED


def test_what_is_set_after_the_end_is_kept_nowhere(services: Services, tmp_path: Path) -> None:
    """Nobody reads it any more: a game that goes on for hours must not fill the memory with it."""
    tracker = services.start(destinations=both(), data_dir=tmp_path)
    delivery = tracker._running.delivery
    assert delivery is not None
    tracker.close()
    for number in range(100):
        tracker.dimensions[1] = f"value {number}"
        delivery._remember(KeptKey("pogr_session:x"), None)  # as a destination's own thread may
    assert not tracker._recorder.inbox.requests


class Summing(Second):
    """A destination whose sums raise."""

    name = "summing"

    def amounts(self, _event: Any, _user_id: str) -> list[tuple[str, float]]:
        raise SystemExit


def test_a_summing_destination_that_raises_costs_its_sums(services: Services, tmp_path: Path) -> None:
    """It runs on the writer's thread, which stores for all destinations."""
    parts = Parts(transport=services._transport)
    targets = [GameAnalytics(**KEYS, endpoint=ONE), Summing(**KEYS, endpoint=TWO)]
    tracker = services.start_of(parts, destinations=targets, data_dir=tmp_path, strict=False)
    tracker.design("a")
    tracker.close()
    assert services.events(ONE) == ["user", "a", "session_end"]
    assert tracker.stats.dropped == {"internal": 3}


def test_a_no_after_close_deletes_what_waits(services: Services, tmp_path: Path) -> None:
    """A game may ask on its way out, when delivery has ended."""
    services.down |= {ONE, TWO}
    tracker = services.start_of(Parts(transport=services._transport), destinations=both(), data_dir=tmp_path)
    tracker.design("secret")
    tracker.close()
    assert b"secret" in _content(tmp_path)
    tracker.consent.deny()
    path = outbox_path(tracker.config)
    assert path is not None
    assert eventually(lambda: _is_denied_in(path))
    assert b"secret" not in _content(tmp_path)
