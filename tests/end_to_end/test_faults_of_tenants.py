"""Tenants that flood, use up, delete or break what they have, and state that somebody has damaged."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.clients import asking
from tests.end_to_end.harness import Gateway, alive, wait_for

pytestmark = pytest.mark.timeout(300)

FLOOD = """import time


def boot(app):
    async def flood(request):
        longest = 0.0
        for number in range(50_000):
            began = time.monotonic()
            print("flood", number)
            longest = max(longest, time.monotonic() - began)
        return {"longest": longest}

    async def devour(request):
        held = [bytearray(1 << 20) for _ in range(4096)]
        return {"held": len(held)}

    app.router.get("/flood", flood)
    app.router.get("/devour", devour)
"""
DEPTH = 2000


def scripted(gateway: Gateway, id: str, **settings: object) -> None:
    gateway.ctl("add", id, "--no-start")
    (gateway.tenants / id / "boot/flood.py").write_text(FLOOD)
    (gateway.tenants / id / "tenant.json").write_text(json.dumps(settings))
    gateway.ctl("start", id)


def test_a_flood_of_output_blocks_nobody(gateway: Gateway) -> None:
    """Fault matrix, row 27: lines are read or dropped, and counted; a neighbour does not notice."""
    scripted(gateway, "flooding")
    gateway.ctl("add", "calm")
    with asking(gateway.port, "/calm/") as load:
        answer = gateway.get("/flooding/flood").json()
    assert load.failures == {} and load.outcomes["200"] > 0
    assert answer["longest"] < 10, "a write waited for its reader"

    def counted() -> bool:
        gateway.get("/flooding/")
        return "lines dropped" in gateway.ctl("logs", "flooding", "-n", "20000").output

    (gateway.tenants / "flooding/boot/flood.py").write_text("def boot(app):\n    print('quiet again')\n")
    gateway.ctl("restart", "flooding")
    wait_for("what was lost is said", counted)


def test_a_tenant_that_devours_memory_meets_its_limit(gateway: Gateway) -> None:
    """Fault matrix, row 37, without control groups: it fails, the daemon and the neighbour do not."""
    scripted(gateway, "greedy", limits={"memory_bytes": 256 << 20})
    gateway.ctl("add", "modest")
    other = gateway.pids("modest")
    assert gateway.get("/greedy/devour").status in (500, 502)
    wait_for("it serves", lambda: gateway.get("/greedy/").status == 200)
    assert gateway.get("/modest/").status == 200
    assert gateway.pids("modest") == other


def test_the_kernel_ends_workers_first_when_memory_runs_out(gateway: Gateway) -> None:
    """Fault matrix, row 37: the kernel's own order, oom_score_adj."""
    scripted(gateway, "first")
    assert gateway.process is not None
    [worker] = gateway.pids("first")
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (gateway.process.pid, worker)]
    assert scores[0] in (-500, 0), "minus 500 needs CAP_SYS_RESOURCE"
    assert scores[1] == 300


@pytest.mark.parametrize("state", ["active", "asleep"])
def test_a_socket_whose_file_was_removed_is_made_anew(gateway: Gateway, state: str) -> None:
    """Fault matrix, row 36."""
    id = f"bare{state}"
    gateway.ctl("add", id)
    before = gateway.pids(id)
    if state == "asleep":
        gateway.ctl("sleep", id)
    [path] = [Path(one["socket"]) for one in gateway.ctl("routes", "-o", "json").json() if one["id"] == id]
    path.unlink()
    wait_for("there is another one", path.is_socket)
    wait_for("it serves", lambda: gateway.get(f"/{id}/").status == 200)
    wait_for("another process serves", lambda: gateway.pids(id) not in ([], before))


def test_a_removal_that_was_cut_off_is_finished(own_gateway: Gateway) -> None:
    """Fault matrix, row 8: a tree of 2,000 levels and a link to another tenant."""
    own_gateway.start()
    for id in ("foo", "bar"):
        own_gateway.ctl("add", id)
    own_gateway.stop()
    folder = own_gateway.tenants / "foo"
    (folder / "other").symlink_to(own_gateway.tenants / "bar")
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("deep", dir_fd=descriptor)
        below = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    own_gateway.environ["MTGATE_CRASH_AT"] = "remove.after-stop"
    own_gateway.start()
    own_gateway.ctl("remove", "foo", "--yes", code=None)
    assert own_gateway.process is not None
    assert own_gateway.process.wait() == -signal.SIGKILL
    assert folder.exists()
    del own_gateway.environ["MTGATE_CRASH_AT"]
    own_gateway.start()
    assert not folder.exists()
    assert [one["id"] for one in own_gateway.ctl("status", "-o", "json").json()] == ["bar"]
    wait_for("the other serves", lambda: own_gateway.get("/bar/").status == 200)
    own_gateway.ctl("remove", "foo", "--yes", code=5)


def test_damaged_state_is_named_and_one_broken_tenant_is_its_own_trouble(own_gateway: Gateway) -> None:
    """Fault matrix, rows 17 and 18."""
    own_gateway.start()
    for id in ("foo", "bar"):
        own_gateway.ctl("add", id)
    own_gateway.stop()
    state = own_gateway.root / "state/tenants.json"
    state.write_text(damaged := state.read_text().replace('"foo"', "foo"))
    errors = own_gateway.gate("--foreground", code=78).errors
    assert f"{state}:4: " in errors and "Put back" in errors and "Traceback" not in errors
    assert state.read_text() == damaged
    Path(f"{state}.previous").rename(state)
    broken = own_gateway.tenants / "foo/datasources.json"
    broken.write_text('{\n  "db": {,}\n}\n')
    own_gateway.start()
    wait_for("bar serves", lambda: own_gateway.get("/bar/").status == 200)
    wait_for("foo is given up", lambda: own_gateway.status("foo")["state"] == "failed")
    assert "datasources.json:2" in own_gateway.status("foo")["reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="user ids of their own need root")
def test_user_ids_are_never_used_again_and_can_run_out(own_gateway: Gateway) -> None:
    """Fault matrix, row 38."""
    own_gateway.environ["MTGATE_SUPERVISOR_UID_COUNT"] = "3"
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    first = (own_gateway.tenants / "foo").stat().st_uid
    (own_gateway.tenants / "foo/mine").write_text("mine")
    [pid] = own_gateway.pids("foo")
    own_gateway.ctl("remove", "foo", "--yes")
    assert not alive(pid)
    own_gateway.ctl("add", "foo")
    assert (own_gateway.tenants / "foo").stat().st_uid == first + 1
    assert not (own_gateway.tenants / "foo/mine").exists()
    errors = own_gateway.ctl("add", "bar", code=1).errors
    assert "no user id is left for tenant bar" in errors and "uid_count" in errors
    assert own_gateway.get("/foo/").status == 200
    own_gateway.ctl("restart", "foo")
