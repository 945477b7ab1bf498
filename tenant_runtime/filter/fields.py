"""``fields`` of a filter → the property names wanted (juggler ``utils.fieldsToArray``).

In charge of: the three shapes. Must not know: instances, stores.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.model.javascript import truthy


def fields_to_list(fields: Any, properties: list[str], exclude_unknown: bool) -> list[str] | None:
    """A name, names, or an object of switches; any true switch selects only the true ones. None is all."""
    if not truthy(fields) or fields == []:
        return None
    if isinstance(fields, str):
        names = [fields]
    elif isinstance(fields, list) and fields:
        names = [name for name in fields if isinstance(name, str)]
    elif isinstance(fields, dict):
        if not fields:
            return None
        included = [name for name, on in fields.items() if truthy(on)]
        names = included or [name for name in properties if name not in fields]
    else:
        names = list(properties)
    if exclude_unknown:
        return [name for name in names if name in properties]
    return names
