"""The bot's planner: it looks a second ahead in a fork of the world, and sometimes makes a mistake."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .controls import Actions
from .world import WIDTH, Player, World


@dataclass(frozen=True, slots=True)
class Move:
    """Keys held for some ticks."""

    ticks: int
    left: bool = False
    right: bool = False
    jump: bool = False


Plan = tuple[Move, ...]


def _hop(hold: int, run_up: int = 0, wait: int = 0, back: bool = False) -> Plan:
    """Return: wait, run up, jump and hold, fly on until landed."""
    forward = {"left": True} if back else {"right": True}
    plan = [Move(wait)] if wait else []
    if run_up:
        plan.append(Move(run_up, **forward))
    return (*plan, Move(1, **forward), Move(hold, jump=True, **forward), Move(110, **forward))


CANDIDATES: tuple[Plan, ...] = (
    (Move(40, right=True),),
    _hop(14),
    _hop(30),
    _hop(60),
    _hop(30, run_up=10),
    _hop(60, run_up=10),
    _hop(60, run_up=20),
    _hop(45, wait=25),
    (Move(1, right=True), Move(45, jump=True), Move(90, right=True)),  # straight up, then over
    (Move(1), Move(45, right=True, jump=True), Move(18, left=True), Move(60)),  # brake in the air
)
PATIENT: tuple[Plan, ...] = (
    *(_hop(60, wait=wait) for wait in (50, 80, 110, 140, 180, 220)),
    *((Move(wait), Move(30, right=True)) for wait in (40, 80, 120, 160, 200)),
    *(_hop(20, wait=wait) for wait in (50, 100, 150)),
    (Move(24, left=True),),
    (Move(70, left=True),),
    _hop(40, back=True),
    (Move(60),),
)
FLIGHTS: tuple[Plan, ...] = (  # in the air when a plan is over
    (Move(200, right=True),),
    (Move(200, right=True, jump=True),),
    (Move(200),),
    (Move(30, right=True), Move(170)),
    (Move(60, right=True, jump=True), Move(140)),
    (Move(200, left=True),),
)
SLIP: Plan = (Move(45, right=True), Move(12, right=True, jump=True), Move(130, right=True))  # jumps too late
LOOK_AHEAD_TICKS = 75
STRIDE_TICKS = 14


class Planner:
    """The planner of all attempts; randomness comes only from `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._world: World | None = None
        self._player: Player | None = None
        self._queue: list[Move] = []
        self._until_landed = False
        self._best_x = 0.0
        self._best_tick = 0
        self._slips = 0
        self._next_slip = 0
        self._has_died = False

    def read(self, world: World) -> Actions:
        """Return the keys for the next tick."""
        if world is not self._world:
            self._world, self._queue, self._slips = world, [], 0
            careful = self._rng.random() < 0.3 and self._has_died
            self._next_slip = 9999 if careful else self._rng.randrange(5, 60)
        if world.player is not self._player:  # born again
            self._player, self._queue = world.player, []
            self._best_x, self._best_tick = world.player.x, world.tick
        if world.state != "running":
            self._has_died |= world.state == "dead"
            return Actions()
        if world.player.x > self._best_x + 20:
            self._best_x, self._best_tick = world.player.x, world.tick
        if self._until_landed and world.player.grounded and len(self._queue) <= 1:
            self._queue = []
        if not self._queue:
            self._queue = list(self._choose(world))
        move = self._queue[0]
        if move.ticks <= 1:
            self._queue.pop(0)
        else:
            self._queue[0] = Move(move.ticks - 1, move.left, move.right, move.jump)
        return Actions(left=move.left, right=move.right, jump=move.jump)

    def _choose(self, world: World) -> Plan:
        self._until_landed = False
        if world.player.grounded:
            walk = (Move(LOOK_AHEAD_TICKS, right=True),)
            gain = _rate(world, walk, coin_weight=0)
            if self._slips_now(world):
                return SLIP
            if gain > 70 and self._rng.random() > 0.14:
                return (Move(STRIDE_TICKS, right=True),)
        else:
            self._until_landed = True
            return self._pick(world, FLIGHTS)[0]
        best, rating = self._pick(world, CANDIDATES)
        if rating < 25:
            for plan in PATIENT:
                value = _rate(world, plan) - 0.25 * _waiting(plan)
                if value > rating:
                    best, rating = plan, value
                if rating > 50:  # good enough; the rest would cost a frame
                    break
        if world.tick - self._best_tick > 1200:  # ten seconds without getting on: anything else
            best = self._rng.choice(CANDIDATES + PATIENT)
        self._until_landed = len(best) >= 3
        return best

    def _pick(self, world: World, plans: tuple[Plan, ...]) -> tuple[Plan, float]:
        ratings = [(_rate(world, plan) - 0.25 * _waiting(plan), -index) for index, plan in enumerate(plans)]
        rating, index = max(ratings)
        return plans[-index], rating

    def _slips_now(self, world: World) -> bool:
        """Return whether the bot makes a mistake that costs a life: often once per level, seldom twice."""
        self._next_slip -= 1
        if self._next_slip > 0 or _rate(world, SLIP) > -1000:
            return False
        self._slips += 1
        again_soon = world.player.armour and self._slips < 2  # the armour will take the first one
        self._next_slip = self._rng.randrange(5, 20) if again_soon else self._rng.randrange(60, 200) * self._slips
        return True


def _waiting(plan: Plan) -> int:
    return plan[0].ticks if not (plan[0].left or plan[0].right or plan[0].jump) else 0


def _rate(world: World, plan: Plan, coin_weight: float = 16) -> float:
    """Play a plan in a fork; return the pixels gained plus the worth of the coins, very low for a hurt."""
    ahead = world.fork()
    player = ahead.player
    start_x, armour = player.x, player.armour
    last = len(plan) - 1
    flew = not player.grounded
    until_landed = flew or last >= 2
    for index, move in enumerate(plan):
        for _ in range(move.ticks):
            ahead.step(move.left, move.right, move.jump)
            if ahead.state != "running" or player.armour < armour:
                return 900.0 if ahead.state == "won" else -1000.0
            flew = flew or not player.grounded
            if index == last and until_landed and flew and player.grounded:
                break
    for _ in range(120):  # what comes after the plan must not be a fall
        if player.grounded:
            break
        ahead.step(False, False, False)
        if ahead.state != "running" or player.armour < armour:
            return 900.0 if ahead.state == "won" else -1000.0
    gain = player.x - start_x
    if not player.grounded:
        return -600.0
    if player.platform < 0:
        for _ in range(14):  # nor a step off the edge, nor a slime at once
            ahead.step(False, False, False)
            if ahead.state != "running" or player.armour < armour:
                return -800.0
    coins = len(ahead.taken) - len(world.taken)
    kills = len(ahead.killed) - len(world.killed)
    return gain + coin_weight * coins + 2 * coin_weight * kills + WIDTH * (player.platform >= 0)
