"""A file as a destination: one line for each event, none lost, none twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ga_pygame.delivery.foreign import Foreign
from ga_pygame.delivery.outbox.contract import NewRecord
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.uploader import Timing, Uploader
from ga_pygame.destinations import JsonLines
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.protocol import Host, Situation, StoredRecord
from ga_pygame.testing import ManualClock


class Rig:
    """The destination behind a real uploader."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.outbox = MemoryOutbox(["json_lines"])
        self.service = JsonLines(path)
        assert self.service.transport is not None
        self.lost: list[str] = []
        host = Host(self.clock, {}, lambda *_: None, lambda _: None, lambda *_: None)
        self.uploader = Uploader(
            Foreign(self.service, self.service.transport, host, Diagnostics()),
            self.outbox,
            situation=lambda: Situation("s1", 1, "player", None),
            diagnostics=Diagnostics(),
            listener=self,
            timing=Timing(20.0, lambda: 1.0),
        )

    def delivered(self, destination: str, count: int) -> None:
        pass

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        raise AssertionError(errors)

    def connection_lost(self, destination: str, error: str) -> None:
        self.lost.append(error)

    def connection_restored(self, destination: str) -> None:
        self.lost.append("")

    def add(self, *names: str, offset: float | None = None) -> None:
        records = [
            NewRecord("s1", "design", 1.7e9, offset, b"", json.dumps({"event_id": name}).encode()[1:-1])
            for name in names
        ]
        self.outbox.transact(lambda transaction: transaction.add(records))

    def run(self) -> None:
        self.uploader.urge()
        while self.uploader.step(self.clock.monotonic()) == 0.0:
            pass


def test_an_object_a_line(tmp_path: Path) -> None:
    """Under GameAnalytics' names, with the corrected time, appended to what is there."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"before": 1}\n')
    rig = Rig(path)
    rig.add("kill:\u00e4\n")
    rig.add("b", offset=-100.0)
    rig.run()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"before": 1},
        {"client_ts": 1_700_000_000, "event_id": "kill:\u00e4\n"},
        {"client_ts": 1_699_999_900, "event_id": "b"},
    ]
    assert len(rig.outbox) == 0


def test_a_file_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    """Told as a lost connection; the events come when the folder is there, once."""
    path = tmp_path / "later" / "events.jsonl"
    rig = Rig(path)
    rig.add("a", "b")
    rig.run()
    assert len(rig.lost) == 1
    assert len(rig.outbox) == 2
    path.parent.mkdir()
    rig.clock.advance(1.0)
    rig.run()
    assert [json.loads(line)["event_id"] for line in path.read_text().splitlines()] == ["a", "b"]
    assert len(rig.outbox) == 0


def test_the_place_does_not_change_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game that changes its working folder later writes to the same file."""
    monkeypatch.chdir(tmp_path)
    rig = Rig(Path("events.jsonl"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    rig.add("a")
    rig.run()
    assert (tmp_path / "events.jsonl").exists()


def test_a_collector_does_not_redirect_it(tmp_path: Path) -> None:
    """The file is where the developer said, with a collector too."""
    rig = Rig(tmp_path / "events.jsonl")
    rig.service.redirect("http://127.0.0.1:8420")
    rig.add("a")
    rig.run()
    assert (tmp_path / "events.jsonl").exists()
