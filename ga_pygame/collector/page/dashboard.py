"""The page: one shell with a navigation, and the views that it opens.

The HTML of `/` is an empty page; it is filled when its web socket is open, so a request that opens none costs little.
Fonts, scripts and styles come from this machine only.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

os.environ.setdefault("NICEGUI_STORAGE_PATH", str(Path(tempfile.gettempdir()) / "ga_pygame_nicegui"))

import nicegui  # NiceGUI reads its environment when it is imported
from nicegui import ui
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.gameanalytics.configs_editing import EditableSettings
from ga_pygame.collector.page.address import parse_address
from ga_pygame.collector.page.refusals import with_refusals
from ga_pygame.collector.page.shell import BRAND, MAX_UNSEEN, Tab
from ga_pygame.collector.page.snapshots import SECONDS_PER_LOOK, Snapshots
from ga_pygame.collector.page.views.catalogue import VIEWS
from ga_pygame.collector.page.waiting import Waiting, delete_only_once

if TYPE_CHECKING:
    from fastapi import FastAPI

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#2f6fde"/>'
    '<path d="M4 12V8M8 12V4M12 12V6" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)
_OPENING = (
    '<p id="opening">ga_pygame collector: the page opens …</p><noscript><p>This page needs JavaScript; without it'
    ' there are <a href="/api/summary">the numbers as JSON</a>.</p></noscript>'
)
"""What is painted before the scripts are there; `address_bar.js` removes it."""

_OF_PICTURES = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}
"""The headers of pictures: opened alone, they run and load nothing."""

NICEGUI = Path(nicegui.__path__[0])
"""The folder of the installed NiceGUI, which has ECharts."""
RECONNECT_SECONDS = 60.0
"""How long a page that lost its socket is kept. NiceGUI waits 0.4 of it for a browser's answer to a ping: with its
default of 3 s, a busy machine would lose its page while somebody reads it."""

MAX_OF_ONE_LOOK = 40
"""Messages that one look sends at most: a few for each table."""


def mount(app: Starlette, data: Snapshots, settings: EditableSettings | None, chaos: Chaos, address: str) -> None:
    """Add the page at `/`, and its tables as CSV.

    Args:
        app: The collector's application.
        data: What the page shows; closed when the application ends.
        settings: The remote configs to edit; `None` if there is no settings file.
        chaos: The fault of all requests.
        address: The address for `GA_PYGAME_COLLECTOR`, e.g. `http://127.0.0.1:8420`.
    """
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    tabs: list[Tab] = []
    waiting = Waiting()

    @ui.page("/")
    def page(client: nicegui.Client) -> Response | None:
        delete_only_once(client)
        if not waiting.make_room(client):
            client.delete()
            return JSONResponse({"error": "too many pages are open"}, 503, {"Retry-After": "30"})
        waiting.add(client)
        tab = Tab(client, data, settings, chaos, url=address, address=parse_address(client.request.url.query))

        async def begin() -> None:
            if tab not in tabs:
                tabs.append(tab)
            await tab.begin()

        client.on_connect(begin)
        client.on_delete(lambda: tabs.remove(tab) if tab in tabs else None)
        return None

    async def not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001 - NiceGUI would build a page
        return JSONResponse({"error": "not found"}, 404)

    async def table_as_csv(request: Request) -> Response:
        view = VIEWS.get(request.path_params["view"])
        name = request.path_params["sheet"]
        sheets = await view.sheets(data, parse_address(request.url.query)) if view and view.sheets else {}
        if name not in sheets:
            return JSONResponse({"error": "there is no such table"}, 404)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(sheets[name].csv(), headers=headers, media_type="text/csv")

    async def picture(request: Request) -> Response:
        view = VIEWS.get(request.path_params["view"])
        if view is None or view.draw is None:
            return JSONResponse({"error": "there is no such picture"}, 404)
        svg = await view.draw(data, parse_address(request.url.query))
        return Response(svg, headers=_OF_PICTURES, media_type="image/svg+xml")

    app.router.routes.append(Route("/csv/{view}/{sheet}", with_refusals(table_as_csv)))
    app.router.routes.append(Route("/picture/{view}", with_refusals(picture)))
    ui.add_css(css, shared=True)
    ui.add_body_html(_OPENING, shared=True)
    nicegui.app.config.socket_io_js_transports = ["websocket"]  # the guard lets no other transport through
    nicegui.app.add_exception_handler(404, not_found)
    nicegui.app.on_startup(lambda: nicegui.background_tasks.create(_push(data, tabs), name="push to the page"))
    nicegui.app.on_shutdown(data.close)
    ui.run_with(
        cast("FastAPI", app),
        title=BRAND,
        favicon=_ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
        message_history_length=MAX_UNSEEN + MAX_OF_ONE_LOOK,
        binding_refresh_interval=None,
    )


async def _push(data: Snapshots, tabs: list[Tab]) -> None:
    """Send what is new to all tabs, regularly."""
    while True:
        await asyncio.sleep(SECONDS_PER_LOOK)
        if not tabs:
            continue
        try:
            await data.keep({wanted for tab in tabs if (wanted := tab.wants()) is not None})
            snapshot = await data.look()
            for tab in list(tabs):
                tab.show(snapshot)
        except Exception as error:  # noqa: BLE001 - the page must go on; NiceGUI logs the error
            nicegui.app.handle_exception(error)
