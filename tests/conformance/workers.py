"""Real tenant workers, started in milliseconds: forked from a process that has imported everything.

In charge of: standing in for the daemon towards one worker (the socket it is handed, its lifeline). The
worker is ``tenant_runtime.worker.main`` as the zygote runs it, only without a sandbox.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mtgate import notify
from tests.conformance.exchange import Target

START_SECONDS = 30.0
STOP_SECONDS = 10.0
LISTEN_FD = 3

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("tenant_runtime.worker", "tenant_runtime.schema", "tenant_runtime.explorer.page"),
        *("tenant_runtime.connectors.mongodb.client", "tenant_runtime.connectors.sql.engine"),
        *("tenant_runtime.connectors.memory", "tenant_runtime.middleware.catalogue"),
    ]
)


class TenantFailed(RuntimeError):
    """The worker, or the schema command before it, ended; the message is its own, with its log."""


def run_worker(
    folder: Path, listener: socket.socket, lifeline: socket.socket, log: Path, reset: bool
) -> None:
    """In the child: become the tenant's worker."""
    redirect_output(log)
    from tenant_runtime import worker

    os.environ |= {
        "TZ": "UTC",
        "MTGATE_TENANT": "conformance",
        "MTGATE_TENANT_DIR": str(folder),
        "MTGATE_GENERATION": "1",
        "MTGATE_WORKER": "0",
        "LISTEN_FDS": "1",
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDNAMES": "http",
        notify.LIFELINE_FD: str(os.dup(lifeline.fileno())),
    }
    os.set_inheritable(int(os.environ[notify.LIFELINE_FD]), True)
    if reset:
        reset_tables(folder, lifeline)
    os.dup2(listener.fileno(), LISTEN_FD)
    sys.exit(worker.main())


def reset_tables(folder: Path, lifeline: socket.socket) -> None:
    from tenant_runtime import schema

    code = schema.main([str(folder), "reset"])
    if code:
        lifeline.send(notify.error(json.dumps({"message": f"schema reset ended with {code}"})).encode())
        sys.exit(code)


def redirect_output(log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)


@contextmanager
def listening(folder: Path, tcp: bool) -> Iterator[tuple[socket.socket, Target]]:
    path = folder / "tenant.sock"
    with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as listener:
        listener.bind(("127.0.0.1", 0) if tcp else str(path))
        listener.listen()
        yield listener, Target(port=listener.getsockname()[1]) if tcp else Target(socket_path=path)


@contextmanager
def running(folder: Path, *, reset: bool, tcp: bool = False) -> Iterator[Target]:
    """The tenant in that folder, ready; with ``reset`` its tables are made anew first. Stopped at the end.

    It listens on a Unix socket as behind the gateway; with ``tcp`` on a loopback port, for other clients.
    """
    log = folder / "worker.log"
    with listening(folder, tcp) as (listener, target):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            process = FORKS.Process(target=run_worker, args=(folder, listener, theirs, log, reset))
            process.start()
            theirs.close()
            try:
                wait_ready(ours, log)
                yield replace(target, pid=process.pid or 0)
            finally:
                stop(process, ours)


def wait_ready(lifeline: socket.socket, log: Path) -> None:
    lifeline.settimeout(START_SECONDS)
    while True:
        try:
            message = lifeline.recv(65536)
        except TimeoutError:
            message = b""
        words = notify.parse(message)
        if words.get("READY") == "1":
            return
        if not message or "MTGATE_ERROR" in words:
            text = log.read_text("utf-8", "replace")[-3000:] if log.exists() else ""
            raise TenantFailed(
                words.get("MTGATE_ERROR", "the worker ended before it was ready") + "\n" + text
            )


def stop(process: multiprocessing.process.BaseProcess, lifeline: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        lifeline.send(notify.STOP)
    process.join(STOP_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
