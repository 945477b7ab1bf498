"""Who may do what on the control socket.

In charge of: user and group ids → role, and refusing a tenant's own processes. Must not know: requests. What
the kernel said of the peer (SO_PEERCRED) is the only evidence.
"""

from __future__ import annotations

import contextlib
import grp
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtgate.http1.message import Peer
from mtgate.settings import ControlSettings

Role = Literal["admin", "operator", "none"]

#: How far up a process's parents are followed.
_GENERATIONS = 64


@dataclass(frozen=True, slots=True)
class Roles:
    """The rules of one daemon, with group names resolved."""

    daemon_uid: int
    admin_uids: frozenset[int]
    operator_uids: frozenset[int]
    admin_gid: int | None
    operator_gid: int | None

    def of(self, uid: int, gids: Collection[int]) -> Role:
        """root and the daemon's own user are admins; then the lists; then the groups."""
        if uid in (0, self.daemon_uid) or uid in self.admin_uids or self.admin_gid in gids:
            return "admin"
        if uid in self.operator_uids or self.operator_gid in gids:
            return "operator"
        return "none"


def configured(settings: ControlSettings, daemon_uid: int) -> Roles:
    """The rules that the settings say; a group that does not exist has no members."""
    return Roles(
        daemon_uid,
        frozenset(settings.admin_uids),
        frozenset(settings.operator_uids),
        group_id(settings.admin_group),
        group_id(settings.operator_group),
    )


def group_id(name: str) -> int | None:
    """The id of a group; None when there is none of that name."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def groups_of(peer: Peer) -> frozenset[int]:
    """The peer's primary group and, while its process lives, its supplementary ones."""
    found = {peer.gid}
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{peer.pid}/status").read_text().splitlines():
            if line.startswith("Uid:") and int(line.split()[1]) != peer.uid:
                return frozenset({peer.gid})
            if line.startswith("Groups:"):
                found.update(map(int, line.split()[1:]))
    return frozenset(found)


def descends_from_daemon(pid: int, workers: Callable[[], Collection[int]]) -> bool:
    """Whether a process is a tenant's: the daemon, which is the subreaper, is among its ancestors.

    As process 1 of a container the daemon is everybody's ancestor; then only what descends from one of
    ``workers`` counts.
    """
    daemon = os.getpid()
    ancestors = workers() if daemon == 1 else (daemon,)
    for _ in range(_GENERATIONS):
        if pid in ancestors:
            return True
        parent = _parent_of(pid)
        if parent in (None, 0, 1):
            return False
        pid = parent or 0
    return False


def _parent_of(pid: int) -> int | None:
    """proc(5), stat: the parent is the second field after the command's closing parenthesis."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None  # it has ended; any other error leaves open who is asking
