"""Send a client's calls to a service and deliver the answers: one queue, one worker, one mailbox.

The game thread submits a `Call` and gets its `Response` at once. The worker sends one call at a time, retries those
that may be retried and posts the result, which `tick()` delivers on the game thread. Every response finishes exactly
once, also if the call is refused, the client is closed or a defect of ours occurs.
"""

from __future__ import annotations

import atexit
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ga_pygame import config
from ga_pygame.clients.retry import delay_before
from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.parts import Parts
from ga_pygame.protocol import Reply, Request, checked_reply
from ga_pygame.signals import Mailbox, Response, finish

if TYPE_CHECKING:
    from ga_pygame.protocol import Pending, Transport

T = TypeVar("T")

MAX_WAITING_CALLS = 1000
"""Calls in one client's queue; a game that never hears from the service must not fill its memory."""
CLOSED = "the client is closed"
MAX_OPENS = 3
"""Tries to open the transport before the waiting calls are answered with an error."""
MAX_ANSWER_SECONDS = 300.0
"""The longest wait for a reply of a transport."""
_OPEN_AGAIN_SECONDS = 1.0
_ANSWER_POLL_SECONDS = 0.01
_IDLE_SECONDS = 3600.0  # submit() and close() wake the worker


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def header_problem(headers: Mapping[Any, object]) -> str:
    """Return why HTTP cannot send these headers, without their values, which may be keys; "" if it can.

    Source: RFC 9110, Fields: a name is a token, a value has no line breaks, and no spaces around it.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            return f"header {name!r:.80}: its name may have letters, digits and - only"
        if not isinstance(value, str) or value != value.strip() or any(not " " <= one <= "\xff" for one in value):
            return f"header {name}: its value must be one line of Latin-1 text without spaces around it; it is not sent"
    return ""


@dataclass(eq=False)
class Call(Generic[T]):
    """A call of a service.

    Attributes:
        response: The response that the game got.
        prepare: Makes the request, or returns why there is none. Worker.
        judge: Makes the result from the last reply. Worker.
        refuse: Makes the result of a call without a reply from the reason.
        before_finish: Gets the result just before `response.finished` fires. Game thread.
        may_repeat: Whether a reply allows a retry of the same request.
        max_retries: How often to retry.
        lane: Calls of one lane are sent in order, each after the answer to the one before.
    """

    response: Response[T]
    prepare: Callable[[], Request | str]
    judge: Callable[[Reply], T]
    refuse: Callable[[str], T]
    before_finish: Callable[[T], None] = lambda _result: None
    may_repeat: Callable[[Reply], bool] = lambda _reply: False
    max_retries: int = 0
    lane: str = ""
    request: Request | None = field(default=None, init=False)
    last_reply: Reply | None = field(default=None, init=False)
    attempts: int = field(default=0, init=False)
    due: float = field(default=0.0, init=False)


class Caller:
    """The game thread's side of a client; all of it is for that thread.

    Args:
        name: The worker's name.
        parts: The classes to use; `None` for those of a desktop.
        knobs: `collector` and `request_timeout` as the game gave them; `None` means the environment's value.
    """

    def __init__(self, name: str, parts: Parts | None, **knobs: Any) -> None:
        parts = parts or Parts()
        self.diagnostics = Diagnostics()
        self.clock = parts.clock()
        self.new_id = parts.new_id
        names = ("GA_PYGAME_COLLECTOR", "GA_PYGAME_REQUEST_TIMEOUT", "GA_PYGAME_ENABLED")
        environment = {known: os.environ.get(known, "") for known in names}
        given = {knob: value for knob, value in knobs.items() if value is not None}
        loaded = config.load(given, environment, self.diagnostics.warn_once)
        self.collector = loaded.collector.rstrip("/") if loaded.collector else None
        self._off = "" if loaded.enabled else "nothing is sent: GA_PYGAME_ENABLED is off"
        self._mailbox = Mailbox(self.diagnostics.warn_once)
        self._open: dict[Call[Any], None] = {}
        transport = parts.transport(loaded.request_timeout, self.clock)
        self._worker = CallWorker(name, transport, self.clock, self.diagnostics, self._post, parts.chance)
        self._runner = parts.runner([[self._worker]], self.clock, self.diagnostics)
        self._is_running = False
        self._pid = os.getpid()

    def response(self, kind: Callable[[str, Clock, Callable[[], None]], T], name: str) -> T:
        """Make the response for a call."""
        return kind(name, self.clock, self.tick)

    def submit(self, call: Call[Any]) -> None:
        """Queue a call to be sent; never blocks, never raises."""
        if self._off or len(self._open) >= MAX_WAITING_CALLS:
            self.turn_down(call, self._off or f"{MAX_WAITING_CALLS} calls wait for answers already")
            return
        self._open[call] = None
        try:
            if not self._is_running:
                self._runner.start()
                self._is_running = True
                atexit.register(self.close)
            self._worker.inbox.append(call)
            self._runner.wake(self._worker.name)
        except RuntimeError as error:  # no thread can be started: too many, or the interpreter ends
            self._post(call, call.refuse(str(error)))

    def turn_down(self, call: Call[Any], reason: str) -> None:
        """Finish a call without sending it, in the next `tick()`, so that the game can connect to it first."""
        message = f"{call.response.finished.name.removesuffix('.finished')} is not sent: {reason}"
        self.diagnostics.warn_once(message, message)
        self._open[call] = None
        self._post(call, call.refuse(reason))

    def tick(self) -> None:
        """Deliver answers; never raises."""
        try:
            if self._is_running:
                self._runner.tick(self.clock.monotonic())
            if self._mailbox:
                self._mailbox.deliver()
        except Exception as error:  # noqa: BLE001 - the game is sacred
            self.diagnostics.defect(f"{self._worker.name}.tick", error)

    def close(self, timeout: float = 1.0) -> None:
        """Send waiting calls within that many seconds, finish the others with an error, deliver all results."""
        self._off = self._off or CLOSED
        if self._is_running and os.getpid() == self._pid:
            self._is_running = False
            atexit.unregister(self.close)
            try:
                self._runner.stop(timeout)
            except Exception as error:  # noqa: BLE001 - the game is sacred
                self.diagnostics.defect(f"{self._worker.name}.close", error)
        self.tick()
        for call in tuple(self._open):
            self._post(call, call.refuse(f"{CLOSED}; no answer came in time"))
        self.tick()

    def _post(self, call: Call[T], result: T) -> None:
        self._mailbox.post(lambda: self._finish(call, result))

    def _finish(self, call: Call[T], result: T) -> None:
        if call in self._open:
            del self._open[call]
            try:
                call.before_finish(result)
            finally:
                finish(call.response, result)


class CallWorker:
    """A worker that sends calls one at a time, in order within each lane, with retries.

    Args:
        name: The worker's name.
        transport: Sends the requests.
        clock: Tells the time, for the waits.
        diagnostics: Reports errors of the transport and of other parts.
        done: Gets each call with its result, once per call.
        chance: Returns random numbers from 0 to 1, for the jitter of waits.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        name: str,
        transport: Transport,
        clock: Clock,
        diagnostics: Diagnostics,
        done: Callable[[Call[Any], Any], None],
        chance: Callable[[], float],
    ) -> None:
        self.name = name
        self.inbox: deque[Call[Any]] = deque()
        self._transport = transport
        self._clock = clock
        self._diagnostics = diagnostics
        self._done = done
        self._chance = chance
        self._waiting: list[Call[Any]] = []
        self._sent: tuple[Call[Any], Pending, float] | None = None  # with the time when it was sent
        self._is_finishing = False
        self._is_open = False
        self._opens = 0

    def finish(self) -> None:
        self._is_finishing = True

    def step(self, now: float) -> float | None:
        """Start a call or poll the one in flight; return seconds until the next step."""
        if not self._is_open and not self._open():
            return None if self._is_finishing else _OPEN_AGAIN_SECONDS * 2.0**self._opens
        if self._sent is None:
            self._take()
            call = self._next(now)
            if call is None:
                return self._rest(now)
            self._waiting.remove(call)
            self._guarded(call, lambda call: self._send(call, now))
        if self._sent is not None and not self._guarded(self._sent[0], lambda _call: self._poll(now)):
            self._sent = None
        return 0.0 if self._sent is None else _ANSWER_POLL_SECONDS

    def _take(self) -> None:
        while self.inbox:
            self._waiting.append(self.inbox.popleft())

    def _open(self) -> bool:
        """Open the transport; after `MAX_OPENS` failures the waiting calls are refused."""
        try:
            self._transport.open()
        except BaseException as error:  # noqa: BLE001 - the worker must go on
            _pass_ctrl_c(error)
            self._diagnostics.foreign(f"the transport of {self.name}", error)
            self._opens += 1
            if self._opens >= MAX_OPENS or self._is_finishing:
                self._opens = 0
                self._take()
                for call in self._waiting:
                    self._done(call, call.refuse(f"no connection can be made: {type(error).__name__}"))
                self._waiting.clear()
            return False
        self._is_open = True
        return True

    def _poll(self, now: float) -> None:
        """Poll for the reply and handle it if it is there."""
        if self._sent is None:
            return
        call, pending, sent = self._sent
        reply = checked_reply(pending.poll())
        if reply is None and now - sent > MAX_ANSWER_SECONDS:
            reply = Reply(None, error="no answer came", maybe_handled=True)
        if reply is not None:
            self._sent = None
            self._answered(call, reply)

    def _rest(self, now: float) -> float | None:
        """Return seconds until the next step; `None` if the worker is finished."""
        if self._waiting:
            return max(0.0, min(call.due for call in self._waiting) - now)
        if self._is_finishing:
            try:
                self._transport.close()
            except BaseException as error:  # noqa: BLE001 - the worker must go on
                _pass_ctrl_c(error)
                self._diagnostics.foreign(f"the transport of {self.name}", error)
            return None
        return _IDLE_SECONDS

    def _next(self, now: float) -> Call[Any] | None:
        """Return the first call that is due and is the first of its lane."""
        taken = set()
        for call in self._waiting:
            if call.lane not in taken and (call.due <= now or self._is_finishing):
                return call
            taken.add(call.lane)
        return None

    def _send(self, call: Call[Any], now: float) -> None:
        if call.last_reply is not None and self._is_finishing:  # no time for another try
            self._done(call, call.judge(call.last_reply))
            return
        if call.request is None:
            prepared = call.prepare()
            refusal = prepared if isinstance(prepared, str) else header_problem(prepared.headers)
            if isinstance(prepared, str) or refusal:
                self._done(call, call.refuse(refusal))
                return
            call.request = prepared
        call.attempts += 1
        self._sent = (call, self._transport.send(call.request), now)

    def _answered(self, call: Call[Any], reply: Reply) -> None:
        if call.attempts <= call.max_retries and not self._is_finishing and call.may_repeat(reply):
            now = self._clock.monotonic()
            call.last_reply = reply
            call.due = now + delay_before(call.attempts, reply, self._clock.wall(now), self._chance())
            self._waiting.insert(0, call)  # stays the first of its lane
        else:
            self._done(call, call.judge(reply))

    def _guarded(self, call: Call[Any], action: Callable[[Call[Any]], None]) -> bool:
        """Run an action; if it raises, refuse the call, so that its response does not stay open for ever."""
        try:
            action(call)
        except BaseException as error:  # noqa: BLE001 - the worker must go on
            _pass_ctrl_c(error)
            self._diagnostics.foreign(f"a part of {self.name}", error)
            self._done(call, call.refuse(f"ga_pygame failed: {type(error).__name__}"))
            return False
        return True


def _pass_ctrl_c(error: BaseException) -> None:
    """Raise a `KeyboardInterrupt` of the main thread: it is the player's. On a worker's thread a part raised it."""
    if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
        raise error
