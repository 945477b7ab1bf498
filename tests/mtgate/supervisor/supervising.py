"""A supervisor of its own for a test: real processes, no proxies, no control socket, no zygote.

As a script it runs words from its arguments (`add foo`, `stop foo`…) on a folder, for tests that let it die.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from mtgate.paths import Paths, locate
from mtgate.supervisor import orphans
from mtgate.supervisor.cgroups import Cgroups
from mtgate.supervisor.desired import DesiredState
from mtgate.supervisor.events import Events
from mtgate.supervisor.history import History
from mtgate.supervisor.isolation import Isolation
from mtgate.supervisor.launcher import Launcher
from mtgate.supervisor.listeners import Sleepers
from mtgate.supervisor.process import Children, become_subreaper
from mtgate.supervisor.routes import Unrouted
from mtgate.supervisor.services import Services
from mtgate.supervisor.supervisor import Supervisor
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.zygote import Zygote
from mtgate.tenantdir.schema import TenantConfig

PROGRAM = Path(__file__).with_name("tenant_program.py")
#: Limits count a uid's processes, also those of a daemon or a test beside this one.
UID_BASE = 20_000_000 + os.getpid() % 100_000 * 100
WEAK = dict.fromkeys(("uid", "mounts", "user_namespace", "landlock", "seccomp"), False)


def paths_of(root: Path) -> Paths:
    return locate({}, os.getuid(), root=str(root))


def make_tenant(root: Path, name: str, behaviour: str = "", **settings: object) -> Path:
    """A folder whose program is tenant_program.py."""
    folder = root / "tenants" / name
    folder.mkdir(parents=True, exist_ok=True)
    document = {"command": [sys.executable, str(PROGRAM)], "start_timeout_seconds": 20, **settings}
    (folder / "tenant.json").write_text(json.dumps(document))
    (folder / "behaviour").write_text(behaviour)
    return folder


@asynccontextmanager
async def supervising(
    root: Path, layers: dict[str, bool] | None = None, *, adopt: bool = False
) -> AsyncIterator[Supervisor]:
    """Takes up what is under `root`; at the end everything is stopped."""
    paths = paths_of(root)
    desired = DesiredState(paths.state)
    desired.load()
    become_subreaper()
    children = Children()
    others = set(children.strangers())
    zygote = Zygote(children, enabled=False)
    isolation = Isolation(paths, layers or WEAK, UID_BASE, orphans_stop=not adopt)
    known: dict[str, Tenant] = {}
    with trio.fail_after(100):  # before the limit of a test, which breaks trio for those that follow
        async with trio.open_nursery() as nursery:
            services = Services(
                paths=paths,
                defaults=TenantConfig(),
                events=Events(),
                desired=desired,
                history=History(paths.state / "history"),
                launcher=Launcher(paths, zygote, children, isolation, Cgroups.find(paths.run), os.environ),
                children=children,
                sleepers=Sleepers(),
                routes=Unrouted(),
                starts=trio.CapacityLimiter(4),
                nursery=nursery,
            )
            supervisor = Supervisor(services, known)
            nursery.start_soon(children.reap_forever)
            nursery.start_soon(services.sleepers.watch)
            nursery.start_soon(zygote.run)
            await supervisor.take_up_all(orphans.take(services.launcher.records, adopt=adopt))
            try:
                yield supervisor
            finally:
                with trio.CancelScope(shield=True):
                    await supervisor.shut_down()
                    for tenant in supervisor.tenants():
                        tenant.listener.close()
                    await reap_descendants(children, others)
                nursery.cancel_scope.cancel()


async def reap_descendants(children: Children, others: set[int]) -> None:
    """What tenants have left and was killed: this process lives on, and its zombies would count against the
    limits of their uid in the tests that follow."""
    with trio.move_on_after(60):
        while left := [pid for pid in children.strangers() if pid not in others]:
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
            await trio.sleep(0.02)


async def ask(root: Path, name: str, target: str = "/") -> str:
    """The body of an answer from the tenant's own socket."""
    async with await trio.open_unix_socket(str(paths_of(root).tenant_socket(name))) as stream:
        await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        async for piece in stream:
            data += piece
    return data.partition(b"\r\n\r\n")[2].decode()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def until(condition: object, seconds: float = 60.0) -> None:
    """Polls a condition about the outside world, which sends no event; the limit bounds a hang."""
    assert callable(condition)
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.02)


async def _script(root: Path, words: list[str]) -> None:
    async with supervising(root, adopt="--adopt" in words) as supervisor:
        words = [word for word in words if word != "--adopt"]
        for word, name in zip(words[::2], words[1::2], strict=True):
            if word == "add":
                make_tenant(root, name)
                await supervisor.add(name, start=True)
            elif word == "remove":
                await supervisor.remove(name, keep_files=False)
            else:
                await getattr(supervisor, word)(name)
        if not words:
            await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(_script, Path(sys.argv[1]), sys.argv[2:])
