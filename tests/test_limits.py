"""The page of limits agrees with the code: equal values, and no bound is missing."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import ga_pygame
from tests.sources import parsed

PACKAGE = Path(ga_pygame.__file__).parent
PAGE = PACKAGE.parent / "docs" / "limits.md"

BOUND = re.compile(
    r"""_?(
        (MAX|MIN|MOST|LEAST|LONGEST|SHORTEST|FEWEST|LARGEST|SMALLEST|NEWEST|OLDEST|KEPT|REMEMBERED)(_\w+)?
        | (\w+_)?(LIMIT|LIMITS|MAX|MIN|MOST|SECONDS|MS|BYTES|ROOM|KEPT|DEPTH|CHARACTERS|AT_ONCE|ATTEMPTS|TRIES)
        | \w+_(SHOWN|SCANNED|TOLD|PERIODS|PER_\w+)
    )""",
    re.VERBOSE,
)
"""A name that says a bound."""

EXEMPT = {
    "collector.traffic._SECONDS": "the bounds of a histogram",
    "areas.consent_screen.FRAMES_PER_SECOND": "how often the question is drawn",
    "areas.consent_screen.MAX_FONT": "the look of the question",
    "areas.consent_screen.MIN_FONT": "the look of the question",
    "overlay.overlay._LONGEST_FRAME": "a time that the frame graph leaves out",
    "overlay.panel.FRAME_SECONDS": "the look of the overlay",
    "overlay.panel.MAX_HEIGHT_OF_TEXT": "the look of the overlay",
    "overlay.panel.MIN_HEIGHT_OF_TEXT": "the look of the overlay",
    "clients.caller._IDLE_SECONDS": "a sleep that every call ends",
    "clients.caller._ANSWER_POLL_SECONDS": "how often a worker looks, no bound of what comes from outside",
    "collector.clickhouse.schema.OLDEST_FOR_METRICS": "a version",
    "collector.clickhouse.schema._ALL_TOLD": "a part of a statement",
    "collector.clickhouse.store.RECENT_SECONDS": "steps of a search, whose last one has no bound",
    "collector.clickhouse.schema.SECONDS_PER_LOOK_FOR_RECORD": "how often a collector that starts looks",
    "collector.clickhouse.store.SECONDS_PER_MUTATION_LOOK": "how often a worker looks",
    "collector.gameanalytics.routes._LIMITS": "a message with other bounds in it",
    "collector.warehouse.metrics.finding_rules.RAGE_QUIT_SECONDS": "a definition",
    "collector.warehouse.metrics.unique_values.UNIQUE_LIMITS": "the service's limits, which are compared, not enforced",
    "testing.game_test.MAX_NEAR": "the length of a message of a test",
    "testing.game_test.MAX_COMPARED_EVENTS": "the work for a message of a test",
    "testing.game_test.MAX_PROBLEMS": "the length of a message of a test",
    "testing.game_test.SECONDS_PER_TICK": "how often time that passes in a test is noticed",
    "delivery.outbox.salvage._INTEGER_BYTES": "SQLite's file format",
    "delivery.outbox.schema._FIXED_BYTES": "what a block takes beside its lines",
    "delivery.outbox.schema._LINE_BYTES": "what a line of a block takes beside its text",
    "delivery.undecided._KEPT": "a pattern",
    "engine.map_pictures._LOOK_SECONDS": "how often a worker looks, no bound of what comes from outside",
    "delivery.uploader._POLL_SECONDS": "how often a worker looks, no bound of what comes from outside",
    "server.delivery._CLOSING_SECONDS": "how often a worker looks, no bound of what comes from outside",
    "sdk_events.BUCKET_SECONDS": "the width of a bucket of frame times",
    "recording.recorder._AT_ONCE": "kinds of events",
    "records.AS_KEPT": "a value of a dimension",
    "rules._ID_CHARACTERS": "a pattern",
    "rules._LONGEST_TEXT": "a short name of rules.custom_field_text.longest",
    "rules._PART_CHARACTERS": "a pattern",
}
"""Names that say a bound and are none, each with its reason."""


class Row(NamedTuple):
    """A row of the page."""

    what: str
    constant: str
    value: str
    answer: str


def rows() -> list[Row]:
    """Return all rows of the page's tables."""
    lines = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|"))
    cells = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return [Row(*some) for some in cells if some[1].startswith("`")]


@functools.cache
def constants() -> frozenset[str]:
    """Return the constants of the package whose names mean a bound, without `ga_pygame.` in front."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for node in parsed(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]
            found |= {f"{module}.{name}" for name in names if name.isupper() and BOUND.fullmatch(name)}
    return frozenset(found)


def valued(name: str) -> Any:
    """Return the value of a name on the page: a constant of a module, or an attribute of one, such as a class's."""
    parts = name.split(".")
    count = next(n for n in range(len(parts) - 1, 0, -1) if is_module(parts[:n]))
    found: Any = importlib.import_module(".".join(["ga_pygame", *parts[:count]]))
    for part in parts[count:]:
        assert hasattr(found, part), f"there is no `{name}` any more"
        found = getattr(found, part)
    return found


def is_module(parts: list[str]) -> bool:
    """Return whether the package has a module or folder of that name."""
    path = PACKAGE.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_values() -> None:
    """Each value on the page is the code's, with its unit, and the page says what happens above it."""
    for row in rows():
        value = valued(row.constant.strip("`"))
        number = row.value.split()[0]
        assert float(number) == float(value), f"{row.constant} is {value!r}"
        assert row.what, f"{row.constant}: what is bounded?"
        assert row.answer, f"{row.constant}: what happens when it is exceeded?"


def test_every_bound_is_listed() -> None:
    """No constant whose name says a bound is missing on the page, unless a reason says why it is none."""
    listed = [row.constant.strip("`") for row in rows()]
    assert len(set(listed)) == len(listed), "a constant has two rows"
    missing = constants() - set(listed) - set(EXEMPT)
    assert not missing, f"add to {PAGE.name}, or to EXEMPT with a reason: {', '.join(sorted(missing))}"


def test_every_exemption_is_needed() -> None:
    """An exemption goes with its constant, and has no row beside it."""
    assert set(EXEMPT) <= constants()
    assert not set(EXEMPT) & {row.constant.strip("`") for row in rows()}
