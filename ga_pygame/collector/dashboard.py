"""The page: counters, events as they arrive, sessions, levels.

A browser gets only rows that it has not seen, a few times a second and at most `ROWS_PER_PUSH` of them, and
keeps at most `ROWS_KEPT`; so a game that sends a thousand events a second costs it no more than one that
sends a hundred. Everything comes from this machine: no font, script or style from elsewhere.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

os.environ.setdefault("NICEGUI_STORAGE_PATH", str(Path(tempfile.gettempdir()) / "ga_pygame_nicegui"))

from nicegui import ui  # it reads its environment when it is imported
from starlette.applications import Starlette

from ga_pygame import clock, rules
from ga_pygame.collector import rows
from ga_pygame.collector.emulation import Services
from ga_pygame.collector.queries import Queries
from ga_pygame.collector.sections import Sections
from ga_pygame.collector.tables import LiveTable, Shown, box, code, table_card, text

if TYPE_CHECKING:
    from fastapi import FastAPI

SECONDS_PER_PUSH = 0.4
PUSHES_PER_TABLE = 3
ROWS_PER_PUSH = 100
ROWS_KEPT = 200
SESSIONS_SHOWN = 50
LEVELS_SHOWN = 200

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#2f6fde"/>'
    '<path d="M4 12V8M8 12V4M12 12V6" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)
_EVENT_COLUMNS = [
    {"label": "time", "kind": "time"},
    {"label": "category", "kind": "chip"},
    {"label": "event", "kind": "text"},
    {"label": "value", "kind": "number"},
    {"label": "player", "kind": "soft"},
]
_SESSION_COLUMNS = [
    {"label": "player", "kind": "text"},
    {"label": "no.", "kind": "number"},
    {"label": "start", "kind": "time"},
    {"label": "length", "kind": "number"},
    {"label": "events", "kind": "number"},
    {"label": "end", "kind": "state"},
]
_LEVEL_COLUMNS = [
    {"label": "level", "kind": "text"},
    {"label": "starts", "kind": "number"},
    {"label": "fails", "kind": "number"},
    {"label": "completes", "kind": "number"},
    {"label": "completion", "kind": "share"},
    {"label": "attempts", "kind": "number"},
]
_COUNTERS = ("events per second", "accepted", "rejected", "duplicates", "sessions live")


def mount(app: Starlette, queries: Queries, services: Services, address: str) -> None:
    """Add the page at `/`.

    Args:
        app: The collector's application.
        queries: What to show.
        services: The same of POGR and Trophy.
        address: What a game must be told, e.g. `http://127.0.0.1:8420`.
    """
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

    @ui.page("/")
    def page() -> None:
        ui.add_css(css)
        _Page(queries, services, address)

    ui.run_with(
        cast("FastAPI", app),
        title="ga_pygame collector",
        favicon=_ICON,
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        message_history_length=20,
        binding_refresh_interval=None,
    )


class _Page:
    """One open browser tab."""

    def __init__(self, queries: Queries, services: Services, address: str) -> None:
        self._queries = queries
        self._services = services
        self._clock = clock.SystemClock()
        self._totals: deque[tuple[float, int]] = deque(maxlen=13)  # 5 s
        self._seen = 0
        self._category: str | None = None
        self._paused = False
        self._turn = 0
        self._shown = Shown()
        self._build(address)
        self._feed_anew()
        self._push()
        ui.timer(SECONDS_PER_PUSH, self._push)

    # --- what stands on it ------------------------------------------------------------------------------

    def _build(self, address: str) -> None:
        with box("top"):
            text("name", "ga_pygame collector")
            text("address", address)
            with box("links"):
                ui.link("events as JSON lines", "/api/export")
                ui.link("rejected", "/api/export?rejected=1")
        self._numbers = {}
        with box("counters"):
            for name in _COUNTERS:
                card = box("card counter").props(f'data-counter="{name}"')
                if name == "rejected":
                    self._rejected = card.classes("bad")
                with card:
                    text("label", name)
                    self._numbers[name] = text("number", "0")
        with box("columns"):
            with box("card feed"):
                self._build_feed(address)
            with box("side"):
                self._sessions = table_card("Sessions", "sessions", _SESSION_COLUMNS, SESSIONS_SHOWN)
                self._levels = table_card("Progression", "progression", _LEVEL_COLUMNS, LEVELS_SHOWN)
        self._sections = Sections(self._services)

    def _build_feed(self, address: str) -> None:
        with box("bar"):
            text("title", "Events")
            self._hint = text("hint", "")
            with box("controls"):
                pick = ui.element("select").classes("pick").props('aria-label="category"')
                with pick:
                    for value, name in (("", "all"), *((one, one) for one in ("rejected", *rules.CATEGORIES))):
                        with ui.element("option").props(f'value="{value}"'):
                            ui.html(name, sanitize=False)  # a name of ours
                pick.on("change", self._pick, js_handler="(event) => emit(event.target.value)")
                self._pause = ui.element("button").classes("plain").props('type="button"')
                with self._pause:
                    self._pause_text = text("", "Pause")
                self._pause.on("click", self._toggle)
        self._empty = box("empty")
        with self._empty:
            text("lead", "No events yet")
            text("", "Add these three lines to your game, after pygame.init():")
            code('import ga_pygame\ntracker = ga_pygame.Tracker(build="0.1.0")\ntracker.start()')
            text("", "and start it with the address of this collector:")
            code(
                f"GA_PYGAME_COLLECTOR={address} python my_game.py\n\n"
                f"# PowerShell\n$env:GA_PYGAME_COLLECTOR = '{address}'; python my_game.py"
            )
        self._feed = LiveTable(_EVENT_COLUMNS, ROWS_KEPT, details=True)

    # --- what a person does -----------------------------------------------------------------------------

    def _pick(self, event: Any) -> None:
        chosen = event.args
        self._category = chosen if chosen in ("rejected", *rules.CATEGORIES) else None
        self._feed_anew()

    def _toggle(self) -> None:
        self._paused = not self._paused
        self._pause_text.set_text("Resume" if self._paused else "Pause")
        if self._paused:
            self._hint.set_text("paused; events are still stored")
        else:
            self._hint.set_text("")
            self._feed_anew()

    # --- what changes -----------------------------------------------------------------------------------

    def _feed_anew(self) -> None:
        newest = self._queries.newest(0, ROWS_KEPT, self._category)
        self._seen = self._queries.newest_id() if not newest else newest[0].id
        self._feed.replace([rows.event_row(one) for one in newest])

    def _push(self) -> None:
        summary = self._queries.summary()
        accepted, rejected = sum(summary["accepted"].values()), sum(summary["rejected"].values())
        now = clock.wall_now()
        live = self._queries.live_sessions(now - rows.PLAYING_SECONDS)
        numbers = (
            f"{self._rate(accepted + rejected):,.0f}",
            *(f"{count:,}" for count in (accepted, rejected, summary["duplicates"], live)),
        )
        for name, number in zip(_COUNTERS, numbers, strict=True):
            self._numbers[name].set_text(number)
        self._rejected.classes(add="some" if rejected else "")
        self._empty.set_visibility(accepted + rejected == 0)
        self._feed.set_visibility(accepted + rejected > 0)
        if not self._paused:
            fresh = self._queries.newest(self._seen, ROWS_PER_PUSH, self._category)
            if fresh:
                self._seen = fresh[0].id
                self._feed.prepend([rows.event_row(one) for one in fresh])
        if self._turn % PUSHES_PER_TABLE == 0:
            sessions = [rows.session_row(one, now) for one in self._queries.sessions(SESSIONS_SHOWN)]
            self._shown.show(self._sessions, sessions)
            levels = [rows.level_row(one) for one in self._queries.progression(LEVELS_SHOWN)]
            self._shown.show(self._levels, levels)
            self._sections.push(summary)
        self._turn += 1

    def _rate(self, total: int) -> float:
        now = self._clock.monotonic()
        self._totals.append((now, total))
        since, before = self._totals[0]
        return (total - before) / (now - since) if now > since else 0.0
