"""The peers: each reports an event with a name and a number, in the way its own documentation shows.

Settings are the defaults, except for the address and for features that contact other servers (feature flags,
geolocation, crash capture). Queues get room for `ROOM` events if there is a setting, since a tight loop reports more
than a game.
"""

from __future__ import annotations

from benchmarks.contestants import BareRequests, Deque, GaPygame, NoTracker, Peer, Report

ROOM = 200_000


class Posthog(Peer):
    """posthog."""

    module = "posthog"

    def start(self, url: str) -> Report:
        from posthog import Posthog as Client

        self.client = client = Client(
            "phc_key", host=url, max_queue_size=ROOM, disable_geoip=True, enable_local_evaluation=False
        )
        return lambda name, value: client.capture(name, distinct_id="player", properties={"value": value})

    def flush(self, timeout: float) -> None:
        self.client.flush(timeout)

    def close(self) -> None:
        self.client.shutdown()


class Segment(Peer):
    """segment-analytics-python."""

    module = "segment.analytics"

    def start(self, url: str) -> Report:
        from segment.analytics.client import Client

        self.client = client = Client("key", host=url, max_queue_size=ROOM)
        return lambda name, value: client.track("player", name, {"value": value})

    def flush(self, timeout: float) -> None:  # noqa: ARG002 - has no time limit
        self.client.flush()

    def close(self) -> None:
        self.client.shutdown()


class Sentry(Peer):
    """sentry-sdk's logs; at most 1,000 wait, the rest is dropped."""

    module = "sentry_sdk"

    def start(self, url: str) -> Report:
        import sentry_sdk

        self.sdk = sentry_sdk
        address = url.replace("://", "://key@") + "/1"
        sentry_sdk.init(dsn=address, enable_logs=True, auto_session_tracking=False)
        info = sentry_sdk.logger.info
        return lambda name, value: info(name, attributes={"value": value})

    def flush(self, timeout: float) -> None:
        self.sdk.flush(timeout)

    def close(self) -> None:
        self.sdk.get_client().close()


class Snowplow(Peer):
    """snowplow-tracker with its asynchronous emitter."""

    module = "snowplow_tracker"

    def start(self, url: str) -> Report:
        from snowplow_tracker import AsyncEmitter, Tracker

        address, port = url.removeprefix("http://").split(":")
        self.emitter = AsyncEmitter(address, protocol="http", port=int(port), buffer_capacity=ROOM)
        tracker = Tracker("game", self.emitter)
        import warnings

        warnings.simplefilter("ignore")
        return lambda name, value: tracker.track_struct_event("game", name, value=value)

    def flush(self, timeout: float) -> None:  # noqa: ARG002 - has no time limit
        self.emitter.sync_flush()

    def close(self) -> None:
        self.emitter.sync_flush()


class Mixpanel(Peer):
    """mixpanel with its buffered consumer, which sends on the calling thread and raises if it cannot."""

    module = "mixpanel"

    def start(self, url: str) -> Report:
        import contextlib

        from mixpanel import BufferedConsumer, MixpanelException
        from mixpanel import Mixpanel as Client

        self.consumer = BufferedConsumer(events_url=f"{url}/track")
        client = Client("token", consumer=self.consumer)

        def report(name: str, value: float) -> None:
            with contextlib.suppress(MixpanelException):
                client.track("player", name, {"value": value})

        return report

    def flush(self, timeout: float) -> None:  # noqa: ARG002 - has no time limit
        self.consumer.flush()

    def close(self) -> None:
        self.consumer.flush()


class Amplitude(Peer):
    """amplitude-analytics."""

    module = "amplitude"

    def start(self, url: str) -> Report:
        from amplitude import Amplitude as Client
        from amplitude import BaseEvent, Config

        self.client = client = Client("key", Config(server_url=f"{url}/2/httpapi"))
        return lambda name, value: client.track(
            BaseEvent(event_type=name, user_id="player", event_properties={"value": value})
        )

    def flush(self, timeout: float) -> None:
        for future in self.client.flush() or ():
            if future is not None:
                future.result(timeout)

    def close(self) -> None:
        self.client.shutdown()


class Aptabase(Peer):
    """aptabase, which is for asyncio; its loop runs on a thread of its own."""

    module = "aptabase"

    def start(self, url: str) -> Report:
        import asyncio
        import threading

        from aptabase import Aptabase as Client

        self.client = client = Client("A-SH-0000000000", base_url=url)
        self.loop = loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        self.submit = submit = asyncio.run_coroutine_threadsafe
        submit(client.start(), loop).result(10)
        self.latest = submit(client.flush(), loop)

        def report(name: str, value: float) -> None:
            self.latest = submit(client.track(name, {"value": value}), loop)

        return report

    def flush(self, timeout: float) -> None:
        self.latest.result(timeout)  # each waits for those before it

        async def empty() -> None:
            while self.client._event_queue:
                await self.client.flush()

        self.submit(empty(), self.loop).result(timeout)

    def close(self) -> None:
        self.submit(self.client.stop(), self.loop).result()


class OpenTelemetry(Peer):
    """opentelemetry-sdk's logs over OTLP/HTTP, compressed like ours."""

    module = "opentelemetry.exporter.otlp.proto.http._log_exporter, opentelemetry.sdk._logs.export"

    def start(self, url: str) -> Report:
        from opentelemetry._logs import SeverityNumber
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        self.provider = LoggerProvider(shutdown_on_exit=False)
        exporter = OTLPLogExporter(endpoint=f"{url}/v1/logs", compression=Compression.Gzip)
        self.provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=ROOM))
        emit = self.provider.get_logger("game").emit
        level = SeverityNumber.INFO
        return lambda name, value: emit(body=name, severity_number=level, attributes={"value": value})

    def flush(self, timeout: float) -> None:
        self.provider.force_flush(int(timeout * 1000))

    def close(self) -> None:
        self.provider.shutdown()


class Gamepulse(Peer):
    """gamepulse-sdk with its offline store."""

    module = "gamepulse"
    marks = 2

    def start(self, url: str) -> Report:
        import tempfile

        import gamepulse

        self.sdk = gamepulse
        folder = tempfile.mkdtemp()
        options = {"offline_storage": True, "offline_storage_path": f"{folder}/store", "max_queue_size": ROOM}
        gamepulse.init("key", player_id="player", api_url=url, enable_crash_capture=False, **options)
        return lambda name, value: gamepulse.track(name, value=value)

    def flush(self, timeout: float) -> None:
        self.sdk.flush(timeout)

    def close(self) -> None:
        self.sdk.shutdown()


class Bugnet(Peer):
    """bugnet-sdk, the package for pygame on the registry; it starts a thread per report."""

    module = "bugnet_sdk"

    def start(self, url: str) -> Report:
        import bugnet_sdk
        import pygame

        self.sdk, self.pygame = bugnet_sdk, pygame
        bugnet_sdk.init("sk_live_key", url)
        return lambda name, value: bugnet_sdk.report_bug(name, str(value))

    def flush(self, timeout: float) -> None:
        import threading
        import time

        until = time.monotonic() + timeout
        while threading.active_count() > 1 and time.monotonic() < until:
            time.sleep(0.001)

    def frame(self) -> None:
        self.sdk.update(self.pygame.display.get_surface())

    def close(self) -> None:
        self.sdk.shutdown()


CONTESTANTS: dict[str, type[Peer]] = {
    "none": NoTracker,
    "deque": Deque,
    "bare requests": BareRequests,
    "ga_pygame": GaPygame,
    "posthog": Posthog,
    "segment": Segment,
    "sentry": Sentry,
    "snowplow": Snowplow,
    "mixpanel": Mixpanel,
    "amplitude": Amplitude,
    "aptabase": Aptabase,
    "opentelemetry": OpenTelemetry,
    "gamepulse": Gamepulse,
    "bugnet": Bugnet,
    "none for bugnet": NoTracker,
}
OURS = "ga_pygame"
PEERS = tuple(
    name for name in CONTESTANTS if not name.startswith("none") and name not in ("deque", "bare requests", OURS)
)


def base_of(name: str) -> str:
    """Return the game without a tracker for a contestant's environment: bugnet's has another pygame."""
    return "none for bugnet" if name.endswith("bugnet") else "none"


def with_bases(names: list[str]) -> list[str]:
    """Return contestants together with the games without a tracker that they are compared with."""
    bases = dict.fromkeys(base_of(name) for name in names)
    return [*bases, *(name for name in names if name not in bases)]
