"""A wall clock that jumps, and a machine that sleeps."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clients import asking
from tests.end_to_end.harness import Gateway, wait_for

pytestmark = pytest.mark.timeout(300)

HOUR = 3600
#: Longer than any limit of the tenant, shorter than the jumps.
IDLE_SECONDS = 1800
WATCHDOG_SECONDS = 3
ASLEEP_SECONDS = 8
COMPILER = shutil.which("cc") or shutil.which("gcc")


@pytest.fixture
def clock(own_gateway: Gateway) -> Iterator[Path]:
    """The file that moves the daemon's wall clock by so many seconds."""
    if COMPILER is None:
        pytest.skip("no C compiler for the clock that is preloaded")
    library, moved = own_gateway.root / "clock.so", own_gateway.root / "clock"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    move(moved, 0)
    own_gateway.environ |= {"LD_PRELOAD": str(library), "TEST_CLOCK": str(moved)}
    own_gateway.start()
    for name in ("LD_PRELOAD", "TEST_CLOCK"):  # for the daemon and its proxies alone
        del own_gateway.environ[name]
    yield moved


def move(clock: Path, seconds: int) -> None:
    with open(clock, "r+b" if clock.exists() else "wb") as file:
        file.write(struct.pack("q", seconds))


def test_a_clock_that_jumps_fires_nothing(own_gateway: Gateway, clock: Path) -> None:
    """Fault matrix, row 22: an hour forward, back, and to 1970, under load."""
    own_gateway.ctl("add", "foo", "--no-start")
    settings = {"idle_timeout_seconds": IDLE_SECONDS, "watchdog_seconds": 60}
    (own_gateway.tenants / "foo/tenant.json").write_text(json.dumps(settings))
    own_gateway.ctl("start", "foo")
    before = own_gateway.pids("foo")
    with asking(own_gateway.port, "/foo/") as load:
        for number, seconds in enumerate((HOUR, -HOUR, -int(time.time()) + 60)):
            move(clock, seconds)
            served = load.outcomes["200"]
            wait_for("clients are served", lambda served=served: load.outcomes["200"] > served + 100)
            id = f"new{number}"
            shutil.copytree(own_gateway.tenants / "foo", own_gateway.tenants / id)
            wait_for("a new folder is taken up", lambda id=id: own_gateway.get(f"/{id}/").status == 200)
            os.kill(own_gateway.pids(id)[0], signal.SIGKILL)
            wait_for("it is back", lambda id=id: own_gateway.get(f"/{id}/").status == 200)
    assert load.failures == {}
    one = own_gateway.status("foo")
    assert (one["state"], one["pids"], one["restarts"]) == ("active", before, 0)
    said = [
        json.loads(line)["time"][:4]
        for line in own_gateway.ctl("logs", "new2", "-o", "json").output.splitlines()
    ]
    assert "1970" in said, "the clock did not jump"
    assert len(list((own_gateway.root / "log").rglob("*.log.1"))) == 0, "a log was rotated"


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(FileNotFoundError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def test_a_machine_that_sleeps_kills_no_worker(own_gateway: Gateway) -> None:
    """Fault matrix, row 23: everything stops for longer than the watchdog and the probe allow."""
    own_gateway.start()
    own_gateway.ctl("add", "foo", "--no-start")
    probe = {"path": "/", "interval_seconds": 1, "timeout_seconds": 2, "failures": 2}
    settings = {"watchdog_seconds": WATCHDOG_SECONDS, "probe": probe}
    (own_gateway.tenants / "foo/tenant.json").write_text(json.dumps(settings))
    own_gateway.ctl("start", "foo")
    before = own_gateway.pids("foo")
    assert own_gateway.process is not None
    everybody = family(own_gateway.process.pid)
    assert set(before) < set(everybody)
    for number, pause in ((signal.SIGSTOP, ASLEEP_SECONDS), (signal.SIGCONT, 2 * WATCHDOG_SECONDS)):
        for pid in everybody:
            os.kill(pid, number)
        time.sleep(pause)  # the pause itself is what is tested
    assert own_gateway.get("/foo/").status == 200
    one = own_gateway.status("foo")
    assert (one["state"], one["pids"], one["restarts"]) == ("active", before, 0)
