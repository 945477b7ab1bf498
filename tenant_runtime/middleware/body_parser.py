"""``body-parser#json``, ``#urlencoded``, ``#raw``, ``#text``: bodies parsed before the REST layer sees them.

In charge of: which requests each of them takes. What one has parsed, later ones and the REST layer leave
alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tenant_runtime.remoting.body import ParserOptions, has_body, parse_form_body, parse_json_body, read_body
from tenant_runtime.remoting.negotiate import charset, media_type
from tenant_runtime.web import UNPARSED, Layer, Next, WebRequest, WebResponse


def type_matches(wanted: Any, actual: str) -> bool:
    """``type-is``: full types, ``*/*``, ``text/*``, ``+json`` suffixes, extensions; a list of them."""
    if isinstance(wanted, list):
        return any(type_matches(one, actual) for one in wanted)
    text = str(wanted).lower()
    if text.startswith("+"):
        return actual.endswith(text)
    if "/" not in text:
        text = {"json": "application/json", "text": "text/plain", "urlencoded": FORM}.get(text, text)
    kind, _, subtype = text.partition("/")
    actual_kind, _, actual_subtype = actual.partition("/")
    if kind not in ("*", actual_kind):
        return False
    return subtype in ("*", actual_subtype) or (
        subtype.startswith("*+") and actual_subtype.endswith(subtype[1:])
    )


FORM = "application/x-www-form-urlencoded"
DEFAULT_TYPES = {
    "json": "application/json",
    "urlencoded": FORM,
    "raw": "application/octet-stream",
    "text": "text/plain",
}


async def parse_raw(request: WebRequest, options: ParserOptions) -> Any:
    return await read_body(request, options.limit_bytes)


async def parse_text(request: WebRequest, options: ParserOptions) -> Any:
    data = await read_body(request, options.limit_bytes)
    try:
        return data.decode(charset(request.header("content-type")) or "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


PARSERS: dict[str, Callable[[WebRequest, ParserOptions], Awaitable[Any]]] = {
    "json": parse_json_body,
    "urlencoded": parse_form_body,
    "raw": parse_raw,
    "text": parse_text,
}


def body_parser(kind: str, params: Mapping[str, Any] | None = None) -> Layer:
    """The layer of ``body-parser#<kind>``. KeyError for an unknown kind."""
    params = params or {}
    parse = PARSERS[kind]
    options = ParserOptions.json(params) if kind == "json" else ParserOptions.form(params)
    wanted = params.get("type") or DEFAULT_TYPES[kind]

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        if request.body_value is UNPARSED and has_body(request):
            kind_sent = media_type(request.header("content-type"))
            if type_matches(wanted, kind_sent):
                request.body_value = await parse(request, options)
        return await next(request)

    return layer
