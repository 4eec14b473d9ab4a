"""The parts of the page that know no browser: addresses, CSV, panels, charts, feeds, the form of the configs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from ga_pygame.collector.csv_text import csv_text
from ga_pygame.collector.gameanalytics import configs, configs_editing
from ga_pygame.collector.page import charts, config_form, panels
from ga_pygame.collector.page.address import FILTERS, METRIC_FILTERS, PageAddress, metric_filters, parse_address
from ga_pygame.collector.page.feed import Feed, FeedKey, feed_key
from ga_pygame.collector.page.panel_cache import PanelCache
from ga_pygame.collector.page.refusals import with_refusals
from ga_pygame.collector.page.view import csv_link, sheet_of_cells
from ga_pygame.collector.storage import queries, store
from ga_pygame.collector.tracebacks import place
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.testing import ManualClock
from tests.test_collector_store import KEY, design, put, submission

# --- addresses -------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(sorted(FILTERS)), st.text(max_size=300)), st.text(max_size=20))
def test_a_link_holds_view_and_filters(filters: dict[str, str], view: str) -> None:
    """Whatever a person types, the address that it becomes is read back as the same."""
    address = PageAddress(view)
    for name, value in filters.items():
        address = address.with_filter(name, value)
    assert parse_address(address.query()) == address
    assert parse_address("?" + address.query()) == address
    assert all(value and len(value) <= 200 for value in address.filters.values())


@given(st.text())
def test_any_query_is_an_address(query: str) -> None:
    """A link that somebody made by hand opens the page: what is unknown in it is left out."""
    assert set(parse_address(query).filters) <= set(FILTERS)


def test_filters_that_exclude_each_other() -> None:
    """Days chosen from the list end the days that were typed, and the other way round; an unknown choice is none."""
    typed = PageAddress("live").with_filter("since", "2026-11-01").with_filter("until", "2026-11-03")
    assert dict(typed.with_filter("days", "7").filters) == {"days": "7"}
    assert dict(typed.with_filter("days", "7").with_filter("since", "2026-11-02").filters) == {"since": "2026-11-02"}
    assert dict(typed.with_filter("days", "8").filters) == {}
    assert dict(typed.with_filter("until", "").filters) == {"since": "2026-11-01"}


def test_the_filters_of_metrics() -> None:
    """The last days become a first day, today included; what metrics do not know is left out."""
    address = parse_address("view=x&days=7&build=1.0&text=a&who=developer%2Cbot")
    assert metric_filters(address, date(2026, 3, 2)) == {
        "since": "2026-02-24",
        "build": "1.0",
        "who": "developer,bot",
    }
    assert set(METRIC_FILTERS) <= set(FILTERS)


def test_links_to_csv() -> None:
    """They carry the filters, encoded."""
    assert csv_link("live", "events", parse_address("view=live&text=a%26b")) == "/csv/live/events?text=a%26b"
    assert csv_link("live", "events", PageAddress("live")) == "/csv/live/events"


@pytest.mark.parametrize(("error", "status"), [(BadFilter("since is no day"), 400), (NotReady("made anew"), 503)])
def test_a_table_that_cannot_be_read_now(error: Exception, status: int) -> None:
    """Whoever asks for it is told why, and whether to ask again; it is no defect of the collector."""

    async def answer(request: Request) -> Response:
        raise error

    refused = asyncio.run(with_refusals(answer)(Request({"type": "http"})))
    assert (refused.status_code, json.loads(bytes(refused.body))) == (status, {"error": str(error)})
    assert ("retry-after" in refused.headers) == (status == 503)


# --- CSV and panels --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(), st.none() | st.integers() | st.floats(allow_nan=False)), max_size=5))
def test_no_cell_of_a_csv_is_a_formula(rows: list[tuple[Any, ...]]) -> None:
    """No text begins a formula; without the apostrophe each text is the same, and numbers stay numbers."""
    text = csv_text(["=name", "value"], rows)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["'=name", "value"]
    for (name, value), (shown, number) in zip(rows, read[1:], strict=True):
        assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))  # noqa: RUF001
        assert shown in (name, f"'{name}")
        assert number == ("" if value is None else str(value))


def test_cells_as_a_table_shows_them() -> None:
    """Numbers with separators, shares in percent, names cut and made visible; the CSV has the values."""
    columns = (panels.Column("who"), panels.Column("n", "number"), panels.Column("part", "share"))
    sheet = panels.Sheet(columns, [("a\u202eb" + "x" * 200, 1234567, 0.256), ("", 2.5, None), ("-1", None, 1.0)])
    cells = [row["cells"] for row in panels.rows_of_sheet(sheet)]
    assert cells[0][0].startswith("a\\u202eb")
    assert len(cells[0][0]) == 120
    assert [cell[1:] for cell in cells] == [["1,234,567", 26], ["2.50", None], ["", 100]]
    assert sheet.csv().splitlines()[2:] == [",2.5,", "'-1,,1.0"]


class Sample(NamedTuple):
    """A row as a metric has it."""

    first_day: date
    level: str
    players: int
    completion_rate: float | None
    median_seconds: float | None
    is_few: bool


def test_a_sheet_from_the_rows_of_a_metric() -> None:
    """Names become columns, types decide how they are shown."""
    sheet = panels.sheet_of_tuples(Sample, [Sample(date(2026, 11, 1), "1", 3, 0.5, None, True)])
    assert [(one.label, one.kind) for one in sheet.columns] == [
        ("first day", "text"),
        ("level", "text"),
        ("players", "number"),
        ("completion rate", "share"),
        ("median seconds", "number"),
        ("is few", "text"),
    ]
    assert sheet.rows == [["2026-11-01", "1", 3, 0.5, None, True]]
    assert panels.cell_shown("text", True) == "yes"
    assert panels.cell_shown("text", False) == ""


def test_a_sheet_from_the_cells_of_the_page() -> None:
    """Time, game and share become plain values."""
    columns = [{"label": kind, "kind": kind} for kind in ("when", "game", "share", "text")]
    rows = [
        {"cells": [[None, 5.0, ""], ["0123…", "0123456"], 50, "a"]},
        {"cells": [[4.0, 5.0, ""], ["", ""], None, ""]},
    ]
    assert sheet_of_cells(columns, rows).rows == [[5.0, "0123456", 0.5, "a"], [4.0, "", None, ""]]


# --- charts ----------------------------------------------------------------------------------------------------

EVIL = "<img src=x>{a|b}\u202e" + "x" * 100
CHARTS = {
    "line": lambda: charts.line_chart("what", ["d1", EVIL], {EVIL: [1, None], "b": [2, 3]}),
    "bar": lambda: charts.bar_chart("what", ["d1", EVIL], {"a": [1, 2], EVIL: [2, 3]}, stacked=True),
    "lying": lambda: charts.bar_chart("what", ["d1", EVIL], {"a": [1, 2]}, lying=True),
    "interval": lambda: charts.interval_chart("what", ["1", EVIL], [(0.1, 0.2, 0.3), (0, 0, 1)], grey=[False, True]),
    "funnel": lambda: charts.funnel_chart("what", [("a", 10), (EVIL, 5)]),
    "heat": lambda: charts.heat_chart("what", ["D1", "D2"], [("a", [0.5, None]), (EVIL, [0.1, 0.2])]),
}


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@pytest.mark.parametrize("name", CHARTS)
def test_charts_are_plain_options(name: str) -> None:
    """Each has its description for screen readers; a name of a game is never a key, which could be run as a script."""
    options = CHARTS[name]()
    assert options["aria"] == {"enabled": True, "label": {"description": "what"}}
    text = json.dumps(options, ensure_ascii=False)
    assert "\u202e" not in text
    assert "x" * 30 not in text
    assert all(key.isidentifier() for key in keys_of(options))


def test_charts_show_the_figures() -> None:
    """Shares become percent; bars lie with the first on top; what is missing stays missing."""
    heat = CHARTS["heat"]()["series"][0]["data"]
    assert heat == [[0, 0, 50.0], [0, 1, 10.0], [1, 1, 20.0]]
    interval = CHARTS["interval"]()["series"][0]["data"]
    assert [one["value"] for one in interval] == [[10.0, 10.0, 20.0, 30.0, 30.0], [0, 0, 0, 100, 100]]
    assert interval[0]["itemStyle"]["borderColor"] != interval[1]["itemStyle"]["borderColor"]
    funnel = CHARTS["funnel"]()
    assert funnel["series"][0]["data"] == [10, 5]
    assert funnel["yAxis"]["inverse"] is True
    assert CHARTS["line"]()["series"][0]["data"] == [1, None]
    many = charts.bar_chart("what", [str(one) for one in range(500)], {"a": list(range(500))})
    assert len(many["series"][0]["data"]) == len(many["xAxis"]["data"]) == charts.MAX_BARS_SHOWN


# --- answers kept for several tabs -----------------------------------------------------------------------------


def test_tabs_share_an_answer() -> None:
    """Tabs with the same address ask once a version of the file; an error is not kept; the number is bounded."""
    asked: list[int] = []

    async def ask() -> panels.Panels:
        asked.append(1)
        await asyncio.sleep(0)
        if len(asked) == 3:
            raise ValueError
        return panels.Panels()

    async def story() -> None:
        cache, address = PanelCache(ManualClock()), parse_address("view=a&build=1")
        await asyncio.gather(*(cache.answer(address, 1, ask) for _ in range(20)))
        assert len(asked) == 1
        await cache.answer(address, 2, ask)
        assert len(asked) == 2
        with pytest.raises(ValueError, match=r"^$"):
            await cache.answer(address, 3, ask)
        await cache.answer(address, 3, ask)
        assert len(asked) == 4
        for number in range(100):
            await cache.answer(PageAddress(str(number)), 3, ask)
        await cache.answer(address, 3, ask)
        assert len(asked) == 105

    asyncio.run(story())


# --- the feed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("build=2.0", [3, 2]),
        ("build=2.0&user_id=ann", [3]),
        ("category=user", [4]),
        ("text=%C3%84RGER", [3]),
        ("session_id=s2", [2]),
        (f"game={KEY[:8]}", [3, 2, 1]),
        ("build=2.0&text=nothing", []),
    ],
)
def test_a_feed_of_some_events(tmp_path: Path, query: str, found: list[int]) -> None:
    """By fields, text in any case and escape, session and game; what comes later is found, too."""
    opened = store.Store(tmp_path / "events.sqlite3")
    put(
        opened,
        submission(
            design("1", build="1.0"),
            design("2", build="2.0", session_id="s2"),
            design("3", build="2.0", user_id="ann", event_id="\u00e4rger"),
        ),
        submission(design("4", category="user"), key="0" * 32),
    )
    reader = queries.Queries(opened.path)
    feed = Feed(feed_key(parse_address(query)))
    feed.add(feed.look(reader))
    assert [row["id"] for row in feed.since(0)] == found
    put(opened, submission(design("5", build="2.0", user_id="ann", session_id="s2", event_id="\u00c4rger")))
    feed.add(feed.look(reader))
    late = 5 in [row["id"] for row in feed.since(0)]
    assert late == (query not in ("category=user", "build=2.0&text=nothing"))
    reader.close()
    opened.close()


def test_a_feed_does_not_search_what_it_need_not() -> None:
    """A category alone is answered by the file."""
    assert not feed_key(parse_address("category=user&days=7")).searches
    assert feed_key(parse_address("category=user&text=A")) == FeedKey("user", (), "", "a")


FRAMES = (
    'Traceback (most recent call last):\n  File "/home/a/game.py", line 3, in f\n  File "b\\c.py", line 12\nKeyError'
)


@pytest.mark.parametrize(
    ("message", "where"),
    [
        (FRAMES, "c.py, line 12"),
        ("KeyError: 1", ""),
        ('  | File "x.py", line 1, in b\n  | ValueError', "x.py, line 1"),
    ],
)
def test_the_line_of_the_game(message: str, where: str) -> None:
    """The last frame, without its folders."""
    assert place(message) == where


# --- configs ---------------------------------------------------------------------------------------------------

SETTINGS = configs.Settings(
    configs=[configs.RemoteConfig("gravity", "80", 1_760_000_040), configs.RemoteConfig("speed", 12.5, None, None, 3)],
    experiment=configs.Experiment(
        "jump", {"high": [configs.RemoteConfig("gravity", "40")], "low": []}, 0.25, {"a=b": "low"}
    ),
)


def test_a_form_gives_back_the_settings() -> None:
    """What is not touched stays as it was: times, kinds of values, versions, players by name."""
    assert config_form.settings_of(config_form.draft_of(SETTINGS)) == SETTINGS
    assert config_form.settings_of(config_form.draft_of(configs.Settings(enabled=False))) == configs.Settings(
        enabled=False
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"key": "x" * 17}, "1 to 16 characters"),
        ({"key": "speed"}, "there twice"),
        ({"value": "{", "kind": "JSON"}, "is no JSON"),
        ({"value": "x" * 2001}, "at most 2000"),
        ({"start": "tomorrow"}, "2026-11-28T14:00"),
        ({"end": "2020-01-01T00:00"}, "end before it starts"),
    ],
)
def test_a_broken_config_is_named(change: dict[str, str], problem: str) -> None:
    """The rules of the settings file, and those of a form: each problem is named."""
    draft = config_form.draft_of(SETTINGS)
    for name, value in change.items():
        setattr(draft.configs[0], name, value)
    with pytest.raises(config_form.FormError) as raised:
        config_form.settings_of(draft)
    assert any(problem in one for one in raised.value.args)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"share": "101"}, "from 0 to 100"),
        ({"share": "many"}, "from 0 to 100"),
        ({"users": "somebody"}, "user id = variant"),
        ({"users": "a = third"}, "one of the variants"),
        ({"experiment": ""}, "without an experiment"),
        ({"variants": []}, "no variant"),
    ],
)
def test_a_broken_experiment_is_named(change: dict[str, Any], problem: str) -> None:
    """Share, players and variants."""
    draft = config_form.draft_of(SETTINGS)
    for name, value in change.items():
        setattr(draft, name, value)
    with pytest.raises(config_form.FormError) as raised:
        config_form.settings_of(draft)
    assert any(problem in one for one in raised.value.args)


JSON_FILE = '{"*": {"configs": [{"key": "gravity", "value": "80"}]}}'
TOML_FILE = (
    '# ours\n["*"]\nconfigs = [{ key = "gravity", value = "80" }]\n\n# theirs\n["' + "a" * 32 + '"]\nenabled = false\n'
)


@pytest.mark.parametrize("text", [JSON_FILE, TOML_FILE], ids=["json", "toml"])
def test_settings_are_written_with_their_history(tmp_path: Path, text: str) -> None:
    """The file has the new settings, its history both versions; a change by hand in between is a version, too."""
    path = tmp_path / ("configs.json" if text is JSON_FILE else "configs.toml")
    path.write_text(text)
    told: list[str] = []
    file = configs.SettingsFile(path, told.append)
    games, stamp = file.read()
    first = dict(games)
    second = {**games, "*": SETTINGS}
    configs_editing.save_settings(path, second, stamp, 1000.0)
    assert file.of("b" * 32) == SETTINGS
    assert (text is JSON_FILE) or "# theirs" in path.read_text()
    _, stamp = file.read()
    configs_editing.save_settings(path, first, stamp, 2000.0)
    assert file.read()[0] == first
    versions = configs_editing.read_history(path)
    assert [(one.by, one.games == first) for one in versions] == [("page", True), ("page", False), ("file", True)]
    changed = {"*": configs.Settings(enabled=False)}
    path.write_text('["*"]\nenabled = false\n' if text is TOML_FILE else '{"*": {"enabled": false}}')
    _, stamp = file.read()
    configs_editing.save_settings(path, second, stamp, 3000.0)
    versions = configs_editing.read_history(path)
    assert [one.by for one in versions] == ["page", "file", "page", "page", "file"]
    assert versions[1].games == changed
    assert told == []
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, f"{path.name}.history"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Two people who edit at once: the second one is told, and nothing is lost. Nor is a broken rule written."""
    path = tmp_path / "configs.json"
    path.write_text(JSON_FILE)
    games, stamp = configs.SettingsFile(path, print).read()
    path.write_text(JSON_FILE.replace("80", "123"))
    with pytest.raises(configs.ConfigsError, match="changed meanwhile"):
        configs_editing.save_settings(path, games, stamp, 0.0)
    assert "123" in path.read_text()
    bad = {"*": configs.Settings(configs=[configs.RemoteConfig("x" * 17, "1")])}
    with pytest.raises(configs.ConfigsError, match="1 to 16"):
        configs_editing.save_settings(path, bad, configs.file_stamp(path), 0.0)
    assert configs_editing.read_history(path) == []


def test_toml_cannot_say_null(tmp_path: Path) -> None:
    """It is said, and the file stays as it was."""
    path = tmp_path / "configs.toml"
    path.write_text(TOML_FILE)
    games, stamp = configs.SettingsFile(path, print).read()
    nothing = {**games, "*": configs.Settings(configs=[configs.RemoteConfig("x", None)])}
    with pytest.raises(configs.ConfigsError, match="knows no null"):
        configs_editing.save_settings(path, nothing, stamp, 0.0)
    assert path.read_text() == TOML_FILE


def test_the_history_is_bounded_and_survives_damage(tmp_path: Path) -> None:
    """The oldest versions go; a damaged line costs only itself."""
    path = tmp_path / "configs.json"
    path.write_text(JSON_FILE)
    file = configs.SettingsFile(path, print)
    for number in range(120):
        _, stamp = file.read()
        changed = {"*": configs.Settings(configs=[configs.RemoteConfig("n", str(10**number))])}
        configs_editing.save_settings(path, changed, stamp, float(number))
    versions = configs_editing.read_history(path)
    assert [one.at for one in versions] == [float(number) for number in range(119, 19, -1)]
    history = configs_editing.history_path(path)
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join([*lines[:50], b"{damaged\n", *lines[50:]]))
    assert len(configs_editing.read_history(path)) in (99, 100)


def test_changes_are_told() -> None:
    """What differs between two versions: values, times, share, variants, players, games."""
    after = configs.Settings(
        False,
        [configs.RemoteConfig("gravity", "40", 1_760_000_040)],
        configs.Experiment("jump", {"high": []}, 0.5, {}),
    )
    assert configs_editing.changes_between({"*": SETTINGS}, {"*": after}) == [
        "*: enabled: yes → no",
        '*: gravity: "80" → "40"',
        "*: share: 25% → 50%",
        "*: variant high: 1 config → 0 configs",
        "*: speed: 12.5 (removed)",
        '*: variant high: gravity: "40" (removed)',
        "*: variant low: 0 configs (removed)",
        "*: player a=b: variant low (removed)",
    ]
