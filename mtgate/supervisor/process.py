"""Children of the daemon: noticing their end, signalling them, ending whole trees.

In charge of: pids. A signal goes through a pidfd, or to a process group whose leader is still unreaped, so
that no number can have come to mean a stranger. Must not know: tenants' states, or who asked.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from mtgate.supervisor.cgroups import was_out_of_memory

_PR_SET_CHILD_SUBREAPER = 36
#: A dead child that nobody has reaped for so long is a stranger's.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exit code, or the signal that ended it; both None when nobody could know."""

    code: int | None
    signal: int | None

    @property
    def shell_code(self) -> int:
        """As a shell says it: 128 more than the signal."""
        return 128 + self.signal if self.signal is not None else self.code or 0

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {signal.Signals(self.signal).name}"
        return f"exit code {self.code}" if self.code is not None else "ended"


class Process:
    """One child; `pid` is also its process group and session."""

    __slots__ = ("_ended", "_exit", "cgroup", "group", "out_of_memory", "pid", "pidfd", "start_time")

    def __init__(self, pid: int, *, pidfd: int | None = None, group: bool = True) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid) if pidfd is None else pidfd
        self.group = group
        self.cgroup: Path | None = None
        self.out_of_memory = False
        self._exit: Exit | None = None
        self._ended = trio.Event()

    @property
    def exit(self) -> Exit | None:
        """None while it runs."""
        return self._exit

    async def wait(self) -> Exit:
        """How it ended; any number of callers."""
        await self._ended.wait()
        assert self._exit is not None
        return self._exit

    def send_signal(self, number: int) -> None:
        """To this process alone; nothing when it has ended."""
        if self._exit is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def kill_tree(self) -> None:
        """SIGKILL to it and to what it started, as far as cgroup and process group reach."""
        kill_cgroup(self.cgroup)
        if self._exit is None:
            if self.group:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self.send_signal(signal.SIGKILL)

    async def watch(self) -> Exit:
        """Waits for the end, ends the rest of its tree, reaps. Run by exactly one task."""
        await trio.lowlevel.wait_readable(self.pidfd)
        self.kill_tree()  # the leader is a zombie now: its number still pins the group's
        try:
            info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        except ChildProcessError:  # an adopted worker: somebody else is its parent
            ended = Exit(None, None)
        else:
            assert info is not None
            by_signal = info.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            ended = Exit(None, info.si_status) if by_signal else Exit(info.si_status, None)
        self._exit = ended
        os.close(self.pidfd)
        self.out_of_memory = was_out_of_memory(self.cgroup)
        self._ended.set()
        return ended


def watched(pid: int, children: Children, *, group: bool = True) -> Process:
    """A child of ours that has just been made. One that cannot be watched is killed: OSError says why."""
    try:
        return Process(pid, group=group)
    except OSError:
        os.kill(pid, signal.SIGKILL)  # not reaped yet: the number cannot be a stranger's
        children.disown(pid)
        raise


def become_subreaper() -> None:
    """Orphans of our descendants become our children instead of init's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Children:
    """Who of the daemon's children belongs to whom. What nobody owns came home to the subreaper.

    Ownership is registered in the same step in which a fork is learnt, and nothing unknown is reaped while a
    fork is under way, so that a worker which dies at once is still its owner's to reap.
    """

    def __init__(self) -> None:
        self._owned: set[int] = set()
        self._forks_under_way = 0

    @contextlib.contextmanager
    def forking(self) -> Iterator[None]:
        """While inside, unknown children may be ours to be told of."""
        self._forks_under_way += 1
        try:
            yield
        finally:
            self._forks_under_way -= 1

    def own(self, pid: int) -> None:
        """This child has an owner who will reap it and then `disown`."""
        self._owned.add(pid)

    def disown(self, pid: int) -> None:
        """Its owner has reaped it."""
        self._owned.discard(pid)

    def strangers(self) -> list[int]:
        """Children without an owner: descendants of workers that escaped by a double fork.

        The proxies' processes are among them too: who acts on a stranger looks closer.
        """
        if self._forks_under_way:
            return []
        try:
            text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        except OSError:  # out of descriptors: they are looked for again after the next child's end
            return []
        return [pid for pid in map(int, text.split()) if pid not in self._owned]

    def kill_strangers(self, tenant: str) -> int:
        """SIGKILL to those that carry this tenant's environment; how many."""
        found = [pid for pid in self.strangers() if _tenant_of(pid) == tenant]
        for pid in found:
            os.kill(pid, signal.SIGKILL)  # an unreaped child of ours: the number cannot be a stranger's
        return len(found)

    async def reap_forever(self) -> None:
        """After each SIGCHLD reaps dead strangers; those that trio waits for are gone long before the grace
        is."""
        with trio.open_signal_receiver(signal.SIGCHLD) as signals:
            async for _ in signals:
                before = set(self.strangers())
                await trio.sleep(GRACE_SECONDS)
                for pid in before.intersection(self.strangers()):
                    with contextlib.suppress(ChildProcessError):
                        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)


def _tenant_of(pid: int) -> str | None:
    """The tenant in a process's environment; None where it cannot be read, "" where it names none."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        if variable.startswith(b"MTGATE_TENANT="):
            return variable.partition(b"=")[2].decode("ascii", "replace")
    return ""


def kill_cgroup(cgroup: Path | None) -> None:
    """Everything in it dies at once, the daemonised included (cgroup.kill, Linux 5.14)."""
    if cgroup is not None:
        with contextlib.suppress(OSError):
            (cgroup / "cgroup.kill").write_text("1")


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which the process began: with the pid it names a process for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return None
        raise
    return int(stat.rpartition(")")[2].split()[19])


def is_child(pid: int) -> bool:
    """Whether the process is a child of ours; of others nothing pins the number of a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return int(stat.rpartition(")")[2].split()[1]) == os.getpid()
