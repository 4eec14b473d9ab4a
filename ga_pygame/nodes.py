"""Calls `tick()` and `close()` of attached objects, such as a `POGRClient`, together with the tracker's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.traces import type_name


class Node(Protocol):
    """An object that works in the game's loop beside the tracker. Game thread."""

    def tick(self) -> None:
        """Do the work of a frame; called every frame."""
        ...

    def close(self, timeout: float) -> None:
        """End the work; called when the game ends. Must not take longer than `timeout` seconds."""
        ...


class Nodes:
    """Calls each node in the order of attachment. A node that raises is logged once and called again next time.

    Args:
        diagnostics: Logs what a node raises.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._nodes: list[Node] = []

    def attach(self, node: Node) -> None:
        """Add a node. Raises `InvalidEvent` if the object is not a node."""
        if isinstance(node, type) or not all(callable(getattr(node, name, None)) for name in ("tick", "close")):
            words = "must be an object with the methods tick() and close(timeout), such as a POGRClient"
            raise InvalidEvent("node", node, words, "ours", "wrong_type", private=True)
        self._nodes.append(node)

    def tick(self) -> None:
        """Call each node's `tick()`."""
        for node in self._nodes:
            try:
                node.tick()
            except Exception as error:  # noqa: BLE001 - not our code
                self._diagnostics.foreign(f"tick() of the attached {type_name(node)}", error)

    def close(self, time_left: Callable[[], float]) -> None:
        """Call each node's `close()`, since the game ends.

        Args:
            time_left: Returns the seconds that are left for the next node.
        """
        for node in self._nodes:
            try:
                node.close(max(0.0, time_left()))
            except Exception as error:  # noqa: BLE001 - not our code
                self._diagnostics.foreign(f"close() of the attached {type_name(node)}", error)

    def clear(self) -> None:
        """Remove all nodes, in a forked child: it has none of their threads."""
        self._nodes = []
