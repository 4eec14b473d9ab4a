"""Turn keyboard, mouse and gamepad into one `Actions` value per simulation tick; the bot makes the same values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pygame

AXIS_DEAD_ZONE = 0.45

KEYS_HELD = {
    "left": (pygame.K_LEFT, pygame.K_a),
    "right": (pygame.K_RIGHT, pygame.K_d),
    "down": (pygame.K_DOWN, pygame.K_s),
    "jump": (pygame.K_SPACE, pygame.K_UP, pygame.K_w, pygame.K_z),
}
KEYS_PRESSED = {
    pygame.K_LEFT: "left",
    pygame.K_a: "left",
    pygame.K_RIGHT: "right",
    pygame.K_d: "right",
    pygame.K_UP: "up",
    pygame.K_w: "up",
    pygame.K_DOWN: "down",
    pygame.K_s: "down",
    pygame.K_RETURN: "confirm",
    pygame.K_KP_ENTER: "confirm",
    pygame.K_SPACE: "confirm",
    pygame.K_ESCAPE: "back",
    pygame.K_p: "pause",
    pygame.K_m: "mute",
    pygame.K_F11: "fullscreen",
}
BUTTONS_PRESSED = {0: "confirm", 1: "back", 6: "back", 7: "pause", 9: "pause"}


@dataclass(frozen=True, slots=True)
class Actions:
    """The input of one tick: four things that are held, and what was pressed since the last tick."""

    left: bool = False
    right: bool = False
    down: bool = False
    jump: bool = False
    steer: bool = False  # left mouse button held: run towards the pointer
    pressed: frozenset[str] = frozenset()
    pointer: tuple[int, int] | None = None  # where the mouse moved to, in game pixels


class Pilot(Protocol):
    """The player: a person at the controls, or the bot."""

    def handle(self, event: pygame.event.Event) -> None:
        """Handle a pygame event."""

    def read(self, screen: Any) -> Actions:
        """Return the actions for the next tick; `screen` is the one that the player sees."""


class Controls:
    """A person's keyboard, mouse and gamepads."""

    def __init__(self) -> None:
        self._held: set[tuple[str, object]] = set()
        self._pressed: set[str] = set()
        self._pointer: tuple[int, int] | None = None
        self._pads: dict[int, Any] = {}

    def handle(self, event: pygame.event.Event) -> None:  # noqa: PLR0912 - one branch per kind of event
        """Note what was pressed, released or moved."""
        if event.type == pygame.KEYDOWN:
            self._hold(True, "key", event.key)
            if event.key in KEYS_PRESSED:
                self._pressed.add(KEYS_PRESSED[event.key])
        elif event.type == pygame.KEYUP:
            self._hold(False, "key", event.key)
        elif event.type == pygame.MOUSEMOTION:
            self._pointer = event.pos
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            self._pointer = event.pos
            down = event.type == pygame.MOUSEBUTTONDOWN
            self._hold(down, "mouse", event.button)
            if down and event.button == 1:
                self._pressed.add("click")
        elif event.type == pygame.JOYDEVICEADDED:
            pad = pygame.joystick.Joystick(event.device_index)
            self._pads[pad.get_instance_id()] = pad
        elif event.type == pygame.JOYDEVICEREMOVED:
            self._pads.pop(event.instance_id, None)
        elif event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP):
            down = event.type == pygame.JOYBUTTONDOWN
            self._hold(down, "button", event.button)
            if down and event.button in BUTTONS_PRESSED:
                self._pressed.add(BUTTONS_PRESSED[event.button])
        elif event.type == pygame.JOYAXISMOTION and event.axis in (0, 1):
            names = (("left", "right"), ("up", "down"))[event.axis]
            self._direction(names[0], event.value < -AXIS_DEAD_ZONE, "axis")
            self._direction(names[1], event.value > AXIS_DEAD_ZONE, "axis")
        elif event.type == pygame.JOYHATMOTION:
            x, y = event.value
            for name, on in (("left", x < 0), ("right", x > 0), ("up", y > 0), ("down", y < 0)):
                self._direction(name, on, "hat")
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._held.clear()  # key releases go to the other window

    def read(self, screen: Any) -> Actions:  # noqa: ARG002 - a person looks at the window
        """Return what is held now and what was pressed since the last call."""
        held = {name for name, keys in KEYS_HELD.items() if any(("key", key) in self._held for key in keys)}
        for name in ("left", "right", "down"):
            if ("axis", name) in self._held or ("hat", name) in self._held:
                held.add(name)
        if ("button", 0) in self._held or ("mouse", 3) in self._held:
            held.add("jump")
        pressed, self._pressed = frozenset(self._pressed), set()
        return Actions(
            left="left" in held,
            right="right" in held,
            down="down" in held,
            jump="jump" in held,
            steer=("mouse", 1) in self._held,
            pressed=pressed,
            pointer=self._pointer,
        )

    def _hold(self, down: bool, device: str, what: object) -> None:
        if down:
            self._held.add((device, what))
        else:
            self._held.discard((device, what))

    def _direction(self, name: str, on: bool, device: str) -> None:
        if on and (device, name) not in self._held:
            self._pressed.add(name)
        self._hold(on, device, name)
