"""Containers and files in a folder: what the storage connector keeps them in.

In charge of: names that stay inside the folder, and the file operations. Everything is synchronous; the
connector calls it in threads. Must not know: HTTP, models. Source: npm's ``loopback-component-storage``,
provider ``filesystem``.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from tenant_runtime.errors import LoopbackError

Entry = dict[str, Any]

_NAME = re.compile(r"[^/\x00]+")
_UNFINISHED = ".upload-"  # files that are being received; never listed


def check_name(name: Any) -> str:
    """A container's or a file's name. Raises 400 for one that would leave its folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in (".", ".."):
        raise LoopbackError(f"Invalid name: {name}", status=400)
    if name.startswith(_UNFINISHED) or ".." in re.split(r"[\\/]", name):
        raise LoopbackError(f"Invalid name: {name}", status=400)
    return name


def _missing(path: str, call: str) -> LoopbackError:
    return LoopbackError(f"ENOENT: no such file or directory, {call} '{path}'", status=404, code="ENOENT")


def _entry(info: os.stat_result, **names: str) -> Entry:
    def date(seconds: float) -> datetime:
        return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)

    return {
        **names,
        "size": info.st_size,
        "atime": date(info.st_atime),
        "mtime": date(info.st_mtime),
        "ctime": date(info.st_ctime),
    }


class FileStore:
    """Containers are the folders in ``root``, files the files in them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def containers(self) -> list[Entry]:
        return [
            _entry(item.stat(), name=item.name)
            for item in sorted(os.scandir(self.root), key=lambda item: item.name)
            if item.is_dir()
        ]

    def container(self, name: str) -> Entry:
        """Raises 404 when there is none."""
        path = self.root / check_name(name)
        if not path.is_dir():
            raise _missing(name, "stat")
        return _entry(path.stat(), name=name)

    def create_container(self, name: str) -> Entry:
        """Raises 409 when it exists."""
        path = self.root / check_name(name)
        try:
            path.mkdir()
        except FileExistsError:
            raise LoopbackError(f"The container {name} exists already", status=409, code="EEXIST") from None
        return _entry(path.stat(), name=name)

    def destroy_container(self, name: str) -> None:
        """With the files in it. Raises 404 when there is none."""
        path = self.root / check_name(name)
        if not path.is_dir():
            raise _missing(name, "rmdir")
        shutil.rmtree(path)

    def files(self, container: str) -> list[Entry]:
        """The files in a container; none when there is no such container."""
        path = self.root / check_name(container)
        if not path.is_dir():
            return []
        return [
            _entry(item.stat(), container=container, name=item.name)
            for item in sorted(os.scandir(path), key=lambda item: item.name)
            if item.is_file() and not item.name.startswith(_UNFINISHED)
        ]

    def file(self, container: str, name: str) -> Entry:
        """Raises 404 when there is none."""
        path = self.path(container, name)
        if not path.is_file():
            raise _missing(f"{container}/{name}", "stat")
        return _entry(path.stat(), container=container, name=name)

    def remove_file(self, container: str, name: str) -> None:
        """Raises 404 when there is none."""
        try:
            self.path(container, name).unlink()
        except FileNotFoundError:
            raise _missing(f"{container}/{name}", "unlink") from None

    def path(self, container: str, name: str) -> Path:
        return self.root / check_name(container) / check_name(name)

    def begin_upload(self, container: str, name: str) -> tuple[BinaryIO, Path]:
        """An open file to write to, and its path; ``finish_upload`` gives it its name.

        Raises 404 without the container. An upload that breaks off leaves what was there before.
        """
        target = self.path(container, name)
        if not target.parent.is_dir():
            raise _missing(container, "open")
        unfinished = target.parent / f"{_UNFINISHED}{os.urandom(8).hex()}"
        return unfinished.open("xb"), unfinished

    def finish_upload(self, unfinished: Path, container: str, name: str) -> None:
        unfinished.replace(self.path(container, name))

    def download(self, container: str, name: str) -> tuple[Path, int]:
        """The path to read from, and the size. Raises 404 when there is none."""
        path = self.path(container, name)
        if not path.is_file():
            raise LoopbackError(f"File not found: {name}", status=404, code="ENOENT")
        return path, path.stat().st_size
