"""How accepted events lie in the file: those of one request together, as they came, which is mostly gzip.

To write and to read a row per event again would cost ten times as much, and ten times the disk.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterable
from typing import Any

import msgspec

from ga_pygame.collector import bodies

PLAIN_BYTES = 4096


class _Critical(msgspec.Struct):
    """What tells whether a session crashed."""

    category: Any = None
    severity: Any = None
    session_id: Any = None


class About(msgspec.Struct):
    """What is asked of a stored event without decoding all of it."""

    category: Any = None
    event_uuid: Any = None


_critical = msgspec.json.Decoder(_Critical).decode
_about = msgspec.json.Decoder(About).decode


def join(events: Iterable[bytes]) -> bytes:
    """The body of a batch that is not kept whole.

    It is compressed as what came was: a request of some kilobytes must not become megabytes on the disk.
    """
    body = b"[" + b",".join(events) + b"]"
    return body if len(body) <= PLAIN_BYTES else gzip.compress(body, 1, mtime=0)


def split(body: bytes) -> list[bytes]:
    """The events of a batch, each as it was sent."""
    encoding = "gzip" if body.startswith(bodies.GZIP_MAGIC) else ""
    unpacked = bodies.unpack(body, encoding, bodies.MAX_STORED_BYTES)
    return [bytes(raw) for raw in bodies.split(unpacked)]


def about(raw: bytes) -> About:
    """What an event says of itself."""
    try:
        return _about(raw)
    except (msgspec.DecodeError, RecursionError):
        return About()


def crashed(body: bytes) -> set[str]:
    """The sessions of a batch in which a critical error came."""
    found = set()
    with contextlib.suppress(bodies.BadBody, bodies.TooLarge, msgspec.DecodeError, RecursionError):
        for raw in split(body):
            event = _critical(raw)
            if event.category == "error" and event.severity == "critical" and isinstance(event.session_id, str):
                found.add(event.session_id)
    return found
