"""A control group (version 2) for each worker, where the machine lets us make one.

In charge of: finding our part of the tree, limits, and that no empty group stays behind. Must not know:
tenants' states. Without any controller a group still ends everything in it at once (cgroup.kill, Linux 5.14);
with `Delegate=yes` under systemd it also limits memory, processes and processor time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from mtgate.tenantdir.schema import Limits

CONTROLLERS = ("memory", "pids", "cpu")
#: The daemon's own group, where ours has controllers: a group that has them may hold no process itself.
DAEMON = "mtgate-daemon"
#: Groups of workers that cannot be killed (D state) keep their names.
_NAMES_TRIED = 100
_CPU_PERIOD_MICROSECONDS = 100_000


class Cgroups:
    """Our part of the tree; `base` is None where there is none, `controllers` those that may limit."""

    def __init__(self, base: Path | None, controllers: frozenset[str] = frozenset()) -> None:
        self.base = base
        self.controllers = controllers
        self._leftover: list[Path] = []

    @classmethod
    def find(cls, run: Path) -> Cgroups:
        """Makes a group named after the daemon's folder below the daemon's own; none when that is refused."""
        own = _own_group()
        if own is None:
            return cls(None)
        base = own / f"mtgate-{hashlib.blake2s(bytes(run), digest_size=4).hexdigest()}"
        try:
            base.mkdir(exist_ok=True)
            usable = os.access(base / "cgroup.kill", os.W_OK) and os.access(base / "cgroup.procs", os.W_OK)
        except OSError:
            return cls(None)
        if not usable:
            return cls(None)
        found = cls(base, _enable(own, base))
        found._leftover = [path for path in base.iterdir() if path.is_dir()]
        found.sweep()
        return found

    def make(self, name: str, limits: Limits) -> Path | None:
        """A new group with the limits that its controllers can hold.

        Never one that exists: a worker that replaces another has its generation and number too, and must not
        be killed with it.
        """
        self.sweep()
        if self.base is None:
            return None
        try:
            group = _new_folder(self.base, name)
            for file, value in settings(limits, self.controllers).items():
                (group / file).write_text(value)
        except OSError:
            return None
        return group

    def holding(self, pid: int) -> Path | None:
        """The group that the program before us made for that process."""
        if self.base is None:
            return None
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
                group = self.base / line.rpartition("/")[2]
                if line.startswith("0::") and group != self.base and group.is_dir():
                    return group
        return None

    def remove(self, group: Path | None) -> None:
        """Removes it, now or, while it still empties, a little later."""
        if group is not None:
            self._leftover.append(group)
            self.sweep()

    def sweep(self) -> None:
        """Removes groups that have become empty."""
        left = []
        for group in self._leftover:
            try:
                group.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(group)
        self._leftover = left


def _new_folder(base: Path, name: str) -> Path:
    for suffix in ("", *(f".{number}" for number in range(1, _NAMES_TRIED))):
        with contextlib.suppress(FileExistsError):
            group = base / (name + suffix)
            group.mkdir()
            return group
    raise FileExistsError(str(base / name))


def settings(limits: Limits, controllers: frozenset[str]) -> dict[str, str]:
    """What is written into a new group, by file."""
    found = {}
    if "memory" in controllers and limits.memory_bytes is not None:
        found["memory.max"] = str(limits.memory_bytes)
        found["memory.swap.max"] = "0"
    if "pids" in controllers and limits.processes is not None:
        found["pids.max"] = str(limits.processes)
    if "cpu" in controllers and limits.cpu_percent is not None:
        found["cpu.max"] = (
            f"{limits.cpu_percent * _CPU_PERIOD_MICROSECONDS // 100} {_CPU_PERIOD_MICROSECONDS}"
        )
    return found


def was_out_of_memory(group: Path | None) -> bool:
    """Whether the kernel has killed something in it for lack of memory."""
    if group is None:
        return False
    with contextlib.suppress(OSError):
        for line in (group / "memory.events").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count) > 0
    return False


def _own_group() -> Path | None:
    """The daemon's group as a folder; None without a version 2 hierarchy."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place, _, kind = line.partition(" - ")
            if kind.startswith("cgroup2 "):
                mount = Path(place.split()[4])
                lines = Path("/proc/self/cgroup").read_text().splitlines()
                inside = next((line[3:] for line in lines if line.startswith("0::")), "/")
                return mount / inside.removesuffix(f"/{DAEMON}").lstrip("/")
    return None


def _enable(own: Path, base: Path) -> frozenset[str]:
    """Hands the controllers of our group down to the workers'; those that arrive there."""
    try:
        offered = [name for name in CONTROLLERS if name in (own / "cgroup.controllers").read_text().split()]
        if not offered:
            return frozenset()
        words = " ".join(f"+{name}" for name in offered)
        if (own / "cgroup.type").exists():  # not the root of the tree: it may hold no process then
            (own / DAEMON).mkdir(exist_ok=True)
            (own / DAEMON / "cgroup.procs").write_text(str(os.getpid()))
        (own / "cgroup.subtree_control").write_text(words)
        (base / "cgroup.subtree_control").write_text(words)
    except OSError:
        return frozenset()
    return frozenset(offered)
