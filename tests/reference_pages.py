"""Makes the pages of docs/reference/ that no docstring is enough for: `python -m tests.reference_pages`.

Commands come from their parsers, metrics from the heads of their files, licences from what the installed packages say.
`tests/test_reference_pages.py` compares the pages with these.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.database import sql_text
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.options import command_parser
from tests.samples import ROOT, toml_of

FOLDER = ROOT / "docs" / "reference"
COMMANDS_HEAD = """\
# Commands

`python -m ga_pygame COMMAND`, or `ga-pygame COMMAND`; [the collector](../collector.md) has them at work. All
but `doctor` need the extra: `pip install "ga-pygame[collector]"`. This page is made by
`python -m tests.reference_pages` from the parsers."""
METRICS_HEAD = """\
# Metrics

What each figure counts. The page, `stats`, `report`, `export --metric NAME` and `/api/warehouse/NAME` ask these and
compute nothing themselves, so a figure is the same everywhere. All take the [filters](commands.md#stats); what else a
metric takes stands below its name. This page is made by `python -m tests.reference_pages` from
`ga_pygame/collector/warehouse/metrics/`: the heads of the SQL files and the types of the rows."""
LICENCES_HEAD = """\
# Licences

ga_pygame has the MIT licence. An installation brings packages of others; none of their licences asks for the source of
your game. LGPL and MPL ask for that of the package itself, if you change it and pass it on. This page is made by
`python -m tests.reference_pages` from what the installed packages say."""


# --- commands ---------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Return the page of all commands."""
    _, commands = command_parser()
    lines = [COMMANDS_HEAD]
    for name, command in commands.items():
        usage = f"python -m ga_pygame {name} {_usage_of(command)}".rstrip()
        lines += ["", f"## {name}", "", _sentence(command.description or ""), "", "```text", usage, "```"]
        lines += ["", "| option | what it does |", "|---|---|"]
        lines += [f"| {option} | {what} |" for option, what in _options_of(command, has_filters=name == "stats")]
        if name != "stats" and any(one.dest.startswith(_FILTER) for one in command._actions):
            lines += ["", "And the filters of [stats](#stats), from `--since` to `--who`."]
    return "\n".join([*lines, ""])


_FILTER = "filter_"
"""How the names of options begin that are filters of metrics."""


def _usage_of(parser: argparse.ArgumentParser) -> str:
    """Return what stands behind the command, without its options."""
    if parser.usage:
        return parser.usage.partition(" ")[2]
    needed = [
        f"{one.option_strings[0]} {one.metavar}" for one in parser._actions if one.required and one.option_strings
    ]
    places = [f"{one.metavar or one.dest}…" for one in parser._actions if not one.option_strings]
    return " ".join(["[options]", *needed, *places])


def _options_of(parser: argparse.ArgumentParser, *, has_filters: bool) -> Iterator[tuple[str, str]]:
    """Yield the options and arguments of a command with their texts."""
    for one in parser._actions:
        if isinstance(one, argparse._HelpAction) or (one.dest.startswith(_FILTER) and not has_filters):
            continue
        name = ", ".join(f"`{option}`" for option in one.option_strings) or f"`{one.metavar or one.dest}`"
        takes = one.option_strings and one.nargs != 0
        value = f" {one.metavar or (one.dest.upper() if not one.choices else '')}".rstrip() if takes else ""
        yield name[:-1] + f"{value}`", _cell((one.help or "") % {**vars(one), "prog": parser.prog})


def _sentence(text: str) -> str:
    """Return a description as Markdown."""
    return re.sub(r"(GA_PYGAME_COLLECTOR=\S+ python \S+)", r"`\1`", text.replace("<", "&lt;"))


def _cell(text: str) -> str:
    """Return a text for a table's cell."""
    plain = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(\{.*\}|\*(?= for))", r"`\1`", plain)


# --- metrics ----------------------------------------------------------------------------------------------------------


def metrics_page() -> str:
    """Return the page of all metrics."""
    lines = [METRICS_HEAD]
    for metric in METRICS.values():
        lines += ["", f"## {metric.name}", "", f"{metric.sentence.rstrip('.')}.", *_definition_of(metric)]
        if metric.options:
            lines += ["", f"Options: {', '.join(f'`{name}`' for name in metric.options)}."]
        texts = _attributes_of(metric.row)
        lines += ["", "| column | what |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(texts.get(name) or _interval(name))} |" for name in metric.row._fields]
    return "\n".join([*lines, ""])


def _interval(column: str) -> str:
    """Return the text of a column that is an end of the interval of the share before it."""
    ends = {"low": "The lower end of its interval of 95 %.", "high": "The upper end."}
    return ends.get(column.rpartition("_")[2], "")


def _definition_of(metric: WarehouseMetric) -> list[str]:
    """Return the head of the metric's SQL, if there is one of its name: how it is counted, and the source of that."""
    try:
        text = sql_text(f"metrics/{metric.name}.sql")
    except FileNotFoundError:
        return []
    head = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        head.append(line[2:].strip())
    words = " ".join(head)
    counted, colon, source = words.partition(" Source: ") if " Source: " in words else words.partition(" Sources: ")
    kept = [one for one in re.split(r"(?<=\.) (?=[A-Z])", counted)[1:] if "$" not in one and ".sql" not in one]
    return ["", " ".join(kept)] + (["", f"{colon.strip()} {source}"] if source else []) if kept else []


def _attributes_of(row: type) -> Mapping[str, str]:
    """Return the texts of a row's columns from its docstring."""
    doc = inspect.getdoc(row) or ""
    _, _, listed = doc.partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n      +.*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


# --- licences ---------------------------------------------------------------------------------------------------------

SHORT_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.1",
    "LGPL v2.1": "LGPL-2.1",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Public-Domain",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages that say no SPDX expression call their licences."""
FREE = set("Apache-2.0 BSD BSD-2-Clause BSD-3-Clause ISC LGPL-2.1 MIT MPL-2.0 PSF-2.0 Public-Domain".split())
"""Licences that a dependency may have: none of them asks for the source of the game."""


class Licence(NamedTuple):
    """A package that an installation brings, and its licence as an SPDX expression or short name."""

    package: str
    licence: str
    is_direct: bool


def licences(*extras: str) -> list[Licence]:
    """Return the licences of what an installation with these extras brings, as far as it is installed."""
    project = toml_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    names = {_name_of(one) for one in direct}
    found: dict[str, Licence] = {}
    queue = list(direct)
    while queue:
        name = _name_of(queue.pop())
        if name in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = Licence(name, _licence_of(package), name in names)
        queue += [one for one in package.requires or () if "extra ==" not in one]
    return sorted(found.values())


def _name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _licence_of(package: importlib.metadata.Distribution) -> str:
    """Return what a package says of its licence: the expression, else the classifier, else the text."""
    expression, classifiers, text = (
        package.metadata.get_all(name) or [] for name in ("License-Expression", "Classifier", "License")
    )
    named = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License")]
    said: str = [*expression, *named, *text, "not said"][0]
    return SHORT_NAMES.get(said, said)


def licences_page() -> str:
    """Return the page of the licences."""
    lines = [LICENCES_HEAD]
    game = {one.package for one in licences()}
    for title, extras in (("In your players' installation", ()), ("With the extra `collector`, too", ("collector",))):
        lines += ["", f"## {title}", "", "| package | licence | who asks for it |", "|---|---|---|"]
        for package, licence, is_direct in licences(*extras):
            if not extras or package not in game:
                lines.append(f"| {package} | {licence} | {'ga_pygame' if is_direct else 'a dependency'} |")
    return "\n".join([*lines, ""])


PAGES = {"commands.md": commands_page, "metrics.md": metrics_page, "licences.md": licences_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
