"""Which sandbox this machine allows, and the policy of each process.

In charge of: layers found at the start → one word and a sentence for people, and a `sandbox.Policy` for each
worker. Must not know: how a policy is enforced.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtgate.control.schema import Isolation as Word
from mtgate.paths import Paths
from mtgate.sandbox.policy import Policy
from mtgate.tenantdir.schema import TenantConfig

#: What Landlock lets everybody read: the system, not people's homes nor other services' data.
SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/bin",
    "/sbin",
    "/etc",
    "/opt",
    "/dev",
    "/proc",
    "/sys",
    "/run",
)
#: Of folders that `give_tree` enters.
LEVELS = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Where memory runs out, the kernel ends a worker before anything else of ours (proc(5), oom_score_adj).
WORKER_OOM_SCORE = 300
WORDS: tuple[Word, ...] = ("weak", "reduced", "strong")


class Isolation:
    """What workers are kept in, decided once at the daemon's start."""

    def __init__(
        self,
        paths: Paths,
        layers: Mapping[str, bool],
        uid_base: int,
        *,
        orphans_stop: bool,
        uid_count: int = 1_000_000,
    ) -> None:
        self.uid_count = uid_count
        self._paths = paths
        self._layers = dict(layers)
        self.adopts = not orphans_stop
        self._code = code_paths()
        self._closed = closed_ancestors([*self._code, str(paths.tenants)])
        if self._closed and layers["uid"] and not layers["mounts"]:
            self._layers["uid"] = False  # another user could not even read the interpreter
        self.uid_base = uid_base if self._layers["uid"] else None

    @property
    def word(self) -> Word:
        """strong, reduced or weak."""
        has = self._layers
        if has["mounts"] and has["landlock"] and has["seccomp"] and (has["uid"] or has["user_namespace"]):
            return "strong"
        return "reduced" if has["uid"] or has["seccomp"] else "weak"

    @property
    def sentence(self) -> str:
        """The word, what there is, and what is missing and why it matters."""
        has = self._layers
        present = [name for name in ("uid", "user_namespace", "mounts", "landlock", "seccomp") if has[name]]
        text = f"{self.word} ({', '.join(present) or 'nothing'})"
        if os.geteuid() == 0 and not has["uid"]:
            return (
                f"{text}: tenants share one uid: {self._closed[0]} is closed to others and cannot be covered"
            )
        if not has["mounts"]:
            return f"{text}: no private mounts, tenants see each other's file names"
        return text

    def policy(self, directory: Path, config: TenantConfig, uid: int | None, notify: Path | None) -> Policy:
        """For one worker of a tenant; `notify` is the folder of its NOTIFY_SOCKET."""
        has, limits = self._layers, config.limits
        code = [*self._code, *program_paths(config)]
        own_count = has["uid"] or has["user_namespace"]  # else the limit would count all the user's processes
        return Policy(
            uid=uid if has["uid"] else None,
            gid=uid if has["uid"] else None,
            processes=limits.processes if own_count else None,
            open_files=limits.open_files,
            memory_bytes=limits.memory_bytes,
            oom_score=WORKER_OOM_SCORE,
            die_with_parent=not self.adopts,
            mounts=has["mounts"],
            user_namespace=has["user_namespace"],
            covered=self._covered(),
            kept_writable=(str(directory), *([str(notify)] if notify else [])),
            kept_readable=tuple(sorted(set(code))),
            landlock=has["landlock"],
            readable=SYSTEM,
            seccomp=has["seccomp"],
            unix_sockets=has["mounts"] or config.command is not None,
        )

    def proxy_policy(self) -> Policy:
        """For a proxy: it needs the tenants' sockets, its inherited descriptors, and nothing else."""
        has = self._layers
        uid = self.uid_base
        return Policy(
            uid=uid,
            gid=uid,
            mounts=has["mounts"],
            user_namespace=has["user_namespace"],
            covered=self._covered(),
            kept_readable=tuple(sorted({*self._code, str(self._paths.sockets)})),
            landlock=has["landlock"],
            readable=SYSTEM,
            listens=True,
            seccomp=has["seccomp"],
        )

    def uid_of(self, number: int) -> int | None:
        """The uid of the `number`-th tenant ever; None without uids of their own, or where it is a
        person's."""
        if self.uid_base is None:
            return None
        uid = self.uid_base + number
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
        return None

    def _covered(self) -> tuple[str, ...]:
        paths = self._paths
        own = (paths.tenants, paths.state, paths.log, paths.run, paths.control.parent, paths.config)
        return (*map(str, own), *self._closed)


def code_paths() -> list[str]:
    """What a worker's interpreter reads: its installation and our packages, not what lies beside them."""
    packages = Path(__file__).resolve().parent.parent.parent
    executable = Path(sys.executable)
    found = {sys.prefix, sys.base_prefix, str(executable.parent), str(executable.resolve().parent)}
    found |= {str(packages / name) for name in ("mtgate", "tenant_runtime")}
    found |= {str(library) for library in packages.glob("mtgate__mypyc*.so")}  # of all compiled modules
    found |= {entry for entry in sys.path if entry and "site-packages" in entry}
    return sorted(path for path in found if os.path.exists(path))


def search_path() -> str:
    """PATH of workers: a program named `python` is the one that runs us, whatever a login shell would
    find."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def program_paths(config: TenantConfig) -> list[str]:
    """What a tenant's own program needs: its installation, and files that its arguments name."""
    if config.command is None:
        return []
    found = [word for word in config.command[1:] if os.path.isabs(word) and os.path.exists(word)]
    program = shutil.which(config.command[0], path=search_path())
    if program:
        folder = Path(program).resolve().parent
        found.append(str(folder.parent if folder.name == "bin" else folder))
    return found


def closed_ancestors(paths: Iterable[str]) -> list[str]:
    """Folders above the paths that other users may not enter, outermost of each line."""
    found = set()
    for path in paths:
        for ancestor in reversed(Path(path).resolve().parents):
            if not ancestor.stat().st_mode & stat.S_IXOTH:
                found.add(str(ancestor))
                break
    return sorted(found)


def give_tree(folder: Path, uid: int) -> None:
    """Makes every file below the folder the uid's own, and the folder closed to others; links are not
    followed.

    A file with a second name is left alone: the other name may be somebody else's. So is what lies deeper
    than LEVELS: nobody puts files there but the tenant, which must not make us recurse or use up descriptors.
    """
    os.chown(folder, uid, uid, follow_symlinks=False)
    os.chmod(folder, 0o700)
    _give_below(os.open(folder, _FOLDER), uid, LEVELS)


def _give_below(descriptor: int, uid: int, levels: int) -> None:
    """The content of an open folder, which is closed; what vanishes meanwhile is no error."""
    try:
        for name in os.listdir(descriptor):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                second_name = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
                if found.st_uid != uid and not second_name:
                    os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
                if levels and stat.S_ISDIR(found.st_mode):
                    _give_below(os.open(name, _FOLDER, dir_fd=descriptor), uid, levels - 1)
    finally:
        os.close(descriptor)
