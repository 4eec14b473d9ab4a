"""The view Health: how smoothly the game runs, by build, device and level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import bar_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.metrics.errors import ErrorKind
from ga_pygame.collector.warehouse.metrics.health import HEALTH_METRIC, HITCH_MS, HealthFigures
from ga_pygame.collector.warehouse.metrics.hitches import HITCHES_METRIC, LevelHitches
from ga_pygame.rules import HANG

_EMPTY_HEALTH = (
    "No health event in this range. Tracker(health=True) sends one at the end of each session; the tracker sends one"
    " every 30 seconds to destinations that want it, such as a subclass of GameAnalytics with wants_health = True."
)
_WITHOUT_PART = {"build": "(no build)", "device": "(unknown)", "level": "between levels"}
_OF_PARTS = {
    "build": "By build; the chart has frames a second.",
    "device": "By device, one without a name by the version of its system; the chart has frames a second.",
    "level": "By the level that was played when the sample ended; the chart has the samples with hitches, in percent.",
}


async def ask_health(data: Snapshots, address: PageAddress) -> Panels:
    """Read the figures by build, device and level."""
    panels = [panel_of_health(by, await data.metric("health", address, by=by)) for by in _WITHOUT_PART]
    hitches: list[LevelHitches] = await data.metric("hitches", address)
    kinds: list[ErrorKind] = await data.metric("errors", address)
    return Panels((*panels, panel_of_hitches(hitches), panel_of_hangs(kinds, address)))


def panel_of_health(by: str, figures: Sequence[HealthFigures]) -> Panel:
    """Make the panel with the figures by build, device or level."""
    columns = (
        Column(by),
        Column("samples", "number"),
        Column("players", "number"),
        Column("fps, median", "number"),
        Column("fps, p5", "number"),
        Column("frame ms, median", "number"),
        Column("frame ms, p95", "number"),
        Column("slowest 1 % of frames, ms", "number"),
        Column("samples with hitches", "share"),
        Column("memory MiB, median", "number"),
        Column("memory MiB, p95", "number"),
        Column("note", "soft"),
    )
    names = [one.part or _WITHOUT_PART[by] for one in figures]
    rows = [
        (
            name,
            one.samples,
            one.players,
            one.median_fps,
            one.p05_fps,
            one.median_ms,
            one.p95_ms,
            one.median_p99_ms,
            one.hitches_share,
            one.median_mb,
            one.p95_mb,
            "few players" if one.is_few else "",
        )
        for name, one in zip(names, figures, strict=True)
    ]
    counted = (
        f"{HEALTH_METRIC.sentence} {_OF_PARTS[by]} Fps and frame ms are the means of samples, of which median and"
        f" percentiles are taken; a sample has hitches if 1 % of its frames took longer than {HITCH_MS:.0f} ms."
    )
    chart = _chart_of_hitches(names, figures) if by == "level" else _chart_of_rates(by, names, figures)
    return Panel(by, f"By {by}", counted, Sheet(columns, rows), chart, _EMPTY_HEALTH, is_wide=True)


def panel_of_hitches(levels: Sequence[LevelHitches]) -> Panel:
    """Make the panel with the long frames in attempts."""
    columns = (
        Column("level"),
        Column("attempts", "number"),
        Column("with hitches", "share"),
        Column("hitches", "number"),
        Column("per attempt", "number"),
        Column("most in one", "number"),
        Column("players", "number"),
        Column("note", "soft"),
    )
    rows = [
        (
            one.level,
            one.attempts,
            one.hitching_share,
            one.hitches,
            one.per_attempt,
            one.most,
            one.players,
            "few players" if one.is_few else "",
        )
        for one in levels
    ]
    series: dict[str, list[float | None]] = {"hitches per attempt": [_rounded(one.per_attempt) for one in levels]}
    return Panel(
        "hitches",
        "Hitches by level",
        f"{HITCHES_METRIC.sentence} The chart has the mean of an attempt; levels with most attempts come first.",
        Sheet(columns, rows),
        bar_chart("Hitches per attempt by level", [one.level for one in levels], series),
        "No attempt with a hitch in this range.",
        is_wide=True,
    )


def panel_of_hangs(kinds: Sequence[ErrorKind], address: PageAddress) -> Panel:
    """Make the panel with the hangs, by place; each opens in the view Errors, and the first has its stack here."""
    hangs = [one for one in kinds if one.crash == HANG]
    columns = (
        Column("where", "link"),
        Column("hangs", "number"),
        Column("players", "number"),
        Column("last build", "soft"),
        Column("last seen (UTC)", "soft"),
    )
    rows = [(_hang_place(one.message), one.events, one.players, one.last_build, one.last_seen) for one in hangs]
    errors = PageAddress("errors", address.filters)
    return Panel(
        "hangs",
        "Hangs",
        "The game did not call pygame for 5 seconds while its window had focus; at most one a launch is reported, with"
        " the stack of the main thread. Hangs of one place are those with the same five innermost calls.",
        Sheet(columns, rows),
        empty="No hang in this range.",
        is_wide=True,
        links=tuple(errors.with_filter("error", one.fingerprint).link() for one in hangs),
        text=hangs[0].message if hangs else "",
    )


def _hang_place(stack: str) -> str:
    """Return the innermost call of a stack, without its folder."""
    calls = re.findall(r'^  File "(?:[^"\n]*[/\\])?([^"\n]+)", line (\d+), in (.*)$', stack, re.MULTILINE)
    return f"{calls[-1][2]} in {calls[-1][0]}, line {calls[-1][1]}" if calls else "(no stack)"


def _chart_of_rates(by: str, names: Sequence[str], figures: Sequence[HealthFigures]) -> dict[str, Any]:
    said = f"Frames a second by {by}: the median of the samples, and the rate that 95 % of them exceed"
    series = {
        "fps, median": [_rounded(one.median_fps) for one in figures],
        "fps, 95 % exceed": [_rounded(one.p05_fps) for one in figures],
    }
    return bar_chart(said, names, series)


def _chart_of_hitches(names: Sequence[str], figures: Sequence[HealthFigures]) -> dict[str, Any]:
    shares = [_rounded(None if one.hitches_share is None else 100 * one.hitches_share) for one in figures]
    return bar_chart("Samples with hitches by level, in percent", names, {"samples with hitches, %": shares})


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


HEALTH_VIEW = panel_view(
    "health",
    "Health",
    "How smoothly the game runs on players' machines: frames a second, frame times, hitches and memory.",
    ask_health,
    filters=METRIC_FILTERS,
)
