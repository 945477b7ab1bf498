"""Workers of a daemon that died: the next one takes them over, or ends them.

In charge of: the run records that name them, and getting their descriptors back. Must not know: units. A
record is written for each worker, so that its cost does not grow with the number of tenants. A pid is trusted
only together with its start time; every signal goes through a pidfd.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mtgate.supervisor import spec
from mtgate.supervisor.handover import TenantRecord, WorkerRecord
from mtgate.supervisor.process import start_time

logger = logging.getLogger(__name__)

_PIDFD_GETFD = 438
#: For a killed process to be gone; one that the kernel holds (a dead disk) must not hold us.
END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is on disk of a running worker."""

    tenant: str
    pid: int
    start_time: int
    generation: int
    number: int
    started_at: str


class RunRecords:
    """The folder of the records, in `run/`: gone with the machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: RunRecord) -> None:
        """Names a worker that has just been started; a disk without room costs the record, not the worker."""
        path = self._folder / f"{record.pid}.json"
        temporary = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(json.dumps(asdict(record)))
            temporary.replace(path)
        except OSError as error:
            logger.warning(
                "tenant %s: no record of worker %d: %s; a daemon after this one would not find it",
                *(record.tenant, record.pid, error.strerror),
            )

    def remove(self, pid: int) -> None:
        """The worker has ended. A record that cannot be removed names a process that is no more."""
        with contextlib.suppress(OSError):
            (self._folder / f"{pid}.json").unlink(missing_ok=True)

    def living(self) -> Iterator[tuple[RunRecord, int]]:
        """Records of workers that still run, with a pidfd each; the others are removed."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            record = _read(path)
            pidfd = _open(record) if record is not None else None
            if record is None or pidfd is None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            else:
                yield record, pidfd


def take(records: RunRecords, *, adopt: bool) -> dict[str, TenantRecord]:
    """The workers that a dead daemon left, by tenant; those that cannot be adopted, or are not to be, are
    killed."""
    found: dict[str, TenantRecord] = {}
    for record, pidfd in records.living():
        try:
            if not adopt:
                raise PermissionError
            worker, listener = _adopted(record, pidfd)
        except OSError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            select.select([pidfd], [], [], END_SECONDS)  # until then its tenant's socket counts as taken
            os.close(pidfd)
            records.remove(record.pid)
            continue
        tenant = found.setdefault(record.tenant, TenantRecord(listener, "active", None, 0))
        if tenant.listener != listener:
            os.close(listener)
        tenant.workers.append(worker)
    for tenant in found.values():  # of two generations the older one was being retired
        newest = max(worker.generation for worker in tenant.workers)
        for worker in tenant.workers:
            worker.serves = worker.generation == newest
    return found


def _adopted(record: RunRecord, pidfd: int) -> tuple[WorkerRecord, int]:
    """The worker and its listener; its lifeline died with the daemon, from now on it hears signals only."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with contextlib.ExitStack() as stack:
        numbers = []
        for wanted in (spec.STDOUT, spec.STDERR, spec.LISTENER):
            numbers.append(_descriptor_of(pidfd, wanted))
            stack.callback(os.close, numbers[-1])
        stdout, stderr = (_reading_end(number) for number in numbers[:2])
        listener = os.dup(numbers[2])
    worker = WorkerRecord(
        pid=record.pid,
        generation=record.generation,
        number=record.number,
        pidfd=pidfd,
        lifeline=ours.detach(),
        stdout=stdout,
        stderr=stderr,
        listens=False,
        serves=True,
        started_at=record.started_at,
    )
    return worker, listener


def _descriptor_of(pidfd: int, number: int) -> int:
    """A duplicate of another process's descriptor (pidfd_getfd, Linux 5.6)."""
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(_PIDFD_GETFD), pidfd, number, 0)
    if result < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return result


def _reading_end(descriptor: int) -> int:
    """The other end of a pipe: it must not keep the pipe open for writing, or its end would never be seen."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _read(path: Path) -> RunRecord | None:
    try:
        return RunRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _open(record: RunRecord) -> int | None:
    """A pidfd, when the pid still is the process that was recorded."""
    try:
        pidfd = os.pidfd_open(record.pid)
    except (ProcessLookupError, ValueError):
        return None
    if start_time(record.pid) == record.start_time:
        return pidfd
    os.close(pidfd)
    return None
