"""Collectors that share a ClickHouse, as processes, over HTTP and in a browser."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import cli
from tests.clickhouse_servers import todays_server
from tests.collectors import CONFIGS, POGR, Collector, event
from tests.conftest import eventually
from tests.e2e.test_page import By, rows, until


@pytest.fixture
def store(todays_clickhouse: str) -> str:
    """The address of an empty database."""
    return f"clickhouse://{todays_clickhouse}/of_{uuid.uuid4().hex}"


@contextlib.contextmanager
def collecting(folder: Path, store: str, *arguments: str, page: bool = False) -> Iterator[Collector]:
    collector = Collector(folder, "--store", store, *arguments, page=page)
    try:
        yield collector
    finally:
        collector.kill()


def init(collector: Collector) -> Any:
    body = {"user_id": "p", "platform": "linux", "os_version": "linux 6", "sdk_version": "rest api v2"}
    return collector.post(CONFIGS, json.dumps(body).encode()).json()


def test_two_collectors_and_one_store(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What one takes, the other shows and counts; both answer the same configs, and none leaves a file."""
    (tmp_path / "configs.json").write_text('{"*": {"configs": [{"key": "gravity", "value": "40"}]}}')
    now = int(time.time())
    same = event("progression", event_id="Start:one", client_ts=now)
    with (
        collecting(tmp_path, store, "--configs", "configs.json") as one,
        collecting(tmp_path, store) as other,
    ):
        assert f"events are kept in {store.rpartition('/')[2]} on http://127.0.0.1:" in one.read_greeting()
        assert one.send(same, event(client_ts=now), packed=True).status == 200
        refused = other.send(same, event("session_end", length=-1, client_ts=now))
        assert (refused.status, refused.json()[0]["errors"][0]["path"]) == (400, "/length")
        assert eventually(lambda: one.summary()["duplicates"] == other.summary()["duplicates"] == 1)
        counted = {"accepted": {"design": 1, "progression": 1}, "rejected": {"session_end": 1}}
        assert [{name: each.summary()[name] for name in counted} for each in (one, other)] == [counted] * 2
        found = other.ask("GET", "/api/events").json()
        assert [(each["category"], each["accepted"]) for each in found] == [
            ("progression", True),
            ("design", True),
            ("session_end", False),
        ]
        (level,) = other.ask("GET", "/api/warehouse/levels").json()
        assert (level["level"], level["starts"]) == ("one", 1)
        assert [each["events"] for each in one.ask("GET", "/api/sessions").json()] == [2]
        assert json.loads(one.ask("GET", "/api/export").body.splitlines()[0]) == same
        capsys.readouterr()
        assert cli.main(["export", "--url", other.url]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[0]) == same
        assert cli.main(["export", "--url", other.url, "--rejected", "--json"]) == 0
        (told,) = json.loads(capsys.readouterr().out)
        assert (told["event"]["length"], told["errors"][0]["path"]) == (-1, "/length")
        assert cli.main(["export", "--url", other.url, "--build", "1"]) == 1
        assert "as they were sent" in capsys.readouterr().err
        assert cli.main(["stats", "--url", other.url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["levels"][0]["level"] == "one"
        assert [init(each)["configs"][0]["value"] for each in (one, other)] == ["40", "40"]
        pogr = one.ask("POST", "/v1/intake/init", b"{}", POGR)
        assert (pogr.status, "local store only" in pogr.json()["error"]) == (501, True)
        assert one.ask("GET", "/_emu/state").status == 404
        forgotten = one.ask("POST", "/api/forget", json.dumps({"user_id": "player"}).encode())
        assert (forgotten.status, forgotten.json()["events"], forgotten.json()["rejected"]) == (200, 2, 1)
        assert other.ask("GET", "/api/events").json() == []
        assert (one.stop(), other.stop()) == (0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["configs.json"]


def test_a_store_that_cannot_be_used(tmp_path: Path, store: str) -> None:
    """The collector says what is wrong, without the password, and ends."""
    nowhere = store.replace("://", "://ann:s3cret@").replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:")
    nowhere = f"{nowhere.rpartition(',')[0]}/games"
    unreachable = "no ClickHouse server of games on http://127.0.0.1:1"
    for wrong, said in ((nowhere, unreachable), ("postgres://x/y", "--store: write")):
        with pytest.raises(AssertionError, match=said) as raised, collecting(tmp_path, wrong):
            pass
        assert "s3cret" not in str(raised.value)


def test_clickhouse_is_down(tmp_path: Path) -> None:
    """Senders get 503 with an empty body and Retry-After, and the page says why; then all goes on."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(todays_server())
        store = f"clickhouse://{server}/games"
        with collecting(tmp_path, store) as collector, collecting(tmp_path, store, "--spill", "spill") as spilling:
            assert collector.send(event()).status == 200
            stack.close()
            assert spilling.send(event()).status == 200
            assert [each.ask("GET", "/readyz").status for each in (collector, spilling)] == [503, 200]
            answer = collector.send(event())
            assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"", "5")
            assert "ClickHouse" in answer.headers["x-ga-reason"]
            assert collector.ask("GET", "/api/warehouse/levels").status == 503
            assert "Events cannot be stored: no ClickHouse server of games" in collector.said()


def test_the_page_of_two_collectors(tmp_path: Path, store: str, browser: Any) -> None:
    """The page of one shows what the other takes, each event once, with metrics, and edits the settings of both."""
    now = int(time.time())
    with collecting(tmp_path, store, page=True) as one, collecting(tmp_path, store) as other:
        assert other.send(event(event_id="before", client_ts=now)).status == 200
        browser.get(f"{one.url}/")
        assert until(browser, lambda: rows(browser, "feed"))
        same = event("progression", event_id="Start:one", client_ts=now)
        assert (other.send(same).status, one.send(same).status) == (200, 200)
        assert until(browser, lambda: len(rows(browser, "feed")) == 2)
        assert other.send(event(event_id="after", client_ts=now)).status == 200
        assert until(browser, lambda: len(rows(browser, "feed")) == 3)
        assert [row.split("|")[2] for row in rows(browser, "feed")] == ["after", "Start:one", "before"]
        assert until(browser, lambda: len(rows(browser, "sessions")) == 1)
        browser.get(f"{one.url}/?view=progression")
        tables = "return [...document.querySelectorAll('td, th')].map(cell => cell.textContent.trim())"
        assert until(browser, lambda: "one" in browser.execute_script(tables), 40)
        browser.get(f"{one.url}/?view=pogr")
        assert until(browser, lambda: "start a collector without --store" in text_of(browser))
        browser.get(f"{one.url}/?view=configs")
        assert until(browser, lambda: f"ga_settings in {store.rpartition('/')[2]}" in text_of(browser))
        assert one.stop() == 0
        assert "Traceback" not in one.said()


def text_of(browser: Any) -> str:
    return str(browser.find_element(By.TAG_NAME, "body").text)
