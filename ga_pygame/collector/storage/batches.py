"""Batches: the accepted events of one request in one row of the file, as they came, mostly as gzip.

One row per event would take ten times as long to write and to read, and ten times the disk.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

import msgspec

from ga_pygame.collector import bodies

PLAIN_BYTES = 4096


class About(msgspec.Struct):
    """The fields of a stored event that are read without decoding all of it."""

    category: Any = None
    event_uuid: Any = None


_about = msgspec.json.Decoder(About).decode


def join(events: Iterable[bytes]) -> bytes:
    """Make the body of a batch of which some events are left out.

    It is compressed, as the request was: a request of some kilobytes must not become megabytes on the disk.
    """
    body = b"[" + b",".join(events) + b"]"
    return body if len(body) <= PLAIN_BYTES else gzip.compress(body, 1, mtime=0)


def split_batch(body: object) -> list[bytes] | None:
    """Split a batch into its events, each as it was sent; `None` if it is damaged.

    Args:
        body: The value in the file; of any type if the file was damaged or changed by hand.
    """
    if not isinstance(body, bytes):
        return None
    encoding = "gzip" if body.startswith(bodies.GZIP_MAGIC) else ""
    try:
        unpacked = bodies.unpack(body, encoding, bodies.MAX_STORED_BYTES)
        return [bytes(raw) for raw in bodies.split_list(unpacked)]
    except (bodies.BadBody, bodies.TooLarge):
        return None


def ids(body: object) -> set[str] | None:
    """Return the ids of a batch's events; `None` if it is damaged."""
    raws = split_batch(body)
    if raws is None:
        return None
    found = (about(raw).event_uuid for raw in raws)
    return {one for one in found if isinstance(one, str)}


def about(raw: bytes) -> About:
    """Decode the fields of `About` of an event; all `None` if it is damaged."""
    try:
        return _about(raw)
    except (msgspec.DecodeError, RecursionError):
        return About()
