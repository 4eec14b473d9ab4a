"""Events with custom fields that get a kind number of their own, so that their repeats are rows.

A game may give an event the same fields again and again (`{"weapon": "bow"}`) or other ones each time (a position).
Only fields that come for the second time get a number: the others would fill the table of kinds and the journal.
"""

from __future__ import annotations

from ga_pygame.events import Fields, FieldValue
from ga_pygame.kinds import Key

MAX_KINDS_WITH_FIELDS = 512
"""Kinds with custom fields in a launch; other events with fields are written in full."""
MAX_FIELDS_LENGTH = 400
"""Characters of the fields of such a kind, with 9 for a number; an event with longer ones is written in full."""
MAX_KINDS_WITH_FIELDS_BYTES = 96 * 1024
"""Bytes of the entries of all of them: half of the journal's room for kinds, which the others need, too."""
_HAS_FIELDS = object()  # in no key without fields


def key_with_fields(key: Key, fields: Fields) -> Key:
    """Make the key of an event with custom fields.

    The types of the values are part of it: 1, 1.0 and True are equal and are different texts.
    """
    return (_HAS_FIELDS, key, *fields, *fields.values(), *map(type, fields.values()))


class FieldKinds:
    """Decides which events with custom fields get a kind number. For any thread; what it counts is approximate."""

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._came: set[int] = set()  # hashes of keys that came once
        self._came_before: set[int] = set()  # the same, older

    def is_worth_one(self, key: Key, fields: dict[str, FieldValue]) -> bool:
        """Whether the same event came with the same checked fields before, and there is room for its kind.

        Args:
            key: See `key_with_fields`.
            fields: The fields.
        """
        if self._count >= MAX_KINDS_WITH_FIELDS or self._bytes >= MAX_KINDS_WITH_FIELDS_BYTES:
            return False
        if (
            sum(map(len, fields)) + sum(len(one) if type(one) is str else 9 for one in fields.values())
            > MAX_FIELDS_LENGTH
        ):
            return False
        if any(type(one) is float and not one for one in fields.values()):  # 0.0 and -0.0 are equal
            return False
        known = hash(key)
        if known in self._came or known in self._came_before:
            return True
        if len(self._came) >= MAX_KINDS_WITH_FIELDS:
            self._came, self._came_before = set(), self._came
        self._came.add(known)
        return False

    def add(self, text: bytes) -> None:
        """Count a kind by its entry."""
        self._count += 1
        self._bytes += len(text)
