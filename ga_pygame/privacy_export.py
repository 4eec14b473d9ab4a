"""Writes all that is stored of a player as a readable JSON file."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ga_pygame import stored

if TYPE_CHECKING:
    from ga_pygame.parts import Core, Said

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)


def write_export(path: str | os.PathLike[str], core: Core, said: Said, services: Sequence[str]) -> None:
    """Write a player's data to a file that only the user can read.

    Args:
        path: The file, which is replaced.
        core: The tracker's parts, which know where the data are and what became of this launch's events.
        said: What the game has told the tracker beside events.
        services: The names of the destinations that send over a network.

    Raises:
        OSError: The file cannot be written.
    """
    from ga_pygame.delivery.outbox.inventory import inventory  # noqa: PLC0415 - sqlite3, 15 ms of imports

    context, stats = core.recorder.context, core.diagnostics.stats(core.recorder.waiting)
    outbox = stored.outbox_path(core.config)
    found = {
        "consent": said.consent.state.value,
        "user_id": context.user_id,
        "external_user_id": context.external_user_id,
        "build": context.build,
        "dimensions": list(said.dimensions.known),
        "fields": dict(context.fields or {}),
        "facts": dict(said.facts.known),
        "services": list(services),
        "this_launch": {**stats._asdict(), "delivered": dict(stats.delivered), "dropped": dict(stats.dropped)},
        "stored": inventory(outbox) if outbox is not None else {},
    }
    text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
    file = os.open(Path(path), _NEW_FILE, 0o600)
    with os.fdopen(file, "wb") as writing:
        if sys.platform != "win32" and stat.S_ISREG(os.fstat(file).st_mode):  # not of a device
            os.fchmod(file, 0o600)  # a file that is replaced keeps its mode, which others may read
        writing.write(f"{text}\n".encode("utf-8", "replace"))
