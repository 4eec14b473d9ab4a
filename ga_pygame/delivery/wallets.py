"""The sums of a session's wallets, within the limits of an event's amount."""

from __future__ import annotations

import contextlib

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.events import Flow, Resource


def added(held: float, more: float) -> float | None:
    """Add two amounts; `None` if the sum breaks the rule for an event's amount."""
    try:
        return rules.positive("amount", held + more)
    except (InvalidEvent, OverflowError):
        return None


def wallet_events(session: OpenSession) -> tuple[list[Resource], int]:
    """Return the flows that a session's wallets hold, as events; and how many are invalid."""
    events: list[Resource] = []
    for (flow, currency, item_type, item_id), amount in session.wallet.items():
        with contextlib.suppress(ValueError, TypeError):
            events.append(Resource(Flow(flow), currency, amount, item_type, item_id))
    return events, len(session.wallet) - len(events)
