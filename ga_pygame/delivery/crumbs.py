"""Makes texts of the events before a critical error, for its custom fields: `0.4 s design kill:slime 3`.

They have what was sent anyway: the age in seconds, the category, the event's id and its number. Texts are joined, since
each custom field takes 256 characters and an event has room for 50 fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ga_pygame.records import Record, Repeated
from ga_pygame.rules import custom_field_text

MAX_CRUMBS = 20
"""Events before a critical error that it carries."""

MAX_CRUMB = 80
"""Characters of one of them; the rest is cut."""

_BETWEEN = " | "
_SAID = ("event_id", "severity", "currency", "value", "amount", "score", "length")


def crumbs_of(items: Iterable[Record | Repeated], now: float) -> Sequence[str]:
    """Return texts of at most 256 characters with one event after the other, the newest last.

    Args:
        items: The events.
        now: The time of the error, in seconds of `Clock.monotonic`.
    """
    texts: list[str] = []
    for crumb in reversed([_crumb(item, now) for item in items]):
        joined = f"{crumb}{_BETWEEN}{texts[-1]}" if texts else ""
        if joined and len(joined) <= custom_field_text.longest:
            texts[-1] = joined
        else:
            texts.append(crumb)
    return texts[::-1]


def _crumb(item: Record | Repeated, now: float) -> str:
    record = item if isinstance(item, Record) else item.record()
    own = record.event.wire()
    said = [str(own[name]) for name in _SAID if name in own]
    words = " ".join((f"{max(0.0, now - record.at):.1f} s", own["category"], *said))
    return words.replace("|", "/")[:MAX_CRUMB]
