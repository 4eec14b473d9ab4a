"""The screen of a level: it runs the world, keeps the score, and tracks what happens."""

from __future__ import annotations

import pygame

from .controls import Actions
from .scene import Scene
from .stage import Stage
from .ui import Menu
from .world import TICKS_PER_SECOND, WIDTH, Happening, World

DEATH_TICKS = 110
WIN_TICKS = 170


class Play:
    """One level, from its start to the flag or the last life."""

    covers = True
    menu: Menu | None = None

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "play"
        run = game.run_state
        self.level = game.levels[run.level]
        self.world = World(self.level, run.hero, run.shields, reach=60 if run.magnet else 0, tuning=game.tuning)
        run.shields = 0
        self.scene = Scene(game, self.world)
        self.deaths = 0
        self.found = 0
        self.seconds = 0.0
        self.time_bonus = 0
        self._waiting = 0
        # the ground of the heatmap, which the collector's page draws; kept on the developer's machine only
        game.tracker.snapshot_map(self.scene.whole_level(), self.level_name)
        self._begin()

    @property
    def level_name(self) -> str:
        """The level's name in the tracked events."""
        return f"level_{self.level.number}"

    def pause_for_person(self) -> None:
        """Pause when the window loses the focus; not for a bot, which needs no keyboard."""
        if self.game.pauses_unfocused and not self._waiting:
            self.game.pause()

    def update(self, actions: Actions) -> None:
        if actions.pressed & {"back", "pause"}:
            self.game.pause()
            return
        left, right = actions.left, actions.right
        if actions.steer and actions.pointer is not None:
            ahead = actions.pointer[0] - (self.world.player.x + WIDTH / 2 - self.scene.camera)
            left, right = left or ahead < -14, right or ahead > 14
        self.world.step(left, right, actions.jump, actions.down)
        for happening in self.world.happenings:
            self._react(happening)
        self.world.happenings.clear()
        self.scene.step()
        if self._waiting:
            self._waiting -= 1
            if self._waiting == 0:
                self._go_on()

    def draw(self, surface: pygame.Surface) -> None:
        self.scene.draw(surface)

    def _begin(self) -> None:
        # how many players start each level, and how many tries do they need?
        self.game.tracker.progression.start("sky", self.level_name)

    def _react(self, happening: Happening) -> None:
        game, run = self.game, self.game.run_state
        self.scene.react(happening)
        if happening.kind == "pickup":
            self.found += 1
            run.score += 10 * happening.value
            game.progress.coins += happening.value
            # what do players pick up, and what do they leave: does the economy hold?
            game.coins.earn(happening.value, "pickup", happening.detail)
        elif happening.kind == "kill":
            run.score += happening.value
            # which enemies are fought, and with how many points?
            game.tracker.design(f"kill:{happening.detail}", value=happening.value)
        elif happening.kind == "death":
            self.deaths += 1
            run.lives -= 1
            self._waiting = DEATH_TICKS
            # where on the map do players die, and of what?
            game.tracker.at(happening.x, happening.y, f"death:{happening.detail}", map=self.level_name)
            # where do players give up? the levels with more fails than completes
            game.tracker.progression.fail("sky", self.level_name, score=run.score)
        elif happening.kind == "won":
            self._finish()

    def _finish(self) -> None:
        run = self.game.run_state
        seconds = self.world.tick / TICKS_PER_SECOND
        self.time_bonus = 10 * max(0, round(self.level.par_seconds - seconds))
        run.score += 500 + self.time_bonus
        self._waiting = WIN_TICKS
        self.seconds = seconds
        # who completes a level, with which score: is it too easy?
        self.game.tracker.progression.complete("sky", self.level_name, score=run.score)

    def _go_on(self) -> None:
        game, run = self.game, self.game.run_state
        if self.world.state == "won":
            rows = [
                ("Time", f"{self.seconds:.1f} s   +{self.time_bonus}"),
                ("Coins", f"{self.found} of {len(self.level.coins)}"),
                ("Falls", str(self.deaths)),
                ("Score", str(run.score)),
            ]
            game.keep_progress()
            game.show_results(rows)
        elif run.lives <= 0:
            game.end_run(won=False)
        else:
            self.world.respawn()
            self.scene.snap()
            self._begin()
