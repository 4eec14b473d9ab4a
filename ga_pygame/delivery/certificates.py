"""Makes the TLS context that trusts what the player's system trusts, beside the certificates of `requests`.

An antivirus program or a company's proxy that opens HTTPS signs it anew with a certificate of its own, which is only in
the system's store. Without that store no event of such a player would ever arrive.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from typing import Any

_FOR_SERVERS = "1.3.6.1.5.5.7.3.1"
"""The purpose of a certificate that may sign those of servers. Source: RFC 5280, id-kp-serverAuth."""


def system_context() -> ssl.SSLContext:
    """Make a TLS context with the system's certificates; takes 5 to 30 ms, on a worker's thread.

    Certificates that do not keep all of RFC 5280 are taken, as before Python 3.13: those of antivirus programs and
    proxies often do not.
    """
    from urllib3.util import ssl_  # noqa: PLC0415 - loaded with requests, on the worker

    if sys.platform == "darwin":  # OpenSSL cannot read the keychain, which truststore asks
        with contextlib.suppress(ImportError):
            import truststore  # noqa: PLC0415 - the same

            made: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return made
    context = ssl_.create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        context.load_default_certs()
    except OSError:  # on Windows a single certificate that cannot be read; SSLError is an OSError
        _load_one_by_one(context)
    return context


def _load_one_by_one(context: ssl.SSLContext) -> None:
    """Load the certificates of Windows' stores without those that cannot be read."""
    listed: Any = getattr(ssl, "enum_certificates", lambda _store: ())
    for store in ("CA", "ROOT"):
        with contextlib.suppress(OSError):
            for certificate, encoding, purposes in listed(store):
                if encoding == "x509_asn" and (purposes is True or _FOR_SERVERS in purposes):
                    with contextlib.suppress(OSError, ValueError):  # damaged, empty
                        context.load_verify_locations(cadata=certificate)
