"""What a screen knows of the game: the state that all screens share, and the ways to other screens.

Only `Game` knows all screens, so no screen has to import another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import ga_pygame
from ga_pygame.areas.resource import Wallet

from .backdrop import Backdrop
from .heroes import HEROES, Hero
from .levels import Level
from .save import Progress
from .sound import Sounds
from .sprites import Sprites
from .tuning import Tuning

LIVES = 3


@dataclass(slots=True)
class Run:
    """A run through the levels, from the choice of a class to the end."""

    hero: Hero = HEROES[0]
    level: int = 0
    lives: int = LIVES
    score: int = 0
    shields: int = 0
    magnet: bool = False


class Stage(Protocol):
    """The game as its screens see it."""

    tracker: ga_pygame.Tracker
    coins: Wallet
    sprites: Sprites
    sounds: Sounds
    backdrops: dict[str, Backdrop]
    levels: list[Level]
    progress: Progress
    run_state: Run
    tuning: Tuning

    @property
    def seconds(self) -> float:
        """Seconds played."""

    @property
    def pauses_unfocused(self) -> bool:
        """Whether to pause when the focus is lost; false for a bot, which needs no keyboard."""

    def keep_progress(self) -> None:
        """Write the save file."""

    def show_title(self) -> None:
        """Show the title screen."""

    def choose_class(self) -> None:
        """Show the choice of a class."""

    def play(self) -> None:
        """Play the level of the run."""

    def pause(self) -> None:
        """Open the pause over the level."""

    def show_results(self, rows: list[tuple[str, str]]) -> None:
        """Show the results over the completed level."""

    def open_shop(self) -> None:
        """Show the shop between two levels."""

    def end_run(self, *, won: bool) -> None:
        """Show the last screen of a run."""

    def close_screen(self) -> None:
        """Go back to what is below."""

    def ask_to_quit(self) -> None:
        """Open the quit dialog."""

    def quit(self) -> None:
        """End the game."""
