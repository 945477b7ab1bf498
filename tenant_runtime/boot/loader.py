"""Reads an app's folder into values: the five configuration families with their overlays, models, code files.

In charge of: finding and parsing files, in LoopBack's order. Must not know: what a model or a data source is.
Every complaint names file, line and JSON pointer. Source: loopback-boot, reference section 1.1.
"""

from __future__ import annotations

import importlib.util
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import inflection
from pydantic import BaseModel

from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.jsontext import line_of, parse
from mtgate.tenantdir.layout import FAMILIES, Layout, detect
from mtgate.tenantdir.merge import merge, overlays
from tenant_runtime.boot.shapes import Config, Meta, ModelFileShape, check
from tenant_runtime.errors import ConfigurationError

#: ``_meta`` entries that mean the built-in models and mixins of LoopBack itself.
BUILTIN_SOURCES = ("loopback/", "../node_modules/loopback/", "./node_modules/loopback/")


@dataclass(slots=True)
class ModelFile:
    """One model as written: its JSON, and the code beside it (None without)."""

    name: str
    file: str
    json: dict[str, Any]
    code: Path | None = None
    script: str = ""  # a JavaScript sibling that has no Python partner


@dataclass(slots=True)
class AppFiles:
    """Everything that was read. Paths in ``file`` members are relative to the tenant's folder."""

    root: Path  # the tenant's folder
    server: Path  # where config.json is
    layout: Layout
    environment: str
    families: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, ModelFile] = field(default_factory=dict)
    mixins: dict[str, Path] = field(default_factory=dict)
    script_mixins: dict[str, str] = field(default_factory=dict)  # JavaScript without a Python partner
    boot_scripts: list[Path] = field(default_factory=list)
    package: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    warnings: list[ConfigurationError] = field(default_factory=list)

    def family_file(self, family: str) -> str:
        return self.layout.path(family + ".json")

    def warn(self, message: str, file: str = "", pointer: str = "") -> None:
        self.warnings.append(self.located(ConfigurationError(message, file=file, pointer=pointer)))

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """The same complaint with its line, where the file's text is known."""
        if error.line is None and error.pointer and error.file in self.texts:
            error.line = line_of(self.texts[error.file], pointer_parts(error.pointer))
        return error


def check_family(
    files: AppFiles, shape: type[BaseModel], family: str, value: Any, at: tuple[str, ...] = ()
) -> None:
    try:
        check(shape, value, files.family_file(family), at)
    except ConfigurationError as error:
        raise files.located(error) from None


def pointer_parts(pointer: str) -> list[str | int]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return [int(part) if part.isdigit() else part for part in parts]


def read_app(root: Path, environment: str) -> AppFiles:
    """Raises ConfigurationError for the first file that cannot be used."""
    root = root.resolve()
    if not root.is_dir():
        raise ConfigurationError(f"{root} is not a folder")
    layout = detect(os.listdir(root), names_in(root / "server"))
    if layout.kind == "empty":
        raise ConfigurationError(
            "neither config.json, datasources.json nor model-config.json is here or in server/"
        )
    files = AppFiles(root, root / layout.server, layout, environment)
    for family in FAMILIES:
        files.families[family] = read_family(files, family)
    check_family(files, Config, "config", files.families["config"])
    meta = files.families["model-config"].get("_meta") or {}
    check_family(files, Meta, "model-config", meta, ("_meta",))
    read_models(files, source_folders(files, meta.get("sources"), layout.models))
    read_mixins(files, source_folders(files, meta.get("mixins"), layout.mixins))
    files.boot_scripts = find_scripts(files.server / "boot") + find_scripts(
        files.server / "boot" / environment
    )
    if (root / "package.json").is_file():
        files.package = read_json(files, root / "package.json")
    return files


def relative(files: AppFiles, path: Path) -> str:
    """As people name it: below the tenant's folder where it is there."""
    text, root = os.path.normpath(path), f"{files.root}/"
    return text.removeprefix(root) if text.startswith(root) else str(path)


def names_in(folder: str | Path) -> list[str]:
    """Of the files and folders in it; none where it is not there, or no folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_json(files: AppFiles, path: Path) -> dict[str, Any]:
    """A JSON file that must hold an object."""
    file = relative(files, path)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"not UTF-8 text: {error.reason}", file=file) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=file) from None
    files.texts[file] = text
    try:
        value = parse(text, file)
    except InvalidFile as error:
        first = error.first
        raise ConfigurationError(
            first.message, file=first.file, pointer=first.pointer, line=first.line
        ) from None
    if not isinstance(value, dict):
        raise ConfigurationError("must be a JSON object", file=file, line=1)
    return value


def read_family(files: AppFiles, family: str) -> dict[str, Any]:
    """``<family>.json`` with ``<family>.local`` and ``<family>.<environment>`` laid over it."""
    main = files.server / f"{family}.json"
    beside = set(names_in(files.server))
    extra = [
        overlay
        for name in overlays(family, files.environment)
        if (overlay := overlay_file(files, name, beside))
    ]
    if not main.is_file():
        for path in extra:
            files.warn(f"ignored, because there is no {family}.json", relative(files, path))
        return {}
    value = read_json(files, main)
    for path in extra:
        content = read_json(files, path) if path.suffix == ".json" else read_python_overlay(files, path)
        try:
            value = merge(family, value, content, relative(files, path))
        except InvalidFile as error:
            first = error.first
            raise files.located(
                ConfigurationError(first.message, file=first.file, pointer=first.pointer)
            ) from None
    return value


def overlay_file(files: AppFiles, name: str, beside: set[str]) -> Path | None:
    """Python wins over JSON, as JavaScript does in the original; a JavaScript overlay is only reported.

    ``beside`` are the names in the server folder.
    """
    if f"{name}.js" in beside:
        message = f"a JavaScript overlay is not run: write {name}.py with a dict named config, or {name}.json"
        files.warn(message, relative(files, files.server / f"{name}.js"))
    for suffix in (".py", ".json"):
        if name + suffix in beside:
            return files.server / (name + suffix)
    return None


def read_python_overlay(files: AppFiles, path: Path) -> dict[str, Any]:
    module = load_module(files, path)
    config = getattr(module, "config", None)
    if not isinstance(config, dict):
        raise ConfigurationError("must define a dict named config", file=relative(files, path))
    return config


def source_folders(files: AppFiles, sources: Any, default: tuple[str, ...]) -> list[Path]:
    """Folders of ``_meta``, relative to the server folder; LoopBack's own are built in."""
    if not isinstance(sources, list):
        return [files.root / folder for folder in default]
    return [
        files.server / source
        for source in sources
        if isinstance(source, str) and not source.startswith(BUILTIN_SOURCES)
    ]


def read_models(files: AppFiles, folders: list[Path]) -> None:
    for folder in folders:
        beside = names_in(folder)
        for file_name in sorted(beside, key=str.lower):
            if not file_name.endswith(".json") or file_name.startswith("_"):
                continue
            json = read_json(files, folder / file_name)
            stem = file_name.removesuffix(".json")
            name = json.setdefault("name", class_name(stem))
            file = relative(files, folder / file_name)
            try:
                check(ModelFileShape, json, file)
            except ConfigurationError as error:
                raise files.located(error) from None
            codes = (f"{stem}.py", stem.replace("-", "_") + ".py")
            code = next((folder / code for code in codes if code in beside), None)
            has_script = code is None and f"{stem}.js" in beside
            script = relative(files, folder / f"{stem}.js") if has_script else ""
            files.models[name] = ModelFile(name, file, json, code, script)


def read_mixins(files: AppFiles, folders: list[Path]) -> None:
    """By name in class case (``time-stamp.py`` is TimeStamp), unless a JSON beside it gives another."""
    for folder in folders:
        for path in find_scripts(folder):
            beside = path.with_suffix(".json")
            json = read_json(files, beside) if beside.is_file() else {}
            files.mixins[str(json.get("name") or class_name(path.stem))] = path
        for name in sorted(name for name in names_in(folder) if name.endswith(".js")):
            files.script_mixins[class_name(name.removesuffix(".js"))] = relative(files, folder / name)


def class_name(stem: str) -> str:
    """``purchase-order`` and ``purchase_order`` are PurchaseOrder."""
    return inflection.camelize(stem.replace("-", "_").replace(" ", "_"))


def find_scripts(folder: Path) -> list[Path]:
    """Python files in LoopBack's order: case does not matter, names that start with ``_`` are left out."""
    names = [name for name in names_in(folder) if name.endswith(".py") and not name.startswith("_")]
    return [folder / name for name in sorted(names, key=str.lower) if name != "index.py"]


def load_module(files: AppFiles, path: Path) -> ModuleType:
    """Run a tenant's Python file. An exception in it becomes a complaint with the line that raised it.

    What stands in its ``TODO`` (``mtctl import`` writes that) is warned about.
    """
    name = "tenant_app." + ".".join(Path(relative(files, path)).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with complaints_of_code(files, path):
        spec.loader.exec_module(module)
    for what in getattr(module, "TODO", ()):
        files.warn(f"not brought over yet: {what}", relative(files, path))
    return module


@contextmanager
def complaints_of_code(files: AppFiles, path: Path) -> Iterator[None]:
    """Turns an exception of tenant code at boot into a ConfigurationError with its file and line."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        file, line = place_of(files, path, error)
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigurationError(f"{type(error).__name__}: {message}", file=file, line=line) from error


def place_of(files: AppFiles, path: Path, error: Exception) -> tuple[str, int | None]:
    """The innermost line of the tenant's own code that the exception passed through."""
    file, line = relative(files, path), error.lineno if isinstance(error, SyntaxError) else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        here = Path(frame.f_code.co_filename)
        if here.is_relative_to(files.root):
            file, line = relative(files, here), number
    return file, line
