"""The one place where a process lets go of what it shared with its parent.

A fork copies the memory, and shares what lies behind it: the journal's mapping, files and their locks, sockets. No
thread but the one that forked goes on in the child, so nothing there would take what is recorded; and what the child
wrote would lie between the rows of its parent. So what is shared says here how it is let go of. That happens in the
child, before any code of the game runs there; the parent's side is not touched. A fork that Python does not know of
(by a library written in C) is not seen, nor is one of `subprocess` without `preexec_fn`: there another program follows.

This must stay true of each `let_go`: it neither writes nor unlocks nor closes in a way that reaches the parent, takes
no lock (another thread may have held it), and may be called twice.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Protocol


class Shared(Protocol):
    """Something that a forked child must not use."""

    def let_go(self) -> None:
        """Called in the child, once for each fork."""
        ...


_shared: Any = None  # a WeakSet; the module costs 1 ms that `import ga_pygame` need not cost
_never_freed: list[object] = []


def share(thing: Shared) -> None:
    """Have a child let go of `thing` for as long as that exists."""
    global _shared  # noqa: PLW0603 - one registration in a process: Python takes none back
    if _shared is None:
        import weakref  # noqa: PLC0415 - see above

        _shared = weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_let_go)
    _shared.add(thing)


def is_left() -> bool:
    """Whether this is a forked child of a process whose tracker ran.

    Such a process must not open the same outbox either: SQLite keeps in memory which locks its process holds, the
    child has a copy of that, and would believe that it holds its parent's.
    """
    return _is_left


_is_left = False


def _let_go() -> None:
    global _is_left  # noqa: PLW0603 - a process is one or it is not
    _is_left = _is_left or len(_shared) > 0
    for thing in list(_shared):
        with contextlib.suppress(Exception):  # the rest has to be let go of, too, and Python would only print it
            thing.let_go()


def never_finalise(thing: object) -> None:
    """Keep an object of the parent's alive until this process is gone, past the end of the interpreter, too.

    A reference of our own would not do: modules are emptied before the process ends, and then objects of C code close
    what they hold. So one reference is counted that nobody has.
    """
    _never_freed.append(thing)
    try:
        import ctypes  # noqa: PLC0415 - 5 ms, in a forked child only

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    except (ImportError, AttributeError):  # another kind of interpreter: it ends with the list above
        return
