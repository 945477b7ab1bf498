"""A tenant's output: standard output and error, line by line, kept in files of bounded size.

In charge of: splitting into lines, limits (line length, lines a second), files and their rotation, readers.
Must not know: processes; it is handed bytes. A write never raises: what cannot be stored is counted and said
later.

Each stored line is `{"time", "stream", "text", "generation", "worker"}`; `time` is RFC 3339 UTC, `stream` one
of `stdout`, `stderr` and `supervisor` (the supervisor's own remarks). Older files end in `.1`, `.2`, …
"""

from __future__ import annotations

import collections
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trio

from mtgate.supervisor.rotating import RotatingFile
from mtgate.tenantdir.schema import Limits

LINE_BYTES = 16 * 1024
#: A burst of so many seconds' worth of lines is let through.
BURST_SECONDS = 5
TAIL_LINES = 50
FOLLOWED_LINES = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tenant's output."""

    time: str
    stream: str
    text: str
    generation: int
    worker: int

    def to_json(self) -> str:
        """As stored and as sent to a client."""
        document = {
            "time": self.time,
            "stream": self.stream,
            "text": self.text,
            "generation": self.generation,
            "worker": self.worker,
        }
        return json.dumps(document, ensure_ascii=False)


def parse(text: str) -> Entry | None:
    """An entry from a stored line; None for a line that was cut by a full disk or a crash."""
    try:
        return Entry(**json.loads(text))
    except (ValueError, TypeError):
        return None


class Lines:
    """Splits one stream into lines of at most LINE_BYTES; a longer one is cut and marked."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            yield from self._cut(line)
        if len(self._rest) > LINE_BYTES:
            yield self._rest[:LINE_BYTES].decode("utf-8", "replace") + " …"
            self._rest = self._rest[LINE_BYTES:]

    def finish(self) -> Iterator[str]:
        """What was left without a line end."""
        if self._rest:
            yield from self._cut(self._rest)
            self._rest = b""

    @staticmethod
    def _cut(line: bytes) -> Iterator[str]:
        text = line.removesuffix(b"\r")
        suffix = " …" if len(text) > LINE_BYTES else ""
        yield text[:LINE_BYTES].decode("utf-8", "replace") + suffix


class Journal:
    """The lines of one tenant. Opens its file with the first line, so that a sleeping tenant costs
    nothing."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._file = RotatingFile(path, limits.log_bytes, limits.log_files)
        self._tokens = 0.0
        self._filled = -math.inf
        self._recent: collections.deque[Entry] = collections.deque(maxlen=TAIL_LINES)
        self._readers: list[trio.MemorySendChannel[Entry]] = []
        self._unsaid = 0
        self.dropped = 0

    def write(self, lines: list[str], stream: str, generation: int, worker: int) -> None:
        """Stores lines that arrived together; those above the rate limit are dropped and counted."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        admitted = lines[: self._admit(len(lines))]
        entries = [Entry(now, stream, text, generation, worker) for text in admitted]
        self._drop(len(lines) - len(admitted))
        if entries and self._unsaid and len(admitted) == len(lines):
            limit = self._limits.log_lines_per_second
            text = f"{self._unsaid} lines dropped: more than {limit} a second, or no room"
            entries.insert(0, Entry(now, "supervisor", text, generation, worker))
            self._unsaid = 0
        self._store(entries)
        for entry in entries:
            self._recent.append(entry)
            self._tell(entry)

    def remark(self, text: str, generation: int = 0, worker: int = 0) -> None:
        """A line by the supervisor itself."""
        self.write([text], "supervisor", generation, worker)

    def recent(self, count: int, generation: int | None = None) -> list[str]:
        """The last lines in memory, as text for an error; of one generation where given."""
        chosen = [
            entry.text
            for entry in self._recent
            if entry.stream != "supervisor" and (generation is None or entry.generation == generation)
        ]
        return chosen[-count:]

    def tail(self, count: int) -> list[Entry]:
        """The last `count` entries, from the files, oldest first."""
        found: list[Entry] = []
        for path in self._file.paths():
            if len(found) >= count:
                break
            found = [*_read(path), *found]
        return found[-count:] if count else []

    def follow(self) -> trio.MemoryReceiveChannel[Entry]:
        """Entries from now on, until the channel is closed; one that is not emptied in time loses the
        newest."""
        send, receive = trio.open_memory_channel[Entry](FOLLOWED_LINES)
        self._readers.append(send)
        return receive

    def close(self) -> None:
        """Closes the file; the next line opens it again."""
        self._file.close()

    def _admit(self, count: int) -> int:
        now = time.monotonic()
        rate = self._limits.log_lines_per_second
        self._tokens = min(BURST_SECONDS * rate, self._tokens + (now - self._filled) * rate)
        self._filled = now
        admitted = min(count, int(self._tokens))
        self._tokens -= admitted
        return admitted

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._unsaid += count

    def _tell(self, entry: Entry) -> None:
        for reader in list(self._readers):
            try:
                reader.send_nowait(entry)
            except trio.WouldBlock:
                continue
            except trio.BrokenResourceError:
                self._readers.remove(reader)
                reader.close()

    def _store(self, entries: list[Entry]) -> None:
        data = "".join(entry.to_json() + "\n" for entry in entries).encode()
        if not data:
            return
        try:
            written = self._file.write(data)
            self._drop(data[written:].count(b"\n"))
        except OSError:
            self._file.close()
            self._drop(len(entries))


def _read(path: Path) -> list[Entry]:
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return []
    return [entry for line in text.splitlines() if (entry := parse(line)) is not None]
