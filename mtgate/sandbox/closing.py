"""The last steps before tenant code: what a process may do from here on.

In charge of: limits, private mounts, identity, Landlock and seccomp, in the one order in which they work.
This package imports nothing else of ours, so that it can be read and judged alone. A layer that the kernel
does not offer is left out and missing in `layers()`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from pathlib import Path
from typing import Any

from mtgate.sandbox import landlock, mounts, seccomp
from mtgate.sandbox.policy import Policy
from mtgate.sandbox.system import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MACHINE,
    NUMBERS,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    error,
    libc,
    prctl,
    unshare,
)

#: Beside the memory that is asked for: what the interpreter maps and its threads' stacks.
_DATA_SLACK_BYTES = 256 * 1024 * 1024


def enter(policy: Policy, parent: int) -> None:
    """Closes the sandbox around this process; there is no way back. OSError says which step failed."""
    _offer_to_the_killer(policy.oom_score)
    if policy.user_namespace:
        _enter_user_namespace()
    # only now: a namespace takes the limit of the moment over for all processes that its user has outside
    _limit(policy)
    if policy.mounts:
        mask = os.umask(0o022)  # the way to what is kept must be open to the uid that comes later
        mounts.make_private(policy)
        os.umask(mask)
    ruleset = landlock.build_ruleset(policy) if policy.landlock else None
    if policy.gid is not None:
        os.setgroups([])
        os.setresgid(policy.gid, policy.gid, policy.gid)
    if policy.uid is not None:
        os.setresuid(policy.uid, policy.uid, policy.uid)
    if policy.user_namespace:
        _drop_capabilities()
    if policy.die_with_parent:  # after the change of uid, which clears it
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if ruleset is not None:
        landlock.restrict(ruleset)
    if policy.seccomp:
        seccomp.install(seccomp.filter_of(policy))


def layers() -> dict[str, bool]:
    """What this kernel and this user can have: `uid`, `mounts`, `user_namespace`, `landlock`, `seccomp`."""
    root = os.geteuid() == 0
    known = MACHINE in NUMBERS
    user_namespace = not root and _in_child(_enter_user_namespace)
    return {
        "uid": root,
        "mounts": user_namespace or (root and _in_child(lambda: unshare(CLONE_NEWNS))),
        "user_namespace": user_namespace,
        "landlock": known and landlock.abi() > 0,
        "seccomp": known and _in_child(_try_filter),
    }


def _try_filter() -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.filter_of(Policy()))


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


def _offer_to_the_killer(score: int) -> None:
    """Out of memory, the kernel ends this process rather than the daemon; a score may only be raised."""
    path = Path("/proc/self/oom_score_adj")
    if int(path.read_text()) < score:
        path.write_text(str(score))


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
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _drop_capabilities() -> None:
    """Those of the user namespace: capset(2) with version 3 and empty sets."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    empty = ctypes.create_string_buffer(24)
    if libc.capset(header, empty) != 0:
        raise error("capset")
