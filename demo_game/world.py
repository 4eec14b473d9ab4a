"""The simulation of a level: physics, pickups, enemies. No drawing, no sound, no clock: a tick is a function call."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

from .heroes import Hero
from .levels import CLOUD, ROWS, SOLID, SPIKES, SPRING, TILE, Foe, Level
from .tuning import Tuning

TICKS_PER_SECOND = 120
DT = 1 / TICKS_PER_SECOND
MAX_FALL = 720.0
SLAM_REACH = 90.0
COYOTE_TICKS = 10  # a jump still counts this long after the ledge
BUFFER_TICKS = 13  # and this long before the landing
INVULNERABLE_TICKS = 150
PLATFORM_WIDTH = 96
WIDTH, HEIGHT = 24, 32  # of the player
SCORES = {"coin": 10, "gem": 50, "slime": 100, "bat": 150}


@dataclass(slots=True)
class Player:
    """The state of the hero; `x`, `y` is its top left corner."""

    x: float
    y: float
    armour: int = 0
    vx: float = 0.0
    vy: float = 0.0
    facing: int = 1
    grounded: bool = False
    coyote: int = 0
    buffer: int = 0
    air_jumps: int = 0
    jump_held: bool = True  # a key still down from the menu is not a jump
    rising: bool = False  # in the part of a jump that letting go cuts short
    gliding: bool = False
    slamming: bool = False
    invulnerable: int = 0
    platform: int = -1
    run_phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the screen reacts to with a sound, particles, the score or a tracked event."""

    kind: str
    x: float
    y: float
    detail: str = ""
    value: int = 0


class World:
    """The simulation of one level."""

    def __init__(
        self, level: Level, hero: Hero, extra_armour: int = 0, reach: float = 0.0, tuning: Tuning | None = None
    ) -> None:
        self.level = level
        self.hero = hero
        self.tuning = tuning or Tuning()
        self.reach = 15.0 + max(hero.reach, reach)
        self.tick = 0
        self.taken: set[int] = set()
        self.killed: set[int] = set()
        self.checkpoint = -1
        self.state = "running"  # running, dead, won
        self.happenings: list[Happening] = []
        self.player = self._spawn(hero.armour + extra_armour)

    def fork(self) -> World:
        """Return a cheap copy to look ahead with."""
        other = copy.copy(self)
        other.player = copy.copy(self.player)
        other.taken = set(self.taken)
        other.killed = set(self.killed)
        other.happenings = []
        return other

    def respawn(self) -> None:
        """Put the hero back at the last checkpoint; collected things stay collected."""
        self.player = self._spawn(self.hero.armour)
        self.player.invulnerable = INVULNERABLE_TICKS // 2
        self.state = "running"

    def foe_at(self, foe: Foe) -> tuple[float, float]:
        """Return the centre of an enemy in this tick."""
        time = self.tick * DT
        if foe.kind == "slime":
            span = foe.high - foe.low
            if span <= 0:
                return foe.x, foe.y
            way = (time * 52 + foe.x - foe.low) % (2 * span)
            return foe.low + (way if way < span else 2 * span - way), foe.y
        phase = foe.index * 1.7
        if foe.kind == "bat":
            return foe.x + 64 * math.sin(time * 1.1 + phase), foe.y + 24 * math.sin(time * 2.3 + phase)
        return foe.x, foe.y + 74 * math.sin(time * 1.7 + phase)

    def platform_at(self, index: int, tick: int) -> tuple[float, float]:
        """Return the top left corner of a moving platform."""
        platform = self.level.platforms[index]
        swing = math.sin(tick * DT * 1.35 + platform.phase)
        if platform.vertical:
            return platform.x - PLATFORM_WIDTH / 2, platform.y + 66 * swing
        return platform.x - PLATFORM_WIDTH / 2 + 80 * swing, platform.y

    def step(self, left: bool, right: bool, jump: bool, down: bool = False) -> None:
        """Advance one tick."""
        self.tick += 1
        if self.state != "running":
            return
        player = self.player
        if player.invulnerable:
            player.invulnerable -= 1
        if player.platform >= 0:
            self._ride(player)
        self._steer(player, left, right, jump, down)
        self._move_x(player)
        self._move_y(player)
        self._touch_tiles(player)
        self._touch_foes(player)
        self._touch_coins(player)
        self._touch_poles(player)
        if player.y > ROWS * TILE + 40 and self.state == "running":
            self._die("fall")

    def _spawn(self, armour: int) -> Player:
        x, foot = self.level.start if self.checkpoint < 0 else self.level.checkpoints[self.checkpoint]
        return Player(x - WIDTH / 2, foot - HEIGHT, armour=armour, air_jumps=self.hero.air_jumps)

    def _tell(self, kind: str, detail: str = "", value: int = 0, at: tuple[float, float] | None = None) -> None:
        x, y = at or (self.player.x + WIDTH / 2, self.player.y + HEIGHT / 2)
        self.happenings.append(Happening(kind, x, y, detail, value))

    def _ride(self, player: Player) -> None:
        old = self.platform_at(player.platform, self.tick - 1)
        new = self.platform_at(player.platform, self.tick)
        player.x += new[0] - old[0]
        player.y += new[1] - old[1]

    def _steer(self, player: Player, left: bool, right: bool, jump: bool, down: bool) -> None:
        hero = self.hero
        want = (right - left) * hero.run_speed
        if want:
            player.facing = 1 if want > 0 else -1
        rate = (2300.0 if player.grounded else 1500.0) * DT
        player.vx += max(-rate, min(rate, want - player.vx))
        player.run_phase += abs(player.vx) * DT

        player.coyote = COYOTE_TICKS if player.grounded else max(0, player.coyote - 1)
        player.buffer = BUFFER_TICKS if jump and not player.jump_held else max(0, player.buffer - 1)
        player.jump_held = jump
        if player.buffer and (player.coyote or player.air_jumps):
            in_air = not player.coyote
            player.air_jumps -= in_air
            player.vy = -hero.jump_speed * (0.9 if in_air else 1.0)
            player.buffer = player.coyote = 0
            player.rising, player.grounded, player.platform = True, False, -1
            self._tell("air_jump" if in_air else "jump")
        if player.rising and (not jump or player.vy >= 0):
            if player.vy < 0:
                player.vy *= 0.45
            player.rising = False

        if hero.slams and down and not player.grounded and not player.slamming:
            player.slamming, player.rising = True, False
            self._tell("slam_start")
        gravity = self.tuning.gravity * (0.78 if abs(player.vy) < 70 and jump else 1.0)  # hang a little at the top
        player.vy = min(MAX_FALL, player.vy + gravity * DT)
        player.gliding = hero.glide_speed is not None and jump and player.vy > 0 and not player.grounded
        if player.gliding and hero.glide_speed is not None:
            player.vy = min(player.vy, hero.glide_speed)
        if player.slamming:
            player.vy = self.tuning.slam

    def _move_x(self, player: Player) -> None:
        player.x += player.vx * DT
        if player.vx == 0 and player.platform < 0:
            return
        column = int((player.x + WIDTH) // TILE) if player.vx > 0 else int(player.x // TILE)
        for row in range(int(player.y // TILE), int((player.y + HEIGHT - 0.01) // TILE) + 1):
            if self.level.tile(column, row) == SOLID:
                player.x = column * TILE - WIDTH - 0.01 if player.vx > 0 else (column + 1) * TILE
                player.vx = 0.0
                return

    def _move_y(self, player: Player) -> None:
        before = player.y + HEIGHT
        player.y += player.vy * DT
        was_grounded, speed = player.grounded, player.vy
        player.grounded, old_platform, player.platform = False, player.platform, -1
        columns = range(int(player.x // TILE), int((player.x + WIDTH - 0.01) // TILE) + 1)
        tile = self.level.tile
        if player.vy < 0:
            row = int(player.y // TILE)
            if any(tile(column, row) == SOLID for column in columns):
                player.y = (row + 1) * TILE
                player.vy, player.rising = 0.0, False
            return
        foot = player.y + HEIGHT
        row = int(foot // TILE)
        top = row * TILE
        for column in columns:
            kind = tile(column, row)
            if kind == SOLID or (kind == CLOUD and before <= top + 0.5):
                player.y, player.grounded = top - HEIGHT, True
                break
        for index in range(len(self.level.platforms)):
            x, y = self.platform_at(index, self.tick)
            if not x - WIDTH < player.x < x + PLATFORM_WIDTH:
                continue
            _, y_before = self.platform_at(index, self.tick - 1)
            if (index == old_platform or before <= y_before + 1.0) and player.y + HEIGHT >= y - 0.5:
                player.y, player.grounded, player.platform = y - HEIGHT, True, index
        if player.grounded:
            player.vy, player.rising = 0.0, False
            player.air_jumps = self.hero.air_jumps
            if player.slamming:
                player.slamming = False
                self._slam()
            elif not was_grounded and speed > 160:
                self._tell("land", value=int(speed))

    def _slam(self) -> None:
        self._tell("slam")
        x, y = self.player.x + WIDTH / 2, self.player.y + HEIGHT
        for foe in self.level.foes:
            foe_x, foe_y = self.foe_at(foe)
            if foe.kind != "saw" and abs(foe_x - x) < SLAM_REACH and abs(foe_y - y) < 40:
                self._kill(foe)

    def _touch_tiles(self, player: Player) -> None:
        for row in range(int(player.y // TILE), int((player.y + HEIGHT) // TILE) + 1):
            for column in range(int((player.x + 5) // TILE), int((player.x + WIDTH - 5) // TILE) + 1):
                kind = self.level.tile(column, row)
                if kind == SPIKES and player.y + HEIGHT > row * TILE + 16:
                    self._hurt("spikes")
                elif kind == SPRING and player.vy >= 0 and player.y + HEIGHT > row * TILE + 18:
                    player.vy, player.rising, player.grounded = -self.tuning.spring, False, False
                    player.slamming, player.air_jumps = False, self.hero.air_jumps
                    self._tell("spring", detail=f"{column},{row}")

    def _touch_foes(self, player: Player) -> None:
        center_x, center_y = player.x + WIDTH / 2, player.y + HEIGHT / 2
        for foe in self.level.foes:
            if abs(foe.x - center_x) > 200 or foe.index in self.killed:
                continue
            x, y = self.foe_at(foe)
            wide, high = (22, 24) if foe.kind == "slime" else (24, 24) if foe.kind == "bat" else (25, 28)
            if abs(x - center_x) > wide or abs(y - center_y) > high:
                continue
            if foe.kind != "saw" and player.vy > 0 and player.y + HEIGHT < y + 8:
                self._kill(foe)
                if not player.slamming:
                    player.vy = -self.tuning.stomp * (1.25 if player.jump_held else 1.0)
                    player.rising, player.air_jumps = False, self.hero.air_jumps
            else:
                self._hurt(foe.kind)

    def _touch_coins(self, player: Player) -> None:
        x, y, reach = player.x + WIDTH / 2, player.y + HEIGHT / 2, self.reach + 12
        by_column = self.level.coins_by_column
        for column in range(int((x - reach) // TILE), int((x + reach) // TILE) + 1):
            for coin in by_column.get(column, ()):
                if coin.index in self.taken:
                    continue
                if abs(coin.x - x) < reach and abs(coin.y - y) < reach + 4:
                    self.taken.add(coin.index)
                    self._tell("pickup", "coin" if coin.value == 1 else "gem", coin.value, (coin.x, coin.y))

    def _touch_poles(self, player: Player) -> None:
        x = player.x + WIDTH / 2
        for index, (pole, foot) in enumerate(self.level.checkpoints):
            if index > self.checkpoint and abs(x - pole) < 26 and foot - 110 < player.y + HEIGHT <= foot + 4:
                self.checkpoint = index
                self._tell("checkpoint", at=(pole, foot - 60))
        if x > self.level.flag[0] - 10 and player.grounded:
            self.state = "won"
            self._tell("won")

    def _kill(self, foe: Foe) -> None:
        if foe.index not in self.killed:
            self.killed.add(foe.index)
            self._tell("kill", foe.kind, SCORES[foe.kind], self.foe_at(foe))

    def _hurt(self, cause: str) -> None:
        player = self.player
        if player.invulnerable or self.tuning.invincible or self.state != "running":
            return
        if player.armour:
            player.armour -= 1
            player.invulnerable = INVULNERABLE_TICKS
            player.vy, player.vx, player.rising, player.slamming = -380.0, -player.facing * 160.0, False, False
            self._tell("armour_lost", cause)
        else:
            self._die(cause)

    def _die(self, cause: str) -> None:
        self.state = "dead"
        self._tell("death", cause)
