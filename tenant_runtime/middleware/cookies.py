"""``cookie-parser``: signed cookies, and making ``Set-Cookie`` fields.

In charge of: the signature of the npm package ``cookie-signature`` (``s:value.`` and HMAC-SHA-256 in base64
without padding) and the field's grammar (RFC 6265). A cookie's path gets the gateway's prefix in front.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tenant_runtime.web import Next, WebRequest, WebResponse


def signature(value: str, secret: str) -> str:
    digest = hmac.new(secret.encode(), value.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode().rstrip("=")


def sign(value: str, secret: str) -> str:
    return f"s:{value}.{signature(value, secret)}"


def unsign(text: str, secrets: Sequence[str]) -> str | None:
    """The value of a signed cookie; None when it is not signed or with another secret."""
    if not text.startswith("s:"):
        return None
    value, _, given = text[2:].rpartition(".")
    if any(hmac.compare_digest(signature(value, secret).encode(), given.encode()) for secret in secrets):
        return value
    return None


def signed_cookies(cookies: Mapping[str, str], secret: Any) -> dict[str, str]:
    """Those cookies whose signature is good, without it."""
    secrets = [secret] if isinstance(secret, str) else [str(one) for one in secret or ()]
    found = ((name, unsign(text, secrets)) for name, text in cookies.items())
    return {name: value for name, value in found if value is not None}


def set_cookie(
    request: WebRequest,
    response: WebResponse,
    name: str,
    value: str,
    *,
    signed: bool = False,
    max_age_seconds: int | None = None,
    path: str = "/",
    http_only: bool = True,
    secure: bool | None = None,
    same_site: str | None = "Lax",
) -> None:
    """Add a ``Set-Cookie`` field. ``secure`` None: when the client came by https."""
    if signed:
        value = sign(value, str(request.state.get("cookie_secret") or request.app.get("cookieSecret") or ""))
    parts = [f"{name}={quote(value, safe='')}", f"Path={request.prefix}{path}"]
    if max_age_seconds is not None:
        parts.append(f"Max-Age={max_age_seconds}")
    if http_only:
        parts.append("HttpOnly")
    if secure or (secure is None and request.protocol == "https"):
        parts.append("Secure")
    if same_site:
        parts.append(f"SameSite={same_site}")
    response.add_header("set-cookie", "; ".join(parts))


class CookieParser:
    """``cookie-parser`` with its secret: later layers read signed cookies with it."""

    def __init__(self, secret: Any = None) -> None:
        self.secret = secret

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        request.state["cookie_secret"] = self.secret
        return await next(request)
