"""Messages for cases in which nothing is recorded or sent: each has the reason and the fix."""

from __future__ import annotations

FORKED = (
    "this process was forked from one whose tracker had started: nothing is recorded here. Start another program "
    "instead (subprocess), or fork before the tracker starts"
)
NO_TARGETS = (
    "no keys and no collector: nothing is recorded. Give Tracker a game_key and a secret_key, or run "
    "`python -m ga_pygame collect` and set GA_PYGAME_COLLECTOR=http://127.0.0.1:8420"
)
NO_REDIRECT = (
    "the destination {!r} gets no events while a collector is set: without a redirect() it would send them elsewhere. "
    "Give its class a redirect(collector) that sends there, or is_local = True if it sends nothing over a network"
)
OFF = "the tracker is off (enabled=False or GA_PYGAME_ENABLED=0): nothing is recorded, written or sent"
START_AFTER_CLOSE = (
    "start() after close() does nothing: nothing is recorded. Make a new Tracker for a new start, and call its start()"
)
NO_FOLDER = "events are kept in memory only: there is no home folder; GA_PYGAME_DATA_DIR may name another folder"
COLLECTOR_NEEDED = "is the collector running, and is that its address? It is started by: python -m ga_pygame collect{}"
NEVER_STARTED = "Tracker.start() was never called: {} events are lost. Call it once, before the game's loop"
UNASKED = (
    'the player has not consented yet: with consent="ask" nothing is written or sent until they agree. If the question '
    "does not follow now, show tracker.consent.ask(screen), or call tracker.consent.grant() or tracker.consent.deny() "
    "when they have answered"
)
DENIED = "the player has not consented: the answer was no (consent.deny()); consent.grant() takes it back"
NOT_RUNNING = "the tracker is not running: it is off, closed, or start() was not called"
NO_CHOSEN_GROUP = (
    "GA_PYGAME_AB_VARIANT is not used: no service gives the values of a chosen A/B group, only a collector does. Run "
    "`python -m ga_pygame collect --configs FILE` with the experiment, and set GA_PYGAME_COLLECTOR"
)
FORGET_NOT_STARTED = (
    "privacy.forget() deletes nothing here: call it after start(), in the process that called start(), with the "
    "tracker on"
)
WRONG_FLUSH = "flush() takes no arguments; write flush().wait(2)"
KEYWORDS_ONLY = 'Tracker takes keywords only: Tracker(game_key="…", secret_key="…", build="0.3.1")'
