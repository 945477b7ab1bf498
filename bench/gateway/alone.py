"""The gateway without a daemon.

Fixed tenants on sockets that somebody else serves. For benchmarks and tests.

python bench/gateway/alone.py --listen 127.0.0.1:9000 --tenant foo=/tmp/foo.sock [--set
header_timeout_seconds=3]…
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from mtgate.proxy.config import TenantLimits  # noqa: E402
from mtgate.proxy.feed import Callbacks, Certificate, ProxyFeed, PublicListener  # noqa: E402
from mtgate.proxy.routing import Route  # noqa: E402


def listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    sock = socket.create_server((host, int(port)), backlog=4096)
    sock.setblocking(False)
    return sock


async def serve(arguments: argparse.Namespace) -> None:
    settings = {name: json.loads(value) for name, _, value in (item.partition("=") for item in arguments.set)}
    limits = {name: json.loads(value) for name, _, value in (item.partition("=") for item in arguments.limit)}
    certificates = [Certificate(Path(arguments.certificate), Path(arguments.key))] if arguments.key else []
    listeners = [PublicListener(listen(address)) for address in arguments.listen]
    listeners += [PublicListener(listen(address), tls=True) for address in arguments.listen_tls]
    callbacks = Callbacks(access=lambda lines: print("\n".join(lines)) if arguments.log else None)
    feed = ProxyFeed(listeners, settings, callbacks, processes=arguments.processes, certificates=certificates)
    tenants = [(name, path) for name, _, path in (item.partition("=") for item in arguments.tenant)]
    tenants += [(f"t{number}", tenants[0][1]) for number in range(arguments.more)]
    for name, path in tenants:
        feed.set(Route(name, path, limits=TenantLimits.from_json(limits)))
    async with trio.open_nursery() as nursery:
        await nursery.start(feed.run)
        print("ready", *feed.pids, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--listen", action="append", default=[])
    parser.add_argument("--listen-tls", action="append", default=[])
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--tenant", action="append", default=[], help="ID=SOCKET")
    parser.add_argument(
        "--more", type=int, default=0, help="so many more tenants t0, t1, … on the first socket"
    )
    parser.add_argument("--set", action="append", default=[], help="a setting of [server], its value as JSON")
    parser.add_argument("--limit", action="append", default=[], help="a limit of every tenant, as JSON")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--log", action="store_true", help="print the access log")
    trio.run(serve, parser.parse_args())


if __name__ == "__main__":
    main()
