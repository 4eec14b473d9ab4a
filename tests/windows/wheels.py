"""Which packages the tests need under Windows' Python, in the versions that are installed here."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OF_THE_TESTS = ("hypothesis", "mmdb-writer", "pytest", "pytest-timeout", "pytest-xdist")
"""What the tests import of the extra `dev`; the rest of it are tools."""

_TARGET = {
    "implementation_name": "cpython",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_system": "Windows",
    "python_full_version": "3.13.2",
    "python_version": "3.13",
    "sys_platform": "win32",
}


def requirements(project_file: Path) -> list[str]:
    """List the project's dependencies for Windows with all of theirs, so that pip has nothing to resolve.

    A package that is installed here is pinned to this version, so Windows' Python runs what Linux' runs. One that only
    Windows needs is not pinned, and its own dependencies are not followed.

    Args:
        project_file: `pyproject.toml`.
    """
    project: dict[str, Any] = tomllib.loads(project_file.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    of_the_tests = [text for text in extras["dev"] if Requirement(text).name in OF_THE_TESTS]
    found: dict[str, str] = {}
    _follow([*project["dependencies"], *extras["collector"], *of_the_tests], {""}, found)
    return sorted(found.values())


def _follow(texts: Iterable[str], extras: set[str], found: dict[str, str]) -> None:
    """Add these requirements, and theirs, as far as they hold on Windows with these extras."""
    for text in texts:
        wanted = Requirement(text)
        if wanted.marker and not any(wanted.marker.evaluate({**_TARGET, "extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(wanted.name)
        if name in found and not wanted.extras:
            continue
        try:
            here = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = f"{name}{wanted.specifier}"
            continue
        found[name] = f"{name}=={here.version}"
        _follow(here.requires or (), {"", *wanted.extras}, found)
