"""`ga_pygame report`: the page's figures as one HTML file that needs no network, and the same as JSON for programs."""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import jinja2
import msgspec
from markupsafe import Markup

from ga_pygame import __version__, clock
from ga_pygame.collector.keeping import data_root
from ga_pygame.collector.page.address import FILTERS, METRIC_FILTERS, PageAddress, metric_filters
from ga_pygame.collector.page.dashboard import NICEGUI  # before the views: it prepares NiceGUI's environment
from ga_pygame.collector.page.panels import Column, Panel, Panels, cell_shown, sheet_of_tuples
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.page.views.catalogue import VIEWS
from ga_pygame.collector.warehouse.filters import Filters, filters_from
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.tools.printing import ToolError, print_note, write_result
from ga_pygame.tools.sources import Source, Where, open_source

_Found = TypeVar("_Found")

ROWS_OF_A_PANEL_SHOWN = 300
"""Rows of a table in the report; the JSON twin has all."""

_HERE = Path(__file__).parent
_EXPORTED = re.compile(r"export\{([^{}]*)\};?\s*(?://# sourceMappingURL=\S*\s*)?$")
_ENTRY = re.compile(r'import\{([^{}]*)\}from"(\./[\w.-]+)";export\{([^{}]*)\}')


@dataclass(frozen=True, slots=True)
class Chapter:
    """What the report shows of a view.

    Attributes:
        title: Its heading.
        counted: What it counts.
        panels: Its panels.
    """

    title: str
    counted: str
    panels: tuple[Panel, ...]


def write_report(where: Where, filters: Mapping[str, str], output: Path | None, *, as_json: bool) -> int:
    """Write the report; return the exit code.

    Args:
        where: Where the events are.
        filters: The filters of the metrics.
        output: The file; `None` prints the JSON twin.
        as_json: Write all rows of all metrics as JSON instead.

    Raises:
        ToolError: The figures cannot be read, or the file cannot be written.
    """
    if output is None and not as_json:
        raise ToolError("give the file to write: -o report.html, or --json for the figures alone")
    with open_source(where) as source:
        text = _json_report(source, filters) if as_json else html_of(asyncio.run(chapters(source, filters)), filters)
    if output is not None:
        write_result([text], output)
        print_note(f"the report is in {output}")
        return 0
    return write_result([text], None)


def _json_report(source: Source, filters: Mapping[str, str]) -> bytes:
    """Return the rows of all metrics that need no option of their own."""
    found = {}
    for name, metric in METRICS.items():
        try:
            rows = source.rows(metric, filters, {})
        except ToolError:
            if not metric.options:
                raise
            continue  # it has an option that must be given, e.g. the steps of a funnel
        found[name] = {"counts": metric.sentence, "rows": [row._asdict() for row in rows]}
    return msgspec.json.encode({"made_at": _made_at(), "filters": dict(filters), "metrics": found})


# --- what the page shows --------------------------------------------------------------------------------


async def chapters(source: Source, filters: Mapping[str, str]) -> list[Chapter]:
    """Read the panels of all views that consist of metrics, and the metrics that no view has asked for."""
    data = _Figures(source)
    found = []
    for view in VIEWS.values():
        if view.panels is not None and set(METRIC_FILTERS) <= set(view.filters):
            panels: Panels = await view.panels(cast("Snapshots", data), PageAddress(view.name, dict(filters)))
            found.append(Chapter(view.title, view.counted, panels.panels))
    others = tuple(
        Panel(name, name.capitalize(), metric.sentence, sheet_of_tuples(metric.row, source.rows(metric, filters, {})))
        for name, metric in METRICS.items()
        if name not in data.asked and not metric.options
    )
    if others:
        found.append(Chapter("More figures", "Metrics that have no view of their own.", others))
    return found


class _Figures:
    """What views ask metrics of, in the place of the page's `Snapshots`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.asked: set[str] = set()
        self.root = data_root()

    async def metric(self, name: str, address: PageAddress, **options: Any) -> list[Any]:
        """Return the rows of a metric, filtered as the address says."""
        self.asked.add(name)
        return self._source.rows(METRICS[name], metric_filters(address, self.today()), options)

    async def ask(self, look: Callable[[], _Found]) -> _Found:
        """Return what a function returns that looks at this machine's files."""
        return look()

    def today(self) -> datetime.date:
        """Return the calendar day in UTC, which is not over yet."""
        return datetime.datetime.fromtimestamp(clock.wall_now(), datetime.timezone.utc).date()

    def filters(self, address: PageAddress) -> Filters:
        """Return the filters of an address as the metrics know them."""
        return filters_from(metric_filters(address, self.today()))


# --- the HTML -------------------------------------------------------------------------------------------


def html_of(found: list[Chapter], filters: Mapping[str, str]) -> bytes:
    """Write the report as HTML: all of it is in this text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    words = [f"{FILTERS[name].label}: {value}" for name, value in filters.items() if name in FILTERS]
    charts = [panel.chart for chapter in found for panel in chapter.panels if _has_chart(panel)]
    text = environment.get_template("report.html").render(
        chapters=found,
        filters=words,
        who=filters.get("who", ""),
        made_at=_made_at(),
        version=__version__,
        most=ROWS_OF_A_PANEL_SHOWN,
        has_chart=_has_chart,
        shown=_cell_of_report,
        charts=charts,
        echarts=Markup(_echarts() if charts else ""),  # noqa: S704 - a script of NiceGUI's, not of users
    )
    return text.encode("utf-8", "replace")


def _has_chart(panel: Panel) -> bool:
    return panel.chart is not None and bool(panel.sheet.rows)


def _cell_of_report(column: Column, value: Any) -> str:
    """Return a cell as text."""
    if value is None:
        return ""
    if column.kind == "moment":
        return clock.iso(value)
    shown = cell_shown(column.kind, value)
    return f"{shown} %" if column.kind == "share" else str(shown)


def _made_at() -> str:
    return clock.iso(clock.wall_now())


def _echarts() -> str:
    """Return the script of ECharts that NiceGUI has, with the constant `echarts`; "" if it cannot be found.

    Without it the report has tables only.
    """
    folder = NICEGUI / "elements" / "echart" / "dist"
    try:
        entry = _ENTRY.search((folder / "index.js").read_text(encoding="utf-8"))
        if entry is None:
            return ""
        script = (folder / entry[2]).read_text(encoding="utf-8")
        exported = _EXPORTED.search(script)
        if exported is None:
            return ""
        in_entry = _names_by_alias(entry[3])["echarts"]
        inner = _names_by_alias(exported[1])[_names_by_alias(entry[1])[in_entry]]
    except (OSError, KeyError):
        return ""
    return f"{script[: exported.start()]}const echarts = {inner};".replace("</script", "<\\/script")


def _aliased(list_of_names: str) -> list[tuple[str, str]]:
    """Split the names of an `import` or `export`, each with its alias."""
    found = (one.strip().partition(" as ") for one in list_of_names.split(","))
    return [(name, alias or name) for name, _, alias in found]


def _names_by_alias(list_of_names: str) -> dict[str, str]:
    return {alias: name for name, alias in _aliased(list_of_names)}
