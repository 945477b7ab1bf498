"""From a matched request to a method's result: arguments, access, hooks, the call itself.

In charge of: the order of one call (reference section 1.9): arguments → instance → authorisation → missing
instance → before hooks → method → after hooks, or afterError hooks → ``rest.after``. Must not know: paths,
media types.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.call_options import call_options
from tenant_runtime.model.javascript import UNDEFINED, iso_text, to_text
from tenant_runtime.remoting.coercion import ArgumentOptions, Converter, Factories, converter_for
from tenant_runtime.remoting.context import RemotingContext, current_context
from tenant_runtime.remoting.hooks import RemoteHooks, run_hooks, settle
from tenant_runtime.remoting.shared_method import Argument, Returned, SharedMethod

Authorize = Callable[[RemotingContext], Awaitable[None]]

#: What a call's options tell the data access layer (loopback ``createOptionsViaModelMethod``).
QUERY_LIMITS = {
    "prohibitHiddenPropertiesInQuery": True,
    "maxDepthOfQuery": 12,
    "maxDepthOfData": 32,
    "refuseEmptyWhere": True,  # ours, for the strict switch
}


CREATE_OPTIONS = "create_options_from_remoting_context"


class BoundArgument:
    """An argument with its converter."""

    __slots__ = ("argument", "converter", "name", "source")

    def __init__(self, argument: Argument, converter: Converter) -> None:
        self.argument = argument
        self.name = argument.name
        self.source = argument.source
        self.converter = converter

    def value(self, ctx: RemotingContext, is_json: bool) -> Any:
        """The converted value; None for one that was not given. Raises the 400 of a refused one."""
        source, request = self.source, ctx.request
        sloppy = True
        if source == "path":
            raw = request.params.get(self.name, UNDEFINED)
        elif source == "options":
            return ctx.options
        elif source == "body":
            raw, sloppy = request.body_value, not is_json
        elif source == "query":
            raw = request.query.get(self.name, UNDEFINED)
        elif source == "":
            raw, sloppy = self.look_up(ctx, is_json)
        else:
            raw, sloppy = self.special(ctx, is_json)
        value = self.converter.sloppy(raw) if sloppy else self.converter.typed(raw)
        return None if value is UNDEFINED else value

    def check(self, value: Any) -> None:
        """Once hooks have run, what is required must be there."""
        if value is None or value == "":
            raise LoopbackError(f"{self.name} is a required argument", status=400)

    def look_up(self, ctx: RemotingContext, is_json: bool) -> tuple[Any, bool]:
        """By name: path, body, query, header. Only what a JSON body gave keeps its type."""
        request, name = ctx.request, self.name
        if name in request.params:
            return request.params[name], True
        body = request.body_value
        if isinstance(body, dict) and name in body:
            return body[name], not is_json
        if request.query_string and name in request.query:
            return request.query[name], True
        header = request.header(name.lower())
        return (UNDEFINED if header is None else header), True

    def special(self, ctx: RemotingContext, is_json: bool) -> tuple[Any, bool]:
        request = ctx.request
        if self.source == "form":
            body = request.body_value
            value = body.get(self.name, UNDEFINED) if isinstance(body, dict) else UNDEFINED
            return value, not is_json
        if self.source == "header":
            header = request.header(self.name.lower())
            return (UNDEFINED if header is None else header), True
        if self.source == "req":
            return request, False
        if self.source == "res":
            return ctx.response, False
        if self.source == "context":
            return ctx, False
        computed = self.argument.raw.get("http")
        return (computed(ctx) if callable(computed) else UNDEFINED), False


class BoundMethod:
    """A shared method ready to be called: with hooks and access control, converters with its first call."""

    def __init__(
        self, app: Any, model: Any, method: SharedMethod, factories: Factories, delimiters: tuple[str, ...]
    ) -> None:
        self.app = app
        self.model = model
        self.method = method
        self.string_name = method.string_name
        self._factories = factories
        self._delimiters = delimiters

    @functools.cached_property
    def arguments(self) -> list[BoundArgument]:
        """What it accepts, in order."""
        return [self._bound(argument) for argument in self.method.accepts]

    @functools.cached_property
    def required(self) -> list[BoundArgument]:
        """Those of them that must be given."""
        return [argument for argument in self.arguments if argument.argument.required]

    def _bound(self, argument: Argument) -> BoundArgument:
        options = ArgumentOptions(argument.allow_array, self._delimiters)
        return BoundArgument(argument, converter_for(argument.type, options, self._factories))

    async def call(self, ctx: RemotingContext, is_json: bool) -> None:
        """Leaves the outcome in ``ctx.result``; raises what the caller must turn into an error response."""
        ctx.options = self.make_options(ctx)
        for argument in self.arguments:
            ctx.args[argument.name] = argument.value(ctx, is_json)
        if not self.method.is_static:
            await self.load_instance(ctx)
        token, options_token = current_context.set(ctx), call_options.set(ctx.options)
        try:
            if self.method.rest_before is not None:
                await settle(self.method.rest_before(ctx))
            try:
                await self.run(ctx, self.app.remote_hooks)
            except Exception as error:
                ctx.error = error
                await run_hooks(self.app.remote_hooks.find("afterError", self.string_name), ctx)
                raise
            if self.method.rest_after is not None:
                await settle(self.method.rest_after(ctx))
        finally:
            current_context.reset(token)
            call_options.reset(options_token)

    async def run(self, ctx: RemotingContext, hooks: RemoteHooks) -> None:
        authorize: Authorize | None = self.app.authorize
        if authorize is not None:
            await authorize(ctx)
        if ctx.constructor_error is not None:
            raise ctx.constructor_error
        before = hooks.find("before", self.string_name)
        if before:
            await run_hooks(before, ctx)
        for argument in self.required:
            argument.check(ctx.args.get(argument.name))
        assert self.method.function is not None, f"{self.string_name} has no function"
        try:
            value = await self.method.function(ctx)
        except LoopbackError as error:
            if self.method.error_status and error.status == 500:
                error.status = self.method.error_status
            raise
        ctx.result = self.map_result(ctx, value)
        after = hooks.find("after", self.string_name)
        if after:
            await run_hooks(after, ctx)

    def make_options(self, ctx: RemotingContext) -> dict[str, Any]:
        """The ``options`` argument; a model may override ``create_options_from_remoting_context``."""
        model = self.model
        custom = vars(model).get(CREATE_OPTIONS) or model.find_static_method(CREATE_OPTIONS)
        own = custom(ctx) if custom is not None else {"accessToken": ctx.request.access_token or None}
        return {**QUERY_LIMITS, **own}

    async def load_instance(self, ctx: RemotingContext) -> None:
        """For a method of an instance; its absence is told only to those who may call the method."""
        try:
            id = ID_ARGUMENT.value(ctx, is_json=False)
            ID_ARGUMENT.check(id)
            ctx.instance = await self.model.find_by_id(id, None, ctx.options)
            if ctx.instance is None:
                message = f"could not find a model with id {to_text(id)}"
                raise LoopbackError(message, status=404, code="MODEL_NOT_FOUND")
        except Exception as error:
            ctx.constructor_error = error

    def map_result(self, ctx: RemotingContext, value: Any) -> Any:
        """``returns``: several values go by name, one with ``root`` is the body, none is no body."""
        returns = self.method.returns
        if not returns:
            return UNDEFINED
        if len(returns) == 1:
            return self.map_one(ctx, returns[0], value)
        result: Any = {}
        whole = False
        for index, declared in enumerate(returns):
            one = pick(value, declared, index)
            if one is UNDEFINED or set_target(ctx, declared, one):
                continue
            if declared.root:
                ctx.result_type = declared.type
                result, whole = encoded(one), True
            elif not whole:
                result[declared.name] = encoded(one)
        return result

    def map_one(self, ctx: RemotingContext, declared: Returned, value: Any) -> Any:
        if set_target(ctx, declared, value):
            return {}
        if declared.root:
            ctx.result_type = declared.type
            return value if type(value) is dict or type(value) is list else encoded(value)
        return {declared.name: encoded(value)}


def pick(value: Any, declared: Returned, index: int) -> Any:
    """One of several results: by name from a dict, by place from a tuple or list."""
    if isinstance(value, dict):
        return value.get(declared.name, UNDEFINED)
    if isinstance(value, (tuple, list)):
        return value[index] if index < len(value) else UNDEFINED
    return value if index == 0 else UNDEFINED


def set_target(ctx: RemotingContext, declared: Returned, value: Any) -> bool:
    """Whether the value belongs to the status line or a field, and was put there."""
    if declared.target == "status":
        ctx.response.status = int(value)
    elif declared.target == "header":
        ctx.response.set_header(declared.header, str(value))
    return bool(declared.target)


def encoded(value: Any) -> Any:
    """Dates and bytes that are a result by themselves are marked with their type."""
    if isinstance(value, datetime):
        return {"$type": "date", "$data": iso_text(value)}
    return value


ID_ARGUMENT = BoundArgument(
    Argument("id", "any", "path", required=True), converter_for("any", ArgumentOptions(), {})
)


def argument_slots(function: Callable[..., Any], method: SharedMethod) -> list[tuple[str, Any]]:
    """The declared arguments that the function takes by place, with its own defaults."""
    parameters = list(inspect.signature(function).parameters.values())
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    offset = 0 if method.is_static else 1
    return [
        (argument.name, positional[index + offset].default if index + offset < len(positional) else None)
        for index, argument in enumerate(method.accepts)
        if takes_all or index + offset < len(positional)
    ]


def remote_function(function: Callable[..., Any], method: SharedMethod) -> Callable[[Any], Awaitable[Any]]:
    """A tenant's function as the adapter calls it: instance first where there is one, arguments by place.

    An argument that was not given takes the function's own default. Surplus arguments (``options``) are left
    out when the function does not take them. What it takes is looked at with the first call: most methods of
    an app are never called.
    """
    slots = functools.cache(lambda: argument_slots(function, method))

    async def call(ctx: RemotingContext) -> Any:
        values = []
        for name, default in slots():
            value = ctx.args.get(name)
            values.append(default if value is None and default is not inspect.Parameter.empty else value)
        if not method.is_static:
            values.insert(0, ctx.instance)
        return await settle(function(*values))

    return call
