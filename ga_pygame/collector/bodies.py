"""Read the body of a request within the documented limits, unpack it and split its JSON.

Limits, source REST v2 Troubleshooting: up to 1 MB is accepted, up to 2 MB answered with 413, beyond that the
connection is closed without an answer. Memory is bounded too: the bytes that a body unpacks to, the number of values
in it (a list of three million empty lists is 9 MB of text and 600 MB of objects), and the bytes of all requests that
are being read.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 1_000_000
"""Bytes of a body as it is sent; a larger one is answered with 413."""
CLOSE_BEYOND_BYTES = 2_000_000
"""Bytes of a body beyond which the connection is closed without an answer."""
MAX_UNPACKED_BYTES = 4 * 2**20
"""Bytes that a batch may unpack to, four times what the service takes unpacked; a larger one is answered with 413."""
MAX_OBJECT_BYTES = 64 * 2**10
"""Bytes of any other body (init, a row, a call), unpacked; a larger one is refused with 400 or 413."""
MAX_VALUES = 200_000
"""Commas and opening brackets in a body, so at least its values; more are answered with 413."""
MAX_BODIES_BYTES = 16 * 2**20
"""Bytes of all bodies that are being read or wait to be split; beyond it large ones are answered with 503."""
ALWAYS_HELD_BYTES = 32 * 2**10
"""A body up to this size is always accepted, so that large and slow bodies do not keep games out."""
MAX_STORED_BYTES = 64 * 2**20
"""Bytes that a stored batch may unpack to; older versions accepted larger ones than `MAX_UNPACKED_BYTES`."""

GZIP_MAGIC = b"\x1f\x8b"

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""Methods that a service's routes answer, some of them only with an error."""
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


class BadBody(Exception):
    """A body that cannot be read; the message is for the developer who sent it."""


class TooLarge(Exception):
    """A body over the limit that can still be answered."""


class Gone(Exception):
    """The client cannot be answered any more."""


class Busy(Exception):
    """Too much memory is held already; the sender should try again later."""


class Held:
    """Count of the bytes that the bodies of all requests, or of all answers, hold; for the loop's thread."""

    def __init__(self, most: int = MAX_BODIES_BYTES) -> None:
        self._most = most
        self._bytes = 0

    @contextlib.contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of one body within the context.

        Yields:
            A function to call with the size of each chunk. It raises `Busy` if the body is large and there is no room.
        """
        own = 0

        def add(number: int) -> None:
            nonlocal own
            own += number
            self._bytes += number
            if self._bytes > self._most and own > ALWAYS_HELD_BYTES:
                raise Busy

        try:
            yield add
        finally:
            self._bytes -= own


async def read_body(request: Request, drop: Callable[[tuple[str, int]], None], hold: Callable[[int], None]) -> bytes:
    """Read a body as it was sent.

    Args:
        request: Whose body to read.
        drop: Closes the connection of a client without an answer.
        hold: Called with the size of each chunk that is kept; see `Held.share`.

    Raises:
        TooLarge: More than 1 MB; the body was read to its end, so that the sender reads the answer.
        Gone: More than 2 MB, or the sender hung up.
        Busy: There is no room for the body now.
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
                    hold(len(chunk))
                    chunks.append(chunk)
                else:
                    chunks.clear()
    except ClientDisconnect as error:
        raise Gone from error
    if oversize:
        client = request.client
        if client is None:  # a connection without an address (a Unix socket) cannot be found, so it cannot be closed
            raise TooLarge
        drop((client.host, client.port))
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise Gone
    if length > MAX_BODY_BYTES:
        raise TooLarge
    return b"".join(chunks)


def unpack(body: bytes, encoding: str, most: int = MAX_OBJECT_BYTES) -> bytes:
    """Unpack a body to its JSON. Encodings other than gzip are ignored: a published sample names a wrong one.

    Args:
        body: As it was sent.
        encoding: The Content-Encoding.
        most: Bytes that it may unpack to.

    Raises:
        BadBody: The gzip data is damaged.
        TooLarge: It unpacks to more than `most`.
    """
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        if len(body) > most:
            raise TooLarge
        return body
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(body[_gzip_header_length(body) :], most + 1)
    except zlib.error as error:
        raise BadBody(f"the body is not gzip as its Content-Encoding says: {error}") from error
    if len(unpacked) > most:
        raise TooLarge
    if not inflater.eof:
        raise BadBody("the gzip body is cut off")
    return unpacked  # the trailer is not checked: a real SDK sometimes writes a wrong one


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
_decode_json = msgspec.json.Decoder().decode
_WHITESPACE = b" \t\r\n"
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_JSON_MARK = re.compile(rb'"[^"]*"?|[\[\]{},]')
_BODY_PIECE = 2**16


class Unreadable(Exception):
    """An event that is JSON by its grammar but holds a value that cannot be stored.

    Attributes:
        is_shallow: The event can be shown as it is; if false, it is nested too deep for most readers.
    """

    def __init__(self, reason: str, *, is_shallow: bool = True) -> None:
        super().__init__(reason)
        self.is_shallow = is_shallow


def decode(raw: Any) -> Any:
    """Decode a JSON value.

    Raises:
        Unreadable: It has a number out of range, a nesting too deep, or a lone surrogate.
    """
    try:
        return _decode_json(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        is_shallow = not isinstance(error, RecursionError)
        raise Unreadable(str(error).partition(" - at")[0], is_shallow=is_shallow) from error


def count_values(body: bytes, most: int = MAX_VALUES) -> int:
    """Count the commas and opening brackets of a JSON text, also those in strings: at least as many as its values.

    Deleting them from small pieces and comparing lengths takes half the time of counting each of the three.

    Raises:
        TooLarge: There are more than `most`.
    """
    pieces = (body[start : start + _BODY_PIECE] for start in range(0, len(body), _BODY_PIECE))
    values = len(body) - sum(len(piece.translate(None, b",[{")) for piece in pieces)
    if values > most:
        raise TooLarge
    return values


def split_list(body: bytes) -> list[Any]:
    """Split a JSON list into its elements, each as it was sent.

    Raises:
        BadBody: It is not JSON, or not a list.
    """
    try:
        _check_utf8(body)
    except UnicodeDecodeError as error:
        hint = "; it looks like gzip: send Content-Encoding: gzip" if body.startswith(GZIP_MAGIC) else ""
        raise BadBody(f"the body is not UTF-8{hint}") from error
    try:
        return list(_split(body))
    except (msgspec.DecodeError, RecursionError) as error:
        try:
            return _split_slowly(body)
        except ValueError:
            raise BadBody(f"the body must be a JSON list: {error}") from error


def _check_utf8(body: bytes) -> None:
    """Check that a body is UTF-8, piece by piece: decoded as one text it would take up to four times its bytes.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
    """
    if body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), _BODY_PIECE):
        decode(body[start : start + _BODY_PIECE])
    decode(b"", final=True)


def _split_slowly(body: bytes) -> list[bytes]:
    """Split a list that the fast decoder refuses because one of its elements is out of bounds.

    Only strings, commas and brackets are scanned, so an element may be nested to any depth. Each is checked alone.

    Raises:
        ValueError: It is not JSON, or not a list.
    """
    elements: list[bytes] = []
    depth = start = 0
    flat = _ESCAPE.sub(b"__", body)  # of the same length; each string now ends at its next quotation mark
    for found in _JSON_MARK.finditer(flat):
        at = found.start()
        mark = flat[at : at + 1]
        if mark in b"[{":
            depth += 1
            if depth == 1:
                if mark != b"[" or body[:at].strip(_WHITESPACE):
                    raise ValueError
                start = at + 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if mark != b"]" or body[at + 1 :].strip(_WHITESPACE):
                    raise ValueError
                last = body[start:at].strip(_WHITESPACE)
                return [*elements, _checked(last)] if elements or last else []
        elif mark == b"," and depth == 1:
            elements.append(_checked(body[start:at].strip(_WHITESPACE)))
            start = at + 1
    raise ValueError


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


_scanner = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def _checked(element: bytes) -> bytes:
    """Check that an element is JSON by its grammar. One nested too deep passes here; `decode` rejects it alone.

    Raises:
        ValueError: It is not JSON.
    """
    with contextlib.suppress(RecursionError):
        _scanner.decode(element.decode("utf-8"))
    return element


def decode_object(body: bytes) -> dict[str, Any]:
    """Decode the JSON object of an init request. A list with one object is accepted: some SDKs send that.

    Raises:
        BadBody: It is something else.
    """
    value = _decode_small(body)
    return _checked_object(value[0] if isinstance(value, list) and len(value) == 1 else value)


def decode_fields(body: bytes) -> dict[str, Any]:
    """Decode the JSON object of a row or a call.

    Raises:
        BadBody: It is something else.
    """
    return _checked_object(_decode_small(body))


def _checked_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadBody("the body must be a JSON object")
    return value


def _decode_small(body: bytes) -> Any:
    try:
        _check_utf8(body)
        return _decode_json(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadBody(f"the body must be a JSON object: {str(error)[:200]}") from error
