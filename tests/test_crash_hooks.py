"""Uncaught exceptions: each is seen once, the previous hooks are always called, and all are restored."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ga_pygame.engine.crash_hooks import MAX_REHOOKS, CrashHooks
from tests.test_crashes import crash


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install hooks that do nothing, forget earlier errors, and check that asyncio's method is restored."""
    for owner in (sys, threading):
        monkeypatch.setattr(owner, "excepthook", lambda *_: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda *_: None)
    monkeypatch.delattr(sys, "last_value", raising=False)
    monkeypatch.delattr(sys, "last_exc", raising=False)
    original = asyncio.BaseEventLoop.call_exception_handler
    yield
    assert asyncio.BaseEventLoop.call_exception_handler is original
    sys.__dict__.pop("last_value", None)


class Rig:
    """Hooks, and the exceptions that they saw."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.hooks = CrashHooks(lambda error, kind: self.heard.append((str(error), kind)))


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    made.hooks.install()
    yield made
    made.hooks.remove()


def in_a_thread(message: str) -> None:
    """Raise an exception that ends a thread."""

    def work() -> None:
        raise ValueError(message)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_uncaught_exceptions_are_heard_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier hooks are still called, on the main thread and on others; `remove()` restores them."""
    order: list[str] = []

    def before(_kind: object, error: object, _trace: object) -> None:
        order.append(f"previous {error}")

    def before_thread(args: threading.ExceptHookArgs) -> None:
        order.append(f"previous {args.exc_value}")

    monkeypatch.setattr(sys, "excepthook", before)
    monkeypatch.setattr(threading, "excepthook", before_thread)
    hook = CrashHooks(lambda error, kind: order.append(f"ours {error} {kind}"))
    hook.install()
    error = crash("boom")
    sys.excepthook(type(error), error, None)

    def work() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert order == ["ours boom main", "previous boom", "ours in a thread thread", "previous in a thread"]
    hook.remove()
    assert sys.excepthook is before
    assert threading.excepthook is before_thread


def test_a_hook_chained_in_later_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing ours must not cut out somebody else's."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    hook = CrashHooks(lambda _error, _kind: None)
    hook.install()

    def later(*_: object) -> None: ...

    sys.excepthook = later
    threading.excepthook = later
    hook.remove()
    assert sys.excepthook is later
    assert threading.excepthook is later


def test_removing_what_was_not_installed_is_nothing() -> None:
    """`close()` removes the hook also where `capture_exceptions` was off."""
    before = (sys.excepthook, threading.excepthook)
    CrashHooks(lambda _error, _kind: None).remove()
    assert (sys.excepthook, threading.excepthook) == before


@pytest.mark.e2e
def test_what_cannot_go_anywhere_is_heard(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in `__del__` reaches `sys.unraisablehook`, whose previous value is called with the same."""
    rig.hooks.remove()
    passed_on: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: passed_on.append(args.exc_type))
    rig.hooks.install()

    class Bad:
        """An object whose destructor raises."""

        def __del__(self) -> None:
            raise ValueError("in del")

    bad = Bad()
    del bad
    gc.collect()
    assert rig.heard == [("in del", "unraisable")]
    assert passed_on == [ValueError]


@pytest.mark.e2e
@pytest.mark.parametrize("has_own_handler", [True, False])
def test_what_nobody_took_of_a_task_is_heard(rig: Rig, has_own_handler: bool) -> None:
    """Tasks, futures and callbacks, with asyncio's handler or the game's, which is called as ever."""
    own: list[object] = []

    async def fails() -> None:
        raise ValueError("in a task")

    def calls_back() -> None:
        raise ValueError("in a callback")

    async def game() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            (lambda _loop, context: own.append(context["exception"])) if has_own_handler else None
        )
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
        loop.call_soon(calls_back)
        future = loop.create_future()
        future.set_exception(ValueError("in a future"))
        del future
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(game())
    assert sorted(rig.heard) == [("in a callback", "task"), ("in a future", "task"), ("in a task", "task")]
    assert len(own) == (3 if has_own_handler else 0)


@pytest.mark.parametrize("chains", [True, False])
def test_hooks_that_are_set_later_are_wrapped(rig: Rig, chains: bool) -> None:
    """A game's hook that does not call ours hides nothing; one that does is not heard twice. Both are put back."""
    calls: list[str] = []
    ours, ours_of_threads = sys.excepthook, threading.excepthook

    def later(kind: Any, error: Any, trace: Any) -> None:
        calls.append(str(error))
        if chains:
            ours(kind, error, trace)

    def later_of_threads(args: Any) -> None:
        calls.append(str(args.exc_value))
        if chains:
            ours_of_threads(args)

    sys.excepthook, threading.excepthook = later, later_of_threads
    for _ in range(3):
        rig.hooks.look_after()
    in_a_thread("a")
    error = ValueError("b")
    sys.excepthook(ValueError, error, None)
    assert rig.heard == [("a", "thread"), ("b", "main")]
    assert calls == ["a", "b"]
    rig.hooks.remove()
    assert sys.excepthook is later
    assert threading.excepthook is later_of_threads
    in_a_thread("c")
    assert rig.heard[2:] == []


def test_two_that_insist_build_no_tower(rig: Rig) -> None:
    """Another part that wraps ours each time gets its way in the end."""
    for _ in range(50):
        sys.excepthook = lambda *args, inner=sys.excepthook: inner(*args)
        rig.hooks.look_after()
    sys.excepthook(ValueError, ValueError("deep"), None)
    assert rig.heard == [("deep", "main")]
    assert MAX_REHOOKS < 50


def test_a_hook_of_none_means_pythons_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As the interpreter takes it."""
    monkeypatch.setattr(threading, "excepthook", None)
    rig = Rig()
    rig.hooks.install()
    in_a_thread("shown")
    rig.hooks.remove()
    assert threading.excepthook is None
    assert rig.heard == [("shown", "thread")]
    assert "ValueError: shown" in capsys.readouterr().err


def test_a_hook_that_a_game_deletes_is_installed_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """`del sys.excepthook` is no failure of ours, in the game and at its end."""
    monkeypatch.delattr(sys, "excepthook")
    rig.hooks.look_after()
    sys.excepthook(ValueError, ValueError("heard"), None)
    assert rig.heard == [("heard", "main")]
    del sys.excepthook
    rig.hooks.remove()


def test_a_crash_that_passed_by_our_hook_is_heard_at_the_end(rig: Rig) -> None:
    """Python keeps in `sys.last_value` what ended the program, whatever hook printed it."""
    sys.last_value = ValueError("unheard")
    rig.hooks.remove()
    assert rig.heard == [("unheard", "main")]


def test_a_crash_that_was_heard_or_is_older_is_not_heard_again() -> None:
    """What our hook heard, and what was there before `start()`."""
    sys.last_value = ValueError("old")
    rig = Rig()
    rig.hooks.install()
    rig.hooks.remove()
    assert rig.heard == []
    rig.hooks.install()
    sys.last_value = error = ValueError("heard")
    sys.excepthook(ValueError, error, None)
    rig.hooks.remove()
    assert rig.heard == [("heard", "main")]


def test_a_previous_hook_that_raises_is_its_own_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exception goes to Python, as without us; ours has heard before, and hears the next one."""

    def bad(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "excepthook", bad)
    rig = Rig()
    rig.hooks.install()
    for message in "ab":
        with pytest.raises(ZeroDivisionError):
            sys.excepthook(ValueError, ValueError(message), None)
    rig.hooks.remove()
    assert [message for message, _ in rig.heard] == ["a", "b"]


def test_a_failure_of_ours_does_not_keep_it_from_the_previous_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it is an exit."""
    heard: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *args: heard.append(args[1]))

    def fails(_error: BaseException, _kind: str) -> None:
        raise SystemExit

    hooks = CrashHooks(fails)
    hooks.install()
    error = ValueError()
    with pytest.raises(SystemExit):
        sys.excepthook(ValueError, error, None)
    hooks.remove()
    assert heard == [error]
