"""The daemon's own log: one line an event to standard error, as text or JSON.

In charge of: its form, and that a flood of the same line costs one line a second. Must not know: who logs;
everybody uses `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime

REPEAT_SECONDS = 1.0
#: Distinct messages remembered by the limit.
REMEMBERED = 1000


def set_up(level: str = "info", form: str = "text") -> None:
    """Sends this process's log to standard error; `form` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(Limit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # nobody reads: a log must not end a daemon


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
