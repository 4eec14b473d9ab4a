"""The tracker: the object through which a game reports events."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ga_pygame import active, advice, attributes, rules
from ga_pygame.areas.consent import Consent, ConsentState
from ga_pygame.areas.earnings import Earnings
from ga_pygame.areas.player import Dimensions, DimensionTuple, GlobalFields, OfAllEvents
from ga_pygame.areas.player_facts import PlayerFacts
from ga_pygame.areas.privacy import Ids, Privacy
from ga_pygame.areas.reports import Reports
from ga_pygame.areas.resource import ResourceArea
from ga_pygame.diagnostics import DEBUG, Drop, Stats, guarded, request, say, setting
from ga_pygame.flushing import Flushing, FlushResult
from ga_pygame.nodes import Node, Nodes
from ga_pygame.not_running import NotRunning
from ga_pygame.parts import Parts, core_of, said_to
from ga_pygame.records import Context
from ga_pygame.remote_configs import RemoteConfigs
from ga_pygame.signals import Response, Signal

if TYPE_CHECKING:
    import pygame

    from ga_pygame.config import Config
    from ga_pygame.running import Running


class Tracker(OfAllEvents):
    """Records what happens in a game and delivers it; the README has the three lines that a game needs.

    Event calls are for any thread, all others for the game thread. No call blocks. None raises, except in `strict`
    mode and for wrong knobs. Only `start()`, `consent.grant()`, `consent.deny()`, `close()` and the calls
    of `privacy` touch a file or the network.

    Args:
        **knobs: The fields of `ga_pygame.config.Config`, which has the default of each.

    Raises:
        TypeError: There is no knob of that name.
        ValueError: A knob's value is wrong; the message says what is allowed.

    Attributes:
        session_started: A session started. `(session_id: str)`
        session_ended: A session ended. `(session_id: str, length_seconds: int, reason: str)`
        batch_delivered: A destination acknowledged events. `(destination: str, count: int)`
        event_rejected: A destination refused an event finally. `(destination: str, event: dict, errors: str)`
        event_dropped: Events were lost; `stats` counts them, too. `(reason: Drop, count: int, detail: str)`
        remote_configs_updated: The remote configs in force have changed. `()`
        connection_lost: A destination does not answer; events wait. `(destination: str, error: str)`
        connection_restored: It answers again. `(destination: str)`
        progression: Attempts at levels.
        resource: Virtual currency, gained and spent.
        business: Reports a purchase; see `Earnings.business`.
        ad: Reports what happened to an advertisement; see `Earnings.ad`.
        design: Reports a game-specific event; see `Reports.design`.
        at: Reports a design event that took place on a map; see `Reports.at`.
        error: Reports an error; see `Reports.error`.
        exception: Reports a caught exception; see `Reports.exception`.
        troubleshooting: Reports trouble to the service's support; see `Reports.troubleshooting`.
        wallet: Makes a wallet; see `Reports.wallet`.
        player: Facts of the player and the device that the game knows.
        impression: Reports what an advertisement earned; see `Earnings.impression`.
        remote_configs: Values that the service sets.
        consent: The player's consent to being recorded.
        privacy: A copy of the player's data, and its deletion.
        config: The knobs in force.
    """

    config: Config
    _is_made = False
    __setattr__ = attributes.only("external_user_id", "dimensions", "fields")

    @attributes.keywords_of(lambda: Config)
    def __init__(self, *wrong: Any, **knobs: Any) -> None:
        if wrong:
            raise TypeError(advice.KEYWORDS_ONLY)
        self._assemble(Parts(), knobs)

    def _assemble(self, parts: Parts, knobs: Mapping[str, Any]) -> None:
        self._core = core = core_of(parts, knobs, self)
        self.config, self._diagnostics = core.config, core.diagnostics
        diagnostics = core.diagnostics
        self._is_started = self._is_closed = False
        self._nodes = Nodes(diagnostics)
        self._has_nodes = False  # costs each frame less than a call of the nodes
        self.session_started: Signal[[str]] = Signal("session_started", diagnostics)
        self.session_ended: Signal[[str, int, str]] = Signal("session_ended", diagnostics)
        self.batch_delivered: Signal[[str, int]] = Signal("batch_delivered", diagnostics)
        self.event_rejected: Signal[[str, dict[str, Any], str]] = Signal("event_rejected", diagnostics)
        self.event_dropped: Signal[[Drop, int, str]] = Signal("event_dropped", diagnostics)
        self.remote_configs_updated: Signal[[]] = Signal("remote_configs_updated", diagnostics)
        self.connection_lost: Signal[[str, str]] = Signal("connection_lost", diagnostics)
        self.connection_restored: Signal[[str]] = Signal("connection_restored", diagnostics)
        self._said = said = said_to(core)
        self._running: Running | NotRunning = NotRunning(core, said)
        self._monotonic, self._mailbox, self._recorder = core.clock.monotonic, core.mailbox, core.recorder
        post, repeat = core.recorder.post, core.recorder.inbox.repeat
        self.progression = said.progression
        flow = core.watch.flows.counted(repeat) if core.watch is not None else repeat
        self.resource = ResourceArea(post, diagnostics, self.config.currencies, self.config.item_types, flow)
        earnings = Earnings(post, diagnostics, repeat, core.recorder.write_now)
        self.business, self.ad, self.impression = earnings.business, earnings.ad, earnings.impression
        reports = Reports(post, repeat, diagnostics, self.resource, said.errors)
        self.design, self.troubleshooting, self.wallet = reports.design, reports.troubleshooting, reports.wallet
        self.at = reports.at
        self.error, self.exception = reports.error, reports.exception
        self._dimensions = Dimensions(said.dimensions, self._set_dimension, diagnostics)
        self.player = PlayerFacts(said.facts, lambda *fact: self._running.set_fact(*fact), diagnostics)  # noqa: PLW0108
        self._fields = GlobalFields(lambda fields: core.recorder.change(fields=fields), diagnostics)
        self.remote_configs = RemoteConfigs(said.configs, diagnostics)
        self.consent = Consent(said.consent, self._set_consent, diagnostics)
        self.privacy = Privacy(self._export_data, self._forget_data, diagnostics)
        self._flushing = Flushing(core, self._tick)
        self._pid = os.getpid()
        self._left_to_parent: object = None
        self._is_made = True
        active.expect(self)

    def __repr__(self) -> str:
        state = "closed" if self._recorder.closed else "started" if self._is_started else "not started"
        return f"<Tracker {state}, session {self._running.phase}>"

    # --- life -------------------------------------------------------------------------------------------

    @request
    def start(self) -> None:
        """Start the first session and watch the game from now on; call it once, before the loop.

        Opens the data folder. Events reported before become the session's first events. In a worker process of
        `multiprocessing` it does nothing: such a process has a tracker only because it imports the game.
        """
        if self._is_closed:
            self._diagnostics.warn_once("start after close", advice.START_AFTER_CLOSE)
        if self._is_started:
            return
        self._is_started = True
        try:
            self._start()
        except BaseException:
            self._record_nothing(Drop.INTERNAL)
            active.leave(self)
            raise

    def _start(self) -> None:
        self._pid = os.getpid()  # the tracker may have been made before a fork
        say("the tracker starts", level=DEBUG)  # imports `logging` now: while Python ends, nothing can be imported
        targets = active.enter(self, self._diagnostics)
        if not targets:
            self._record_nothing(Drop.NOT_RUNNING)
            return
        from ga_pygame.running import Running  # noqa: PLC0415 - imports pygame and delivery

        self._running = Running(self._core, self._said, targets, self._tick)
        atexit.register(self.close)
        self._recorder.stop_in_children(self._let_go)
        self._running.begin()

    def _record_nothing(self, reason: Drop) -> None:
        self._recorder.closed = reason
        self._diagnostics.drop(reason, self._recorder.forget())

    @request
    def close(self) -> None:
        """End the session, store all events, send what it can within `shutdown_timeout`; also called at exit.

        Later calls do nothing, except `consent.deny()`; their events are counted as dropped.
        """
        self._running.say_if_forgotten()
        if not self._is_started or self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        deadline = self._monotonic() + self.config.shutdown_timeout
        active.leave(self)
        atexit.unregister(self.close)
        for step in (self._running.end, self._running.stop_delivery, self._mailbox.deliver):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the next step must still store the events
                self._diagnostics.defect("Tracker.close", error)
        self._nodes.close(lambda: deadline - self._monotonic())

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # `__init__` failed halfway, or Python ends
            self._running.say_if_forgotten()

    def _let_go(self) -> None:
        """Stop everything in a forked child, without using or closing what it shares with the parent."""
        self._pid = -1
        self._running.let_go()
        self._left_to_parent, self._running = self._running, NotRunning(self._core, self._said)
        self._mailbox.clear()
        self._nodes.clear()
        active.leave(self)
        atexit.unregister(self.close)

    def __enter__(self) -> Tracker:
        self.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            self._running.on_crash(error, rules.MAIN)
        self.close()

    @request
    def process(self, event: pygame.event.Event) -> None:
        """Observe one pygame event. With `hook=False` a game calls it with each event of its loop."""
        self._running.process(event)

    @request
    def tick(self) -> None:
        """Fire signals and do what is due, in about 0.5 µs. With `hook=False` a game calls it once per frame."""
        self._tick()

    def _tick(self) -> None:
        try:
            self._running.frame(self._monotonic())
            if self._mailbox:
                self._mailbox.deliver()
            if self._has_nodes:
                self._nodes.tick()
        except RecursionError:  # no room on the stack, not even to report it
            pass
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._diagnostics.defect("Tracker.tick", error)

    @guarded("call ignored", lambda tracker, *_args, **_named: tracker._flushing.refused())
    def flush(self) -> Response[FlushResult]:
        """Send all recorded events now; the response's result says whether all of them arrived."""
        return self._flushing.begin(self._running)

    @guarded("not attached")
    def attach(self, node: Node) -> None:
        """Have `tick()` and `close()` also call those of a node, such as a `POGRClient`."""
        self._nodes.attach(node)
        self._has_nodes = True

    @request
    def snapshot_map(self, surface: pygame.Surface, map: str) -> None:  # noqa: A002 - as for `at`
        """Keep a level's picture for the heatmap on this machine, while the game is developed; else do nothing.

        Call it once when the level is drawn, with a surface on which a pixel is a unit of `at`. The first picture of a
        map in a launch counts; it is copied here, and written on a worker.
        """
        if self._core.watch is not None:
            self._core.watch.maps.take(surface, rules.custom_field_text("map", map))

    # --- facts ------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """Counts of what happened to this launch's events so far."""
        return self._diagnostics.stats(self._recorder.waiting)

    @property
    def session_id(self) -> str:
        """The id of the running or last session; "" before `start()`."""
        return self._recorder.session.id if self._recorder.session else ""

    @property
    def user_id(self) -> str:
        """The player's id: the game's own, or a random one kept in the data folder, which is "" before `start()`."""
        return self._recorder.context.user_id

    def _context_now(self) -> Context:
        return self._recorder.context

    def _change(self, **parts: Any) -> None:
        self._recorder.change(**parts)

    def _set_dimension(self, values: DimensionTuple, number: int) -> None:
        self._recorder.change(dimensions=values)
        self._running.keep_dimension(number, values[number - 1])

    @setting
    def _set_consent(self, state: ConsentState) -> None:
        if state is ConsentState.GRANTED:
            self._running.granted()
            return
        self._said.facts.forget()
        self._recorder.hold()
        self._recorder.closed = self._recorder.closed or Drop.NO_CONSENT
        self._running.denied()
        self._diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())

    def _forget_data(self) -> Ids:
        return self._running.forget()

    def _export_data(self, path: str | os.PathLike[str]) -> None:
        from ga_pygame.privacy_export import write_export  # noqa: PLC0415 - only for a player who asks

        write_export(path, self._core, self._said, self._running.services)
