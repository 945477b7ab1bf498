"""An open-loop load over TCP: requests are due at fixed times, latency counts from the due time."""

from __future__ import annotations

import socket
import statistics
from dataclasses import dataclass, field

import trio


@dataclass(slots=True)
class Result:
    """Latencies in milliseconds of those that were answered 200; the others are failures by kind."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def line(self) -> str:
        ordered = sorted(self.latencies)
        p99 = ordered[int(len(ordered) * 0.99) - 1]
        kinds = f" {sorted(set(self.failures))[:3]}" if self.failures else ""
        return (
            f"{len(self.failures)} / {len(ordered) + len(self.failures)}{kinds} | "
            f"{statistics.median(ordered):.1f} | {p99:.1f} | {ordered[-1]:.1f}"
        )


async def read_answer(stream: trio.SocketStream) -> bytes:
    """Head and body of one answer with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(65536)
        if not piece:
            raise OSError("closed before the answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        piece = await stream.receive_some(65536)
        if not piece:
            raise OSError("cut answer")
        body += piece
    return head


async def one(
    port: int, target: str, stream: trio.SocketStream | None, *, close: bool
) -> trio.SocketStream | None:
    """One request; the connection when it can be used again."""
    stream = stream or await trio.open_tcp_stream("127.0.0.1", port)
    end = "Connection: close\r\n" if close else ""
    await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: bench\r\n{end}\r\n".encode())
    head = await read_answer(stream)
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise OSError(f"status {status.decode()}")
    if close or b"connection: close" in head.lower():
        await stream.aclose()
        return None
    return stream


def is_closed(stream: trio.SocketStream) -> bool:
    """Whether the server has closed it: a client looks before it uses a connection again."""
    try:
        with socket.fromfd(stream.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as peek:
            return peek.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def run(port: int, target: str, rate: float, seconds: float, *, keep_alive: bool) -> Result:
    """Sends `rate` requests a second for so long."""
    result, idle = Result(), []
    began = trio.current_time() + 0.05

    async def request(due: float) -> None:
        stream = idle.pop() if keep_alive and idle else None
        if stream is not None and is_closed(stream):
            await stream.aclose()
            stream = None
        try:
            with trio.fail_after(10):
                stream = await one(port, target, stream, close=not keep_alive)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            result.failures.append(str(error) or type(error).__name__)
            return
        result.latencies.append((trio.current_time() - due) * 1000)
        if stream is not None:
            idle.append(stream)

    async with trio.open_nursery() as nursery:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await trio.sleep_until(due)
            nursery.start_soon(request, due)
    for stream in idle:
        await trio.aclose_forcefully(stream)
    return result
