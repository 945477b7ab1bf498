"""Making and changing applications: scaffold, copy, add a model.

In charge of: what is written where, and that nothing an author wrote is destroyed. Must not know: the
supervisor. Raises InvalidFile for a file that cannot be read as it should, FileExistsError for what is there
already.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mtgate.tenantdir import template
from mtgate.tenantdir.complaint import Complaint, InvalidFile, suggestion
from mtgate.tenantdir.files import Folder, copy_tree, new_folder
from mtgate.tenantdir.jsontext import parse, with_member
from mtgate.tenantdir.layout import TENANT_FILE, Layout, detect

_MODEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_PROPERTY_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,127}")


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model to add. ``properties`` maps names to LoopBack property definitions."""

    name: str
    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: str = "PersistedModel"
    plural: str | None = None
    data_source: str | None = None
    public: bool = True


@dataclass(slots=True)
class Changes:
    """Paths, relative to the tenant's folder, that a change wrote."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def scaffold(tenants: Path, tenant_id: str) -> None:
    """Make ``tenants/<id>`` with a complete application."""
    with new_folder(tenants, tenant_id) as work, Folder(work) as folder:
        for relative, text in template.application().items():
            folder.write(relative, text)
        for relative in template.FOLDERS:
            folder.make_folder(relative)


def copy_app(source: Path, tenants: Path, tenant_id: str) -> list[str]:
    """Make ``tenants/<id>`` from the application at ``source``; answers what was left out.

    InvalidFile when ``source`` is not an application in one of the two layouts.
    """
    if not source.is_dir():
        raise InvalidFile(Complaint("there is no such folder", str(source)))
    names = os.listdir(source)
    server = os.listdir(source / "server") if (source / "server").is_dir() else []
    if detect(names, server).kind == "empty" and TENANT_FILE not in names:
        raise InvalidFile(
            Complaint(
                "is not an application: neither it nor its server/ has a config.json, datasources.json or "
                "model-config.json, and it has no tenant.json with a command",
                str(source),
            )
        )
    if tenants.absolute().is_relative_to(source.absolute()):
        raise InvalidFile(
            Complaint("holds the tenants' folder; it cannot be copied into itself", str(source))
        )
    with new_folder(tenants, tenant_id) as work:
        return copy_tree(source, work)


def layout_of(folder: Folder) -> Layout:
    """The layout of an existing folder."""
    return detect(folder.names(), folder.names("server"))


def add_model(path: Path, model: NewModel) -> Changes:
    """Write a model's JSON and Python files and its entry in model-config.json.

    A model that exists gets the properties it does not have yet; FileExistsError when it has one of them
    with another definition. ``changes`` is empty when everything was there already.
    """
    _check_names(model)
    with Folder(path) as folder:
        layout = layout_of(folder)
        if layout.kind == "empty":
            raise InvalidFile(Complaint("the tenant's folder holds no LoopBack application"))
        config_file = layout.path("model-config.json")
        config_text, config = _read_object(folder, config_file)
        data_source = _data_source(folder, layout, model.data_source)
        changes = Changes()
        json_file = _existing(folder, layout, config, model.name)
        if json_file:
            _extend(folder, json_file, model, changes)
        else:
            json_file = f"{_target_folder(folder, layout, config)}/{template.file_name(model.name)}.json"
            _create(folder, json_file, model, changes)
        if model.name not in config:
            entry = {"dataSource": data_source, "public": model.public}
            folder.write(config_file, with_member(config_text or "{}\n", (), model.name, entry))
            (changes.changed if config_text else changes.created).append(config_file)
        return changes


def add_definition(path: Path, definition: dict[str, Any], data_source: str) -> Changes:
    """Write a whole model definition (``name`` included) and its entry in model-config.json.

    What is there already is left as it is: a model's file is never overwritten, its entry never changed.
    """
    name = str(definition["name"])
    _check_names(NewModel(name))
    with Folder(path) as folder:
        layout = layout_of(folder)
        config_file = layout.path("model-config.json")
        config_text, config = _read_object(folder, config_file)
        changes = Changes()
        if _existing(folder, layout, config, name) is None:
            json_file = f"{_target_folder(folder, layout, config)}/{template.file_name(name)}.json"
            folder.write(json_file, json.dumps(definition, indent=2, ensure_ascii=False) + "\n")
            changes.created.append(json_file)
        if name not in config:
            entry = {"dataSource": data_source, "public": True}
            folder.write(config_file, with_member(config_text or "{}\n", (), name, entry))
            (changes.changed if config_text else changes.created).append(config_file)
        return changes


def _check_names(model: NewModel) -> None:
    if not _MODEL_NAME.fullmatch(model.name):
        raise InvalidFile(
            Complaint(f'"{model.name}" cannot be a model\'s name: letters, digits, "_" and "-"')
        )
    for name in model.properties:
        if not _PROPERTY_NAME.fullmatch(name):
            raise InvalidFile(Complaint(f'"{name}" cannot be a property\'s name: letters, digits, "_", "$"'))


def _read_object(folder: Folder, relative: str) -> tuple[str, dict[str, Any]]:
    """Text and value of a JSON file that must hold an object; ("", {}) when it does not exist."""
    try:
        text = folder.read(relative)
    except FileNotFoundError:
        return "", {}
    except UnicodeDecodeError:
        raise InvalidFile(Complaint("is not UTF-8", relative)) from None
    document = parse(text, relative)
    if not isinstance(document, dict):
        raise InvalidFile(Complaint("must be a JSON object", relative, "", 1))
    return text, document


def _data_source(folder: Folder, layout: Layout, wanted: str | None) -> str | None:
    """The data source for a new model: the wanted one, ``db``, or the only one."""
    _, sources = _read_object(folder, layout.path("datasources.json"))
    if wanted is not None:
        if wanted not in sources:
            known = f" Known: {', '.join(sources)}." if sources else ""
            near = suggestion(wanted, sources) or known
            raise InvalidFile(Complaint(f'there is no data source "{wanted}".{near}', "datasources.json"))
        return wanted
    if "db" in sources or not sources:
        return "db" if sources else None
    return next(iter(sources)) if len(sources) == 1 else None


def _model_folders(folder: Folder, layout: Layout, config: dict[str, Any]) -> list[str]:
    """Folders of models that exist, in the order of model-config.json's ``_meta.sources``."""
    meta = config.get("_meta")
    sources = meta.get("sources") if isinstance(meta, dict) else None
    found: list[str] = []
    for source in sources if isinstance(sources, list) else []:
        relative = _inside(layout.server, str(source))
        if relative and relative not in found and folder.names(relative):
            found.append(relative)
    return found + [name for name in layout.models if name not in found and folder.names(name)]


def _inside(base: str, relative: str) -> str | None:
    """``relative`` (to ``base``) as a path relative to the tenant's folder; None when it leads out."""
    normal = os.path.normpath(PurePosixPath(base, relative))
    return None if normal.startswith(("/", "..")) else normal


def _target_folder(folder: Folder, layout: Layout, config: dict[str, Any]) -> str:
    """Where a new model is written: the layout's first folder, or the one that already has models."""
    existing = _model_folders(folder, layout, config)
    return layout.models[0] if layout.models[0] in existing or not existing else existing[0]


def _existing(folder: Folder, layout: Layout, config: dict[str, Any], name: str) -> str | None:
    """The JSON file in which a model of that name is defined."""
    for relative in _model_folders(folder, layout, config):
        for file in folder.names(relative):
            if not file.endswith(".json") or file.startswith(("_", ".")):
                continue
            path = f"{relative}/{file}"
            _, document = _read_object(folder, path)
            if document.get("name") == name or (
                "name" not in document and file == f"{template.file_name(name)}.json"
            ):
                return path
    return None


def _create(folder: Folder, json_file: str, model: NewModel, changes: Changes) -> None:
    folder.write(json_file, template.model(model.name, model.base, model.plural, model.properties))
    changes.created.append(json_file)
    code_file = json_file.removesuffix(".json") + ".py"
    if PurePosixPath(code_file).name not in folder.names(str(PurePosixPath(code_file).parent)):
        folder.write(code_file, template.model_code(model.name, PurePosixPath(json_file).name))
        changes.created.append(code_file)


def _extend(folder: Folder, json_file: str, model: NewModel, changes: Changes) -> None:
    text, document = _read_object(folder, json_file)
    present = document.get("properties")
    if not isinstance(present, dict):
        text, present = with_member(text, (), "properties", {}), {}
    before = text
    for name, definition in model.properties.items():
        if name not in present:
            text = with_member(text, ("properties",), name, definition)
        elif _normal(present[name]) != _normal(definition):
            raise FileExistsError(
                f'{json_file} has a property "{name}" with another definition; edit it there'
            )
    if text != before:
        folder.write(json_file, text)
        changes.changed.append(json_file)


def _normal(definition: Any) -> Any:
    """A property's definition with the shorthand ``"string"`` spelled out."""
    normal = definition if isinstance(definition, dict) else {"type": definition}
    return {key: value for key, value in normal.items() if value is not False}
