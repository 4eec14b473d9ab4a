"""Answers queries with the ClickHouse of the package chdb, in a process of its own: its library has threads of its own,
with which no test process should fork.

A query is a line of JSON, a list of its text and its parameters; an answer is its length in a line, positive for a
result and negative for an error's message, and then that many bytes.
"""

from __future__ import annotations

import importlib
import json
import sys

FOR_FEW_ROWS = """
    max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0
"""
"""Settings that change no result: threads and compiled code take longer to start than they save."""


def main() -> None:
    """Answer the queries of standard input."""
    session = importlib.import_module("chdb.session").Session()  # the extra `chdb`, which mypy need not have
    session.query(f"SET {FOR_FEW_ROWS}")
    for line in sys.stdin:
        text, parameters = json.loads(line)
        try:
            body, sign = session.query(text, "JSONCompact", params=parameters).bytes(), 1
        except RuntimeError as error:
            body, sign = str(error).encode(), -1
        sys.stdout.buffer.write(b"%d\n%b" % (sign * len(body), body))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
