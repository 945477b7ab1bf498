"""What is wanted of each tenant, kept in `state/tenants.json`.

In charge of: that the file is always whole, never guessed at, and on disk before a command is answered. Must
not know: what runs. A change is made in memory, then `commit` writes everything: temporary file, fsync,
rename, fsync of the directory, in a thread; changes made while a write is under way share the next one. The
previous content stays beside it as `tenants.json.previous`.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from mtgate.supervisor import crash_point

VERSION = 1
WRITE_SOON_SECONDS = 2.0
#: `removing`: files are being deleted; `removed`: gone, but its folder was kept and is not to be taken up
#: again.
DESIRED = ("running", "stopped", "removing", "removed")
_KEYS = {"desired", "uid", "workers", "generation", "asleep"}


class StateUnreadable(Exception):
    """The state file is not what this program writes. It is left as it is; the text says what to do."""


@dataclass(slots=True)
class Wanted:
    """One tenant's record. `workers` overrides tenant.json after `mtctl scale`; `generation` never goes
    back."""

    desired: str = "running"
    uid: int | None = None
    workers: int | None = None
    generation: int = 0
    asleep: bool = False

    def to_json(self) -> str:
        """As stored. Put together by hand: ten thousand of them are written at once, on the event loop."""
        uid, workers = ("null" if number is None else number for number in (self.uid, self.workers))
        asleep = "true" if self.asleep else "false"
        return (
            f'{{"desired": "{self.desired}", "uid": {uid}, "workers": {workers}, '
            f'"generation": {self.generation}, "asleep": {asleep}}}'
        )


def parse(data: bytes, path: Path) -> tuple[dict[str, Wanted], int]:
    """Records by id and the next free uid offset; StateUnreadable names file, line and remedy."""
    try:
        document = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _unreadable(path, 1 + data[: error.start].count(b"\n"), "not UTF-8") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise _unreadable(path, line, f"not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise _unreadable(path, 1, f'no "version": {VERSION}')
    if set(document) - {"version", "next_uid", "tenants"} or not isinstance(document.get("tenants"), dict):
        raise _unreadable(path, 1, "unknown or missing keys")
    if not _whole_number(document.get("next_uid"), 0):
        raise _unreadable(path, 1, '"next_uid" is not a whole number')
    found = {}
    for number, (name, record) in enumerate(document["tenants"].items()):
        problem = _problem(record)
        if problem:
            raise _unreadable(path, 3 + number, f"tenant {name!r}: {problem}")
        found[name] = Wanted(**record)
    return found, document["next_uid"]


def _problem(record: Any) -> str | None:
    if not isinstance(record, dict) or set(record) != _KEYS:
        return f"expected exactly the keys {', '.join(sorted(_KEYS))}"
    if record["desired"] not in DESIRED:
        return f'"desired" is {record["desired"]!r}, expected one of {", ".join(DESIRED)}'
    if not _whole_number(record["generation"], 0) or not isinstance(record["asleep"], bool):
        return '"generation" must be a whole number and "asleep" true or false'
    for key in ("uid", "workers"):
        if record[key] is not None and not _whole_number(record[key], 1):
            return f'"{key}" is {record[key]!r}, expected a whole number above 0 or null'
    return None


def _whole_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _unreadable(path: Path, line: int, what: str) -> StateUnreadable:
    return StateUnreadable(
        f"{path}:{line}: the state file cannot be used: {what}. Nothing was changed. "
        f"Put back {path}.previous, or move {path} away to begin with every folder in tenants/ as new."
    )


def render(tenants: dict[str, Wanted], next_uid: int) -> bytes:
    """One tenant a line, so that an error names the right line and a diff is readable."""
    lines = [f"{json.dumps(name)}: {record.to_json()}" for name, record in sorted(tenants.items())]
    body = ",\n".join(lines)
    return f'{{"version": {VERSION}, "next_uid": {next_uid},\n"tenants": {{\n{body}\n}}}}\n'.encode()


class DesiredState:
    """The owner of the state file."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tenants.json"
        self.tenants: dict[str, Wanted] = {}
        self.next_uid = 0
        self._writing = trio.Lock()
        self._changes = 0
        self._written = 0
        self._soon = trio.Event()

    def load(self) -> None:
        """Reads the file; a missing one is an empty state, anything unexpected raises StateUnreadable."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        self.tenants, self.next_uid = parse(data, self.path)

    async def commit(self) -> None:
        """Returns when everything changed so far is on disk; OSError (disk full) leaves the old file."""
        self._changes += 1
        wanted = self._changes
        async with self._writing:
            if self._written >= wanted:
                return
            covered, data = self._changes, render(self.tenants, self.next_uid)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(replace_file, self.path, data)
            self._written = covered

    def commit_soon(self) -> None:
        """For what may be lost in a crash without harm (that a tenant sleeps): written within
        WRITE_SOON_SECONDS."""
        self._soon.set()

    async def write_soon_forever(self) -> None:
        """The task behind `commit_soon`."""
        while True:
            await self._soon.wait()
            await trio.sleep(WRITE_SOON_SECONDS)
            self._soon = trio.Event()
            with contextlib.suppress(OSError):
                await self.commit()


def replace_file(path: Path, data: bytes) -> None:
    """Makes `data` the content of `path` so that a crash leaves the old or the new, never a part."""
    crash_point.passing("state.before-write")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    crash_point.passing("state.after-write")
    previous = path.with_name(path.name + ".previous")
    if path.exists():
        previous.unlink(missing_ok=True)
        os.link(path, previous)
    os.replace(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    crash_point.passing("state.after-rename")
