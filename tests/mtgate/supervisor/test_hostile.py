"""What an unfriendly tenant tries, with the hostile kit (MTGATE_HOSTILE, or `shared/hostile` beside the
checkout)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

from mtgate.errors import GateError
from mtgate.sandbox.closing import layers
from mtgate.supervisor.supervisor import Supervisor
from tests.mtgate.supervisor.supervising import WEAK, make_tenant, paths_of, supervising, until

CHECKOUT = Path(__file__).resolve().parents[3]
PLACES = [
    Path(os.environ.get("MTGATE_HOSTILE", "/nonexistent")),
    *(up / "shared/hostile" for up in CHECKOUT.parents[:2]),
]
KIT = next((place / "hostile.py" for place in PLACES if (place / "hostile.py").exists()), None)

pytestmark = pytest.mark.skipif(KIT is None, reason="the hostile kit is not here")

PROBES = (
    "read-other-datasources",
    "read-daemon-config",
    "list-other-tenants",
    "read-process-environment",
    "environment-holds-secrets",
    "inherited-descriptors",
    "symlink-to-other-file",
    "connect-other-socket",
    "connect-control-socket",
    "connect-abstract-socket",
    "signal-daemon",
    "signal-other-worker",
    "ptrace-other-worker",
    "read-other-memory",
    "listen-on-public-port",
    "listen-on-any-port",
    "write-outside",
    "overwrite-other-log-by-symlink",
    "change-privileges",
)
LIMITS = ("fork-bomb", "thread-bomb", "descriptor-exhaustion", "memory-bomb")
#: These must succeed without isolation, or the context is wrong and a refusal proves nothing.
PROOF = (
    "read-other-datasources",
    "list-other-tenants",
    "connect-other-socket",
    "signal-other-worker",
    "write-outside",
)

PROGRAM = """import sys
sys.path.insert(0, {folder!r})
import hostile
hostile.boot(*{names!r})
print("through", flush=True)
"""


@contextmanager
def listening(address: object, family: int) -> Iterator[socket.socket]:
    with socket.socket(family) as one:
        one.bind(address)  # type: ignore[arg-type]
        one.listen()
        yield one


async def attack(root: Path, names: tuple[str, ...], allowed: dict[str, bool]) -> dict[str, str]:
    """Runs the attacks as the program of a tenant; outcome by name."""
    assert KIT is not None
    paths = paths_of(root)
    victim, attacker = make_tenant(root, "victim"), make_tenant(root, "attacker")
    (victim / "datasources.json").write_text('{"db": {"password": "marker"}}')
    (victim / "precious").write_text("precious")
    shutil.copy(KIT, attacker / "hostile.py")
    (attacker / "attack.py").write_text(PROGRAM.format(folder=str(attacker), names=names))
    settings = {"command": [sys.executable, str(attacker / "attack.py")], "restart": {"policy": "never"}}
    (attacker / "tenant.json").write_text(json.dumps(settings))
    paths.run.mkdir(exist_ok=True)
    paths.config.write_text("")
    abstract = f"mtgate-test-{os.getpid()}"
    with (
        listening(str(paths.control), socket.AF_UNIX),
        listening("\0" + abstract, socket.AF_UNIX),
        listening(("127.0.0.1", 0), socket.AF_INET) as public,
    ):
        async with supervising(root, allowed) as supervisor:
            await supervisor.stop("attacker")
            await supervisor.start("victim")
            context = {
                "tenant_dir": str(attacker),
                "own_socket": str(paths.tenant_socket("attacker")),
                "victim_dir": str(victim),
                "victim_socket": str(paths.tenant_socket("victim")),
                "victim_pid": supervisor.status("victim").pids[0],
                "daemon_files": [str(paths.state / "tenants.json"), str(paths.config)],
                "daemon_pid": os.getpid(),
                "control_socket": str(paths.control),
                "abstract_socket": abstract,
                "public_port": public.getsockname()[1],
                "secrets": ["marker"],
                "write_dirs": ["/usr/local", "/etc", str(root)],
                "witness_file": str(victim / "witness"),
                "forks": 200,
                "threads": 500,
                "memory_mib": 1500,
                "descriptors": 5000,
                "hold_s": 1,
            }
            (attacker / "hostile.json").write_text(json.dumps(context))
            journal = supervisor.journal("attacker")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(start_quietly, supervisor)
                await until(lambda: any(entry.text.startswith("through") for entry in journal.tail(100)), 60)
                nursery.cancel_scope.cancel()
            assert (victim / "precious").read_text() == "precious"
            lines = [entry.text for entry in journal.tail(100) if entry.text.startswith("HOSTILE ")]
            assert supervisor.status("victim").restarts == 0
    reports = [json.loads(line.removeprefix("HOSTILE ")) for line in lines]
    return {report["attack"]: report["outcome"] for report in reports}


async def start_quietly(supervisor: Supervisor) -> None:
    """It attacks before it is ready, and never is."""
    with suppress(GateError):
        await supervisor.start("attacker")


async def test_every_probe_is_refused(tmp_path: Path) -> None:
    found = layers()
    if not (found["mounts"] and found["landlock"] and found["seccomp"]):
        pytest.skip("this machine does not give strong isolation")
    outcomes = await attack(tmp_path, PROBES, found)
    assert outcomes.keys() == set(PROBES)
    harmless = {"overwrite-other-log-by-symlink": "done"}
    assert outcomes == {name: harmless.get(name, "denied") for name in PROBES}


async def test_what_is_used_up_is_limited(tmp_path: Path) -> None:
    found = layers()
    if not found["mounts"]:
        pytest.skip("this machine does not give strong isolation")
    assert await attack(tmp_path, LIMITS, found) == dict.fromkeys(LIMITS, "limited")


async def test_without_isolation_the_probes_work(tmp_path: Path) -> None:
    assert await attack(tmp_path, PROOF, WEAK) == dict.fromkeys(PROOF, "allowed")
