"""The filters of all metrics: one typed value, which becomes one condition with bound parameters."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ga_pygame.rules import WHO_PLAYS


class BadFilter(ValueError):
    """A filter that cannot be used; the message names it and says what is right."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a metric counts; a field that is `None` or empty leaves nothing out.

    Attributes:
        since: The first day, in the warehouse's time zone.
        until: The last day.
        game: The game's key.
        build: The build.
        platform: The platform.
        custom_01: The first custom dimension.
        custom_02: The second one.
        custom_03: The third one.
        ab_id: The A/B test.
        ab_variant_id: The variant of the A/B test; two tests may have variants of the same name.
        country_code: The country.
        user_id: The player.
        who: Some of `WHO_PLAYS`.
    """

    since: datetime.date | None = None
    until: datetime.date | None = None
    game: str | None = None
    build: str | None = None
    platform: str | None = None
    custom_01: str | None = None
    custom_02: str | None = None
    custom_03: str | None = None
    ab_id: str | None = None
    ab_variant_id: str | None = None
    country_code: str | None = None
    user_id: str | None = None
    who: tuple[str, ...] = ()

    def condition(self, *, dated: bool = True) -> tuple[str, dict[str, Any]]:
        """Return an SQL condition on a row of `events` or `sessions`, and the values of its parameters.

        Args:
            dated: Whether the days are a part of it.
        """
        parts: list[str] = []
        values: dict[str, Any] = {}
        for name, comparison in (("since", "day >= $since"), ("until", "day <= $until")):
            if dated and (day := getattr(self, name)) is not None:
                parts.append(comparison)
                values[name] = day
        if self.game is not None:
            parts.append("game IN (SELECT game FROM games WHERE game_key = $game)")
            values["game"] = self.game
        if self.user_id is not None:
            parts.append("player IN (SELECT player FROM players WHERE user_id = $user_id)")
            values["user_id"] = self.user_id
        of_contexts, own = self.condition_of_contexts()
        if own:
            parts.append(f"context IN (SELECT context FROM contexts WHERE {of_contexts})")  # noqa: S608 - names of ours
        if self.who:
            words = ", ".join(f"'{word}'" for word in WHO_PLAYS if word in self.who)
            parts.append(f"who IN ({words or 'NULL'})")
        return " AND ".join(parts) or "true", {**values, **own}

    def condition_of_contexts(self) -> tuple[str, dict[str, Any]]:
        """Return the part of it that is a condition on a row of `contexts`, and the values of its parameters."""
        own = {name: value for name in OF_CONTEXTS if (value := getattr(self, name)) is not None}
        return " AND ".join(f"{name} = ${name}" for name in own) or "true", own


OF_CONTEXTS = ("build", "platform", "custom_01", "custom_02", "custom_03", "ab_id", "ab_variant_id", "country_code")
"""The filters that compare a column of `contexts`."""


def rows_of_sides(table: str, sides: Sequence[Filters]) -> tuple[str, dict[str, Any]]:
    """Return a subquery of the rows of a table that pass the filters of each side, and the values of its parameters.

    Its column `side` is 0 for those of the first side, 1 for those of the second one; a row of both is there twice.

    Args:
        table: The table, with columns as `events` has them.
        sides: The filters of one side or of two, which differ in days or in what compares columns of `contexts`.
    """
    if len({(side.since, side.until) for side in sides}) == len(sides):
        whole = "SELECT {side} AS side, * FROM " + table  # noqa: S608 - names of ours
        rows, values = _union(whole, (side.condition() for side in sides))
        return f"({rows}) AS {table}", values
    of_contexts: dict[str, Any] = dict.fromkeys(OF_CONTEXTS)
    condition, values = replace(sides[0], **of_contexts).condition()
    contexts, own = _union(
        "SELECT {side} AS side, context FROM contexts", (side.condition_of_contexts() for side in sides)
    )
    joined = f"{table} JOIN ({contexts}) AS sides ON sides.context = {table}.context"  # the table is read once
    return f"(SELECT side, {table}.* FROM {joined} WHERE {condition}) AS {table}", {**values, **own}  # noqa: S608


def _union(text: str, conditions: Iterable[tuple[str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """Repeat a query for each side, with its condition and with parameters of other names for the second one."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for side, (condition, own) in enumerate(conditions):
        prefix = "second_" if side else ""
        parts.append(f"{text.format(side=side)} WHERE {condition.replace('$', f'${prefix}')}")
        values |= {f"{prefix}{name}": value for name, value in own.items()}
    return " UNION ALL ".join(parts), values


def filters_from(query: Mapping[str, str]) -> Filters:
    """Read filters from texts by their names, e.g. of an address; `who` is a list with commas.

    Raises:
        BadFilter: A name is unknown or a value cannot be read.
    """
    names = {field.name for field in fields(Filters)}
    unknown = sorted(set(query) - names)
    if unknown:
        raise BadFilter(f"there is no filter {unknown[0][:40]!r}; there are: {', '.join(sorted(names))}")
    given: dict[str, Any] = {name: value for name, value in query.items() if value}
    for name in ("since", "until"):
        if name in given:
            given[name] = _day(name, given[name])
    if "who" in given:
        given["who"] = tuple(dict.fromkeys(given["who"].split(",")))
        if not set(given["who"]) <= set(WHO_PLAYS):
            raise BadFilter(f"who must be some of {', '.join(WHO_PLAYS)}, joined by commas")
    found = Filters(**given)
    if found.since and found.until and found.until < found.since:
        raise BadFilter("until must not be before since")
    return found


def _day(name: str, text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BadFilter(f"{name} must be a day such as 2026-01-31") from error
