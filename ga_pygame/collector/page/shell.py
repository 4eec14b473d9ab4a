"""One open tab of the page: navigation, filter bar, banners and the open view.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import.
"""

from __future__ import annotations

from collections.abc import Mapping

import nicegui
from nicegui import ui

from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.gameanalytics.configs_editing import EditableSettings
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.address_bar import AddressBar
from ga_pygame.collector.page.elements import anchor
from ga_pygame.collector.page.feed import FeedKey
from ga_pygame.collector.page.filter_bar import FilterBar
from ga_pygame.collector.page.snapshots import Snapshot, Snapshots
from ga_pygame.collector.page.tables import box, code, label
from ga_pygame.collector.page.view import OpenView, View
from ga_pygame.collector.page.views.catalogue import VIEWS, view_named
from ga_pygame.collector.plain_text import visible

MAX_UNSEEN = 40
"""Messages that a browser has not acknowledged (it does so every 3 s). Beyond this number it gets nothing new; later
it gets all that it missed at once. So a sleeping page costs no memory and shows everything when it is back."""

BRAND = "ga_pygame collector"


class Tab:
    """One open browser tab. It builds nothing before its socket is open; see `view.Frame` for the attributes.

    Args:
        client: The page of NiceGUI.
        data: What the page shows.
        settings: The remote configs to edit; `None` if there is no settings file.
        chaos: The fault of all requests.
        url: The address for `GA_PYGAME_COLLECTOR`.
        address: The address that was asked for.
    """

    def __init__(
        self,
        client: nicegui.Client,
        data: Snapshots,
        settings: EditableSettings | None,
        chaos: Chaos,
        *,
        url: str,
        address: PageAddress,
    ) -> None:
        self.data = data
        self.settings = settings
        self.chaos = chaos
        self.url = url
        self._client = client
        self._address = address
        self._view: View | None = None
        self._open_view: OpenView | None = None
        self._begun = False
        self._snapshot: Snapshot | None = None
        self._links: dict[str, ui.element] = {}
        self._is_built = False

    @property
    def address(self) -> PageAddress:
        """The open view and its filters."""
        return self._address

    # --- layout ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self._bar = AddressBar(self._moved)
        with box("top"):
            label("brand", BRAND)
            label("address", self.url)
            with box("links"):
                anchor("events as JSON lines", "/api/export")
                anchor("rejected", "/api/export?rejected=1")
        with ui.element("nav").props('aria-label="views"'), ui.element("ul"):
            for view in VIEWS.values():
                with ui.element("li") as item:
                    link = anchor(view.title, "")
                    link.props["data-view"] = view.name
                    self._links[view.name] = link
                item.set_visibility(False)
        self._banners = box("banners").props('role="status"')
        self._title = label("title", "", tag="h1").props('tabindex="-1"')
        self._counted = label("counted", "", tag="p")
        self._filters = FilterBar(self._filter)
        self._content = box("view")
        self._is_built = True

    def _open(self, *, is_step: bool) -> None:
        """Build the view of the address if another one is open, and show the address everywhere."""
        view = view_named(self._address.view)
        if view is not self._view:
            self._view = view
            self._title.set_text(view.title)
            self._counted.set_text(view.counted)
            self._content.clear()
            self._content.classes(replace=f"view view-{view.name}")
            with self._content:
                self._open_view = view.build(self)
        self._filters.show(self._address, view.filters)
        for name, link in self._links.items():
            link.props["href"] = self._address.at(name).link()
            link.props["aria-current"] = "page" if name == view.name else "false"
            link.update()
        self._bar.show(self._address, f"{view.title} · {BRAND}", is_step=is_step)

    # --- the person's input ------------------------------------------------------------------------------------

    def _filter(self, name: str, value: str) -> None:
        self.go(self._address.with_filter(name, value))

    def go(self, address: PageAddress) -> None:
        """Open another address, as if its link was followed."""
        nicegui.background_tasks.create(self._move(address, is_step=True), name="open an address")

    def offer(self, choices: Mapping[str, tuple[str, ...]]) -> None:
        """Offer values in the filter bar, by the name of the filter."""
        self._filters.offer(choices)

    async def _moved(self, address: PageAddress) -> None:
        await self._move(address, is_step=False)

    async def _move(self, address: PageAddress, *, is_step: bool) -> None:
        before, self._address = self._view, address
        with self._client.content:
            self._open(is_step=is_step)
        if self._view is not before:
            self._bar.focus_heading()
        await self._begin_view()

    # --- updates -----------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Build and fill the page, as its socket is open."""
        with self._client.content:
            if not self._is_built:
                self._build()
            self._open(is_step=False)
        await self.data.look()
        self._snapshot = None
        self._begun = True
        await self._begin_view()

    async def _begin_view(self) -> None:
        opened = self._open_view
        if opened is None:
            return
        with self._content:
            await opened.begin()
        self.show(self.data.snapshot)

    def wants(self) -> FeedKey | None:
        """Return the feed that must be kept up to date for the open view, if any."""
        return self._open_view.wants() if self._open_view is not None else None

    def is_behind(self) -> bool:
        """Whether the browser has too many messages that it has not acknowledged."""
        outbox = self._client.outbox
        return len(outbox.message_history) + len(outbox.messages) > MAX_UNSEEN

    def show(self, snapshot: Snapshot) -> None:
        """Send what this tab does not show yet."""
        if not self._begun or not self._client.has_socket_connection:
            self._begun = False  # `begin` fills it again when the socket is back
            return
        if self.is_behind() or self._open_view is None:
            return
        before, self._snapshot = self._snapshot, snapshot
        if before is None or before.troubles != snapshot.troubles:
            self._show_troubles(snapshot)
        if before is None or before.services is not snapshot.services:
            self._show_navigation(snapshot)
        with self._content:
            self._open_view.show(snapshot)

    def _show_navigation(self, snapshot: Snapshot) -> None:
        for name, link in self._links.items():
            item = link.parent_slot.parent if link.parent_slot is not None else link
            item.set_visibility(VIEWS[name].is_listed(snapshot) or VIEWS[name] is self._view)

    def _show_troubles(self, snapshot: Snapshot) -> None:
        self._banners.clear()
        with self._banners:
            for trouble in snapshot.troubles:
                with box("banner calm" if trouble.calm else "banner"):
                    label("", visible(trouble.text))
                    if trouble.command:
                        code(visible(trouble.command))
