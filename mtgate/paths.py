"""Where everything is: the folders and sockets of one daemon.

In charge of: the layout under ``--root``, root's system folders and the XDG folders. Must not know: what is
in the files. Imports nothing but the standard library, so that ``mtctl`` starts fast. Pure: the environment
and the user id are parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

#: Longest path that bind(2) takes for a Unix socket (sun_path, with its final zero).
MAX_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one daemon; all absolute. ``config`` need not exist."""

    config: Path
    tenants: Path
    state: Path
    run: Path
    log: Path
    control: Path

    @property
    def sockets(self) -> Path:
        """Folder of the tenants' sockets."""
        return self.run / "tenants"

    def tenant_dir(self, tenant_id: str) -> Path:
        """A tenant's folder."""
        return self.tenants / tenant_id

    def tenant_socket(self, tenant_id: str) -> Path:
        """A tenant's socket; its name is shortened to a hash where the path would be too long to bind."""
        path = self.run.joinpath("tenants", f"{tenant_id}.sock")
        if len(bytes(path)) <= MAX_SOCKET_PATH_BYTES:
            return path
        return self.sockets / (hashlib.blake2s(tenant_id.encode(), digest_size=8).hexdigest() + ".sock")

    def tenant_log(self, tenant_id: str) -> Path:
        """A tenant's journal."""
        return self.log / "tenants" / f"{tenant_id}.log"


def locate(
    environ: Mapping[str, str],
    uid: int,
    *,
    root: str | None = None,
    config: str | None = None,
    control: str | None = None,
) -> Paths:
    """The paths of a daemon; arguments (flags) win over ``MTGATE_*``, those over the defaults.

    Defaults: the system's folders for uid 0, else the XDG base directories.
    """
    root = root or environ.get("MTGATE_ROOT")
    if root:
        paths = _under(Path(root).absolute())
    elif uid == 0:
        paths = _SYSTEM
    else:
        paths = _xdg(environ)
    config = config or environ.get("MTGATE_CONFIG")
    control = control or environ.get("MTGATE_CONTROL")
    if config:
        paths = replace(paths, config=Path(config).absolute())
    if control:
        paths = replace(paths, control=Path(control).absolute())
    return paths


def _under(root: Path) -> Paths:
    return Paths(
        config=root / "mtgate.toml",
        tenants=root / "tenants",
        state=root / "state",
        run=root / "run",
        log=root / "log",
        control=root / "run" / "control.sock",
    )


_SYSTEM = Paths(
    config=Path("/etc/mtgate/mtgate.toml"),
    tenants=Path("/var/lib/mtgate/tenants"),
    state=Path("/var/lib/mtgate/state"),
    run=Path("/run/mtgate"),
    log=Path("/var/log/mtgate"),
    control=Path("/run/mtgate/control.sock"),
)


def _xdg(environ: Mapping[str, str]) -> Paths:
    """XDG Base Directory Specification 0.8; the runtime folder falls back to the state folder."""
    home = Path(environ.get("HOME") or "/")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "mtgate"
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "mtgate"
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "mtgate"
    runtime = environ.get("XDG_RUNTIME_DIR")
    run = Path(runtime) / "mtgate" if runtime else state / "run"
    return Paths(
        config=config / "mtgate.toml",
        tenants=data / "tenants",
        state=state,
        run=run,
        log=state / "log",
        control=run / "control.sock",
    )
