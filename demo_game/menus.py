"""The screens title, class choice, pause, results and ending, and the dialog after QUIT."""

from __future__ import annotations

import math

import pygame

from .art import CORAL, GOLD, INK, MINT, SKY, VIEW, WHITE, lettering, panel, write
from .controls import Actions
from .heroes import HEROES, Hero
from .particles import CONFETTI, Particles
from .stage import LIVES, Run, Stage
from .ui import Button, Menu, column, purse, shade
from .world import DT

LETTER_COLORS = ((255, 240, 170), (255, 178, 66))


class Title:
    """The first screen; Esc opens the quit dialog here."""

    covers = True

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "title"
        entries = [("play", "Play", self._play), ("quit", "Quit", game.ask_to_quit)]
        self.menu: Menu | None = Menu(column(entries, 318), game.sounds.play)

    def update(self, actions: Actions) -> None:
        if "back" in actions.pressed:
            self.game.ask_to_quit()
        elif self.menu is not None:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        game, time = self.game, self.game.seconds
        game.backdrops["morning"].draw(surface, time * 40, time)
        for index, hero in enumerate(HEROES):
            self._hop(surface, hero, index, time)
        x = 200.0
        for index, letter in enumerate("SKY HOPPER"):
            image = lettering(letter, 118, LETTER_COLORS[0], INK, 6, LETTER_COLORS[1])
            surface.blit(image, (x, 86 + 9 * math.sin(time * 2.4 - index * 0.5)))
            x += image.width - 10 if letter != " " else 30
        write(surface, "a tiny platformer that tells you how it was played", (480, 206), 27)
        if self.menu is not None:
            self.menu.draw(surface)
        write(
            surface,
            "arrows or WASD, space to jump  -  mouse: hold left to run, right to jump  -  gamepad",
            (480, 472),
            22,
        )
        write(surface, "P pause  -  M mute  -  F11 full screen", (480, 496), 22)
        if game.progress.best_score:
            write(surface, f"best {game.progress.best_score}", (940, 24), 28, GOLD, "midright")

    def _hop(self, surface: pygame.Surface, hero: Hero, index: int, time: float) -> None:
        cycle = (time * (0.75 + 0.1 * index) + index * 0.37) % 1
        lift = 4 * cycle * (1 - cycle)
        poses = self.game.sprites.heroes[1][hero.name]
        image = poses[0 if lift < 0.12 else 4 if cycle < 0.5 else 5]
        image = pygame.transform.smoothscale_by(image, 1.6)
        x = (150, 760, 858)[index] if index else 150
        ground = (452, 452, 438)[index]
        shadow = pygame.Rect(0, 0, 56 - 24 * lift, 10)
        shadow.center = (x, ground)
        pygame.draw.ellipse(surface, (52, 128, 100), shadow)
        surface.blit(image, image.get_rect(midbottom=(x, ground - 76 * lift)))

    def _play(self) -> None:
        self.game.choose_class()


class ClassChoice:
    """Ninja, wizard or knight."""

    covers = True

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "class"
        buttons = [
            Button(hero.name, "", pygame.Rect(105 + index * 260, 120, 230, 330), lambda hero=hero: self._choose(hero))  # type: ignore[misc]
            for index, hero in enumerate(HEROES)
        ]
        self.menu: Menu | None = Menu(buttons, game.sounds.play)
        self._cards = [panel((230, 330)), panel((230, 330), (92, 66, 120), (255, 190, 90))]

    def update(self, actions: Actions) -> None:
        if "back" in actions.pressed:
            self.game.show_title()
        elif self.menu is not None:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        time = self.game.seconds
        self.game.backdrops["sunset"].draw(surface, time * 30, time)
        write(surface, "Who hops today?", (480, 66), 60, (255, 240, 190))
        for index, (hero, color) in enumerate(zip(HEROES, (CORAL, (190, 150, 255), SKY), strict=True)):
            chosen = self.menu is not None and self.menu.selected == index
            box = pygame.Rect(105 + index * 260, 120 - (8 if chosen else 0), 230, 330)
            surface.blit(self._cards[chosen], box)
            pose = int(time * 9) % 4 if chosen else 0
            image = pygame.transform.smoothscale_by(self.game.sprites.heroes[1][hero.name][pose], 2.4)
            pygame.draw.ellipse(surface, INK, (box.centerx - 42, box.top + 188, 84, 14))
            surface.blit(image, image.get_rect(midbottom=(box.centerx, box.top + 194)))
            write(surface, hero.name.title(), (box.centerx, box.top + 230), 42, color)
            for line, text in enumerate(hero.blurb):
                write(surface, text, (box.centerx, box.top + 268 + 26 * line), 24)
        write(surface, "left and right to look, space or click to choose", (480, 494), 24)

    def _choose(self, hero: Hero) -> None:
        self.game.run_state = Run(hero)
        # do ninjas give up earlier than wizards? splits every chart by class
        self.game.tracker.dimensions[1] = hero.name
        self.game.play()


class Pause:
    """The pause menu over a level."""

    covers = False

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "pause"
        entries = [
            ("resume", "Go on", game.close_screen),
            ("title", "Back to the title", game.show_title),
            ("quit", "Quit", game.ask_to_quit),
        ]
        self.menu: Menu | None = Menu(column(entries, 226), game.sounds.play)
        self._board = panel((380, 300))

    def update(self, actions: Actions) -> None:
        if actions.pressed & {"back", "pause"}:
            self.game.close_screen()
        elif self.menu is not None:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        surface.blit(shade(130), (0, 0))
        surface.blit(self._board, (290, 130))
        write(surface, "Paused", (480, 182), 54, GOLD)
        if self.menu is not None:
            self.menu.draw(surface)


class QuitDialog:
    """The dialog "Really quit?". A QUIT event alone ends neither the game nor the tracked session."""

    covers = False

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "quit"
        buttons = [
            Button("no", "No, stay", pygame.Rect(290, 290, 180, 48), game.close_screen),
            Button("yes", "Yes, quit", pygame.Rect(490, 290, 180, 48), self._quit),
        ]
        self.menu: Menu | None = Menu(buttons, game.sounds.play)
        self._board = panel((460, 190))

    def update(self, actions: Actions) -> None:
        if "back" in actions.pressed:
            self.game.close_screen()
        elif self.menu is not None:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        surface.blit(shade(150), (0, 0))
        surface.blit(self._board, (250, 180))
        write(surface, "Really quit?", (480, 236), 52, (255, 240, 190))
        if self.menu is not None:
            self.menu.draw(surface)

    def _quit(self) -> None:
        self.game.quit()


class Results:
    """The results of a completed level."""

    covers = False

    def __init__(self, game: Stage, rows: list[tuple[str, str]]) -> None:
        self.game, self.rows = game, rows
        self.name = "results"
        self.last = game.run_state.level + 1 >= len(game.levels)
        label = "To the stars!" if self.last else "Visit the shop"
        self.menu: Menu | None = Menu(column([("next", label, self._next)], 386), game.sounds.play)
        self._board = panel((440, 350))
        self._party = Particles()
        self._ticks = 0
        # send the results while the player reads them
        game.tracker.flush()

    def update(self, actions: Actions) -> None:
        self._ticks += 1
        self._party.step(DT)
        if self._ticks % 40 == 1:
            self._party.burst(260 + 440 * (self._ticks // 40 % 3) / 2, 110, 26, CONFETTI, 260, 260, 5, 1.4)
        if self.menu is not None and self._ticks > 30:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        surface.blit(shade(110), (0, 0))
        surface.blit(self._board, (260, 100))
        write(surface, "You made it!" if self.last else "Level complete!", (480, 150), 52, GOLD)
        for index, (name, value) in enumerate(self.rows[: self._ticks // 14]):
            y = 206 + index * 36
            write(surface, name, (320, y), 30, WHITE, "midleft")
            write(surface, value, (640, y), 30, MINT, "midright")
        if self.menu is not None:
            self.menu.draw(surface)
        self._party.draw(surface, 0)

    def _next(self) -> None:
        if self.last:
            self.game.end_run(won=True)
        else:
            self.game.open_shop()


class Ending:
    """The last screen: all levels done, or all lives lost."""

    covers = True

    def __init__(self, game: Stage, won: bool) -> None:
        self.game, self.won = game, won
        self.name = "ending"
        progress = game.progress
        self.record = game.run_state.score > progress.best_score
        progress.best_score = max(progress.best_score, game.run_state.score)
        game.keep_progress()
        entries = [("title", "Back to the title", game.show_title)]
        if not won:
            entries.insert(0, ("retry", "Try again", self._retry))
        self.menu: Menu | None = Menu(column(entries, 370), game.sounds.play)
        self._party = Particles()
        self._ticks = 0

    def update(self, actions: Actions) -> None:
        self._ticks += 1
        self._party.step(DT)
        if self.won and self._ticks % 50 == 1:
            self._party.burst(180 + 600 * (self._ticks // 50 * 3 % 7) / 6, 120, 30, CONFETTI, 300, 200, 6, 1.6)
        if self.menu is not None and self._ticks > 60:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        game, time = self.game, self.game.seconds
        game.backdrops["night"].draw(surface, time * 26, time)
        title = "You touched the stars!" if self.won else "Game over"
        write(surface, title, (480, 96), 76, (255, 240, 190) if self.won else CORAL)
        image = game.sprites.heroes[1][game.run_state.hero.name][4 if self.won else 0]
        image = pygame.transform.smoothscale_by(image, 2.6)
        lift = 22 * abs(math.sin(time * 4)) if self.won else 0
        surface.blit(image, image.get_rect(midbottom=(480, 306 - lift)))
        write(surface, f"score {game.run_state.score}" + ("   new best!" if self.record else ""), (480, 336), 38, GOLD)
        purse(surface, game.sprites.coin[int(time * 12) % 10], game.progress.coins, VIEW[0] - 24, 16)
        if self.menu is not None:
            self.menu.draw(surface)
        self._party.draw(surface, 0)

    def _retry(self) -> None:
        self.game.run_state.lives = LIVES
        self.game.run_state.score = 0
        self.game.play()
