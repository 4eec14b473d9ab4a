"""Remote configs and experiments of collectors that share a ClickHouse: a table with their versions."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from ga_pygame import clock
from ga_pygame.collector.clickhouse.client import SECONDS_TO_ANSWER, ClickHouseError, Client, Unreachable
from ga_pygame.collector.clickhouse.rows import MICROSECONDS
from ga_pygame.collector.gameanalytics.configs import ConfigsError, FileStamp, Settings, games_problems
from ga_pygame.collector.gameanalytics.configs_editing import MAX_VERSIONS_KEPT, GameSettings, Version

SETTINGS_SECONDS = 10.0
"""Time between two looks for new settings: the longest until those of one collector are in force at all others."""


class SettingsTable:
    """The settings in force; see `EditableSettings`. A thread of its own looks for new ones; any thread may ask.

    Args:
        client: It is closed with this.
        place: Where the table is, for people.
        first: The settings to begin with if there are none.
        report: Called with a message if the settings cannot be read; the last good ones stay in force.

    Raises:
        ClickHouseError: The table cannot be read.
        Unreachable: No server answers.
    """

    def __init__(self, client: Client, place: str, first: GameSettings | None, report: Callable[[str], None]) -> None:
        self.label = f"ga_settings in {place}"
        self.problem = ""
        self._client = client
        self._report = report
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._games: GameSettings = {}
        self._stamp: FileStamp | None = None
        self._take(self._versions(1))
        if first is not None and not self.read()[1]:
            self.save(first, None, clock.wall_now())
        self._thread = threading.Thread(target=self._run, name="ga-collector-settings", daemon=True)
        self._thread.start()

    def of(self, game_key: str) -> Settings:
        """Return the settings of a game."""
        games = self._games
        return games.get(game_key) or games.get("*") or Settings()

    def read(self) -> tuple[GameSettings, FileStamp | None]:
        """Return the settings by game key, and the stamp of their version."""
        return self._games, self._stamp

    def save(self, games: GameSettings, edited: FileStamp | None, now: float) -> None:
        """Add a version.

        Args:
            games: The new settings.
            edited: The stamp of the version that was edited.
            now: Seconds since 1970.

        Raises:
            ConfigsError: They break a rule, another collector has saved meanwhile, or they cannot be written.
        """
        problem = next(games_problems(games), None)
        if problem:
            raise ConfigsError(problem)
        try:
            self._take(self._versions(1))
            if self._stamp != edited:
                raise ConfigsError("the settings were changed meanwhile: discard your changes to see the new ones")
            saved_us = int(now * MICROSECONDS)
            row = {"saved_us": saved_us, "by": "page", "games": msgspec.json.encode(games).decode()}
            with self._lock:
                self._client.insert("ga_settings", [msgspec.json.encode(row)], {})
            self._games, self._stamp = games, (saved_us, 0)
        except (ClickHouseError, Unreachable) as error:
            raise ConfigsError(f"cannot write {self.label}: {error}") from error

    def history(self) -> list[Version]:
        """Return the versions, the newest first; none if they cannot be read."""
        try:
            return [version for _, version in self._versions(MAX_VERSIONS_KEPT)]
        except (ClickHouseError, Unreachable):
            return []

    def close(self) -> None:
        """End the thread and close the connection."""
        self._ends.set()
        self._thread.join()
        self._client.close()

    def _versions(self, most: int) -> list[tuple[int, Version]]:
        query = f"SELECT saved_us, by, games FROM ga_settings ORDER BY saved_us DESC LIMIT {most:d} FORMAT JSONCompact"
        with self._lock:
            body = self._client.query(query, seconds=SECONDS_TO_ANSWER)
        found = []
        for saved_us, by, games in msgspec.json.decode(body)["data"]:
            decoded = msgspec.json.decode(games, type=GameSettings)
            found.append((int(saved_us), Version(int(saved_us) / MICROSECONDS, by, decoded)))
        return found

    def _take(self, versions: list[tuple[int, Version]]) -> None:
        if versions and versions[0][0] > (self._stamp or (0, 0))[0]:
            self._games, self._stamp = versions[0][1].games, (versions[0][0], 0)

    def _run(self) -> None:
        while not self._ends.wait(SETTINGS_SECONDS):
            try:
                self._take(self._versions(1))
            except (ClickHouseError, Unreachable, msgspec.MsgspecError) as error:
                self.problem = f"settings stay as they were: {error}"
                self._report(self.problem)
            else:
                self.problem = ""
