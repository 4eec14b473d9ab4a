"""Games that are forked from a process with all modules behave as those that a command starts."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import Game

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork")

LOOK = """
import __main__, json, os, signal, sys, threading, time

def say(what):
    print(json.dumps(what))

main = vars(__main__)
say(sorted(main))
say({name: main[name] for name in ("__name__", "__file__", "__doc__", "__package__", "__spec__", "__cached__")})
say([sys.argv, sys.orig_argv, sys.executable, sys.path, os.getcwd()])
say(sorted(os.environ.items()))
say([os.getsid(0) == os.getpid(), threading.main_thread() is threading.current_thread(), threading.active_count()])
say([signal.getsignal(number) == kind for number, kind in (
    (signal.SIGINT, signal.default_int_handler), (signal.SIGCHLD, signal.SIG_DFL), (signal.SIGPIPE, signal.SIG_IGN)
)])
say([[stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.isatty(), stream.fileno()]
    for stream in (sys.stdin, sys.stdout, sys.stderr)])
say([sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__])
say([sys.excepthook is sys.__excepthook__, sys.exc_info() == (None, None, None), time.tzname])
say(sorted(int(one) for one in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{one}")))
print("read", input(), file=sys.stderr)
"""
ENDS = {
    "end": "",
    "exit": "import sys\nsys.exit(3)",
    "word": "import sys\nsys.exit('no more lives')",
    "error": "def load(level):\n    return {}[level]\n\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    load('x')",
    "syntax": "def load(:",
    "kill": "import os\nos.kill(os.getpid(), 9)",
    "exit function": "import atexit\natexit.register(print, 'bye')\n{}['x']",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('later'))).start()",
}


def both(tmp_path: Path, code: str) -> list[Game]:
    """Start a script in both ways."""
    script = tmp_path / "game.py"
    script.write_text(code)
    return [Game(script, {"TZ": "Asia/Tokyo"}, is_fresh=is_fresh) for is_fresh in (True, False)]


def test_a_fork_looks_as_a_process_of_its_own(tmp_path: Path) -> None:
    """The module `__main__`, arguments, environment, streams, signals, session and open files."""
    seen = []
    for game in both(tmp_path, LOOK):
        game.say("a word")
        code, out, error = game.end()
        assert (code, error) == (0, "read a word\n")
        seen.append([json.loads(line) for line in out.splitlines()])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_a_fork_ends_as_a_process_of_its_own(tmp_path: Path, code: str) -> None:
    """Its exit code and what it writes, also the traceback of what it does not catch."""
    fresh, forked = (game.end() for game in both(tmp_path, code))
    assert fresh == forked


def test_an_interrupted_fork_ends_by_the_signal(tmp_path: Path) -> None:
    """As Ctrl-C does."""
    for game in both(tmp_path, "while True: print('goes on')"):
        game.wait_for("goes on")
        game.process.send_signal(signal.SIGINT)
        code, _, error = game.end()
        assert code == -signal.SIGINT
        assert error.endswith("\nKeyboardInterrupt\n")
        assert error.count("File") == 1
