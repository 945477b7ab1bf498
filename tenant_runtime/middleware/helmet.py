"""The ``helmet#…`` family: response fields that make browsers careful.

In charge of: which fields each name sets. Values are those of helmet 2 and 3, which LoopBack 3 apps were made
with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenant_runtime.web import Headers, Layer, Next, WebRequest, WebResponse


class FieldsLayer:
    """Sets fields that inner layers did not set; removes some."""

    def __init__(self, fields: Headers, remove: frozenset[bytes] = frozenset()) -> None:
        self.fields = fields
        self.remove = remove
        self._names = frozenset(name for name, _ in fields)

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        response = await next(request)
        present = {name for name, _ in response.headers}
        if self._names.isdisjoint(present):
            response.headers += self.fields
        else:
            response.headers += [pair for pair in self.fields if pair[0] not in present]
        if not self.remove.isdisjoint(present):
            response.headers = [pair for pair in response.headers if pair[0] not in self.remove]
        return response

    def around(self, inner: Layer) -> FieldsLayer | None:
        """One layer for this one and the next, where that is the same; templates name six in a row."""
        if not isinstance(inner, FieldsLayer):
            return None
        removed = self.remove | inner.remove
        if removed & (self._names | inner._names):
            return None
        added = [pair for pair in self.fields if pair[0] not in inner._names]
        return FieldsLayer(inner.fields + added, removed)


def options_of(params: list[Any]) -> Mapping[str, Any]:
    return params[0] if params and isinstance(params[0], Mapping) else {}


def xss_filter(params: list[Any]) -> Headers:
    return [(b"x-xss-protection", b"1; mode=block")]


def hsts(params: list[Any]) -> Headers:
    """``maxAge`` in seconds (helmet 3) or, from 10 million up, milliseconds (helmet 2)."""
    options = options_of(params)
    age = int(options.get("maxAge", options.get("maxage", 15552000)) or 0)
    if age >= 100_000_000:
        age //= 1000
    subdomains = options.get("includeSubDomains", options.get("includeSubdomains", True))
    value = f"max-age={age}" + ("; includeSubDomains" if subdomains else "")
    return [
        (b"strict-transport-security", (value + ("; preload" if options.get("preload") else "")).encode())
    ]


def frameguard(params: list[Any]) -> Headers:
    """``["deny"]``, ``["allow-from", url]`` or ``{"action": "deny"}``."""
    options = options_of(params)
    action = str(
        options.get("action") or (params[0] if params and isinstance(params[0], str) else "SAMEORIGIN")
    )
    domain = options.get("domain") or (params[1] if len(params) > 1 else None)
    value = f"{action.upper()} {domain}" if action.lower() == "allow-from" and domain else action.upper()
    return [(b"x-frame-options", value.encode("latin-1"))]


def ie_no_open(params: list[Any]) -> Headers:
    return [(b"x-download-options", b"noopen")]


def no_sniff(params: list[Any]) -> Headers:
    return [(b"x-content-type-options", b"nosniff")]


def no_cache(params: list[Any]) -> Headers:
    return [
        (b"surrogate-control", b"no-store"),
        (b"cache-control", b"no-store, no-cache, must-revalidate, proxy-revalidate"),
        (b"pragma", b"no-cache"),
        (b"expires", b"0"),
    ]


def dns_prefetch_control(params: list[Any]) -> Headers:
    return [(b"x-dns-prefetch-control", b"on" if options_of(params).get("allow") else b"off")]


def referrer_policy(params: list[Any]) -> Headers:
    return [(b"referrer-policy", str(options_of(params).get("policy") or "no-referrer").encode("latin-1"))]


def content_security_policy(params: list[Any]) -> Headers:
    """``{"directives": {"defaultSrc": ["'self'"], …}, "reportOnly": false}``."""
    options = options_of(params)
    parts = []
    for name, value in (options.get("directives") or {"defaultSrc": ["'self'"]}).items():
        dashed = "".join("-" + c.lower() if c.isupper() else c for c in str(name))
        values = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        parts.append(dashed if value is True else f"{dashed} {values}")
    field = b"content-security-policy" + (b"-report-only" if options.get("reportOnly") else b"")
    return [(field, "; ".join(parts).encode("latin-1"))]


FIELDS: dict[str, Callable[[list[Any]], Headers]] = {
    "xssFilter": xss_filter,
    "hsts": hsts,
    "frameguard": frameguard,
    "ieNoOpen": ie_no_open,
    "noSniff": no_sniff,
    "noCache": no_cache,
    "dnsPrefetchControl": dns_prefetch_control,
    "referrerPolicy": referrer_policy,
    "contentSecurityPolicy": content_security_policy,
    "csp": content_security_policy,
}

#: What plain ``helmet`` sets.
DEFAULT = ("dnsPrefetchControl", "frameguard", "hsts", "ieNoOpen", "noSniff", "xssFilter")


def helmet(name: str, params: list[Any]) -> FieldsLayer:
    """The layer of ``helmet#<name>``, or of ``helmet`` itself for an empty name. KeyError for an unknown
    one.
    """
    if name == "hidePoweredBy":
        set_to = options_of(params).get("setTo")
        fields = [(b"x-powered-by", str(set_to).encode("latin-1"))] if set_to else []
        return FieldsLayer(fields, frozenset() if set_to else frozenset([b"x-powered-by"]))
    if name:
        return FieldsLayer(FIELDS[name](params))
    options = options_of(params)
    chosen = [one for one in DEFAULT if options.get(one) is not False]
    chosen += [one for one in FIELDS if one not in DEFAULT and options.get(one)]
    return FieldsLayer([pair for one in chosen for pair in FIELDS[one]([options.get(one)])])
