"""The pytest plugin of ga_pygame: the fixture `ga`, see docs/testing.md.

It lies beside the package, so that pytest does not import ga_pygame and pygame in runs that do not ask for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ga_pygame.testing.game_test import GameTest


@pytest.fixture
def ga(monkeypatch: pytest.MonkeyPatch) -> Iterator[GameTest]:
    """A tracker in memory, with its clock and its events; a game that makes `ga_pygame.Tracker(…)` gets it.

    It sends nothing, needs no window, and touches no file of the user.
    """
    for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        monkeypatch.setenv(name, "dummy")
    import ga_pygame  # noqa: PLC0415 - see the module
    from ga_pygame.testing.game_test import GameTest  # noqa: PLC0415

    test = GameTest()
    monkeypatch.setattr(ga_pygame, "Tracker", test.make_tracker)
    yield test
    test.close()
