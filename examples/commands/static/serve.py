"""A static file server as a tenant, in the standard library alone.

``mtctl add site --from examples/commands/static``. The listening socket is descriptor 3.
"""

import http.server
import signal
import socket
import socketserver
import sys
import threading
from functools import partial


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"  # a Unix socket has no address to show


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Accepts from a socket that somebody else has bound."""

    daemon_threads = False

    def __init__(self, listener, handler):
        super().__init__(None, handler)
        self.socket = listener

    def fileno(self):
        return self.socket.fileno()

    def get_request(self):
        return self.socket.accept()

    def shutdown_request(self, request):
        request.close()


def main():
    server = Server(socket.socket(fileno=3), partial(Handler, directory=sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
