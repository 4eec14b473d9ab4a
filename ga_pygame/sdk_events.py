"""The kinds of events that no REST document describes, only the official SDKs: health, sdk_init and advertisements.

`events` has the others, and says what all have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ga_pygame import rules
from ga_pygame.checks import Text
from ga_pygame.kinds import Event
from ga_pygame.process import memory_bytes
from ga_pygame.rules import Field

DeviceFacts = tuple[tuple[str, str | int], ...]
"""Names of `OF_DEVICES` and values, as pairs, which the journal can hold."""

OF_DEVICES: Mapping[str, Field] = {
    "cpu_model": Field(rules.device_text),
    "gpu_model": Field(rules.device_text),
    "hardware": Field(rules.device_text),
    "cpu_num_cores": Field(rules.number),
    "memory_sys_total": Field(rules.number),
}
"""The facts of a device; `memory_sys_total` is in MB. Source: the official SDKs' health annotations."""


def _checked_facts(facts: DeviceFacts) -> DeviceFacts:
    return tuple((name, OF_DEVICES[name].check(name, value)) for name, value in facts)  # type: ignore[misc]  # as given


BUCKET_SECONDS = 0.00025
"""The width of a bucket of frame times; the last bucket also holds all longer ones."""


class Health(Event):
    """The frame rate of the game over some time; GameAnalytics' REST API has no such event.

    Attributes:
        seconds: The time of all frames together.
        counts: The number of frames by their time, in buckets of `BUCKET_SECONDS`.
    """

    __slots__ = ("seconds", "counts")
    code = 10
    category = "health"
    wire_fields = {
        "fps": Field(rules.number),
        "frame_ms_p99": Field(rules.number),
        "mem_mb": Field(rules.number),
        "fps_data_table": Field(rules.fps_table),
        "memory_sys_data_table": Field(rules.memory_table),
        "memory_app_data_table": Field(rules.memory_table),
        **OF_DEVICES,
    }
    told_by = ()
    summed = ("fps",)
    wanted_by = "wants_health"

    def __init__(self, seconds: float, counts: tuple[int, ...]) -> None:
        self.seconds: Final = seconds
        self.counts: Final = counts

    @classmethod
    def of(cls, *values: Any) -> Health:
        seconds, counts = values
        return cls(float(rules.positive("seconds", seconds)), tuple(rules.count("counts", one) for one in counts))

    def wire(self) -> dict[str, Any]:
        frames = sum(self.counts)
        beyond, p99 = frames * 0.99, 0
        while p99 < len(self.counts) - 1 and sum(self.counts[: p99 + 1]) < beyond:
            p99 += 1
        return {
            "category": self.category,
            "fps": round(frames / self.seconds, 1),
            "frame_ms_p99": (p99 + 1) * BUCKET_SECONDS * 1000,
            "mem_mb": round(memory_bytes() / 2**20, 1),
        }


class Ad(Event):
    """What happened to an advertisement. Source: the official SDKs' Ad event; no REST document describes it.

    Attributes:
        reason: Why it was not shown; only of `failed_show`.
        duration_ms: How long it was watched; only of videos.
    """

    __slots__ = ("action", "ad_type", "sdk", "placement", "reason", "duration_ms")
    code = 11
    category = "ads"
    wire_fields = {
        "ad_action": Field(rules.ad_action, required=True),
        "ad_type": Field(rules.ad_type, required=True),
        "ad_sdk_name": Field(Text(2**16, "SDK, Ad events", shortest=1), required=True),
        "ad_placement": Field(rules.ad_placement, required=True),
        "ad_fail_show_reason": Field(rules.ad_reason),
        "ad_duration": Field(rules.ad_duration),
    }
    wire_rules = (rules.reason_of_failed_ad, rules.duration_of_video_ad)
    told_by = ("ad_action", "ad_type", "ad_placement")
    variants = rules.AD_ACTIONS

    def __init__(  # noqa: PLR0917 - the order in which the journal keeps them
        self,
        action: str,
        ad_type: str,
        sdk: str,
        placement: str,
        reason: str | None = None,
        duration_ms: int | None = None,
    ) -> None:
        self.action: Final = rules.ad_action("action", action)
        self.ad_type: Final = rules.ad_type("ad_type", ad_type)
        self.sdk: Final = rules.ad_sdk("sdk", sdk).lower()
        self.placement: Final = rules.ad_placement("placement", placement)
        self.reason: Final = None if reason is None else rules.ad_reason("reason", reason)
        self.duration_ms: Final = None if duration_ms is None else rules.ad_duration("duration_ms", duration_ms)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "category": self.category,
            "ad_action": self.action,
            "ad_type": self.ad_type,
            "ad_sdk_name": self.sdk,
            "ad_placement": self.placement,
        }
        if self.reason is not None and self.action == "failed_show":
            own["ad_fail_show_reason"] = self.reason
        if self.duration_ms is not None and self.ad_type in rules.AD_VIDEOS:
            own["ad_duration"] = self.duration_ms
        return own


class SessionHealth(Event):
    """How smoothly the game ran in a session. Source: the official SDKs' health event.

    Attributes:
        fps: The seconds with 0, 1, … 120 frames; the last one also has those with more.
        memory_sys: The samples at which 0, 1, … 100 percent of the machine's memory were in use; empty if unknown.
        memory_app: The same for the memory that the game uses.
        facts: What is known of the device.
    """

    __slots__ = ("fps", "memory_sys", "memory_app", "facts")
    code = 13
    category = Health.category
    told_by = ()
    wanted_by = "wants_sdk_events"

    def __init__(
        self, fps: tuple[int, ...], memory_sys: tuple[int, ...], memory_app: tuple[int, ...], facts: DeviceFacts = ()
    ) -> None:
        self.fps: Final = tuple(rules.fps_table("fps", list(fps)))
        self.memory_sys: Final = tuple(rules.memory_table("memory_sys", list(memory_sys))) if memory_sys else ()
        self.memory_app: Final = tuple(rules.memory_table("memory_app", list(memory_app))) if memory_app else ()
        self.facts: Final = _checked_facts(facts)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": self.category, "fps_data_table": list(self.fps), **dict(self.facts)}
        if self.memory_sys:
            own["memory_sys_data_table"] = list(self.memory_sys)
        if self.memory_app:
            own["memory_app_data_table"] = list(self.memory_app)
        return own


class SdkInit(Event):
    """The start of a launch. Source: the official SDKs' sdk_init event. The writer adds `is_first_sdk_init`.

    Attributes:
        boot_ms: The time from the start of the process to the start of the tracker; `None` if unknown.
        facts: What is known of the device.
    """

    __slots__ = ("boot_ms", "facts")
    code = 14
    category = "sdk_init"
    wire_fields = {
        "is_first_sdk_init": Field(rules.boolean),
        "app_boot_time": Field(rules.number),
        **OF_DEVICES,
    }
    told_by = ()
    wanted_by = "wants_sdk_events"
    is_counted = True

    def __init__(self, boot_ms: int | None = None, facts: DeviceFacts = ()) -> None:
        self.boot_ms: Final = None if boot_ms is None else rules.count("boot_ms", boot_ms)
        self.facts: Final = _checked_facts(facts)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": self.category, **dict(self.facts)}
        return own if self.boot_ms is None else {**own, "app_boot_time": self.boot_ms}


class Impression(Event):
    """What an advertisement that was shown earned. Source: the official SDKs' impression event.

    Attributes:
        network: The advertising network or mediator, e.g. `admob`.
        data: What it says about the impression, as pairs, which the journal can hold.
    """

    __slots__ = ("network", "data")
    code = 15
    category = "impression"
    wire_fields = {
        "ad_network_name": Field(Text(2**16, "SDK, Impression events", shortest=1), required=True),
        "impression_data": Field(rules.impression_object, required=True),
    }
    told_by = ("ad_network_name",)

    def __init__(self, network: str, data: Mapping[str, Any] | tuple[tuple[str, Any], ...]) -> None:
        self.network: Final = rules.ad_network("network", network)
        given = dict(data) if type(data) is tuple else data
        self.data: Final = tuple(rules.impression_data("data", given).items())

    def wire(self) -> dict[str, Any]:
        return {"category": self.category, "ad_network_name": self.network, "impression_data": dict(self.data)}
