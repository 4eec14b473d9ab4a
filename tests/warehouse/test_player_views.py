"""The views Errors, Health and Players without a browser: what they ask of a real warehouse, and what they show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import msgspec
import pytest

from ga_pygame.collector.emulators.switchboard import EmulatorFile
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.page import rows
from ga_pygame.collector.page.address import PageAddress, parse_address
from ga_pygame.collector.page.panel_view import AskPanels
from ga_pygame.collector.page.panels import Column, Panel, Sheet, lines_shown, rows_of_sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.page.views import errors, health, overview, players
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.stores.local import LocalStore
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.running import Warehouse
from tests.conftest import eventually
from tests.warehouse.golden import HOUR, MONDAY, Story, store_story

TRACE = 'Traceback (most recent call last):\n  File "~/game/play.py", line 7, in play\n    go(1)\nKeyError: 1\u202e'
EVIL = "=<b>\u202e&user_id=x"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshots]:
    """What a page shows of a story: ann crashed after a purchase, bob met a warning, the last one has an odd name."""
    path = tmp_path_factory.mktemp("views") / "events.sqlite3"
    story = Story()
    annotations = {"device": "Deck", "ab_id": "jump", "ab_variant_id": "low", "country_code": "DE"}
    ann = story.session("ann", MONDAY, build="1.0", **annotations)
    ann.level(1, "Start", "forest:1")
    ann.add(30, "health", fps=50, frame_ms_p99=60, mem_mb=100).business(31, "pack:gold", 499)
    ann.level(32, "Complete", "forest:1", custom_fields={"hitches": 3})
    told_before = {"ga_crash": "main", "ga_before_1": "9 s user | 8 s design a", "ga_before_2": "1 s design b"}
    ann.add(33, "error", severity="critical", message=TRACE, custom_fields=told_before).end(34)
    bob = story.session("bob", MONDAY + HOUR, build="1.1", device="unknown")
    bob.error(1, "warning", "save failed").add(2, "health", fps=100, frame_ms_p99=20, mem_mb=200)
    for number in range(150):
        bob.design(number + 3, f"kill:{number}")
    stack = TRACE.replace("KeyError: 1\u202e", "Hang: x")
    bob.add(153, "error", severity="error", message=stack, custom_fields={"ga_crash": "hang"}).end(154)
    story.session(EVIL, MONDAY + 2 * HOUR, build="1.1").end(60)
    store_story(path, story)
    told: list[str] = []
    with contextlib.closing(Store(path)) as store:
        warehouse = Warehouse(store, Database(None), lambda _, message: told.append(message))
        with contextlib.closing(warehouse):
            assert eventually(lambda: warehouse.progress.done == len(story.events), 20)
            page = Snapshots(LocalStore(store, warehouse), EmulatorFile(path, Rules()), Troubles())
            yield page
            page.close()
    assert told == []


def asked(ask: AskPanels, data: Snapshots, query: str) -> dict[str, Panel]:
    """Return the panels that a view shows for an address, by name."""
    found = asyncio.run(ask(data, parse_address(query)))
    return {panel.name: panel for panel in found.panels}


def query_of(link: str) -> PageAddress:
    return parse_address(link.removeprefix("/"))


def test_errors(data: Snapshots) -> None:
    """Kinds with their figures; sessions without a crash, the newest build first, in grey as players are few."""
    panels = asked(errors.ask_errors, data, "view=errors")
    assert list(panels) == ["kinds", "builds"]
    rows = {row[0]: (row[1], *row[3:9]) for row in panels["kinds"].sheet.rows}
    assert [row[2] for row in panels["kinds"].sheet.rows if row[2]] == ["hang", "ended the game"]
    assert rows == {
        "KeyError: 1\u202e": ("critical", 1, 1, 1, "1.0", "1.0", "2026-03-02 00:00:33"),
        "Hang: x": ("error", 1, 1, 1, "1.1", "1.1", "2026-03-02 01:02:33"),
        "save failed": ("warning", 1, 1, 1, "1.1", "1.1", "2026-03-02 01:00:01"),
    }
    new, old = panels["builds"].sheet.rows
    assert [*new[:7], *new[9:]] == ["1.1", 2, 1, 1, 0, 0, 1.0, 2, 1.0, "few players"]
    assert [*old[:7], *old[9:]] == ["1.0", 1, 0, 0, 1, 0, 0.0, 1, 0.0, "few players"]
    assert panels["builds"].chart is not None
    assert {one["itemStyle"]["borderColor"] for one in panels["builds"].chart["series"][0]["data"]} == {"var(--soft)"}


def test_an_error_is_opened_by_its_link(data: Snapshots) -> None:
    """Its link holds the filters; opened, it has the whole text and the steps before it, and leads to its player."""
    kinds = asked(errors.ask_errors, data, "view=errors&build=1.0")["kinds"]
    (link,) = kinds.links
    assert query_of(link).filters == {"build": "1.0", "error": kinds.sheet.rows[0][-1]}
    panels = asked(errors.ask_errors, data, link)
    assert list(panels) == ["trail", "kinds", "builds"]
    opened = panels["trail"]
    assert (opened.title, opened.is_opened) == ("KeyError: 1\\u202e", True)
    assert opened.text == f"{TRACE}\n\nEvents before it, as it tells them:\n9 s user\n8 s design a\n1 s design b"
    assert [row[1:] for row in opened.sheet.rows] == [
        ("session starts", "", None, ""),
        ("level started", "forest:1", None, ""),
        ("health", "", 50, "fps"),
        ("bought", "pack:gold", 4.99, "USD"),
        ("level completed", "forest:1", None, ""),
        ("crashed", "KeyError: 1\u202e", None, ""),
    ]
    steps = dict(opened.steps)
    assert query_of(steps["Close"]).filters == {"build": "1.0"}
    assert query_of(steps["The player's timeline"]) == parse_address("view=players&build=1.0&user_id=ann")
    gone = asked(errors.ask_errors, data, link.replace("build=1.0", "build=1.1"))["trail"]
    assert (gone.sheet.rows, gone.text) == ([], "")
    assert "not in this range" in gone.counted


def test_health_panels(data: Snapshots) -> None:
    """By build, device and level; a part without a name has words instead."""
    panels = asked(health.ask_health, data, "view=health")
    hitches, hangs = panels.pop("hitches"), panels.pop("hangs")
    assert {name: [tuple(row[:4]) for row in panel.sheet.rows] for name, panel in panels.items()} == {
        "build": [("1.0", 1, 1, 50), ("1.1", 1, 1, 100)],
        "device": [("Deck", 1, 1, 50), ("linux 6.8.0", 1, 1, 100)],
        "level": [("between levels", 1, 1, 100), ("forest:1", 1, 1, 50)],
    }
    assert [row[5] for row in panels["build"].sheet.rows] == [20, 10]
    assert panels["level"].chart is not None
    assert panels["level"].chart["series"][0]["data"] == [0, 100]
    assert [tuple(row[:6]) for row in hitches.sheet.rows] == [("forest:1", 1, 1.0, 3, 3.0, 3)]
    assert [tuple(row[:4]) for row in hangs.sheet.rows] == [("play in play.py, line 7", 1, 1, "1.1")]
    assert hangs.text.endswith("Hang: x")
    opened = asked(errors.ask_errors, data, hangs.links[0])["trail"]
    assert opened.text == hangs.text
    empty = asked(health.ask_health, data, "view=health&build=9")
    assert not empty.pop("hitches").sheet.rows
    assert not empty.pop("hangs").sheet.rows
    assert all("wants_health = True" in panel.empty and not panel.sheet.rows for panel in empty.values())


def test_players_are_found_and_opened(data: Snapshots) -> None:
    """The search, the figures, and a link that names the player whatever the id is."""
    panel = asked(players.ask_players, data, "view=players&search=N")["players"]
    assert [tuple(row) for row in panel.sheet.rows] == [
        ("ann", "2026-03-02 00:00:00", "2026-03-02 00:00:34", 1, 0.6, 0, 1, 1, "4.99 USD", 1, "jump", "low")
    ]
    whole = asked(players.ask_players, data, "view=players")["players"]
    assert [row[0] for row in whole.sheet.rows] == [EVIL, "bob", "ann"]
    assert query_of(whole.links[0]).filters == {"user_id": EVIL}
    opened = asked(players.ask_players, data, whole.links[0])
    assert list(opened) == ["timeline", "players"]
    assert [row[2] for row in opened["timeline"].sheet.rows] == ["session ends", "session starts"]
    assert opened["timeline"].title == "Timeline of =<b>\\u202e&user_id=x"


def test_players_by_country(data: Snapshots) -> None:
    """A country filters by its link; players without one are named in the sentence."""
    panel = asked(overview.ask_overview, data, "view=overview&build=1.0")["countries"]
    assert [tuple(row) for row in panel.sheet.rows] == [("DE", 1, 1)]
    assert query_of(panel.links[0]).filters == {"build": "1.0", "country_code": "DE"}
    others = asked(overview.ask_overview, data, "view=overview&build=1.1")["countries"]
    assert not others.sheet.rows
    assert "2 players have events without a country" in others.counted
    assert "--geoip" in others.empty


def test_a_timeline_has_pages(data: Snapshots) -> None:
    """Older events are asked for by a link; the last page has none, and its link leads back to the newest."""
    first = asked(players.ask_players, data, "view=players&user_id=bob")["timeline"]
    assert len(first.sheet.rows) == 100
    assert list(dict(first.steps)) == ["All players", "Older events"]
    second = asked(players.ask_players, data, dict(first.steps)["Older events"])["timeline"]
    assert list(dict(second.steps)) == ["All players", "Newest events"]
    rows = [*first.sheet.rows, *second.sheet.rows]
    assert [row[2] for row in rows] == ["session ends", "error", *["design"] * 150, "health", "error", "session starts"]
    assert query_of(dict(second.steps)["Newest events"]).filters == {"user_id": "bob"}
    assert query_of(dict(second.steps)["All players"]).filters == {}
    with_another = parse_address(dict(first.steps)["Older events"].removeprefix("/")).with_filter("user_id", "ann")
    assert with_another.filters == {"user_id": "ann"}, "a page of one player is no page of another"


def test_ids_in_an_address() -> None:
    """What is no id opens the newest page."""
    assert players.event_id_of("12") == 12
    assert [players.event_id_of(text) for text in ("", "x", "-1", "²", "9" * 19)] == [0] * 5


def test_links_in_the_rows_of_a_table() -> None:
    """A cell that opens something has its words and its link; the CSV has the words."""
    sheet = Sheet((Column("n", "number"), Column("who", "link")), [(1, EVIL), (2, "b")])
    assert [row["cells"] for row in rows_of_sheet(sheet, ["/?a", "/?b"])] == [
        ["1", ["=<b>\\u202e&user_id=x", "/?a"]],
        ["2", ["b", "/?b"]],
    ]
    assert sheet.csv().splitlines()[1] == f"1,'{EVIL}"


def test_a_text_of_several_lines() -> None:
    """It keeps its lines; all else that is invisible is written out."""
    assert lines_shown("a\r\n\tb\x1b[31m\n\u202ec") == "a\n    b\\x1b[31m\n\\u202ec"


def test_a_rejected_event_is_shown_with_what_was_meant(data: Snapshots) -> None:
    """Of the ids that came; none if its own id is one of them, or none is near."""

    def notes(event_id: object) -> list[list[str]]:
        event = {"category": "design", "event_id": event_id, "value": "x"}
        wrong = [{"error_type": "wrong_type", "path": "/value", "reason": "must be a number"}]
        one = Arrival(1, 1.0, "a" * 32, "design", msgspec.json.encode(event), wrong)
        found: list[list[str]] = rows.row_of_event(one, data._accepted.meant)["notes"]
        return found

    assert notes("kil:149")[1:] == [["event_id", "did you mean kill:149?"]]
    assert not notes("kill:7")[1:]
    assert not notes("abc")[1:]
    assert not notes(5)[1:]
