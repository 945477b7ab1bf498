"""The remote methods of KeyValueModel.

In charge of: their declarations and how each calls the model. Must not know: requests' bytes, connectors.

Source: loopback ``common/models/key-value-model.js``.
"""

from __future__ import annotations

from typing import Any, Final

from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.persisted_methods import Spec, not_found, root
from tenant_runtime.remoting.shared_method import SharedMethod, method_from_spec

KEY: Final[Spec] = {"arg": "key", "type": "string", "required": True, "http": {"source": "path"}}


def null_key_is_not_found(ctx: RemotingContext) -> None:
    """The original asks for an argument named id, which no key-value method has: "undefined"."""
    if ctx.result is None:
        shown = ctx.get_arg_by_name("id")
        shown = "undefined" if shown is None else shown
        raise not_found(f'Unknown "{ctx.model.name}" key "{shown}".', "KEY_NOT_FOUND")


async def get_key(ctx: RemotingContext) -> Any:
    return await ctx.model.get(ctx.args["key"])


async def set_key(ctx: RemotingContext) -> Any:
    ttl = ctx.args["ttl"]
    return await ctx.model.set(ctx.args["key"], ctx.args["value"], {} if ttl is None else {"ttl": ttl})


async def expire_key(ctx: RemotingContext) -> Any:
    return await ctx.model.expire(ctx.args["key"], ctx.args["ttl"])


async def key_ttl(ctx: RemotingContext) -> Any:
    return await ctx.model.ttl(ctx.args["key"])


async def list_keys(ctx: RemotingContext) -> Any:
    return await ctx.model.keys(ctx.args["filter"])


def key_value_methods(model: Any) -> list[SharedMethod]:
    ttl: Spec = {"arg": "ttl", "type": "number"}
    table: list[tuple[str, Any, Spec]] = [
        (
            "get",
            get_key,
            {
                "accepts": KEY,
                "returns": root("value", "any"),
                "http": {"path": "/:key", "verb": "get"},
                "rest": {"after": null_key_is_not_found},
            },
        ),
        (
            "set",
            set_key,
            {
                "accepts": [
                    KEY,
                    {"arg": "value", "type": "any", "required": True, "http": {"source": "body"}},
                    {**ttl, "http": {"source": "query"}, "description": "time to live in milliseconds"},
                ],
                "http": {"path": "/:key", "verb": "put"},
            },
        ),
        (
            "expire",
            expire_key,
            {
                "accepts": [KEY, {**ttl, "required": True, "http": {"source": "form"}}],
                "http": {"path": "/:key/expire", "verb": "put"},
            },
        ),
        (
            "ttl",
            key_ttl,
            {
                "accepts": KEY,
                "returns": root("value", "any"),
                "http": {"path": "/:key/ttl", "verb": "get"},
            },
        ),
        (
            "keys",
            list_keys,
            {
                "accepts": {
                    "arg": "filter",
                    "type": "object",
                    "required": False,
                    "http": {"source": "query"},
                },
                "returns": root("keys", ["string"]),
                "http": {"path": "/keys", "verb": "get"},
            },
        ),
    ]
    return [method_from_spec(key, spec, function) for key, function, spec in table]
