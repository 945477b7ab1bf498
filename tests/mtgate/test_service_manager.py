"""What systemd and the daemon say to each other, with a socket of ours in systemd's place."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from mtgate import notify_socket
from mtgate.service_manager import DescriptorStore, feed_watchdog, tell_status, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with notify_socket.listen(path) as listener:
        listener.setblocking(False)
        yield listener


def test_a_descriptor_is_kept_given_back_and_forgotten(manager: socket.socket) -> None:
    store = DescriptorStore.find({"FDSTORE": "1"}, {})
    with socket.socket() as listener:
        store.keep("tenant-foo", listener.fileno())
        store.keep("tenant-bar", listener.fileno())  # there is no room for it
        words, kept, _, _ = socket.recv_fds(manager, 4096, 4)
        assert (words, len(kept)) == (b"FDSTORE=1\nFDNAME=tenant-foo", 1)
        assert os.path.sameopenfile(kept[0], listener.fileno())
    again = DescriptorStore.find({"FDSTORE": "2"}, {"tenant-foo": kept[0], "tenant-old": os.dup(kept[0])})
    assert again.take("tenant-foo") == kept[0]
    assert again.take("tenant-foo") is None
    again.drop_rest()
    assert manager.recv(4096) == b"FDSTOREREMOVE=1\nFDNAME=tenant-old"
    again.drop("tenant-never")
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
    os.close(kept[0])


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_when_the_watchdog_wants_to_hear(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ, 7) == seconds


async def test_words_of_life_and_a_status_after_changes(
    manager: socket.socket, autojump_clock: trio.testing.MockClock
) -> None:
    texts = iter(["1 tenants, 1 active", "2 tenants, 2 active"])
    serial = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_status, lambda: serial, lambda: next(texts))
        await trio.sleep(7)
        serial = 2
        await trio.sleep(7)
        nursery.cancel_scope.cancel()
    assert [manager.recv(99) for _ in range(2)] == [
        b"STATUS=1 tenants, 1 active",
        b"STATUS=2 tenants, 2 active",
    ]
    with trio.move_on_after(2.5):
        await feed_watchdog(1)
    assert [manager.recv(99) for _ in range(3)] == [b"WATCHDOG=1"] * 3
