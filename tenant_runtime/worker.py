"""A tenant's worker process: serves one app on the socket it was handed.

In charge of: the way from the environment to READY, the lifeline (heartbeat, DRAIN, STOP), stopping without
losing a request, exit codes. Must not know: how an app works.

The supervisor's zygote calls ``main`` in a fresh child; ``python -m tenant_runtime.worker`` does the same
from the environment, and ``--dir DIR --listen HOST:PORT`` serves a folder without any supervisor.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trio

from mtgate import notify
from mtgate.http1.server import Server
from tenant_runtime.app import App
from tenant_runtime.boot.loader import AppFiles
from tenant_runtime.boot.start import boot
from tenant_runtime.errors import ConfigurationError

logger = logging.getLogger("tenant_runtime")

LISTENER_FD = 3
#: The longest time between two beats; a shorter watchdog has them more often, as sd_watchdog_enabled(3) says.
HEARTBEAT_SECONDS = 5.0
#: Bound on the last requests after STOP or TERM; the supervisor's own timeout comes before.
DRAIN_SECONDS = 3600.0


@dataclass(slots=True)
class Place:
    """Where the worker was put: the app's folder, its listening socket, the supervisor's end of the
    lifeline.
    """

    folder: Path
    listener: socket.socket
    lifeline: socket.socket | None = None


def from_environment() -> Place:
    """What the supervisor handed over (docs/architecture.md, "What passes between processes")."""
    listener = socket.socket(fileno=LISTENER_FD)
    number = os.environ.get(notify.LIFELINE_FD)
    lifeline = socket.socket(fileno=int(number)) if number else None
    return Place(Path(os.environ["MTGATE_TENANT_DIR"]), listener, lifeline)


class Lifeline:
    """The pair with the supervisor; without one (stand-alone) every message goes nowhere."""

    def __init__(self, sock: socket.socket | None) -> None:
        self._socket = trio.socket.from_stdlib_socket(sock) if sock is not None else None

    def say(self, message: str) -> None:
        """Best effort and at once: a supervisor that is gone shows at the other end."""
        if self._socket is None:
            return
        try:
            os.write(self._socket.fileno(), message.encode())
        except OSError as error:
            logger.debug("lifeline: %s", error)

    async def words(self) -> AsyncIterator[bytes]:
        """Words from the supervisor; ends when it is gone."""
        if self._socket is None:
            await trio.sleep_forever()
            return
        while True:
            try:
                message = await self._socket.recv(4096)
            except OSError:
                return
            if not message:
                return
            yield message


class Worker:
    """One serving app. ``stop`` begins the end; ``run`` returns when all is done."""

    def __init__(self, app: App, lifeline: Lifeline) -> None:
        self.app = app
        self.lifeline = lifeline
        self.server = Server(app.handle)
        self._stopping = trio.Event()

    def drain(self) -> None:
        """Accept nothing more; finish what was accepted. Readers of streams come back elsewhere."""
        self.server.stop_accepting()
        self.app.end_streams()
        self.lifeline.say(f"{notify.NOT_ACCEPTING}\n{notify.status('draining')}")

    def stop(self) -> None:
        """Finish what is in flight and end; returns at once."""
        self._stopping.set()

    async def run(self, listener: socket.socket) -> None:
        """Serve until ``stop``; what was accepted is answered first."""
        async with trio.open_nursery() as nursery:
            self.app.tasks = nursery
            await nursery.start(self.server.serve, trio.socket.from_stdlib_socket(listener))
            nursery.start_soon(self.app.jobs.run)
            await self.app.emit("started")
            if self.app.jobs:
                self.lifeline.say(notify.busy("scheduled jobs"))
            self.lifeline.say(f"{notify.READY}\n{notify.status('serving')}")
            nursery.start_soon(self.heartbeat)
            nursery.start_soon(self.obey)
            nursery.start_soon(self.watch_signals)
            await self._stopping.wait()
            self.lifeline.say(f"{notify.STOPPING}\n{notify.status('stopping')}")
            self.server.stop_accepting()
            self.server.close_idle()
            self.app.end_streams()
            with trio.move_on_after(DRAIN_SECONDS):
                await self.server.wait_drained()
            await self.app.close()
            nursery.cancel_scope.cancel()

    async def heartbeat(self) -> None:
        """Tell the supervisor, again and again, that the loop turns."""
        limit_seconds = int(os.environ.get(notify.WATCHDOG_USEC, "0")) / 1e6
        pause = min(HEARTBEAT_SECONDS, limit_seconds / 3 or HEARTBEAT_SECONDS)
        while True:
            self.lifeline.say(notify.WATCHDOG)
            await trio.sleep(pause)

    async def obey(self) -> None:
        """Do what the supervisor says; end when it is gone."""
        async for word in self.lifeline.words():
            if word == notify.DRAIN:
                self.drain()
            elif word == notify.STOP:
                self.stop()
        if os.environ.get("MTGATE_ORPHANS") != "adopt":
            self.stop()  # the supervisor is gone; where it is to be adopted, the next one sends TERM

    async def watch_signals(self) -> None:
        """TERM and INT end the worker in order."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                self.stop()


async def serve(place: Place) -> int:
    """Boot, serve, drain; the exit code."""
    lifeline = Lifeline(place.lifeline)
    lifeline.say(notify.status("starting"))
    try:
        app, files = await boot(place.folder)
    except ConfigurationError as error:
        report(lifeline, error)
        return notify.EXIT_CONFIGURATION
    warn(files)
    await Worker(app, lifeline).run(place.listener)
    return 0


def report(lifeline: Lifeline, error: ConfigurationError) -> None:
    """The reason on the lifeline and, for people, on standard error."""
    lifeline.say(notify.error(json.dumps(problem(error))))
    cause = error.__cause__
    if cause is not None and not isinstance(cause, ConfigurationError):
        logger.error("%s", error, exc_info=cause)
    else:
        logger.error("%s", error)


def problem(error: ConfigurationError, severity: str = "error") -> dict[str, object]:
    """A complaint as JSON, for the lifeline and for ``tenant_runtime.check``."""
    return {
        "severity": severity,
        "code": "configuration",
        "message": error.message,
        "file": error.file or None,
        "line": error.line,
        "pointer": error.pointer or None,
    }


def warn(files: AppFiles) -> None:
    for warning in files.warnings:
        logger.warning("%s", warning)


def configure_logging() -> None:
    """Everything to standard error, which is the tenant's log; times are added there.

    What the tenant's code prints goes out line by line: a pipe would hold it back in blocks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def main() -> int:
    """As the zygote calls it: everything else comes from the environment."""
    configure_logging()
    return trio.run(serve, from_environment())


def stand_alone(folder: str, listen: str) -> int:
    """Serve a folder on an address, without a supervisor; the exit code."""
    host, _, port = listen.rpartition(":")
    listener = socket.create_server((host.strip("[]") or "127.0.0.1", int(port)), backlog=1024)
    return trio.run(serve, Place(Path(folder), listener))


def command() -> int:
    """``python -m tenant_runtime.worker``."""
    parser = argparse.ArgumentParser(prog="python -m tenant_runtime.worker", description=__doc__)
    parser.add_argument("--dir", help="the app's folder; without it everything comes from the environment")
    parser.add_argument("--listen", default="127.0.0.1:3000", help="HOST:PORT, with --dir")
    options = parser.parse_args()
    if options.dir is None:
        return main()
    configure_logging()
    return stand_alone(options.dir, options.listen)


if __name__ == "__main__":
    sys.exit(command())
