"""Readers of the values of options: each returns a value, or says what is right."""

from __future__ import annotations

import argparse
import ipaddress


def as_rate(text: str) -> float:
    """Read requests a second; raise `ArgumentTypeError` if it is none."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 1e6:
        raise argparse.ArgumentTypeError("must be requests a second, from 0.01 to 1000000")
    return found


def as_ip_address(text: str) -> str:
    """Read an IP address; raise `ArgumentTypeError` if it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError("must be an IP address, such as 10.0.0.2") from None


def as_pair(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`; raise `ArgumentTypeError` if it is none."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def as_sql_name(text: str, also: str = "_") -> str:
    """Read a name of SQL; raise `ArgumentTypeError` if it is none."""
    letters = text.translate(dict.fromkeys(map(ord, also), "a"))
    if not (text.isascii() and letters.isalnum() and len(text) <= 64 and not text[0].isdigit()):
        raise argparse.ArgumentTypeError(f"must be a name of letters, digits and {also}")
    return text


def as_days(text: str) -> int:
    """Read a number of days; raise `ArgumentTypeError` if it is none."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 5 and int(text)):
        raise argparse.ArgumentTypeError("must be a whole number of days from 1")
    return int(text)


def as_units(text: str) -> int:
    """Read a whole number from 1; raise `ArgumentTypeError` if it is none."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 7 and int(text)):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def as_zone(text: str) -> str:
    """Read a time zone; raise `ArgumentTypeError` if it is none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - keeps --version quick

    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, LookupError) as error:
        raise argparse.ArgumentTypeError(f"there is no time zone {text!r}: use one such as Europe/Berlin") from error


def as_port(text: str) -> int:
    """Read a port; raise `ArgumentTypeError` if it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a whole number from 0 to 65535")
    return int(text)
