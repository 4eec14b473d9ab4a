"""Make options for ECharts from rows of figures. Page and report draw the same ones; nothing here knows NiceGUI.

Colours are variables of the page's CSS, so a chart follows the light and the dark scheme; that needs the SVG renderer.
Names come from games: they are cut and made visible, and stand only in values, never in keys or formatters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ga_pygame.collector.page.rows import short

MAX_LABEL = 28
"""Characters of a name on an axis or in a legend; the rest is cut."""
MAX_BARS_SHOWN = 100
"""Categories of a chart of bars; the table behind it has all."""

_SERIES = [f"var(--series-{number})" for number in range(1, 7)]
_SOFT = {"color": "var(--soft)"}
_LINE = {"lineStyle": {"color": "var(--line)"}}

ChartOptions = dict[str, Any]
Values = Sequence[float | None]


def line_chart(said: str, days: Sequence[str], series: Mapping[str, Values]) -> ChartOptions:
    """Draw values over time, a line for each series.

    Args:
        said: What the chart shows, for screen readers.
        days: The words below the horizontal axis.
        series: The values of each series, one a day; `None` leaves a gap.
    """
    drawn = [
        {
            "type": "line",
            "name": short(name, MAX_LABEL),
            "data": list(values),
            "symbol": "circle",
            "showSymbol": len(days) < 40,
        }
        for name, values in series.items()
    ]
    return _plot(said, drawn, {"xAxis": _names_axis(days), "yAxis": _number_axis()})


def bar_chart(
    said: str, names: Sequence[str], series: Mapping[str, Values], *, stacked: bool = False, lying: bool = False
) -> ChartOptions:
    """Draw a bar for each name.

    Args:
        said: What the chart shows, for screen readers.
        names: The categories, in order.
        series: The values of each series, one a name.
        stacked: The series of a name are parts of a whole.
        lying: The bars lie, the first name on top; for long names.
    """
    shown = names[:MAX_BARS_SHOWN]
    drawn = [
        {
            "type": "bar",
            "name": short(name, MAX_LABEL),
            "data": list(values[:MAX_BARS_SHOWN]),
            "barMaxWidth": 28,
            **({"stack": "all"} if stacked else {}),
        }
        for name, values in series.items()
    ]
    if lying:
        names_axis = {**_names_axis(shown), "inverse": True}
        return _plot(said, drawn, {"xAxis": _number_axis(), "yAxis": names_axis})
    return _plot(said, drawn, {"xAxis": _names_axis(shown), "yAxis": _number_axis()})


def interval_chart(
    said: str, names: Sequence[str], shares: Sequence[tuple[float, float, float]], *, grey: Sequence[bool]
) -> ChartOptions:
    """Draw shares (0 to 1) with their intervals, in percent.

    Args:
        said: What the chart shows, for screen readers.
        names: The categories, in order.
        shares: Lower bound, share and upper bound of each.
        grey: Whether a share rests on too few players.
    """
    boxes = []
    for (low, share, high), weak in zip(shares[:MAX_BARS_SHOWN], grey, strict=False):
        colour = "var(--soft)" if weak else _SERIES[0]
        at = [_percent(low), _percent(low), _percent(share), _percent(high), _percent(high)]
        boxes.append({"value": at, "itemStyle": {"color": "var(--chip)", "borderColor": colour, "borderWidth": 2}})
    drawn = [{"type": "boxplot", "data": boxes, "boxWidth": [6, 18]}]
    axis = {**_number_axis(), "min": 0, "max": 100}
    return _plot(said, drawn, {"xAxis": _names_axis(names[:MAX_BARS_SHOWN]), "yAxis": axis})


def funnel_chart(said: str, steps: Sequence[tuple[str, int]]) -> ChartOptions:
    """Draw how many are left after each step, as lying bars from the first step down."""
    return bar_chart(said, [name for name, _ in steps], {"players": [count for _, count in steps]}, lying=True)


def heat_chart(said: str, columns: Sequence[str], lines: Sequence[tuple[str, Values]]) -> ChartOptions:
    """Draw shares (0 to 1) as a table of colours, in percent, e.g. the triangle of retention.

    Args:
        said: What the chart shows, for screen readers.
        columns: The names of the columns.
        lines: Name and values of each line, the first one on top; `None` stays empty.
    """
    data = [
        [column, line, _percent(value)]
        for line, (_, values) in enumerate(lines)
        for column, value in enumerate(values)
        if value is not None
    ]
    label = {"show": True, "formatter": "{@[2]}", "color": "var(--text)"}
    drawn = [{"type": "heatmap", "data": data, "label": label}]
    scale = {"min": 0, "max": 100, "show": False, "inRange": {"color": ["rgba(36,96,200,0.05)", "rgba(36,96,200,0.6)"]}}
    axes = {
        "xAxis": {**_names_axis(columns), "position": "top"},
        "yAxis": {**_names_axis([name for name, _ in lines]), "inverse": True},
    }
    return {**_plot(said, drawn, axes), "visualMap": scale}


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _plot(said: str, series: list[dict[str, Any]], axes: dict[str, Any]) -> ChartOptions:
    """Put series and axes together with what all charts have in common."""
    several = len(series) > 1
    return {
        "aria": {"enabled": True, "label": {"description": said}},
        "animation": False,
        "color": _SERIES,
        "textStyle": {"fontFamily": "inherit"},
        "tooltip": {
            "trigger": "item" if series[:1] and series[0]["type"] == "heatmap" else "axis",
            "confine": True,
            "backgroundColor": "var(--card)",
            "borderColor": "var(--line)",
            "textStyle": {"color": "var(--text)"},
        },
        "legend": {"show": several, "top": 0, "type": "scroll", "textStyle": _SOFT},
        "grid": {"left": 8, "right": 32, "top": 36 if several else 12, "bottom": 8, "containLabel": True},
        "series": series,
        **axes,
    }


def _names_axis(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "category",
        "data": [short(name, MAX_LABEL) for name in names],
        "axisLabel": {**_SOFT, "hideOverlap": True},
        "axisLine": _LINE,
        "axisTick": {"show": False},
    }


def _number_axis() -> dict[str, Any]:
    return {"type": "value", "axisLabel": _SOFT, "splitLine": _LINE}
