"""The AccessToken model: random ids. Looking tokens up is ``access.token``'s."""

from __future__ import annotations

from typing import Any

from tenant_runtime.access import token


def setup(AccessToken: Any) -> None:
    AccessToken.define("createAccessTokenId", create_access_token_id)
    AccessToken.define("resolve", token.resolve)


def observe(AccessToken: Any) -> None:
    AccessToken.observe("before save", _give_id)


def create_access_token_id(AccessToken: Any) -> str:
    """A new id; its length is the model's setting ``accessTokenIdLength``."""
    return token.create_id(int(AccessToken.settings.get("accessTokenIdLength") or token.DEFAULT_TOKEN_LENGTH))


def _give_id(ctx: Any) -> None:
    if ctx.instance is not None and not ctx.instance.id:
        ctx.instance.id = ctx.Model.create_access_token_id()
