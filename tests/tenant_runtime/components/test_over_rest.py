"""Storage, counts and ranges as clients meet them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FILES = {
    "name": "files",
    "connector": "loopback-component-storage",
    "provider": "filesystem",
    "root": "files",
}
SOURCES = {"db": {"name": "db", "connector": "memory"}, "files": {**FILES, "maxFileSize": 1000}}
FORM = "multipart/form-data; boundary=X"


@pytest.fixture
async def storage(make_app: Any, tmp_path: Path) -> Any:
    (tmp_path / "files").mkdir()
    files = {"models/container.json": {"name": "Container", "base": "Model"}, "datasources.json": SOURCES}
    api = await make_app(files, Container={"dataSource": "files"})
    assert (await api("POST", "/Containers", {"name": "c1"})).json["name"] == "c1"
    return api


def form(name: str, data: bytes) -> bytes:
    head = (
        f'--X\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain'
    )
    return head.encode() + b"\r\n\r\n" + data + b"\r\n--X--\r\n"


async def upload(api: Any, name: str, data: bytes, container: str = "c1") -> Any:
    return await api("POST", f"/Containers/{container}/upload", form(name, data), content_type=FORM)


async def test_containers(storage: Any) -> None:
    assert [one["name"] for one in (await storage("GET", "/Containers")).json] == ["c1"]
    one = (await storage("GET", "/Containers/c1")).json
    assert set(one) == {"name", "size", "atime", "mtime", "ctime"}
    assert one["mtime"].endswith("Z")
    assert (await storage("GET", "/Containers/none")).code == "ENOENT"
    assert (await storage("DELETE", "/Containers/c1")).json == {}
    assert (await storage("GET", "/Containers")).json == []


async def test_upload_and_download(storage: Any) -> None:
    reply = await upload(storage, "a.txt", b"hello")
    file = {"container": "c1", "name": "a.txt", "type": "text/plain", "field": "file", "size": 5}
    assert reply.json == {"result": {"files": {"file": [file]}, "fields": {}}}
    assert [one["name"] for one in (await storage("GET", "/Containers/c1/files")).json] == ["a.txt"]
    assert (await storage("GET", "/Containers/c1/files/a.txt")).json["size"] == 5
    whole = await storage("GET", "/Containers/c1/download/a.txt")
    assert (whole.status, whole.body) == (200, b"hello")
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await storage("DELETE", "/Containers/c1/files/a.txt")).json == {}
    missing = await storage("GET", "/Containers/c1/download/a.txt")
    assert missing.json["error"]["message"] == "File not found: a.txt"


@pytest.mark.parametrize(
    ("range", "status", "body", "content_range"),
    [
        ("bytes=1-2", 206, b"el", "bytes 1-2/5"),
        ("bytes=2-", 206, b"llo", "bytes 2-4/5"),
        ("bytes=-2", 206, b"lo", "bytes 3-4/5"),
        ("bytes=0-99", 206, b"hello", "bytes 0-4/5"),
        ("bytes=0-1,3-4", 200, b"hello", None),
        ("bytes=x-y", 200, b"hello", None),
    ],
)
async def test_ranges(storage: Any, range: str, status: int, body: bytes, content_range: str | None) -> None:
    await upload(storage, "a.txt", b"hello")
    reply = await storage("GET", "/Containers/c1/download/a.txt", range=range)
    assert (reply.status, reply.body, reply.headers.get("content-range")) == (status, body, content_range)


async def test_refusals(storage: Any) -> None:
    await upload(storage, "a.txt", b"hello")
    statuses = [
        (await upload(storage, "big.txt", b"x" * 2000)).status,
        (await upload(storage, "a.txt", b"x", "none")).status,
        (await storage("POST", "/Containers/c1/upload", {})).status,
        (await storage("POST", "/Containers", {"name": "c1"})).status,
        (await storage("POST", "/Containers", {"name": "../x"})).status,
        (await storage("GET", "/Containers/c1/download/..%2f..%2fconfig.json")).status,
        (await storage("GET", "/Containers/c1/download/a.txt", range="bytes=9-")).status,
    ]
    assert statuses == [413, 404, 400, 409, 400, 400, 416]


async def test_code_uses_containers_too(storage: Any) -> None:
    Container = storage.app.models.Container
    await upload(storage, "a.txt", b"hello")
    assert [one["name"] for one in await Container.get_files("c1")] == ["a.txt"]
    storage.app.data_sources["files"].connector.get_filename = lambda file: "renamed.txt"
    reply = await upload(storage, "b.txt", b"x")
    (file,) = reply.json["result"]["files"]["file"]
    assert (file["name"], file["originalFilename"]) == ("renamed.txt", "b.txt")


def note_app(component: str, config: Any) -> dict[str, Any]:
    user = {"type": "belongsTo", "model": "Writer", "foreignKey": "writerId"}
    notes = {"type": "hasMany", "model": "Note", "foreignKey": "writerId"}
    return {
        "models/note.json": {"name": "Note", "properties": {"n": "number"}, "relations": {"writer": user}},
        "models/writer.json": {"name": "Writer", "relations": {"notes": notes}},
        "component-config.json": {component: config},
    }


async def test_total_count(make_app: Any) -> None:
    api = await make_app(note_app("loopback3-xtotalcount", {}), Note={}, Writer={})
    await api.app.models.Note.create([{"n": n} for n in range(5)])
    reply = await api("GET", '/Notes?filter={"limit":2,"where":{"n":{"gt":0}}}')
    assert (len(reply.json), reply.headers["x-total-count"]) == (2, "4")


@pytest.mark.parametrize(
    ("query", "length", "expected"),
    [
        ("", 3, "notes 0-3/5"),
        ('?filter={"limit":2,"offset":2}', 2, "notes 2-4/5"),
        ('?filter={"limit":99}', 4, "notes 0-4/5"),
        ('?filter={"offset":4}', 1, "notes 4-5/5"),
    ],
)
async def test_content_range(make_app: Any, query: str, length: int, expected: str) -> None:
    config = {"defaultLimit": 3, "maxLimit": 4}
    api = await make_app(note_app("loopback-content-range", config), Note={}, Writer={})
    await api.app.models.Writer.create({})
    await api.app.models.Note.create([{"n": n, "writerId": 1} for n in range(5)])
    for path in ("/Notes", "/Writers/1/notes"):
        reply = await api("GET", path + query)
        assert (len(reply.json), reply.headers["content-range"]) == (length, expected)
