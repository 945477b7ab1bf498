"""The zygote: everything a worker needs imported once, then one fork for each start.

In charge of: forking, and the order of steps in the child until the tenant's code begins. Must not know: any
tenant's files, or a secret. It has one thread, runs no event loop while it forks, and opens no connection.

Started as `python -m tenant_runtime.zygote FD`. On FD (SOCK_SEQPACKET) it reads requests, each one JSON
object with descriptors by SCM_RIGHTS, and answers `{"pid": n}` or `{"error": text}`:

    {"fds": [1, 2, 3, 4],             the numbers that the descriptors get in the child, in their order
     "argv": [] or a program,         empty: tenant_runtime.worker.main() in the forked interpreter,
     "tool": ["module", argument, …], or, where given, `python -m module argument…` in it
     "environment": {…}, "directory": path, "parent": pid of the daemon,
     "cgroup": path or null, "sandbox": policy or null}

The child is the daemon's own from its first moment (CLONE_PARENT): only the daemon reaps it, its PDEATHSIG
follows the daemon, and a death of the zygote costs no worker. `--once FD` is the fallback
without a warm zygote: the same steps, but this interpreter becomes the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import platform
import random
import runpy
import signal
import socket
import struct
import sys
import threading
from typing import Any, NoReturn

from mtgate import notify
from mtgate.sandbox.closing import enter
from mtgate.sandbox.policy import Policy

#: Imported before the first fork. A name that cannot be imported costs its tenants time, not their start.
PRELOAD = (
    "tenant_runtime.worker",
    "tenant_runtime.connectors.sql.engine",
    "tenant_runtime.connectors.sql.drivers.mysql",
    "tenant_runtime.connectors.sql.drivers.postgresql",
    "tenant_runtime.connectors.mongodb.client",
    "tenant_runtime.schema",
    "tenant_runtime.check",
)
#: What only keeps its place in memory (warm.fillers).
kept: list[bytes] = []
#: Stacks of workers' threads: mapped memory counts against the tenant's limit.
THREAD_STACK_BYTES = 1024 * 1024
#: Signals that mean nothing to us; their default is the end, or a stop.
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTOU)
MESSAGE_BYTES = 200_000
_PR_SET_NAME = 15
#: clone(2): its number by machine, and no stack, tid and tls of its own.
_CLONE = {"x86_64": 56, "aarch64": 220}
_NOTHING = (None, None, None, None)
_MACHINE = platform.machine()
#: clone3(2): its number on every machine, and struct clone_args: flags first, the group's descriptor last.
_CLONE3 = 435
_CLONE_ARGUMENTS = struct.Struct("=11Q")
_CLONE_PARENT, _CLONE_INTO_CGROUP = 0x8000, 1 << 33
#: Keeps the interpreter's lock: nothing of Python's runs between the call and what follows it.
_libc = ctypes.PyDLL(None, use_errno=True)
#: sysexits(3) EX_OSERR: the steps before the tenant's code failed.
EXIT_SANDBOX = 71


def main() -> None:
    """Root of the zygote's process."""
    if sys.argv[1] == "--once":
        channel = socket.socket(fileno=int(sys.argv[2]))
        request, descriptors = receive(channel)
        if request is not None:
            channel.send(json.dumps({"pid": os.getpid()}).encode())
            become(request, descriptors)
        return
    channel = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM, *IGNORED):
        signal.signal(number, signal.SIG_IGN)  # a terminal's ^C is for the daemon; end of file ends us
    threading.stack_size(THREAD_STACK_BYTES)
    problems = preload()
    _set_name("mtgate-zygote")
    with contextlib.suppress(BrokenPipeError):  # the daemon has gone meanwhile
        channel.send(json.dumps({"ready": True, "problems": problems}).encode())
        serve(channel)


def preload() -> list[str]:
    """Imports what workers need, warms it, and freezes the heap so that collections do not unshare it."""
    problems: list[str] = []
    for name in PRELOAD:
        try:
            importlib.import_module(name)
        except ImportError as error:
            problems.append(f"{name}: {error}")
    if "tenant_runtime.worker" in sys.modules:
        try:
            warm = importlib.import_module("tenant_runtime.warm")
            warm.warm()
            gc.collect()
            kept.extend(warm.fillers())
        except Exception as error:  # the tenants' own boots will show what it is
            problems.append(f"warming: {type(error).__name__}: {error}")
    gc.collect()
    sys._clear_type_cache()  # a fork that puts another name into it would write to the old one's page, too
    gc.freeze()
    return problems


def serve(channel: socket.socket) -> None:
    """Answers requests until the daemon closes its end."""
    while True:
        request, descriptors = receive(channel)
        if request is None:
            return
        try:
            answer: dict[str, Any] = {"pid": fork_beside(request, descriptors)}
        except OSError as error:
            answer = {"error": f"fork: {error.strerror}"}
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(answer).encode())


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One request and its descriptors; None at end of file."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 16)
    except ConnectionError:  # the daemon was killed with an answer of ours unread
        return None, []
    return (json.loads(data) if data else None), list(descriptors)


def fork_beside(request: dict[str, Any], descriptors: list[int]) -> int:
    """Forks a child that is our parent's, the daemon's, as we are (CLONE_PARENT); its pid.

    The C library's fork cannot do that. What it does beside the call is not missed here: there is one thread,
    and nothing that is preloaded asks to be told (pthread_atfork); the interpreter's own steps are taken.
    """
    assert len(os.listdir("/proc/self/task")) == 1, "a fork of a process with threads is not safe"
    group = request["cgroup"] and os.open(request["cgroup"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid, joined = _clone(group)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        become({**request, "cgroup": None if joined else request["cgroup"]}, descriptors)
    problem = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if group is not None:
        os.close(group)
    if pid < 0:
        raise OSError(problem, os.strerror(problem))
    return pid


def _clone(group: int | None) -> tuple[int, bool]:
    """The pid, 0 in the child, below 0 when it failed; and whether the child began in the control group.

    To move into a group later takes as long as the kernel's readers need to be through: 5 to 20 ms. Where a
    child cannot begin in it (clone3 refused, the group full), it has to move.
    """
    if group is not None:
        arguments = _CLONE_ARGUMENTS.pack(_CLONE_PARENT | _CLONE_INTO_CGROUP, *[0] * 9, group)
        pid = int(_libc.syscall(ctypes.c_long(_CLONE3), arguments, ctypes.c_size_t(len(arguments))))
        if pid >= 0:
            return pid, True
    flags = ctypes.c_ulong(_CLONE_PARENT)
    return int(_libc.syscall(ctypes.c_long(_CLONE[_MACHINE]), flags, *_NOTHING)), False


def become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """The rest of the child's life: descriptors, sandbox, then the tenant's program."""
    code = EXIT_SANDBOX
    try:
        if os.getppid() != request["parent"]:  # the daemon died meanwhile: nobody would watch over us
            os._exit(EXIT_SANDBOX)
        prepare(request, descriptors)
        if request["argv"]:
            os.execvpe(request["argv"][0], request["argv"], dict(os.environ))
        code = run_tool(request["tool"]) if "tool" in request else run_worker()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        _complain(request, error)
    finally:
        _leave(code)


def prepare(request: dict[str, Any], descriptors: list[int]) -> None:
    """Everything between the fork and the tenant's code, in the order that the kernel's rules dictate."""
    if request["cgroup"]:
        with open(os.path.join(request["cgroup"], "cgroup.procs"), "w") as file:
            file.write("0")
    os.setsid()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if not request["argv"]:
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    place(descriptors, request["fds"])
    environment = request["environment"]
    if "LISTEN_FDS" in environment:
        environment["LISTEN_PID"] = str(os.getpid())
    os.environ.clear()
    os.environ.update(environment)
    enter(Policy.from_json(request["sandbox"]), request["parent"])
    os.chdir(request["directory"])
    random.seed()
    _set_name("mt-" + environment["MTGATE_TENANT"])


def place(descriptors: list[int], targets: list[int]) -> None:
    """Moves descriptors to their numbers, /dev/null to 0, and closes all others."""
    above = max(targets, default=0) + 1
    free = [_duplicate_above(descriptor, above) for descriptor in descriptors]
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor, target in zip(free, targets, strict=True):
        os.dup2(descriptor, target)
    for missing in {1, 2} - set(targets):
        os.dup2(null, missing)
    kept = sorted({0, 1, 2, *targets})
    for lower, upper in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(lower + 1, upper)


def run_worker() -> int:
    """`tenant_runtime.worker.main()` with its exit code."""
    worker = importlib.import_module("tenant_runtime.worker")
    result = worker.main()
    return result if isinstance(result, int) else 0


def run_tool(words: list[str]) -> int:
    """`python -m words…` in this process, with logging as an interpreter has it."""
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    sys.argv = list(words)
    sys.modules.pop(words[0], None)  # preloaded perhaps; runpy warns of a module that it runs twice
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    return 0


def _duplicate_above(descriptor: int, least: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)


def _complain(request: dict[str, Any], error: BaseException) -> None:
    """Why the child cannot start, for the journal and over the lifeline; no traceback of ours to the
    tenant."""
    text = f"{type(error).__name__}: {error}"
    os.write(2, f"cannot start: {text}\n".encode())
    lifeline = request["environment"].get(notify.LIFELINE_FD)
    if lifeline:
        document = json.dumps({"message": text, "code": "start-failed"})
        try:
            os.write(int(lifeline), notify.error(document).encode())
        except OSError:
            return


def _leave(code: int) -> NoReturn:
    """Ends the child without unwinding into the zygote's frames."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


def _set_name(name: str) -> None:
    """The name in ps and top; at most 15 bytes, the kernel cuts the rest."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


if __name__ == "__main__":
    main()
