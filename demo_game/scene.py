"""The picture of a level: camera, sprites, particles, shake and the numbers on top."""

from __future__ import annotations

import math
import random

import pygame

from .art import CORAL, GOLD, INK, MINT, SKY, VIEW, WHITE, Brush, Color, lettering, paint, write
from .levels import SPRING, TILE
from .particles import CONFETTI, Particles
from .stage import Stage
from .terrain import Terrain
from .ui import purse
from .world import DT, HEIGHT, WIDTH, Happening, World

INTRO_TICKS = 210
FLY_TICKS = 20


class Scene:
    """Draws a world; changes nothing in it."""

    def __init__(self, game: Stage, world: World) -> None:
        self.game, self.world = game, world
        self.level = world.level
        self.backdrop = game.backdrops[self.level.theme]
        self.terrain = Terrain(self.level, self.backdrop.theme)
        self.springs = [
            (column, row)
            for row, line in enumerate(self.level.grid)
            for column, kind in enumerate(line)
            if kind == SPRING
        ]
        self.particles = Particles()
        self.camera = 0.0
        self._lead = 0.0
        self._shake = 0.0
        self._squash = 0.0
        self._pops: list[tuple[str, float, float, int]] = []
        self._flying: list[tuple[float, float, int, bool]] = []
        self._bounced: dict[str, int] = {}
        self._death: tuple[float, float, int] | None = None
        self._rng = random.Random()
        self.snap()

    def snap(self) -> None:
        """Put the camera on the hero at once, for a start and a new life."""
        self._death = None
        self.camera = self._target()

    def react(self, happening: Happening) -> None:
        """React to a happening with sound, dots and shake."""
        kind, x, y = happening.kind, happening.x, happening.y
        sounds, dots, foot = self.game.sounds, self.particles, happening.y + HEIGHT / 2
        sounds.play(happening.detail if kind == "pickup" else kind)
        if kind == "jump":
            self._squash = 0.18
            dots.dust(x, foot)
        elif kind == "air_jump":
            self._squash = 0.16
            dots.burst(x, foot, 10, (WHITE, SKY), 110, 60, 4, 0.4)
        elif kind == "land":
            self._squash = -0.1 - 0.2 * min(1.0, happening.value / 700)
            dots.dust(x, foot, 4 + happening.value // 120)
        elif kind == "pickup":
            dots.burst(x, y, 8 if happening.value == 1 else 24, (GOLD, WHITE), 130, 60, 3.5, 0.45)
            self._pop(f"+{10 * happening.value}", x, y)
            self._flying.append((x, y, self.world.tick, happening.value > 1))
        elif kind == "kill":
            colors = (MINT, WHITE) if happening.detail == "slime" else ((170, 110, 220), WHITE)
            dots.burst(x, y, 18, colors, 220, 420, 5, 0.6)
            self._pop(f"+{happening.value}", x, y - 10)
            self._shake = max(self._shake, 4)
        elif kind == "spring":
            self._bounced[happening.detail] = self.world.tick
            self._squash = 0.3
            dots.burst(x, foot, 10, (CORAL, WHITE), 160, 200, 4, 0.5)
        elif kind in ("armour_lost", "slam"):
            self._shake = max(self._shake, 9)
            dots.burst(x, foot, 20, (SKY, WHITE), 240, 300, 4, 0.5)
        elif kind == "death":
            self._shake = 14
            self._death = (self.world.player.x, self.world.player.y, self.world.tick)
            dots.burst(x, min(y, VIEW[1] - 10), 26, (CORAL, WHITE, GOLD), 260, 380, 5, 0.8)
        elif kind == "checkpoint":
            dots.burst(x, y, 24, CONFETTI, 200, 240, 4, 0.9)
            self._pop("Checkpoint!", x, y - 20)
        elif kind == "won":
            for side in (-60, 0, 60):
                dots.burst(x + side, y - 50, 36, CONFETTI, 330, 300, 5, 1.5)

    def step(self) -> None:
        """Advance camera, particles and shake."""
        self.particles.step(DT)
        self._shake *= 0.965
        self._squash *= 0.955
        self._lead += (self.world.player.facing * 70 - self._lead) * 0.012
        if self.world.state != "dead":
            self.camera += (self._target() - self.camera) * 0.07
        player = self.world.player
        if player.gliding and self.world.tick % 8 == 0:
            self.particles.burst(player.x + 12, player.y + 30, 1, (GOLD, (200, 160, 255)), 50, 40, 3.5, 0.6)
        if self.world.hero.name == "ninja" and abs(player.vx) > 240 and player.grounded and self.world.tick % 10 == 0:
            self.particles.dust(player.x + 12, player.y + HEIGHT, 1)

    def draw(self, surface: pygame.Surface) -> None:
        """Draw one frame."""
        time = self.world.tick * DT
        camera = self.camera + self._rng.uniform(-1, 1) * self._shake
        lift = self._rng.uniform(-1, 1) * self._shake * 0.6
        self.backdrop.draw(surface, camera, time)
        self._draw_poles(surface, camera, lift, time)
        self.terrain.draw(surface, camera, lift)
        self._draw_things(surface, camera, lift, time)
        self._draw_hero(surface, camera, lift)
        self.particles.draw(surface, camera, lift)
        self._draw_flying(surface, camera, lift)
        self._pops = [pop for pop in self._pops if self.world.tick - pop[3] < 90]
        for text, x, y, born in self._pops:
            write(surface, text, (x - camera, y - (self.world.tick - born) * 0.4 - 12), 24, GOLD)
        self._draw_numbers(surface)

    def whole_level(self) -> pygame.Surface:
        """Draw the still part of the whole level, a pixel for each unit of the world."""
        whole = pygame.Surface((self.level.width, VIEW[1]))
        for left in range(0, self.level.width, VIEW[0]):
            view = whole.subsurface((left, 0, min(VIEW[0], self.level.width - left), VIEW[1]))
            view.blit(self.backdrop.sky, (0, 0))
            self.terrain.draw(view, left, 0)
            self._draw_things(view, left, 0, 0)
        return whole

    def _target(self) -> float:
        middle = self.world.player.x + WIDTH / 2 + self._lead - VIEW[0] * 0.45
        return max(0.0, min(middle, self.level.width - VIEW[0]))

    def _pop(self, text: str, x: float, y: float) -> None:
        self._pops = [*self._pops[-7:], (text, x, y, self.world.tick)]

    def _draw_poles(self, surface: pygame.Surface, camera: float, lift: float, time: float) -> None:
        for index, (x, foot) in enumerate(self.level.checkpoints):
            reached = index <= self.world.checkpoint
            color = MINT if reached else (150, 148, 180)
            self._pole(surface, x - camera, foot + lift, 84, time=time, colors=(color, color), small=True)
        x, foot = self.level.flag
        self._pole(surface, x - camera, foot + lift, 150, time=time, colors=(CORAL, WHITE), small=False)

    def _pole(
        self,
        surface: pygame.Surface,
        x: float,
        foot: float,
        height: int,
        *,
        time: float,
        colors: tuple[Color, Color],
        small: bool,
    ) -> None:
        if not -120 < x < VIEW[0] + 120:
            return
        wide, high = (34, 22) if small else (66, 42)
        for grow, color in ((3, INK), (0, None)):
            for step in range(0, wide, 2):
                wave = math.sin(time * 5 - step * 0.12) * (1 + step * 0.07)
                for half in (0, 1):
                    check = color or colors[(step * 4 // wide + half) % 2]
                    top = foot - height + 6 + wave + half * high / 2
                    box = (x + 2 + step - (grow if step == 0 else 0), top - grow, 2 + grow, high / 2 + 2 * grow)
                    pygame.draw.rect(surface, check, box)
        pygame.draw.rect(surface, INK, (x - 4, foot - height - 2, 8, height + 2), border_radius=4)
        pygame.draw.rect(surface, (236, 226, 206), (x - 2, foot - height, 4, height))
        pygame.draw.circle(surface, INK, (x, foot - height), 8)
        pygame.draw.circle(surface, GOLD, (x, foot - height), 6)

    def _draw_things(self, surface: pygame.Surface, camera: float, lift: float, time: float) -> None:
        sprites, world = self.game.sprites, self.world
        for column, row in self.springs:
            age = world.tick - self._bounced.get(f"{column},{row}", -999)
            high = 36 * (1 - 0.4 * math.exp(-age / 14) * math.cos(age / 5)) if age < 90 else 36
            image = pygame.transform.scale(sprites.mushroom, (48, max(14, round(high))))
            surface.blit(image, image.get_rect(midbottom=(column * TILE + 18 - camera, (row + 1) * TILE + lift)))
        for index in range(len(self.level.platforms)):
            x, y = world.platform_at(index, world.tick)
            surface.blit(sprites.platform, (x - camera, y + lift))
        for coin in self.level.coins:
            x = coin.x - camera
            if coin.index in world.taken or not -30 < x < VIEW[0] + 30:
                continue
            image = sprites.coin[int(time * 12 + coin.index) % 10] if coin.value == 1 else sprites.gem
            surface.blit(image, image.get_rect(center=(x, coin.y + lift + 3 * math.sin(time * 3 + coin.x / 60))))
        for foe in self.level.foes:
            if foe.index in world.killed or not -300 < foe.x - camera < VIEW[0] + 300:
                continue
            x, y = world.foe_at(foe)
            if foe.kind == "slime":
                wobble = math.sin(time * 7 + foe.index)
                size = (round(44 + 3 * wobble), round(36 - 3 * wobble))
                image = pygame.transform.scale(sprites.slime[self.level.theme], size)
                surface.blit(image, image.get_rect(midbottom=(x - camera, y + 14 + lift)))
            elif foe.kind == "bat":
                image = sprites.bat[int(time * 8 + foe.index) % 2]
                surface.blit(image, image.get_rect(center=(x - camera, y + lift)))
            else:
                pygame.draw.line(surface, INK, (x - camera, foe.y - 76 + lift), (x - camera, foe.y + 76 + lift), 4)
                image = sprites.saw[int(time * 24) % 6]
                surface.blit(image, image.get_rect(center=(x - camera, y + lift)))

    def _draw_flying(self, surface: pygame.Surface, camera: float, lift: float) -> None:
        """Draw the coins that fly to the hero: the magnet and the wizard pick up from a distance."""
        player, tick = self.world.player, self.world.tick
        self._flying = [coin for coin in self._flying if tick - coin[2] < FLY_TICKS]
        for x, y, born, gem in self._flying:
            share = ((tick - born) / FLY_TICKS) ** 2
            place = (x + (player.x + WIDTH / 2 - x) * share - camera, y + (player.y + HEIGHT / 2 - y) * share + lift)
            image = self.game.sprites.gem if gem else self.game.sprites.coin[0]
            surface.blit(image, image.get_rect(center=place))

    def _draw_hero(self, surface: pygame.Surface, camera: float, lift: float) -> None:
        world, player = self.world, self.world.player
        poses = self.game.sprites.heroes[player.facing][world.hero.name]
        if self._death is not None:
            x, y, tick = self._death
            age = (world.tick - tick) * DT
            image = pygame.transform.rotate(poses[5], age * 420)
            place = (x + WIDTH / 2 - camera, y + HEIGHT / 2 - 420 * age + 760 * age * age)
            surface.blit(image, image.get_rect(center=place))
            return
        if player.invulnerable and player.invulnerable // 8 % 2:
            return
        if not player.grounded:
            pose = 4 if player.vy < 0 else 5
        else:
            pose = int(player.run_phase / 16) % 4 if abs(player.vx) > 20 else 0
        image = poses[pose]
        if abs(self._squash) > 0.02:
            size = (round(image.width * (1 - self._squash * 0.8)), round(image.height * (1 + self._squash)))
            image = pygame.transform.smoothscale(image, size)
        foot = (player.x + WIDTH / 2 - camera, player.y + HEIGHT + 2 + lift)
        surface.blit(image, image.get_rect(midbottom=foot))
        if player.armour:
            ring = _bubble()
            surface.blit(ring, ring.get_rect(center=(foot[0], foot[1] - 24)))

    def _draw_numbers(self, surface: pygame.Surface) -> None:
        game, run, sprites = self.game, self.game.run_state, self.game.sprites
        for index in range(max(3, run.lives)):
            surface.blit(sprites.heart if index < run.lives else sprites.no_heart, (16 + index * 30, 12))
        x = 24 + max(3, run.lives) * 30
        for _ in range(self.world.player.armour):
            surface.blit(sprites.shield, (x, 12))
            x += 30
        if run.magnet:
            surface.blit(sprites.magnet, (x, 12))
        write(surface, f"{run.score:06d}", (VIEW[0] / 2, 27), 38)
        purse(surface, sprites.coin[0], game.progress.coins, VIEW[0] - 20, 12)
        self._draw_way(surface)
        age = self.world.tick
        if age < INTRO_TICKS and not self._death:
            slide = max(0.0, 1 - age / 40) ** 2 - max(0.0, (age - INTRO_TICKS + 40) / 40) ** 2
            title = lettering(self.level.title, 68, (255, 244, 200), INK, 4, (255, 190, 90))
            surface.blit(title, title.get_rect(center=(VIEW[0] / 2 + slide * 900, 150)))
            write(surface, f"level {self.level.number}", (VIEW[0] / 2 - slide * 900, 104), 32)
        if self.world.state == "won":
            title = lettering("Hooray!", 96, (255, 244, 200), INK, 5, (255, 170, 60))
            surface.blit(title, title.get_rect(center=(VIEW[0] / 2, 190)))

    def _draw_way(self, surface: pygame.Surface) -> None:
        """Draw how far it is to the flag."""
        left, width, y = VIEW[0] / 2 - 110, 220, 52
        share = min(1.0, max(0.0, self.world.player.x / max(1.0, self.level.flag[0])))
        pygame.draw.rect(surface, INK, (left - 3, y - 5, width + 6, 10), border_radius=5)
        pygame.draw.rect(surface, (92, 88, 150), (left, y - 2, width, 4), border_radius=2)
        pygame.draw.rect(surface, MINT, (left, y - 2, max(4.0, width * share), 4), border_radius=2)
        pygame.draw.circle(surface, INK, (left + width * share, y), 7)
        pygame.draw.circle(surface, GOLD, (left + width * share, y), 5)


_bubbles: list[pygame.Surface] = []


def _bubble() -> pygame.Surface:
    """Return the ring around a hero with armour."""
    if not _bubbles:

        def draw(brush: Brush) -> None:
            brush.circle((*SKY, 170), 33, 33, 32)
            brush.circle((*SKY, 50), 33, 33, 29.5)
            brush.ellipse((*WHITE, 190), 14, 10, 14, 7)

        _bubbles.append(paint(66, 66, draw, fringe=SKY))
    return _bubbles[0]
