"""A tenant's own program for the supervisor's tests: a small HTTP server on descriptor 3 that misbehaves on
request.

Standard library only. Speaks the lifeline when there is one (MTGATE_LIFELINE_FD), NOTIFY_SOCKET otherwise.
What it does is in the file `behaviour` in the tenant's folder, one word a line, read at its start.
"""

from __future__ import annotations

import ctypes
import http.server
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

DIRECTORY = Path(os.environ["MTGATE_TENANT_DIR"])


def words() -> list[str]:
    path = DIRECTORY / "behaviour"
    return path.read_text().split() if path.exists() else []


BEHAVIOUR = words()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/exit":
            os._exit(5)
        if self.path == "/spawn":
            self.answer(str(escape()))
            return
        if self.path == "/hang":
            hold_the_interpreter()
        if self.path == "/health" and "sick" in BEHAVIOUR:
            self.send_error(500)
            return
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("?")[2]))
        generation = os.environ["MTGATE_GENERATION"]
        self.answer(f"{os.getpid()} {generation} {os.environ['MTGATE_WORKER']}")

    def answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        # not by sys.stdout: a thread that holds its lock when the interpreter ends is fatal
        os.write(1, f"served {self.path}\n".encode())

    def address_string(self) -> str:
        return "unix"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        self.socket = listener
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = "tenant", 0

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


def escape() -> int:
    """A double fork: a descendant in a session of its own; its pid."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.closerange(0, 100)
            time.sleep(600)
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))


def hold_the_interpreter() -> None:
    """As an extension does that never gives back the interpreter's lock: no thread runs any more."""
    ctypes.PyDLL(None).sleep(600)


def beat() -> None:
    while True:
        notify("WATCHDOG=1")
        time.sleep(0.1)


def notify(text: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(path)
            sender.send(text.encode())


def main() -> None:
    print("begins", " ".join(BEHAVIOUR), flush=True)
    if "deaf" in BEHAVIOUR:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for word in BEHAVIOUR:
        if word.startswith("exit="):
            print("about to end", file=sys.stderr, flush=True)
            sys.exit(int(word.partition("=")[2]))
    if "never-ready" in BEHAVIOUR:
        time.sleep(600)
    listener = socket.socket(fileno=3)
    listener.setblocking(True)
    server = Server(listener)
    if "deaf" not in BEHAVIOUR:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    notify("READY=1")
    if "accepts-late" in BEHAVIOUR:
        time.sleep(0.5)
    if "beats" in BEHAVIOUR:
        threading.Thread(target=beat, daemon=True).start()
    if "never-accepts" in BEHAVIOUR:
        time.sleep(600)
    server.serve_forever(0.05)
    print("ends", flush=True)


main()
