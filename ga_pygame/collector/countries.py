"""The country of a sender, looked up by the address of the request in a GeoIP file. The address is kept nowhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ga_pygame.collector.teller import Tell

if TYPE_CHECKING:
    import maxminddb

MAX_FORWARDED_CHARACTERS = 1024
"""Characters of `X-Forwarded-For` that are read; the first address is the player's, each proxy adds one behind it."""
_COUNTRY = re.compile("[A-Z]{2}")
_LOCAL = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
"""Networks whose addresses say nothing about a country. Sources: RFC 1918, RFC 6598, RFC 4193."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class GeoIpError(Exception):
    """The GeoIP file cannot be used; the message says why and what to do."""


class Countries:
    """Looks up countries in a file of the MaxMind DB format, such as GeoLite2-Country; any thread.

    Args:
        path: The file; `None` for no look-up.
        tell: Told once if the file is damaged.

    Raises:
        GeoIpError: It cannot be opened, or is no such file.
    """

    def __init__(self, path: Path | None, tell: Tell) -> None:
        self._tell = tell
        self._reader: maxminddb.Reader | None = None
        if path is not None:
            self._reader = _geoip_reader(path)

    def of(self, forwarded: str | None, peer: str) -> str:
        """Return the country of a request's sender as two letters (ISO 3166-1); "" if it is not known.

        Args:
            forwarded: The header `X-Forwarded-For` if its sender may be believed; then the peer does not count.
            peer: The address of the other end of the connection.
        """
        if self._reader is None:
            return ""
        address = forwarded_address(forwarded) if forwarded is not None else player_address(peer)
        if address is None:
            return ""
        try:
            return country_in(self._reader.get(address))
        except ValueError:  # an IPv6 address, and a file that has none
            return ""
        except Exception as error:  # noqa: BLE001 - a damaged file raises many kinds; the events count more
            self._tell("geoip", f"--geoip: the file is damaged ({type(error).__name__}): events get no country")
            return ""

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()


def _geoip_reader(path: Path) -> maxminddb.Reader:
    import maxminddb  # noqa: PLC0415 - only with --geoip

    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        words = "give a database of countries in MaxMind's format (.mmdb), e.g. GeoLite2-Country.mmdb"
        raise GeoIpError(f"--geoip: cannot use {path}: {error}; {words}") from error


def forwarded_address(header: str) -> IpAddress | None:
    """Return the first address of the header `X-Forwarded-For` that can have a country; `None` if there is none.

    Source: REST v2, Server Implementation; MDN, X-Forwarded-For (the leftmost address is the client's).
    """
    parts = header[:MAX_FORWARDED_CHARACTERS].split(",")
    if len(header) > MAX_FORWARDED_CHARACTERS:
        parts = parts[:-1]  # it may be cut
    return next((address for part in parts if (address := player_address(part)) is not None), None)


def player_address(text: str) -> IpAddress | None:
    """Read an address, also with a port, brackets, quotes or a zone; `None` if it is none or can have no country."""
    bare = text.strip().strip('"').partition("%")[0]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    address = (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
    is_local = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return None if is_local or any(address in network for network in _LOCAL) else address


def country_in(found: Any) -> str:
    """Return the country in a record of a GeoIP file, as MaxMind, DB-IP and IPinfo write it; "" if there is none."""
    if not isinstance(found, Mapping):
        return ""
    for name in ("country", "country_code", "registered_country"):
        value = found.get(name)
        code = value.get("iso_code") if isinstance(value, Mapping) else value
        if isinstance(code, str) and _COUNTRY.fullmatch(code):
            return code
    return ""


def with_country(event: Mapping[str, Any], raw: bytes, country: str) -> bytes:
    """Return an event's JSON with `country_code`; unchanged if it has one, e.g. after an import.

    Args:
        event: The decoded event, which has at least its required fields.
        raw: The same event as JSON.
        country: Two letters.
    """
    if "country_code" in event:
        return raw
    return b'{"country_code":"%b",%b' % (country.encode(), raw.lstrip()[1:])
