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


def line_chart(
    said: str, days: Sequence[str], series: Mapping[str, Values], *, dashed: Sequence[str] = ()
) -> ChartOptions:
    """Draw values over time, a line for each series.

    Args:
        said: What the chart shows, for screen readers.
        days: The words below the horizontal axis.
        series: The values of each series, one a day; `None` leaves a gap.
        dashed: The series with dashed lines, e.g. those of another time.
    """
    drawn = [
        {
            "type": "line",
            "name": short(name, MAX_LABEL),
            "data": list(values),
            "symbol": "circle",
            "showSymbol": len(days) <= 48,  # else a value between two gaps is not seen
            **({"lineStyle": {"type": "dashed"}} if name in dashed else {}),
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


Interval = tuple[float, float, float]
"""Lower bound, share and upper bound, each from 0 to 1."""


def interval_chart(
    said: str, names: Sequence[str], shares: Sequence[Interval], *, grey: Sequence[bool]
) -> ChartOptions:
    """Draw shares with their intervals, in percent.

    Args:
        said: What the chart shows, for screen readers.
        names: The categories, in order.
        shares: Lower bound, share and upper bound of each.
        grey: Whether a share rests on too few players.
    """
    boxes = [
        _interval_box(one, "var(--soft)" if weak else _SERIES[0])
        for one, weak in zip(shares[:MAX_BARS_SHOWN], grey, strict=False)
    ]
    return _interval_plot(said, names, [{"data": boxes, "boxWidth": [6, 18]}])


def compared_chart(said: str, names: Sequence[str], sides: Mapping[str, Sequence[Interval | None]]) -> ChartOptions:
    """Draw the shares of several sides with their intervals beside each other, in percent.

    Args:
        said: What the chart shows, for screen readers.
        names: The categories, in order.
        sides: The shares of each side, one a category; `None` leaves a gap.
    """
    drawn = []
    for number, (name, shares) in enumerate(sides.items()):
        boxes = [
            {"value": []} if one is None else _interval_box(one, _SERIES[number]) for one in shares[:MAX_BARS_SHOWN]
        ]
        look = {"color": _SERIES[number], "borderColor": _SERIES[number]}
        drawn.append({"name": short(name, MAX_LABEL), "data": boxes, "boxWidth": [4, 14], "itemStyle": look})
    return _interval_plot(said, names, drawn)


def _interval_box(interval: Interval, colour: str) -> dict[str, Any]:
    low, share, high = map(_percent, interval)
    look = {"color": "var(--chip)", "borderColor": colour, "borderWidth": 2}
    return {"value": [low, low, share, high, high], "itemStyle": look}


def _interval_plot(said: str, names: Sequence[str], series: Sequence[dict[str, Any]]) -> ChartOptions:
    axis = {**_number_axis(), "min": 0, "max": 100, "axisLabel": {**_SOFT, "formatter": "{value} %"}}
    drawn = [{"type": "boxplot", **one} for one in series]
    return _plot(said, drawn, {"xAxis": _names_axis(names[:MAX_BARS_SHOWN]), "yAxis": axis})


def funnel_chart(said: str, steps: Sequence[tuple[str, int]]) -> ChartOptions:
    """Draw how many are left after each step, as lying bars from the first step down."""
    return bar_chart(said, [name for name, _ in steps], {"players": [count for _, count in steps]}, lying=True)


def heat_chart(
    said: str, columns: Sequence[str], lines: Sequence[tuple[str, Values]], *, grey: Sequence[bool] = ()
) -> ChartOptions:
    """Draw shares (0 to 1) as a table of colours, in percent, e.g. the triangle of retention.

    Args:
        said: What the chart shows, for screen readers.
        columns: The names of the columns.
        lines: Name and values of each line, the first one on top; `None` stays empty.
        grey: Whether a line rests on too few players; none does if it is empty.
    """
    weak = {line for line, one in enumerate(grey) if one}
    data: list[Any] = [
        {"value": [column, line, _percent(value)], "label": _SOFT, "itemStyle": {"color": "var(--chip)"}}
        if line in weak
        else [column, line, _percent(value)]
        for line, (_, values) in enumerate(lines)
        for column, value in enumerate(values)
        if value is not None
    ]
    label = {"show": True, "formatter": "{@[2]}", "color": "var(--text)", "minMargin": 6}
    drawn = [{"type": "heatmap", "data": data, "label": label, "labelLayout": {"hideOverlap": True}}]
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
