"""`"watch": true` in tenant.json: restart when a file of the folder has changed.

In charge of: noticing, and waiting until the changes have settled. Must not know: what a restart is. Looks at
names, sizes and times only; one task for each tenant that asks for it (a developer's convenience, off by
default).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import trio

from mtgate.supervisor.history import SUFFIXES
from mtgate.tenantdir.files import NOT_COPIED

LOOK_SECONDS = 0.5

Signature = dict[str, tuple[int, int]]


def signature(folder: Path) -> Signature:
    """Size and time of change of every source file by path; what cannot be looked at is left out."""
    found: Signature = {}
    pending = [str(folder)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in NOT_COPIED and not entry.name.startswith("."):
                        pending.append(entry.path)
                elif entry.name.endswith(SUFFIXES):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.path] = (status.st_size, status.st_mtime_ns)
    return found


async def wait_changed(folder: Path, seen: Signature) -> Signature:
    """Returns when files differ from what was `seen` and have stayed the same for one look.

    An editor's several writes are one change.
    """
    last = seen
    while True:
        await trio.sleep(LOOK_SECONDS)
        now = await trio.to_thread.run_sync(signature, folder)
        if now == last != seen:
            return now
        last = now
