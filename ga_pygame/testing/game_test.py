"""What the pytest fixture `ga` is: a tracker in memory, its time, the player's acts, and its events to look at."""

from __future__ import annotations

import atexit
import difflib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pygame

from ga_pygame import active, advice, categories
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.forms import MAX_OUTBOX_BYTES
from ga_pygame.protocol import Answered, Destination, Outcome, Reply, Request, StoredRecord, Verdict
from ga_pygame.testing import FrameRunner, ManualClock, Parts
from ga_pygame.tracker import Tracker

SECONDS_PER_TICK = 0.25
"""The longest time between two ticks while seconds pass; a game has one each frame."""
LEFT_OUT = ("destinations", "game_key", "secret_key", "collector", "endpoint", "data_dir", "hook", "journal")
"""Knobs that a test replaces, whatever the game gives."""
MAX_NEAR = 3
"""Events that the message of `assert_event` shows."""
MAX_COMPARED_EVENTS = 100
"""Different events from which it chooses them: those with most of the wanted values."""
MAX_PROBLEMS = 20
"""Events that the message of `assert_valid_stream` shows."""


class GameTest:
    """A tracker without threads, files, network and window, with its clock and events.

    Attributes:
        clock: Its clock, which stands still until a method lets time pass.
    """

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._folder = tempfile.TemporaryDirectory(prefix="ga_pygame_")
        self._received = _Received()
        self._tracker: Tracker | None = None
        self._others: list[Tracker] = []  # they share its state

    @property
    def tracker(self) -> Tracker:
        """The tracker: the one that the game has made, else one that is made and started now."""
        if self._tracker is None:
            self.make_tracker().start()
        assert self._tracker is not None  # noqa: S101 - made by `make_tracker`
        return self._tracker

    def make_tracker(self, **knobs: Any) -> Tracker:
        """Make the tracker; a second call returns the same one.

        Args:
            **knobs: Those of `Tracker`; destinations, keys and folder are replaced, and `strict` is the default.

        Raises:
            TypeError: There is no knob of that name.
            ValueError: A knob's value is wrong.
        """
        if self._tracker is None:
            self.adopt(Tracker.__new__(Tracker), **knobs)
        assert self._tracker is not None  # noqa: S101 - set by `adopt`
        return self._tracker

    def adopt(self, tracker: Tracker, *wrong: Any, **knobs: Any) -> None:
        """Do what a tracker's `__init__` does; a second tracker of a test is the first one under another name."""
        if wrong:
            raise TypeError(advice.KEYWORDS_ONLY)
        if self._tracker is not None:
            object.__setattr__(tracker, "__dict__", self._tracker.__dict__)
            self._others.append(tracker)
            return
        own = {name: value for name, value in knobs.items() if name not in LEFT_OUT}
        parts = Parts(
            clock=lambda: self.clock,
            runner=FrameRunner,
            outbox=lambda path, *others, **named: FailoverOutbox(None, *others, **named),  # noqa: ARG005 - no file
            has_window=lambda: False,  # the player is where the test says, whatever window the game opens
        )
        replaced = {
            "destinations": [self._received],
            "data_dir": str(Path(self._folder.name).resolve()),
            "hook": False,
            "journal": False,
            "upload_interval": SECONDS_PER_TICK,
        }
        defaults = {"strict": True, "build": "test", "max_outbox_bytes": MAX_OUTBOX_BYTES}
        tracker._assemble(parts, {**defaults, **own, **replaced})
        self._tracker = tracker

    # --- what the player does ---------------------------------------------------------------------------

    def frames(self, number: int = 1, fps: float = 60.0) -> None:
        """Let frames pass."""
        tracker, begin = self.tracker, self.clock.monotonic()
        for frame in range(1, number + 1):
            self.clock.advance(begin + frame / fps - self.clock.monotonic())  # 60 sixtieths are a second
            tracker.tick()

    def wait(self, seconds: float) -> None:
        """Let seconds of play pass."""
        tracker, end = self.tracker, self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.clock.advance(min(end - self.clock.monotonic(), SECONDS_PER_TICK))
            tracker.tick()

    def focus_lost(self, seconds: float) -> None:
        """Let the player leave the game's window, and come back after some seconds."""
        self.tracker.process(pygame.event.Event(pygame.WINDOWFOCUSLOST))
        self.wait(seconds)
        self.tracker.process(pygame.event.Event(pygame.WINDOWFOCUSGAINED))
        self.tracker.tick()

    def quit(self) -> None:
        """Let the player close the game: the session ends, and all events are there."""
        self.tracker.process(pygame.event.Event(pygame.QUIT))
        self.close()

    def close(self) -> None:
        """Close the tracker, if there is one, and remove its folder."""
        if self._tracker is not None:
            self._tracker.close()
        for one in self._others:
            active.leave(one)
            atexit.unregister(one.close)
        self._folder.cleanup()

    # --- what it reported -------------------------------------------------------------------------------

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far, in order, with GameAnalytics' field names."""
        self.tracker.tick()
        before = -1
        while before != len(self._received.events):  # some hundreds in each round
            before = len(self._received.events)
            for _ in range(4):  # into the outbox, and from there to us
                self.clock.advance(SECONDS_PER_TICK / 100)
                self.tracker.flush()
                self.tracker.tick()
        return list(self._received.events)

    def assert_event(self, category: str, event_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """Return the first event of a category with this id and these fields.

        Args:
            category: E.g. `progression`.
            event_id: E.g. `Start:forest:1`.
            **fields: Further fields with their values; a mapping must be within the field's mapping.

        Raises:
            AssertionError: There is none; the message shows the events that are nearest to it.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        wanted = {"category": category, **({} if event_id is None else {"event_id": event_id}), **fields}
        events = self.events
        for event in events:
            if all(_has_value(event.get(name), value) for name, value in wanted.items()):
                return event
        raise AssertionError(_no_such_event(wanted, events))

    def assert_valid_stream(self) -> None:
        """Check that the service would take all events, and that their order makes sense.

        Raises:
            AssertionError: It would not; the message has each event with its broken rule.
        """
        __tracebackhide__ = True
        problems = [*_broken_rules(self.events), *_broken_order(self.events)]
        if problems:
            more = f"\nand {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
            raise AssertionError("\n".join(problems[:MAX_PROBLEMS]) + more)

    def snapshot(self) -> str:
        """Return the events as JSON, an event a line, with stable ids and times: two alike runs give the same text.

        Sessions are numbered, times are seconds since the first event, and fields of the machine are left out.
        """
        return "".join(f"{json.dumps(event)}\n" for event in _stable(self.events))


class _Received(Destination):
    """The destination that keeps the events in memory.

    Attributes:
        events: Those so far.
    """

    name = "test"
    is_local = True

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.transport = self

    def open(self, *_: object) -> None:
        pass

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return Request("", b"[%b]" % b",".join(record.json(None) for record in records), headers={})

    def send(self, request: Request) -> Answered:
        self.events.extend(json.loads(request.body))
        return Answered(Reply(200))

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:  # noqa: ARG002 - always well
        return [Verdict(Outcome.DELIVERED)] * len(records)

    def close(self) -> None:
        pass


def _has_value(value: Any, wanted: Any) -> bool:
    """Whether a field has a value; of a mapping the wanted keys."""
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(_has_value(value.get(name), one) for name, one in wanted.items())
    return bool(value == wanted)


def _no_such_event(wanted: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    """Return a message with the differences to the nearest events."""
    lines = [f"no event {_as_json(wanted)} among {len(events)}"]
    text = _as_json(wanted, indent=1).splitlines()
    likely = sorted(events, key=lambda event: -sum(event.get(name) == value for name, value in wanted.items()))
    shown = [{name: event[name] for name in sorted({*wanted, "event_id"}) if name in event} for event in likely]
    different = list(dict.fromkeys(_as_json(one, indent=1) for one in shown))[:MAX_COMPARED_EVENTS]
    nearest = sorted(different, key=lambda one: -difflib.SequenceMatcher(None, "\n".join(text), one).ratio())
    for one in nearest[:MAX_NEAR]:
        lines += [*difflib.unified_diff(text, one.splitlines(), "wanted", "reported", lineterm="", n=9), ""]
    return "\n".join(lines)


def _as_json(event: Mapping[str, Any], indent: int | None = None) -> str:
    """Return an event as JSON; a wanted value may be anything that compares itself, such as `pytest.approx(0.3)`."""
    return json.dumps(event, indent=indent, sort_keys=True, default=repr)


def _broken_rules(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the events that the service would refuse, with the rule."""
    for event in events:
        for error in categories.wire_errors(event):
            yield f"{event.get('category')} {event.get('event_id', '')}: {error}"


def _broken_order(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what cannot be: an attempt that ends without a Start, events outside their session."""
    begun: set[str] = set()
    ended: set[str] = set()
    open_levels: set[str] = set()
    for event in events:
        category, session = event["category"], event["session_id"]
        if category == "user":
            begun.add(session)
        elif session not in begun:
            yield f"{category} {event.get('event_id', '')}: its session has no user event before it"
        if session in ended:
            yield f"{category} {event.get('event_id', '')}: it comes after the session_end of its session"
        if category == "session_end":
            ended.add(session)
        if category == "progression":
            status, _, level = event["event_id"].partition(":")
            if status == "Start":
                open_levels.add(level)
            elif level not in open_levels:
                yield f"progression {event['event_id']}: there is no Start before it"
            else:
                open_levels.discard(level)


_OF_THE_MACHINE = (
    *("event_uuid", "user_id", "sdk_version", "platform", "os_version", "manufacturer", "device", "engine_version"),
    *("connection_type", "v"),
)
"""Fields that a snapshot leaves out."""


def _stable(events: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    sessions: dict[str, str] = {}
    for event in events:
        told = {name: value for name, value in event.items() if name not in _OF_THE_MACHINE}
        told["session_id"] = sessions.setdefault(event["session_id"], f"session-{len(sessions) + 1}")
        told["client_ts"] = event["client_ts"] - events[0]["client_ts"]
        yield told
