"""The view Chaos: faults for all requests of games, to see what a game does with a bad network."""

from __future__ import annotations

from ga_pygame.collector.emulators.chaos import CHAOS_MODES
from ga_pygame.collector.page.elements import choice, show_value
from ga_pygame.collector.page.snapshots import Snapshot
from ga_pygame.collector.page.tables import box, heading, label
from ga_pygame.collector.page.view import Frame, View

_NO_FAULT = "none: everything works"


class _ChaosPage:
    """The view in one tab."""

    def __init__(self, frame: Frame) -> None:
        self._chaos = frame.chaos
        self._shown: tuple[str, int] | None = None
        with box("card panel chaos"):
            with box("bar"):
                heading(2, "Fault of all requests")
                known = [("", _NO_FAULT), *((mode, mode) for mode in CHAOS_MODES)]
                self._pick = choice("fault of all requests", known, self._chaos.mode, self._picked).classes("pick")
            self._words = label("counted", "", tag="p").props('role="status"')
            self._requests = label("counted", "", tag="p")
        with box("card panel"):
            with box("bar"):
                heading(2, "The faults")
            for mode, (_, words) in CHAOS_MODES.items():
                label("counted", f"{mode}: {words}", tag="p")

    def _picked(self, mode: str) -> None:
        self._chaos.begin(mode)
        self._show()

    def wants(self) -> None:
        return None

    async def begin(self) -> None:
        self._shown = None

    def show(self, snapshot: Snapshot) -> None:  # noqa: ARG002 - it shows no events
        self._show()

    def _show(self) -> None:
        mode, requests = found = self._chaos.mode, self._chaos.requests
        before, self._shown = self._shown, found
        if found == before:
            return
        if before is None or before[0] != mode:
            show_value(self._pick, mode)
            self._words.set_text(f"In force: {mode}. {CHAOS_MODES[mode].words}" if mode else "No fault is in force.")
        self._requests.set_text(f"{requests:,} requests got it so far" if mode else "")


CHAOS_VIEW = View(
    name="chaos",
    title="Chaos",
    counted="Pick a fault that each request of a game to this collector gets, until you pick another or none.",
    build=_ChaosPage,
)
