"""The backend of all.

Nginx for small answers and downloads, a sink of threads for uploads; on Unix sockets.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path

NGINX = """
daemon off; worker_processes 1; pid {folder}/backend.pid; error_log {folder}/backend.err;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 0; sendfile on;
  client_body_temp_path {folder}/tmp1; proxy_temp_path {folder}/tmp2; fastcgi_temp_path {folder}/tmp3;
  uwsgi_temp_path {folder}/tmp4; scgi_temp_path {folder}/tmp5;
  server {{
    listen unix:{folder}/backend.sock backlog=4096;
    default_type application/json;
    location / {{ return 200 '{body}'; }}
    location /down {{ alias {folder}/10m; }}
    location /up {{
      proxy_pass http://unix:{folder}/sink.sock; proxy_http_version 1.1; proxy_request_buffering off;
    }}
  }}
}}
"""
BODY = '{"id":1,"name":"' + "x" * 280 + '"}'
DOWN_BYTES = 10 * 1024 * 1024


def configure(folder: Path) -> Path:
    """Writes nginx's configuration and the file to download; the configuration's path."""
    (folder / "10m").write_bytes(bytes(DOWN_BYTES))
    path = folder / "backend.conf"
    path.write_text(NGINX.format(folder=folder, body=BODY))
    return path


def serve(sock: socket.socket) -> None:
    """Until the other end closes, or breaks, the connection."""
    with sock, contextlib.suppress(OSError):
        swallow(sock)


def swallow(sock: socket.socket) -> None:
    """Reads requests with a Content-Length, answers each."""
    buffer, room = b"", bytearray(1 << 20)
    while True:
        while b"\r\n\r\n" not in buffer:
            data = sock.recv(1 << 16)
            if not data:
                return
            buffer += data
        head, _, rest = buffer.partition(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        left, buffer = length - len(rest), b""
        while left > 0:
            if not (count := sock.recv_into(room, min(left, len(room)))):
                return  # Broken off; a thread that went on here would spin, and take what is measured.
            left -= count
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def main() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    Path(sys.argv[1]).chmod(0o777)  # nginx's workers have another user when it is started by root
    listener.listen(1024)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
