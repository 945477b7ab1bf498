"""A ``where`` object → the typed tree (juggler ``ModelUtils._coerce``).

In charge of: which operator of an object counts, the conversion of values by the declared property,
LoopBack's complaints. Must not know: stores. What a store does with undeclared properties is the store's.

Of several operators in one object only one is kept, as in LoopBack; with ``strict`` all are, joined by *and*.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.patterns import parse_regexp
from tenant_runtime.filter.query import Compare, Group, Where
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType
from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED, json_text, to_number, to_text, truthy
from tenant_runtime.model.types import to_boolean, to_buffer, to_datestring, to_geopoint, to_objectid

#: The order in which LoopBack looks for an operator on a declared property.
DECLARED_OPERATORS = (
    *("eq", "gt", "gte", "lt", "lte", "between", "inq", "nin", "neq"),
    *("like", "nlike", "ilike", "nilike", "regexp"),
)  #: The order in which the memory connector looks on an undeclared one.
UNDECLARED_OPERATORS = (
    *("regexp", "near", "inq", "nin", "neq", "between"),
    *("like", "nlike", "ilike", "nilike", "gt", "gte", "lt", "lte"),
)
LIST_OPERATORS = frozenset(("inq", "nin", "between"))
LIKE_OPERATORS = frozenset(("like", "nlike", "ilike", "nilike"))
PATTERN_OPERATORS = LIKE_OPERATORS | {"regexp"}


@dataclass(slots=True)
class WhereContext:
    """What typing a where needs to know: the model, nested models by name, and the switches.

    ``as_written``: of the operators on an undeclared property the store takes the one written first.
    """

    definition: ModelDefinition
    nested: Callable[[str], ModelDefinition | None] = lambda name: None
    extended_operators: bool = False
    strict: bool = False
    as_written: bool = False


def bad_where(message: str, **more: Any) -> LoopbackError:
    return LoopbackError(message, status=400, **more)


def build_where(where: Any, context: WhereContext) -> Where:
    """The tree of a where object. Raises LoopbackError: 400 for what LoopBack refuses, 500 where it
    breaks (400 with ``strict``).
    """
    if not context.strict:
        return _tree(where, context)
    try:
        return _tree(where, context)
    except LoopbackError as error:
        if error.status == 500:
            error.status = 400
        raise


def _tree(where: Any, context: WhereContext) -> Where:
    if not isinstance(where, dict):
        raise bad_where(f"The where clause {json_text(where)} is not an object")
    children: list[Where] = []
    for name, value in where.items():
        if name in ("and", "or", "nor"):
            children.append(Group(name, tuple(_clauses(name, value, context))))
        else:
            children += _condition(name, value, context, where)
    return children[0] if len(children) == 1 else Group("and", tuple(children))


def _clauses(name: str, value: Any, context: WhereContext) -> list[Where]:
    try:
        clauses = coerce_array(value)
    except ValueError as error:
        shown = json_text("null" if value is None else value)  # as the original's message formatter has it
        raise bad_where(f"The {name} operator has invalid clauses {shown}: {error}") from None
    trees = []
    for clause in clauses:
        if clause is None:
            raise LoopbackError("Cannot convert undefined or null to object", name="TypeError")
        trees.append(_tree(clause, context))
    return trees


def coerce_array(value: Any) -> list[Any]:
    """An array, or an object with the keys 0, 1, 2…; ValueError otherwise."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - one kind of error for all that is no array
            "Value is not an array or object with sequential numeric indices"
        )
    if not value:
        raise ValueError("Value is an empty object")
    try:
        return [value[str(index)] for index in range(len(value))]
    except KeyError:
        raise ValueError("Value is not an array or object with sequential numeric indices") from None


def _condition(name: str, value: Any, context: WhereContext, where: dict[str, Any]) -> list[Where]:
    prop = context.definition.properties.get(name)
    if prop is None:
        first = context.definition.properties.get(name.partition(".")[0]) if "." in name else None
        if first is None and context.strict:
            raise bad_where(
                f'"{name}" is not a property of {context.definition.name}', code="UNKNOWN_PROPERTY_IN_QUERY"
            )
        return _undeclared(name, value, first, context)
    if prop.type.kind == "geopoint" or (prop.type.kind == "array" and prop.type.item is None):
        return _undeclared(name, value, prop, context)
    if value is None:
        return [Compare(name, "eq", None, prop)]
    if not context.extended_operators:
        refuse_extended_operators(value, where)
    nested = _nested_model(prop.type, context)
    if nested is not None:
        _check_nested(value, prop, nested, context)
        return _undeclared(name, value, prop, context)
    return _declared(name, value, prop, context)


def _declared(name: str, value: Any, prop: Property, context: WhereContext) -> list[Where]:
    if isinstance(value, dict):
        operators = [operator for operator in DECLARED_OPERATORS if operator in value]
        if operators:
            options = value.get("options")
            kept = operators if context.strict else operators[:1]
            return [_operation(name, operator, value, options, prop, context) for operator in kept]
    typed = _typed(value, prop.type, context)
    if isinstance(typed, dict):
        return _undeclared(name, typed, prop, context)
    return [Compare(name, "eq", typed, prop)]


def _operation(
    name: str, operator: str, clause: dict[str, Any], options: Any, prop: Property, context: WhereContext
) -> Where:
    value = clause[operator]
    flags = options if isinstance(options, str) else None
    if operator in LIST_OPERATORS:
        try:
            items = coerce_array(value)
        except ValueError as error:
            raise bad_where(
                f"The {name} property has invalid clause {json_text(clause)}: Error: {error}"
            ) from None
        if operator == "between" and len(items) != 2:
            raise bad_where(
                f"The {name} property has invalid clause {json_text(clause)}: "
                f"Expected precisely 2 values, received {len(items)}"
            )
        value = tuple(_typed(items, prop.type, context))
        return Compare(name, operator, value, prop)  # type: ignore[arg-type]
    if operator in LIKE_OPERATORS:
        if not isinstance(value, str):
            raise bad_where(
                f"The {name} property has invalid clause {json_text(clause)}: Expected a string or RegExp"
            )
        return Compare(name, operator, _typed(value, prop.type, context), prop, flags)  # type: ignore[arg-type]
    if operator == "regexp":
        pattern, pattern_flags = parse_regexp(value)
        return Compare(name, "regexp", pattern, prop, pattern_flags)
    if value is not None:
        value = _typed(value, prop.type, context)
    return Compare(name, operator, value, prop)  # type: ignore[arg-type]


def _typed(value: Any, type: PropertyType, context: WhereContext) -> Any:
    """The value, or each item of an array, as the property's type."""
    convert = _CONVERT.get((type.item or type).kind)
    if isinstance(value, dict):
        with contextlib.suppress(ValueError):
            value = coerce_array(value)
    if isinstance(value, list):
        return [item if item is None or convert is None else convert(item) for item in value]
    if isinstance(value, dict) and context.extended_operators:
        return value
    return value if convert is None else convert(value)


def refuse_extended_operators(value: Any, where: dict[str, Any]) -> None:
    """400 for a condition like ``{"$gt": 1}``, bare or as the value of one of LoopBack's operators."""
    if not isinstance(value, dict):
        return
    operator = next((name for name in DECLARED_OPERATORS if name in value), None)
    if operator is not None:
        value = value[operator]
    operators = [key for key in value if key.startswith("$")] if isinstance(value, dict) else []
    if operators:
        raise bad_where(
            f'Operators "{", ".join(operators)}" are not allowed in query',
            code="OPERATOR_NOT_ALLOWED_IN_QUERY",
            details={"operators": operators, "where": where},
        )


def _undeclared(name: str, value: Any, prop: Property | None, context: WhereContext) -> list[Where]:
    """A condition whose values are taken as they come."""
    if not isinstance(value, dict):
        return [Compare(name, "eq", value, prop)]
    if context.extended_operators and any(key.startswith("$") for key in value):
        return [Compare(name, "raw", value, prop)]
    first_alone = context.as_written and not context.strict
    found = _first_written(value) if first_alone else _operators_looked_for(value)
    if not found:
        if "exists" in value:
            return [Compare(name, "exists", value["exists"], prop)]
        return [Compare(name, "eq", value, prop)]
    kept = found if context.strict else found[:1]
    if context.strict and "near" in kept:
        to_geopoint(
            value["near"]
        )  # for its complaints; without the switch only a row to compare with makes them
    return [_undeclared_operation(name, operator, value, prop, first_alone) for operator in kept]


def _first_written(clause: dict[str, Any]) -> list[str]:
    """What MongoDB's connector takes: the first key, if it is an operator; near wherever it stands."""
    first = next(iter(clause), "")
    if first in UNDECLARED_OPERATORS:
        return [first]
    return ["near"] if "near" in clause else []


def _operators_looked_for(clause: dict[str, Any]) -> list[str]:
    """In the memory connector's order; a pattern, point or list that is null or "" is no operator for it."""
    always = ("neq", "between", "gt", "gte", "lt", "lte")
    return [
        operator
        for operator in UNDECLARED_OPERATORS
        if operator in clause and (operator in always or truthy(clause[operator]))
    ]


def _undeclared_operation(
    name: str, operator: str, clause: dict[str, Any], prop: Property | None, scalar_is_list: bool
) -> Where:
    """``scalar_is_list``: a list operator's value that is no list is its only item, if it is any."""
    value = clause[operator]
    if operator == "near":
        return Compare(name, "near", dict(clause), prop)
    if operator == "between" and value is None:
        return Compare(name, "between", None, prop)  # the stores' own affair
    if operator in LIST_OPERATORS:
        if scalar_is_list and operator != "between" and not isinstance(value, list):
            value = [value] if truthy(value) else []
        value = tuple(value) if isinstance(value, list | str) else ()
        if operator == "between":
            value = (*value, UNDEFINED, UNDEFINED)[:2]
    flags = clause.get("options") if operator in PATTERN_OPERATORS else None
    return Compare(name, operator, value, prop, flags if isinstance(flags, str) else None)  # type: ignore[arg-type]


def coerce_data(data: dict[str, Any], context: WhereContext) -> dict[str, Any]:
    """The values of an update, typed as a where's are (``_coerce`` of updateAll's data)."""
    typed = {}
    for name, value in data.items():
        prop = context.definition.properties.get(name)
        if prop is None or value is None or prop.type.kind == "geopoint":
            typed[name] = value
            continue
        nested = _nested_model(prop.type, context)
        if nested is not None:
            _check_nested(value, prop, nested, context)
        else:
            value = _typed(value, prop.type, context)
        typed[name] = value
    return typed


def _nested_model(type: PropertyType, context: WhereContext) -> ModelDefinition | None:
    inner = type.item or type
    return context.nested(inner.model or "") if inner.kind == "model" else None


def _check_nested(value: Any, prop: Property, nested: ModelDefinition, context: WhereContext) -> None:
    """A condition on a nested model must be an object whose own conditions are right.

    On a list of them it may also be a list of such objects.
    """
    inner = WhereContext(nested, context.nested, context.extended_operators, False)
    if isinstance(value, dict):
        operator = next((name for name in DECLARED_OPERATORS if name in value), None)
        if operator is not None:
            _operation(prop.name, operator, value, None, prop, context)  # for its complaints
            value = value[operator] if operator != "regexp" else None
    with contextlib.suppress(ValueError):
        value = coerce_array(value)
    several = prop.type.kind == "array" and isinstance(value, list)
    for item in value if several else [value]:
        if item is not None:
            _tree(item, inner)


def _number(value: Any) -> Any:
    """NumberType: what is no number stays what it is."""
    number = to_number(value)
    return value if number != number else number


def _date(value: Any) -> Any:
    date = to_date(value)
    if date is INVALID_DATE:
        raise LoopbackError(f"Invalid date: {to_text(value)}")
    return date


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "string": to_text,
    "number": _number,
    "date": _date,
    "boolean": to_boolean,
    "objectid": to_objectid,
    "buffer": to_buffer,
    "datestring": to_datestring,
}


def near_conditions(where: Where) -> list[Compare]:
    """Every near of the tree, wherever it stands: they select and sort after all other conditions."""
    if isinstance(where, Compare):
        return [where] if where.op == "near" else []
    return [found for child in where.children for found in near_conditions(child)]


def speaks_of_near(where: Where) -> bool:
    """Whether any condition has the key ``near``, also where it is null and so no operator: a store without
    geography has its rows selected here then, by every condition.
    """
    if isinstance(where, Compare):
        return isinstance(where.value, dict) and "near" in where.value
    return any(speaks_of_near(child) for child in where.children)
