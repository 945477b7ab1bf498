"""Containers and files on disk: names that stay inside, answers of LoopBack's shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.components.file_store import FileStore, check_name
from tenant_runtime.errors import LoopbackError


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "root").mkdir()
    return FileStore(tmp_path / "root")


def put(store: FileStore, container: str, name: str, data: bytes) -> None:
    handle, unfinished = store.begin_upload(container, name)
    with handle:
        handle.write(data)
    store.finish_upload(unfinished, container, name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../outside.txt", "..\\x", "a\x00b", "/etc", 5, None, ".upload-1"]
)
def test_names_that_leave_the_folder(name: Any) -> None:
    with pytest.raises(LoopbackError) as caught:
        check_name(name)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["a", "a b.txt", ".hidden", "ü.png", "a..b", "x.."])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


def test_life_of_a_container(store: FileStore) -> None:
    assert store.containers() == []
    made = store.create_container("photos")
    assert set(made) == {"name", "size", "atime", "mtime", "ctime"}
    assert [one["name"] for one in store.containers()] == ["photos"]
    assert store.container("photos")["name"] == "photos"
    put(store, "photos", "a.txt", b"hello")
    store.destroy_container("photos")
    assert store.containers() == []


def test_life_of_a_file(store: FileStore) -> None:
    store.create_container("c")
    put(store, "c", "a.txt", b"hello")
    assert [(one["container"], one["name"], one["size"]) for one in store.files("c")] == [("c", "a.txt", 5)]
    assert store.file("c", "a.txt")["size"] == 5
    path, size = store.download("c", "a.txt")
    assert (path.read_bytes(), size) == (b"hello", 5)
    store.remove_file("c", "a.txt")
    assert store.files("c") == []


def test_an_upload_is_seen_when_it_is_complete(store: FileStore) -> None:
    store.create_container("c")
    put(store, "c", "a.txt", b"old")
    handle, unfinished = store.begin_upload("c", "a.txt")
    handle.write(b"new and longer")
    handle.close()
    assert [one["size"] for one in store.files("c")] == [3]
    store.finish_upload(unfinished, "c", "a.txt")
    assert [one["size"] for one in store.files("c")] == [14]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda store: store.container("none"), 404),
        (lambda store: store.destroy_container("none"), 404),
        (lambda store: store.file("c", "none"), 404),
        (lambda store: store.remove_file("c", "none"), 404),
        (lambda store: store.download("c", "none"), 404),
        (lambda store: store.begin_upload("none", "x"), 404),
        (lambda store: store.create_container("c"), 409),
    ],
)
def test_refusals_name_no_path_of_the_machine(
    store: FileStore, call: Callable[[FileStore], Any], status: int
) -> None:
    store.create_container("c")
    with pytest.raises(LoopbackError) as caught:
        call(store)
    assert caught.value.status == status
    assert str(store.root) not in caught.value.message


def test_files_of_no_container(store: FileStore) -> None:
    assert store.files("none") == []
