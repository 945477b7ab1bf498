"""The unit's table: complete, and what a person expects of each command in each state."""

from __future__ import annotations

import itertools

import pytest

from mtgate.supervisor.unit import TABLE, Action, Event, State, decide


def test_every_state_and_event_has_a_step() -> None:
    for state, event in itertools.product(State, Event):
        assert decide(state, event) == TABLE[state][event]


@pytest.mark.parametrize(
    ("state", "event", "next_state", "action"),
    [
        (State.INACTIVE, Event.START, State.ACTIVATING, Action.SPAWN),
        (State.INACTIVE, Event.STOP, State.INACTIVE, Action.ALREADY),
        (State.INACTIVE, Event.WAKE, State.INACTIVE, Action.REFUSE),
        (State.ACTIVATING, Event.READY, State.ACTIVE, Action.NOTHING),
        (State.ACTIVATING, Event.RETRY_LATER, State.AUTO_RESTART, Action.WAIT_TIMER),
        (State.ACTIVATING, Event.GIVE_UP, State.FAILED, Action.WAIT_TIMER),
        (State.ACTIVE, Event.START, State.ACTIVE, Action.ALREADY),
        (State.ACTIVE, Event.RESTART, State.ACTIVE, Action.SWAP),
        (State.ACTIVE, Event.IDLE, State.DEACTIVATING, Action.SLEEP),
        (State.ACTIVE, Event.RETRY_NOW, State.ACTIVATING, Action.SPAWN),
        (State.DEACTIVATING, Event.SLEPT, State.ASLEEP, Action.NOTHING),
        (State.AUTO_RESTART, Event.TIMER, State.ACTIVATING, Action.SPAWN),
        (State.AUTO_RESTART, Event.STOP, State.DEACTIVATING, Action.STOP),
        (State.FAILED, Event.RESET, State.ACTIVATING, Action.SPAWN),
        (State.FAILED, Event.WAKE, State.FAILED, Action.REFUSE),
        (State.ASLEEP, Event.WAKE, State.ACTIVATING, Action.SPAWN),
        (State.ASLEEP, Event.SLEEP, State.ASLEEP, Action.ALREADY),
    ],
)
def test_steps(state: State, event: Event, next_state: State, action: Action) -> None:
    step = decide(state, event)
    assert (step.state, step.action) == (next_state, action)


@pytest.mark.parametrize("event", [Event.READY, Event.STOPPED, Event.SLEPT])
@pytest.mark.parametrize("state", [State.INACTIVE, State.ASLEEP, State.FAILED, State.AUTO_RESTART])
def test_late_messages_change_nothing(state: State, event: Event) -> None:
    step = decide(state, event)
    assert (step.state, step.action) == (state, Action.NOTHING)


def test_stop_leads_to_rest_from_everywhere() -> None:
    for state in State:
        step = decide(state, Event.STOP)
        assert step.action in (Action.STOP, Action.ALREADY)
        assert step.state in (State.DEACTIVATING, State.INACTIVE)
