"""The view Configs: remote configs and experiments, edited in a form, with the history of their settings file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import TypeVar

from nicegui import ui

from ga_pygame import clock
from ga_pygame.collector.gameanalytics.configs import ConfigsError, FileStamp, Settings
from ga_pygame.collector.gameanalytics.configs_editing import (
    EditableSettings,
    Version,
    changes_between,
    utc_text,
)
from ga_pygame.collector.page.config_form import (
    JSON_VALUE,
    TEXT,
    ConfigDraft,
    FormError,
    SettingsDraft,
    VariantDraft,
    draft_of,
    settings_of,
)
from ga_pygame.collector.page.elements import button, choice, field, focus_on, give_focus
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshot
from ga_pygame.collector.page.tables import box, code, heading, label
from ga_pygame.collector.page.view import Frame, View

LOOKS_PER_CONFIGS = 5
"""Looks between two checks whether the settings file was changed."""
VERSIONS_SHOWN = 20
"""Versions of the history on the page."""
MAX_CHANGES_SHOWN = 12
"""Changes of a version on the page."""

_Draft = TypeVar("_Draft")


class _NoConfigs:
    """The view of a collector without a settings file."""

    def __init__(self) -> None:
        with box("card empty"):
            label("lead", "This collector has no settings file")
            label("", "Make a file configs.json (or configs.toml) with what your game should get, e.g.")
            code('{"*": {"configs": [{"key": "gravity", "value": "40"}]}}')
            label("", "and start the collector with it:")
            code("python -m ga_pygame collect --configs configs.json")
            label("", "Then configs and experiments can be edited here, and in the file as before.")

    def wants(self) -> None:
        return None

    async def begin(self) -> None:
        return None

    def show(self, snapshot: Snapshot) -> None:  # noqa: ARG002 - it shows no events
        return None


class _Configs:
    """The view in one tab."""

    def __init__(self, settings: EditableSettings) -> None:
        self._settings = settings
        self._game = "*"
        self._games: dict[str, Settings] = {}
        self._stamp: FileStamp | None = None
        self._was = SettingsDraft()
        self._draft = SettingsDraft()
        self._looks = 0
        self._refusal = ""
        self._to_focus: object = None
        self._unsaved: ui.label | None = None
        self._body = box("configs")

    def wants(self) -> None:
        return None

    async def begin(self) -> None:
        if self._draft == self._was:  # else the socket is back, and what the person typed stays
            await self._read_anew("")

    def show(self, snapshot: Snapshot) -> None:  # noqa: ARG002 - it shows no events
        if self._unsaved is None:  # the form is not built yet
            return
        self._looks += 1
        self._unsaved.set_text("" if self._draft == self._was else "Not saved yet.")
        if self._looks % LOOKS_PER_CONFIGS:
            return
        _, stamp = self._settings.read()
        problem = self._settings.problem or self._refusal
        if stamp != self._stamp and not self._settings.problem:
            if self._draft == self._was:
                ui.timer(0, lambda: self._read_anew("The file was changed; this is its new content."), once=True)
            else:
                problem = "The file was changed meanwhile. Discard your changes to see its new content."
        self._problem.set_text(problem)

    # --- layout ------------------------------------------------------------------------------------------------

    async def _read_anew(self, said: str) -> None:
        """Read the file and its history and build the form anew."""
        self._games, self._stamp = self._settings.read()
        history = await asyncio.to_thread(self._settings.history)
        if self._body.is_deleted:  # another view was opened meanwhile, or the tab was closed
            return
        if self._game not in self._games:
            self._game = next(iter(self._games), "*")
        self._draft = draft_of(self._games.get(self._game, Settings()))
        self._was = deepcopy(self._draft)
        self._refusal = ""
        self._body.clear()
        with self._body:
            self._status = label("hint", said).props('role="status"')
            self._problem = label("wrong", self._settings.problem).props('role="alert"')
            self._build_games(self._settings.label)
            self._form = box("card form")
            self._build_form()
            with box("card history"):
                with box("bar"):
                    heading(2, "History")
                self._build_history(history)

    def _build_games(self, path: str) -> None:
        with box("bar loose"):
            known = [(name, "all other games" if name == "*" else f"game {short(name, 64)}") for name in self._games]
            self._pick = choice("game", known or [("*", "all other games")], self._game, self._choose)
            label("hint", short(path, 200))

    async def _choose(self, game: str) -> None:
        if game in self._games:
            self._game = game
            await self._read_anew("")
            give_focus(self._pick)

    async def _discard(self) -> None:
        await self._read_anew("Your changes were discarded.")
        focus_on(self._status)

    def _build_form(self, to_focus: object = None) -> None:
        """Build the form anew.

        Args:
            to_focus: The draft whose first input gets the focus, or the list of drafts whose button to add one gets it.
        """
        self._to_focus = to_focus
        draft = self._draft
        self._form.clear()
        with self._form:
            with label("line", "", tag="label"):
                mark = ui.element("input").props('type="checkbox"')
                mark.props["checked"] = draft.enabled
                mark.on("change", lambda event: setattr(draft, "enabled", bool(event.args)), js_handler=_CHECKED)
                label("", "its events are wanted (off: clients stop sending)", tag="span")
            heading(2, "Configs")
            self._build_configs(draft.configs, "")
            heading(2, "Experiment")
            label("hint", "Players in the experiment get the configs of their variant instead of those above.")
            with box("fields"):
                _labelled("experiment id", draft, "experiment", said="empty: no experiment")
                _labelled("share of the players, %", draft, "share", said="0 to 100", inputmode="decimal")
            for number, variant in enumerate(draft.variants, 1):
                self._build_variant(variant, number)
            self._build_add_button("Add a variant", draft.variants, VariantDraft)
            with box("fields"):
                self._build_users()
            with box("actions"):
                button("Save", self._save).classes("main")
                button("Discard changes", self._discard)
                self._unsaved = label("hint", "")

    def _build_variant(self, variant: VariantDraft, number: int) -> None:
        with ui.element("fieldset"):
            label("", f"variant {number}", tag="legend")
            with box("fields"):
                self._focus_if_new(_labelled("name of the variant", variant, "name"), variant)
                button("Remove", self._remover(self._draft.variants, variant), said=f"remove variant {number}")
            self._build_configs(variant.configs, f"variant {number}, ")

    def _build_configs(self, configs: list[ConfigDraft], where: str) -> None:
        for number, config in enumerate(configs, 1):
            group = box("fields config").props('role="group"')
            group.props["aria-label"] = f"{where}config {number}"
            with group:
                self._focus_if_new(_labelled("key", config, "key"), config)
                _labelled("value", config, "value")
                with label("field", "", tag="label"):
                    label("", "typed as", tag="span")
                    kinds = [(TEXT, "text"), (JSON_VALUE, "JSON")]
                    choice(f"config {number} typed as", kinds, config.kind, _setter(config, "kind"))
                _labelled("from (UTC)", config, "start", kind="datetime-local")
                _labelled("until (UTC)", config, "end", kind="datetime-local")
                remove = self._remover(configs, config)
                button("Remove", remove, said=f"remove {where}config {number}")
        what = f"add a config to {where.rstrip(', ')}" if where else ""
        self._build_add_button("Add a config", configs, ConfigDraft, what)

    def _build_add_button(self, words: str, drafts: list[_Draft], make: Callable[[], _Draft], said: str = "") -> None:
        def add() -> None:
            drafts.append(make())
            self._build_form(drafts[-1])

        self._focus_if_new(button(words, add, said=said), drafts)

    def _remover(self, drafts: list[_Draft], draft: _Draft) -> Callable[[], None]:
        def remove() -> None:
            drafts[:] = [one for one in drafts if one is not draft]  # two new ones are equal
            self._build_form(drafts)

        return remove

    def _focus_if_new(self, control: ui.element, owner: object) -> None:
        if owner is self._to_focus:
            give_focus(control)

    def _build_users(self) -> None:
        with label("field wide", "", tag="label"):
            label("", "players in it by name: user id = variant, one a line", tag="span")
            area = label("", self._draft.users, tag="textarea").props('rows="2" autocomplete="off"')
            area.on("change", lambda event: _setter(self._draft, "users")(str(event.args)), js_handler=_VALUE)

    def _build_history(self, history: list[Version]) -> None:
        if not history:
            label("none", "No change was saved on this page yet.")
        for number, version in enumerate(history[:VERSIONS_SHOWN]):
            before = history[number + 1].games if number + 1 < len(history) else {}
            who = "saved on this page" if version.by == "page" else "found in the file"
            with box("version"):
                label("lead", f"{utc_text(int(version.at))}, {who}")
                changes = changes_between(before, version.games)
                with ui.element("ul"):
                    for change in changes[:MAX_CHANGES_SHOWN] or ["nothing differs"]:
                        label("", short(change, 300), tag="li")
                    if len(changes) > MAX_CHANGES_SHOWN:
                        label("", f"and {len(changes) - MAX_CHANGES_SHOWN} more", tag="li")
                if number:
                    when = utc_text(int(version.at))
                    button("Restore", self._restorer(version), said=f"restore the version of {when}")

    # --- the person's input ------------------------------------------------------------------------------------

    def _restorer(self, version: Version) -> Callable[[], Awaitable[None]]:
        async def restore() -> None:
            await self._write(dict(version.games), "The older version is in force again.")

        return restore

    async def _save(self) -> None:
        try:
            settings = settings_of(self._draft)
        except FormError as error:
            self._say_problems([str(one) for one in error.args])
            return
        await self._write({**self._games, self._game: settings}, "Saved. Players get it when they start the game next.")

    async def _write(self, games: dict[str, Settings], said: str) -> None:
        try:
            await asyncio.to_thread(self._settings.save, games, self._stamp, clock.wall_now())
        except ConfigsError as error:
            self._say_problems([str(error)])
            return
        with self._body:
            await self._read_anew(said)
        focus_on(self._status)

    def _say_problems(self, problems: list[str]) -> None:
        if self._body.is_deleted:
            return
        self._status.set_text("")
        self._refusal = "Not saved: " + "; ".join(short(one, 300) for one in problems)
        self._problem.set_text(self._refusal)


_CHECKED = "(event) => emit(event.target.checked)"
_VALUE = "(event) => emit(event.target.value)"


def _setter(draft: object, name: str) -> Callable[[str], None]:
    return lambda value: setattr(draft, name, value)


def _labelled(
    words: str, draft: object, name: str, *, kind: str = "text", said: str = "", inputmode: str = ""
) -> ui.element:
    """Make an input with its label, which changes an attribute of a draft."""
    with label("field", "", tag="label"):
        label("", words, tag="span")
        more = {"inputmode": inputmode} if inputmode else {}
        return field(kind, str(getattr(draft, name)), _setter(draft, name), placeholder=said, **more)


def _build(frame: Frame) -> _NoConfigs | _Configs:
    return _NoConfigs() if frame.settings is None else _Configs(frame.settings)


CONFIGS_VIEW = View(
    name="configs",
    title="Configs",
    counted=(
        "The remote configs and experiments that games get from this collector. They are kept in the settings file;"
        " what you save here is written there."
    ),
    build=_build,
)
