"""The started tracker: what runs from `start()` to `close()`, and what the player's consent or a crash changes in it.

A tracker has this object or, before `start()`, if it is off and in a forked child, a `NotRunning` in its place. It
outlives `close()`: a no that the player says then still deletes what waits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ga_pygame import advice, kept, rules, wiring
from ga_pygame.areas.consent import ConsentState
from ga_pygame.areas.progression import abandon
from ga_pygame.diagnostics import Drop
from ga_pygame.engine.crash_hooks import CrashHooks
from ga_pygame.engine.focus import Focus, Watch
from ga_pygame.engine.health import HealthSampler
from ga_pygame.engine.hook import NO_CALLS, Hook
from ga_pygame.engine.session import Session
from ga_pygame.parts import Core, Said
from ga_pygame.protocol import Destination
from ga_pygame.records import SessionRef
from ga_pygame.wiring import Delivery


class Running:
    """See the module. All of it is for the game thread.

    The constructor changes nothing outside; `begin` does. So there is an object to `end` when `begin` fails halfway,
    which also an exception of a signal handler can make it do.

    Args:
        core: What the tracker has.
        said: What the game said before.
        targets: Where events go.
        tick: The tracker's frame, which calls `frame`.

    Attributes:
        delivery: What stores and sends; `None` as long as the player has not agreed.
    """

    def __init__(self, core: Core, said: Said, targets: Sequence[Destination], tick: Callable[[], None]) -> None:
        self._core = core
        self._said = said
        self._recorder = core.recorder
        self._monotonic = core.clock.monotonic
        self._is_over = False
        self.delivery: Delivery | None = None
        self._stopped: Delivery | None = None  # referenced: after a fork its files are not the child's to close
        self.tick = tick
        self._session = Session(
            core.config.pause_timeout,
            new_id=core.parts.new_id,
            post=core.recorder.post_session,
            started=self._on_session_started,
            ended=core.announcer.session_ended,
        )
        self._crash_hooks = CrashHooks(self.on_crash)
        focus = Focus(self._session)
        wants_health = any(target.wants_health for target in targets)
        health = HealthSampler(core.recorder.post) if wants_health else None
        self._hook = hook = Hook(
            self._session, focus, clock=core.clock, diagnostics=core.diagnostics, loop=self, health=health
        )
        warn = functools.partial(core.diagnostics.warn_once, "no calls", NO_CALLS)
        self._watch = Watch(focus, self._session, core.clock, is_seen=lambda: hook.seen, warn=warn)

    @property
    def phase(self) -> str:
        """Whether the session is active, paused or closed."""
        return self._session.state.phase.value

    # --- begin and end ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the first session and watch the game from now on; deliver, unless the player has to agree first."""
        core, consent = self._core, self._said.consent
        for pattern in rules.PATTERNS_OF_CALLS:
            pattern.compile()
        consent.take_kept(wiring.kept_consent(core.config))
        if consent.state is ConsentState.GRANTED:
            self._open_delivery()
        elif consent.state is ConsentState.DENIED:
            self._recorder.closed = Drop.NO_CONSENT
            core.diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())
        else:
            core.diagnostics.warn_once("unasked", advice.UNASKED)
        self._session.start(self._monotonic())
        if self.delivery is not None:
            self._recorder.release()
        if core.config.hook:
            self._hook.install()
        if core.config.capture_exceptions:
            self._crash_hooks.install()
        if consent.is_new:  # before start()
            self._keep_consent()
        if self.delivery is not None:
            self.delivery.runner.start()

    def end(self) -> None:
        """The game is over: end the session for good, record nothing any more, unhook."""
        self._is_over = True
        self._crash_hooks.remove()  # first: it may hear of an exception that ends the game
        try:
            self._leave("quit", final=True)
        finally:
            self._recorder.closed = self._recorder.closed or Drop.NOT_RUNNING
            self._hook.remove()

    def stop_delivery(self) -> None:
        """Store everything, send what can be sent within `shutdown_timeout`."""
        if self.delivery is not None:
            self.delivery.stop(self._core.config.shutdown_timeout)
            self._stopped, self.delivery = self.delivery, None  # a no that comes later deletes by a new one
        else:
            self._core.diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())

    def let_go(self) -> None:
        """In a forked child: hear nothing any more. The files of the delivery are not ours to close."""
        self._hook.remove()
        self._crash_hooks.let_go()

    def say_if_forgotten(self) -> None:
        """It was started."""

    # --- the loop: see `engine.hook.Loop` ---------------------------------------------------------------

    def process(self, event: Any) -> None:
        """Observe one pygame event."""
        self._hook.process(event)

    def frame(self, now: float) -> None:
        """Look after what is due."""
        self._hook.frame(now)
        if self.delivery is not None:
            self.delivery.runner.tick(now)

    def frame_shown(self) -> None:
        if self.delivery is not None:
            self.delivery.frame_shown(self._monotonic())

    def flush(self) -> None:
        if self.delivery is not None and not self._recorder.closed:
            self.delivery.flush(lambda _destination, _error: None)

    def leave(self) -> None:
        self._leave("quit")

    def look_after(self) -> None:
        self._crash_hooks.look_after()

    def why_unsent(self) -> str:
        """Why a flush sends nothing."""
        if self._recorder.closed not in (None, Drop.NO_CONSENT):
            return advice.NOT_RUNNING
        return advice.DENIED if self._said.consent.state is ConsentState.DENIED else advice.UNASKED

    # --- session ----------------------------------------------------------------------------------------

    def on_crash(self, error: BaseException, ends_game: bool) -> None:
        """An exception that the game did not catch."""
        try:
            if isinstance(error, Exception):  # no Ctrl-C, exit, cancelled task or closed generator
                self._said.errors.crash(error)
            if ends_game:
                self._leave("crash" if isinstance(error, Exception) else "quit")
        except Exception as own:  # noqa: BLE001 - the game's own traceback must come through
            self._core.diagnostics.defect("the crash hook", own)

    def _leave(self, reason: str, *, final: bool = False) -> None:
        """The player leaves the game: fail the open attempt, end the session."""
        abandon(self._said.progression)
        self._session.end(self._monotonic(), reason, final=final)

    def _on_session_started(self, session: SessionRef) -> None:
        self._recorder.session = session
        self._core.announcer.session_started(session)

    # --- delivery ---------------------------------------------------------------------------------------

    def _open_delivery(self) -> Delivery:
        core, said = self._core, self._said
        self.delivery = delivery = Delivery(core, self._session, self._watch, self._take_configs)
        before = kept.beginning(delivery.kept)
        loaded = said.dimensions.load(before.dimensions)
        if said.consent.state is ConsentState.GRANTED:
            for number, value in loaded.said.items():
                self.keep_dimension(number, value)
        self._recorder.kept_dimensions = loaded.kept
        self._recorder.change(user_id=core.config.user_id or before.user_id, dimensions=said.dimensions.known)
        self._recorder.write_now = delivery.write_now
        self._recorder.attach(delivery.journal)
        self._take_configs(before.remote_configs)
        return delivery

    def keep_dimension(self, number: int, value: str | None) -> None:
        """Have the next launch know a dimension."""
        if self.delivery is not None:
            self.delivery.remember(kept.DIMENSIONS[number - 1], value)

    def _take_configs(self, answer: Mapping[str, Any]) -> None:
        clock, configs = self._core.clock, self._said.configs
        now = clock.wall(self._monotonic()) + (clock.server_offset or 0.0)
        if configs.update(answer, now):
            self._recorder.change(extra=configs.annotations() or None)
            self._core.announcer.remote_configs_updated()

    # --- consent ----------------------------------------------------------------------------------------

    def granted(self) -> None:
        """The player agrees: record from now on."""
        if self._is_over:
            return
        if self._recorder.closed is not None:  # nothing of a session that was denied may come, nor its end
            self._session.end(self._monotonic(), "quit")
            self._core.diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())
        delivery = self._open_delivery()
        self._recorder.closed = None
        self._session.start(self._monotonic())
        self._recorder.release()
        delivery.keep_yes()
        delivery.runner.start()

    def denied(self) -> None:
        """The player does not agree; the recorder is closed already."""
        self._session.end(self._monotonic(), "quit")
        self._keep_consent()

    def _keep_consent(self) -> None:
        """Have the next launch know; of a player who said no, nothing else stays on the disk."""
        is_no = self._said.consent.state is ConsentState.DENIED
        if self.delivery is None and is_no and wiring.has_nothing_but_no(self._core.config):
            return
        delivery = self.delivery or self._open_delivery()
        if is_no:
            delivery.forget_all()
            self.delivery = None
        else:
            delivery.keep_yes()
