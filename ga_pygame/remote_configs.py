"""Remote configs: values that the service sets for the running game, with time windows and A/B groups.

They come with the answer to init and are kept, so that a game without a connection has the last ones. Which
are in force is decided when they arrive, as the official SDKs do: nothing changes in the middle of a level.
Source: GameAnalytics REST v2, Init / Remote configs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.traces import pass_on

T = TypeVar("T", bool, int, float, str, list, dict)  # type: ignore[type-arg]  # JSON's own types


class RemoteConfigs:
    """`tracker.remote_configs`. Game thread only.

    Attributes:
        values: The configs in force, as the service sent them.
        ab_id: The A/B test that the player is in, "" for none.
        ab_variant_id: The player's group in it.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self.values: Mapping[str, Any] = MappingProxyType({})
        self.ab_id = ""
        self.ab_variant_id = ""

    def get(self, key: str, default: T) -> T:
        """The value of a config in the type of its default; the default where there is none or it does not fit.

        Args:
            key: The config's name.
            default: Also tells the type: bool, int, float, str, or a list or dict for JSON.
        """
        try:
            value = self.values.get(key)
            converted = default if value is None else _converted(value, type(default))
        except Exception as failure:  # noqa: BLE001 - a server may send anything, and the game is sacred
            pass_on(failure)
            kind = type(default).__name__
            self._diagnostics.warn_once(f"config:{key}", f"remote config {key!r} is no {kind}; its default is used")
            return default
        return converted

    def update(self, answer: Mapping[str, Any], now: float) -> bool:
        """Take over an init answer; true where anything changed.

        Args:
            answer: `configs`, `ab_id` and `ab_variant_id` of the reply, or of the one that was kept.
            now: Seconds since 1970 by the server's clock.
        """
        configs = answer.get("configs")
        values = {
            config["key"]: config["value"]
            for config in (configs if isinstance(configs, list) else [])
            if isinstance(config, dict) and _is_in_force(config, now)
        }
        before = (self.values, self.ab_id, self.ab_variant_id)
        self.values = MappingProxyType(values)
        self.ab_id = str(answer.get("ab_id") or "")
        self.ab_variant_id = str(answer.get("ab_variant_id") or "")
        return before != (self.values, self.ab_id, self.ab_variant_id)

    def annotations(self) -> dict[str, Any]:
        """What events carry of it. Source: GameAnalytics SDKs."""
        found = {"configurations": dict(self.values), "ab_id": self.ab_id, "ab_variant_id": self.ab_variant_id}
        return {name: value for name, value in found.items() if value}


def _is_in_force(config: Mapping[str, Any], now: float) -> bool:
    start, end = config.get("start_ts") or float("-inf"), config.get("end_ts") or float("inf")
    if not isinstance(config.get("key"), str) or not config["key"] or config.get("value") is None:
        return False
    return isinstance(start, int | float) and isinstance(end, int | float) and start < now < end


def _converted(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    if kind is bool:
        return _BOOLS[str(value).strip().lower()]
    if kind in (list, dict):
        found = json.loads(value) if isinstance(value, str) else value
        if not isinstance(found, kind):
            raise ValueError(value)
        return found
    return kind(value)


_BOOLS = {"true": True, "1": True, "false": False, "0": False}
