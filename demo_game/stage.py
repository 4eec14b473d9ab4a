"""What a screen knows of the game: what all screens share, and the ways from one to the next.

`Game` is the only one that knows every screen, so no screen has to import another.
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

LIVES = 3


@dataclass(slots=True)
class Run:
    """One way through the levels, from the choice of a class to the end."""

    hero: Hero = HEROES[0]
    level: int = 0
    lives: int = LIVES
    score: int = 0
    shields: int = 0
    magnet: bool = False


class Stage(Protocol):
    """See the module."""

    tracker: ga_pygame.Tracker
    coins: Wallet
    sprites: Sprites
    sounds: Sounds
    backdrops: dict[str, Backdrop]
    levels: list[Level]
    progress: Progress
    run_state: Run

    @property
    def seconds(self) -> float:
        """Time played."""

    @property
    def pauses_unfocused(self) -> bool:
        """Whether a person plays, who loses the keyboard with the focus."""

    def keep_progress(self) -> None:
        """Write the save file."""

    def show_title(self) -> None:
        """Go back to where it begins."""

    def choose_class(self) -> None:
        """Ask who hops today."""

    def play(self) -> None:
        """Play the level of the run."""

    def pause(self) -> None:
        """Open the pause over the level."""

    def show_results(self, rows: list[tuple[str, str]]) -> None:
        """Tell that a level is done, over that level."""

    def open_shop(self) -> None:
        """Let coins be spent between two levels."""

    def end_run(self, *, won: bool) -> None:
        """Tell how it ended."""

    def close_screen(self) -> None:
        """Go back to what is below."""

    def ask_to_quit(self) -> None:
        """Really quit?"""

    def quit(self) -> None:
        """End the game."""
