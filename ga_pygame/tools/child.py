"""Run `python -m ga_pygame …` and end when stdin closes: so it never outlives who started it, not even a killed one."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    signal.raise_signal(signal.SIGTERM)  # os.kill would end the process at once on Windows, with its files left behind
    threading.Timer(3.0, os._exit, (1,)).start()  # a browser that keeps the page open must not delay the end


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv[0] = "ga_pygame"
    runpy.run_module("ga_pygame", run_name="__main__", alter_sys=True)
