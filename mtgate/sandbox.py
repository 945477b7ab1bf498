"""The last steps before tenant code: what a process may do from here on.

In charge of: limits, identity, and the kernel's refusals, in the one order in which they work. Imports
nothing of ours, so that it can be read and judged alone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass, fields
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one worker is given; every field has a meaning without privileges too."""

    uid: int | None = None
    gid: int | None = None
    processes: int = 64
    open_files: int = 1024
    die_with_parent: bool = True

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> Policy:
        """A policy from the zygote's request."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (document or {}).items() if name in known})

    def to_json(self) -> dict[str, Any]:
        """As sent to the zygote."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def enter(policy: Policy, parent: int) -> None:
    """Closes the sandbox around this process; there is no way back. OSError says which step failed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (policy.open_files, policy.open_files))
    if policy.die_with_parent:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
