"""seccomp: the calls that are refused.

In charge of: the filter of one process. Numbers are those of linux/seccomp.h and asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from mtgate.sandbox.policy import Policy
from mtgate.sandbox.system import MACHINE, PR_SET_SECCOMP, prctl

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


def filter_of(policy: Policy) -> list[bytes]:
    """The program in classic BPF: what is not named is allowed."""
    column = _COLUMN[MACHINE]
    reload = _statement(_LOAD, _NUMBER_AT)
    program = [
        _statement(_LOAD, _ARCH_AT),
        _statement(_EQUAL, _AUDIT_ARCH[MACHINE], 1, 0),
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


def install(program: list[bytes]) -> None:
    """Closes the filter around this process; it must have given up new privileges."""
    code = b"".join(program)
    prctl(PR_SET_SECCOMP, 2, ctypes.byref(_Program(len(program), code)))
