"""Annotations: one row in one table, which the context, journal, encoder, collector and docs use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import kept
from ga_pygame.annotations import (
    ANNOTATIONS,
    FIELDS,
    PARTS,
    Annotation,
    Origin,
    context_annotations,
    launch_annotations,
)
from ga_pygame.checks import InvalidEvent
from ga_pygame.recording.entries import STAMP, Body, Replay, facts
from ga_pygame.records import Context
from tests.conftest import ROOT

FULL: dict[str, Any] = {
    "user_id": "player",
    "external_user_id": "shop-1",
    "build": "1.0",
    "dimensions": ("ninja", None, "red"),
    "fields": {"seed": 1, "mode": "größe"},
    "facts": {"gender": "female", "jailbroken": True, "birth_year": 1990, "device": "steamdeck"},
    "extra": {
        "ab_id": "a",
        "ab_variant_id": "b",
        "configurations": {"gravity": "1"},
        "configurations_v3": ({"key": "gravity", "id": "i", "vsn": 1},),
    },
}
"""All parts of a context."""

ON_THE_WIRE: dict[str, Any] = {
    "user_id": "player",
    "user_id_ext": "shop-1",
    "build": "1.0",
    "custom_01": "ninja",
    "custom_03": "red",
    "custom_fields": FULL["fields"],
    **FULL["facts"],
    **FULL["extra"],
}


def parts_of(context: Context) -> dict[str, Any]:
    return {part: getattr(context, part) for part in PARTS}


def replayed(*said: Any) -> Context:
    """Learn a stamp with these values from a dead launch; return its context."""
    replay = Replay()
    replay.learn(Body(STAMP, (1, "de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0, *said)))
    return replay._stamp(1, 1000.0).context


def test_the_page_lists_all_that_is_sent() -> None:
    """A developer, and who reads a privacy notice, finds each field, where it comes from and whether it is kept."""
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8").partition("## What each event carries")[2]
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| (\w+) \| (yes|no) \|$", page, re.MULTILINE)
    listed = [(name, origin, is_kept) for names, origin, is_kept in rows for name in re.findall(r"`(\w+)`", names)]
    sent = [one for one in ANNOTATIONS if one.origin is not Origin.OTHERS]
    assert sorted(listed) == sorted((one.name, one.origin.name.lower(), "yes" if one.is_kept else "no") for one in sent)


def test_names_are_unique_and_parts_have_one_origin() -> None:
    """A field is one row; what comes from the context has a part of it, what comes from the launch a value."""
    assert len(FIELDS) == len(ANNOTATIONS)
    for one in ANNOTATIONS:
        assert bool(one.part) == (one.origin is Origin.CONTEXT), one.name
        assert one.fixed is not None or one.origin is not Origin.LAUNCH, one.name
        assert one.fixed is None or one.part or one.origin is Origin.LAUNCH, one.name
    assert set(FULL) == set(PARTS), "add a value of each new part to FULL and ON_THE_WIRE"


@pytest.mark.parametrize("one", [one for one in ANNOTATIONS if one.is_kept], ids=lambda one: one.name)
def test_what_is_kept_is_read_by_the_same_rule(one: Annotation) -> None:
    """A value that the next launch would refuse is not kept, and the other way round."""
    said: list[str] = []
    good = {"gender": "male", "birth_year": "1990"}.get(one.name, "x")
    assert kept.value(one.name, good, lambda cause, _: said.append(cause)) == good
    assert not said
    too_long = "x" * 2**10
    with pytest.raises(InvalidEvent):
        (one.given or one.field.check)(one.name, too_long)
    assert kept.value(one.name, too_long, lambda cause, _: said.append(cause)) is None
    assert said == [f"kept:{one.name}"]


def test_a_context_becomes_annotations() -> None:
    """Each part has its name on the wire; what is unset is left out, and the rules of the collector are kept."""
    found = context_annotations(Context(**FULL))
    assert found == ON_THE_WIRE
    for name, value in {**launch_annotations(), **found}.items():
        FIELDS[name].check(name, value)
    assert context_annotations(Context("player")) == {"user_id": "player"}


def test_a_context_is_what_it_was_given() -> None:
    """A copy differs in what was changed; a part that there is not is refused at once."""
    changed = Context(**FULL).changed(build="2.0", fields=None)
    assert parts_of(changed) == {**FULL, "build": "2.0", "fields": None}
    with pytest.raises(TypeError, match="no mood"):
        Context("player", mood="glad")


def test_the_journal_keeps_a_context() -> None:
    """The next launch has all parts, by their names."""
    assert parts_of(replayed(*facts(Context(**FULL)))) == FULL
    assert parts_of(replayed(*facts(Context("player")))) == parts_of(Context("player"))


def test_a_journal_of_an_earlier_version_is_read() -> None:
    """It kept the parts of a context in an order of its own."""
    order = ("user_id", "external_user_id", "build", "dimensions", "fields", "extra")
    newer = {part: None for part in PARTS if part not in order}
    assert parts_of(replayed(*(FULL[part] for part in order))) == {**FULL, **newer}
    assert parts_of(replayed("player", None, None, (None, None, None), None, None)) == parts_of(Context("player"))


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("external_user_id", "x" * 257),
        ("build", 7),
        ("dimensions", "ninja"),
        ("fields", {"a b": 1}),
        ("extra", {1: 2}),
        ("unknown", "of a later version"),
    ],
)
def test_a_part_that_makes_no_sense_costs_only_itself(part: str, wrong: Any) -> None:
    """Whatever a damaged or foreign journal says of one part, the others are believed."""
    empty = parts_of(Context("player"))
    assert parts_of(replayed({**FULL, part: wrong})) == {**FULL, **({part: empty[part]} if part in empty else {})}


@pytest.mark.parametrize("said", [(), ({},), ({"user_id": ""},), ({"user_id": 7},), ("player",), (["player"],), (1, 2)])
def test_a_context_without_a_player_is_none(said: tuple[Any, ...]) -> None:
    """An event that nobody could be told of is counted as damaged instead."""
    with pytest.raises((ValueError, TypeError)):
        replayed(*said)


def test_of_wrong_facts_the_others_stay() -> None:
    """Each is checked by its own rule, also a required one, which is unknown then; one of a later version stays."""
    found = replayed({**FULL, "facts": {"gender": "x", "device": 5, "birth_year": 1990, "later": 1}})
    assert context_annotations(found)["birth_year"] == 1990
    assert {"gender", "device"}.isdisjoint(context_annotations(found))


def test_of_wrong_dimensions_the_others_stay() -> None:
    """Each is checked by itself."""
    found = replayed({**FULL, "dimensions": ("x" * 33, 5, "red")})
    assert found.dimensions == (None, None, "red")


@pytest.mark.parametrize(
    ("said", "expected"),
    [((), (None, None, None)), (("a", "b"), ("a", "b", None)), (("a", "b", "c", "d"), ("a", "b", "c"))],
)
def test_a_journal_of_a_version_with_other_dimensions_is_read(said: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    """After an update that adds or removes a dimension, no event of a kill is lost."""
    assert parts_of(replayed({**FULL, "dimensions": said})) == {**FULL, "dimensions": expected}


def test_a_part_with_too_few_values_is_named() -> None:
    """A row was added to the table, but the context still has its old default."""
    with pytest.raises(ValueError, match="part `dimensions` has 2 values, ANNOTATIONS has 3"):
        context_annotations(Context("player", dimensions=("a", "b")))


NEW_ROW = '    Annotation("mood", Field(Text(8, "ours")), Origin.CONTEXT, part="mood"),\n'
USES_IT = """
import json
from ga_pygame.categories import wire_errors
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.recording.entries import STAMP, Body, Replay, facts
from ga_pygame.records import Context
from ga_pygame.testing import ManualClock

replay = Replay()
session = "de305d54-75b4-431b-adb2-eb6b9e546014"
for number, mood in enumerate(("glad", "x" * 9)):
    replay.learn(Body(STAMP, (number, session, 1.0, *facts(Context("player", mood=mood)))))
good, bad = (replay._stamp(number, 1.0).context for number in (0, 1))
shared = json.loads(b"{" + Encoder(ManualClock()).shared(good, session, 1) + b"}")
shared["client_ts"] = 1_760_000_000
errors = [error.field for error in wire_errors({**shared, "category": "user", "mood": 5})]
print(json.dumps([shared["mood"], bad.mood, errors, list(wire_errors({**shared, "category": "user"}))]))
"""


@pytest.mark.e2e
def test_a_new_annotation_is_one_row(tmp_path: Path) -> None:
    """Context, journal, encoder and validation take a row that is added to the table, without a change to them."""
    shutil.copytree(ROOT / "ga_pygame", tmp_path / "ga_pygame", ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / "ga_pygame" / "annotations.py"
    before, first, rest = table.read_text(encoding="utf-8").partition("ANNOTATIONS = (\n")
    table.write_text(before + first + NEW_ROW + rest, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USES_IT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["glad", None, ["mood"], []]
