"""Too few descriptors: in the daemon, in a proxy, at a fork."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.harness import PATIENCE_SECONDS, Gateway, wait_for

pytestmark = pytest.mark.timeout(300)

#: Of the daemon and its proxies; with two of these a proxy uses about twenty.
LIMIT = 96


@contextlib.contextmanager
def few_descriptors(pid: int, spare: int) -> Iterator[None]:
    """A process may open so many more while inside; what it has stays."""
    opened = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    limit = sorted(set(range(len(opened) + spare + 1)) - opened)[spare]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def crowd(family: int, address: object, count: int) -> Iterator[None]:
    """So many clients that connect and say nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket(family))
            client.settimeout(PATIENCE_SECONDS)
            client.connect(address)  # type: ignore[arg-type]
        yield


def test_a_start_without_descriptors_fails_with_the_reason(own_gateway: Gateway) -> None:
    """Fault matrix, row 16."""
    own_gateway.start()
    for id in ("foo", "bar"):
        own_gateway.ctl("add", id)
    assert own_gateway.process is not None
    before = own_gateway.pids("foo")
    with few_descriptors(own_gateway.process.pid, 4):
        errors = own_gateway.ctl("restart", "foo", code=1).errors
        assert "no process could be made" in errors and "Too many open files" in errors
        assert [own_gateway.get(f"/{id}/").status for id in ("foo", "bar")] == [200, 200]
        assert own_gateway.pids("foo") == before
        os.kill(before[0], 9)
        # what the dead worker leaves free may do for its successor, at once: then it is active again
        wait_for("its end is noticed", lambda: own_gateway.pids("foo") != before)
        assert own_gateway.get("/bar/").status == 200
    own_gateway.ctl("start", "foo")  # by itself only when it has not been given up meanwhile
    assert own_gateway.get("/foo/").status == 200


def test_a_zygote_that_dies_when_none_can_be_made_is_replaced_later(own_gateway: Gateway) -> None:
    """Fault matrix, rows 4 and 16."""
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    assert own_gateway.process is not None

    def zygotes() -> list[int]:
        return [int(pid) for pid in re.findall(r"zygote ready, pid (\d+)", own_gateway.log.read_text())]

    [pid] = wait_for("the zygote is warm", zygotes)
    with few_descriptors(own_gateway.process.pid, 1):
        os.kill(pid, 9)
        wait_for("it is said", lambda: "no zygote" in own_gateway.log.read_text())
        assert own_gateway.get("/foo/").status == 200
    wait_for("there is another one", lambda: len(zygotes()) == 2)
    own_gateway.ctl("restart", "foo")


def test_commands_reach_a_daemon_without_descriptors(own_gateway: Gateway) -> None:
    """Fault matrix, row 15: some are kept for the control socket."""
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    assert own_gateway.process is not None
    with few_descriptors(own_gateway.process.pid, 0):
        assert own_gateway.status("foo")["state"] == "active"
        assert own_gateway.get("/foo/").status == 200
    own_gateway.ctl("restart", "foo")


def test_a_proxy_without_descriptors_goes_on_and_recovers(own_gateway: Gateway) -> None:
    """Fault matrix, row 15: what waits in the backlog waits longer, what has a connection is served."""
    own_gateway.wrapper = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"]
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    kept = http.client.HTTPConnection("127.0.0.1", own_gateway.port, timeout=PATIENCE_SECONDS)

    def ask() -> int:
        kept.request("GET", "/foo/")
        answer = kept.getresponse()
        answer.read()
        return answer.status

    assert ask() == 200
    began = time.monotonic()
    with crowd(socket.AF_INET, ("127.0.0.1", own_gateway.port), 3 * LIMIT):
        wait_for("it is said", lambda: "cannot accept connections" in own_gateway.log.read_text())
        assert [ask() for _ in range(20)] == [200] * 20
    assert own_gateway.get("/foo/").status == 200
    said = own_gateway.log.read_text().count("cannot accept connections")
    assert said <= (os.cpu_count() or 1) * (time.monotonic() - began + 1), "one line a second of each process"
    kept.close()
