"""LoopBack's environment overlays and ``${name}`` substitution.

In charge of: the rules of loopback-boot for laying ``<family>.local`` and ``<family>.<env>`` over
``<family>.json``, and for replacing ``${name}``. Must not know: where the documents come from. Pure; no
function changes its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mtgate.tenantdir.complaint import Complaint, InvalidFile, pointer

Path = tuple[str | int, ...]

#: Stands for JavaScript's ``undefined``: an unresolved ``${name}``. A member with it is left out.
UNDEFINED = object()

_VARIABLE = re.compile(r"\$\{(\w+)\}\Z", re.ASCII)


def overlays(family: str, environment: str) -> tuple[str, str]:
    """File names, without extension, of the overlays of a family, in the order in which they apply."""
    return f"{family}.local", f"{family}.{environment}"


def merge(family: str, base: Mapping[str, Any], overlay: Mapping[str, Any], file: str) -> dict[str, Any]:
    """``overlay`` (from ``file``) laid over ``base``; raises InvalidFile where LoopBack refuses to boot.

    Objects merge, scalars replace, arrays must have one length and merge index by index, ``null`` replaces
    anything. In middleware, phases and names must exist in the main file.
    """
    if family == "middleware":
        return _merge_middleware(base, overlay, file)
    return _merge_objects(base, overlay, (), file)


def _merge_objects(
    base: Mapping[str, Any], overlay: Mapping[str, Any], path: Path, file: str
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = _merge_values(base.get(key), value, (*path, key), file)
    return merged


def _merge_values(base: Any, overlay: Any, path: Path, file: str) -> Any:
    if base is None or overlay is None:
        return overlay
    if isinstance(base, list) or isinstance(overlay, list):
        return _merge_arrays(base, overlay, path, file)
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        return _merge_objects(base, overlay, path, file)
    if isinstance(base, Mapping) or isinstance(overlay, Mapping):
        raise _refusal("cannot merge values of incompatible types", path, file)
    return overlay


def _merge_arrays(base: Any, overlay: Any, path: Path, file: str) -> list[Any]:
    if not (isinstance(base, list) and isinstance(overlay, list)):
        raise _refusal("cannot merge values of incompatible types", path, file)
    if len(base) != len(overlay):
        text = f"cannot merge arrays of different length ({len(base)} in the main file, {len(overlay)} here)"
        raise _refusal(text, path, file)
    return [
        _merge_values(a, b, (*path, index), file)
        for index, (a, b) in enumerate(zip(base, overlay, strict=True))
    ]


def _merge_middleware(base: Mapping[str, Any], overlay: Mapping[str, Any], file: str) -> dict[str, Any]:
    merged = dict(base)
    for phase, entries in overlay.items():
        if phase not in base:
            raise _refusal(f'the phase "{phase}" is not defined in middleware.json', (phase,), file)
        merged[phase] = dict(base[phase] or {})
        for name, config in (entries or {}).items():
            if name not in merged[phase]:
                text = f'the middleware "{name}" of phase "{phase}" is not defined in middleware.json'
                raise _refusal(text, (phase, name), file)
            merged[phase][name] = _merge_entry(merged[phase][name], config, (phase, name), file)
    return merged


def _merge_entry(base: Any, overlay: Any, path: Path, file: str) -> Any:
    """One middleware's configuration; lists of configurations are matched by ``name``, the rest appended."""
    if not isinstance(base, list) and not isinstance(overlay, list):
        return _merge_values(base, overlay, path, file)
    return _merge_named(_as_list(base), _as_list(overlay), path, file)


def _as_list(config: Any) -> list[Any]:
    if isinstance(config, list):
        return config
    return [config] if config else []


def _merge_named(base: list[Any], overlay: list[Any], path: Path, file: str) -> list[Any]:
    merged = list(base)
    for index, item in enumerate(overlay):
        name = item.get("name") if isinstance(item, Mapping) else None
        place = next((i for i, other in enumerate(merged) if name and other.get("name") == name), None)
        if place is None:
            merged.append(item)
        else:
            merged[place] = _merge_objects(merged[place], item, (*path, index), file)
    return merged


def _refusal(message: str, path: Path, file: str) -> InvalidFile:
    return InvalidFile(Complaint(message, file, pointer(path)))


def substitute(value: Any, lookup: Callable[[str], Any], unresolved: Callable[[str, Path], None]) -> Any:
    """``value`` with each string that ends in ``${name}`` replaced, as a whole, by ``lookup(name)``.

    ``lookup`` answers UNDEFINED for a name it does not know; ``unresolved`` is then told the name and the
    path, and the member is left out (``null`` in an array). A result keeps its own type.
    """
    return _substituted(value, lookup, unresolved, ())


def _substituted(
    value: Any, lookup: Callable[[str], Any], unresolved: Callable[[str, Path], None], path: Path
) -> Any:
    if isinstance(value, str):
        match = _VARIABLE.search(value)
        if match is None:
            return value
        found = lookup(match.group(1))
        if found is UNDEFINED:
            unresolved(match.group(1), path)
        return found
    if isinstance(value, list):
        items = [_substituted(item, lookup, unresolved, (*path, i)) for i, item in enumerate(value)]
        return [None if item is UNDEFINED else item for item in items]
    if isinstance(value, Mapping):
        members = {key: _substituted(item, lookup, unresolved, (*path, key)) for key, item in value.items()}
        return {key: item for key, item in members.items() if item is not UNDEFINED}
    return value
