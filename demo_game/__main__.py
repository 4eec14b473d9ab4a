"""`python -m demo_game`: play Sky Hopper, or watch the bot, with a collector of its own beside it."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

from ga_pygame.addresses import address

INSTALL = 'pip install -e ".[collector]"'
COINS = ["coins"]
ITEM_TYPES = ["pickup", "boost", "pack"]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo_game", description="Sky Hopper, the demo of ga_pygame.")
    parser.add_argument("--bot", action="store_true", help="let the bot play")
    parser.add_argument("--seed", type=int, help="the bot's chance; the same seed plays the same game (bot: 1)")
    parser.add_argument(
        "--players", type=int, default=0, metavar="N", help="with --bot: simulate two weeks of N players, in seconds"
    )
    parser.add_argument("--levels", type=int, default=3, choices=(1, 2, 3), help="how many levels (3)")
    parser.add_argument("--no-collector", action="store_true", help="start no collector")
    parser.add_argument("--screenshot", action="append", default=[], metavar="FILE", help="save a picture of the game")
    parser.add_argument(
        "--after", action="append", type=float, default=[], metavar="SECONDS", help="of play, one per --screenshot (10)"
    )
    options = parser.parse_args(arguments)
    if options.players < 0 or (options.players and not options.bot):
        parser.error("--players takes a number of players, 1 or more, and needs --bot")
    if options.players and options.no_collector:
        parser.error("--players needs a collector, for its events")
    return options


def has_display() -> bool:
    """Return whether a window can open."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))


def choose_drivers(options: argparse.Namespace) -> bool:
    """Set pygame's drivers, without a window if nobody can or need see it; return whether there is none."""
    if options.players:
        os.environ["SDL_VIDEODRIVER"] = "dummy"
    elif not has_display():
        print("No display here: the bot plays, and nobody sees it.")
        os.environ["SDL_VIDEODRIVER"] = "dummy"
        options.bot = True
    fast = os.environ.get("SDL_VIDEODRIVER") in ("dummy", "offscreen")
    if fast:
        os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return fast


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    options = parse(arguments)
    fast = choose_drivers(options)
    from ga_pygame.tools.local_collector import LocalCollector  # noqa: PLC0415 - after the environment

    from .collected import fetch_summary, print_summary  # noqa: PLC0415 - the same

    try:
        given = os.environ.get("GA_PYGAME_COLLECTOR", "").strip()
        url = address("GA_PYGAME_COLLECTOR", given, path=False) if given else ""
    except ValueError as error:
        print(error)
        return 2
    local = LocalCollector()
    try:
        if not url and not options.no_collector:
            if local.start():
                url = local.url
            else:
                print(f"The collector did not start ({local.problem}). Install it with: {INSTALL}")
                print("Playing on without it: nothing is recorded.")
        if url:
            print(f"Watch the events arrive: {url}", flush=True)
        if not options.players:
            play(options, url, fast)
        elif problem := simulate_players(options, url):
            print(problem)
            return 1
        summary = fetch_summary(url) if url else None
        if summary is not None:
            print_summary(summary)
        elif url:
            print(f"The collector at {url} gave no summary.")
        if options.players and local.url:
            leave_open(local.url)
    except KeyboardInterrupt:
        print("Stopped.")
        return 130
    finally:
        local.stop()
    return 0


def _save_path(fallback: Path) -> Path:
    """Return the path of the save file; in a temporary folder if the system gives us none."""
    import pygame  # noqa: PLC0415 - the environment chooses its drivers

    try:
        return Path(pygame.system.get_pref_path("ga_pygame", "sky_hopper"), "save.json")
    except (OSError, pygame.error) as problem:
        print(f"Progress is not kept: {problem}")
        return fallback / "save.json"


def play(options: argparse.Namespace, url: str, fast: bool) -> None:
    """Open the game, and play until the player quits."""
    import pygame  # noqa: PLC0415 - the environment chooses its drivers

    import ga_pygame  # noqa: PLC0415 - after pygame's greeting was silenced

    from .bot import Bot  # noqa: PLC0415
    from .controls import Controls  # noqa: PLC0415
    from .game import Game, Options  # noqa: PLC0415
    from .heroes import HEROES  # noqa: PLC0415
    from .services import Services  # noqa: PLC0415

    seed = options.seed if options.seed is not None else 1 if options.bot else secrets.randbelow(1_000_000)
    if options.bot:
        print("The bot cannot save its progress, on purpose: so there are errors to look at.", flush=True)
    after = [*options.after, *[10.0] * len(options.screenshot)]
    classes = {1: [hero.name for hero in HEROES]}
    with tempfile.TemporaryDirectory() as folder:
        # The bot's save file is a folder: it can be neither read nor written, so the demo has errors to show.
        save_path = Path(folder) if options.bot else _save_path(Path(folder))
        settings = Options(
            pilot=Bot(seed) if options.bot else Controls(),
            save_path=save_path,
            seed=seed,
            levels=options.levels,
            fast=fast and options.bot,
            pauses_unfocused=not options.bot,
            shots=list(zip(after, options.screenshot, strict=False)),
        )
        services = Services(url) if url else None
        with ga_pygame.Tracker(
            collector=url or None,
            build="1.0.0",
            who="bot" if options.bot else None,
            destinations=services.destinations if services else None,
            currencies=COINS,
            item_types=ITEM_TYPES,
            dimension_values=classes,
        ) as tracker:
            Game(tracker, settings, services).run()
        pygame.quit()


def leave_open(url: str) -> None:
    """Wait until the person at the terminal has looked at the page; do not wait for a program."""
    if sys.stdin.isatty():
        with contextlib.suppress(EOFError):  # Ctrl-D
            input(f"Look at the page: {url}. Enter ends the collector. ")


def simulate_players(options: argparse.Namespace, url: str) -> str:
    """Simulate players up to the last midnight; return why that went wrong, "" if it did not."""
    if not url:
        return "The simulated players need a collector."
    from .players import DAY, simulate  # noqa: PLC0415 - the environment chooses its drivers

    seed = options.seed if options.seed is not None else 1
    midnight = time.time() // DAY * DAY
    with tempfile.TemporaryDirectory() as folder:
        totals = simulate(url, options.players, seed=seed, until=midnight, folder=Path(folder))
    if totals.problem:
        return f"The collector at {url} does not answer any more: {totals.problem}"
    print(
        f"{totals.players} players started builds {', '.join(sorted(totals.builds))} {totals.launches} times: "
        f"{totals.completes} levels completed, {totals.purchases} purchases, {totals.crashes} crashes."
    )
    return ""


if __name__ == "__main__":
    sys.exit(main())
