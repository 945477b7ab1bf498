"""A unit: what one tenant may do next.

In charge of: the table of states and events. Must not know: processes, time, the other tenants. The task that
owns the tenant asks `decide` and then does the action; every state × event pair has an answer, also those
that do nothing, so a late message (a READY of a worker that was stopped meanwhile) is an entry here and not a
case in the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """systemd's active states, and `asleep`."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    AUTO_RESTART = "auto-restart"
    FAILED = "failed"
    ASLEEP = "asleep"


class Event(StrEnum):
    """What can happen to a unit. The first six are commands, the others come from its processes and
    timers."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    SLEEP = "sleep"
    WAKE = "wake"
    RESET = "reset-failed"
    READY = "ready"
    RETRY_NOW = "retry-now"
    RETRY_LATER = "retry-later"
    GIVE_UP = "give-up"
    TIMER = "timer"
    IDLE = "idle"
    STOPPED = "stopped"
    SLEPT = "slept"


class Action(StrEnum):
    """What the owner of the unit does after the step."""

    NOTHING = "nothing"
    ALREADY = "already"
    REFUSE = "refuse"
    SPAWN = "spawn"
    SWAP = "swap"
    STOP = "stop"
    SLEEP = "sleep"
    WAIT_TIMER = "wait-timer"


@dataclass(frozen=True, slots=True)
class Step:
    """The next state and what to do on entering it."""

    state: State
    action: Action


def _row(stay: State, **changes: tuple[State, Action]) -> dict[Event, Step]:
    """A state's row: what is not named stays and does nothing."""
    row = {event: Step(stay, Action.NOTHING) for event in Event}
    row.update({Event[name.upper()]: Step(*step) for name, step in changes.items()})
    return row


_SPAWN = (State.ACTIVATING, Action.SPAWN)
_STOP = (State.DEACTIVATING, Action.STOP)

#: Commands are serialised by the tenant's lock, so that they meet `activating` and `deactivating` only when
#: they interrupt; the rows are complete all the same.
TABLE: dict[State, dict[Event, Step]] = {
    State.INACTIVE: _row(
        State.INACTIVE,
        start=_SPAWN,
        restart=_SPAWN,
        stop=(State.INACTIVE, Action.ALREADY),
        sleep=(State.INACTIVE, Action.REFUSE),
        wake=(State.INACTIVE, Action.REFUSE),
        reset=(State.INACTIVE, Action.ALREADY),
    ),
    State.ACTIVATING: _row(
        State.ACTIVATING,
        start=(State.ACTIVATING, Action.ALREADY),
        wake=(State.ACTIVATING, Action.ALREADY),
        restart=_SPAWN,
        stop=_STOP,
        sleep=(State.ACTIVATING, Action.REFUSE),
        reset=(State.ACTIVATING, Action.ALREADY),
        ready=(State.ACTIVE, Action.NOTHING),
        retry_now=_SPAWN,
        retry_later=(State.AUTO_RESTART, Action.WAIT_TIMER),
        give_up=(State.FAILED, Action.WAIT_TIMER),
        stopped=(State.INACTIVE, Action.NOTHING),
    ),
    State.ACTIVE: _row(
        State.ACTIVE,
        start=(State.ACTIVE, Action.ALREADY),
        wake=(State.ACTIVE, Action.ALREADY),
        restart=(State.ACTIVE, Action.SWAP),
        stop=_STOP,
        sleep=(State.DEACTIVATING, Action.SLEEP),
        idle=(State.DEACTIVATING, Action.SLEEP),
        reset=(State.ACTIVE, Action.ALREADY),
        stopped=(State.INACTIVE, Action.NOTHING),
        retry_now=_SPAWN,
        retry_later=(State.AUTO_RESTART, Action.WAIT_TIMER),
        give_up=(State.FAILED, Action.WAIT_TIMER),
    ),
    State.DEACTIVATING: _row(
        State.DEACTIVATING,
        start=_SPAWN,
        restart=_SPAWN,
        stop=(State.DEACTIVATING, Action.ALREADY),
        sleep=(State.DEACTIVATING, Action.REFUSE),
        reset=(State.DEACTIVATING, Action.ALREADY),
        stopped=(State.INACTIVE, Action.NOTHING),
        slept=(State.ASLEEP, Action.NOTHING),
    ),
    State.AUTO_RESTART: _row(
        State.AUTO_RESTART,
        start=_SPAWN,
        restart=_SPAWN,
        timer=_SPAWN,
        stop=_STOP,
        wake=(State.AUTO_RESTART, Action.NOTHING),
        sleep=(State.AUTO_RESTART, Action.REFUSE),
        reset=_SPAWN,
    ),
    State.FAILED: _row(
        State.FAILED,
        start=_SPAWN,
        restart=_SPAWN,
        timer=_SPAWN,
        reset=_SPAWN,
        stop=_STOP,
        wake=(State.FAILED, Action.REFUSE),
        sleep=(State.FAILED, Action.REFUSE),
    ),
    State.ASLEEP: _row(
        State.ASLEEP,
        start=_SPAWN,
        wake=_SPAWN,
        restart=_SPAWN,
        stop=_STOP,
        sleep=(State.ASLEEP, Action.ALREADY),
        reset=(State.ASLEEP, Action.ALREADY),
    ),
}


def decide(state: State, event: Event) -> Step:
    """The step that `event` causes in `state`; total over both."""
    return TABLE[state][event]
