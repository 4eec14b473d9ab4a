"""The game that `doctor` runs: it ends with exit code 0 if the tracker saw its frames, focus and quit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pygame

import ga_pygame
from ga_pygame.destinations.json_lines import JsonLines

HOOK_FRAMES, HOOK_FRAME_RATE = 40, 30
LOST_AT, GAINED_AT = 8, 34
"""Frames without the focus: 0.9 s, since a shorter loss is no pause."""
PAUSE_TIMEOUT = 0.1
"""Seconds; so this loss of the focus ends the session."""
EXPECTED = ["user", "design", "session_end", "user", "session_end"]


def play_hook_game(folder: Path) -> str:
    """Play a second; return what the tracker missed, "" if nothing."""
    file = folder / "events.jsonl"
    pygame.init()
    pygame.display.set_mode((64, 48), pygame.HIDDEN)
    tracker = ga_pygame.Tracker(destinations=[JsonLines(file)], build="doctor", pause_timeout=PAUSE_TIMEOUT)
    seen: list[str] = []
    tracker.session_ended.connect(lambda *ended: seen.append(ended[2]))
    tracker.start()
    tracker.design("doctor")
    frames = pygame.time.Clock()
    for number in range(HOOK_FRAMES):
        if number == LOST_AT:
            pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
        if number == GAINED_AT:
            pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSGAINED))
        pygame.event.get()
        pygame.display.flip()
        frames.tick(HOOK_FRAME_RATE)
    pygame.quit()
    tracker.close()
    told = [json.loads(line)["category"] for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    if seen[:1] != ["pause"]:
        return f"the loss of the focus was not seen; sessions ended by: {seen}"
    return "" if [one for one in told if one in EXPECTED] == EXPECTED else f"of the events came {told}"


if __name__ == "__main__":
    sys.exit(play_hook_game(Path(sys.argv[1])) or 0)
