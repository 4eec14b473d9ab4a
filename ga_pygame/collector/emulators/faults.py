"""Faults on demand: wrong answers of a service's routes, so that a developer can test a game with them.

    curl -d '{"route": "pogr/event", "status": 500, "times": 2}' http://127.0.0.1:8420/_emu/fail

`route` is a service (`gameanalytics`, `pogr`, `trophy`) or one of its routes (`gameanalytics/events`, `pogr/event`,
`trophy/metrics`). The next `times` requests there get the fault; faults that stay until they are ended: see `chaos`.
If it is a refusal (`status` of 400 or more, `error`) or a dropped connection, the request is not processed; else it is,
and only its answer is wrong. `processed` overrides that: `{"route": "trophy", "drop": true, "processed": true}` is the
lost answer that idempotency keys are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

FAULTY_SERVICES = ("gameanalytics", "pogr", "trophy")
"""The services whose routes can have faults."""
MAX_DELAY_SECONDS = 300
"""Seconds that an answer may be delayed."""
MAX_WAITING_FAULTS = 1000
"""Faults that wait for their requests; further ones are refused."""
MAX_FAULT_TEXT = 1000
"""Characters of a fault's route and error; longer ones are refused."""
MAX_FAULT_RETRY_AFTER_SECONDS = 10**6
"""The largest `Retry-After`."""
MAX_SKEW_SECONDS = 3660 * 86400
"""Seconds by which a server's clock may be wrong."""
ASKED_FOR = "a fault that was asked for"
_NOT_JSON = b"<html><body>this is not JSON</body></html>\n"


class FaultError(Exception):
    """The fault cannot be set; the message says why."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault.

    Attributes:
        route: A service or one of its routes.
        times: How many requests get it.
        status: The status of the answer; from 400 on with an error as its body.
        error: The text of an error as the body; the status is then 200 unless `status` is set.
        retry_after: A `Retry-After` header, in seconds.
        delay: Seconds before the answer.
        drop: Close the connection without an answer.
        empty: Send an answer without a body.
        cut: Send only the first half of the body.
        invalid: Send a page of HTML, as a network's login page does, without the service's headers.
        newline: `false` leaves out the line break at the end.
        skew: Seconds that the clock in an answer (`server_ts`) is ahead of the right one.
        processed: Whether the request takes effect; `null` for the default of the fault.
    """

    route: str
    times: int = 1
    status: int | None = None
    error: str | None = None
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    empty: bool = False
    cut: bool = False
    invalid: bool = False
    newline: bool = True
    skew: int = 0
    processed: bool | None = None

    @property
    def refuses(self) -> bool:
        """Whether the request must not take effect."""
        if self.processed is not None:
            return not self.processed
        return self.drop or self.error is not None or (self.status or 200) >= 400

    def is_for(self, route: str) -> bool:
        """Return whether a request to a route gets the fault."""
        return route == self.route or route.startswith(f"{self.route}/")

    def body(self, body: bytes, refusal: Callable[[str], Response]) -> bytes:
        """Make the faulty body from the right one."""
        if self.error is not None or (self.status or 200) >= 400:
            body = bytes(refusal(self.error if self.error is not None else ASKED_FOR).body)
        if self.skew:
            body = _with_wrong_clock(body, self.skew)
        if self.invalid:
            body = _NOT_JSON
        if self.empty or self.status in (204, 205, 304):
            body = b""
        if not self.newline:
            body = body.rstrip(b"\n")
        return body[: len(body) // 2] if self.cut else body


def _with_wrong_clock(body: bytes, skew: int) -> bytes:
    answer = msgspec.json.decode(body) if body else None
    if not isinstance(answer, dict) or "server_ts" not in answer:
        return body
    return msgspec.json.encode({**answer, "server_ts": answer["server_ts"] + skew})


class Faults:
    """The faults that wait for their requests, and those that stay.

    Args:
        drop: Closes a client's connection without an answer.

    Attributes:
        drop: As given.
        lasting: Faults of all requests to their routes; those that wait come first.
        met: How many requests got a lasting fault.
    """

    def __init__(self, drop: Callable[[tuple[str, int]], None]) -> None:
        self.drop = drop
        self.lasting: tuple[Fault, ...] = ()
        self.met = 0
        self._waiting: list[tuple[Fault, int]] = []

    def set(self, body: bytes) -> None:
        """Add a fault or a list of faults.

        Raises:
            FaultError: One of them is not a valid fault.
        """
        try:
            added = msgspec.json.decode(body, type=list[Fault] | Fault)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise FaultError(f"not a fault: {str(error)[:200]}") from error
        faults = added if isinstance(added, list) else [added]
        if len(self._waiting) + len(faults) > MAX_WAITING_FAULTS:
            raise FaultError(f"at most {MAX_WAITING_FAULTS} faults may wait")
        for fault in faults:
            if len(fault.route) > MAX_FAULT_TEXT or len(fault.error or "") > MAX_FAULT_TEXT:
                raise FaultError(f"route and error have at most {MAX_FAULT_TEXT} characters")
            if fault.route.partition("/")[0] not in FAULTY_SERVICES:
                raise FaultError(f"route {fault.route!r}: must begin with gameanalytics, pogr or trophy")
            if not 1 <= fault.times <= 10**6:
                raise FaultError("times must be 1 to 1000000")
            if fault.status is not None and not 200 <= fault.status <= 599:
                raise FaultError("status must be 200 to 599")
            if not 0 <= fault.delay <= MAX_DELAY_SECONDS:
                raise FaultError(f"delay must be 0 to {MAX_DELAY_SECONDS}")
            if not 0 <= (fault.retry_after or 0) <= MAX_FAULT_RETRY_AFTER_SECONDS:
                raise FaultError(f"retry_after must be 0 to {MAX_FAULT_RETRY_AFTER_SECONDS}")
            if abs(fault.skew) > MAX_SKEW_SECONDS:
                raise FaultError(f"skew must be -{MAX_SKEW_SECONDS} to {MAX_SKEW_SECONDS}")
        self._waiting.extend((fault, fault.times) for fault in faults)

    def clear(self, service: str | None = None) -> None:
        """Remove the faults of a service, or all."""
        self._waiting = [one for one in self._waiting if service and one[0].route.partition("/")[0] != service]

    def waiting(self) -> list[dict[str, object]]:
        """Return the faults that wait, with how many requests will get them."""
        return [{**msgspec.structs.asdict(fault), "times": times} for fault, times in self._waiting]

    def _take(self, route: str) -> Fault | None:
        for place, (fault, times) in enumerate(self._waiting):
            if fault.is_for(route):
                self._waiting[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        for fault in self.lasting:
            if fault.is_for(route):
                self.met += 1
                return fault
        return None

    async def around(
        self,
        request: Request,
        route: str,
        handle: Callable[[float], Awaitable[Response]],
        refusal: Callable[[str], Response],
    ) -> Response:
        """Answer a request, with the fault that waits for it, or else a lasting one.

        Args:
            request: The request; its body has been read.
            route: The service and its route.
            handle: Processes the request and answers after a delay in seconds.
            refusal: Makes the service's error answer with a text.
        """
        fault = self._take(route) if self._waiting or self.lasting else None
        if fault is None:
            return await handle(0)
        if fault.refuses:
            await asyncio.sleep(fault.delay)
            answer = refusal(ASKED_FOR)
        else:
            answer = await handle(fault.delay)
        if fault.drop and request.client is not None:
            self.drop((request.client.host, request.client.port))
            return Response(status_code=400)  # nobody reads it
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        if fault.invalid:
            headers = {"content-type": "text/html; charset=utf-8"}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        status = fault.status or (200 if fault.refuses else answer.status_code)
        return Response(fault.body(bytes(answer.body), refusal), status, headers)
