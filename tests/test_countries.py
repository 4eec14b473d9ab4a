"""The country of a sender: which address counts, what a GeoIP file says, and that no address is kept."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame.collector.countries import MAX_FORWARDED_CHARACTERS, Countries, GeoIpError, forwarded_address
from ga_pygame.rules import SENT_BY_FIELD, SERVER
from tests.collectors import EVENTS, KEY, Collector, event, pack, sign
from tests.geoip import FRENCH, GERMAN, SWEDISH, geoip_file
from tests.warehouse.golden import MONDAY, Story, ask, projected, store_story


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (GERMAN, GERMAN),
        (f" {GERMAN} , 10.0.0.1, 198.51.100.9", GERMAN),
        (f"10.1.2.3, unknown,{GERMAN}", GERMAN),
        (f"{GERMAN}:51234", GERMAN),
        (f'"[{SWEDISH}]:443"', SWEDISH),
        (f"[{SWEDISH}]", SWEDISH),
        (f"{SWEDISH}%eth0", SWEDISH),
        (f"::ffff:{GERMAN}", GERMAN),
        ("127.0.0.1", None),
        ("::1", None),
        ("10.0.0.7", None),
        ("172.16.5.5, 192.168.0.3, 100.64.1.1", None),
        ("fe80::1%eth0", None),
        ("fd00::1", None),
        ("0.0.0.0", None),
        ("224.0.0.1", None),
        ("", None),
        (",,,", None),
        ("unknown, _hidden, 1.2.3, 1.2.3.4.5, 999.1.1.1, [", None),
        ("x" * 100_000, None),
        ("1," * 100_000 + GERMAN, None),
        ("1" * (MAX_FORWARDED_CHARACTERS - 9) + ",203.0.113.7", None),
    ],
)
def test_which_address_counts(header: str, address: str | None) -> None:
    """The first address that can have a country, in any form that senders and proxies write."""
    found = forwarded_address(header)
    assert (str(found) if found else None) == address


@given(st.text(max_size=60) | st.lists(st.sampled_from([GERMAN, ":", "[", "]", "%", ",", " ", '"', "::"])).map("".join))
def test_no_header_raises(header: str) -> None:
    """Whatever a sender writes."""
    found = forwarded_address(header)
    assert found is None or not found.is_loopback


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """At the start, with what to do."""
    (tmp_path / "text.mmdb").write_text("no database")
    for name in ("text.mmdb", "missing.mmdb"):
        with pytest.raises(GeoIpError, match=r"--geoip: cannot use .*GeoLite2-Country\.mmdb"):
            Countries(tmp_path / name, lambda *_: None)


def test_a_damaged_file_costs_only_the_country(tmp_path: Path) -> None:
    """The developer is told."""
    path = geoip_file(tmp_path / "geo.mmdb")
    whole = path.read_bytes()
    end = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    path.write_bytes(b"\xff" * 600 + whole[600:end] + whole[end:])
    told: list[str] = []
    countries = Countries(path, lambda cause, _message: told.append(cause))
    assert countries.of(GERMAN, "") == ""
    countries.close()
    assert told == ["geoip"]


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.requirement("002:server-country", "002:server-no-address")
def test_the_collector_keeps_a_country_and_no_address(tmp_path: Path) -> None:
    """Of those who signed the header counts, of others the connection's address; no file has an address."""
    geoip = geoip_file(tmp_path / "geo.mmdb")
    kept = tmp_path / "kept"
    kept.mkdir()
    collector = Collector(kept, "--geoip", str(geoip))
    own_key = "0123456789abcdef" * 2

    def send(user: str, *addresses: str, path: str = EVENTS, bad: bool = False, packed: bool = False) -> int:
        own = {"user_id": user, "session_id": str(uuid.uuid4())}
        events = [event(**own), event("design", **own, event_id="" if bad else "kill:boss")]
        body = json.dumps(events, indent=1).encode()
        body = pack(body) if packed else body
        headers = {"Authorization": sign(body), **({"Content-Encoding": "gzip"} if packed else {})}
        if addresses:
            headers["X-Forwarded-For"] = ", ".join(addresses)
        return collector.ask("POST", path, body, headers).status

    assert send("ann", GERMAN) == 200
    assert send("bob", f"[{SWEDISH}]:40000", "10.0.0.1", packed=True) == 200
    assert send("cid", f"{FRENCH}%eth0", bad=True) == 400
    assert send("dan", "192.0.2.1") == 200  # a record that makes no sense
    assert send("eve", "garbage \x7f<script>") == 200
    assert send("fay") == 200  # the peer is this machine
    assert send("gus", GERMAN, path=f"/v2/{own_key}/events") == 200  # its signature cannot be checked
    assert send("hal", GERMAN, path=f"/v2/{KEY}/init") == 400  # a list; nothing of it is looked at
    told = {one["user_id"]: one.get("country_code") for one in collector.export()}
    assert told == {"ann": "DE", "bob": "SE", "cid": "FR", "dan": None, "eve": None, "fay": None, "gus": None}
    assert collector.stop() == 0
    with projected(collector.db) as database:
        assert ask(database, "countries") == [("", 4, 4), ("DE", 1, 1), ("FR", 1, 1), ("SE", 1, 1)]
    everything = files_of(kept) + collector.said().encode()
    for address in (GERMAN, SWEDISH, FRENCH, "192.0.2.1"):
        assert address.encode() not in everything


def test_figures_by_country(tmp_path: Path) -> None:
    """A player who travels counts in both countries; sessions that a server sent are counted for each player."""
    story = Story()
    by_server = {"custom_fields": {SENT_BY_FIELD: SERVER}}
    story.session("ann", MONDAY, country_code="DE", **by_server).end(60)
    story.session("ann", MONDAY + 600, country_code="SE").end(90)
    story.session("bob", MONDAY, country_code="DE", custom_fields={SENT_BY_FIELD: "<b>"}).end(30)
    story.session("cid", MONDAY, country_code="Germany").end(30)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as database:
        assert ask(database, "countries") == [("DE", 2, 2), ("", 1, 1), ("SE", 1, 1)]
        assert {one.user_id: one.by_server for one in ask(database, "players")} == {"ann": 1, "bob": 0, "cid": 0}
