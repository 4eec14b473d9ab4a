"""Makes the halves of journals small, so that tests need an eighth of the events to fill both."""

from __future__ import annotations

import mmap

import pytest

from ga_pygame.recording import journal, leftover
from ga_pygame.recording.journal import Journal

KINDS = journal.KINDS_SIZE
HALF = max(2**15, mmap.ALLOCATIONGRANULARITY)
SIZE = KINDS + 2 * HALF
"""Where the parts of such a file are, and its bytes: an eighth of a real one's halves."""

ROWS_OF_A_HALF = HALF // 32
MORE_THAN_FITS = 5 * ROWS_OF_A_HALF // 2
"""Rows that take more room than both halves have."""


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make journals with small halves, and read such files."""
    for module in (journal, leftover):
        monkeypatch.setattr(module, "HALF_SIZE", HALF)
        monkeypatch.setattr(module, "SIZE", SIZE)
    monkeypatch.setattr(Journal, "largest", HALF // 2)
