"""Starts servers of ClickHouse for tests: today's engine (the package chdb), and Debian's old server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import chdb_server


@contextmanager
def todays_server() -> Iterator[str]:
    """Start the ClickHouse of chdb behind an HTTP interface; yields its host and port."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip('chdb is not installed: pip install "ga-pygame[chdb]"')
    command = [sys.executable, "-W", "ignore", str(Path(chdb_server.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
