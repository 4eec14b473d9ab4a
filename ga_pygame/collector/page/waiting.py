"""Pages that were requested and whose web socket is not open yet.

Each holds some memory, and a client that is not a browser (a script, an `<img>`) never opens the socket. So their
number is bounded, and they are removed after a while. A browser that was slower loads its page again.
"""

from __future__ import annotations

import asyncio

from nicegui import Client

MAX_WAITING_PAGES = 20
"""Pages that wait for their socket; a further one removes the oldest."""

SOCKET_SECONDS = 60.0
"""How long a page waits for its socket; a busy machine may need many seconds to open it."""

MAX_PAGES = 48
"""Pages in memory: with a socket, waiting for one, or lost a moment ago. A further one removes the oldest without a
socket; if all have one, it is answered with 503."""


def delete_only_once(client: Client) -> None:
    """Let a further `delete` of a page do nothing.

    NiceGUI deletes a page some time after it has lost its socket. If `Waiting` has removed it before, that would raise
    a `KeyError`.
    """
    delete = client.delete

    def delete_once() -> None:
        if not client.is_deleted:
            delete()

    client.delete = delete_once  # type: ignore[method-assign]  # NiceGUI's own tasks call it by this name


class Waiting:
    """The pages that wait for their socket, the oldest first."""

    def __init__(self) -> None:
        self._clients: dict[str, tuple[Client, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def add(self, client: Client) -> None:
        """Add a new page."""
        while len(self._clients) >= MAX_WAITING_PAGES:
            self._give_up(next(iter(self._clients)))
        timer = asyncio.get_running_loop().call_later(SOCKET_SECONDS, self._give_up, client.id)
        self._clients[client.id] = (client, timer)
        client.on_connect(lambda: self._forget(client.id))
        client.on_delete(lambda: self._forget(client.id))

    def make_room(self, asking: Client) -> bool:
        """Remove the oldest pages without a socket if there are too many; return whether there is room.

        A browser that comes back to a removed page loads it again; view and filters are in its address.

        Args:
            asking: The page that was requested now; it stays.
        """
        others = [one for one in Client.instances.values() if one is not asking and not one.has_socket_connection]
        for one in others[: max(0, len(Client.instances) - MAX_PAGES)]:
            one.delete()
        return len(Client.instances) <= MAX_PAGES

    def _forget(self, client_id: str) -> Client | None:
        client, timer = self._clients.pop(client_id, (None, None))
        if timer is not None:
            timer.cancel()
        return client

    def _give_up(self, client_id: str) -> None:
        client = self._forget(client_id)
        if client is not None and not client.has_socket_connection and client.id in Client.instances:
            client.delete()
