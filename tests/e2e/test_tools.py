"""The commands stats, report, export and import: with a real collector, with its file alone, and in a real browser."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ga_pygame import cli
from ga_pygame.collector.page.charts import bar_chart, interval_chart
from ga_pygame.collector.page.panels import Column, Panel, Sheet
from ga_pygame.tools.report import Chapter, html_of
from tests.collectors import KEY, Collector
from tests.collectors import event as any_event
from tests.warehouse.golden import (
    FILTERS,
    MONDAY,
    Event,
    day_of,
    exported,
    golden_story,
    passes,
    store_events,
    store_story,
)

PLAYERS = ["--who", "player,developer,bot"]
ESCAPE = "\x1b[31mred"


@pytest.fixture(scope="module")
def golden_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "events.sqlite3"
    store_story(path, golden_story())
    return path


@pytest.fixture(scope="module")
def running(golden_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with a copy of the golden events, all projected."""
    folder = tmp_path_factory.mktemp("running")
    shutil.copy(golden_file, folder / "events.sqlite3")
    collector = Collector(folder)
    try:
        number = len(exported(golden_file))
        end = time.monotonic() + 60
        while collector.ask("GET", "/api/warehouse/levels").headers.get("x-ga-projected") != f"{number}/{number}":
            assert time.monotonic() < end
            time.sleep(0.05)
        yield collector
        assert collector.stop() == 0
    finally:
        collector.kill()


def places(golden_file: Path, running: Collector) -> dict[str, list[str]]:
    return {
        "collector": ["--url", running.url],
        "file": ["--db", str(golden_file)],
        "its file": ["--db", str(running.db)],
    }


def run_tool(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command in this process and return what it printed."""
    capsys.readouterr()
    assert cli.main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


# --- stats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["collector", "file", "its file"])
def test_stats_are_the_same_everywhere(
    place: str, golden_file: Path, running: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked of a collector, of its file while it runs, or of a file alone: figures as counted by hand."""
    where = places(golden_file, running)[place]
    events = [one for one in exported(golden_file) if passes(one, FILTERS["build"])]
    text = run_tool(capsys, "stats", *where, "--json", "--build", "1.1", *PLAYERS)
    found = json.loads(text)
    whole = found["overview"][0]
    assert whole["players"] == len({one["user_id"] for one in events})
    firsts = Counter(one["event_id"] for one in events if one["category"] == "progression")
    starts = {level["level"]: level["starts"] for level in found["levels"]}
    assert starts == {name.partition(":")[2]: n for name, n in firsts.items() if name.startswith("Start:")}


def test_stats_fit_a_terminal(running: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """No line is wider than 80 columns, and nothing is cut off."""
    text = run_tool(capsys, "stats", "--url", running.url, *PLAYERS)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    players = len({one["user_id"] for one in running.export()})
    assert next(line for line in text.splitlines() if line.startswith("all ")).split()[1] == str(players)


def test_stats_warn_of_unique_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is near GameAnalytics' limits is printed, what is over them is marked; the rest is only in the JSON."""
    path = tmp_path / "events.sqlite3"
    carts = [
        any_event("business", cart_type=f"cart {number % 8}", custom_01=f"v{number}", build="1") for number in range(51)
    ]
    store_events(path, [(carts[0]["client_ts"] + 1, carts)])
    text = run_tool(capsys, "stats", "--db", str(path))
    found = [line.split() for line in text.partition("Unique values near")[2].splitlines() if "2025-10-09" in line]
    assert found == [
        ["custom_01", "51", "50", "102", "%", "OVER", "2025-10-09"],
        ["cart_type", "8", "10", "80", "%", "2025-10-09"],
    ]
    assert max(map(len, text.splitlines())) <= 80
    rows = json.loads(run_tool(capsys, "stats", "--db", str(path), "--json"))["unique_values"]
    assert {row["field"]: row["different"] for row in rows if row["state"] == ""}["build"] == 1


def test_hostile_names_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A level's name cannot move the cursor, make a link of rich's, or be a formula."""
    path = tmp_path / "events.sqlite3"
    store_events(path, [(MONDAY + 9, [error(ESCAPE), error("=1+1"), error("[link=x]y[/link]\u202e")])])
    for form in ("--csv", "--jsonl"):
        text = run_tool(capsys, "export", "--db", str(path), form)
        assert "\x1b" not in text
        assert "\u202e" not in text
    names = [row["name"] for row in csv.DictReader(io.StringIO(run_tool(capsys, "export", "--db", str(path), "--csv")))]
    assert names == ["\\x1b[31mred", "'=1+1", "[link=x]y[/link]\\u202e"]


def error(message: str) -> Event:
    return any_event("error", message=message, client_ts=MONDAY, session_id=f"{KEY[:8]}-0000-4000-8000-{KEY[:12]}")


def test_without_collector_or_file(tmp_path: Path) -> None:
    """What is missing is said, with what to do."""
    found = subprocess.run(
        [sys.executable, "-m", "ga_pygame", "stats", "--port", "1"],
        capture_output=True,
        text=True,
        check=False,
        env={**__import__("os").environ, "GA_PYGAME_DATA_DIR": str(tmp_path)},
    )
    assert found.returncode == 1
    assert "start `collect` first" in found.stderr
    assert cli.main(["stats", "--url", "http://127.0.0.1:1"]) == 1


# --- export ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", ["none", "range", "player", "several", "nothing"])
@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_events_are_exported_by_filter(
    form: str, filters: str, golden_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The events that pass the filters, in order of arrival, in each form."""
    wanted = FILTERS[filters]
    names = {"since": wanted.since, "until": wanted.until, "build": wanted.build, "platform": wanted.platform}
    given = {**names, "user-id": wanted.user_id, "who": ",".join(wanted.who) or None}
    options = [text for name, value in given.items() if value is not None for text in (f"--{name}", str(value))]
    out = tmp_path / f"events.{form}"
    run_tool(capsys, "export", "--db", str(golden_file), f"--{form}", *options, "-o", str(out))
    expected = [one for one in exported(golden_file) if passes(one, wanted)]
    ids = [one["session_id"] for one in expected]
    if form in ("jsonl", "json"):
        lines = (
            [json.loads(line) for line in out.read_bytes().splitlines()]
            if form == "jsonl"
            else json.loads(out.read_bytes())
        )
        assert lines == [{name: one[name] for name in one if name != "position"} for one in expected]
    elif form == "csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["session_id"] for row in rows] == ids
        assert [row["day"] for row in rows] == [str(day_of(one["client_ts"])) for one in expected]
        assert [row["category"] for row in rows] == [one["category"] for one in expected]
    else:
        with contextlib.closing(duckdb.connect()) as db:
            found = db.execute("SELECT session_id, score FROM read_parquet(?) ORDER BY id", [str(out)]).fetchall()
        assert [row[0] for row in found] == ids
        assert [row[1] for row in found] == [one.get("score") for one in expected]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_a_metric_is_exported(
    form: str, running: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows of a metric, with its own options, as the API has them."""
    out = tmp_path / f"hours.{form}"
    where = ["--url", running.url, "--metric", "overview", "--option", "bucket=hour", "--platform", "linux"]
    run_tool(capsys, "export", f"--{form}", *where, "-o", str(out))
    expected = running.ask("GET", "/api/warehouse/overview?bucket=hour&platform=linux").json()
    if form == "jsonl":
        assert [json.loads(line) for line in out.read_bytes().splitlines()] == expected
    elif form == "json":
        assert json.loads(out.read_bytes()) == expected
    elif form == "csv":
        with out.open(newline="") as file:
            assert [row["time"] for row in csv.DictReader(file)] == [row["time"] for row in expected]
    else:
        with contextlib.closing(duckdb.connect()) as db:
            found = db.execute("SELECT players FROM read_parquet(?)", [str(out)]).fetchall()
        assert [row[0] for row in found] == [row["players"] for row in expected]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--parquet"], "-o FILE"),
        (["--metric", "weather"], "there are: overview"),
        (["--metric", "levels", "--option", "a=b"], "no option"),
        (["--metric", "overview", "--option", "bucket=year"], "bucket"),
        (["--csv", "--since", "yesterday"], "since must be a day"),
        (["--rejected", "--csv"], "--rejected"),
        (["-o", "/nowhere/x"], "choose another file"),
    ],
)
def test_wrong_options_of_export(
    arguments: list[str], said: str, golden_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what is right."""
    assert cli.main(["export", "--db", str(golden_file), *arguments]) == 1
    assert said in capsys.readouterr().err


# --- import ---------------------------------------------------------------------------------------------


def lines_of(events: list[Any]) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in events)


GOOD = [any_event(user_id="p1", event_id=f"kill:{number}") for number in range(3)]
FILE = lines_of(
    [
        GOOD[0],
        b"",
        b"{not json",
        b'{"a":1},{"b":2}',
        GOOD[1],
        any_event(v=1),
        GOOD[1],
        b"[" * 100_000,
        b'"' + b"x" * 300_000 + b'"',
        {"category": "design", "x": "\x1b]0;title\x07"},
    ]
)
"""Good events, a copy of one, and lines that break a rule or are no event at all."""


@pytest.mark.parametrize("place", ["collector", "file", "new file"])
def test_import(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good lines are stored once, whatever stands beside them; the others are counted with reason and line."""
    source = tmp_path / "from_a_player.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + FILE)
    folder = tmp_path / "collector"
    folder.mkdir()
    collector = Collector(folder) if place != "new file" else None
    try:
        if collector is not None:
            assert collector.send(GOOD[2]).status == 200
            if place == "file":
                assert collector.stop() == 0
        where = (
            ["--url", collector.url] if collector and place == "collector" else ["--db", str(folder / "events.sqlite3")]
        )
        assert cli.main(["import", *where, str(source)]) == 1
        said = capsys.readouterr().out
        assert "2 new, 1 there already, 6 rejected" in said
        assert "no JSON object (first in line 3)" in said
        assert "longer than an event may be (262,144 bytes) (first in line 9)" in said
        assert "\x1b" not in said
        assert cli.main(["import", *where, str(source)]) == 1
        assert "0 new, 3 there already" in capsys.readouterr().out
        stored = exported(folder / "events.sqlite3")
        expected = [GOOD[2], *GOOD[:2]] if collector is not None else GOOD[:2]
        assert [one["event_id"] for one in stored] == [one["event_id"] for one in expected]
    finally:
        if collector is not None:
            collector.kill()


def test_an_export_is_imported_whole(golden_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What one collector exports, another imports: the same events, the same figures."""
    lines = tmp_path / "all.jsonl"
    run_tool(capsys, "export", "--db", str(golden_file), "-o", str(lines))
    other = str(tmp_path / "other.sqlite3")
    assert "rejected" in run_tool(capsys, "import", "--db", other, "--game", KEY, str(lines))
    figures = [run_tool(capsys, "stats", "--json", "--db", path, *PLAYERS) for path in (str(golden_file), other)]
    assert figures[0] == figures[1]


def test_a_file_in_use_is_not_written(running: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a running collector its address is needed."""
    source = tmp_path / "x.jsonl"
    source.write_bytes(lines_of(GOOD))
    assert cli.main(["import", "--db", str(running.db), str(source)]) == 1
    assert "--url" in capsys.readouterr().err


def test_the_token_is_needed_beyond_loopback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the address that the collector printed, commands can read and write; without its token they cannot."""
    collector = Collector(tmp_path, "--host", "0.0.0.0")
    try:
        greeting = collector.read_greeting()
        printed = next(word for word in greeting.split() if "?token=" in word).replace("/api/summary", "/")
        source = tmp_path / "x.jsonl"
        source.write_bytes(lines_of(GOOD))
        for command in (["stats"], ["import", str(source)], ["forget", "--user", "p1"]):
            assert cli.main([command[0], "--url", printed.partition("?")[0], *command[1:]]) == 1
            assert "token" in capsys.readouterr().err
            assert cli.main([command[0], "--url", printed, *command[1:]]) == 0
        assert collector.ask("POST", "/api/forget", b'{"user_id": "x"}').status == 401
        foreign = {"Origin": "http://evil.example", "Authorization": f"Bearer {printed.partition('=')[2]}"}
        assert collector.ask("POST", "/api/forget", b'{"user_id": "x"}', foreign).status == 403
        assert collector.stop() == 0
    finally:
        collector.kill()


# --- retention ------------------------------------------------------------------------------------------


def test_collect_with_retention(tmp_path: Path) -> None:
    """Old events go soon after the start; what comes in stays, and the warehouse agrees with the log."""
    now = time.time()
    old = any_event(user_id="p1", client_ts=int(now) - 40 * 86400)
    store_events(tmp_path / "events.sqlite3", [(now - 40 * 86400, [old])])
    collector = Collector(tmp_path, "--retention", "30")
    try:
        assert collector.send(any_event(user_id="p1", client_ts=int(now))).status == 200
        end = time.monotonic() + 60
        while True:
            rows = collector.ask("GET", "/api/warehouse/overview?who=player")
            whole = rows.json()[0] if rows.status == 200 else {}
            if len(collector.export()) == 1 and whole.get("returning_players") == 1:
                break
            assert time.monotonic() < end
            time.sleep(0.05)
        assert collector.stop() == 0
    finally:
        collector.kill()


# --- report ---------------------------------------------------------------------------------------------


def test_the_report_has_the_figures(
    running: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Any
) -> None:
    """One file, which a browser shows without asking anybody for more; its JSON twin has the API's rows."""
    out = tmp_path / "report.html"
    run_tool(capsys, "report", "--url", running.url, "-o", str(out), "--platform", "linux")
    text = run_tool(capsys, "report", "--url", running.url, "--json", "--platform", "linux")
    twin = json.loads(text)["metrics"]
    for name in ("overview", "levels"):
        assert twin[name]["rows"] == running.ask("GET", f"/api/warehouse/{name}?platform=linux").json()
    open_report(browser, out)
    shown = browser.execute_script("return document.querySelector('main').textContent")
    assert "platform: linux" in shown
    for level in twin["levels"]["rows"]:
        assert level["level"] in shown


HOSTILE = "</script><script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">"


def test_the_report_is_safe_and_fits(tmp_path: Path, browser: Any) -> None:
    """Charts are drawn offline and printed, on a telephone nothing is wider than the screen, names are text."""
    names = [HOSTILE, "forest:2", "forest:3"]
    sheet = Sheet(
        (Column("level"), Column("rate", "share"), Column("at", "moment")), [(name, 0.5, MONDAY) for name in names]
    )
    bars = bar_chart("Players", names, {"players": [3, 2, 1], HOSTILE: [1, 1, 1]})
    boxes = interval_chart("Completion", names, [(0.1, 0.5, 0.9)] * 3, grey=[False, True, True])
    panels = tuple(Panel(f"p{n}", HOSTILE, HOSTILE, sheet, chart) for n, chart in enumerate((bars, boxes, None)))
    out = tmp_path / "report.html"
    out.write_bytes(html_of([Chapter("Levels", HOSTILE, panels)], {"build": HOSTILE}))
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    open_report(browser, out)
    assert browser.title == "Report of a game"
    assert browser.execute_script("return document.querySelectorAll('.chart svg').length") == 2
    assert browser.execute_script("return document.querySelectorAll('main img, main script').length") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.execute_script("return document.querySelector('table').textContent").count("50 %") == 3
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(printed) > 10_000


def open_report(browser: Any, path: Path) -> None:
    """Open a report and check that the browser complains about nothing and asks nobody."""
    browser.get_log("performance")
    browser.get(path.as_uri())
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    by_report = [one["request"]["url"] for one in asked if one["documentURL"] == path.as_uri()]
    assert [url for url in by_report if not url.startswith(("file:", "data:"))] == []
    assert path.as_uri() in by_report
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
