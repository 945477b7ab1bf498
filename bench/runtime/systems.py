"""What is compared: a tenant's worker and the original, on the same application and database server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtgate.tenantdir.template import application
from tests.conformance.workers import running
from tests.servers.running import RunningServers
from tests.servers.server import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class System:
    """Something that answers on a loopback port below ``path``; CPU is counted for ``pids``."""

    name: str
    port: int
    path: str
    pids: list[int] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids)

    def memory_mib(self) -> float:
        """Proportional set size of its processes, in MiB."""
        total = 0
        for pid in self.pids:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return total / 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write_app(folder: Path, source: dict[str, Any]) -> None:
    """A new application with the bench's models on the data source; boot scripts in Python only."""
    models = json.loads((HERE / "models.json").read_text("utf-8"))
    files = application()
    files["datasources.json"] = json.dumps({"db": {"name": "db", **source}})
    config = json.loads(files["model-config.json"])
    config |= {name: {"dataSource": "db", "public": True} for name in models}
    config["_meta"] = {
        "sources": ["loopback/common/models", "./models"],
        "mixins": ["loopback/common/mixins"],
    }
    files["model-config.json"] = json.dumps(config)
    files |= {f"models/{name.lower()}.json": json.dumps(model) for name, model in models.items()}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def data_source(store: str, servers: RunningServers, folder: Path) -> dict[str, Any]:
    if store == "memory":
        return {"connector": "memory"}
    if store == "sqlite3":
        return {"connector": "sqlite3", "file": str(folder / "bench.db")}
    return servers.get(store).new_database()


@contextmanager
def process(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says ``ready…`` on its first line; ended with the block."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "TZ": "UTC", **environment}
    ) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            if not line.startswith(b"ready"):
                raise RuntimeError(f"{command[:3]} said {line!r}")
            yield started
        finally:
            started.terminate()


@contextmanager
def original(store: str, servers: RunningServers, node_modules: str) -> Iterator[System]:
    """LoopBack 3.28 under node, in the environment that its generator makes."""
    with temporary_folder() as folder, ExitStack() as stack:
        write_app(folder, data_source(store, servers, folder))
        shutil.rmtree(folder / "boot")
        port = free_port()
        node = stack.enter_context(
            process(
                ["node", str(HERE / "original.js"), str(folder), str(port)],
                NODE_PATH=node_modules,
                NODE_ENV="production",
            )
        )
        yield System("LoopBack 3.28", port, "", [node.pid])


@contextmanager
def tenant(store: str, servers: RunningServers) -> Iterator[System]:
    """A worker as the zygote starts it, listening on a port instead of its Unix socket (wrk has none)."""
    with temporary_folder() as folder:
        write_app(folder, data_source(store, servers, folder))
        with running(folder, reset=store != "memory", tcp=True) as target:
            yield System("tenant_runtime", target.port, "", [target.pid])


@contextmanager
def behind_node_gateway(system: System, node_modules: str) -> Iterator[System]:
    port = free_port()
    with process(
        ["node", str(HERE / "gateway.js"), str(port), str(system.port)], NODE_PATH=node_modules
    ) as gateway:
        yield System(f"http-proxy + {system.name}", port, "/bench", [gateway.pid, *system.pids])


@contextmanager
def behind_mtgate(store: str, servers: RunningServers) -> Iterator[System]:
    """The gateway's proxy process with the worker on its Unix socket, as the daemon runs them."""
    with temporary_folder() as folder:
        write_app(folder, data_source(store, servers, folder))
        with running(folder, reset=store != "memory") as target:
            port = free_port()
            command = [sys.executable, "bench/gateway/alone.py", "--listen", f"127.0.0.1:{port}"]
            command += ["--tenant", f"bench={target.socket_path}"]
            with process(command) as gateway:
                pids = [*children(gateway.pid), target.pid]
                yield System("mtgate + tenant_runtime", port, "/bench", pids)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-runtime-") as name:
        yield Path(name)
