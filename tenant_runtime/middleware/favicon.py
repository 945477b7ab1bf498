"""``loopback#favicon``, ``serve-favicon``: the site's icon.

In charge of: answering ``/favicon.ico`` from memory. Without a file of the app's own it is a plain small
square.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.middleware.static import age_seconds
from tenant_runtime.remoting.result import finish
from tenant_runtime.web import Next, WebRequest, WebResponse


def square_icon(size: int = 16, color: tuple[int, int, int] = (44, 95, 173)) -> bytes:
    """An ICO file with one image of one colour: icon directory, bitmap header, BGRA rows, AND mask."""
    red, green, blue = color
    pixels = bytes((blue, green, red, 255)) * (size * size)
    mask = bytes(4 * size)
    bitmap = (
        struct.pack("<IiiHHIIiiII", 40, size, size * 2, 1, 32, 0, len(pixels), 0, 0, 0, 0) + pixels + mask
    )
    directory = struct.pack("<HHH", 0, 1, 1) + struct.pack(
        "<BBBBHHII", size, size, 0, 0, 1, 32, len(bitmap), 22
    )
    return directory + bitmap


class Favicon:
    """``params``: path of a file, options with ``maxAge`` (a year by default)."""

    def __init__(self, path: str | None = None, options: Any = None) -> None:
        options = options if isinstance(options, dict) else {}
        if path is None:
            self.icon = square_icon()
        else:
            try:
                self.icon = Path(path).read_bytes()
            except OSError as error:
                raise ConfigurationError(f"the icon {path} cannot be read: {error.strerror}") from None
        age = age_seconds(options["maxAge"]) if "maxAge" in options else 31536000
        self.cache_control = f"public, max-age={age}".encode()

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        if request.raw_path != "/favicon.ico":
            return await next(request)
        if request.method not in ("GET", "HEAD"):
            status = 200 if request.method == "OPTIONS" else 405
            return WebResponse(status, [(b"allow", b"GET, HEAD, OPTIONS"), (b"content-length", b"0")])
        headers = [(b"content-type", b"image/x-icon"), (b"cache-control", self.cache_control)]
        return finish(request, WebResponse(200, headers, self.icon))
