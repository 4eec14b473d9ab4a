"""Other objects that live in the game's loop, such as a `POGRClient`: ticked and closed with the tracker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.traces import type_name


class Node(Protocol):
    """Something else that lives in the game's loop."""

    def tick(self) -> None:
        """Called every frame."""
        ...

    def close(self, timeout: float) -> None:
        """Called when the game ends; must not take longer than `timeout` seconds."""
        ...


class Nodes:
    """Calls each node in the order of attachment. One that raises is reported once, and called again next time.

    Args:
        diagnostics: Where to report it.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._nodes: list[Node] = []

    def attach(self, node: Node) -> None:
        """Add a node. Raises `InvalidEvent` for what is none."""
        if isinstance(node, type) or not all(callable(getattr(node, name, None)) for name in ("tick", "close")):
            words = "must be an object with the methods tick() and close(timeout), such as a POGRClient"
            raise InvalidEvent("node", node, words, "ours", "wrong_type", private=True)
        self._nodes.append(node)

    def tick(self) -> None:
        """A frame."""
        for node in self._nodes:
            try:
                node.tick()
            except Exception as error:  # noqa: BLE001 - not our code
                self._diagnostics.foreign(f"tick() of the attached {type_name(node)}", error)

    def close(self, time_left: Callable[[], float]) -> None:
        """The game ends.

        Args:
            time_left: Seconds that are left for the next node.
        """
        for node in self._nodes:
            try:
                node.close(max(0.0, time_left()))
            except Exception as error:  # noqa: BLE001 - not our code
                self._diagnostics.foreign(f"close() of the attached {type_name(node)}", error)

    def clear(self) -> None:
        """Forget all: a forked child has none of their threads."""
        self._nodes = []
