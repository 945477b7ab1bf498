"""Runs an independent replayer through a real gateway: ``python -m tests.conformance.gateway REPLAYER …``.

The replayer is a program that takes ``--base-url-template``, ``--tenants-dir``, ``--setup-cmd``,
``--teardown-cmd`` and ``--datasource CONNECTOR=JSON``; other options are handed to it as they are. Starts the
database servers and a daemon for the run; the exit status is the replayer's.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.harness import Gateway, new_gateway
from tests.servers.running import RunningServers
from tests.servers.server import PROJECT


def command(replayer: str, gateway: Gateway, servers: RunningServers, options: list[str]) -> list[str]:
    setup = [sys.executable, "-m", "tests.conformance.setup_tenant", "--root", str(gateway.root)]
    words = "{tenant} {dir} {connector} '{databases}'"
    made = [sys.executable, replayer]
    made += ["--base-url-template", f"http://127.0.0.1:{gateway.port}/{{tenant}}"]
    made += ["--tenants-dir", str(gateway.root / "recorded")]
    made += ["--setup-cmd", f"{shlex.join(setup)} up {words}"]
    made += ["--teardown-cmd", f"{shlex.join(setup)} down {words}"]
    for kind in ("mysql", "mongodb"):
        settings = {**servers.get(kind).settings("{database}"), "connectionLimit": 1}
        made += ["--datasource", f"{kind}={json.dumps(settings)}"]
    return made + options


def main(replayer: str, options: list[str]) -> int:
    servers = RunningServers.joined()
    os.environ["PYTHONPATH"] = str(PROJECT)
    try:
        servers.start(["mysql", "mongodb"])
        with new_gateway() as gateway:
            gateway.start()
            run = command(str(Path(replayer).resolve()), gateway, servers, options)
            return subprocess.run(run, cwd=PROJECT, check=False).returncode
    finally:
        servers.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.conformance.gateway REPLAYER [option of the replayer]…")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
