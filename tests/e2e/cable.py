"""Networks that can be cut, by network namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest


class Cable:
    """A network between us and a network namespace; `pull()` cuts it, and neither end is told.

    Args:
        beside: A cable whose namespace gets this one, too; `None` makes a namespace.

    Attributes:
        near: Our address.
        far: The address at the other end.
    """

    def __init__(self, beside: Cable | None = None) -> None:
        token = secrets.token_hex(3)
        self._is_first = beside is None
        self._namespace: str = f"ga-{token}" if beside is None else beside._namespace
        self._link = f"ga{token}a"
        self._far_link = f"ga{token}b"
        subnet = f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(64) * 4}"
        base, _, last = subnet.rpartition(".")
        self.near = f"{base}.{int(last) + 1}"
        self.far = f"{base}.{int(last) + 2}"

    def __enter__(self) -> Cable:
        if os.name != "posix" or os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("pulling a cable needs root and iproute2")
        inside = ("netns", "exec", self._namespace, "ip")
        try:
            if self._is_first:
                _ip("netns", "add", self._namespace)
                _ip(*inside, "link", "set", "lo", "up")
            _ip("link", "add", self._link, "type", "veth", "peer", "name", self._far_link, "netns", self._namespace)
            _ip("address", "add", f"{self.near}/30", "dev", self._link)
            _ip("link", "set", self._link, "up")
            _ip(*inside, "address", "add", f"{self.far}/30", "dev", self._far_link)
            _ip(*inside, "link", "set", self._far_link, "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        namespace = (("netns", "del", self._namespace),) if self._is_first else ()
        for command in (("link", "del", self._link), *namespace):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*command)

    def listener(self) -> socket.socket:
        """Return a listening socket at the far end. A socket stays in the namespace in which a thread made it."""
        made: list[socket.socket] = []

        def listen() -> None:
            enter(self._namespace)
            made.append(socket.create_server((self.far, 0)))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        return made[0]

    def pull(self) -> None:
        _ip("link", "set", self._link, "down")

    def pull_far_end(self) -> None:
        """Cut it at the other end, so that our address can still be used by ourselves."""
        _ip("netns", "exec", self._namespace, "ip", "link", "set", self._far_link, "down")

    def plug_far_end(self) -> None:
        """Mend it."""
        _ip("netns", "exec", self._namespace, "ip", "link", "set", self._far_link, "up")

    @property
    def entry(self) -> str:
        """Code with which a process goes into the namespace, before it makes threads."""
        return f"from tests.e2e.cable import enter; enter({self._namespace!r})"

    @property
    def within(self) -> list[str]:
        """The beginning of a command that runs in the namespace."""
        return ["ip", "netns", "exec", self._namespace]


def enter(namespace: str) -> None:
    """Bring the calling thread into a network namespace, with the threads that it makes and the sockets of all."""
    with Path(f"/run/netns/{namespace}").open("rb") as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=120)
