"""The HTTP torture suite against real proxy processes, where it is at hand.

``MTGATE_SHARED`` names the folder that holds ``torture/``; else it is looked for beside the repository. With
``MTGATE_TORTURE=all`` every case runs, those of timeouts and crowds included.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = Path(os.environ.get("MTGATE_SHARED", ROOT.parent / "shared")) / "torture" / "torture.py"
QUICK = "^(request-line|host|framing|chunked|fields|path|hop-by-hop|origin)/"
TIMEOUT_SECONDS = 3

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not SUITE.exists(), reason=f"the torture suite is not at {SUITE}"),
]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """A gateway with short timeouts for tenants foo and bar, served by whoever listens on their sockets."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    names = ("header", "body", "idle", "upstream")
    settings = [f"--set={name}_timeout_seconds={TIMEOUT_SECONDS}" for name in names]
    tenants = [f"--tenant={name}={tmp_path}/{name}.sock" for name in ("foo", "bar")]
    command = [sys.executable, str(ROOT / "bench/gateway/alone.py"), "--listen", address, *tenants, *settings]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        yield address
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_torture(gateway: str, tmp_path: Path) -> None:
    only = [] if os.environ.get("MTGATE_TORTURE") == "all" else ["--only", QUICK]
    command = [sys.executable, str(SUITE), "--target", gateway, "--start-recorders", str(tmp_path), "-v"]
    done = subprocess.run([*command, "--require", "100", *only], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    should = float(done.stdout.rpartition("should ")[2].split()[0])
    assert should >= 95, done.stdout[-4000:]
