"""Secrets that all collectors of a database must have alike."""

from __future__ import annotations

import msgspec

from ga_pygame import clock
from ga_pygame.collector.clickhouse.client import Client, text_literal
from ga_pygame.collector.clickhouse.rows import MICROSECONDS


def shared_secret(client: Client, name: str, proposed: str) -> str:
    """Return the secret of a name; the one that was proposed first.

    Args:
        client: The database.
        name: What it is for.
        proposed: A new one, used if there is none yet.

    Raises:
        ClickHouseError: A server refuses.
        Unreachable: No server answers.
    """
    query = f"SELECT secret FROM ga_secrets WHERE name = {text_literal(name)} ORDER BY made_us, secret LIMIT 1"
    found = client.query(f"{query} FORMAT JSONCompact")
    if not msgspec.json.decode(found)["data"]:
        row = {"name": name, "made_us": int(clock.wall_now() * MICROSECONDS), "secret": proposed}
        client.insert("ga_secrets", [msgspec.json.encode(row)], {})
        found = client.query(f"{query} FORMAT JSONCompact")
    rows = msgspec.json.decode(found)["data"]
    return str(rows[0][0]) if rows else proposed
