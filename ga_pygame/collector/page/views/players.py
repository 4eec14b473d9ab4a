"""The view Players: a list to search in, and the timeline of one player."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.page.views.errors import MAX_PANEL_TITLE
from ga_pygame.collector.warehouse.asking import whole_number
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.collector.warehouse.metrics.players import PLAYERS_LISTED, PLAYERS_METRIC, PlayerFigures
from ga_pygame.collector.warehouse.metrics.timeline import EVENTS_PER_PAGE, TimelineEvent


async def ask_players(data: Snapshots, address: PageAddress) -> Panels:
    """Read the list, and a page of the timeline of the player that the address names."""
    listed: list[PlayerFigures] = await data.metric("players", address, search=address.filters.get("search", ""))
    some: tuple[Panel, ...] = ()
    if "user_id" in address.filters:
        newest = event_id_of(address.filters.get("newest", ""))
        found: list[TimelineEvent] = await data.metric("timeline", address, newest=newest, limit=EVENTS_PER_PAGE + 1)
        some = (panel_of_timeline(found, address),)
    return Panels((*some, panel_of_players(listed, address)))


def event_id_of(text: str) -> int:
    """Return the id of an event in an address; 0, for the newest one, if it is none."""
    try:
        return whole_number("newest", text)
    except BadFilter:
        return 0


def panel_of_players(listed: Sequence[PlayerFigures], address: PageAddress) -> Panel:
    """Make the panel with the list; each player opens by a link."""
    columns = (
        Column("player", "link"),
        Column("first seen (UTC)", "soft"),
        Column("last seen (UTC)", "soft"),
        Column("sessions", "number"),
        Column("playtime, min", "number"),
        Column("sent by a server", "number"),
        Column("levels completed", "number"),
        Column("purchases", "number"),
        Column("spent", "soft"),
        Column("errors", "number"),
        Column("A/B test", "soft"),
        Column("A/B variant", "soft"),
    )
    rows = [
        (
            one.user_id,
            one.first_seen,
            one.last_seen,
            one.sessions,
            round(one.playtime / 60, 1),
            one.by_server,
            one.levels_completed,
            one.purchases,
            one.spent,
            one.errors,
            one.ab_id,
            one.ab_variant_id,
        )
        for one in listed
    ]
    more = f" Only the {PLAYERS_LISTED} seen last are listed: search for others." if len(rows) >= PLAYERS_LISTED else ""
    return Panel(
        name="players",
        title="Players",
        counted=PLAYERS_METRIC.sentence + more,
        sheet=Sheet(columns, rows),
        empty="No player in this range: start your game with the address of this collector, or search for another part"
        " of the id.",
        is_wide=True,
        links=tuple(address.with_filter("user_id", one.user_id).link() for one in listed),
    )


def panel_of_timeline(found: Sequence[TimelineEvent], address: PageAddress) -> Panel:
    """Make the panel with a page of a player's events.

    Args:
        found: The events, the newest first; one more than a page if there are older ones.
        address: The view's address.
    """
    columns = (
        Column("time (UTC)", "soft"),
        Column("session", "number"),
        Column("what happened", "chip"),
        Column("event"),
        Column("value", "number"),
        Column("unit", "soft"),
        Column("build", "soft"),
    )
    page, older = found[:EVENTS_PER_PAGE], found[EVENTS_PER_PAGE:]
    steps = [("All players", address.with_filter("user_id", "").with_filter("newest", "").link())]
    if "newest" in address.filters:
        steps.append(("Newest events", address.with_filter("newest", "").link()))
    if older:
        steps.append(("Older events", address.with_filter("newest", str(older[0].id)).link()))
    return Panel(
        name="timeline",
        title=f"Timeline of {short(address.filters['user_id'], MAX_PANEL_TITLE)}",
        counted=f"The player's events in this range by the player's own clock, the newest first, {EVENTS_PER_PAGE} at a"
        " time. The value is that of the event: a score, an amount, seconds of a session, frames a second.",
        sheet=Sheet(
            columns,
            [(one.time, one.session_num, one.happened, one.name, one.value, one.unit, one.build) for one in page],
        ),
        empty="No event of this player in this range: choose a longer time, or clear the other filters.",
        is_wide=True,
        steps=tuple(steps),
        is_opened=True,
    )


PLAYERS_VIEW = panel_view(
    "players",
    "Players",
    "Who plays, and what each player did: a player opens to the events of the sessions, with what was bought, where"
    " the player failed and what crashed.",
    ask_players,
    filters=("search", *METRIC_FILTERS),
)
