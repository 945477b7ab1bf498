"""The daemon's own log: one line an event to standard error, as text or JSON.

In charge of: its form, its size, and that a flood of the same line costs one line a second. Must not know:
who logs; everybody uses `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

REPEAT_SECONDS = 1.0
#: Distinct messages remembered by the limit.
REMEMBERED = 1000


def set_up(level: str = "info", form: str = "text", file: LogFile | None = None) -> None:
    """Sends this process's log to standard error; `form` is `text` or `json`.

    Where standard error is `file`, the file of a daemon in the background, it is kept to its size.
    """
    handler = BoundedHandler(sys.stderr, file if file is not None and file.is_open_as(2) else None)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(Limit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # nobody reads: a log must not end a daemon


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file: `path`, then `path.1` (the newest of the old) up to `path.<keep - 1>`."""

    path: Path
    max_bytes: int
    keep: int

    def is_open_as(self, descriptor: int) -> bool:
        """Whether that descriptor leads to it."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            return False

    def empty(self) -> None:
        """Copies it to the first of the old ones, and empties it: others, too, have it open for appending."""
        old = [self.path.with_name(f"{self.path.name}.{number}") for number in range(1, self.keep)]
        for newer, older in reversed(list(itertools.pairwise(old))):
            if newer.exists():
                newer.replace(older)
        if old:
            shutil.copyfile(self.path, old[0])
        os.truncate(self.path, 0)


class BoundedHandler(logging.StreamHandler[TextIO]):
    """To a stream; when the file behind it is full it is emptied."""

    def __init__(self, stream: TextIO, file: LogFile | None) -> None:
        super().__init__(stream)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """One event; a disk that is full costs old lines, never the daemon."""
        super().emit(record)
        if self._file is not None:
            with contextlib.suppress(OSError):
                if os.fstat(self.stream.fileno()).st_size > self._file.max_bytes:
                    self._file.empty()


class Limit(logging.Filter):
    """Lets the same message pass once a second; the next one says how many were held back."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False to hold it back."""
        now, key = time.monotonic(), record.getMessage()
        then, held = self._seen.get(key, (-REPEAT_SECONDS, 0))
        if now - then < REPEAT_SECONDS:
            self._seen[key] = (then, held + 1)
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = (now, 0)
        if held:
            record.msg, record.args = f"{key} (and {held} times more)", ()
        return True


class TextFormatter(logging.Formatter):
    """`time level text`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where there is one."""
        text = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()}"
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """`time`, `level`, `logger`, `text`, `traceback`."""
        document = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
