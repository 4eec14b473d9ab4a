"""The contents of the wheel and the sdist, and what an installation adds."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = {".toml", ".js", ".css", ".typed", ".md", ".sql", ".html"}


def requirements(extra: str) -> list[str]:
    """Return the requirements of the package or of an extra, as in pyproject.toml."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"][extra] if extra else project["dependencies"])


def files_of(folder: str) -> set[str]:
    """Return the repository's files in a folder."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


PLUGIN = "_ga_pygame_pytestplugin.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a wheel and an sdist of this repository."""
    pytest.importorskip("hatchling", reason="hatchling is not installed; it is in the dev extra")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_has_the_package_and_nothing_else(built: Path) -> None:
    """With its data files, its mark for type checkers and the pytest plugin; without demo, tests and benchmarks."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {name for name in names if not re.match(r"ga_pygame-[^/]+\.dist-info/", name)}
    assert ours == files_of("ga_pygame") | {PLUGIN}
    assert {Path(name).suffix for name in ours} <= DATA | {".py"}
    assert "ga_pygame/py.typed" in ours
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_sdist_has_what_its_tests_need_and_no_benchmarks(built: Path) -> None:
    """Nothing of another folder comes along because a file there has a name like one here."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    top = {name.partition("/")[0] for name in names}
    assert top - {"docs"} == {
        PLUGIN,
        "ga_pygame",
        "demo_game",
        "tests",
        "assets",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "PKG-INFO",
        "pyproject.toml",
        ".gitignore",  # hatchling's own
    }
    assert files_of("ga_pygame") | files_of("demo_game") | files_of("tests") <= names


@pytest.mark.parametrize("extra", ["", "collector", "dev"])
def test_nothing_that_we_install_shadows_the_standard_library(extra: str) -> None:
    """Some projects on the index carry old copies of its modules; on a PYTHONPATH those win."""
    seen: set[str] = set()
    queue = requirements(extra)
    while queue:
        name = re.split(r"[^\w.-]", queue.pop(), maxsplit=1)[0].lower().replace("_", "-")
        if name in seen or name == "ga-pygame":
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        modules = {file.parts[0].removesuffix(".py") for file in found.files or () if file.suffix == ".py"}
        assert not modules & sys.stdlib_module_names, name
        queue += [one for one in found.requires or () if "extra ==" not in one]
