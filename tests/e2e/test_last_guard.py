"""Failures while a failure is reported: no handle left, a log that raises, no stack left, an interpreter that ends.

In processes of their own: each of these leaves an interpreter in a state that no other test should be in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.collectors import Collector
from tests.conftest import Game

pytestmark = pytest.mark.fresh

CALLS = """
    import ga_pygame

    def make(**knobs):
        return ga_pygame.Tracker(game_key="0123456789abcdef" * 2, secret_key="0123456789" * 4,
                                 endpoint="http://127.0.0.1:1", **knobs)

    class Node:
        def tick(self): raise ValueError("node")
        def close(self, timeout): raise ValueError("node")

    def all_calls(tracker):
        gold = tracker.wallet("gold")
        tracker.design("a#b")
        tracker.design("ok", "x")
        tracker.design("ok", fields={"a b": 1})
        tracker.design()
        tracker.business("usd", 1, "a", "b")
        tracker.business("USD", 1, "a", "b", cart_type=5)
        tracker.error("fatal", "x")
        tracker.error("error", "x")
        tracker.exception("no exception")
        tracker.exception(ValueError("x"), severity="fatal")
        tracker.resource.source("gold_1", 1, "a", "b")
        tracker.progression.start("a#")
        tracker.progression.start("a")
        tracker.progression.complete("b")
        tracker.progression.complete("a", score=1.5)
        gold.earn(-1, "a", "b")
        gold.spend(1, "a", "b", fields=5)
        tracker.dimensions[4] = "x"
        tracker.fields["a b"] = 1
        tracker.external_user_id = 5
        tracker.process(object())
        tracker.tick()
        tracker.remote_configs.get("x", 5)
        tracker.consent.grant()
        tracker.flush()
        tracker.stats
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of handles to set there")
def test_without_a_handle_left_start_fails_quietly(game: Callable[..., Game]) -> None:
    """Nothing can be imported or opened: the game plays on, and one line on stderr says that nothing is recorded."""
    code = (
        CALLS
        + """
    import resource
    tracker = make()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    tracker.start()
    all_calls(tracker)
    tracker.close()
    print("played", sum(tracker.stats.dropped.values()) > 0, flush=True)
    """
    )
    status, out, error = game(code).end()
    assert (status, out) == (0, "played True\n"), error
    assert "Tracker.start" in error
    assert "Error in atexit" not in error
    assert error.count("Traceback") <= 1


@pytest.mark.parametrize("broken", ["handler", "filter", "formatter", "logger"])
@pytest.mark.parametrize("raises", [True, False])
def test_a_log_that_raises_costs_a_line(game: Callable[..., Game], broken: str, raises: bool) -> None:
    """Handlers, filters and logger classes of the game: what they raise reaches no call of ours."""
    code = (
        CALLS
        + f"""
    import logging
    logging.raiseExceptions = {raises}

    class BadHandler(logging.Handler):
        def emit(self, record): raise RuntimeError("handler")
        def handle(self, record): raise RuntimeError("handler")

    class BadFilter(logging.Filter):
        def filter(self, record): raise RuntimeError("filter")

    class BadFormatter(logging.Formatter):
        def format(self, record): raise RuntimeError("formatter")

    class BadLogger(logging.Logger):
        def log(self, *args, **kwargs): raise RuntimeError("logger")
        def isEnabledFor(self, level): raise RuntimeError("logger")

    handler = logging.StreamHandler()
    if {broken!r} == "handler":
        handler = BadHandler()
    elif {broken!r} == "filter":
        handler.addFilter(BadFilter())
    elif {broken!r} == "formatter":
        handler.setFormatter(BadFormatter())
    else:
        logging.setLoggerClass(BadLogger)
    logging.getLogger().addHandler(handler)
    tracker = make()
    tracker.attach(Node())
    tracker.event_dropped.connect(lambda *_: 1 / 0)
    tracker.start()
    all_calls(tracker)
    tracker.close()
    print("played", flush=True)
    """
    )
    status, out, error = game(code).end()
    assert (status, out) == (0, "played\n"), error
    if broken != "formatter":  # its failure is logging's own, which says it or not
        assert "event dropped: event_id 'a#b'" in error
        assert "the log failed with RuntimeError" in error


def test_at_the_recursion_limit_a_call_raises_nothing(game: Callable[..., Game]) -> None:
    """However little room is left on the stack; each lost event is counted."""
    code = (
        CALLS
        + """
    import sys
    tracker = make()
    tracker.start()
    tracker.design("ok")
    sys.setrecursionlimit(200)

    def deep(left, call):
        if left:
            return deep(left - 1, call)
        try:
            frame = sys._getframe
        finally:
            call()

    def room():  # what a call of a Python function needs at least
        pass

    calls = [
        lambda: tracker.design("ok"),
        lambda: tracker.design("new"),
        lambda: tracker.design("a#b"),
        lambda: tracker.design("ok", fields={"a": 1}),
        lambda: tracker.error("error", "x"),
        lambda: tracker.progression.start("a"),
        lambda: tracker.resource.source("gold", 1, "a", "b"),
        lambda: tracker.tick(),
    ]
    ours = []
    for call in calls:
        for depth in range(120, 200):
            try:
                deep(depth, room)
                fits = True
            except RecursionError:
                break
            try:
                deep(depth, call)
            except RecursionError as error:
                trace = error.__traceback__
                while trace.tb_next is not None:
                    trace = trace.tb_next
                if "ga_pygame" in trace.tb_frame.f_code.co_filename:
                    ours.append((calls.index(call), depth))
    sys.setrecursionlimit(1000)
    tracker.close()
    print("ours", ours, flush=True)
    print("lost", tracker.stats.dropped.get("internal", 0) > 0, flush=True)
    """
    )
    status, out, error = game(code).end()
    assert (status, out) == (0, "ours []\nlost True\n"), error


def test_calls_while_python_ends_say_nothing(game: Callable[..., Game]) -> None:
    """From `__del__`, after modules are gone: no exception that Python would have to ignore, and print."""
    code = (
        CALLS
        + """
    import sys

    class Late:
        def __init__(self, tracker):
            self.tracker, self.calls, self.say = tracker, all_calls, sys.stdout.write
            self.me = self
        def __del__(self):
            self.calls(self.tracker)
            self.tracker.start()
            self.tracker.close()
            self.say("late\\n")

    started = make()
    started.start()
    never = make()
    sys.late = [Late(started), Late(never), Late(make())]
    import builtins
    builtins.later = Late(started)
    """
    )
    status, out, error = game(code).end()
    assert status == 0
    assert out.count("late") >= 1
    assert "Exception ignored" not in error
    assert "Traceback" not in error


@pytest.mark.skipif(sys.platform == "win32", reason="no alarms there")
@pytest.mark.parametrize(
    "call", ["tracker.design('ok', 1)", "tracker.design('#')", "tracker.tick()", "pygame.event.get()"]
)
def test_a_watchdog_of_the_game_gets_its_exception(game: Callable[..., Game], call: str) -> None:
    """A signal handler that raises while our code runs ends the game's loop, as it ends it anywhere else."""
    code = (
        CALLS
        + f"""
    import logging, os, signal
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    import pygame
    pygame.init()
    tracker = make()
    tracker.start()

    def on_alarm(number, frame):
        raise TimeoutError("the game's watchdog")

    def report():
        {call}

    report()
    logging.disable()  # `logging` itself catches what is raised while it writes, e.g. that a slow disk fills the inbox
    signal.signal(signal.SIGALRM, on_alarm)
    ended = 0
    for _ in range(60):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.003)
            while True:
                report()
        except TimeoutError:
            ended += 1
    print("ended", ended, flush=True)
    tracker.close()
    print("dropped", dict(tracker.stats.dropped), flush=True)
    """
    )
    status, out, error = game(code).end()
    assert (status, out.splitlines()[0]) == (0, "ended 60"), error
    assert "report" not in error


LEAVES = """
    import asyncio
    import ga_pygame

    async def game():
        with ga_pygame.Tracker() as tracker:
            tracker.design("a")
            await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(game())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())

    def generator():
        with ga_pygame.Tracker() as tracker:
            with tracker.progression.attempt("level"):
                yield

    running = generator()
    next(running)
    running.close()
"""


def test_a_block_that_is_cancelled_or_closed_is_no_crash(game: Callable[..., Game], collector: Collector) -> None:
    """The game ended, without an error; an open attempt failed."""
    knobs = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20"}  # for a busy machine
    status, _, error = game(LEAVES, **knobs).end()
    assert (status, error) == (0, "")
    found = [event.get("event_id", event["category"]) for event in collector.export()]
    assert found == ["user", "a", "session_end", "user", "Start:level", "Fail:level", "session_end"]
