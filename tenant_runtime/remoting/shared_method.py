"""One operation that clients may call: its name, arguments, results and routes.

In charge of: LoopBack's declaration (JSON ``methods``, ``remoteMethod``) as a value. Must not know: requests,
how routes are matched, models' behaviour.

Source: strong-remoting ``shared-method``, reference section 1.10.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Source = Literal["body", "form", "query", "path", "header", "req", "res", "context", "options", "none", ""]

READ_VERBS: Final = ("GET", "HEAD")

#: Access types by name, for methods that declare none and are not read by GET (loopback
#: ``Model._getAccessType…``).
ACCESS_TYPES: Final = {
    "create": "WRITE",
    "updateOrCreate": "WRITE",
    "upsertWithWhere": "WRITE",
    "upsert": "WRITE",
    "exists": "READ",
    "findById": "READ",
    "find": "READ",
    "findOne": "READ",
    "destroyById": "WRITE",
    "deleteById": "WRITE",
    "removeById": "WRITE",
    "count": "READ",
}


@dataclass(frozen=True, slots=True)
class Route:
    """``verb`` is lower-case, ``all`` for any; ``path`` is relative to the class."""

    verb: str
    path: str


@dataclass(slots=True)
class Argument:
    """One of ``accepts``. ``source`` "" means: looked up by name in path, body, query and header."""

    name: str
    type: Any = "any"
    source: Source = ""
    required: bool = False
    allow_array: bool = False
    model: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Returned:
    """One of ``returns``. ``target``: "" in the body, "status", or "header" (named ``header``)."""

    name: str
    type: Any = "any"
    root: bool = False
    target: Literal["", "status", "header"] = ""
    header: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SharedMethod:
    """A remote method. ``function`` gets the remoting context and gives the result (see ``returns``).

    ``key`` is how it is called in switches and hooks: ``find``, ``prototype.patchAttributes``.
    """

    name: str
    is_static: bool
    function: Callable[[Any], Awaitable[Any]] | None = None
    accepts: list[Argument] = field(default_factory=list)
    returns: list[Returned] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    aliases: tuple[str, ...] = ()
    access_type: str = "EXECUTE"
    access_scopes: tuple[str, ...] = ("DEFAULT",)
    shared: bool = True
    documented: bool = True
    description: Any = None
    notes: Any = None
    success_status: int | None = None
    error_status: int | None = None
    rest_after: Callable[[Any], Any] | None = None
    rest_before: Callable[[Any], Any] | None = None
    stream: bool = False
    delegate_to: SharedMethod | None = None
    class_name: str = ""
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.name if self.is_static else "prototype." + self.name

    @property
    def string_name(self) -> str:
        """``Order.find``, ``Order.prototype.patchAttributes``: what hooks match."""
        return f"{self.class_name}.{self.key}"

    @property
    def verb(self) -> str | None:
        """The verb of its only route, None when it has several."""
        return self.routes[0].verb if len(self.routes) == 1 else None

    def is_called(self, name: str) -> bool:
        """Whether ``name`` (with ``prototype.`` for instance methods) is its name or one of its aliases."""
        bare = name.removeprefix("prototype.")
        return (bare == name) is self.is_static and (bare == self.name or bare in self.aliases)

    def argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.accepts if argument.name == name), None)


def method_from_spec(
    name: str,
    spec: dict[str, Any],
    function: Callable[[Any], Awaitable[Any]] | None = None,
    *,
    class_name: str = "",
) -> SharedMethod:
    """A method from LoopBack's declaration. ``name`` may start with ``prototype.``."""
    bare = name.removeprefix("prototype.")
    is_static = bool(spec.get("isStatic", bare == name))
    returns = [returned(item) for item in as_list(spec.get("returns"))]
    http = [item for item in as_list(spec.get("http")) if isinstance(item, dict)]
    rest = spec.get("rest") or {}
    return SharedMethod(
        name=bare,
        is_static=is_static,
        function=function,
        accepts=[argument(item) for item in as_list(spec.get("accepts"))],
        returns=returns,
        routes=routes(bare, http),
        aliases=tuple(as_list(spec.get("aliases"))),
        access_type=access_type(bare, spec, http),
        access_scopes=tuple(spec.get("accessScopes") or ("DEFAULT",)),
        shared=spec.get("shared") is not False,
        documented=spec.get("documented") is not False,
        description=spec.get("description"),
        notes=spec.get("notes"),
        success_status=next((item["status"] for item in http if item.get("status")), None),
        error_status=next((item["errorStatus"] for item in http if item.get("errorStatus")), None),
        rest_after=rest.get("after"),
        rest_before=rest.get("before"),
        stream=bool(returns) and str(returns[0].type) == "ReadableStream",
        class_name=class_name,
        raw=spec,
    )


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def argument(spec: dict[str, Any]) -> Argument:
    http = spec.get("http")
    source: Any = ""
    if http == "optionsFromRequest":
        source = "options"
    elif isinstance(http, dict):
        source = {"formData": "form"}.get(str(http.get("source")), http.get("source") or "")
    elif callable(http):
        source = "none"
    return Argument(
        name=str(spec.get("arg") or spec.get("name") or ""),
        type=spec.get("type") or "any",
        source=source,
        required=bool(spec.get("required")),
        allow_array=bool(spec.get("allowArray")),
        model=spec.get("model"),
        raw=spec,
    )


def returned(spec: dict[str, Any]) -> Returned:
    http = spec.get("http") or {}
    name = str(spec.get("arg") or spec.get("name") or "")
    target = http.get("target")
    return Returned(
        name=name,
        type=spec.get("type") or "any",
        root=bool(spec.get("root")),
        target=target if target in ("status", "header") else "",
        header=str(http.get("header") or name),
        raw=spec,
    )


def routes(name: str, http: list[dict[str, Any]]) -> list[Route]:
    """Without a declared one: any verb on ``/<name>``."""
    declared = [item for item in http if item.get("path") or item.get("verb")]
    if not declared:
        return [Route("all", "/" + name)]
    return [
        Route(verb_name(item.get("verb") or "all"), str(item.get("path") or "/" + name)) for item in declared
    ]


def verb_name(verb: str) -> str:
    lowered = str(verb).lower()
    return "delete" if lowered == "del" else lowered


def access_type(name: str, spec: dict[str, Any], http: list[dict[str, Any]]) -> str:
    """READ, WRITE, REPLICATE or EXECUTE: declared, by the verb of a single route, or by the name."""
    if spec.get("accessType"):
        return str(spec["accessType"])
    single = spec.get("http")
    if isinstance(single, dict) and str(single.get("verb") or "").upper() in READ_VERBS:
        return "READ"
    return ACCESS_TYPES.get(name, "EXECUTE")
