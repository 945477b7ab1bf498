"""Private mounts: what of the file system there is.

In charge of: covering folders with empty ones and bringing back what is kept. Must not know: identity, other
layers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from mtgate.sandbox.policy import Policy
from mtgate.sandbox.system import (
    CLONE_NEWNS,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    unshare,
)

_TMPFS = "size=64m,nr_inodes=16k"


def make_private(policy: Policy) -> None:
    """Covers folders with empty ones and brings back in what is kept; nobody outside sees any of it."""
    kept = [(path, True) for path in policy.kept_writable] + [(path, False) for path in policy.kept_readable]
    if not policy.user_namespace:
        unshare(CLONE_NEWNS)
    # opened inside the new namespace: a mount of the old one cannot be the source of a bind
    handles = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _ in kept if os.path.exists(path)}
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    covers = _outermost(path for path in (*policy.covered, *policy.private) if os.path.exists(path))
    for path in [path for path in covers if not os.path.isdir(path)]:
        covers.remove(path)
        mount(os.devnull, path, None, MS_BIND)
    for path in covers:
        mode = "1777" if path in policy.private else "0755"
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode},{_TMPFS}")
    for path, writable in sorted(kept):
        if path in handles and any(_is_below(path, cover) for cover in covers):
            _bring_back(handles[path], path, writable=writable)
    for path in covers:
        if path not in policy.private:
            mount("tmpfs", path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for handle in handles.values():
        os.close(handle)


def _bring_back(handle: int, path: str, *, writable: bool) -> None:
    source = f"/proc/self/fd/{handle}"
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))
    mount(source, path, None, MS_BIND | MS_REC)
    if not writable:
        # an unprivileged remount must keep the flags that the mount has
        flags = os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)
        mount("none", path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def _outermost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        if not any(_is_below(path, outer) for outer in found):
            found.append(path)
    return found


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
