"""Who observes: remembered, until somebody comes or goes, on the model itself or on a base of it."""

from __future__ import annotations

from tenant_runtime.model.hooks import HookContext, Hooks


def observer(context: HookContext) -> None:
    """Does nothing."""


def test_whether_anybody_observes_is_asked_of_the_bases_too() -> None:
    base = Hooks()
    derived = Hooks(Hooks(base))
    assert not derived.active("access")
    base.observe("access", observer)
    assert derived.active("access")
    assert not derived.active("loaded")
    base.remove_observer("access", observer)
    assert not derived.active("access")


def test_those_of_a_model_are_not_its_bases() -> None:
    base = Hooks()
    derived = Hooks(base)
    derived.observe("access", observer)
    assert derived.active("access")
    assert not base.active("access")
    derived.clear_observers("access")
    assert not derived.active("access")
