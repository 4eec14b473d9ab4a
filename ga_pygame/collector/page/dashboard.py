"""The page: counters, events as they arrive, sessions, levels.

A browser gets only rows that it has not seen, a few times a second and at most some hundred of them; so a thousand
events a second cost it no more than a hundred. The HTML is an empty page, which is filled when its web socket is open.
Fonts, scripts and styles come from this machine only.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

os.environ.setdefault("NICEGUI_STORAGE_PATH", str(Path(tempfile.gettempdir()) / "ga_pygame_nicegui"))

import nicegui  # NiceGUI reads its environment when it is imported
from nicegui import ui
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ga_pygame import categories
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.page.feed import ROWS_KEPT, Feed
from ga_pygame.collector.page.live import LEVELS_SHOWN, SECONDS_PER_LOOK, SESSIONS_SHOWN, Live, Snapshot
from ga_pygame.collector.page.sections import Sections
from ga_pygame.collector.page.tables import LiveTable, TableCache, box, code, heading, label, table_card
from ga_pygame.collector.page.waiting import MAX_PAGES, Waiting
from ga_pygame.collector.plain_text import visible
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.troubles import Troubles

if TYPE_CHECKING:
    from fastapi import FastAPI

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#2f6fde"/>'
    '<path d="M4 12V8M8 12V4M12 12V6" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)
_EVENT_COLUMNS = [
    {"label": "time", "kind": "when"},
    {"label": "category", "kind": "chip"},
    {"label": "event", "kind": "text"},
    {"label": "value", "kind": "number"},
    {"label": "player", "kind": "soft"},
    {"label": "game", "kind": "game"},
]
_SESSION_COLUMNS = [
    {"label": "player", "kind": "text"},
    {"label": "no.", "kind": "number"},
    {"label": "start", "kind": "moment"},
    {"label": "length", "kind": "number"},
    {"label": "events", "kind": "number"},
    {"label": "end", "kind": "state"},
    {"label": "game", "kind": "game"},
]
_LEVEL_COLUMNS = [
    {"label": "level", "kind": "text"},
    {"label": "starts", "kind": "number"},
    {"label": "fails", "kind": "number"},
    {"label": "completes", "kind": "number"},
    {"label": "completion", "kind": "share"},
    {"label": "attempts", "kind": "number"},
]
RECONNECT_SECONDS = 60.0
"""How long a page that lost its socket is kept. NiceGUI waits 0.4 of it for a browser's answer to a ping: with its
default of 3 s, a busy machine would lose its page while somebody reads it."""

MAX_UNSEEN = 40
"""Messages that a browser has not acknowledged (it does so every 3 s). Beyond this number it gets nothing new; later
it gets all that it missed at once. So a sleeping page costs no memory and shows everything when it is back."""

MAX_OF_ONE_LOOK = 40
"""Messages that one look sends at most: a few for each table."""

_COUNTERS = ("events per second", "accepted", "rejected", "duplicates", "sessions live")


def mount(app: Starlette, store: Store, trophy: Rules, troubles: Troubles, address: str) -> None:
    """Add the page at `/`.

    Args:
        app: The collector's application.
        store: The store whose file is shown.
        trophy: Trophy's rules.
        troubles: The troubles to show.
        address: The address for `GA_PYGAME_COLLECTOR`, e.g. `http://127.0.0.1:8420`.
    """
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    live = Live(store, trophy, troubles)
    tabs: list[_Tab] = []
    waiting = Waiting()

    @ui.page("/")
    def page(client: nicegui.Client) -> Response | None:
        if len(nicegui.Client.instances) > MAX_PAGES:
            client.delete()
            return JSONResponse({"error": "too many pages are open"}, 503, {"Retry-After": "30"})
        waiting.add(client)
        ui.add_css(css)
        tab = _Tab(client, live, address)

        async def begin() -> None:
            if tab not in tabs:
                tabs.append(tab)
            await tab.begin()

        client.on_connect(begin)
        client.on_delete(lambda: tabs.remove(tab) if tab in tabs else None)
        return None

    async def not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001 - NiceGUI would build a page
        return JSONResponse({"error": "not found"}, 404)

    nicegui.app.config.socket_io_js_transports = ["websocket"]  # the guard lets no other transport through
    nicegui.app.add_exception_handler(404, not_found)
    nicegui.app.on_startup(lambda: nicegui.background_tasks.create(_push(live, tabs), name="push to the page"))
    nicegui.app.on_shutdown(live.close)
    ui.run_with(
        cast("FastAPI", app),
        title="ga_pygame collector",
        favicon=_ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
        message_history_length=MAX_UNSEEN + MAX_OF_ONE_LOOK,
        binding_refresh_interval=None,
    )


async def _push(live: Live, tabs: list[_Tab]) -> None:
    """Send what is new to all tabs, regularly."""
    while True:
        await asyncio.sleep(SECONDS_PER_LOOK)
        if not tabs:
            continue
        try:
            await live.keep({tab.category for tab in tabs})
            snapshot = await live.look()
            for tab in list(tabs):
                tab.show(snapshot)
        except Exception as error:  # noqa: BLE001 - the page must go on; NiceGUI logs the error
            nicegui.app.handle_exception(error)


class _Tab:
    """One open browser tab."""

    def __init__(self, client: nicegui.Client, live: Live, address: str) -> None:
        self.category: str | None = None
        self._client = client
        self._live = live
        self._paused = False
        self._begun = False
        self._shown: Feed | None = None
        self._total = 0
        self._snapshot: Snapshot | None = None
        self._rows = TableCache()
        self._build(address)

    # --- layout ------------------------------------------------------------------------------

    def _build(self, address: str) -> None:
        with box("top"):
            heading(1, "ga_pygame collector")
            label("address", address)
            with box("links"):
                ui.link("events as JSON lines", "/api/export")
                ui.link("rejected", "/api/export?rejected=1")
        self._banners = box("banners").props('role="status"')
        self._numbers = {}
        with box("counters"):
            for name in _COUNTERS:
                card = box("card counter").props(f'data-counter="{name}"')
                if name == "rejected":
                    self._rejected = card.classes("bad")
                with card:
                    label("label", name)
                    self._numbers[name] = label("number", "0")
        with box("columns"):
            with box("card feed"):
                self._build_feed(address)
            with box("side"):
                self._sessions = table_card("Sessions", "sessions", _SESSION_COLUMNS, SESSIONS_SHOWN)
                self._levels = table_card("Progression", "progression", _LEVEL_COLUMNS, LEVELS_SHOWN)
        self._sections = Sections()

    def _build_feed(self, address: str) -> None:
        with box("bar"):
            heading(2, "Events")
            self._hint = label("hint", "")
            with box("controls"):
                pick = ui.element("select").classes("pick").props('aria-label="category"')
                with pick:
                    for value, name in (("", "all"), *((one, one) for one in ("rejected", *categories.names()))):
                        label("", name, tag="option").props(f'value="{value}"')
                pick.on("change", self._pick, js_handler="(event) => emit(event.target.value)")
                self._pause = label("plain", "Pause", tag="button").props('type="button"')
                self._pause.on("click", self._toggle)
        self._empty = box("empty")
        with self._empty:
            label("lead", "No events yet")
            label("", "Add these three lines to your game, after pygame.init():")
            code('import ga_pygame\ntracker = ga_pygame.Tracker(build="0.1.0")\ntracker.start()')
            label("", "and start it with the address of this collector:")
            code(
                f"GA_PYGAME_COLLECTOR={address} python my_game.py\n\n"
                f"# PowerShell\n$env:GA_PYGAME_COLLECTOR = '{address}'; python my_game.py"
            )
        self._empty.set_visibility(False)
        self._feed = LiveTable("Events", _EVENT_COLUMNS, ROWS_KEPT, details=True)

    # --- the person's input -----------------------------------------------------------------------------

    async def _pick(self, event: Any) -> None:
        chosen = event.args
        self.category = chosen if chosen in ("rejected", *categories.names()) else None
        await self._feed_anew()

    async def _toggle(self) -> None:
        self._paused = not self._paused
        self._pause.set_text("Resume" if self._paused else "Pause")
        if self._paused:
            self._hint.set_text("paused; events are still stored")
        else:
            self._hint.set_text("")
            await self._feed_anew()

    # --- updates -----------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Fill the page, as its socket is open."""
        snapshot = await self._live.look()
        self._snapshot = None
        self._begun = True
        await self._feed_anew()
        self.show(snapshot)

    async def _feed_anew(self) -> None:
        category = self.category
        self._shown = None  # if the browser is behind, the next look shows the feed
        feed = await self._live.feed(category)
        if category == self.category and not self._is_behind():  # not if another category was picked meanwhile
            self._show_feed(feed)

    def _is_behind(self) -> bool:
        """Whether the browser has too many messages that it has not acknowledged."""
        outbox = self._client.outbox
        return len(outbox.message_history) + len(outbox.messages) > MAX_UNSEEN

    def _show_feed(self, feed: Feed) -> None:
        self._shown, self._total = feed, feed.total
        self._feed.replace(feed.since(0))

    def show(self, snapshot: Snapshot) -> None:
        """Send what this tab does not show yet."""
        if not self._begun or not self._client.has_socket_connection:
            self._begun = False  # `begin` fills it again when the socket is back
            return
        if self._is_behind():
            return
        if not self._paused:
            self._show_new_rows()
        before, self._snapshot = self._snapshot, snapshot
        if before is not None and before == snapshot:
            return
        if before is None or before.numbers != snapshot.numbers:
            self._show_numbers(snapshot)
        if before is None or before.troubles != snapshot.troubles:
            self._show_troubles(snapshot)
        if before is None or before.several_games != snapshot.several_games:
            for table in (self._feed, self._sessions[0]):
                table.show_games(snapshot.several_games)
        if before is None:
            self._rows.forget()
        self._rows.show(self._sessions, snapshot.sessions)
        self._rows.show(self._levels, snapshot.levels)
        if snapshot.services is not None and (before is None or before.services is not snapshot.services):
            self._sections.show(snapshot.services, anew=before is None)

    def _show_new_rows(self) -> None:
        feed = self._live.open_feed(self.category)
        if feed is None:  # just picked: `_feed_anew` is reading it
            return
        if feed is not self._shown:
            self._show_feed(feed)
        elif feed.total != self._total:
            fresh = feed.since(self._total)
            self._total = feed.total
            self._feed.prepend(fresh)

    def _show_numbers(self, snapshot: Snapshot) -> None:
        numbers = snapshot.numbers
        for name, number in zip(_COUNTERS, numbers.texts(), strict=True):
            self._numbers[name].set_text(number)
        self._rejected.classes(add="some" if numbers.rejected else "")
        some = bool(numbers.accepted or numbers.rejected)
        self._empty.set_visibility(not some)
        self._feed.set_visibility(some)

    def _show_troubles(self, snapshot: Snapshot) -> None:
        self._banners.clear()
        with self._banners:
            for trouble in snapshot.troubles:
                with box("banner calm" if trouble.calm else "banner"):
                    label("", visible(trouble.text))
                    if trouble.command:
                        code(visible(trouble.command))
