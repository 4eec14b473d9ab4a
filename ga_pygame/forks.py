"""Separates a forked child from the resources that it shares with its parent.

A fork copies the memory, but shares the journal's mapping, files with their locks, and sockets. Only the forking thread
goes on in the child, so no worker there would take the recorded events, and rows that the child appends would mix with
its parent's. So each shared resource registers here with a `let_go`, which the child calls before any code of the game
runs; the parent's side is not touched. A fork by a C library is not seen, as Python does not know of it; nor is one of
`subprocess` without `preexec_fn`, where another program follows.

Each `let_go` must not write, unlock or close anything that reaches the parent, must not take a lock (another thread may
have held it at the fork and does not exist in the child), and may be called twice.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Protocol


class Shared(Protocol):
    """A resource that a forked child must not use."""

    def let_go(self) -> None:
        """Release the resource in the child; called once for each fork."""
        ...


_shared: Any = None  # a WeakSet; its module takes 1 ms to import
_never_freed: list[object] = []


def share(thing: Shared) -> None:
    """Register a resource; while it exists, a forked child calls its `let_go`."""
    global _shared  # noqa: PLW0603 - one registration in a process: Python takes none back
    if _shared is None:
        import weakref  # noqa: PLC0415 - see above

        _shared = weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_let_go)
    _shared.add(thing)


def is_left() -> bool:
    """Whether this is a forked child of a process whose tracker ran.

    Such a process must not open the same outbox either: SQLite keeps its process's locks in memory, and the child,
    with a copy of that memory, would take its parent's locks for its own.
    """
    return _is_left


_is_left = False


def _let_go() -> None:
    global _is_left  # noqa: PLW0603 - a process is one or it is not
    _is_left = _is_left or len(_shared) > 0
    for thing in list(_shared):
        with contextlib.suppress(Exception):  # go on with the others; Python would only print it
            thing.let_go()


def never_finalise(thing: object) -> None:
    """Keep an object of the parent's alive until this process ends, even after the end of the interpreter.

    A reference in a module is not enough: modules are emptied before the process ends, and C objects then close what
    they hold. So the reference count is raised by one that is never given back.
    """
    _never_freed.append(thing)
    try:
        import ctypes  # noqa: PLC0415 - 5 ms, in a forked child only

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    except (ImportError, AttributeError):  # another interpreter: the list above must do
        return
