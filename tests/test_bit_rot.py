"""Flipped bits on the disk: each loses at most the data that it hit, which is counted; nothing comes twice or stops."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ga_pygame.delivery.outbox.contract import NewRecord, Transaction
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import SELECT, as_row, blocks, records, whole_parts
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import KeptKey
from ga_pygame.testing import ManualClock
from tests.effort import examples

NAMES = ("first", "second")
EVENTS = 400
PAGE = 4096


def fill(path: Path, *, closes: bool) -> None:
    """Make an outbox with waiting events, some of them delivered to one destination; with its WAL if not closed."""
    outbox = FailoverOutbox(path, NAMES, ManualClock(), Diagnostics())
    outbox.transact(keep)
    for start in range(0, EVENTS, 50):
        some = [record(number) for number in range(start, start + 50)]
        outbox.transact(adding(some))
    batch = outbox.lease("first", 30, 10**6)
    assert batch is not None
    outbox.settle(batch)
    if closes:
        outbox.close()
        return
    copy = path.parent.with_name("copy")
    shutil.copytree(path.parent, copy)  # as a kill leaves it
    outbox.close()
    shutil.rmtree(path.parent)
    copy.rename(path.parent)


def adding(some: list[NewRecord]) -> Callable[[Transaction], None]:
    return lambda transaction: transaction.add(some)


def keep(transaction: Transaction) -> None:
    for key, value in (("user_id", "player"), ("custom_01", "ninja"), ("session_num", "7")):
        transaction.remember(KeptKey(key), value)
    transaction.set_attempts("forest:1", 3)
    session = OpenSession("s0", 7, 1.7e9, 1.7e9 + 60, None, 60.0, b'"user_id":"player"', "forest:1", {})
    transaction.save_session(session, "00000000-dead")


def record(number: int) -> NewRecord:
    own = b'"event_id":"kill:slime","value":%d,"event_uuid":"%036d"' % (number, number)
    return NewRecord(f"s{number // 100}", "design", 1.7e9 + number, -3, b'"user_id":"player","v":2', own)


class Launch:
    """A launch of the game on that file, which delivers every readable event."""

    def __init__(self, path: Path) -> None:
        self.diagnostics = Diagnostics()
        clock = ManualClock()
        outbox = FailoverOutbox(path, NAMES, clock, self.diagnostics)
        outbox.transact_at_start(lambda transaction: transaction.values())
        for dead_launch in outbox.dead_launches():
            outbox.forget_launch(dead_launch)
        self.got: dict[str, list[str]] = {name: [] for name in NAMES}
        for step in range(8):  # damage is met by who reads, and mended by the writer
            outbox.transact(adding([record(EVENTS + step)]))
            clock.advance(10)
            for name in NAMES:
                while (batch := outbox.lease(name, 500, 10**6)) is not None:
                    self.got[name] += [one.payload.decode() for one in batch.records]
                    outbox.settle(batch)
        outbox.save()
        outbox.close()

    @property
    def lost(self) -> int:
        return sum(self.diagnostics.stats(0).dropped.values())


def expected(first: int) -> list[str]:
    return [record(number).stored(1).payload.decode() for number in range(first, EVENTS + 8)]


def check(launch: Launch) -> None:
    for name, first in (("first", 30), ("second", 0)):
        got, right = launch.got[name], expected(first)
        assert len(set(got)) == len(got), "doubled"
        assert set(got) <= set(right), "something that was never recorded, or was delivered before"
        missing = len(right) - len(got)
        assert missing <= launch.lost, "lost and not counted"
        assert set(right[-3:]) <= set(got), "delivery stopped"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder / "closed" / "outbox.sqlite3", closes=True)
    fill(folder / "killed" / "outbox.sqlite3", closes=False)
    return folder


def flipped(source: Path, target: Path, suffix: str, places: list[int]) -> Path:
    """Copy a data folder and flip bits of one file."""
    shutil.copytree(source, target)
    path = target / "outbox.sqlite3"
    file = path.with_name(path.name + suffix)
    content = bytearray(file.read_bytes())
    for place in places:
        at = place % (8 * len(content))
        content[at // 8] ^= 1 << at % 8
    file.write_bytes(content)
    return path


def check_bit(path: Path, place: int) -> None:
    """Check a launch on a file with a flipped bit; a failure names the bit."""
    try:
        check(Launch(path))
    except Exception as error:
        raise AssertionError(f"bit {place}: page {place // 8 // PAGE + 1}, byte {place // 8 % PAGE}") from error


@pytest.mark.parametrize("part", range(8))
def test_any_bit_of_the_file(filled: Path, tmp_path: Path, part: int) -> None:
    """Wherever it is: the next launch starts, delivers what is whole, once, and counts the rest."""
    chance = random.Random(part)
    size = 8 * (filled / "closed" / "outbox.sqlite3").stat().st_size
    for number in range(examples(12, least=1)):
        place = chance.randrange(size)
        path = flipped(filled / "closed", tmp_path / str(number), "", [place])
        check_bit(path, place)


@pytest.mark.parametrize("page", range(12))
def test_any_bit_of_the_first_pages(filled: Path, tmp_path: Path, page: int) -> None:
    """There are the file's head, the text of the tables and the kept values."""
    chance = random.Random(100 + page)
    content = (filled / "closed" / "outbox.sqlite3").read_bytes()[page * PAGE : (page + 1) * PAGE]
    used = [8 * (page * PAGE + place) for place, byte in enumerate(content) if byte]
    for number in range(examples(8, least=1)):
        place = chance.choice(used) + chance.randrange(8)
        path = flipped(filled / "closed", tmp_path / str(number), "", [place])
        check_bit(path, place)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_any_bit_beside_the_file(filled: Path, tmp_path: Path, suffix: str) -> None:
    """SQLite ends a WAL at a frame that is damaged, so what came later is not there; nothing else happens."""
    chance = random.Random(7)
    for number in range(examples(12, least=1)):
        path = flipped(filled / "killed", tmp_path / str(number), suffix, [chance.randrange(2**40)])
        launch = Launch(path)
        for name, first in (("first", 30), ("second", 0)):
            got = launch.got[name]
            assert len(set(got)) == len(got)
            assert set(got) <= set(expected(0 if suffix == "-wal" else first))
            assert set(expected(EVENTS)) <= set(got)


def test_a_damaged_line_costs_only_itself() -> None:
    """The others of its block keep their ids."""
    some = [(record(number), None) for number in range(9)]
    (block,) = blocks(some, 11)
    lines = block.lines.replace(b'"value":4', b'"value":5')
    parts = whole_parts(as_row(block._replace(lines=lines)))
    found = [one for part in parts for one in records(as_row(part))]
    assert [one.id for one in found] == [11, 12, 13, 14, 16, 17, 18, 19]
    assert [one.payload for one in found] == [record(number).stored(1).payload for number in (0, 1, 2, 3, 5, 6, 7, 8)]


def test_a_damaged_name_of_a_column_costs_no_event(tmp_path: Path) -> None:
    """In the text of the tables; SQLite's answer about open sessions cannot be decoded then."""
    fill(tmp_path / "game" / "outbox.sqlite3", closes=True)
    place = (tmp_path / "game" / "outbox.sqlite3").read_bytes().index(b"_event_default_annotations")
    path = flipped(tmp_path / "game", tmp_path / "flipped", "", [8 * place + 7])
    launch = Launch(path)
    check(launch)
    assert len(launch.got["second"]) == EVENTS + 8


def test_a_block_that_was_mended_is_counted_once(tmp_path: Path) -> None:
    """By whichever uploader meets it; the next launch finds it whole."""
    path = tmp_path / "game" / "outbox.sqlite3"
    fill(path, closes=True)
    with closing(sqlite3.connect(path)) as connection:
        last, lines = connection.execute("SELECT last_id, lines FROM blocks ORDER BY last_id DESC LIMIT 1").fetchone()
        flip = lines.replace(b"slime", b"slimf", 2)
        connection.execute("UPDATE blocks SET lines = ? WHERE last_id = ?", (flip, last))
        connection.commit()
    launch = Launch(path)
    assert launch.diagnostics.stats(0).dropped == {"damaged": 2}
    check(launch)
    assert Launch(path).diagnostics.stats(0).dropped == {}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(SELECT).fetchall() == []
