"""The view Errors: which errors hit whom, what came before one, and how many sessions went without a crash."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import interval_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.metrics.errors import MAX_ERROR_KINDS, ErrorKind
from ga_pygame.collector.warehouse.metrics.stability import STABILITY_METRIC, BuildStability
from ga_pygame.collector.warehouse.metrics.timeline import EVENTS_BEFORE_ERROR, TimelineEvent

MAX_PANEL_TITLE = 90
"""Characters of a game's name or message in the heading of a panel; the rest is cut."""
CRASH_WORDS = {
    "main": "ended the game",
    "thread": "ended a thread",
    "task": "in a task",
    "unraisable": "in a destructor",
    "fatal": "hard crash",
    "hang": "hang",
}
"""What the page says for the kinds of `rules.CRASH_KINDS`."""
_FEW_PLAYERS_WORDS = "few players"


async def ask_errors(data: Snapshots, address: PageAddress) -> Panels:
    """Read the kinds of errors, the builds, and the kind of error that the address opens."""
    kinds: list[ErrorKind] = await data.metric("errors", address)
    builds: list[BuildStability] = await data.metric("stability", address)
    opened = address.filters.get("error", "")
    some: tuple[Panel, ...] = ()
    if opened:
        steps: list[TimelineEvent] = await data.metric("trail", address, fingerprint=opened)
        found = [kind for kind in kinds if kind.fingerprint == opened]
        some = (panel_of_error(found[0] if found else None, steps, address),)
    return Panels((*some, panel_of_kinds(kinds, address), panel_of_builds(builds)))


def panel_of_error(kind: ErrorKind | None, steps: Sequence[TimelineEvent], address: PageAddress) -> Panel:
    """Make the panel of an opened kind of error: the text of the newest one, and what its player did before.

    Args:
        kind: The kind; `None` if there is none in the range.
        steps: The player's events, the error last.
        address: The view's address.
    """
    columns = (
        Column("time (UTC)", "soft"),
        Column("what happened", "chip"),
        Column("event"),
        Column("value", "number"),
        Column("unit", "soft"),
    )
    links = [("Close", address.with_filter("error", "").link())]
    counted = "This kind of error is not in this range."
    if steps:
        last = steps[-1]
        players = PageAddress("players", address.filters).with_filter("error", "").with_filter("user_id", last.user_id)
        links.append(("The player's timeline", players.link()))
        counted = (
            f"The newest one, of {last.time} UTC in build {short(last.build, 32) or '(none)'}: its text, and what the"
            f" player did before in the same session, at most {EVENTS_BEFORE_ERROR} events, the newest last."
        )
    return Panel(
        name="trail",
        title=short(kind.error, MAX_PANEL_TITLE) or "(no text)" if kind else "An error",
        counted=counted,
        sheet=Sheet(columns, [(one.time, one.happened, one.name, one.value, one.unit) for one in steps]),
        empty="Choose a longer time, or clear the filters.",
        is_wide=True,
        text=_error_text(kind) if kind else "",
        steps=tuple(links),
        is_opened=True,
    )


def _error_text(kind: ErrorKind) -> str:
    """Return the newest message, and after it the events that it carries; a session that was cut has no others."""
    return f"{kind.message}\n\nEvents before it, as it tells them:\n{kind.before}" if kind.before else kind.message


def panel_of_kinds(kinds: Sequence[ErrorKind], address: PageAddress) -> Panel:
    """Make the panel with the kinds of errors; each opens by a link."""
    columns = (
        Column("error", "link"),
        Column("severity", "soft"),
        Column("kind of crash", "soft"),
        Column("errors", "number"),
        Column("players", "number"),
        Column("sessions", "number"),
        Column("first build", "soft"),
        Column("last build", "soft"),
        Column("last seen (UTC)", "soft"),
        Column("fingerprint", "soft"),
    )
    rows = [
        (
            one.error,
            one.severity,
            CRASH_WORDS.get(one.crash, one.crash),
            one.events,
            one.players,
            one.sessions,
            one.first_build,
            one.last_build,
            one.last_seen,
            one.fingerprint,
        )
        for one in kinds
    ]
    counted = (
        "Error events by kind, those that hit most players first"
        + (f", the first {MAX_ERROR_KINDS:,} kinds" if len(kinds) >= MAX_ERROR_KINDS else "")
        + ". Tracebacks are of one kind if class and the five innermost calls are the same, other texts if they are the"
        " same. The severity is the worst one; builds are in the order of their first sessions."
    )
    return Panel(
        name="kinds",
        title="Kinds of errors",
        counted=counted,
        sheet=Sheet(columns, rows),
        empty="No error in this range. The tracker sends exceptions that nothing catches; others are sent by"
        " tracker.exception(error) and tracker.error('warning', 'save failed').",
        is_wide=True,
        links=tuple(address.with_filter("error", one.fingerprint).link() for one in kinds),
    )


def panel_of_builds(builds: Sequence[BuildStability]) -> Panel:
    """Make the panel with the sessions of each build by how they went."""
    columns = (
        Column("build"),
        Column("sessions", "number"),
        Column("healthy", "number"),
        Column("errored", "number"),
        Column("crashed", "number"),
        Column("abnormal", "number"),
        Column("crash-free sessions", "share"),
        Column("from", "share"),
        Column("to", "share"),
        Column("players", "number"),
        Column("crash-free players", "share"),
        Column("note", "soft"),
    )
    rows = [
        (
            one.build,
            one.sessions,
            one.healthy,
            one.errored,
            one.crashed,
            one.abnormal,
            one.crash_free_rate,
            one.crash_free_low,
            one.crash_free_high,
            one.players,
            one.players_rate,
            _FEW_PLAYERS_WORDS if one.is_few else "",
        )
        for one in builds
    ]
    shares = [(one.crash_free_low or 0.0, one.crash_free_rate or 0.0, one.crash_free_high or 0.0) for one in builds]
    chart = interval_chart(
        "The share of the sessions without a crash by build, the newest build first, with 95 % intervals",
        [one.build for one in builds],
        shares,
        grey=[one.is_few for one in builds],
    )
    return Panel(
        name="builds",
        title="Sessions without a crash",
        counted=f"{STABILITY_METRIC.sentence} Intervals are Wilson's of 95 %; grey: fewer than 20 players.",
        sheet=Sheet(columns, rows),
        chart=chart,
        empty="No session in this range: start your game with the address of this collector.",
        is_wide=True,
    )


ERRORS_VIEW = panel_view(
    "errors",
    "Errors",
    "Which errors players meet, how many players each hits and in which builds. An error opens to its whole text and to"
    " what the player did before it.",
    ask_errors,
    filters=METRIC_FILTERS,
)
