"""``middleware.json`` and ``component-config.json`` → the app's pipeline and components.

In charge of: phases, ``enabled``, ``paths``, ``methods``, ``params``, ``optional``, ``${…}`` and ``$!``. Must
not know: what a layer or a component does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mtgate.tenantdir.complaint import pointer, suggestion
from mtgate.tenantdir.merge import UNDEFINED, substitute
from tenant_runtime.app import App
from tenant_runtime.boot.loader import AppFiles, complaints_of_code, load_module
from tenant_runtime.boot.shapes import Entry, check
from tenant_runtime.errors import ConfigurationError
from tenant_runtime.middleware.catalogue import CATALOGUE, WITHOUT_COUNTERPART, Made, from_code, make
from tenant_runtime.middleware.pipeline import as_methods, base_phase

KNOWN_KEYS = frozenset({"enabled", "name", "params", "paths", "methods", "verbs", "optional", "//"})

#: An app without middleware.json: older ones mounted the REST layer in their JavaScript.
WITHOUT_FILE: dict[str, Any] = {
    "routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}},
    "final": {"loopback#urlNotFound": {}},
    "final:after": {"strong-error-handler": {}},
}


def resolve_variables(app: App, files: AppFiles, family: str, value: Any) -> Any:
    """``${name}`` at the end of a text: from the environment, else from the app's settings."""

    def lookup(name: str) -> Any:
        found = os.environ.get(name, app.get(name))
        return UNDEFINED if found is None else found

    def unresolved(name: str, path: tuple[str | int, ...]) -> None:
        message = f'"${{{name}}}" is neither in the environment nor in config.json; the member is left out'
        files.warn(message, files.family_file(family), pointer(path))

    return substitute(value, lookup, unresolved)


def wire_middleware(app: App, files: AppFiles) -> None:
    """Place every entry; raises ConfigurationError for one that cannot be."""
    config = files.families["middleware"]
    if files.family_file("middleware") not in files.texts:
        config = WITHOUT_FILE
    app.define_phases(list(dict.fromkeys(base_phase(phase) for phase in config)))
    for phase, entries in config.items():
        if not isinstance(entries, dict):
            raise complaint(files, "must be an object of middleware names", phase)
        for name, entry in entries.items():
            several = entry if isinstance(entry, list) else [entry]
            for index, one in enumerate(several):
                where = [phase, name, *([index] if isinstance(entry, list) else [])]
                if not isinstance(one, dict):
                    raise complaint(files, "must be an object", *where)
                wire_entry(app, files, phase, name, resolve_variables(app, files, "middleware", one), where)


def complaint(files: AppFiles, message: str, *where: Any) -> ConfigurationError:
    error = ConfigurationError(message, file=files.family_file("middleware"), pointer=pointer(where))
    return files.located(error)


def wire_entry(
    app: App, files: AppFiles, phase: str, name: str, entry: dict[str, Any], where: list[Any]
) -> None:
    for key in entry.keys() - KNOWN_KEYS:
        files.warn(
            f'unknown key "{key}".{suggestion(key, KNOWN_KEYS)}',
            files.family_file("middleware"),
            pointer([*where, key]),
        )
    check(Entry, entry, files.family_file("middleware"), tuple(where))
    if entry.get("enabled") is False:
        return
    params = entry.get("params")
    params = [] if params is None else params if isinstance(params, list) else [params]
    params = [resolve_paths(files.server, param) for param in params]
    try:
        made = make_entry(app, files, name, params, optional=bool(entry.get("optional")))
    except (ConfigurationError, ValueError, TypeError) as error:
        if isinstance(error, ConfigurationError) and error.file:
            raise
        raise complaint(files, str(error), *where) from error
    if made is None:
        reason = WITHOUT_COUNTERPART.get(name, "not installed, and optional")
        files.warn(f'"{name}" is left out: {reason}', files.family_file("middleware"), pointer(where))
        return
    app.place(
        phase,
        made.layer,
        paths=entry_paths(entry.get("paths")),
        methods=as_methods(entry.get("methods") or entry.get("verbs")),
        error=made.error,
        name=name,
    )


def make_entry(app: App, files: AppFiles, name: str, params: list[Any], *, optional: bool) -> Made | None:
    if name.startswith(("./", "../", "$!")):
        return local_middleware(files, name, params, optional=optional)
    try:
        return make(app, name, params)
    except ConfigurationError as error:
        if optional:
            return None
        near = suggestion(name, CATALOGUE)
        raise ConfigurationError(
            error.message + (near if error.message.startswith("unknown") else "")
        ) from None


def local_middleware(files: AppFiles, name: str, params: list[Any], *, optional: bool) -> Made | None:
    """``./middleware/audit`` or ``./middleware/audit#factory``: a Python file of the app."""
    path_text, _, fragment = name.partition("#")
    path = find_code(files, path_text)
    if path is None:
        if optional:
            return None
        raise ConfigurationError(missing_code(files, path_text))
    module = load_module(files, path)
    factory = getattr(module, fragment or "factory", None)
    if not callable(factory):
        raise ConfigurationError(f"{path_text}.py must define {fragment or 'factory'}(*params)")
    with complaints_of_code(files, path):
        return from_code(factory, params)


def find_code(files: AppFiles, name: str) -> Path | None:
    """The Python file that a local name of a configuration file means."""
    base = (files.server / name.removeprefix("$!")).resolve()
    for path in (base.with_suffix(".py"), base / "__init__.py", base / "index.py"):
        if path.is_file():
            return path
    return None


def missing_code(files: AppFiles, name: str) -> str:
    """The complaint about a local name without a Python file; it says so when JavaScript is there."""
    base = (files.server / name.removeprefix("$!")).resolve()
    if base.with_suffix(".js").is_file() or (base / "index.js").is_file():
        return (
            f"{name} is JavaScript, which is not run: write {name}.py, or let mtctl import make a stub of it"
        )
    return f"there is no {name}.py"


def resolve_paths(server: Path, value: Any) -> Any:
    """``$!./x`` and ``$!../x`` are paths relative to the server folder."""
    if isinstance(value, str) and value.startswith(("$!./", "$!../")):
        return str((server / value[2:]).resolve())
    if isinstance(value, list):
        return [resolve_paths(server, item) for item in value]
    if isinstance(value, dict):
        return {key: resolve_paths(server, item) for key, item in value.items()}
    return value


def entry_paths(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return tuple(str(path) for path in value) if isinstance(value, list) else (str(value),)
