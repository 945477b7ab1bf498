"""Keeps one database server: ``python -m tests.servers.keeper KIND FOLDER OWNER_PID``.

Goes to the background at once, prepares the server's data when it is new, runs the server, and ends when
it is told to (TERM: the files stay), the owner is gone (the folder is deleted), or the server ended.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.servers.kinds import KINDS
from tests.servers.server import Server


def main(kind: str, folder: Path, owner_pid: int) -> int:
    owner = os.pidfd_open(owner_pid)
    if os.fork():
        return 0
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, set())  # whatever whoever started us had blocked
    (folder / "keeper.pid").write_text(str(os.getpid()))
    server = KINDS[kind](folder)
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(writer, b"t"))
    try:
        process = run(server)
    except Exception as error:
        (folder / "failed").write_text(str(error))
        raise
    child = os.pidfd_open(process.pid)
    ready, _, _ = select.select([owner, child, reader], [], [])
    if child in ready:
        (folder / "failed").write_text(f"exited with {process.wait()}")
    process.send_signal(server.stop_signal)
    process.wait()
    if owner in ready:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the last keeper removes the run's folder
            folder.parent.rmdir()
    return 0


def run(server: Server) -> subprocess.Popen[bytes]:
    (server.folder / "failed").unlink(missing_ok=True)
    account = server.account()
    if not server.data.exists():
        server.data.mkdir(mode=0o700)
        if account is not None:
            for path in (server.folder, server.data):
                os.chown(path, *account)
        server.prepare()
    with open(server.log, "ab") as log:
        return subprocess.Popen(
            server.command(server.port),
            user=account and account[0],
            group=account and account[1],
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
