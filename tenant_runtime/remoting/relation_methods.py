"""The remote methods that a model gets from its relations and scopes.

In charge of: their declarations, for each kind of relation, and how each calls the relation. Must not know:
how relations are stored.

Source: loopback ``lib/model.js`` (belongsToRemoting … scopeRemoting); descriptions are part of the interface.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.persisted_methods import (
    OPTIONS,
    Spec,
    has_update_only_properties,
    not_found,
    root,
    unknown_id,
)
from tenant_runtime.remoting.shared_method import SharedMethod, method_from_spec

Function = Callable[[RemotingContext], Awaitable[Any]]

SINGLE: Final = ("hasOne", "embedsOne")
MULTIPLE: Final = ("hasMany", "hasAndBelongsToMany", "embedsMany", "referencesMany")


def relation_methods(model: Any) -> list[SharedMethod]:
    """Methods of all relations, then those of the scopes: the order of the original."""
    found: list[SharedMethod] = []
    scopes: list[SharedMethod] = []
    for relation in model.relations.values():
        if relation.kind == "belongsTo":
            found += belongs_to(relation)
        elif relation.kind in SINGLE:
            found += has_one(relation)
        elif relation.kind in MULTIPLE:
            found += has_many(relation)
            scopes += collection(model, relation.name, path_of(relation), relation.model_to, is_static=False)
    for name in model.scopes:
        scopes += collection(model, name, name, model, is_static=True)
    return found + scopes


def path_of(relation: Any) -> str:
    http = relation.options.get("http") or {}
    return str(http.get("path") or relation.name)


def data_argument(target: str, **more: Any) -> Spec:
    return {"arg": "data", "type": "object", "model": target, "http": {"source": "body"}, **more}


def foreign_key(name: str) -> Spec:
    return {
        "arg": "fk",
        "type": "any",
        "description": f"Foreign key for {name}",
        "required": True,
        "http": {"source": "path"},
    }


REFRESH: Final[Spec] = {"arg": "refresh", "type": "boolean", "http": {"source": "query"}}


def define(key: str, function: Function, verb: str, path: str, **spec: Any) -> SharedMethod:
    spec["http"] = {"verb": verb, "path": "/" + path}
    return method_from_spec(key, spec, function)


def null_is_not_found(target: str) -> Callable[[RemotingContext], None]:
    """404 for a result of null; an undefined one stays (204)."""

    def check(ctx: RemotingContext) -> None:
        if ctx.result is None:
            fk = ctx.get_arg_by_name("fk")
            raise not_found(f'Unknown "{target}" id "{fk}".' if fk else f'No "{target}" instance(s) found')

    return check


def false_is_not_found(ctx: RemotingContext) -> None:
    if ctx.result is False:
        raise unknown_id(ctx.method.class_name, ctx.get_arg_by_name("id"))


def related(ctx: RemotingContext, name: str) -> Any:
    return ctx.instance.relation(name)


def undefined_or(found: Any, scope: Any) -> Any:
    """What was found; ``UNDEFINED`` (204, not 404) when there was nothing to find it by."""
    return UNDEFINED if found is None and scope.is_unset() else found


def belongs_to(relation: Any) -> list[SharedMethod]:
    name = relation.name
    target = relation.model_to.name if relation.model_to is not None else "PersistedModel"

    async def get(ctx: RemotingContext) -> Any:
        scope = related(ctx, name)
        found = await scope.get(None, bool(ctx.args["refresh"]), ctx.options)
        # An empty key: the original's callback gets no argument at all, and the result stays {}.
        return {} if found is None and scope.is_unset() else found

    return [
        define(
            "prototype.__get__" + name,
            get,
            "get",
            path_of(relation),
            accepts=[REFRESH, OPTIONS],
            accessType="READ",
            description=f"Fetches belongsTo relation {name}.",
            returns=root(name, target),
        )
    ]


def has_one(relation: Any) -> list[SharedMethod]:
    """hasOne and embedsOne: get, create, update, destroy of the one related object."""
    name, target, path = relation.name, relation.model_to.name, path_of(relation)

    async def get(ctx: RemotingContext) -> Any:
        scope = related(ctx, name)
        return undefined_or(await scope.get(None, bool(ctx.args["refresh"]), ctx.options), scope)

    async def create(ctx: RemotingContext) -> Any:
        return await related(ctx, name).create(ctx.args["data"] or {}, ctx.options)

    async def update(ctx: RemotingContext) -> Any:
        return await related(ctx, name).update(ctx.args["data"] or {}, ctx.options)

    async def destroy(ctx: RemotingContext) -> Any:
        return await related(ctx, name).delete(ctx.options)

    data = [data_argument(target), OPTIONS]
    return [
        define(
            "prototype.__get__" + name,
            get,
            "get",
            path,
            accepts=[REFRESH, OPTIONS],
            description=f"Fetches hasOne relation {name}.",
            accessType="READ",
            returns=root(name, target),
            rest={"after": null_is_not_found(target)},
        ),
        define(
            "prototype.__create__" + name,
            create,
            "post",
            path,
            accepts=data,
            description=f"Creates a new instance in {name} of this model.",
            accessType="WRITE",
            returns=root("data", target),
        ),
        define(
            "prototype.__update__" + name,
            update,
            "put",
            path,
            accepts=data,
            description=f"Update {name} of this model.",
            accessType="WRITE",
            returns=root("data", target),
        ),
        define(
            "prototype.__destroy__" + name,
            destroy,
            "delete",
            path,
            accepts=[OPTIONS],
            description=f"Deletes {name} of this model.",
            accessType="WRITE",
        ),
    ]


def has_many(relation: Any) -> list[SharedMethod]:
    """The methods about one item by its key; ``collection`` has those about all of them."""
    name, target, path = relation.name, relation.model_to.name, path_of(relation)

    async def find_by_id(ctx: RemotingContext) -> Any:
        scope = related(ctx, name)
        return undefined_or(await scope.find_by_id(ctx.args["fk"], options=ctx.options), scope)

    async def destroy(ctx: RemotingContext) -> Any:
        return await related(ctx, name).destroy(ctx.args["fk"], ctx.options)

    async def update_by_id(ctx: RemotingContext) -> Any:
        return await related(ctx, name).update_by_id(ctx.args["fk"], ctx.args["data"] or {}, ctx.options)

    fk, item = foreign_key(name), path + "/:fk"
    methods = [
        define(
            "prototype.__findById__" + name,
            find_by_id,
            "get",
            item,
            accepts=[fk, OPTIONS],
            description=f"Find a related item by id for {name}.",
            accessType="READ",
            returns=root("result", target),
            rest={"after": null_is_not_found(target)},
        ),
        define(
            "prototype.__destroyById__" + name,
            destroy,
            "delete",
            item,
            accepts=[fk, OPTIONS],
            description=f"Delete a related item by id for {name}.",
            accessType="WRITE",
            returns=[],
        ),
        define(
            "prototype.__updateById__" + name,
            update_by_id,
            "put",
            item,
            accepts=[fk, data_argument(target), OPTIONS],
            description=f"Update a related item by id for {name}.",
            accessType="WRITE",
            returns=root("result", target),
        ),
    ]
    if relation.through is not None or relation.kind == "referencesMany":
        methods += links(relation, fk, path + "/rel/:fk")
    return methods


def links(relation: Any, fk: Spec, path: str) -> list[SharedMethod]:
    """link, unlink and exists, where a join model or a list of ids stands between the two."""
    name = relation.name
    joined = (relation.through or relation.model_to).name
    accepts = [fk]
    if relation.kind == "hasMany":
        accepts.append(data_argument(joined))  # only a through model has properties of its own

    async def add(ctx: RemotingContext) -> Any:
        return await related(ctx, name).add(ctx.args["fk"], ctx.args.get("data") or {}, ctx.options)

    async def remove(ctx: RemotingContext) -> Any:
        return await related(ctx, name).remove(ctx.args["fk"], ctx.options)

    async def exists(ctx: RemotingContext) -> Any:
        return await related(ctx, name).exists(ctx.args["fk"], ctx.options)

    return [
        define(
            "prototype.__link__" + name,
            add,
            "put",
            path,
            accepts=[*accepts, OPTIONS],
            description=f"Add a related item by id for {name}.",
            accessType="WRITE",
            returns=root(name, joined),
        ),
        define(
            "prototype.__unlink__" + name,
            remove,
            "delete",
            path,
            accepts=[fk, OPTIONS],
            description=f"Remove the {name} relation to an item by id.",
            accessType="WRITE",
            returns=[],
        ),
        define(
            "prototype.__exists__" + name,
            exists,
            "head",
            path,
            accepts=[fk, OPTIONS],
            description=f"Check the existence of {name} relation to an item by id.",
            accessType="READ",
            returns=root("exists", "boolean"),
            rest={"after": false_is_not_found},
        ),
    ]


def collection(model: Any, name: str, path: str, target: Any, *, is_static: bool) -> list[SharedMethod]:
    """Query, create, delete and count: of a relation's items, or of a named scope (static)."""

    def scope(ctx: RemotingContext) -> Any:
        return ctx.model.scopes[name] if is_static else related(ctx, name)

    async def get(ctx: RemotingContext) -> Any:
        return await scope(ctx).get(ctx.args["filter"], options=ctx.options)

    async def create(ctx: RemotingContext) -> Any:
        data = ctx.args["data"]
        return await scope(ctx).create({} if data is None else data, ctx.options)

    async def delete(ctx: RemotingContext) -> Any:
        await scope(ctx).destroy_all(None, ctx.options)
        return UNDEFINED

    async def count(ctx: RemotingContext) -> Any:
        return await scope(ctx).count(ctx.args["where"], ctx.options)

    created: Spec = {"allowArray": True}
    if has_update_only_properties(target):
        created["createOnlyInstance"] = True
    prefix = "" if is_static else "prototype."
    return [
        define(
            f"{prefix}__get__{name}",
            get,
            "get",
            path,
            accepts=[{"arg": "filter", "type": "object"}, OPTIONS],
            description=f"Queries {name} of {model.name}.",
            accessType="READ",
            returns=root(name, [target.name]),
        ),
        define(
            f"{prefix}__create__{name}",
            create,
            "post",
            path,
            accepts=[data_argument(target.name, **created), OPTIONS],
            description=f"Creates a new instance in {name} of this model.",
            accessType="WRITE",
            returns=root("data", target.name),
        ),
        define(
            f"{prefix}__delete__{name}",
            delete,
            "delete",
            path,
            accepts=[{"arg": "where", "type": "object", "http": {"source": "none"}}, OPTIONS],
            description=f"Deletes all {name} of this model.",
            accessType="WRITE",
        ),
        define(
            f"{prefix}__count__{name}",
            count,
            "get",
            path + "/count",
            accepts=[
                {"arg": "where", "type": "object", "description": "Criteria to match model instances"},
                OPTIONS,
            ],
            description=f"Counts {name} of {model.name}.",
            accessType="READ",
            returns={"arg": "count", "type": "number"},
        ),
    ]
