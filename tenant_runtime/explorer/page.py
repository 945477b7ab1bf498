"""The explorer: ``loopback-component-explorer`` of component-config.json.

In charge of: the page, its files, config.json, swagger.json and openapi.json below ``mountPath``. What the
documents say is ``swagger`` and ``openapi``. Nothing is loaded from another address.

Source: loopback-component-explorer 6.5.
"""

from __future__ import annotations

import html
import mimetypes
import re
from collections.abc import Iterable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import swagger_ui_bundle

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.explorer import openapi, swagger
from tenant_runtime.explorer.schemas import Documented, RelatedTo
from tenant_runtime.remoting.rest_adapter import full_routes
from tenant_runtime.web import Next, WebRequest, WebResponse

UI = Path(__file__).parent / "ui"
SWAGGER_UI = Path(str(swagger_ui_bundle.swagger_ui_path))
#: What the page uses of Swagger UI; the rest of the package is not served.
SWAGGER_UI_FILES = frozenset(
    [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "favicon-16x16.png",
        "favicon-32x32.png",
        "oauth2-redirect.html",
    ]
)
JSON = b"application/json; charset=utf-8"


def setup(app: Any, options: dict[str, Any]) -> None:
    """Mount it. The documents are made when first asked for, and again after methods changed."""
    options = {"mountPath": "/explorer", **options}
    mount = "/" + str(options["mountPath"]).strip("/")
    app.middleware("routes", Explorer(app, options, mount), paths=(mount,))


class Explorer:
    """The layer below ``mountPath``."""

    def __init__(self, app: Any, options: dict[str, Any], mount: str) -> None:
        self.app = app
        self.options = options
        self.mount = mount
        self.resource_path = "/" + str(options.get("resourcePath") or "swagger.json").lstrip("/")
        self.folders = [*ui_folders(app.root, options.get("uiDirs")), UI]
        self._swagger: dict[str, Any] = {}
        self._made_for: Any = None  # the routing table of the time

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        if request.method not in ("GET", "HEAD"):
            return await next(request)
        path = request.path
        if path == "/config.json":
            return json_response(self.config(request))
        if path == self.resource_path:
            return json_response(self.swagger(request))
        if path == "/openapi.json":
            return json_response(openapi.document(self.swagger(request)))
        if self.options.get("swaggerUI", True):
            answer = self.file(request, path)
            if answer is not None:
                return answer
        return await next(request)

    # -- documents ------------------------------------------------------------------------------------------

    def config(self, request: WebRequest) -> dict[str, Any]:
        """Where the document is, as the browser sees it: taken from the page's own address, the Referer."""
        source = re.sub(r"/index\.html\Z", "", urlsplit(request.header("referer") or "").path)
        if not source:
            source = request.prefix + request.original_url.partition("?")[0].removesuffix("/config.json")
        config = {"url": source.rstrip("/") + self.resource_path}
        return config if self.options.get("auth") is None else {**config, "auth": self.options["auth"]}

    def swagger(self, request: WebRequest) -> dict[str, Any]:
        """The document; its ``basePath`` begins with the gateway's prefix for this tenant."""
        if self._made_for is not self.app.adapter.table:
            self._swagger, self._made_for = self.make(), self.app.adapter.table
        if not request.prefix:
            return self._swagger
        return {**self._swagger, "basePath": request.prefix + self._swagger["basePath"]}

    def make(self) -> dict[str, Any]:
        app = self.app
        extensions = app.get("swagger")
        options = {
            "apiInfo": app.get("apiInfo") or {},
            "basePath": app.get("restApiRoot") or "/api",
            **self.options,
        }
        package = app.package
        return swagger.document(
            routes(app),
            models(app),
            options,
            extensions if isinstance(extensions, dict) else {},
            swagger.Package(package.get("name"), package.get("version"), package.get("description")),
        )

    # -- files ----------------------------------------------------------------------------------------------

    def file(self, request: WebRequest, path: str) -> WebResponse | None:
        if request.original_url.partition("?")[0].endswith(self.mount):
            return redirect(request.prefix + request.original_url.partition("?")[0] + "/")
        name = path.lstrip("/") or "index.html"
        found = find(self.folders, name)
        if found is None and name in SWAGGER_UI_FILES:
            found = SWAGGER_UI / name
        return None if found is None else file_response(request, found)


def routes(app: Any) -> Iterable[swagger.DocumentedRoute]:
    """All routes of the app's shared classes, with the paths that the REST adapter gives them."""
    adapter = app.adapter
    for shared_class in app.shared_classes:
        root = "/" + adapter.class_path(shared_class).strip("/")
        for method in shared_class.methods():
            for path, verb in full_routes(method):
                below = adapter.spelt(shared_class, path)
                yield swagger.DocumentedRoute(
                    shared_class, method, verb, root + ("" if below == "/" else below)
                )


def models(app: Any) -> dict[str, Documented]:
    """Every model of the app by name, public or not: those that a public one refers to are shown."""
    found = {}
    for name in app.registry:
        model = app.registry[name]
        relations = {
            key: RelatedTo(
                relation.kind,
                relation.model_to.name,
                includable=not (relation.options or {}).get("disableInclude"),
            )
            for key, relation in model.relations.items()
            if relation.model_to is not None
        }
        found[name] = Documented(model.definition, relations)
    return found


def ui_folders(root: Path, value: Any) -> list[Path]:
    """``uiDirs``: folders whose files are served in the place of the explorer's own."""
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            "uiDirs must be a folder's name or a list of them",
            file="component-config.json",
            pointer="/loopback-component-explorer/uiDirs",
        )
    return [root / name for name in names]


def find(folders: list[Path], name: str) -> Path | None:
    """The first file of that name; never one outside its folder."""
    for folder in folders:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    return None


def file_response(request: WebRequest, path: Path) -> WebResponse:
    status = path.stat()
    etag = f'W/"{status.st_size:x}-{status.st_mtime_ns // 1_000_000:x}"'
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/javascript":
        kind += "; charset=UTF-8"
    headers = [
        (b"cache-control", b"public, max-age=0"),
        (b"last-modified", formatdate(status.st_mtime, usegmt=True).encode()),
        (b"etag", etag.encode()),
        (b"content-type", kind.encode()),
    ]
    if request.header("if-none-match") == etag:
        return WebResponse(304, headers[:3], b"")
    return WebResponse(200, headers, path.read_bytes())


def json_response(value: Any) -> WebResponse:
    return WebResponse(200, [(b"content-type", JSON)], orjson.dumps(value))


def redirect(location: str) -> WebResponse:
    shown = html.escape(location)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Redirecting</title>\n'
        f'</head>\n<body>\n<pre>Redirecting to <a href="{shown}">{shown}</a></pre>\n</body>\n</html>\n'
    )
    headers = [
        (b"content-type", b"text/html; charset=UTF-8"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"x-content-type-options", b"nosniff"),
        (b"location", location.encode()),
    ]
    return WebResponse(301, headers, page.encode())
