"""When to try again: back-off with jitter, start limit, slow retries.

In charge of: the decision after an uncommanded exit, as a function of past failures and the time. Must not
know: processes. Names and shape follow systemd's StartLimit* and OTP's intensity and period.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mtgate import notify


class Reason(StrEnum):
    """Why a unit is not serving, or why a worker was replaced; shown by `mtctl status`."""

    START_FAILED = "StartFailed"
    START_TIMEOUT = "StartTimeout"
    CONFIGURATION = "InvalidConfiguration"
    CRASHED = "Crashed"
    EXITED = "Exited"
    OOM_KILLED = "OOMKilled"
    WATCHDOG = "WatchdogTimeout"
    PROBE = "ProbeFailed"
    LOST = "DaemonDied"


class Verdict(StrEnum):
    """What follows an uncommanded exit; the values are names of `unit.Event`."""

    NOW = "retry-now"
    LATER = "retry-later"
    GIVE_UP = "give-up"
    REST = "stopped"


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one tenant's restarts; `mode` as in tenant.json: always, on-failure, never."""

    mode: str = "always"
    initial_seconds: float = 0.1
    factor: float = 2.0
    maximum_seconds: float = 30.0
    jitter: float = 0.2
    burst: int = 5
    window_seconds: float = 60.0
    healthy_after_seconds: float = 30.0
    slow_retry_seconds: float = 300.0


@dataclass(slots=True)
class History:
    """Failures since the unit was last healthy; times are monotonic seconds."""

    failures: list[float] = field(default_factory=list)

    def clear(self) -> None:
        """A command by a person starts the count anew."""
        self.failures.clear()


@dataclass(frozen=True, slots=True)
class Decision:
    """`delay_seconds` is None where nothing is tried again by itself."""

    verdict: Verdict
    delay_seconds: float | None


def backoff_seconds(policy: Policy, failures: int, chance: float) -> float:
    """Delay before try number `failures` + 1; `chance` in [0, 1) spreads it by ± jitter."""
    exponent = min(max(failures - 1, 0), 64)
    plain = min(policy.initial_seconds * policy.factor**exponent, policy.maximum_seconds)
    return plain * (1.0 + policy.jitter * (2.0 * chance - 1.0))


def after_failure(
    policy: Policy, history: History, now: float, healthy_seconds: float, reason: Reason, chance: float
) -> Decision:
    """Records a failure at `now` and says what follows.

    `healthy_seconds` is how long the unit had been ready; after `healthy_after_seconds` the past is forgotten
    and the first restart is immediate. A configuration error is not cured by trying again.
    """
    if policy.mode == "never" or (policy.mode == "on-failure" and reason is Reason.EXITED):
        return Decision(Verdict.REST, None)
    if reason is Reason.CONFIGURATION:
        return Decision(Verdict.GIVE_UP, None)
    if healthy_seconds >= policy.healthy_after_seconds:
        history.clear()
    history.failures = [then for then in history.failures if now - then < policy.window_seconds]
    history.failures.append(now)
    count = len(history.failures)
    if count >= policy.burst:
        return Decision(Verdict.GIVE_UP, policy.slow_retry_seconds or None)
    if count == 1 and healthy_seconds > 0:
        return Decision(Verdict.NOW, 0.0)
    return Decision(Verdict.LATER, backoff_seconds(policy, count, chance))


def exit_reason(code: int | None, signal: int | None, *, was_ready: bool, out_of_memory: bool) -> Reason:
    """The reason for an exit that nobody asked for."""
    if out_of_memory:
        return Reason.OOM_KILLED
    if code == notify.EXIT_CONFIGURATION:
        return Reason.CONFIGURATION
    if not was_ready:
        return Reason.START_FAILED
    return Reason.EXITED if code == 0 and signal is None else Reason.CRASHED
