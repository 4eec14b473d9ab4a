"""The game loop (events, ticks of 1/120 s, one frame), the stack of screens and what they share."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import pygame

import ga_pygame

from . import save
from .art import CORAL, VIEW, WHITE, write
from .backdrop import Backdrop
from .controls import Actions, Pilot
from .levels import load_levels
from .menus import ClassChoice, Ending, Pause, QuitDialog, Results, Title
from .play import Play
from .services import Services
from .shop import Shop
from .sound import Sounds
from .sprites import Sprites
from .stage import Run
from .tuning import Tuning
from .ui import Screen
from .world import DT, TICKS_PER_SECOND

FRAMES_PER_SECOND = 60
FAST_TICKS = 20  # per frame, when nobody watches
TOAST_PLACE = (VIEW[0] / 2, VIEW[1] - 16)  # below the lowest line and button of every screen
TOAST_SECONDS = 2.5
MAX_TOASTS = 5


@dataclass(slots=True)
class Options:
    """The options of a run; `fast` is for a machine without a display: no frame limit, no pause on lost focus."""

    pilot: Pilot
    save_path: Path
    seed: int = 1
    levels: int = 3
    fast: bool = False
    pauses_unfocused: bool = True
    shots: list[tuple[float, str]] = field(default_factory=list)  # after so many seconds of play, to this file


def _open_window(options: Options) -> pygame.Surface:
    """Open a resizable window that scales the picture; one of fixed size if the system cannot scale."""
    if not options.fast:
        with contextlib.suppress(pygame.error):
            return pygame.display.set_mode(VIEW, pygame.SCALED | pygame.RESIZABLE)
    return pygame.display.set_mode(VIEW)


class Game:
    """The game; owns the window."""

    def __init__(self, tracker: ga_pygame.Tracker, options: Options, services: Services | None = None) -> None:
        self.tracker = tracker
        self.options = options
        pygame.display.init()
        pygame.font.init()
        with contextlib.suppress(pygame.error):  # keyboard and mouse are enough
            pygame.joystick.init()
        self.window = _open_window(options)
        pygame.display.set_caption("Sky Hopper")
        self.sprites = Sprites()
        pygame.display.set_icon(self.sprites.heroes[1]["ninja"][0])
        self.backdrops = {name: Backdrop(name) for name in ("morning", "sunset", "night")}
        self.sounds = Sounds()
        self.levels = load_levels()[: options.levels]
        self.run_state = Run()
        self.ticks = 0
        self.running = True
        self._toast = ""
        self._toast_until = 0
        self._toasts: list[str] = []  # those that come after it
        self._shots = sorted(options.shots)

        # which runs of the game belong together? every event from now on has the seed
        tracker.fields["seed"] = options.seed
        # which events does the collector refuse, and why? shown to the developer inside the game
        tracker.event_rejected.connect(lambda *why: self.toast(f"event refused: {why}"))
        # how high should the hero jump? tried out in the running game with the overlay (F9), decided by an A/B test
        self.tuning = tracker.remote_configs.bind(Tuning)
        self.coins = tracker.wallet("coins")  # pickups are summed up to one event per attempt, instead of one per coin
        try:
            self.progress = save.load(options.save_path)
        except (OSError, ValueError) as problem:
            self.progress = save.Progress()
            # which save files are broken? reported with the traceback, although the game goes on
            tracker.exception(problem)
        self.screens: list[Screen] = [Title(self)]
        if services is not None:
            self._connect(services)

    def _connect(self, services: Services) -> None:
        """Show Trophy's rewards as toasts, and call POGR's node once."""
        services.trophy.achievement_completed.connect(lambda one: self.toast(f"Achievement: {one['name']}"))
        services.trophy.streak_extended.connect(lambda one: self.toast(f"Streak: day {one['length']}"))
        self.tracker.attach(services.pogr)  # its signals fire in this game's loop, and it closes with the tracker
        # POGR's own calls are available too, for what no event says; here a session of the node begins
        response = services.pogr.init(self.tracker.user_id)
        response.finished.connect(lambda result: self.toast(result.error or "POGR is listening"))

    @property
    def seconds(self) -> float:
        """Seconds played, counted in ticks."""
        return self.ticks * DT

    @property
    def screen(self) -> Screen:
        """The top screen, which the player sees."""
        return self.screens[-1]

    def show(self, screen: Screen) -> None:
        """Replace everything on the stack."""
        self.screens[:] = [screen]

    # --- the ways between the screens: see `Stage` -------------------------------------------------------

    def show_title(self) -> None:
        self.show(Title(self))

    def choose_class(self) -> None:
        self.show(ClassChoice(self))

    def play(self) -> None:
        self.show(Play(self))

    def pause(self) -> None:
        self.screens.append(Pause(self))

    def show_results(self, rows: list[tuple[str, str]]) -> None:
        self.screens.append(Results(self, rows))

    def open_shop(self) -> None:
        self.show(Shop(self))

    def end_run(self, *, won: bool) -> None:
        self.show(Ending(self, won=won))

    def quit(self) -> None:
        self.running = False

    @property
    def pauses_unfocused(self) -> bool:
        return self.options.pauses_unfocused

    def close_screen(self) -> None:
        """Go back to what is below."""
        if len(self.screens) > 1:
            self.screens.pop()

    def toast(self, text: str) -> None:
        """Show a line at the bottom for some seconds; several lines are shown one after another."""
        line = "".join(one if one.isprintable() else " " for one in text[:90]).strip()
        if line:
            self._toasts = [*self._toasts, line][-MAX_TOASTS:]

    def keep_progress(self) -> None:
        """Write the save file; a player whose disk is full can still play."""
        try:
            save.store(self.options.save_path, self.progress)
        except OSError as problem:
            # how many players lose their progress? known before they write a review
            self.tracker.error(ga_pygame.Severity.WARNING, f"save failed: {type(problem).__name__}")

    def run(self) -> None:
        """Play until the player has really quit."""
        clock = pygame.time.Clock()
        self.sounds.start_tune()
        due = 0.0
        while self.running:
            due += FAST_TICKS * DT if self.options.fast else min(0.1, clock.tick(FRAMES_PER_SECOND) / 1000)
            for event in pygame.event.get():
                self._handle(event)
            while due >= DT and self.running:
                due -= DT
                self._tick()
            self._draw()
            pygame.display.flip()
            self._take_shots()

    def _handle(self, event: pygame.event.Event) -> None:
        if event.type == pygame.QUIT:
            self.ask_to_quit()
        elif event.type == pygame.WINDOWFOCUSLOST and not self.options.fast:
            pause = getattr(self.screen, "pause_for_person", None)
            if pause is not None:
                pause()
        self.options.pilot.handle(event)

    def ask_to_quit(self) -> None:
        """Open the quit dialog; closing the window while it is open means yes."""
        if isinstance(self.screen, QuitDialog):
            self.running = False
        else:
            self.screens.append(QuitDialog(self))

    def _tick(self) -> None:
        self.ticks += 1
        actions: Actions = self.options.pilot.read(self.screen)
        if "fullscreen" in actions.pressed and not self.options.fast:
            pygame.display.toggle_fullscreen()
        if "mute" in actions.pressed:
            self.sounds.toggle()
        self.screen.update(actions)

    def _draw(self) -> None:
        first = max((index for index, screen in enumerate(self.screens) if screen.covers), default=0)
        for screen in self.screens[first:]:
            screen.draw(self.window)
        if self.ticks >= self._toast_until:
            self._toast = self._toasts.pop(0) if self._toasts else ""
            self._toast_until = self.ticks + (int(TOAST_SECONDS * TICKS_PER_SECOND) if self._toast else 0)
        if self._toast:
            write(self.window, self._toast, TOAST_PLACE, 22, CORAL if "refused" in self._toast else WHITE)

    def _take_shots(self) -> None:
        while self._shots and self.seconds >= self._shots[0][0]:
            _, file = self._shots.pop(0)
            try:
                pygame.image.save(self.window, file)
            except (OSError, pygame.error) as problem:
                self.toast(f"no picture: {problem}")
