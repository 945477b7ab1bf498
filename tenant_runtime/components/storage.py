"""The ``loopback-component-storage`` connector: containers of files, uploaded and downloaded over REST.

In charge of: the routes and the shapes of their answers (npm's ``loopback-component-storage``), and the data
source's settings: ``provider`` (``filesystem``), ``root`` (a folder, relative to the tenant's),
``maxFileSize``, ``maxFieldsSize``, ``allowedContentTypes``, ``nameConflict`` (``makeUnique``). Must not
know: bodies' bytes.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import multipart  # type: ignore[import-untyped]
import trio

from tenant_runtime.components.file_store import Entry, FileStore
from tenant_runtime.components.service import ServiceConnector
from tenant_runtime.components.upload import Upload, UploadLimits
from tenant_runtime.errors import ConfigurationError, LoopbackError

_CHUNK_BYTES = 64 * 1024


def _path(name: str) -> dict[str, Any]:
    return {"arg": name, "type": "string", "required": True, "http": {"source": "path"}}


def _send_stream(ctx: Any) -> None:
    """The method declares no result, as in the original; what it answers with is put in its place here."""
    ctx.result, ctx.result_type = ctx.state.pop("stream"), "file"


_CTX = {"arg": "ctx", "type": "object", "http": {"source": "context"}, "documented": False}
_CONTAINER, _FILE = _path("container"), _path("file")

SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "getContainers": {
        "accepts": [],
        "returns": {"arg": "containers", "type": "array", "root": True},
        "http": {"verb": "get", "path": "/"},
    },
    "getContainer": {
        "accepts": [_CONTAINER],
        "returns": {"arg": "container", "type": "object", "root": True},
        "http": {"verb": "get", "path": "/:container"},
    },
    "createContainer": {
        "accepts": [{"arg": "options", "type": "object", "http": {"source": "body"}}],
        "returns": {"arg": "container", "type": "object", "root": True},
        "http": {"verb": "post", "path": "/"},
    },
    "destroyContainer": {
        "accepts": [_CONTAINER],
        "returns": {"arg": "done", "type": "object", "root": True},
        "http": {"verb": "delete", "path": "/:container"},
    },
    "getFiles": {
        "accepts": [_CONTAINER],
        "returns": {"arg": "files", "type": "array", "root": True},
        "http": {"verb": "get", "path": "/:container/files"},
    },
    "getFile": {
        "accepts": [_CONTAINER, _FILE],
        "returns": {"arg": "file", "type": "object", "root": True},
        "http": {"verb": "get", "path": "/:container/files/:file"},
    },
    "removeFile": {
        "accepts": [_CONTAINER, _FILE],
        "returns": {"arg": "done", "type": "object", "root": True},
        "http": {"verb": "delete", "path": "/:container/files/:file"},
    },
    "upload": {
        "accepts": [_CONTAINER, _CTX],
        "returns": {"arg": "result", "type": "object"},
        "http": {"verb": "post", "path": "/:container/upload"},
    },
    "download": {
        "accepts": [_CONTAINER, _FILE, _CTX],
        "http": {"verb": "get", "path": "/:container/download/:file"},
        "rest": {"after": _send_stream},
    },
}


class StorageConnector(ServiceConnector):
    """See the module. Raises ConfigurationError for a provider or a folder that is not there."""

    name = "storage"

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        super().__init__(name, settings, tenant_dir)
        provider = str(settings.get("provider") or "filesystem")
        if provider != "filesystem":
            raise ConfigurationError(
                f'the storage provider "{provider}" is not supported; there is: filesystem',
                file="datasources.json",
                pointer=f"/{name}/provider",
            )
        root = (tenant_dir / str(settings.get("root") or "storage")).resolve()
        if not root.is_dir():
            raise ConfigurationError(
                f"the folder {settings.get('root')} of the storage data source does not exist",
                file="datasources.json",
                pointer=f"/{name}/root",
            )
        self.store = FileStore(root)
        self.limits = UploadLimits.parse(settings)
        #: Set by tenant code: gives an uploaded file its name.
        self.get_filename: Callable[[dict[str, Any]], str] | None = None

    def attached(self, model: Any) -> None:
        for name, function in self._methods().items():
            model.define(name, function)
        for name, specification in SPECIFICATIONS.items():
            model.remote_method(name, specification)

    def _methods(self) -> dict[str, Callable[..., Any]]:
        """Static methods of the models of the data source, for code too."""
        store = self.store

        def in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
            async def call(Model: Any, *arguments: Any) -> Any:
                done = await trio.to_thread.run_sync(function, *arguments)
                return {} if done is None else done

            return call

        def create(options: Any) -> Entry:
            return store.create_container(str(options.get("name") if isinstance(options, dict) else options))

        return {
            "getContainers": in_thread(store.containers),
            "getContainer": in_thread(store.container),
            "createContainer": in_thread(create),
            "destroyContainer": in_thread(store.destroy_container),
            "getFiles": in_thread(store.files),
            "getFile": in_thread(store.file),
            "removeFile": in_thread(store.remove_file),
            "upload": self._upload,
            "download": self._download,
        }

    async def _upload(self, Model: Any, container: str, ctx: Any) -> dict[str, Any]:
        request = ctx.request
        kind, options = multipart.parse_options_header(request.header("content-type") or "")
        if kind != "multipart/form-data" or not options.get("boundary") or request.body is None:
            raise LoopbackError("No file content uploaded", status=400)
        upload = Upload(self.store, container, self.limits, self.get_filename)
        async with aclosing(aiter(request.body)) as pieces:
            return await upload.receive(pieces, options["boundary"])

    async def _download(self, Model: Any, container: str, file: str, ctx: Any) -> None:
        """Answers with the file, or with the part of it that ``Range`` asks for."""
        path, size = await trio.to_thread.run_sync(self.store.download, container, file)
        response = ctx.response
        response.set_header("content-type", _content_type(file))
        start, end = 0, size - 1
        wanted = _range(ctx.request.header("range"), size)
        if wanted is not None:
            start, end = wanted
            response.status = 206
            response.set_header("content-range", f"bytes {start}-{end}/{size}")
            response.set_header("accept-ranges", "bytes")
            response.set_header("content-length", str(end - start + 1))
        ctx.state["stream"] = _pieces(path, start, end - start + 1)


def _content_type(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of ``bytes=a-b``; None to send everything. Raises 416 for what is not there."""
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first, _, last = header[6:].strip().partition("-")
    try:
        if first:
            start, end = int(first), min(int(last), size - 1) if last else size - 1
        else:
            start, end = max(size - int(last), 0), size - 1
    except ValueError:
        return None
    if start > end or start >= size:
        raise LoopbackError("Range Not Satisfiable", status=416)
    return start, end


async def _pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    async with await trio.open_file(path, "rb") as file:
        await file.seek(start)
        while length > 0:
            piece = await file.read(min(_CHUNK_BYTES, length))
            if not piece:
                return
            length -= len(piece)
            yield piece
