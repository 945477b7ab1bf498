"""A tenant's worker against LoopBack 3.28: ``python -m bench.runtime.compare --node-modules DIR``.

The node_modules must hold what ``package.json`` beside this file names. Systems run one at a time under load,
in turns, so that what else the machine does hits all of them; a figure is the median of its rounds. Prints
tables in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.runtime.load import Measured, customer, percentiles, seed, steady, wrk
from bench.runtime.systems import System, behind_mtgate, behind_node_gateway, original, tenant
from tests.servers.running import RunningServers

STORES = ("memory", "sqlite3", "mysql", "mongodb")


@dataclass(frozen=True)
class Load:
    name: str
    path: str
    connections: int
    body: Any = None


def loads(identity: Any) -> list[Load]:
    return [
        Load("by id, c=32", f"/api/Customers/{identity}", 32),
        Load("by id, c=1", f"/api/Customers/{identity}", 1),
        Load(
            "limit 20, c=32",
            "/api/Customers?filter=%7B%22where%22%3A%7B%22city%22%3A%22Paris%22%7D%2C%22limit%22%3A20%7D",
            32,
        ),
        Load("create, c=8", "/api/Customers", 8, customer(1)),
    ]


def compare(store: str, options: argparse.Namespace, servers: RunningServers) -> None:
    with ExitStack() as stack:
        enter = stack.enter_context
        systems = [enter(original(store, servers, options.node_modules)), enter(tenant(store, servers))]
        if options.gateways:
            systems.append(enter(behind_node_gateway(systems[0], options.node_modules)))
            systems.append(enter(behind_mtgate(store, servers)))
        # Each has a store of its own, except that the node gateway is before the first system.
        stores = {system.pids[-1]: system for system in reversed(systems)}
        ids = {pid: seed(system) for pid, system in stores.items()}
        measure(store, systems, [loads(ids[system.pids[-1]]) for system in systems], options)


def measure(
    store: str, systems: list[System], loads_of: list[list[Load]], options: argparse.Namespace
) -> None:
    """In turns, first as much as each can do, then the same rate for all; everybody is warm by then.

    Reading comes first: a store grows by what is created, and memory's reads with it.
    """
    measured: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    latencies: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in zip(*loads_of, strict=True):
        for _ in range(options.rounds):
            for system, load in zip(systems, turn, strict=True):
                found = wrk(
                    system, load.path, connections=load.connections, seconds=options.seconds, body=load.body
                )
                measured[load.name, system.name].append(found)
        if turn[0].connections == 1:
            continue  # the same request as the load before
        for _ in range(options.rounds):
            for system, load in zip(systems, turn, strict=True):
                latencies[load.name.partition(",")[0], system.name] += steady(
                    system, load.path, rate=options.rate, seconds=options.seconds, body=load.body
                )
    show(store, systems, measured)
    show_latencies(latencies, options.rate)
    print("\nMemory after the load, PSS in MiB: ", end="")
    print("; ".join(f"{system.name} {system.memory_mib():.0f}" for system in systems), flush=True)


def show_latencies(latencies: dict[tuple[str, str], list[float]], rate: float) -> None:
    """At equal load, side by side; in ms."""
    print(f"\n| at {rate:g} requests/s | system | p50 ms | p90 ms | p99 ms | worst ms |")
    print("|---|---|---|---|---|---|")
    for (load, system), found in latencies.items():
        print(f"| {load} | {system} | " + " | ".join(f"{one:.1f}" for one in percentiles(found)) + " |")


def show(store: str, systems: list[System], measured: dict[tuple[str, str], list[Measured]]) -> None:
    """Ratios are against the original in the same place: direct, or behind a gateway."""
    print(f"\n### {store}\n")
    print("| load | system | req/s | ratio | CPU µs/req | requests per CPU second, ratio | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for load in dict.fromkeys(name for name, _ in measured):
        for place in range(0, len(systems), 2):
            rounds = [measured[load, system.name] for system in systems[place : place + 2]]
            base = median(rounds[0])
            for system, found in zip(systems[place : place + 2], map(median, rounds), strict=True):
                print(row(load, system.name, found, base))


def row(load: str, name: str, found: Measured, base: Measured) -> str:
    speed = found.requests_per_second / base.requests_per_second
    thrift = base.cpu_us / max(found.cpu_us, 0.001)
    errors = f" ({found.errors} errors)" if found.errors else ""
    return (
        f"| {load} | {name} | {found.requests_per_second:,.0f}{errors} | {speed:.1f} | {found.cpu_us:,.0f} "
        f"| {thrift:.1f} | {found.p50_ms:.1f} | {found.p99_ms:.1f} |"
    )


def median(rounds: list[Measured]) -> Measured:
    def of(name: str) -> float:
        return statistics.median(getattr(one, name) for one in rounds)

    errors = sum(one.errors for one in rounds)
    return Measured(of("requests_per_second"), of("cpu_us"), of("p50_ms"), of("p99_ms"), errors)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.runtime.compare", description=__doc__)
    parser.add_argument("--node-modules", required=True, help="NODE_PATH of the original")
    parser.add_argument("--store", action="append", choices=STORES, default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--gateways", action="store_true", help="also through a gateway, theirs and ours")
    options = parser.parse_args()
    servers = RunningServers.joined()
    try:
        stores = options.store or STORES
        servers.start({"mysql", "mongodb"} & set(stores))
        for store in stores:
            compare(store, options, servers)
    finally:
        servers.close()


if __name__ == "__main__":
    main()
