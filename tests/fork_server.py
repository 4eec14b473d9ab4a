"""Starts the collectors and games of tests as forks of processes that have already imported their modules.

A game imports for a third of a second, a collector for half a second, with its page for two. Each test process has one
fork server for each kind of `MODULES`, which is started when it is first needed and ends with it. What a fork runs
finds what it finds in a process of its own: an own session, folder, environment, standard streams, `sys.argv` and
`__main__`. `tests/e2e/test_collect_command.py` starts the real command, tests marked with `fresh` start games by one.
Windows has no forks: there each is started by a command.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO, Any

ROOT = Path(__file__).parent.parent
PYTHON = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
"""What the interpreter of a game reads from its environment when it starts, which a fork is too late for."""

LIBRARIES = ["pygame", "requests", "sqlite3"]
MODULES = {
    "collectors": ["ga_pygame.cli", "ga_pygame.collector.server", "ga_pygame.tools.printing"],
    "libraries": LIBRARIES,
    "games": [
        *LIBRARIES,
        "ga_pygame.wiring",
        "ga_pygame.running",
        "ga_pygame.delivery.outbox.failover",
        "ga_pygame.delivery.outbox.sqlite",
        "ga_pygame.delivery.transport",
        "ga_pygame.program",
        "ga_pygame.engine.hook",
    ],
}
"""What the fork servers import; the tests' own processes need not."""

OPTIONAL = {
    "collectors": [
        "encodings.idna",
        "tomllib",
        "uvicorn.lifespan.off",
        "uvicorn.loops.uvloop",
        "uvicorn.protocols.websockets.websockets_sansio_impl",
    ],
}
"""What their forks import later if it is installed, a tenth of a second."""

PAGE = "ga_pygame.collector.page.dashboard"
_NUMBER = struct.Struct("i")
_MAX_REQUEST = 2**20


class Forked:
    """A process that a fork server started; it is used like `subprocess.Popen`."""

    def __init__(
        self, pid: int, ended: int, stdin: IO[str] | None, stdout: IO[str] | None, stderr: IO[str] | None
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = ended
        self._said: dict[IO[str], str] = {}
        self._readers: list[threading.Thread] = []

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
            (self.returncode,) = _NUMBER.unpack(os.read(self._ended, _NUMBER.size))
            os.close(self._ended)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, read its output to the ends, wait until it has ended; return the output."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        streams = [stream for stream in (self.stdout, self.stderr) if stream is not None]
        if not self._readers:
            self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in streams]
            for reader in self._readers:
                reader.start()
        for reader in self._readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
        self.wait(_left(deadline))
        out, error = ("" if stream is None else self._said.get(stream, "") for stream in (self.stdout, self.stderr))
        return out, error

    def _read(self, stream: IO[str]) -> None:
        if not stream.closed:
            with stream:
                self._said[stream] = stream.read()

    def send_signal(self, number: int) -> None:
        """Send a signal to the process; nothing happens if it has ended, as with `subprocess.Popen`."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # the server has waited for it, and is just telling its code
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _left(deadline: float | None) -> float | None:
    """Return the seconds until then."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def start_collector(
    *arguments: str, folder: Path, stderr: int, environment: Mapping[str, str], patches: str = ""
) -> tuple[Forked | subprocess.Popen[str], IO[str]]:
    """Run `ga_pygame collect` in a new process; return it and its standard output.

    Args:
        arguments: What stands behind `collect` in the command.
        folder: Where it runs.
        stderr: An open file for its standard error stream.
        environment: All its environment variables.
        patches: Code that it runs before.
    """
    if sys.platform == "win32":
        code = f"{patches}\nimport sys\nfrom ga_pygame.cli import main\nsys.exit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "collect", *arguments],
            cwd=folder,
            env={**environment, **PYTHON},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        )
        assert process.stdout is not None
        return process, process.stdout
    reader, writer = os.pipe()
    with open(os.devnull) as nothing:
        request = {"arguments": ["collect", *arguments], "folder": str(folder), "patches": patches}
        pid, ended = _fork(
            "collectors", {**request, "environment": dict(environment)}, nothing.fileno(), writer, stderr
        )
    os.close(writer)
    stdout = open(reader)  # noqa: SIM115 - as long as the process
    return Forked(pid, ended, None, stdout, None), stdout


def run_command(*arguments: str, timeout: float = 60.0) -> tuple[int, str, str]:
    """Run `ga_pygame` in a new process, in this folder; return its exit code and what it printed on both streams.

    Args:
        arguments: What stands behind `ga_pygame` in the command.
        timeout: Seconds that it may take.
    """
    stdout, its_out = os.pipe()
    stderr, its_error = os.pipe()
    request = {"arguments": arguments, "folder": os.getcwd(), "patches": "", "environment": dict(os.environ)}
    with open(os.devnull) as nothing:
        pid, ended = _fork("collectors", request, nothing.fileno(), its_out, its_error)
    for handle in (its_out, its_error):
        os.close(handle)
    with open(stdout) as out, open(stderr) as error:
        process = Forked(pid, ended, None, out, error)
        said = process.communicate(timeout)
        return process.wait(), *said


def start_game(*arguments: str, environment: Mapping[str, str], log: int | None = None) -> Forked:
    """Run a script in a new process, in the folder of the repository.

    Args:
        arguments: The script and its arguments.
        environment: All its environment variables, `PYTHON` among them.
        log: An open file for both its output streams, and no input; it then imports our package itself, so that it can
            put something into the libraries before. Default: pipes, and our package is imported.
    """
    of_python = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    assert of_python == PYTHON, "a fork cannot obey these: mark the test with `fresh`"
    request = {"arguments": arguments, "folder": str(ROOT), "environment": dict(environment)}
    if log is not None:
        with open(os.devnull) as nothing:
            return Forked(*_fork("libraries", request, nothing.fileno(), log, log), None, None, None)
    its_in, stdin = os.pipe()
    stdout, its_out = os.pipe()
    stderr, its_error = os.pipe()
    pid, ended = _fork("games", request, its_in, its_out, its_error)
    for handle in (its_in, its_out, its_error):
        os.close(handle)
    return Forked(pid, ended, open(stdin, "w"), open(stdout), open(stderr))


_one_at_a_time = threading.Lock()
"""Two threads that start processes must not get each other's answers."""


def _fork(kind: str, request: dict[str, Any], *streams: int) -> tuple[int, int]:
    """Start a process with these standard streams; return its id and a handle from which its end is read."""
    ended, its_end = os.pipe()
    with _one_at_a_time:
        server, process = _server(kind)
        socket.send_fds(server, [json.dumps(request).encode()], [*streams, its_end])
        os.close(its_end)
        answer = server.recv(_NUMBER.size)
    if not answer:
        raise AssertionError(f"the fork server has ended: {process.communicate()[1].decode()}")
    return _NUMBER.unpack(answer)[0], ended


@functools.cache
def _server(kind: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return a fork server of this process; start it if needed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", f"from tests import fork_server; fork_server.main({kind!r}, {its.fileno()})"],
        pass_fds=[its.fileno()],
        cwd=ROOT,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **PYTHON},
        stdin=subprocess.PIPE,  # as its forks have: a stream object remembers from its beginning what it can do
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    its.close()

    def end() -> None:
        ours.close()
        process.communicate(timeout=10)

    atexit.register(end)
    return ours, process


# --- in the fork server ----------------------------------------------------------------------------------


def main(kind: str, control: int) -> None:
    """Serve forks until the tests end; run what was asked for in a fork."""
    for name in MODULES[kind]:
        importlib.import_module(name)
    for name in OPTIONAL.get(kind, ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with socket.socket(fileno=control) as server:
        request = serve(server)
    if request is None:
        return
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    if kind != "collectors":
        _run_script(request["arguments"])
    else:
        exec(request["patches"], {"__name__": "patches"})  # one scope, so that a class may use what is imported
        sys.exit(sys.modules["ga_pygame.cli"].main(request["arguments"]))


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
        message, handles, _, _ = socket.recv_fds(control, _MAX_REQUEST, 4)
        if not message:  # the tests have ended, or were interrupted
            for pid in ends:
                os.kill(pid, signal.SIGKILL)
            return None
        request: dict[str, Any] = json.loads(message)
        if request["arguments"][0] == "collect" and "--no-page" not in request["arguments"]:
            importlib.import_module(PAGE)  # takes a second, which most do not need
        gc.freeze()  # or each fork would look through all that was imported
        pid = os.fork()
        if not pid:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in range(3):  # the streams of `sys` have used theirs for nothing yet, and keep nothing back
                os.dup2(handles[number], number)
            control.send(_NUMBER.pack(os.getpid()))
            for one in (control, woken, wakes):
                one.close()
        else:
            ends[pid] = os.dup(handles[3])
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
                os.write(handle, _NUMBER.pack(os.waitstatus_to_exitcode(found[1])))
            os.close(handle)


def _run_script(arguments: Sequence[str]) -> None:
    """Run a script as the module `__main__`; what it raises ends the process as if there was nothing around it."""
    path = arguments[0]
    sys.argv[:] = arguments
    sys.orig_argv[:] = [sys.executable, *arguments]
    sys.path[0] = os.path.dirname(path)
    module = ModuleType("__main__")
    own = {"__file__": path, "__builtins__": builtins, "__annotations__": {}, "__cached__": None}
    vars(module).update(own, __loader__=SourceFileLoader("__main__", path))
    sys.modules["__main__"] = module
    try:
        exec(compile(Path(path).read_bytes(), path, "exec"), vars(module))
    except SystemExit:
        raise
    except BaseException as error:
        # Python would show the frames of this file, too: so call the hook here, without them, and let Python end
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.excepthook = lambda *_: None
        raise
