"""Signals as a file that is read, signalfd(2), in place of handlers.

In charge of: that no signal is lost. Must not know: what one means. A handler that has run in a thread, or
waits for its turn in the interpreter, is gone with the program when another takes its place (execve(2)); a
signal that nobody has read yet stays with the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import trio

_libc = ctypes.CDLL(None, use_errno=True)
#: sigset_t of the C library is 1024 bits; the kernel's are the first 64.
_SET = struct.Struct("=Q120x")
#: struct signalfd_siginfo: the number first.
_INFO = struct.Struct("=I124x")


class Signals:
    """An endless iterator over the signals with these numbers; one that comes again before it is read is one.

    They are blocked in this thread, in those that it starts and in programs that it executes, and stay
    blocked: make it before the first thread, and let children unblock what they obey. OSError when the
    kernel refuses.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        wanted = _SET.pack(sum(1 << (number - 1) for number in numbers))
        self._descriptor = int(_libc.signalfd(-1, wanted, os.O_CLOEXEC | os.O_NONBLOCK))
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"signalfd: {os.strerror(number)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> signal.Signals:
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            try:
                (number,) = _INFO.unpack(os.read(self._descriptor, _INFO.size))
            except BlockingIOError:
                continue
            return signal.Signals(number)
