"""Kept values: each has its check and its default, and an invalid one does not affect the others."""

from __future__ import annotations

import ast
import json
from dataclasses import astuple
from pathlib import Path

import pytest

from ga_pygame import kept
from ga_pygame.delivery.outbox.open_session import MAX_WALLET_FLOWS, launch_of, lost_flows, session_of

said_causes: list[str] = []


def say(cause: str, _message: str) -> None:
    said_causes.append(cause)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("user_id", "player", ["", "x" * 65, b"player", "a\nb", 1.5]),
        ("custom_01", "ninja", ["", "x" * 33, b"ninja"]),
        ("consent", "denied", ["perhaps", "", b"denied", "DENIED"]),
        ("session_num", "12", ["abc", "-1", "1.5", "9" * 40, "٣", 2**70, float("nan")]),
        ("salvage", "outbox.damaged-2.sqlite3", ["", "..", "../other", "a\\b", "c:x", "x" * 256, "a\nb"]),
        ("saved_from", "(2049, 17):300", ["", "x" * 256, b"x"]),
        ("undecided:archive", "2", ["two", "-1"]),
        ("outbox_bytes", "0", ["1e99", "9" * 30]),
        ("remote_configs", '{"configs": []}', ["[" * 100_000, "[]", "{", '{"a": NaN}']),
        ("pogr_session:x", '{"intake_id": "abc", "is_over": false}', ['{"intake_id": "a\\nb"}', '{"a": 1}', "[]"]),
        ("anything", "else", ["x" * (kept.MAX_KEPT_CHARACTERS + 1), b"x", 1.5]),
    ],
)
def test_each_value_has_its_check(name: str, right: str, wrong: list[object]) -> None:
    """A valid value passes unchanged; an invalid one counts as not kept, and is reported."""
    assert kept.value(name, right, say) == right
    for found in wrong:
        said_causes.clear()
        assert kept.value(name, found, say) is None
        assert found is None or said_causes == [f"kept:{name}"]


ROW = (
    "s",
    3,
    1.7e9,
    1.7e9 + 60,
    -2.0,
    60.5,
    b'"user_id":"p","session_num":3',
    "forest:1",
    '[["Sink","gold","a","b",2]]',
    "launch",
    7.5,
)


@pytest.mark.parametrize(
    ("place", "wrong", "default"),
    [
        (0, "", None),
        (0, b"s", None),
        (1, "abc", 3),
        (1, 2**70, 3),
        (2, "x", 1.7e9 + 60),
        (3, float("inf"), 1.7e9),
        (4, "x", None),
        (4, float("nan"), None),
        (5, float("inf"), 0.0),
        (5, -1.0, 0.0),
        (5, "long", 0.0),
        (6, b"\xff", b""),
        (6, b'"user_id":""', b""),
        (6, "text", b""),
        (7, "a:#", None),
        (7, 5, None),
        (8, "{}", {}),
        (8, "[" * 100_000, {}),
        (10, "long", None),
        (10, -1.0, None),
        (10, float("nan"), None),
        (8, '[["Sink","g0ld","a","b",2],["Sink","gold","a","b",1e999],["Source","gold","a","b",1]]', None),
    ],
)
def test_each_column_of_a_session_has_its_default(place: int, wrong: object, default: object) -> None:
    """A session without a name or a number is none; of all else only that column is lost."""
    row = session_of((*ROW[:place], wrong, *ROW[place + 1 :]))
    if place == 0:
        assert row is None
    elif place == 8 and default is None:
        assert row is not None
        assert row.wallet == {("Source", "gold", "a", "b"): 1.0}
    else:
        assert row is not None
        assert astuple(row)[min(place, 9)] == default
    sound = session_of(ROW)
    assert sound is not None
    assert sound.attempt_seconds == 7.5
    assert sound.wallet == {("Sink", "gold", "a", "b"): 2.0}


def test_a_session_of_an_earlier_version_has_no_time_of_its_attempt() -> None:
    """A damaged file may be of any version; what is no such row is no session of any launch."""
    row = session_of(ROW[:-1])
    assert row is not None
    assert (row.attempt, row.attempt_seconds) == ("forest:1", None)
    assert launch_of(ROW) == launch_of(ROW[:-1]) == "launch"
    assert session_of(ROW[:5]) is None
    assert launch_of(ROW[:5]) is None


def test_what_cannot_be_read_later_is_not_kept() -> None:
    """Half a surrogate pair would make every later transaction fail."""
    assert kept.storable("x", None, say)
    assert kept.storable("x", "text", say)
    assert not kept.storable("x", "\ud800", say)
    assert not kept.storable("consent", "perhaps", say)


def test_flows_that_are_not_read_are_counted() -> None:
    """Whether one is wrong, there are too many, or nothing can be read."""
    flows = [["Sink", "gold", "a", f"b {number}", 1] for number in range(MAX_WALLET_FLOWS + 5)]
    for found, lost in ((json.dumps(flows), 5), (json.dumps([*flows[:9], ["?"]]), 1), ("[Infinity]", 1), ("[]", 0)):
        row = session_of((*ROW[:8], found, *ROW[9:]))
        assert row is not None
        assert lost_flows(found, row.wallet) == lost


def test_each_key_has_its_rule() -> None:
    """A new key without a check would be read from a damaged file as it is; only destinations check their own."""
    tree = ast.parse(Path(kept.__file__).read_text(encoding="utf-8"))
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "KeptKey"]
    names = [node.args[0].value for node in made if isinstance(node.args[0], ast.Constant)]
    makers = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.returns is not None
              and ast.unparse(node.returns) == "KeptKey" and node.name != "of_destination"]  # fmt: skip
    assert len(names) > 9
    assert len(makers) > 2
    keys = [*names, *(getattr(kept, maker)("x") for maker in makers)]
    assert [key for key in keys if kept._rule(str(key)) is kept._OTHERS] == []
