"""``component-config.json`` → running components.

In charge of: finding each component by name and calling its ``setup(app, config)``. Must not know: what it
does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from mtgate.tenantdir.complaint import pointer, suggestion
from tenant_runtime.app import App
from tenant_runtime.boot.loader import AppFiles, complaints_of_code, load_module
from tenant_runtime.boot.wiring import find_code, missing_code, resolve_variables
from tenant_runtime.components.catalogue import BUILT_IN
from tenant_runtime.errors import ConfigurationError
from tenant_runtime.remoting.hooks import settle


async def start_components(app: App, files: AppFiles) -> None:
    """In the order of the file; a value that is false in JavaScript (``{}`` is not) switches one off."""
    file = files.family_file("component-config")
    for name, config in files.families["component-config"].items():
        if config is None or config is False or config in (0, ""):
            continue
        if not isinstance(config, dict):
            config = {}
        config = resolve_variables(app, files, "component-config", config)
        where = pointer([name])
        if name.startswith(("./", "../")):
            await start_local(app, files, name, config, where)
            continue
        if name in BUILT_IN:
            await settle(imported(BUILT_IN[name], file, where)(app, config))
        elif ":" in name:
            await settle(imported(name, file, where)(app, config))
        elif config.get("optional"):
            files.warn(f'the component "{name}" is not there, and optional', file, where)
        else:
            message = f'unknown component "{name}".{suggestion(name, BUILT_IN)} Write null to switch it off.'
            raise ConfigurationError(message, file=file, pointer=where)


def imported(place: str, file: str, where: str) -> Callable[..., Any]:
    module_name, _, attribute = place.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"cannot be imported: {error}", file=file, pointer=where) from None
    return found


async def start_local(app: App, files: AppFiles, name: str, config: dict[str, Any], where: str) -> None:
    path = find_code(files, name)
    file = files.family_file("component-config")
    if path is None:
        raise ConfigurationError(missing_code(files, name), file=file, pointer=where)
    function = getattr(load_module(files, path), "setup", None)
    if not callable(function):
        raise ConfigurationError("must define setup(app, config)", file=str(path.relative_to(files.root)))
    with complaints_of_code(files, path):
        await settle(function(app, config))
