"""One remote call: what hooks, custom methods and access control are given.

In charge of: the call's state. Must not know: routing, conversion. Names exist in Python's and in LoopBack's
spelling (``ctx.request``/``ctx.req``, ``ctx.method_string``/``ctx.methodString``).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from tenant_runtime.remoting.shared_method import SharedMethod
from tenant_runtime.web import WebRequest, WebResponse

#: The call that runs in this task: request context without passing it by hand (reference section 2, row 5).
current_context: ContextVar[RemotingContext | None] = ContextVar("current_context", default=None)


class RemotingContext:
    """``args`` by name; ``result`` once the method ran; ``error`` in ``after_remote_error`` hooks.

    ``response`` carries the status and the fields that hooks or ``returns`` targets set.
    """

    __slots__ = (
        "app",
        "args",
        "constructor_error",
        "error",
        "instance",
        "method",
        "model",
        "options",
        "request",
        "response",
        "result",
        "result_type",
        "state",
    )

    def __init__(self, app: Any, model: Any, method: SharedMethod, request: WebRequest) -> None:
        self.app = app
        self.model = model
        self.method = method
        self.request = request
        self.response = WebResponse(200)
        self.args: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.instance: Any = None
        self.constructor_error: BaseException | None = None
        self.result: Any = None
        self.result_type: Any = None
        self.error: BaseException | None = None
        self.state: dict[str, Any] = {}

    @property
    def method_string(self) -> str:
        return self.method.string_name

    @property
    def access_token(self) -> Any:
        return self.request.access_token or None

    @property
    def scope(self) -> Any:
        """What the method is called on: the instance, or the model."""
        return self.model if self.instance is None else self.instance

    def get_arg_by_name(self, name: str) -> Any:
        """As sent: path, body, query, header; None when it is in none of them."""
        request = self.request
        if name in request.params:
            return request.params[name]
        body = request.body_value
        if isinstance(body, dict) and name in body:
            return body[name]
        if name in request.query:
            return request.query[name]
        return request.header(name.lower())

    # LoopBack's spelling.
    req = property(lambda self: self.request)
    res = property(lambda self: self.response)
    Model = property(lambda self: self.model)
    methodString = method_string
    getArgByName = get_arg_by_name
