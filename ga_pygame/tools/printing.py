"""Write the results of commands: to a file or to stdout, and progress to stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ga_pygame.collector.teller import printable

EVENTS_WITHOUT_PROGRESS = 100_000
"""Events of a log that is read without a word; with more, the progress is printed."""


class ToolError(Exception):
    """A command cannot be done; the message says why and what to do."""


def print_lines(lines: Iterable[bytes]) -> int:
    """Print lines of UTF-8 and return the exit code. It is no failure if the reader closed the pipe (`| head`)."""
    out = sys.stdout.buffer
    try:
        for line in lines:
            out.write(line + b"\n")
        out.flush()
    except OSError as error:
        # The interpreter flushes stdout at exit. Bytes left in its buffer would raise again there, so they go to null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
        return 0 if gone else complain(f"cannot print: {error.strerror}")
    return 0


def complain(message: str) -> int:
    """Print what is wrong to stderr and return the exit code."""
    print_note(message)
    return 1


def print_note(message: str) -> None:
    """Print a line to stderr, with what a terminal would obey escaped."""
    print(f"ga_pygame: {printable(message)}", file=sys.stderr)


def say_progress(what: str, done: int, of_all: int) -> None:
    """Print how far something is, on the same line of a terminal; a log file gets no such lines."""
    if of_all >= EVENTS_WITHOUT_PROGRESS and sys.stderr.isatty():
        end = "\n" if done >= of_all else ""
        print(f"\rga_pygame: {what}: {done:,} of {of_all:,} events", end=end, file=sys.stderr, flush=True)


def write_result(lines: Iterable[bytes], path: Path | None) -> int:
    """Write lines to a file, or print them if there is none; return the exit code.

    Raises:
        ToolError: The file cannot be written.
    """
    if path is None:
        return print_lines(lines)
    with new_path(path) as part, part.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    return 0


@contextlib.contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Make an empty file that takes the place of `path` when the context ends without an error; a half one never does.

    A link, a device or a pipe (`-o /dev/stdout`) stays what it is: then `path` itself is yielded.

    Raises:
        ToolError: It cannot be written.
    """
    if not path.is_dir() and (path.is_symlink() or (path.exists() and not path.is_file())):
        try:
            yield path
        except OSError as error:
            raise ToolError(f"cannot write {path}: {error.strerror or error}") from error
        return
    try:
        part = path.parent / (f".ga_pygame_{secrets.token_hex(8)}{path.suffix}")
        part.touch(exist_ok=False)
    except OSError as error:
        raise ToolError(f"cannot write {path}: {error.strerror}: choose another file with -o") from error
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise ToolError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
