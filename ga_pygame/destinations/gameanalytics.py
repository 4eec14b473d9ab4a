"""GameAnalytics: Collector REST API v2 and remote configs v1.

Requests. Init: `POST /remote_configs/v1/init`, on 404 the older `POST /v2/<key>/init`; nothing else is sent before it
is answered. Events: `POST /v2/<key>/events`, a JSON list, gzipped. Every body is signed: base64 of HMAC-SHA256 with the
secret key, over exactly the bytes that are sent. Answers: 200, all collected; 400, the listed events are refused and
the rest is collected; 401, wrong keys; 413, too large.

Whose answer it is. The documentation demands to delete the batch after any answer but "no connection" and 413, and
that is done for GameAnalytics' own answers. But a portal, a proxy, a gateway or a web server in between may answer too.
Such an answer does not count: the events are kept and sent again with backoff. An answer is GameAnalytics' if it

- has the documented header `X-GA-Service` (our own collector sends it with each answer), or
- is one that only GameAnalytics gives: 2xx with JSON, 204, 400 with a list of `{"event": …, "errors": …}`, 400 that
  contains the id of an event of the batch (also if it is too large to be decoded: nobody else unpacks the request), 401
  and 5xx with JSON. Official SDKs send again after a 5xx without a body.

How often. Two cases look alike, a 2xx or a 400 that is not recognised as GameAnalytics': a captive portal, which may
answer for hours and must cost no event, and a server that accepts a batch but answers in an unknown way, where each
resend would duplicate the batch. The init tells them apart: it is sent again after such an answer, and a portal does
not answer it as GameAnalytics does. Then no events are sent until the init succeeds, and nothing is counted. If the
init succeeds and the batch gets such an answer again and again, the fault is the server's, and the documentation's rule
(delete the batch) applies after `undecided.MAX_UNDECIDED` times. Other answers that are not GameAnalytics' (redirects,
403, 404, 408, 429, 5xx without JSON) mean that nobody accepted the batch; it is sent again without a limit.

Source: GameAnalytics REST v2 documentation. If it says nothing, we do what official SDKs do, unless they lose events
that could be saved (413, an answer of somebody in between).
"""

from __future__ import annotations

import base64
import hmac
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ga_pygame import device, remote_configs, rules, untrusted
from ga_pygame.addresses import address
from ga_pygame.annotations import PARTS
from ga_pygame.clock import Clock, yield_gil
from ga_pygame.config import SANDBOX_GAME_KEY, Config, check_keys, game_keys
from ga_pygame.diagnostics import Drop
from ga_pygame.kept import REMOTE_CONFIGS, configs_for
from ga_pygame.protocol import (
    MAX_CLOCK_OFFSET,
    Asking,
    Destination,
    Host,
    Outcome,
    Reply,
    Request,
    Situation,
    Standing,
    StoredRecord,
    Verdict,
    is_time,
)

GAMEANALYTICS_URL = "https://api.gameanalytics.com"
GAMEANALYTICS_SANDBOX_URL = "https://sandbox-api.gameanalytics.com"
_JSON_PIECE = 64
"""Records that are encoded at a time."""
MAX_REJECTION_LENGTH = 1000
"""Characters kept of the service's reasons for a rejected event."""
MIN_ASK_SECONDS = 0.25
"""The least time between two inits of a session that only ask for remote configs again."""
MIN_TOO_LARGE_BYTES = 4096
"""A smaller event is never too large. A 413 for it that is not marked as GameAnalytics' does not count."""


class GameAnalytics(Destination):
    """The destination that the tracker uses by default.

    Args:
        game_key: 32 hexadecimal digits, from the game's settings.
        secret_key: 40 hexadecimal digits. Whoever has the game can read it.
        endpoint: Another server that speaks the protocol; default: the sandbox for the sandbox's key,
            production for any other.
        resubmit_on_server_error: Send again after a 5xx. The documentation forbids it; use it only if the server drops
            duplicates by `event_uuid`, as our own collector does.

    Raises:
        ValueError: A key does not have the right form, or the endpoint is not an address.
    """

    name = "gameanalytics"
    wants_sdk_events = True
    max_events = 500  # as in the official SDKs; no limit is documented
    max_bytes = 900_000  # of JSON; the server's limit of 1 MB is for the gzipped body, which is smaller

    def __init__(
        self,
        game_key: str,
        secret_key: str,
        *,
        endpoint: str | None = None,
        resubmit_on_server_error: bool = False,
    ) -> None:
        check_keys(game_key, secret_key)
        self._game_key = game_key
        self._secret = secret_key.encode()
        default = GAMEANALYTICS_SANDBOX_URL if game_key == SANDBOX_GAME_KEY else GAMEANALYTICS_URL
        self._endpoint = address("endpoint", endpoint or default)
        self._resubmit = resubmit_on_server_error
        self._host: Host | None = None
        self._configs: dict[str, Any] = {}
        self._legacy = False
        self._asked: Situation | None = None
        self._ready_for = ""
        self._asks_again_at = math.inf

    def __repr__(self) -> str:
        return f"<GameAnalytics at {self._endpoint}>"

    @property
    def endpoint(self) -> str:
        """The address of the server that gets the events."""
        return self._endpoint

    def redirect(self, collector: str) -> None:
        """Send to a collector instead. It drops duplicates, so batches are sent again after its errors."""
        self._endpoint = collector.rstrip("/")
        self._resubmit = True

    def open(self, host: Host) -> None:
        self._host = host
        kept = untrusted.parsed_object(host.values.get(REMOTE_CONFIGS, "{}").encode("utf-8", "replace"))
        self._configs = remote_configs.sound(kept)

    # --- init -------------------------------------------------------------------------------------------

    def handshake(self, situation: Situation) -> Request | None:
        if self._ready_for == situation.session_id and self._now() < self._asks_again_at:
            return None
        if self._asked is None:  # later, they are those of this launch
            self._configs = remote_configs.sound(configs_for(self._configs, situation.user_id))
        self._asked = situation
        body: dict[str, Any] = {
            "platform": device.platform_name(),
            "os_version": device.system_version(),
            "sdk_version": rules.SDK_VERSION,
        }
        if self._legacy:
            return self._request(f"/v2/{self._game_key}/init", [_json_bytes(body)])
        body["user_id"] = situation.user_id
        body["random_salt"] = str(situation.session_num)
        body["session_num"] = situation.session_num
        if situation.build is not None:
            body["build"] = situation.build
        interval, chosen, _ = self._host.asking if self._host else Asking()
        seconds = str(round(interval or 0))
        query = {"game_key": self._game_key, "interval_seconds": seconds, "config_vsn_supported": _CONFIG_VSN}
        if chosen:
            query["ab_variant_id"] = chosen
        if self._configs.get("user_id") == situation.user_id and self._configs.get("configs_hash"):
            query["configs_hash"] = self._configs["configs_hash"]  # another user may be in another A/B group
        return self._request(f"/remote_configs/v1/init?{urlencode(query)}", [_json_bytes(body)])

    def welcome(self, reply: Reply) -> Standing:
        answer = _parsed_reply(reply)
        is_again = self._asked is not None and self._ready_for == self._asked.session_id
        if self._host is not None and self._host.asking.interval:
            self._asks_again_at = self._now() + max(MIN_ASK_SECONDS, self._host.asking.interval)
        if is_again and not _is_init(reply, answer):
            return Standing.READY  # events need not wait for it: this session has had its answer
        if reply.status == 404 and not self._legacy:
            self._legacy = True
            return Standing.AGAIN
        if reply.status == 401 and (answer is not _FOREIGN or _is_marked(reply)):
            self._warn("401", f"{self._endpoint} does not know these keys (401): {_KEYS_FIX}")
            return Standing.REFUSED
        if reply.status == 400 and answer is not _FOREIGN:
            said = untrusted.excerpt(answer, MAX_REJECTION_LENGTH)
            self._warn(
                "init", f"{self._endpoint} refuses init (400): {said!r}: compare build and user_id of the Tracker"
            )
        if not _is_init(reply, answer):
            self._legacy = False  # the 404 may not have been GameAnalytics': try remote configs again
            return Standing.RETRY
        enabled = answer.get("enabled", None if self._legacy else True)
        if enabled is not True:
            self._warn("disabled", f"{self._endpoint} has switched this game's events off (enabled: false)")
            return Standing.REFUSED
        self._learn(answer, is_new=reply.status == 201)
        self._ready_for = self._asked.session_id if self._asked else ""
        return Standing.READY

    def _learn(self, answer: dict[str, Any], *, is_new: bool) -> None:
        """Store the clock offset and, from a 201, the configs."""
        host = self._host
        if host is None:
            return
        server_ts = untrusted.server_time(answer.get("server_ts"))
        if server_ts is not None:
            now = host.clock.wall(host.clock.monotonic())
            self._correct(host.clock, round(server_ts - now))
        if is_new and not self._legacy:
            user_id = self._asked.user_id if self._asked and host.asking.keeps_user else ""
            self._configs = remote_configs.sound(
                {**answer, "user_id": user_id},
                lambda why: self._warn("configs", f"{self._endpoint}, remote configs: {why}"),
            )
            if not host.asking.ab_variant_id:  # a chosen group holds for this launch only
                host.remember(REMOTE_CONFIGS, json.dumps(self._configs))
        host.publish_configs(self._configs)

    def _correct(self, clock: Clock, offset: int) -> None:
        """Apply the clock offset, unless it is beyond the limit that the REST document asks for without a number.

        A clock whose time no event can have (a small computer without a battery starts in 1970) is always corrected.
        """
        must = not is_time(clock.wall(clock.monotonic()))
        if must or abs(offset) <= MAX_CLOCK_OFFSET:
            clock.server_offset = offset
        if abs(offset) > MAX_CLOCK_OFFSET:
            days = abs(offset) // 86_400
            done = "so events get the server's time" if must else "more than a year: not applied"
            words = (
                f"server_ts differs from this machine's clock by {days} days, {done}; set the clock, or the server's"
            )
            self._warn("clock", f"{self._endpoint}, {words}")

    # --- events -----------------------------------------------------------------------------------------

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        offset = self._host.clock.server_offset if self._host else None
        forwarded = records[0].forwarded if records else None
        own = [self._after_init(record) if record.category == _STARTS else record for record in records]
        return self._request(f"/v2/{self._game_key}/events", _list_in_pieces(own, offset), forwarded)

    def _after_init(self, record: StoredRecord) -> StoredRecord:
        """Give the `user` event of the running session what init's answer says, as the official SDKs' events have it.

        They record it after the answer. Ours is on the disk at once, so that a kill costs nothing, and waits there for
        the answer as every event does.
        """
        host, asked = self._host, self._asked
        if host is None or asked is None or not asked.session_id == self._ready_for == record.session_id:
            return record
        now = host.clock.wall(host.clock.monotonic()) + (host.clock.server_offset or 0.0)
        return record._replace(payload=_annotated(record.payload, host.annotations_after(self._configs, now)))

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        answer, status = _parsed_reply(reply), reply.status or reply.unread or 0
        if status == 400 and _lists_events(answer):
            return _rejections(answer, records)
        if status == 400 and answer is _FOREIGN and (named := _named(reply.body, records)):
            return named
        if status == 400 and _is_marked(reply):
            return _rejections(answer, records)
        return [self._verdict(status, reply, answer, records)] * len(records)

    def _verdict(self, status: int, reply: Reply, answer: Any, records: Sequence[StoredRecord]) -> Verdict:
        """Return the verdict for all records of a batch; see the module for whose answer it is."""
        is_marked = _is_marked(reply)
        has_json = bool(reply.body) and answer is not _FOREIGN
        if status == 413:
            is_absurd = len(records) == 1 and len(records[0].payload) < MIN_TOO_LARGE_BYTES and not is_marked
            return Verdict(Outcome.RETRY if is_absurd else Outcome.SPLIT)
        if 200 <= status < 300:
            is_theirs = has_json or status == 204 or (is_marked and reply.body)
            return Verdict(Outcome.DELIVERED) if is_theirs else self._undecided()  # an empty 200 is truncated
        if status == 401 and (is_marked or answer is not _FOREIGN):
            self._warn("401", f"{self._endpoint} does not accept the signature (401): {_KEYS_FIX}")
            self._ready_for = ""
            return Verdict(Outcome.REFUSED)
        if status == 400 and not all(map(_is_readable, records)):
            return _spoiled(records)
        is_theirs = status >= 400 and (is_marked or (500 <= status < 600 and has_json))
        if is_theirs and not self._resubmit:
            return Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, f"HTTP {status}")
        return self._undecided() if status == 400 else Verdict(Outcome.RETRY)

    def _undecided(self) -> Verdict:
        """Return the verdict for an answer that does not say whether the batch was accepted."""
        if self._resubmit:  # the server drops duplicates
            return Verdict(Outcome.RETRY)
        self._ready_for = ""  # send init again: a portal does not answer it as GameAnalytics does
        return Verdict(Outcome.UNDECIDED)

    def _request(self, path: str, pieces: Iterable[bytes], forwarded: str | None = None) -> Request:
        compressor = zlib.compressobj(4, zlib.DEFLATED, 31)
        zipped = b"".join(map(compressor.compress, pieces))
        zipped += (
            compressor.flush()
        )  # a separate statement: in one expression a compiler (Nuitka) may call flush() first
        signature = signature_of(self._secret, zipped)
        headers = {
            "Authorization": signature,
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "User-Agent": "ga_pygame",
        }
        if forwarded and set(forwarded) <= _ADDRESS:  # for this player. Source: REST v2, Server Implementation
            headers["X-Forwarded-For"] = forwarded
        return Request(self._endpoint + path, zipped, headers)

    def _now(self) -> float:
        return self._host.clock.monotonic() if self._host is not None else 0.0

    def _warn(self, cause: str, message: str) -> None:
        if self._host is not None:
            self._host.warn_once(f"{self.name}:{cause}", message)


def gameanalytics_of(config: Config) -> GameAnalytics | None:
    """Make the destination of a game's own keys, or of the collector; `None` if there are neither."""
    keys = game_keys(config)
    if keys is None:
        return None
    resubmit = config.resubmit_on_server_error
    return GameAnalytics(
        *keys,
        endpoint=config.collector or config.endpoint,
        resubmit_on_server_error=bool(config.collector) if resubmit is None else resubmit,
    )


def signature_of(secret: bytes, body: bytes) -> str:
    """Return the `Authorization` of a body: the base64 of its HMAC-SHA256. Source: REST v2, Authentication."""
    return base64.b64encode(hmac.digest(secret, body, "sha256")).decode()


_ADDRESS = frozenset("0123456789abcdef.:")
"""Characters of an IP address. Another in a header could keep the request, and all after it, from being sent."""
_KEYS_FIX = "compare game_key and secret_key with the game's settings; events are kept and sent when the keys are right"

_CONFIG_VSN = "3"
"""Asks for configs with `id` and `vsn`, whose values may be any JSON. Source: GameAnalytics SDKs 5."""

_FOREIGN = object()
"""Stands for a body that is not JSON or was not read to its end."""

_SCANNED = 65536
"""Bytes that are searched at a time: a search holds the GIL."""
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


_STARTS = "user"
_OF_INIT = frozenset(one.name for one in PARTS["extra"])
"""The annotations that come from init's answer."""


def _annotated(payload: bytes, found: Mapping[str, Any]) -> bytes:
    """Replace the annotations of init in a record's payload; its other bytes stay as they are if none differ."""
    try:
        event = json.loads(b"{" + payload)
    except ValueError:  # the disk damaged it
        return payload
    before = {name: event.pop(name) for name in _OF_INIT & event.keys()}
    return payload if before == found else _json_bytes({**found, **event})[1:]  # the event's id stays its end


def _list_in_pieces(records: Sequence[StoredRecord], offset: float | None) -> Iterator[bytes]:
    """Yield the JSON list in pieces. While gzip compresses a piece it releases the GIL for the game thread."""
    before = b"["
    for start in range(0, len(records), _JSON_PIECE):
        yield before + b",".join([record.json(offset) for record in records[start : start + _JSON_PIECE]])
        before = b","
    yield b"]"


def _json_bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


_INIT_FIELDS = frozenset({"server_ts", "enabled", "flags", "configs", "configs_hash"})


def _is_marked(reply: Reply) -> bool:
    """Whether the answer has the documented header. Source: REST v2, Init."""
    return bool(reply.headers.get("x-ga-service"))


def _is_init(reply: Reply, answer: Any) -> bool:
    """Whether an answer is that of a server that knows the keys: see the module for whose it is."""
    is_theirs = isinstance(answer, dict) and (_is_marked(reply) or not _INIT_FIELDS.isdisjoint(answer))
    return reply.status in (200, 201) and is_theirs


def _lists_events(answer: Any) -> bool:
    """Whether an answer is the documented list of refused events."""
    return isinstance(answer, list) and any(
        isinstance(one, dict) and isinstance(one.get("event"), dict) and "errors" in one for one in answer
    )


def _parsed_reply(reply: Reply) -> Any:
    if reply.unread is not None:
        return _FOREIGN
    if not reply.body:
        return None
    try:
        return untrusted.parsed(reply.body, cut=True)
    except untrusted.Unsound:
        return _FOREIGN


def _rejections(answer: Any, records: Sequence[StoredRecord]) -> list[Verdict]:
    """Return the verdicts of a 400: the listed events were rejected, the others collected. Source: REST v2, 400."""
    if not isinstance(answer, list):  # the body could not be read at all
        if not all(map(_is_readable, records)):
            return [_spoiled(records)] * len(records)
        said = "" if answer is _FOREIGN else untrusted.excerpt(answer, MAX_REJECTION_LENGTH)
        return [Verdict(Outcome.DROPPED, Drop.REJECTED, said)] * len(records)
    listed: dict[str, str] = {}
    for one in answer:
        if isinstance(one, dict) and isinstance(one.get("event"), dict):
            uuid = str(one["event"].get("event_uuid"))[:64]
            listed[uuid] = untrusted.excerpt(one.get("errors"), MAX_REJECTION_LENGTH)
    delivered = Verdict(Outcome.DELIVERED)
    uuids = map(_event_uuid, records)
    return [Verdict(Outcome.DROPPED, Drop.REJECTED, listed[uuid]) if uuid in listed else delivered for uuid in uuids]


def _named(body: bytes, records: Sequence[StoredRecord]) -> list[Verdict]:
    """Return verdicts by the ids in a body that cannot be decoded; none if it names no event of the batch."""
    uuids = set()
    for start in range(0, len(body), _SCANNED):
        uuids.update(_UUID.findall(body, start, start + _SCANNED + 36))
        yield_gil()
    said = "refused, with more words than are read"
    refused, delivered = Verdict(Outcome.DROPPED, Drop.REJECTED, said), Verdict(Outcome.DELIVERED)
    verdicts = [refused if _event_uuid(record).encode() in uuids else delivered for record in records]
    return verdicts if refused in verdicts else []


def _spoiled(records: Sequence[StoredRecord]) -> Verdict:
    """Return the verdict for a batch with a damaged record: split to find it; drop it if it is alone."""
    if len(records) > 1:
        return Verdict(Outcome.SPLIT)
    return Verdict(Outcome.DROPPED, Drop.REJECTED, "not readable any more")


def _is_readable(record: StoredRecord) -> bool:
    try:
        json.loads(record.json(None))
    except ValueError:
        return False
    return True


def _event_uuid(record: StoredRecord) -> str:
    """Return the event's id, which is at the end of every payload."""
    return record.payload[-38:-2].decode("ascii", "replace")
