"""Receiving files: a ``multipart/form-data`` body, part by part, into a file store.

In charge of: reading the body as it comes (a file is never held in memory), the limits, the answer's shape.
Must not know: models, routes. Source: npm's ``loopback-component-storage``, ``storage-handler.js``.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import multipart  # type: ignore[import-untyped]
import trio

from tenant_runtime.components.file_store import FileStore
from tenant_runtime.errors import LoopbackError

DEFAULT_MAX_FILE_BYTES = 10 * 1024 * 1024
DEFAULT_MAX_FIELDS_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """The settings of a storage data source that concern uploads."""

    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    max_fields_bytes: int = DEFAULT_MAX_FIELDS_BYTES
    allowed_content_types: tuple[str, ...] = ()
    make_unique: bool = False

    @classmethod
    def parse(cls, settings: dict[str, Any]) -> UploadLimits:
        allowed = settings.get("allowedContentTypes")
        return cls(
            int(settings.get("maxFileSize") or DEFAULT_MAX_FILE_BYTES),
            int(settings.get("maxFieldsSize") or DEFAULT_MAX_FIELDS_BYTES),
            tuple(allowed) if isinstance(allowed, Sequence) and not isinstance(allowed, str) else (),
            settings.get("nameConflict") == "makeUnique",
        )


@dataclass(slots=True)
class Upload:
    """One body that is being received."""

    store: FileStore
    container: str
    limits: UploadLimits
    rename: Callable[[dict[str, Any]], str] | None = None
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    _file: dict[str, Any] | None = None
    _handle: BinaryIO | None = None
    _unfinished: Path | None = None
    _text: bytearray | None = None
    _fields_bytes: int = 0

    async def receive(self, body: AsyncIterator[bytes], boundary: str) -> dict[str, Any]:
        """Reads the whole body; returns ``{"files": {field: […]}, "fields": {name: […]}}``.

        Raises 400 for a body that is no form or has no file, 413 and 415 for what the limits forbid.
        """
        try:
            with multipart.PushMultipartParser(boundary) as parser:
                async for chunk in body:
                    await self._take(parser.parse(chunk))
                await self._take(parser.parse(b""))
        except multipart.MultipartError as error:
            raise LoopbackError(f"the multipart body cannot be read: {error}", status=400) from error
        finally:
            await self._abandon()
        if not self.files:
            raise LoopbackError("No file content uploaded", status=400)
        return {"files": self.files, "fields": self.fields}

    async def _take(self, events: Any) -> None:
        """Parts begin with a segment, go on with bytes, and end with None."""
        name = ""
        for event in events:
            if isinstance(event, multipart.MultipartSegment):
                name = event.name
                await self._begin(event)
            elif event is None:
                await self._end(name)
            elif event:
                await self._write(bytes(event))

    async def _begin(self, segment: Any) -> None:
        if not segment.filename:
            self._text = bytearray()
            self._file = {"field": segment.name}
            return
        self._text = None
        # A browser may send a whole path; only its last part is a name.
        given = PurePosixPath(segment.filename.replace("\\", "/")).name or segment.filename
        kind = segment.header("Content-Type")
        file = {"container": self.container, "name": given, "type": kind, "field": segment.name, "size": 0}
        if self.rename is not None:
            file["originalFilename"], file["name"] = given, self.rename(file)
        elif self.limits.make_unique:
            file["originalFilename"] = given
            file["name"] = f"{uuid.uuid4()}{PurePosixPath(given).suffix}"
        allowed = self.limits.allowed_content_types
        if allowed and kind not in allowed:
            message = f'contentType "{kind}" is not allowed (Must be in [{", ".join(allowed)}])'
            raise LoopbackError(message, status=415)
        self._file = file
        begin = self.store.begin_upload
        self._handle, self._unfinished = await trio.to_thread.run_sync(begin, self.container, file["name"])

    async def _write(self, data: bytes) -> None:
        if self._text is not None:
            self._fields_bytes += len(data)
            if self._fields_bytes > self.limits.max_fields_bytes:
                message = f"maxFieldsSize exceeded, received {self._fields_bytes} bytes of field data"
                raise LoopbackError(message, status=413)
            self._text += data
            return
        assert self._file is not None and self._handle is not None
        size = self._file["size"] = self._file["size"] + len(data)
        if size > self.limits.max_file_bytes:
            limit = self.limits.max_file_bytes
            message = f"maxFileSize exceeded, received {size} bytes of field data (max is {limit})"
            raise LoopbackError(message, status=413)
        await trio.to_thread.run_sync(self._handle.write, data)

    async def _end(self, name: str) -> None:
        assert self._file is not None
        if self._text is not None:
            text = self._text.decode("utf-8", "replace")
            self.fields.setdefault(self._file["field"], []).append(text)
            self._text = None
            return
        assert self._handle is not None and self._unfinished is not None
        await trio.to_thread.run_sync(self._handle.close)
        finish = self.store.finish_upload
        await trio.to_thread.run_sync(finish, self._unfinished, self.container, self._file["name"])
        self._handle = self._unfinished = None
        self.files.setdefault(self._file["field"], []).append(self._file)

    async def _abandon(self) -> None:
        """Removes what was received of a file that never came to its end."""
        if self._handle is None or self._unfinished is None:
            return
        self._handle.close()
        self._unfinished.unlink(missing_ok=True)
        self._handle = self._unfinished = None
