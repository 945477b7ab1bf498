"""Reads the imports of the three packages and holds the house plan of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("mtgate", "mtctl", "tenant_runtime")

#: Leaf packages of mtgate that the other two may import.
SHARED = (
    "mtgate.tenantdir",
    "mtgate.http1",
    "mtgate.notify",
    "mtgate.control.schema",
    "mtgate.sandbox",
    "mtgate.settings",
    "mtgate.paths",
)

#: Modules that decide; they may not touch trio, sockets, files, processes or clocks.
PURE = (
    "mtgate.tenantdir.layout",
    "mtgate.tenantdir.schema",
    "mtgate.tenantdir.merge",
    "mtgate.tenantdir.complaint",
    "mtgate.tenantdir.jsontext",
    "mtgate.tenantdir.template",
    "mtgate.paths",
    "mtgate.http1.message",
    "mtgate.http1.strict",
    "mtgate.http1.framing",
    "mtgate.http1.fields",
    "mtgate.http1.heads",
    "mtgate.notify",
    "mtgate.control.schema",
    "mtgate.control.routes",
    "mtgate.control.openapi",
    "mtgate.supervisor.unit",
    "mtgate.supervisor.restart",
    "mtgate.supervisor.spec",
    "mtgate.supervisor.reconcile",
    "mtgate.proxy.routing",
    "mtgate.proxy.rewrite",
    "mtgate.proxy.exchange",
    "mtgate.proxy.pool",
    "mtgate.proxy.rate",
    "mtgate.proxy.pages",
    "mtgate.proxy.proxy_protocol",
    "mtctl.render",
    "mtctl.exits",
    "mtctl.options",
    "tenant_runtime.errors",
    "tenant_runtime.model.definition",
    "tenant_runtime.model.build",
    "tenant_runtime.model.dates",
    "tenant_runtime.model.inspection",
    "tenant_runtime.model.javascript",
    "tenant_runtime.model.keys",
    "tenant_runtime.model.names",
    "tenant_runtime.model.property_types",
    "tenant_runtime.model.types",
    "tenant_runtime.filter.query",
    "tenant_runtime.filter.fields",
    "tenant_runtime.filter.geo",
    "tenant_runtime.filter.parse",
    "tenant_runtime.filter.where",
    "tenant_runtime.filter.evaluate",
    "tenant_runtime.connectors.base",
    "tenant_runtime.connectors.sql.columns",
    "tenant_runtime.connectors.sql.compile",
    "tenant_runtime.connectors.sql.ddl",
    "tenant_runtime.connectors.sql.diff",
    "tenant_runtime.connectors.sql.discover",
    "tenant_runtime.connectors.sql.operations",
    "tenant_runtime.connectors.sql.raw",
    "tenant_runtime.connectors.sql.settings",
    "tenant_runtime.connectors.sql.tables",
    "tenant_runtime.connectors.sql.values",
    "tenant_runtime.connectors.mongodb.commands",
    "tenant_runtime.connectors.mongodb.compile",
    "tenant_runtime.connectors.mongodb.ids",
    "tenant_runtime.connectors.mongodb.mapping",
    "tenant_runtime.connectors.mongodb.indexes",
    "tenant_runtime.connectors.mongodb.options",
    "tenant_runtime.connectors.mongodb.discovery",
    "tenant_runtime.remoting.shared_method",
    "tenant_runtime.remoting.coercion",
    "tenant_runtime.remoting.errors",
    "tenant_runtime.remoting.negotiate",
    "tenant_runtime.remoting.shared_class",
    "tenant_runtime.remoting.routes",
    "tenant_runtime.remoting.hooks",
    "tenant_runtime.remoting.json",
    "tenant_runtime.remoting.xml",
    "tenant_runtime.remoting.publish",
    "tenant_runtime.remoting.persisted_methods",
    "tenant_runtime.remoting.relation_methods",
    "tenant_runtime.middleware.pipeline",
    "tenant_runtime.boot.shapes",
    "tenant_runtime.querystring",
    "tenant_runtime.web",
    "tenant_runtime.access.acl",
    "tenant_runtime.access.context",
    "tenant_runtime.access.families",
    "tenant_runtime.access.reach",
    "tenant_runtime.builtin.credentials",
    "tenant_runtime.builtin.email_address",
    "tenant_runtime.builtin.throttle",
    "tenant_runtime.builtin.user_hooks",
    "tenant_runtime.builtin.user_remotes",
    "tenant_runtime.model.call_options",
    "tenant_runtime.model.declared",
    "tenant_runtime.explorer.schemas",
    "tenant_runtime.explorer.swagger",
    "tenant_runtime.explorer.openapi",
)
IMPURE_LIBRARIES = {"trio", "socket", "select", "signal", "subprocess", "os", "time", "threading", "pymongo"}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """Absolute names of everything that the module imports, functions' imports included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def top(name: str) -> str:
    return name.split(".", 1)[0]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_packages_import_one_way_only(name: str) -> None:
    for wanted in imports(MODULES[name]):
        if top(wanted) not in PACKAGES or top(wanted) == top(name):
            continue
        assert top(wanted) == "mtgate", f"{name} imports {wanted}"
        assert any((wanted + ".").startswith(leaf + ".") for leaf in SHARED), f"{name} imports {wanted}"


@pytest.mark.parametrize("name", [name for name in PURE if name in MODULES])
def test_pure_modules_stay_pure(name: str) -> None:
    assert not {top(wanted) for wanted in imports(MODULES[name])} & IMPURE_LIBRARIES


def test_init_files_are_empty() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            assert not path.read_text("utf-8").strip(), f"{path} is not empty"


def test_no_import_cycles() -> None:
    """At module level: imports inside functions are allowed where a connector is loaded by name."""
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        wanted: set[str] = set()
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                wanted.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                wanted.add(node.module or "")
                wanted.update(f"{node.module}.{alias.name}" for alias in node.names)
        graph[name] = {other for other in wanted if other in MODULES and other != name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
