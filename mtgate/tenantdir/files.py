"""Files of a tenant's folder, reached through descriptors.

In charge of: reading, writing, copying and removing without following a symbolic link that a tenant may have
put there, at any depth. Must not know: what the files mean. Every function raises OSError as the system
does; UnsafePath where a name would leave the folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Names that no copy of an application takes along.
NOT_COPIED = frozenset({"node_modules", ".git", ".hg", ".svn", "__pycache__", ".venv", "venv", ".DS_Store"})

#: Prefix of folders in ``tenants/`` that are being made or removed; no tenant id starts so.
WORK_PREFIX = ".mtgate-"

#: More than any tenant.json has.
SMALL_BYTES = 1024 * 1024


class UnsafePath(OSError):
    """A path is absolute, goes through ``..`` or through a symbolic link."""


class Folder:
    """An open folder. Relative paths are resolved below it, name by name, never through a symbolic link."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, _DIRECTORY)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def names(self, relative: str = "") -> list[str]:
        """Sorted names in a folder below; an empty list when it does not exist."""
        try:
            with self._parent(f"{relative}/." if relative else ".") as (fd, _):
                return sorted(os.listdir(fd))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, relative: str) -> str:
        """The text of a file (UTF-8); FileNotFoundError when there is none."""
        with self._parent(relative) as (fd, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
            with open(descriptor, encoding="utf-8", newline="") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise UnsafePath(f"{relative} is not a regular file")
                return file.read()

    def write(self, relative: str, text: str) -> None:
        """Write a file as a whole: the old or the new text is there, at any moment. Makes parent folders.

        Owner and group are those of the folder, so that a tenant can read what the daemon wrote.
        """
        with self._parent(relative, make=True) as (fd, name):
            owner = os.fstat(self._fd)
            mode = _mode_of(fd, name)
            temporary = f".{name[:200]}.{secrets.token_hex(4)}"
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=fd
            )
            try:
                with open(descriptor, "w", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fchmod(descriptor, mode)
                    _own(descriptor, owner)
                    os.fsync(descriptor)
                os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except BaseException:
                os.unlink(temporary, dir_fd=fd)
                raise
            os.fsync(fd)

    def kind(self, relative: str) -> Literal["file", "folder", "other", "none"]:
        """What is there; a symbolic link is `other`."""
        try:
            with self._parent(relative) as (fd, name):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "none"
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"

    def remove(self, relative: str) -> None:
        """Removes a file; no error when there is none."""
        with contextlib.suppress(FileNotFoundError), self._parent(relative) as (fd, name):
            os.unlink(name, dir_fd=fd)

    def make_folder(self, relative: str) -> None:
        """Make a folder and its parents, where they do not exist."""
        with self._parent(f"{relative}/.", make=True):
            pass

    @contextmanager
    def _parent(self, relative: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Descriptor of the folder in which the last name of ``relative`` is, and that name."""
        path = PurePosixPath(relative)
        if path.is_absolute() or ".." in path.parts or "\0" in relative:
            raise UnsafePath(f"{relative!r} leads out of the folder")
        *folders, name = path.parts or (".",)
        if relative.endswith("/."):
            folders, name = [*folders, name], "."
        fd = os.dup(self._fd)
        try:
            for folder in folders:
                fd = self._descend(fd, folder, make=make)
            yield fd, name
        finally:
            os.close(fd)

    def _descend(self, fd: int, name: str, *, make: bool) -> int:
        """Open ``name`` in ``fd`` and close ``fd``."""
        if make:
            try:
                os.mkdir(name, 0o755, dir_fd=fd)
                _own_at(fd, name, os.fstat(self._fd))
            except FileExistsError:
                pass
        try:
            below = os.open(name, _DIRECTORY, dir_fd=fd)
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                raise UnsafePath(f"{name} is a symbolic link; it is not followed") from None
            raise
        os.close(fd)
        return below


def _mode_of(fd: int, name: str) -> int:
    """Permissions of the file that will be replaced, else 0644."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return 0o644
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else 0o644


def _own(descriptor: int, owner: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _own_at(fd: int, name: str, owner: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=fd, follow_symlinks=False)


@contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder that appears as ``parent/name`` when the block ends well, and not at all when it does not.

    FileExistsError when there is one already (an empty one is replaced).
    """
    parent.mkdir(parents=True, exist_ok=True)
    work = parent / f"{WORK_PREFIX}{secrets.token_hex(6)}"
    work.mkdir(mode=0o755)
    try:
        yield work
        try:
            work.rename(parent / name)
        except OSError as error:
            raise FileExistsError(f"{parent / name} exists already") from error
    except BaseException:
        remove_tree(work)
        raise
    sync_folder(parent)


def copy_tree(source: Path, target: Path) -> list[str]:
    """Copy the files of ``source`` into the existing folder ``target``; answers what was left out.

    Symbolic links are copied as links where they stay inside, and left out otherwise, as are sockets, pipes,
    devices and NOT_COPIED. Iterative: depth does not matter.
    """
    left_out: list[str] = []
    pending = [PurePosixPath()]
    while pending:
        relative = pending.pop()
        for entry in sorted(os.scandir(source / relative), key=lambda found: found.name):
            path = relative / entry.name
            if entry.name in NOT_COPIED:
                continue
            if entry.is_symlink():
                if not _copy_link(source, target, path):
                    left_out.append(str(path))
            elif entry.is_dir():
                (target / path).mkdir()
                pending.append(path)
            elif entry.is_file():
                shutil.copy2(source / path, target / path, follow_symlinks=False)
            else:
                left_out.append(str(path))
    return left_out


def _copy_link(source: Path, target: Path, path: PurePosixPath) -> bool:
    """Copy a link that leads to something inside ``source``; answers whether it did."""
    text = os.readlink(source / path)
    inside = (source / path).resolve().is_relative_to(source.resolve())
    if os.path.isabs(text) or not inside:
        return False
    os.symlink(text, target / path)
    return True


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it; no error when it is not there.

    Survives any depth: sub-folders are moved up before they are emptied, so that no path and no recursion
    grows with the tree. Symbolic links are removed, never followed. The name is free at once, also when the
    removal is interrupted; ``sweep`` finishes it.
    """
    work = path.parent / f"{WORK_PREFIX}{secrets.token_hex(6)}"
    try:
        if stat.S_ISLNK(os.stat(path, follow_symlinks=False).st_mode):
            path.unlink()
            return
        path.rename(work)
    except FileNotFoundError:
        return
    sync_folder(path.parent)
    parent = os.open(path.parent, _DIRECTORY)
    try:
        _remove_flat(parent, work.name)
    finally:
        os.close(parent)


def sweep(parent: Path) -> list[str]:
    """Finish interrupted removals and drop half-made folders; answers their names."""
    if not parent.is_dir():
        return []
    found = [name for name in sorted(os.listdir(parent)) if name.startswith(WORK_PREFIX)]
    for name in found:
        remove_tree(parent / name)
    return found


def _remove_flat(parent: int, name: str) -> None:
    """Empty and remove the folder ``name`` of ``parent``, lifting its sub-folders beside it one by one."""
    pending = [name]
    while pending:
        current = pending.pop()
        fd = _open_for_removal(parent, current)
        try:
            with os.scandir(fd) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for entry_name, is_folder in found:
                if is_folder:
                    lifted = f"{WORK_PREFIX}{secrets.token_hex(6)}"
                    os.close(_open_for_removal(fd, entry_name))
                    os.rename(entry_name, lifted, src_dir_fd=fd, dst_dir_fd=parent)
                    pending.append(lifted)
                else:
                    os.unlink(entry_name, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(current, dir_fd=parent)


def _open_for_removal(parent: int, name: str) -> int:
    """Open a folder for reading and changing it, whatever its permissions are (they must be ours to set)."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.geteuid() != 0:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def read_small(path: str) -> str:
    """The text of a file in a tenant's folder, for a daemon that reads thousands of them: one open, no walk.

    A link, or what would block its reader, such as a pipe, is UnsafePath, as is more than SMALL_BYTES.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > SMALL_BYTES:
            raise UnsafePath(f"{path} is not a regular file of at most {SMALL_BYTES} bytes")
        return os.read(descriptor, found.st_size).decode("utf-8")
    finally:
        os.close(descriptor)


def last_change(path: Path) -> float:
    """When anything in a folder was changed last (ctime, seconds since the epoch); 0 when it is not there."""
    newest = 0.0
    pending = [path]
    while pending:
        try:
            entries = list(os.scandir(current := pending.pop()))
            newest = max(newest, current.stat().st_ctime)
            for entry in entries:
                newest = max(newest, entry.stat(follow_symlinks=False).st_ctime)
                if entry.is_dir(follow_symlinks=False) and entry.name not in NOT_COPIED:
                    pending.append(Path(entry.path))
        except OSError:
            continue  # it is changing right now, and whoever asks will ask again; or too deep to be looked at
    return newest


def sync_folder(path: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(path, _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
