"""Observes uncaught exceptions through Python's hooks; the previous hook is always called.

Python has four hooks: `sys.excepthook` for the main thread, `threading.excepthook` for other threads,
`sys.unraisablehook` for an exception that cannot be raised further (in `__del__`), and an asyncio loop's
`call_exception_handler` for tasks, futures and callbacks whose exception nobody retrieved. A game may later set a hook
of its own that does not call ours: so `look_after()`, called a few times a second, wraps such a hook.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from ga_pygame import rules

Heard = Callable[[BaseException, str], None]
"""Receives an exception and how it was noticed, one of `rules.CRASH_KINDS`; `rules.MAIN` ends the game."""

MAX_REHOOKS = 8
"""Times that we wrap a hook. If another library also wraps it again each time, the chain must not grow for ever."""

_ASYNCIO = "asyncio.base_events"


class _Hook:
    """One of the interpreter's hooks.

    Args:
        owner: The module or class that has the hook as an attribute.
        name: The attribute's name.
        hear: Called with the hook's arguments, before the previous hook.
        default: The function that Python calls if the attribute is `None`.
    """

    def __init__(
        self, owner: Any, name: str, hear: Callable[..., None], default: Callable[..., Any] | None = None
    ) -> None:
        self._owner = owner
        self._name = name
        self._hear = hear
        self._default = default
        self._left = MAX_REHOOKS
        self._installed: list[tuple[Any, Any]] = []  # our hook, and the hook that it calls
        self._busy = threading.local()
        self._is_on = True
        self.install()

    def install(self) -> None:
        """Wrap the hook in place, unless it is the one that we installed last."""
        found = getattr(self._owner, self._name, None)  # a game may delete it: `del sys.excepthook`
        if self._left <= 0 or (self._installed and found is self._installed[-1][0]):
            return
        self._left -= 1
        previous = found if found is not None else self._default

        def hook(*args: Any, **kwargs: Any) -> Any:
            # Our hook may call the game's hook, which calls an earlier hook of ours: report the error only once.
            hears = self._is_on and not getattr(self._busy, "now", False)
            self._busy.now = hears or getattr(self._busy, "now", False)
            try:
                try:
                    if hears:
                        self._hear(*args, **kwargs)
                finally:
                    answer = previous(*args, **kwargs) if previous is not None else None
                return answer
            finally:
                if hears:
                    self._busy.now = False

        self._installed.append((hook, found))
        setattr(self._owner, self._name, hook)

    def remove(self) -> None:
        """Restore the previous hook. If another hook was chained on top of ours, ours stays and only passes on."""
        self._is_on = False
        while self._installed and getattr(self._owner, self._name, None) is self._installed[-1][0]:
            setattr(self._owner, self._name, self._installed.pop()[1])


class CrashHooks:
    """Installs and removes the hooks that the module describes.

    Args:
        heard: Called with each uncaught exception. On the thread that raised it.
    """

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._hooks: list[_Hook] = []
        self._has_asyncio = False
        self._ended_by: BaseException | None = None
        self._before = _last_error()

    def install(self) -> None:
        """Wrap the interpreter's hooks."""
        self._before = _last_error()
        self._hooks = [
            _Hook(sys, "excepthook", self._on_exception, sys.__excepthook__),
            _Hook(threading, "excepthook", self._on_thread, threading.__excepthook__),
            _Hook(sys, "unraisablehook", self._on_unraisable, sys.__unraisablehook__),
        ]
        self._look_for_asyncio()

    def look_after(self) -> None:
        """Wrap hooks that were set meanwhile. Cheap; called a few times a second."""
        if self._hooks:
            for hook in self._hooks:
                hook.install()
            self._look_for_asyncio()

    def remove(self) -> None:
        """Restore the previous hooks. Report an exception that ended the game without reaching our hook."""
        if not self._hooks:
            return
        last = _last_error()
        if last is not None and last is not self._before and last is not self._ended_by:
            self._heard(last, rules.MAIN)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._ended_by = self._before = None

    def let_go(self) -> None:
        """Restore the previous hooks in a forked child, without reporting anything."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _look_for_asyncio(self) -> None:
        """Hook asyncio if the game has imported it: importing it for the hook alone would cost 40 ms."""
        if not self._has_asyncio and (module := sys.modules.get(_ASYNCIO)) is not None:
            loop = getattr(module, "BaseEventLoop", None)  # missing while asyncio is still being imported
            if loop is not None:
                self._has_asyncio = True
                self._hooks.append(_Hook(loop, "call_exception_handler", self._on_loop))

    def _on_exception(self, _kind: object, error: BaseException, _trace: object) -> None:
        if error is not self._ended_by:
            self._ended_by = error  # also in `sys.last_value`, where `remove()` must not report it again
            self._heard(error, rules.MAIN)

    def _on_thread(self, args: Any) -> None:
        if isinstance(args.exc_value, BaseException):
            self._heard(args.exc_value, rules.THREAD)

    def _on_unraisable(self, args: Any) -> None:
        if isinstance(args.exc_value, BaseException):
            self._heard(args.exc_value, rules.UNRAISABLE)

    def _on_loop(self, _loop: object, context: Any) -> None:
        error = context.get("exception") if isinstance(context, dict) else None
        if isinstance(error, BaseException):
            self._heard(error, rules.TASK)


def _last_error() -> BaseException | None:
    """Return the last exception that reached the top level uncaught, as Python keeps it; `None` if there is none."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) else None
