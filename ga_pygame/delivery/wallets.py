"""The sums of a session's wallets: amounts that stay what an event can say."""

from __future__ import annotations

import contextlib

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.events import Flow, Resource


def added(held: float, more: float) -> float | None:
    """A sum of two amounts; `None` where an event could not say it."""
    try:
        return rules.positive("amount", held + more)
    except (InvalidEvent, OverflowError):
        return None


def wallet_events(session: OpenSession) -> tuple[list[Resource], int]:
    """The flows that a session's wallets still hold, as events; and how many make no sense."""
    events: list[Resource] = []
    for (flow, currency, item_type, item_id), amount in session.wallet.items():
        with contextlib.suppress(ValueError, TypeError):
            events.append(Resource(Flow(flow), currency, amount, item_type, item_id))
    return events, len(session.wallet) - len(events)
