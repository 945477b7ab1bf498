"""``cors``: cross-origin resource sharing, as the npm package ``cors`` does it.

In charge of: the response fields (Fetch standard) and answering preflight requests, for known and unknown
paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tenant_runtime.web import Headers, Next, WebRequest, WebResponse

DEFAULT_METHODS: Final = "GET,HEAD,PUT,PATCH,POST,DELETE"


def listed(value: Any) -> str | None:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return None if value is None else str(value)


def origin_allowed(origin: str, allowed: Any) -> bool:
    """``allowed``: an origin, a regular expression between slashes, a list of them, or a boolean."""
    if isinstance(allowed, list):
        return any(origin_allowed(origin, one) for one in allowed)
    if isinstance(allowed, str):
        if len(allowed) > 2 and allowed.startswith("/") and allowed.endswith("/"):
            return re.search(allowed[1:-1], origin) is not None
        return origin == allowed
    return bool(allowed)


def merge_vary(fields: Headers, theirs: str | None) -> Headers:
    """The fields with one ``Vary``: our names, then theirs."""
    ours = [value.decode() for name, value in fields if name == b"vary"]
    names = ours + [part.strip() for part in (theirs or "").split(",") if part.strip()]
    merged = [pair for pair in fields if pair[0] != b"vary"]
    if names:
        merged.append((b"vary", ", ".join(dict.fromkeys(names)).encode("latin-1")))
    return merged


class Cors:
    """``params``: origin, methods, allowedHeaders, exposedHeaders, credentials, maxAge,
    optionsSuccessStatus.
    """

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        params = params or {}
        self.origin = params.get("origin", "*")
        self.methods = listed(params.get("methods")) or DEFAULT_METHODS
        self.allowed_headers = listed(params.get("allowedHeaders", params.get("headers")))
        self.exposed_headers = listed(params.get("exposedHeaders"))
        self.credentials = params.get("credentials") is True
        self.max_age = listed(params.get("maxAge"))
        self.preflight_continue = bool(params.get("preflightContinue"))
        self.success_status = int(params.get("optionsSuccessStatus") or 204)
        self._without_origin = merge_vary(self.common(None) + self.exposed(), None)

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        if self.origin is False:
            return await next(request)
        origin = request.header("origin")
        if request.method != "OPTIONS":
            response = await next(request)
            fields = self._without_origin if origin is None else self.common(origin) + self.exposed()
            self.add(response, fields)
            return response
        fields = self.common(origin) + self.preflight(request) + self.exposed()
        if self.preflight_continue:
            response = await next(request)
        else:
            response = WebResponse(self.success_status, [(b"content-length", b"0")])
        self.add(response, fields)
        return response

    def add(self, response: WebResponse, fields: Headers) -> None:
        """``Vary`` names join those that inner layers set, in front of them as in express."""
        theirs = response.header("vary")
        if theirs is None:
            response.headers += fields if fields is self._without_origin else merge_vary(fields, None)
            return
        response.headers = [pair for pair in response.headers if pair[0] != b"vary"]
        response.headers += merge_vary(fields, theirs)

    def common(self, origin: str | None) -> Headers:
        fields: Headers = []
        if self.origin is None or self.origin == "*":
            fields.append((b"access-control-allow-origin", b"*"))
        elif isinstance(self.origin, str) and not self.origin.startswith("/"):
            fields += [(b"access-control-allow-origin", self.origin.encode()), (b"vary", b"Origin")]
        else:
            if origin is not None and origin_allowed(origin, self.origin):
                fields.append((b"access-control-allow-origin", origin.encode("latin-1")))
            fields.append((b"vary", b"Origin"))
        if self.credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def preflight(self, request: WebRequest) -> Headers:
        fields: Headers = [(b"access-control-allow-methods", self.methods.encode())]
        allowed = self.allowed_headers
        if allowed is None:
            allowed = request.header("access-control-request-headers")
            fields.append((b"vary", b"Access-Control-Request-Headers"))
        if allowed:
            fields.append((b"access-control-allow-headers", allowed.encode("latin-1")))
        if self.max_age:
            fields.append((b"access-control-max-age", self.max_age.encode()))
        return fields

    def exposed(self) -> Headers:
        if not self.exposed_headers:
            return []
        return [(b"access-control-expose-headers", self.exposed_headers.encode())]
