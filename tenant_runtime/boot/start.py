"""An app's files → a running app.

In charge of: the order of a boot (loopback-boot): settings, data sources, mixins, models (bases first),
attaching, middleware, components, boot scripts, ``booted``. Must not know: sockets, the supervisor.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenant_runtime.app import App
from tenant_runtime.boot.components import start_components
from tenant_runtime.boot.loader import AppFiles, ModelFile, complaints_of_code, load_module, read_app
from tenant_runtime.boot.shapes import ModelEntry, check, warn_unknown
from tenant_runtime.boot.wiring import resolve_variables, wire_middleware
from tenant_runtime.builtin import behaviour, catalogue
from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.errors import ConfigurationError
from tenant_runtime.mixins.catalogue import apply_mixin
from tenant_runtime.model.build import build, configure
from tenant_runtime.model.declared import enforce
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.remoting.hooks import settle
from tenant_runtime.remoting.publish import WHEN, share, switches_for

#: LoopBack 2 settings that LoopBack 3 refuses to start with; here they are taken over or passed over.
LEFTOVERS = {
    "context": "request context is always on",
    "cors": "use the cors middleware of middleware.json",
}


async def boot(root: Path, environment: str | None = None) -> tuple[App, AppFiles]:
    """Read, build and start the app of a folder. Raises ConfigurationError with file, line and pointer."""
    app, files = await load_models(root, environment)
    try:
        wire_middleware(app, files)
        await start_components(app, files)
        await run_boot_scripts(app, files)
        publish(app, files)
    except ConfigurationError as error:
        raise files.located(error) from error.__cause__
    app.finish()
    await app.emit("booted")
    return app, files


async def load_models(root: Path, environment: str | None = None) -> tuple[App, AppFiles]:
    """The app with its data sources and models, but without middleware, components and boot scripts.

    Enough for tools that look at the models' stores. Raises ConfigurationError as ``boot`` does.
    """
    files = read_app(root, environment or os.environ.get("NODE_ENV") or "development")
    app = App(files.server, environment=files.environment)
    app.package = files.package
    try:
        apply_settings(app, files)
        create_data_sources(app, files)
        await define_models(app, files)
        attach_models(app, files)
    except ConfigurationError as error:
        raise files.located(error) from error.__cause__
    for warning in app.registry.resolve():
        files.warn(warning)
    enforce_validations(app, files)
    return app, files


def enforce_validations(app: App, files: AppFiles) -> None:
    """With the setting ``enforceValidations``: what LoopBack 3 reads from model files and ignores."""
    if not app.get("enforceValidations"):
        return
    files.warnings = [warning for warning in files.warnings if warning.pointer != "/validations"]
    for model in app.registry.models.values():
        try:
            enforce(model)
        except ConfigurationError as error:
            raise files.located(error) from error


def apply_settings(app: App, files: AppFiles) -> None:
    config = files.families["config"]
    file = files.family_file("config")
    app.settings.update(config)
    app.set("env", files.environment)
    app.settings.setdefault("restApiRoot", "/api")
    root = app.get("restApiRoot")
    if not isinstance(root, str) or not root.startswith("/"):
        raise ConfigurationError('must be a text that starts with "/"', file=file, pointer="/restApiRoot")
    remoting = config.get("remoting")
    for key, advice in LEFTOVERS.items():
        if isinstance(remoting, dict) and remoting.get(key) not in (None, False):
            files.warn(f"LoopBack 2 setting: {advice}", file, f"/remoting/{key}")


def create_data_sources(app: App, files: AppFiles) -> None:
    file = files.family_file("datasources")
    for name, settings in files.families["datasources"].items():
        if settings is None or settings is False:
            continue  # switched off by an overlay
        if not isinstance(settings, dict):
            raise ConfigurationError("must be an object", file=file, pointer=f"/{name}")
        resolved = resolve_variables(app, files, "datasources", settings)
        try:
            source = create_data_source(name, resolved, files.root)
        except ConfigurationError as error:
            error.file, error.pointer = file, error.pointer or f"/{name}"
            raise
        app.data_sources[name] = source


async def define_models(app: App, files: AppFiles) -> None:
    """Built-in models, then those of the app that are used, each after its base."""
    for name in catalogue.names():
        if name not in app.registry and name not in files.models:
            await define_builtin(app, files, name)
    entries = files.families["model-config"]
    wanted = [name for name in entries if name != "_meta" and not name.startswith("$")]
    for name in wanted:
        if name in files.models:
            await define_with_base(app, files, name, ())
        elif name not in app.registry:
            raise ConfigurationError(
                f'the model "{name}" is listed, but no file defines it',
                file=files.family_file("model-config"),
                pointer=f"/{name}",
            )


async def define_builtin(app: App, files: AppFiles, name: str) -> None:
    definition = catalogue.built(name, files.models)
    if definition is None:
        await define_model(app, files, ModelFile(name, "", catalogue.definition(name)))
    else:
        await equip(app, files, definition)


async def define_with_base(app: App, files: AppFiles, name: str, trail: tuple[str, ...]) -> None:
    if name in trail:
        circle = " → ".join((*trail, name))
        raise ConfigurationError(
            f"the models extend each other: {circle}", file=files.models[name].file, pointer="/base"
        )
    if name in app.registry and app.registry[name].definition.source == files.models[name].file:
        return
    base = base_of(files.models[name].json)
    if base in files.models:
        await define_with_base(app, files, base, (*trail, name))
    await define_model(app, files, files.models[name])


def base_of(json: dict[str, Any]) -> str:
    options = json.get("options") if isinstance(json.get("options"), dict) else {}
    for source in (json, options or {}):
        base = source.get("base", source.get("super"))
        if isinstance(base, str):
            return base
    return "PersistedModel"


async def define_model(app: App, files: AppFiles, source: ModelFile) -> None:
    """Definition, class, mixins, the code beside it."""

    def warn(message: str, pointer: str) -> None:
        files.warn(message, source.file, pointer)

    base_name = None if source.name == "Model" else base_of(source.json)
    base = app.registry.find(base_name) if base_name else None
    if base_name is not None and base is None:
        raise ConfigurationError(
            f'extends the unknown model "{base_name}"', file=source.file, pointer="/base"
        )
    definition = build(source.json, base.definition if base else None, file=source.file, warn=warn)
    model = await equip(app, files, definition)
    if source.code is not None:
        await run_setup(files, source.code, "setup", model)
    elif source.script:
        message = "this model's JavaScript is not run: its hooks and methods are missing until there is a .py"
        files.warn(message, source.script)


async def equip(app: App, files: AppFiles, definition: ModelDefinition) -> ModelClass:
    """The class of a definition, with its built-in behaviour and its mixins."""
    model = app.registry.define(definition)
    behaviour.equip(model)
    for name, options in definition.mixins.items():
        if options is not False:
            await use_mixin(files, model, name, options, definition.source)
    return model


async def use_mixin(files: AppFiles, model: ModelClass, name: str, options: Any, file: str) -> None:
    """A mixin of the app wins over a built-in one of the same name."""
    path = files.mixins.get(name) or files.mixins.get(name[:1].upper() + name[1:])
    if path is not None:
        await run_setup(files, path, "mixin", model, options if isinstance(options, dict) else {})
    elif apply_mixin(name, model, options):
        return
    elif name in files.script_mixins:
        files.warn(
            f"the mixin {name} of {model.name} is JavaScript, which is not run", files.script_mixins[name]
        )
    else:
        raise ConfigurationError(
            f'the mixin "{name}" is neither built in nor in the folder mixins',
            file=file,
            pointer=f"/mixins/{name}",
        )


async def run_setup(files: AppFiles, path: Path, function_name: str, *arguments: Any) -> None:
    module = load_module(files, path)
    function: Callable[..., Any] | None = getattr(module, function_name, None)
    if not callable(function):
        message = f"must define {function_name}({'Model' if function_name == 'setup' else 'Model, options'})"
        raise ConfigurationError(message, file=str(path.relative_to(files.root)))
    with complaints_of_code(files, path):
        await settle(function(*arguments))


def attach_models(app: App, files: AppFiles) -> None:
    """In the order of model-config.json."""
    file = files.family_file("model-config")
    for name, entry in files.families["model-config"].items():
        if name == "_meta" or name.startswith("$"):
            continue
        if not isinstance(entry, dict):
            raise ConfigurationError("must be an object", file=file, pointer=f"/{name}")
        check(ModelEntry, entry, file, (name,))
        warn_unknown(entry, ModelEntry, lambda message, pointer: files.warn(message, file, pointer), (name,))
        model = app.registry.get(name)
        configure(
            model.definition,
            entry,
            file=file,
            warn=lambda message, pointer: files.warn(message, file, pointer),
        )
        model.prepare()
        model.settings["public"] = entry.get("public") is not False
        source_name = entry.get("dataSource")
        if "dataSource" not in entry:
            files.warn("names no dataSource; write null for a model without one", file, f"/{name}")
        if not source_name:
            continue
        source = app.data_sources.get(source_name)
        if source is None:
            raise ConfigurationError(
                f'names the unknown data source "{source_name}"', file=file, pointer=f"/{name}/dataSource"
            )
        app.registry.attach(model, source)


async def run_boot_scripts(app: App, files: AppFiles) -> None:
    """``boot(app)`` of each file, one after another; the first failure ends the boot."""
    for path in files.boot_scripts:
        module = load_module(files, path)
        function = getattr(module, "boot", None)
        if callable(function):
            with complaints_of_code(files, path):
                result = function(app)
                if inspect.isawaitable(result):
                    await result


def publish(app: App, files: AppFiles) -> None:
    """Make the shared classes, in the order of model-config.json, and register remote hooks."""
    entries = files.families["model-config"]
    app.shared_classes = []
    for name in app.registry:
        model = app.registry.get(name)
        for when, pattern, hook in model.remote_hooks:
            app.remote_hooks.add(WHEN[when], f"{model.name}.{pattern}", hook)
    listed = [name for name in entries if name in app.registry]
    others = [name for name in app.registry if name not in entries and app.registry.get(name).data_source]
    attached = [*listed, *others]
    for name in attached:
        model = app.registry.get(name)
        switches = switches_for(
            app.settings, entries.get(name) or {}, files.family_file("model-config"), name
        )
        shared = share(model, switches, attached, files.warn)
        # Join models that relations made and base models have no entry; enable_auth makes User public.
        if model.settings.get("public", False) and model.name in (*entries, "User"):
            app.shared_classes.append(shared)
