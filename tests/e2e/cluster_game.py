"""A game, or a server of a multiplayer game, that plays until it is told to end, and notes what it told its tracker.

A script for a process of its own. Its arguments are `game` or `server`, the seed of its random numbers and the file for
its notes: a line of JSON for each session, or with what the tracker lost. What stands in a note follows from
the documentation alone: attempts are counted here, too.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ga_pygame

KIND, SEED, NOTES = sys.argv[1:]
FRAME_SECONDS = 0.04
PLAYERS = 5
"""Those of a server."""
LEVELS = ("level_1", "level_2")
SECONDS_TO_SEND = 60.0


class Player:
    """A player's acts and the events that have to come of them.

    Args:
        rng: Decides what the player does.
        before: What the last session's note says was `after` it.
    """

    def __init__(self, rng: random.Random, before: Mapping[str, Any] | None = None) -> None:
        self._rng = rng
        known = before or {"attempts": {}, "purchases": 0, "sessions": 0}
        self._attempts: Counter[str] = Counter(known["attempts"])
        self._purchases: int = known["purchases"]
        self._sessions: int = known["sessions"]
        self._began = 0.0
        self._open = ""
        self._told: list[tuple[str, str, int | None]] = []

    def begin(self, user_id: str, session_id: str) -> None:
        """Note that a session began."""
        self._sessions += 1
        self._session = {"user_id": user_id, "session_id": session_id, "session_num": self._sessions}
        self._began = time.monotonic()
        self._told = [("user", "", None)]

    def act(self, tracker: Any) -> None:
        """Do something: kill a slime, buy gold, start or end an attempt; also one while another is open."""
        chance = self._rng.random()
        if chance < 0.4:
            tracker.design("kill:slime", 1)
            self._told.append(("design", "kill:slime", None))
        elif chance < 0.55:
            tracker.business("USD", 99, "pack", "gold")
            self._purchases += 1
            self._told.append(("business", "pack:gold", self._purchases))
        elif not self._open or chance > 0.95:
            self._fail()
            self._open = self._rng.choice(LEVELS)
            tracker.progression.start("forest", self._open)
            self._attempts[self._open] += 1
            self._told.append(("progression", f"Start:forest:{self._open}", None))
        elif chance > 0.75:
            tracker.progression.complete("forest", self._open, score=10)
            self._told.append(("progression", f"Complete:forest:{self._open}", self._attempts.pop(self._open)))
            self._open = ""
        else:
            tracker.progression.fail("forest", self._open)
            self._fail()

    def _fail(self) -> None:
        if self._open:
            self._told.append(("progression", f"Fail:forest:{self._open}", self._attempts[self._open]))
        self._open = ""

    def end(self) -> dict[str, Any]:
        """Return the note of a session, whose open attempt has failed."""
        self._fail()
        self._told.append(("session_end", "", None))
        after = {"attempts": self._attempts, "purchases": self._purchases, "sessions": self._sessions}
        seconds = time.monotonic() - self._began
        return {**self._session, "seconds": seconds, "told": self._told, "after": after}


def is_over() -> bool:
    """Wait for a frame; whether our end was demanded meanwhile."""
    return bool(select.select([sys.stdin], [], [], FRAME_SECONDS)[0])


def play_game(notes: Path) -> None:
    """Play one launch after the other, each in a process of its own; the last one sends all."""
    for number in itertools.count():
        is_last = bool(select.select([sys.stdin], [], [], 0)[0])
        pid = os.fork()
        if not pid:
            launch(random.Random(f"{SEED} {number}"), notes, is_last=is_last)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            sys.exit("a launch failed")
        if is_last:
            return


def launch(rng: random.Random, notes: Path, *, is_last: bool) -> None:
    """Play a session."""
    import pygame  # noqa: PLC0415 - a server of games has none

    pygame.display.init()
    pygame.display.set_mode((64, 48))
    before = notes.read_text().splitlines() if notes.exists() else ()
    player = Player(rng, json.loads(before[-1])["after"] if before else None)
    tracker = ga_pygame.Tracker(shutdown_timeout=SECONDS_TO_SEND if is_last else 0.3, strict=True)
    tracker.start()
    player.begin(tracker.user_id, tracker.session_id)
    for _ in range(5 if is_last else rng.randrange(15, 60)):
        pygame.event.get()
        player.act(tracker)
        pygame.display.flip()
        if is_over() and not is_last:
            break
    if is_last:
        until = time.monotonic() + SECONDS_TO_SEND
        while tracker.flush().wait(10) != ("",) and time.monotonic() < until:
            time.sleep(0.5)
    ended = player.end()
    tracker.close()
    note(notes, {**ended, "dropped": dict(tracker.stats.dropped)})


def note(notes: Path, what: Mapping[str, Any]) -> None:
    with notes.open("a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def play_server(notes: Path) -> None:
    """Report for some players, who come and go, and in the end send all."""
    rng = random.Random(SEED)
    server = ga_pygame.ServerTracker(upload_interval=0.5, shutdown_timeout=1, strict=True)
    players = {f"player-{uuid.uuid4()}": Player(random.Random(rng.random())) for _ in range(PLAYERS)}
    playing: dict[str, Any] = {}
    expected = 0

    def leave(name: str) -> None:
        nonlocal expected
        found = players[name].end()
        expected += len(found["told"])
        note(notes, found)
        playing.pop(name).leave()

    while not is_over():
        name = rng.choice(list(players))
        if name not in playing:
            playing[name] = server.player(name)
            players[name].begin(name, playing[name].session_id)
        players[name].act(playing[name])
        if rng.random() < 0.02:
            leave(name)
    for name in list(playing):
        leave(name)
    until = time.monotonic() + SECONDS_TO_SEND
    while sum(server.stats.delivered.values()) < expected and time.monotonic() < until:
        time.sleep(0.1)
    server.close()
    note(notes, {"dropped": dict(server.stats.dropped)})


if __name__ == "__main__":
    {"game": play_game, "server": play_server}[KIND](Path(NOTES))
