"""A file of lines that is appended to and never grows beyond its size.

In charge of: opening, rotating, closing, ending a line that was cut. Must not know: what the lines say.
"""

from __future__ import annotations

import os
from pathlib import Path


class RotatingFile:
    """`path`, then `path.1` (the newest of the old) up to `path.<keep - 1>`. Opens with the first write."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._file: int | None = None
        self._size = 0
        self._cut = False

    def write(self, data: bytes) -> int:
        """Appends; the number of bytes that found room (a full disk takes a part, or raises OSError)."""
        if self._size + len(data) > self._max_bytes:
            self._rotate()
        if self._file is None:
            self._open()
        assert self._file is not None
        end = b"\n" if self._cut else b""  # of a line that a full disk or a crash has cut
        written = os.write(self._file, end + data)
        self._size += written
        if written > len(end):
            self._cut = data[written - len(end) - 1] != ord("\n")
        elif written:
            self._cut = False
        return max(0, written - len(end))

    def paths(self) -> list[Path]:
        """All files there may be, newest first."""
        return [self.path, *(self._old(number) for number in range(1, self._keep))]

    def close(self) -> None:
        """Closes the file; the next write opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _open(self) -> None:
        # O_NOFOLLOW: nobody else may write in this directory; if somebody could, a link must not lead us on.
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self.path, flags, 0o640)
        self._size = os.fstat(self._file).st_size
        self._cut = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"

    def _rotate(self) -> None:
        self.close()
        for older, newer in reversed(list(zip(self.paths()[1:], self.paths(), strict=False))):
            if newer.exists():
                newer.replace(older)
        self._size = 0
