"""``loopback#token``: who is calling.

In charge of: finding the access token of a request and keeping it on the request. Must not know: where tokens
are stored, the rules of the look-up (``access.token``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_runtime.access import token as access_token
from tenant_runtime.middleware.cookies import signed_cookies
from tenant_runtime.web import UNPARSED, UNRESOLVED, Next, WebRequest, WebResponse


class TokenLayer:
    """A layer; the REST adapter also asks it for requests that no token layer saw before."""

    def __init__(self, app: Any, params: Mapping[str, Any] | None = None) -> None:
        self.app = app
        self.options = access_token.TokenOptions.parse(params or {})
        self._model: Any = None

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        await self.resolve(request)
        return await next(request)

    async def resolve(self, request: WebRequest) -> None:
        """Sets ``request.access_token`` (None: anonymous). Raises 401 INVALID_TOKEN for an expired one."""
        options = self.options
        if request.access_token is UNRESOLVED or (
            options.enable_doublecheck and (options.overwrite_existing_token or not request.access_token)
        ):
            request.access_token = await access_token.resolve(self.model, self.find_id(request))
        if options.current_user_literal:
            path = access_token.rewrite_user_literal(
                request.raw_path, options.current_user_literal, request.access_token or None
            )
            request.raw_path = path

    @property
    def model(self) -> Any:
        """The token model: the one named, else the app's own kind of AccessToken."""
        if self._model is None:
            name, registry = self.options.model, self.app.registry
            self._model = registry.get(name) if name else registry.by_type("AccessToken")
        return self._model

    def find_id(self, request: WebRequest) -> str | None:
        return access_token.find_id(
            self.options,
            header=request.header,
            query=request.query,
            body=None if request.body_value is UNPARSED else request.body_value,
            signed_cookies=self._signed_cookies(request) if request.header("cookie") else None,
        )

    def _signed_cookies(self, request: WebRequest) -> Mapping[str, Any] | None:
        secret = request.state.get("cookie_secret") or self.app.get("cookieSecret")
        return signed_cookies(request.cookies, secret) if secret else None
