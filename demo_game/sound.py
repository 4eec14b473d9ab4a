"""Sounds and a short tune, synthesised with the standard library; silent if there is no audio device."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable

import pygame

RATE = 22050
TUNE = "C4 E4 G4 C5 B4 G4 E4 G4 A3 C4 E4 A4 G4 E4 C4 E4 F3 A3 C4 F4 E4 C4 A3 C4 G3 B3 D4 G4 F4 D4 B3 D4"
BASS = "C3 C3 A2 A2 F2 F2 G2 G2"
STEPS = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}


def _pitch(note: str) -> float:
    return float(440 * 2 ** ((STEPS[note[0]] + 12 * (int(note[1]) - 4)) / 12))


def _steady(hertz: float) -> Callable[[float], float]:
    return lambda _share: hertz


def _tone(
    seconds: float, pitch: Callable[[float], float], volume: float, *, square: bool = True, noise: float = 0
) -> array[int]:
    """Return samples of one voice; `pitch` maps 0..1 through the sound to hertz."""
    count, phase, rng = int(RATE * seconds), 0.0, random.Random(1)
    samples = array("h")
    for index in range(count):
        share = index / count
        phase += pitch(share) / RATE
        wave = (1.0 if phase % 1 < 0.4 else -1.0) if square else math.sin(phase * math.tau)
        if noise:
            wave = wave * (1 - noise) + rng.uniform(-1, 1) * noise
        samples.append(int(wave * volume * 32000 * (1 - share) ** 1.6 * min(1, index / 60)))
    return samples


def _notes(notes: str, seconds: float, volume: float, *, square: bool = True) -> array[int]:
    """Return notes one after another."""
    cache = {name: _tone(seconds, _steady(_pitch(name)), volume, square=square) for name in set(notes.split())}
    samples = array("h")
    for name in notes.split():
        samples.extend(cache[name])
    return samples


def _mixed(one: array[int], other: array[int]) -> array[int]:
    return array("h", (max(-32768, min(32767, a + b)) for a, b in zip(one, other, strict=False)))


def _recipes() -> dict[str, array[int]]:
    return {
        "jump": _tone(0.16, lambda t: 300 + 420 * t, 0.16),
        "air_jump": _tone(0.18, lambda t: 440 + 560 * t, 0.15),
        "coin": _notes("B5 E6", 0.08, 0.13),
        "gem": _notes("E5 G5 B5 E6", 0.07, 0.14),
        "kill": _tone(0.18, lambda t: 520 - 420 * t, 0.2, noise=0.25),
        "spring": _tone(0.28, lambda t: 180 + 760 * t * t, 0.2, square=False),
        "armour_lost": _tone(0.25, lambda t: 260 - 120 * t, 0.22, noise=0.5),
        "death": _tone(0.5, lambda t: 480 - 400 * t, 0.2),
        "slam": _tone(0.25, lambda t: 110 - 60 * t, 0.35, noise=0.55),
        "checkpoint": _notes("C5 E5 G5", 0.09, 0.15),
        "won": _notes("C5 E5 G5 C6 G5 C6", 0.11, 0.17),
        "select": _tone(0.05, _steady(660), 0.1),
        "confirm": _notes("E5 A5", 0.06, 0.13),
        "deny": _tone(0.16, _steady(150), 0.16),
        "buy": _notes("G5 C6 E6", 0.06, 0.14),
    }


class Sounds:
    """The player of sounds by name; it does nothing if the mixer could not start."""

    def __init__(self) -> None:
        self.problem = ""  # why there is no sound
        self.muted = False
        self._sounds: dict[str, pygame.mixer.Sound] = {}
        try:
            pygame.mixer.init(RATE, -16, 1)
            device = pygame.mixer.get_init()
        except (pygame.error, NotImplementedError) as error:  # no device, or a pygame without a mixer
            self.problem = str(error) or "no audio device"
            return
        if not device:
            return
        stereo = device[2] == 2
        for name, samples in _recipes().items():
            self._sounds[name] = self._load(samples, stereo)
        if device[0] == RATE:
            tune = _mixed(_notes(TUNE, 0.24, 0.05), _notes(BASS, 0.96, 0.09, square=False))
            self._sounds["tune"] = self._load(tune, stereo)

    def play(self, name: str) -> None:
        """Play one sound."""
        if not self.muted and name in self._sounds:
            self._sounds[name].play()

    def start_tune(self) -> None:
        """Loop the tune from now on."""
        if "tune" in self._sounds:
            self._sounds["tune"].play(loops=-1)

    def toggle(self) -> None:
        """Mute or unmute."""
        self.muted = not self.muted
        if "tune" in self._sounds:
            self._sounds["tune"].set_volume(0.0 if self.muted else 1.0)

    def _load(self, samples: array[int], stereo: bool) -> pygame.mixer.Sound:
        if stereo:
            samples = array("h", (value for sample in samples for value in (sample, sample)))
        return pygame.mixer.Sound(buffer=samples.tobytes())
