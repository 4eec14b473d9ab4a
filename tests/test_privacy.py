"""A copy of a player's data, and its deletion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import stored
from ga_pygame.areas.consent import ConsentState
from ga_pygame.config import Config
from ga_pygame.delivery.consent_mark import ConsentMark
from ga_pygame.destinations import JsonLines
from ga_pygame.protocol import Reply
from ga_pygame.recording.journal_files import memory_folder
from tests.test_tracker import KEYS, World, world

__all__ = ["world"]

HALF_A_PAIR = pytest.param(
    "\ud800", marks=pytest.mark.skipif(sys.platform == "win32", reason="a name there may have it")
)
CONFIGS = {"server_ts": 1_700_000_000, "configs": [{"key": "gravity", "value": "9"}], "configs_hash": "h"}


def files_of(world: World) -> bytes:
    """Return the bytes of all files of the data folder, and of the journals in shared memory."""
    folders = {path.parent for path in world.folder.rglob("outbox.*")}
    shared = [found for folder in folders if (found := memory_folder(folder)) is not None]
    files = [path for folder in (world.folder, *shared) for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def exported(world: World, tracker: Any) -> Any:
    path = world.folder.parent / "mine.json"
    assert tracker.privacy.export(path) is True
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_that_is_stored_is_written(world: World) -> None:
    """Ids, kept values, waiting and refused events, and how many records the service has had."""
    world.init = Reply(201, {}, json.dumps(CONFIGS).encode())
    tracker = world.start(build="0.3")
    world.play(tracker)  # `user` is delivered
    tracker.dimensions[1] = "ninja"
    tracker.external_user_id = "shop-7"
    tracker.player.gender = "female"
    tracker.player.googleplus_id = "g-1"
    tracker.design("bad")
    tracker.progression.start("forest")
    tracker.progression.fail()
    world.play(tracker, 0.2)
    world.answer = Reply(None, error="no route")
    found = exported(world, tracker)
    assert (found["consent"], found["user_id"], found["external_user_id"]) == ("granted", tracker.user_id, "shop-7")
    assert (found["build"], found["dimensions"], found["services"]) == ("0.3", ["ninja", None, None], ["gameanalytics"])
    assert found["facts"].items() >= {"gender": "female", "googleplus_id": "g-1"}.items()
    assert found["this_launch"]["delivered"] == {"gameanalytics": 1}
    here = found["stored"]
    assert {one["name"] for one in here["files"]} >= {"outbox.sqlite3"}
    kept = {one["key"]: one["value"] for one in here["kept_values"]}
    assert (kept["user_id"], kept["custom_01"], kept["session_num"]) == (tracker.user_id, "ninja", "1")
    assert kept["remote_configs"]["configs"] == [{"key": "gravity", "value": "9"}]
    assert here["failed_attempts"] == [{"progression_event_id": "forest", "attempt_num": 1}]
    assert [one["session_id"] for one in here["open_sessions"]] == [tracker.session_id]
    waiting = [one["event"] for one in here["waiting_events"]]
    assert [one.get("event_id") for one in waiting] == ["bad", "Start:forest", "Fail:forest"]
    assert {one["user_id_ext"] for one in waiting} == {"shop-7"}
    assert here["waiting_events"][0]["waits_for"] == ["gameanalytics"]
    assert here["finished_records"] == {"gameanalytics": 1}
    assert "unreadable" not in here


def test_refused_events_are_kept_and_written(world: World) -> None:
    """What a service refused finally stays here for the developer, so a player can read it, too."""
    tracker = world.start()
    world.play(tracker)
    tracker.design("bad")
    world.play(tracker, 0.2)
    world.answer = Reply(400, {"x-ga-service": "collect"}, b"{}")
    world.play(tracker, 30)
    (refused,) = exported(world, tracker)["stored"]["refused_events"]
    assert (refused["destination"], refused["reason"], refused["payload"]["event_id"]) == (
        "gameanalytics",
        "rejected",
        "bad",
    )


@pytest.mark.parametrize("consent", ["not_needed", "ask"])
def test_forgetting_deletes_all_and_begins_with_a_new_id(world: World, consent: str, tmp_path: Path) -> None:
    """The old id is nowhere on the disk, the answer stays, and the game goes on being recorded."""
    tracker = world.launch(consent=consent, destinations=None)
    if consent == "ask":
        tracker.consent.grant()
    tracker.start()
    world.play(tracker)
    old, session = tracker.user_id, tracker.session_id
    tracker.external_user_id = "shop-7"
    tracker.design("before")
    world.play(tracker, 0.2)
    assert old.encode() in files_of(world)
    for _ in range(2):  # a second deletion in the same launch is no earlier one
        before = tracker.user_id
        ids = tracker.privacy.forget()
        assert ids["gameanalytics"][0] == before
        assert tracker.user_id not in ("", before)
        assert before.encode() not in files_of(world)
    assert tracker.external_user_id is None
    assert tracker.consent.state is ConsentState.GRANTED
    assert tracker.session_id not in ("", session)
    tracker.design("after")
    new = tracker.user_id
    tracker.close()
    told = [event for event in world.sent if event["user_id"] == new]
    assert [event.get("event_id", event["category"]) for event in told] == ["user", "after", "session_end"]
    assert "before" not in world.ids
    assert told[0]["session_num"] == 1
    assert "user_id_ext" not in told[0]
    knobs: dict[str, Any] = {**KEYS, "data_dir": world.folder, "consent": consent}
    config = Config(**knobs)
    is_kept = stored.kept_consent(config)
    assert is_kept is (ConsentState.GRANTED if consent == "ask" else ConsentState.UNKNOWN)
    later = world.start(consent=consent)
    assert later.user_id == new


@pytest.mark.parametrize("consent", ["not_needed", "ask"])
def test_a_kill_before_the_deletion_keeps_the_answer(world: World, consent: str) -> None:
    """The mark is on the disk, the transaction that deletes and keeps the answer is not: the next launch deletes."""
    tracker = world.launch(consent=consent)
    if consent == "ask":
        tracker.consent.grant()
    tracker.start()
    world.play(tracker)
    old = tracker.user_id
    tracker.close()
    mark = ConsentMark(next(world.folder.rglob("outbox.sqlite3")))
    mark.deny()
    mark.grant("launch-of-the-deletion")
    later = world.start(consent=consent)
    assert later.consent.state is ConsentState.GRANTED
    later.close()
    assert later.user_id not in ("", old)
    is_kept = stored.kept_consent(later.config)
    assert is_kept is (ConsentState.GRANTED if consent == "ask" else ConsentState.UNKNOWN)


def test_forgetting_after_a_no_and_without_an_answer(world: World) -> None:
    """A no stays a no, and gives the ids of this launch; without an answer, an earlier launch's data are deleted."""
    first = world.start()
    world.play(first)
    old = first.user_id
    first.close()
    asked = world.start(consent="ask")
    asked.design("held")
    assert asked.privacy.forget() == {"gameanalytics": [old]}
    assert old.encode() not in files_of(world)
    assert asked.user_id == ""
    assert asked.consent.state is ConsentState.UNKNOWN
    asked.design("held later")
    asked.consent.grant()
    second = asked.user_id
    asked.consent.deny()
    assert asked.privacy.forget() == {"gameanalytics": [second]}
    assert asked.privacy.forget() == {}
    assert second.encode() not in files_of(world)
    asked.close()
    again = world.start(consent="ask")
    assert again.consent.state is ConsentState.DENIED
    assert again.privacy.forget() == {}


def test_forgetting_after_the_end_and_before_the_start(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """After `close()` all is deleted and nothing begins; before `start()` a line says what to do."""
    tracker = world.launch(strict=False)
    assert tracker.privacy.forget() == {}
    assert "call it after start()" in caplog.text
    tracker.start()
    world.play(tracker)
    old = tracker.user_id
    world.answer = Reply(None, error="no route")
    tracker.design("waits")
    tracker.close()
    assert tracker.privacy.forget() == {"gameanalytics": [old]}
    assert old.encode() not in files_of(world)
    later = world.start()
    assert later.user_id not in ("", old)
    assert later.consent.state is ConsentState.GRANTED


@pytest.mark.parametrize("path", [None, 5, "", "nul\0", b"nul\0", ["mine.json"], HALF_A_PAIR])
def test_what_is_no_path_is_a_wrong_call(path: Any, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """And no failure of ours."""
    assert world.start(strict=False).privacy.export(path) is False
    assert "nothing is written: path (" in caplog.text
    assert "must be the name of a file" in caplog.text
    assert "Please report" not in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
def test_a_file_that_is_replaced_is_the_users_alone(world: World, tmp_path: Path) -> None:
    """Also if others could read it before."""
    path = tmp_path / "mine.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    assert world.start().privacy.export(bytes(path)) is True  # type: ignore[arg-type]  # a path may be bytes, too
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The game goes on, and a line says why."""
    tracker = world.start(strict=False, destinations=[JsonLines(tmp_path / "events.jsonl")])
    assert tracker.privacy.export(tmp_path / "nowhere" / "mine.json") is False
    assert "nothing is written" in caplog.text
    assert tracker.privacy.forget() == {}  # a file of the game is no service


def test_a_game_for_children(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A new id each launch, which is not kept; no text of a player or an error, in no event and on no disk."""
    world.init = Reply(201, {}, json.dumps(CONFIGS).encode())
    earlier = world.start()
    world.play(earlier)
    earlier.close()
    ids = [earlier.user_id]
    texts = ("Ann lives in", "Ann was here", "shop-7")
    for _ in range(2):
        del world.requests[:]
        tracker = world.launch(child_directed=True, strict=False)
        tracker.fields.update({"name": texts[0], "seed": 7})
        tracker.start()
        world.play(tracker)
        assert tracker.remote_configs.get("gravity", 80.0) == 9.0
        tracker.external_user_id = texts[2]
        tracker.design("kill:slime", fields={"said": texts[1], "hits": 2})
        tracker.error("warning", texts[1])
        try:
            raise KeyError(texts[1])
        except KeyError as error:
            tracker.exception(error, severity="critical")
        world.play(tracker, 0.2)
        on_disk = files_of(world)
        assert [text for text in texts if text.encode() in on_disk] == []
        assert "user_id" not in {one["key"] for one in exported(world, tracker)["stored"]["kept_values"]}
        tracker.close()
        ids.append(tracker.user_id)
        assert not any(one.encode() in files_of(world) for one in ids)
        sent = json.dumps(world.sent)
        assert [text for text in texts if text in sent] == []
        user, kill, warning, critical, end = world.sent
        assert {event["user_id"] for event in world.sent} == {tracker.user_id}
        assert {event["session_num"] for event in world.sent} == {1}
        assert user["custom_fields"] == end["custom_fields"] == {"seed": 7}
        assert kill["custom_fields"] == {"seed": 7, "hits": 2}
        assert warning["message"] == "no message: child_directed is on"
        assert critical["message"].startswith("KeyError (no message: child_directed is on) at test_privacy.py:")
        assert critical["custom_fields"] == {"seed": 7}
        assert tracker.external_user_id is None
    assert len(set(ids)) == 3
    assert caplog.text.count("fields that are text are left out") == 2
    assert caplog.text.count("an id of the player is not taken") == 2
    with pytest.raises(ValueError, match="user_id: leave it out with child_directed"):
        world.launch(child_directed=True, user_id="ann")
