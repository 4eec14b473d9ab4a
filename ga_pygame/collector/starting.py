"""Writes the command that starts a game with a collector, as the system's terminals take it."""

from __future__ import annotations

import sys


def start_command(address: str) -> str:
    """Return the command, on one line; for Windows those of PowerShell and of cmd.

    Args:
        address: The collector's address, e.g. `http://127.0.0.1:8420`.
    """
    if sys.platform == "win32":
        powershell = f'$env:GA_PYGAME_COLLECTOR = "{address}"; python my_game.py'
        return f"{powershell} (PowerShell), or set GA_PYGAME_COLLECTOR={address}&& python my_game.py (cmd)"
    return f"GA_PYGAME_COLLECTOR={address} python my_game.py"
