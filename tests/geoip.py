"""Writes a small GeoIP file, in the format of those that MaxMind, DB-IP and IPinfo publish."""

from __future__ import annotations

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

GERMAN, SWEDISH, FRENCH = "203.0.113.7", "2001:db8:1::7", "198.51.100.9"


def geoip_file(path: Path) -> Path:
    """Write a file with the records of three vendors, and one that makes no sense."""
    writer = MMDBWriter(6, ipv4_compatible=True, database_type="Test-Country")
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "DE", "names": {"en": "Germany"}}})
    writer.insert_network(IPSet(["2001:db8:1::/48"]), {"country_code": "SE", "country": "Sweden"})
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"registered_country": {"iso_code": "FR"}})
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"country": {"iso_code": 7}})
    writer.to_db_file(str(path))
    return path
