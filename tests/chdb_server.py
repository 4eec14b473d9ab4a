"""Serves ClickHouse's HTTP interface with the ClickHouse of the package chdb: only the connection is ours.

It is a process of its own, as its library has threads of its own, with which no test process should fork. It prints its
port, and ends with its standard input. With a folder as argument, it keeps its data there, and uses all processors.
"""

from __future__ import annotations

import gzip
import importlib
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FOR_FEW_ROWS = """
    max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0
"""
"""Settings that change no result: threads and compiled code take longer to start than they save."""

session: Any = None
one_at_a_time = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers a query."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        options = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        text, database = options.pop("query", ""), options.pop("database", "")
        values = {name[6:]: value for name, value in options.items() if name.startswith("param_")}
        settings = [f"{name} = '{value}'" for name, value in options.items() if not name.startswith("param_")]
        if text and settings:
            text = re.sub(r"(?= FORMAT \w+$)", f" SETTINGS {', '.join(settings)}", text)
        with one_at_a_time:
            try:
                session.query(f"USE {database or 'default'}")
                whole = f"{text}\n{body.decode()}" if text else body.decode()
                found = session.query(whole, "TabSeparated", params=values)
                self._answer(200, found.bytes() if found is not None else b"")
            except RuntimeError as error:
                self._answer(500, str(error).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if found := re.search(rb"Code: (\d+)", body) if status != 200 else None:
            self.send_header("X-ClickHouse-Exception-Code", found[1].decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
        """Say nothing."""


def main() -> None:
    """Serve until standard input ends."""
    global session  # noqa: PLW0603 - made once
    session = importlib.import_module("chdb.session").Session(
        *sys.argv[1:]
    )  # the extra `chdb`, which mypy need not have
    if not sys.argv[1:]:
        session.query(f"SET {FOR_FEW_ROWS}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
