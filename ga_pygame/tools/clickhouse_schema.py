"""`ga_pygame clickhouse-schema`: print the SQL that makes the tables of a store on ClickHouse."""

from __future__ import annotations

from ga_pygame.collector.clickhouse.schema import Layout, schema_statements
from ga_pygame.tools.printing import print_lines


def print_schema(layout: Layout) -> int:
    """Print the statements, each with `;`, for clickhouse-client; return the exit code.

    Args:
        layout: The form of the tables.
    """
    make, *rest = schema_statements(layout)
    return print_lines(f"{one};\n".encode() for one in (make, f"USE {layout.database}", *rest))
