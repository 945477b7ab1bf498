"""Models → shared classes: which methods each model offers to clients.

In charge of: bringing together the built-in methods, those of relations and scopes, the JSON ``methods``,
those declared in code, and the switches that hide some. Must not know: routing, requests.

Source: loopback ``application.js`` (app.model), ``configure-shared-methods.js``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.remoting.hooks import When
from tenant_runtime.remoting.invocation import remote_function
from tenant_runtime.remoting.key_value_methods import key_value_methods
from tenant_runtime.remoting.nested_methods import nested_methods
from tenant_runtime.remoting.persisted_methods import persisted_methods
from tenant_runtime.remoting.relation_methods import relation_methods
from tenant_runtime.remoting.shared_class import SharedClass
from tenant_runtime.remoting.shared_method import SharedMethod, method_from_spec

WHEN: dict[str, When] = {
    "before": "before",
    "after": "after",
    "after error": "afterError",
    "afterError": "afterError",
}


def share(
    model: Any, switches: Mapping[str, bool], attached: list[str], warn: Callable[[str], None]
) -> SharedClass:
    """The shared class of one model; ``switches`` are the merged ``sharedMethods`` (app, then model).

    ``attached`` are the models' names in the order in which they were attached.
    """
    remoting = model.settings.get("remoting") or {}
    inherited = functools.partial(inherited_methods, model)
    normalize = remoting.get("normalizeHttpPath")
    shared = SharedClass(model.name, model.definition.http_path, model, normalize, inherited)
    for name, spec, function in declared_methods(model):
        shared.define(custom_method(model, name, spec, function, warn))
    shared.resolver = functools.partial(resolve, model, attached)
    shared.apply_switches(switches)
    for name in disabled(model):
        shared.disable(name)
    model.shared_class = shared
    return shared


def lineage(model: Any) -> list[Any]:
    """The model and its bases, the root first."""
    found = []
    while model is not None:
        found.append(model)
        model = model.base
    return found[::-1]


def inherited_methods(model: Any) -> list[SharedMethod]:
    names = {one.name for one in lineage(model)}
    if "PersistedModel" in names:
        return persisted_methods(model)
    return key_value_methods(model) if "KeyValueModel" in names else []


def declared_methods(model: Any) -> Iterable[tuple[str, dict[str, Any], Callable[..., Any] | None]]:
    """JSON ``methods`` (inherited ones are in the definition already), then those of code, bases first."""
    for name, spec in model.definition.methods.items():
        yield name, spec if isinstance(spec, dict) else {}, None
    for one in lineage(model):
        yield from one.remote_methods


def disabled(model: Any) -> Iterable[str]:
    for one in lineage(model):
        yield from one.disabled_methods


def custom_method(
    model: Any,
    name: str,
    spec: dict[str, Any],
    function: Callable[..., Any] | None,
    warn: Callable[[str], None],
) -> SharedMethod:
    """A declared method bound to its function: the one given, else the model's own of that name."""
    if spec.get("prototype") and not name.startswith("prototype."):
        name = "prototype." + name
    method = method_from_spec(name, spec, class_name=model.name)
    if not method.is_static and spec.get("isStatic") is False and name == method.name:
        warn(f'{model.name}: write "prototype.{name}" instead of "isStatic": false')
    if function is None:
        function = find_function(model, method)
    if function is None:
        warn(f"{model.name}.{method.key} is declared, but no function of that name was found in its code")
        function = functools.partial(missing_function, method)
    method.function = remote_function(function, method)
    return method


def find_function(model: Any, method: SharedMethod) -> Callable[..., Any] | None:
    """Looked up when called, so that code may replace it."""
    name = method.name
    if method.is_static:
        found = getattr(model, name, None)
    else:
        found = model.find_prototype_method(name)
    return found if callable(found) else None


def missing_function(method: SharedMethod, *arguments: Any) -> Any:
    raise NotImplementedError(f"{method.string_name} has no function")


def resolve(model: Any, attached: list[str]) -> list[SharedMethod]:
    """Methods of relations and scopes; with ``nestRemoting`` also those of the target's relations."""
    own = relation_methods(model)
    for relation in model.relations.values():
        if relation.options.get("nestRemoting") and relation.model_to is not None:
            own += nested_methods(model, relation, nestable(model, relation.model_to, attached))
    return own


def nestable(model: Any, target: Any, attached: list[str]) -> list[SharedMethod]:
    """The target's relation methods that the original nests.

    It does so once, when the later of the two models is attached: what the target's relations lead to must
    have been attached before.
    """
    place = {name: index for index, name in enumerate(attached)}
    moment = max(place.get(model.name, 0), place.get(target.name, 0))
    methods = []
    for method in relation_methods(target):
        relation = target.relations.get(method.name.rpartition("__")[2])
        beyond = (
            relation.model_to.name if relation is not None and relation.model_to is not None else model.name
        )
        if place.get(beyond, 0) <= moment:
            methods.append(method)
    return methods


def switches_for(
    config: Mapping[str, Any], entry: Mapping[str, Any], file: str, name: str
) -> dict[str, bool]:
    """``remoting.sharedMethods`` of config.json, then ``options.remoting.sharedMethods`` of the model's
    entry.
    """
    switches: dict[str, bool] = {}
    options = entry.get("options") if isinstance(entry.get("options"), dict) else {}
    own = (options or {}).get("remoting")
    for source, pointer in (
        (config.get("remoting"), "/remoting/sharedMethods"),
        (own, f"/{name}/options/remoting/sharedMethods"),
    ):
        found = source.get("sharedMethods") if isinstance(source, dict) else None
        for key, value in (found if isinstance(found, dict) else {}).items():
            if not isinstance(value, bool):
                raise ConfigurationError(
                    f"must be true or false, not {value!r}", file=file, pointer=f"{pointer}/{key}"
                )
            switches[key] = value
    return switches
