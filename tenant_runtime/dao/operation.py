"""What the operations share: settings of a call, hook contexts, rows for a connector.

In charge of: reading a call's options, checking a filter against the model, making a row of an instance.
Must not know: the single operations, HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, check_depth, normalize, sanitize
from tenant_runtime.filter.query import EVERYTHING, Where
from tenant_runtime.filter.where import WhereContext, build_where
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.hooks import HookContext
from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED, json_text

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass

Options = dict[str, Any]
Row = dict[str, Any]

MAX_QUERY_DEPTH = 32
MAX_DATA_DEPTH = 64


def transaction_of(options: Options) -> Any:
    """The connector's transaction of a call, or None."""
    handle = options.get("transaction")
    if handle is None:
        return None
    handle.ensure_active()
    return handle.transaction


def where_context(model: ModelClass, options: Options) -> WhereContext:
    """How this model's where is typed."""

    def nested(name: str) -> ModelDefinition | None:
        target = model.registry.nested(name, model)
        return target.definition if target is not None else None

    return WhereContext(
        model.definition,
        nested,
        bool(model.get_setting("allowExtendedOperators", options)),
        model.registry.strict,
        model.source().capabilities.first_operator,
    )


def normalized(model: ModelClass, filter: Filter, context: WhereContext, options: Options) -> Filter:
    """A client's filter, checked and normalised; prohibited conditions removed."""
    depth, prohibited = _query_limits(model, options)
    return normalize(filter, context, depth, prohibited)


def sanitized_where(model: ModelClass, where: Filter, options: Options) -> Filter:
    depth, prohibited = _query_limits(model, options)
    result: Filter = sanitize(where, depth, prohibited)
    return result


def _query_limits(model: ModelClass, options: Options) -> tuple[int, frozenset[str]]:
    depth = model.get_setting("maxDepthOfQuery", options)
    prohibited: frozenset[str] = frozenset()
    if model.get_setting("prohibitHiddenPropertiesInQuery", options):
        prohibited = model.definition.hidden
        if options.get("prohibitProtectedPropertiesInQuery"):
            prohibited |= model.definition.protected
    return int(depth) if depth is not None else MAX_QUERY_DEPTH, prohibited


def tree(model: ModelClass, where: Any, options: Options) -> Where:
    """The typed tree of a where; an empty one is everything."""
    if where is None or where == {}:
        return EVERYTHING
    return build_where(where, where_context(model, options))


def check_data(model: ModelClass, data: Any, options: Options) -> None:
    """Refuse data nested too deeply (400)."""
    depth = model.get_setting("maxDepthOfData", options)
    check_depth(data, int(depth) if depth is not None else MAX_DATA_DEPTH)


def id_where(model: ModelClass, id: Any) -> Filter:
    return {model.id_name: id}


def is_where_of_id(model: ModelClass, where: Any, id: Any) -> bool:
    """Whether hooks left the where as it was made for that id."""
    return isinstance(where, dict) and list(where) == [model.id_name] and where[model.id_name] == id


def need_key(model: ModelClass) -> None:
    if model.definition.id_name is None:
        raise LoopbackError(f"Primary key is missing for the {model.name} model", name="PKMissingError")


def validates(model: ModelClass, options: Options) -> bool:
    """The call's ``validate`` counts, then the model's ``automaticValidation``."""
    given = options.get("validate")
    if given is not None:
        return bool(given)
    return model.settings.get("automaticValidation") is not False


async def notify(
    model: ModelClass, operation: str, options: Options, state: dict[str, Any], **members: Any
) -> HookContext | None:
    """Call the observers; None when there are none (the usual case, which costs nothing)."""
    if not model.hooks.active(operation):
        return None
    return await model.hooks.notify(operation, HookContext(model, options, state, **members))


async def loaded(
    model: ModelClass, data: Row, options: Options, state: dict[str, Any], is_new: bool | None
) -> Row:
    """The "loaded" hook around one row."""
    context = await notify(model, "loaded", options, state, data=data, isNewInstance=is_new)
    return data if context is None else context.data


def storable(model: ModelClass, row: Row) -> Row:
    """The row as a connector gets it: as ``declared``, and where the store has JSON as text with texts and
    nulls in JSON's form.

    So the original writes single objects (``_forDB``); a where of null then does not find them.
    """
    row = declared(model, row)
    if model.json_names and model.source().capabilities.json_as_text:
        bare = [name for name in model.json_names if isinstance(row.get(name, UNDEFINED), str | None)]
        if bare:
            row = {**row, **{name: json_text(row[name]) for name in bare}}
    return row


def declared(model: ModelClass, row: Row) -> Row:
    """The row with declared names only where the store has columns, without invalid dates.

    NaN goes as it is: memory and SQLite make null of it, the others refuse it, as with the original.
    """
    if not model.source().capabilities.dynamic_properties and not row.keys() <= model.codecs.keys():
        row = {name: value for name, value in row.items() if name in model.codecs}
    if INVALID_DATE in row.values():
        row = {name: None if value is INVALID_DATE else value for name, value in row.items()}
    return row


def without_unwritten_defaults(model: ModelClass, row: Row) -> Row:
    """``applyDefaultOnWrites: false``: a value that equals the default is not stored."""
    for name, default in model.unwritten_defaults:
        if row.get(name) == default:
            row.pop(name, None)
    return row


def subset(instance: Instance, names: Any) -> Row:
    """The typed plain values of those properties (``convertSubsetOfPropertiesByType``)."""
    whole = instance.to_object(False)
    return {name: whole[name] for name in names if name in whole}


def keep_known(model: ModelClass, data: Row, instance: Instance) -> Row:
    """``applyStrictCheck``: a strict model's unknown properties are dropped, or noted for validation."""
    if model.strict is False:
        return data
    known = {}
    for name, value in data.items():
        if name in model.codecs:
            known[name] = value
        elif model.strict is True:
            instance._unknown = [*(instance._unknown or ()), name]
    return known


def not_found(message: str, *, code: str | None = None) -> LoopbackError:
    return LoopbackError(message, status=404, code=code)
