"""Load on one system: wrk for throughput and CPU, a steady stream of requests for latencies at equal load."""

from __future__ import annotations

import http.client
import json
import re
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

from bench.runtime.systems import System

ROWS = 1000


@dataclass(frozen=True)
class Measured:
    requests_per_second: float
    cpu_us: float  # for each request, of the system's processes
    p50_ms: float
    p99_ms: float
    errors: int


def call(system: System, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    try:
        headers = {"content-type": "application/json"} if body is not None else {}
        text = None if body is None else json.dumps(body)
        connection.request(method, system.path + path, text, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{system.name}: {method} {path}: {answer.status} {content[:200]!r}")
        return json.loads(content)
    finally:
        connection.close()


def customer(number: int) -> dict[str, Any]:
    """A row of about 280 bytes."""
    return {
        "name": f"Customer Number {number}",
        "email": f"customer{number}@example.com",
        "street": f"{number} Long Winding Road",
        "city": ["Paris", "London", "Berlin"][number % 3],
        "zip": f"{10000 + number}",
        "balance": number * 3,
        "active": number % 2 == 0,
        "since": "2020-01-02T03:04:05.000Z",
        "notes": "prefers to be called in the morning",
    }


def seed(system: System) -> Any:
    """Fill the store; returns an id in the middle."""
    for first in range(0, ROWS, 100):
        call(system, "POST", "/api/Customers", [customer(first + number) for number in range(100)])
    return call(system, "GET", "/api/Customers?filter[limit]=1&filter[skip]=500")[0]["id"]


def wrk(system: System, path: str, *, connections: int, seconds: float, body: Any = None) -> Measured:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body is not None:
            script.write(post_script(body))
            script.flush()
            command += ["-s", script.name]
        before = system.cpu_seconds()
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{system.port}{system.path}{path}"],
            capture_output=True,
            text=True,
            check=True,
        )
        used = system.cpu_seconds() - before
    total = int(found(r"(\d+) requests in", done.stdout) or 0)
    errors = int(found(r"Non-2xx or 3xx responses: (\d+)", done.stdout) or 0)
    return Measured(
        float(found(r"Requests/sec:\s+([\d.]+)", done.stdout) or 0),
        1e6 * used / max(total, 1),
        milliseconds(found(r"50%\s+([\d.]+\w+)", done.stdout) or "0ms"),
        milliseconds(found(r"99%\s+([\d.]+\w+)", done.stdout) or "0ms"),
        errors,
    )


def post_script(body: Any) -> str:
    text = json.dumps(body).replace("'", "\\'")
    return f"wrk.method = 'POST'\nwrk.body = '{text}'\nwrk.headers['Content-Type'] = 'application/json'\n"


def found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


def milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    assert match, text
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[match[2]]


def steady(
    system: System, path: str, *, rate: float, seconds: float, connections: int = 8, body: Any = None
) -> list[float]:
    """Latencies in ms at a fixed rate, each from when its request was due, so that a stall counts in full."""
    start = time.monotonic() + 0.1
    latencies: list[float] = []
    turn = iter(range(int(rate * seconds)))
    lock = threading.Lock()
    method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
    headers = {} if body is None else {"content-type": "application/json"}

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                connection.close()
                return
            due = start + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request(method, system.path + path, text, headers)
            connection.getresponse().read()
            latencies.append(1000 * (time.monotonic() - due))

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def percentiles(latencies: list[float]) -> tuple[float, float, float, float]:
    """The median, the 90th and 99th percentile and the worst of at least two."""
    cuts = statistics.quantiles(latencies, n=100)
    return cuts[49], cuts[89], cuts[98], max(latencies)
