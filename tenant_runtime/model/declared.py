"""Validations declared in JSON, for apps that switch them on (``enforceValidations``).

In charge of: the model's ``validations`` list and the properties' ``min``, ``max``, ``minLength``,
``maxLength``, ``pattern``, ``enum``, ``format`` and ``unique``, as validators. LoopBack 3 takes all of
these and ignores them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.model.definition import Property

_KINDS = (
    "presence",
    "absence",
    "length",
    "numericality",
    "inclusion",
    "exclusion",
    "format",
    "uniqueness",
)
_FORMATS = {
    "email": r"^[^@\s]+@[^@\s]+$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$",
    "url": r"^[A-Za-z][A-Za-z0-9+.-]*://\S+$",
    "uuid": r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "ipv4": r"^\d{1,3}(\.\d{1,3}){3}$",
}
_OPTIONAL = {"allowNull": True, "allowBlank": True}
_LENGTHS = {"minLength": "min", "maxLength": "max", "length": "max"}


def enforce(model: Any) -> None:
    """Adds the declared validations of one model. Raises ConfigurationError for one that cannot be."""
    for prop in model.definition.properties.values():
        _enforce_property(model, prop)
    for index, entry in enumerate(model.settings.get("validations") or ()):
        _enforce_entry(model, entry, f"/validations/{index}")


def _enforce_property(model: Any, prop: Property) -> None:
    raw, name = prop.raw, prop.name
    lengths = {option: raw[key] for key, option in _LENGTHS.items() if isinstance(raw.get(key), int)}
    for bound in ("min", "max"):
        limit = raw.get(bound)
        if not isinstance(limit, int | float) or isinstance(limit, bool):
            continue
        if prop.type.kind == "number":
            text = f"must be at {'least' if bound == 'min' else 'most'} {limit}"
            model.validate(name, _bound_check(name, bound, limit), message=text)
        elif prop.type.kind in ("string", "text", "array"):
            lengths.setdefault(bound, limit)
    if lengths:
        model.validates_length_of(name, **lengths, **_OPTIONAL)
    if isinstance(raw.get("enum"), list):
        model.validates_inclusion_of(name, **{"in": raw["enum"]}, **_OPTIONAL)
    pattern = raw.get("pattern") or _FORMATS.get(str(raw.get("format")))
    if pattern:
        _check_pattern(model, pattern, f"/properties/{name}/pattern")
        model.validates_format_of(name, **{"with": pattern}, **_OPTIONAL)
    if raw.get("unique") is True:
        model.validates_uniqueness_of(name, **_OPTIONAL)


def _bound_check(name: str, bound: str, limit: float) -> Callable[[Any, Any], None]:
    def check(instance: Any, report: Any) -> None:
        value = instance[name]
        if isinstance(value, int | float) and (value < limit if bound == "min" else value > limit):
            report(bound)

    return check


def _enforce_entry(model: Any, entry: Any, pointer: str) -> None:
    """``{"property": "name", "kind": "length", "min": 3, "message": "…"}``; ``property`` may be a list."""
    if not isinstance(entry, dict):
        raise _complaint(model, "must be an object", pointer)
    options = dict(entry)
    given = options.pop("property", None)
    names = given if isinstance(given, list) else [given]
    kind = options.pop("kind", None)
    if kind not in _KINDS:
        raise _complaint(
            model, f"the kind must be one of {', '.join(_KINDS)}, not {kind!r}", pointer + "/kind"
        )
    for name in names:
        if name not in model.definition.properties:
            raise _complaint(model, f"{name!r} is no property of {model.name}", pointer + "/property")
    if "with" in options:
        _check_pattern(model, options["with"], pointer + "/with")
    optional = {} if kind in ("presence", "absence") else _OPTIONAL
    model.validators.add(kind, *names, {**optional, **options})


def _check_pattern(model: Any, pattern: Any, pointer: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise _complaint(model, f"not a regular expression: {error}", pointer) from error


def _complaint(model: Any, message: str, pointer: str) -> ConfigurationError:
    return ConfigurationError(message, file=model.definition.source, pointer=pointer)
