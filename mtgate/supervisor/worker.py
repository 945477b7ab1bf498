"""One worker of a tenant, seen from the daemon: its process, its lifeline, its output.

In charge of: reading what it says and noticing its end. Must not know: the unit's state, or other workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from datetime import UTC, datetime
from typing import Any

import trio

from mtgate import notify
from mtgate.supervisor.handover import WorkerRecord
from mtgate.supervisor.journal import Journal, Lines
from mtgate.supervisor.process import Exit, Process, is_child
from mtgate.supervisor.restart import Reason

MESSAGE_BYTES = 65536
READ_BYTES = 65536
#: After the end of a process: for its last words to be read. Longer only when a descendant holds the pipe.
LAST_WORDS_SECONDS = 0.2


class Worker:
    """A running worker. `settled` fires when it is ready or has ended, `not_accepting` when it takes no more,
    `unprobed` when no probe of ours waits for it.

    `lifeline` is the daemon's end of the pair, or the NOTIFY_SOCKET of a tenant's own program, which only
    speaks (`listens` is false). `commanded`: it is to end; `blame`: why the supervisor ended it unasked.
    """

    def __init__(
        self,
        generation: int,
        number: int,
        process: Process,
        lifeline: socket.socket,
        outputs: dict[str, int],
        *,
        listens: bool,
    ) -> None:
        self.generation = generation
        self.number = number
        self.process = process
        self.settled = trio.Event()
        self.not_accepting = trio.Event()
        self.unprobed = trio.Event()
        self.ended = trio.Event()
        self.commanded = False
        self.blame: Reason | None = None
        self.ready_at: datetime | None = None
        self.ready_time: float | None = None
        self.started_at = datetime.now(UTC)
        self.error: dict[str, Any] | None = None
        self.status = ""
        self.busy = ""
        self.last_beat: float | None = None
        self.lifeline = lifeline
        self.listens = listens
        self.outputs = outputs

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.ready_time is not None and self.process.exit is None

    async def run(self, journal: Journal) -> Exit:
        """Reads everything it says until it has ended; closes what it was given."""
        with contextlib.ExitStack() as stack:
            for descriptor in self.outputs.values():
                os.set_blocking(descriptor, False)
                stack.callback(os.close, descriptor)
            self.lifeline.setblocking(False)
            stack.callback(self.lifeline.close)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_lifeline)
                ended = await self._read_outputs(journal)
                nursery.cancel_scope.cancel()
            self._hear_last_words()
        self.settled.set()
        self.not_accepting.set()
        self.unprobed.set()
        self.ended.set()
        return ended

    def tell(self, word: bytes) -> bool:
        """Sends DRAIN or STOP; False when it does not listen to us."""
        if not self.listens or self.process.exit is not None:
            return False
        try:
            self.lifeline.send(word)
        except OSError:
            return False
        return True

    def record(self, *, serves: bool) -> WorkerRecord:
        """For the program that takes over."""
        return WorkerRecord(
            pid=self.process.pid,
            generation=self.generation,
            number=self.number,
            pidfd=self.process.pidfd,
            lifeline=self.lifeline.fileno(),
            stdout=self.outputs["stdout"],
            stderr=self.outputs["stderr"],
            listens=self.listens,
            serves=serves,
            started_at=self.started_at.isoformat(),
        )

    @classmethod
    def from_record(cls, record: WorkerRecord) -> Worker:
        """The worker that the program before us ran; it is our child as it was that one's."""
        process = Process(record.pid, pidfd=record.pidfd, group=is_child(record.pid))
        lifeline = socket.socket(fileno=record.lifeline)
        outputs = {"stdout": record.stdout, "stderr": record.stderr}
        worker = cls(record.generation, record.number, process, lifeline, outputs, listens=record.listens)
        worker.started_at = datetime.fromisoformat(record.started_at)
        worker.became_ready()
        worker.unprobed.set()
        return worker

    def became_ready(self) -> None:
        """It accepts requests from now on."""
        if self.ready_time is None:
            self.ready_time = trio.current_time()
            self.ready_at = datetime.now(UTC)
            self.settled.set()

    async def _read_outputs(self, journal: Journal) -> Exit:
        """Until the process has ended and its pipes are empty, or a descendant keeps them open too long."""
        async with trio.open_nursery() as nursery:
            for stream, descriptor in self.outputs.items():
                nursery.start_soon(self._read_output, stream, descriptor, journal)
            ended = await self.process.watch()
            nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_SECONDS
        return ended

    async def _read_output(self, stream: str, descriptor: int, journal: Journal) -> None:
        lines = Lines()
        try:
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                data = os.read(descriptor, READ_BYTES)
                if not data:
                    return
                found = list(lines.feed(data))
                if found:
                    journal.write(found, stream, self.generation, self.number)
        finally:
            rest = list(lines.finish())
            if rest:
                journal.write(rest, stream, self.generation, self.number)

    async def _read_lifeline(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.lifeline)
            if not self._hear_one():
                return

    def _hear_last_words(self) -> None:
        """What it said just before its end."""
        while self._hear_one():
            pass

    def _hear_one(self) -> bool:
        """Takes one message; False when there is none, or never will be."""
        try:
            message = self.lifeline.recv(MESSAGE_BYTES)
        except OSError:
            return False
        if message:
            self.hear(notify.parse(message))
        return bool(message)

    def hear(self, words: dict[str, str]) -> None:
        """Takes in what the worker says of itself."""
        if words.get("WATCHDOG") == "1":
            self.last_beat = trio.current_time()
        if "STATUS" in words:
            self.status = words["STATUS"]
        if "MTGATE_BUSY" in words:
            self.busy = words["MTGATE_BUSY"]
        if "MTGATE_ERROR" in words:
            with contextlib.suppress(ValueError):
                document = json.loads(words["MTGATE_ERROR"])
                self.error = document if isinstance(document, dict) else None
        if words.get("READY") == "1":
            self.became_ready()
        if words.get("MTGATE_ACCEPTING") == "0":
            self.not_accepting.set()
