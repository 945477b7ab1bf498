"""Makes and removes one recorded application behind a running gateway.

    python -m tests.conformance.setup_tenant --root ROOT up TENANT DIR CONNECTOR DATABASES
    python -m tests.conformance.setup_tenant --root ROOT down TENANT DIR CONNECTOR DATABASES

``up`` makes the (comma separated) databases, adds the boot scripts of a new application to DIR, and adds
DIR as a tenant with its tables; the words are those of a replayer's set-up command. The database servers
are those of ``python -m tests.servers`` or of a test run, found by MTGATE_TEST_SERVERS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mtctl.cli import main as mtctl
from tests.conformance.scenario import BOOT_SCRIPTS
from tests.servers.running import RunningServers


def up(root: str, tenant: str, folder: Path, connector: str, databases: list[str]) -> int:
    if connector != "memory":
        server = RunningServers.joined().get(connector)
        for name in databases:
            server.drop_database(name)
            server.create_database(name)
    for name, text in BOOT_SCRIPTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    steps = [["add", tenant, "--from", str(folder), "--no-start"], ["start", tenant]]
    if connector != "memory":
        steps.insert(1, ["schema", "reset", tenant, "--yes"])
    return next((code for step in steps if (code := mtctl(["--root", root, *step]))), 0)


def down(root: str, tenant: str, connector: str, databases: list[str]) -> int:
    code = mtctl(["--root", root, "remove", tenant, "--yes"])
    if connector != "memory":
        server = RunningServers.joined().get(connector)
        for name in databases:
            server.drop_database(name)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.setup_tenant", description=__doc__)
    parser.add_argument("--root", required=True, help="the daemon's root")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("tenant")
    parser.add_argument("folder", type=Path)
    parser.add_argument("connector")
    parser.add_argument("databases", type=lambda text: [name for name in text.split(",") if name])
    given = parser.parse_args()
    if given.action == "up":
        return up(given.root, given.tenant, given.folder, given.connector, given.databases)
    return down(given.root, given.tenant, given.connector, given.databases)


if __name__ == "__main__":
    sys.exit(main())
