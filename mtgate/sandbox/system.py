"""The kernel's calls that the sandbox needs, on the C library.

In charge of: turning their failures into OSError. Must not know: what they are for. Numbers are for x86-64
and aarch64 (sched.h, sys/mount.h, sys/prctl.h, asm/unistd.h).
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
MACHINE = platform.machine()

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
#: Calls without a function in the C library.
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446},
    "aarch64": {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446},
}


def unshare(flags: int) -> None:
    """unshare(2)."""
    if libc.unshare(flags) != 0:
        raise error("unshare")


def prctl(option: int, value: int, third: Any = 0) -> None:
    """prctl(2) with a number, and a third argument where it has one."""
    if libc.prctl(option, ctypes.c_ulong(value), third, 0, 0) != 0:
        raise error(f"prctl({option})")


def error(what: str) -> OSError:
    """What the last call complained of."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    arguments = [word.encode() if word is not None else None for word in (source, target, kind)]
    data = options.encode() if options else None
    if libc.mount(*arguments, ctypes.c_ulong(flags), data) != 0:
        raise error(f"mount {target}")


def system_call(name: str, *arguments: Any) -> int:
    """syscall(2) by name; the result."""
    result: int = libc.syscall(ctypes.c_long(NUMBERS[MACHINE][name]), *arguments)
    if result < 0:
        raise error(name)
    return result
