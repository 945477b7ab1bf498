"""Back-off, start limit, reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtgate.supervisor.restart import (
    Decision,
    History,
    Policy,
    Reason,
    Verdict,
    after_failure,
    backoff_seconds,
    exit_reason,
)

POLICY = Policy()


def test_delays_double_up_to_the_cap() -> None:
    delays = [backoff_seconds(POLICY, count, 0.5) for count in range(1, 12)]
    assert delays[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert delays[-1] == pytest.approx(30.0)


@given(st.integers(0, 10_000), st.floats(0, 0.999))
def test_jitter_stays_within_its_bounds(count: int, chance: float) -> None:
    plain = backoff_seconds(POLICY, count, 0.5)
    assert plain * 0.8 <= backoff_seconds(POLICY, count, chance) <= plain * 1.2


def test_first_end_after_health_restarts_at_once() -> None:
    history = History([1.0, 2.0, 3.0])
    decision = after_failure(POLICY, history, 100.0, 31.0, Reason.CRASHED, 0.5)
    assert decision == Decision(Verdict.NOW, 0.0)
    assert history.failures == [100.0]


def test_five_ends_within_the_window_give_up_and_retry_slowly() -> None:
    history = History()
    decisions = [after_failure(POLICY, history, float(now), 0.5, Reason.CRASHED, 0.5) for now in range(5)]
    assert [decision.verdict for decision in decisions] == [
        Verdict.NOW,
        Verdict.LATER,
        Verdict.LATER,
        Verdict.LATER,
        Verdict.GIVE_UP,
    ]
    assert decisions[-1].delay_seconds == 300.0


def test_ends_outside_the_window_do_not_count() -> None:
    history = History()
    for now in range(0, 1000, 61):
        assert after_failure(POLICY, history, float(now), 1.0, Reason.CRASHED, 0.5).verdict is Verdict.NOW


def test_a_failed_start_waits_and_a_wrong_configuration_is_not_tried_again() -> None:
    assert after_failure(POLICY, History(), 0.0, 0.0, Reason.START_FAILED, 0.5) == Decision(
        Verdict.LATER, 0.1
    )
    assert after_failure(POLICY, History(), 0.0, 0.0, Reason.CONFIGURATION, 0.5) == Decision(
        Verdict.GIVE_UP, None
    )


@pytest.mark.parametrize(
    ("mode", "reason", "verdict"),
    [
        ("on-failure", Reason.EXITED, Verdict.REST),
        ("on-failure", Reason.CRASHED, Verdict.NOW),
        ("never", Reason.CRASHED, Verdict.REST),
        ("always", Reason.EXITED, Verdict.NOW),
    ],
)
def test_modes(mode: str, reason: Reason, verdict: Verdict) -> None:
    assert after_failure(Policy(mode=mode), History(), 0.0, 1.0, reason, 0.5).verdict is verdict


@pytest.mark.parametrize(
    ("code", "signal", "was_ready", "out_of_memory", "reason"),
    [
        (78, None, False, False, Reason.CONFIGURATION),
        (1, None, False, False, Reason.START_FAILED),
        (None, 9, True, True, Reason.OOM_KILLED),
        (None, 9, True, False, Reason.CRASHED),
        (0, None, True, False, Reason.EXITED),
        (3, None, True, False, Reason.CRASHED),
    ],
)
def test_reasons(
    code: int | None, signal: int | None, was_ready: bool, out_of_memory: bool, reason: Reason
) -> None:
    assert exit_reason(code, signal, was_ready=was_ready, out_of_memory=out_of_memory) is reason
