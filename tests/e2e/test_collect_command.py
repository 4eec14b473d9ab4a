"""`python -m ga_pygame collect` and `export` as a developer runs them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

import ga_pygame
from ga_pygame.collector.storage import store
from tests.collectors import ANNOTATIONS
from tests.fork_server import run_command

if sys.platform == "linux":
    import resource

KEY = "5c6bcb5402204249437fb5a7a80a4959"
SECRET = b"16813a12f718bc5c620f56944e1abc3ea13ccbac"
COMMAND = [sys.executable, "-m", "ga_pygame"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


class Collector:
    """A running `collect`; `with` ends it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "collect", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()
        self.port = int(self.first.rsplit(":", 1)[1])

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return code, self.process.stdout.read(), self.process.stderr.read()

    def send(self, *events: dict[str, Any]) -> int:
        body = json.dumps(list(events), ensure_ascii=False).encode()
        signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", f"/v2/{KEY}/events", body, {"Authorization": signature})
            return connection.getresponse().status
        finally:
            connection.close()


def design(**fields: Any) -> dict[str, Any]:
    return {
        "category": "design",
        "event_id": "kill:slime",
        "client_ts": 1_760_000_000,
        **ANNOTATIONS,
        "event_uuid": str(uuid.uuid4()),
        **fields,
    }


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_first_line_and_end(tmp_path: Path, ending: signal.Signals) -> None:
    """The first line names the address once connections are taken; a stop ends it at once with code 0."""
    database = tmp_path / "events.sqlite3"
    with Collector("--port", "0", "--db", str(database), "--no-page") as collector:
        assert collector.first == f"listening on http://127.0.0.1:{collector.port}\n"
        assert collector.send(design()) == 200
        code, out, err = collector.end(ending)
        assert code == 0
        assert str(database) in out
        assert SECRET.decode() not in out
        assert err == ""
    left = {path.name for path in tmp_path.iterdir()}
    assert {"events.sqlite3"} <= left <= {"events.sqlite3", "events.duckdb"}  # if it had looked for events


def test_open_connection_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A game that keeps its connection open does not keep the collector from ending."""
    with (
        Collector("--port", "0", "--db", str(tmp_path / "x.sqlite3"), "--no-page") as collector,
        socket.create_connection(("127.0.0.1", collector.port)) as connection,
    ):
        connection.sendall(b"POST /v2/x/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[")
        assert collector.end(signal.SIGTERM)[0] == 0


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads the command from /proc")
def test_secret_keys_stay_out_of_the_list_of_processes(tmp_path: Path) -> None:
    """Other users of the machine can read a command; games from a file or the environment are not in it."""
    secret = "0123456789abcdef01234567" + "89abcdef" * 2
    file = tmp_path / "games"
    file.write_text(f"{'a' * 32}:{secret}\n")
    with Collector("--port", "0", "--no-page", "--games", str(file), GA_PYGAME_GAMES=f"{'b' * 32}:{secret}") as one:
        assert secret.encode() not in Path(f"/proc/{one.process.pid}/cmdline").read_bytes()


def test_several_side_by_side(tmp_path: Path) -> None:
    """Collectors on different ports do not see each other's events, also with their default files."""
    environment = {"GA_PYGAME_DATA_DIR": str(tmp_path)}
    with Collector("--port", "0", "--no-page", **environment) as one:
        with Collector("--port", "0", "--no-page", **environment) as other:
            assert one.port != other.port
            assert one.send(design()) == 200
            connection = http.client.HTTPConnection("127.0.0.1", other.port)
            connection.request("GET", "/api/summary")
            assert json.loads(connection.getresponse().read())["accepted"] == {}
            connection.close()
            assert other.end(signal.SIGTERM)[0] == 0
        assert one.end(signal.SIGTERM)[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_default_file_is_in_the_data_folder(tmp_path: Path) -> None:
    """Without --db events are kept in a file of the port, in the data folder, named on the second line."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path / "data"
    with Collector("--port", str(port), "--no-page", GA_PYGAME_DATA_DIR=str(folder)) as collector:
        _, out, _ = collector.end(signal.SIGTERM)
        assert str(folder / f"collector-{port}.sqlite3") in out
    assert (folder / f"collector-{port}.sqlite3").is_file()


def test_acknowledged_events_survive_a_kill(tmp_path: Path) -> None:
    """Events that were answered 200 before a kill -9 are in the file afterwards."""
    database = tmp_path / "events.sqlite3"
    acknowledged: list[str] = []
    with Collector("--port", "0", "--db", str(database), "--no-page") as collector:
        enough = threading.Event()

        def send() -> None:
            try:
                while True:
                    events = [design() for _ in range(20)]
                    if collector.send(*events) != 200:
                        return
                    acknowledged.extend(event["event_uuid"] for event in events)
                    if len(acknowledged) > 600:
                        enough.set()
            except (OSError, http.client.HTTPException):
                return

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        collector.process.kill()
        for thread in threads:
            thread.join()
    stored = {json.loads(line)["event_uuid"] for line in run("export", "--db", str(database)).stdout.splitlines()}
    assert set(acknowledged) <= stored


def test_export_while_it_runs(tmp_path: Path) -> None:
    """The export prints stored and rejected events as sent, in order, while the collector goes on."""
    database = tmp_path / "events.sqlite3"
    sent = [design(number=10**25 + number, text="ü \u2028 ✓", z={"b": 1, "a": [1.0]}) for number in range(5)]
    with Collector("--port", "0", "--db", str(database), "--no-page") as collector:
        for one in sent:
            assert collector.send(one) == 200
        assert collector.send(design(v=1)) == 400
        stored = run("export", "--db", str(database), PYTHONIOENCODING="ascii")
        assert stored.returncode == 0
        lines = stored.stdout.rstrip("\n").split("\n")
        assert [list(json.loads(line).items()) for line in lines] == [list(one.items()) for one in sent]
        rejected = json.loads(run("export", "--db", str(database), "--rejected").stdout)
        assert rejected["event"]["v"] == 1
        assert rejected["errors"][0]["path"] == "/v"
        code, _, err = collector.end(signal.SIGTERM)
        assert code == 0
        assert "rejected design: v 1: must be exactly 2" in err


def test_export_into_a_closed_pipe(tmp_path: Path) -> None:
    """`export | head` ends without a traceback."""
    database = tmp_path / "events.sqlite3"
    with Collector("--port", "0", "--db", str(database), "--no-page") as collector:
        for _ in range(10):
            assert collector.send(*(design() for _ in range(200))) == 200
    export = subprocess.Popen(
        [*COMMAND, "export", "--db", str(database)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert export.stdout is not None
    assert export.stderr is not None
    assert export.stdout.readline().startswith(b"{")
    export.stdout.close()
    assert export.stderr.read() == b""
    export.stderr.close()
    export.wait(timeout=20)


def test_a_misspelt_option_shows_the_options_of_its_command() -> None:
    """Not those of the program, which have nothing to do with it."""
    result = run("export", "--rejcted")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: python -m ga_pygame export")
    assert result.stderr.endswith("unrecognized arguments: --rejcted\n")


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    """Port in use, bad key, bad file: one line that says what to do, and a non-zero exit code."""
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes, not a database of anything")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = [
            (("collect", "--port", port, "--db", str(tmp_path / "x")), "--port 0"),
            (("collect", "--port", "0", "--game", "secret"), "--game"),
            (("collect", "--port", "0", "--db", str(text)), "--db"),
            (("collect", "--port", "0", "--db", str(tmp_path / "no" / "x")), "does not exist"),
            (("collect", "--port", "0", "--host", "no.such.host.invalid"), "--host"),
            (("collect", "--port", "0", "--host", "192.0.2.5"), "This machine has no such address"),
            (("collect", "--port", "0", "--configs", str(text)), "settings file"),
            (("collect", "--port", "0", "--trophy-rules", str(text)), "Trophy rules"),
            (("collect", "--port", "0", "--trophy-rules", str(tmp_path / "none")), "cannot read"),
            (("collect", "--port", "0", "--pogr-client", "no build"), "--pogr-client"),
            (("export", "--db", str(tmp_path / "none")), "no file"),
            (("export", "--db", str(text)), "cannot read"),
        ]
        for number, (arguments, words) in enumerate(cases):
            if number:  # forked, since each start takes half a second
                code, out, error = run_command(*arguments)
            else:
                result = run(*arguments)
                code, out, error = result.returncode, result.stdout, result.stderr
            assert code == 1, arguments
            assert out == ""
            (line,) = error.splitlines()
            assert words in line
            assert "secret" not in line.replace("secret key", "")


@pytest.mark.parametrize("arguments", [("collect", "--port", "0"), ("collect", "--port", "0", "--no-page")])
def test_missing_extra_is_explained(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Without the collector's extra the command says how to install it."""
    blocked = "nicegui" if len(arguments) == 3 else "uvicorn"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{blocked!r}] = None\n")
    result = run(*arguments, PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith('pip install "ga-pygame[collector]"')


def test_trophy_rules_can_be_printed_and_used(tmp_path: Path) -> None:
    """The default rules are printed with their explanations, and what was printed is a file of rules."""
    printed = run("collect", "--print-trophy-rules", PYTHONIOENCODING="ascii")
    assert printed.returncode == 0
    assert "--trophy-rules" in printed.stdout
    path = tmp_path / "trophy.toml"
    path.write_text(printed.stdout)
    with Collector("--port", "0", "--no-page", "--trophy-rules", str(path)) as collector:
        connection = http.client.HTTPConnection("127.0.0.1", collector.port)
        connection.request("GET", "/v1/leaderboards", headers={"X-API-KEY": "app_x.y"})
        assert json.loads(connection.getresponse().read())[0]["key"] == "most-stars"
        connection.close()
        assert collector.end(signal.SIGTERM)[0] == 0


def test_version_and_help() -> None:
    """The command tells its version and what it can do."""
    assert run("--version").stdout == f"ga_pygame {ga_pygame.__version__}\n"
    for arguments in ((), ("--help",)):
        assert "collect" in run(*arguments).stdout
    assert "--port" in run("collect", "--help").stdout


def test_without_the_page_its_library_is_not_loaded(tmp_path: Path) -> None:
    """`--no-page` starts without NiceGUI, and `/` answers in JSON."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['nicegui'] = None\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with Collector("--port", "0", "--no-page", PYTHONPATH=path) as collector:
        connection = http.client.HTTPConnection("127.0.0.1", collector.port)
        connection.request("GET", "/")
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["page"]) == (200, False)
        connection.close()
        assert collector.end(signal.SIGTERM)[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_full_disk_is_not_acknowledged(tmp_path: Path) -> None:
    """Events that cannot be written get an empty 503, so that senders keep them; later ones are accepted."""
    database = tmp_path / "events.sqlite3"
    with Collector("--port", "0", "--db", str(database), "--no-page") as collector:
        assert collector.send(design()) == 200
        limit = sum(path.stat().st_size for path in tmp_path.glob("*")) + 4096
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        big = {"message": "x" * 4000}
        assert collector.send(*(design(**big) for _ in range(100))) == 503
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert collector.send(design()) == 200
        code, _, err = collector.end(signal.SIGTERM)
        assert code == 0
        assert "cannot store events" in err
    assert len(run("export", "--db", str(database)).stdout.splitlines()) == 2


def test_export_takes_the_collectors_own_file(tmp_path: Path) -> None:
    """Without --db it is the file of the collector on that port; a missing one is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    folder = {"GA_PYGAME_DATA_DIR": str(tmp_path)}
    missing = run("export", "--port", port, **folder)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert str(tmp_path / f"collector-{port}.sqlite3") in missing.stderr
    assert "--db" in missing.stderr
    assert "--db" in run("export", "--port", "0", **folder).stderr
    assert run("export", "--port", "many", **folder).returncode == 2
    with contextlib.closing(store.Store(tmp_path / f"collector-{port}.sqlite3")) as opened:
        raw = b'{"category":"design","event_id":"a\xc2\x9b31m\xe2\x80\xae"}'
        rejected = store.RejectedEvent("design", raw, json.dumps([{"reason": "\u202e\x9b"}], ensure_ascii=False))
        accepted = [({"category": "design"}, raw)]
        opened.submit(store.Submission("0" * 32, 1.0, accepted, [rejected], 1)).result(timeout=20)
    for more in ((), ("--rejected",)):
        done = run("export", "--port", port, *more, **folder)
        assert done.returncode == 0
        assert "\\u009b" in done.stdout
        assert "\\u202e" in done.stdout
        assert not set("\x9b\u202e") & set(done.stdout)


@pytest.mark.skipif(os.name != "posix", reason="/dev/full is posix")
def test_export_that_cannot_print_says_so(tmp_path: Path) -> None:
    """A full disk behind the output is one line and exit code 1; a closed output is no traceback."""
    database = tmp_path / "events.sqlite3"
    with contextlib.closing(store.Store(database)) as opened:
        opened.submit(store.Submission("0" * 32, 1.0, [({"category": "user"}, b"{}")], (), 1)).result(timeout=20)
    command = " ".join([*COMMAND, "export", "--db", str(database)])
    full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert full.stderr.startswith("ga_pygame: cannot print")
    closed = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_path_that_the_terminal_cannot_show(tmp_path: Path, encoding: str) -> None:
    """A terminal's encoding stops nothing: what it cannot show is escaped, and the path stays on its line."""
    path = tmp_path / "\u0418\u0432\u0430\u043d\n.sqlite3"
    with Collector("--port", "0", "--no-page", "--db", str(path), PYTHONIOENCODING=encoding) as collector:
        assert collector.process.stdout is not None
        assert "\\u0418" in collector.process.stdout.readline()
        assert path.exists()
    result = run("export", "--db", str(path.with_name("\u0418")), PYTHONIOENCODING=encoding)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
