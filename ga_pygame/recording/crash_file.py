"""Keeps the stack that Python's `faulthandler` writes when the system ends the process; the next launch reports it.

`faulthandler` writes into a file descriptor when a segfault, an abort, a division error or a bus error ends the
process, also if there is no standard error output. The file lies beside the outbox and is named after the launch; it is
removed at a normal end. A fatal error of the interpreter itself turns `faulthandler` off first, so it leaves no stack.

A descriptor cannot be taken from `faulthandler` again without turning it off, and the game may have given it one of its
own meanwhile. So it stays on: at the end of a tracker its descriptor leads to the null device.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import re
import stat
from pathlib import Path

from ga_pygame import rules
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Error, Severity
from ga_pygame.home_paths import masked_end

MAX_CRASH_BYTES = 64 * 1024
"""Bytes that are read of a crash file: `faulthandler` writes 100 calls of each of 100 threads at most."""

MAX_CRASH_FILES = 64
"""Crash files of dead launches that one launch reports; the next one takes the others."""

MAX_CRASH_CALLS = 50
"""Calls of the crashed thread that are reported: the innermost ones."""

_CRASH_NAME = re.compile(r"crash-([A-Za-z0-9_-]{1,64})\.txt")
_SAFE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_CALL = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_CURRENT = re.compile(r"(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):")


class CrashFile:
    """The file into which a hard crash of this launch is written. Game thread.

    Args:
        path: See `crash_path`.
    """

    _descriptor: int | None = None
    """The one that `faulthandler` has from us, for the rest of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_on = False

    def begin(self) -> None:
        """Have hard crashes written into the file; a `faulthandler` that the game has turned on is left alone.

        Raises:
            OSError: The file cannot be made.
        """
        kept = CrashFile._descriptor
        if faulthandler.is_enabled() and kept is None:
            return
        made = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, 0o600)
        self._is_on = True
        if kept is None:
            CrashFile._descriptor = kept = made
        else:
            os.dup2(made, kept, inheritable=False)
            os.close(made)
        if not faulthandler.is_enabled():
            faulthandler.enable(kept)

    @property
    def has_crashed(self) -> bool:
        """Whether a crash is being handled: pygame's own handler of it calls `pygame.quit()` after `faulthandler`."""
        with contextlib.suppress(OSError):
            return self._is_on and CrashFile._descriptor is not None and os.fstat(CrashFile._descriptor).st_size > 0
        return False

    def end(self) -> None:
        """Keep no crash any more, and remove the file."""
        if self._is_on:
            self.let_go()
            with contextlib.suppress(OSError):
                self._path.unlink()

    def let_go(self) -> None:
        """Keep no crash any more in this process, such as a forked child; the file is the parent's."""
        if self._is_on and CrashFile._descriptor is not None:
            self._is_on = False
            with contextlib.suppress(OSError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, CrashFile._descriptor, inheritable=False)
                os.close(nothing)


def begun_crash_file(outbox: Path | None, launch: str, diagnostics: Diagnostics) -> CrashFile:
    """Make the crash file of a launch and begin it, beside the outbox; without one nothing is kept."""
    made = CrashFile(crash_path((outbox or Path()).parent, launch))
    if outbox is not None:
        try:
            made.begin()
        except (OSError, ValueError, RuntimeError) as error:
            diagnostics.warn_once("crash file", f"a hard crash of this launch is not reported: {error}")
    return made


def crash_path(data_folder: Path, launch: str) -> Path:
    """Return the path of a launch's crash file."""
    return data_folder / f"crash-{launch}.txt"


def crashed_launches(data_folder: Path) -> list[str]:
    """Return the launches that have a crash file, also an empty one: those that run, and those that died."""
    found = (_CRASH_NAME.fullmatch(path.name) for path in data_folder.glob("crash-*.txt"))
    return sorted(match[1] for match in found if match is not None)[:MAX_CRASH_FILES]


def crash_error(path: Path) -> Error | None:
    """Read what a dead launch left as a critical error; `None` if it did not crash.

    Raises:
        OSError: The file cannot be read, or is not a plain file.
    """
    try:
        file = os.open(path, os.O_RDONLY | _SAFE_FLAGS)
    except FileNotFoundError:
        return None
    with open(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "is not a plain file", str(path))
        text = opened.read(MAX_CRASH_BYTES).decode("utf-8", "replace")
    return Error(Severity.CRITICAL, crash_text(text), rules.FATAL) if text.strip() else None


def crash_text(written: str) -> str:
    """Turn what `faulthandler` wrote into a traceback of the crashed thread, without the player's home folder.

    Its calls come in the order of Python's tracebacks, the innermost one last, so that the same crash has the same
    fingerprint as any other error of one place.
    """
    lines = written.splitlines()
    what = next((line.strip() for line in lines if line.strip()), "")
    heads = [place for place, line in enumerate(lines) if _CURRENT.match(line)]
    current = next((place for place in heads if lines[place].startswith("Current")), heads[0] if heads else len(lines))
    calls: list[str] = []
    for line in lines[current + 1 :]:
        match = _CALL.fullmatch(line)
        if match is None or len(calls) == MAX_CRASH_CALLS:
            break
        calls.append(f'  File "{match[1]}", line {match[2]}, in {match[3]}')
    head = ["Traceback (most recent call last):"] if calls else []
    return masked_end("\n".join([*head, *reversed(calls), what]), rules.MAX_ERROR_MESSAGE)
