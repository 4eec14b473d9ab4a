"""POGR's node for pygame: the methods, arguments and defaults of Blazium's `POGRClient`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ga_pygame.addresses import POGR_URL
from ga_pygame.clients.caller import Call, Caller
from ga_pygame.clients.pogr import wire as pogr_wire
from ga_pygame.clients.pogr.wire import POGRResult, checked_tags, to_json
from ga_pygame.process import CpuMeter, memory_bytes, native_modules
from ga_pygame.protocol import Reply, Request
from ga_pygame.signals import Response, Signal, emit

if TYPE_CHECKING:
    from ga_pygame.parts import Parts

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_NO_CLIENT = "client_id and build_id are needed: set both, from the POGR Game Client page, before init()"
_NO_SESSION = "session missing: call init() first, and only then the rest"
_REPEATABLE_STATUSES = (429, 503)  # POGR has no idempotency keys, so a call that may have been processed is not retried


class POGRResponse(Response[POGRResult]):
    """The future answer to a call: `await response.finished`, `response.wait(2)` or connect to `finished`."""


class POGRClient:
    """A POGR session: `init`, then `data`, `event`, `logs`, `metrics`, `monitor`, then `end`.

    Every call returns at once and never raises. Its response's `finished` fires exactly once, on the game thread, in a
    later `tick()`; awaiting or waiting ticks too. Calls are sent in order, each after the answer to the one before. So
    `data()` may be called right after `init()`.

    Args:
        client_id: From the POGR Game Client page.
        build_id: From the POGR Game Client page.
        pogr_url: The address of the intake.
        collector: Send to this collector instead of `pogr_url`; default: `GA_PYGAME_COLLECTOR`.
        timeout: The longest wait for an answer, in seconds; default: `GA_PYGAME_REQUEST_TIMEOUT`, else 10.
        max_retries: How often to retry a call that POGR has certainly not processed (HTTP 429 and 503).
        parts: Other classes to use, for tests.

    Attributes:
        client_id: As given; may be set until `init`.
        build_id: As given; may be set until `init`.
        pogr_url: As given; may be set, e.g. for a proxy.
        log_updated: A call has finished: the command and the payload's JSON, or "error" and the error.
            `(command: str, logs: str)`
    """

    def __init__(
        self,
        client_id: str = "",
        build_id: str = "",
        *,
        pogr_url: str = POGR_URL,
        collector: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        parts: Parts | None = None,
    ) -> None:
        self.client_id = client_id
        self.build_id = build_id
        self.pogr_url = pogr_url
        self.log_updated: Signal[[str, str]] = Signal("log_updated")
        self._caller = Caller("pogr", parts, collector=collector, request_timeout=timeout)
        self._max_retries = max_retries
        self._session_id = ""  # written by the worker: by init's answer and by end's
        self._inits = 0  # calls of init that are not finished
        self._cpu = CpuMeter(self._caller.clock)

    def __repr__(self) -> str:
        return f"<POGRClient {self.get_pogr_url()}, {'in a session' if self._session_id else 'no session'}>"

    # --- the node's methods -----------------------------------------------------------------------------

    def init(self, association_id: str = "", *, extra: Mapping[str, Any] = _EMPTY) -> POGRResponse:
        """Begin a session; needs `client_id` and `build_id`.

        Args:
            association_id: Any text that identifies the player or the device; "" leaves it out.
            extra: More fields of the request, e.g. `{"steam_auth_ticket": "…"}`.
        """
        headers = {"POGR_CLIENT": self.client_id, "POGR_BUILD": self.build_id}
        url = self.get_pogr_url()
        refusal = "" if self.client_id and self.build_id else _NO_CLIENT

        def body() -> str:
            return to_json({**extra, **({"association_id": association_id} if association_id else {})})

        def over() -> None:
            self._inits -= 1

        self._inits += 1
        return self._call("init", body, lambda text: pogr_wire.pogr_request(url, "init", text, headers), refusal, over)

    def data(self, tags: Mapping[str, Any] = _EMPTY, data: Mapping[str, Any] | None = None) -> POGRResponse:
        """Send anything: `data({"custom_data": "my_data"})`, with tags `data({"steam_id": "1"}, {"custom_data": 1})`.

        Args:
            tags: See `VALID_TAGS`; the call is refused for another one. A tag with an empty value is left out. If it is
                the only argument, it is the data, as in the node's own example.
            data: Any values that JSON can hold.
        """
        known, values = (_EMPTY, tags) if data is None else (tags, data)
        return self._send("data", lambda: {"data": _as_dict(values), "tags": checked_tags(known)})

    def event(  # noqa: PLR0917 - the node's arguments
        self,
        event_name: str,
        sub_event: str,
        event_key: str,
        flag: str,
        type: str = "user-event",  # noqa: A002 - the node's name
        tags: Mapping[str, str] = _EMPTY,
        data: Mapping[str, Any] = _EMPTY,
    ) -> POGRResponse:
        """Send an event: `event("combat", "enemy_killed", "attack", "completed")`."""
        return self._send(
            "event",
            lambda: {
                "event": event_name,
                "sub_event": sub_event,
                "event_type": type,
                "event_flag": flag,
                "event_key": event_key,
                "event_data": _as_dict(data),
                "tags": checked_tags(tags),
            },
        )

    def logs(  # noqa: PLR0917 - the node's arguments
        self,
        log: str,
        severity: str = "info",
        environment: str = "dev",
        service: str = "gameclient",
        type: str = "user-event",  # noqa: A002 - the node's name
        tags: Mapping[str, str] = _EMPTY,
        data: Mapping[str, Any] = _EMPTY,
    ) -> POGRResponse:
        """Send a line of a log; `severity` is trace, debug, info, warn or error."""
        return self._send(
            "logs",
            lambda: {
                "service": service,
                "environment": environment,
                "severity": severity,
                "type": type,
                "log": log,
                "data": _as_dict(data),
                "tags": checked_tags(tags),
            },
        )

    def metrics(
        self,
        metrics: Mapping[str, Any],
        environment: str = "dev",
        service: str = "gameclient",
        tags: Mapping[str, str] = _EMPTY,
    ) -> POGRResponse:
        """Send numbers by name: `metrics({"FPS": clock.get_fps()})`."""
        return self._send(
            "metrics",
            lambda: {
                "service": service,
                "environment": environment,
                "metrics": _as_dict(metrics),
                "tags": checked_tags(tags),
            },
        )

    def monitor(self, settings: Mapping[str, Any]) -> POGRResponse:
        """Send the resource usage of this process and your own settings. The worker measures just before it sends.

        `cpu_usage` is the percentage of one core since the last call, `memory_usage` is in bytes, `dlls_loaded` are the
        file names of native modules. Once in 30 s is often enough.
        """

        def with_facts(text: str) -> str:
            facts = {
                "cpu_usage": self._cpu.percent(),
                "memory_usage": memory_bytes(),
                "dlls_loaded": native_modules(),
            }
            return f"{to_json(facts)[:-1]},{text[1:]}"

        return self._send("monitor", lambda: {"settings": _as_dict(settings)}, with_facts)

    def end(self) -> POGRResponse:
        """End the session; its id is removed when POGR confirms it."""
        return self._send("end", dict)

    def get_session_id(self) -> str:
        """Return the session's id, "" outside a session."""
        return self._session_id

    def get_pogr_url(self) -> str:
        """Return the address of requests: the collector's intake if one is set, else `pogr_url`."""
        collector = self._caller.collector
        return f"{collector}/v1/intake" if collector else self.pogr_url.rstrip("/")

    # --- tick and close -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Fire the signals of finished calls; call it once per frame. Never raises."""
        self._caller.tick()

    def close(self, timeout: float = 1.0) -> None:
        """Send waiting calls within that many seconds, then close the connection; also called at exit."""
        self._caller.close(timeout)

    # --- sending --------------------------------------------------------------------------------

    def _send(
        self, command: str, body: Callable[[], object], complete: Callable[[str], str] = lambda text: text
    ) -> POGRResponse:
        """Submit a call of the session; `complete` adds to its JSON on the worker."""
        url = self.get_pogr_url()

        def prepare(text: str) -> Request | str:
            session_id = self._session_id
            if not session_id:
                return _NO_SESSION
            return pogr_wire.pogr_request(url, command, complete(text), {"INTAKE_SESSION_ID": session_id})

        refusal = "" if self._session_id or self._inits else _NO_SESSION
        return self._call(command, lambda: to_json(body()), prepare, refusal)

    def _call(
        self,
        command: str,
        body: Callable[[], str],
        prepare: Callable[[str], Request | str],
        refusal: str,
        over: Callable[[], None] = lambda: None,
    ) -> POGRResponse:
        """Submit a call.

        Args:
            command: The route.
            body: Makes the JSON here on the game thread: copying the game's objects for the worker would take longer.
            prepare: Makes the request from the JSON, on the worker, when all earlier calls have finished.
            refusal: Why the call is not sent; "" to send it.
            over: Called first when the call finishes.
        """
        text = ""
        if not refusal:
            try:
                text = body()
            except Exception as error:  # noqa: BLE001 - the game's objects may raise anything
                refusal = str(error) or type(error).__name__
        told = ["error", refusal]

        def judge(reply: Reply) -> POGRResult:
            answer = pogr_wire.judge_reply(command, reply)
            if not answer.result.error:
                told[0] = command
                if command in ("init", "end"):
                    self._session_id = answer.session_id
            told[1] = answer.log
            return answer.result

        def before_finish(result: POGRResult) -> None:
            over()
            emit(self.log_updated, told[0], told[1] or result.error)

        response = self._caller.response(POGRResponse, f"pogr.{command}")
        call = Call(
            response,
            prepare=lambda: prepare(text),
            judge=judge,
            refuse=lambda why: POGRResult(why, ""),
            before_finish=before_finish,
            may_repeat=lambda reply: reply.status in _REPEATABLE_STATUSES,
            max_retries=self._max_retries,
        )
        if refusal:
            self._caller.turn_down(call, refusal)
        else:
            self._caller.submit(call)
        return response


def _as_dict(value: Any) -> Any:
    """Convert any mapping to a dictionary; other values are left to JSON."""
    return dict(value) if isinstance(value, Mapping) else value
