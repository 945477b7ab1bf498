"""A worker that is forked while the daemon dies must end: nobody is left who would."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenant_runtime import zygote

#: Far more than either takes on a machine under load; only a hang comes to it.
PATIENCE_SECONDS = 60.0
#: Above the greatest pid that Linux gives (4,194,303).
NOBODY = 1 << 22


def request(parent: int) -> dict[str, Any]:
    """A worker's request with a program that would stay."""
    return {
        "fds": [1, 2],
        "argv": [sys.executable, "-c", "import time; print('begins', flush=True); time.sleep(600)"],
        "environment": {"MTGATE_TENANT": "foo", "PATH": os.environ["PATH"]},
        "directory": "/",
        "parent": parent,
        "cgroup": None,
        "sandbox": None,
    }


@contextmanager
def once(document: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process of a cold start, and the reading end of its output."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-m", "tenant_runtime.zygote", "--once", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        socket.send_fds(ours, [json.dumps(document).encode()], [writer, writer])
        os.close(writer)
        try:
            yield child, reader
        finally:
            os.close(reader)
            child.kill()
            child.wait()


def test_a_daemons_own_child_begins() -> None:
    with once(request(os.getpid())) as (_, reader):
        assert select.select([reader], [], [], PATIENCE_SECONDS)[0]
        assert os.read(reader, 100) == b"begins\n"


def test_a_cold_child_without_its_daemon_ends() -> None:
    with once(request(parent=NOBODY)) as (child, reader):
        assert child.wait(PATIENCE_SECONDS) == zygote.EXIT_SANDBOX
        assert os.read(reader, 100) == b""


def forked(document: dict[str, Any]) -> tuple[int, int]:
    """A child forked beside another process of ours: its pid, and the reading end of its output."""
    reader, writer = os.pipe()
    program = (
        "import os, sys; from tenant_runtime import zygote;"
        "pid = zygote.fork_beside(eval(sys.argv[1]), [int(sys.argv[2])] * 2);"
        "print(pid, flush=True)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, repr(document), str(writer)],
        pass_fds=[writer],
        stdout=subprocess.PIPE,
        check=True,
    )
    os.close(writer)
    return int(child.stdout), reader


def test_a_child_that_cannot_begin_in_its_group_moves_into_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()  # a folder like a group, which the kernel does not take for one
    pid, reader = forked({**request(os.getpid()), "cgroup": str(tmp_path)})
    try:
        assert select.select([reader], [], [], PATIENCE_SECONDS)[0]
        assert os.read(reader, 100) == b"begins\n"
        assert (tmp_path / "cgroup.procs").read_text() == "0"
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_forked_child_without_its_daemon_ends() -> None:
    pid, reader = forked(request(parent=NOBODY))
    try:
        assert select.select([reader], [], [], PATIENCE_SECONDS)[0], "it holds its output, so it runs"
        assert os.read(reader, 100) == b""
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        os.waitpid(pid, 0)  # it is ours, as its program was
