"""Server addresses in the forms in which people write them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_pygame.addresses import MAX_ADDRESS, address, port_option
from ga_pygame.clients import TrophyClient
from ga_pygame.config import Config, load
from ga_pygame.destinations import POGR, GameAnalytics, Trophy
from tests.test_forms import refuse

GOOD = "http://127.0.0.1:8420"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, GOOD),
        (f"{GOOD} ", GOOD),
        (f"\t{GOOD}\r\n", GOOD),
        (f'"{GOOD}"', GOOD),
        (f" '{GOOD}/' ", GOOD),
        (f"{GOOD}/", GOOD),
        (f"{GOOD}//", GOOD),
        ("HTTP://LocalHost:8420", "http://LocalHost:8420"),
        ("https://example.org", "https://example.org"),
        ("http://[::1]:8420/", "http://[::1]:8420"),
        ("http://my_machine.local:1", "http://my_machine.local:1"),
        ("http://bücher.example", "http://bücher.example"),
    ],
)
def test_what_surrounds_an_address_is_taken_off(text: str, expected: str) -> None:
    """Spaces, quotes and slashes come from shells and files; they are no mistake."""
    assert address("collector", text, path=False) == expected
    assert Config(collector=text).collector == Config(endpoint=text).endpoint == expected
    assert load({}, {"GA_PYGAME_COLLECTOR": text}, refuse).collector == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must start with http:// or https://"),
        ("localhost:8420", "give http://localhost:8420"),
        ("127.0.0.1", "give http://127.0.0.1"),
        ("ftp://127.0.0.1:8420", "must start with http:// or https://"),
        ("file:///tmp/x", "must start with http:// or https://"),
        ("http:/127.0.0.1:8420", "must start with http:// or https://"),
        ("http://", "names no server"),
        ("http:///path", "names no server"),
        ("http://:8420", "names no server"),
        ("http://?x", "names no server"),
        ("http://127.0.0.1:notaport", "port must be a number from 1 to 65535"),
        ("http://127.0.0.1:99999", "port must be a number from 1 to 65535"),
        ("http://127.0.0.1:0", "port must be a number from 1 to 65535"),
        ("http://127.0.0.1:-1", "port must be a number from 1 to 65535"),
        ("http://127.0.0.1:", "port must be a number from 1 to 65535"),
        ("http://::1:8420", "needs brackets"),
        ("http://[::1:8420", "needs both its brackets"),
        ("http://[nonsense]:8420", "needs both its brackets|no name may have"),
        ("http://127.0.0.1:8420?x=1", "before the ?"),
        ("http://127.0.0.1:8420/#top", "before the ?"),
        ("http://127.0.0.1:8420/?", "before the ?"),
        ("http://127.0.0.1 :8420", "has a space"),
        ("http://127.0.0.1\n:8420", "has a space"),
        ("http://127.0.0.1\x00:8420", "has a space"),
        ("http:\\\\127.0.0.1", "must start with"),
        ("http://a\\b", "a backslash"),
        ("http://127.0.0.256:8420", "four numbers"),
        ("http://8420", "four numbers"),
        ("http://a..b", "parts of 1 to 63"),
        (f"http://{'a' * 64}.org", "parts of 1 to 63|no name may have"),
        ("http://exa*mple", "no name may have"),
        (f"http://{'a/' * MAX_ADDRESS}", f"at most {MAX_ADDRESS}"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, words: str) -> None:
    """At construction for a keyword; for a variable it is said, and not used."""
    for knob in ("collector", "endpoint"):
        knobs: dict[str, Any] = {knob: text}
        with pytest.raises(ValueError, match=words) as caught:
            Config(**knobs)
        assert str(caught.value).startswith(knob)
        variable = f"GA_PYGAME_{knob.upper()}"
        warned: dict[str, str] = {}
        if text:
            assert getattr(load({}, {variable: text}, warned.__setitem__), knob) is None
            assert re.search(words, warned[variable])
            assert f"{variable} is not used" in warned[variable]


@pytest.mark.parametrize(
    "text",
    [
        "http://player:hunter2@127.0.0.1:8420",
        "http://hunter2@127.0.0.1",
        "player:hunter2@127.0.0.1",
        "ftp://player:hunter2@host",
        "http://player:hunter2/x@host:port",
        "http://player:hunter2@",
        "http://player:hun@hunter2@host",
        "http://player:hunter2@[::1",
        "http://127.0.0.1:8420/?token=hunter2",
        "http://127.0.0.1:8420/#hunter2",
    ],
)
def test_a_password_or_token_is_neither_taken_nor_shown(text: str) -> None:
    """Not in the error, not in the warning."""
    with pytest.raises(ValueError, match="collector") as caught:
        Config(collector=text)
    warned: list[str] = []
    load({}, {"GA_PYGAME_COLLECTOR": text, "GA_PYGAME_ENDPOINT": text}, lambda *said: warned.append(repr(said)))
    assert len(warned) == 2
    assert "hunter2" not in str(caught.value) + repr(caught.value.args) + "".join(warned)


@pytest.mark.parametrize("value", [5, b"http://127.0.0.1:8420", None, ["http://x"], True])
def test_only_a_string_is_an_address(value: object) -> None:
    """For any other value the message names its type."""
    with pytest.raises(ValueError, match=f"not a {type(value).__name__}"):
        address("collector", value)


def test_a_path_is_for_services_only() -> None:
    """A proxy may serve GameAnalytics below a path; our collector answers at its root."""
    assert Config(endpoint="https://example.org/ga/").endpoint == "https://example.org/ga"
    with pytest.raises(ValueError, match=r"give http://localhost:8420$"):
        address("collector", "localhost", path=False)
    with pytest.raises(ValueError, match=r"must have no path: give http://127\.0\.0\.1:8420"):
        Config(collector="http://127.0.0.1:8420/v2/events")


@settings(deadline=None)
@given(st.one_of(st.text(), st.text().map("http://".__add__)))
def test_any_text_is_taken_or_refused(text: str) -> None:
    """Nothing but a `ValueError`; what is taken is taken again as it is, and can be split."""
    try:
        found = address("collector", text)
    except ValueError:
        return
    assert address("collector", found) == found
    assert found.startswith(("http://", "https://"))


def test_a_service_is_given_an_address_too() -> None:
    """The destinations' and the client's own arguments go through the same door."""
    key = "0" * 32
    for wrong in ("example.org", "http://x:y@z", "http://x:notaport"):
        with pytest.raises(ValueError, match="endpoint"):
            GameAnalytics(key, "1" * 40, endpoint=wrong)
        with pytest.raises(ValueError, match="pogr_url"):
            POGR("client", "build", pogr_url=wrong)
        with pytest.raises(ValueError, match="base_url"):
            Trophy("app_1.2", metrics={"design": "x"}, base_url=wrong)
        with pytest.raises(ValueError, match="base_url"):
            TrophyClient("app_1.2", base_url=wrong)
    assert repr(POGR("client", "build", pogr_url=" https://example.org/v1/ ")) == "<POGR at https://example.org/v1>"


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ("http://127.0.0.1:8420", ""),
        ("http://127.0.0.1:8421", " --port 8421"),
        ("http://[::1]:8421/", " --port 8421"),
        ("http://[::1]", ""),
        ("https://stats.example.org", ""),
    ],
)
def test_the_option_of_a_port(given: str, option: str) -> None:
    """Advice names the port of the collector that is meant, else the command starts or reads another one."""
    assert port_option(given) == option
