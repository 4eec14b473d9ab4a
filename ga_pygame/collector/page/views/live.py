"""The view Live: counters, events as they arrive, the newest sessions.

A browser gets only rows that it has not seen, a few times a second and at most some hundred of them; so a thousand
events a second cost it no more than a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ga_pygame import categories
from ga_pygame.collector.page.address import EVERY_EVENT, PageAddress
from ga_pygame.collector.page.elements import choice, csv_anchor, show_value
from ga_pygame.collector.page.feed import ROWS_KEPT, Feed, FeedKey, feed_key
from ga_pygame.collector.page.panels import Sheet
from ga_pygame.collector.page.snapshots import SESSIONS_SHOWN, Snapshot, Snapshots
from ga_pygame.collector.page.tables import LiveTable, TableCache, box, code, heading, label, table_card
from ga_pygame.collector.page.view import Frame, View, csv_link, sheet_of_cells

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
_COUNTERS = ("events per second", "accepted", "rejected", "duplicates", "sessions live")
_FILTERS = (*EVERY_EVENT, "session_id", "text")


class _Live:
    """The view in one tab."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._paused = False
        self._shown: Feed | None = None
        self._total = 0
        self._snapshot: Snapshot | None = None
        self._rows = TableCache()
        self._numbers: dict[str, Any] = {}
        self._build_counters()
        with box("columns"):
            with box("card feed"):
                self._build_feed()
            with box("side"):
                self._sessions = table_card("Sessions", "sessions", _SESSION_COLUMNS, SESSIONS_SHOWN)
                csv_anchor("sessions", csv_link("live", "sessions", PageAddress()))

    def _build_counters(self) -> None:
        with box("counters"):
            for name in _COUNTERS:
                card = box("card counter").props(f'data-counter="{name}"')
                if name == "rejected":
                    self._rejected = card.classes("bad")
                with card:
                    label("label", name)
                    self._numbers[name] = label("number", "0")

    def _build_feed(self) -> None:
        with box("bar"):
            heading(2, "Events")
            self._hint = label("hint", "").props('role="status"')
            with box("controls"):
                self._csv = csv_anchor("events", "")
                known = [("", "all"), *((one, one) for one in ("rejected", *categories.names()))]
                self._pick = choice("category", known, self._category(), self._picked).classes("pick")
                self._pause = label("plain", "Pause", tag="button").props('type="button"')
                self._pause.on("click", self._toggle)
        self._build_empty()
        self._nothing = label("none", "No event matches: clear the filters above, or pick another category.")
        self._nothing.set_visibility(False)
        self._feed = LiveTable("Events", _EVENT_COLUMNS, ROWS_KEPT, details=True)

    def _build_empty(self) -> None:
        self._empty = box("empty")
        with self._empty:
            label("lead", "No events yet")
            label("", "Add these three lines to your game, after pygame.init():")
            code('import ga_pygame\ntracker = ga_pygame.Tracker(build="0.1.0")\ntracker.start()')
            label("", "and start it with the address of this collector:")
            code(
                f"GA_PYGAME_COLLECTOR={self._frame.url} python my_game.py\n\n"
                f"# PowerShell\n$env:GA_PYGAME_COLLECTOR = '{self._frame.url}'; python my_game.py\n\n"
                f"# Windows, cmd\nset GA_PYGAME_COLLECTOR={self._frame.url}&& python my_game.py"
            )
        self._empty.set_visibility(False)

    # --- the person's input ------------------------------------------------------------------------------------

    def _category(self) -> str:
        return self._frame.address.filters.get("category", "")

    def _picked(self, value: str) -> None:
        self._frame.go(self._frame.address.with_filter("category", value))

    async def _toggle(self) -> None:
        self._paused = not self._paused
        self._pause.set_text("Resume" if self._paused else "Pause")
        self._hint.set_text("paused; events are still stored" if self._paused else "")
        if not self._paused:
            await self._feed_anew()

    # --- updates -----------------------------------------------------------------------------------------------

    def wants(self) -> FeedKey:
        return feed_key(self._frame.address)

    async def begin(self) -> None:
        self._snapshot = None
        show_value(self._pick, self._category())
        self._csv.props["href"] = csv_link("live", "events", self._frame.address)
        self._csv.update()
        await self._feed_anew()

    async def _feed_anew(self) -> None:
        wanted = self.wants()
        self._shown = None  # if the browser is behind, the next look shows the feed
        feed = await self._frame.data.feed(wanted)
        if self._feed.is_deleted or wanted != self.wants():  # another view or filter was picked meanwhile
            return
        if not self._frame.is_behind():
            self._show_feed(feed)

    def _show_feed(self, feed: Feed) -> None:
        self._shown, self._total = feed, feed.total
        self._feed.replace(feed.since(0))
        self._show_emptiness()

    def show(self, snapshot: Snapshot) -> None:
        if not self._paused:
            self._show_new_rows()
        before, self._snapshot = self._snapshot, snapshot
        if before is not None and before == snapshot:
            return
        if before is None or before.numbers != snapshot.numbers:
            self._show_numbers(snapshot)
        if before is None or before.several_games != snapshot.several_games:
            for table in (self._feed, self._sessions[0]):
                table.show_games(snapshot.several_games)
        if before is None:
            self._rows.forget()
        self._rows.show(self._sessions, snapshot.sessions)

    def _show_new_rows(self) -> None:
        feed = self._frame.data.open_feed(self.wants())
        if feed is None:  # just picked: `_feed_anew` is reading it
            return
        if feed is not self._shown:
            self._show_feed(feed)
        elif feed.total != self._total:
            fresh = feed.since(self._total)
            self._total = feed.total
            self._feed.prepend(fresh)
            self._show_emptiness()

    def _show_numbers(self, snapshot: Snapshot) -> None:
        for name, number in zip(_COUNTERS, snapshot.numbers.texts(), strict=True):
            self._numbers[name].set_text(number)
        self._rejected.classes(add="some" if snapshot.numbers.rejected else "")
        self._show_emptiness()

    def _show_emptiness(self) -> None:
        """Show the table, or say what to do: start a game if nothing came at all, else change the filters."""
        if self._snapshot is None:
            return
        some = bool(self._snapshot.numbers.accepted or self._snapshot.numbers.rejected)
        self._empty.set_visibility(not some)
        self._nothing.set_visibility(some and not self._total)
        self._feed.set_visibility(some and bool(self._total))


async def _sheets(data: Snapshots, address: PageAddress) -> Mapping[str, Sheet]:
    snapshot = await data.look()
    events = await data.rows_of(feed_key(address))
    return {
        "events": sheet_of_cells(_EVENT_COLUMNS, events),
        "sessions": sheet_of_cells(_SESSION_COLUMNS, snapshot.sessions),
    }


LIVE_VIEW = View(
    name="live",
    title="Live",
    counted=(
        f"The newest {ROWS_KEPT} events as they come in, accepted and rejected; a rejected one with the rules that it"
        " breaks. The numbers count all events that this collector has stored, whatever the filters."
    ),
    build=_Live,
    filters=_FILTERS,
    sheets=_sheets,
)
