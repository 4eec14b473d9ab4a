"""The view Overview: what stands out, then who plays, for how long, and what crashes, against the period before."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress, parse_address
from ga_pygame.collector.page.charts import line_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import (
    Column,
    Note,
    Panel,
    Panels,
    Sheet,
    Tile,
    number_shown,
    percent_shown,
    sheet_of_tuples,
)
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics.countries import COUNTRIES_METRIC, CountryFigures
from ga_pygame.collector.warehouse.metrics.finding_rules import Finding
from ga_pygame.collector.warehouse.metrics.overview import BEFORE, NOW, WHOLE_PERIOD, OverviewRow, filters_before

MAX_DAYS_BY_HOUR = 2
"""A time of at most so many days is shown by hour."""
MAX_TIMES_FILLED = 800
"""Days or hours of a chart; of a longer time, those without an event are left out."""

NO_EVENTS = (
    "No events yet: set GA_PYGAME_COLLECTOR to the address above and start your game, or play"
    " python -m demo_game --bot --players 40. If a filter is set, clear it."
)
NO_FINDINGS = (
    "Nothing stands out. Each rule looks for a difference that is more than chance and needs at least 20 players: a"
    " level"
    " that loses players, rage quits, a build that crashes, a currency that inflates, a level that nobody reaches."
)

_BEFORE_WORDS = ", before"
_Pick = Callable[[OverviewRow], float | None]


async def ask_overview(data: Snapshots, address: PageAddress) -> Panels:
    """Read the figures, what stands out, and the countries."""
    filters, today = data.filters(address), data.today()
    bucket = "hour" if is_by_hour(filters, today) else "day"
    rows = await data.metric("overview", address, bucket=bucket)
    found = await data.metric("findings", address)
    located = await data.metric("countries", address)
    panels = (panel_of_findings(found, address), *panels_of_overview(rows, filters, today))
    return Panels((*panels, panel_of_countries(located, address)))


def is_by_hour(filters: Filters, today: datetime.date) -> bool:
    """Whether the time is so short that hours say more than days."""
    if filters.since is None:
        return False
    return ((filters.until or today) - filters.since).days < MAX_DAYS_BY_HOUR


def panel_of_findings(found: Sequence[Finding], address: PageAddress) -> Panel:
    """Make the list of findings, each with a link to the view that shows more."""
    notes = []
    for one in found:
        own = parse_address(one.query).filters
        link = PageAddress(one.view, {**address.filters, **own}).link()
        notes.append(Note(one.sentence, f"see {one.view}", link))
    counted = (
        "What stands out in this time and with these filters, by intervals of 95 %. What fewer than 20 players did is"
        " not"
        " judged."
    )
    sheet = sheet_of_tuples(Finding, found)
    return Panel("findings", "Findings", counted, sheet, None, NO_FINDINGS, notes=tuple(notes), is_wide=True)


def panel_of_countries(located: Sequence[CountryFigures], address: PageAddress) -> Panel:
    """Make the table of players by country; each country filters by a link."""
    known = [one for one in located if one.country]
    columns = (Column("country", "link"), Column("players", "number"), Column("sessions", "number"))
    unknown = sum(one.players for one in located if not one.country)
    return Panel(
        name="countries",
        title="Countries",
        counted=f"{COUNTRIES_METRIC.sentence} {unknown} players have events without a country.",
        sheet=Sheet(columns, [tuple(one) for one in known]),
        empty="No country is known: start the collector with --geoip and a file such as GeoLite2-Country.mmdb.",
        links=tuple(address.with_filter("country_code", one.country).link() for one in known),
    )


def panels_of_overview(rows: Sequence[OverviewRow], filters: Filters, today: datetime.date) -> tuple[Panel, ...]:
    """Make the tiles and the charts over time."""
    wholes = {row.period: row for row in rows if row.time == WHOLE_PERIOD and row.players}
    counted = (
        "Players have an event in this time; new ones have their first event ever in it, the others return. Sessions"
        " began in it; lengths and playtime are those of session_end: the time for which the player was focused on the"
        " game. Crash-free are sessions without a critical error."
        + (" In small type: the same number of days before." if BEFORE in wholes else "")
    )
    sheet = sheet_of_tuples(OverviewRow, list(wholes.values()))
    now = wholes.get(NOW)
    tiles = _tiles(now, wholes.get(BEFORE)) if now is not None else ()
    whole = Panel("whole", "The whole time", counted, sheet, None, NO_EVENTS, tiles=tiles, is_wide=True)
    return (whole, *_charts_over_time([row for row in rows if row.time != WHOLE_PERIOD], filters, today))


_TILES: tuple[tuple[str, str, _Pick], ...] = (
    ("players", "number", lambda row: row.players),
    ("new players", "number", lambda row: row.new_players),
    ("returning players", "number", lambda row: row.returning_players),
    ("sessions", "number", lambda row: row.sessions),
    ("mean length", "seconds", lambda row: row.mean_length),
    ("median length", "seconds", lambda row: row.median_length),
    ("playtime per player", "seconds", lambda row: row.playtime_per_player),
    ("crash-free sessions", "share", lambda row: row.crash_free_sessions),
)


def _tiles(now: OverviewRow, before: OverviewRow | None) -> tuple[Tile, ...]:
    tiles = []
    for name, kind, pick in _TILES:
        value, earlier = pick(now), pick(before) if before is not None else None
        hint = (
            f"before: {_figure_shown(kind, earlier)}{_change_shown(kind, value, earlier)}"
            if earlier is not None
            else ""
        )
        tiles.append(Tile(name, _figure_shown(kind, value), hint))
    return tuple(tiles)


def _figure_shown(kind: str, value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - no figure
    if kind == "share":
        return f"{percent_shown(value):g} %"
    return length_shown(value) if kind == "seconds" else number_shown(value)


def length_shown(seconds: float) -> str:
    """Format a length: seconds, minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _change_shown(kind: str, now: float | None, before: float) -> str:
    """Return by how much a figure has changed: of shares the points, of others the percents."""
    if now is None or (not before and kind != "share"):
        return ""
    if kind == "share":
        return f" ({100 * (now - before):+.1f} points)"
    return f" ({100 * (now / before - 1):+.0f} %)"


def _charts_over_time(rows: Sequence[OverviewRow], filters: Filters, today: datetime.date) -> tuple[Panel, ...]:
    times, at_before = times_of_charts(rows, filters, today)
    found = {(row.period, row.time): row for row in rows}
    unit = "hour" if is_by_hour(filters, today) else "day"
    newest = max((row.time for row in rows if row.period == NOW), default="")
    to_come = {(NOW, time) for time in times if time > newest and time.startswith(str(today))}

    def values(pick: _Pick, keys: Sequence[tuple[str, str]], missing: float | None) -> list[float | None]:
        return [pick(found[key]) if key in found else None if key in to_come else missing for key in keys]

    panels = []
    for name, title, counted, lines in _CHARTS:
        drawn = {}
        for word, pick, missing in lines:
            drawn[word] = values(pick, [(NOW, time) for time in times], missing)
            if at_before:
                drawn[word + _BEFORE_WORDS] = values(pick, [(BEFORE, at_before[time]) for time in times], missing)
        dashed = [word for word in drawn if word.endswith(_BEFORE_WORDS)]
        words = [time[5:] if unit == "hour" else time for time in times]  # without the year
        chart = line_chart(f"{title} by {unit}", words, drawn, dashed=dashed)
        panels.append(Panel(name, f"{title} by {unit}", counted, sheet_of_tuples(OverviewRow, rows), chart))
    return tuple(panels)


_Lines = tuple[tuple[str, _Pick, float | None], ...]
_CHARTS: tuple[tuple[str, str, str, _Lines], ...] = (
    (
        "players",
        "Players",
        "Players with an event in the day or hour; new ones have their first event ever in it.",
        (("players", lambda row: row.players, 0), ("new players", lambda row: row.new_players, 0)),
    ),
    (
        "sessions",
        "Sessions",
        "Sessions that began in the day or hour.",
        (("sessions", lambda row: row.sessions, 0),),
    ),
    (
        "lengths",
        "Length of sessions",
        "Seconds for which players were focused on the game, by the day or hour in which the session began.",
        (
            ("mean seconds", lambda row: row.mean_length, None),
            ("median seconds", lambda row: row.median_length, None),
        ),
    ),
    (
        "crashes",
        "Sessions with errors",
        "Sessions with a critical error, and those with other errors only, by the day or hour in which they began.",
        (
            ("crashed", lambda row: row.crashed_sessions, 0),
            ("with errors", lambda row: row.errored_sessions, 0),
        ),
    ),
)


def times_between(first: datetime.date, last: datetime.date, *, by_hour: bool) -> list[str]:
    """Return all days or hours of some days as `OverviewRow.time` has them; none if they are too many."""
    days = (last - first).days + 1
    if days * (24 if by_hour else 1) > MAX_TIMES_FILLED:
        return []
    some = [str(first + datetime.timedelta(days=number)) for number in range(days)]
    return [f"{day} {hour:02}:00" for day in some for hour in range(24)] if by_hour else some


def times_of_charts(
    rows: Sequence[OverviewRow], filters: Filters, today: datetime.date
) -> tuple[list[str], dict[str, str]]:
    """Return the days or hours of the charts, and for each the one of the period before that is drawn at its place.

    Args:
        rows: The days or hours that have events.
        filters: The chosen time; without a first day, the charts go from the first event to the last.
        today: The present day.
    """
    own = sorted(row.time for row in rows if row.period == NOW)
    earlier, by_hour = filters_before(filters, today), is_by_hour(filters, today)
    first, last = filters.since, filters.until or today
    if first is None and own:
        first, last = (datetime.date.fromisoformat(time[:10]) for time in (own[0], own[-1]))
    if first is None:
        return [], {}
    times = times_between(first, max(first, last), by_hour=by_hour)
    if not times or earlier is None or earlier.since is None or earlier.until is None:
        return times or own, {}
    return times, dict(zip(times, times_between(earlier.since, earlier.until, by_hour=by_hour), strict=True))


OVERVIEW_VIEW = panel_view(
    "overview",
    "Overview",
    "Who plays, for how long, who comes back, and what crashes, by day or, for one or two days, by hour. Days are"
    " those of"
    " the collector's time zone, UTC if none was chosen.",
    ask_overview,
    filters=METRIC_FILTERS,
)
