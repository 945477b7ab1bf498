"""Request bodies: JSON and forms, with the limits and refusals of the npm package ``body-parser``.

In charge of: reading and decoding a body once. Must not know: methods, models. A body of any other type
counts as an empty object, as in LoopBack.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mtgate.http1.message import BodyTooLarge
from tenant_runtime.errors import LoopbackError
from tenant_runtime.querystring import PARAMETER_LIMIT, parse_flat, parse_form
from tenant_runtime.remoting.json import loads
from tenant_runtime.remoting.negotiate import charset, media_type
from tenant_runtime.web import UNPARSED, WebRequest

DEFAULT_LIMIT_BYTES: Final = 100 * 1024
SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(b|kb|mb|gb)?\s*\Z", re.IGNORECASE)
UNITS: Final = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}

#: The first character of a JSON text that ``strict`` allows.
STRICT_START = re.compile(rb"[\x20\t\n\r]*[\[{]")


def size_bytes(value: Any, default: int = DEFAULT_LIMIT_BYTES) -> int:
    """``"100kb"``, ``"1.5mb"`` or a number of bytes."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    match = SIZE.match(value) if isinstance(value, str) else None
    return int(float(match[1]) * UNITS[(match[2] or "b").lower()]) if match else default


@dataclass(frozen=True, slots=True)
class ParserOptions:
    """One parser's settings. ``types`` are compared with the request's media type."""

    limit_bytes: int = DEFAULT_LIMIT_BYTES
    strict: bool = False  # JSON: only objects and arrays
    extended: bool = True  # forms: nested names

    @classmethod
    def json(cls, settings: Any) -> ParserOptions:
        """``remoting.json``: given without ``strict``, body-parser's own default (strict) holds."""
        if not isinstance(settings, Mapping):
            return cls()
        return cls(size_bytes(settings.get("limit")), strict=settings.get("strict") is not False)

    @classmethod
    def form(cls, settings: Any) -> ParserOptions:
        """``remoting.urlencoded``."""
        settings = settings if isinstance(settings, Mapping) else {}
        return cls(size_bytes(settings.get("limit")), extended=settings.get("extended") is not False)


def refused(message: str, status: int, name: str) -> LoopbackError:
    """An error with body-parser's name and status."""
    return LoopbackError(message, status=status, name=name)


def has_body(request: WebRequest) -> bool:
    """Whether a body was announced, be it empty."""
    return request.header("content-length") is not None or request.header("transfer-encoding") is not None


async def read_body(request: WebRequest, limit_bytes: int) -> bytes:
    """The whole body, inflated. 413 above the limit (before and after inflation), 415 for other codings."""
    coding = (request.header("content-encoding") or "identity").strip().lower()
    if request.body is None:
        return b""
    try:
        data = await request.body.read(limit_bytes)
    except BodyTooLarge:
        raise too_large() from None
    if coding == "identity":
        return data
    if coding not in ("gzip", "deflate"):
        raise refused(f'unsupported content encoding "{coding}"', 415, "UnsupportedMediaTypeError")
    return inflate(data, coding, limit_bytes)


def too_large() -> LoopbackError:
    """413, as body-parser says it."""
    return refused("request entity too large", 413, "PayloadTooLargeError")


def inflate(data: bytes, coding: str, limit_bytes: int) -> bytes:
    """A compressed body, refused as soon as it grows beyond the limit."""
    decoder = zlib.decompressobj(wbits=47 if coding == "gzip" else 15)
    try:
        plain = decoder.decompress(data, limit_bytes + 1)
    except zlib.error:
        raise refused("incorrect header check", 400, "Error") from None
    if len(plain) > limit_bytes:
        raise too_large()
    if not decoder.eof:
        raise refused("unexpected end of file", 400, "Error")
    return plain


def check_charset(request: WebRequest, default: str = "utf-8") -> str:
    """The body's charset; 415 for one that is no Unicode."""
    name = charset(request.header("content-type")) or default
    if not name.startswith("utf-"):
        raise refused(f'unsupported charset "{name.upper()}"', 415, "UnsupportedMediaTypeError")
    return name


async def parse_json_body(request: WebRequest, options: ParserOptions) -> Any:
    """The value of a JSON body, ``{}`` for an empty one; 400 where it is no JSON."""
    name = check_charset(request)
    data = await read_body(request, options.limit_bytes)
    if not data:
        return {}
    if name != "utf-8":
        data = data.decode(name, "replace").encode()
    if options.strict and not STRICT_START.match(data):
        start = data.strip()[:1].decode("latin-1")
        raise refused(f"Unexpected token {start} in JSON at position 0", 400, "SyntaxError")
    try:
        return loads(data)
    except (ValueError, RecursionError) as error:
        raise refused(str(error), 400, "SyntaxError") from None


async def parse_form_body(request: WebRequest, options: ParserOptions) -> Any:
    """The fields of a urlencoded body."""
    check_charset(request)
    text = (await read_body(request, options.limit_bytes)).decode("utf-8", "replace")
    if text.count("&") + 1 > PARAMETER_LIMIT:
        raise refused("too many parameters", 413, "PayloadTooLargeError")
    return parse_form(text) if options.extended else parse_flat(text)


async def parse_body(request: WebRequest, json: ParserOptions, form: ParserOptions) -> Any:
    """What the REST layer does with any request; the value is kept on the request."""
    if request.body_value is not UNPARSED:
        return request.body_value
    value: Any = {}
    if has_body(request):
        kind = media_type(request.header("content-type"))
        if kind == "application/json":
            value = await parse_json_body(request, json)
        elif kind == "application/x-www-form-urlencoded":
            value = await parse_form_body(request, form)
    request.body_value = value
    return value
