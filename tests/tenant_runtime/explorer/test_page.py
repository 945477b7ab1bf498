"""The explorer served by a real worker, with its component's options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mtgate.tenantdir.template import application
from tests.conformance.exchange import Answer, Target, send
from tests.conformance.variables import Variables
from tests.conformance.workers import running


@contextmanager
def serving(folder: Path, options: dict[str, Any] | None, **config: Any) -> Iterator[Target]:
    files = application()
    files["component-config.json"] = json.dumps({"loopback-component-explorer": options})
    files["config.json"] = json.dumps({**json.loads(files["config.json"]), **config})
    files |= {"ui/index.html": "own page", "ui/extra/a.txt": "extra", "secret.txt": "secret"}
    files["package.json"] = json.dumps({"name": "shop", "version": "3.2.1", "description": "A shop"})
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    with running(folder, reset=False) as target:
        yield target


def get(target: Target, path: str, **headers: str) -> Answer:
    return send(target, {"method": "GET", "path": path, "headers": headers}, Variables())


def test_the_page_and_its_files(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as target:
        page = get(target, "/explorer/", accept="text/html")
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=UTF-8")
        for name in (
            "explorer.js",
            "explorer.css",
            "swagger-ui.css",
            "swagger-ui-bundle.js",
            "favicon-32x32.png",
        ):
            answer = get(target, f"/explorer/{name}")
            assert answer.status == 200
            assert get(target, f"/explorer/{name}", **{"if-none-match": answer.headers["etag"]}).status == 304
        for name in ("swagger-ui-bundle.js.map", "%2e%2e%2fconfig.json", "nothing.js"):
            assert get(target, f"/explorer/{name}").status in (400, 404)
        assert get(target, "/explorer").headers["location"] == "/explorer/"
        assert (
            get(target, "/explorer", **{"x-forwarded-prefix": "/foo"}).headers["location"] == "/foo/explorer/"
        )


def test_documents(tmp_path: Path) -> None:
    with serving(tmp_path, {}, restApiRoot="/v1") as target:
        swagger = get(target, "/explorer/swagger.json", **{"x-forwarded-prefix": "/foo"}).body
        assert swagger["basePath"] == "/foo/v1"
        assert swagger["info"] == {"version": "3.2.1", "title": "shop", "description": "A shop"}
        assert get(target, "/explorer/swagger.json").body["basePath"] == "/v1"
        assert get(target, "/explorer/openapi.json").body["openapi"] == "3.1.0"
        assert get(target, "/explorer/config.json").body == {"url": "/explorer/swagger.json"}
        referer = "http://x/deep/explorer/index.html"
        assert get(target, "/explorer/config.json", referer=referer).body == {
            "url": "/deep/explorer/swagger.json"
        }


def test_options(tmp_path: Path) -> None:
    options = {
        "mountPath": "/docs",
        "resourcePath": "api.json",
        "basePath": "/other",
        "apiInfo": {"title": "T", "version": 7},
        "auth": {"in": "header", "name": "X-Access-Token"},
        "uiDirs": "ui",
    }
    with serving(tmp_path, options) as target:
        swagger = get(target, "/docs/api.json").body
        assert (swagger["basePath"], swagger["info"]["title"], swagger["info"]["version"]) == (
            "/other",
            "T",
            "7",
        )
        assert get(target, "/docs/config.json").body == {"url": "/docs/api.json", "auth": options["auth"]}
        assert get(target, "/docs/").raw == b"own page"
        assert get(target, "/docs/extra/a.txt").raw == b"extra"
        assert get(target, "/docs/%2e%2e%2fsecret.txt").status in (400, 404)
        assert get(target, "/docs/explorer.js").status == 200


@pytest.mark.parametrize(
    ("options", "page", "document"), [({"swaggerUI": False}, 404, 200), (None, 404, 404)]
)
def test_switched_off(tmp_path: Path, options: Any, page: int, document: int) -> None:
    with serving(tmp_path, options) as target:
        assert get(target, "/explorer/").status == page
        assert get(target, "/explorer/swagger.json").status == document
