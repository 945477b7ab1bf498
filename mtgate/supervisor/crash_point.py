"""Named points at which a test may kill the daemon: `MTGATE_CRASH_AT=name[:n]` dies at the n-th passage.

A crash is an exit by SIGKILL from within, so nothing is flushed or closed in an orderly way. Without the
variable a point is one comparison.
"""

from __future__ import annotations

import os
import signal

#: Every point, so that a test can walk them all and a typing error in a name cannot go unseen.
POINTS = (
    "state.before-write",
    "state.after-write",
    "state.after-rename",
    "add.before-socket",
    "add.after-socket",
    "add.after-state",
    "remove.after-state",
    "remove.after-stop",
    "remove.after-delete",
    "start.after-state",
    "start.after-fork",
    "start.after-ready",
    "stop.after-state",
    "stop.after-exit",
    "swap.before-switch",
    "swap.after-drain",
    "swap.after-switch",
)

_name, _, _count = os.environ.get("MTGATE_CRASH_AT", "").partition(":")
if _name and _name not in POINTS:
    raise SystemExit(f"MTGATE_CRASH_AT={_name}: no such crash point; known: {', '.join(POINTS)}")
_left = int(_count or 1)


def passing(name: str) -> None:
    """Dies here when `name` is the point asked for and its turn has come."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
