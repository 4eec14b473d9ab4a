"""The tracker of a server: sessions and counters of many players, a request for each, and what outlives the server."""

from __future__ import annotations

import gzip
import ipaddress
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import InvalidEvent
from ga_pygame.collector.gameanalytics.validation import broken_rules
from ga_pygame.parts import Parts
from ga_pygame.protocol import Reply, Request
from ga_pygame.rules import MAX_CUSTOM_FIELDS, SENT_BY_FIELD, SERVER
from ga_pygame.server import seats
from ga_pygame.server.delivery import ROUND_SECONDS
from ga_pygame.server.tracker import ANNOTATIONS_OF_PLAYERS, KNOBS, ServerTracker
from ga_pygame.testing import FrameRunner, ManualClock, ScriptedTransport, tracker_of

KEYS = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789abcdef01234567" + "89abcdef" * 2}
ANN = {"ip": "203.0.113.7", "platform": "windows", "os_version": "windows 10.0.22631"}


class Desk:
    """A server tracker whose time, threads and service a test controls.

    Attributes:
        server: The tracker.
        is_up: Whether the service answers.
        is_known: Whether the service accepts the keys.
        inits: How often init was sent.
        sent: The requests with events: their time, `X-Forwarded-For` and events.
    """

    def __init__(self, folder: Path, *, players: int = 100, timeout: float = 300.0, **knobs: Any) -> None:
        self.clock = ManualClock()
        self.is_up = self.is_known = True
        self.inits = 0
        self.sent: list[tuple[float, str, list[dict[str, Any]]]] = []
        transport = ScriptedTransport([self._answer])
        parts = Parts(clock=lambda: self.clock, runner=FrameRunner, transport=lambda *_: transport, chance=lambda: 0.5)
        self.server = ServerTracker.__new__(ServerTracker)
        self.server._assemble(parts, players, timeout, {"data_dir": folder, "strict": True, **KEYS, **knobs})

    def _answer(self, request: Request) -> Reply:
        if not self.is_up:
            return Reply(None, error="no connection")
        if request.url.endswith("/events"):
            events = json.loads(gzip.decompress(request.body))
            self.sent.append((self.clock.monotonic(), request.headers.get("X-Forwarded-For", ""), events))
            return Reply(200, {}, b"{}")
        self.inits += 1
        if not self.is_known:
            return Reply(401, {}, b"{}")
        return Reply(201, {}, json.dumps({"server_ts": self.clock.wall(self.clock.monotonic())}).encode())

    def run(self, seconds: float, step: float = 0.5) -> Desk:
        """Let time pass, with all that the workers do meanwhile."""
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            for _ in range(40):
                delivery = self.server._delivery
                if delivery is not None:
                    delivery.runner.tick(self.clock.monotonic())
        return self

    def events(self, user_id: str = "") -> list[dict[str, Any]]:
        """Return what was sent of a player, in order."""
        found = [event for _, _, events in self.sent for event in events]
        return [event for event in found if event["user_id"] == user_id or not user_id]

    def died(self) -> None:
        """End as a kill does: nothing more is stored or sent, and the system frees the locks."""
        delivery = self.server._delivery
        assert delivery is not None
        disk: Any = delivery._outbox
        for lock in disk._disk._leases.values():
            lock.release()
        disk._disk.launches.end(keep_file=True)
        self.server._delivery = None


def play(player: Any) -> None:
    """Make the calls that a `Tracker` and a player of a server have."""
    player.design("kill:slime", 1)
    player.design("kill:slime", 2.5, fields={"weapon": "axe"})
    player.progression.start("forest", "1")
    player.progression.fail(score=7)
    player.business("EUR", 499, "pack", "gold", cart_type="shop")
    player.resource.sink("gold", 5, "boost", "shield")
    player.ad("show", "video", "admob", "end_of_game")
    player.error("warning", "odd")
    player.troubleshooting(fields={"asked": 1})
    player.wallet("gold").earn(3, "pickup", "coin")
    player.external_user_id, player.dimensions[1], player.fields["seed"] = "steam:1", "ninja", 4
    player.design("after")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.server.close()


@pytest.mark.requirement("002:server", "002:server-forwarded", "002:server-request-per-player")
def test_each_player_has_requests_of_their_own(desk: Desk) -> None:
    """With the address of this player in the header, and in no event; the events are those that a tracker sends."""
    ann, bob = desk.server.player("ann", **ANN), desk.server.player("bob", ip="2001:DB8::7", platform="linux")
    cid = desk.server.player("cid")
    for player in (ann, bob, cid):
        play(player)
    assert desk.server.player("ann") is ann  # what it does not give stays
    desk.run(60)
    assert [{event["user_id"] for event in events} for _, _, events in desk.sent[:3]] == [{"ann"}, {"bob"}, {"cid"}]
    assert [address for _, address, _ in desk.sent] == ["203.0.113.7", "2001:db8::7", ""] * 2
    assert all(ANN["ip"] not in json.dumps(events) for _, _, events in desk.sent)
    events = desk.events("ann")
    assert [event["category"] for event in events][:9] == [
        *("user", "design", "design", "progression", "progression", "business", "resource", "ads", "error")
    ]
    assert {event["platform"] for event in events} == {"windows"}
    assert {event["os_version"] for event in events} == {"windows 10.0.22631"}
    assert events[4]["attempt_num"] == events[5]["transaction_num"] == 1
    last = next(event for event in events if event.get("event_id") == "after")
    assert (last["user_id_ext"], last["custom_01"]) == ("steam:1", "ninja")
    assert last["custom_fields"] == {"seed": 4, SENT_BY_FIELD: SERVER}
    assert {event["os_version"] for event in desk.events("bob")} == {"linux 0"}
    assert [broken_rules(event) for event in desk.events()] == [[]] * len(desk.events())
    assert not desk.server.stats.dropped


def test_the_events_are_those_of_a_tracker(desk: Desk, tmp_path: Path) -> None:
    """But for the ids, the connection, and the mark that a server sends them."""
    of_game = Desk(tmp_path / "unused")
    of_game.server.close()
    transport = ScriptedTransport([of_game._answer])
    parts = Parts(lambda: of_game.clock, runner=FrameRunner, transport=lambda *_: transport)
    tracker = tracker_of(parts, data_dir=tmp_path / "game", hook=False, capture_exceptions=False, **KEYS)
    tracker.start()
    play(tracker)
    play(desk.server.player("ann"))
    for _ in range(60):
        desk.run(0.5)
        of_game.clock.advance(0.5)
        for _ in range(10):
            tracker.tick()
    tracker.close()
    desk.server.close()
    of_server, of_player = desk.events(), of_game.events()
    assert len(of_server) == 13
    for event in (*of_server, *of_player):
        for name in ("session_id", "event_uuid", "user_id", "client_ts"):
            del event[name]
    for event in of_player:
        event.pop("connection_type", None)  # the player's own; a server does not know that of its players
    for event in of_server:
        assert event["custom_fields"].pop(SENT_BY_FIELD) == SERVER
    plain = [{name: value for name, value in event.items() if value != {}} for event in of_server]
    assert plain == of_player


@pytest.mark.requirement("002:server-loop")
def test_requests_go_in_rounds(desk: Desk) -> None:
    """What comes during a round waits for the next one, 15 to 20 s later, in one request for each player."""
    for name in ("ann", "bob"):
        desk.server.player(name)
    desk.run(1)
    for _ in range(120):
        desk.server.player("ann").design("tick")
        desk.server.player("bob").design("tick")
        desk.run(1)
    times = [at for at, _, _ in desk.sent]
    rounds = sorted(set(times))
    assert len(times) == 2 * len(rounds)
    assert len(rounds) > 5
    assert all(15 <= later - earlier <= 20 for earlier, later in itertools.pairwise(rounds)), rounds
    assert 15 <= ROUND_SECONDS <= 20


def test_players_have_their_own_counters(tmp_path: Path) -> None:
    """Sessions, purchases and attempts are counted for each player, also across starts of the server."""
    for launch in (1, 2):
        desk = Desk(tmp_path)
        for name, times in (("ann", 1), ("bob", 2)):
            player = desk.server.player(name)
            for _ in range(times):
                player.business("USD", 99, "pack", "gold")
                player.progression.start("forest")
                player.progression.fail()
        desk.run(20)
        desk.server.close()
        for name, times in (("ann", 1), ("bob", 2)):
            events = desk.events(name)
            assert {event["session_num"] for event in events} == {launch}
            counted = range(times * launch - times + 1, times * launch + 1)
            assert [event["transaction_num"] for event in events if "transaction_num" in event] == list(counted)
            assert [event["attempt_num"] for event in events if "attempt_num" in event] == list(counted)


@pytest.mark.requirement("002:server-session-end")
def test_sessions_end(desk: Desk) -> None:
    """By `leave()`, with the open attempt; after silence, as of the last event; who returns begins a new one."""
    ann, bob = desk.server.player("ann"), desk.server.player("bob")
    bob.progression.start("forest")
    desk.run(30)
    ann.progression.start("forest")
    desk.run(10)
    ann.leave()
    ann.design("late")
    assert desk.server.stats.dropped == {"not_running": 1}
    assert desk.server.playing == 1
    cid = desk.server.player("cid")
    for _ in range(10):
        desk.run(40)
        cid.alive()
    first = desk.events("ann")
    assert [event["category"] for event in first] == ["user", "progression", "progression", "session_end"]
    assert first[2]["event_id"] == "Fail:forest"
    assert first[3]["length"] == 40
    assert [event["category"] for event in desk.events("bob")] == ["user", "progression", "progression", "session_end"]
    assert desk.events("bob")[3]["length"] == 0
    assert len({event["client_ts"] for event in desk.events("bob")}) == 1
    assert cid.session_id
    assert not bob.session_id
    bob.design("back")
    assert desk.server.player("ann") is not ann
    assert desk.server.player("bob") is bob
    desk.run(40)
    assert [event["session_num"] for event in desk.events("bob")] == [1, 1, 1, 1, 2, 2]
    assert [event["session_num"] for event in desk.events("ann")][-1] == 2


def test_a_server_that_died_ends_its_sessions_when_it_starts_again(tmp_path: Path) -> None:
    """With the length until the last event, the open attempt, and the player's address."""
    desk = Desk(tmp_path)
    desk.is_up = False
    ann = desk.server.player("ann", **ANN)
    desk.run(30)
    ann.progression.start("forest")
    ann.wallet("gold").earn(3, "pickup", "coin")
    desk.run(5)
    desk.died()
    again = Desk(tmp_path)
    again.run(40)
    assert [event["category"] for event in again.events()] == [
        *("user", "progression", "resource", "progression", "session_end")
    ]
    assert {address for _, address, _ in again.sent} == {ANN["ip"]}
    assert again.events()[-1]["length"] == 30
    assert again.events()[3]["attempt_num"] == 1
    assert {event["session_num"] for event in again.events()} == {1}
    again.server.close()


def test_nothing_is_lost_or_sent_twice_while_the_service_is_away(tmp_path: Path) -> None:
    """What waits is sent later, all of a player together; the rest of `close()` waits on the disk."""
    desk = Desk(tmp_path)
    desk.is_up = False
    for number in range(40):
        desk.server.player(f"p{number % 4}", ip=f"203.0.113.{number % 4}").design(f"n:{number}")
        desk.run(1)
    desk.server.close()
    assert desk.sent == []
    again = Desk(tmp_path)
    again.run(40)
    assert sorted(event["event_id"] for event in again.events() if "event_id" in event) == sorted(
        f"n:{number}" for number in range(40)
    )
    assert [address for _, address, _ in again.sent] == [f"203.0.113.{number}" for number in range(4)]
    again.server.close()
    assert len(again.events()) == 48


def test_a_service_that_refuses_is_asked_again(desk: Desk) -> None:
    """Each hour: a server runs for months, and its keys may be mended elsewhere."""
    desk.is_known = False
    desk.server.player("ann")
    desk.run(1800, step=10)
    assert (desk.inits, desk.sent) == (1, [])
    desk.is_known = True
    desk.run(1900, step=10)
    assert desk.inits == 2
    assert desk.events("ann")[0]["category"] == "user"


def test_a_large_bucket_is_cut(desk: Desk) -> None:
    """No request has more events than the service takes; the next one of the round has the rest."""
    ann = desk.server.player("ann")
    desk.server.player("bob")
    for number in range(700):
        ann.design("many", number)
    desk.run(2)
    assert [len(events) for _, _, events in desk.sent] == [500, 201, 1]
    assert [event["value"] for event in desk.events("ann") if "value" in event] == list(range(700))


def test_players_beyond_the_cap_are_refused(tmp_path: Path) -> None:
    """Their events are counted; there is room when others leave."""
    desk = Desk(tmp_path, players=2)
    first, _ = desk.server.player("ann"), desk.server.player("bob")
    cid = desk.server.player("cid")
    cid.design("refused")
    assert desk.server.stats.dropped == {"inbox_full": 2}
    first.leave()
    cid.design("taken")
    desk.run(20)
    assert [event.get("event_id") for event in desk.events("cid")] == [None, "taken"]
    desk.server.close()


def test_the_queue_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts and ends of sessions come in all the same."""
    monkeypatch.setattr(seats, "MAX_QUEUED", 10)
    ann = desk.server.player("ann")
    for number in range(20):
        ann.design(f"n:{number}")
    ann.leave()
    assert desk.server.stats.dropped == {"inbox_full": 11}
    desk.run(20)
    assert [event["category"] for event in desk.events()] == ["user", *["design"] * 9, "session_end"]


def test_wrong_arguments(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong id refuses the player, another wrong argument is left out; a wrong knob raises."""
    desk = Desk(tmp_path, strict=False)
    odd: Any = desk.server.player
    for nobody in (odd(""), odd(7), odd("x" * 65)):
        nobody.design("unseen")
    ann = odd("ann", ip="1.2.3.4\r\nX: y", platform="dos", gender="male", shoe_size=46, device=5, birth_year=None)
    ann.fields = {f"f{number}": 1 for number in range(MAX_CUSTOM_FIELDS)}
    ann.design("seen")
    desk.run(20)
    assert [event["user_id"] for event in desk.events()] == ["ann", "ann"]
    assert [address for _, address, _ in desk.sent] == [""]
    assert desk.events()[1]["gender"] == "male"
    assert len(desk.events()[1]["custom_fields"]) == MAX_CUSTOM_FIELDS
    assert desk.server.stats.dropped == {"invalid": 3, "not_running": 3, "part": 4}
    assert "1.2.3.4" not in caplog.text
    desk.server.close()
    with pytest.raises(TypeError, match="no knob 'hook'"):
        Desk(tmp_path, hook=False)
    for wrong in ({"max_players": 0}, {"player_timeout": "long"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ServerTracker(**KEYS, data_dir=str(tmp_path), **wrong)  # type: ignore[arg-type]  # wrong on purpose
    strict = Desk(tmp_path)
    with pytest.raises(InvalidEvent, match="ip"):
        strict.server.player("ann", ip="nowhere")
    strict.server.close()


def test_an_address_is_no_more_than_an_address(desk: Desk) -> None:
    """The scope of an IPv6 address may be any text: with a line break in it, no request of any player went out."""
    scoped = {"ann": "fe80::1%eth0", "bob": "fe80::1%a\r\nFoo: bar", "cid": "::ffff:203.0.113.7", "dan": "fe80::1%\xe9"}
    for user_id, ip in scoped.items():
        desk.server.player(user_id, ip=ip)
    desk.server.player("eve", ip=ipaddress.ip_address("2001:db8::7%1"))  # type: ignore[arg-type]  # asyncio has these
    desk.run(60)
    assert [address for _, address, _ in desk.sent] == ["fe80::1", "fe80::1", "203.0.113.7", "fe80::1", "2001:db8::7"]


def test_a_damaged_address_in_the_outbox_keeps_nothing_back(desk: Desk) -> None:
    """It is left out of the header: an earlier version stored scopes, too."""
    ann = desk.server.player("ann")
    ann._seat.address = "fe80::1%a\r\nFoo: bar"
    ann.design("seen")
    desk.run(60)
    assert [address for _, address, _ in desk.sent] == [""]


def test_annotations_are_those_of_a_trackers_player(tmp_path: Path) -> None:
    """The same rules as for `tracker.player`, in exact types; a flag's `False` is none, and clears an earlier one."""

    class Year:
        def __index__(self) -> int:
            return 1990

    desk = Desk(tmp_path, strict=False)
    ann = desk.server.player("ann", birth_year=Year(), google_aid="g", android_id="a", limit_ad_tracking=True)
    assert desk.server.player("ann", limit_ad_tracking=False, jailbroken=False) is ann
    assert desk.server.stats.dropped == {}
    desk.server.player("ann", device="", facebook_id="")
    ann.design("seen")
    desk.run(20)
    found = desk.events()[1]
    assert (found["birth_year"], found["google_aid"], found["device"]) == (1990, "g", "unknown")
    assert not {"android_id", "limit_ad_tracking", "jailbroken", "facebook_id"} & set(found)
    assert desk.server.stats.dropped == {"part": 2}
    desk.server.close()


def test_without_keys_nothing_is_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once; calls are counted."""
    server = ServerTracker(data_dir=tmp_path)
    server.player("ann").design("x")
    server.close()
    assert caplog.text.count("there are no keys") == 1
    assert server.stats.dropped == {"not_running": 2}
    assert list(tmp_path.iterdir()) == []


def test_threads_report_at_once(desk: Desk) -> None:
    """Each player's events stay with the player, in order."""

    def play(name: str) -> None:
        player = desk.server.player(name)
        for number in range(200):
            player.design("n", number)

    threads = [threading.Thread(target=play, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.run(20)
    for number in range(6):
        events = desk.events(f"p{number}")
        assert [event["value"] for event in events if "value" in event] == list(range(200))
        assert len({event["session_id"] for event in events}) == 1


def test_a_disk_that_fails_costs_nothing(tmp_path: Path) -> None:
    """Events go on in memory, still in a request for each player."""
    (tmp_path / f"{KEYS['game_key']}-server").write_text("a file in the place of the folder")
    desk = Desk(tmp_path)
    for _ in range(3):
        for name in ("ann", "bob"):
            desk.server.player(name).design("x")
    desk.run(20)
    assert all(len({event["user_id"] for event in events}) == 1 for _, _, events in desk.sent)
    assert len(desk.events()) == 8
    desk.server.close()


def test_names_are_those_of_the_vocabulary() -> None:
    """A renamed knob or annotation is noticed here."""
    from ga_pygame import Config  # noqa: PLC0415 - the class is not imported with the package
    from ga_pygame.annotations import FIELDS  # noqa: PLC0415 - beside it

    assert set(Config.__dataclass_fields__) >= KNOBS
    assert set(FIELDS) >= ANNOTATIONS_OF_PLAYERS
