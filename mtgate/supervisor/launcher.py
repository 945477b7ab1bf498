"""Makes one worker: pipes, lifeline, sandbox policy, fork.

In charge of: everything between "a worker is wanted" and a running child. Must not know: the unit's state.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

from mtgate.control.schema import ToolResult
from mtgate.paths import Paths
from mtgate.supervisor import crash_point, spec
from mtgate.supervisor.cgroups import Cgroups
from mtgate.supervisor.isolation import Isolation
from mtgate.supervisor.orphans import RunRecord, RunRecords
from mtgate.supervisor.process import Children, start_time, watched
from mtgate.supervisor.worker import Worker
from mtgate.supervisor.zygote import Zygote
from mtgate.tenantdir.schema import TenantConfig

logger = logging.getLogger(__name__)

TOOL_OUTPUT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be launched."""

    tenant: str
    directory: Path
    listener: socket.socket
    generation: int
    number: int
    config: TenantConfig
    uid: int | None


class Launcher:
    """Launches workers and tools of all tenants."""

    def __init__(
        self,
        paths: Paths,
        zygote: Zygote,
        children: Children,
        isolation: Isolation,
        cgroups: Cgroups,
        environ: Mapping[str, str],
    ) -> None:
        self._paths = paths
        self._zygote = zygote
        self._children = children
        self.isolation = isolation
        self.cgroups = cgroups
        self._environ = environ
        self.records = RunRecords(paths.run / "workers")

    async def launch(self, order: Order) -> Worker:
        """A started worker; ForkFailed or OSError leaves nothing open."""
        # A program of the tenant's own gets its socket blocking, as from systemd (sd_listen_fds(3)): a plain
        # accept loop would end at once otherwise. The flag is the socket's, not the descriptor's.
        order.listener.setblocking(order.config.command is not None)
        with _Descriptors() as made:
            outputs = {name: made.pipe(kept_open=self.isolation.adopts) for name in ("stdout", "stderr")}
            given = [outputs["stdout"][1], outputs["stderr"][1], order.listener.fileno()]
            if order.config.command is None:
                lifeline, theirs = made.pair()
                given.append(theirs.fileno())
            else:
                lifeline = made.notify_socket(self._notify_path(order), order.uid)
            cgroup = self.cgroups.make(
                cgroup_name(order.tenant, order.generation, order.number), order.config.limits
            )
            pid = await self._zygote.fork({**self._request(order), "cgroup": cgroup and str(cgroup)}, given)
            process = watched(pid, self._children)
            process.cgroup = cgroup
            kept = {name: made.keep(pair[0]) for name, pair in outputs.items()}
            made.keep(lifeline.fileno())
        self._record(order, pid)
        crash_point.passing("start.after-fork")
        listens = order.config.command is None
        return Worker(order.generation, order.number, process, lifeline, kept, listens=listens)

    def _record(self, order: Order, pid: int) -> None:
        try:
            began = start_time(pid)
        except OSError as error:  # out of descriptors: it serves all the same
            logger.warning("tenant %s: no record of worker %d: %s", order.tenant, pid, error.strerror)
            return
        if began is not None:
            moment = datetime.now(UTC).isoformat()
            self.records.write(RunRecord(order.tenant, pid, began, order.generation, order.number, moment))

    def recall(self, worker: Worker) -> None:
        """What the program before us made for a worker that we have taken over."""
        worker.process.cgroup = self.cgroups.holding(worker.process.pid)

    def forget(self, worker: Worker) -> None:
        """The worker has ended: its record and its group go."""
        self.records.remove(worker.process.pid)
        self.cgroups.remove(worker.process.cgroup)

    async def run_tool(self, order: Order, arguments: list[str]) -> ToolResult:
        """`python -m arguments…` as that tenant, in its sandbox; output beyond TOOL_OUTPUT_BYTES is
        dropped."""
        with _Descriptors() as made:
            pipes = [made.pipe(), made.pipe()]
            request = {
                **self._request(order),
                "fds": [spec.STDOUT, spec.STDERR],
                "argv": [],
                "tool": arguments,
            }
            pid = await self._zygote.fork(request, [writer for _, writer in pipes])
            process = watched(pid, self._children)
            readers = [made.keep(reader) for reader, _ in pipes]
        texts = ["", ""]

        async def collect(number: int) -> None:
            async with trio.lowlevel.FdStream(readers[number]) as stream:
                data = b""
                async for piece in stream:
                    data += piece if len(data) < TOOL_OUTPUT_BYTES else b""
                texts[number] = data.decode("utf-8", "replace")

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect, 0)
                nursery.start_soon(collect, 1)
                ended = await process.watch()
        finally:
            self._children.disown(process.pid)
        return ToolResult(exit_code=ended.shell_code, output=texts[0], errors=texts[1])

    def _notify_path(self, order: Order) -> Path:
        """Each worker of a tenant's own program has its NOTIFY_SOCKET; a start anew takes the name over."""
        return self._paths.run / "notify" / order.tenant[:40] / f"{order.generation % 10}.{order.number}"

    def _request(self, order: Order) -> dict[str, Any]:
        variables = spec.environment(
            order.tenant, str(order.directory), order.generation, order.number, order.config, self._environ
        )
        variables["MTGATE_ORPHANS"] = "adopt" if self.isolation.adopts else "stop"
        notify = None
        if order.config.command is not None:
            notify = self._notify_path(order)
            variables["NOTIFY_SOCKET"] = str(notify)
        folder = notify.parent if notify else None
        policy = self.isolation.policy(order.directory, order.config, order.uid, folder)
        return spec.request(
            order.config, variables, str(order.directory), os.getpid(), None, policy.to_json()
        )


def cgroup_name(tenant: str, generation: int, number: int) -> str:
    """One for each worker: the next generation's must not die with the old one's."""
    return f"{tenant}.{generation}.{number}"


class _Descriptors:
    """Closes what it made unless it was kept."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._sockets: list[socket.socket] = []

    def pipe(self, *, kept_open: bool = False) -> tuple[int, int]:
        """Reader and writer; `kept_open`: the writer can read too, so that no write fails when we are
        gone."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        if kept_open:
            both = os.open(f"/proc/self/fd/{writer}", os.O_RDWR | os.O_CLOEXEC)
            os.close(writer)
            writer = both
        self._open += [reader, writer]
        return reader, writer

    def pair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sockets += [ours, theirs]
        return ours, theirs

    def notify_socket(self, path: Path, uid: int | None) -> socket.socket:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.unlink(missing_ok=True)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sockets.append(receiver)
        receiver.bind(str(path))
        if uid is not None:
            os.chown(path, uid, uid, follow_symlinks=False)
        return receiver

    def keep(self, descriptor: int) -> int:
        self._open = [other for other in self._open if other != descriptor]
        self._sockets = [other for other in self._sockets if other.fileno() != descriptor]
        return descriptor

    def __enter__(self) -> _Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)
        for end in self._sockets:
            end.close()


async def stop_worker(worker: Worker, stop_timeout_seconds: float) -> None:
    """STOP and TERM, then KILL after the timeout; returns when it is gone."""
    worker.commanded = True
    if not worker.tell(b"STOP"):
        worker.process.send_signal(15)
    with trio.move_on_after(stop_timeout_seconds):
        await worker.ended.wait()
        return
    worker.process.kill_tree()
    await worker.ended.wait()
