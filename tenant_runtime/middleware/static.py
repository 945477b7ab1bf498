"""``loopback#static``, ``serve-static``, ``express.static``: files of a folder.

In charge of: which file a path means, conditional and range requests, media types. Must not know: what the
folder is for. Nothing outside the folder is reached, whatever the path or the links in it say.

Source: npm packages ``serve-static`` and ``send``; RFC 9110 sections 13 and 14.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import trio

from tenant_runtime.remoting.negotiate import is_fresh
from tenant_runtime.web import Headers, Next, WebRequest, WebResponse

PIECE_BYTES: Final = 64 * 1024
RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
DURATION = re.compile(r"\s*([0-9.]+)\s*(ms|s|m|h|d|w|y)?\s*\Z")
UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}

TEXT_TYPES: Final = ("application/javascript", "text/javascript", "application/json")


def age_seconds(value: Any) -> int:
    """``maxAge``: milliseconds as a number, or a text such as "1d"."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value / 1000)
    match = DURATION.match(value) if isinstance(value, str) else None
    return int(float(match[1]) * UNIT_SECONDS[match[2] or "ms"]) if match else 0


def media_type_of(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in TEXT_TYPES:
        return f"{kind}; charset=UTF-8"
    return kind


def byte_range(field: str | None, size: int) -> tuple[int, int] | bool | None:
    """First and last byte of a single range; None: send everything; False: it cannot be satisfied."""
    match = RANGE.match(field.replace(" ", "")) if field else None
    if match is None or (not match[1] and not match[2]):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
        return (first, last) if int(match[2]) else False
    first = int(match[1])
    last = min(int(match[2]) if match[2] else size - 1, size - 1)
    return (first, last) if first < size and first <= last else False


class Static:
    """``Static(folder, {"maxAge": "1d", "index": "index.html", "dotfiles": "ignore", "fallthrough":
    true})``.
    """

    def __init__(self, root: str | Path, options: Mapping[str, Any] | None = None) -> None:
        options = options or {}
        self.root = Path(root).resolve()
        index = options.get("index", "index.html")
        self.indexes = [] if index is False else [index] if isinstance(index, str) else list(index)
        self.max_age_seconds = age_seconds(options.get("maxAge", options.get("maxage")))
        self.dotfiles = str(options.get("dotfiles") or "ignore")
        self.redirect = options.get("redirect") is not False
        self.immutable = bool(options.get("immutable"))
        self.etag = options.get("etag") is not False
        extensions = options.get("extensions") or []
        self.extensions = [str(one) for one in extensions] if isinstance(extensions, list) else []

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        if request.method not in ("GET", "HEAD"):
            return await next(request)
        found = await trio.to_thread.run_sync(self.find, request.raw_path)
        if found is None:
            return await next(request)
        path, info = found
        if stat.S_ISDIR(info.st_mode):
            if not self.redirect:
                return await next(request)
            target = quote(
                request.prefix + request.base_url + request.path.rstrip("/") + "/", safe="/~!$&'()*+,;=:@"
            )
            if request.query_string:
                target += "?" + request.query_string
            return WebResponse(301, [(b"location", target.encode("latin-1"))])
        return self.response(request, path, info)

    def find(self, raw_path: str) -> tuple[Path, os.stat_result] | None:
        """The file that a path means; a folder when it lacks its final slash; None for nothing to show."""
        name = unquote(raw_path)
        parts = [part for part in name.split("/") if part]
        if "\0" in name or ".." in parts:
            return None
        if self.dotfiles != "allow" and any(part.startswith(".") for part in parts):
            return None
        path = self.root.joinpath(*parts)
        candidates = [path, *(path.with_name(f"{path.name}.{suffix}") for suffix in self.extensions)]
        if name.endswith("/"):
            candidates = [path / index for index in self.indexes]
        for candidate in candidates:
            try:
                real = candidate.resolve(strict=True)
                info = real.stat()
            except (OSError, RuntimeError):
                continue
            if real.is_relative_to(self.root) and (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
                if stat.S_ISDIR(info.st_mode) and name.endswith("/"):
                    continue
                return real, info
        return None

    def response(self, request: WebRequest, path: Path, info: os.stat_result) -> WebResponse:
        etag = f'W/"{info.st_size:x}-{int(info.st_mtime * 1000):x}"'
        cache = f"public, max-age={self.max_age_seconds}" + (", immutable" if self.immutable else "")
        headers: Headers = [
            (b"accept-ranges", b"bytes"),
            (b"cache-control", cache.encode()),
            (b"last-modified", formatdate(info.st_mtime, usegmt=True).encode()),
        ]
        if self.etag:
            headers.append((b"etag", etag.encode()))
        if not_modified(request, etag if self.etag else None, info.st_mtime):
            return WebResponse(304, headers)
        size = info.st_size
        headers.append((b"content-type", media_type_of(path).encode()))
        wanted = byte_range(request.header("range"), size)
        if request.header("if-range") not in (None, etag):
            wanted = None
        if wanted is False:
            return WebResponse(416, [(b"content-range", f"bytes */{size}".encode())])
        first, last = wanted if isinstance(wanted, tuple) else (0, size - 1)
        status = 206 if isinstance(wanted, tuple) else 200
        if status == 206:
            headers.append((b"content-range", f"bytes {first}-{last}/{size}".encode()))
        headers.append((b"content-length", str(last - first + 1).encode()))
        body = b"" if request.method == "HEAD" or not size else file_pieces(path, first, last)
        return WebResponse(status, headers, body)


def not_modified(request: WebRequest, etag: str | None, modified: float) -> bool:
    """``If-None-Match`` counts before ``If-Modified-Since`` (RFC 9110 section 13.2.2)."""
    condition = request.header("if-none-match")
    if condition is not None:
        return is_fresh(condition, request.header("cache-control"), etag)
    since = request.header("if-modified-since")
    if since is None:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(since).timestamp()
    except (ValueError, TypeError):
        return False


async def file_pieces(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    """Bytes ``first`` to ``last``, read in a thread."""
    async with await trio.open_file(path, "rb") as file:
        await file.seek(first)
        left = last - first + 1
        while left > 0:
            piece = await file.read(min(PIECE_BYTES, left))
            if not piece:
                return
            left -= len(piece)
            yield piece
