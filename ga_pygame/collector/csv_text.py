"""Write tables as CSV that a spreadsheet shows as text and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters with which a spreadsheet's formula can begin. The last four are wide. Source: OWASP, CSV Injection."""

CsvCell = str | int | float | bool | None


def harmless_cell(value: CsvCell) -> CsvCell:
    """Return a cell that is no formula: a text that begins like one gets an apostrophe; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def csv_text(header: Sequence[str], rows: Iterable[Sequence[CsvCell]]) -> str:
    """Write a header and rows as CSV. Source: RFC 4180.

    Args:
        header: The names of the columns.
        rows: Their values; `None` becomes an empty cell.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([harmless_cell(name) for name in header])
    writer.writerows([harmless_cell(value) for value in row] for row in rows)
    return file.getvalue()
