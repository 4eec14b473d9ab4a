"""Starts the collectors of tests as forks of a process that has already imported their modules.

A collector imports for half a second, with its page for two. Each test process has one fork server, which is started
when it is first needed and ends with it. `tests/e2e/test_collect_command.py` starts the real command.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
_EXIT = struct.Struct("i")
_MAX_REQUEST = 2**20


class Forked:
    """A process that the fork server started; it is used like `subprocess.Popen`."""

    def __init__(self, pid: int, stdout: IO[str], ended: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("fork of a collector", timeout or 0)
            (self.returncode,) = _EXIT.unpack(os.read(self._ended, _EXIT.size))
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_collector(
    *arguments: str, folder: Path, stderr: int, environment: Mapping[str, str], patches: str = ""
) -> Forked:
    """Run `ga_pygame collect` in a new process.

    Args:
        arguments: What stands behind `collect` in the command.
        folder: Where it runs.
        stderr: An open file for its standard error stream.
        environment: All its environment variables.
        patches: Code that it runs before.
    """
    request = {
        "arguments": ["collect", *arguments],
        "folder": str(folder),
        "environment": dict(environment),
        "patches": patches,
    }
    out, its_out = os.pipe()
    ended, its_end = os.pipe()
    server = _server()
    socket.send_fds(server, [json.dumps(request).encode()], [its_out, stderr, its_end])
    os.close(its_out)
    os.close(its_end)
    (pid,) = _EXIT.unpack(server.recv(_EXIT.size))
    return Forked(pid, open(out), ended)


@functools.cache
def _server() -> socket.socket:
    """Return the fork server of this process; start it if needed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server", str(its.fileno())],
        pass_fds=[its.fileno()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its.close()

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


# --- in the fork server ----------------------------------------------------------------------------------


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each request and report how each fork ended; return the request in a fork, `None` at the end."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever presses Ctrl-C means the tests, which end this process
    ends: dict[int, int] = {}
    while True:
        ready = select.select([control, woken], [], [])[0]
        if woken in ready:
            woken.recv(4096)
            _tell_ends(ends)
        if control not in ready:
            continue
        message, handles, _, _ = socket.recv_fds(control, _MAX_REQUEST, 3)
        if not message:  # the tests have ended, or were interrupted
            for pid in ends:
                os.kill(pid, signal.SIGKILL)
            return None
        request: dict[str, Any] = json.loads(message)
        if "--no-page" not in request["arguments"]:
            import ga_pygame.collector.page.dashboard  # noqa: F401, PLC0415 - takes a second, which most do not need
        gc.freeze()  # or each fork would look through all that was imported
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for one in (control, woken, wakes):
                one.close()
            for number, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(handles[number - 1], number)
                stream = open(number, "w", buffering=1 if number == 2 else -1, closefd=False)  # noqa: SIM115 - sys' own
                setattr(sys, name, stream)
        else:
            ends[pid] = os.dup(handles[2])
            control.send(_EXIT.pack(pid))
        for handle in (*handles, *(() if pid else ends.values())):
            os.close(handle)
        if not pid:
            return request


def _tell_ends(ends: dict[int, int]) -> None:
    """Report the exit codes of the forks that have ended."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            handle = ends.pop(found[0])
            with contextlib.suppress(BrokenPipeError):  # whoever started it has forgotten it
                os.write(handle, _EXIT.pack(os.waitstatus_to_exitcode(found[1])))
            os.close(handle)


def _main() -> int:
    import ga_pygame.collector.server  # noqa: F401, PLC0415 - what all forks need; the tests' own processes do not
    from ga_pygame import cli  # noqa: PLC0415 - the same

    with socket.socket(fileno=int(sys.argv[1])) as control:
        request = serve(control)
    if request is None:
        return 0
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    exec(request["patches"], {"__name__": "patches"})  # one scope, so that a class may use what is imported
    return cli.main(request["arguments"])


if __name__ == "__main__":
    sys.exit(_main())
