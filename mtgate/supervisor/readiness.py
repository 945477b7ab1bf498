"""When workers are ready, and why one is not.

In charge of: waiting for READY with a limit, and the error that tells a person what to mend. Must not know:
what is done about it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import trio

from mtgate import notify
from mtgate.errors import GateError, InvalidConfiguration, StartFailed
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.worker import Worker
from mtgate.tenantdir.complaint import Complaint
from mtgate.tenantdir.schema import TenantConfig

#: A request that any HTTP server answers or refuses; either shows that somebody accepted it.
PROBE = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: mtgate\r\nConnection: close\r\n\r\n"
PROBE_SECONDS = 1.0
PROBE_PAUSE_SECONDS = 0.02
#: A program that has said READY takes a waiting connection at once; one that does not is not waited for.
PROBE_TAKEN_SECONDS = 5.0


async def wait_settled(workers: list[Worker], timeout_seconds: float) -> None:
    """Returns when each is ready, or one has ended, or the time is over."""
    with trio.move_on_after(timeout_seconds):
        for worker in workers:
            await worker.settled.wait()
            if not worker.ready:
                return


def failure(tenant: str, worker: Worker, config: TenantConfig, log_tail: list[str]) -> GateError:
    """The error for a worker that did not become ready."""
    ended = worker.process.exit
    said = worker.error or {}
    complaint = Complaint(
        str(said.get("message", "")),
        str(said.get("file") or ""),
        str(said.get("pointer") or ""),
        said.get("line"),
    )
    invalid = ended is not None and ended.code == notify.EXIT_CONFIGURATION
    if ended is None or worker.blame is Reason.START_TIMEOUT:
        detail = f"not ready within {config.start_timeout_seconds:g} s"
    else:
        detail = str(complaint) if said else f"the worker ended before it was ready: {ended}"
    kind = InvalidConfiguration if invalid else StartFailed
    return kind(
        detail,
        tenant=tenant,
        complaints=(complaint,) if said else (),
        log_tail=tuple(log_tail),
        hint=f"mend it, then mtctl restart {tenant}"
        if invalid
        else f"mtctl logs {tenant} shows all of its output",
    )


async def watch_first_accept(worker: Worker, path: Path, listener: socket.socket) -> None:
    """For a program that says nothing: it is ready when it has accepted a connection on the tenant's socket.

    The old generation may accept from the same socket, so an answer alone proves nothing: the connection must
    be among the new process's own descriptors, or its children's.

    `worker.unprobed` fires when no probe waits in the socket any more: the kernel keeps one there after we
    have closed it, and a tenant that went to sleep meanwhile would be woken by it.
    """
    try:
        while not worker.settled.is_set():
            with (
                trio.move_on_after(PROBE_SECONDS) as limit,
                contextlib.suppress(OSError, trio.BrokenResourceError),
            ):
                async with await trio.open_unix_socket(str(path)) as stream:
                    await stream.send_all(PROBE)
                    while not worker.settled.is_set():
                        if _has_accepted(worker.process.pid, listener):
                            worker.became_ready()
                        await trio.sleep(PROBE_PAUSE_SECONDS)
                    limit.deadline = trio.current_time() + PROBE_TAKEN_SECONDS
                    if worker.ready:
                        await stream.receive_some(1)  # an answer or its end: it was taken out
            await trio.sleep(PROBE_PAUSE_SECONDS)
    finally:
        worker.unprobed.set()


def _has_accepted(pid: int, listener: socket.socket) -> bool:
    connected = _accepted_inodes(listener)
    family = [pid, *_children(pid)]
    return any(connected & _socket_inodes(member) for member in family)


def _accepted_inodes(listener: socket.socket) -> set[int]:
    """Sockets that were accepted from the listener: proc(5) shows them under its name.

    The table has a line for each socket of the machine, also each sleeper's: only ours are taken apart.
    """
    name = f" {listener.getsockname()}"
    lines = Path("/proc/net/unix").read_text().splitlines()
    inodes = {int(line.split()[6]) for line in lines if line.endswith(name)}
    return inodes - {os.fstat(listener.fileno()).st_ino}


def _socket_inodes(pid: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                kind, _, rest = os.readlink(entry.path).partition(":")
                if kind == "socket":
                    found.add(int(rest.strip("[]")))
    return found


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
