"""`ga_pygame plan`: compare source and data with the tracking plan, write one, write its names as Python."""

from __future__ import annotations

import json
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ga_pygame.plan import ANY_PART, PLAN_DIMENSIONS, PlanError, TrackingPlan, heading_of, plan_of, read_plan
from ga_pygame.tools.plan_source import ReportedName, SourceNames, names_in_sources
from ga_pygame.tools.printing import ToolError, print_lines, print_note, write_result

if TYPE_CHECKING:
    from ga_pygame.collector.warehouse.metrics.plan_names import PlanName
    from ga_pygame.tools.sources import Where

MAX_PROPOSED = 500
"""Names of a section that `plan init` writes, the most frequent ones."""
MAX_UNUSED = 20
"""Declared names that nobody reports and that are listed."""
_EVERYBODY = {"who": "player,developer,bot"}


def check_plan(plan_file: Path, sources: Sequence[Path], where: Where | None) -> int:
    """Print what a game's source, and a collector's data, report beyond the plan; return 1 if there is anything.

    Args:
        plan_file: The plan.
        sources: Files and folders of the game.
        where: The collector or its file; `None` looks at the source only.

    Raises:
        ToolError: The plan, a source or the collector cannot be read.
    """
    plan = _plan(plan_file)
    missing = [path for path in sources if not path.exists()]
    if missing:
        raise ToolError(f"there is no file or folder {missing[0]}")
    found = names_in_sources(list(sources))
    sent = [] if where is None else _sent_names(where, {})
    wrong = [f"{one.path}:{one.line}: {text}" for one in found.names if (text := _complaint(plan, one))]
    wrong += [
        f"in the data: {text} ({one.events:,} events)"
        for one in sent
        if (text := plan.complaint(one.section, one.name))
    ]
    lines = [*wrong, *_check_summary(plan, found, sent)]
    print_lines(line.encode("utf-8", "replace") for line in lines)
    return 1 if wrong else 0


def _plan(path: Path) -> TrackingPlan:
    try:
        return read_plan(path)
    except PlanError as error:
        more = "" if path.exists() else ": write one, or let `plan init` write what a collector saw"
        raise ToolError(f"{error}{more}") from error


def _sent_names(where: Where, filters: Mapping[str, str]) -> list[PlanName]:
    from ga_pygame.collector.warehouse.metrics.plan_names import PLAN_NAMES_METRIC  # noqa: PLC0415 - an extra
    from ga_pygame.tools.sources import open_source  # noqa: PLC0415 - an extra

    with open_source(where) as source:
        return source.rows(PLAN_NAMES_METRIC, {**_EVERYBODY, **filters}, {})


def _complaint(plan: TrackingPlan, one: ReportedName) -> str:
    """Return what is wrong with a name of the source; a name with `*` is right if it may be a declared one."""
    declared = plan.names.get(one.section, {})
    if ANY_PART in one.name and any(one.pattern.fullmatch(name) for name in declared):
        return ""
    return plan.complaint(one.section, one.name)


def _check_summary(plan: TrackingPlan, found: SourceNames, sent: Sequence[PlanName]) -> Iterator[str]:
    used = Counter(one.section for one in found.names)
    yield f"{sum(used.values())} names in {_files(found.files)} compared with {plan.file}" + (
        f", and {len(sent)} names of the collector" if sent else ""
    )
    if found.computed:
        yield f"{found.computed} calls compute their names: those are compared while the game runs"
    for path in found.unread:
        yield f"{path} is no Python that this version reads: not compared"
    unused = list(_unused(plan, found.names, sent))
    if unused:
        more = f" and {len(unused) - MAX_UNUSED} more" if len(unused) > MAX_UNUSED else ""
        yield f"declared, and found nowhere: {', '.join(unused[:MAX_UNUSED])}{more}"


def _files(number: int) -> str:
    return "1 file was" if number == 1 else f"{number:,} files were"


def _unused(plan: TrackingPlan, names: Sequence[ReportedName], sent: Sequence[PlanName]) -> Iterator[str]:
    for section, declared in plan.names.items():
        literal = {one.name for one in names if one.section == section} | {
            one.name for one in sent if one.section == section
        }
        open_ones = [one.pattern for one in names if one.section == section and ANY_PART in one.name]
        for name in declared:
            pattern = next((one for one in plan.patterns[section] if one.fullmatch(name)), None)
            is_used = name in literal or any(one.fullmatch(name) for one in open_ones)
            if not is_used and not (pattern is not None and any(map(pattern.fullmatch, literal))):
                yield f"{heading_of(section)} {name}"


# --- init -----------------------------------------------------------------------------------------------


def write_plan(where: Where, filters: Mapping[str, str], output: Path) -> int:
    """Write a plan with the names that a collector saw; return the exit code.

    Args:
        where: The collector or its file.
        filters: The filters of the metrics; without `who`, everybody's events count.
        output: The plan's file, which must not exist.

    Raises:
        ToolError: There is a file already, nothing was seen, or the collector cannot be asked.
    """
    if output.exists():
        raise ToolError(f"there is a file {output} already: give another one with -o, and copy what yours lacks")
    sent = _sent_names(where, filters)
    if not sent:
        raise ToolError("no event with a name has come yet: play the game first, or clear the filters")
    lines = list(_plan_lines(sent, output.name))
    code = write_result((line.encode() for line in lines), output)
    print_note(f"{len(sent):,} names were seen: {output} is written, say there what each of them means")
    return code


def _plan_lines(sent: Sequence[PlanName], file: str) -> Iterator[str]:
    yield "# The tracking plan: what this game means to report. Each name has a line that says what it means."
    yield "# `*` stands for one part of a name; a section that is left out is not checked."
    for section in ("levels", "currencies", "items", "design", *PLAN_DIMENSIONS):
        some = [one for one in sent if one.section == section and _is_valid(section, one.name, file)]
        if not some:
            continue
        yield ""
        yield heading_of(section)
        for one in some[:MAX_PROPOSED]:
            yield f'{_toml_text(one.name)} = "seen in {one.events} events"'
        if len(some) > MAX_PROPOSED:
            yield f"# and {len(some) - MAX_PROPOSED} more: do they have a part that changes, for which * could stand?"


def _toml_text(text: str) -> str:
    """Return a text as TOML writes it: JSON's escapes are a part of TOML's, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_valid(section: str, name: str, file: str) -> bool:
    """Whether a name may be declared; a lenient collector also has others."""
    table = {"dimensions": {section: {name: ""}}} if section in PLAN_DIMENSIONS else {section: {name: ""}}
    try:
        plan_of(table, file)
    except PlanError:
        return False
    return ANY_PART not in name


# --- types ----------------------------------------------------------------------------------------------

_CLASSES = {
    "levels": "Level",
    "currencies": "Currency",
    "items": "Item",
    "design": "DesignId",
    "custom_01": "Custom01",
    "custom_02": "Custom02",
    "custom_03": "Custom03",
}
_CLASS_DOCS = {
    "levels": "Levels: `tracker.progression.start(*Level.NAME)`.",
    "currencies": "Virtual currencies.",
    "items": "Items: `tracker.resource.sink(currency, amount, *Item.NAME)`.",
    "design": "Ids of design events.",
    **{name: f"Values of the custom dimension {name[-1]}." for name in PLAN_DIMENSIONS},
}


def write_types(plan_file: Path, output: Path | None) -> int:
    """Write a module with a typed constant for each name of a plan, or print it; return the exit code.

    Raises:
        ToolError: The plan cannot be read, or the file cannot be written.
    """
    plan = _plan(plan_file)
    return write_result((line.encode() for line in _module_lines(plan)), output)


def _module_lines(plan: TrackingPlan) -> Iterator[str]:
    yield f'"""The names of the tracking plan {plan.file}; made by `python -m ga_pygame plan types`, not edited."""'
    yield ""
    yield "from typing import Final"
    for section, class_name in _CLASSES.items():
        if section in plan.names:
            yield from ("", "", f"class {class_name}:", f'    """{_CLASS_DOCS[section]}"""', "")
            yield from _class_lines(section, plan.names[section])


def _class_lines(section: str, names: Mapping[str, str]) -> Iterator[str]:
    taken: set[str] = set()
    has_parts = section in ("levels", "items")
    for name, doc in names.items():
        identifier = _identifier(name, taken)
        taken.add(identifier)
        if ANY_PART in name:
            yield from _function_lines(identifier, name, doc, has_parts=has_parts)
            continue
        value = repr(tuple(name.split(":"))) if has_parts else repr(name)
        yield f"    {identifier}: Final = {value}"
        yield f"    {_docstring(doc)}"
    if not names:
        yield "    pass"


def _function_lines(identifier: str, name: str, doc: str, *, has_parts: bool) -> Iterator[str]:
    """Write a function that fills the parts of a pattern."""
    parts = name.split(":")
    holes = [f"part_{place}" for place, part in enumerate(parts, 1) if ANY_PART in part]
    texts = [_filled(part, f"part_{place}") for place, part in enumerate(parts, 1)]
    kind = f"tuple[{', '.join(['str'] * len(parts))}]" if has_parts else "str"
    value = f"({', '.join(texts)},)" if has_parts else f'":".join(({", ".join(texts)},))'
    yield "    @staticmethod"
    yield f"    def {identifier.lower()}({', '.join(f'{hole}: str' for hole in holes)}) -> {kind}:"
    yield f"        {_docstring(doc)}"
    yield f"        return {value}"


def _filled(part: str, hole: str) -> str:
    pieces = [repr(piece) for piece in part.split(ANY_PART)]
    return f" + {hole} + ".join(pieces) if ANY_PART in part else repr(part)


def _identifier(name: str, taken: Iterable[str]) -> str:
    """Make a name of Python from a name of the plan, another one for each."""
    plain = re.sub(r"[^0-9A-Za-z]+", "_", name.replace(ANY_PART, "any")).strip("_").upper() or "NAME"
    plain = f"_{plain}" if plain[0].isdigit() or keyword.iskeyword(plain.capitalize()) else plain
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    return found


def _docstring(doc: str) -> str:
    """Write a doc as a string of one line."""
    text = " ".join(doc.split()) or "(no doc)"
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)  # JSON splits 😀 into two escapes
