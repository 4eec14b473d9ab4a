"""The player's consent by itself; the tracker's tests check its effects."""

from __future__ import annotations

import pytest

from ga_pygame.areas.consent import Consent, ConsentAnswer, ConsentState
from ga_pygame.diagnostics import Diagnostics

UNKNOWN, GRANTED, DENIED = ConsentState.UNKNOWN, ConsentState.GRANTED, ConsentState.DENIED


def consent_of(state: ConsentState, heard: list[ConsentState]) -> tuple[Consent, ConsentAnswer]:
    """Make a consent, and record what it calls."""
    answer = ConsentAnswer(is_required=state is UNKNOWN)
    return Consent(answer, heard.append, Diagnostics()), answer


@pytest.fixture
def heard() -> list[ConsentState]:
    return []


def test_each_change_is_told_once(heard: list[ConsentState]) -> None:
    """Saying the same again changes nothing."""
    consent, _ = consent_of(UNKNOWN, heard)
    for say in (consent.grant, consent.grant, consent.deny, consent.deny, consent.grant):
        say()
    assert heard == [GRANTED, DENIED, GRANTED]
    assert consent.state is GRANTED


def test_what_was_kept_is_taken_without_being_told(heard: list[ConsentState]) -> None:
    """The answer of an earlier launch is the state of this one."""
    consent, answer = consent_of(UNKNOWN, heard)
    answer.take_kept(DENIED)
    assert consent.state is DENIED
    assert heard == []


def test_nothing_kept_changes_nothing(heard: list[ConsentState]) -> None:
    """A game that does not ask is granted until somebody says no."""
    consent, answer = consent_of(GRANTED, heard)
    answer.take_kept(UNKNOWN)
    assert consent.state is GRANTED


@pytest.mark.parametrize("kept", [GRANTED, DENIED])
@pytest.mark.parametrize("start", [UNKNOWN, GRANTED])
def test_this_launchs_word_wins_over_the_kept_one(
    heard: list[ConsentState], start: ConsentState, kept: ConsentState
) -> None:
    """An answer before `start()` is not overwritten by the answer of an earlier launch."""
    for word in (GRANTED, DENIED):
        consent, answer = consent_of(start, heard)
        (consent.grant if word is GRANTED else consent.deny)()
        answer.take_kept(kept)
        assert consent.state is word
