"""The tracker of a multiplayer server, which reports events on behalf of its players."""

from __future__ import annotations

import atexit
import ipaddress
import os
import re
import weakref
from collections.abc import Mapping
from typing import Any

from ga_pygame import attributes, config, forks
from ga_pygame.annotations import FIELDS, PARTS
from ga_pygame.areas.player_facts import FACT_RULES, checked_fact, without_surplus
from ga_pygame.checks import MISSING, InvalidEvent, exact_text
from ga_pygame.diagnostics import Diagnostics, Drop, Stats, guarded, request
from ga_pygame.forms import Seconds, Size
from ga_pygame.parts import Parts
from ga_pygame.records import Context
from ga_pygame.rules import build as build_rule
from ga_pygame.rules import user_id as user_id_rule
from ga_pygame.server.delivery import ServerDelivery
from ga_pygame.server.player import ServerPlayer
from ga_pygame.server.seats import Seat, Seats

SERVER_OUTBOX_BYTES = 256 * 2**20
"""The default of `max_outbox_bytes` for a server, of whose events many wait at once."""

KNOBS = frozenset(
    """
    game_key secret_key build collector endpoint data_dir game enabled strict currencies item_types dimension_values
    upload_interval request_timeout shutdown_timeout max_outbox_bytes resubmit_on_server_error attempt_seconds who
    """.split()
)
"""The knobs of `Config` that mean something for a server."""

ANNOTATIONS_OF_PLAYERS = frozenset({"platform", "os_version", *(one.name for one in PARTS["facts"])})
"""The annotations that a server may give for a player, by their names on the wire."""

_OFF = (
    "the server's tracker records nothing: {}. Give game_key and secret_key, or set GA_PYGAME_COLLECTOR to the address "
    "of a collector"
)


class ServerTracker:
    """Records events on behalf of the players of a multiplayer server; imports no pygame, needs no loop.

    Any thread, also that of an asyncio loop: a call takes some microseconds and does no I/O. None raises, except in
    `strict` mode and for wrong knobs. Two threads of its own store and send. Make it in the process that uses it, not
    before a fork. `close()` waits, so in asyncio write `await asyncio.to_thread(server.close)`.

    Args:
        max_players: Players who may play at once; events of further ones are dropped and counted.
        player_timeout: Seconds after which the session of a player without events ends; see `ServerPlayer.alive`.
        **knobs: Fields of `ga_pygame.config.Config`, as far as they mean something for a server.

    Raises:
        TypeError: There is no knob of that name.
        ValueError: A knob's value is wrong; the message says what is allowed.

    Attributes:
        config: The knobs in force.
    """

    _is_made = False
    __setattr__ = attributes.only()

    def __init__(self, *, max_players: int = 20_000, player_timeout: float = 300.0, **knobs: Any) -> None:
        self._assemble(Parts(), max_players, player_timeout, knobs)

    def _assemble(self, parts: Parts, max_players: int, player_timeout: float, knobs: Mapping[str, Any]) -> None:
        self._diagnostics = diagnostics = Diagnostics()
        self.config = _config_of(knobs, diagnostics)
        diagnostics.strict = self.config.strict
        clock = parts.clock()
        most, silence = Size()("max_players", max_players), Seconds(zero=False)("player_timeout", player_timeout)
        self._seats = Seats(clock.monotonic, parts.new_id, diagnostics, most, silence)
        self._players: weakref.WeakValueDictionary[str, ServerPlayer] = weakref.WeakValueDictionary()
        self._pid = os.getpid()
        self._delivery: ServerDelivery | None = None
        why = "enabled is off" if not self.config.enabled else "" if _has_keys(self.config) else "there are no keys"
        if why:
            diagnostics.warn_once("off", _OFF.format(why))
            self._seats.closed = Drop.NOT_RUNNING
        else:
            self._delivery = ServerDelivery(self.config, parts, clock, diagnostics, self._seats)
            self._delivery.runner.start()
            atexit.register(self.close)
            forks.share(self)
        self._is_made = True

    def __repr__(self) -> str:
        return f"<ServerTracker {'closed' if self._seats.closed else 'open'}, {len(self._seats)} players>"

    @guarded("player not recorded", lambda server, *_args, **_named: server._nobody())
    def player(
        self, /, user_id: str, *, ip: str | None = None, build: str | None = None, **annotations: object
    ) -> ServerPlayer:
        """Return a player, whose session begins now if none is running; the same object for the same id.

        What a later call does not give stays as it is.

        Args:
            user_id: The player's id, 1 to 64 characters.
            ip: The player's address, by which the service finds the country. It is kept in the data folder until the
                events are sent, and sent only in a header.
            build: The version of the player's game; default: the server's `build`.
            **annotations: What else is known of the player, by the names on the wire: `platform="windows"`,
                `os_version="windows 10.0.22631"`, `device`, `gender`, … (`ANNOTATIONS_OF_PLAYERS`). One that breaks its
                rule is left out, counted and reported.
        """
        user_id = user_id_rule("user_id", user_id)
        address = self._address(ip)
        extra = self._annotations(annotations)
        version = None if build is None else build_rule("build", build)
        with self._seats.lock:
            known = self._players.get(user_id)
            if known is None or not known._seat.is_open:
                known = self._made(Seat(Context(user_id, build=self.config.build)))
                self._players[user_id] = known
            before = known._seat.context
            known._change(build=version or before.build, extra=without_surplus({**(before.extra or {}), **extra}))
            known._seat.address = address or known._seat.address
            self._seats.sit(known._seat)
            return known

    def _made(self, seat: Seat) -> ServerPlayer:
        return ServerPlayer(seat, self._seats, self.config, self._diagnostics, self._write_now)

    def _nobody(self) -> ServerPlayer:
        """Make a player whose events are only counted, since the call was wrong."""
        seat = Seat(Context(""))
        seat.is_open = False
        return self._made(seat)

    def _write_now(self) -> None:
        if self._delivery is not None:
            self._delivery.runner.wake("writer")

    def _address(self, ip: object) -> str:
        """Return an address as the header may have it: no more than digits, letters, dots and colons.

        A scope (`fe80::1%eth0`) is left out: it may be any text, also one with line breaks, and names an interface of
        one machine only. An IPv4 address in an IPv6 one (`::ffff:203.0.113.7`) comes from a socket for both.
        """
        if ip is None:
            return ""
        try:
            is_made = isinstance(ip, ipaddress.IPv4Address | ipaddress.IPv6Address)
            found = ipaddress.ip_address(str(ip) if is_made else exact_text(ip) or "")
            if isinstance(found, ipaddress.IPv4Address):
                return str(found)
            return str(found.ipv4_mapped or ipaddress.IPv6Address(int(found)))
        except ValueError:
            words = 'must be an IPv4 or IPv6 address, such as "203.0.113.7"; it is left out'
            self._diagnostics.left_out(InvalidEvent("ip", ip, words, "ours", "no_match", private=True))
            return ""

    def _annotations(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the valid annotations; without a version of the system, the platform's name and 0.

        A flag that is `False` becomes `None`, which clears an earlier `True`.
        """
        found: dict[str, Any] = {}
        for name, value in given.items():
            try:
                if name not in ANNOTATIONS_OF_PLAYERS:
                    known = ", ".join(sorted(ANNOTATIONS_OF_PLAYERS))
                    raise InvalidEvent(
                        name, MISSING, f"there is no such annotation; there are: {known}", "ours", "no_match"
                    )
                if value is not None:
                    found[name] = checked_fact(name, value) if name in FACT_RULES else FIELDS[name].check(name, value)
            except InvalidEvent as error:
                self._diagnostics.left_out(error)
        if "platform" in found:
            found.setdefault("os_version", f"{found['platform']} 0")
        elif "os_version" in found:
            found["platform"] = re.split("[ 0-9]", found["os_version"], maxsplit=1)[0]
        return found

    @property
    def stats(self) -> Stats:
        """Counts of what happened to the events of this process so far."""
        return self._diagnostics.stats(self._delivery.unstored if self._delivery is not None else 0)

    @property
    def playing(self) -> int:
        """The number of players with a running session."""
        return len(self._seats)

    @request
    def close(self) -> None:
        """End all sessions, store all events, send what can be sent within `shutdown_timeout`; also called at exit.

        What is not sent by then is sent when the server starts again. Later calls do nothing.
        """
        delivery = self._delivery
        if delivery is None or os.getpid() != self._pid:
            return
        self._delivery = None
        atexit.unregister(self.close)
        self._seats.close()
        delivery.stop(self.config.shutdown_timeout)

    def __enter__(self) -> ServerTracker:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def let_go(self) -> None:
        """Record nothing in a forked child, which has no threads to store and send. See `forks`."""
        self._pid = -1
        self._seats.let_go()


def _config_of(knobs: Mapping[str, Any], diagnostics: Diagnostics) -> config.Config:
    for name in knobs:
        if name not in KNOBS:
            known = ", ".join(sorted(KNOBS | {"max_players", "player_timeout"}))
            raise TypeError(f"ServerTracker has no knob {name!r}; there are: {known}")
    room = {} if os.environ.get("GA_PYGAME_MAX_OUTBOX_BYTES") else {"max_outbox_bytes": SERVER_OUTBOX_BYTES}
    return config.load({**room, **knobs}, os.environ, diagnostics.warn_once)


def _has_keys(knobs: config.Config) -> bool:
    return bool(knobs.game_key or knobs.collector)
