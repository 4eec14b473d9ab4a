"""The values that occur in the events, for the page's filters to offer."""

from __future__ import annotations

from ga_pygame.collector.warehouse.asking import SqlEngine
from ga_pygame.collector.warehouse.filters import OF_CONTEXTS

MAX_CHOICES_READ = 200
"""Values of a filter that are read; the newest."""


def filter_choices(
    cursor: SqlEngine, context_order: str = "context", name_order: str = "name_key"
) -> dict[str, tuple[str, ...]]:
    """Read the values of each filter, those that came last first.

    Args:
        cursor: What answers.
        context_order: The column of `contexts` that grows from each new one to the next.
        name_order: The same of `names`.
    """
    found = {}
    for name in OF_CONTEXTS:
        text = (
            f"SELECT {name} FROM contexts WHERE {name} <> '' GROUP BY {name}"  # noqa: S608 - names of columns
            f" ORDER BY max({context_order}) DESC LIMIT $most"
        )
        found[name] = tuple(value for (value,) in cursor.execute(text, {"most": MAX_CHOICES_READ}).fetchall())
    levels = f"SELECT name FROM names WHERE category = 'progression' ORDER BY {name_order} LIMIT $most"  # noqa: S608 - the same
    found["level"] = tuple(value for (value,) in cursor.execute(levels, {"most": MAX_CHOICES_READ}).fetchall())
    for name in ("build", "ab_variant_id"):
        found[f"other_{name}"] = found[name]
    return found
