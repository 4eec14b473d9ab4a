"""The pages that are made from the code, and the licences of what we depend on."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from tests.reference_pages import FOLDER, FREE, commands_page, licences, metrics_page
from tests.samples import ROOT

ANEW = "write it anew: python -m tests.reference_pages"


@pytest.mark.skipif(sys.platform == "win32", reason="the page has the commands as other systems' terminals take them")
def test_the_page_of_the_commands_is_up_to_date() -> None:
    """A reader finds each option, with its text and default."""
    assert (FOLDER / "commands.md").read_text(encoding="utf-8") == commands_page(), ANEW


def test_the_page_of_the_metrics_is_up_to_date() -> None:
    """A reader finds what each figure counts."""
    assert (FOLDER / "metrics.md").read_text(encoding="utf-8") == metrics_page(), ANEW


def test_the_licences_are_those_of_the_packages() -> None:
    """What the page says is what the installed packages say; those that we ask for by name are all there.

    A package that another one has begun to ask for since is not missed.
    """
    listed = dict(re.findall(r"^\| ([\w.-]+) \| (.*?) \|", (FOLDER / "licences.md").read_text("utf-8"), re.MULTILINE))
    for package, licence, is_direct in licences("collector"):
        assert not is_direct or package in listed, f"{package}: {ANEW}"
        assert families(listed.get(package, licence)) == families(licence), f"{package}: {ANEW}"


def families(licence: str) -> set[str]:
    """Return the licences of an expression without their versions, which packages state more and more exactly."""
    return set(re.findall(r"[A-Za-z]{2,}(?=[-.\d]|$)", licence)) - {"AND", "OR", "Clause"}


def test_no_licence_binds_a_game() -> None:
    """Nothing that comes with us makes a game's author publish the game's source."""
    for package, licence, _ in licences("collector"):
        assert set(re.findall(r"[\w.-]+", licence)) <= FREE | {"AND", "OR"}, f"{package}: {licence}"


def test_the_drawing_is_up_to_date() -> None:
    """It is what its script draws, and each file that it names is there."""
    script = ROOT / "assets" / "make_drawing.py"
    spec = importlib.util.spec_from_file_location("make_drawing", script)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    assert drawn.FILE.read_text(encoding="utf-8") == drawn.drawing(), f"draw it anew: python {script.name}"
    for lane in drawn.LANES:
        for box in lane.boxes:
            assert all((ROOT / "ga_pygame" / path).exists() for path in box.files.split(", ")), box.files
