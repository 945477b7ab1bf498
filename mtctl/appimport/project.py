"""Takes a LoopBack 2 or 3 project to a folder that mtgate can run, and says what is left to do.

In charge of: which files are read and written. The copy keeps the JavaScript, beside which the Python stands.
Must not know: JavaScript (``javascript``), the text of modules (``stubs``), the daemon.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import inflection
import json5

from mtctl.appimport import stubs
from mtctl.appimport.javascript import Finding, has_syntax_errors, scan
from mtctl.appimport.translate import translate_config
from mtgate.tenantdir.complaint import Complaint, InvalidFile
from mtgate.tenantdir.files import Folder, copy_tree
from mtgate.tenantdir.layout import FAMILIES, FLAT, PROJECT, Layout, detect

#: Boot scripts that LoopBack 2 generated and whose work the runtime does by itself.
_NEEDLESS = {"explorer.js": "component-config.json mounts it", "rest-api.js": "middleware.json mounts it"}


@dataclass(slots=True)
class Report:
    """What was done. Paths are relative to the application."""

    loopback: str = ""  # version wanted by package.json
    written: list[str] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def bring_over(source: Path, target: Path) -> Report:
    """Copy the project at ``source`` into the existing folder ``target`` and translate it there.

    InvalidFile when it is not a LoopBack application, or one of its JSON files cannot be read.
    """
    report = Report(left_out=copy_tree(source, target))
    with Folder(target) as folder:
        layout = detect(folder.names(), folder.names("server"))
        if layout.kind == "empty":
            raise InvalidFile(Complaint("is not a LoopBack application", str(source)))
        _Import(folder, layout, report).run()
    return report


class _Import:
    def __init__(self, folder: Folder, layout: Layout, report: Report) -> None:
        self.folder = folder
        self.layout = layout
        self.report = report

    def run(self) -> None:
        self._package()
        for name in FAMILIES:
            self._family(name)
        for place in self._folders("models"):
            self._models(place)
        for place in self._folders("mixins"):
            for path in self._sources(place):
                name = inflection.camelize(PurePosixPath(path).stem.replace("-", "_"))
                self._write(path, stubs.mixin_module(name, path, self._scan(path)))
        self._boot()
        for path in self._sources(self.layout.path("middleware")):
            self._write(path, stubs.middleware_module(path))
        for path in self._sources(self.layout.path("components")):
            self._write(path, stubs.component_module(path))
        self._server()

    def _package(self) -> None:
        try:
            package = json5.loads(self.folder.read("package.json"))
        except (FileNotFoundError, ValueError):
            return
        dependencies = package.get("dependencies") if isinstance(package, dict) else None
        if isinstance(dependencies, dict):
            self.report.loopback = str(dependencies.get("loopback", ""))

    def _family(self, name: str) -> None:
        """One configuration file with its overlays: comments taken out, what no longer exists too."""
        here = self.layout.server
        for file in self.folder.names(here):
            stem, dot, ending = file.rpartition(".")
            if not dot or not (stem == name or stem.startswith(f"{name}.")):
                continue
            path = self.layout.path(file)
            if ending == "json":
                document = self._json(path)
                for note in translate_config(name, document):
                    self._rewrite(path, document)
                    self.report.translated.append(f"{path}: {note}")
            elif ending == "js":
                self.report.todo.append(f"overlay in code, write it as {stem}.json or .py: {path}:1")

    def _json(self, path: str) -> Any:
        """A JSON file's value; one with comments or trailing commas is rewritten without them."""
        text = self.folder.read(path)
        try:
            return json.loads(text.removeprefix("\ufeff"))
        except ValueError:
            pass
        try:
            document = json5.loads(text)
        except ValueError as error:
            raise InvalidFile(Complaint(f"is not JSON: {error}", path)) from None
        self._rewrite(path, document)
        self.report.translated.append(f"{path}: comments removed")
        return document

    def _rewrite(self, path: str, document: Any) -> None:
        self.folder.write(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def _folders(self, kind: str) -> list[str]:
        found = {FLAT: (kind,), PROJECT: (f"common/{kind}", f"server/{kind}")}[self.layout]
        return [place for place in found if self.folder.names(place)]

    def _sources(self, place: str) -> Iterator[str]:
        """JavaScript files of a folder that have no Python beside them."""
        names = self.folder.names(place)
        for name in names:
            if name.endswith(".js") and name[:-3] + ".py" not in names:
                yield f"{place}/{name}"

    def _models(self, place: str) -> None:
        names = {}
        for file in self.folder.names(place):
            if file.endswith(".json"):
                document = self._json(f"{place}/{file}")
                if isinstance(document, dict) and isinstance(document.get("name"), str):
                    names[file[:-5]] = document["name"]
        for path in self._sources(place):
            stem = PurePosixPath(path).stem
            name = names.get(stem) or inflection.camelize(stem.replace("-", "_"))
            self._write(path, stubs.model_module(name, path, self._scan(path)))

    def _boot(self) -> None:
        for path in self._sources(self.layout.path("boot")):
            needless = _NEEDLESS.get(PurePosixPath(path).name)
            if needless:
                self.report.translated.append(f"{path}: not needed, {needless}")
            else:
                self._write(path, stubs.boot_module(path, self._scan(path)))

    def _server(self) -> None:
        """What server.js does beyond the generated one."""
        path = self.layout.path("server.js")
        if PurePosixPath(path).name not in self.folder.names(self.layout.server):
            return
        for finding in self._scan(path):
            if finding.kind in (
                "route",
                "middleware",
                "observe",
                "remote hook",
                "remote method",
                "role resolver",
            ):
                self.report.todo.append(
                    f"{finding.kind} in server.js, move it to a boot script: {path}:{finding.first_line}"
                )

    def _scan(self, path: str) -> list[Finding]:
        try:
            text = self.folder.read(path)
        except UnicodeDecodeError:
            self.report.todo.append(f"is not UTF-8, was not read: {path}:1")
            return []
        if has_syntax_errors(text):
            self.report.todo.append(f"has syntax that was not understood, look at it whole: {path}:1")
        return scan(text)

    def _write(self, original: str, module: stubs.Module) -> None:
        path = original.removesuffix(".js") + ".py"
        self.folder.write(path, module.text)
        self.report.written.append(path)
        self.report.todo += module.todo
        self.report.translated += [f"{path}: {what}" for what in module.translated]
