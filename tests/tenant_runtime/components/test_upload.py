"""Multipart bodies into a file store, in pieces of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.components.file_store import FileStore
from tenant_runtime.components.upload import Upload, UploadLimits
from tenant_runtime.errors import LoopbackError


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    (tmp_path / "c").mkdir()
    return FileStore(tmp_path)


def part(name: str, data: str, filename: str = "", kind: str = "") -> str:
    head = f'--X\r\nContent-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename else ""
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return f"{head}\r\n\r\n{data}\r\n"


async def pieces(text: str, size: int) -> AsyncIterator[bytes]:
    data = text.encode()
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def send(store: FileStore, text: str, size: int = 1000, **limits: Any) -> dict[str, Any]:
    upload = Upload(store, "c", UploadLimits(**limits))
    return await upload.receive(pieces(text, size), "X")


TWO_FILES = (
    part("file", "hello", "a.txt", "text/plain")
    + part("note", "grüße")
    + part("note", "again")
    + part("file", "zz", "b.bin")
    + "--X--\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
async def test_files_and_fields(store: FileStore, size: int) -> None:
    result = await send(store, TWO_FILES, size)
    first, second = result["files"]["file"]
    assert first == {"container": "c", "name": "a.txt", "type": "text/plain", "field": "file", "size": 5}
    assert (second["name"], second["size"]) == ("b.bin", 2)
    assert result["fields"] == {"note": ["grüße", "again"]}
    assert (store.root / "c" / "a.txt").read_bytes() == b"hello"


async def test_paths_in_names_are_cut(store: FileStore) -> None:
    await send(store, part("f", "x", "C:\\\\dir\\\\..\\\\evil.txt") + "--X--\r\n")
    assert [one["name"] for one in store.files("c")] == ["evil.txt"]


async def test_unique_names(store: FileStore) -> None:
    result = await send(store, part("f", "x", "a.txt") + "--X--\r\n", make_unique=True)
    (file,) = result["files"]["f"]
    assert file["originalFilename"] == "a.txt"
    assert file["name"].endswith(".txt") and file["name"] != "a.txt"


@pytest.mark.parametrize(
    ("body", "limits", "status"),
    [
        (part("note", "only text") + "--X--\r\n", {}, 400),
        (part("f", "x" * 50, "a.txt") + "--X--\r\n", {"max_file_bytes": 10}, 413),
        (part("n", "x" * 50) + "--X--\r\n", {"max_fields_bytes": 10}, 413),
        (part("f", "x", "a.txt", "text/html") + "--X--\r\n", {"allowed_content_types": ("image/png",)}, 415),
        (part("f", "x", "a.txt"), {}, 400),
        ("no form at all", {}, 400),
    ],
)
async def test_refusals_leave_nothing_behind(
    store: FileStore, body: str, limits: dict[str, Any], status: int
) -> None:
    with pytest.raises(LoopbackError) as caught:
        await send(store, body, 5, **limits)
    assert caught.value.status == status
    assert list((store.root / "c").iterdir()) == []


def test_settings() -> None:
    limits = UploadLimits.parse(
        {"maxFileSize": 5, "allowedContentTypes": ["a/b"], "nameConflict": "makeUnique"}
    )
    assert limits == UploadLimits(5, UploadLimits().max_fields_bytes, ("a/b",), True)
    assert UploadLimits.parse({}) == UploadLimits()
