"""2,000 idle clients, 500 slowloris, 100 slow readers.

What becomes of the others, and what an idle client costs.

python bench/gateway/crowd.py [--processes 2]

Prints the latency of a steady 100 requests/s before, during and after, and the memory of an idle
connection.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import backend  # noqa: E402
from run import free_port, tree, wait_for_port  # noqa: E402

GET = b"GET /foo/x HTTP/1.1\r\nHost: gate\r\n\r\n"
DOWN = b"GET /foo/down HTTP/1.1\r\nHost: gate\r\n\r\n"


def connect(port: int, data: bytes = b"", receive_buffer: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", port))
    sock.sendall(data)
    return sock


def ask(sock: socket.socket) -> float:
    began = time.perf_counter()
    sock.sendall(GET)
    data = sock.recv(65536)
    assert data.startswith(b"HTTP/1.1 200"), data[:100]
    return time.perf_counter() - began


def latencies(where: int | str, seconds: float) -> list[float]:
    """100 requests a second on one kept connection to a port, or to a Unix socket."""
    if isinstance(where, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(where)
    else:
        sock = connect(where)
    out = []
    end = time.perf_counter() + seconds
    while (due := time.perf_counter()) < end:
        out.append(ask(sock) * 1000)
        time.sleep(max(0.0, 0.01 - (time.perf_counter() - due)))
    sock.close()
    return out


def show(name: str, values: list[float]) -> None:
    p99 = statistics.quantiles(values, n=100)[98]
    print(
        f"{name:28} p50 {statistics.median(values):.2f} ms   p99 {p99:.2f} ms   worst {max(values):.2f} ms",
        flush=True,
    )


def memory_bytes(pid: int) -> int:
    total = 0
    for one in tree(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
    return total * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        nginx = subprocess.Popen(["nginx", "-c", backend.configure(folder)], start_new_session=True)
        command = [sys.executable, str(HERE / "alone.py"), "--listen", f"127.0.0.1:{port}"]
        command += ["--tenant", f"foo={folder}/backend.sock", "--processes", str(arguments.processes)]
        gate = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            show("the worker, directly", latencies(f"{folder}/backend.sock", arguments.seconds))
            run(port, gate.pid, arguments.seconds)
        finally:
            for process in (gate, nginx):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)


def run(port: int, pid: int, seconds: float) -> None:
    latencies(port, 1)
    show("quiet", latencies(port, seconds))
    before = memory_bytes(pid)
    idle = [connect(port) for _ in range(2000)]
    for sock in idle:
        ask(sock)
    cost = (memory_bytes(pid) - before) / len(idle)
    show("2,000 idle clients", latencies(port, seconds))
    slow = [connect(port, b"GET /foo/x HTTP/1.1\r\nHost: gate\r\nX-A: ") for _ in range(500)]
    readers = [connect(port, DOWN, 4096) for _ in range(100)]
    all_parts: list[float] = []
    for number in range(5):
        for sock in slow:
            with contextlib.suppress(OSError):
                sock.send(b"b")
        part = latencies(port, seconds / 5)
        show(f"and slow ones, {number + 1}", part)
        all_parts += part
    show("and slow ones, all five", all_parts)
    alive = 0
    for sock in idle:
        with contextlib.suppress(OSError, AssertionError):
            ask(sock)
            alive += 1
    for sock in [*idle, *slow, *readers]:
        sock.close()
    show("afterwards", latencies(port, seconds))
    print(f"{alive} of 2,000 idle clients were still served; an idle connection costs {cost / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
