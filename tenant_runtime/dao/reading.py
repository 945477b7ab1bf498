"""find, findOne, findById, exists, count.

In charge of: these operations over any connector; hooks in LoopBack's order (juggler ``dao.js``).
Must not know: HTTP, what a connector is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.dao.include import include_related
from tenant_runtime.dao.operation import (
    Options,
    Row,
    id_where,
    loaded,
    need_key,
    normalized,
    notify,
    sanitized_where,
    transaction_of,
    tree,
    where_context,
)
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.evaluate import predicate, sort_rows
from tenant_runtime.filter.geo import select_near
from tenant_runtime.filter.parse import Filter, merge_query, merge_where, to_query
from tenant_runtime.filter.patterns import Budget
from tenant_runtime.filter.query import Query
from tenant_runtime.filter.where import near_conditions, speaks_of_near
from tenant_runtime.model.javascript import to_text, truthy

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass


async def find(model: ModelClass, filter: Filter, options: Options) -> list[Instance]:
    """Instances matching the filter, with what it includes. Hooks: access, loaded for each row."""
    source = model.source()
    typing = where_context(model, options)
    query = normalized(model, filter, typing, options)
    scope = model.definition.scope
    if scope:
        query = merge_query(query, scope, scope)
    if "where" in query and query["where"] is None:
        raise _null_where(model)
    state: dict[str, Any] = {}
    notifying = options.get("notify") is not False
    if notifying and model.hooks.active("access"):
        to_query(query, typing)  # LoopBack complains before it asks the observers
        context = await notify(model, "access", options, state, query=query)
        if context is not None:
            query = context.query
    asked = to_query(query, typing, options.get("partitionBy"))
    rows: list[Row]
    if not source.capabilities.geo and speaks_of_near(asked.where):
        rows = await _find_near(model, asked, options)
    else:
        rows = await source.run("find", model.name, asked, transaction_of(options))
    if notifying and model.hooks.active("loaded"):
        rows = [await loaded(model, row, options, state, False) for row in rows]
    instances = model.load_all(rows, asked.fields)
    if truthy(query.get("include")) and instances:
        await include_related(model, instances, query["include"], options)
    return instances


def _null_where(model: ModelClass) -> LoopbackError:
    if model.registry.strict:
        return LoopbackError('The "where" of a filter must be an object', status=400)
    return LoopbackError("Cannot convert undefined or null to object", name="TypeError")


async def _find_near(model: ModelClass, query: Query, options: Options) -> list[Row]:
    """A store without geography: all rows are read and selected here, as LoopBack does."""
    rows: list[Row] = await model.source().run("find", model.name, Query(), transaction_of(options))
    test = predicate(query.where, Budget().matcher)
    rows = sort_rows(list(filter(test, rows)), query.order)
    near = near_conditions(query.where)
    if near:
        rows = select_near(rows, near)
    end = None if query.limit is None else query.skip + query.limit
    rows = rows[query.skip : end]
    if query.fields is not None:
        rows = [{name: row[name] for name in query.fields if name in row} for row in rows]
    return rows


async def find_one(model: ModelClass, filter: Filter, options: Options) -> Instance | None:
    found = await find(model, {**filter, "limit": 1}, options)
    return found[0] if found else None


async def find_by_id(model: ModelClass, id: Any, filter: Filter, options: Options) -> Instance | None:
    """``filter`` may hold ``include`` and ``fields``; the rest of it is ignored."""
    need_key(model)
    if id is None or id == "":
        raise LoopbackError("Model::findById requires the id argument")
    if not filter and _is_plain(model) and not isinstance(id, dict | list):
        asked = Query(where=tree(model, id_where(model, id), options), limit=1)
        rows = await model.source().run("find", model.name, asked, transaction_of(options))
        return model.load(rows[0]) if rows else None
    query: Filter = {"where": id_where(model, id)}
    for part in ("include", "fields"):
        if truthy(filter.get(part)):
            query[part] = filter[part]
    return await find_one(model, query, options)


def _is_plain(model: ModelClass) -> bool:
    """Whether nothing but the id can decide what is found: the short path of the most frequent request."""
    return (
        model.definition.scope is None
        and model.id_name not in model.definition.hidden
        and not model.hooks.active("access")
        and not model.hooks.active("loaded")
    )


async def find_by_ids(model: ModelClass, ids: list[Any], filter: Filter, options: Options) -> list[Instance]:
    """In the order of ``ids``, unless the filter has an order."""
    need_key(model)
    if not ids:
        return []
    query = merge_query({"where": {model.id_name: {"inq": list(ids)}}}, filter)
    found = await find(model, query, options)
    if query.get("order"):
        return found
    positions = {to_text(id): position for position, id in reversed(list(enumerate(ids)))}
    return sorted(found, key=lambda instance: positions.get(to_text(instance.id), len(ids)))


async def exists(model: ModelClass, id: Any, options: Options) -> bool:
    if id is None or id == "":
        raise LoopbackError("Model::exists requires the id argument")
    return await count(model, id_where(model, id), options) == 1


async def count(model: ModelClass, where: Filter, options: Options) -> int:
    """Hooks: access."""
    source = model.source()
    scope = model.definition.scope
    if scope:
        where = merge_where(where, scope.get("where"))
    where = sanitized_where(model, where, options)
    asked = tree(model, where, options)
    context = await notify(model, "access", options, {}, query={"where": where})
    if context is not None:
        asked = tree(model, context.query.get("where"), options)
    if not source.capabilities.geo and any(near.prop is not None for near in near_conditions(asked)):
        return len(await _find_near(model, Query(where=asked), options))
    number: int = await source.run("count", model.name, asked, transaction_of(options))
    return number
