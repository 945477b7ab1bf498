"""How the gateway does beside its peers: one command, one table.

python bench/gateway/run.py [--rounds 3] [--seconds 2] [--only CASE] [--peers nginx,aiohttp] [--markdown
FILE]

Everything runs on this machine: one backend, one process of each proxy, wrk. The peers are set up under
--folder (nginx, haproxy, caddy and wrk from the distribution; Node's http-proxy from npm; aiohttp and
hypercorn from PyPI in an environment of their own). Rounds are interleaved (A B C … A B C …) and medians
shown, since a busy machine changes by the minute: compare within one table only. CPU is that of the proxy's
whole process tree, per request.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import backend  # noqa: E402

FRONT_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 0;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  upstream foo {{ server unix:{folder}/backend.sock; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; listen 127.0.0.1:{tls_port} ssl backlog=4096;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location /foo/ {{
      proxy_pass http://foo/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_request_buffering off;
    }}
  }}
}}
"""
FRONT_HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 2s
  option http-keep-alive
  http-reuse always
  option forwardfor
frontend f
  bind 127.0.0.1:{port} backlog 4096
  http-request set-path %[path,regsub(^/foo,)]
  default_backend b
backend b
  server s unix@{folder}/backend.sock
"""
FRONT_CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  handle_path /foo/* {{
    reverse_proxy unix/{folder}/backend.sock
  }}
}}
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of the table: connections, wrk's script, how a request is counted, which path."""

    name: str
    connections: int
    script: str = ""
    path: str = "/foo/api/Customers/1"
    tls: bool = False
    alone: bool = False


#: Requests are rendered before the clock starts, so that the load generator is not what is measured; they
#: come round again only after so many that nobody remembers the first.
RENDERED = """
local rendered, n = {}, 0
init = function()
  for i = 1, 50000 do rendered[i] = render(i) end
end
request = function()
  n = n % 50000 + 1
  return rendered[n]
end
"""
PATHS = 'render = function(i) return wrk.format("GET", "/foo/api/Customers/" .. i) end' + RENDERED
HEADS = (
    """
render = function(i)
  return wrk.format("GET", "/foo/api/Customers/" .. i, {
    Authorization = "token-" .. i .. "-abcdefghijklmnopqrstuvwxyz",
    Traceparent = "00-" .. i .. "-" .. i .. "-01",
    Accept = "application/json", ["User-Agent"] = "bench/" .. i,
  })
end
"""
    + RENDERED
)
TENANTS = (
    """
render = function(i) return wrk.format("GET", "/t" .. math.random(0, 999) .. "/api/Customers/1") end
"""
    + RENDERED
)
POST = """
wrk.method = "POST" wrk.body = string.rep("x", 1024) wrk.headers["Content-Type"] = "application/json"
"""
UP = 'wrk.method = "POST" wrk.body = string.rep("x", 10485760)'

CASES = [
    Case("GET, same head, 32 connections", 32),
    Case("GET, paths differ, 32 connections", 32, PATHS),
    Case("GET, every head differs, 32 connections", 32, HEADS),
    Case("GET, paths differ, 1 connection", 1, PATHS),
    Case("GET, paths differ, 1,000 connections", 1000, PATHS),
    Case("GET, one of 1,000 tenants at random, 32 connections (mtgate only)", 32, TENANTS, alone=True),
    Case("POST 1 KiB, 32 connections", 32, POST),
    Case("10 MiB down, 2 connections", 2, path="/foo/down"),
    Case("10 MiB up, 2 connections", 2, UP, path="/foo/up"),
    Case("GET over TLS, paths differ, 32 connections", 32, PATHS, tls=True),
]


class Peer:
    """One proxy: how it is started, and its process."""

    def __init__(self, name: str, command: Callable[[int, int], list[str]], tls: bool = False) -> None:
        self.name = name
        self.tls = tls
        self.port, self.tls_port = free_port(), free_port()
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        log = (folder / f"{self.name}.log").open("wb")
        self.process = subprocess.Popen(
            self.command(self.port, self.tls_port), stdout=log, stderr=log, start_new_session=True
        )
        wait_for_port(self.port)

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)

    def cpu_seconds(self) -> float:
        """User and system time of the process and its descendants."""
        assert self.process is not None
        total = 0
        for pid in tree(self.process.pid):
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(task.read_text().split()[0])
        return total / 1e9


def tree(root: int) -> Iterator[int]:
    yield root
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{root}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from tree(int(child))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def set_up(folder: Path) -> None:
    """What is not on the machine: the bench environment, http-proxy, a certificate."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run(
            [python, "-m", "pip", "-q", "install", "aiohttp", "hypercorn[trio]", "httpx"], check=True
        )
    if not (folder / "node_modules" / "http-proxy").exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, "http-proxy@1.13.3"], check=True)
    if not (folder / "cert.pem").exists():
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        command += [
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-keyout",
            folder / "key.pem",
            "-out",
            folder / "cert.pem",
        ]
        subprocess.run(command, check=True, capture_output=True)


def peers(folder: Path) -> list[Peer]:
    """All of them, in the order of the table."""
    sock = f"{folder}/backend.sock"
    python = f"{folder}/venv/bin/python"
    shutil.copy(HERE / "peers" / "http_proxy.js", folder / "http_proxy.js")

    def alone(port: int, tls_port: int) -> list[str]:
        command = [
            sys.executable,
            str(HERE / "alone.py"),
            "--listen",
            f"127.0.0.1:{port}",
            "--tenant",
            f"foo={sock}",
        ]
        command += ["--listen-tls", f"127.0.0.1:{tls_port}", "--certificate", f"{folder}/cert.pem"]
        command += ["--key", f"{folder}/key.pem", "--set", "max_body_bytes=null", "--more", "1000"]
        return [*command, "--limit", "max_in_flight=1000", "--limit", "max_queue=1000"]

    def nginx(port: int, tls_port: int) -> list[str]:
        text = FRONT_NGINX.format(folder=folder, port=port, tls_port=tls_port)
        return ["nginx", "-c", write(folder, "nginx.conf", text)]

    def haproxy(port: int, _: int) -> list[str]:
        text = FRONT_HAPROXY.format(folder=folder, port=port)
        return ["haproxy", "-f", write(folder, "haproxy.cfg", text)]

    def caddy(port: int, _: int) -> list[str]:
        text = FRONT_CADDY.format(folder=folder, port=port)
        return ["caddy", "run", "--adapter", "caddyfile", "--config", write(folder, "Caddyfile", text)]

    return [
        Peer("mtgate", alone, tls=True),
        Peer("nginx", nginx, tls=True),
        Peer("haproxy", haproxy),
        Peer("caddy", caddy),
        Peer("http-proxy", lambda port, _: ["node", f"{folder}/http_proxy.js", str(port), sock]),
        Peer("aiohttp", lambda port, _: [python, str(HERE / "peers" / "aiohttp_proxy.py"), str(port), sock]),
        Peer(
            "hypercorn", lambda port, _: [python, str(HERE / "peers" / "hypercorn_proxy.py"), str(port), sock]
        ),
    ]


@dataclasses.dataclass
class Measure:
    """One run of wrk."""

    requests_per_second: float
    cpu_microseconds: float
    p50_milliseconds: float
    p99_milliseconds: float
    errors: int


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def run_wrk(peer: Peer, case: Case, seconds: int, folder: Path) -> Measure:
    scheme, port = ("https", peer.tls_port) if case.tls else ("http", peer.port)
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}", "--latency", "--timeout", "20s"]
    if case.script:
        command += ["-s", write(folder, "case.lua", case.script)]
    before = peer.cpu_seconds()
    command.append(f"{scheme}://127.0.0.1:{port}{case.path}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Measure(0.0, 0.0, 0.0, 0.0, 1)  # The peer takes no connections any more.
    out = done.stdout
    cpu = peer.cpu_seconds() - before
    count = int(re.search(r"(\d+) requests in", out)[1])  # type: ignore[index]
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", out)))
    errors += sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", out)))
    latency = {name: milliseconds(value) for name, value in re.findall(r"(50|99)%\s+([\d.]+\w+)", out)}
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    return Measure(rate, cpu / max(count, 1) * 1e6, latency["50"], latency["99"], errors)


def median(measures: list[Measure], name: str) -> float:
    return statistics.median(getattr(measure, name) for measure in measures)


def table(case: Case, results: dict[str, list[Measure]]) -> list[str]:
    """Rows of one case.

    Ratios are mtgate's to the peer's, above 1 in its favour for requests, below for CPU.
    """
    ours = results["mtgate"]
    lines = [
        f"\n**{case.name}**\n",
        "| proxy | req/s | mtgate's ratio | CPU µs/req | mtgate's ratio | p50 ms | p99 ms | errors |",
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, measures in results.items():
        rate, cpu = median(measures, "requests_per_second"), median(measures, "cpu_microseconds")
        rate_ratio = median(ours, "requests_per_second") / rate if rate else 0.0
        cpu_ratio = median(ours, "cpu_microseconds") / cpu if cpu else 0.0
        lines.append(
            f"| {name} | {rate:,.0f} | {rate_ratio:.2f} | {cpu:,.0f} | {cpu_ratio:.2f} "
            f"| {median(measures, 'p50_milliseconds'):.2f} | {median(measures, 'p99_milliseconds'):.2f} "
            f"| {sum(measure.errors for measure in measures)} |"
        )
    return lines


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/mtgate-bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="regular expression on the case's name")
    parser.add_argument("--peers", default="", help="comma-separated; all when not given")
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


def describe_machine(arguments: argparse.Namespace) -> str:
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": ?"
    )
    machine = f"{os.cpu_count()} × {cpu.partition(':')[2].strip()}, Python {sys.version.split()[0]}"
    rounds = f"{arguments.rounds} rounds of {arguments.seconds} s, medians"
    return f"{datetime.date.today()}, {machine}; {rounds}; load at the beginning {os.getloadavg()[0]:.1f}."


@contextlib.contextmanager
def running(chosen: list[Peer], folder: Path) -> Iterator[None]:
    """The backend and the proxies, until the end."""
    for name in ("backend.sock", "sink.sock"):
        (folder / name).unlink(missing_ok=True)
    helpers = [
        subprocess.Popen(["nginx", "-c", backend.configure(folder)], start_new_session=True),
        subprocess.Popen([sys.executable, HERE / "backend.py", folder / "sink.sock"], start_new_session=True),
    ]
    try:
        for peer in chosen:
            peer.start(folder)
        yield
    finally:
        for peer in chosen:
            peer.stop()
        for helper in helpers:
            os.killpg(helper.pid, signal.SIGTERM)
            helper.wait(10)


def main() -> None:
    arguments = parse_arguments()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    set_up(folder)
    wanted = set(arguments.peers.split(",")) | {"mtgate"} if arguments.peers else None
    chosen = [peer for peer in peers(folder) if wanted is None or peer.name in wanted]
    lines = [describe_machine(arguments)]
    with running(chosen, folder):
        for case in CASES:
            if not re.search(arguments.only, case.name):
                continue
            able = [peer for peer in chosen if peer.tls or not case.tls]
            able = able[:1] if case.alone else able
            results: dict[str, list[Measure]] = {peer.name: [] for peer in able}
            for _ in range(arguments.rounds):
                for peer in able:
                    results[peer.name].append(run_wrk(peer, case, arguments.seconds, folder))
            rows = table(case, results)
            print("\n".join(rows), flush=True)
            lines += rows
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
