"""Makes PNG files of surfaces without holding the GIL for long, on a worker.

`pygame.image.save` holds it for all of the compression, which stops the game for some tenths of a second.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pygame

from ga_pygame.clock import sleep

MAX_STRIPE_BYTES = 2**18
"""Bytes of the rows that are converted at once: less than 1 ms."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_of(surface: pygame.Surface) -> bytes:
    """Return a surface as a PNG file, with alpha if it has any."""
    has_alpha = bool(surface.get_flags() & pygame.SRCALPHA) or surface.get_colorkey() is not None
    head = struct.pack(">IIBBBBB", *surface.get_size(), 8, 6 if has_alpha else 2, 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", head)]
    packer = zlib.compressobj()
    packed = map(packer.compress, _stripes(surface, has_alpha=has_alpha))  # without the GIL
    parts += [_chunk(b"IDAT", one) for one in packed if one]
    parts += [_chunk(b"IDAT", packer.flush()), _chunk(b"IEND", b"")]
    return b"".join(parts)


def shrunk(surface: pygame.Surface, size: tuple[int, int]) -> pygame.Surface:
    """Return a smaller copy of a surface of any format, with smooth edges."""
    plain = pygame.Surface(surface.get_size(), pygame.SRCALPHA, 32)  # also without a window
    width, height = plain.get_size()
    for top, rows in _stripes_of(width * 4, height):
        plain.blit(surface, (0, top), (0, top, width, rows))  # holds the GIL, as `smoothscale` does not
        sleep(0)
    return pygame.transform.smoothscale(plain, size)


def _stripes_of(row_bytes: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the number of rows of each stripe."""
    step = max(1, MAX_STRIPE_BYTES // row_bytes)
    return ((top, min(step, height - top)) for top in range(0, height, step))


def _stripes(surface: pygame.Surface, *, has_alpha: bool) -> Iterator[bytes]:
    """Yield the pixels stripe by stripe, a zero before each row: it is as it is, not the difference to another one."""
    width, height = surface.get_size()
    row_bytes = width * (4 if has_alpha else 3)
    for top, rows in _stripes_of(row_bytes, height):
        raw = pygame.image.tobytes(surface.subsurface((0, top, width, rows)), "RGBA" if has_alpha else "RGB")
        yield b"".join(b"\0" + raw[start : start + row_bytes] for start in range(0, len(raw), row_bytes))
        sleep(0)  # a game thread that waits for the GIL gets it


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
