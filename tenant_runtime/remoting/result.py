"""A method's result as a response: JSON, JSONP, XML, a file or a stream.

In charge of: the media type, the status, ETag and 304. Must not know: how the result came about.

Source: strong-remoting ``http-context`` done(), express 4 ``res.send``/``res.jsonp``.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import AsyncIterator
from typing import Any, Final

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.json import dumps
from tenant_runtime.remoting.negotiate import accepted_type, is_fresh
from tenant_runtime.remoting.xml import result_xml
from tenant_runtime.web import WebRequest, WebResponse

JSON_HEADER: Final = (b"content-type", b"application/json; charset=utf-8")

#: Media types by their handling; anything else is 406.
JSON_TYPES: Final = ("*/*", "application/json", "json")
SCRIPT_TYPES: Final = ("application/javascript", "text/javascript")
XML_TYPES: Final = {"application/xml": "application/xml", "text/xml": "text/xml", "xml": "text/xml"}

CALLBACK_CHARACTERS = re.compile(r"[^\[\]\w$.]")


def etag_of(body: bytes) -> str:
    """express' weak tag: length in hex and SHA-1 in base64."""
    digest = b2a_base64(hashlib.sha1(body, usedforsecurity=False).digest(), newline=False)
    return f'W/"{len(body):x}-{digest[:27].decode("ascii")}"'


def finish(request: WebRequest, response: WebResponse) -> WebResponse:
    """ETag of a whole body, and 304 where the client has it already (express ``res.send``)."""
    if not isinstance(response.body, bytes):
        return response
    etag = etag_of(response.body)
    response.headers.append((b"etag", etag.encode()))
    if request.method in ("GET", "HEAD") and 200 <= response.status < 300:
        condition = request.header("if-none-match")
        if condition is not None and is_fresh(condition, request.header("cache-control"), etag):
            response.status = 304
            response.body = b""
            response.headers = [pair for pair in response.headers if pair[0] != b"content-type"]
    return response


def json_response(value: Any, request: WebRequest, status: int = 200) -> WebResponse:
    """``res.json(value)``: for routes and middleware."""
    return finish(request, WebResponse(status, [JSON_HEADER], dumps(value)))


def wanted_type(request: WebRequest, supported: tuple[str, ...]) -> str | None:
    """``_format`` wins over ``Accept``; a repeated ``_format`` is no type at all."""
    if "_format" in request.query_string and (wanted := request.query.get("_format")):
        return wanted.lower() if isinstance(wanted, str) else None
    return accepted_type(request.header("accept"), supported)


def respond(ctx: RemotingContext, supported: tuple[str, ...]) -> WebResponse:
    """The response of a call that succeeded."""
    request, response, result = ctx.request, ctx.response, ctx.result
    if ctx.method.success_status:
        response.status = ctx.method.success_status
    kind = wanted_type(request, supported)
    if ctx.method.stream:
        return stream_response(ctx)
    needs_type = not 300 <= response.status <= 399 and not (
        response.headers and response.header("content-type")
    )
    if result is UNDEFINED:
        if response.status == 200:
            response.status = 204
        if needs_type:
            response.headers.append((b"content-type", content_type_of(kind).encode()))
        return response
    if ctx.result_type == "file":
        return file_response(response, result, kind if needs_type else None)
    if kind in JSON_TYPES:
        if needs_type:
            response.headers.append(JSON_HEADER)
        response.body = dumps(result)
        return finish(request, response)
    return other_response(ctx, kind, needs_type)


def content_type_of(kind: str | None) -> str:
    if kind in JSON_TYPES or kind in SCRIPT_TYPES:
        return "application/json; charset=utf-8"
    if kind in XML_TYPES:
        return f"{XML_TYPES[kind]}; charset=utf-8"
    return (
        "application/vnd.api+json; charset=utf-8"
        if kind == "application/vnd.api+json"
        else "text/plain; charset=utf-8"
    )


def other_response(ctx: RemotingContext, kind: str | None, needs_type: bool) -> WebResponse:
    request, response, result = ctx.request, ctx.response, ctx.result
    if needs_type:
        response.set_header("content-type", content_type_of(kind))
    if kind == "application/vnd.api+json":
        response.body = dumps(result)
    elif kind in SCRIPT_TYPES:
        jsonp(request, response, dumps(result))
    elif kind in XML_TYPES:
        response.body = xml_body(ctx, result)
    else:
        response.status = 406
        response.body = b"Not Acceptable"
    return finish(request, response)


def jsonp(request: WebRequest, response: WebResponse, body: bytes) -> None:
    """``res.jsonp``: without a callback it is plain JSON."""
    callback = request.query.get("callback")
    callback = callback[0] if isinstance(callback, list) and callback else callback
    if not isinstance(callback, str) or not callback:
        response.body = body
        return
    name = CALLBACK_CHARACTERS.sub("", callback)
    text = body.decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    response.set_header("x-content-type-options", "nosniff")
    response.set_header("content-type", "text/javascript; charset=utf-8")
    response.body = f"/**/ typeof {name} === 'function' && {name}({text});".encode()


def xml_body(ctx: RemotingContext, result: Any) -> bytes:
    if result is None:
        return b"<null/>"
    options = ctx.method.returns[0].raw.get("xml") or {} if ctx.method.returns else {}
    return result_xml(
        with_undefined(result),
        str(options.get("wrapperElement") or "response"),
        declaration=options.get("declaration") is not False,
    ).encode()


def with_undefined(value: Any) -> Any:
    """Instances as plain objects; declared properties without a value show as ``undefined`` in XML."""
    if isinstance(value, list):
        return [with_undefined(item) for item in value]
    if not hasattr(value, "to_json"):
        return value
    data, definition = value.to_json(), value.model.definition
    declared = [name for name in definition.properties if name not in definition.hidden]
    return {name: data.get(name, UNDEFINED) for name in declared} | data


def file_response(response: WebResponse, result: Any, kind: str | None) -> WebResponse:
    """``type: "file"``: text, bytes or an async iterable of bytes, sent as it is."""
    if kind is not None and response.header("content-type") is None:
        response.set_header("content-type", content_type_of(kind))
    if isinstance(result, str):
        response.body = result.encode()
    elif isinstance(result, (bytes, bytearray, memoryview)):
        response.body = bytes(result)
    elif hasattr(result, "__aiter__"):
        response.body = result
    else:
        raise LoopbackError(f"Cannot create a file response from {type(result).__name__}")
    return response


def stream_response(ctx: RemotingContext) -> WebResponse:
    """Server-sent events where they are acceptable, else one JSON value a line."""
    request, response = ctx.request, ctx.response
    source = ctx.result[ctx.method.returns[0].name] if isinstance(ctx.result, dict) else ctx.result
    events = accepted_type(request.header("accept"), ("text/event-stream",)) is not None
    if events or request.query.get("_format") == "event-stream":
        response.set_header("content-type", "text/event-stream")
        response.set_header("cache-control", "no-cache")
        response.set_header("content-encoding", "x-no-compression")
        response.body = event_stream(source)
    else:
        declared = ctx.method.returns[0].raw.get("contentType")
        response.set_header("content-type", str(declared or "application/json; boundary=NL"))
        response.body = line_stream(source)
    return response


async def event_stream(source: Any) -> AsyncIterator[bytes]:
    yield b":ok\n\n"
    async for value in source:
        yield b"event: data\ndata: " + dumps(value) + b"\n\n"
    yield b"event: end\ndata: null\n\n"


async def line_stream(source: Any) -> AsyncIterator[bytes]:
    async for value in source:
        yield dumps(value) + b"\n"
