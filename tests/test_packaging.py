"""The contents of the wheel and the sdist, and what an installation adds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.samples import toml_of

ROOT = Path(__file__).parent.parent
DATA = {".toml", ".js", ".css", ".typed", ".md", ".sql", ".html"}


def project_of() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    return dict(toml_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def requirements(extra: str) -> list[str]:
    """Return the requirements of the package or of an extra, as in pyproject.toml."""
    project = project_of()
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
        "noxfile.py",
        "ga_pygame",
        "assets",
        "demo_game",
        "tests",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "SECURITY.md",
        "PKG-INFO",
        "pyproject.toml",
        "zensical.toml",
        ".gitignore",  # hatchling's own
    }
    assert files_of("ga_pygame") | files_of("demo_game") | files_of("tests") <= names


SMOKE = """
import json, sys
import ga_pygame

tracker = ga_pygame.Tracker(build="1.0")
tracker.start()
tracker.design("kill:slime")
assert tracker.flush().wait(10) is not None
tracker.close()
print(json.dumps([ga_pygame.__file__, dict(tracker.stats.delivered), dict(tracker.stats.dropped)]))
"""
PAGE = (
    "collector/page/page.css",
    "collector/page/live_table.js",
    "collector/page/known_values.js",
    "tools/report.html",
    "collector/warehouse/schema.sql",
)
"""Some of the files that are no Python."""


@pytest.mark.e2e
def test_an_installation_from_elsewhere_works(built: Path, collector: Collector, tmp_path: Path) -> None:
    """The wheel in an environment of its own, without the repository: the three lines, the doctor, the page's files."""
    (wheel,) = built.glob("*.whl")
    python = environment_with(wheel, tmp_path / "other")
    (tmp_path / "game.py").write_text(SMOKE)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"SDL_VIDEODRIVER": "dummy", "GA_PYGAME_COLLECTOR": collector.url, "PYTHONWARNINGS": "error"}

    def run(*command: str) -> str:
        done = subprocess.run(
            [str(python), *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where, delivered, dropped = json.loads(run("game.py").splitlines()[-1])
    assert Path(where).is_relative_to(tmp_path)
    assert (delivered, dropped) == ({"gameanalytics": 3}, {}), "the session's start and end, and the event"
    assert "design" in collector.categories()
    checks = {one["check"]: one["level"] for one in json.loads(run("-m", "ga_pygame", "doctor", "--json"))}
    assert set(checks.values()) == {"ok"}, checks
    assert all((Path(where).parent / file).is_file() for file in PAGE)
    assert (python.parent / "ga-pygame").exists()


def environment_with(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel, and with this one's packages for what it asks for; return its Python.

    The packages come by a file `.pth`, in which an editable installation of the repository does not work.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "others.pth").write_text("".join(f"{path}\n" for path in site_folders()))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


def site_folders() -> list[str]:
    """Return the folders in which packages are installed."""
    return [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]


def test_an_index_takes_them(built: Path) -> None:
    """The README is rendered, and its links lead to the repository, not into the index."""
    twine = pytest.importorskip("twine.commands.check", reason="twine is not installed; it is in the dev extra")
    files = [str(path) for path in built.iterdir() if path.suffix in {".whl", ".gz"}]
    assert len(files) == 2
    assert twine.check(files, strict=True) is False, "it says whether something failed"
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith("dist-info/METADATA"))
        metadata = archive.read(name).decode()
    (source,) = re.findall(r"^Project-URL: Source, (\S+)$", metadata, re.MULTILINE)
    links = re.findall(r"\]\(([^)]+)\)", metadata.partition("\n\n")[2])
    assert links
    assert all(link.startswith("https://") for link in links), links
    ours = [link for link in links if "/blob/main/" in link]
    assert len(ours) > 10
    assert all(link.startswith(f"{source}/") for link in ours)


def test_each_version_of_python_is_tried() -> None:
    """The classifiers name those of `noxfile.py`, from the lowest that may install it."""
    project = project_of()
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert named == re.findall(r'"(3\.\d+)"', (ROOT / "noxfile.py").read_text(encoding="utf-8"))
    assert project["requires-python"] == f">={named[0]}"


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
