"""How much memory tenants' processes have to themselves.

In charge of: reading proc(5) and not doing so too often. Must not know: tenants' states.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtgate.control.schema import TenantStatus

#: Reading one process takes the kernel some 3 ms.
MOST_PROCESSES = 100


def measure(statuses: Sequence[TenantStatus]) -> None:
    """Fill in the memory of all processes, unless there are too many of them. Blocks: call it in a thread."""
    processes = [process for status in statuses for process in status.processes]
    if len(processes) <= MOST_PROCESSES:
        for process in processes:
            process.memory_bytes = unshared_bytes(process.pid)


def unshared_bytes(pid: int) -> int | None:
    """The private pages of a process (smaps_rollup); None when it has gone or is not ours to look at."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    return sum(
        int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))
    )
