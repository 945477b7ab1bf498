"""The remote methods of PersistedModel.

In charge of: their declarations and how each calls the model. Must not know: requests' bytes, connectors.

Source: loopback ``lib/persisted-model.js`` setupRemoting; descriptions
are part of the interface (swagger shows them).
"""

from __future__ import annotations

from typing import Any, Final

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.shared_method import SharedMethod, method_from_spec

Spec = dict[str, Any]

OPTIONS: Final[Spec] = {"arg": "options", "type": "object", "http": "optionsFromRequest"}
ID: Final[Spec] = {
    "arg": "id",
    "type": "any",
    "description": "Model id",
    "required": True,
    "http": {"source": "path"},
}
FILTER_URL: Final = "https://loopback.io/doc/en/lb3/Querying-data.html#using-stringified-json-in-rest-queries"
FIND_FILTER: Final[Spec] = {
    "arg": "filter",
    "type": "object",
    "description": "Filter defining fields, where, include, order, offset, and limit - must be a "
    f'JSON-encoded string (`{{"where":{{"something":"value"}}}}`).  See {FILTER_URL} for more details.',
}


def data_argument(model: Any, description: str = "Model instance data", **more: Any) -> Spec:
    """The ``data`` argument, in the body, shown with the model's schema."""
    return {
        "arg": "data",
        "type": "object",
        "model": model.name,
        "description": description,
        "http": {"source": "body"},
        **more,
    }


def where_argument(description: str = "Criteria to match model instances", **more: Any) -> Spec:
    """The ``where`` argument of a query string."""
    return {"arg": "where", "type": "object", "description": description, **more}


def root(name: str, type: Any, **more: Any) -> Spec:
    """A returned value that is the body itself."""
    return {"arg": name, "type": type, "root": True, **more}


def not_found(message: str, code: str = "MODEL_NOT_FOUND") -> LoopbackError:
    """A 404 with both of the original's status names."""
    error = LoopbackError(message, status=404, code=code)
    error.properties["status"] = 404  # the original sets both names, and safeFields may show this one
    return error


def unknown_id(model_name: str, id: Any) -> LoopbackError:
    """The 404 of an id that there is not."""
    return not_found(f'Unknown "{model_name}" id "{"undefined" if id is None else id}".')


def null_is_not_found(ctx: RemotingContext) -> None:
    """``rest.after`` of a find: null is a 404."""
    if ctx.result is None:
        raise unknown_id(ctx.model.name, ctx.get_arg_by_name("id"))


def missing_is_not_found(ctx: RemotingContext) -> None:
    """HEAD of an instance: 404 in the place of ``{exists: false}``."""
    if ctx.request.method != "GET" and not ctx.result["exists"]:
        raise unknown_id(ctx.model.name, ctx.get_arg_by_name("id"))


async def create(ctx: RemotingContext) -> Any:
    """POST /: one object or a list."""
    data = ctx.args["data"]
    return await ctx.model.create({} if data is None else data, ctx.options)


async def patch_or_create(ctx: RemotingContext) -> Any:
    """PATCH or PUT /."""
    return await ctx.model.patch_or_create(ctx.args["data"] or {}, ctx.options)


async def replace_or_create(ctx: RemotingContext) -> Any:
    """POST /replaceOrCreate, or PUT /."""
    return await ctx.model.replace_or_create(ctx.args["data"] or {}, ctx.options)


async def upsert_with_where(ctx: RemotingContext) -> Any:
    """POST /upsertWithWhere."""
    return await ctx.model.upsert_with_where(ctx.args["where"], ctx.args["data"] or {}, ctx.options)


async def exists(ctx: RemotingContext) -> Any:
    """GET /:id/exists, HEAD /:id."""
    return await ctx.model.exists(ctx.args["id"], ctx.options)


async def find_by_id(ctx: RemotingContext) -> Any:
    """GET /:id."""
    return await ctx.model.find_by_id(ctx.args["id"], ctx.args["filter"], ctx.options)


async def replace_by_id(ctx: RemotingContext) -> Any:
    """POST /:id/replace, or PUT /:id."""
    return await ctx.model.replace_by_id(ctx.args["id"], ctx.args["data"] or {}, ctx.options)


async def find(ctx: RemotingContext) -> Any:
    """GET /."""
    return await ctx.model.find(ctx.args["filter"], ctx.options)


async def find_one(ctx: RemotingContext) -> Any:
    """GET /findOne."""
    return await ctx.model.find_one(ctx.args["filter"], ctx.options)


async def destroy_all(ctx: RemotingContext) -> Any:
    """DELETE /, where the model shares it."""
    return await ctx.model.destroy_all(ctx.args["where"], ctx.options)


async def update_all(ctx: RemotingContext) -> Any:
    """POST /update."""
    where = ctx.args["where"]
    if where is None and ctx.request.query.get("where") == "null":
        where = {}  # to the original null is an object, and everything; only a missing where is refused
    options = {**ctx.options, "refuseEmptyWhere": True}
    return await ctx.model.update_all(where, ctx.args["data"] or {}, options)


async def delete_by_id(ctx: RemotingContext) -> Any:
    """DELETE /:id."""
    return await ctx.model.delete_by_id(ctx.args["id"], ctx.options)


async def count(ctx: RemotingContext) -> Any:
    """GET /count."""
    return await ctx.model.count(ctx.args["where"], ctx.options)


async def patch_attributes(ctx: RemotingContext) -> Any:
    """PATCH or PUT /:id."""
    return await ctx.instance.patch_attributes(ctx.args["data"] or {}, ctx.options)


async def create_change_stream(ctx: RemotingContext) -> Any:
    """GET or POST /change-stream."""
    return ctx.app.change_feed(ctx.model).open()


def persisted_methods(model: Any) -> list[SharedMethod]:
    """All methods of a PersistedModel, in the original's order."""
    replace_on_put = model.settings.get("replaceOnPUT") is not False
    name = model.name
    created: Spec = {"allowArray": True}
    if has_update_only_properties(model):
        created["createOnlyInstance"] = True
    put_collection = [{"verb": "put", "path": "/"}]
    patched = "An object of model property name/value pairs"
    table: list[tuple[str, Any, Spec]] = [
        (
            "create",
            create,
            {
                "description": "Create a new instance of the model and persist it into the data source.",
                "accessType": "WRITE",
                "accepts": [data_argument(model, **created), OPTIONS],
                "returns": root("data", name),
                "http": {"verb": "post", "path": "/"},
            },
        ),
        (
            "patchOrCreate",
            patch_or_create,
            {
                "aliases": ["upsert", "updateOrCreate"],
                "description": "Patch an existing model instance or insert a new one into the data source.",
                "accessType": "WRITE",
                "accepts": [data_argument(model), OPTIONS],
                "returns": root("data", name),
                "http": ([] if replace_on_put else put_collection) + [{"verb": "patch", "path": "/"}],
            },
        ),
        (
            "replaceOrCreate",
            replace_or_create,
            {
                "description": "Replace an existing model instance or insert a new one into the data source.",
                "accessType": "WRITE",
                "accepts": [data_argument(model), OPTIONS],
                "returns": root("data", name),
                "http": [
                    {"verb": "post", "path": "/replaceOrCreate"},
                    *(put_collection if replace_on_put else []),
                ],
            },
        ),
        (
            "upsertWithWhere",
            upsert_with_where,
            {
                "aliases": ["patchOrCreateWithWhere"],
                "description": "Update an existing model instance or insert a new one into the data source "
                "based on the where criteria.",
                "accessType": "WRITE",
                "accepts": [
                    where_argument(http={"source": "query"}),
                    data_argument(model, patched),
                    OPTIONS,
                ],
                "returns": root("data", name),
                "http": {"verb": "post", "path": "/upsertWithWhere"},
            },
        ),
        (
            "exists",
            exists,
            {
                "description": "Check whether a model instance exists in the data source.",
                "accessType": "READ",
                "accepts": [ID, OPTIONS],
                "returns": {"arg": "exists", "type": "boolean"},
                "http": [{"verb": "get", "path": "/:id/exists"}, {"verb": "head", "path": "/:id"}],
                "rest": {"after": missing_is_not_found},
            },
        ),
        (
            "findById",
            find_by_id,
            {
                "description": "Find a model instance by {{id}} from the data source.",
                "accessType": "READ",
                "accepts": [
                    ID,
                    {
                        "arg": "filter",
                        "type": "object",
                        "description": "Filter defining fields and include - must be a JSON-encoded string "
                        '({"something":"value"})',
                    },
                    OPTIONS,
                ],
                "returns": root("data", name),
                "http": {"verb": "get", "path": "/:id"},
                "rest": {"after": null_is_not_found},
            },
        ),
        (
            "replaceById",
            replace_by_id,
            {
                "description": "Replace attributes for a model instance and persist it into the data source.",
                "accessType": "WRITE",
                "accepts": [ID, data_argument(model), OPTIONS],
                "returns": root("data", name),
                "http": [
                    {"verb": "post", "path": "/:id/replace"},
                    *([{"verb": "put", "path": "/:id"}] if replace_on_put else []),
                ],
            },
        ),
        (
            "find",
            find,
            {
                "description": "Find all instances of the model matched by filter from the data source.",
                "accessType": "READ",
                "accepts": [FIND_FILTER, OPTIONS],
                "returns": root("data", [name]),
                "http": {"verb": "get", "path": "/"},
            },
        ),
        (
            "findOne",
            find_one,
            {
                "description": "Find first instance of the model matched by filter from the data source.",
                "accessType": "READ",
                "accepts": [FIND_FILTER, OPTIONS],
                "returns": root("data", name),
                "http": {"verb": "get", "path": "/findOne"},
                "rest": {"after": null_is_not_found},
            },
        ),
        (
            "destroyAll",
            destroy_all,
            {
                "description": "Delete all matching records.",
                "accessType": "WRITE",
                "accepts": [where_argument("filter.where object"), OPTIONS],
                "returns": root("count", "object", description="The number of instances deleted"),
                "http": {"verb": "del", "path": "/"},
                "shared": False,
            },
        ),
        (
            "updateAll",
            update_all,
            {
                "aliases": ["update"],
                "description": "Update instances of the model matched by {{where}} from the data source.",
                "accessType": "WRITE",
                "accepts": [
                    where_argument(http={"source": "query"}),
                    data_argument(model, patched),
                    OPTIONS,
                ],
                "returns": root(
                    "info",
                    {"count": {"type": "number", "description": "The number of instances updated"}},
                    description="Information related to the outcome of the operation",
                ),
                "http": {"verb": "post", "path": "/update"},
            },
        ),
        (
            "deleteById",
            delete_by_id,
            {
                "aliases": ["destroyById", "removeById"],
                "description": "Delete a model instance by {{id}} from the data source.",
                "accessType": "WRITE",
                "accepts": [ID, OPTIONS],
                "returns": root("count", "object"),
                "http": {"verb": "del", "path": "/:id"},
            },
        ),
        (
            "count",
            count,
            {
                "description": "Count instances of the model matched by where from the data source.",
                "accessType": "READ",
                "accepts": [where_argument(), OPTIONS],
                "returns": {"arg": "count", "type": "number"},
                "http": {"verb": "get", "path": "/count"},
            },
        ),
        (
            "prototype.patchAttributes",
            patch_attributes,
            {
                "aliases": ["updateAttributes"],
                "description": "Patch attributes for a model instance and persist it into the data source.",
                "accessType": "WRITE",
                "accepts": [data_argument(model, patched), OPTIONS],
                "returns": root("data", name),
                "http": ([] if replace_on_put else put_collection) + [{"verb": "patch", "path": "/"}],
            },
        ),
        (
            "createChangeStream",
            create_change_stream,
            {
                "description": "Create a change stream.",
                "accessType": "READ",
                "accepts": {"arg": "options", "type": "object"},
                "returns": {"arg": "changes", "type": "ReadableStream", "json": True},
                "http": [
                    {"verb": "post", "path": "/change-stream"},
                    {"verb": "get", "path": "/change-stream"},
                ],
            },
        ),
    ]
    return [method_from_spec(key, spec, function) for key, function, spec in table]


def has_update_only_properties(model: Any) -> bool:
    """A forced id may not be given on create; other properties say so themselves."""
    return any(prop.raw.get("updateOnly") for prop in model.definition.properties.values())
