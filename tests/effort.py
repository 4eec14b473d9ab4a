"""The number of examples that a test tries: all of them, or a fifth in the everyday lane."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

EVERYDAY_SHARE = 5
"""The everyday lane (`-m "not e2e"`) tries one of so many examples."""

FULL_EXAMPLES = 100
"""Hypothesis' own default."""

is_everyday = False
"""Set once, before test modules are imported."""


def be_everyday() -> None:
    """Try fewer examples from now on."""
    global is_everyday  # noqa: PLW0603 - a choice of the whole process
    is_everyday = True
    settings.register_profile("everyday", settings.get_profile("ours"), max_examples=examples(FULL_EXAMPLES))
    settings.load_profile("everyday")


settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")  # a machine that is busy with other things fails no test


def examples(number: int, least: int = 5) -> int:
    """Return how many examples to try here instead of this number."""
    return max(number // EVERYDAY_SHARE, least) if is_everyday else number
