"""The shop between levels: coins buy help, and a pretend purchase buys coins."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from .art import GOLD, INK, MINT, VIEW, panel, write
from .controls import Actions
from .particles import CONFETTI, Particles
from .stage import Stage
from .ui import Button, Menu, purse
from .world import DT


@dataclass(frozen=True, slots=True)
class Ware:
    """Something for sale; `price` in coins, 0 for the pack that costs pretend money."""

    name: str
    title: str
    blurb: tuple[str, str]
    price: int


WARES = (
    Ware("shield", "Shield", ("Takes one hit", "in the next level."), 15),
    Ware("magnet", "Magnet", ("Coins come to you", "until the end."), 20),
    Ware("heart", "Heart", ("One more life.", ""), 30),
    Ware("coins_500", "500 coins", ("Pretend money:", "no card is asked."), 0),
)
PACK_COINS = 500
PACK_CENTS = 499


class Shop:
    """The screen of the shop."""

    covers = True

    def __init__(self, game: Stage) -> None:
        self.game = game
        self.name = "shop"
        buttons = [
            Button(ware.name, "", pygame.Rect(48 + index * 220, 112, 204, 300), lambda ware=ware: self.buy(ware))  # type: ignore[misc]
            for index, ware in enumerate(WARES)
        ]
        buttons.append(Button("go", "On to the next level", pygame.Rect(330, 440, 300, 50), self._go))
        self.menu: Menu | None = Menu(buttons, game.sounds.play)
        self.menu.selected = len(buttons) - 1
        self._cards = [panel((204, 300)), panel((204, 300), (92, 66, 120), (255, 190, 90))]
        self._sparks = Particles()
        self._note = ""

    def buy(self, ware: Ware) -> None:
        """Take the coins and give the ware, or say why not."""
        game, run = self.game, self.game.run_state
        if ware.price > game.progress.coins:
            self._note = f"{ware.price - game.progress.coins} coins short"
            game.sounds.play("deny")
            return
        if ware.price == 0:
            game.progress.coins += PACK_COINS
            # who buys what, and where? revenue by pack and by shop
            game.tracker.business("USD", PACK_CENTS, "pack", ware.name, cart_type="shop")
            # where do coins come from: are they bought or earned?
            game.tracker.resource.source("coins", PACK_COINS, "pack", ware.name)
        else:
            game.progress.coins -= ware.price
            # what are coins spent on: is anything too expensive, does anybody want the magnet?
            game.tracker.resource.sink("coins", ware.price, "boost", ware.name)
        run.shields += ware.name == "shield"
        run.magnet |= ware.name == "magnet"
        run.lives += ware.name == "heart"
        self._note = f"{ware.title}: yours!"
        game.sounds.play("buy")
        self._sparks.burst(150 + 220 * WARES.index(ware), 210, 30, CONFETTI, 220, 240, 5, 0.9)
        game.keep_progress()

    def update(self, actions: Actions) -> None:
        self._sparks.step(DT)
        if self.menu is not None:
            self.menu.update(actions)

    def draw(self, surface: pygame.Surface) -> None:
        game, time = self.game, self.game.seconds
        theme = "sunset" if game.run_state.level == 0 else "night"
        game.backdrops[theme].draw(surface, time * 30, time)
        write(surface, "The Cloud Shop", (480, 58), 60, (255, 240, 190))
        purse(surface, game.sprites.coin[int(time * 12) % 10], game.progress.coins, VIEW[0] - 24, 16)
        sprites = game.sprites
        icons = (sprites.shield, sprites.magnet, sprites.heart, sprites.coin[0])
        for index, (ware, icon) in enumerate(zip(WARES, icons, strict=True)):
            chosen = self.menu is not None and self.menu.selected == index
            box = pygame.Rect(48 + index * 220, 112 - (8 if chosen else 0), 204, 300)
            surface.blit(self._cards[chosen], box)
            pygame.draw.circle(surface, INK, (box.centerx, box.top + 86), 48)
            pygame.draw.circle(surface, (66, 62, 120), (box.centerx, box.top + 86), 45)
            image = pygame.transform.smoothscale_by(icon, 2.0)
            if ware.price == 0:
                for dx, dy in ((-16, 8), (16, 8), (0, -10)):
                    surface.blit(image, image.get_rect(center=(box.centerx + dx, box.top + 86 + dy)))
            else:
                surface.blit(image, image.get_rect(center=(box.centerx, box.top + 86)))
            write(surface, ware.title, (box.centerx, box.top + 160), 34)
            for line, text in enumerate(ware.blurb):
                if text:
                    write(surface, text, (box.centerx, box.top + 192 + 23 * line), 22, (214, 210, 244))
            price = f"{ware.price} coins" if ware.price else "$4.99"
            write(surface, price, (box.centerx, box.top + 258), 32, GOLD if ware.price else MINT)
        if self._note:
            write(surface, self._note, (480, 426), 26, MINT)
        if self.menu is not None:
            go = Menu(self.menu.buttons[-1:], game.sounds.play)
            go.selected = 0 if self.menu.selected == len(WARES) else -1
            go.draw(surface)
        self._sparks.draw(surface, 0)

    def _go(self) -> None:
        self.game.run_state.level += 1
        self.game.play()
