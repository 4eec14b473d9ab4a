"""The pytest plugin of ga_pygame: the fixture `ga`, see docs/testing.md.

It lies beside the package, so that pytest does not import ga_pygame and pygame in runs that do not ask for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ga_pygame import Tracker
    from ga_pygame.testing.game_test import GameTest


def _init_of(test: GameTest) -> Callable[..., None]:
    def init(tracker: Tracker, *wrong: Any, **knobs: Any) -> None:
        test.adopt(tracker, *wrong, **knobs)

    return init


@pytest.fixture
def ga(monkeypatch: pytest.MonkeyPatch) -> Iterator[GameTest]:
    """A tracker in memory, with its clock and its events; a `ga_pygame.Tracker` that the game makes is this one.

    It sends nothing, needs no window, and touches no file of the user.
    """
    for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        monkeypatch.setenv(name, "dummy")
    import ga_pygame  # noqa: PLC0415 - see the module
    from ga_pygame.testing.game_test import GameTest  # noqa: PLC0415

    test = GameTest()
    # Its `__init__`, not its name: a game may have imported the class, made a subclass, or used it in an annotation.
    monkeypatch.setattr(ga_pygame.Tracker, "__init__", _init_of(test))
    yield test
    test.close()
