"""The component that keeps the browser's address equal to the open view.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from ga_pygame.collector.page.address import PageAddress, parse_address


class AddressBar(ui.element, component="address_bar.js"):
    """The address of a browser's tab.

    Args:
        moved: Called with the address when the person follows a link of the page, or goes back or forward.
    """

    def __init__(self, moved: Callable[[PageAddress], Awaitable[None]]) -> None:
        super().__init__()

        async def tell(event: Any) -> None:
            await moved(parse_address(event.args if isinstance(event.args, str) else ""))

        self.on("moved", tell)

    def show(self, address: PageAddress, title: str, *, is_step: bool) -> None:
        """Show an address and a title in the browser; the browser's "back" returns from a step."""
        self.run_method("shown", address.link(), title, is_step)

    def focus_heading(self) -> None:
        """Move the focus to the view's heading, so that a screen reader reads it."""
        self.run_method("focus_heading")
