"""A destination that writes to a file; also the example of a destination with a transport of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ga_pygame.protocol import Answered, Destination, Outcome, Reply, Request, StoredRecord, Verdict


class JsonLines(Destination):
    """The destination that appends each event to a file as a line of JSON, with GameAnalytics' field names.

    Args:
        path: The file; it is created if it does not exist. Its folder must exist.
    """

    name = "json_lines"
    is_local = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self.transport = AppendTransport()  # without this, requests go by HTTP

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        lines = b"".join(record.json(None) + b"\n" for record in records)
        return Request(str(self._path), lines, headers={})

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        written = reply.status is not None  # else they stay in the outbox, and a later try brings them
        return [Verdict(Outcome.DELIVERED if written else Outcome.RETRY)] * len(records)


class AppendTransport:
    """The transport that appends a request's body to a file."""

    def open(self) -> None:
        pass

    def send(self, request: Request) -> Answered:
        try:
            with open(request.url, "ab") as file:
                file.write(request.body)
        except OSError as error:
            return Answered(Reply(None, error=str(error)))
        return Answered(Reply(200))

    def close(self) -> None:
        pass
