"""The sample of the docs for nginx, with TLS in front of a real collector."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.collectors import EVENTS, Collector, event, sign
from tests.conftest import ROOT, eventually

pytestmark = pytest.mark.skipif(
    not (shutil.which("nginx", path="/usr/sbin:/usr/bin") and shutil.which("openssl")), reason="needs nginx and openssl"
)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[Collector, str, Path]]:
    """Start a collector and nginx in front of it; return it, nginx' address and its certificate."""
    collector = Collector(tmp_path, "--proxy", "127.0.0.1", "--rate-limit", "0.2")
    pem, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(made, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (server,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    server = server.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace(
        "127.0.0.1:8420", collector.url[7:]
    )
    server = server.replace("/etc/letsencrypt/live/events.example.com", str(tmp_path))
    server = server.replace("events.example.com", "localhost")
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; daemon off; error_log {tmp_path}/error.log; events {{}}"
        f" http {{ access_log off; {folders} {server} }}",
        encoding="utf-8",
    )
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", str(config), "-p", str(tmp_path)], stderr=subprocess.PIPE)
    try:
        yield collector, f"https://localhost:{port}", pem
    finally:
        nginx.terminate()
        nginx.communicate(timeout=20)
        assert collector.stop() == 0


def test_games_come_through_and_the_page_does_not(proxied: tuple[Collector, str, Path]) -> None:
    """The signature fits as the body is not touched; the limit counts the senders behind the proxy, not the proxy."""
    collector, url, pem = proxied

    def send(sender: str = "") -> requests.Response:
        body = gzip.compress(json.dumps([event(event_id="through:it")]).encode())
        headers = {"Authorization": sign(body), "Content-Encoding": "gzip", "Content-Type": "application/json"}
        if sender:
            headers["X-Forwarded-For"] = sender
        return requests.post(f"{url}{EVENTS}", body, headers=headers, verify=str(pem), timeout=20)

    def answers() -> bool:
        try:
            return requests.get(f"{url}/healthz", verify=str(pem), timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    assert eventually(answers, 20)
    assert requests.get(f"{url}/readyz", verify=str(pem), timeout=20).json() == {"status": "ready"}
    for path in ("/", "/api/summary", "/metrics", "/_emu/faults", "/v2x"):
        assert requests.get(f"{url}{path}", verify=str(pem), timeout=20).status_code == 404
    assert [send().status_code, send("198.51.100.1").status_code] == [200, 200]
    refused = send("198.51.100.2")  # what a sender writes there itself is not believed
    assert (refused.status_code, refused.content) == (429, b"")
    assert int(refused.headers["Retry-After"]) >= 1
    assert collector.ask("GET", "/api/summary").json()["accepted"] == {"design": 2}
