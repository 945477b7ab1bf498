"""Landlock: which files may be read and written, no TCP port to listen on, no signals to others.

In charge of: the rules of one process. Numbers are those of linux/landlock.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct

from mtgate.sandbox.policy import Policy
from mtgate.sandbox.system import MACHINE, NUMBERS, system_call

_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_NET_BIND_TCP = 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


def abi() -> int:
    """The version of Landlock that the kernel speaks; 0 without it."""
    if MACHINE not in NUMBERS:
        return 0
    with contextlib.suppress(OSError):
        return system_call("landlock_create_ruleset", None, ctypes.c_size_t(0), 1)
    return 0


def _all_rights(version: int) -> int:
    """All file system rights that an ABI knows: 13 bits, then REFER, TRUNCATE, IOCTL_DEV."""
    return (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1


def build_ruleset(policy: Policy) -> int:
    """A descriptor of the rules; built before the change of uid, which may close the way to the paths."""
    version = abi()
    rights = _all_rights(version)
    network = _NET_BIND_TCP if version >= 4 and not policy.listens else 0
    scopes = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", rights, network, scopes)[:size]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = system_call("landlock_create_ruleset", buffer, ctypes.c_size_t(len(attributes)), 0)
    for path in (*policy.readable, *policy.kept_readable):
        _allow(ruleset, path, _READ & rights)
    private = policy.private if policy.mounts else ()
    for path in (*policy.kept_writable, *private):
        _allow(ruleset, path, rights)
    for path in _DEVICES:
        _allow(ruleset, path, (_FS_READ_FILE | _FS_WRITE_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV) & rights)
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    """A rule for what is below the path; a file takes only the rights of files (EINVAL otherwise)."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
            return
        raise
    try:
        if not os.path.isdir(f"/proc/self/fd/{handle}"):
            rights &= _FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, handle), 12)
        system_call("landlock_add_rule", ruleset, 1, rule, 0)
    finally:
        os.close(handle)


def restrict(ruleset: int) -> None:
    """Closes the rules around this process."""
    system_call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
