"""The views of figures: what they make of the rows of metrics, without a browser."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.page import charts, panels
from ga_pygame.collector.page.address import PageAddress, metric_filters, parse_address
from ga_pygame.collector.page.panel_cache import PanelCache
from ga_pygame.collector.page.panels import Panel, Panels
from ga_pygame.collector.page.views import compare, overview, progression, retention
from ga_pygame.collector.page.views.catalogue import VIEWS
from ga_pygame.collector.warehouse.choices import filter_choices
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import BadFilter, Filters, filters_from
from ga_pygame.collector.warehouse.metrics.finding_rules import Finding
from ga_pygame.collector.warehouse.metrics.level_histogram import LevelBin
from ga_pygame.collector.warehouse.metrics.overview import OverviewRow
from ga_pygame.collector.warehouse.metrics.retention import RetentionCell
from ga_pygame.collector.warehouse.projector import Progress
from ga_pygame.testing import ManualClock
from tests.warehouse.golden import DAY, MONDAY, TODAY, Story, ask, day_of, golden_story, projected, store_story

FIRST = day_of(MONDAY)
EVIL = "<b>\u202e" + "x" * 200


class Golden:
    """Answers a view's questions from a warehouse, as `Snapshots` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def metric(self, name: str, address: PageAddress, **options: Any) -> list[Any]:
        return ask(self._database, name, self.filters(address), **options)

    def filters(self, address: PageAddress) -> Filters:
        return filters_from(metric_filters(address, TODAY))

    def today(self) -> datetime.date:
        return TODAY


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The warehouse with the golden events."""
    path = tmp_path_factory.mktemp("golden") / "events.sqlite3"
    store_story(path, golden_story())
    with projected(path) as made:
        yield made


def view(database: Database, query: str) -> dict[str, Panel]:
    """Return the panels of a view by name."""
    address = parse_address(query)
    asked = VIEWS[address.view].sheets
    assert asked is not None
    module = {"overview": overview, "progression": progression, "retention": retention, "compare": compare}[
        address.view
    ]
    function = next(one for name, one in vars(module).items() if name.startswith(("_ask", "ask_")))
    found: Panels = asyncio.run(function(Golden(database), address))
    sheets: Any = asyncio.run(asked(Golden(database), address))  # type: ignore[arg-type]
    assert {panel.name: panel.sheet for panel in found.panels} == dict(sheets)
    for panel in found.panels:
        assert panel.counted.endswith(".")
        assert panel.empty.endswith(".")
        assert len({len(row) for row in panel.sheet.rows} | {len(panel.sheet.columns)}) == 1
    return {panel.name: panel for panel in found.panels}


def column(panel: Panel, label: str) -> list[Any]:
    """Return a column of a panel's table."""
    at = [one.label for one in panel.sheet.columns].index(label)
    return [row[at] for row in panel.sheet.rows]


# --- Overview --------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_the_overview_of_a_range(database: Database) -> None:
    """Tiles with the period before, charts of each day of the range, the period before at the same places."""
    found = view(database, "view=overview&since=2026-03-04&until=2026-03-08")
    now, before = ask(
        database, "overview", Filters(since=FIRST + datetime.timedelta(2), until=day_of(MONDAY + 6 * DAY))
    )[:2]
    assert next(iter(found)) == "findings"
    tiles = {tile.label: tile for tile in found["whole"].tiles}
    assert tiles["players"].value == str(now.players)
    assert tiles["players"].hint == f"before: {before.players} ({100 * (now.players / before.players - 1):+.0f} %)"
    assert tiles["crash-free sessions"].value == f"{100 * now.crash_free_sessions:.0f} %"
    assert "points" in tiles["crash-free sessions"].hint
    assert tiles["mean length"].value == "2 min 24 s"
    assert now.mean_length == pytest.approx(143.67, abs=0.01)
    chart = found["players"].chart
    assert chart is not None
    assert chart["xAxis"]["data"] == [f"2026-03-0{day}" for day in range(4, 9)]
    lines = {one["name"]: one for one in chart["series"]}
    days = {
        (row.period, row.time): row.players
        for row in ask(
            database, "overview", Filters(since=FIRST + datetime.timedelta(2), until=day_of(MONDAY + 6 * DAY))
        )
    }
    assert lines["players"]["data"] == [days.get(("now", f"2026-03-0{day}"), 0) for day in range(4, 9)]
    earlier = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]
    assert lines["players, before"]["data"] == [days.get(("before", day), 0) for day in earlier]
    assert lines["players, before"]["lineStyle"] == {"type": "dashed"}
    assert lines["players, before"]["data"][-2:] > [0, 0]


@pytest.mark.e2e
def test_one_or_two_days_are_shown_by_hour(database: Database) -> None:
    """Each hour has its place, with or without events; three days are shown by day, all time too."""
    by_hour = view(database, "view=overview&since=2026-03-04&until=2026-03-05")
    assert by_hour["sessions"].title == "Sessions by hour"
    assert by_hour["sessions"].chart is not None
    assert len(by_hour["sessions"].chart["xAxis"]["data"]) == 48
    assert sum(by_hour["sessions"].chart["series"][0]["data"]) == by_hour["whole"].sheet.rows[0][5]
    assert view(database, "view=overview&since=2026-03-04&until=2026-03-06")["sessions"].title == "Sessions by day"
    assert overview.is_by_hour(Filters(since=TODAY), TODAY)
    assert not overview.is_by_hour(Filters(), TODAY)
    whole = view(database, "view=overview")
    assert [tile.hint for tile in whole["whole"].tiles] == [""] * 8
    assert whole["players"].chart is not None
    assert len(whole["players"].chart["series"]) == 2


def test_hours_to_come_are_no_zeros() -> None:
    """A line ends at the last event of the present day; the period before goes on."""
    row = OverviewRow("now", "all", 1, 1, 0, 1, 1.0, 1, 5.0, 5.0, 5.0, 0, 0, 1.0)
    yesterday = TODAY - datetime.timedelta(1)
    rows = [row, *(row._replace(time=f"{day} 10:00") for day in (yesterday, TODAY))]
    rows += [row._replace(period="before"), row._replace(period="before", time=f"{yesterday} 11:00")]
    found = {
        panel.name: panel for panel in overview.panels_of_overview(rows[:1] + rows[2:], Filters(since=TODAY), TODAY)
    }
    chart = found["sessions"].chart
    assert chart is not None
    now, before = (one["data"] for one in chart["series"])
    assert now == [0] * 10 + [1] + [None] * 13
    assert before == [0] * 11 + [1] + [0] * 12
    assert chart["xAxis"]["data"][10] == "03-20 10:00"


def test_a_longer_time_than_a_chart_can_show() -> None:
    """A player's clock of 1970: days without an event are left out, instead of thousands of empty ones."""
    empty = [None] * (len(OverviewRow._fields) - 2)
    rows = [OverviewRow("now", day, *empty) for day in ("1970-01-02", "2026-03-04")]  # type: ignore[arg-type]
    assert overview.times_of_charts(rows, Filters(), TODAY) == (["1970-01-02", "2026-03-04"], {})
    assert overview.times_of_charts([], Filters(), TODAY) == ([], {})
    assert overview.times_between(FIRST, FIRST + datetime.timedelta(2), by_hour=False) == [
        "2026-03-02",
        "2026-03-03",
        "2026-03-04",
    ]


def test_findings_are_sentences_with_links() -> None:
    """A link keeps the filters, adds the finding's own, and opens the view that shows more."""
    found = Finding("rage_quits", f"{EVIL} loses", 0.5, 0.4, 0.6, 40, "fails", "progression", "level=a%3Ab%26c")
    panel = overview.panel_of_findings([found], parse_address("view=overview&build=1.0&level=old"))
    (note,) = panel.notes
    assert parse_address(note.target.removeprefix("/?")) == PageAddress(
        "progression", {"build": "1.0", "level": "a:b&c"}
    )
    assert panel.sheet.rows[0][1] == found.sentence
    assert "\u202e" not in str(panels.rows_of_sheet(panel.sheet))
    silent = overview.panel_of_findings([], PageAddress("overview"))
    assert (silent.notes, silent.sheet.rows) == ((), [])
    assert "at least 20 players" in silent.empty


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")],
)
def test_lengths_as_words(seconds: float, words: str) -> None:
    """Seconds, minutes, hours."""
    assert overview.length_shown(seconds) == words


# --- Progression -----------------------------------------------------------------------------------------------


def test_progression_shows_the_figures_of_levels(database: Database) -> None:
    """Completion with intervals, grey if few; the funnel within and between levels."""
    levels = ask(database, "levels")
    found = view(database, "view=progression")
    assert column(found["levels"], "level") == [one.level for one in levels]
    assert len(found["levels"].sheet.columns) == len(levels[0])
    chart = found["levels"].chart
    assert chart is not None
    boxes = chart["series"][0]["data"]
    assert [box["value"][2] for box in boxes] == [round(100 * one.players_rate, 1) for one in levels]
    grey = [box["itemStyle"]["borderColor"] == "var(--soft)" for box in boxes]
    assert grey == [one.players < 20 for one in levels]
    assert {True, False} == set(grey)
    funnel = found["funnel"].chart
    assert funnel is not None
    bars = {one["name"]: one["data"] for one in funnel["series"]}
    assert bars["in the level"] == [one.players for one in levels]
    assert bars["completed it"] == [one.completers for one in levels]
    assert bars["went on"] == [*[one.completers - one.left_after for one in levels[:-1]], None]
    assert column(found["funnel"], "drop off") == [one.drop_off for one in levels]


@pytest.mark.e2e
def test_the_level_of_the_address_is_shown(database: Database) -> None:
    """Attempts, times and scores of it; without one, of the level that most players do not complete."""
    found = view(database, "view=progression&level=forest%3Alevel_2")
    rows = [row for row in ask(database, "attempts") if row.level == "forest:level_2"]
    assert column(found["level_attempts"], "players") == [row.players for row in rows]
    bins = ask(database, "level_histogram", level="forest:level_2")
    assert column(found["level_score"], "attempts") == [row.attempts for row in bins if row.figure == "score"]
    assert column(found["level_seconds"], "from") == [row.from_value for row in bins if row.figure == "seconds"]
    assert "forest:level_2" in found["level_score"].title
    levels = ask(database, "levels")
    worst = max(levels, key=lambda one: one.players - one.completers).level
    assert worst in view(database, "view=progression")["level_attempts"].title
    nothing = view(database, "view=progression&level=none&build=9.9")
    assert not nothing["level_attempts"].sheet.rows
    assert "tracker.progression.start" in nothing["levels"].empty
    assert "level_attempts" not in view(database, "view=progression&build=9.9")


def test_bins_without_attempts_are_drawn() -> None:
    """A gap is seen as a gap; one that is too long to draw is left out."""
    some = [LevelBin("a", "score", 0, 10, 3), LevelBin("a", "score", 30, 40, 1), LevelBin("a", "score", 40, None, 1)]
    filled = progression.with_empty_bins(some)
    assert [(one.from_value, one.attempts) for one in filled] == [(0, 3), (10, 0), (20, 0), (30, 1), (40, 1)]
    far = [some[0], LevelBin("a", "score", 1e9, 1e9 + 10, 1)]
    assert progression.with_empty_bins(far) == far
    assert progression.with_empty_bins([]) == []
    assert len(progression.with_empty_bins(some[2:])) == 1


# --- Retention -------------------------------------------------------------------------------------------------


def test_the_triangle(database: Database) -> None:
    """Newest first day on top, only days that are over, grey below 20; the mean over complete first days."""
    found = view(database, "view=retention")
    cells = ask(database, "retention")
    days = column(found["triangle"], "first day")
    assert days == sorted({str(cell.first_day) for cell in cells}, reverse=True)
    for row in found["triangle"].sheet.rows:
        own = [cell.retention for cell in cells if str(cell.first_day) == row[0]]
        assert list(row[2:]) == own + [None] * (len(found["triangle"].sheet.columns) - 2 - len(own))
    for day, mean in zip(column(found["mean"], "day"), column(found["mean"], "retention"), strict=True):
        some = [cell for cell in cells if f"D{cell.day}" == day]
        assert mean == sum(cell.returned for cell in some) / sum(cell.new_players for cell in some)
    few = [RetentionCell(FIRST, 5, 1, 1, 0.2, 0.0, 0.6, True), RetentionCell(FIRST, 5, 2, 0, 0.0, 0.0, 0.4, True)]
    chart = retention.panels_of_retention(few).panels[0].chart
    assert chart is not None
    assert [one["value"] for one in chart["series"][0]["data"]] == [[0, 0, 20.0], [1, 0, 0.0]]
    assert chart["series"][0]["data"][0]["itemStyle"] == {"color": "var(--chip)"}


# --- Compare ---------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_both_sides_are_in_the_address(database: Database) -> None:
    """Builds, variants or days of the second side; the panels name both."""
    found = view(database, "view=compare&build=1.1&other_build=1.0")
    rows = ask(database, "compare", Filters(build="1.1"), other_build="1.0")
    assert "First: build 1.1. Second: build 1.0." in found["shares"].counted
    shares = [one for one in rows if one.is_share and not one.level]
    assert column(found["shares"], "first") == [one.first for one in shares]
    assert column(found["shares"], "verdict") == [one.verdict for one in shares]
    assert column(found["shares"], "difference (points)") == [
        None if one.difference is None else 100 * one.difference for one in shares
    ]
    assert [one.kind for one in found["shares"].sheet.columns if one.label == "second"] == ["share"]
    assert column(found["numbers"], "figure")[0] == "players"
    assert column(found["level_numbers"], "second") == [one.second for one in rows if not one.is_share and one.level]
    chart = found["levels"].chart
    assert chart is not None
    assert [one["name"] for one in chart["series"]] == ["first: build 1.1", "second: build 1.0"]
    assert len(chart["series"][1]["data"]) == len({one.level for one in rows if one.level})
    days = view(database, "view=compare&since=2026-03-06&other_since=2026-03-02&other_until=2026-03-05")
    assert "Second: 2026-03-02 to 2026-03-05." in days["numbers"].counted
    nothing = view(database, "view=compare&build=1.1")
    assert not any(panel.sheet.rows for panel in nothing.values())
    assert "choose a build" in nothing["numbers"].empty
    with pytest.raises(BadFilter, match=r"^other_since must be a day"):
        view(database, "view=compare&other_since=yesterday")


# --- what the views share --------------------------------------------------------------------------------------


def test_shares_next_to_0_and_100_have_a_decimal() -> None:
    """99.6 % of crash-free sessions are not all of them."""
    shown = [panels.percent_shown(share) for share in (0, 0.004, 0.01, 0.256, 0.99, 0.9964, 1)]
    assert shown == [0, 0.4, 1, 26, 99, 99.6, 100]
    row = OverviewRow("now", "all", 1, 1, 0, 1, 1.0, 1, 5.0, 5.0, 5.0, 0, 0, 0.996)
    sheet = panels.sheet_of_tuples(OverviewRow, [row])
    assert sheet.columns[-1].kind == "share"
    assert panels.rows_of_sheet(sheet)[0]["cells"][-1] == 99.6
    cell = RetentionCell(FIRST, 5, 1, 1, 0.2, 0.0, 0.6, True)
    kinds = {one.label: one.kind for one in panels.sheet_of_tuples(RetentionCell, [cell]).columns}
    assert (kinds["retention"], kinds["low"], kinds["returned"]) == ("share", "share", "number")


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(5, 5, 0), ""),
        (Progress(1000, 2500, 0), "1,000 of 2,500 events are in these figures; the others are being read."),
        (Progress(5, 5, 2), "2 events could not be read and are left out."),
    ],
)
def test_figures_that_lag_say_so(progress: Progress, words: str) -> None:
    """A person knows that more is to come, or that something is missing."""
    assert panels.projection_words(progress) == words


def test_filters_offer_what_occurs(tmp_path: Path) -> None:
    """Values that came last are first; a value that no event has is not offered."""
    story = Story()
    for build in ("1.0", "1.1", "1.0"):
        story.session("ann", MONDAY, build=build, custom_01="ninja").level(1, "Start", "l1")
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as made:
        found = made.ask(filter_choices)
    assert found["build"] == found["other_build"] == ("1.1", "1.0")
    assert (found["custom_01"], found["custom_02"], found["level"]) == (("ninja",), (), ("l1",))


def test_charts_of_two_sides() -> None:
    """A side that has no figure leaves a gap; a name of a game is cut and made visible."""
    chart = charts.compared_chart("what", ["a", EVIL], {"x": [(0.1, 0.2, 0.3), None], EVIL: [None, (0, 0, 1)]})
    assert [one["value"] for one in chart["series"][0]["data"]] == [[10.0, 10.0, 20.0, 30.0, 30.0], []]
    assert chart["legend"]["show"] is True
    assert "\u202e" not in str(chart)
    assert "x" * 30 not in str(chart)


def test_a_slow_view_is_asked_less_often() -> None:
    """While it rests, tabs get the answer that there is, with its version, so that they ask again later."""
    asked: list[int] = []

    async def ask_slowly() -> Panels:
        asked.append(1)
        now.advance(0.5)
        return Panels()

    async def story() -> None:
        cache, address = PanelCache(now), PageAddress("a")
        assert await cache.answer(address, 1, ask_slowly) == (Panels(), 1)
        assert await cache.answer(address, 2, ask_slowly) == (Panels(), 1)
        now.advance(4.9)
        assert await cache.answer(address, 2, ask_slowly) == (Panels(), 1)
        now.advance(0.2)
        assert await cache.answer(address, 2, ask_slowly) == (Panels(), 2)
        assert len(asked) == 2

    now = ManualClock()
    asyncio.run(story())
