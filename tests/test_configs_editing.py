"""The settings file, read by several threads and saved by several tabs at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from ga_pygame.collector.gameanalytics import configs, configs_editing
from ga_pygame.collector.gameanalytics.configs import ConfigsError, Settings
from tests.conftest import eventually


def text_of(number: int) -> str:
    """Return settings with a number, and enough else that reading them takes some time."""
    some = [{"key": f"key_{one}", "value": "x" * 50} for one in range(40)]
    return json.dumps({"*": {"configs": [{"key": "number", "value": number}, *some]}})


def save_at_once(edited: configs_editing.EditedFile) -> list[str]:
    """Save what two tabs have read before, at the same time; return what they are told."""
    games, stamp = edited.read()
    begin, told = threading.Barrier(2), list[str]()

    def save(enabled: bool) -> None:
        begin.wait()
        try:
            edited.save({**games, "*": Settings(enabled=enabled)}, stamp, 1.0)
            told.append("saved")
        except ConfigsError as error:
            told.append(str(error)[:30])

    tabs = [threading.Thread(target=save, args=(enabled,)) for enabled in (True, False)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    return sorted(told)


def test_of_two_tabs_that_save_at_once_one_is_told_so(tmp_path: Path) -> None:
    """No change is overwritten by somebody who has not seen it."""
    path = tmp_path / "configs.json"
    path.write_text(text_of(0))
    edited = configs_editing.EditedFile(configs.SettingsFile(path, print), path)
    for _ in range(20):
        assert save_at_once(edited) == ["saved", "the file was changed meanwhile"]


def test_no_thread_gets_old_settings_with_a_new_stamp(tmp_path: Path) -> None:
    """Who edits them would overwrite the new ones without having seen them."""
    path, new = tmp_path / "configs.json", tmp_path / "new.json"
    path.write_text(text_of(0))
    file = configs.SettingsFile(path, print)
    written: dict[Any, int] = {file.read()[1]: 0}
    found: list[tuple[Any, Any]] = []
    ends = threading.Event()

    def watch() -> None:
        while not ends.is_set():
            games, stamp = file.read()
            found.append((games["*"].configs[0].value, stamp))

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for one in watchers:
        one.start()
    for number in range(1, 200):
        new.write_text(text_of(number))
        written[configs.file_stamp(new)] = number
        new.replace(path)
        eventually(lambda: file.read()[1] == configs.file_stamp(path))
    ends.set()
    for one in watchers:
        one.join()
    assert [value for value, stamp in found if value < written[stamp]] == []
