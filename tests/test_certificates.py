"""The system's certificates: a company's proxy signs HTTPS with one that only the system knows."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ga_pygame.clock import SystemClock
from ga_pygame.delivery import certificates
from ga_pygame.delivery.transport import RequestsTransport
from ga_pygame.protocol import Reply, Request

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a company's certificate, and one for 127.0.0.1 that it signed."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    own = [*new, "-subj", "/CN=The company", "-keyout", "company.key", "-out", "company.pem"]
    server = [*new, "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1", "-addext"]
    server += ["basicConstraints=CA:FALSE", "-CA", "company.pem", "-CAkey", "company.key"]
    for command in (own, [*server, "-keyout", "server.key", "-out", "server.pem"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def url(made: Path) -> Iterator[str]:
    """Serve HTTPS on loopback, with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "server.pem", made / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with plain, context.wrap_socket(plain, server_side=True) as client:
                        client.settimeout(5)
                        read = b""
                        while not read.endswith(b"[]"):  # closing with an unread body would take back the answer
                            if not (more := client.recv(65536)):
                                break
                            read += more
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
                except OSError:  # the client does not trust us
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v2/x/events"
        with contextlib.suppress(OSError):  # Windows
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def asked(url: str) -> Reply:
    transport = RequestsTransport(5.0, SystemClock())
    try:
        return transport.send(Request(url, b"[]", {})).poll()
    finally:
        transport.close()


def test_a_certificate_of_the_systems_store_is_trusted(url: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of players behind an antivirus program or a company's proxy arrive; nobody else's certificate does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made / "company.pem"))  # what OpenSSL reads as the system's
    assert asked(url).status == 200
    monkeypatch.delenv("SSL_CERT_FILE")
    refused = asked(url)
    assert refused.status is None
    assert not refused.maybe_handled
    assert "certificate" in refused.error


def test_one_damaged_certificate_of_windows_does_not_hide_the_others(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python loads the whole store at once, and none of it if one certificate cannot be read."""
    good = ssl.PEM_cert_to_DER_cert((made / "company.pem").read_text(encoding="ascii"))
    stores = {
        "CA": [(b"damaged", "x509_asn", True), (good, "pkcs_7_asn", True), (good, "x509_asn", {"1.3.6.1.5.5.7.3.4"})],
        "ROOT": [(b"", "x509_asn", True), (good, "x509_asn", {"1.3.6.1.5.5.7.3.1"})],
    }

    def fail(*_: object) -> None:
        raise ssl.SSLError("not enough data: cadata does not contain a certificate")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", fail)
    monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)
    context = certificates.system_context()
    assert context.get_ca_certs(binary_form=True) == [good]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_the_keychain_of_macos_is_asked_by_truststore(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL cannot read it. Without truststore, OpenSSL's own store is used."""
    asked_for: list[Any] = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "truststore", SimpleNamespace(SSLContext=asked_for.append))
    certificates.system_context()
    assert asked_for == [ssl.PROTOCOL_TLS_CLIENT]
    monkeypatch.setitem(sys.modules, "truststore", None)
    assert certificates.system_context().verify_mode is ssl.CERT_REQUIRED
