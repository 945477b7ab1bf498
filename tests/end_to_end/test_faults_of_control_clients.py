"""Clients of the control socket that are slow, greedy or many."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.clients import control
from tests.end_to_end.harness import PATIENCE_SECONDS, Gateway, wait_for

pytestmark = pytest.mark.timeout(300)

GIGABYTE = 1 << 30
#: Sent by a client before it has to be cut: what the kernel holds, and what is read to let an answer arrive.
MOST_BYTES = 64 << 20


@contextlib.contextmanager
def connected(gateway: Gateway) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(gateway.root / "run/control.sock"))
        yield client


@pytest.mark.parametrize("words", [b"", b"GET /v1/tena", b"GET /v1 HTTP/1.1\r\nHost: x\r\n"])
def test_one_that_says_nothing_or_half_is_cut(gateway: Gateway, words: bytes) -> None:
    """Fault matrix, row 29."""
    with connected(gateway) as client:
        client.sendall(words)
        assert control(gateway.root, "GET", "/v1/tenants") == 200
        data = b""
        while piece := client.recv(65536):
            data += piece
        assert data == b"" or data.startswith(b"HTTP/1.1 408 ")


def test_one_that_sends_a_gigabyte_is_cut(gateway: Gateway) -> None:
    """Fault matrix, row 29."""
    head = f"POST /v1/tenants HTTP/1.1\r\nHost: x\r\nContent-Length: {GIGABYTE}\r\n\r\n"
    with connected(gateway) as client:
        client.sendall(head.encode())
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < GIGABYTE:
                sent += client.send(b"x" * 65536)
        assert sent < MOST_BYTES
    assert control(gateway.root, "GET", "/v1/tenants") == 200


def test_one_that_never_reads_is_cut(gateway: Gateway) -> None:
    """Fault matrix, row 29."""
    request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(gateway) as client:
        with pytest.raises(ConnectionError):
            while True:  # until its answers fill what the kernel holds, and it is not waited for any more
                client.sendall(request)
        assert control(gateway.root, "GET", "/v1/tenants") == 200


def test_a_hundred_commands_at_once(gateway: Gateway) -> None:
    """Fault matrix, row 28: each ends in words of its own, and what is left is one of the ends."""
    chance = random.Random(28)
    names = [f"many{number}" for number in range(5)]
    words = ("add", "remove", "start", "stop", "restart")

    def command(name: str, word: str) -> int:
        if word == "add":
            return control(gateway.root, "POST", "/v1/tenants", f'{{"id": "{name}"}}')
        if word == "remove":
            return control(gateway.root, "DELETE", f"/v1/tenants/{name}")
        return control(gateway.root, "POST", f"/v1/tenants/{name}/{word}")

    for name in names:
        command(name, "add")
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(command, chance.choice(names), chance.choice(words)) for _ in range(100)]
        found = {one.result() for one in asked}
    assert found <= {200, 404, 409}

    def settled() -> bool:
        there = {one["id"]: one for one in gateway.ctl("status", "-o", "json").json()}
        ends = {("running", "active", 1), ("stopped", "inactive", 0)}
        return all(
            (one["desired"], one["state"], len(one["pids"])) in ends
            for id, one in there.items()
            if id in names
        ) and all((gateway.tenants / name).exists() == (name in there) for name in names)

    wait_for("all are what was wanted last", settled)
