"""Make a game's text safe to show: write out the characters that are invisible or that a terminal obeys.

Control characters move a terminal's cursor, bidi overrides change the order in which a text is shown, characters
without a width make two different names look alike.
"""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 3
"""Combining marks shown on one character; more would cover the rows above and below."""

_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Controls, format characters and others without a width; neither spaces nor visible signs."""

_unseen = re.compile(f"[{_UNSEEN}]")
_controls = re.compile(rb"[\x00-\x1f\x7f]")
_EMOJI_STYLE = "\ufe0e\ufe0f"


def visible(text: str) -> str:
    r"""Replace each invisible character by an escape such as `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    shown = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if character in _EMOJI_STYLE:  # variation selectors: they only choose how the character before them is drawn
            continue
        if marks > MAX_MARKS:
            continue
        unprintable = not (character.isprintable() or unicodedata.category(character) == "Zs")
        shown.append(_escape(character) if unprintable or _unseen.match(character) else character)
    return "".join(shown)


def one_line(raw: bytes) -> bytes:
    r"""Write JSON on one line, with `\u` escapes for characters that a terminal obeys or does not show.

    White space between tokens becomes spaces; all other such characters can stand only inside strings.
    """
    raw = raw.translate(_SPACES)
    if raw.isascii() and not _controls.search(raw):
        return raw
    return _unseen.sub(_json_escape, raw.decode("utf-8", "replace")).encode()


_SPACES = bytes(0x20 if one in b"\t\n\r" else one for one in range(256))
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return _NAMED.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    utf_16 = found.group().encode("utf-16-be")
    return "".join(f"\\u{utf_16[at]:02x}{utf_16[at + 1]:02x}" for at in range(0, len(utf_16), 2))
