"""The samples of the docs for nginx and Caddy, with TLS in front of a real collector."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.clickhouse_servers import free_ports
from tests.collectors import EVENTS, Collector, event, sign
from tests.conftest import ROOT, eventually

PROGRAMS = "/usr/sbin:/usr/bin"
"""Where Debian has them."""


class Proxied(NamedTuple):
    """A collector and a proxy in front of it.

    Attributes:
        collector: The collector.
        url: The proxy's address.
        certificate: The file with the proxy's certificate.
    """

    collector: Collector
    url: str
    certificate: Path


def sample_of(language: str, collector: Collector, folder: Path) -> str:
    """Return the sample of the docs for this proxy, for this collector and with the certificate in the folder."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (sample,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    sample = sample.replace("127.0.0.1:8420", collector.url.removeprefix("http://"))
    return str(sample.replace("/etc/letsencrypt/live/events.example.com", str(folder)))


def nginx(sample: str, port: int, folder: Path) -> list[str]:
    """Write the files of nginx; return the command that starts it."""
    server = sample.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    server = server.replace("events.example.com", "localhost")
    folders = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/pid; daemon off; error_log {folder}/error.log; events {{}}"
        f" http {{ access_log off; {folders} {server} }}",
        encoding="utf-8",
    )
    return ["nginx", "-c", str(config), "-p", str(folder)]


def caddy(sample: str, port: int, folder: Path) -> list[str]:
    """Write the file of Caddy, with our certificate instead of one that it asks an authority for."""
    inside = f"{{\n    tls {folder}/fullchain.pem {folder}/privkey.pem\n    bind 127.0.0.1\n"
    site = sample.replace("events.example.com {", f"https://localhost:{port} {inside}")
    assert site.startswith("https://")
    config = folder / "Caddyfile"
    config.write_text(
        f"{{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n"
        f"    storage file_system {folder}/caddy\n}}\n{site}",
        encoding="utf-8",
    )
    return ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]


KINDS: dict[str, Callable[[str, int, Path], list[str]]] = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(params=KINDS)
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    """Start a collector and a proxy in front of it."""
    program = shutil.which(request.param, path=PROGRAMS)
    if not (program and shutil.which("openssl")):
        pytest.skip(f"needs {request.param} and openssl")
    collector = Collector(tmp_path, "--proxy", "127.0.0.1", "--rate-limit", "0.2")
    pem, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(made, check=True, capture_output=True)
    (port,) = free_ports(1)
    arguments = KINDS[request.param](sample_of(request.param, collector, tmp_path), port, tmp_path)
    own = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    said = (tmp_path / "said").open("wb")
    process = subprocess.Popen([program, *arguments[1:]], stdout=said, stderr=said, env={**os.environ, **own})
    said.close()
    try:
        yield Proxied(collector, f"https://localhost:{port}", pem)
    finally:
        process.terminate()
        process.wait(20)
        assert collector.stop() == 0


def test_games_come_through_and_the_page_does_not(proxied: Proxied) -> None:
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
