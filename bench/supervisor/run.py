"""The supervisor's benchmarks: `python bench/supervisor/run.py [restart kill daemon wake memory many
registered loops]`.

Starts a daemon of its own in a temporary folder; prints lines for the table in docs/performance.md.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import load  # noqa: E402

from mtgate.supervisor.isolation import give_tree  # noqa: E402
from mtgate.tenantdir.template import application  # noqa: E402

MODELS = ("Shelf", "Book", "Reader")
#: Limits count a uid's processes, also those of another daemon.
UID_BASE = 40_000_000
SETTINGS = f'[log]\naccess = "off"\n[supervisor]\nuid_base = {UID_BASE}\n'


def scaffold(folder: Path, **settings: object) -> None:
    """The application of `mtctl add` with three models on SQLite, open to everybody."""
    for path, text in application().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    config = json.loads((folder / "model-config.json").read_text())
    for name in MODELS:
        config[name] = {"dataSource": "sqlite", "public": True}
        properties = {"name": "string", "pages": "number", "bought": "date"}
        definition = {"name": name, "base": "PersistedModel", "properties": properties}
        (folder / "models").mkdir(exist_ok=True)
        (folder / "models" / f"{name.lower()}.json").write_text(json.dumps(definition))
    (folder / "model-config.json").write_text(json.dumps(config))
    sources = json.loads((folder / "datasources.json").read_text())
    sources["sqlite"] = {"name": "sqlite", "connector": "sqlite3", "file": "db.sqlite"}
    (folder / "datasources.json").write_text(json.dumps(sources))
    (folder / "tenant.json").write_text(json.dumps(settings))


class Daemon:
    """One daemon on a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it says READY."""
        words = [sys.executable, "-m", "mtgate.cli", "start", "--root", str(self.root), "--timeout", "300"]
        began = time.monotonic()
        subprocess.run([*words, "--listen", f"127.0.0.1:{self.port}"], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    def stop(self) -> None:
        subprocess.run([sys.executable, "-m", "mtgate.cli", "stop", "--root", str(self.root)], check=False)

    @property
    def pid(self) -> int:
        return int((self.root / "run" / "mtgate.lock").read_text())

    def call(self, method: str, path: str, body: object = None) -> object:
        """One exchange with the control API."""
        data = json.dumps(body).encode() if body is not None else b""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.root / "run" / "control.sock"))
            fields = f"Host: x\r\nConnection: close\r\nContent-Length: {len(data)}"
            head = f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n"
            client.sendall(head.encode() + data)
            answer = b""
            while piece := client.recv(1 << 20):
                answer += piece
        status, payload = answer.split(b" ", 2)[1], answer.partition(b"\r\n\r\n")[2]
        assert status.startswith(b"2"), answer[:500]
        return json.loads(payload)

    def tenants(self) -> list[dict[str, object]]:
        found = self.call("GET", "/v1/tenants")
        assert isinstance(found, list)
        return found

    def wait_all(self, state: str, seconds: float = 300) -> float:
        began = time.monotonic()
        while others := [tenant for tenant in self.tenants() if tenant["state"] != state]:
            assert time.monotonic() - began < seconds, others[:2]
            time.sleep(max(0.1, len(others) / 500))  # an answer about a thousand takes the daemon a while
        return time.monotonic() - began


@contextmanager
def daemon(count: int, *, started: bool = True, **settings: object) -> Iterator[Daemon]:
    """A daemon with `count` tenants t0…; at the end everything is gone."""
    root = Path(tempfile.mkdtemp(prefix="mtgate-bench-", dir="/var/tmp"))
    root.chmod(0o755)
    made = Daemon(root)
    try:
        for number in range(count):
            scaffold(root / "tenants" / f"t{number}", **settings)
        (root / "mtgate.toml").write_text(SETTINGS)
        if started:
            made.start()
            made.wait_all("active")
            made.call("POST", "/v1/tenants/t0/schema/apply", {})
        yield made
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)


TARGET = "/t0/api/Books/count"


async def _under_load(
    made: Daemon, action: object, times: int, pause: float, *, keep_alive: bool
) -> load.Result:
    result: list[load.Result] = []
    seconds = times * pause + 1.0

    async def loading() -> None:
        result.append(await load.run(made.port, TARGET, 200, seconds, keep_alive=keep_alive))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(loading)
        await trio.sleep(0.5)
        for _ in range(times):
            next_at = trio.current_time() + pause
            await trio.to_thread.run_sync(action)  # type: ignore[arg-type]
            await trio.sleep_until(next_at)
    return result[0]


def bench_restart() -> None:
    """Row: restarts of one worker at 200 requests a second."""
    with daemon(1) as made:
        restart = lambda: made.call("POST", "/v1/tenants/t0/restart", {})  # noqa: E731
        for keep_alive in (False, True):
            name = "keep-alive" if keep_alive else "new connections"
            quiet = trio.run(lambda ka=keep_alive: load.run(made.port, TARGET, 200, 8, keep_alive=ka))
            print(f"no restart, {name} | {quiet.line()}")
            busy = trio.run(lambda ka=keep_alive: _under_load(made, restart, 20, 0.5, keep_alive=ka))
            print(f"20 restarts, {name} | {busy.line()}")


def bench_kill() -> None:
    """Row: SIGKILL of the worker, GETs, keep-alive."""
    with daemon(1, restart={"burst": 100, "healthy_after_seconds": 0.1}) as made:

        def kill() -> None:
            for pid in made.tenants()[0]["pids"]:  # type: ignore[attr-defined]
                os.kill(pid, signal.SIGKILL)

        busy = trio.run(lambda: _under_load(made, kill, 20, 0.7, keep_alive=True))
        print(f"20 SIGKILLs of the worker | {busy.line()}")


def bench_daemon() -> None:
    """Row: `mtgate restart` under load."""
    with daemon(1) as made:
        words = [sys.executable, "-m", "mtgate.cli", "restart", "--root", str(made.root)]
        words += ["--listen", f"127.0.0.1:{made.port}"]
        replace = lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
        busy = trio.run(lambda: _under_load(made, replace, 10, 5.0, keep_alive=True))
        print(f"10 restarts of the daemon | {busy.line()}")


def bench_wake() -> None:
    """Rows: start from the zygote, and wake through the gateway to the first byte."""
    with daemon(1) as made:
        starts, wakes = [], []
        for _ in range(30):
            made.call("POST", "/v1/tenants/t0/stop")
            began = time.monotonic()
            made.call("POST", "/v1/tenants/t0/start")
            trio.run(lambda: load.one(made.port, TARGET, None, close=True))
            starts.append((time.monotonic() - began) * 1000)
        for _ in range(50):
            made.call("POST", "/v1/tenants/t0/sleep")
            time.sleep(0.05)
            began = time.monotonic()
            trio.run(lambda: load.one(made.port, TARGET, None, close=True))
            wakes.append((time.monotonic() - began) * 1000)
        for name, values in (("start to first 200", starts), ("wake to first byte", wakes)):
            ordered = sorted(values)
            print(f"{name}, ms | median {ordered[len(ordered) // 2]:.1f} | worst {ordered[-1]:.1f}")


def uss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def bench_memory() -> None:
    """Rows: unshared memory of an idle tenant, the daemon with sleepers."""
    with daemon(30) as made:
        pids = [tenant["pids"][0] for tenant in made.tenants()]  # type: ignore[index]
        values = sorted(uss_bytes(pid) for pid in pids)
        print(f"unshared memory of an idle tenant, MiB | {values[15] / 2**20:.2f}")


def bench_many(count: int = 1000) -> None:
    """Row: many tenants from cold to ready."""
    with daemon(count, started=False) as made:
        began = time.monotonic()
        made.start()
        made.wait_all("active", 600)
        took = time.monotonic() - began
        pids = [tenant["pids"][0] for tenant in made.tenants()]  # type: ignore[index]
        total = sum(uss_bytes(pid) for pid in pids)
        print(f"{count} tenants from cold to ready, s | {took:.1f} | unshared in all {total / 2**30:.2f} GiB")


def bench_registered(count: int = 10_000) -> None:
    """Rows: many registered sleepers: ready, memory, idle processor time, fifty woken."""
    with daemon(0, started=False) as made:
        records = {}
        for number in range(count):
            scaffold(made.root / "tenants" / f"t{number}")
            records[f"t{number}"] = {
                "desired": "running",
                "uid": UID_BASE + 1 + number if os.geteuid() == 0 else None,
                "workers": None,
                "generation": 1,
                "asleep": True,
            }
        (made.root / "state").mkdir()
        state = {"version": 1, "next_uid": count, "tenants": records}
        (made.root / "state" / "tenants.json").write_text(json.dumps(state))
        if os.geteuid() == 0:
            for number in range(count):
                give_tree(made.root / "tenants" / f"t{number}", UID_BASE + 1 + number)
        took = made.start()
        time.sleep(5)
        before = _cpu_seconds(made.pid)
        time.sleep(10)
        cpu = (_cpu_seconds(made.pid) - before) * 10
        rss = rss_bytes(made.pid) / 2**20
        print(f"{count} registered: ready, s | {took:.2f} | RSS {rss:.1f} MiB | idle {cpu:.2f} %")
        chance, waits = random.Random(1), []
        for number in chance.sample(range(count), 50):
            began = time.monotonic()
            target = f"/t{number}/api/Users/count"
            try:
                trio.run(lambda target=target: load.one(made.port, target, None, close=True))
            except OSError as error:
                assert "401" in str(error), error  # the scaffold's users are closed: the tenant has answered
            waits.append(time.monotonic() - began)
            time.sleep(max(0.0, 0.1 - waits[-1]))
        print(f"50 of them woken, ms | median {sorted(waits)[25] * 1000:.1f} | worst {max(waits) * 1000:.1f}")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_loops() -> None:
    """Row: twenty tenants that crash in a loop, the control API and a healthy neighbour."""
    with daemon(1) as made:

        def measure(name: str) -> None:
            answers = []

            def ask() -> None:
                began = time.monotonic()
                made.call("GET", "/v1/tenants/t0")
                answers.append((time.monotonic() - began) * 1000)

            found = trio.run(lambda: _under_load(made, ask, 100, 0.05, keep_alive=True))
            print(f"neighbour, {name} | {found.line()}")
            print(f"control answer, {name}, ms | p99 {sorted(answers)[98]:.1f}")

        measure("quiet")
        for number in range(20):
            folder = made.root / "tenants" / f"crash{number}"
            folder.mkdir()
            quick = {"burst": 1000, "backoff_max_seconds": 0.5}
            (folder / "tenant.json").write_text(json.dumps({"command": ["false"], "restart": quick}))
        time.sleep(3)
        measure("beside 20 crash loops")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    for word in sys.argv[1:] or (
        "restart",
        "kill",
        "daemon",
        "wake",
        "memory",
        "many",
        "registered",
        "loops",
    ):
        name, _, number = word.partition("=")
        print(f"# {name}", flush=True)
        globals()[f"bench_{name}"](*([int(number)] if number else []))
