"""Runs database servers until interrupted: ``python -m tests.servers [mysql] [postgresql] [mongodb]``.

Prints a line of JSON for each: its entry for datasources.json, with ``{database}`` to be filled in.
"""

from __future__ import annotations

import json
import signal
import sys

from tests.servers.kinds import KINDS
from tests.servers.running import RunningServers


def main(kinds: list[str]) -> int:
    if unknown := set(kinds) - set(KINDS):
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    servers = RunningServers.owned()
    try:
        servers.start(kinds)
        for kind in kinds:
            print(json.dumps(servers.get(kind).settings("{database}")), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        servers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(KINDS)))
