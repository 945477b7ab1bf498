"""A client's filter → one that is checked and normalised, and then a Query.

In charge of: limit, skip, order, fields, sanitising (depth, hidden properties), LoopBack's complaints about
them (juggler ``ModelUtils._normalize``, ``utils.sanitizeQuery``), and merging scopes (``utils.mergeQuery``).
Must not know: HTTP (the text of a query string was parsed before), connectors.

Filters stay dicts as long as hooks may change them (``ctx.query``); ``to_query`` comes last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.fields import fields_to_list
from tenant_runtime.filter.patterns import escape_broken
from tenant_runtime.filter.query import EVERYTHING, Order, PerParent, Query
from tenant_runtime.filter.where import PATTERN_OPERATORS, WhereContext, build_where
from tenant_runtime.model.javascript import UNDEFINED, json_text, own_properties, to_number, truthy

Filter = dict[str, Any]

#: More than these are all: what stores take for a limit and for what is skipped, also together.
MOST_ROWS = 2**62 - 1
DEFAULT_LIMIT = 100  # when only skip or offset is given
_COMMAS = re.compile(r"(?:\s*,\s*)+")
_SPACES = re.compile(r"\s+")


def bad_request(message: str, **more: Any) -> LoopbackError:
    return LoopbackError(message, status=400, **more)


def as_json(value: Any) -> str:
    """``%j`` of LoopBack's messages."""
    return "undefined" if value is UNDEFINED else json_text(value)


def normalize(filter: Any, context: WhereContext, max_depth: int, prohibited: Iterable[str] = ()) -> Filter:
    """A checked copy: limit and skip as numbers, order as texts, fields as names, prohibited keys removed."""
    if not isinstance(filter, dict):
        raise bad_request(f"The query filter {as_json(filter)} is not an object")
    result = dict(filter)
    if any(name in filter and truthy(filter[name]) for name in ("limit", "skip", "offset")):
        result["limit"] = _limit(filter)
        result["skip"] = result["offset"] = _skip(filter)
    if "order" in result and truthy(result["order"]):
        result["order"] = normalize_order(result["order"])
    if "fields" in result and truthy(result["fields"]):
        properties = list(context.definition.properties)
        result["fields"] = fields_to_list(result["fields"], properties, bool(context.definition.strict))
    return sanitize(result, max_depth, frozenset(prohibited)) or {}


def _limit(filter: Filter) -> int | None:
    given = filter.get("limit", UNDEFINED)
    limit = to_number(given) if truthy(given) else DEFAULT_LIMIT
    if math.isnan(limit) or limit <= 0 or (not math.isinf(limit) and limit != int(limit)):
        raise bad_request(f"The limit parameter {as_json(given)} is not valid")
    return None if math.isinf(limit) else int(limit)


def _skip(filter: Filter) -> int:
    given = next((filter[name] for name in ("skip", "offset") if truthy(filter.get(name))), 0)
    skip = to_number(given)
    if not math.isfinite(skip) or skip < 0 or skip != int(skip):
        raise bad_request(f"The offset/skip parameter {as_json(given)} is not valid")
    return int(skip)


def normalize_order(order: Any) -> list[str]:
    """``"a ASC, b"`` and ``["a ASC", "b"]`` → ``["a ASC", "b"]``; other directions are refused."""
    terms: list[str] = []
    for part in order if isinstance(order, list) else [order]:
        if not isinstance(part, str):
            raise bad_request(f"The order {as_json(part)} is not valid")
        for token in _COMMAS.split(part):
            if not token:
                continue
            words = _SPACES.split(token)
            if len(words) < 2:
                terms.append(token)
                continue
            direction = words[1].upper()
            if direction not in ("ASC", "DESC"):
                raise bad_request(f"The order {as_json(token)} has invalid direction")
            terms.append(f"{words[0]} {direction}")
    return terms


def parse_order(order: Any) -> tuple[Order, ...]:
    """Normalised terms → Order values."""
    if isinstance(order, str):
        order = [order]
    result = []
    for term in order or ():
        name, _, direction = term.strip().partition(" ")
        result.append(Order(name, direction.strip().upper() == "DESC"))
    return tuple(result)


def sanitize(value: Any, max_depth: int, prohibited: frozenset[str] = frozenset()) -> Any:
    """Refuse what is nested too deeply, drop undefined and prohibited keys, escape broken patterns."""
    return _sanitize(value, None, 0, max_depth, prohibited)


def _sanitize(value: Any, key: str | None, level: int, max_depth: int, prohibited: frozenset[str]) -> Any:
    if level > max_depth:
        raise bad_request(f"The query object exceeds maximum depth {max_depth}", code="QUERY_OBJECT_TOO_DEEP")
    level += 1
    if isinstance(value, dict):
        result = {}
        for name, item in value.items():
            if item is UNDEFINED or (prohibited and is_prohibited(name, prohibited)):
                continue
            if isinstance(item, dict | list) or level > max_depth or name in PATTERN_OPERATORS:
                item = _sanitize(item, name, level, max_depth, prohibited)
            result[name] = item
        return result
    if isinstance(value, list):
        return [_sanitize(item, None, level, max_depth, prohibited) for item in value]
    if isinstance(value, str) and key in PATTERN_OPERATORS:
        return escape_broken(value)
    return value


def is_prohibited(name: str, prohibited: frozenset[str]) -> bool:
    """``secret``, ``x.secret``, ``secret.y``."""
    return name in prohibited or ("." in name and not prohibited.isdisjoint(name.split(".")))


def check_depth(value: Any, max_depth: int, level: int = 0) -> None:
    """``_sanitizeData``'s limit for data."""
    if level > max_depth:
        raise bad_request(f"The query object exceeds maximum depth {max_depth}", code="QUERY_OBJECT_TOO_DEEP")
    if isinstance(value, dict):
        for item in value.values():
            if isinstance(item, dict | list):
                check_depth(item, max_depth, level + 1)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                check_depth(item, max_depth, level + 1)


def merge_where(base: Any, update: Any) -> Any:
    """Both must hold; a base without properties (a number, too) is none."""
    if not update:
        return base
    return {"and": [base, update]} if own_properties(base) else update


def merge_query(base: Filter, update: Filter | None, spec: Filter | None = None) -> Filter:
    """``update`` (a scope) into a copy of ``base``. ``spec`` may switch parts off: ``{"include": false}``."""
    result = dict(base)
    if not update:
        return result
    spec = spec or {}
    if isinstance(update.get("where"), dict) and update["where"]:
        result["where"] = merge_where(result.get("where"), update["where"])
    if spec.get("include") is not False and truthy(update.get("include")):
        result["include"] = _merged_include(result.get("include"), update["include"], spec)
    if spec.get("collect") is not False and update.get("collect"):
        result["collect"] = update["collect"]
    if update.get("fields") is not None:
        result["fields"] = update["fields"]
    if update.get("order") and (not truthy(result.get("order")) or spec.get("order") is False):
        result["order"] = update["order"]
    if spec.get("limit") is not False and update.get("limit") is not None:
        result["limit"] = update["limit"]
    if spec.get("skip") is not False and spec.get("offset") is not False:
        for name in ("skip", "offset"):
            if update.get(name) is not None:
                result["skip"] = result["offset"] = update[name]
    return result


def _merged_include(base: Any, update: Any, spec: Filter) -> Any:
    if not truthy(base):
        return update
    if spec.get("nestedInclude") is True and isinstance(update, str):
        return {update: base}
    return merge_includes(base, update)


def merge_includes(base: Any, update: Any) -> Any:
    """Both lists of includes; where they name the same relation, ``update``'s entry stands."""
    destination, source = _include_entries(base), _include_entries(update)
    if not destination or not source:
        return destination or source
    named = {_included_name(entry) for entry in source}
    return source + [entry for entry in destination if _included_name(entry) not in named]


def _include_entries(include: Any) -> list[Any]:
    if isinstance(include, str):
        return [{include: True}]
    if isinstance(include, dict):
        if include.get("rel") or include.get("relation"):
            return [include]
        return [{name: inner} for name, inner in include.items()]
    if isinstance(include, list):
        return [{entry: True} if isinstance(entry, str) else entry for entry in include]
    return []


def _included_name(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return None
    return entry.get("relation") or entry.get("rel") or next(iter(entry), None)


def to_query(filter: Filter, context: WhereContext, partition: str | None = None) -> Query:
    """The query of a normalised filter. ``partition``: its window counts for each value of that key."""
    where = filter.get("where")
    fields = filter.get("fields")
    limit = filter.get("limit")
    skip = filter.get("skip") or filter.get("offset")
    return Query(
        where=EVERYTHING if where is None or where == {} else build_where(where, context),
        order=parse_order(filter.get("order")),
        limit=min(int(limit), MOST_ROWS) if limit else None,
        skip=min(int(skip), MOST_ROWS) if skip else 0,
        fields=tuple(fields) if isinstance(fields, list) else None,
        per_parent=PerParent(partition) if partition else None,
    )
