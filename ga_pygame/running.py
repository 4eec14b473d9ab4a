"""Runs a started tracker from `start()` to `close()`: session, hooks and delivery, consent and crashes.

`not_running` says when a `NotRunning` takes its place. A `Running` outlives `close()`: `consent.deny()` still deletes
the waiting events then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ga_pygame import advice, kept, rules, stored
from ga_pygame.areas.consent import ConsentState
from ga_pygame.areas.privacy import Ids
from ga_pygame.areas.progression import abandon
from ga_pygame.config import wants_overlay
from ga_pygame.diagnostics import Drop
from ga_pygame.engine.connection import ConnectionWatch
from ga_pygame.engine.crash_hooks import CrashHooks
from ga_pygame.engine.focus import Focus, Watch
from ga_pygame.engine.frames import Frames, HangWatch
from ga_pygame.engine.health import HealthSampler, SessionHistograms
from ga_pygame.engine.hook import NO_CALLS, Hook
from ga_pygame.engine.session import Session
from ga_pygame.events import SessionEnd
from ga_pygame.kinds import Event
from ga_pygame.parts import Core, Said
from ga_pygame.protocol import Asking, Destination
from ga_pygame.records import SessionRef
from ga_pygame.wiring import Delivery

if TYPE_CHECKING:
    from ga_pygame.overlay.view import DevelopersView


class Running:
    """The running tracker: see the module. Game thread only.

    The constructor has no side effects, so if `begin` fails halfway (also by an exception of a handler of
    `signal.signal`), `end` can be called and removes the hooks.

    Args:
        core: The tracker's parts.
        said: What the game has told the tracker beside events.
        targets: The destinations of events.
        tick: The tracker's work of a frame, which calls `frame`.

    Attributes:
        delivery: Stores and sends events; `None` before the player has agreed and after `stop_delivery`.
        tick: As given; the hook calls it.
        services: The names of the destinations that send over a network.
    """

    services: Sequence[str] = ()

    def __init__(self, core: Core, said: Said, targets: Sequence[Destination], tick: Callable[[], None]) -> None:
        self._core = core
        self._said = said
        self._recorder = core.recorder
        self._monotonic = core.clock.monotonic
        self._is_over = False
        self.delivery: Delivery | None = None
        self._forgetting: Delivery | None = None  # deletes what a player who denied had not sent yet
        self._stopped: Delivery | None = None  # kept alive: a forked child must not close the parent's files
        self.tick = tick
        self._session = Session(
            core.config.pause_timeout,
            new_id=core.parts.new_id,
            post=self._post_session,
            started=self._on_session_started,
            ended=core.announcer.session_ended,
        )
        self._crash_hooks = CrashHooks(self.on_crash)
        focus = Focus(self._session, core.parts.has_window)
        self.services = [target.name for target in targets if not target.is_local]
        wants_health = any(target.wants_health for target in targets)
        flips = [HealthSampler(core.recorder.post).frame] if wants_health else []
        self._histograms: SessionHistograms | None = None
        if core.config.health:
            self._histograms = SessionHistograms(core.recorder.post, lambda: self._session.state, self._monotonic())
            flips.append(self._histograms.frame)
        self._frames = frames = Frames(self._session, core.config.hitch_ms / 1000)
        self._hook = hook = Hook(
            self._session,
            focus,
            clock=core.clock,
            diagnostics=core.diagnostics,
            loop=self,
            frames=frames,
            flips=flips,
        )
        self._view: DevelopersView | None = None
        if wants_overlay(core.config):
            from ga_pygame.overlay.view import DevelopersView  # noqa: PLC0415 - only while a game is developed

            self._view = DevelopersView(
                core, said, self._session, delivery=lambda: self.delivery, set_config=self._set_config
            )
            hook.guest = self._view.overlay.around
        warn = functools.partial(core.diagnostics.warn_once, "no calls", NO_CALLS)
        looks = [ConnectionWatch(lambda kind: core.mailbox.post(lambda: self._find("connection_type", kind))).look]
        if self._histograms is not None:
            looks.append(self._histograms.look)
        if core.config.capture_exceptions:
            looks.append(HangWatch(frames, said.errors.hang).look)
        self._watch = Watch(
            focus,
            self._session,
            core.clock,
            was_held=frames.was_held,
            is_seen=lambda: hook.seen,
            warn=warn,
            looks=looks,
        )

    @property
    def phase(self) -> str:
        """The session's phase: "active", "paused" or "closed"."""
        return self._session.state.phase.value

    # --- begin and end ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the first session and watch the game; start delivery unless the player has to agree first."""
        core, consent = self._core, self._said.consent
        for pattern in rules.PATTERNS_OF_CALLS:
            pattern.compile()
        consent.take_kept(stored.kept_consent(core.config))
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
        if consent.is_new:  # the player answered before start()
            self._keep_consent()
        if self.delivery is not None:
            self.delivery.runner.start()

    def end(self) -> None:
        """End the session finally, record nothing any more, and remove the hooks, since the game is over."""
        self._is_over = True
        self._crash_hooks.remove()  # first: it may report an exception that ended the game, an event of this session
        try:
            self._leave("quit", final=True)
        finally:
            self._recorder.closed = self._recorder.closed or Drop.NOT_RUNNING
            self._hook.remove()

    def stop_delivery(self) -> None:
        """Store all events and send what can be sent within `shutdown_timeout`."""
        if self.delivery is not None:
            self.delivery.stop(self._core.config.shutdown_timeout)
            self._stopped, self.delivery = self.delivery, None  # a later deny() opens a new one to delete
        else:
            self._core.diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())

    def let_go(self) -> None:
        """Remove the hooks in a forked child. The delivery's files stay open: they are the parent's."""
        self._hook.remove()
        self._crash_hooks.let_go()
        if self.delivery is not None:
            self.delivery.crash_file.let_go()

    def say_if_forgotten(self) -> None:
        """Do nothing: the tracker was started. See `NotRunning`."""

    # --- calls of the hook: see `engine.hook.Loop` ------------------------------------------------------

    def process(self, event: Any) -> None:
        """Observe one pygame event."""
        self._hook.process(event)

    def frame(self, now: float) -> None:
        """Do what is due at `now`, in seconds of the monotonic clock."""
        self._hook.frame(now)
        if self.delivery is not None:
            self.delivery.runner.tick(now)

    def frame_shown(self) -> None:
        if self.delivery is not None:
            self.delivery.frame_shown(self._monotonic())

    def on_quit_event(self) -> None:
        """Send everything now, since the player asks to quit. See `Loop`."""
        if self.delivery is not None and not self._recorder.closed:
            self.delivery.flush(lambda _destination, _error: None)

    def on_pygame_quit(self) -> None:
        """End the session; a later window begins another one. See `Loop`.

        In a crash, pygame calls this as its last action; then the next launch ends the session.
        """
        if self.delivery is None or not self.delivery.crash_file.has_crashed:
            self._leave("quit")

    def look_after(self) -> None:
        self._crash_hooks.look_after()

    def why_unsent(self) -> str:
        """Return the message that says why a flush sends nothing."""
        if self._recorder.closed not in (None, Drop.NO_CONSENT):
            return advice.NOT_RUNNING
        return advice.DENIED if self._said.consent.state is ConsentState.DENIED else advice.UNASKED

    # --- session ----------------------------------------------------------------------------------------

    def on_crash(self, error: BaseException, kind: str) -> None:
        """Report an uncaught exception; end the session if it ends the game. Any thread.

        Args:
            error: The exception.
            kind: How it was noticed, one of `rules.CRASH_KINDS`.
        """
        try:
            if isinstance(error, Exception):  # not Ctrl-C, exit, a cancelled task or a closed generator
                self._said.errors.crash(error, kind)
            if kind == rules.MAIN:
                self._leave("crash" if isinstance(error, Exception) else "quit")
        except Exception as own:  # noqa: BLE001 - the game's own traceback must come through
            self._core.diagnostics.defect("the crash hook", own)

    def _leave(self, reason: str, *, final: bool = False) -> None:
        """Fail the open attempt and end the session, since the player leaves the game."""
        abandon(self._said.progression)
        self._session.end(self._monotonic(), reason, final=final)

    def _post_session(self, event: Event, session: SessionRef, at: float) -> None:
        """Record a session's start or end; before the end, its histograms. Any thread."""
        if self._histograms is not None:
            found = self._histograms.take()
            if found is not None and type(event) is SessionEnd:
                self._recorder.post_session(found, session, at)
        self._recorder.post_session(event, session, at)

    def _on_session_started(self, session: SessionRef) -> None:
        self._recorder.session = session
        self._core.announcer.session_started(session)

    # --- delivery ---------------------------------------------------------------------------------------

    def _open_delivery(self) -> Delivery:
        core, said = self._core, self._said
        if self._forgetting is not None:
            self._forgetting.revoke_forgetting()
        asking = Asking(core.config.configs_interval, said.configs.chosen_variant_id, not core.config.child_directed)
        self.delivery = delivery = Delivery(
            core, self._session, self._watch, self._take_new_configs, hitches=self._frames.hitches, asking=asking
        )
        before = kept.beginning(delivery.kept)
        loaded = said.dimensions.load(before.dimensions)
        if said.consent.state is ConsentState.GRANTED:
            for number, value in loaded.said.items():
                self.keep_dimension(number, value)
        self._recorder.kept_dimensions = loaded.kept
        facts_said = said.facts.load(before.facts)
        if said.consent.state is ConsentState.GRANTED:
            for name, fact in facts_said.items():
                self.keep_fact(name, fact)
        self._recorder.kept_facts = said.facts.kept
        user_id = core.config.user_id or before.user_id
        self._recorder.change(
            user_id=user_id,
            dimensions=said.dimensions.known,
            facts=said.facts.said or None,
        )
        self._recorder.write_now = delivery.write_now
        if self._view is not None:
            delivery.show_events(self._view.take)
        self._recorder.attach(delivery.journal)
        self._take_configs(kept.configs_for(before.remote_configs, user_id))
        return delivery

    def keep_dimension(self, number: int, value: str | None) -> None:
        """Keep a custom dimension (1 to 3) for the next launch."""
        if self.delivery is not None:
            self.delivery.remember(kept.DIMENSIONS[number - 1], value)

    def set_fact(self, name: str, value: object) -> None:
        """Put the facts on later events, and keep the one that has changed."""
        self._recorder.change(facts=self._said.facts.said or None)
        self.keep_fact(name, value)

    def keep_fact(self, name: str, value: object) -> None:
        """Keep a fact of the player for the next launch, if it is one of `kept.FACTS`; `None` forgets it."""
        if self.delivery is not None and name in kept.FACTS:
            self.delivery.remember(kept.FACTS[name], None if value is None else str(value))

    def _find(self, name: str, value: object) -> None:
        """Take a fact that the machine tells."""
        if self._said.facts.find(name, value):
            self._recorder.change(facts=self._said.facts.said or None)

    def _take_new_configs(self, answer: Mapping[str, Any]) -> None:
        self._said.configs.is_ready = True
        self._take_configs(answer)

    def _take_configs(self, answer: Mapping[str, Any]) -> None:
        clock, configs = self._core.clock, self._said.configs
        now = clock.wall(self._monotonic()) + (clock.server_offset or 0.0)
        if configs.update(answer, now):
            self._tell_configs()

    def _set_config(self, key: str, text: str | None) -> None:
        """Set a remote config for this launch, as the developer wishes; `None` gives it back to the service."""
        if self._said.configs.override(key, text):
            self._tell_configs()

    def _tell_configs(self) -> None:
        self._recorder.change(extra=self._said.configs.annotations() or None)
        self._core.announcer.remote_configs_updated()

    # --- consent ----------------------------------------------------------------------------------------

    def granted(self) -> None:
        """Record from now on, since the player agrees."""
        if self._is_over:
            return
        if self._recorder.closed is not None:  # nothing of a denied session may be recorded, not even its end
            self._session.end(self._monotonic(), "quit")
            self._core.diagnostics.drop(Drop.NO_CONSENT, self._recorder.forget())
        delivery = self._record_again()
        delivery.keep_yes()
        delivery.runner.start()

    def _record_again(self) -> Delivery:
        delivery = self._open_delivery()
        self._recorder.closed = None
        self._session.start(self._monotonic())
        self._recorder.release()
        return delivery

    def denied(self) -> None:
        """End the session and delete unsent events, since the player does not agree. The recorder is closed already."""
        self._recorder.change(facts=self._said.facts.said or None)
        self._session.end(self._monotonic(), "quit")
        self._keep_consent()

    def forget(self) -> Ids:
        """Delete all data, and go on with a new id if the player's answer allows it; return the old ids by service.

        In a launch that the player denied, what is left is deleted.
        """
        consent, recorder = self._said.consent, self._recorder
        recorder.hold()
        recorder.closed = recorder.closed or Drop.NO_CONSENT
        self._session.end(self._monotonic(), "quit")
        self._said.dimensions.forget_kept()
        self._said.facts.forget()
        ids = self._ids()
        if consent.state is ConsentState.DENIED:
            if self._forgetting is None:  # else it is being deleted
                self._keep_consent()
        elif self.delivery is not None or not stored.has_nothing(self._core.config):
            delivery = self.delivery or self._open_delivery()
            ids = self._ids()  # also those of a launch without an answer, which are read from the file
            delivery.forget_all(consent.state, is_answered=consent.is_given)
            self._forgetting, self.delivery = delivery, None
        recorder.change(
            user_id=self._core.config.user_id or "",
            external_user_id=None,
            dimensions=self._said.dimensions.known,
            facts=self._said.facts.said or None,
        )
        if self._is_over or consent.state is ConsentState.DENIED:
            return ids
        self._core.diagnostics.drop(Drop.NO_CONSENT, recorder.forget())
        if consent.state is ConsentState.UNKNOWN:
            recorder.closed = None
            self._session.start(self._monotonic())
            return ids
        delivery = self._record_again()
        if consent.is_given:
            delivery.remember(kept.CONSENT, consent.state.value)
        delivery.runner.start()
        return ids

    def _ids(self) -> Ids:
        context = self._recorder.context
        ids = [one for one in (context.user_id, context.external_user_id) if one]
        return {name: list(ids) for name in self.services} if ids else {}

    def _keep_consent(self) -> None:
        """Keep the player's answer for the next launch; after a no, nothing else stays on the disk."""
        is_no = self._said.consent.state is ConsentState.DENIED
        if self.delivery is None and is_no and stored.has_nothing_but_no(self._core.config):
            return
        delivery = self.delivery or self._open_delivery()
        if is_no:
            delivery.forget_all()
            self._forgetting, self.delivery = delivery, None
        else:
            delivery.keep_yes()
