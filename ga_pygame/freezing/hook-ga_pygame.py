"""The PyInstaller hook: adds what the tracker imports late, and leaves out the collector and the tools.

The tracker imports delivery at its start, so a build of PyInstaller finds those modules as imports inside functions.
They are named here all the same: a build that leaves one out would record nothing, without an error.
"""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_submodules  # type: ignore[import-untyped, unused-ignore]

_PARTS_OF_A_GAME = ("areas", "clients", "delivery", "destinations", "engine", "recording")

hiddenimports = [name for part in _PARTS_OF_A_GAME for name in collect_submodules(f"ga_pygame.{part}")] + [
    "ga_pygame.log_handler",
    "ga_pygame.running",
    "ga_pygame.wiring",
    "platformdirs",
    "requests",
]
excludedimports = ["ga_pygame.collector", "ga_pygame.tools", "ga_pygame.cli"]
