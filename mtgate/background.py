"""A daemon in the background: started, stopped, replaced and asked from another process.

In charge of: finding the process that has a root, and waiting for it. Must not know: what the daemon does.
The lock file ``run/mtgate.lock`` says which process it is; the kernel says whether the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mtgate import notify_socket
from mtgate.paths import Paths
from mtgate.settings import Flags, Settings

FAILED = 1
NOT_RUNNING = 3
TIMED_OUT = 75
LOG_TAIL_BYTES = 4000


class Failed(Exception):
    """It did not go as asked; the text says why, ``exit_code`` what to end with."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def lock_file(paths: Paths) -> Path:
    """The file whose lock the daemon of a root holds; it contains the process id."""
    return paths.run / "mtgate.lock"


def running(paths: Paths) -> int | None:
    """The process id of the daemon that has this root; None when there is none."""
    try:
        with open(lock_file(paths), encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Failed(f"{error.filename}: {error.strerror}", 4) from error
    return None


def start(settings: Settings, flags: Flags, timeout_seconds: float) -> str:
    """Start a daemon; returns when it is ready. Failed with its last words when it is not."""
    pid = running(settings.paths)
    if pid is not None:
        return f"mtgate is running already, pid {pid}"
    settings.paths.log.mkdir(parents=True, exist_ok=True, mode=0o750)
    log = settings.paths.log / "mtgate.log"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtgate-")))
        listener = stack.enter_context(notify_socket.listen(folder / "notify"))
        output = stack.enter_context(open(log, "ab"))
        began = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "mtgate.cli", "--foreground", *_arguments(flags)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, notify_socket.VARIABLE: str(folder / "notify")},
        )
        listener.settimeout(0.05)
        deadline = time.monotonic() + timeout_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in listener.recv(4096).splitlines():
                    process.returncode = 0  # it lives on without us: nothing to warn of
                    return f"mtgate is ready, pid {process.pid}, on {', '.join(settings.server.listen)}"
            if process.poll() is not None:
                raise Failed(
                    f"mtgate did not start:\n{_last_words(log, began)}", process.returncode or FAILED
                )
            if time.monotonic() > deadline:
                process.returncode = 0
                raise Failed(f"mtgate (pid {process.pid}) is not ready yet; see {log}", TIMED_OUT)


def _arguments(flags: Flags) -> list[str]:
    """The flags, to be given on; relative paths mean the same, the folder stays."""
    named = {"--root": flags.root, "--config": flags.config, "--control": flags.control}
    given = [part for name, value in named.items() if value for part in (name, value)]
    return given + [part for address in flags.listen for part in ("--listen", address)]


def _last_words(log: Path, began: int) -> str:
    with open(log, "rb") as file:
        file.seek(max(began, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
        return file.read().decode("utf-8", "replace").strip() or f"it said nothing; see {log}"


def stop(settings: Settings, flags: Flags, timeout_seconds: float) -> str:
    """End the daemon and all its tenants; returns when it has ended."""
    pid = running(settings.paths)
    if pid is None:
        return "mtgate is not running"
    with _process(pid) as descriptor:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], timeout_seconds)[0]:
            raise Failed(f"mtgate (pid {pid}) is still draining after {timeout_seconds:g} s", TIMED_OUT)
    return f"mtgate has ended, pid {pid}"


def restart(settings: Settings, flags: Flags, timeout_seconds: float) -> str:
    """Replace the daemon in place: the same process, sockets and workers. Starts one when there is none.

    The lock file's time of change says when the new program has taken over.
    """
    pid = running(settings.paths)
    if pid is None:
        return start(settings, flags, timeout_seconds)
    taken_over = lock_file(settings.paths)
    before = taken_over.stat().st_mtime_ns
    with _process(pid) as descriptor:
        signal.pidfd_send_signal(descriptor, signal.SIGUSR2)
        deadline = time.monotonic() + timeout_seconds
        while taken_over.stat().st_mtime_ns == before:
            if select.select([descriptor], [], [], 0.02)[0]:
                raise Failed(f"mtgate (pid {pid}) ended; see {settings.paths.log / 'mtgate.log'}")
            if time.monotonic() > deadline:
                raise Failed(f"mtgate (pid {pid}) has not been replaced yet", TIMED_OUT)
    return f"mtgate has been replaced in place, pid {pid}"


def status(settings: Settings, flags: Flags, timeout_seconds: float) -> str:
    """Whether it runs; Failed with 3 when it does not."""
    pid = running(settings.paths)
    if pid is None:
        raise Failed(f"mtgate is not running (root {settings.paths.run.parent})", NOT_RUNNING)
    return f"mtgate is running, pid {pid}, on {', '.join(settings.server.listen)}"


@contextlib.contextmanager
def _process(pid: int) -> Iterator[int]:
    """A descriptor of the process, so that no signal reaches a stranger."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise Failed("mtgate has just ended") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
