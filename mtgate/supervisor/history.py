"""Revisions of a tenant's own text files, for `mtctl rollback`.

In charge of: what was in the folder when a generation became ready. Must not know: processes. A revision is
one file `state/history/<id>/<number>.json`: `{"time", "files": {path: text}}`; equal content makes no new
one. Data, copies of packages and files over FILE_BYTES are not part of it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from mtgate.supervisor.desired import replace_file
from mtgate.tenantdir.files import NOT_COPIED, Folder

KEPT = 20
FILE_BYTES = 256 * 1024
TOTAL_BYTES = 4 * 1024 * 1024
SUFFIXES = (".json", ".py", ".js", ".html", ".ejs", ".txt", ".md", ".toml", ".yml", ".yaml")


class History:
    """All tenants' revisions; every method blocks on files: call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def record(self, tenant_id: str, folder: Path) -> int:
        """Keeps the folder's present content; its revision, an old one when nothing changed."""
        files = read_files(folder)
        numbers = self.numbers(tenant_id)
        if numbers and self.files(tenant_id, numbers[-1]) == files:
            return numbers[-1]
        number = numbers[-1] + 1 if numbers else 1
        document = {"time": datetime.now(UTC).isoformat(), "files": files}
        replace_file(self._path(tenant_id, number), json.dumps(document).encode())
        for old in numbers[: max(0, len(numbers) + 1 - KEPT)]:
            self._path(tenant_id, old).unlink(missing_ok=True)
        return number

    def numbers(self, tenant_id: str) -> list[int]:
        """Revisions, oldest first."""
        try:
            names = os.listdir(self._directory / tenant_id)
        except FileNotFoundError:
            return []
        stems = (name.removesuffix(".json") for name in names)
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def files(self, tenant_id: str, number: int) -> dict[str, str]:
        """Path → text of one revision; FileNotFoundError when there is none of that number."""
        document = json.loads(self._path(tenant_id, number).read_text("utf-8"))
        return dict(document["files"])

    def restore(self, tenant_id: str, number: int, folder: Path) -> list[str]:
        """Makes the folder's text files those of a revision; the paths that changed."""
        wanted, present = self.files(tenant_id, number), read_files(folder)
        changed = sorted(
            path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path)
        )
        with Folder(folder) as target:
            for path in changed:
                if path in wanted:
                    target.write(path, wanted[path])
                else:
                    target.remove(path)
        return changed

    def forget(self, tenant_id: str) -> None:
        """The tenant was removed with its files."""
        for number in self.numbers(tenant_id):
            self._path(tenant_id, number).unlink(missing_ok=True)

    def _path(self, tenant_id: str, number: int) -> Path:
        return self._directory / tenant_id / f"{number}.json"


def read_files(folder: Path) -> dict[str, str]:
    """The text files of a folder by relative path; links are not followed."""
    found: dict[str, str] = {}
    total = 0
    with Folder(folder) as source:
        pending = [""]
        while pending:
            below = pending.pop()
            for name in source.names(below):
                path = f"{below}/{name}" if below else name
                if name in NOT_COPIED or name.startswith("."):
                    continue
                kind = source.kind(path)
                if kind == "folder":
                    pending.append(path)
                elif kind == "file" and name.endswith(SUFFIXES) and total < TOTAL_BYTES:
                    text = _read(source, path)
                    if text is not None:
                        found[path] = text
                        total += len(text)
    return found


def _read(source: Folder, path: str) -> str | None:
    """The text, or None for what is too large, unreadable or not UTF-8: not ours to keep."""
    try:
        text = source.read(path)
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) <= FILE_BYTES else None
