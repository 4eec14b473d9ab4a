"""What arrives in a request: its body within the documented limits, unpacked and taken apart.

Limits, source REST v2 Troubleshooting: up to 1 MB is accepted, up to 2 MB answered with 413, beyond that the
connection is closed without an answer. What a gzip body unpacks to is bounded too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 1_000_000
CLOSE_BEYOND_BYTES = 2_000_000
MAX_UNPACKED_BYTES = 16 * 2**20

GZIP_MAGIC = b"\x1f\x8b"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


class BadBody(Exception):
    """A body that cannot be read; the message is for the developer who sent it."""


class TooLarge(Exception):
    """A body over the limit that can still be answered."""


class Gone(Exception):
    """Nobody is there to answer any more."""


async def read(request: Request, drop: Callable[[tuple[str, int]], None]) -> bytes:
    """The body as it was sent.

    Args:
        request: Whose body to read.
        drop: Closes the connection of a client without an answer.

    Raises:
        TooLarge: More than 1 MB; it was read to its end, so that the sender reads the answer.
        Gone: More than 2 MB, or the sender hung up.
    """
    length = 0
    chunks: list[bytes] = []
    declared = request.headers.get("content-length", "")
    oversize = declared.isdecimal() and int(declared[:20]) > CLOSE_BEYOND_BYTES
    try:
        if not oversize:
            async for chunk in request.stream():
                length += len(chunk)
                if length > CLOSE_BEYOND_BYTES:
                    oversize = True
                    break
                if length <= MAX_BODY_BYTES:
                    chunks.append(chunk)
    except ClientDisconnect as error:
        raise Gone from error
    if oversize:
        client = request.client
        if client is not None:
            drop((client.host, client.port))
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise Gone
    if length > MAX_BODY_BYTES:
        raise TooLarge
    return b"".join(chunks)


def unpack(body: bytes, encoding: str) -> bytes:
    """The JSON of a body. Encodings other than gzip are ignored: a published sample names a wrong one.

    Raises:
        BadBody: The gzip data is damaged.
        TooLarge: It unpacks to more than is allowed.
    """
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return body
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(body[_gzip_header_length(body) :], MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise BadBody(f"the body is not gzip as its Content-Encoding says: {error}") from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise TooLarge
    if not inflater.eof:
        raise BadBody("the gzip body is cut off")
    return unpacked  # the trailer is not looked at: a real SDK writes a wrong one now and then


def _gzip_header_length(body: bytes) -> int:
    if len(body) < 10 or not body.startswith(GZIP_MAGIC):
        raise BadBody("the body is not gzip as its Content-Encoding says")
    flags = body[3]
    at = 10
    if flags & _FEXTRA:
        at += 2 + int.from_bytes(body[at : at + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            at = body.find(b"\0", at) + 1
            if not at:
                raise BadBody("the gzip body is cut off")
    return at + 2 if flags & _FHCRC else at


# --- JSON ----------------------------------------------------------------------------------------------

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_WHITESPACE = " \t\r\n"


class Unreadable(Exception):
    """One event of a list that is JSON by its grammar, but holds what cannot be stored."""


def decode(raw: Any) -> Any:
    """One value.

    Raises:
        Unreadable: A number or a nesting beyond all bounds, or half a surrogate pair.
    """
    try:
        return _decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(str(error).partition(" - at")[0]) from error


def split(body: bytes) -> list[Any]:
    """The elements of a JSON list, each as it was sent.

    Raises:
        BadBody: Not JSON, or not a list.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        hint = "; it looks like gzip: send Content-Encoding: gzip" if body.startswith(GZIP_MAGIC) else ""
        raise BadBody(f"the body is not UTF-8 (byte {error.start}){hint}") from error
    try:
        return list(_split(body))
    except (msgspec.DecodeError, RecursionError) as error:
        try:
            return _split_slowly(text)
        except (ValueError, RecursionError):
            raise BadBody(f"the body must be a JSON list: {error}") from error


def _split_slowly(text: str) -> list[bytes]:
    """The same for text with half surrogate pairs in escapes, which the fast decoder refuses as a whole."""
    scanner = json.JSONDecoder(parse_constant=_refuse)
    elements: list[bytes] = []
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]" or elements:
        _, end = scanner.raw_decode(text, at)
        elements.append(text[at:end].encode())
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise ValueError
        at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise ValueError
    return elements


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an init request; a list of one is accepted, as clients in the field send it.

    Raises:
        BadBody: It is something else.
    """
    try:
        body.decode("utf-8")
        value = _decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise BadBody(f"the body must be a JSON object: {error}") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise BadBody("the body must be a JSON object")
    return value
