"""The collector's reading of bodies and choice of configs, without a server."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import categories
from ga_pygame.annotations import FIELDS
from ga_pygame.collector import bodies, lanes
from ga_pygame.collector.gameanalytics import configs, games, validation
from ga_pygame.collector.gameanalytics import routes as gameanalytics
from tests.collectors import ANNOTATIONS

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    values=st.lists(_json, max_size=4), indent=st.sampled_from([None, 1]), ascii_only=st.booleans(), half=st.booleans()
)
def test_a_list_is_split_without_changing_its_parts(
    values: list[Any], indent: int | None, ascii_only: bool, half: bool
) -> None:
    """Each element keeps its bytes, by the fast decoder and by the one for half surrogate pairs."""
    if half:
        values = [*values, "\ud83d"]
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only or half)
    parts = bodies.split_list(f" {text}\n".encode())
    assert [json.loads(bytes(part)) for part in parts] == values
    position = 0
    for part in parts:
        position = text.encode().index(bytes(part), position) + len(bytes(part))


_EVENT = {**ANNOTATIONS, "category": "design", "event_id": "a:b"}
_TRICKY: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 1, 1.0, 2, 2.0, "", "linux", "a:b", {"a": 1}, {"a": True}, {"a": []}]
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*FIELDS, "category", "event_id", "value"]), _TRICKY, max_size=2)
        | st.builds(lambda category: {"category": category, "length": 1}, st.sampled_from(categories.names())),
        max_size=12,
    )
)
def test_an_event_is_judged_alone_whatever_came_before(changes: list[dict[str, Any]]) -> None:
    """Looking only once at what repeats lets no event through that another one resembles."""
    events = [{**_EVENT, **change} for change in changes]
    accepted, rejected = validation.sort_out(json.dumps(events).encode())
    assert [event for event, _ in accepted] == [event for event in events if not validation.broken_rules(event)]
    assert [errors for _, _, errors in rejected] == [wrong for one in events if (wrong := validation.broken_rules(one))]


_UUID = "de305d54-75b4-431b-adb2-eb6b9e546014"
_GOOD = ({"client_ts": 10**9, "category": "design", "event_id": "a:b", "value": 1}, ANNOTATIONS, {"event_uuid": _UUID})


def _written(own: dict[str, Any], shared: dict[str, Any], last: dict[str, Any]) -> str:
    """Write an event as the tracker does: its time, the shared fields, its own fields, its id."""
    first = {name: value for name, value in own.items() if name in ("client_ts", "custom_01")}
    parts = (first, shared, {name: value for name, value in own.items() if name not in first}, last)
    return "{" + ",".join(json.dumps(part, separators=(",", ":"))[1:-1] for part in parts if part) + "}"


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


_OWN: list[dict[str, Any]] = [
    {"value": True},
    {"value": 1.0},
    {"value": None},
    {"v": 3},
    {"platform": "ios"},
    {"custom_01": "{["},
    {"custom_01": [{}]},
]
_FIELDS: list[dict[str, Any]] = [{"a": "}"}, {"a": {}}, {"a": ',"v":'}]
_ODD = [
    *(_written({**_GOOD[0], **own}, *_GOOD[1:]) for own in _OWN),
    *(_written({**_GOOD[0], "category": category}, *_GOOD[1:]) for category in ("user", "session_end", "sdk_error", 1)),
    *(_written({**_GOOD[0], "custom_fields": fields}, *_GOOD[1:]) for fields in _FIELDS),
    *(_written(_without(_GOOD[0], name), *_GOOD[1:]) for name in ("event_id", "category", "client_ts")),
    *(
        _written(_GOOD[0], {**ANNOTATIONS, **more}, _GOOD[2])
        for more in ({"platform": "x"}, {"event_id": "#"}, {"k": 1})
    ),
    _written({**_without(_GOOD[0], "event_id"), "platform": "x"}, {**ANNOTATIONS, "event_id": "a:b"}, _GOOD[2]),
    _written(*_GOOD[:2], {"other_uuid": _UUID}),
    _written({"category": "session_end"}, {**ANNOTATIONS, "length": -1}, _GOOD[2]),
    _written({"platform": "linux", **_GOOD[0]}, _without(ANNOTATIONS, "platform"), _GOOD[2]),
    _written(_GOOD[0], _without(ANNOTATIONS, "session_id"), _GOOD[2]),
    *(_written(*_GOOD[:2], {"event_uuid": wrong}) for wrong in ("x" * 36, "ü" * 18, "de305d54", None, "")),
    *(_written(*_GOOD[:2], {}).replace("{", first, 1) + last for first, last in (('{"a":{', "}"), ('{"b":[{', "]}"))),
    _written(*_GOOD).replace("{", '{"category":"design","event_id":"a:b","a":{', 1) + "}",
    _written({**_GOOD[0], "text": "\ud83d"}, *_GOOD[1:]),
    _written(*_GOOD).replace('"v"', '"abc\\"v"').replace('"category"', '"category":5,"category"'),
    "1",
]


@pytest.mark.parametrize("odd", _ODD)
def test_an_event_as_the_tracker_writes_it_is_judged_like_any_other(odd: str) -> None:
    """Looking at what a run of events shares only once changes neither what is accepted nor what it says."""
    good = _written(*_GOOD)
    for texts in ([odd], [odd, odd], [good, odd, good], [good, good, odd], [odd, good, good], [good]):
        accepted, rejected = validation.sort_out(f"[{','.join(texts)}]".encode())
        assert [raw.decode() for _, raw in accepted] == [text for text in texts if not _alone(text)]
        assert [raw.decode() for _, raw, _ in rejected] == [text for text in texts if _alone(text)]
        assert [event for event, _ in accepted] == [json.loads(text) for text in texts if not _alone(text)]


def _alone(text: str) -> bool:
    """Return whether an event by itself breaks a rule."""
    try:
        event = bodies.decode(text.encode())
    except bodies.Unreadable:
        return True
    return not isinstance(event, dict) or bool(validation.broken_rules(event))


@pytest.mark.parametrize("text", ["", "KEY", f"{'a' * 32}:", f"{'a' * 31}:{'b' * 40}", f"{'A' * 32}:{'b' * 40}"])
def test_bad_game_is_refused_without_repeating_it(text: str) -> None:
    """An error never repeats the text that was given as a key."""
    with pytest.raises(ValueError, match="must be") as caught:
        games.parse(text)
    assert "bbb" not in str(caught.value)


# --- remote configs ------------------------------------------------------------------------------------


def settings(**parts: Any) -> configs.Settings:
    return msgspec.convert(parts, configs.Settings)


@pytest.mark.requirement("003:query-interval", "003:query-interval-0", "003:answer-window")
def test_only_configs_of_the_asked_time_are_given() -> None:
    """A config is given if it holds at some moment of the interval; zero and null ends are open."""
    found = settings(
        configs=[
            {"key": "always", "value": "1"},
            {"key": "zero", "value": "1", "start_ts": 0, "end_ts": 0},
            {"key": "over", "value": "1", "end_ts": 100},
            {"key": "soon", "value": "1", "start_ts": 150},
            {"key": "now", "value": "1", "start_ts": 50, "end_ts": 200},
        ]
    )
    keys = [config["key"] for config in found.answer("u", 100, 100, versions=False)["configs"]]
    assert keys == ["always", "zero", "now"]
    keys = [config["key"] for config in found.answer("u", 100, 160, versions=False)["configs"]]
    assert keys == ["always", "zero", "soon", "now"]


def test_hash_changes_with_the_answer() -> None:
    """The same answer has the same hash, another one another."""
    one = settings(configs=[{"key": "a", "value": "1"}])
    other = settings(configs=[{"key": "a", "value": "2"}])
    first = one.answer("u", 1, 1, versions=False)["configs_hash"]
    assert first == one.answer("other", 2, 2, versions=False)["configs_hash"]
    assert first != other.answer("u", 1, 1, versions=False)["configs_hash"]
    assert first.isdecimal()


@pytest.mark.requirement("003:answer-variant", "003:answer-ab")
def test_experiment_is_stable_and_replaces_global_configs() -> None:
    """A player stays in one variant, sees its configs only, and players spread over all variants."""
    found = settings(
        configs=[{"key": "global", "value": "1"}],
        experiment={
            "id": "jump",
            "variants": {"ctrl": [], "1": [{"key": "gravity", "value": 40}]},
            "users": {"me": "1", "nobody": "no such variant"},
        },
    )
    mine = found.answer("me", 1, 1, versions=False)
    assert (mine["ab_id"], mine["ab_variant_id"]) == ("jump", "1")
    assert [(one["key"], one["value"]) for one in mine["configs"]] == [("gravity", "40")]
    enhanced = found.answer("me", 1, 1, versions=True)["configs"]
    assert enhanced[0]["value"] == 40
    assert {"id", "vsn"} <= enhanced[0].keys()
    outside = found.answer("nobody", 1, 1, versions=False)
    assert "ab_id" not in outside
    assert outside["configs"][0]["key"] == "global"
    chosen = {user: found.answer(str(user), 1, 1, versions=False)["ab_variant_id"] for user in range(200)}
    assert {user: found.answer(str(user), 2, 2, versions=False)["ab_variant_id"] for user in range(200)} == chosen
    assert 60 < list(chosen.values()).count("ctrl") < 140


def test_share_keeps_players_out() -> None:
    """Only the given share of players takes part."""
    found = settings(experiment={"id": "x", "share": 0.2, "variants": {"a": []}})
    inside = sum("ab_id" in found.answer(str(user), 1, 1, versions=False) for user in range(500))
    assert 60 < inside < 140


def test_settings_file_is_followed(tmp_path: Path) -> None:
    """A change is seen at the next init; a mistake in it is reported once and changes nothing."""
    reports: list[str] = []
    path = tmp_path / "configs.json"
    key = "a1" * 16
    path.write_text('{"' + key + '": {"configs": [{"key": "a", "value": "1"}]}}')
    file = configs.SettingsFile(path, reports.append)
    assert len(file.of(key).configs) == 1
    assert file.of("other") == configs.Settings()
    path.write_text('{"*": {"enabled": false}}')
    assert file.of("other").enabled is False
    path.write_text('{"*": {"enabled": "what"}}')
    assert file.of("other").enabled is False
    assert file.of("other").enabled is False
    assert len(reports) == 1
    assert "enabled" in reports[0]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"gravity": {}}', '{"*": {"confgis": []}}', '{"*": {"configs": [{"value": 1}]}}']
)
def test_bad_settings_file_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    """A settings file with a mistake stops the start and names the file."""
    path = tmp_path / "configs.json"
    path.write_text(text)
    with pytest.raises(configs.ConfigsError, match=r"configs\.json"):
        configs.SettingsFile(path, print)
    with pytest.raises(configs.ConfigsError, match="cannot read"):
        configs.SettingsFile(tmp_path / "none.json", print)


@given(st.binary(max_size=50) | st.text(alphabet=',[{}] a"', max_size=300).map(str.encode))
def test_values_are_counted_in_pieces(body: bytes) -> None:
    """As many as commas and opening brackets, however long the body is."""
    long = body * (1 + 70_000 // max(1, len(body)))
    for one in (body, long[:150_000]):
        assert bodies.count_values(one) == sum(map(one.count, (b",", b"[", b"{")))


def test_heavy_work_waits_until_what_the_one_before_returned_is_used() -> None:
    """Two heavy results are never in memory at once; light work goes on meanwhile."""
    log: list[str] = []
    ours = lanes.Lanes()

    def heavy(light: bool) -> None:
        if light:
            raise lanes.Heavy
        log.append("heavy")

    async def use(used: asyncio.Event, done: asyncio.Event) -> None:
        async with ours.run("client", heavy):
            used.set()
            await done.wait()

    async def main() -> None:
        used, done = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(use(used, done))
        await used.wait()
        second = asyncio.create_task(use(asyncio.Event(), done))
        for _ in range(3):
            async with ours.run("client", lambda _light: "light") as result:
                assert result == "light"
        assert log == ["heavy"]
        done.set()
        await asyncio.gather(first, second)
        first = asyncio.create_task(use(used, asyncio.Event()))
        await asyncio.sleep(0)
        first.cancel()  # a sender that went away does not keep the lane
        async with ours.run("client", heavy):
            pass

    try:
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        ours.close()
    assert log[:2] == ["heavy"] * 2


def test_the_clients_of_a_lane_take_turns() -> None:
    """One that asks much waits for itself, and of too much that is heavy its newest is given up."""
    log: list[str] = []
    busy: list[str] = []
    seen: list[str] = []
    ours = lanes.Lanes()

    async def ask(client: str, name: str, *, heavy: bool, all_there: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def work(light: bool) -> None:
            if light and heavy:
                seen.append(name)
                if len(seen) == 33:
                    loop.call_soon_threadsafe(all_there.set)
                raise lanes.Heavy
            log.append(name)

        try:
            async with ours.run(client, work):
                await all_there.wait()
        except bodies.Busy:
            busy.append(name)

    async def main(*, heavy: bool) -> None:
        asked = [("a", f"a{number}") for number in range(30)] + [("b", "b0"), ("b", "b1"), ("c", "c0")]
        all_there = asyncio.Event()
        if not heavy:
            all_there.set()
        await asyncio.gather(*(ask(client, name, heavy=heavy, all_there=all_there) for client, name in asked))

    try:
        asyncio.run(asyncio.wait_for(main(heavy=False), 60))
        assert log[:6] == ["a0", "a1", "b0", "c0", "a2", "b1"]
        assert sorted(log) == sorted({*log})
        assert len(log) == 33
        log.clear()
        asyncio.run(asyncio.wait_for(main(heavy=True), 60))
    finally:
        ours.close()
    assert {"b0", "b1", "c0"} <= set(log)
    assert len(log) > lanes.MAX_HEAVY_WAITING
    assert busy
    assert all(name.startswith("a") for name in busy)
    assert len(log) + len(busy) == 33


@pytest.mark.parametrize(
    "events",
    [
        [{"category": "design", "x": "y" * 1400}] * 500,
        [{}] * (gameanalytics.MAX_LIGHT_REFUSALS + 1),
        [{**_EVENT, "custom_fields": {f"a{number}": 1 for number in range(gameanalytics.MAX_LIGHT_VALUES)}}],
    ],
    ids=["many bytes", "many refusals", "many values"],
)
def test_what_takes_long_is_not_light(events: list[dict[str, Any]]) -> None:
    """A few kB of gzip that take long to be taken apart leave the lane for light ones at once."""
    body = gzip.compress(json.dumps(events).encode())
    with pytest.raises(lanes.Heavy):
        gameanalytics.take_apart("k", 0, body, "gzip", light=True)
    assert gameanalytics.take_apart("k", 0, body, "gzip", light=False)[1]


def test_a_games_largest_batch_is_light() -> None:
    """500 events as our tracker writes them, which is the most that it sends at once."""
    events = [_written({**_GOOD[0], "value": number}, *_GOOD[1:]) for number in range(500)]
    submission, rejected = gameanalytics.take_apart("k", 0, f"[{','.join(events)}]".encode(), "", light=True)
    assert (len(submission.accepted), rejected) == (500, [])
