"""The values that occur in the events, for the page's filters to offer."""

from __future__ import annotations

import duckdb

from ga_pygame.collector.warehouse.filters import OF_CONTEXTS

MAX_CHOICES_READ = 200
"""Values of a filter that are read; the newest."""


def filter_choices(cursor: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Read the values of each filter, those that came last first."""
    found = {}
    for name in OF_CONTEXTS:
        text = f"SELECT {name} FROM contexts WHERE {name} <> '' GROUP BY {name} ORDER BY max(context) DESC LIMIT ?"  # noqa: S608 - names of columns
        found[name] = tuple(value for (value,) in cursor.execute(text, [MAX_CHOICES_READ]).fetchall())
    levels = "SELECT name FROM names WHERE category = 'progression' ORDER BY name_key LIMIT ?"
    found["level"] = tuple(value for (value,) in cursor.execute(levels, [MAX_CHOICES_READ]).fetchall())
    for name in ("build", "ab_variant_id"):
        found[f"other_{name}"] = found[name]
    return found
