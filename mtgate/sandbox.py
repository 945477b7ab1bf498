"""The last steps before tenant code: what a process may do from here on.

In charge of: limits, private mounts, identity, Landlock and seccomp, in the one order in which they work.
Imports nothing of ours, so that it can be read and judged alone; numbers are for x86-64 and aarch64
(linux/landlock.h, linux/seccomp.h, asm/unistd.h). A layer that the kernel does not offer is left out and
missing in `layers()`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_MACHINE = platform.machine()

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
#: Beside the memory that is asked for: what the interpreter maps and its threads' stacks.
_DATA_SLACK_BYTES = 256 * 1024 * 1024
_TMPFS = "size=64m,nr_inodes=16k"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one process is given; every field has a meaning without privileges too.

    `covered` are folders that become empty, `kept_writable` and `kept_readable` what stays visible in them;
    the `readable` are what Landlock lets it read. `user_namespace`: as an ordinary user, private mounts need
    one.
    """

    uid: int | None = None
    gid: int | None = None
    processes: int | None = None
    open_files: int | None = None
    memory_bytes: int | None = None
    die_with_parent: bool = False
    mounts: bool = False
    user_namespace: bool = False
    covered: tuple[str, ...] = ()
    private: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm")
    kept_writable: tuple[str, ...] = ()
    kept_readable: tuple[str, ...] = ()
    landlock: bool = False
    readable: tuple[str, ...] = ()
    listens: bool = False
    seccomp: bool = False
    unix_sockets: bool = True

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> Policy:
        """A policy from the zygote's request."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in (document or {}).items() if name in known}
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As sent to the zygote."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def enter(policy: Policy, parent: int) -> None:
    """Closes the sandbox around this process; there is no way back. OSError says which step failed."""
    if policy.user_namespace:
        _enter_user_namespace()
    # only now: a namespace takes the limit of the moment over for all processes that its user has outside
    _limit(policy)
    if policy.mounts:
        mask = os.umask(0o022)  # the way to what is kept must be open to the uid that comes later
        _make_mounts_private(policy)
        os.umask(mask)
    ruleset = _build_ruleset(policy) if policy.landlock else None
    if policy.gid is not None:
        os.setgroups([])
        os.setresgid(policy.gid, policy.gid, policy.gid)
    if policy.uid is not None:
        os.setresuid(policy.uid, policy.uid, policy.uid)
    if policy.user_namespace:
        _drop_capabilities()
    if policy.die_with_parent:  # after the change of uid, which clears it
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if ruleset is not None:
        _system_call("landlock_restrict_self", ruleset, 0)
        os.close(ruleset)
    if policy.seccomp:
        _install_filter(_filter(policy))


def layers() -> dict[str, bool]:
    """What this kernel and this user can have: `uid`, `mounts`, `user_namespace`, `landlock`, `seccomp`."""
    root = os.geteuid() == 0
    known = _MACHINE in _NUMBERS
    user_namespace = not root and _in_child(_enter_user_namespace)
    return {
        "uid": root,
        "mounts": user_namespace or (root and _in_child(lambda: _unshare(_CLONE_NEWNS))),
        "user_namespace": user_namespace,
        "landlock": known and landlock_abi() > 0,
        "seccomp": known and _in_child(_try_filter),
    }


def _try_filter() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _install_filter(_filter(Policy()))


def _in_child(step: Any) -> bool:
    """Whether the step succeeds, tried in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            step()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


# -- limits and identity


def _limit(policy: Policy) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: policy.open_files,
        resource.RLIMIT_NPROC: policy.processes,
        resource.RLIMIT_DATA: policy.memory_bytes and policy.memory_bytes + _DATA_SLACK_BYTES,
    }
    for kind, value in limits.items():
        if value is not None:
            _, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_CLONE_NEWUSER | _CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _drop_capabilities() -> None:
    """Those of the user namespace: capset(2) with version 3 and empty sets."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    empty = ctypes.create_string_buffer(24)
    if _libc.capset(header, empty) != 0:
        raise _error("capset")


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        raise _error("unshare")


def _prctl(option: int, value: int, third: Any = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), third, 0, 0) != 0:
        raise _error(f"prctl({option})")


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


# -- mounts


def _make_mounts_private(policy: Policy) -> None:
    """Covers folders with empty ones and brings back in what is kept; nobody outside sees any of it."""
    kept = [(path, True) for path in policy.kept_writable] + [(path, False) for path in policy.kept_readable]
    if not policy.user_namespace:
        _unshare(_CLONE_NEWNS)
    # opened inside the new namespace: a mount of the old one cannot be the source of a bind
    handles = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _ in kept if os.path.exists(path)}
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    covers = _outermost(path for path in (*policy.covered, *policy.private) if os.path.exists(path))
    for path in [path for path in covers if not os.path.isdir(path)]:
        covers.remove(path)
        _mount(os.devnull, path, None, _MS_BIND)
    for path in covers:
        mode = "1777" if path in policy.private else "0755"
        _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode={mode},{_TMPFS}")
    for path, writable in sorted(kept):
        if path in handles and any(_is_below(path, cover) for cover in covers):
            _bring_back(handles[path], path, writable=writable)
    for path in covers:
        if path not in policy.private:
            _mount("tmpfs", path, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    for handle in handles.values():
        os.close(handle)


def _bring_back(handle: int, path: str, *, writable: bool) -> None:
    source = f"/proc/self/fd/{handle}"
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))
    _mount(source, path, None, _MS_BIND | _MS_REC)
    if not writable:
        # an unprivileged remount must keep the flags that the mount has
        flags = os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)
        _mount("none", path, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | flags)


def _outermost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        if not any(_is_below(path, outer) for outer in found):
            found.append(path)
    return found


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    arguments = [word.encode() if word is not None else None for word in (source, target, kind)]
    data = options.encode() if options else None
    if _libc.mount(*arguments, ctypes.c_ulong(flags), data) != 0:
        raise _error(f"mount {target}")


# -- system calls without a function in the C library

_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446},
    "aarch64": {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446},
}


def _system_call(name: str, *arguments: Any) -> int:
    result: int = _libc.syscall(ctypes.c_long(_NUMBERS[_MACHINE][name]), *arguments)
    if result < 0:
        raise _error(name)
    return result


# -- Landlock

_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_NET_BIND_TCP = 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


def landlock_abi() -> int:
    """The version of Landlock that the kernel speaks; 0 without it."""
    if _MACHINE not in _NUMBERS:
        return 0
    with contextlib.suppress(OSError):
        return _system_call("landlock_create_ruleset", None, ctypes.c_size_t(0), 1)
    return 0


def _all_rights(abi: int) -> int:
    """All file system rights that an ABI knows: 13 bits, then REFER, TRUNCATE, IOCTL_DEV."""
    return (1 << (13 + (abi >= 2) + (abi >= 3) + (abi >= 5))) - 1


def _build_ruleset(policy: Policy) -> int:
    """A descriptor of the rules; built before the change of uid, which may close the way to the paths."""
    abi = landlock_abi()
    rights = _all_rights(abi)
    network = _NET_BIND_TCP if abi >= 4 and not policy.listens else 0
    scopes = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if abi >= 6 else 0
    attributes = struct.pack("=QQQ", rights, network, scopes)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = _system_call("landlock_create_ruleset", buffer, ctypes.c_size_t(len(attributes)), 0)
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
        _system_call("landlock_add_rule", ruleset, 1, rule, 0)
    finally:
        os.close(handle)


# -- seccomp

#: Refused for everybody: what changes the machine, looks into other processes, or has been the way out of
#: sandboxes. Name → (x86-64, aarch64); None where the architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "pivot_root": (155, 41),
    "adjtimex": (159, 171),
    "chroot": (161, 51),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "clock_settime": (227, 112),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
}
#: Refused with another process's number, which as an ordinary user may be a neighbour's.
_OTHER_PROCESS: dict[str, tuple[int, int]] = {
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "prlimit64": (302, 261),
    "sched_setattr": (314, 274),
}
_SETPRIORITY, _SOCKET, _CLONE, _CLONE3 = (141, 140), (41, 198), (56, 220), (435, 435)
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}
_AF_UNIX = 1
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16


def _statement(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    return _statement(_RETURN, _REFUSE | number)


def _when(number: int, then: list[bytes]) -> list[bytes]:
    """`then` for this call, which must end in a return or leave the call's number loaded."""
    return [_statement(_EQUAL, number, 0, len(then)), *then]


def _filter(policy: Policy) -> list[bytes]:
    """The program in classic BPF: what is not named is allowed."""
    column = _COLUMN[_MACHINE]
    reload = _statement(_LOAD, _NUMBER_AT)
    program = [
        _statement(_LOAD, _ARCH_AT),
        _statement(_EQUAL, _AUDIT_ARCH[_MACHINE], 1, 0),
        _refuse(errno.EPERM),  # a 32-bit call: other numbers, other rules
        reload,
        _statement(_AT_LEAST, 0x40000000, 0, 1),
        _refuse(errno.EPERM),  # the x32 numbers
    ]
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            program += _when(numbers[column] or 0, [_refuse(errno.EPERM)])
    # clone3 hides its flags behind a pointer: the C library then falls back to clone
    program += _when(_CLONE3[column], [_refuse(errno.ENOSYS)])
    flags = _statement(_LOAD, _ARGUMENTS_AT)
    program += _when(
        _CLONE[column], [flags, _statement(_ANY_BIT, 0x7E020000, 0, 1), _refuse(errno.EPERM), reload]
    )
    for numbers_of_both in _OTHER_PROCESS.values():
        pid = _statement(_LOAD, _ARGUMENTS_AT)
        program += _when(
            numbers_of_both[column], [pid, _statement(_EQUAL, 0, 1, 0), _refuse(errno.EPERM), reload]
        )
    who = _statement(_LOAD, _ARGUMENTS_AT + 8)
    program += _when(_SETPRIORITY[column], [who, _statement(_EQUAL, 0, 1, 0), _refuse(errno.EPERM), reload])
    if not policy.unix_sockets:
        family = _statement(_LOAD, _ARGUMENTS_AT)
        program += _when(
            _SOCKET[column], [family, _statement(_EQUAL, _AF_UNIX, 0, 1), _refuse(errno.EACCES), reload]
        )
    return [*program, _statement(_RETURN, _ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _install_filter(program: list[bytes]) -> None:
    code = b"".join(program)
    _prctl(_PR_SET_SECCOMP, 2, ctypes.byref(_Program(len(program), code)))
