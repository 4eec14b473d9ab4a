"""Simulated players: weeks of play in seconds, through the real tracker, so that the collector's page has data to show.

`python -m demo_game --bot --players 40`. The players have a longer game than the demo: eight levels, of which the fifth
is too hard in the first build. Each has a machine of its own, with a clock that stands at a moment of the past.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygame
import requests

from ga_pygame import Tracker
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations import GameAnalytics, Reply, Request, StoredRecord
from ga_pygame.testing import FrameRunner, ManualClock, Parts, ScriptedTransport, tracker_of

from .heroes import HEROES

DAY = 86_400.0
DAYS = 14
FIRST_BUILD, SECOND_BUILD = "1.0.0", "1.1.0"
DIFFICULTY = {
    FIRST_BUILD: (0.0, 0.05, 0.12, 0.2, 0.62, 0.3, 0.35, 0.45),
    SECOND_BUILD: (0.0, 0.05, 0.12, 0.2, 0.34, 0.3, 0.35, 0.45),  # the fifth level was eased
}
"""How much harder each level is than the first, by build."""
LEVELS = len(DIFFICULTY[FIRST_BUILD])
REWARD = {FIRST_BUILD: 12, SECOND_BUILD: 26}
"""Coins in a level; the second build gives too many."""
BUGS = {FIRST_BUILD: 0.004, SECOND_BUILD: 0.02}
"""The chance that an attempt ends in a crash."""
BOOSTS = (("shield", 15), ("magnet", 20), ("heart", 30))
PACKS = (("coins_500", 499), ("starter", 199), ("coins_2000", 1499))
FOES = (("slime", "stomp"), ("bat", "jump"), ("slime", "slam"), ("saw", "none"))
HARD_PLACES = ((1500, 560, "fall"), (800, 400, "slime"), (2100, 300, "bat"))
"""Where players die, in the units of the world, and of what; a bit farther in each next level."""
LONG_SECONDS = 20.0
"""A longer time has ticks: the tracker then stores what was reported. Each event has its own time all the same."""
FRAMES = 40
"""Frames that are shown of such a time: enough for the figures of a machine."""
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine.

    Attributes:
        frame_ms: The usual time of a frame.
        hitches: The share of frames that take six times that.
    """

    platform: str
    os_version: str
    device: str
    frame_ms: float
    hitches: float


MACHINES = (
    Machine("windows", "windows 10.0.22631", "desktop", 7.0, 0.002),
    Machine("windows", "windows 10.0.19045", "old laptop", 24.0, 0.05),
    Machine("linux", "linux 6.8.0", "handheld", 16.6, 0.01),
    Machine("mac_osx", "mac_osx 14.5", "notebook", 8.4, 0.004),
)


class PastClock(ManualClock):
    """A clock that stands at a moment of the past and is right there: the present time of a server does not move it."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, 0.0 if name == "server_offset" else value)


class RestingRunner(FrameRunner):
    """A runner that does nothing while frames are shown one after the other: a real one has time in each."""

    rests = False

    def tick(self, now: float) -> None:
        if not self.rests:
            super().tick(now)


class FromMachine(GameAnalytics):
    """The destination of a pretended machine. It also sends the frame rates, which our collector takes."""

    wants_health = True

    def __init__(self, machine: Machine) -> None:
        super().__init__(SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY)
        facts = {"platform": machine.platform, "os_version": machine.os_version, "device": machine.device}
        self._facts = facts

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return super().encode([record._replace(payload=self._pretend(record.payload)) for record in records])

    def _pretend(self, payload: bytes) -> bytes:
        return json.dumps({**json.loads(b"{" + payload), **self._facts}).encode()[1:]


class Courier:
    """Carries requests to the collector over one connection; on failure `problem` says why."""

    def __init__(self) -> None:
        self.problem = ""
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(self, request: Request) -> Reply:
        """Send a request and wait for the answer."""
        named = dict(request.headers)
        try:
            got = self._session.request(
                request.method, request.url, data=request.body, headers=named, timeout=ANSWER_SECONDS
            )
        except requests.RequestException as error:
            self.problem = str(error)
            return Reply(None, error=self.problem)
        return Reply(got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


@dataclass(slots=True)
class Player:
    """A simulated player, and how far they have come.

    Attributes:
        skill: 0 to 1.
        patience: The fails in a row at one level after which they give up for good.
        spends: The chance that a visit to the shop is paid with money.
        returns: The chance to come back on a day.
    """

    rng: random.Random
    folder: Path
    machine: Machine
    hero: str
    source: str
    skill: float
    patience: int
    spends: float
    returns: float
    level: int = 0
    tries: int = 0
    coins: int = 0
    launches: int = 0
    has_quit: bool = False


def _player(number: int, seed: int, folder: Path) -> Player:
    rng = random.Random(f"{seed}:{number}")
    return Player(
        rng,
        folder / str(number),
        rng.choice(MACHINES),
        rng.choice(HEROES).name,
        rng.choice(("shop", "friend", "video")),
        skill=rng.random(),
        patience=rng.randint(2, 6),
        spends=rng.choice((0.0, 0.0, 0.0, 0.05, 0.2)),
        returns=rng.uniform(0.25, 0.9),
    )


class _CrashError(Exception):
    """The game of a simulated player has crashed; the cause is what crashed it."""


@dataclass(slots=True)
class Totals:
    """What the players did."""

    players: int = 0
    launches: int = 0
    crashes: int = 0
    completes: int = 0
    purchases: int = 0
    problem: str = ""
    builds: set[str] = field(default_factory=set)


class Launch:
    """One launch of the game on a player's machine, from its start to its end.

    Args:
        player: Who plays.
        build: The build that the player has.
        begins: When, in seconds since 1970.
        collector: The collector's address.
        courier: Carries the requests.
    """

    def __init__(self, player: Player, build: str, begins: float, collector: str, courier: Courier) -> None:
        self._player = player
        self._rng = player.rng
        self._build = build
        self._clock = PastClock(wall=begins)
        parts = Parts(
            clock=lambda: self._clock,
            transport=lambda _timeout, _clock: ScriptedTransport([courier]),
            runner=self._make_runner,
        )
        self._tracker: Tracker = tracker_of(
            parts,
            collector=collector,
            destinations=[FromMachine(player.machine)],
            who="player",  # they are the data to look at, not a bot's
            build=build,
            data_dir=player.folder,
            journal=False,  # nobody kills them
            upload_interval=3600.0,
            strict=True,
            dimension_values={1: [hero.name for hero in HEROES], 2: ["keyboard", "gamepad"]},
        )
        self._coins = self._tracker.wallet("coins")
        self._has_failed_to_save = False

    def _make_runner(self, *args: Any) -> RestingRunner:
        self._runner = RestingRunner(*args)
        return self._runner

    def play(self, totals: Totals) -> None:
        """Play until the player has had enough, gives up or meets a bug."""
        player = self._player
        player.launches += 1
        try:
            with self._tracker:
                self._introduce()
                for _ in range(self._rng.randint(3, 12)):
                    self._attempt(totals)
                    if player.has_quit:
                        break
                    if self._rng.random() < 0.12:
                        self._look_away()
        except _CrashError:
            totals.crashes += 1

    def _introduce(self) -> None:
        player, tracker = self._player, self._tracker
        self._pass(self._rng.uniform(4, 15))
        tracker.fields["source"] = player.source
        if player.launches > 1:
            return
        tracker.dimensions[1] = player.hero
        tracker.dimensions[2] = self._rng.choice(("keyboard", "keyboard", "gamepad"))
        for step in ("begin", "jump", "stomp", "done"):
            tracker.design(f"tutorial:{step}")
            self._pass(self._rng.uniform(3, 12))
            if self._rng.random() > 0.85 + 0.15 * player.skill:
                break

    def _attempt(self, totals: Totals) -> None:
        player, rng, progression = self._player, self._rng, self._tracker.progression
        if player.level == LEVELS:
            player.level = rng.randrange(LEVELS - 3)  # once more, for the score
        progression.start("sky", f"level_{player.level + 1}")
        self._meet_foes()
        self._pass(rng.uniform(15, 45) + 6 * player.level)
        if rng.random() < BUGS[self._build]:
            self._crash()
        odds = 0.75 + 0.35 * player.skill - DIFFICULTY[self._build][player.level] + 0.03 * min(player.tries, 6)
        if rng.random() < odds:
            progression.complete(score=rng.randint(300, 900) + 100 * player.level)
            totals.completes += 1
            player.level, player.tries = player.level + 1, 0
            self._shop(totals)
        else:
            self._die()
            progression.fail(score=rng.randint(0, 400))
            player.tries += 1
            player.has_quit = player.tries >= player.patience
            self._pass(rng.uniform(2, 8))

    def _die(self) -> None:
        """Die at one of the level's hard places, of which the first is the hardest."""
        rng, level = self._rng, self._player.level + 1
        x, y, cause = rng.choices(HARD_PLACES, weights=(5, 2, 1))[0]
        self._tracker.at(
            rng.gauss(x + 90 * level, 30), min(560, rng.gauss(y, 15)), f"death:{cause}", map=f"level_{level}"
        )

    def _meet_foes(self) -> None:
        rng = self._rng
        for foe, how in rng.sample(FOES, rng.randint(1, 3)):
            self._tracker.design(f"kill:{foe}", value=rng.choice((10, 20, 50)), fields={"how": how})
        for _ in range(rng.randint(2, 6)):
            self._earn(max(1, round(rng.gauss(REWARD[self._build] / 4, 1))))

    def _earn(self, coins: int) -> None:
        self._player.coins += coins
        self._coins.earn(coins, "pickup", "coin")

    def _shop(self, totals: Totals) -> None:
        player, rng, resource = self._player, self._rng, self._tracker.resource
        self._tracker.design("shop:opened")
        self._pass(rng.uniform(3, 20))
        if rng.random() < player.spends:
            pack, cents = rng.choice(PACKS)
            currency = "EUR" if player.source == "friend" else "USD"
            self._tracker.business(currency, cents, "pack", pack, cart_type=rng.choice(("shop", "ending")))
            resource.source("gems", cents // 10, "pack", pack)
            totals.purchases += 1
        boost, price = rng.choice(BOOSTS)
        if player.coins >= price and rng.random() < 0.6:
            player.coins -= price
            resource.sink("coins", price, "boost", boost)
            self._tracker.design("shop:bought", value=price)
        if rng.random() < 0.04 and not self._has_failed_to_save:
            self._has_failed_to_save = True
            self._tracker.error("warning", "save failed: PermissionError")

    def _crash(self) -> None:
        try:
            if self._build == FIRST_BUILD:
                {"chest_1": 5}[f"chest_{self._player.level}"]
            self._player.skill / (self._player.level - self._player.level)
        except (KeyError, ZeroDivisionError) as cause:
            raise _CrashError(type(cause).__name__) from cause

    def _look_away(self) -> None:
        """Leave the machine asleep: shortly, or so long that the session ends."""
        self._tracker.tick()
        self._clock.advance(self._rng.choice((8.0, 15.0, 90.0, 1800.0)))
        self._tracker.tick()

    def _pass(self, seconds: float) -> None:
        """Let seconds of play pass; in some longer times some of the frames are shown."""
        machine, rng = self._player.machine, self._rng
        is_long = seconds > LONG_SECONDS
        self._runner.rests = True
        for _ in range(FRAMES if is_long and rng.random() < 0.3 else 0):
            usual = machine.frame_ms * rng.uniform(0.9, 1.2)
            self._advance((6 * usual if rng.random() < machine.hitches else usual) / 1000)
            pygame.display.flip()
        self._runner.rests = False
        self._advance(seconds)
        if is_long:
            self._tracker.tick()

    def _advance(self, seconds: float) -> None:
        self._clock.advance(seconds, cpu=seconds)


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Open a window that nobody sees, for the frames."""
    pygame.display.init()
    pygame.display.set_mode((16, 16))
    try:
        yield
    finally:
        pygame.display.quit()


def simulate(collector: str, count: int, *, seed: int, until: float, folder: Path, days: int = DAYS) -> Totals:
    """Let players play in the days before a midnight; return what they did. The same seed plays the same games.

    New players come in the first three quarters of the days. The collector gets the launches in the order of their
    times.

    Args:
        collector: The collector's address.
        count: How many players.
        seed: Their chance.
        until: That midnight, in seconds since 1970.
        folder: A folder for their data.
        days: How many days.
    """
    totals = Totals(players=count)
    first_day = until - days * DAY
    players = [_player(number, seed, folder) for number in range(count)]
    arrivals = [number * (days * 3 // 4) // count for number in range(count)]
    visits = [(_moment(first_day + DAY * day, players[number]), number) for number, day in enumerate(arrivals)]
    heapq.heapify(visits)
    courier = Courier()
    with contextlib.closing(courier), _screen():
        while visits and not courier.problem:
            begins, number = heapq.heappop(visits)
            build = SECOND_BUILD if begins > first_day + DAY * days * 0.6 else FIRST_BUILD
            totals.builds.add(build)
            totals.launches += 1
            Launch(players[number], build, begins, collector, courier).play(totals)
            again = _next_visit(players[number], begins, first_day)
            if again < until - DAY / 24:
                heapq.heappush(visits, (again, number))
    totals.problem = courier.problem
    return totals


def _moment(day: float, player: Player) -> float:
    """Choose a moment of a day, most often in the evening."""
    return day + 3600 * min(22.0, max(0.5, player.rng.gauss(18, 3)))


def _next_visit(player: Player, last: float, first_day: float) -> float:
    """Return when a player plays again; never if they gave up, or have played all levels and had enough."""
    if player.has_quit or (player.level == LEVELS and player.rng.random() < 0.4):
        return float("inf")
    if player.rng.random() < 0.35:  # once more on the same evening
        return last + player.rng.uniform(3000, 7000)
    day = (last - first_day) // DAY + 1
    while player.rng.random() > player.returns:
        day += 1
    return _moment(first_day + day * DAY, player)
