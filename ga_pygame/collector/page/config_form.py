"""The form in which the page edits the settings of a game: texts as a person types them, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import msgspec

from ga_pygame.collector.gameanalytics.configs import Experiment, RemoteConfig, Settings, settings_problems

TEXT, JSON_VALUE = "text", "JSON"
"""How the value of a config is typed: as it is, or as JSON (a number, true, a list …)."""


class FormError(Exception):
    """The form cannot be saved; the arguments say why, one a problem."""


@dataclass(slots=True)
class ConfigDraft:
    """A config while it is edited; times are UTC as `2026-11-28T14:00`, "" for no limit."""

    key: str = ""
    value: str = ""
    kind: str = TEXT
    start: str = ""
    end: str = ""
    vsn: int = 1


@dataclass(slots=True)
class VariantDraft:
    """A variant of an experiment while it is edited."""

    name: str = ""
    configs: list[ConfigDraft] = field(default_factory=list)


@dataclass(slots=True)
class SettingsDraft:
    """The settings of a game while they are edited.

    Attributes:
        enabled: Whether its events are wanted.
        configs: The configs outside the experiment.
        experiment: The experiment's id; "" for none.
        share: Percent of the players in the experiment, as text.
        variants: The experiment's variants.
        users: Players in it by name: `user id = variant`, one a line.
    """

    enabled: bool = True
    configs: list[ConfigDraft] = field(default_factory=list)
    experiment: str = ""
    share: str = "100"
    variants: list[VariantDraft] = field(default_factory=list)
    users: str = ""


def draft_of(settings: Settings) -> SettingsDraft:
    """Make the form of a game's settings."""
    draft = SettingsDraft(settings.enabled, [_config_draft(one) for one in settings.configs])
    experiment = settings.experiment
    if experiment is not None:
        draft.experiment = experiment.id
        draft.share = f"{100 * experiment.share:.10g}"
        draft.variants = [
            VariantDraft(name, [_config_draft(one) for one in configs]) for name, configs in experiment.variants.items()
        ]
        draft.users = "\n".join(f"{user} = {variant}" for user, variant in experiment.users.items())
    return draft


def _config_draft(config: RemoteConfig) -> ConfigDraft:
    is_text = isinstance(config.value, str)
    value = config.value if is_text else msgspec.json.encode(config.value).decode()
    kind = TEXT if is_text else JSON_VALUE
    return ConfigDraft(
        config.key, value, kind, _moment_typed(config.start_ts), _moment_typed(config.end_ts), config.vsn
    )


def _moment_typed(moment: int | None) -> str:
    if not moment:
        return ""
    try:
        return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""


def settings_of(draft: SettingsDraft) -> Settings:
    """Make the settings of a form, by the rules of the settings file.

    Raises:
        FormError: A part cannot be used; all problems are named.
    """
    problems: list[str] = []
    configs = _configs(draft.configs, "", problems)
    experiment = _experiment(draft, problems) if draft.experiment.strip() else None
    if experiment is None and (draft.variants or draft.users.strip()):
        problems.append("there are variants or players without an experiment: give it an id, or remove them")
    settings = Settings(draft.enabled, configs, experiment)
    problems += settings_problems(settings)
    if problems:
        raise FormError(*problems)
    return settings


def _experiment(draft: SettingsDraft, problems: list[str]) -> Experiment:
    variants: dict[str, list[RemoteConfig]] = {}
    for one in draft.variants:
        name = one.name.strip()
        if name in variants:
            problems.append(f"there are two variants {name!r}: choose another name")
        variants[name] = _configs(one.configs, f"variant {name}: ", problems)
    if not variants:
        problems.append("the experiment has no variant: add one, or remove the experiment's id")
    return Experiment(
        draft.experiment.strip(), variants, _share(draft.share, problems), _users(draft.users, variants, problems)
    )


def _share(text: str, problems: list[str]) -> float:
    try:
        share = float(text.strip().removesuffix("%")) / 100
        if 0 <= share <= 1:
            return share
    except ValueError:
        pass
    problems.append(f"the share {text!r} must be a number from 0 to 100, in percent of the players")
    return 0.0


def _users(text: str, variants: dict[str, Any], problems: list[str]) -> dict[str, str]:
    users: dict[str, str] = {}
    for line in text.splitlines():
        user, _, variant = (part.strip() for part in line.rpartition("="))
        if not line.strip():
            continue
        if not user or variant not in variants:
            problems.append(
                f"the line {line.strip()[:80]!r} must be: user id = variant, with one of the variants above"
            )
        users[user] = variant
    return users


def _configs(drafts: list[ConfigDraft], where: str, problems: list[str]) -> list[RemoteConfig]:
    found: list[RemoteConfig] = []
    for draft in drafts:
        key = draft.key.strip()
        named = f"{where}{key!r}"
        if any(one.key == key for one in found):
            problems.append(f"{named} is there twice: the client would see only one of them")
        start, end = _moment(draft.start, named, problems), _moment(draft.end, named, problems)
        if start and end and end <= start:
            problems.append(f"{named} would end before it starts")
        found.append(RemoteConfig(key, _value(draft, named, problems), start, end, draft.vsn))
    return found


def _value(draft: ConfigDraft, named: str, problems: list[str]) -> Any:
    if draft.kind != JSON_VALUE:
        return draft.value
    try:
        return msgspec.json.decode(draft.value.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        problems.append(f'the value of {named} is no JSON: write e.g. 40, true, "a text" or [1, 2]; or choose text')
        return None


def _moment(text: str, named: str, problems: list[str]) -> int | None:
    if not text.strip():
        return None
    try:
        return int(datetime.fromisoformat(text.strip()).replace(tzinfo=timezone.utc).timestamp())
    except (ValueError, OverflowError):
        problems.append(f"the time {text[:40]!r} of {named} must be like 2026-11-28T14:00 (UTC)")
        return None
