"""Faults on demand: what a service's routes answer instead, so that a game meets it before its players do.

    curl -d '{"route": "pogr/event", "status": 500, "times": 2}' http://127.0.0.1:8420/_emu/fail

`route` is a service (`pogr`, `trophy`) or one of its routes (`pogr/event`, `trophy/metrics`). The next `times`
requests there meet the fault. What came is not processed when the fault is a refusal (`status` of 400 or more,
`error`) or a dropped connection; in the other cases it is, and only its answer is spoiled. `processed` says otherwise:
`{"route": "trophy", "drop": true, "processed": true}` is the lost answer that idempotency keys are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

MAX_DELAY_SECONDS = 300
"""Seconds that an answer may be held back."""
MAX_WAITING_FAULTS = 1000
"""Faults that wait for their requests; further ones are refused."""
MAX_FAULT_TEXT = 1000
"""Characters of a fault's route and error; longer ones are refused."""
MAX_FAULT_RETRY_AFTER_SECONDS = 10**6
"""The largest `Retry-After`."""
ASKED_FOR = "a fault that was asked for"
_NOT_JSON = b"<html><body>this is not JSON</body></html>\n"


class FaultError(Exception):
    """A fault that cannot be set; the message says why."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault.

    Attributes:
        route: A service or one of its routes.
        times: How many requests meet it.
        status: The answer's code; with an error's body from 400 on.
        error: The text in an error's body; the code is then 200 unless `status` says otherwise.
        retry_after: A `Retry-After` header, in seconds.
        delay: Seconds before the answer.
        drop: The connection closes without an answer.
        empty: An answer without a body.
        cut: The answer's body ends in the middle.
        invalid: A body that is not JSON.
        newline: `false` leaves out the line break at the end.
        processed: Whether the request takes effect; `null` for what suits the fault.
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
    processed: bool | None = None

    @property
    def refuses(self) -> bool:
        """Whether the request must not take effect."""
        if self.processed is not None:
            return not self.processed
        return self.drop or self.error is not None or (self.status or 200) >= 400

    def body(self, body: bytes, refusal: Callable[[str], Response]) -> bytes:
        """What of an answer's body is left."""
        if self.error is not None or (self.status or 200) >= 400:
            body = bytes(refusal(self.error if self.error is not None else ASKED_FOR).body)
        if self.invalid:
            body = _NOT_JSON
        if self.empty or self.status in (204, 205, 304):
            body = b""
        if not self.newline:
            body = body.rstrip(b"\n")
        return body[: len(body) // 2] if self.cut else body


class Faults:
    """The faults that wait for their requests."""

    def __init__(self, drop: Callable[[tuple[str, int]], None]) -> None:
        self._drop = drop
        self._waiting: list[tuple[Fault, int]] = []

    def set(self, body: bytes) -> None:
        """Add one fault or a list of them.

        Raises:
            FaultError: It is not one.
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
            if fault.route.partition("/")[0] not in ("pogr", "trophy"):
                raise FaultError(f"route {fault.route!r}: must begin with pogr or trophy")
            if not 1 <= fault.times <= 10**6:
                raise FaultError("times must be 1 to 1000000")
            if fault.status is not None and not 200 <= fault.status <= 599:
                raise FaultError("status must be 200 to 599")
            if not 0 <= fault.delay <= MAX_DELAY_SECONDS:
                raise FaultError(f"delay must be 0 to {MAX_DELAY_SECONDS}")
            if not 0 <= (fault.retry_after or 0) <= MAX_FAULT_RETRY_AFTER_SECONDS:
                raise FaultError(f"retry_after must be 0 to {MAX_FAULT_RETRY_AFTER_SECONDS}")
        self._waiting.extend((fault, fault.times) for fault in faults)

    def clear(self, service: str | None = None) -> None:
        """Forget the faults of a service, or all."""
        self._waiting = [one for one in self._waiting if service and one[0].route.partition("/")[0] != service]

    def waiting(self) -> list[dict[str, object]]:
        """The faults that are still to come."""
        return [{**msgspec.structs.asdict(fault), "times": times} for fault, times in self._waiting]

    def _take(self, route: str) -> Fault | None:
        for place, (fault, times) in enumerate(self._waiting):
            if route == fault.route or route.startswith(f"{fault.route}/"):
                self._waiting[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None

    async def around(
        self,
        request: Request,
        route: str,
        handle: Callable[[float], Awaitable[Response]],
        refusal: Callable[[str], Response],
    ) -> Response:
        """The answer to a request, with the fault that waits for it, if one does.

        Args:
            request: The request; its body has been read.
            route: The service and its route.
            handle: Processes it and answers after a delay in seconds.
            refusal: The service's error with a text.
        """
        fault = self._take(route) if self._waiting else None
        if fault is None:
            return await handle(0)
        if fault.refuses:
            await asyncio.sleep(fault.delay)
            answer = refusal(ASKED_FOR)
        else:
            answer = await handle(fault.delay)
        if fault.drop and request.client is not None:
            self._drop((request.client.host, request.client.port))
            return Response(status_code=400)  # nobody reads it
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        status = fault.status or (200 if fault.refuses else answer.status_code)
        return Response(fault.body(bytes(answer.body), refusal), status, headers)
