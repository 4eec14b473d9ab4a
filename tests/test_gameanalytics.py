"""GameAnalytics' protocol: both inits, the signature, batches, and a verdict for every answer."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import rules
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations import GameAnalytics
from ga_pygame.diagnostics import Drop
from ga_pygame.protocol import Asking, Host, Outcome, Reply, Request, Situation, Standing, StoredRecord, Verdict
from ga_pygame.testing import ManualClock
from ga_pygame.untrusted import MAX_ELEMENTS, MAX_STRING
from tests.effort import examples

KEY, SECRET = "0123456789abcdef" * 2, "0123456789" * 4
SITUATION = Situation("de305d54-75b4-431b-adb2-eb6b9e546014", 7, "player", "1.0")
DELIVERED, RETRY, SPLIT = Verdict(Outcome.DELIVERED), Verdict(Outcome.RETRY), Verdict(Outcome.SPLIT)
ONCE = Asking()
UNDECIDED = Verdict(Outcome.UNDECIDED)
EMPTY: tuple[Any, ...] = (None, {}, [])


class Rig:
    """The destination, and its calls to its host."""

    def __init__(
        self,
        kept: Mapping[str, str] | None = None,
        asking: Asking = ONCE,
        wall: float = 1_700_000_000.0,
        **options: Any,
    ) -> None:
        self.clock = ManualClock(wall=wall)
        self.remembered: dict[str, str | None] = {}
        self.published: list[Mapping[str, Any]] = []
        self.warnings: dict[str, str] = {}
        self.service = GameAnalytics(KEY, SECRET, **options)
        self.service.open(
            Host(
                self.clock,
                kept or {},
                self.remembered.__setitem__,
                self.published.append,
                self._warn,
                asking=asking,
            )
        )

    def _warn(self, cause: str, message: str) -> None:
        self.warnings.setdefault(cause, message)

    def ask(self, situation: Situation = SITUATION) -> Request:
        request = self.service.handshake(situation)
        assert request is not None
        return request

    def welcome(self, status: int | None, answer: Any = None) -> Standing:
        return self.service.welcome(reply(status, answer))


def reply(status: int | None, answer: Any = None) -> Reply:
    return Reply(status, {}, b"" if answer is None else json.dumps(answer).encode())


def marked(status: int, answer: Any = None) -> Reply:
    """Make a reply with the header that GameAnalytics and our own collector send."""
    return reply(status, answer)._replace(headers={"x-ga-service": "collect"})


def body(request: Request) -> Any:
    return json.loads(gzip.decompress(request.body))


def stored(number: int, offset: float | None = None, at: float = 1_700_000_000.9) -> StoredRecord:
    payload = b'"category":"design","event_id":"e%d","event_uuid":"%s"}' % (number, uuid(number).encode())
    return StoredRecord(number, SITUATION.session_id, "design", at, offset, payload)


def uuid(number: int) -> str:
    return f"{number:08x}-75b4-431b-adb2-eb6b9e546014"


RECORDS = [stored(number) for number in range(3)]

# --- the request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "text", "signature"),
    [
        (SANDBOX_SECRET_KEY, '{"test": "test"}', "slnR8CKJtKtFDaESSrqnqQeUvp5FaVV7d5XHxt50N5A="),
        ("test1", "test2", "E+sBF4BA9mLvVlfwHx53G2poUPwEUZ1f37oVrgHhOFQ="),
        (
            "test1",
            '[{"v":2,"user_id":"test"},{"v":3,"user_id":"test2"}]',
            "nibGyLotL7q+YIpUQydHZQsnhRX7RkXgxkJ67hSlDps=",
        ),
    ],
)
@pytest.mark.requirement("002:hmac", "003:hmac-known-answer")
def test_known_answers_of_the_signature(secret: str, text: str, signature: str) -> None:
    """The documentation's and the official SDKs' own examples; ours is the same over other bytes."""
    assert base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode() == signature
    service = GameAnalytics(KEY, SECRET)
    service._secret = secret.encode()  # the examples' own are shorter than any key
    request = service.encode(RECORDS)
    expected = hmac.digest(secret.encode(), request.body, "sha256")
    assert base64.b64decode(request.headers["Authorization"]) == expected


@pytest.mark.requirement(
    "002:authorization", "002:hmac", "002:gzip", "002:gzip-header", "002:gzip-signed", "002:content-type"
)
def test_every_request_is_signed_over_the_zipped_bytes() -> None:
    """Init too; a server that recomputes the signature over what it received agrees."""
    rig = Rig()
    for request in (rig.ask(), rig.service.encode(RECORDS)):
        assert request.body[:2] == b"\x1f\x8b"
        assert request.headers["Content-Encoding"] == "gzip"
        assert request.headers["Content-Type"] == "application/json"
        signature = base64.b64encode(hmac.digest(SECRET.encode(), request.body, "sha256")).decode()
        assert request.headers["Authorization"] == signature
        assert request.method == "POST"


@pytest.mark.requirement("002:routes", "002:keys", "002:events-list", "002:events-one", "002:json")
def test_events_are_a_list_at_the_games_address() -> None:
    """Each record's bytes pass through, the time in front."""
    request = Rig().service.encode(RECORDS)
    assert request.url == f"https://api.gameanalytics.com/v2/{KEY}/events"
    events = body(request)
    assert [event["event_id"] for event in events] == ["e0", "e1", "e2"]
    assert {event["client_ts"] for event in events} == {1_700_000_000}


@pytest.mark.requirement("003:query-interval")
def test_configs_are_asked_for_again_within_a_session() -> None:
    """After the interval, with it in the query; an answer of somebody else does not hold up events, `false` does."""
    rig = Rig(asking=Asking(60.4, "low"))
    assert {"interval_seconds": ["60"], "ab_variant_id": ["low"]}.items() <= parse_qs(
        urlsplit(rig.ask().url).query
    ).items()
    assert rig.welcome(500) is Standing.RETRY
    rig.ask()
    assert rig.welcome(201, {"server_ts": 1_700_000_000, "configs": [], "configs_hash": "h"}) is Standing.READY
    assert rig.remembered == {}  # the chosen group holds for this launch only
    rig.clock.advance(60.3)
    assert rig.service.handshake(SITUATION) is None
    for status in (None, 404, 502):
        rig.clock.advance(60.5)
        assert "configs_hash=h" in rig.ask().url
        assert rig.welcome(status) is Standing.READY
        assert rig.service.handshake(SITUATION) is None
    rig.clock.advance(60.5)
    rig.ask()
    assert len(rig.published) == 1
    assert rig.welcome(200, {"server_ts": 1_700_000_120}) is Standing.READY
    assert len(rig.published) == 2  # the game looks at the time windows of the same configs again
    rig.clock.advance(60.5)
    rig.ask()
    assert rig.welcome(200, {"server_ts": 1_700_000_180, "enabled": False}) is Standing.REFUSED
    assert Rig().ask().url.count("interval_seconds=0") == 1


@pytest.mark.parametrize(
    ("key", "endpoint", "host"),
    [
        (KEY, None, "https://api.gameanalytics.com"),
        (SANDBOX_GAME_KEY, None, "https://sandbox-api.gameanalytics.com"),
        (SANDBOX_GAME_KEY, "http://127.0.0.1:8420", "http://127.0.0.1:8420"),
        (KEY, "http://127.0.0.1:8420/", "http://127.0.0.1:8420"),
    ],
)
@pytest.mark.requirement("002:hosts")
def test_where_it_goes(key: str, endpoint: str | None, host: str) -> None:
    """Production, the sandbox for the sandbox's key, or where the developer says."""
    service = GameAnalytics(key, SECRET, endpoint=endpoint)
    assert service.encode(RECORDS).url == f"{host}/v2/{key}/events"


@pytest.mark.requirement("002:keys")
def test_keys_are_in_no_repr() -> None:
    """Neither the destination nor a request shows the secret."""
    service = GameAnalytics(KEY, SECRET)
    assert SECRET not in repr(service)
    assert KEY not in repr(service)
    request = service.encode(RECORDS)
    assert SECRET not in repr(request)
    assert request.headers["Authorization"] not in repr(request)


@pytest.mark.requirement("002:body-limit", "002:split")
def test_the_limits_of_a_batch() -> None:
    """500 events and 900 kB of JSON stay below the server's 1 MB."""
    assert GameAnalytics.max_events == 500
    assert GameAnalytics.max_bytes == 900_000


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_any_number_of_records_is_one_list(count: int) -> None:
    """A batch's JSON is made in pieces; the server sees one list, in order."""
    records = [RECORDS[0]._replace(id=number, payload=b'"value":%d}' % number) for number in range(count)]
    assert [event["value"] for event in body(GameAnalytics(KEY, SECRET).encode(records))] == list(range(count))


# --- init ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement(
    "003:init-first",
    "003:body-user_id",
    "003:body-annotations",
    "003:body-build",
    "003:body-random_salt",
    "003:query-game_key",
    "003:query-interval",
)
def test_the_init_request() -> None:
    """Remote configs v1, with the facts that the server asks for, `session_num`, and no hash at first."""
    request = Rig().ask()
    address = urlsplit(request.url)
    assert address.path == "/remote_configs/v1/init"
    assert parse_qs(address.query) == {"game_key": [KEY], "interval_seconds": ["0"], "config_vsn_supported": ["3"]}
    sent = body(request)
    assert sent["user_id"] == "player"
    assert sent["session_num"] == 7
    assert sent["build"] == "1.0"
    assert sent["sdk_version"] == "rest api v2"
    rules.platform("platform", sent["platform"])
    rules.os_version("os_version", sent["os_version"])
    assert "random_salt" in sent
    assert "build" not in body(Rig().ask(Situation("s", 1, "u", None)))


@pytest.mark.requirement("002:init-each-session", "002:client_ts-offset")
def test_init_is_asked_once_a_session() -> None:
    """After a good answer events go; the next session asks again."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(201, {"server_ts": 1_700_000_000, "configs": []}) is Standing.READY
    assert rig.service.handshake(SITUATION) is None
    assert rig.service.handshake(Situation("other", 8, "player", None)) is not None


@pytest.mark.requirement("003:init-hash", "003:init-hash-kept", "003:answer-201", "003:answer-200-keeps")
def test_configs_are_published_and_kept_with_their_hash() -> None:
    """A 201 has new ones; the next init names their hash, as long as the player is the same."""
    rig = Rig()
    rig.ask()
    configs = [{"key": "gravity", "value": "9"}]
    answer = {"server_ts": 1_700_000_000, "configs": configs, "configs_hash": "h1", "ab_id": "t", "ab_variant_id": "v"}
    rig.welcome(201, answer)
    assert rig.published[-1]["configs"] == configs
    kept = rig.remembered["remote_configs"]
    assert kept is not None
    again = Rig({"remote_configs": kept})
    assert parse_qs(urlsplit(again.ask().url).query)["configs_hash"] == ["h1"]
    assert again.welcome(200, {"server_ts": 1_700_000_000}) is Standing.READY
    assert again.published[-1]["configs"] == configs
    assert again.published[-1]["ab_id"] == "t"
    assert again.remembered == {}
    assert "configs_hash" not in Rig({"remote_configs": kept}).ask(Situation("s", 1, "somebody else", None)).url


@pytest.mark.parametrize("kept", ["", "{", "[]", "null", '{"configs_hash": 5, "user_id": "player"}'])
def test_kept_configs_that_cannot_be_read_are_none(kept: str) -> None:
    """A damaged value in the outbox does not keep the game from recording."""
    rig = Rig({"remote_configs": kept})
    rig.ask()
    assert rig.welcome(200, {"server_ts": 1_700_000_000}) is Standing.READY


@pytest.mark.requirement("002:clock-compare", "002:clock-offset", "002:clock-applied", "002:client_ts")
def test_the_clock_offset_is_learned_and_applied() -> None:
    """`server_ts` minus the local clock, in whole seconds; a record's own offset wins over it."""
    rig = Rig()
    rig.ask()
    rig.welcome(201, {"server_ts": 1_700_000_100})
    assert rig.clock.server_offset == 100
    events = body(rig.service.encode([stored(1), stored(2, offset=-3.0), stored(3, offset=0.0)]))
    assert [event["client_ts"] for event in events] == [1_700_000_100, 1_699_999_997, 1_700_000_000]


def test_a_clock_offset_beyond_a_year_is_not_applied_and_said() -> None:
    """A server with a wrong clock must not move the player's events into another decade."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(201, {"server_ts": 1_700_000_000 + 366 * 86_400}) is Standing.READY
    assert rig.clock.server_offset is None
    assert "366 days, more than a year: not applied" in rig.warnings[f"{rig.service.name}:clock"]
    rig.welcome(201, {"server_ts": 1_700_000_000 + 364 * 86_400})
    assert rig.clock.server_offset == 364 * 86_400


@pytest.mark.parametrize("local", [5.0, -1000.0, 1e11 + 5])
def test_a_clock_whose_time_no_event_can_have_is_corrected(local: float) -> None:
    """A small computer without a battery starts in 1970: its events were refused for want of a `client_ts`.

    Events of another launch, when the clock was set, keep their time.
    """
    rig = Rig(wall=local)
    rig.ask()
    rig.welcome(201, {"server_ts": 1_700_000_000})
    assert "so events get the server's time; set the clock" in rig.warnings[f"{rig.service.name}:clock"]
    events = body(rig.service.encode([stored(1, at=local + 3), stored(2, at=1_650_000_000.0)]))
    assert [event["client_ts"] for event in events] == [1_700_000_003, 1_650_000_000]


@pytest.mark.parametrize("server_ts", [None, 0, -5, "1700000000", True, float("nan"), float("inf"), 10**400, 1e300, []])
def test_a_server_time_that_is_none_is_not_taken(server_ts: object) -> None:
    """The answer counts all the same."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(201, {"server_ts": server_ts}) is Standing.READY
    assert rig.clock.server_offset is None


def test_a_time_that_the_server_would_refuse_is_left_out() -> None:
    """An event of a machine whose clock stands in 1970 is still collected."""
    (event,) = body(Rig().service.encode([stored(1, at=5.0)]))
    assert "client_ts" not in event


@pytest.mark.requirement("002:init-flags", "002:init-body", "002:sdk-version")
def test_404_means_the_older_init() -> None:
    """An older collector is asked the older way, at once; there `enabled` must be true."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(404) is Standing.AGAIN
    request = rig.ask()
    assert urlsplit(request.url).path == f"/v2/{KEY}/init"
    assert set(body(request)) == {"platform", "os_version", "sdk_version"}
    assert rig.welcome(200, {"enabled": True, "server_ts": 1_700_000_050, "flags": ["new", 1]}) is Standing.READY
    assert rig.clock.server_offset == 50


@pytest.mark.parametrize("answer", [{"enabled": False}, {"server_ts": 1}, {"enabled": "true"}])
@pytest.mark.requirement("002:init-not-enabled")
def test_the_older_init_must_say_enabled(answer: Any) -> None:
    """Present and true, as the documentation says; else nothing is sent in this session."""
    rig = Rig()
    rig.ask()
    rig.welcome(404)
    rig.ask()
    assert rig.welcome(200, answer) is Standing.REFUSED
    assert "switched" in next(iter(rig.warnings.values()))


@pytest.mark.requirement("002:init-disables", "002:init-not-enabled")
def test_enabled_false_stops_the_newer_way_too() -> None:
    """The kill switch works, which it does not in the official SDKs."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(201, {"enabled": False, "server_ts": 1}) is Standing.REFUSED


def test_wrong_keys_at_init() -> None:
    """401 refuses the session and says what to compare, without the keys."""
    rig = Rig()
    rig.ask()
    assert rig.welcome(401, {}) is Standing.REFUSED
    (message,) = rig.warnings.values()
    assert "game_key and secret_key" in message
    assert KEY not in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "answer",
    [
        Reply(None, error="refused"),
        Reply(500),
        Reply(503, {}, b"{}"),
        Reply(429),
        Reply(302),
        Reply(200, {}, b"<html>portal</html>"),
        Reply(401, {}, b"<html>proxy</html>"),
        Reply(200, {}, b"[]"),
        Reply(200, {}, b""),
        Reply(201, {}, b"\xff\xfe"),
        Reply(200, {}, b'{"login": "required"}'),
        Reply(201, {}, b"{}"),
        Reply(201, {}, b'{"server_ts":' * 1000),
    ],
)
@pytest.mark.requirement("002:init-failed")
def test_other_answers_to_init_mean_later(answer: Reply) -> None:
    """A portal, a proxy or a failing server decides nothing; nothing is sent meanwhile."""
    rig = Rig()
    rig.ask()
    assert rig.service.welcome(answer) is Standing.RETRY
    assert rig.service.handshake(SITUATION) is not None


# --- answers to events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "verdict", "resubmits"),
    [
        (reply(200, []), DELIVERED, DELIVERED),
        (reply(200, {}), DELIVERED, DELIVERED),
        (reply(200), UNDECIDED, RETRY),  # cut off: no server of theirs says nothing
        (reply(201, []), DELIVERED, DELIVERED),
        (reply(204), DELIVERED, DELIVERED),
        (Reply(200, {}, b"<html>hotel</html>"), UNDECIDED, RETRY),
        (Reply(302), RETRY, RETRY),
        (reply(413, {}), SPLIT, SPLIT),
        (marked(413, {}), SPLIT, SPLIT),
        (reply(413), SPLIT, SPLIT),
        (Reply(413, {}, b"<html>nginx</html>"), SPLIT, SPLIT),
        (Reply(None, error="timeout"), RETRY, RETRY),
        (marked(403, {}), "dropped", RETRY),
        (marked(404), "dropped", RETRY),
        (marked(408, {}), "dropped", RETRY),
        (marked(429, {}), "dropped", RETRY),
        (marked(503, "<html>"), "dropped", RETRY),
        (marked(200, []), DELIVERED, DELIVERED),
        (marked(200), UNDECIDED, RETRY),
        (reply(500, {}), "dropped", RETRY),
        (reply(500), RETRY, RETRY),  # as the official SDKs
        *((reply(status, body), RETRY, RETRY) for status in (402, 403, 404, 408, 418, 429) for body in EMPTY),
        *((Reply(status), RETRY, RETRY) for status in (-1, 0, 1, 99, 100, 199, 600, 999, 1000, 10**9)),
        (reply(400), UNDECIDED, RETRY),
        (reply(400, {"message": "Bad Request"}), UNDECIDED, RETRY),
        (reply(400, "bad"), UNDECIDED, RETRY),
        (reply(400, []), UNDECIDED, RETRY),
        (reply(400, [{"code": 7}]), UNDECIDED, RETRY),
        (Reply(400, {}, b"<html>hotel</html>"), UNDECIDED, RETRY),
        (reply(202), UNDECIDED, RETRY),
        (reply(503, []), "dropped", RETRY),
        (Reply(502, {}, b"<html>bad gateway</html>"), RETRY, RETRY),
    ],
)
@pytest.mark.requirement("002:wiped", "002:requeue-offline", "002:requeue-413", "002:no-resubmit-400", "002:events-ok")
def test_the_verdict_of_every_answer(answer: Reply, verdict: Any, resubmits: Any) -> None:
    """As the documentation says; what is not the collector's answer decides nothing; our own drops doubles."""
    for resubmit, expected in ((False, verdict), (True, resubmits)):
        verdicts = Rig(resubmit_on_server_error=resubmit).service.judge(answer, RECORDS)
        dropped = Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, f"HTTP {answer.status}")
        assert verdicts == [dropped if expected == "dropped" else expected] * 3


def test_wrong_keys_keep_the_events() -> None:
    """401 ends the sending in this session; the next one asks again."""
    rig = Rig()
    rig.ask()
    rig.welcome(200, {"server_ts": 1_700_000_000})
    assert [verdict.outcome for verdict in rig.service.judge(reply(401, {}), RECORDS)] == [Outcome.REFUSED] * 3
    assert rig.warnings
    assert rig.service.handshake(SITUATION) is not None
    foreign = Rig().service.judge(Reply(401, {}, b"<html>login</html>"), RECORDS)
    assert [verdict.outcome for verdict in foreign] == [Outcome.RETRY] * 3


@pytest.mark.requirement("002:valid-ones-collected", "002:no-resubmit-400")
def test_a_400_rejects_the_listed_events_with_their_reasons() -> None:
    """The rest of the batch was collected and is never sent again."""
    errors = [{"error_type": "wrong_type", "path": "/session_id"}]
    answer = reply(400, [{"event": {"event_uuid": uuid(1), "category": "design"}, "errors": errors}])
    verdicts = Rig().service.judge(answer, RECORDS)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.DELIVERED, Outcome.DROPPED, Outcome.DELIVERED]
    assert verdicts[1].reason is Drop.REJECTED
    assert json.loads(verdicts[1].errors) == errors


@pytest.mark.parametrize("answer", [marked(400), marked(400, {"error": "no list"}), marked(400, "bad")])
def test_a_400_about_the_whole_body_is_narrowed_down(answer: Reply) -> None:
    """A body spoiled by one record is halved until that is alone; one that is sound is dropped, as documented."""
    service = Rig().service
    spoiled = [RECORDS[0]._replace(payload=b'"category":{00}'), *RECORDS[1:]]
    assert {verdict.outcome for verdict in service.judge(answer, spoiled)} == {Outcome.SPLIT}
    for records in (spoiled[:1], RECORDS):
        verdicts = service.judge(answer, records)
        assert {(one.outcome, one.reason) for one in verdicts} == {(Outcome.DROPPED, Drop.REJECTED)}


def test_a_400_of_somebody_else_drops_only_what_cannot_be_read() -> None:
    """A record that the disk has spoiled would be refused for ever; halves find it."""
    service = Rig().service
    spoiled = RECORDS[0]._replace(payload=b'"category":{00}')
    assert service.judge(reply(400), [spoiled, *RECORDS[1:]]) == [SPLIT] * 3
    (verdict,) = service.judge(reply(400), [spoiled])
    assert verdict.outcome is Outcome.DROPPED
    assert service.judge(reply(400), RECORDS[1:]) == [UNDECIDED] * 2


@pytest.mark.parametrize(
    ("answer", "size", "verdict"),
    [
        (Reply(413, {}, b"<html>"), 100, RETRY),
        (Reply(413, {}, b"<html>"), 9000, SPLIT),
        (marked(413, {}), 100, SPLIT),
    ],
)
def test_a_small_event_is_too_large_for_nobody(answer: Reply, size: int, verdict: Verdict) -> None:
    """A portal that answers everything with 413 would empty the outbox, one event after the other."""
    record = RECORDS[0]._replace(payload=b'"a":"%s"}' % (b"x" * size))
    assert Rig().service.judge(answer, [record]) == [verdict]


def test_megabytes_of_reasons_are_cut() -> None:
    """Stored once for each event of a batch they were 600 MB in the data folder."""
    many = [stored(number) for number in range(301)]
    errors = [{"error_type": "x" * 5000, "path": "/"}]
    answer = [{"event": {"event_uuid": uuid(number)}, "errors": errors} for number in range(301)]
    for reply_ in (reply(400, answer), marked(400, {"error": "x" * 90_000})):
        verdicts = Rig().service.judge(reply_, many)
        assert {one.outcome for one in verdicts} == {Outcome.DROPPED}
        assert max(len(one.errors) for one in verdicts) <= 1000


HUGE = "x" * (MAX_STRING + 1)


@pytest.mark.e2e
@pytest.mark.parametrize(
    "errors",
    [
        [{"reason": HUGE}],
        [{"reason": '\\"\\\n\u00e9' * (MAX_STRING // 5 + 1)}],
        HUGE,
        {HUGE: HUGE},
        [{"path": "/", "value": [HUGE] * 3}],
        [0] * (MAX_ELEMENTS + 1),
        json.loads("[" * 60 + "]" * 60),
    ],
    ids=["string", "escapes", "bare", "key", "several", "number", "depth"],
)
@pytest.mark.parametrize("headers", [{}, {"x-ga-service": "collect"}])
def test_a_400_of_theirs_settles_the_batch_however_much_it_says(errors: Any, headers: dict[str, str]) -> None:
    """Else it is sent again and again to a server that has it; what is kept of the reasons is 1 kB."""
    answer = json.dumps([{"event": {"event_uuid": uuid(1)}, "errors": errors}]).encode()
    bodies = (answer, answer[:-2], answer + b"}", b"\xff" + answer)
    for body in bodies[: examples(len(bodies), least=2)]:
        for reply_ in (Reply(400, headers, body), Reply(None, headers, body, "too long", True, 400)):
            verdicts = Rig().service.judge(reply_, RECORDS)
            assert [one.outcome for one in verdicts] == [Outcome.DELIVERED, Outcome.DROPPED, Outcome.DELIVERED]
            assert len(verdicts[1].errors) <= 1000


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Reply(None, {}, b"", "too long", True, 200), UNDECIDED),
        (Reply(None, {}, b"<p>", "too long", True, 400), UNDECIDED),
        (Reply(None, {}, b"", "too long", True, 302), RETRY),
        (Reply(None, {}, b"", "too long", True, 503), RETRY),
        (Reply(None, {"x-ga-service": "collect"}, b"x", "too long", True, 200), DELIVERED),
    ],
)
def test_an_answer_that_is_not_read_to_its_end_has_a_status(answer: Reply, verdict: Verdict) -> None:
    """It counts as an answer: if the batch may have been accepted, it is not sent without end."""
    rig = Rig()
    rig.ask()
    rig.welcome(200, {"server_ts": 1_700_000_000})
    assert rig.service.handshake(SITUATION) is None
    assert rig.service.judge(answer, RECORDS) == [verdict] * 3
    assert (rig.service.handshake(SITUATION) is not None) is (verdict == UNDECIDED)


@pytest.mark.parametrize("value", ["1e999", "NaN", "-Infinity", '"%s"' % ("x" * 300_000), "1" * 5000, '"\\ud800"'])
@pytest.mark.parametrize("hash_", ['"\\ud800"', '"%s"' % ("9" * 300_000), '"a b"', "{}", "NaN", '"h1"'])
def test_no_answer_to_init_ends_an_installs_analytics(value: str, hash_: str) -> None:
    """Invalid values in it are neither kept nor sent: later launches against a good server deliver."""
    rig = Rig()
    rig.ask()
    text = '{"server_ts":1700000000,"configs":[{"key":"a","value":%s},{"key":"b","value":"2"}],"configs_hash":%s}'
    body_ = (text % (value, hash_)).encode()
    standing = rig.service.welcome(Reply(201, {}, body_))
    later = Rig({name: kept for name, kept in rig.remembered.items() if kept is not None})
    request = later.ask()
    assert len(request.url) < 300
    assert later.welcome(200, {"server_ts": 1_700_000_000}) is Standing.READY
    for published in rig.published + later.published:
        json.dumps(published, allow_nan=False, ensure_ascii=False).encode()
        assert len(json.dumps(published)) < 1000
    if standing is Standing.READY:  # else a part of it was too large to be read, and init is asked again
        assert [config["key"] for config in later.published[0]["configs"]][-1] == "b"


def test_what_an_earlier_version_kept_is_checked() -> None:
    """A value on the disk may be damaged, or kept by a version that believed everything."""
    kept = json.dumps({"configs": [{"key": "a", "value": float("nan")}], "configs_hash": "\ud800", "user_id": "player"})
    rig = Rig({"remote_configs": kept})
    assert "configs_hash" not in rig.ask().url
    for text in ("[" * 10**5, "\ud800", '{"configs_hash":"%s"}' % ("9" * 10**6)):
        assert "configs_hash" not in Rig({"remote_configs": text}).ask().url


STATUS = (
    st.none() | st.integers(-1, 1100) | st.integers(100, 599) | st.sampled_from([200, 201, 400, 401, 404, 413, 500])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "errors", "event_uuid", "server_ts", "configs", "enabled", "configs_hash"]), inner
        )
    ),
    max_leaves=8,
)
BODIES = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 100_000)
HEADERS = st.dictionaries(st.sampled_from(["x-ga-service", "date", "retry-after", "x"]), st.text(), max_size=3)
REPLIES = st.builds(Reply, STATUS, HEADERS, BODIES)


@pytest.mark.e2e
@given(REPLIES, st.integers(1, 3), st.booleans())
def test_judging_never_raises(answer: Reply, count: int, resubmit: bool) -> None:
    """Any status with any body gives one verdict for each record; those that concern all are the same for all."""
    verdicts = Rig(resubmit_on_server_error=resubmit).service.judge(answer, RECORDS[:count])
    assert len(verdicts) == count
    outcomes = {verdict.outcome for verdict in verdicts}
    assert len(outcomes) == 1 or outcomes <= {Outcome.DELIVERED, Outcome.DROPPED}


@pytest.mark.e2e
@given(st.lists(REPLIES, min_size=1, max_size=3))
@pytest.mark.requirement("003:answer-configs")
def test_welcoming_never_raises(answers: list[Reply]) -> None:
    """Any answer to init has a meaning, and what was learned from it can be sent."""
    rig = Rig()
    for answer in answers:
        if rig.service.handshake(SITUATION) is not None:
            assert isinstance(rig.service.welcome(answer), Standing)
    rig.service.encode(RECORDS)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("game key", "secret key"), "game_key: its 8 characters are no key"),
        ((SECRET, KEY), "swapped"),
        ((KEY.upper(), SECRET), "upper-case"),
    ],
)
def test_keys_are_checked_as_the_trackers_are(keys: tuple[Any, Any], words: str) -> None:
    """When the destination is made, and without showing them."""
    with pytest.raises(ValueError, match=words):
        GameAnalytics(*keys)
