"""What must be done so that what runs is what is wanted.

In charge of: comparing folders, records and units. Must not know: how anything is done.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mtgate.supervisor.unit import State


@dataclass(frozen=True, slots=True)
class Difference:
    """Tenants to take up and to let go."""

    appeared: tuple[str, ...]
    vanished: tuple[str, ...]


def compare(folders: Collection[str], known: Collection[str]) -> Difference:
    """What changed in the tenants' folder since the last look; linear in both."""
    seen, before = set(folders), set(known)
    return Difference(tuple(sorted(seen - before)), tuple(sorted(before - seen)))


def first_state(desired: str, *, asleep: bool) -> State:
    """The state in which a tenant is taken up when the daemon starts; `activating` means: start it."""
    if desired == "stopped":
        return State.INACTIVE
    return State.ASLEEP if asleep else State.ACTIVATING
