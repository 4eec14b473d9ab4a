"""Checks a server's address, from code or from an environment variable."""

from __future__ import annotations

POGR_URL = "https://api.pogr.io/v1/intake"
TROPHY_URL = "https://api.trophy.so/v1"
MAX_ADDRESS = 2_000
"""Longest address of a server, in characters; a longer one is refused."""
DEFAULT_PORT = 8420
"""The port of a collector to which no other one is given."""
_MAX_SHOWN_ADDRESS = 80
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.:%")


def address(field: str, value: object, *, path: bool = True) -> str:
    """Check an address; return it without spaces or quotes around it, and without a slash at its end.

    Args:
        field: The name of the knob or argument, for the message.
        value: What was given.
        path: Whether the address may have a path, as behind a proxy. Our own collector's has none.

    Raises:
        ValueError: It is no address; the message gives the reason, without a password or a query.
    """
    if not isinstance(value, str):
        hint = "; give value.decode()" if isinstance(value, bytes | bytearray) else ""
        raise ValueError(f"{field}: must be a string such as http://127.0.0.1:8420, not a {type(value).__name__}{hint}")
    text = unquoted(str.__str__(value))
    problem, found = _read(text, path=path)
    if problem:
        raise ValueError(f"{field} {_shown(text)!r}: {problem}")
    return found


def port_option(address: str) -> str:
    """Return the option with which a command finds the collector at an address; "" for the default port."""
    port = address.rstrip("/").rpartition(":")[2]
    return f" --port {port}" if port.isdecimal() and int(port) != DEFAULT_PORT else ""


def unquoted(text: str) -> str:
    """Strip spaces and a pair of quotes around a text; on Windows, `set NAME="value"` keeps the quotes."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _shown(text: str) -> str:
    """Format an address for a message, without a password (before an @) and a token (in a query)."""
    start = text.find("://") + 3 if "://" in text else 0
    head, rest = text[:start], text[start:]
    if "@" in rest:
        rest = "\u2026@" + rest.rpartition("@")[2]
    for mark in "?#":
        before, found, _ = rest.partition(mark)
        rest = f"{before}{mark}\u2026" if found else before
    shown = head + rest
    return shown if len(shown) <= _MAX_SHOWN_ADDRESS else f"{shown[:_MAX_SHOWN_ADDRESS]}\u2026"


def _read(text: str, *, path: bool) -> tuple[str, str]:  # noqa: PLR0911 - one line for each thing that can be wrong
    """Return what is wrong with an address, "" if nothing is, and the normalised address."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - 3 ms, only where an address is given

    if not text.lower().startswith(("http://", "https://")):
        is_bare = text and "://" not in text and "@" not in text and " " not in text
        missing = "" if path or ":" in text or "/" in text else ":8420"
        hint = f"; give http://{_shown(text)}{missing}" if is_bare else ""
        return f"must start with http:// or https://{hint}", ""
    if len(text) > MAX_ADDRESS:
        return f"has {len(text)} characters; at most {MAX_ADDRESS} are taken", ""
    if not text.isprintable() or " " in text or "\\" in text or '"' in text:
        return "has a space, a quote, a backslash or a line break in it", ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "is no address: an IPv6 address needs both its brackets, as in http://[::1]:8420", ""
    if "@" in parts.netloc or "@" in text:
        return "must have no user name and no password in it; keys are given by game_key and secret_key", ""
    if "[" not in parts.netloc and parts.netloc.count(":") > 1:
        return "an IPv6 address needs brackets, as in http://[::1]:8420", ""
    if not parts.hostname:
        return "names no server; a whole address is http://127.0.0.1:8420", ""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        return "the port must be a number from 1 to 65535, as in http://127.0.0.1:8420", ""
    if wrong := _wrong_host(parts.hostname):
        return wrong, ""
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return "must end before the ? or #: give the server's address only", ""
    rest = parts.path.rstrip("/")
    if rest and not path:
        return f"must have no path: give {parts.scheme}://{parts.netloc}", ""
    return "", f"{parts.scheme}://{parts.netloc}{rest}"


def _wrong_host(host: str) -> str:
    """Return what is wrong with a server's name, "" if nothing is."""
    try:
        plain = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return "the server's name has characters that no name may have"
    if not set(plain) <= _HOST:
        return "the server's name has characters that no name may have"
    labels = plain.removesuffix(".").split(".")
    if ":" not in plain and not all(0 < len(label) <= 63 for label in labels):
        return "the server's name must be parts of 1 to 63 characters, joined by dots"
    if all(label.isdigit() for label in labels) and (len(labels) != 4 or any(int(label) > 255 for label in labels)):
        return "an IPv4 address has four numbers from 0 to 255, as in 127.0.0.1"
    return ""
